//! An audit: every rule over every object that it is about, in parallel, with the same answer every time.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasherDefault, Hasher},
};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::{
    inventory::Inventory,
    object::{Container, Kind, Object, Pod},
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

/// Objects that one task judges: enough that handing it out costs nothing, few enough that no processor waits for another.
const FEWEST: usize = 8;
const MOST: usize = 256;
/// Tasks that there are as long as these bounds allow.
const TASKS: usize = 64;

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
    let chunk = (inventory.objects().len() / TASKS).clamp(FEWEST, MOST);
    let alone = inventory.objects().par_chunks(chunk).map(|objects| plan.judge(objects));
    let (together, alone): (Vec<Part>, Vec<Part>) = rayon::join(|| together.collect(), || alone.collect());
    report(&plan, together, alone)
}

/// Which rules are judged for what.
struct Plan<'a> {
    inventory: &'a Inventory,
    options: &'a Options,
    rules: Vec<&'static Rule>,
    severities: Vec<Severity>,
    /// Rules by the kind that they are about, with those of the pods in it.
    by_kind: Vec<Vec<u16>>,
    /// Those of all objects together.
    of_all: Vec<u16>,
}

impl<'a> Plan<'a> {
    fn new(inventory: &'a Inventory, options: &'a Options, rules: Vec<&'static Rule>) -> Self {
        let severities = rules.iter().map(|rule| options.severity(rule)).collect();
        let mut by_kind = vec![Vec::new(); Kind::COUNT];
        let mut of_all = Vec::new();
        for (index, rule) in (0_u16..).zip(&rules) {
            match rule.check {
                // Others may make pods too.
                Check::Pod(_) | Check::Container(_) => {
                    let kinds = Kind::WITH_PODS.iter().chain([&Kind::Other]);
                    kinds.for_each(|kind| by_kind[*kind as usize].push(index));
                }
                Check::Object(kinds, _) => kinds.iter().for_each(|kind| by_kind[*kind as usize].push(index)),
                Check::Inventory(..) => of_all.push(index),
            }
        }
        Self { inventory, options, rules, severities, by_kind, of_all }
    }

    fn judge(&self, objects: &'a [Object]) -> Part {
        let mut part = Part::new(self.rules.len());
        let Some(first) = self.rules.first() else { return part };
        let mut out = Out::new(self.inventory, self.options, first);
        // Found once, not by each rule.
        let mut containers: Vec<Container<'a>> = Vec::new();
        for object in objects {
            let pod = object.pod().filter(|_| !object.is_made);
            out.forget();
            containers.clear();
            containers.extend(pod.into_iter().flat_map(Pod::containers));
            for index in &self.by_kind[object.kind as usize] {
                let rule = self.rules[*index as usize];
                out.turn_to(rule, self.severities[*index as usize], *index);
                match (rule.check, pod) {
                    (Check::Object(_, check), _) => check(object, &mut out),
                    (Check::Pod(check), Some(pod)) => check(pod, &mut out),
                    (Check::Container(check), Some(_)) => {
                        for container in &containers {
                            check(*container, &mut out);
                        }
                    }
                    _ => continue,
                }
                part.add(*index, &mut out);
            }
        }
        part
    }

    fn judge_together(&self, index: u16) -> Part {
        let mut part = Part::new(self.rules.len());
        let rule = self.rules[index as usize];
        let Check::Inventory(kinds, check) = rule.check else { return part };
        let about: usize = kinds.iter().map(|kind| self.inventory.of(*kind).len()).sum();
        if about == 0 {
            return part;
        }
        let mut out = Out::new(self.inventory, self.options, rule);
        out.turn_to(rule, self.severities[index as usize], index);
        check(&mut out);
        let mut failed: Vec<u32> = out.findings.iter().map(|(_, finding)| finding.object).collect();
        failed.sort_unstable();
        failed.dedup();
        let failed = number(failed.len());
        if (out.unknown.is_empty() && !out.is_skipped) || failed > 0 {
            part.counts[index as usize] = (number(about).max(failed), failed);
        }
        part.say(index, &mut out, number(about));
        part
    }
}

const SEVERITIES: usize = Severity::ALL.len();

/// What was found in some of the objects.
struct Part {
    /// By severity, least first; each in the order of the objects, then of the rules.
    findings: [Vec<Finding>; SEVERITIES],
    unknown: HashMap<(u16, String), u32>,
    /// Judged and failed, by rule.
    counts: Vec<(u32, u32)>,
    of_object: OfObject,
}

impl Part {
    fn new(rules: usize) -> Self {
        Self {
            findings: Default::default(),
            unknown: HashMap::new(),
            counts: vec![(0, 0); rules],
            of_object: OfObject::default(),
        }
    }

    /// What a rule said of one object.
    fn add(&mut self, index: u16, out: &mut Out<'_>) {
        let counts = &mut self.counts[index as usize];
        if out.findings.is_empty() && out.unknown.is_empty() {
            counts.0 += u32::from(!out.is_skipped);
            return;
        }
        let has_failed = !out.findings.is_empty();
        counts.0 += u32::from((out.unknown.is_empty() && !out.is_skipped) || has_failed);
        counts.1 += u32::from(has_failed);
        self.say(index, out, 1);
    }

