//! An audit: every rule over every object that it is about, in parallel, with the same answer every time.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasherDefault, Hasher},
};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::{
    inventory::Inventory,
    object::{Container, Kind, Object},
    options::Options,
    out::{Finding, Fingerprint, Out},
    rule::{Check, Rule, Severity},
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
    let plan = Plan::new(inventory, options, rules);
    let together = plan.of_all.par_iter().map(|index| plan.judge_together(*index));
    let alone = inventory.objects().par_chunks(CHUNK).map(|objects| plan.judge(objects));
    let (together, alone): (Vec<Part>, Vec<Part>) = rayon::join(|| together.collect(), || alone.collect());
    report(&plan, together, alone)
}

/// Which rules are judged for what.
struct Plan<'a> {
    inventory: &'a Inventory,
    options: &'a Options,
    rules: Vec<&'static Rule>,
    severities: Vec<Severity>,
    /// Rules by the kind that they are about.
    by_kind: Vec<Vec<usize>>,
    /// Those of pods and of containers.
    of_pods: Vec<usize>,
    /// Those of all objects together.
    of_all: Vec<usize>,
}

impl<'a> Plan<'a> {
    fn new(inventory: &'a Inventory, options: &'a Options, rules: Vec<&'static Rule>) -> Self {
        let severities = rules.iter().map(|rule| options.severity(rule)).collect();
        let mut by_kind = vec![Vec::new(); Kind::COUNT];
        let (mut of_pods, mut of_all) = (Vec::new(), Vec::new());
        for (index, rule) in rules.iter().enumerate() {
            match rule.check {
                Check::Pod(_) | Check::Container(_) => of_pods.push(index),
                Check::Object(kinds, _) => kinds.iter().for_each(|kind| by_kind[*kind as usize].push(index)),
                Check::Inventory(..) => of_all.push(index),
            }
        }
        Self { inventory, options, rules, severities, by_kind, of_pods, of_all }
    }

    fn judge(&self, objects: &[Object]) -> Part {
        let mut part = Part::new(self.rules.len());
        let Some(first) = self.rules.first() else { return part };
        let mut out = Out::new(self.inventory, self.options, first);
        for object in objects {
            for index in &self.by_kind[object.kind as usize] {
                out.turn_to(self.rules[*index], self.severities[*index]);
                if let Check::Object(_, check) = self.rules[*index].check {
                    check(object, &mut out);
                }
                part.add(*index, &mut out);
            }
            let Some(pod) = object.pod().filter(|_| !object.is_made) else { continue };
            // Found once, not by each rule.
            let containers: Vec<Container<'_>> = pod.containers().collect();
            for index in &self.of_pods {
                out.turn_to(self.rules[*index], self.severities[*index]);
                match self.rules[*index].check {
                    Check::Pod(check) => check(pod, &mut out),
                    Check::Container(check) => containers.iter().for_each(|container| check(*container, &mut out)),
                    Check::Object(..) | Check::Inventory(..) => {}
                }
                part.add(*index, &mut out);
            }
        }
        part.findings.sort_by_key(|(order, _)| *order);
        part
    }

    fn judge_together(&self, index: usize) -> Part {
        let mut part = Part::new(self.rules.len());
        let Check::Inventory(kinds, check) = self.rules[index].check else { return part };
        let about: usize = kinds.iter().map(|kind| self.inventory.of(*kind).len()).sum();
        if about == 0 {
            return part;
        }
        let mut out = Out::new(self.inventory, self.options, self.rules[index]);
        check(&mut out);
        let mut failed: Vec<u32> = out.findings.iter().map(|finding| finding.object).collect();
        failed.sort_unstable();
        failed.dedup();
        let failed = number(failed.len());
        if (out.unknown.is_empty() && !out.is_skipped) || failed > 0 {
            part.counts[index] = (number(about).max(failed), failed);
        }
        part.say(index, &mut out, number(about));
        part
    }
}

/// What was found in some of the objects.
struct Part {
    /// With the order they are told in: see [`order`].
    findings: Vec<(u64, Finding)>,
    unknown: HashMap<(usize, String), u32>,
    /// Judged and failed, by rule.
    counts: Vec<(u32, u32)>,
}

/// Worst first, then as objects were given, then by rule. There are far fewer than 2^29 rules.
const fn order(rule: usize, finding: &Finding) -> u64 {
    let best = Severity::Critical as u64 - finding.severity as u64;
    (best << 61) | ((finding.object as u64) << 29) | rule as u64
}

