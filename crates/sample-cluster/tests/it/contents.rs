//! What the clusters hold.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use crate::common::Served;
use kubewise_sample_cluster::SampleCluster;
use serde_json::Value;

/// Every object of a cluster, by its group-kind, as the API lists it.
async fn objects(served: &Served) -> BTreeMap<String, Vec<Value>> {
    let mut documents = vec!["/api/v1".to_owned()];
    for group in served.list("/apis").await["groups"].as_array().unwrap() {
        documents.extend(
            group["versions"]
                .as_array()
                .unwrap()
                .iter()
                .map(|v| format!("/apis/{}", v["groupVersion"].as_str().unwrap())),
        );
    }
    let mut all: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for path in documents {
        let (status, document) = served.get(&path).await.unwrap();
        if status == 503 {
            continue;
        }
        for resource in document["resources"].as_array().unwrap() {
            let name = resource["name"].as_str().unwrap();
            let (status, list) = served.get(&format!("{path}/{name}")).await.unwrap();
            let Some(items) = list["items"].as_array().filter(|items| status == 200 && !items.is_empty()) else {
                continue;
            };
            let group = path.strip_prefix("/apis/").and_then(|p| p.split('/').next());
            let kind = resource["kind"].as_str().unwrap();
            all.insert(group.map_or_else(|| kind.to_owned(), |group| format!("{kind}.{group}")), items.clone());
        }
    }
    all
}

fn check_consistency(all: &BTreeMap<String, Vec<Value>>) {
    let mut uids = BTreeSet::new();
    for object in all.values().flatten() {
        let uid = object["metadata"]["uid"].as_str().unwrap();
        assert!(uids.insert(uid), "{uid} is used once");
        for field in ["creationTimestamp", "resourceVersion", "name"] {
            assert!(object["metadata"][field].is_string(), "{field} of {}", object["metadata"]["name"]);
        }
        let namespace = object["metadata"]["namespace"].as_str();
        if let Some(namespace) = namespace {
            assert!(
                all["Namespace"].iter().any(|n| n["metadata"]["name"] == namespace),
                "namespace {namespace} exists"
            );
        }
    }
    for object in all.values().flatten() {
        for owner in object["metadata"]["ownerReferences"].as_array().into_iter().flatten() {
            assert!(
                uids.contains(owner["uid"].as_str().unwrap()),
                "the owner of {} exists",
                object["metadata"]["name"]
            );
        }
    }
}

#[tokio::test]
async fn the_bundled_cluster_is_consistent_and_of_the_promised_size() {
    let served = Served::new(SampleCluster::bundled().unwrap()).await;
    let all = objects(&served).await;
    check_consistency(&all);
    let counted: BTreeMap<String, u64> = all.iter().map(|(k, v)| (k.clone(), v.len() as u64)).collect();
    assert_eq!(counted, served.cluster.totals());
    let bare = |o: &&Value| o["metadata"]["ownerReferences"].is_null();
    let workloads: usize =
        ["Deployment.apps", "StatefulSet.apps", "DaemonSet.apps", "CronJob.batch", "Job.batch", "Pod"]
            .iter()
            .map(|kind| all[*kind].iter().filter(bare).count())
            .sum();
    assert_eq!(workloads, 63);
    assert_eq!(all["Node"].len(), 4);
    assert!(all["Namespace"].len() >= 10);
    let nodes: BTreeSet<&str> = all["Node"].iter().map(|n| n["metadata"]["name"].as_str().unwrap()).collect();
    for pod in &all["Pod"] {
        let scheduled = pod["spec"]["nodeName"].as_str().is_some_and(|n| nodes.contains(n));
        assert!(scheduled || pod["status"]["phase"] == "Pending", "{}", pod["metadata"]["name"]);
    }
    let text = serde_json::to_string(&all).unwrap();
    assert!(text.contains("hunter2-demo"), "there is something to strip");
    assert!(!text.contains("sample-cluster/"), "no directive is served");
}

#[tokio::test]
async fn every_start_serves_the_same() {
    let (a, b) =
        (Served::new(SampleCluster::bundled().unwrap()).await, Served::new(SampleCluster::bundled().unwrap()).await);
    assert_eq!(objects(&a).await, objects(&b).await);
}

#[tokio::test]
async fn a_days_events_happen_once_and_leave_a_consistent_cluster() {
    let served = Served::new(SampleCluster::bundled().unwrap()).await;
    let before = served.cluster.totals();
    served.cluster.a_days_events();
    let after = served.cluster.totals();
    assert_eq!(after["Deployment.apps"], before["Deployment.apps"] - 3, "one deleted, two with the namespace sandbox");
    assert_eq!(after["Namespace"], before["Namespace"] - 1);
    let all = objects(&served).await;
    check_consistency(&all);
    let debug = all["Pod"].iter().find(|p| p["metadata"]["name"] == "debug-shell").unwrap();
    assert_eq!(debug["spec"]["containers"][0]["securityContext"]["privileged"], true);
    let cart = all["Deployment.apps"].iter().find(|d| d["metadata"]["name"] == "cart").unwrap();
    assert_eq!(cart["status"]["readyReplicas"], 5);
    let pods =
        |app: &str| all["Pod"].iter().filter(|p| p["metadata"]["labels"]["app.kubernetes.io/name"] == app).count();
    assert_eq!((pods("cart"), pods("search"), pods("storefront"), pods("recommendations")), (5, 1, 4, 0));
    let storefront =
        all["Pod"].iter().find(|p| p["metadata"]["labels"]["app.kubernetes.io/name"] == "storefront").unwrap();
    assert_eq!(storefront["spec"]["containers"][0]["image"], "registry.acme.example/shop/storefront:2026.11.2");
    served.cluster.a_days_events();
    assert_eq!(objects(&served).await, all, "the second time nothing is left to do");
}

