//! Reports of a scanner, from what agents send to what people see.

use kubewise_backend::{Authorized, Cluster, permission::ViewInventory};
use kubewise_contract::{
    ListQuery, Scan, VulnerabilitiesOf, VulnerabilitiesQuery, VulnerabilityCounts, VulnerabilityRow,
    VulnerabilitySeverity as Severity,
};
use kubewise_protocol::{BatchKind, Unreadable, UnreadableReason, VULNERABILITY_REPORT};
use serde_json::{Value, json};

use crate::common::{PASSWORD, Tenant, TestServer, batch, delta, deployment, full, header, pod, uid, with_unreadable};

fn found(id: &str, severity: &str, package: &str, fixed: &str) -> Value {
    json!({
        "vulnerabilityID": id, "severity": severity, "resource": package, "installedVersion": "1.0", "fixedVersion": fixed,
        "title": format!("{package}: something"), "primaryLink": format!("https://example.com/{id}"), "score": 7.5,
    })
}

/// A report on an image of the registry that Docker means when none is named; `hour` is when it was written.
fn report(n: u128, repository: &str, tag: &str, hour: u8, vulnerabilities: &[Value]) -> Value {
    json!({
        "apiVersion": "aquasecurity.github.io/v1alpha1", "kind": "VulnerabilityReport",
        "metadata": {"uid": uid(n), "name": format!("replicaset-web-{n}"), "namespace": "shop", "labels": {
            "trivy-operator.resource.kind": "ReplicaSet", "trivy-operator.container.name": "main"}},
        "report": {
            "registry": {"server": "index.docker.io"}, "artifact": {"repository": repository, "tag": tag, "digest": "sha256:00"},
            "scanner": {"name": "Trivy", "version": "0.67.2"}, "os": {"family": "debian", "name": "12.5"},
            "updateTimestamp": format!("2026-11-20T{hour:02}:00:00Z"), "vulnerabilities": vulnerabilities,
        },
    })
}

struct Looker<'a> {
    server: &'a TestServer,
    cluster: Authorized<Cluster, ViewInventory>,
    tenant: &'a Tenant,
}

impl<'a> Looker<'a> {
    async fn new(server: &'a TestServer, tenant: &'a Tenant) -> Self {
        let actor = server.web.actor(tenant.user).await.unwrap().unwrap();
        let cluster = server.web.cluster(&actor, &tenant.slug, tenant.cluster).await.unwrap();
        Self { server, cluster, tenant }
    }

    async fn see(&self, query: &VulnerabilitiesQuery) -> (VulnerabilitiesOf, Vec<VulnerabilityRow>) {
        let (of, page) = self.server.web.vulnerabilities(&self.cluster, query).await.unwrap();
        (of, page.rows)
    }

    async fn ids(&self, query: &VulnerabilitiesQuery) -> Vec<String> {
        self.see(query).await.1.into_iter().map(|row| row.id).collect()
    }

    /// Of each image, as it is written: how many of each severity, or none.
    async fn images(&self) -> Vec<(String, Option<Scan>)> {
        let page = self.server.web.images(&self.cluster, &ListQuery::default()).await.unwrap();
        page.rows.into_iter().map(|row| (row.reference, row.scan)).collect()
    }

    /// In which clusters and images this is.
    async fn everywhere(&self, id: &str) -> Vec<(String, i64)> {
        let actor = self.server.web.actor(self.tenant.user).await.unwrap().unwrap();
        let org = self.server.web.organisation::<ViewInventory>(&actor, &self.tenant.slug).await.unwrap();
        let query = ListQuery { q: Some(id.to_owned()), ..ListQuery::default() };
        let rows = self.server.web.vulnerable(&org, &query).await.unwrap().rows;
        rows.into_iter().map(|row| (row.found.image, row.workloads)).collect()
    }
}

fn of_image(image: &str) -> VulnerabilitiesQuery {
    VulnerabilitiesQuery { image: Some(image.to_owned()), ..VulnerabilitiesQuery::default() }
}

fn scan(critical: i64, high: i64, fixable: i64) -> Scan {
    Scan { counts: VulnerabilityCounts { critical, high, ..VulnerabilityCounts::default() }, fixable }
}

/// All rows of both tables.
async fn kept(server: &TestServer) -> (i64, i64) {
    sqlx::query_as("SELECT (SELECT count(*) FROM image_scans), (SELECT count(*) FROM vulnerabilities)")
        .fetch_one(&server.database.superuser())
        .await
        .unwrap()
}

