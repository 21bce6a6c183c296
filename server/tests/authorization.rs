//! The authorization matrix: every server function and every route that the framework knows, with everybody who could
//! call it. An endpoint without a case here fails the test.
#![expect(clippy::unwrap_used, reason = "a test fails where it is")]

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use common::{Browser, PASSWORD, Tenant, TestServer, uid};
use kubewise_app::App;
use kubewise_backend::permission::AddClusters;
use kubewise_contract::{ClusterName, Permission, Role};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// What a caller must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    /// Anybody, with the reason.
    Nothing(&'static str),
    /// Somebody who is signed in: it is about their own account.
    SignedIn,
    /// A member whose role has the permission.
    May(Permission),
}

/// How the arguments are sent.
#[derive(Clone, Copy)]
enum Input {
    Json,
    Form,
}

type Case = (&'static str, Needs, Input, Value);

fn server_functions(t: &Tenant, cluster: &str) -> Vec<Case> {
    use Input::{Form, Json};
    use Needs::{May, Nothing, SignedIn};
    use Permission::{ManageClusters, ManageOrganisation, ViewInventory, ViewOrganisation};
    let org = t.slug.as_str();
    let query = json!({"kind": null, "namespace": null, "q": null, "app": null, "image": null, "after": null});
    let in_org = || json!({"org": org, "query": query});
    let in_cluster = || json!({"org": org, "cluster": cluster, "query": query});
    vec![
        ("/api/home", Nothing("says who is signed in, if anybody"), Json, json!({})),
        (
            "/api/sign_up",
            Nothing("makes the account"),
            Form,
            json!({"name": "", "email": "", "organisation": "", "password": ""}),
        ),
        (
            "/api/password_strength",
            Nothing("for who makes an account or has a link"),
            Json,
            json!({"password": PASSWORD, "about": ""}),
        ),
        ("/api/log_in", Nothing("makes the session"), Form, json!({"email": "", "password": ""})),
        ("/api/log_out", Nothing("ends the session, if any"), Form, json!({})),
        ("/api/verify_address", Nothing("the link is the proof"), Form, json!({"token": ""})),
        ("/api/request_reset", Nothing("for who cannot sign in"), Form, json!({"email": ""})),
        ("/api/reset_password", Nothing("the link is the proof"), Form, json!({"token": "", "password": ""})),
        (
            "/api/pending",
            Nothing("answers who gave the first proof, in the session that it was given in"),
            Json,
            json!({}),
        ),
        (
            "/api/enter_code",
            Nothing("answers who gave the first proof, in the session that it was given in"),
            Form,
            json!({"code": "123456"}),
        ),
        ("/api/confirm_identity", SignedIn, Form, json!({"current_password": PASSWORD})),
        ("/api/ask_passkey", Nothing("asks who it is"), Json, json!({"purpose": "sign_in"})),
        (
            "/api/answer_passkey",
            Nothing("says who it is"),
            Json,
            json!({"purpose": "sign_in", "answer": "", "next": ""}),
        ),
        ("/api/begin_passkey", SignedIn, Json, json!({"name": "Laptop"})),
        ("/api/add_passkey", SignedIn, Json, json!({"name": "Laptop", "answer": ""})),
        ("/api/remove_passkey", SignedIn, Form, json!({"id": ""})),
        ("/api/second_factors", SignedIn, Json, json!({})),
        ("/api/begin_authenticator", SignedIn, Form, json!({})),
        ("/api/authenticator_setup", SignedIn, Json, json!({})),
        ("/api/confirm_authenticator", SignedIn, Form, json!({"code": "123456"})),
        ("/api/remove_authenticator", SignedIn, Form, json!({})),
        ("/api/new_recovery_codes", SignedIn, Form, json!({})),
        ("/api/recovery_codes", SignedIn, Json, json!({})),
        ("/api/ways", Nothing("says how people sign in"), Json, json!({})),
        ("/api/unlink_google", SignedIn, Form, json!({})),
        ("/api/set_password", SignedIn, Form, json!({"password": PASSWORD})),
        ("/api/account", SignedIn, Json, json!({})),
        ("/api/change_name", SignedIn, Form, json!({"name": "Maya"})),
        ("/api/resend_verification", SignedIn, Form, json!({})),
        ("/api/change_address", SignedIn, Form, json!({"email": "new@example.com", "current_password": PASSWORD})),
        ("/api/change_password", SignedIn, Form, json!({"current_password": PASSWORD, "password": PASSWORD})),
        ("/api/sessions", SignedIn, Json, json!({})),
        ("/api/end_session", SignedIn, Form, json!({"id": ""})),
        ("/api/end_other_sessions", SignedIn, Form, json!({})),
        ("/api/organisation_settings", May(ManageOrganisation), Json, json!({"org": org})),
        ("/api/require_second_factor", May(ManageOrganisation), Form, json!({"org": org})),
        ("/api/frame", May(ViewOrganisation), Json, json!({"org": org})),
        ("/api/overview", May(ViewInventory), Json, json!({"org": org})),
        ("/api/clusters", May(ViewInventory), Json, in_org()),
        ("/api/search", May(ViewInventory), Json, in_org()),
        ("/api/cluster", May(ViewInventory), Json, in_cluster()),
        ("/api/applications", May(ViewInventory), Json, in_cluster()),
        ("/api/workloads", May(ViewInventory), Json, in_cluster()),
        ("/api/images", May(ViewInventory), Json, in_cluster()),
        ("/api/nodes", May(ViewInventory), Json, in_cluster()),
        ("/api/namespaces", May(ViewInventory), Json, in_cluster()),
        ("/api/resources", May(ViewInventory), Json, in_cluster()),
        ("/api/resource", May(ViewInventory), Json, json!({"org": org, "cluster": cluster, "uid": uid(1)})),
        ("/api/may_manage", May(ManageClusters), Json, json!({"org": org})),
        ("/api/install", May(ManageClusters), Json, in_cluster()),
        ("/api/install_status", May(ManageClusters), Json, in_cluster()),
        ("/api/add_cluster", May(ManageClusters), Form, json!({"org": org, "name": "fresh"})),
        ("/api/rename_cluster", May(ManageClusters), Form, json!({"org": org, "cluster": cluster, "name": "renamed"})),
        ("/api/rotate_token", May(ManageClusters), Form, json!({"org": org, "cluster": cluster})),
        ("/api/revoke_token", May(ManageClusters), Form, json!({"org": org, "cluster": cluster})),
        (
            "/api/delete_cluster",
            May(ManageClusters),
            Form,
            json!({"org": org, "cluster": cluster, "confirmation": "renamed"}),
        ),
    ]
}

fn routes() -> Vec<(&'static str, Needs)> {
    use Needs::{May, Nothing, SignedIn};
    use Permission::{ManageClusters, ManageOrganisation, ViewInventory};
    vec![
        ("/", Nothing("the landing page")),
        ("/signup", Nothing("the form to make an account")),
        ("/login", Nothing("the form to sign in")),
        ("/mfa", Nothing("for who gave the first proof; others are led to sign in")),
        ("/reset", Nothing("for who cannot sign in")),
        ("/verify", Nothing("the link is the proof")),
        ("/account", SignedIn),
        ("/account/security", SignedIn),
        ("/account/security/authenticator", SignedIn),
        ("/account/security/codes", SignedIn),
        ("/account/confirm", SignedIn),
        ("/account/sessions", SignedIn),
        ("/o/:org", May(ViewInventory)),
        ("/o/:org/clusters", May(ViewInventory)),
        ("/o/:org/settings", May(ManageOrganisation)),
        ("/o/:org/search", May(ViewInventory)),
        ("/o/:org/clusters/new", May(ManageClusters)),
        ("/o/:org/clusters/:cluster/install", May(ManageClusters)),
        ("/o/:org/clusters/:cluster", May(ViewInventory)),
        ("/o/:org/clusters/:cluster/applications", May(ViewInventory)),
        ("/o/:org/clusters/:cluster/workloads", May(ViewInventory)),
        ("/o/:org/clusters/:cluster/images", May(ViewInventory)),
        ("/o/:org/clusters/:cluster/nodes", May(ViewInventory)),
        ("/o/:org/clusters/:cluster/namespaces", May(ViewInventory)),
        ("/o/:org/clusters/:cluster/resources", May(ViewInventory)),
        ("/o/:org/clusters/:cluster/resources/:uid", May(ViewInventory)),
        ("/o/:org/clusters/:cluster/settings", May(ManageClusters)),
    ]
}

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    Nobody,
    Stranger,
    Member(Role),
}

