//! What an audit found, as files.

use std::{collections::BTreeSet, time::Duration};

use kubewise_backend::permission::{RunAudits, ViewInventory};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::common::{Browser, Clock, PASSWORD, Tenant, TestServer, full, pod, uid};

/// A pod that shares the host's processes, in a namespace.
fn dangerous(n: u128, namespace: &str, name: &str) -> Value {
    let mut pod = pod(n, name, "shop:1");
    pod["metadata"]["namespace"] = namespace.into();
    pod["spec"]["hostPID"] = true.into();
    pod
}

const RULE: &str = "pss-host-namespaces";

/// Has the worker audit the cluster.
async fn audit(server: &TestServer, world: &kubewise_backend::World, tenant: &Tenant) {
    let (stop, mut stopping) = watch::channel(false);
    let outbox = tempfile::tempdir().unwrap();
    let worker = server.database.worker(world, outbox.path());
    let name = world.uuid().to_string();
    let running = tokio::spawn(async move {
        let until = async move { drop(stopping.wait_for(|stop| *stop).await) };
        worker.run(name, until).await.unwrap();
    });
    let actor = server.web.actor(tenant.user).await.unwrap().unwrap();
    let asked = server.web.cluster::<RunAudits>(&actor, &tenant.slug, tenant.cluster).await.unwrap();
    let number = server.web.run_audit(&asked).await.unwrap();
    let seen = server.web.cluster::<ViewInventory>(&actor, &tenant.slug, tenant.cluster).await.unwrap();
    let mut left = 600;
    while server.web.cluster_audit(&seen).await.unwrap().cluster.last.is_none_or(|last| last.number < number) {
        left -= 1;
        assert!(left > 0, "the audit is not done");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.send(true).unwrap();
    running.await.unwrap();
}

async fn signed_in(server: &TestServer, tenant: &Tenant) -> Browser {
    let mut browser = server.browser();
    browser.sign_in(&tenant.email, PASSWORD).await;
    browser
}

fn address(tenant: &Tenant, query: &str) -> String {
    format!("/o/{}/clusters/{}/findings/export?{query}", tenant.slug, tenant.cluster)
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers()[name].to_str().unwrap()
}

#[tokio::test]
async fn open_findings_are_taken_out_in_every_format() {
    let (_, world) = Clock::new();
    let server = TestServer::start_with(world.clone()).await;
    let tenant = server.tenant("acme").await;
    let browser = signed_in(&server, &tenant).await;

    let response = browser.get(&address(&tenant, "format=csv")).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert!(response.text().await.unwrap().contains("has not been audited yet"));

    let mut mended = pod(3, "mended", "shop:1");
    mended["spec"]["hostPID"] = true.into();
    let found = [dangerous(1, "shop", "web"), dangerous(2, "till", "=HYPERLINK(\"x\")"), mended];
    server.accepted(&tenant.token, full(1, &found)).await;
    audit(&server, &world, &tenant).await;
    server.accepted(&tenant.token, full(2, &[found[0].clone(), found[1].clone(), dangerous(4, "shop", "new")])).await;
    audit(&server, &world, &tenant).await;

    // JSON: as the command line writes it, and whose it is.
    let response = browser.get(&address(&tenant, &format!("format=json&rule={RULE}"))).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "content-type"), "application/json");
    assert_eq!(header(&response, "cache-control"), "no-store");
    assert_eq!(header(&response, "x-content-type-options"), "nosniff");
    assert_eq!(header(&response, "content-disposition"), "attachment; filename=\"prod-audit-2.json\"");
    let document: Value = response.json().await.unwrap();
    let read: kubewise_audit::format::Output = serde_json::from_value(document.clone()).unwrap();
    assert_eq!(document["origin"]["cluster"], "prod");
    assert_eq!(document["origin"]["audit"], 2);
    assert!(document["origin"]["finished_at"].as_str().unwrap().ends_with('Z'));
    let names: BTreeSet<(&str, bool)> =
        read.findings.iter().map(|finding| (&*finding.resource.name, finding.known)).collect();
    assert_eq!(names, BTreeSet::from([("web", true), ("=HYPERLINK(\"x\")", true), ("new", false)]));
    assert_eq!((read.summary.findings, read.summary.known, read.summary.critical), (3, 2, 3));
    assert!(read.summary.score.is_some() && read.summary.objects == 3 && read.summary.rules > 100);
    assert!(read.summary.notes[0].contains(&format!("rule {RULE}")), "{:?}", read.summary.notes);
    assert_eq!(read.rules.iter().map(|rule| &*rule.id).collect::<Vec<_>>(), [RULE]);
    let first = &document["findings"][0];
    assert_eq!(first["resource"]["apiVersion"], "v1");
    assert_eq!(first["resource"]["kind"], "Pod");
    assert_eq!(first["severity"], "critical");
    assert_eq!(first["source"], Value::Null);
    assert_eq!(first["fingerprint"].as_str().unwrap().len(), 32);

    // All of them: more than a page of the list.
    let all: Value = browser.get(&address(&tenant, "format=json")).await.json().await.unwrap();
    assert!(all["findings"].as_array().unwrap().len() > 50);
    assert_eq!(all["summary"]["notes"], json!([]));
    assert!(!all.to_string().contains("mended"), "what is gone is not open");

    // SARIF 2.1.0.
    let response = browser.get(&address(&tenant, "format=sarif&namespace=till")).await;
    assert_eq!(header(&response, "content-type"), "application/sarif+json");
    assert_eq!(header(&response, "content-disposition"), "attachment; filename=\"prod-audit-2.sarif\"");
    let log: Value = response.json().await.unwrap();
    assert_eq!(log["version"], "2.1.0");
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert!(results.iter().any(|result| result["ruleId"] == RULE && result["level"] == "error"));
    assert!(results.iter().all(|result| result["properties"]["namespace"] == "till"));
    for result in results {
        let rule =
            &log["runs"][0]["tool"]["driver"]["rules"][usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()];
        assert_eq!(rule["id"], result["ruleId"]);
    }

    // CSV: what people chose is no formula.
    let response = browser.get(&address(&tenant, "format=csv&severity=critical&q=")).await;
    assert_eq!(header(&response, "content-type"), "text/csv; charset=utf-8");
    let text = response.text().await.unwrap();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let column = |name: &str| reader.headers().unwrap().iter().position(|heading| heading == name).unwrap();
    let [rule, state, name] = ["rule", "state", "name"].map(column);
    let lines: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert!(
        lines.iter().any(|line| &line[rule] == RULE && &line[name] == "'=HYPERLINK(\"x\")" && &line[state] == "known")
    );
    assert!(lines.iter().flatten().all(|field| !field.starts_with(['=', '+', '-', '@', '\t', '\r'])));

    // HTML: nothing in it runs.
    let response = browser.get(&address(&tenant, "format=html&state=new")).await;
    assert_eq!(header(&response, "content-type"), "text/html; charset=utf-8");
    assert!(header(&response, "content-disposition").starts_with("attachment; "));
    let policy = header(&response, "content-security-policy");
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("script"), "{policy}");
    let page = response.text().await.unwrap();
    assert!(
        page.contains("Kubewise audit 2 of prod") && page.contains("Pod/shop/new") && !page.contains("Pod/shop/web")
    );
    assert!(!page.contains("<script"));

    // PDF: whole, from its first line to its last. What is in it is compressed; the unit tests look at that.
    let response = browser.get(&address(&tenant, "format=pdf")).await;
    assert_eq!(header(&response, "content-type"), "application/pdf");
    assert_eq!(header(&response, "content-disposition"), "attachment; filename=\"prod-audit-2.pdf\"");
    let file = response.bytes().await.unwrap();
    assert!(file.starts_with(b"%PDF-1.") && file.trim_ascii_end().ends_with(b"%%EOF") && file.len() > 10_000);
}

