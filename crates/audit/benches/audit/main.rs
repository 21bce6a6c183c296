//! How long the engine takes, alone and on two threads, and how long reading takes. `cargo xtask bench audit` runs it.
//!
//! - `audit COUNT`: so many generated resources, as a cluster lists them, and as many as manifests, which is several times
//!   the work: nothing is made by another, and so said there. A JSON line with what was measured.
//! - `write FOLDER COUNT`: writes so many as a YAML file each.
//! - `record FOLDER CLUSTER`: writes what a recorded cluster has (a folder of lists as the API answers them) likewise.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on ends")]
#![expect(clippy::print_stdout, reason = "what was measured is said there")]

mod generator;

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use kubewise_audit::{Completeness, Inventory, Kind, KubernetesVersion, Node, Object, Options, Report, audit, yaml};
use rayon::{ThreadPoolBuilder, prelude::*};
use serde_json::{Value, json};

// As the agent has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// As many as the budget is for.
const THREADS: usize = 2;
/// The best of so many is what the program can do; the others are what the machine did besides.
const TIMES: usize = 3;

/// What is deployed, and not what Kubernetes makes of it or keeps for itself.
const DEPLOYED: [&str; 14] = [
    "ClusterRole",
    "ClusterRoleBinding",
    "CronJob",
    "DaemonSet",
    "Deployment",
    "Ingress",
    "Job",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "Role",
    "RoleBinding",
    "Service",
    "ServiceAccount",
    "StatefulSet",
];

fn main() {
    // `cargo bench` says so itself; `cargo test --benches` does not.
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["audit", count] => measure(count.parse().unwrap()),
        ["write", folder, count] => write(Path::new(folder), generator::resources(count.parse().unwrap())),
        ["record", folder, cluster] => write(Path::new(folder), recorded(Path::new(cluster)).into_iter()),
        _ => println!("audit COUNT, write FOLDER COUNT or record FOLDER CLUSTER"),
    }
}

fn measure(count: usize) {
    ThreadPoolBuilder::new().num_threads(THREADS).build_global().unwrap();
    let listed: Vec<String> = generator::listed(count).map(|value| value.to_string()).collect();
    let (json_time, nodes) =
        best(|| -> Vec<Node> { listed.par_iter().map(|text| serde_json::from_str(text).unwrap()).collect() });
    let json_bytes: usize = listed.iter().map(String::len).sum();
    drop(listed);
    // As an audit of a cluster in the product.
    let version = Some(KubernetesVersion::NEWEST);
    let unread = [Kind::Secret, Kind::ConfigMap];
    let whole = Kind::ALL.iter().copied().filter(|kind| !unread.contains(kind)).collect();
    let mut line = measured(nodes, &Completeness::Cluster { whole, without_values: true, version });
    line["resources"] = count.into();
    line["json_s"] = json_time.as_secs_f64().into();
    line["json_mib"] = mebibytes(json_bytes).into();

    let texts: Vec<String> =
        generator::resources(count).map(|value| serde_saphyr::to_string(&value).unwrap()).collect();
    let (yaml_time, nodes) =
        best(|| -> Vec<Node> { texts.par_iter().map(|text| yaml::documents(text).unwrap().remove(0)).collect() });
    let yaml_bytes: usize = texts.iter().map(String::len).sum();
    drop(texts);
    let mut manifests = measured(nodes, &Completeness::Manifests);
    manifests["yaml_s"] = yaml_time.as_secs_f64().into();
    manifests["yaml_mib"] = mebibytes(yaml_bytes).into();
    line["manifests"] = manifests;
    line["peak_mib"] = memory("VmHWM").into();
    println!("{line}");
}

/// What an audit of these takes, and how much it is.
fn measured(nodes: Vec<Node>, completeness: &Completeness) -> Value {
    let objects: Vec<Object> = nodes.into_iter().filter_map(|node| Object::new(node, None)).collect();
    let before = memory("VmRSS");
    // What an inventory finds out when it is first asked belongs to the audit.
    let mut inventory = Duration::MAX;
    let mut audited = Duration::MAX;
    let mut report = Report::default();
    for _ in 0..TIMES {
        let objects = objects.clone();
        let begun = Instant::now();
        let made = Inventory::new(objects, completeness.clone());
        inventory = inventory.min(begun.elapsed());
        let begun = Instant::now();
        report = audit(&made, &Options::default());
        audited = audited.min(begun.elapsed());
        drop(made);
    }
    json!({
        "audit_s": audited.as_secs_f64(),
        "inventory_s": inventory.as_secs_f64(),
        "rules": report.tallies.len(),
        "judgements": report.tallies.iter().map(|tally| u64::from(tally.judged)).sum::<u64>(),
        "findings": report.findings.len(),
        "objects_mib": before,
        "with_report_mib": memory("VmRSS"),
    })
}

fn best<T>(mut work: impl FnMut() -> T) -> (Duration, T) {
    let mut shortest = Duration::MAX;
    let mut done = None;
    for _ in 0..TIMES {
        // Gone before the next is there: both would not fit where one does.
        drop(done.take());
        let begun = Instant::now();
        done = Some(work());
        shortest = shortest.min(begun.elapsed());
    }
    (shortest, done.unwrap())
}

#[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
fn mebibytes(bytes: usize) -> f64 {
    bytes as f64 / 1_048_576.0
}

/// In MiB, as Linux tells it (proc(5)).
fn memory(field: &str) -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? / 1024.0)
}

fn write(folder: &Path, resources: impl Iterator<Item = Value>) {
    fs::create_dir_all(folder).unwrap();
    let mut count = 0;
    for resource in resources {
        fs::write(folder.join(format!("{count:06}.yaml")), serde_saphyr::to_string(&resource).unwrap()).unwrap();
        count += 1;
    }
    println!("{}", json!({"resources": count}));
}

/// The items of all lists under a folder, each with what it is.
fn recorded(folder: &Path) -> Vec<Value> {
    let mut files: Vec<PathBuf> = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    let mut resources = Vec::new();
    for file in files {
        let Ok(mut list) = serde_json::from_str::<Value>(&fs::read_to_string(&file).unwrap()) else { continue };
        let Some(kind) = list["kind"].as_str().and_then(|kind| kind.strip_suffix("List")).map(str::to_owned) else {
            continue;
        };
        let api_version = list["apiVersion"].clone();
        let Some(items) = list["items"].as_array_mut().filter(|_| DEPLOYED.contains(&&*kind)) else { continue };
        for item in items {
            let mut item = item.take();
            item["apiVersion"] = api_version.clone();
            item["kind"] = Value::from(kind.as_str());
            if let Some(metadata) = item["metadata"].as_object_mut() {
                metadata.remove("managedFields");
            }
            resources.push(item);
        }
    }
    resources
}