fn callers() -> Vec<Caller> {
    [Caller::Nobody, Caller::Stranger].into_iter().chain(Role::ALL.map(Caller::Member)).collect()
}

/// The status that says so; none: any that is not a refusal.
fn expected(needs: Needs, caller: Caller) -> Option<u16> {
    match (needs, caller) {
        (Needs::Nothing(_), _) => None,
        (Needs::SignedIn | Needs::May(_), Caller::Nobody) => Some(401),
        (Needs::SignedIn, _) => None,
        (Needs::May(_), Caller::Stranger) => Some(404),
        (Needs::May(permission), Caller::Member(role)) if role.may(permission) => None,
        (Needs::May(_), Caller::Member(_)) => Some(403),
    }
}

struct World {
    server: TestServer,
    tenant: Tenant,
    browsers: BTreeMap<String, Browser>,
}

impl World {
    async fn new() -> Self {
        let server = TestServer::start().await;
        let tenant = server.tenant("acme").await;
        let mut browsers = BTreeMap::new();
        for caller in callers() {
            let mut browser = server.browser();
            if caller != Caller::Nobody {
                let name = format!("{caller:?}").to_lowercase().replace(['(', ')'], "-");
                let person = server.tenant(name.trim_end_matches('-')).await;
                if let Caller::Member(role) = caller {
                    sqlx::query(
                        "INSERT INTO memberships (org_id, user_id, role, created_at)
                         SELECT id, $2, $3, now() FROM organisations WHERE slug = $1",
                    )
                    .bind(tenant.slug.as_str())
                    .bind(person.user.0)
                    .bind(role.as_str())
                    .execute(&server.database.superuser())
                    .await
                    .unwrap();
                }
                let response = browser.post("/api/log_in", &[("email", &person.email), ("password", PASSWORD)]).await;
                assert_eq!(response.status(), StatusCode::FOUND);
            }
            browsers.insert(format!("{caller:?}"), browser);
        }
        Self { server, tenant, browsers }
    }

