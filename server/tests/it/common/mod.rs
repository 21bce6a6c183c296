//! A server on a random port and a database of its own.

pub(crate) mod issuer;
pub(crate) mod shop;
pub(crate) mod smtp;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use kubewise_backend::{
    Ingest, Live, SignUp, Web, Worker, World, database::Part, permission::AddClusters, testing::TestDatabase,
};
use kubewise_contract::{ClusterId, ClusterName, EmailAddress, OrgSlug, OrganisationName, PersonName, UserId};
use kubewise_protocol::{BatchKind, Encoder, Header, SYNC_PATH, Unreadable};
use kubewise_server::http::{Listener, Parts, listen, router};
use leptos::config::LeptosOptions;
use reqwest::{Client, RequestBuilder, Response, StatusCode, redirect::Policy};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::sync::watch;
use uuid::Uuid;

pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// A clock that the test moves.
#[derive(Clone)]
pub(crate) struct Clock(Arc<AtomicI64>);

impl Clock {
    pub(crate) fn new() -> (Self, World) {
        let clock = Self(Arc::new(AtomicI64::new(0)));
        let moved = clock.clone();
        #[expect(clippy::disallowed_methods, reason = "jobs are due by PostgreSQL's clock, so the test begins there")]
        let world = World::with_clock(move || {
            OffsetDateTime::now_utc() + time::Duration::seconds(moved.0.load(Ordering::SeqCst))
        });
        (clock, world)
    }

    pub(crate) fn now(&self) -> OffsetDateTime {
        #[expect(clippy::disallowed_methods, reason = "the clock of the world that this one was made with")]
        let now = OffsetDateTime::now_utc();
        now + time::Duration::seconds(self.0.load(Ordering::SeqCst))
    }

    pub(crate) fn pass(&self, duration: time::Duration) {
        self.0.fetch_add(duration.whole_seconds(), Ordering::SeqCst);
    }
}

pub(crate) struct TestServer {
    pub(crate) url: String,
    pub(crate) database: TestDatabase,
    pub(crate) web: Web,
    stop: watch::Sender<bool>,
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}

