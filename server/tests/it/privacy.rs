//! Taking data out, and how deletions are told, as a browser sees it.

use std::collections::{BTreeMap, BTreeSet};

use kubewise_backend::{
    Actor, SignedCertificate, VerifyingKey,
    permission::{ManageClusters, ManageOrganisation, ManageOwnership},
};
use reqwest::{Response, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use time::Duration;
use uuid::Uuid;

use crate::common::{Browser, Clock, PASSWORD, Tenant, TestServer, shop::until};

async fn signed_in(server: &TestServer, tenant: &Tenant) -> Browser {
    let mut browser = server.browser();
    browser.sign_in(&tenant.email, PASSWORD).await;
    browser
}

async fn actor(server: &TestServer, tenant: &Tenant) -> Actor {
    server.web.actor(tenant.user).await.unwrap().unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

/// A page for one person: nothing of it is kept, and nothing in it runs.
async fn page(response: Response, status: StatusCode) -> String {
    assert_eq!(response.status(), status);
    assert_eq!(header(&response, "cache-control"), "no-store");
    let policy = header(&response, "content-security-policy");
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("script"), "{policy}");
    let text = response.text().await.unwrap();
    assert!(text.contains("<h1>") && !text.contains("<script"), "{text}");
    text
}

/// Of each kind of line something that says `mark`, in the organisation of this tenant.
async fn fill(server: &TestServer, tenant: &Tenant, mark: &str) -> Uuid {
    let behind = server.database.superuser();
    let org: Uuid = sqlx::query_scalar("SELECT id FROM organisations WHERE slug = $1")
        .bind(tenant.slug.as_str())
        .fetch_one(&behind)
        .await
        .unwrap();
    for statement in [
        "INSERT INTO invitations (org_id, id, email, email_canonical, role, created_at, expires_at, hash)
         SELECT $1, gen_random_uuid(), $3 || '@example.com', $3 || '@example.com', 'viewer', now(), now(), sha256($3::bytea)
         WHERE $2::uuid IS NOT NULL",
        "INSERT INTO api_tokens (org_id, id, hash, name, permissions, clusters, created_at, expires_at)
         SELECT $1, gen_random_uuid(), sha256($3::bytea), $3, '{view_inventory}', ARRAY[$2], now(), now()",
        "INSERT INTO audit_policies (org_id, rules, set_at) SELECT $1, jsonb_build_object($3, 'off'), now() WHERE $2::uuid IS NOT NULL",
        "INSERT INTO cluster_policies SELECT $1, $2, 'all', $3, now()",
        "INSERT INTO audit_schedules SELECT $1, $2, '0 6 * * *', $3, '2100-01-01', now()",
        "INSERT INTO waivers (org_id, id, cluster_id, rule, reason, owner, requested_at)
         VALUES ($1, gen_random_uuid(), $2, '*', $3, 'a team', now()), ($1, gen_random_uuid(), NULL, '*', $3, 'a team', now())",
        "INSERT INTO notifications (org_id, id, name, channel, created_at, cluster_id, failed_runs, silent_clusters, url, host, secret)
         VALUES ($1, gen_random_uuid(), $3, 'webhook', now(), $2, true, true, 'sealed-url', 'hooks.example.com', 'sealed-secret')",
        "INSERT INTO audit_runs (org_id, cluster_id, number, state, requested_at, score, summary)
         VALUES ($1, $2, 1, 'done', now(), 87.5, jsonb_build_object('by', $3))",
        "INSERT INTO findings (org_id, cluster_id, fingerprint, opened_in, opened_at, rule, severity, kind, namespace, name, path,
           message, patch)
         SELECT $1, $2, decode(md5(n::text), 'hex'), 1, now(), 'pss-host-namespaces', 4, 'Pod', '', 'web', 'spec', $3, ''
         FROM generate_series(1, 1500) n",
        "INSERT INTO vulnerabilities
         SELECT $1, $2, 'docker.io/library/nginx:1', 'CVE-2024-0001', $3, '1', '', 4, 98, 'A title', ''",
        "INSERT INTO resources (org_id, cluster_id, uid, kind, api_version, namespace, name, updated_at, workload, health, images,
           hash, manifest)
         SELECT $1, $2, md5($3 || n)::uuid, 'Pod', 'v1', 'shop', $3 || n, now(), true, 'healthy', '{}', '', $4
         FROM generate_series(1, 600) n",
        "INSERT INTO billing_details (org_id, email, city) SELECT $1, 'pay@example.com', $3 WHERE $2::uuid IS NOT NULL",
        "INSERT INTO invoices (org_id, id, status, total, currency, made_at) SELECT $1, 'in_' || $3, 'paid', 1900, 'eur', now()
         WHERE $2::uuid IS NOT NULL",
        "INSERT INTO node_days SELECT $1, current_date, $2, length($3)",
    ] {
        let manifest = json!({"metadata": {"labels": {"says": mark}}}).to_string();
        let query = sqlx::query(statement).bind(org).bind(tenant.cluster.0).bind(mark);
        let query =
            if statement.contains("$4") { query.bind(zstd::bulk::compress(manifest.as_bytes(), 3).unwrap()) } else { query };
        query.execute(&behind).await.unwrap();
    }
    org
}

