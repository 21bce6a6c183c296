//! An audit: every rule over every object that it is about, in parallel, with the same answer every time.

use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::{
    inventory::Inventory,
    object::{Kind, Object},
    options::Options,
    out::{Finding, Out},
    rule::{Check, Rule},
    rules,
};

/// What an audit found.
#[derive(Debug, Default)]
pub struct Report {
    /// By severity, worst first; then as objects were given, then by rule and place.
    pub findings: Vec<Finding>,
    /// Rules that could not be judged for some objects, by rule and reason.
    pub not_assessable: Vec<NotAssessable>,
    /// For each rule that was judged for anything, in the order of the catalogue.
    pub tallies: Vec<Tally>,
}

/// A rule that could not be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAssessable {
    /// The rule's id.
    pub rule: &'static str,
    /// Why.
    pub reason: String,
    /// For how many objects.
    pub objects: u32,
}

/// How often a rule was judged.
#[derive(Clone, Debug)]
pub struct Tally {
    /// The rule.
    pub rule: &'static Rule,
    /// Objects that it was judged for.
    pub judged: u32,
    /// Those of them with a finding.
    pub failed: u32,
}

/// Objects that one task judges: enough that handing it out costs nothing.
const CHUNK: usize = 256;

/// Judges every object by the rules of the catalogue.
pub fn audit(inventory: &Inventory, options: &Options) -> Report {
    audit_by(inventory, options, rules::all())
}

/// Judges every object by these rules.
pub fn audit_by(inventory: &Inventory, options: &Options, rules: impl IntoIterator<Item = &'static Rule>) -> Report {
    let rules: Vec<&'static Rule> =
        rules.into_iter().filter(|rule| options.judges(rule) && options.version >= rule.since).collect();
    let mut by_kind: Vec<Vec<usize>> = vec![Vec::new(); Kind::COUNT];
    let mut of_pods = Vec::new();
    let mut of_all = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        match rule.check {
            Check::Pod(_) | Check::Container(_) => of_pods.push(index),
            Check::Object(kinds, _) => kinds.iter().for_each(|kind| by_kind[*kind as usize].push(index)),
            Check::Inventory(..) => of_all.push(index),
        }
    }
    let together = of_all.par_iter().map(|index| judge_together(inventory, options, &rules, *index));
    let alone = inventory.objects().par_chunks(CHUNK).map(|objects| {
        let mut part = Part::new(rules.len());
        for object in objects {
            for index in &by_kind[object.kind as usize] {
                let mut out = Out::new(inventory, options, rules[*index]);
                if let Check::Object(_, check) = rules[*index].check {
                    check(object, &mut out);
                }
                part.add(*index, out);
            }
            let Some(pod) = object.pod().filter(|_| !object.is_made) else { continue };
            for index in &of_pods {
                let mut out = Out::new(inventory, options, rules[*index]);
                match rules[*index].check {
                    Check::Pod(check) => check(pod, &mut out),
                    Check::Container(check) => pod.containers().for_each(|container| check(container, &mut out)),
                    Check::Object(..) | Check::Inventory(..) => {}
                }
                part.add(*index, out);
            }
        }
        part
    });
    let parts: Vec<Part> = together.chain(alone).collect();
    parts.into_iter().fold(Part::new(rules.len()), Part::and).report(inventory, &rules)
}

