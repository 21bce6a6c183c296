//! The catalogue of rules, for people.

use kubewise_audit::{Category, Framework, Rule};
use kubewise_contract::{Control, RuleText, Severity};

/// A severity as the browser knows it.
pub(super) const fn severity(severity: kubewise_audit::Severity) -> Severity {
    match severity {
        kubewise_audit::Severity::Info => Severity::Info,
        kubewise_audit::Severity::Low => Severity::Low,
        kubewise_audit::Severity::Medium => Severity::Medium,
        kubewise_audit::Severity::High => Severity::High,
        kubewise_audit::Severity::Critical => Severity::Critical,
    }
}

/// A severity as the engine knows it.
pub(super) const fn of_engine(severity: Severity) -> kubewise_audit::Severity {
    match severity {
        Severity::Info => kubewise_audit::Severity::Info,
        Severity::Low => kubewise_audit::Severity::Low,
        Severity::Medium => kubewise_audit::Severity::Medium,
        Severity::High => kubewise_audit::Severity::High,
        Severity::Critical => kubewise_audit::Severity::Critical,
    }
}

/// A rule's title, or its id when this version no longer has it.
pub(super) fn title(id: &str) -> String {
    kubewise_audit::rules::find(id).map_or(id, |rule| rule.title).to_owned()
}

/// A rule as people read it; of one that this version no longer has, its id.
pub(super) fn text(id: &str) -> RuleText {
    let Some(rule) = kubewise_audit::rules::find(id) else {
        return RuleText {
            id: id.to_owned(),
            title: id.to_owned(),
            why: String::new(),
            fix: String::new(),
            categories: Vec::new(),
            controls: Vec::new(),
            references: Vec::new(),
        };
    };
    let controls = rule.controls.iter().map(|(framework, control)| Control {
        framework: framework.title().to_owned(),
        control: (*control).to_owned(),
    });
    RuleText {
        id: rule.id.to_owned(),
        title: rule.title.to_owned(),
        why: rule.why.to_owned(),
        fix: rule.fix.to_owned(),
        categories: rule.categories.iter().map(|category| category.title().to_owned()).collect(),
        controls: controls.collect(),
        references: rule.references.iter().map(|reference| (*reference).to_owned()).collect(),
    }
}

/// The ids of the rules of a category and a framework; none when neither is asked for. What is not known has no rules.
pub(super) fn chosen(category: Option<&str>, framework: Option<&str>) -> Option<Vec<String>> {
    if category.is_none() && framework.is_none() {
        return None;
    }
    let category = category.map(str::parse::<Category>);
    let framework = framework.map(str::parse::<Framework>);
    let is_chosen = |rule: &Rule| {
        let of_category = match &category {
            None => true,
            Some(category) => category.as_ref().is_ok_and(|category| rule.categories.contains(category)),
        };
        let of_framework = match &framework {
            None => true,
            Some(framework) => {
                framework.as_ref().is_ok_and(|framework| rule.controls.iter().any(|(of, _)| of == framework))
            }
        };
        of_category && of_framework
    };
    Some(kubewise_audit::rules::all().filter(|rule| is_chosen(rule)).map(|rule| rule.id.to_owned()).collect())
}
