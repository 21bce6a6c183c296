//! Audits of recorded clusters. They are not part of the project: without them (`KUBEWISE_CLUSTERS_DIR`, or
//! `../shared/clusters` beside the repository) nothing is audited here.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::Instant,
};

use kubewise_audit::{
    Completeness, Finding, Fingerprint, Inventory, Kind, Node, Object, Options, Report, Severity, audit, flatten,
};
use serde_json::Value;

const DAYS: [&str; 2] = ["acme-prod-day1", "acme-prod-day2"];

/// Group-version and plural of what the agent reads (`crates/protocol/src/kinds.rs`).
const KINDS: &[&str] = &[
    "api/v1/limitranges",
    "api/v1/namespaces",
    "api/v1/nodes",
    "api/v1/persistentvolumeclaims",
    "api/v1/persistentvolumes",
    "api/v1/pods",
    "api/v1/replicationcontrollers",
    "api/v1/resourcequotas",
    "api/v1/serviceaccounts",
    "api/v1/services",
    "apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
    "apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
    "apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
    "apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "apis/apiregistration.k8s.io/v1/apiservices",
    "apis/apps/v1/daemonsets",
    "apis/apps/v1/deployments",
    "apis/apps/v1/replicasets",
    "apis/apps/v1/statefulsets",
    "apis/argoproj.io/v1alpha1/applications",
    "apis/autoscaling/v2/horizontalpodautoscalers",
    "apis/batch/v1/cronjobs",
    "apis/batch/v1/jobs",
    "apis/gateway.networking.k8s.io/v1/gatewayclasses",
    "apis/gateway.networking.k8s.io/v1/gateways",
    "apis/gateway.networking.k8s.io/v1/httproutes",
    "apis/networking.k8s.io/v1/ingressclasses",
    "apis/networking.k8s.io/v1/ingresses",
    "apis/networking.k8s.io/v1/networkpolicies",
    "apis/policy/v1/poddisruptionbudgets",
    "apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "apis/rbac.authorization.k8s.io/v1/clusterroles",
    "apis/rbac.authorization.k8s.io/v1/rolebindings",
    "apis/rbac.authorization.k8s.io/v1/roles",
    "apis/scheduling.k8s.io/v1/priorityclasses",
    "apis/storage.k8s.io/v1/csidrivers",
    "apis/storage.k8s.io/v1/storageclasses",
];

/// How the annotations begin that the agent sends; others stay in the cluster.
const ANNOTATIONS: &[&str] = &[
    "app.kubernetes.io/",
    "argocd.argoproj.io/",
    "cert-manager.io/",
    "container.apparmor.security.beta.kubernetes.io",
    "deployment.kubernetes.io/revision",
    "helm.sh/",
    "ingressclass.kubernetes.io/",
    "kubernetes.io/",
    "meta.helm.sh/",
    "networking.gke.io/load-balancer-type",
    "nginx.ingress.kubernetes.io/",
    "pod-security.kubernetes.io/",
    "rbac.authorization.kubernetes.io/",
    "seccomp.security.alpha.kubernetes.io/",
    "service.beta.kubernetes.io/",
    "storageclass.kubernetes.io/",
    "volume.kubernetes.io/",
];

/// For who runs the tests with `--nocapture`, or looks into a log.
fn say(text: &str) {
    writeln!(io::stderr(), "{text}").expect("standard error is open");
}

/// Where the recordings are, if they are.
fn folder() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/clusters");
    let folder = std::env::var_os("KUBEWISE_CLUSTERS_DIR").map_or_else(beside, PathBuf::from);
    if DAYS.iter().all(|day| folder.join(day).is_dir()) {
        return Some(folder);
    }
    say(&format!("no recorded clusters in {}: nothing is audited", folder.display()));
    None
}