const NGINX: &str = "docker.io/library/nginx:1.25";

#[tokio::test]
async fn an_image_is_known_however_it_is_written() {
    let server = TestServer::start().await;
    let t = server.tenant("acme").await;
    let see = Looker::new(&server, &t).await;
    let vulnerabilities =
        [found("CVE-2024-0002", "HIGH", "libc6", ""), found("CVE-2024-0001", "CRITICAL", "zlib1g", "1.1")];
    let digest = "quay.io/acme/shop:3@sha256:00ff";
    let mut by_digest = report(9, "acme/shop", "", 8, &[found("CVE-2024-0003", "HIGH", "zlib1g", "2")]);
    by_digest["report"]["registry"]["server"] = json!("quay.io");
    by_digest["report"]["artifact"] = json!({"repository": "acme/shop", "digest": "sha256:00ff"});
    let objects = [
        deployment(1, "a", "nginx:1.25"),
        deployment(2, "b", "index.docker.io/library/nginx:1.25"),
        deployment(3, "c", "nginx:1.26"),
        deployment(4, "d", digest),
        pod(5, "bare", NGINX),
        report(8, "library/nginx", "1.25", 8, &vulnerabilities),
        by_digest,
    ];
    let totals = server.accepted(&t.token, full(1, &objects)).await;
    assert_eq!(totals[VULNERABILITY_REPORT], 2);
    assert_eq!(
        see.images().await,
        [
            (NGINX.to_owned(), Some(scan(1, 1, 1))),
            ("index.docker.io/library/nginx:1.25".to_owned(), Some(scan(1, 1, 1))),
            ("nginx:1.25".to_owned(), Some(scan(1, 1, 1))),
            ("nginx:1.26".to_owned(), None),
            (digest.to_owned(), Some(scan(0, 1, 1))),
        ]
    );
    for image in ["nginx:1.25", NGINX, "index.docker.io/library/nginx:1.25"] {
        let (of, rows) = see.see(&of_image(image)).await;
        let ids: Vec<_> = rows.iter().map(|row| (row.id.as_str(), row.severity, row.fixed.as_deref())).collect();
        assert_eq!(
            ids,
            [("CVE-2024-0001", Severity::Critical, Some("1.1")), ("CVE-2024-0002", Severity::High, None)],
            "{image}"
        );
        assert_eq!((rows[0].score, rows[0].link.as_deref()), (Some(75), Some("https://example.com/CVE-2024-0001")));
        let names: Vec<_> = of.used_by.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "bare"]);
        let [one] = of.worst.as_slice() else { panic!("{of:?}") };
        assert_eq!(
            (one.scanner.as_str(), one.scanner_version.as_str(), one.os.as_str()),
            ("Trivy", "0.67.2", "debian 12.5")
        );
        assert_eq!(one.scanned_at.minute_utc(), "2026-11-20 08:00 UTC");
    }
    let (of, rows) = see.see(&of_image("nginx:1.26")).await;
    assert!(of.has_reports && of.scanned == 0 && rows.is_empty());
    // All that the cluster runs; and of one application.
    let (of, rows) = see.see(&VulnerabilitiesQuery::default()).await;
    assert_eq!((of.images, of.scanned, of.scan.counts.total(), rows.len()), (3, 2, 3, 3));
    let app = VulnerabilitiesQuery { app: Some("d".to_owned()), ..VulnerabilitiesQuery::default() };
    assert_eq!(see.ids(&app).await, ["CVE-2024-0003"]);
    let applications = server.web.applications(&see.cluster, &ListQuery::default()).await.unwrap().rows;
    let known: Vec<_> = applications.iter().map(|row| (row.name.as_str(), row.scan, row.unscanned)).collect();
    assert_eq!(
        known,
        [
            ("a", Some(scan(1, 1, 1)), 0),
            ("b", Some(scan(1, 1, 1)), 0),
            ("bare", Some(scan(1, 1, 1)), 0),
            ("c", None, 1),
            ("d", Some(scan(0, 1, 1)), 0)
        ]
    );
    assert_eq!(see.everywhere("cve-2024-0001").await, [(NGINX.to_owned(), 3)]);
    assert_eq!(see.everywhere("CVE-2024").await, []);
    assert_eq!(see.everywhere("").await, []);
}