fn export(tenant: &Tenant) -> String {
    format!("/o/{}/export", tenant.slug)
}

#[tokio::test]
async fn all_of_an_organisation_is_in_its_file_and_nothing_of_another() {
    let server = TestServer::start().await;
    let (one, two) = (server.tenant("acme").await, server.tenant("globex").await);
    let (org, other) = (fill(&server, &one, "acme-mark").await, fill(&server, &two, "globex-mark").await);
    let mut browser = signed_in(&server, &one).await;

    let response = browser.post(&export(&one), &[]).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "content-type"), "application/x-ndjson");
    assert_eq!(header(&response, "content-disposition"), "attachment; filename=\"kubewise-acme.ndjson\"");
    assert_eq!(header(&response, "cache-control"), "no-store");
    let text = response.text().await.unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();

    let (end, lines) = lines.split_last().unwrap();
    assert_eq!(*end, json!({"kind": "end", "lines": lines.len()}));
    let mut kinds: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for line in lines {
        kinds.entry(line["kind"].as_str().unwrap()).or_default().push(line);
    }
    let counts: BTreeMap<&str, usize> = kinds.iter().map(|(kind, lines)| (*kind, lines.len())).collect();
    let expected = BTreeMap::from([
        ("organisation", 1),
        ("member", 1),
        ("invitation", 1),
        ("token", 1),
        ("cluster", 1),
        ("policy", 2),
        ("schedule", 1),
        ("waiver", 2),
        ("notification", 1),
        ("audit", 1),
        ("finding", 1500),
        ("vulnerability", 1),
        ("resource", 600),
        ("billing_details", 1),
        ("invoice", 1),
        ("node_day", 1),
        // That it was made, that the cluster was added, and that all was taken out.
        ("activity", 3),
    ]);
    assert_eq!(counts, expected);
    // Each once, also where a page ends.
    for (kind, key) in [("finding", "fingerprint"), ("resource", "uid")] {
        let keys: BTreeSet<&str> = kinds[kind].iter().map(|line| line[key].as_str().unwrap()).collect();
        assert_eq!(keys.len(), expected[kind], "{kind}");
    }
    for (kind, path) in [
        ("invitation", "/email"),
        ("token", "/name"),
        ("schedule", "/time_zone"),
        ("waiver", "/reason"),
        ("notification", "/name"),
        ("audit", "/summary/by"),
        ("finding", "/message"),
        ("vulnerability", "/package"),
        ("resource", "/manifest/metadata/labels/says"),
        ("billing_details", "/city"),
        ("invoice", "/id"),
    ] {
        for line in &kinds[kind] {
            let said = line.pointer(path).and_then(Value::as_str).unwrap_or_default();
            assert!(said.contains("acme-mark"), "{kind}{path}: {line}");
        }
    }
    assert_eq!(kinds["organisation"][0]["id"], json!(org));
    assert_eq!(kinds["member"][0]["email"], one.email);
    assert_eq!(kinds["cluster"][0]["id"], json!(one.cluster));
    assert_eq!(kinds["finding"][0]["severity"], "critical");
    assert_eq!(kinds["vulnerability"][0]["score"], 9.8);
    assert_eq!(kinds["audit"][0]["score"], 87.5);
    assert!(kinds["resource"][0]["updated_at"].as_str().unwrap().ends_with("+00:00"));
    assert_eq!(kinds["activity"][0]["action"], "organisation.export");

    for foreign in ["globex", &other.to_string(), &two.cluster.to_string(), &two.user.to_string()] {
        assert!(!text.contains(foreign), "{foreign} is in the file");
    }
    // Secrets stay: hashes, and what is sealed.
    let hash: String = sqlx::query_scalar("SELECT encode(hash, 'hex') FROM api_tokens WHERE org_id = $1")
        .bind(org)
        .fetch_one(&server.database.superuser())
        .await
        .unwrap();
    for secret in ["sealed-url", "sealed-secret", &hex::encode("sealed-secret"), &hash, "password", "\\\\x"] {
        assert!(!text.contains(secret), "{secret} is in the file");
    }
}

