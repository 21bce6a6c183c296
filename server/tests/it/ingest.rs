//! The ingest protocol, over HTTP, as an agent and as somebody who means harm see it.

use std::io::Write;

use kubewise_backend::{database::Part, permission::AddClusters};
use kubewise_contract::ClusterName;
use kubewise_protocol::{BatchKind, SYNC_PATH, SyncAnswer, Unreadable, UnreadableReason};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use time::Duration;

use crate::common::{
    TestServer, batch, client, delta, deployment, full, header, node, pod,
    shop::{GOOD, Shop, paid, stands},
    uid, with_unreadable,
};

fn compress(lines: &str) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
    encoder.write_all(lines.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn header_line() -> String {
    serde_json::to_string(&header(BatchKind::Full, 99, 0)).unwrap()
}

#[tokio::test]
async fn a_full_synchronisation_then_deltas_are_what_is_held() {
    let server = TestServer::start().await;
    let t = server.tenant("acme").await;
    let totals = server.accepted(&t.token, full(1, &[pod(1, "a", "nginx"), deployment(2, "web", "nginx:1.29")])).await;
    assert_eq!(totals, [("Deployment.apps".to_owned(), 1), ("Pod".to_owned(), 1)].into());
    let totals = server.accepted(&t.token, delta(1, 1, &[pod(3, "b", "redis:8")], &[uid(1)])).await;
    assert_eq!(totals, [("Deployment.apps".to_owned(), 1), ("Pod".to_owned(), 1)].into());
    assert_eq!(server.stored().await, ["Deployment.apps/web", "Pod/b"]);
    let totals = server.accepted(&t.token, batch(&header(BatchKind::Heartbeat, 1, 2), &[], &[])).await;
    assert_eq!(totals.values().sum::<u64>(), 2);
    // A new full synchronisation replaces.
    let totals = server.accepted(&t.token, full(2, &[pod(4, "c", "nginx")])).await;
    assert_eq!(totals, [("Pod".to_owned(), 1)].into());
    assert_eq!(server.stored().await, ["Pod/c"]);
}

#[tokio::test]
async fn counts_after_deltas_equal_counts_made_anew() {
    let server = TestServer::start().await;
    let t = server.tenant("acme").await;
    let counts = async || -> Vec<String> {
        sqlx::query_scalar(
            "SELECT 'k ' || kind || count FROM cluster_kinds
             UNION ALL SELECT 'n ' || name || resources || workloads || failing || pods FROM cluster_namespaces
             UNION ALL SELECT 'i ' || image || namespace || workloads || pods FROM cluster_images
             UNION ALL SELECT 'a ' || name || namespace || source || versions::text || workloads || failing || images::text
               FROM cluster_applications
             UNION ALL SELECT 'c ' || resources || '/' || workloads || '/' || pods || '/' || nodes || '/' || namespaces
                              || '/' || images || '/' || mutable_images || '/' || applications FROM clusters
             ORDER BY 1",
        )
        .fetch_all(&server.database.superuser())
        .await
        .unwrap()
    };
    server.accepted(&t.token, full(1, &[pod(1, "a", "nginx"), deployment(2, "web", "nginx:1.29")])).await;
    let mut failing = deployment(2, "web", "nginx:1.30");
    failing["status"] = json!({});
    let objects = [failing, pod(3, "b", "nginx:latest"), deployment(5, "api", "nginx:1.30")];
    server.accepted(&t.token, delta(1, 1, &objects, &[])).await;
    server.accepted(&t.token, delta(1, 2, &[pod(6, "d", "redis:8")], &[uid(1), uid(77)])).await;
    server.accepted(&t.token, delta(1, 3, &[], &[uid(6)])).await;
    let by_deltas = counts().await;
    server.accepted(&t.token, full(2, &objects)).await;
    assert_eq!(by_deltas, counts().await);
}

#[tokio::test]
async fn readers_see_the_old_state_until_the_new_one_is_complete() {
    let server = TestServer::start().await;
    let t = server.tenant("acme").await;
    server.accepted(&t.token, full(1, &[pod(1, "old", "nginx")])).await;
    let mut first = header(BatchKind::Full, 2, 0);
    first.last = false;
    let totals = server.accepted(&t.token, batch(&first, &[pod(2, "new-1", "nginx")], &[])).await;
    assert_eq!(totals, [("Pod".to_owned(), 1)].into(), "the totals are of what is shown");
    assert_eq!(server.stored().await, ["Pod/old"]);
    let last = header(BatchKind::Full, 2, 1);
    let totals = server.accepted(&t.token, batch(&last, &[pod(3, "new-2", "nginx")], &[])).await;
    assert_eq!(totals, [("Pod".to_owned(), 2)].into());
    assert_eq!(server.stored().await, ["Pod/new-1", "Pod/new-2"]);
}

#[tokio::test]
async fn a_batch_sent_again_changes_nothing_and_gets_the_same_answer() {
    let server = TestServer::start().await;
    let t = server.tenant("acme").await;
    let answer = async |body: Vec<u8>| server.send(&t.token, body).await.json::<SyncAnswer>().await.unwrap();
    let first = full(1, &[pod(1, "a", "nginx")]);
    let second = delta(1, 1, &[pod(2, "b", "nginx")], &[]);
    let third = delta(1, 2, &[], &[uid(2)]);
    let (a, b, c) = (answer(first.clone()).await, answer(second.clone()).await, answer(third.clone()).await);
    assert_eq!(answer(third).await, c);
    assert_eq!(answer(second).await, b);
    assert_eq!(answer(first.clone()).await, a);
    assert_eq!(server.stored().await, ["Pod/a"]);
    // Nor does the beginning of an epoch that another has replaced.
    answer(full(2, &[pod(9, "z", "nginx")])).await;
    assert_eq!(answer(first).await, a);
    assert_eq!(server.stored().await, ["Pod/z"]);
}

#[tokio::test]
async fn what_does_not_follow_is_refused_with_a_new_epoch() {
    let server = TestServer::start().await;
    let t = server.tenant("acme").await;
    server.refused(&t.token, delta(1, 0, &[], &[]), 409).await;
    server.accepted(&t.token, full(1, &[pod(1, "a", "nginx")])).await;
    server.refused(&t.token, delta(1, 2, &[pod(2, "b", "nginx")], &[]), 409).await;
    server.refused(&t.token, delta(7, 1, &[pod(2, "b", "nginx")], &[]), 409).await;
    server.refused(&t.token, delta(1, u64::MAX, &[], &[]), 409).await;
    server.refused(&t.token, batch(&header(BatchKind::Full, 3, 1), &[], &[]), 409).await;
    let mut again = header(BatchKind::Full, 1, 0);
    again.agent_version = "0.1.1".to_owned();
    // The same place is the same batch, whatever it holds: answered, not applied.
    server.accepted(&t.token, batch(&again, &[pod(5, "e", "nginx")], &[])).await;
    assert_eq!(server.stored().await, ["Pod/a"]);
}

#[tokio::test]
async fn only_a_token_that_is_known_and_not_revoked_is_let_in() {
    let server = TestServer::start().await;
    let t = server.tenant("acme").await;
    let other = server.tenant("other").await;
    for token in ["", "kwc_", "x", &t.token[..40], &format!("{}x", t.token), "kwc_AAAA"] {
        server.refused(token, full(1, &[]), 401).await;
    }
    // A token speaks for its own cluster only.
    server.accepted(&t.token, full(1, &[pod(1, "a", "nginx")])).await;
    server.accepted(&other.token, full(1, &[pod(1, "b", "nginx")])).await;
    let actor = server.web.actor(t.user).await.unwrap().unwrap();
    let cluster = server.web.cluster(&actor, &t.slug, t.cluster).await.unwrap();
    server.web.revoke_token(&cluster).await.unwrap();
    server.refused(&t.token, full(2, &[]), 401).await;
    server.accepted(&other.token, full(2, &[])).await;
    assert_eq!(server.stored().await, ["Pod/a"]);
    let no_header = client().post(format!("{}{SYNC_PATH}", server.url)).send().await.unwrap();
    assert_eq!(no_header.status().as_u16(), 401);
    assert_eq!(no_header.headers()["www-authenticate"], "Bearer");
}

#[tokio::test]
async fn a_deleted_clusters_agent_is_refused_and_its_data_goes() {
    let server = TestServer::start().await;
    let t = server.tenant("acme").await;
    server.accepted(&t.token, full(1, &[pod(1, "a", "nginx")])).await;
    let actor = server.web.actor(t.user).await.unwrap().unwrap();
    let cluster = server.web.cluster(&actor, &t.slug, t.cluster).await.unwrap();
    server.web.delete_cluster(&cluster).await.unwrap();
    server.refused(&t.token, full(2, &[]), 401).await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let outbox = tempfile::tempdir().unwrap();
    let worker = server.database.worker(&kubewise_backend::World::system(), outbox.path());
    let running = tokio::spawn(worker.run("test".to_owned(), async {
        let _ = stopped.await;
    }));
    let left = async || -> i64 {
        sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM clusters) + (SELECT count(*) FROM resources) + (SELECT count(*) FROM cluster_kinds)
               + (SELECT count(*) FROM cluster_tokens) + (SELECT count(*) FROM ingest_batches)",
        )
        .fetch_one(&server.database.superuser())
        .await
        .unwrap()
    };
    for _ in 0..200 {
        if left().await == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(left().await, 0);
    drop(stop);
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_whole() {
    let server = TestServer::start().await;
    let t = server.tenant("acme").await;
    server.accepted(&t.token, full(1, &[pod(1, "a", "nginx")])).await;
    let good = json!({"op": "upsert", "resource": pod(2, "b", "nginx")}).to_string();
    let line = |text: &str| compress(&format!("{}\n{good}\n{text}\n", header_line()));
    let op = |op: Value| line(&op.to_string());

    let truncated = full(99, &[pod(2, "b", "nginx")]);
    let truncated = truncated[..truncated.len() - 5].to_vec();
    let mut corrupt = full(99, &[pod(2, "b", "nginx")]);
    let middle = corrupt.len() / 2;
    corrupt[middle] ^= 0x55;
    for (what, body) in [
        ("empty", Vec::new()),
        ("no zstd", b"hello".to_vec()),
        ("truncated", truncated),
        ("corrupt", corrupt),
        ("empty frame", compress("")),
        ("no header", compress("{}\n")),
        ("header is no object", compress("[]\n")),
        ("no JSON", line("{")),
        ("blank line", line("")),
        ("unknown operation", op(json!({"op": "patch", "uid": uid(1)}))),
        ("upsert without resource", op(json!({"op": "upsert"}))),
        ("delete in a full", op(json!({"op": "delete", "uid": uid(1)}))),
        ("no object", op(json!({"op": "upsert", "resource": 7}))),
        (
            "no uid",
            op(json!({"op": "upsert", "resource": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}})),
        ),
        (
            "a name with NUL",
            op(
                json!({"op": "upsert", "resource": {"apiVersion": "v1", "kind": "Pod", "metadata": {"uid": uid(3), "name": "x\u{0}"}}}),
            ),
        ),
        (
            "a long name",
            op(
                json!({"op": "upsert", "resource": {"apiVersion": "v1", "kind": "Pod", "metadata": {"uid": uid(3), "name": "x".repeat(300)}}}),
            ),
        ),
        (
            "a secret",
            op(
                json!({"op": "upsert", "resource": {"apiVersion": "v1", "kind": "Secret", "metadata": {"uid": uid(3), "name": "x"}}}),
            ),
        ),
        (
            "a config map",
            op(
                json!({"op": "upsert", "resource": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"uid": uid(3), "name": "x"}}}),
            ),
        ),
        ("deep", line(&format!(r#"{{"op":"upsert","resource":{}{}}}"#, "[".repeat(5000), "]".repeat(5000)))),
    ] {
        let sentence = server.refused(&t.token, body, 422).await;
        assert!(sentence.contains("line "), "{what}: {sentence}");
        assert_eq!(server.stored().await, ["Pod/a"], "{what}");
    }
    // The place is said; what was there is not repeated.
    let sentence = server.refused(&t.token, op(json!({"op": "hunter2"})), 422).await;
    assert!(sentence.contains("line 3") && !sentence.contains("hunter2"), "{sentence}");
    // The next right batch is as welcome as ever.
    server.accepted(&t.token, delta(1, 1, &[pod(2, "b", "nginx")], &[])).await;
}

#[tokio::test]
async fn what_is_too_large_is_refused_whole_and_costs_little() {
    let server = TestServer::start().await;
    let t = server.tenant("acme").await;
    let head = header_line();
    let long_line = compress(&format!("{head}\n{{\"op\":\"{}\n", "x".repeat(3 << 20)));
    let many_lines = {
        let delete = json!({"op": "upsert", "resource": pod(1, "a", "nginx")}).to_string() + "\n";
        compress(&format!("{head}\n{}", delete.repeat(20_001)))
    };
    // A gigabyte of spaces in some ten thousand bytes.
    let bomb = {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 19).unwrap();
        encoder.write_all(format!("{head}\n").as_bytes()).unwrap();
        let block = format!("{{{}}}\n", " ".repeat(1 << 20));
        for _ in 0..200 {
            encoder.write_all(block.as_bytes()).unwrap();
        }
        encoder.finish().unwrap()
    };
    assert!(bomb.len() < 100_000);
    let large_window = {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
        encoder.window_log(27).unwrap();
        encoder.write_all(format!("{head}\n").as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let huge_body = vec![0; 33 << 20];
    server.refused(&t.token, long_line, 413).await;
    server.refused(&t.token, many_lines, 413).await;
    let status = server.send(&t.token, bomb).await.status().as_u16();
    assert!(matches!(status, 413 | 422), "{status}");
    server.refused(&t.token, large_window, 422).await;
    server.refused(&t.token, huge_body, 413).await;
    // The same without saying how much is to come.
    let noise: Vec<u8> = (0..34u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut frame = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    frame.write_all(format!("{head}\n").as_bytes()).unwrap();
    for piece in noise.chunks(1 << 20) {
        frame.write_all(piece).unwrap();
        frame.write_all(b"\n").unwrap();
    }
    let frame = frame.finish().unwrap();
    let stream =
        futures::stream::iter(frame.chunks(64 << 10).map(|c| Ok::<_, std::io::Error>(c.to_vec())).collect::<Vec<_>>());
    let response = client()
        .post(format!("{}{SYNC_PATH}", server.url))
        .bearer_auth(&t.token)
        .header("content-type", "application/x-ndjson")
        .header("content-encoding", "zstd")
        .body(reqwest::Body::wrap_stream(stream))
        .send()
        .await
        .unwrap();
    assert!(matches!(response.status().as_u16(), 413 | 422), "{}", response.status());
    assert!(server.stored().await.is_empty());
}

#[tokio::test]
async fn other_versions_and_media_types_are_told_so() {
    let server = TestServer::start().await;
    let t = server.tenant("acme").await;
    for version in [0, 2, u32::MAX] {
        let mut other = header(BatchKind::Full, 1, 0);
        other.protocol = version;
        server.refused(&t.token, batch(&other, &[], &[]), 426).await;
    }
    // Another version's header may look otherwise.
    server.refused(&t.token, compress("{\"protocol\":2,\"new\":true}\n"), 426).await;
    let plain = client()
        .post(format!("{}{SYNC_PATH}", server.url))
        .bearer_auth(&t.token)
        .header("content-type", "application/json")
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(plain.status().as_u16(), 415);
}

#[tokio::test]
async fn an_organisation_may_not_hold_more_than_its_limit() {
    let server = TestServer::start().await;
    let t = server.tenant("acme").await;
    let owner = server.database.pool(Part::Owner);
    let (org, _) = kubewise_backend::admin::find_organisation(&owner, &t.slug).await.unwrap();
    kubewise_backend::admin::set_resource_limit(&owner, org, Some(2)).await.unwrap();
    let three = [pod(1, "a", "nginx"), pod(2, "b", "nginx"), pod(3, "c", "nginx")];
    let sentence = server.refused(&t.token, full(1, &three), 402).await;
    assert!(sentence.contains("allows 2 objects"), "{sentence}");
    server.accepted(&t.token, full(2, &three[..2])).await;
    // What is sent twice, in one batch or in two, is one object.
    let mut first = header(BatchKind::Full, 3, 0);
    first.last = false;
    server.accepted(&t.token, batch(&first, &[&three[..1], &three[..1]].concat(), &[])).await;
    server.accepted(&t.token, batch(&header(BatchKind::Full, 3, 1), &three[..2], &[])).await;
    server.accepted(&t.token, full(4, &three[..2])).await;
    server.refused(&t.token, delta(4, 1, &three[2..], &[]), 402).await;
    assert_eq!(server.stored().await, ["Pod/a", "Pod/b"]);
    kubewise_backend::admin::set_resource_limit(&owner, org, None).await.unwrap();
    server.accepted(&t.token, delta(4, 1, &three[2..], &[])).await;
}

#[tokio::test]
async fn an_agent_is_refused_two_weeks_after_the_plan_became_too_small_and_taken_again_with_a_larger_one() {
    let shop = Shop::open().await;
    let server = &shop.server;
    let t = server.tenant("acme").await;
    let actor = server.web.actor(t.user).await.unwrap().unwrap();
    let org = server.web.organisation::<AddClusters>(&actor, &t.slug).await.unwrap();
    // A moment later: they are served in the order in which they were added.
    shop.clock.pass(Duration::SECOND);
    let (_, token) = server.web.add_cluster(&org, &ClusterName::parse("second").unwrap()).await.unwrap();
    let second = token.expose_secret();
    // The plan Free has 10 nodes.
    server.accepted(&t.token, full(1, &(1..=4).map(node).collect::<Vec<_>>())).await;
    server.accepted(second, full(1, &(5..=11).map(node).collect::<Vec<_>>())).await;
    shop.worker.count_nodes().await.unwrap();
    shop.clock.pass(Duration::days(14) - Duration::minutes(5));
    server.accepted(second, delta(1, 1, &[pod(21, "a", "nginx")], &[])).await;
    let stored = server.stored().await;
    assert_eq!(stored.len(), 12);

    shop.clock.pass(Duration::minutes(6));
    shop.worker.count_nodes().await.unwrap();
    for refused in [
        delta(1, 2, &[pod(22, "b", "nginx")], &[uid(21)]),
        batch(&header(BatchKind::Heartbeat, 1, 2), &[], &[]),
        full(2, &[]),
    ] {
        let sentence = server.refused(second, refused, 402).await;
        assert!(sentence.contains("plan is too small for this cluster"), "{sentence}");
    }
    assert_eq!(server.stored().await, stored, "what is known stays");
    server.accepted(&t.token, delta(1, 1, &[pod(23, "c", "nginx")], &[])).await;

    let mut browser = server.browser();
    browser.sign_in(&t.email, crate::common::PASSWORD).await;
    assert_eq!(browser.get("/o/acme/clusters").await.status(), 200);
    shop.subscribe(&t, &mut browser, GOOD).await;
    paid(&browser, &t, "a trial", |payment| stands(payment, "trialing")).await;
    // It goes on where it was.
    server.accepted(second, delta(1, 2, &[pod(22, "b", "nginx")], &[uid(21)])).await;
    assert_eq!(server.stored().await.len(), 13);
}

#[tokio::test]
async fn a_batch_of_a_cluster_that_is_being_written_waits() {
    let server = TestServer::start().await;
    let t = server.tenant("acme").await;
    let (high, low) = t.cluster.0.as_u64_pair();
    let mut other = server.database.superuser().acquire().await.unwrap();
    sqlx::query("SELECT pg_advisory_lock($1)").bind((high ^ low).cast_signed()).execute(&mut *other).await.unwrap();
    let response = server.send(&t.token, full(1, &[pod(1, "a", "nginx")])).await;
    assert_eq!(response.status().as_u16(), 429);
    assert!(response.headers().contains_key("retry-after"));
    sqlx::query("SELECT pg_advisory_unlock($1)").bind((high ^ low).cast_signed()).execute(&mut *other).await.unwrap();
    server.accepted(&t.token, full(1, &[pod(1, "a", "nginx")])).await;
}

#[tokio::test]
async fn kinds_that_cannot_be_read_are_dropped_when_forbidden_and_kept_when_away() {
    let server = TestServer::start().await;
    let t = server.tenant("acme").await;
    let objects = [pod(1, "a", "nginx"), deployment(2, "web", "nginx:1.29")];
    let away = |reason| Unreadable { kind: "Pod".to_owned(), reason };
    server.accepted(&t.token, full(1, &objects)).await;
    let kept = with_unreadable(header(BatchKind::Full, 2, 0), away(UnreadableReason::Unavailable));
    let totals = server.accepted(&t.token, batch(&kept, &objects[1..], &[])).await;
    assert_eq!(totals.get("Pod"), Some(&1));
    let dropped = with_unreadable(header(BatchKind::Heartbeat, 2, 1), away(UnreadableReason::Forbidden));
    let totals = server.accepted(&t.token, batch(&dropped, &[], &[])).await;
    assert_eq!(totals.get("Pod"), None);
    assert_eq!(server.stored().await, ["Deployment.apps/web"]);
}

#[tokio::test]
async fn a_crash_of_postgresql_while_gathering_asks_for_a_new_epoch() {
    let server = TestServer::start().await;
    let t = server.tenant("acme").await;
    let mut first = header(BatchKind::Full, 1, 0);
    first.last = false;
    server.accepted(&t.token, batch(&first, &[pod(1, "a", "nginx")], &[])).await;
    // What a crash leaves of unlogged tables.
    sqlx::query("TRUNCATE ingest_staging, ingest_staging_state").execute(&server.database.superuser()).await.unwrap();
    server.refused(&t.token, batch(&header(BatchKind::Full, 1, 1), &[pod(2, "b", "nginx")], &[]), 409).await;
    assert!(server.stored().await.is_empty());
    server.accepted(&t.token, full(2, &[pod(1, "a", "nginx")])).await;
}