fn judge_together(inventory: &Inventory, options: &Options, rules: &[&'static Rule], index: usize) -> Part {
    let mut part = Part::new(rules.len());
    let Check::Inventory(kinds, check) = rules[index].check else { return part };
    let about: usize = kinds.iter().map(|kind| inventory.of(*kind).len()).sum();
    if about == 0 {
        return part;
    }
    let mut out = Out::new(inventory, options, rules[index]);
    check(&mut out);
    let mut failed: Vec<u32> = out.findings.iter().map(|finding| finding.object).collect();
    failed.sort_unstable();
    failed.dedup();
    let failed = number(failed.len());
    if (out.unknown.is_empty() && !out.is_skipped) || failed > 0 {
        part.counts[index] = (number(about).max(failed), failed);
    }
    part.say(index, out, number(about));
    part
}

/// What was found in some of the objects.
struct Part {
    findings: Vec<(usize, Finding)>,
    unknown: HashMap<(usize, String), u32>,
    /// Judged and failed, by rule.
    counts: Vec<(u32, u32)>,
}

impl Part {
    fn new(rules: usize) -> Self {
        Self { findings: Vec::new(), unknown: HashMap::new(), counts: vec![(0, 0); rules] }
    }

    /// What a rule said of one object.
    fn add(&mut self, index: usize, out: Out<'_>) {
        let is_judged = (out.unknown.is_empty() && !out.is_skipped) || !out.findings.is_empty();
        let counts = &mut self.counts[index];
        counts.0 += u32::from(is_judged);
        counts.1 += u32::from(!out.findings.is_empty());
        self.say(index, out, 1);
    }

    fn say(&mut self, index: usize, out: Out<'_>, objects: u32) {
        self.findings.extend(out.findings.into_iter().map(|finding| (index, finding)));
        let mut reasons = out.unknown;
        reasons.sort_unstable();
        reasons.dedup();
        for reason in reasons {
            *self.unknown.entry((index, reason)).or_default() += objects;
        }
    }

    fn and(mut self, other: Self) -> Self {
        self.findings.extend(other.findings);
        for (key, objects) in other.unknown {
            *self.unknown.entry(key).or_default() += objects;
        }
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts) {
            mine.0 += theirs.0;
            mine.1 += theirs.1;
        }
        self
    }

    fn report(mut self, inventory: &Inventory, rules: &[&'static Rule]) -> Report {
        self.findings.par_sort_by(|(rule, a), (other, b)| {
            let by_place = || a.key.cmp(&b.key).then_with(|| a.message.cmp(&b.message));
            b.severity.cmp(&a.severity).then(a.object.cmp(&b.object)).then(rule.cmp(other)).then_with(by_place)
        });
        let mut findings: Vec<Finding> = self.findings.into_iter().map(|(_, finding)| finding).collect();
        findings.par_iter_mut().for_each(|finding| {
            finding.fingerprint = fingerprint(inventory.object(finding.object), finding, 0);
        });
        tell_apart(&mut findings, inventory);
        let unknown: BTreeMap<_, _> = self.unknown.into_iter().collect();
        Report {
            findings,
            not_assessable: unknown
                .into_iter()
                .map(|((rule, reason), objects)| NotAssessable { rule: rules[rule].id, reason, objects })
                .collect(),
            tallies: (rules.iter().zip(self.counts))
                .filter(|(_, (judged, _))| *judged > 0)
                .map(|(rule, (judged, failed))| Tally { rule, judged, failed })
                .collect(),
        }
    }
}

/// The same place may be found by a rule twice: two containers without a name, an object that is given twice.
fn tell_apart(findings: &mut [Finding], inventory: &Inventory) {
    let mut seen: HashMap<[u8; 16], u32> = HashMap::with_capacity(findings.len());
    for finding in findings {
        let times = seen.entry(finding.fingerprint).or_default();
        *times += 1;
        if *times > 1 {
            finding.fingerprint = fingerprint(inventory.object(finding.object), finding, *times);
        }
    }
}

/// Over the rule, the object by its group, kind, namespace and name, and the place; not over its version, its uid, its
/// line or what is found there, which change while the fault stays.
fn fingerprint(object: &Object, finding: &Finding, times: u32) -> [u8; 16] {
    let mut digest = Sha256::new();
    for part in [finding.rule.id, object.group(), &object.kind_name, &object.namespace, &object.name, &finding.key] {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part.as_bytes());
    }
    digest.update(times.to_le_bytes());
    let mut fingerprint = [0; 16];
    fingerprint.copy_from_slice(&digest.finalize()[..16]);
    fingerprint
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