impl Part {
    fn new(rules: usize) -> Self {
        Self { findings: Vec::new(), unknown: HashMap::new(), counts: vec![(0, 0); rules] }
    }

    /// What a rule said of one object.
    fn add(&mut self, index: usize, out: &mut Out<'_>) {
        let counts = &mut self.counts[index];
        if out.findings.is_empty() && out.unknown.is_empty() {
            counts.0 += u32::from(!out.is_skipped);
            return;
        }
        let has_failed = !out.findings.is_empty();
        counts.0 += u32::from((out.unknown.is_empty() && !out.is_skipped) || has_failed);
        counts.1 += u32::from(has_failed);
        self.say(index, out, 1);
    }

    fn say(&mut self, index: usize, out: &mut Out<'_>, objects: u32) {
        // A rule's findings in one object are all said at once, so that no later sort has to look at their places.
        out.findings.sort_by(|a, b| {
            a.object.cmp(&b.object).then_with(|| a.key.cmp(&b.key)).then_with(|| a.message.cmp(&b.message))
        });
        let inventory = out.inventory();
        self.findings.extend(out.findings.drain(..).map(|mut finding| {
            finding.fingerprint = fingerprint(inventory.object(finding.object), &finding, 0);
            (order(index, &finding), finding)
        }));
        out.unknown.sort_unstable();
        out.unknown.dedup();
        for reason in out.unknown.drain(..) {
            *self.unknown.entry((index, reason)).or_default() += objects;
        }
    }
}

/// Puts together what was found in all objects together, by rule, and in each alone, in the order of the objects.
fn report(plan: &Plan<'_>, together: Vec<Part>, alone: Vec<Part>) -> Report {
    let mut unknown: BTreeMap<(usize, String), u32> = BTreeMap::new();
    let mut counts = vec![(0, 0); plan.rules.len()];
    let mut count = |part: &mut Part| {
        for (key, objects) in part.unknown.drain() {
            *unknown.entry(key).or_default() += objects;
        }
        for (all, (judged, failed)) in counts.iter_mut().zip(&part.counts) {
            all.0 += judged;
            all.1 += failed;
        }
        std::mem::take(&mut part.findings)
    };
    let mut of_all: Vec<(u64, Finding)> = together.into_iter().flat_map(|mut part| count(&mut part)).collect();
    of_all.sort_by_key(|(order, _)| *order);
    let mut of_one: Vec<_> = alone.into_iter().map(|mut part| count(&mut part).into_iter().peekable()).collect();

    // Each part is sorted, and the parts are in the order of their objects: by severity, one after the other.
    let all = of_all.len() + of_one.iter().map(ExactSizeIterator::len).sum::<usize>();
    let mut findings: Vec<Finding> = Vec::with_capacity(all);
    let mut of_all = of_all.into_iter().peekable();
    for severity in Severity::ALL.iter().rev() {
        for part in &mut of_one {
            while let Some((order, finding)) = part.next_if(|(_, finding)| finding.severity == *severity) {
                while let Some((_, before)) = of_all.next_if(|(other, _)| *other < order) {
                    findings.push(before);
                }
                findings.push(finding);
            }
        }
    }
    findings.extend(of_all.map(|(_, finding)| finding));
    tell_apart(&mut findings, plan.inventory);
    Report {
        findings,
        not_assessable: unknown
            .into_iter()
            .map(|((rule, reason), objects)| NotAssessable { rule: plan.rules[rule].id, reason, objects })
            .collect(),
        tallies: (plan.rules.iter().zip(counts))
            .filter(|(_, (judged, _))| *judged > 0)
            .map(|(rule, (judged, failed))| Tally { rule, judged, failed })
            .collect(),
    }
}

/// The same place may be found by a rule twice: two containers without a name, an object that is given twice.
fn tell_apart(findings: &mut [Finding], inventory: &Inventory) {
    let mut seen: HashMap<Fingerprint, u32, BuildHasherDefault<FirstBytes>> = HashMap::default();
    seen.reserve(findings.len());
    for finding in findings {
        let times = seen.entry(finding.fingerprint).or_default();
        *times += 1;
        if *times > 1 {
            finding.fingerprint = fingerprint(inventory.object(finding.object), finding, *times);
        }
    }
}

/// Of what is a hash already.
#[derive(Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    /// The length of the array, which is always the same.
    fn write_usize(&mut self, _length: usize) {}
}

/// Over the rule, the object by its group, kind, namespace and name, and the place; not over its version, its uid, its
/// line or what is found there, which change while the fault stays.
fn fingerprint(object: &Object, finding: &Finding, times: u32) -> Fingerprint {
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