/// What the agent takes out and rules could see: values of variables, certificates of webhooks, and annotations.
fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("managedFields");
            fields.remove("caBundle");
            for (name, value) in fields {
                match (name.as_str(), &mut *value) {
                    ("annotations", Value::Object(annotations)) => {
                        annotations.retain(|key, _| ANNOTATIONS.iter().any(|listed| key.starts_with(listed)));
                    }
                    ("env", Value::Array(variables)) => {
                        for variable in variables.iter_mut().filter_map(Value::as_object_mut) {
                            variable.remove("value");
                        }
                    }
                    _ => strip(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

/// A cluster as it was recorded: its objects as the agent would send them.
struct Recording {
    objects: Vec<Value>,
    completeness: Completeness,
    options: Options,
}

impl Recording {
    fn read(folder: &Path) -> Self {
        let mut objects = Vec::new();
        let mut whole = BTreeSet::new();
        for path in KINDS {
            let Ok(text) = fs::read_to_string(folder.join(path).with_extension("json")) else { continue };
            let mut list: Value = serde_json::from_str(&text).expect("a list of objects");
            let kind = list["kind"].as_str().and_then(|kind| kind.strip_suffix("List")).expect("a list").to_owned();
            let api_version = list["apiVersion"].as_str().expect("a version").to_owned();
            let group = api_version.split_once('/').map_or("", |(group, _)| group);
            whole.insert(Kind::find(group, &kind));
            for mut object in list["items"].as_array_mut().map(std::mem::take).unwrap_or_default() {
                object["kind"] = kind.clone().into();
                object["apiVersion"] = api_version.clone().into();
                strip(&mut object);
                objects.push(object);
            }
        }
        whole.remove(&Kind::Other);
        let text = fs::read_to_string(folder.join("version.json")).expect("the version");
        let said: Value = serde_json::from_str(&text).expect("JSON");
        let version =
            format!("{}.{}", said["major"].as_str().expect("a number"), said["minor"].as_str().expect("a number"));
        let version = version.parse().expect("a version");
        let completeness = Completeness::Cluster { whole, without_values: true, version: Some(version) };
        Self { objects, completeness, options: Options { version, ..Options::default() } }
    }

    fn inventory(&self) -> Inventory {
        let nodes = self.objects.iter().map(|value| serde_json::from_value::<Node>(value.clone()).expect("a tree"));
        let objects = nodes.flat_map(flatten).filter_map(|node| Object::new(node, None));
        Inventory::new(objects, self.completeness.clone())
    }

    fn audit(&self, inventory: &Inventory) -> Report {
        audit(inventory, &self.options)
    }
}

/// Kind, namespace and name.
type Name = (String, String, String);

/// What an object is, without what changes by itself.
fn meaning(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for field in ["resourceVersion", "generation", "managedFields"] {
            metadata.remove(field);
        }
    }
    object
}

fn named(object: &Value) -> Name {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&object["kind"]), text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"]))
}

fn name_of(finding: &Finding, inventory: &Inventory) -> Name {
    let object = inventory.object(finding.object);
    (object.kind_name.to_string(), object.namespace.to_string(), object.name.to_string())
}

/// Objects that are on one of the days only, or are not the same on both.
fn differing(days: &[Recording; 2]) -> BTreeSet<Name> {
    let [before, after] = days.each_ref().map(|day| {
        day.objects.iter().map(|object| (named(object), meaning(object))).collect::<BTreeMap<Name, Value>>()
    });
    before.keys().chain(after.keys()).filter(|name| before.get(*name) != after.get(*name)).cloned().collect()
}

/// What follows from a workload that differs for what is as it was: with its pods gone, fewer of a workload are ready,
/// and nobody runs as a service account.
fn follows(finding: &Finding, name: &Name, differing: &[&Value]) -> bool {
    let (_, namespace, own) = name;
    let neighbours = differing.iter().filter(|object| object["metadata"]["namespace"].as_str() == Some(namespace));
    match finding.rule.id {
        "workload-not-ready" => neighbours.map(|object| named(object)).any(|(kind, _, pod)| {
            kind == "Pod" && pod.strip_prefix(own.as_str()).is_some_and(|rest| rest.starts_with('-'))
        }),
        "service-account-unused" => neighbours
            .map(|object| &object["spec"]["template"]["spec"]["serviceAccountName"])
            .any(|account| account.as_str() == Some(own)),
        _ => false,
    }
}

fn all(folder: &Path) -> [Recording; 2] {
    DAYS.map(|day| Recording::read(&folder.join(day)))
}

fn fingerprints(report: &Report) -> BTreeSet<Fingerprint> {
    report.findings.iter().map(|finding| finding.fingerprint).collect()
}

#[test]
fn what_is_new_and_what_is_fixed_is_about_what_changed() {
    let Some(folder) = folder() else { return };
    let days = all(&folder);
    let differing = differing(&days);
    assert!(!differing.is_empty());
    let inventories = days.each_ref().map(Recording::inventory);
    let [before, after] = [0, 1].map(|day| days[day].audit(&inventories[day]));
    let (old, new) = (fingerprints(&before), fingerprints(&after));
    assert_eq!((old.len(), new.len()), (before.findings.len(), after.findings.len()), "each has its own");
    let objects = days.iter().flat_map(|day| &day.objects);
    let changed: Vec<&Value> = objects.filter(|object| differing.contains(&named(object))).collect();
    let mut faults = Vec::new();
    for (report, inventory, others) in [(&before, &inventories[0], &new), (&after, &inventories[1], &old)] {
        let only_here = report.findings.iter().filter(|finding| !others.contains(&finding.fingerprint));
        for finding in only_here {
            let name = name_of(finding, inventory);
            if !differing.contains(&name) && !follows(finding, &name, &changed) {
                faults.push(format!("{} {name:?}: {}", finding.rule.id, finding.message));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
    // And of each workload that was added or taken away all findings are.
    let workloads = changed.iter().map(|object| named(object)).filter(|(kind, ..)| kind == "Deployment");
    for name in workloads.collect::<BTreeSet<_>>() {
        let of = |day: usize, report: &Report| {
            let of_it = report.findings.iter().filter(|finding| name_of(finding, &inventories[day]) == name);
            of_it.map(|finding| finding.fingerprint).collect::<BTreeSet<_>>()
        };
        match days.each_ref().map(|day| day.objects.iter().any(|object| named(object) == name)) {
            [false, true] => assert!(!of(1, &after).is_empty() && of(1, &after).is_disjoint(&old), "{name:?}"),
            [true, false] => assert!(!of(0, &before).is_empty() && of(0, &before).is_disjoint(&new), "{name:?}"),
            _ => {}
        }
    }
    let (fixed, found) = (old.difference(&new).count(), new.difference(&old).count());
    assert!(fixed > 0 && found > 0, "{fixed} fixed, {found} new");
}

/// What was added on the second day with all that a pod can take of its node: each of these fields, as the manifest has
/// it, is found there at the highest severity, and nothing else is new at that severity.
#[test]
fn what_was_added_to_debug_is_critical() {
    let Some(folder) = folder() else { return };
    let days = all(&folder);
    let [before, after] = days.each_ref().map(Recording::inventory);
    let old = fingerprints(&days[0].audit(&before));
    let mut critical: BTreeMap<Name, BTreeSet<String>> = BTreeMap::new();
    for finding in days[1].audit(&after).findings {
        if finding.severity == Severity::Critical && !old.contains(&finding.fingerprint) {
            critical.entry(name_of(&finding, &after)).or_default().insert(finding.path.into());
        }
    }
    let known: BTreeSet<Name> = days[0].objects.iter().map(named).collect();
    let added =
        days[1].objects.iter().filter(|object| object["kind"] == "Deployment" && !known.contains(&named(object)));
    let mut expected: BTreeMap<Name, BTreeSet<String>> = BTreeMap::new();
    for object in added {
        let paths = taken_of_the_node(&object["spec"]["template"]["spec"]);
        if !paths.is_empty() {
            expected.insert(named(object), paths);
        }
    }
    assert_eq!(expected.len(), 1, "{expected:?}");
    for what in ["privileged", "hostNetwork", "hostPID", "hostPath"] {
        assert!(expected.values().flatten().any(|path| path.contains(what)), "{what}: {expected:?}");
    }
    assert_eq!(critical, expected);
}

/// Where a pod's `spec` has its node's namespaces, all of its files, or all rights there.
fn taken_of_the_node(spec: &Value) -> BTreeSet<String> {
    let namespaces = ["hostNetwork", "hostPID", "hostIPC"].into_iter().filter(|field| spec[field] == true);
    let list = |field: &str| spec[field].as_array().cloned().unwrap_or_default().into_iter().enumerate();
    let volumes = list("volumes").filter(|(_, volume)| volume["hostPath"]["path"] == "/");
    let privileged = list("containers").filter(|(_, container)| container["securityContext"]["privileged"] == true);
    let paths = (namespaces.map(str::to_owned))
        .chain(volumes.map(|(index, _)| format!("volumes[{index}].hostPath.path")))
        .chain(privileged.map(|(index, _)| format!("containers[{index}].securityContext.privileged")));
    paths.map(|path| format!("spec.template.spec.{path}")).collect()
}

#[test]
fn a_service_account_with_all_rights_leads_to_the_workloads_that_use_it() {
    let Some(folder) = folder() else { return };
    for day in all(&folder) {
        let inventory = day.inventory();
        let report = day.audit(&inventory);
        let of = |rule: &'static str| report.findings.iter().filter(move |finding| finding.rule.id == rule);
        assert!(of("workload-cluster-admin").count() > 0);
        for finding in of("workload-cluster-admin") {
            let object = inventory.object(finding.object);
            let account = object.pod().expect("a workload").service_account();
            assert!(finding.message.contains(&format!("\"{account}\"")), "{}", finding.message);
            let mut bindings = of("cluster-admin-service-account");
            assert!(bindings.any(|binding| binding.message.contains(&object.title())), "{}", object.title());
        }
    }
}

#[test]
fn an_audit_says_the_same_each_time() {
    let Some(folder) = folder() else { return };
    for day in all(&folder) {
        let (first, second) = (day.inventory(), day.inventory());
        let began = Instant::now();
        let report = day.audit(&first);
        let (objects, findings) = (first.objects().len(), report.findings.len());
        say(&format!("{objects} objects, {findings} findings, {:?}", began.elapsed()));
        let again = day.audit(&second);
        assert_eq!(format!("{:?}", report.findings), format!("{:?}", again.findings));
        assert_eq!(report.not_assessable, again.not_assessable);
        assert_eq!(format!("{:?}", report.tallies), format!("{:?}", again.tallies));
    }
}
