//! Webhooks, received by a real HTTP server: signed, tried again, and never sent to where they must not go.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration as Wait,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use kubewise_backend::{
    AllowedNetworks, Error, NewNotification, Receiver,
    permission::{RunAudits, ViewInventory},
};
use kubewise_contract::{
    DeliveryRow, DeliveryState, Ended, ListQuery, NotificationDetail, NotificationId, NotificationName, Occasions,
    Severity,
};
use secrecy::ExposeSecret;
use serde_json::Value;
use sha2::{Digest, Sha256};
use time::Duration;

use crate::common::{Clock, PASSWORD, PostOffice, Tenant, TestServer, full, pod};

/// A request as it arrived.
#[derive(Clone)]
struct Received {
    headers: HeaderMap,
    body: Bytes,
}

impl Received {
    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// A program that takes webhooks, and answers what it is told to.
#[derive(Clone)]
struct Hook {
    status: Arc<AtomicU16>,
    received: Arc<Mutex<Vec<Received>>>,
    port: u16,
}

impl Hook {
    async fn open() -> Self {
        let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let hook = Self { status: Arc::new(AtomicU16::new(204)), received: Arc::default(), port };
        let app = Router::new().fallback(take).with_state(hook.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        hook
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hooks/secret-path", self.port)
    }

    fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    fn all(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// What arrived, once there are so many.
    async fn wait_for(&self, count: usize) -> Vec<Received> {
        for _ in 0..600 {
            if self.all().len() >= count {
                return self.all();
            }
            tokio::time::sleep(Wait::from_millis(50)).await;
        }
        panic!("{} of {count} arrived", self.all().len());
    }
}

async fn take(State(hook): State<Hook>, headers: HeaderMap, body: Bytes) -> (StatusCode, [(&'static str, String); 1]) {
    hook.received.lock().unwrap().push(Received { headers, body });
    let status = StatusCode::from_u16(hook.status.load(Ordering::SeqCst)).unwrap();
    // For redirects: back to itself, where it would be seen that one was followed.
    (status, [("location", hook.url())])
}

/// HMAC as RFC 2104 has it, written down anew: what checks must not be what signs.
fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().to_vec()
}

fn is_signed(request: &Received, secret: &str) -> bool {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let mut message = format!("{}.{}.", request.header("webhook-id"), request.header("webhook-timestamp")).into_bytes();
    message.extend_from_slice(&request.body);
    request.header("webhook-signature") == format!("v1,{}", STANDARD.encode(hmac_sha256(&key, &message)))
}

/// Whether the last attempt has: while one is under way, it is taken to be lost ten minutes after it began.
fn has_ended(row: &DeliveryRow) -> bool {
    row.tried_at.zip(row.next_try_at).is_some_and(|(tried, next)| next.0 - tried.0 != 600_000)
}

struct Scene {
    server: TestServer,
    tenant: Tenant,
    clock: Clock,
    post: PostOffice,
}

impl Scene {
    async fn new() -> Self {
        Self::allowing("127.0.0.1/32").await
    }

    /// With a server that sends into these networks besides public ones.
    async fn allowing(networks: &str) -> Self {
        let (clock, world) = Clock::new();
        let allowed: AllowedNetworks = "127.0.0.1/32".parse().unwrap();
        let server = TestServer::start_of(world.clone(), |database, world, _| {
            database.web(world).at("http://localhost").with_webhooks_to(allowed)
        })
        .await;
        let tenant = server.tenant("acme").await;
        let post = server.post_office_allowing(&world, networks);
        Self { server, tenant, clock, post }
    }

    async fn make(&self, to: Receiver) -> Result<(NotificationId, Option<String>), Error> {
        let wanted = NewNotification {
            name: NotificationName::parse("on call").unwrap(),
            to,
            occasions: Occasions { new_findings: Some(Severity::Critical), failed_runs: true, silent_clusters: false },
            cluster: None,
            namespaces: Vec::new(),
            digest: None,
        };
        let actor = self.server.web.actor(self.tenant.user).await.unwrap().unwrap();
        let org = self.server.web.organisation::<ViewInventory>(&actor, &self.tenant.slug).await.unwrap();
        let (id, secret) = self.server.web.make_notification(&org, &wanted).await?;
        Ok((id, secret.map(|secret| secret.expose_secret().to_owned())))
    }

    async fn test(&self, id: NotificationId) {
        let actor = self.server.web.actor(self.tenant.user).await.unwrap().unwrap();
        let org = self.server.web.organisation::<ViewInventory>(&actor, &self.tenant.slug).await.unwrap();
        self.server.web.test_notification(&org, id).await.unwrap();
    }

    async fn detail(&self, id: NotificationId) -> NotificationDetail {
        let actor = self.server.web.actor(self.tenant.user).await.unwrap().unwrap();
        let org = self.server.web.organisation::<ViewInventory>(&actor, &self.tenant.slug).await.unwrap();
        self.server.web.notification(&org, id, &ListQuery::default()).await.unwrap()
    }

    /// The last delivery, once it is as it should be.
    async fn until(&self, id: NotificationId, what: impl Fn(&DeliveryRow) -> bool) -> DeliveryRow {
        for _ in 0..600 {
            if let Some(row) = self.detail(id).await.deliveries.rows.into_iter().next().filter(&what) {
                return row;
            }
            tokio::time::sleep(Wait::from_millis(50)).await;
        }
        panic!("{:?}", self.detail(id).await);
    }

    /// Has the cluster audited.
    async fn audit(&self) {
        let mut bad = pod(1, "debug", "shop:1");
        bad["spec"]["hostPID"] = true.into();
        self.server.accepted(&self.tenant.token, full(1, &[bad])).await;
        let actor = self.server.web.actor(self.tenant.user).await.unwrap().unwrap();
        let may = self.server.web.cluster::<RunAudits>(&actor, &self.tenant.slug, self.tenant.cluster).await.unwrap();
        self.server.web.run_audit(&may).await.unwrap();
    }
}

#[tokio::test]
async fn a_webhook_arrives_signed_and_says_what_is_new() {
    let scene = Scene::new().await;
    let hook = Hook::open().await;
    let (id, secret) = scene.make(Receiver::Webhook(hook.url().into())).await.unwrap();
    let secret = secret.unwrap();
    scene.audit().await;
    let received = hook.wait_for(1).await;
    assert!(is_signed(&received[0], &secret));
    assert!(!is_signed(&received[0], "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
    let changed = Received { body: Bytes::from_static(b"{}"), ..received[0].clone() };
    assert!(!is_signed(&changed, &secret));
    let sent: i64 = received[0].header("webhook-timestamp").parse().unwrap();
    assert!((scene.clock.now().unix_timestamp() - sent).abs() < 60);
    assert_eq!(received[0].header("content-type"), "application/json");
    let body = received[0].json();
    assert_eq!((&body["type"], &body["data"]["cluster"]["name"]), (&"findings.new".into(), &"prod".into()));
    let finding = &body["data"]["findings"][0];
    assert_eq!((&finding["severity"], &finding["name"]), (&"critical".into(), &"debug".into()));
    assert_eq!(body["data"]["counts"]["high"], 0);

    let told = scene.until(id, |row| row.state == DeliveryState::Sent).await;
    assert_eq!(told.id.to_string(), received[0].header("webhook-id"));
    assert_eq!(told.answer.as_deref(), Some("answered 204"));
}

#[tokio::test]
async fn a_chat_gets_what_slack_takes() {
    let scene = Scene::new().await;
    let hook = Hook::open().await;
    let (id, secret) = scene.make(Receiver::Slack(hook.url().into())).await.unwrap();
    assert_eq!(secret, None);
    scene.audit().await;
    let received = hook.wait_for(1).await;
    assert!(!received[0].headers.contains_key("webhook-signature"));
    let body = received[0].json();
    assert!(body["text"].as_str().unwrap().contains("in prod: "), "{body}");
    assert!(body["blocks"][0]["text"]["text"].as_str().unwrap().starts_with('*'), "{body}");
    scene.until(id, |row| row.state == DeliveryState::Sent).await;
}

#[tokio::test]
async fn what_fails_is_tried_again_with_the_same_id_until_it_is_taken() {
    let scene = Scene::new().await;
    let hook = Hook::open().await;
    let (id, secret) = scene.make(Receiver::Webhook(hook.url().into())).await.unwrap();
    hook.answer(500);
    scene.test(id).await;
    scene.until(id, |row| row.attempts == 1 && row.answer.as_deref() == Some("answered 500")).await;
    // Not followed, so not taken.
    hook.answer(307);
    scene.clock.pass(Duration::seconds(10));
    let row = scene.until(id, |row| row.attempts == 2 && row.answer.as_deref() == Some("answered 307")).await;
    assert_eq!(row.state, DeliveryState::Waiting);
    assert_eq!(hook.all().len(), 2, "a redirect was followed");
    hook.answer(200);
    scene.clock.pass(Duration::minutes(2));
    scene.until(id, |row| row.attempts == 3 && row.state == DeliveryState::Sent).await;
    let received = hook.all();
    assert_eq!(received.len(), 3);
    assert!(received.iter().all(|request| is_signed(request, secret.as_ref().unwrap())));
    let ids: Vec<_> = received.iter().map(|request| request.header("webhook-id")).collect();
    assert!(ids.iter().all(|one| *one == ids[0]), "{ids:?}");
    let stamps: Vec<_> = received.iter().map(|request| request.header("webhook-timestamp")).collect();
    assert!(stamps[0] < stamps[1] && stamps[1] < stamps[2], "{stamps:?}");
}

#[tokio::test]
async fn a_receiver_that_is_gone_or_fails_too_often_is_switched_off() {
    let mut scene = Scene::new().await;
    let hook = Hook::open().await;
    let (gone, _) = scene.make(Receiver::Webhook(hook.url().into())).await.unwrap();
    hook.answer(410);
    scene.test(gone).await;
    let row = scene.until(gone, |row| row.state == DeliveryState::Failed).await;
    assert_eq!((row.attempts, scene.detail(gone).await.row.ended), (1, Some(Ended::Gone)));
    let letter = scene.post.next_with(&scene.tenant.email, "switched off").await;
    assert!(letter.0.contains("410"), "{}", letter.0);
    // Nothing is told by it any more.
    scene.audit().await;
    tokio::time::sleep(Wait::from_secs(3)).await;
    assert_eq!(hook.all().len(), 1);

    let (often, _) = scene.make(Receiver::Webhook(hook.url().into())).await.unwrap();
    hook.answer(503);
    sqlx::query("UPDATE notifications SET failures = 4 WHERE id = $1")
        .bind(often.0)
        .execute(&scene.server.database.superuser())
        .await
        .unwrap();
    scene.test(often).await;
    for attempt in 1..8 {
        scene.until(often, |row| row.attempts == attempt && has_ended(row)).await;
        scene.clock.pass(Duration::hours(13));
    }
    let row = scene.until(often, |row| row.state == DeliveryState::Failed).await;
    assert_eq!((row.attempts, row.answer.as_deref()), (8, Some("answered 503")));
    assert_eq!(scene.detail(often).await.row.ended, Some(Ended::Failures));
}

#[tokio::test]
async fn nothing_is_sent_to_where_it_must_not_go() {
    // Pages took the addresses while they were allowed; the server that sends allows nothing.
    let scene = Scene::allowing("").await;
    let hook = Hook::open().await;
    // A number, and a name that leads to it: the one is read, the other looked up.
    for url in [hook.url(), format!("https://localhost:{}/", hook.port), format!("http://localhost:{}/", hook.port)] {
        let (id, _) = scene.make(Receiver::Webhook(url.clone().into())).await.unwrap();
        scene.test(id).await;
        let row = scene.until(id, |row| row.attempts == 1 && row.answer.is_some()).await;
        assert!(row.answer.as_ref().unwrap().contains("sends nothing to"), "{url}: {row:?}");
    }
    // And where this machine is allowed by its number alone, its other names are not.
    let scene = Scene::allowing("127.0.0.2/32").await;
    let (id, _) = scene.make(Receiver::Webhook(format!("https://localhost:{}/", hook.port).into())).await.unwrap();
    scene.test(id).await;
    let row = scene.until(id, |row| row.attempts == 1 && row.answer.is_some()).await;
    assert!(row.answer.as_ref().unwrap().contains("sends nothing to"), "{row:?}");
    assert!(hook.all().is_empty());
}

/// As a mail program does it: without a session, from nowhere.
#[tokio::test]
async fn one_post_ends_the_mails_that_a_mail_is_one_of() {
    let mut scene = Scene::new().await;
    let (id, _) = scene.make(Receiver::Member(None)).await.unwrap();
    scene.test(id).await;
    let letter = scene.post.next_with(&scene.tenant.email, "Test of").await;
    let unfolded = letter.0.replace("\r\n ", " ");
    let (_, rest) = unfolded.split_once("/unsubscribe?token=").unwrap();
    let address = format!("{}/unsubscribe?token={}", scene.server.url, rest.split('>').next().unwrap());
    let client = crate::common::client();
    let asked = client.get(&address).send().await.unwrap();
    assert_eq!(asked.status(), 200);
    assert!(asked.text().await.unwrap().contains("End the notification"));
    assert!(scene.detail(id).await.row.is_own, "who looks at a link ends nothing");
    let wrong = client.post(format!("{}/unsubscribe?token=x", scene.server.url)).send().await.unwrap();
    assert_eq!(wrong.status(), 410);
    let one_click = client.post(&address).header("content-type", "application/x-www-form-urlencoded");
    let ended = one_click.body("List-Unsubscribe=One-Click").send().await.unwrap();
    assert_eq!(ended.status(), 200);
    let actor = scene.server.web.actor(scene.tenant.user).await.unwrap().unwrap();
    let org = scene.server.web.organisation::<ViewInventory>(&actor, &scene.tenant.slug).await.unwrap();
    assert!(scene.server.web.notifications(&org).await.unwrap().rows.is_empty());
}

/// The whole way through the form, without JavaScript; the secret is shown once.
#[tokio::test]
async fn a_webhook_is_made_by_a_form_and_its_secret_shown_once() {
    let scene = Scene::new().await;
    let hook = Hook::open().await;
    let mut browser = scene.server.browser();
    browser.sign_in(&scene.tenant.email, PASSWORD).await;
    let form = |url: &str| {
        [("org", "acme"), ("wanted[name]", "on call"), ("wanted[channel]", "webhook"), ("wanted[findings]", "1")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .chain([("wanted[url]".to_owned(), url.to_owned()), ("wanted[severity]".to_owned(), "high".to_owned())])
            .collect::<Vec<_>>()
    };
    for (url, status) in [("https://10.0.0.1/", 422), ("ftp://x", 422), ("", 422)] {
        let form = form(url);
        let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(browser.call("/api/make_notification", &form).await, status, "{url}");
    }
    let form = form(&hook.url());
    let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let made = browser.post("/api/make_notification", &form).await;
    let page = made.headers()["location"].to_str().unwrap().to_owned();
    let handed: Vec<_> = made.headers().get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap()).collect();
    let handed = handed.into_iter().find(|cookie| cookie.starts_with("kubewise_token_")).unwrap();
    assert!(handed.contains("HttpOnly") && handed.contains("SameSite=Strict"), "{handed}");
    let cookie = handed.split(';').next().unwrap().to_owned();
    let session = browser.cookie.clone().unwrap();
    browser.cookie = Some(format!("{session}; {cookie}"));
    let shown = browser.get(&page).await.text().await.unwrap();
    assert!(shown.contains("whsec_") && shown.contains("127.0.0.1:") && !shown.contains("secret-path"));
    browser.cookie = Some(session);
    let again = browser.get(&page).await.text().await.unwrap();
    assert!(!again.contains("whsec_") && again.contains("Send a test"));
}
