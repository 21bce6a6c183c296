//! The public API, from outside: what each route does, who may, and how refusals look. The routes are those of the
//! description that the server itself gives; one without a case here fails the test.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use kubewise_backend::{
    NewToken, REQUESTS_PER_MINUTE,
    permission::{AddClusters, MakeTokens},
};
use kubewise_contract::{ClusterId, ClusterName, OrgSlug, Permission, Permissions, Role, TokenId, TokenName, UserId};
use reqwest::{Method, Response, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use time::Duration;

use crate::common::{Clock, PASSWORD, Tenant, TestServer, client, full, pod, uid};

/// A token that is asked for, with everything that a token can be given.
fn everything(name: &str) -> NewToken {
    NewToken {
        name: TokenName::parse(name).unwrap(),
        permissions: Permission::FOR_TOKENS.iter().copied().collect(),
        clusters: None,
        days: 30,
        of_organisation: true,
    }
}

struct Api {
    server: TestServer,
    clock: Clock,
    tenant: Tenant,
}

impl Api {
    async fn new() -> Self {
        let (clock, world) = Clock::new();
        let server = TestServer::start_with(world).await;
        let tenant = server.tenant("acme").await;
        Self { server, clock, tenant }
    }

    /// Makes a token as somebody.
    async fn token_by(&self, user: UserId, slug: &OrgSlug, wanted: &NewToken) -> (TokenId, String) {
        let actor = self.server.web.actor(user).await.unwrap().unwrap();
        let org = self.server.web.organisation::<MakeTokens>(&actor, slug).await.unwrap();
        let (id, token) = self.server.web.make_api_token(&org, wanted).await.unwrap();
        (id, token.expose_secret().to_owned())
    }

    /// Makes a token of the organisation.
    async fn token(&self, wanted: &NewToken) -> String {
        self.token_by(self.tenant.user, &self.tenant.slug, wanted).await.1
    }

    /// A cluster with one object.
    async fn cluster(&self, name: &str) -> ClusterId {
        let actor = self.server.web.actor(self.tenant.user).await.unwrap().unwrap();
        let org = self.server.web.organisation::<AddClusters>(&actor, &self.tenant.slug).await.unwrap();
        let (cluster, _) = self.server.web.add_cluster(&org, &ClusterName::parse(name).unwrap()).await.unwrap();
        sqlx::query(
            "INSERT INTO resources (org_id, cluster_id, uid, kind, api_version, namespace, name, updated_at, workload,
               health, images, hash, manifest)
             VALUES ($1, $2, $3, 'Pod', 'v1', 'shop', 'web-of-' || $4, now(), true, 'healthy', '{}', '', $5)",
        )
        .bind(org.id.0)
        .bind(cluster.0)
        .bind(uid(1))
        .bind(name)
        .bind(zstd::bulk::compress(b"{}", 1).unwrap())
        .execute(&self.server.database.superuser())
        .await
        .unwrap();
        cluster
    }

    /// Another member, in this role.
    async fn member(&self, name: &str, role: Role) -> UserId {
        let person = self.server.tenant(name).await;
        self.sql(&format!(
            "INSERT INTO memberships (org_id, user_id, role, created_at)
             SELECT id, '{}', '{}', now() FROM organisations WHERE slug = '{}'",
            person.user,
            role.as_str(),
            self.tenant.slug
        ))
        .await;
        person.user
    }

    /// Does something behind the walls.
    async fn sql(&self, statement: &str) {
        let done = sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&self.server.database.superuser()).await;
        assert!(done.unwrap().rows_affected() > 0, "{statement}");
    }

    async fn ask(&self, method: &str, path: &str, token: Option<&str>, body: Option<&Value>) -> Response {
        let method: Method = method.parse().unwrap();
        let mut request = client().request(method, format!("{}{path}", self.server.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        request.send().await.unwrap()
    }

    async fn get(&self, path: &str, token: &str) -> Value {
        let response = self.ask("GET", path, Some(token), None).await;
        let status = response.status();
        let text = response.text().await.unwrap();
        assert_eq!(status, StatusCode::OK, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// All rows of a list, page by page.
    async fn all(&self, path: &str, token: &str) -> Vec<Value> {
        let (mut rows, mut after) = (Vec::new(), None::<String>);
        loop {
            let join = if path.contains('?') { '&' } else { '?' };
            let query = after.map(|after| format!("{join}after={after}")).unwrap_or_default();
            let page = self.get(&format!("{path}{query}"), token).await;
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= 50 && (!items.is_empty() || rows.is_empty()), "{path}");
            rows.extend(items.iter().cloned());
            match page["next"].as_str() {
                Some(next) => after = Some(next.to_owned()),
                None => return rows,
            }
        }
    }
}

/// A refusal must be a problem, that says nothing of the inside.
async fn problem(response: Response) -> Value {
    let status = response.status();
    assert_eq!(response.headers()["content-type"], "application/problem+json", "{status}");
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(response.headers().contains_key("www-authenticate"), status == StatusCode::UNAUTHORIZED);
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["status"], status.as_u16());
    assert_eq!(problem.as_object().unwrap().keys().collect::<Vec<_>>(), ["detail", "status", "title", "type"]);
    assert!(problem["type"].as_str().unwrap().starts_with("/docs/api#"));
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.len() > 20 && !detail.contains("sqlx") && !detail.contains("SELECT"), "{detail}");
    problem
}