pub(crate) struct Tenant {
    pub(crate) user: UserId,
    pub(crate) email: String,
    pub(crate) slug: OrgSlug,
    pub(crate) cluster: ClusterId,
    pub(crate) token: String,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::start_with(World::system()).await
    }

    pub(crate) async fn start_with(world: World) -> Self {
        // Passkeys belong to names.
        Self::start_of(world, |database, world, _| database.web(world).at("http://localhost")).await
    }

    /// With pages of one's own making, from the address that they get.
    pub(crate) async fn start_of(world: World, web: impl FnOnce(&TestDatabase, &World, &str) -> Web) -> Self {
        Self::start_as(world, web, |ingest| ingest).await
    }

    /// And with what serves agents changed.
    pub(crate) async fn start_as(
        world: World,
        web: impl FnOnce(&TestDatabase, &World, &str) -> Web,
        ingest: impl FnOnce(Ingest) -> Ingest,
    ) -> Self {
        // A second test of the same process finds it installed.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let database = TestDatabase::new().await;
        let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0)), None).unwrap();
        let url = format!("http://{}", listener.address().unwrap());
        let (stop, stopping) = watch::channel(false);
        let web = web(&database, &world, &url);
        let live = Live::new();
        let parts = Parts {
            web: Some(web.clone()),
            ingest: Some(ingest(database.ingest(&world))),
            live: live.clone(),
            public_url: url.clone(),
            behind_proxy: true,
            stopping: stopping.clone(),
            contact: "contact@example.com".to_owned(),
            leptos: LeptosOptions::builder().output_name("kubewise").site_root("/nonexistent").build(),
        };
        let pool = database.pool(Part::Web);
        tokio::spawn(async move { live.run(&pool).await });
        let mut until = stopping.clone();
        tokio::spawn(listen(listener, router(parts), async move {
            drop(until.wait_for(|stop| *stop).await);
        }));
        Self { url, database, web, stop }
    }

    /// A person, their organisation, a cluster and its token.
    pub(crate) async fn tenant(&self, name: &str) -> Tenant {
        let email = format!("{name}@example.com");
        let request = SignUp {
            name: PersonName::parse("Maya Duran").unwrap(),
            email: EmailAddress::parse(&email).unwrap(),
            password: PASSWORD.to_owned().into(),
            organisation: OrganisationName::parse(name).unwrap(),
            place: "this machine".to_owned(),
        };
        let made = self.web.sign_up(request).await.unwrap();
        let actor = self.web.actor(made.user).await.unwrap().unwrap();
        let slug = made.slug.unwrap();
        let organisation = self.web.organisation::<AddClusters>(&actor, &slug).await.unwrap();
        let (cluster, token) = self.web.add_cluster(&organisation, &ClusterName::parse("prod").unwrap()).await.unwrap();
        let token = token.expose_secret().to_owned();
        Tenant { user: made.user, email, slug, cluster, token }
    }

    /// Does jobs while the test goes on; what is mailed lands here.
    pub(crate) fn post_office(&self, world: &World) -> PostOffice {
        self.post_office_allowing(world, "127.0.0.1/32")
    }

    /// The same, with webhooks into these networks besides public ones.
    pub(crate) fn post_office_allowing(&self, world: &World, networks: &str) -> PostOffice {
        PostOffice::open(|folder| self.database.worker_allowing(world, folder, networks))
    }

    /// A browser that keeps cookies and follows no redirect.
    pub(crate) fn browser(&self) -> Browser {
        Browser { client: client(), url: self.url.clone(), cookie: None, kept: None, address: None, bearer: None }
    }

    /// Sends a batch.
    pub(crate) async fn send(&self, token: &str, body: Vec<u8>) -> Response {
        client()
            .post(format!("{}{SYNC_PATH}", self.url))
            .bearer_auth(token)
            .header("content-type", "application/x-ndjson")
            .header("content-encoding", "zstd")
            .body(body)
            .send()
            .await
            .unwrap()
    }

    /// Sends a batch that must be accepted; its totals.
    pub(crate) async fn accepted(&self, token: &str, body: Vec<u8>) -> BTreeMap<String, u64> {
        let response = self.send(token, body).await;
        let status = response.status();
        let text = response.text().await.unwrap();
        assert_eq!(status, StatusCode::OK, "{text}");
        serde_json::from_str::<kubewise_protocol::SyncAnswer>(&text).unwrap().totals
    }

    /// Sends a batch that must be refused; the sentence.
    pub(crate) async fn refused(&self, token: &str, body: Vec<u8>, expected: u16) -> String {
        let response = self.send(token, body).await;
        let status = response.status();
        let text = response.text().await.unwrap();
        assert_eq!(status.as_u16(), expected, "{text}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        let sentence = answer["message"].as_str().unwrap().to_owned();
        assert!(sentence.len() > 20, "a sentence that says what to do: {sentence:?}");
        sentence
    }

    /// What is stored, seen from behind the walls: names by kind.
    pub(crate) async fn stored(&self) -> Vec<String> {
        sqlx::query_scalar("SELECT kind || '/' || name FROM resources ORDER BY 1")
            .fetch_all(&self.database.superuser())
            .await
            .unwrap()
    }
}

pub(crate) fn client() -> Client {
    Client::builder().redirect(Policy::none()).timeout(Duration::from_mins(1)).build().unwrap()
}

/// Where mail lands.
pub(crate) struct PostOffice {
    folder: tempfile::TempDir,
    taken: BTreeSet<PathBuf>,
}

