//! Figures of a run.

use std::collections::HashMap;

use kubewise_audit::{Category, Framework, Report};
use kubewise_contract::{AuditSummary, BySeverity, NotAssessable, Share};

use super::{engine::Judged, rules};

/// Namespaces and applications that are kept.
const MOST: usize = 100;

/// Adds up what a report found.
pub(super) fn summary(report: &Report, namespaces: &[&str], judged: &[Judged]) -> AuditSummary {
    let (mut by_namespace, mut by_application, mut by_rule) = (HashMap::new(), HashMap::new(), HashMap::new());
    let mut by_category: HashMap<Category, BySeverity> = HashMap::new();
    let mut by_framework: HashMap<Framework, BySeverity> = HashMap::new();
    for finding in &report.findings {
        let severity = rules::severity(finding.severity);
        let object = finding.object as usize;
        let count = |map: &mut HashMap<String, BySeverity>, name: &str| {
            map.entry(name.to_owned()).or_default().add(severity);
        };
        count(&mut by_rule, finding.rule.id);
        if !namespaces[object].is_empty() {
            count(&mut by_namespace, namespaces[object]);
        }
        if let Some(application) = &judged[object].application {
            count(&mut by_application, application);
        }
        for category in finding.rule.categories {
            by_category.entry(*category).or_default().add(severity);
        }
        let mut frameworks: Vec<Framework> = finding.rule.controls.iter().map(|(framework, _)| *framework).collect();
        frameworks.sort_unstable();
        frameworks.dedup();
        for framework in frameworks {
            by_framework.entry(framework).or_default().add(severity);
        }
    }
    // Those without a finding are shown too, when a rule of theirs was judged: nothing found is an answer.
    let judged_rules = || report.tallies.iter().map(|tally| tally.rule);
    let categories = Category::ALL.iter().filter(|c| judged_rules().any(|rule| rule.categories.contains(c)));
    let frameworks =
        Framework::ALL.iter().filter(|f| judged_rules().any(|rule| rule.controls.iter().any(|(of, _)| of == *f)));
    AuditSummary {
        categories: categories
            .map(|c| share(c.as_str(), c.title(), by_category.remove(c).unwrap_or_default()))
            .collect(),
        frameworks: frameworks
            .map(|f| share(f.as_str(), f.title(), by_framework.remove(f).unwrap_or_default()))
            .collect(),
        namespaces: worst(by_namespace, str::to_owned),
        applications: worst(by_application, str::to_owned),
        rules: worst(by_rule, rules::title),
        not_assessable: report
            .not_assessable
            .iter()
            .map(|one| NotAssessable {
                rule: one.rule.to_owned(),
                title: rules::title(one.rule),
                reason: one.reason.clone(),
                objects: i64::from(one.objects),
            })
            .collect(),
        judged_rules: i64::try_from(report.tallies.len()).unwrap_or(i64::MAX),
    }
}

fn share(name: &str, title: &str, findings: BySeverity) -> Share {
    Share { name: name.to_owned(), title: title.to_owned(), findings }
}

fn worst(counts: HashMap<String, BySeverity>, title: impl Fn(&str) -> String) -> Vec<Share> {
    let mut shares: Vec<Share> =
        counts.into_iter().map(|(name, findings)| Share { title: title(&name), name, findings }).collect();
    shares.sort_by(|a, b| {
        let weight =
            |s: &Share| [s.findings.critical, s.findings.high, s.findings.medium, s.findings.low, s.findings.info];
        weight(b).cmp(&weight(a)).then_with(|| a.name.cmp(&b.name))
    });
    shares.truncate(MOST);
    shares
}