/// An operation of the description.
struct Operation {
    method: String,
    path: String,
    needs: Vec<Permission>,
    value: Value,
}

impl Operation {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn is_open(&self) -> bool {
        self.needs.is_empty()
    }

    fn is_of_a_cluster(&self) -> bool {
        self.path.contains("{cluster}")
    }
}

async fn operations(api: &Api) -> Vec<Operation> {
    let response = api.ask("GET", "/v1/openapi.json", None, None).await;
    assert_eq!(response.headers()["content-type"], "application/json");
    let description: Value = response.json().await.unwrap();
    assert!(description["openapi"].as_str().unwrap().starts_with("3.1."));
    let mut found = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, value) in item.as_object().unwrap() {
            let needs = value["security"][0]["token"].as_array().cloned().unwrap_or_default();
            let needs: Vec<Permission> =
                needs.iter().map(|name| Permission::parse(name.as_str().unwrap()).unwrap()).collect();
            let method = method.to_uppercase();
            found.push(Operation { method, path: path.clone(), needs, value: value.clone() });
        }
    }
    found
}

/// What is sent, and what is answered when it is done.
fn case(name: &str, cluster: &str) -> Option<(Option<Value>, u16)> {
    Some(match name {
        "GET /v1/activity"
        | "GET /v1/clusters"
        | "GET /v1/clusters/{cluster}"
        | "GET /v1/clusters/{cluster}/resources"
        | "GET /v1/clusters/{cluster}/resources/{uid}"
        | "GET /v1/members"
        | "GET /v1/openapi.json"
        | "GET /v1/search" => (None, 200),
        "POST /v1/clusters" => (Some(json!({"name": format!("added-{cluster}")})), 201),
        "PATCH /v1/clusters/{cluster}" => (Some(json!({"name": format!("renamed-{cluster}")})), 200),
        "DELETE /v1/clusters/{cluster}" => (None, 204),
        "POST /v1/clusters/{cluster}/token" => (None, 201),
        _ => return None,
    })
}

fn address(operation: &Operation, cluster: &str) -> String {
    let path = operation.path.replace("{cluster}", cluster).replace("{uid}", &uid(1).to_string());
    if path == "/v1/search" { format!("{path}?q=web-of") } else { path }
}

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Caller {
    NoToken,
    NotAToken,
    UnknownToken,
    AgentToken,
    Expired,
    Revoked,
    /// Of the organisation, with all.
    Organisation,
    /// Of the organisation, with all, but limited to another cluster.
    Limited,
    /// Of an Operator.
    Operator,
    /// Of somebody who was made a Viewer since.
    Viewer,
    /// Of somebody who was made Billing since.
    Billing,
    /// Of an Operator who was limited to another cluster since.
    LimitedMember,
    /// Of somebody who was removed since.
    Removed,
    /// Of somebody whose account was disabled since.
    Disabled,
    /// Of another organisation.
    Stranger,
}