/// Manifests that together are more than any buffer between holds.
async fn many(server: &TestServer, tenant: &Tenant) {
    let manifest = zstd::bulk::compress(json!({"spec": "x".repeat(2_000)}).to_string().as_bytes(), 3).unwrap();
    sqlx::query(
        "INSERT INTO resources (org_id, cluster_id, uid, kind, api_version, namespace, name, updated_at, workload, health, images,
           hash, manifest)
         SELECT c.org_id, c.id, ('10000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'Pod', 'v1', 'shop', 'web-' || n,
                now(), true, 'healthy', '{}', '', $2
         FROM clusters c, generate_series(1, 30000) n WHERE c.id = $1",
    )
    .bind(tenant.cluster.0)
    .bind(manifest)
    .execute(&server.database.superuser())
    .await
    .unwrap();
}

/// Reads on until this text has come.
async fn until_it_says(response: &mut Response, text: &str) -> String {
    let mut read = String::new();
    while !read.contains(text) {
        read.push_str(&String::from_utf8_lossy(&response.chunk().await.unwrap().unwrap()));
    }
    read
}

#[tokio::test]
async fn a_file_of_any_size_is_sent_while_it_is_read() {
    let server = TestServer::start().await;
    let tenant = server.tenant("acme").await;
    many(&server, &tenant).await;
    let mut browser = signed_in(&server, &tenant).await;
    let mut response = browser.post(&export(&tenant), &[]).await;
    let mut text = until_it_says(&mut response, "\"web-1\"").await;
    // What is removed now is not in it: it was not read before the first was sent.
    sqlx::query("DELETE FROM resources WHERE name IN ('web-29999', 'web-30000')")
        .execute(&server.database.superuser())
        .await
        .unwrap();
    while let Some(chunk) = response.chunk().await.unwrap() {
        text.push_str(&String::from_utf8_lossy(&chunk));
    }
    let names: BTreeSet<String> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| line["kind"] == "resource")
        .map(|line| line["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names.len(), 29_998);
    assert!(!names.contains("web-30000") && names.contains("web-29998"));
    let end: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(end, json!({"kind": "end", "lines": text.lines().count() - 1}));
}

#[tokio::test]
async fn who_is_no_owner_any_more_is_given_no_more() {
    let server = TestServer::start().await;
    let tenant = server.tenant("acme").await;
    let other = server.tenant("other").await;
    many(&server, &tenant).await;
    let mut browser = signed_in(&server, &tenant).await;
    let mut response = browser.post(&export(&tenant), &[]).await;
    let mut text = until_it_says(&mut response, "\"web-1\"").await;
    sqlx::query(
        "UPDATE memberships SET user_id = $1 WHERE user_id = $2 AND org_id = (SELECT id FROM organisations WHERE slug = 'acme')",
    )
    .bind(other.user.0)
    .bind(tenant.user.0)
    .execute(&server.database.superuser())
    .await
    .unwrap();
    let broken = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => text.push_str(&String::from_utf8_lossy(&chunk)),
            Ok(None) => break false,
            Err(_) => break true,
        }
    };
    assert!(broken, "the answer ends as if it were whole");
    assert!(!text.contains("\"web-30000\"") && !text.contains("\"kind\":\"end\""));
}