impl PostOffice {
    /// Of this worker, whose mail lands in the folder.
    pub(crate) fn open(worker: impl FnOnce(&Path) -> Worker) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let worker = worker(folder.path());
        tokio::spawn(worker.run("test".to_owned(), std::future::pending()));
        Self { folder, taken: BTreeSet::new() }
    }

    /// The next mail to this address.
    pub(crate) async fn next_to(&mut self, address: &str) -> Letter {
        for _ in 0..400 {
            for entry in std::fs::read_dir(self.folder.path()).unwrap() {
                let path = entry.unwrap().path();
                let raw = std::fs::read_to_string(&path).unwrap();
                // A file is there before all of it is.
                let whole = raw.trim_end().ends_with("--");
                // With a name before it or without, as to somebody who has no account yet.
                let is_to = [format!("<{address}>"), format!("To: {address}\r\n")].iter().any(|to| raw.contains(to));
                if whole && is_to && self.taken.insert(path) {
                    return Letter(raw.replace("=\r\n", "").replace("=3D", "="));
                }
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        let all: Vec<String> = std::fs::read_dir(self.folder.path())
            .unwrap()
            .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
            .flat_map(|mail| {
                mail.lines()
                    .filter(|l| l.starts_with("To:") || l.starts_with("Subject:"))
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            })
            .collect();
        panic!("no mail to {address}: {all:?}");
    }

    /// The next mail to this address whose subject holds this; those before it are passed over.
    pub(crate) async fn next_with(&mut self, address: &str, subject: &str) -> Letter {
        loop {
            let letter = self.next_to(address).await;
            if letter.0.lines().any(|line| line.starts_with("Subject: ") && line.contains(subject)) {
                return letter;
            }
        }
    }

    /// How many mails there are, once no more come.
    pub(crate) async fn count(&self) -> usize {
        let count = || std::fs::read_dir(self.folder.path()).unwrap().count();
        let mut before = count();
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if count() == before {
                return before;
            }
            before = count();
        }
    }
}

/// A mail, as it was sent, but for line breaks.
pub(crate) struct Letter(pub(crate) String);

impl Letter {
    /// What its link carries.
    pub(crate) fn token(&self) -> String {
        let (_, rest) = self.0.split_once("?token=").unwrap();
        rest.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect()
    }
}

/// A client with a small cookie jar.
pub(crate) struct Browser {
    pub(crate) client: Client,
    pub(crate) url: String,
    /// The session's.
    pub(crate) cookie: Option<String>,
    /// The one by which an account knows its browsers.
    pub(crate) kept: Option<String>,
    /// Where it says, as a proxy would, that it comes from.
    pub(crate) address: Option<String>,
    /// An API token that it sends, though none is asked for.
    pub(crate) bearer: Option<String>,
}

impl Browser {
    pub(crate) async fn get(&self, path: &str) -> Response {
        let request = self.client.get(format!("{}{path}", self.url)).header("accept", "text/html");
        self.dressed(request).send().await.unwrap()
    }

    /// Opens an address as a browser does that was led there, with what it says of from where (Fetch Metadata).
    pub(crate) async fn led(&self, path: &str, site: &str) -> Response {
        let request = self.client.get(format!("{}{path}", self.url)).header("accept", "text/html");
        self.dressed(request.header("sec-fetch-site", site)).send().await.unwrap()
    }

    /// Opens an address as a link on one of the site's own pages does; cookies are kept. Where it leads.
    pub(crate) async fn follow(&mut self, path: &str) -> String {
        let response = self.led(path, "same-origin").await;
        assert!(response.status().is_redirection(), "{path}: {}", response.status());
        self.keep_cookies(&response);
        response.headers()["location"].to_str().unwrap().to_owned()
    }

