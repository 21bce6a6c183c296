//! What happens on the server's side.

use std::time::{Duration, Instant};

use kubewise_protocol::{BatchKind, ErrorCode};
use kubewise_sample_cluster::SampleCluster;

use crate::ingest::Canned;
use crate::scene::{Scene, a_while, eventually, options, pod, small, uid};

#[tokio::test]
async fn a_server_that_was_away_gets_what_changed() {
    let scene = Scene::synchronised().await;
    scene.ingest.go_away().await;
    scene.cluster.upsert(pod(1)).unwrap();
    a_while().await;
    scene.cluster.upsert(pod(2)).unwrap();
    scene.cluster.delete("", "pods", Some("default"), "extra-1").unwrap();
    a_while().await;
    scene.ingest.come_back().await;
    eventually("the second pod", || scene.ingest.holds(uid(2))).await;
    scene.settled().await;
    assert_eq!(scene.ingest.epochs().len(), 1);
}

#[tokio::test]
async fn a_server_that_is_away_at_first_gets_everything() {
    let mut scene = Scene::new(SampleCluster::bundled().unwrap()).await;
    scene.ingest.go_away().await;
    scene.start(options());
    a_while().await;
    scene.ingest.come_back().await;
    scene.settled().await;
}

#[tokio::test]
async fn busy_servers_and_faults_get_the_same_bytes_again() {
    let mut scene = Scene::new(SampleCluster::bundled().unwrap()).await;
    scene.ingest.answer_once(Canned::error(ErrorCode::Busy).retry_after(1));
    scene.ingest.answer_once(Canned::error(ErrorCode::Unavailable));
    scene.ingest.answer_once(Canned { status: 502, retry_after: None, body: "<html>bad gateway</html>".to_owned() });
    scene.ingest.answer_once(Canned { status: 200, retry_after: None, body: "<html>welcome</html>".to_owned() });
    let begun = Instant::now();
    let mut options = options();
    options.timing.send.most = Duration::from_secs(5);
    scene.start(options);
    scene.settled().await;
    let received = scene.ingest.received();
    assert_eq!(received[..5].iter().map(|r| r.status).collect::<Vec<_>>(), [429, 503, 502, 200, 200]);
    assert!(received[..5].iter().all(|r| r.body == received[0].body));
    assert!(begun.elapsed().as_secs() >= 1, "Retry-After is kept");
    assert_eq!(scene.ingest.epochs().len(), 1);
}

#[tokio::test]
async fn a_revoked_token_is_waited_out_until_there_is_a_new_one() {
    let scene = Scene::synchronised().await;
    scene.ingest.set_token("kwa_new");
    scene.cluster.upsert(pod(1)).unwrap();
    eventually("a refusal", || scene.ingest.received().iter().any(|r| r.status == 401)).await;
    assert!(!scene.ingest.holds(uid(1)));
    std::fs::write(scene.path("token"), "kwa_new\n").unwrap();
    eventually("the pod", || scene.ingest.holds(uid(1))).await;
    assert_eq!(scene.ingest.accepted().last().unwrap().authorization, "Bearer kwa_new");
    assert_eq!(scene.ingest.epochs().len(), 1);
}

#[tokio::test]
async fn a_conflict_begins_a_new_epoch() {
    let scene = Scene::synchronised().await;
    scene.ingest.forget_conversation();
    eventually("a second epoch", || scene.ingest.epochs().len() == 2).await;
    scene.settled().await;
    let epochs = scene.ingest.epochs();
    assert!(epochs[1] > epochs[0]);
    let first = scene.ingest.accepted().into_iter().find(|b| b.header.epoch == epochs[1]).unwrap();
    assert_eq!((first.header.seq, first.header.kind), (0, BatchKind::Full));
}

#[tokio::test]
async fn a_conflict_in_the_middle_of_everything() {
    let mut scene = Scene::new(SampleCluster::generated(600, 1)).await;
    scene.ingest.answer_once(Canned::error(ErrorCode::NewEpoch));
    scene.start(options());
    scene.settled().await;
    assert_eq!(scene.ingest.epochs().len(), 1);
}

#[tokio::test]
async fn a_plan_limit_is_waited_out() {
    let scene = Scene::synchronised().await;
    scene.ingest.answer_always(Some(Canned::error(ErrorCode::PlanLimit)));
    scene.cluster.upsert(pod(1)).unwrap();
    eventually("refusals", || scene.ingest.received().iter().filter(|r| r.status == 402).count() > 2).await;
    scene.ingest.answer_always(None);
    eventually("the pod", || scene.ingest.holds(uid(1))).await;
    scene.settled().await;
    assert_eq!(scene.ingest.epochs().len(), 2);
}

#[tokio::test]
async fn batches_become_smaller_when_they_are_too_large() {
    let mut scene = Scene::new(SampleCluster::generated(1_000, 3)).await;
    scene.ingest.longest_batch(60_000);
    scene.start(options());
    scene.settled().await;
    assert!(scene.ingest.received().iter().any(|r| r.status == 413));
    assert!(scene.ingest.accepted().iter().all(|b| b.body.len() <= 60_000));
}

#[tokio::test]
async fn what_the_server_does_not_understand_is_sent_anew() {
    let scene = Scene::synchronised().await;
    for code in [ErrorCode::Malformed, ErrorCode::ProtocolTooOld, ErrorCode::UnsupportedMediaType] {
        let epochs = scene.ingest.epochs().len();
        scene.ingest.answer_once(Canned::error(code));
        eventually("a new epoch", || scene.ingest.epochs().len() == epochs + 1).await;
        scene.settled().await;
    }
}

#[tokio::test]
async fn too_many_changes_for_memory_cost_a_full_synchronisation() {
    let mut scene = Scene::new(SampleCluster::bundled().unwrap()).await;
    scene.start(small(20));
    scene.settled().await;
    scene.ingest.go_away().await;
    for n in 1..=50 {
        scene.cluster.upsert(pod(n)).unwrap();
    }
    a_while().await;
    scene.ingest.come_back().await;
    eventually("all pods", || (1..=50).all(|n| scene.ingest.holds(uid(n)))).await;
    scene.settled().await;
    assert_eq!(scene.ingest.epochs().len(), 2);
}

#[tokio::test]
async fn a_difference_in_totals_is_mended() {
    let scene = Scene::synchronised().await;
    scene.ingest.lie("Pod", 1);
    eventually("a new epoch", || scene.ingest.epochs().len() > 1).await;
    scene.ingest.lie("Pod", 0);
    let epochs = scene.ingest.epochs().len();
    scene.settled().await;
    a_while().await;
    assert!(scene.ingest.epochs().len() <= epochs + 1);
}

#[tokio::test]
async fn a_difference_that_stays_is_no_loop() {
    let mut scene = Scene::new(SampleCluster::bundled().unwrap()).await;
    scene.ingest.lie("Node", 7);
    let mut options = options();
    options.timing.difference.least = Duration::from_millis(400);
    options.timing.difference.most = Duration::from_hours(1);
    scene.start(options);
    tokio::time::sleep(Duration::from_secs(4)).await;
    let epochs = scene.ingest.epochs().len();
    assert!((2..=6).contains(&epochs), "{epochs} epochs in 4 s; the waits double");
}
