//! What a text finds, in all clusters of an organisation.

use kubewise_backend::permission::ViewInventory;
use kubewise_contract::ListQuery;
use serde_json::{Value, json};

use crate::common::{TestServer, deployment, full, pod, uid};

/// An object made by a controller.
fn owned(mut object: Value, owner: (u128, &str, &str)) -> Value {
    let (number, kind, name) = owner;
    object["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid(number), "controller": true}]);
    object
}

fn other(number: u128, kind: &str, name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"uid": uid(number), "name": name, "namespace": "shop"}})
}

#[tokio::test]
async fn names_are_found_by_any_part_and_what_they_own_with_them() {
    let server = TestServer::start().await;
    let tenant = server.tenant("acme").await;
    let objects = [
        deployment(1, "checkout-api", "shop:1"),
        owned(other(2, "ReplicaSet", "checkout-api-7d9f8b"), (1, "Deployment", "checkout-api")),
        owned(pod(3, "checkout-api-7d9f8b-x2x4z", "shop:1"), (2, "ReplicaSet", "checkout-api-7d9f8b")),
        // Its owner is of a kind that the agent does not read.
        owned(pod(4, "ledger-api-0", "shop:1"), (99, "Ledger", "ledger-api")),
        pod(5, "by-hand", "shop:1"),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"uid": uid(6), "name": "API-gateway", "namespace": "shop"}}),
        deployment(7, "other", "shop:1"),
    ];
    server.accepted(&tenant.token, full(1, &objects)).await;
    let actor = server.web.actor(tenant.user).await.unwrap().unwrap();
    let organisation = server.web.organisation::<ViewInventory>(&actor, &tenant.slug).await.unwrap();
    let find = async |text: &str, kind: Option<&str>| {
        let query = ListQuery { q: Some(text.to_owned()), kind: kind.map(str::to_owned), ..ListQuery::default() };
        let page = server.web.search(&organisation, &query).await.unwrap();
        page.rows.into_iter().map(|row| row.resource.name).collect::<Vec<_>>()
    };
    let made = ["checkout-api-7d9f8b", "checkout-api-7d9f8b-x2x4z"];
    // Workloads first; then by name. The middle of a name is enough, in any case.
    assert_eq!(find("out-API", None).await, [&["checkout-api"], &made[..]].concat());
    assert_eq!(find("api", None).await, [&["checkout-api", "API-gateway"], &made[..]].concat());
    assert_eq!(find("api", Some("Pod")).await, ["checkout-api-7d9f8b-x2x4z"]);
    assert_eq!(find("api", Some("Service")).await, ["API-gateway"]);
    // Whole names and beginnings, of whatever object; an exact name first.
    assert_eq!(find("checkout-api-7d9f8b", None).await, made);
    assert_eq!(find("ledger", None).await, ["ledger-api-0"]);
    assert_eq!(find("by", None).await, ["by-hand"]);
    assert_eq!(find("by", Some("Service")).await, [""; 0]);
    // Wildcards are text.
    assert_eq!(find("check%api", None).await, [""; 0]);
    assert_eq!(find("_____", None).await, [""; 0]);
    assert_eq!(find("nowhere", None).await, [""; 0]);
}

#[tokio::test]
async fn a_filter_finds_names_in_either_case_and_page_by_page() {
    let server = TestServer::start().await;
    let tenant = server.tenant("acme").await;
    let mut objects: Vec<_> = (1..=150).map(|n| pod(n, &format!("api-{n:03}"), "shop:1")).collect();
    objects.push(other(151, "Role", "Edit-API"));
    objects.push(pod(152, "api-100-B", "shop:1"));
    server.accepted(&tenant.token, full(1, &objects)).await;
    let actor = server.web.actor(tenant.user).await.unwrap().unwrap();
    let cluster = server.web.cluster::<ViewInventory>(&actor, &tenant.slug, tenant.cluster).await.unwrap();
    let find = async |text: &str| {
        let mut query = ListQuery { q: Some(text.to_owned()), ..ListQuery::default() };
        let mut names = Vec::new();
        loop {
            let page = server.web.resources(&cluster, &query).await.unwrap();
            names.extend(page.rows.into_iter().map(|row| row.name));
            match page.next {
                Some(next) => query.after = Some(next),
                None => return names,
            }
        }
    };
    assert_eq!(find("edit").await, ["Edit-API"]);
    assert_eq!(find("EDIT-a").await, ["Edit-API"]);
    assert_eq!(find("API-100").await, ["api-100", "api-100-B"]);
    assert_eq!(find("_").await, [""; 0]);
    // Each once, in order, from page to page: by kind, then by name.
    let mut expected: Vec<_> = (1..=150).map(|n| format!("api-{n:03}")).collect();
    expected.insert(100, "api-100-B".to_owned());
    expected.push("Edit-API".to_owned());
    assert_eq!(find("aPi").await, expected);
}