/// The status that refuses; none: it is done.
fn refused(operation: &Operation, caller: Caller) -> Option<u16> {
    if operation.is_open() {
        return None;
    }
    let role = |role: Role| {
        let lacks = operation.needs.iter().any(|permission| !role.may(*permission));
        lacks.then_some(403)
    };
    let limited = if operation.is_of_a_cluster() {
        Some(404)
    } else {
        operation.needs.iter().any(|permission| permission.needs_every_cluster()).then_some(403)
    };
    match caller {
        Caller::NoToken
        | Caller::NotAToken
        | Caller::UnknownToken
        | Caller::AgentToken
        | Caller::Expired
        | Caller::Revoked
        | Caller::Removed
        | Caller::Disabled => Some(401),
        Caller::Organisation => None,
        Caller::Operator => role(Role::Operator),
        Caller::Viewer => role(Role::Viewer),
        Caller::Billing => role(Role::Billing),
        Caller::Limited | Caller::LimitedMember => limited,
        Caller::Stranger => operation.is_of_a_cluster().then_some(404),
    }
}

async fn tokens(api: &Api) -> BTreeMap<Caller, Option<String>> {
    let other = api.cluster("other").await;
    let mine = |name: &str| NewToken { of_organisation: false, ..everything(name) };
    let org = api.tenant.slug.as_str();
    let mut tokens = BTreeMap::new();
    tokens.insert(Caller::NoToken, None);
    tokens.insert(Caller::NotAToken, Some("kw_nonsense".to_owned()));
    tokens.insert(Caller::AgentToken, Some(api.tenant.token.clone()));

    let unknown = api.token(&everything("unknown")).await;
    api.sql("DELETE FROM api_tokens WHERE name = 'unknown'").await;
    tokens.insert(Caller::UnknownToken, Some(unknown));

    let (id, revoked) = api.token_by(api.tenant.user, &api.tenant.slug, &everything("revoked")).await;
    let actor = api.server.web.actor(api.tenant.user).await.unwrap().unwrap();
    let by = api.server.web.organisation::<MakeTokens>(&actor, &api.tenant.slug).await.unwrap();
    api.server.web.revoke_api_token(&by, id).await.unwrap();
    tokens.insert(Caller::Revoked, Some(revoked));

    let expired = api.token(&NewToken { days: 1, ..everything("expired") }).await;
    api.clock.pass(Duration::days(1) + Duration::SECOND);
    tokens.insert(Caller::Expired, Some(expired));

    let limited = NewToken { clusters: Some(vec![other]), ..everything("limited") };
    tokens.insert(Caller::Limited, Some(api.token(&limited).await));
    tokens.insert(Caller::Organisation, Some(api.token(&everything("all")).await));

    for caller in
        [Caller::Operator, Caller::Viewer, Caller::Billing, Caller::LimitedMember, Caller::Removed, Caller::Disabled]
    {
        let name = format!("{caller:?}").to_lowercase();
        let user = api.member(&name, Role::Operator).await;
        let (_, token) = api.token_by(user, &api.tenant.slug, &mine(&name)).await;
        tokens.insert(caller, Some(token));
        let membership =
            format!("WHERE user_id = '{user}' AND org_id = (SELECT id FROM organisations WHERE slug = '{org}')");
        match caller {
            Caller::Viewer | Caller::Billing => {
                api.sql(&format!("UPDATE memberships SET role = '{name}' {membership}")).await;
            }
            Caller::LimitedMember => {
                api.sql(&format!("UPDATE memberships SET clusters = ARRAY['{other}']::uuid[] {membership}")).await;
            }
            Caller::Removed => api.sql(&format!("DELETE FROM memberships {membership}")).await,
            Caller::Disabled => api.sql(&format!("UPDATE users SET disabled_at = now() WHERE id = '{user}'")).await,
            _ => {}
        }
    }

    let stranger = api.server.tenant("stranger").await;
    tokens.insert(Caller::Stranger, Some(api.token_by(stranger.user, &stranger.slug, &everything("all")).await.1));
    tokens
}

