//! The API as its clients meet it.

use std::{collections::BTreeSet, time::Duration};

use crate::common::{Served, names};
use kubewise_sample_cluster::{Fault, Faults, SampleCluster};
use serde_json::{Value, json};

async fn bundled() -> Served {
    Served::new(SampleCluster::bundled().unwrap()).await
}

fn account(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "shop"}})
}

const ACCOUNTS: &str = "/api/v1/serviceaccounts";

#[tokio::test]
async fn pages_of_any_size_give_each_object_once() {
    let served = bundled().await;
    for (path, limit) in
        [("/api/v1/pods", 1), ("/api/v1/pods", 7), ("/api/v1/namespaces/shop/pods", 4), ("/api/v1/nodes", 4)]
    {
        let whole = served.list(path).await;
        let mut paged = Vec::new();
        let mut token = String::new();
        loop {
            let page = served.list(&format!("{path}?limit={limit}&continue={token}")).await;
            assert!(page["items"].as_array().unwrap().len() <= limit);
            paged.extend(names(&page));
            assert_eq!(page["metadata"]["resourceVersion"], whole["metadata"]["resourceVersion"]);
            let remaining = page["metadata"]["remainingItemCount"].as_u64().unwrap_or(0);
            assert_eq!(usize::try_from(remaining).unwrap() + paged.len(), names(&whole).len());
            match page["metadata"]["continue"].as_str() {
                Some(next) => token = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(paged, names(&whole), "{path} in pages of {limit}");
    }
}

#[tokio::test]
async fn all_pages_of_a_list_come_from_one_moment() {
    let served = bundled().await;
    let before = served.list(ACCOUNTS).await;
    let first = served.list(&format!("{ACCOUNTS}?limit=5")).await;
    served.cluster.upsert(account("zz-added-between-pages")).unwrap();
    let token = first["metadata"]["continue"].as_str().unwrap();
    let rest = served.list(&format!("{ACCOUNTS}?limit=500&continue={token}")).await;
    let all: Vec<String> = [names(&first), names(&rest)].concat();
    assert_eq!(all, names(&before));
    // A watch from the list's revision tells what the list could not.
    let revision = rest["metadata"]["resourceVersion"].as_str().unwrap();
    let mut watch = served.watch(ACCOUNTS, &format!("resourceVersion={revision}")).await;
    assert_eq!(watch.event().await, ("ADDED".to_owned(), "zz-added-between-pages".to_owned()));
}

#[tokio::test]
async fn a_forgotten_continue_token_is_gone() {
    let served = bundled().await;
    let first = served.list(&format!("{ACCOUNTS}?limit=5")).await;
    let next = format!("{ACCOUNTS}?limit=5&continue={}", first["metadata"]["continue"].as_str().unwrap());
    served.cluster.forget_history();
    let (status, body) = served.get(&next).await.unwrap();
    assert_eq!((status, body["reason"].as_str()), (410, Some("Expired")));
    let (status, _) = served.get(&format!("{ACCOUNTS}?continue=nonsense")).await.unwrap();
    assert_eq!(status, 400);
}

#[tokio::test]
async fn a_watch_sees_each_change_in_order() {
    let served = bundled().await;
    let revision = served.list("/api/v1/namespaces/shop/serviceaccounts").await["metadata"]["resourceVersion"].clone();
    let query = format!("resourceVersion={}", revision.as_str().unwrap());
    let mut watch = served.watch("/api/v1/namespaces/shop/serviceaccounts", &query).await;
    let mut elsewhere =
        served.watch("/api/v1/namespaces/payments/serviceaccounts", &format!("{query}&timeoutSeconds=1")).await;
    served.cluster.upsert(account("a")).unwrap();
    let mut changed = account("a");
    changed["metadata"]["labels"] = json!({"team": "shop"});
    served.cluster.upsert(changed).unwrap();
    served.cluster.delete("", "serviceaccounts", Some("shop"), "a").unwrap();
    let (mut events, mut last) = (Vec::new(), 0);
    for _ in 0..3 {
        let event = watch.next().await.unwrap().unwrap();
        let revision: u64 = event["object"]["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
        assert!(revision > last, "revisions rise");
        last = revision;
        assert_eq!(event["object"]["kind"], "ServiceAccount");
        assert_eq!(event["object"]["apiVersion"], "v1");
        events.push((event["type"].as_str().unwrap().to_owned(), event["object"]["metadata"]["uid"].clone()));
    }
    assert_eq!(events.iter().map(|e| e.0.as_str()).collect::<Vec<_>>(), ["ADDED", "MODIFIED", "DELETED"]);
    assert!(events.iter().all(|e| e.1 == events[0].1), "an object keeps its UID");
    assert_eq!(elsewhere.next().await.unwrap(), None, "another namespace's watch ends without having seen anything");
}

#[tokio::test]
async fn an_old_revision_is_gone_and_so_is_one_from_the_future() {
    let served = bundled().await;
    for revision in ["1", "999999999"] {
        let mut watch = served.watch("/api/v1/pods", &format!("resourceVersion={revision}")).await;
        let event = watch.next().await.unwrap().unwrap();
        assert_eq!((event["type"].as_str(), event["object"]["code"].as_i64()), (Some("ERROR"), Some(410)));
        assert_eq!(watch.next().await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_watch_may_begin_with_everything_and_says_where_that_ends() {
    let served = bundled().await;
    let query = "allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=1";
    let mut watch = served.watch("/api/v1/nodes", query).await;
    for _ in 0..4 {
        assert_eq!(watch.event().await.0, "ADDED");
    }
    let bookmark = watch.next().await.unwrap().unwrap();
    assert_eq!(bookmark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    // The timeout's own bookmark, then the end.
    assert_eq!(watch.event().await.0, "BOOKMARK");
    assert_eq!(watch.next().await.unwrap(), None);
}

#[tokio::test]
async fn nobody_reads_secrets_and_the_attempt_is_recorded() {
    let served = bundled().await;
    for path in [
        "/api/v1/secrets",
        "/api/v1/namespaces/shop/configmaps",
        "/api/v1/events",
        "/apis/events.k8s.io/v1/events",
        "/api/v1/namespaces/shop/pods/x/log",
    ] {
        let (status, body) = served.get(path).await.unwrap();
        assert_eq!(
            (status, body["kind"].as_str(), body["reason"].as_str()),
            (403, Some("Status"), Some("Forbidden")),
            "{path}"
        );
    }
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "shop"}});
    assert!(served.cluster.upsert(secret).is_err());
    let requests = served.cluster.requests();
    let asked: Vec<_> = requests.iter().map(|r| (r.verb, r.resource.as_str(), r.status)).collect();
    assert_eq!(asked[0], ("list", "secrets", 403));
    assert_eq!(asked[4], ("get", "pods/log", 403));
    assert_eq!(requests[1].namespace.as_deref(), Some("shop"));
}

#[tokio::test]
async fn what_is_not_there_is_a_status() {
    let served = bundled().await;
    for (path, code) in [
        ("/apis/example.com/v1/widgets", 404),
        ("/api/v1/namespaces/shop/pods/nope", 404),
        ("/api/v1/namespaces/shop/nodes", 404),
        ("/nonsense", 404),
        ("/apis/metrics.k8s.io/v1beta1/nodes", 503),
        ("/apis/metrics.k8s.io/v1beta1", 503),
        ("/api/v1/pods?labelSelector=a%3Db", 400),
    ] {
        let (status, body) = served.get(path).await.unwrap();
        assert_eq!(
            (status, body["kind"].as_str(), body["code"].as_u64()),
            (code, Some("Status"), Some(code.into())),
            "{path}"
        );
    }
}

#[tokio::test]
async fn discovery_names_everything_that_can_be_listed() {
    let served = bundled().await;
    let groups = served.list("/apis").await;
    let mut listed = BTreeSet::new();
    let mut documents = vec![("/api/v1".to_owned(), String::new())];
    for group in groups["groups"].as_array().unwrap() {
        let version = group["preferredVersion"]["groupVersion"].as_str().unwrap();
        documents.push((format!("/apis/{version}"), group["name"].as_str().unwrap().to_owned()));
    }
    for (path, group) in documents.iter().filter(|d| d.1 != "metrics.k8s.io") {
        for resource in served.list(path).await["resources"].as_array().unwrap() {
            let name = resource["name"].as_str().unwrap();
            if ["secrets", "configmaps", "events"].contains(&name) {
                continue;
            }
            served.list(&format!("{path}/{name}?limit=1")).await;
            let kind = resource["kind"].as_str().unwrap();
            listed.insert(if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") });
        }
    }
    assert!(served.cluster.totals().keys().all(|k| listed.contains(k)));
}

#[tokio::test]
async fn faults_happen_as_often_as_they_are_told_to() {
    let served = bundled().await;
    let faults = Faults::from(Fault::on("", "pods").too_many(3).times(1)).and(Fault::on("", "nodes").break_list());
    served.cluster.set_faults(faults);
    let (status, body) = served.get("/api/v1/pods").await.unwrap();
    assert_eq!((status, body["details"]["retryAfterSeconds"].as_i64()), (429, Some(3)));
    assert_eq!(served.get("/api/v1/pods").await.unwrap().0, 200);
    assert!(served.get("/api/v1/nodes").await.is_err(), "the body breaks off");
    served.cluster.set_faults(Fault::everywhere().status(503).into());
    assert_eq!(served.get("/version").await.unwrap().0, 503);
    served.cluster.set_faults(Faults::none());
    assert_eq!(served.get("/version").await.unwrap().0, 200);
}

#[tokio::test]
async fn watches_are_closed_broken_and_outdated_on_demand() {
    let served = bundled().await;
    served.cluster.set_faults(
        Faults::from(Fault::on("", "serviceaccounts").close_watch(1).times(1))
            .and(Fault::on("", "serviceaccounts").break_watch(1).times(1))
            .and(Fault::on("", "serviceaccounts").gone()),
    );
    let revision = served.list(ACCOUNTS).await["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let query = format!("resourceVersion={revision}");
    let mut closed = served.watch(ACCOUNTS, &query).await;
    let mut broken = served.watch(ACCOUNTS, &query).await;
    let mut gone = served.watch(ACCOUNTS, &query).await;
    assert_eq!(gone.next().await.unwrap().unwrap()["object"]["code"], 410);
    served.cluster.upsert(account("a")).unwrap();
    served.cluster.upsert(account("b")).unwrap();
    assert_eq!(closed.event().await.1, "a");
    assert_eq!(closed.next().await.unwrap(), None);
    assert_eq!(broken.event().await.1, "a");
    assert!(broken.next().await.is_err());
    served.cluster.set_faults(Faults::none());
    let mut open = served.watch(ACCOUNTS, &query).await;
    assert_eq!(open.event().await.1, "a");
    assert_eq!(open.event().await.1, "b");
    served.cluster.close_watches();
    assert_eq!(open.next().await.unwrap(), None);
}

#[tokio::test]
async fn refused_connections_end_open_ones_and_come_back_on_the_same_port() {
    let served = bundled().await;
    let mut watch = served.watch("/api/v1/pods", "").await;
    watch.event().await;
    served.cluster.set_faults(Faults::refuse());
    let mut events = 0;
    while let Ok(Some(_)) = watch.next().await {
        events += 1;
        assert!(events < 1000, "the watch goes on");
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(served.get("/version").await.is_err());
    served.cluster.set_faults(Faults::none());
    let mut answered = false;
    for _ in 0..50 {
        answered = served.get("/version").await.is_ok();
        if answered {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(answered, "the port is served again");
}

#[tokio::test]
async fn a_stopped_cluster_frees_its_port() {
    let cluster = SampleCluster::bundled().unwrap();
    let handle = cluster.serve(0).await.unwrap();
    let port = handle.addr.port();
    handle.stop();
    let mut again = cluster.serve(port).await;
    for _ in 0..50 {
        if again.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        again = cluster.serve(port).await;
    }
    assert_eq!(again.unwrap().addr.port(), port);
}

/// A reader that does not read is cut off, and costs no memory: the history moves on past it.
#[tokio::test]
async fn a_slow_watcher_is_cut_off() {
    let served = bundled().await;
    let revision = served.list(ACCOUNTS).await["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let mut watch = served.watch(ACCOUNTS, &format!("resourceVersion={revision}")).await;
    let mut object = account("busy");
    for n in 0..18_000 {
        // Large enough that the sockets' buffers do not hold them all.
        object["metadata"]["annotations"] = json!({"n": format!("{n:02000}")});
        served.cluster.upsert(object.clone()).unwrap();
    }
    let mut last = Value::Null;
    while let Some(event) = watch.next().await.unwrap() {
        last = event;
    }
    assert_eq!((last["type"].as_str(), last["object"]["code"].as_i64()), (Some("ERROR"), Some(410)));
}