#[tokio::test]
async fn churn_is_harmless() {
    let served = Served::new(SampleCluster::bundled().unwrap()).await;
    for n in 0..40 {
        served.cluster.churn(n, 1_795_413_600 + i64::try_from(n).unwrap()).unwrap();
    }
    let all = objects(&served).await;
    check_consistency(&all);
    for deployment in &all["Deployment.apps"] {
        let uid = deployment["metadata"]["uid"].as_str().unwrap();
        let owns = |o: &&Value, uid: &str| o["metadata"]["ownerReferences"][0]["uid"] == uid;
        let sets = all["ReplicaSet.apps"].iter().filter(|s| owns(s, uid));
        let pods: usize =
            sets.map(|s| all["Pod"].iter().filter(|p| owns(p, s["metadata"]["uid"].as_str().unwrap())).count()).sum();
        assert_eq!(Some(pods as u64), deployment["spec"]["replicas"].as_u64(), "{}", deployment["metadata"]["name"]);
    }
}

#[tokio::test]
async fn a_generated_cluster_has_exactly_the_pods_that_were_asked_for() {
    let served = Served::new(SampleCluster::generated(500, 7)).await;
    let totals = served.cluster.totals();
    assert_eq!(totals["Pod"], 500);
    assert_eq!(totals, SampleCluster::generated(500, 7).totals());
    assert!(totals["ReplicaSet.apps"] > totals["Deployment.apps"]);
    let all = objects(&served).await;
    check_consistency(&all);
    let bytes: usize = all["Pod"].iter().map(|p| p.to_string().len()).sum();
    assert!((4000..6000).contains(&(bytes / 500)), "a pod of {} bytes", bytes / 500);
    let other = Served::new(SampleCluster::generated(500, 8)).await;
    let uid = |all: &BTreeMap<String, Vec<Value>>| all["Namespace"][0]["metadata"]["uid"].clone();
    assert_ne!(uid(&objects(&other).await), uid(&all), "another seed is another cluster");
}

/// Recordings of real clusters, where they are at hand.
fn recordings() -> Option<PathBuf> {
    let default = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/clusters");
    let dir = std::env::var_os("KUBEWISE_CLUSTERS_DIR").map_or(default, PathBuf::from);
    if dir.join("acme-prod-day1").is_dir() {
        return Some(dir);
    }
    eprintln!("skipped: no recordings in {}", dir.display());
    None
}

#[tokio::test]
async fn a_recording_is_served_as_it_was_recorded_and_turns_into_another() {
    let Some(dir) = recordings() else { return };
    let (day1, day2) = (dir.join("acme-prod-day1"), dir.join("acme-prod-day2"));
    let served = Served::new(SampleCluster::recording(&day1).unwrap()).await;
    for path in ["apis/apps/v1/deployments", "api/v1/pods", "apis/monitoring.coreos.com/v1/prometheusrules"] {
        let recorded: Value =
            serde_json::from_slice(&std::fs::read(day1.join(format!("{path}.json"))).unwrap()).unwrap();
        let list = served.list(&format!("/{path}")).await;
        assert_eq!(list["items"], recorded["items"], "{path}");
        assert_eq!(list["metadata"]["resourceVersion"], recorded["metadata"]["resourceVersion"]);
    }
    assert_eq!(served.get("/apis/metrics.k8s.io/v1beta1/pods").await.unwrap().0, 503);
    let revision = served.list("/api/v1/pods").await["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let mut watch = served.watch("/api/v1/pods", &format!("resourceVersion={revision}&timeoutSeconds=1")).await;
    served.cluster.become_recording(&day2).unwrap();
    let day2 = Served::new(SampleCluster::recording(&day2).unwrap()).await;
    assert_eq!(served.cluster.totals(), day2.cluster.totals());
    let without_versions = |all: BTreeMap<String, Vec<Value>>| -> Vec<Value> {
        let strip = |mut o: Value| {
            let metadata = o["metadata"].as_object_mut().unwrap();
            metadata.remove("resourceVersion");
            metadata.remove("managedFields");
            o
        };
        all.into_values().flatten().map(strip).collect()
    };
    assert_eq!(without_versions(objects(&served).await), without_versions(objects(&day2).await));
    let mut added = 0;
    while let Some(event) = watch.next().await.unwrap() {
        added += usize::from(event["type"] == "ADDED");
    }
    assert_eq!(added, 5, "the pods that are new on the second day");
}