#[tokio::test]
async fn an_organisation_is_taken_out_by_who_proved_lately_to_be_its_owner() {
    let (clock, world) = Clock::new();
    let server = TestServer::start_with(world).await;
    let (tenant, other) = (server.tenant("acme").await, server.tenant("globex").await);
    let path = export(&tenant);

    // Nobody: to sign in, whether there is such an organisation or not.
    for slug in ["acme", "nowhere"] {
        let response = server.browser().post(&format!("/o/{slug}/export"), &[]).await;
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        assert_eq!(header(&response, "location"), format!("/login?next=%2Fo%2F{slug}%2Fsettings%2Fdata"));
    }
    // Somebody else: it is not there.
    let mut stranger = signed_in(&server, &other).await;
    assert!(page(stranger.post(&path, &[]).await, StatusCode::NOT_FOUND).await.contains("Nothing here"));
    assert_eq!(stranger.post("/o/..%2Facme/export", &[]).await.status(), StatusCode::NOT_FOUND);
    // From another site, or by a link: not at all.
    let mut browser = signed_in(&server, &tenant).await;
    for origin in [None, Some("https://evil.example"), Some("null")] {
        let response = browser.post_from(&path, &[], origin, "text/html").await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{origin:?}");
    }
    assert_eq!(browser.get(&path).await.status(), StatusCode::METHOD_NOT_ALLOWED);
    // With an old proof: to give a new one, and back to the page with the button.
    clock.pass(Duration::minutes(11));
    let response = browser.post(&path, &[]).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(header(&response, "location"), "/account/confirm?next=%2Fo%2Facme%2Fsettings%2Fdata");
    let lines: i64 = sqlx::query_scalar("SELECT count(*) FROM activity WHERE action = 'organisation.export'")
        .fetch_one(&server.database.superuser())
        .await
        .unwrap();
    assert_eq!(lines, 0, "what was refused is no line of the log");
    assert_eq!(browser.call("/api/confirm_identity", &[("current_password", PASSWORD)]).await, 200);
    assert_eq!(browser.post(&path, &[]).await.status(), StatusCode::OK);
}

async fn verified(server: &TestServer, file: Response) -> Value {
    assert_eq!(file.status(), StatusCode::OK);
    assert_eq!(header(&file, "content-type"), "application/json");
    assert_eq!(header(&file, "content-disposition"), "attachment; filename=\"kubewise-deletion-certificate.json\"");
    assert_eq!(header(&file, "cache-control"), "no-store");
    let signed: SignedCertificate = file.json().await.unwrap();
    let keys = server.browser().get("/.well-known/kubewise-certificate-keys.json").await;
    assert_eq!(keys.status(), StatusCode::OK);
    assert_eq!(header(&keys, "cache-control"), "public, max-age=300");
    let keys: Value = keys.json().await.unwrap();
    let text = |key: &Value, field: &str| key[field].as_str().unwrap().to_owned();
    let is_ours =
        keys["keys"].as_array().unwrap().iter().any(|key| {
            signed.is_signed_by(&VerifyingKey { key: text(key, "key"), public_key: text(key, "public_key") })
        });
    assert!(is_ours, "the certificate verifies by the public keys");
    serde_json::from_str(&signed.certificate).unwrap()
}

