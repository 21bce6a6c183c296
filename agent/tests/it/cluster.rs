//! What happens on the cluster's side.

use kubewise_protocol::{BatchKind, UnreadableReason};
use kubewise_sample_cluster::{Fault, Faults, SampleCluster};
use serde_json::json;

use crate::ingest::Received;
use crate::scene::{Scene, a_while, eventually, options, pod, uid};

#[tokio::test]
async fn everything_is_sent_once() {
    let scene = Scene::new(SampleCluster::bundled().unwrap()).await;
    scene.once().await.unwrap();
    assert_eq!(scene.ingest.totals(), scene.expected());
    assert!(scene.expected()["Pod"] > 50);

    let batches = scene.ingest.accepted();
    for (seq, batch) in batches.iter().enumerate() {
        assert_eq!((batch.header.seq, batch.header.kind), (seq as u64, BatchKind::Full));
        assert_eq!(batch.header.last, seq + 1 == batches.len());
        assert_eq!(batch.header.cluster_uid.len(), 36, "known from the first batch on");
        assert!(!batch.header.kubernetes_version.is_empty() && !batch.header.kubernetes_version.starts_with('v'));
        assert!(batch.header.unreadable.is_empty());
        assert_eq!(batch.authorization, "Bearer kwa_test");
    }
    for object in batches.iter().flat_map(Received::objects) {
        let metadata = &object["metadata"];
        assert!(metadata.get("managedFields").is_none() && metadata.get("resourceVersion").is_none());
        assert!(object["kind"].is_string() && object["apiVersion"].is_string());
    }
}

#[tokio::test]
async fn a_change_is_sent_as_a_delta() {
    let scene = Scene::synchronised().await;
    let epochs = scene.ingest.epochs();
    scene.cluster.upsert(pod(1)).unwrap();
    eventually("the new pod", || scene.ingest.holds(uid(1))).await;
    let batch = scene.ingest.accepted().into_iter().rfind(|b| !b.upserts.is_empty()).unwrap();
    assert_eq!((batch.header.kind, batch.header.last, batch.upserts.len()), (BatchKind::Delta, true, 1));

    // Of a change that means nothing, nothing is sent.
    let mut annotated = pod(1);
    annotated["metadata"]["annotations"] = json!({"example.com/seen": "1"});
    scene.cluster.upsert(annotated.clone()).unwrap();
    eventually("annotations, though empty now", || of_pod(&scene) == 2).await;
    annotated["metadata"]["annotations"] = json!({"example.com/seen": "2"});
    scene.cluster.upsert(annotated).unwrap();
    a_while().await;
    assert_eq!(of_pod(&scene), 2);

    scene.cluster.delete("", "pods", Some("default"), "extra-1").unwrap();
    eventually("the pod is gone", || !scene.ingest.holds(uid(1))).await;
    scene.settled().await;
    assert_eq!(scene.ingest.epochs(), epochs, "in the same epoch");
}

fn of_pod(scene: &Scene) -> usize {
    let uid = uid(1).to_string();
    scene.ingest.accepted().iter().filter(|batch| batch.text().contains(&uid)).count()
}

#[tokio::test]
async fn quiet_clusters_send_heartbeats() {
    let scene = Scene::synchronised().await;
    eventually("two heartbeats", || {
        scene.ingest.accepted().iter().filter(|b| b.header.kind == BatchKind::Heartbeat).count() >= 2
    })
    .await;
    let batches = scene.ingest.accepted();
    assert!(batches.iter().enumerate().all(|(n, b)| b.header.seq == n as u64), "no gaps");
}

#[tokio::test]
async fn a_closed_watch_goes_on_where_it_was() {
    let scene = Scene::synchronised().await;
    let lists = scene.lists("pods");
    scene.cluster.set_faults(Fault::on("", "pods").break_watch(0).times(3).into());
    scene.cluster.close_watches();
    for n in 1..=5 {
        scene.cluster.upsert(pod(n)).unwrap();
    }
    scene.settled().await;
    assert!((1..=5).all(|n| scene.ingest.holds(uid(n))));
    assert_eq!(scene.lists("pods"), lists, "nothing was listed again");
    assert_eq!(scene.ingest.epochs().len(), 1);
}