#[tokio::test]
async fn every_route_answers_each_kind_of_token_as_the_table_says() {
    let api = Api::new().await;
    let operations = operations(&api).await;
    assert!(operations.len() >= 12, "the routes are seen");
    let tokens = tokens(&api).await;
    let callers: Vec<String> = tokens.keys().map(|caller| format!("{caller:?}")).collect();
    let mut table = format!(
        "# What each kind of token may ask\n\nWritten by `server/tests/it/api.rs` from what the server answered. `UPDATE_EXPECT=1` writes it anew.\n\n\
         | route | needs | {} |\n{}|\n",
        callers.join(" | "),
        "|---".repeat(callers.len() + 2),
    );
    let mut n = 0;
    for operation in &operations {
        let name = operation.name();
        let needs: Vec<&str> = operation.needs.iter().map(|permission| permission.as_str()).collect();
        table += &["| `", &name, "` | ", &needs.join(", ")].concat();
        for (caller, token) in &tokens {
            n += 1;
            let hidden = format!("hidden-{n}");
            let cluster = api.cluster(&hidden).await.to_string();
            let (body, done) = case(&name, &format!("c{n}")).unwrap_or_else(|| panic!("no case for {name}"));
            let path = address(operation, &cluster);
            let response = api.ask(&operation.method, &path, token.as_deref(), body.as_ref()).await;
            let expected = refused(operation, *caller);
            assert_eq!(response.status().as_u16(), expected.unwrap_or(done), "{caller:?}: {name}");
            table += &[" | ", response.status().as_str()].concat();
            assert!(!response.headers().contains_key("set-cookie"), "{name}");
            assert_eq!(response.headers()["cache-control"], "no-store", "{name}");
            let is_counted = !operation.is_open() && expected != Some(401);
            assert_eq!(response.headers().contains_key("ratelimit-remaining"), is_counted, "{caller:?}: {name}");
            let text = match expected {
                Some(_) => problem(response).await.to_string(),
                None => response.text().await.unwrap(),
            };
            // Nor are there other clusters for who does not see them.
            if matches!(caller, Caller::Limited | Caller::LimitedMember | Caller::Stranger) {
                assert!(!text.contains("hidden-") && !text.contains(&cluster), "{caller:?}: {name}: {text}");
            }
        }
        table += " |\n";
    }
    expect_test::expect_file!["api.md"].assert_eq(&table);
}