    /// A cluster with one object, which a case may do anything to.
    async fn cluster(&self, name: &str) -> String {
        let actor = self.server.web.actor(self.tenant.user).await.unwrap().unwrap();
        let org = self.server.web.organisation::<AddClusters>(&actor, &self.tenant.slug).await.unwrap();
        let (cluster, _) = self.server.web.add_cluster(&org, &ClusterName::parse(name).unwrap()).await.unwrap();
        sqlx::query(
            "INSERT INTO resources (org_id, cluster_id, uid, kind, api_version, namespace, name, updated_at, workload, health,
               images, hash, manifest) VALUES ($1, $2, $3, 'Pod', 'v1', 'shop', 'web', now(), true, 'healthy', '{}', '', $4)",
        )
        .bind(org.id.0)
        .bind(cluster.0)
        .bind(uid(1))
        .bind(zstd::bulk::compress(b"{}", 1).unwrap())
        .execute(&self.server.database.superuser())
        .await
        .unwrap();
        cluster.to_string()
    }
}

#[tokio::test]
async fn every_server_function_answers_as_the_table_of_roles_says() {
    let mut world = World::new().await;
    let cases = server_functions(&world.tenant, "x");
    let known: BTreeSet<&str> = cases.iter().map(|(path, ..)| *path).collect();
    let registered: BTreeSet<&str> = leptos::server_fn::axum::server_fn_paths().map(|(path, _)| path).collect();
    assert_eq!(registered, known, "server functions without a case, or cases without one");

    let mut n = 0;
    for caller in callers() {
        for at in 0..cases.len() {
            n += 1;
            let cluster = world.cluster(&format!("c{n}")).await;
            let (path, needs, input, arguments) = server_functions(&world.tenant, &cluster).swap_remove(at);
            let browser = world.browsers.get_mut(&format!("{caller:?}")).unwrap();
            if matches!(path, "/api/log_out" | "/api/log_in" | "/api/sign_up") && caller != Caller::Nobody {
                continue;
            }
            let status = match input {
                Input::Form => {
                    let pairs: Vec<(String, String)> = arguments
                        .as_object()
                        .unwrap()
                        .iter()
                        .map(|(k, v)| (k.clone(), v.as_str().map_or_else(|| v.to_string(), str::to_owned)))
                        .collect();
                    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
                    let url = browser.url.clone();
                    browser.post_from(path, &pairs, Some(&url), "application/json").await.status()
                }
                Input::Json => {
                    let mut request = browser
                        .client
                        .post(format!("{}{path}", browser.url))
                        .header("accept", "application/json")
                        .header("origin", &browser.url)
                        .json(&arguments);
                    if let Some(cookie) = &browser.cookie {
                        request = request.header("cookie", cookie);
                    }
                    request.send().await.unwrap().status()
                }
            };
            match expected(needs, caller) {
                Some(refused) => assert_eq!(status.as_u16(), refused, "{caller:?} calls {path}"),
                None if matches!(path, "/api/log_in" | "/api/sign_up") => {
                    assert!(matches!(status.as_u16(), 401 | 422), "{caller:?} calls {path}: {status}");
                }
                // A link that never was one, and a session that is not theirs.
                None if matches!(path, "/api/verify_address" | "/api/reset_password") => {
                    assert_eq!(status.as_u16(), 410);
                }
                None if matches!(path, "/api/end_session" | "/api/remove_passkey") => assert_eq!(status.as_u16(), 404),
                // Nobody has given a first proof, or was asked for a passkey.
                None if matches!(
                    path,
                    "/api/pending" | "/api/enter_code" | "/api/answer_passkey" | "/api/add_passkey"
                ) =>
                {
                    assert_eq!(status.as_u16(), 401);
                }
                // There is no issuer, and a password is set already.
                None if matches!(path, "/api/unlink_google" | "/api/set_password") => assert_eq!(status.as_u16(), 404),
                // There is no app to remove, and there are no codes to make anew.
                None if matches!(path, "/api/remove_authenticator" | "/api/new_recovery_codes") => {
                    assert!(matches!(status.as_u16(), 404 | 200), "{caller:?} calls {path}: {status}");
                }
                None => assert!(
                    status.is_success() || status.is_redirection() || status.as_u16() == 422,
                    "{caller:?} calls {path}: {status}"
                ),
            }
        }
    }
}