#[tokio::test]
async fn how_a_deletion_is_doing_is_told_to_who_has_its_address() {
    let (_, world) = Clock::new();
    let server = TestServer::start_with(world.clone()).await;
    let tenant = server.tenant("acme").await;
    let owner = actor(&server, &tenant).await;
    let browser = signed_in(&server, &tenant).await;
    let nobody = server.browser();
    let notice = async || {
        let frame: Value = browser.ask("/api/frame", &json!({"org": "acme"})).await.json().await.unwrap();
        (frame["notice"].as_str().unwrap_or_default().to_owned(), frame["notice_page"].as_str().unwrap().to_owned())
    };
    assert_eq!(notice().await.0, "");
    let org = server.web.organisation::<ManageOwnership>(&owner, &tenant.slug).await.unwrap();
    let waiting = server.web.delete_organisation(&org, "acme", false).await.unwrap();
    let address = |of: &secrecy::SecretString| format!("/erasure?token={}", of.expose_secret());
    let file = |of: &secrecy::SecretString| format!("/erasure/certificate?token={}", of.expose_secret());

    let response = nobody.get(&address(&waiting)).await;
    assert_eq!((header(&response, "referrer-policy"), header(&response, "refresh")), ("no-referrer", ""));
    let text = page(response, StatusCode::OK).await;
    assert!(
        text.contains("The organisation will be deleted") && text.contains("each Owner can take it back"),
        "{text}"
    );
    page(nobody.get(&file(&waiting)).await, StatusCode::NOT_FOUND).await;
    let (said, at) = notice().await;
    assert!(said.starts_with("acme will be deleted on ") && said.ends_with("under Settings, Data."), "{said}");
    assert_eq!(at, "/o/acme/settings/data");

    // Taken back: the address leads nowhere, as any other that never was one.
    server.web.keep_organisation(&org).await.unwrap();
    assert_eq!(notice().await.0, "");
    for nowhere in ["/erasure", "/erasure?token=x", &address(&waiting), &file(&waiting)] {
        let response = nobody.get(nowhere).await;
        assert_eq!(header(&response, "referrer-policy"), "no-referrer");
        assert!(page(response, StatusCode::GONE).await.contains("leads to no deletion"));
    }

    // At once: under way until somebody does it, then with what was removed.
    let now = server.web.delete_organisation(&org, "acme", true).await.unwrap();
    let response = nobody.get(&address(&now)).await;
    assert_eq!(header(&response, "refresh"), "3");
    assert!(page(response, StatusCode::OK).await.contains("The organisation is being deleted"));
    assert_eq!(notice().await.0, "acme is being deleted.");
    let _office = server.post_office(&world);
    until("the deletion is done", async || server.web.erasure(&now).await.unwrap().ended_at.is_some()).await;
    let response = nobody.get(&address(&now)).await;
    assert_eq!(header(&response, "refresh"), "");
    let text = page(response, StatusCode::OK).await;
    for part in [
        "The organisation was deleted",
        "<code>clusters</code></td><td class=\"num\">1<",
        "<p>Nothing.</p>",
        "both halves",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let form = format!(
        "action=\"/erasure/certificate\"><input type=\"hidden\" name=\"token\" value=\"{}\"",
        now.expose_secret()
    );
    assert!(text.contains(&form), "{text}");
    let certificate = verified(&server, nobody.get(&file(&now)).await).await;
    assert_eq!((&certificate["deleted"], &certificate["left"]["rows"]), (&json!("organisation"), &json!({})));
}

#[tokio::test]
async fn the_certificate_of_a_cluster_is_for_who_manages_its_organisation() {
    let (_, world) = Clock::new();
    let server = TestServer::start_with(world.clone()).await;
    let (tenant, other) = (server.tenant("acme").await, server.tenant("globex").await);
    let owner = actor(&server, &tenant).await;
    let cluster = server.web.cluster::<ManageClusters>(&owner, &tenant.slug, tenant.cluster).await.unwrap();
    server.web.delete_cluster(&cluster).await.unwrap();
    let org = server.web.organisation::<ManageOrganisation>(&owner, &tenant.slug).await.unwrap();
    let id = server.web.organisation_data(&org).await.unwrap().deletions[0].id.clone();
    let path = format!("/o/acme/settings/data/certificates/{id}");
    let browser = signed_in(&server, &tenant).await;
    page(browser.get(&path).await, StatusCode::NOT_FOUND).await;
    let _office = server.post_office(&world);
    until("the deletion is done", async || {
        server.web.organisation_data(&org).await.unwrap().deletions[0].ended_at.is_some()
    })
    .await;

    let text = page(browser.get(&path).await, StatusCode::OK).await;
    assert!(text.contains("A cluster was deleted") && text.contains(&format!("<form action=\"{path}\">")), "{text}");
    let certificate = verified(&server, browser.get(&format!("{path}?download=1")).await).await;
    assert_eq!(certificate["deleted"], "cluster");
    let response = server.browser().get(&path).await;
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(header(&response, "location"), format!("/login?next={}", path.replace('/', "%2F")));
    // Others are told nothing, by their own organisation's address either.
    let stranger = signed_in(&server, &other).await;
    for path in [path.clone(), path.replace("acme", "globex"), format!("{path}?download=1")] {
        page(stranger.get(&path).await, StatusCode::NOT_FOUND).await;
    }
    for nowhere in ["x", "00000000-0000-0000-0000-000000000000"] {
        page(browser.get(&path.replace(&id, nowhere)).await, StatusCode::NOT_FOUND).await;
    }
}

#[tokio::test]
async fn who_has_no_link_to_their_data_is_told_so() {
    let server = TestServer::start().await;
    let tenant = server.tenant("acme").await;
    let path = "/account/privacy/download?token=abc-_123";
    let mut nobody = server.browser();
    let to_sign_in = "/login?next=%2Faccount%2Fprivacy%2Fdownload%3Ftoken%3Dabc-_123";
    assert_eq!(header(&nobody.get(path).await, "location"), to_sign_in);
    assert_eq!(header(&nobody.post(path, &[]).await, "location"), to_sign_in);
    let mut browser = signed_in(&server, &tenant).await;
    for path in [path, "/account/privacy/download", "/account/privacy/download?token="] {
        assert!(page(browser.get(path).await, StatusCode::GONE).await.contains("This link has ended"), "{path}");
        page(browser.post(path, &[]).await, StatusCode::GONE).await;
        for origin in [None, Some("https://evil.example"), Some("null")] {
            let response = browser.post_from(path, &[], origin, "text/html").await;
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "{path} from {origin:?}");
        }
    }
}

