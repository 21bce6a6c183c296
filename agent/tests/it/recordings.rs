//! Real clusters, as they were recorded. They are not part of the repository: without them there is nothing to test.

use std::path::PathBuf;

use kubewise_sample_cluster::SampleCluster;

use crate::scene::{Scene, options};

fn recording(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("KUBEWISE_CLUSTERS_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/clusters"), PathBuf::from);
    let folder = folder.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no recording at {} (KUBEWISE_CLUSTERS_DIR)", folder.display());
    None
}

#[tokio::test]
async fn recorded_clusters_arrive_as_they_are() {
    for name in ["acme-prod-day1", "acme-prod-day2"] {
        let Some(folder) = recording(name) else { return };
        let scene = Scene::new(SampleCluster::recording(&folder).unwrap()).await;
        scene.once().await.unwrap();
        assert_eq!(scene.ingest.totals(), scene.expected(), "{name}");
        assert!(scene.expected()["Pod"] > 10);
        assert!(scene.cluster.requests().iter().all(|r| r.resource != "secrets" && r.resource != "configmaps"));
        for batch in scene.ingest.received() {
            assert!(!batch.text().contains("hunter2"), "a password left the cluster");
        }
    }
}

#[tokio::test]
async fn one_day_becomes_the_next() {
    let (Some(day1), Some(day2)) = (recording("acme-prod-day1"), recording("acme-prod-day2")) else { return };
    let mut scene = Scene::new(SampleCluster::recording(&day1).unwrap()).await;
    scene.start(options());
    scene.settled().await;
    scene.cluster.become_recording(&day2).unwrap();
    scene.settled().await;
    assert_eq!(scene.ingest.epochs().len(), 1);
    for batch in scene.ingest.received() {
        assert!(!batch.text().contains("hunter2"), "a password left the cluster");
    }
}