#[tokio::test]
async fn every_page_answers_as_the_table_of_roles_says() {
    let world = World::new().await;
    let cluster = world.cluster("pages").await;
    let known: BTreeSet<String> = routes().iter().map(|(path, _)| (*path).to_owned()).collect();
    let registered: BTreeSet<String> = leptos_axum::generate_route_list(App)
        .iter()
        .map(|route| {
            let path = route.path().replace('{', ":").replace('}', "");
            if path.len() > 1 { path.trim_end_matches('/').to_owned() } else { path }
        })
        // What no page matches is the page that says so.
        .filter(|path| !path.contains('*'))
        .collect();
    assert_eq!(registered, known, "pages without a case, or cases without a page");

    for caller in callers() {
        for (route, needs) in routes() {
            let path = route
                .replace(":org", world.tenant.slug.as_str())
                .replace(":cluster", &cluster)
                .replace(":uid", &uid(1).to_string());
            let response = world.browsers[&format!("{caller:?}")].get(&path).await;
            let status = response.status().as_u16();
            match expected(needs, caller) {
                // Who is not signed in is sent to do so.
                Some(401) => assert_eq!(status, 302, "{caller:?} opens {route}"),
                Some(refused) => assert_eq!(status, refused, "{caller:?} opens {route}"),
                // There is nothing that is being set up.
                None if route == "/account/security/authenticator" => assert_eq!(status, 404),
                None => assert!(matches!(status, 200 | 302), "{caller:?} opens {route}: {status}"),
            }
        }
    }
}

/// Methods that may change something (RFC 9110 §9.2.1).
const UNSAFE: [Method; 4] = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

#[tokio::test]
async fn what_changes_something_must_come_from_our_own_pages() {
    let server = TestServer::start().await;
    let t = server.tenant("acme").await;
    let mut browser = server.browser();
    browser.sign_in(&t.email, PASSWORD).await;
    let cookie = browser.cookie.clone().unwrap();
    let ask = async |method: &Method, path: &str, origin: Option<&str>| {
        let mut request = browser.client.request(method.clone(), format!("{}{path}", server.url));
        request = request.header("cookie", &cookie).header("accept", "application/json");
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        request.send().await.unwrap().status().as_u16()
    };
    let functions: Vec<String> = leptos::server_fn::axum::server_fn_paths()
        .map(|(path, method)| {
            assert_eq!(method, Method::POST, "{path} changes nothing if it can be opened by a link");
            path.to_owned()
        })
        .collect();
    assert!(functions.len() >= 30, "the server functions are seen");
    let pages =
        leptos_axum::generate_route_list(App).into_iter().map(|route| route.path().replace(['{', '}', '*'], ""));
    let others = ["/o/acme/events", "/nowhere"].map(str::to_owned);
    let foreign = format!("{}.evil.example", server.url);
    for path in functions.iter().cloned().chain(pages).chain(others) {
        for method in &UNSAFE {
            for origin in
                [None, Some("https://evil.example"), Some("null"), Some(""), Some("http://127.0.0.1:1"), Some(&foreign)]
            {
                assert_eq!(ask(method, &path, origin).await, 403, "{method} {path} from {origin:?}");
            }
        }
    }
    for path in &functions {
        assert_eq!(ask(&Method::GET, path, Some(&server.url)).await, 405, "{path} by a link");
    }
    assert_eq!(browser.get("/account").await.status(), StatusCode::OK, "nothing was done, not even signing out");
}