#[tokio::test]
async fn after_410_the_kind_is_listed_again_and_compared() {
    let scene = Scene::synchronised().await;
    scene.cluster.upsert(pod(1)).unwrap();
    scene.cluster.upsert(pod(2)).unwrap();
    eventually("two pods", || scene.ingest.holds(uid(1)) && scene.ingest.holds(uid(2))).await;
    let (lists, others) = (scene.lists("pods"), scene.lists("services"));

    // While the watch is down, one goes and one comes, and the API server forgets what happened.
    scene.cluster.set_faults(Fault::on("", "pods").verb("watch").status(503).times(1).into());
    scene.cluster.close_watches();
    scene.cluster.delete("", "pods", Some("default"), "extra-1").unwrap();
    scene.cluster.upsert(pod(3)).unwrap();
    scene.cluster.forget_history();
    eventually("the difference", || !scene.ingest.holds(uid(1)) && scene.ingest.holds(uid(3))).await;
    scene.settled().await;
    assert!(scene.ingest.holds(uid(2)));
    assert!(scene.lists("pods") > lists);
    assert!(scene.lists("services") <= others + 1);
    assert_eq!(scene.ingest.epochs().len(), 1, "no new epoch");
    let sent_again = scene
        .ingest
        .accepted()
        .iter()
        .filter(|b| b.header.kind == BatchKind::Delta)
        .map(|b| b.upserts.len())
        .sum::<usize>();
    assert!(sent_again <= 5, "only what changed is sent: {sent_again}");
}

#[tokio::test]
async fn a_kind_that_may_not_be_read_is_reported() {
    let mut scene = Scene::new(SampleCluster::bundled().unwrap()).await;
    scene.cluster.set_faults(Fault::on("apps", "deployments").status(403).into());
    scene.start(options());
    let mut expected = scene.expected();
    let deployments = expected.remove("Deployment.apps").unwrap();
    eventually("all but deployments", || scene.ingest.is_synchronised() && scene.ingest.totals() == expected).await;
    assert_eq!(scene.unreadable("Deployment.apps"), Some(UnreadableReason::Forbidden));
    let epochs = scene.ingest.epochs();

    scene.cluster.set_faults(Faults::none());
    scene.settled().await;
    eventually("reported as readable", || scene.unreadable("Deployment.apps").is_none()).await;
    assert_eq!(scene.ingest.totals()["Deployment.apps"], deployments);
    assert_eq!(scene.ingest.epochs(), epochs, "in the same epoch");
}

#[tokio::test]
async fn a_kind_that_may_no_longer_be_read_is_dropped() {
    let scene = Scene::synchronised().await;
    let services = scene.expected()["Service"];
    scene.cluster.set_faults(Fault::on("", "services").status(403).into());
    scene.cluster.close_watches();
    eventually("services are dropped", || !scene.ingest.totals().contains_key("Service")).await;
    assert_eq!(scene.unreadable("Service"), Some(UnreadableReason::Forbidden));
    a_while().await;
    assert_eq!(scene.unreadable("Service"), Some(UnreadableReason::Forbidden), "in every header");

    scene.cluster.set_faults(Faults::none());
    eventually("services are back", || scene.ingest.totals().get("Service") == Some(&services)).await;
    assert_eq!(scene.ingest.epochs().len(), 1);
}

#[tokio::test]
async fn a_refusal_that_passes_costs_nothing() {
    let scene = Scene::synchronised().await;
    scene.cluster.set_faults(Fault::on("", "services").status(403).times(1).into());
    scene.cluster.close_watches();
    a_while().await;
    scene.settled().await;
    assert!(scene.ingest.received().iter().all(|r| r.header.unreadable.is_empty()));
}

#[tokio::test]
async fn a_kind_that_does_not_answer_is_reported_and_kept() {
    let scene = Scene::synchronised().await;
    scene.cluster.set_faults(Fault::on("", "nodes").status(503).into());
    scene.cluster.close_watches();
    eventually("reported", || scene.unreadable("Node") == Some(UnreadableReason::Unavailable)).await;
    assert_eq!(scene.ingest.totals(), scene.expected(), "nothing is deleted");
    scene.cluster.upsert(pod(1)).unwrap();
    eventually("the others go on", || scene.ingest.holds(uid(1))).await;
    scene.cluster.set_faults(Faults::none());
    eventually("readable again", || scene.unreadable("Node").is_none()).await;
    assert_eq!(scene.ingest.epochs().len(), 1);
}