#[tokio::test]
async fn the_newest_report_on_an_image_counts_and_when_it_goes_the_one_before() {
    let server = TestServer::start().await;
    let t = server.tenant("acme").await;
    let see = Looker::new(&server, &t).await;
    let old = report(8, "library/nginx", "1.25", 8, &[found("CVE-1", "HIGH", "a", "")]);
    let new = report(9, "library/nginx", "1.25", 9, &[found("CVE-2", "CRITICAL", "a", "2")]);
    server.accepted(&t.token, full(1, &[deployment(1, "web", "nginx:1.25"), new.clone(), old.clone()])).await;
    assert_eq!(see.ids(&of_image(NGINX)).await, ["CVE-2"]);
    assert_eq!(kept(&server).await, (1, 1), "what is said twice is kept once");
    // Scanned again.
    let newer =
        report(8, "library/nginx", "1.25", 10, &[found("CVE-1", "HIGH", "a", "3"), found("CVE-3", "LOW", "a", "")]);
    server.accepted(&t.token, delta(1, 1, std::slice::from_ref(&newer), &[])).await;
    assert_eq!(see.ids(&of_image(NGINX)).await, ["CVE-1", "CVE-3"]);
    // Gone, then both.
    server.accepted(&t.token, delta(1, 2, &[], &[uid(8)])).await;
    assert_eq!(see.ids(&of_image(NGINX)).await, ["CVE-2"]);
    server.accepted(&t.token, delta(1, 3, &[], &[uid(9)])).await;
    assert_eq!(kept(&server).await, (0, 0));
    let (of, _) = see.see(&VulnerabilitiesQuery::default()).await;
    assert!(!of.has_reports);
    // What is sent again is applied once; a report that turns to another image leaves the first.
    let again = delta(1, 4, &[newer], &[]);
    server.accepted(&t.token, again.clone()).await;
    server.accepted(&t.token, again).await;
    assert_eq!(kept(&server).await, (1, 2));
    server.accepted(&t.token, delta(1, 5, &[report(8, "library/redis", "8", 11, &[])], &[])).await;
    assert_eq!(kept(&server).await, (1, 0));
    assert_eq!(see.see(&of_image("redis:8")).await.0.scanned, 1);
}

#[tokio::test]
async fn a_full_synchronisation_replaces_at_once_and_says_what_deltas_say() {
    let server = TestServer::start().await;
    let t = server.tenant("acme").await;
    let see = Looker::new(&server, &t).await;
    let web = deployment(1, "web", "nginx:1.25");
    let one = report(8, "library/nginx", "1.25", 8, &[found("CVE-1", "HIGH", "a", "")]);
    let two = report(9, "library/redis", "8", 9, &[found("CVE-2", "CRITICAL", "a", "2")]);
    server.accepted(&t.token, full(1, &[web.clone(), one.clone()])).await;
    server.accepted(&t.token, delta(1, 1, std::slice::from_ref(&two), &[])).await;
    let all = async || -> Vec<String> {
        sqlx::query_scalar(
            "SELECT s::text FROM image_scans s UNION ALL SELECT v::text FROM vulnerabilities v ORDER BY 1",
        )
        .fetch_all(&server.database.superuser())
        .await
        .unwrap()
    };
    let by_deltas = all().await;
    let mut first = header(BatchKind::Full, 2, 0);
    first.last = false;
    server.accepted(&t.token, batch(&first, &[two], &[])).await;
    assert_eq!(all().await, by_deltas, "nobody sees what is gathered");
    server.accepted(&t.token, batch(&header(BatchKind::Full, 2, 1), &[web.clone(), one], &[])).await;
    assert_eq!(all().await, by_deltas);
    server.accepted(&t.token, full(3, &[web])).await;
    assert_eq!(kept(&server).await, (0, 0));
    assert_eq!(see.images().await, [("nginx:1.25".to_owned(), None)]);
}