#[tokio::test]
async fn what_is_held_about_somebody_is_given_to_them_once() {
    let (clock, world) = Clock::new();
    let server = TestServer::start_with(world.clone()).await;
    let (tenant, other) = (server.tenant("acme").await, server.tenant("globex").await);
    let mut office = server.post_office(&world);
    let owner = actor(&server, &tenant).await;
    let mut browser = signed_in(&server, &tenant).await;
    let mut stranger = signed_in(&server, &other).await;

    server.web.request_export(&owner).await.unwrap();
    let link = office.next_with(&tenant.email, "Your data is ready").await.token();
    let path = format!("/account/privacy/download?token={link}");
    // Whoever looks at links, or has another account, uses nothing up.
    for _ in 0..2 {
        assert!(page(browser.get(&path).await, StatusCode::OK).await.contains("<form method=\"post\">"));
    }
    page(stranger.get(&path).await, StatusCode::GONE).await;
    page(stranger.post(&path, &[]).await, StatusCode::GONE).await;
    assert_eq!(server.browser().post(&path, &[]).await.status(), StatusCode::SEE_OTHER);
    assert_eq!(browser.post_from(&path, &[], Some("null"), "text/html").await.status(), StatusCode::FORBIDDEN);

    let response = browser.post(&path, &[]).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "content-type"), "application/zip");
    assert_eq!(header(&response, "content-disposition"), "attachment; filename=\"kubewise-my-data.zip\"");
    assert_eq!(header(&response, "cache-control"), "no-store");
    let file = response.bytes().await.unwrap();
    assert!(file.starts_with(b"PK"));
    for name in ["index.html", "data.json"] {
        assert!(file.windows(name.len()).any(|part| part == name.as_bytes()), "{name} is in the file");
    }
    page(browser.get(&path).await, StatusCode::GONE).await;
    page(browser.post(&path, &[]).await, StatusCode::GONE).await;

    // Nobody came for it in time.
    server.web.request_export(&owner).await.unwrap();
    let link = office.next_with(&tenant.email, "Your data is ready").await.token();
    clock.pass(Duration::days(7));
    // The session has ended meanwhile.
    browser.sign_in(&tenant.email, PASSWORD).await;
    page(browser.post(&format!("/account/privacy/download?token={link}"), &[]).await, StatusCode::GONE).await;
}