#[tokio::test]
async fn each_permission_that_a_route_names_is_needed_and_no_other_is() {
    let api = Api::new().await;
    let mut n = 0;
    for operation in operations(&api).await.iter().filter(|operation| !operation.is_open()) {
        let name = operation.name();
        let described = operation.value["description"].as_str().unwrap();
        for needed in &operation.needs {
            assert!(described.contains(needed.as_str()), "{name}: {described}");
        }
        let all: Permissions = operation.needs.iter().copied().collect();
        let without = |lacking: Permission| Permission::FOR_TOKENS.iter().copied().filter(move |p| *p != lacking);
        let mut tries = vec![(all, None)];
        tries.extend(operation.needs.iter().map(|lacking| (without(*lacking).collect(), Some(*lacking))));
        for (permissions, lacking) in tries {
            n += 1;
            let cluster = api.cluster(&format!("c{n}")).await.to_string();
            let token = api.token(&NewToken { permissions, ..everything("some") }).await;
            let (body, done) = case(&name, &format!("c{n}")).unwrap();
            let path = address(operation, &cluster);
            let response = api.ask(&operation.method, &path, Some(&token), body.as_ref()).await;
            match lacking {
                None => assert_eq!(response.status().as_u16(), done, "{name} with {:?}", operation.needs),
                Some(lacking) => {
                    assert_eq!(response.status(), StatusCode::FORBIDDEN, "{name} without {lacking:?}");
                    let problem = problem(response).await;
                    assert!(problem["detail"].as_str().unwrap().contains(lacking.as_str()), "{problem}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_cluster_is_added_filled_renamed_and_deleted() {
    let api = Api::new().await;
    let token = &api.token(&everything("nightly")).await;
    let response = api.ask("POST", "/v1/clusters", Some(token), Some(&json!({"name": "eu-prod"}))).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let location = response.headers()["location"].to_str().unwrap().to_owned();
    let added: Value = response.json().await.unwrap();
    assert_eq!(
        (added["name"].as_str(), location.as_str()),
        (Some("eu-prod"), &*format!("/v1/clusters/{}", added["id"].as_str().unwrap()))
    );
    let cluster = api.get(&location, token).await;
    assert_eq!((cluster["status"].as_str(), &cluster["last_heard_at"]), (Some("waiting"), &Value::Null));

    // Its agent's token works, and not any more once there is a new one.
    let first = added["agent_token"].as_str().unwrap();
    api.server
        .accepted(
            first,
            full(1, &[pod(7, "checkout-1", "nginx:1.29"), crate::common::deployment(8, "checkout", "nginx:1.29")]),
        )
        .await;
    let response = api.ask("POST", &format!("{location}/token"), Some(token), None).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let second: Value = response.json().await.unwrap();
    api.server.refused(first, full(2, &[]), 401).await;
    let second = second["agent_token"].as_str().unwrap();
    api.server
        .accepted(
            second,
            full(2, &[pod(7, "checkout-1", "nginx:1.29"), crate::common::deployment(8, "checkout", "nginx:1.29")]),
        )
        .await;

    let cluster = api.get(&location, token).await;
    assert_eq!(cluster["status"], "live");
    assert_eq!(cluster["kinds"], json!([{"kind": "Deployment.apps", "count": 1}, {"kind": "Pod", "count": 1}]));
    let heard = cluster["last_heard_at"].as_str().unwrap();
    assert!(heard.len() == 20 && heard.ends_with('Z'), "{heard}");

    let found = api.get(&format!("{location}/resources?kind=Pod&namespace=shop&q=CHECK"), token).await;
    assert_eq!(found["items"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!(found["items"][0]["created_at"], "2026-01-02T03:04:05Z");
    assert_eq!(found["next"], Value::Null);
    let none = api.get(&format!("{location}/resources?namespace=nowhere"), token).await;
    assert_eq!(none, json!({"items": [], "next": null}));
    let object = api.get(&format!("{location}/resources/{}", uid(8)), token).await;
    assert_eq!(object["manifest"]["spec"]["replicas"], 2, "{object}");
    assert_eq!(object["labels"]["app.kubernetes.io/name"], "checkout");
    assert_eq!(object["cluster"], json!({"id": added["id"], "name": "eu-prod"}));
    let found = api.get("/v1/search?q=checkout&kind=Deployment.apps", token).await;
    assert_eq!(found["items"][0]["cluster"]["name"], "eu-prod");

    let response = api.ask("PATCH", &location, Some(token), Some(&json!({"name": "eu"}))).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.json::<Value>().await.unwrap()["name"], "eu");
    let taken = api.ask("PATCH", &location, Some(token), Some(&json!({"name": "prod"}))).await;
    assert_eq!(problem(taken).await["type"], "/docs/api#conflict");
    let listed = api.get("/v1/clusters?q=eu", token).await;
    assert_eq!(listed["items"][0]["id"], added["id"]);

    assert_eq!(api.ask("DELETE", &location, Some(token), None).await.status(), StatusCode::NO_CONTENT);
    for (method, path) in
        [("GET", location.clone()), ("DELETE", location.clone()), ("POST", format!("{location}/token"))]
    {
        let gone = api.ask(method, &path, Some(token), None).await;
        assert_eq!(problem(gone).await["status"], 404, "{method} {path}");
    }

    // All of it was done by the token, and the log says so.
    let lines = api.get("/v1/activity?action=cluster", token).await;
    let by_token: Vec<(&str, &str)> = lines["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|line| line["token"] == "nightly" && line["person"].is_null() && line["cluster"] == added["id"])
        .map(|line| (line["action"].as_str().unwrap(), line["subject"].as_str().unwrap()))
        .collect();
    let expected = [
        ("cluster.delete", "eu"),
        ("cluster.rename", "eu"),
        ("cluster.rotate_token", "eu-prod"),
        ("cluster.add", "eu-prod"),
    ];
    assert_eq!(by_token, expected);
    let renamed = &lines["items"][1];
    assert_eq!((&renamed["before"], &renamed["after"]), (&json!({"name": "eu-prod"}), &json!({"name": "eu"})));
    assert_eq!(renamed["place"], "this machine");
    // A person stands in it by a pseudonym, which finds their lines as their id does.
    let theirs = lines["items"].as_array().unwrap().last().unwrap();
    assert!(theirs["person"].is_string() && theirs["person_id"] != json!(api.tenant.user), "{theirs}");
    let person = theirs["person_id"].as_str().unwrap();
    let by_pseudonym = api.all(&format!("/v1/activity?person={person}"), token).await;
    assert_eq!(by_pseudonym, api.all(&format!("/v1/activity?person={}", api.tenant.user), token).await);
    assert!(by_pseudonym.contains(theirs), "{by_pseudonym:?}");
}

#[tokio::test]
async fn members_and_the_log_are_filtered() {
    let api = Api::new().await;
    let limited = api.member("operator", Role::Operator).await;
    let (one, two) = (api.cluster("one").await, api.cluster("two").await);
    api.sql(&format!("UPDATE memberships SET clusters = ARRAY['{one}', '{two}']::uuid[] WHERE user_id = '{limited}' AND role = 'operator'")).await;
    let token = api.token(&everything("all")).await;
    let members = api.all("/v1/members", &token).await;
    let emails: BTreeSet<&str> = members.iter().map(|member| member["email"].as_str().unwrap()).collect();
    assert_eq!(emails, BTreeSet::from(["acme@example.com", "operator@example.com"]));
    let found = api.all("/v1/members?q=OPERATOR", &token).await;
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0]["role"], &found[0]["is_limited"]), (&json!("operator"), &json!(true)));
    assert_eq!(found[0]["clusters"], json!([{"id": one, "name": "one"}, {"id": two, "name": "two"}]));
    assert!(found[0].get("can_change").is_none() && found[0].get("is_viewer").is_none());

    // Who sees one of two clusters is not told of the other.
    let narrow = api.token(&NewToken { clusters: Some(vec![one]), ..everything("narrow") }).await;
    let found = api.all("/v1/members?q=operator", &narrow).await;
    assert_eq!(found[0]["clusters"], json!([{"id": one, "name": "one"}]));
    let lines = api.all("/v1/activity", &narrow).await;
    assert_eq!(lines.iter().map(|line| line["subject"].as_str().unwrap()).collect::<Vec<_>>(), ["one"]);

    let all = api.all("/v1/activity", &token).await.len();
    assert_eq!(api.all(&format!("/v1/activity?person={}&action=cluster.add", api.tenant.user), &token).await.len(), 3);
    assert_eq!(api.all(&format!("/v1/activity?person={limited}"), &token).await.len(), 0);
    for (query, expected) in [
        ("from=2020-01-01", all),
        ("from=0001-01-01&to=9999-12-31", all),
        ("to=2020-01-01", 0),
        ("from=9999-12-31", 0),
        ("action=token.create", 2),
        ("action=nothing", 0),
    ] {
        assert_eq!(api.all(&format!("/v1/activity?{query}"), &token).await.len(), expected, "{query}");
    }
}

#[tokio::test]
async fn lists_are_walked_through_without_loss_or_doubles() {
    const MANY: usize = 130;
    let api = Api::new().await;
    for n in 0..MANY {
        api.cluster(&format!("c{n}")).await;
    }
    let pods: Vec<Value> = (0..MANY).map(|n| pod(1000 + n as u128, &format!("pod-{}", n % 7), "nginx")).collect();
    api.server.accepted(&api.tenant.token, full(1, &pods)).await;
    // People of the same name, too.
    api.sql(&format!(
        "WITH people AS (
           INSERT INTO users (id, name, email, email_canonical, password_hash, created_at)
           SELECT gen_random_uuid(), 'Maya ' || n % 3, n || '@example.net', n || '@example.net', NULL, now()
           FROM generate_series(1, {MANY}) n RETURNING id)
         INSERT INTO memberships (org_id, user_id, role, created_at)
         SELECT o.id, people.id, 'viewer', now() FROM people, organisations o WHERE o.slug = 'acme'"
    ))
    .await;
    // And objects of the same UID, as a cluster has that was restored from a backup of another.
    api.sql(&format!("UPDATE resources SET name = 'twin' WHERE uid = '{}'", uid(1))).await;
    let token = api.token(&everything("all")).await;
    let cluster = api.tenant.cluster;
    for (path, key, expected) in [
        ("/v1/clusters".to_owned(), "id", MANY + 1),
        ("/v1/clusters?q=c".to_owned(), "id", MANY),
        (format!("/v1/clusters/{cluster}/resources"), "uid", MANY),
        (format!("/v1/clusters/{cluster}/resources?q=pod&kind=Pod"), "uid", MANY),
        ("/v1/search?q=pod-".to_owned(), "uid", MANY),
        ("/v1/search?q=twin".to_owned(), "cluster", MANY),
        ("/v1/members".to_owned(), "id", MANY + 1),
        ("/v1/activity?action=cluster.add".to_owned(), "seq", MANY + 1),
    ] {
        let rows = api.all(&path, &token).await;
        let distinct: BTreeSet<String> = rows.iter().map(|row| row[key].to_string()).collect();
        assert_eq!((rows.len(), distinct.len()), (expected, expected), "{path}");
    }
}

#[tokio::test]
async fn a_token_may_ask_so_often_in_a_minute() {
    let api = Api::new().await;
    let (token, other) = (api.token(&everything("busy")).await, api.token(&everything("idle")).await);
    let rate = |response: &Response, name: &str| response.headers()[name].to_str().unwrap().parse::<i32>().unwrap();
    let ask = async |token: &str| api.ask("GET", "/v1/clusters", Some(token), None).await;
    let first = ask(&token).await;
    assert_eq!(rate(&first, "ratelimit-limit"), REQUESTS_PER_MINUTE);
    assert_eq!(rate(&first, "ratelimit-remaining"), REQUESTS_PER_MINUTE - 1);
    assert!((1..=61).contains(&rate(&first, "ratelimit-reset")));
    // What is refused counts, too.
    let refused = api.ask("GET", "/v1/clusters/x", Some(&token), None).await;
    assert_eq!((refused.status().as_u16(), rate(&refused, "ratelimit-remaining")), (400, REQUESTS_PER_MINUTE - 2));

    api.sql(&format!("UPDATE api_token_minutes SET requests = {}", REQUESTS_PER_MINUTE - 1)).await;
    let last = ask(&token).await;
    assert_eq!((last.status().as_u16(), rate(&last, "ratelimit-remaining")), (200, 0));
    let one_more = ask(&token).await;
    assert_eq!(one_more.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(rate(&one_more, "ratelimit-remaining"), 0);
    let wait = rate(&one_more, "retry-after");
    assert!((1..=61).contains(&wait) && wait == rate(&one_more, "ratelimit-reset"), "{wait}");
    assert_eq!(problem(one_more).await["type"], "/docs/api#rate-limited");
    assert_eq!(ask(&other).await.status(), StatusCode::OK, "each token has its own");

    api.clock.pass(Duration::seconds(wait.into()));
    assert_eq!(ask(&token).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn whatever_is_refused_is_a_problem() {
    let api = Api::new().await;
    let token = &api.token(&everything("all")).await;
    let cluster = format!("/v1/clusters/{}", api.tenant.cluster);
    let send = async |method: &str, path: &str, kind: &str, body: &str| {
        let request = client().request(method.parse().unwrap(), format!("{}{path}", api.server.url));
        request.bearer_auth(token).header("content-type", kind).body(body.to_owned()).send().await.unwrap()
    };
    let json = "application/json";
    let large = format!(r#"{{"name": "{}"}}"#, "a".repeat(20_000));
    for (method, path, kind, body, expected) in [
        ("GET", "/v1", json, "", "not-found"),
        ("GET", "/v1/", json, "", "not-found"),
        ("POST", "/v1/nowhere", json, "", "not-found"),
        ("GET", "/v1/clusters/", json, "", "not-found"),
        ("GET", "/v1/clusters/10000000-0000-4000-8000-000000000000", json, "", "not-found"),
        ("PUT", "/v1/clusters", json, "", "method-not-allowed"),
        ("OPTIONS", "/v1/clusters", json, "", "method-not-allowed"),
        ("DELETE", "/v1/openapi.json", json, "", "method-not-allowed"),
        ("GET", "/v1/clusters/prod", json, "", "bad-request"),
        ("GET", "/v1/clusters/%ff", json, "", "bad-request"),
        ("GET", "/v1/clusters?page=2", json, "", "bad-request"),
        ("GET", "/v1/clusters?q=a&q=b", json, "", "bad-request"),
        ("GET", "/v1/clusters?after=nonsense", json, "", "bad-request"),
        ("GET", "/v1/search", json, "", "bad-request"),
        ("GET", "/v1/members?after=W10", json, "", "bad-request"),
        ("GET", "/v1/activity?person=maya", json, "", "bad-request"),
        ("GET", "/v1/activity?from=yesterday", json, "", "bad-request"),
        ("GET", "/v1/activity?to=2026-02-30", json, "", "bad-request"),
        ("GET", "/v1/activity?to=%2B2026-02-3", json, "", "bad-request"),
        ("POST", "/v1/clusters", json, "{", "bad-request"),
        ("POST", "/v1/clusters", json, "", "bad-request"),
        ("POST", "/v1/clusters", json, "{}", "invalid"),
        ("POST", "/v1/clusters", json, r#"{"name": 1}"#, "invalid"),
        ("POST", "/v1/clusters", json, r#"{"name": "Prod"}"#, "invalid"),
        ("POST", "/v1/clusters", json, r#"{"name": " a"}"#, "invalid"),
        ("POST", "/v1/clusters", json, r#"{"name": "a", "region": "eu"}"#, "invalid"),
        ("POST", "/v1/clusters", json, r#"{"name": "prod"}"#, "conflict"),
        ("POST", "/v1/clusters", "text/plain", r#"{"name": "a"}"#, "unsupported-media-type"),
        ("POST", "/v1/clusters", json, &large, "too-large"),
        ("PATCH", &cluster, json, r#"{"name": ""}"#, "invalid"),
        ("GET", &format!("{cluster}/resources/web"), json, "", "bad-request"),
        ("GET", &format!("{cluster}/resources/{cluster}"), json, "", "not-found"),
    ] {
        let response = send(method, path, kind, body).await;
        if response.status() == StatusCode::METHOD_NOT_ALLOWED {
            assert!(response.headers()["allow"].to_str().unwrap().contains("GET"), "{method} {path}");
        }
        assert!(!response.headers().contains_key("access-control-allow-origin"));
        let problem = problem(response).await;
        assert_eq!(problem["type"], format!("/docs/api#{expected}"), "{method} {path} {body}: {problem}");
    }
    // What is no text for PostgreSQL is looked for like any other.
    for path in ["/v1/search?q=a%00b", "/v1/clusters?q=%00", "/v1/members?q=%ff%fe", "/v1/activity?action=%00"] {
        api.get(path, token).await;
    }
    // A fault of ours says nothing of its cause.
    api.sql("UPDATE clusters SET unreadable = '7'::jsonb").await;
    let fault = api.ask("GET", &cluster, Some(token), None).await;
    assert_eq!(problem(fault).await["type"], "/docs/api#internal");
}

#[tokio::test]
async fn a_browsers_session_opens_nothing_here() {
    let api = Api::new().await;
    let mut browser = api.server.browser();
    browser.sign_in(&api.tenant.email, PASSWORD).await;
    let cookie = browser.cookie.clone().unwrap();
    for operation in operations(&api).await.iter().filter(|operation| !operation.is_open()) {
        let path = address(operation, &api.tenant.cluster.to_string());
        for origin in [api.server.url.as_str(), "https://evil.example"] {
            let request = client().request(operation.method.parse().unwrap(), format!("{}{path}", api.server.url));
            let response = request.header("cookie", &cookie).header("origin", origin).send().await.unwrap();
            assert_eq!(response.headers()["www-authenticate"], "Bearer");
            assert_eq!(problem(response).await["status"], 401, "{}", operation.name());
        }
    }
}

#[tokio::test]
async fn the_description_and_the_documentation_know_every_kind_of_problem() {
    let api = Api::new().await;
    let description: Value = api.ask("GET", "/v1/openapi.json", None, None).await.json().await.unwrap();
    let documentation = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/api.md")).unwrap();
    let kinds = description["components"]["responses"].as_object().unwrap();
    assert!(kinds.len() >= 12);
    for kind in kinds.keys() {
        assert!(documentation.lines().any(|line| line == format!("### {kind}")), "docs/api.md has no heading {kind}");
    }
    let ids: Vec<Value> =
        operations(&api).await.iter().map(|operation| operation.value["operationId"].clone()).collect();
    let distinct: BTreeSet<String> = ids.iter().map(ToString::to_string).collect();
    assert!(ids.iter().all(Value::is_string) && distinct.len() == ids.len(), "{ids:?}");
    for operation in operations(&api).await {
        let responses = operation.value["responses"].as_object().unwrap();
        for status in ["401", "403", "429", "500", "503"] {
            assert_eq!(responses.contains_key(status), !operation.is_open(), "{}: {status}", operation.name());
        }
    }
}