/// The routes that are not the framework's are read from the source: a new one that may change something needs a case.
/// Those of the public API are all made by one macro in one file, and have their cases in `api.rs`, whose list of routes
/// comes from the same macro.
#[tokio::test]
async fn the_only_other_route_that_changes_something_is_that_of_agents() {
    fn sources(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else {
                let text = std::fs::read_to_string(&path).unwrap();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                let lines = text.lines().filter(|line| makes_a_route(line));
                found.extend(lines.map(|line| format!("{name}: {}", line.trim())));
            }
        }
    }
    fn makes_a_route(line: &str) -> bool {
        ["post(", "put(", "patch(", "delete(", "any(", "on(", "post_service(", "any_service(", "routes!("].iter().any(
            |call| {
                line.match_indices(call).any(|(at, _)| {
                    let before = line[..at].chars().next_back();
                    let is_method = matches!(*call, "any(" | "on(") && before == Some('.');
                    !is_method && !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
                })
            },
        )
    }
    let mut found = Vec::new();
    sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut found);
    let in_the_api = |line: &String| line.starts_with("routes.rs: .routes(") && line.contains("routes!(");
    let of_the_api = found.iter().filter(|line| in_the_api(line)).count();
    assert!(of_the_api >= 12, "{found:#?}");
    found.retain(|line| !in_the_api(line));
    found.sort();
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].starts_with("router.rs: ") && found[0].contains("post(ingest::sync)"), "{found:#?}");
    // What the API has no route for.
    assert!(found[1].starts_with("routes.rs: ") && found[1].contains("any(StatusCode::NOT_FOUND)"), "{found:#?}");

    // No browser keeps what an agent proves itself with, so no page of others can make one send it.
    let server = TestServer::start().await;
    let t = server.tenant("acme").await;
    let mut browser = server.browser();
    browser.sign_in(&t.email, PASSWORD).await;
    let response = browser.post_from(kubewise_protocol::SYNC_PATH, &[], Some("https://evil.example"), "*/*").await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn live_events_are_for_members_alone() {
    let server = TestServer::start().await;
    let one = server.tenant("one").await;
    server.tenant("two").await;
    let mut browser = server.browser();
    assert_eq!(browser.get("/o/one/events").await.status(), StatusCode::NOT_FOUND);
    browser.post("/api/log_in", &[("email", &one.email), ("password", PASSWORD)]).await;
    assert_eq!(browser.get("/o/two/events").await.status(), StatusCode::NOT_FOUND);
    assert_eq!(browser.get("/o/../events").await.status(), StatusCode::NOT_FOUND);
    let mut stream = browser.get("/o/one/events").await;
    assert_eq!(stream.status(), StatusCode::OK);
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    server.accepted(&one.token, common::full(1, &[common::pod(1, "a", "nginx")])).await;
    let chunk =
        tokio::time::timeout(std::time::Duration::from_secs(10), stream.chunk()).await.unwrap().unwrap().unwrap();
    let text = String::from_utf8(chunk.to_vec()).unwrap();
    assert!(text.contains("event: change") && text.contains(&one.cluster.to_string()), "{text}");
    // Another organisation's change is not told; being removed ends the stream.
    sqlx::query("DELETE FROM memberships").execute(&server.database.superuser()).await.unwrap();
    server.accepted(&one.token, common::delta(1, 1, &[common::pod(2, "b", "nginx")], &[])).await;
    let end = tokio::time::timeout(std::time::Duration::from_secs(10), stream.chunk()).await.unwrap().unwrap();
    assert!(end.is_none(), "{end:?}");
}
