//! The rules of the Pod Security Standards beside a second implementation of the specification, over pods at the edges
//! of each check: every version, every kind that has pods, init and ephemeral containers, pods for Windows and pods
//! with a user namespace.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod pods;
mod specification;

use std::collections::BTreeSet;

use kubewise_audit::{
    Completeness, Framework, Inventory, Kind, KubernetesVersion, Object, Options, Profile, audit, yaml,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use specification::{CHECKS, Check, Pod};

/// The first version of each check, and the last one before that.
const VERSIONS: &[u16] = &[0, 7, 8, 18, 19, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37];

/// What makes this pod, or the pod itself.
fn object(kind: Kind, pod: &Value) -> Value {
    let mut object = json!({"kind": kind.as_str(), "apiVersion": "v1", "spec": {"template": pod}});
    match kind {
        Kind::Pod => {
            object["spec"] = pod["spec"].clone();
            object["metadata"] = pod["metadata"].clone();
        }
        Kind::PodTemplate => object["template"] = object["spec"]["template"].take(),
        Kind::ReplicationController => {}
        Kind::Job => object["apiVersion"] = "batch/v1".into(),
        Kind::CronJob => {
            object["apiVersion"] = "batch/v1".into();
            object["spec"] = json!({"jobTemplate": {"spec": {"template": pod}}});
        }
        _ => object["apiVersion"] = "apps/v1".into(),
    }
    object
}

/// Each in another kind of object than the one before.
fn inventory(pods: &[Value]) -> Inventory {
    let objects = pods.iter().zip(Kind::WITH_PODS.iter().cycle()).map(|(pod, kind)| object(*kind, pod));
    let nodes = objects.map(|object| yaml::documents(&object.to_string()).unwrap().remove(0));
    Inventory::new(nodes.map(|node| Object::new(node, None).unwrap()), Completeness::Manifests)
}

/// The checks that forbid each pod, as the rules have it. The restricted profile is the baseline and more.
fn found(inventory: &Inventory, minor: u16) -> Vec<BTreeSet<&'static str>> {
    let version = KubernetesVersion::new(1, minor);
    let profile = Profile::Framework(Framework::PssRestricted);
    let mut rules = vec![BTreeSet::new(); inventory.objects().len()];
    for finding in audit(inventory, &Options { version, profile, ..Options::default() }).findings {
        rules[finding.object as usize].insert(finding.rule.id);
    }
    let checks = |found: BTreeSet<&str>| {
        let is_found = |check: &&Check| check.rules.iter().any(|rule| found.contains(rule));
        CHECKS.iter().filter(is_found).map(|check| check.id).collect()
    };
    rules.into_iter().map(checks).collect()
}

/// Where rules and specification differ.
fn differences(pods: &[Value]) -> Vec<String> {
    let inventory = inventory(pods);
    let mut faults = Vec::new();
    for minor in VERSIONS {
        for (value, found) in pods.iter().zip(found(&inventory, *minor)) {
            let pod = Pod(value);
            // Of these pods the baseline's rules say what its stricter check no longer does (docs/audit).
            let is_left_out = |check: &Check| check.rules.len() > 1 && pod.is_refused();
            for check in CHECKS.iter().filter(|check| !is_left_out(check)) {
                let is_found = found.contains(check.id);
                if is_found != (check.forbids)(pod, *minor) {
                    faults.push(format!("{} at 1.{minor}: found {is_found}: {value}", check.id));
                }
            }
        }
    }
    faults.truncate(20);
    faults
}

#[test]
fn every_value_of_every_field_is_judged_as_the_specification_says() {
    let pods = pods::one_by_one();
    assert!(pods.len() > 3_000, "{}", pods.len());
    let faults = differences(&pods);
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn what_is_set_together_is_judged_as_the_specification_says(pods in prop::collection::vec(pods::at_random(), 64)) {
        let faults = differences(&pods);
        prop_assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
    }
}

/// The API server refuses these. To an audit they are no better than what is not there at all.
#[test]
fn what_is_of_a_wrong_type_is_judged_no_better_than_nothing() {
    let base = json!({"metadata": {}, "spec": {"containers": [{"name": "a"}]}});
    let mut pods = vec![base.clone()];
    for place in pods::typed_places() {
        for value in pods::of_wrong_types() {
            let mut pod = base.clone();
            pods::set(&mut pod, &place, value);
            pods.push(pod);
        }
    }
    // Without the list there are no containers to ask anything of.
    pods.retain(|pod| pod["spec"]["containers"][0].is_object());
    let inventory = inventory(&pods);
    let mut faults = Vec::new();
    for minor in VERSIONS {
        let all = found(&inventory, *minor);
        for (pod, found) in pods.iter().zip(&all) {
            let allows = |path: &str, value: bool| pod.pointer(path).is_some_and(|set| *set == value);
            // Of the values, these are of the right type, and better than nothing.
            let is_better = allows("/spec/containers/0/securityContext/allowPrivilegeEscalation", false)
                || allows("/spec/containers/0/securityContext/runAsNonRoot", true)
                || allows("/spec/securityContext/runAsNonRoot", true)
                || allows("/spec/hostUsers", false);
            if !is_better && !found.is_superset(&all[0]) {
                faults.push(format!("1.{minor}: {pod}: {found:?}"));
            }
        }
    }
    faults.truncate(20);
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// The versions are those at which a check of the specification changes, and the ones before.
#[test]
fn every_boundary_is_looked_at() {
    let pods = pods::one_by_one();
    let at = |minor: u16| {
        let forbids = |pod| CHECKS.iter().map(|check| (check.forbids)(Pod(pod), minor)).collect::<Vec<_>>();
        pods.iter().map(forbids).collect::<Vec<_>>()
    };
    let all: Vec<_> = (0..=VERSIONS[VERSIONS.len() - 1]).map(|minor| (minor, at(minor))).collect();
    for ((before, old), (minor, new)) in all.iter().zip(&all[1..]) {
        let is_looked_at = VERSIONS.contains(before) && VERSIONS.contains(minor);
        assert!(old == new || is_looked_at, "1.{minor}");
    }
    assert!(VERSIONS.contains(&(KubernetesVersion::NEWEST.minor)));
}