    fn say(&mut self, index: u16, out: &mut Out<'_>, objects: u32) {
        fn key((key, finding): &(Option<Box<str>>, Finding)) -> (u32, &str, &str) {
            (finding.object, key.as_deref().unwrap_or(&finding.path), &finding.message)
        }
        // A rule's findings in one object are all said at once, so that no later sort has to look at their places.
        if out.findings.len() > 1 {
            out.findings.sort_by(|a, b| key(a).cmp(&key(b)));
        }
        let inventory = out.inventory();
        let mut before = None;
        for (key, mut finding) in out.findings.drain(..) {
            let place = key.as_deref().unwrap_or(&finding.path);
            finding.fingerprint = self.of_object.fingerprint(inventory.object(finding.object), finding.rule, place);
            // The same place twice: two containers without a name, say.
            let times = match before {
                Some((fingerprint, times)) if fingerprint == finding.fingerprint => times + 1,
                _ => 1,
            };
            before = Some((finding.fingerprint, times));
            finding.fingerprint = repeated(finding.fingerprint, times);
            self.findings[finding.severity as usize].push(finding);
        }
        out.unknown.sort_unstable();
        out.unknown.dedup();
        for reason in out.unknown.drain(..) {
            *self.unknown.entry((index, reason)).or_default() += objects;
        }
    }
}

/// Puts together what was found in all objects together, by rule, and in each alone, in the order of the objects.
fn report(plan: &Plan<'_>, together: Vec<Part>, alone: Vec<Part>) -> Report {
    let mut unknown: BTreeMap<(u16, String), u32> = BTreeMap::new();
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
    let mut of_all: Vec<_> = together.into_iter().map(|mut part| count(&mut part)).collect();
    let mut of_one: Vec<_> = alone.into_iter().map(|mut part| count(&mut part)).collect();
    let number = |parts: &[[Vec<Finding>; SEVERITIES]]| parts.iter().flatten().map(Vec::len).sum::<usize>();
    let mut findings: Vec<Finding> = Vec::with_capacity(number(&of_all) + number(&of_one));
    for severity in (0..SEVERITIES).rev() {
        let order = |finding: &Finding| (finding.object, finding.number);
        let of = |part: &mut [Vec<Finding>; SEVERITIES]| std::mem::take(&mut part[severity]);
        let mut together: Vec<Finding> = of_all.iter_mut().flat_map(of).collect();
        together.sort_by_key(order);
        let mut together = together.into_iter().peekable();
        // Parts are in the order of their objects.
        for finding in of_one.iter_mut().flat_map(of) {
            while let Some(before) = together.next_if(|other| order(other) < order(&finding)) {
                findings.push(before);
            }
            findings.push(finding);
        }
        findings.extend(together);
    }
    if plan.inventory.has_repeated() {
        tell_apart(&mut findings);
    }
    Report {
        findings,
        not_assessable: unknown
            .into_iter()
            .map(|((rule, reason), objects)| NotAssessable { rule: plan.rules[rule as usize].id, reason, objects })
            .collect(),
        tallies: (plan.rules.iter().zip(counts))
            .filter(|(_, (judged, _))| *judged > 0)
            .map(|(rule, (judged, failed))| Tally { rule, judged, failed })
            .collect(),
    }
}

/// Where an object is given twice, so is what is found in it.
fn tell_apart(findings: &mut [Finding]) {
    let mut seen: HashMap<Fingerprint, u32, BuildHasherDefault<FirstBytes>> = HashMap::default();
    seen.reserve(findings.len());
    for finding in findings {
        let times = seen.entry(finding.fingerprint).or_default();
        *times += 1;
        finding.fingerprint = repeated(finding.fingerprint, *times);
    }
}

/// What stands for the same place when it is found for another time.
fn repeated(fingerprint: Fingerprint, times: u32) -> Fingerprint {
    if times < 2 {
        return fingerprint;
    }
    let digest = Sha256::new().chain_update(fingerprint).chain_update(times.to_le_bytes()).finalize();
    std::array::from_fn(|at| digest[at])
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

/// The hash of the object that was found something in last, which what is found in it begins with: most have many findings.
#[derive(Default)]
struct OfObject(Option<(u32, Sha256)>);

impl OfObject {
    /// Over the object by its group, kind, namespace and name, the rule, and the place; not over its version, its uid,
    /// its line or what is found there, which change while the fault stays.
    fn fingerprint(&mut self, object: &Object, rule: &Rule, place: &str) -> Fingerprint {
        let known = self.0.take().filter(|(index, _)| *index == object.index);
        let (_, begun) = self.0.insert(known.unwrap_or_else(|| {
            let mut digest = Sha256::new();
            add(&mut digest, &[object.group(), &object.kind_name, &object.namespace, &object.name]);
            (object.index, digest)
        }));
        let mut digest = begun.clone();
        add(&mut digest, &[rule.id, place]);
        let digest = digest.finalize();
        std::array::from_fn(|at| digest[at])
    }
}

fn add(digest: &mut Sha256, parts: &[&str]) {
    for part in parts {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part.as_bytes());
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