#[tokio::test]
async fn reports_that_cannot_be_read_stay_and_those_that_may_not_be_read_go() {
    let server = TestServer::start().await;
    let t = server.tenant("acme").await;
    let one = report(8, "library/nginx", "1.25", 8, &[found("CVE-1", "HIGH", "a", "")]);
    let web = deployment(1, "web", "nginx:1.25");
    server.accepted(&t.token, full(1, &[web.clone(), one])).await;
    let unreadable = |reason| Unreadable { kind: VULNERABILITY_REPORT.to_owned(), reason };
    let away = with_unreadable(header(BatchKind::Full, 2, 0), unreadable(UnreadableReason::Unavailable));
    server.accepted(&t.token, batch(&away, &[web], &[])).await;
    assert_eq!(kept(&server).await, (1, 1));
    let forbidden = with_unreadable(header(BatchKind::Heartbeat, 2, 1), unreadable(UnreadableReason::Forbidden));
    server.accepted(&t.token, batch(&forbidden, &[], &[])).await;
    assert_eq!(kept(&server).await, (0, 0));
}

#[tokio::test]
async fn filters_and_pages() {
    let server = TestServer::start().await;
    let t = server.tenant("acme").await;
    let see = Looker::new(&server, &t).await;
    let severities = ["CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN"];
    let one =
        |n: usize| found(&format!("CVE-{n:04}"), severities[n % 5], "lib", if n.is_multiple_of(2) { "2" } else { "" });
    let nginx: Vec<Value> = (0..120).map(one).collect();
    let redis: Vec<Value> = (60..130).map(one).collect();
    let objects = [
        deployment(1, "web", "nginx:1.25"),
        deployment(2, "cache", "redis:8"),
        report(8, "library/nginx", "1.25", 8, &nginx),
        report(9, "library/redis", "8", 8, &redis),
        // Nothing runs it.
        report(7, "library/httpd", "2", 8, &nginx),
    ];
    server.accepted(&t.token, full(1, &objects)).await;
    for (query, expected) in [
        (VulnerabilitiesQuery::default(), 190),
        (of_image("nginx:1.25"), 120),
        (VulnerabilitiesQuery { fixable: true, ..of_image("nginx:1.25") }, 60),
        (VulnerabilitiesQuery { severity: Some(Severity::Critical), ..VulnerabilitiesQuery::default() }, 38),
        (VulnerabilitiesQuery { q: Some("cve-000".to_owned()), ..VulnerabilitiesQuery::default() }, 10),
        (VulnerabilitiesQuery { namespace: Some("shop".to_owned()), ..VulnerabilitiesQuery::default() }, 190),
        (VulnerabilitiesQuery { namespace: Some("elsewhere".to_owned()), ..VulnerabilitiesQuery::default() }, 0),
    ] {
        let mut query = query;
        let mut rows = Vec::new();
        loop {
            let (_, page) = server.web.vulnerabilities(&see.cluster, &query).await.unwrap();
            rows.extend(page.rows);
            query.after = page.next;
            if query.after.is_none() {
                break;
            }
        }
        assert_eq!(rows.len(), expected, "{query:?}");
        let key = |row: &VulnerabilityRow| (std::cmp::Reverse(row.severity), row.id.clone(), row.image.clone());
        assert!(rows.is_sorted_by(|a, b| key(a) < key(b)), "worst first, each once: {query:?}");
    }
    let (of, _) = see.see(&VulnerabilitiesQuery::default()).await;
    assert_eq!(
        of.worst.iter().map(|image| image.image.as_str()).collect::<Vec<_>>(),
        [NGINX, "docker.io/library/redis:8"]
    );
    assert_eq!(see.everywhere("CVE-0100").await, [(NGINX.to_owned(), 1), ("docker.io/library/redis:8".to_owned(), 1)]);
}