#[tokio::test]
async fn what_is_not_understood_is_refused_and_strangers_are_told_nothing() {
    let (_, world) = Clock::new();
    let server = TestServer::start_with(world.clone()).await;
    let tenant = server.tenant("one").await;
    let other = server.tenant("two").await;
    server.accepted(&tenant.token, full(1, &[dangerous(1, "shop", "web")])).await;
    audit(&server, &world, &tenant).await;
    let browser = signed_in(&server, &tenant).await;
    assert_eq!(browser.get(&address(&tenant, "format=json")).await.status(), StatusCode::OK);
    for query in [
        "",
        "format=",
        "format=exe",
        "format=CSV",
        "format=csv&severity=bad",
        "format=csv&state=fixed",
        "format=csv&state=x",
    ] {
        let response = browser.get(&address(&tenant, query)).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{query}");
        assert!(response.text().await.unwrap().ends_with(".\n"), "{query} is answered with a sentence");
    }
    // What is asked for is text, not a pattern, nor anything that PostgreSQL does not take.
    for query in ["format=json&q=%25", "format=json&q=w%00&rule=%00x", "format=json&namespace=%27%3B--"] {
        let response = browser.get(&address(&tenant, query)).await;
        assert_eq!(response.status(), StatusCode::OK, "{query}");
        let document: Value = response.json().await.unwrap();
        assert!(document["findings"].as_array().unwrap().len() < 100, "{query}");
    }

    let strangers = [server.browser(), signed_in(&server, &other).await];
    for stranger in strangers {
        for query in ["format=json", "format=exe"] {
            let response = stranger.get(&address(&tenant, query)).await;
            assert_eq!(response.status(), StatusCode::NOT_FOUND);
            assert_eq!(response.text().await.unwrap(), "");
        }
    }
    // Their own organisation, and a cluster of another.
    let mixed = format!("/o/{}/clusters/{}/findings/export?format=json", other.slug, tenant.cluster);
    assert_eq!(signed_in(&server, &other).await.get(&mixed).await.status(), StatusCode::NOT_FOUND);
    for nowhere in [uid(9).to_string(), "x".to_owned(), "..".to_owned()] {
        let path = format!("/o/{}/clusters/{nowhere}/findings/export?format=json", tenant.slug);
        assert_eq!(browser.get(&path).await.status(), StatusCode::NOT_FOUND, "{nowhere}");
    }
}