#[tokio::test]
async fn a_kind_that_does_not_answer_at_first_comes_later() {
    let mut scene = Scene::new(SampleCluster::bundled().unwrap()).await;
    scene.cluster.set_faults(Fault::on("", "nodes").status(503).into());
    scene.start(options());
    eventually("all but nodes", || scene.ingest.is_synchronised()).await;
    assert_eq!(scene.unreadable("Node"), Some(UnreadableReason::Unavailable));
    assert!(!scene.ingest.totals().contains_key("Node"));
    scene.cluster.set_faults(Faults::none());
    scene.settled().await;
    assert_eq!(scene.ingest.epochs().len(), 1);
}

#[tokio::test]
async fn what_went_while_nobody_looked_is_found() {
    // The agent starts anew while nodes do not answer, and a node goes: the server keeps it, until nodes answer.
    let mut scene = Scene::synchronised().await;
    scene.stop().await;
    let nodes = scene.expected()["Node"];
    scene.cluster.set_faults(Fault::on("", "nodes").status(503).into());
    let node = node_name(&scene);
    scene.cluster.delete("", "nodes", None, &node).unwrap();
    scene.start(options());
    eventually("a second epoch", || scene.ingest.epochs().len() == 2 && scene.unreadable("Node").is_some()).await;
    a_while().await;
    assert_eq!(scene.ingest.totals()["Node"], nodes, "kept");
    scene.cluster.set_faults(Faults::none());
    eventually("gone", || scene.ingest.totals()["Node"] == nodes - 1).await;
    scene.settled().await;
}

fn node_name(scene: &Scene) -> String {
    let batches = scene.ingest.accepted();
    let node = batches.iter().flat_map(Received::objects).find(|o| o["kind"] == "Node").unwrap();
    node["metadata"]["name"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_api_server_goes_and_comes_back() {
    let scene = Scene::synchronised().await;
    scene.cluster.set_faults(Faults::refuse());
    a_while().await;
    assert_eq!(scene.ingest.totals(), scene.expected(), "nothing is deleted");
    scene.cluster.set_faults(Faults::none());
    scene.cluster.upsert(pod(1)).unwrap();
    eventually("the new pod", || scene.ingest.holds(uid(1))).await;
    eventually("all readable", || scene.ingest.last_header().unwrap().unreadable.is_empty()).await;
    scene.settled().await;
}

#[tokio::test]
async fn the_api_server_is_away_at_first() {
    let mut scene = Scene::new(SampleCluster::bundled().unwrap()).await;
    scene.cluster.set_faults(Faults::refuse());
    scene.start(options());
    a_while().await;
    assert!(scene.ingest.received().is_empty());
    scene.cluster.set_faults(Faults::none());
    scene.settled().await;
}

#[tokio::test]
async fn broken_and_busy_lists_are_begun_again() {
    let mut scene = Scene::new(SampleCluster::bundled().unwrap()).await;
    let faults = Faults::from(Fault::on("", "pods").break_list().times(2))
        .and(Fault::on("", "services").too_many(0).times(1))
        .and(Fault::on("apps", "deployments").status(500).times(1));
    scene.cluster.set_faults(faults);
    scene.start(options());
    scene.settled().await;
    assert_eq!(scene.ingest.epochs().len(), 1);
    assert!(scene.ingest.received().iter().all(|r| r.header.unreadable.is_empty()));
}

#[tokio::test]
async fn a_day_of_changes() {
    let scene = Scene::synchronised().await;
    let before = scene.expected();
    scene.cluster.a_days_events();
    assert_ne!(scene.expected(), before);
    scene.settled().await;
    assert_eq!(scene.ingest.epochs().len(), 1);
}

#[tokio::test]
async fn a_large_cluster_comes_in_several_batches() {
    let scene = Scene::new(SampleCluster::generated(1_500, 7)).await;
    scene.once().await.unwrap();
    assert_eq!(scene.ingest.totals(), scene.expected());
    assert!(scene.ingest.accepted().len() > 2);
    assert!(scene.ingest.accepted().iter().all(|b| b.upserts.len() <= 2_000));
}