    fn keep_cookies(&mut self, response: &Response) {
        for cookie in response.headers().get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            if cookie.starts_with("kubewise-browser=") {
                self.kept = Some(cookie.split(';').next().unwrap().to_owned());
            }
            if cookie.starts_with("kubewise=") {
                self.cookie = Some(cookie.split(';').next().unwrap().to_owned());
            }
        }
    }

    fn dressed(&self, mut request: RequestBuilder) -> RequestBuilder {
        let cookies: Vec<&str> = [&self.cookie, &self.kept].into_iter().flatten().map(String::as_str).collect();
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        if let Some(address) = &self.address {
            request = request.header("x-forwarded-for", address);
        }
        if let Some(token) = &self.bearer {
            request = request.bearer_auth(token);
        }
        request
    }

    /// Calls a server function that reads, as a page does.
    pub(crate) async fn ask(&self, path: &str, arguments: &serde_json::Value) -> Response {
        let request = self.client.post(format!("{}{path}", self.url)).header("accept", "application/json");
        self.dressed(request.header("origin", &self.url)).json(arguments).send().await.unwrap()
    }

    /// Posts a form as the site's own pages do, without JavaScript.
    pub(crate) async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Response {
        self.post_from(path, form, Some(&self.url.clone()), "text/html").await
    }

    /// Posts a form as a program does: errors are told by the status.
    pub(crate) async fn call(&mut self, path: &str, form: &[(&str, &str)]) -> u16 {
        self.post_from(path, form, Some(&self.url.clone()), "application/json").await.status().as_u16()
    }

    /// Signs in; panics when refused.
    pub(crate) async fn sign_in(&mut self, email: &str, password: &str) {
        assert_eq!(self.call("/api/log_in", &[("email", email), ("password", password)]).await, 200);
    }

    /// Posts a form from somewhere.
    pub(crate) async fn post_from(
        &mut self,
        path: &str,
        form: &[(&str, &str)],
        origin: Option<&str>,
        accept: &str,
    ) -> Response {
        let request = self.client.post(format!("{}{path}", self.url)).header("accept", accept);
        let mut request = with_form(request, form);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        let response = self.dressed(request).send().await.unwrap();
        self.keep_cookies(&response);
        response
    }
}

/// With a form as its body.
pub(crate) fn with_form(request: RequestBuilder, form: &[(&str, &str)]) -> RequestBuilder {
    let body: Vec<String> = form.iter().map(|(k, v)| format!("{}={}", percent(k), percent(v))).collect();
    request.header("content-type", "application/x-www-form-urlencoded").body(body.join("&"))
}

fn percent(text: &str) -> String {
    text.bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

pub(crate) fn header(kind: BatchKind, epoch: u64, seq: u64) -> Header {
    Header {
        protocol: 1,
        agent_version: "0.1.0".to_owned(),
        cluster_uid: "c0ffee".to_owned(),
        kubernetes_version: "v1.35.4".to_owned(),
        epoch,
        seq,
        kind,
        last: true,
        unreadable: Vec::new(),
    }
}

pub(crate) fn batch(header: &Header, upserts: &[Value], deletes: &[Uuid]) -> Vec<u8> {
    let mut encoder = Encoder::new(header, 3).unwrap();
    for object in upserts {
        encoder.upsert(object).unwrap();
    }
    for uid in deletes {
        encoder.delete(*uid).unwrap();
    }
    encoder.finish().unwrap()
}

pub(crate) fn full(epoch: u64, objects: &[Value]) -> Vec<u8> {
    batch(&header(BatchKind::Full, epoch, 0), objects, &[])
}

pub(crate) fn delta(epoch: u64, seq: u64, objects: &[Value], deletes: &[Uuid]) -> Vec<u8> {
    batch(&header(BatchKind::Delta, epoch, seq), objects, deletes)
}

pub(crate) fn with_unreadable(mut header: Header, unreadable: Unreadable) -> Header {
    header.unreadable.push(unreadable);
    header
}

/// A UID that is always the same for the same number.
pub(crate) fn uid(n: u128) -> Uuid {
    Uuid::from_u128(0x1000_0000_0000_4000_8000_0000_0000_0000 + n)
}

pub(crate) fn pod(n: u128, name: &str, image: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"uid": uid(n), "name": name, "namespace": "shop", "creationTimestamp": "2026-01-02T03:04:05Z"},
        "spec": {"nodeName": "node-1", "containers": [{"name": "main", "image": image}]},
        "status": {"phase": "Running", "containerStatuses": [{"name": "main", "ready": true, "state": {"running": {}}}]},
    })
}

pub(crate) fn node(n: u128) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"uid": uid(n), "name": format!("node-{n}"), "creationTimestamp": "2026-01-02T03:04:05Z"},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    })
}

pub(crate) fn deployment(n: u128, name: &str, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"uid": uid(n), "name": name, "namespace": "shop", "labels": {"app.kubernetes.io/name": name,
                     "app.kubernetes.io/version": "1.2.3"}},
        "spec": {"replicas": 2, "template": {"spec": {"containers": [{"name": "main", "image": image}]}}},
        "status": {"readyReplicas": 2},
    })
}