#[tokio::test]
async fn what_is_hostile_or_cut_short_does_no_harm() {
    let server = TestServer::start().await;
    let t = server.tenant("acme").await;
    let see = Looker::new(&server, &t).await;
    let mut hostile = report(8, "library/nginx", "1.25", 8, &[]);
    let long = "ä".repeat(3_000);
    hostile["report"]["vulnerabilities"] = json!([
        {"vulnerabilityID": "CVE-1", "severity": "HIGH", "resource": long, "installedVersion": long, "fixedVersion": long,
         "title": "<script>alert(1)</script>\u{0}", "primaryLink": "javascript:alert(1)", "score": -1},
        {"vulnerabilityID": "\"><script>", "severity": "HIGH"},
        {"vulnerabilityID": ["CVE-2"]}, "CVE-3", null, 7,
    ]);
    hostile["report"]["summary"] = json!({"highCount": 40, "criticalCount": "many", "lowCount": -7});
    hostile["report"]["truncated"] = json!(39);
    let mut nowhere = report(9, "", "", 8, &[found("CVE-9", "HIGH", "a", "")]);
    nowhere["report"]["updateTimestamp"] = json!("-9999-13-01T00:00:00Z");
    let mut nonsense = report(10, "library/redis", "8", 8, &[]);
    nonsense["report"] = json!([1, 2]);
    let mut ancient = report(11, "library/httpd", "2", 8, &[]);
    ancient["report"]["updateTimestamp"] = json!("0000-01-01T00:00:00Z");
    let long = report(12, &"a/".repeat(600), "1", 8, &[]);
    let objects = [deployment(1, "web", "nginx:1.25"), hostile, nowhere, nonsense, ancient, long];
    server.accepted(&t.token, full(1, &objects)).await;
    let (of, rows) = see.see(&of_image(NGINX)).await;
    assert_eq!(of.scan.counts, VulnerabilityCounts { high: 40, ..VulnerabilityCounts::default() });
    assert_eq!(of.truncated, 44);
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    assert_eq!((row.link.as_deref(), row.score, row.title.as_str()), (None, None, "<script>alert(1)</script>"));
    assert!(row.package.len() <= 256 && row.installed.len() <= 128, "{row:?}");
    // The page shows it as the text that it is.
    let mut browser = server.browser();
    browser.sign_in(&t.email, PASSWORD).await;
    let path = format!("/o/{}/clusters/{}/vulnerabilities?image=nginx:1.25", t.slug, t.cluster);
    let body = browser.get(&path).await.text().await.unwrap();
    assert!(body.contains("CVE-1") && body.contains("44 more were found than are listed."), "{body}");
    assert!(!body.contains("<script>alert") && !body.contains("javascript:"), "{body}");
}

#[tokio::test]
async fn pages_say_what_is_known_and_how_it_gets_to_be() {
    let server = TestServer::start().await;
    let t = server.tenant("acme").await;
    let mut browser = server.browser();
    browser.sign_in(&t.email, PASSWORD).await;
    let base = format!("/o/{}/clusters/{}", t.slug, t.cluster);
    server.accepted(&t.token, full(1, &[deployment(1, "web", "nginx:1.25"), deployment(2, "cache", "redis:8")])).await;
    let body = browser.get(&format!("{base}/vulnerabilities")).await.text().await.unwrap();
    assert!(body.contains("No reports in this cluster") && body.contains("helm install trivy-operator"), "{body}");
    let report = report(
        8,
        "library/nginx",
        "1.25",
        8,
        &[found("CVE-2024-0001", "CRITICAL", "zlib1g", ""), found("CVE-2024-0002", "LOW", "tar", "2")],
    );
    server.accepted(&t.token, delta(1, 1, &[report], &[])).await;
    for (path, texts) in [
        ("/images", vec!["1 critical", "1 low", "not scanned"]),
        ("/applications", vec!["1 critical", "1 low", "not scanned"]),
        (
            "/vulnerabilities?image=nginx%3A1.25",
            vec![
                "CVE-2024-0001",
                "no fix yet",
                "noopener noreferrer",
                "Trivy 0.67.2",
                "debian 12.5",
                "Deployment in shop",
            ],
        ),
        ("/vulnerabilities?image=redis%3A8", vec!["Not scanned"]),
        ("/vulnerabilities?app=web&namespace=shop", vec!["CVE-2024-0002", NGINX]),
        ("/vulnerabilities?fixable=yes", vec!["CVE-2024-0002", "Worst images"]),
        ("/vulnerabilities?severity=medium", vec!["No vulnerabilities match"]),
    ] {
        let response = browser.get(&format!("{base}{path}")).await;
        assert_eq!(response.status().as_u16(), 200, "{path}");
        let body = response.text().await.unwrap().replace("<!>", "");
        for text in texts {
            assert!(body.contains(text), "{path} says {text:?}: {body}");
        }
    }
    let body = browser.get(&format!("{base}/vulnerabilities?fixable=yes")).await.text().await.unwrap();
    assert!(!body.contains("https://example.com/CVE-2024-0001"), "{body}");
    let body = browser.get(&format!("/o/{}/vulnerabilities?q=cve-2024-0001", t.slug)).await.text().await.unwrap();
    assert!(body.contains(NGINX) && body.contains("prod"), "{body}");
    assert_eq!(browser.get(&format!("{base}/vulnerabilities?after=nonsense")).await.status().as_u16(), 422);
}
