//! What is asked of the Kubernetes API, and what is not; what leaves the cluster, and what does not.

use std::collections::BTreeSet;
use std::io::Read;

use kubewise_protocol::KINDS;

use crate::scene::{Scene, eventually};

#[tokio::test]
async fn only_the_kinds_of_the_protocol_are_listed_and_watched() {
    let scene = Scene::synchronised().await;
    scene.cluster.a_days_events();
    scene.settled().await;
    scene.cluster.close_watches();
    eventually("watches again", || scene.watches("pods") >= 2).await;

    let mut asked = BTreeSet::new();
    let mut missing = BTreeSet::new();
    for request in scene.cluster.requests() {
        assert_eq!(request.method, "GET");
        if request.path_and_query == "/version" {
            continue;
        }
        assert_eq!(request.namespace, None, "everything is read across namespaces: {}", request.path_and_query);
        if request.status == 404 {
            missing.insert((request.group.clone(), request.resource.clone()));
        }
        asked.insert((request.group, request.version, request.resource, request.verb));
    }
    let mut allowed = BTreeSet::new();
    for kind in KINDS {
        for verb in ["list", "watch"] {
            let key = (kind.group.to_owned(), kind.plural.to_owned());
            if verb == "list" || !missing.contains(&key) {
                allowed.insert((key.0, kind.version.to_owned(), key.1, verb));
            }
        }
    }
    assert_eq!(asked, allowed);
    for (_, _, resource, _) in asked {
        assert!(!["secrets", "configmaps", "events"].contains(&resource.as_str()));
    }
}

#[tokio::test]
async fn values_of_variables_stay_in_the_cluster() {
    let scene = Scene::synchronised().await;
    scene.cluster.a_days_events();
    scene.settled().await;
    let mut objects = 0;
    for batch in scene.ingest.received() {
        let mut text = Vec::new();
        zstd::stream::read::Decoder::new(&batch.body[..]).unwrap().read_to_end(&mut text).unwrap();
        for bytes in [&text[..], &batch.body[..]] {
            assert!(!bytes.windows(7).any(|window| window == b"hunter2"), "a password left the cluster");
        }
        objects += batch.upserts.len();
    }
    assert!(objects > 100);
}
