//! Another master key, while servers run: nothing that is asked for meanwhile fails, and afterwards nothing is wrapped by the
//! old one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration as Wait,
};

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use futures::TryStreamExt as _;
use kubewise_backend::{
    Actor, NewNotification, Receiver, SignedCertificate, Web, World,
    database::Part,
    permission::{ManageOrganisation, RunAudits, ViewActivity, ViewInventory},
    testing::{Installation, Tenant, TestDatabase, keys_of},
};
use kubewise_contract::{
    ClusterId, NotificationId, NotificationName, Occasions, OrganisationName, RunState, Severity, Verdict,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Mutex,
};

/// Columns that are encrypted under the master key itself, as all were before there were data keys.
async fn columns_under_the_master_key(at: &Installation) -> i64 {
    sqlx::query_scalar(
        "SELECT count(*) FROM (SELECT seed AS sealed FROM authenticators UNION ALL SELECT sealed FROM activity_heads
           UNION ALL SELECT url FROM notifications WHERE url IS NOT NULL) columns WHERE substring(sealed FOR 4) <> '\\x00000000'",
    )
    .fetch_one(&at.database.superuser())
    .await
    .unwrap()
}

async fn in_folder() -> (Installation, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let database = TestDatabase::new().await.with_data_of(folder.path());
    (Installation::on(database), folder)
}

/// What is asked for while keys are rotated.
struct Load {
    at: Installation,
    folder: tempfile::TempDir,
    tenant: Tenant,
    cluster: ClusterId,
    stop: AtomicBool,
    /// How often each was done.
    done: [AtomicU64; 4],
    hooks: Mutex<Vec<(NotificationId, String)>>,
}

/// Names, authenticators and organisations.
const NAMES: usize = 0;
/// Audits, whose evidence is in the bucket.
const AUDITS: usize = 1;
/// Webhooks, each with an address and a secret that signs.
const WEBHOOKS: usize = 2;
/// What people take out, and the certificates of their deletions.
const PEOPLE: usize = 3;

impl Load {
    /// A server of its own, which reads the file when it starts.
    fn server(&self) -> Web {
        let web = self.at.database.clone().with_data_of(self.folder.path()).web(&self.at.world);
        web.with_webhooks_to("127.0.0.1/32".parse().unwrap())
    }

    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::SeqCst)
    }

    fn did(&self, what: usize) {
        self.done[what].fetch_add(1, Ordering::SeqCst);
    }

    fn done(&self) -> [u64; 4] {
        std::array::from_fn(|what| self.done[what].load(Ordering::SeqCst))
    }
}

/// Waits for something again and again, for a minute at most.
struct Patience(&'static str, u32);

impl Patience {
    const fn with(what: &'static str) -> Self {
        Self(what, 3_000)
    }

    async fn a_moment(&mut self) {
        assert!(self.1 > 0, "waited in vain for {}", self.0);
        self.1 -= 1;
        tokio::time::sleep(Wait::from_millis(20)).await;
    }
}

// What exists is read and written, and what needs a fresh key is made.
async fn names(load: Arc<Load>, server: usize) {
    let (web, Tenant { owner, slug, .. }) = (load.server(), load.tenant.clone());
    let person = load.at.person(&format!("person-{server}@example.com")).await;
    for round in 0_u32.. {
        if !load.goes_on() {
            break;
        }
        let org = web.organisation::<ManageOrganisation>(&owner, &slug).await.unwrap();
        let name = OrganisationName::parse(&format!("Acme {server} {round}")).unwrap();
        web.rename_organisation(&org, &name).await.unwrap();
        web.begin_authenticator(&person).await.unwrap();
        web.authenticator_setup(&person).await.unwrap();
        let look = web.cluster::<ViewInventory>(&owner, &slug, load.cluster).await.unwrap();
        assert_evidence(&web.evidence(&look, 1).await.unwrap());
        if round % 4 == 0 && round < 60 {
            let name = OrganisationName::parse(&format!("New {server} {round}")).unwrap();
            web.create_organisation(&person, &name).await.unwrap();
        }
        load.did(NAMES);
    }
}

fn assert_evidence(text: &[u8]) {
    assert!(String::from_utf8_lossy(text).contains("judged-pod"));
}

/// Has the cluster audited, and reads what was kept of it. Answers the audit's number.
async fn audit(web: &Web, load: &Load) -> i64 {
    let Tenant { owner, slug, .. } = &load.tenant;
    let run = web.cluster::<RunAudits>(owner, slug, load.cluster).await.unwrap();
    let number = web.run_audit(&run).await.unwrap();
    let look = web.cluster::<ViewInventory>(owner, slug, load.cluster).await.unwrap();
    let mut patience = Patience::with("an audit");
    loop {
        let last = web.cluster_audit(&look).await.unwrap().cluster.last;
        assert!(last.as_ref().is_none_or(|last| last.state != RunState::Failed), "an audit failed");
        if last.is_some_and(|last| last.number >= number && last.state == RunState::Done) {
            break;
        }
        patience.a_moment().await;
    }
    assert_evidence(&web.evidence(&look, number).await.unwrap());
    number
}

async fn audits(load: Arc<Load>) {
    let web = load.server();
    while load.goes_on() {
        audit(&web, &load).await;
        load.did(AUDITS);
    }
}

/// What one request says, as far as its body goes; it is taken.
async fn received(stream: &mut TcpStream) -> (String, String) {
    let mut all = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&all).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.len() >= header(head, "content-length").parse().unwrap()
        {
            stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").await.unwrap();
            return (head.to_owned(), body.to_owned());
        }
        let read = stream.read_buf(&mut all).await.unwrap();
        assert!(read > 0, "half a request: {text}");
    }
}

fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(called, _)| called.eq_ignore_ascii_case(name)).unwrap().1
}

async fn webhooks(load: Arc<Load>) {
    let (web, Tenant { owner, slug, .. }) = (load.server(), load.tenant.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    for round in 0_u32.. {
        if !load.goes_on() {
            break;
        }
        let org = web.organisation::<ViewInventory>(&owner, &slug).await.unwrap();
        let url = format!("http://127.0.0.1:{port}/hooks/{round}");
        let wanted = NewNotification {
            name: NotificationName::parse(&format!("hook {round}")).unwrap(),
            to: Receiver::Webhook(url.clone().into()),
            cluster: None,
            namespaces: Vec::new(),
            // Of which there is none: nothing but what is asked for here arrives.
            occasions: Occasions { new_findings: None::<Severity>, failed_runs: true, silent_clusters: false },
            digest: None,
        };
        let (id, secret) = web.make_notification(&org, &wanted).await.unwrap();
        web.test_notification(&org, id).await.unwrap();
        let arriving = tokio::time::timeout(Wait::from_mins(1), listener.accept()).await;
        let (head, body) = received(&mut arriving.unwrap().unwrap().0).await;
        assert!(head.starts_with(&format!("POST /hooks/{round} ")), "{head}");
        // By the secret that was shown when it was made.
        let secret = secret.unwrap();
        let key = STANDARD.decode(secret.expose_secret().strip_prefix("whsec_").unwrap()).unwrap();
        let signed = format!("{}.{}.{body}", header(&head, "webhook-id"), header(&head, "webhook-timestamp"));
        let tag = STANDARD.decode(header(&head, "webhook-signature").strip_prefix("v1,").unwrap()).unwrap();
        hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &key), signed.as_bytes(), &tag).unwrap();
        load.hooks.lock().await.push((id, url));
        load.did(WEBHOOKS);
    }
}

/// Takes out what is held about somebody, by a link of our own: the one in the mail is known to the mail alone.
async fn take(web: &Web, load: &Load, who: &Actor) {
    web.request_export(who).await.unwrap();
    let behind = load.at.database.superuser();
    let mut patience = Patience::with("an export");
    loop {
        let is_mailed: bool = sqlx::query_scalar("SELECT bool_and(hash IS NOT NULL) FROM exports WHERE user_id = $1")
            .bind(who.user_id().0)
            .fetch_one(&behind)
            .await
            .unwrap();
        if is_mailed {
            break;
        }
        patience.a_moment().await;
    }
    let link = hex::encode(World::system().random::<16>());
    let query = sqlx::query("UPDATE exports SET hash = $2 WHERE user_id = $1").bind(who.user_id().0);
    query.bind(Sha256::digest(link.as_bytes()).to_vec()).execute(&behind).await.unwrap();
    let pieces: Vec<_> = web.take_export(who, &link.into()).await.unwrap().try_collect().await.unwrap();
    assert!(pieces.concat().starts_with(b"PK"), "a whole archive");
}

async fn certified(web: &Web, token: &SecretString) {
    let mut patience = Patience::with("a deletion");
    let certificate = loop {
        if let Some(certificate) = web.erasure(token).await.unwrap().certificate {
            break certificate;
        }
        patience.a_moment().await;
    };
    let signed: SignedCertificate = serde_json::from_str(&certificate).unwrap();
    let keys = web.verifying_keys().await.unwrap();
    assert!(keys.iter().any(|key| signed.is_signed_by(key)), "the certificate verifies");
}

async fn people(load: Arc<Load>) {
    let web = load.server();
    for round in 0_u32.. {
        if !load.goes_on() {
            break;
        }
        let address = format!("leaving-{round}@example.com");
        let person = load.at.person(&address).await;
        take(&web, &load, &person).await;
        let token = web.delete_account(&person, &address).await.unwrap();
        certified(&web, &token).await;
        load.did(PEOPLE);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_keys_are_rotated_nothing_fails() {
    let (at, folder) = in_folder().await;
    let tenant = at.tenant("acme").await;
    let cluster = at.empty_cluster(&tenant, "east").await;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "judged-pod", "namespace": "shop"},
        "spec": {"containers": [{"name": "app", "image": "shop:1"}]},
    });
    at.put(&tenant, cluster, &pod).await;
    let _worker = at.work();
    let (stop, done, hooks) = (AtomicBool::new(false), Default::default(), Mutex::default());
    let load = Arc::new(Load { at, folder, tenant, cluster, stop, done, hooks });
    assert_eq!(audit(&load.server(), &load).await, 1);
    let mut servers: Vec<_> = (0..3).map(|server| tokio::spawn(names(Arc::clone(&load), server))).collect();
    servers.push(tokio::spawn(audits(Arc::clone(&load))));
    servers.push(tokio::spawn(webhooks(Arc::clone(&load))));
    servers.push(tokio::spawn(people(Arc::clone(&load))));

    let at = &load.at;
    let rotating = keys_of(load.folder.path());
    let owner = at.database.pool(Part::Owner);
    for _ in 0..5 {
        let before = load.done();
        let rotated = rotating.rotate(&owner, false).await.unwrap();
        assert!(rotated.organisations >= 1 && rotated.rewrapped >= 1 && rotated.keys == 1, "{rotated:?}");
        assert_eq!(at.database.wrapped_by().await, [rotated.key], "nothing is wrapped by the old one");
        // All of them go on: one more than is under way already, which began before.
        let least = [6, 2, 2, 2];
        let mut patience = Patience::with("everything to go on");
        while load.done().iter().zip(before).zip(least).any(|((now, before), least)| *now < before + least) {
            assert!(servers.iter().all(|server| !server.is_finished()), "a server failed");
            patience.a_moment().await;
        }
    }
    load.stop.store(true, Ordering::SeqCst);
    for server in servers {
        server.await.unwrap();
    }
    let last = rotating.rotate(&owner, false).await.unwrap();
    assert_eq!(at.database.wrapped_by().await, [last.key]);
    assert_eq!(columns_under_the_master_key(at).await, 0);
    let Tenant { org, owner, slug } = &load.tenant;
    let log = at.look::<ViewActivity>(owner, slug).await.unwrap();
    let web = load.server();
    assert!(matches!(web.verify_activity(&log).await.unwrap(), Verdict::Intact { .. }));
    // What was written by each of the keys opens.
    let look = web.cluster::<ViewInventory>(owner, slug, load.cluster).await.unwrap();
    let [_, audited, hooked, left] = load.done();
    for number in 1..=i64::try_from(audited).unwrap() + 1 {
        assert_evidence(&web.evidence(&look, number).await.unwrap());
    }
    for (id, url) in &*load.hooks.lock().await {
        assert_eq!(at.database.opens_webhook(*org, *id).await.unwrap(), *url);
    }
    eprintln!("{audited} audits, {hooked} webhooks, {left} exports and deletions under way of rotations");
}

#[tokio::test]
async fn a_rotation_that_was_broken_off_is_gone_on_with() {
    let (at, folder) = in_folder().await;
    let tenant = at.tenant("acme").await;
    let owner = at.database.pool(Part::Owner);
    let before = at.database.wrapped_by().await;
    let file = folder.path().join("master.key");
    let old = std::fs::read_to_string(&file).unwrap();
    // A new key is in the file, and that is as far as it got.
    let other = tempfile::tempdir().unwrap();
    drop(keys_of(other.path()));
    let fresh = std::fs::read_to_string(other.path().join("master.key")).unwrap();
    std::fs::write(&file, format!("{fresh}{old}")).unwrap();
    let rotated = keys_of(folder.path()).rotate(&owner, false).await.unwrap();
    assert_eq!(rotated.keys, 1);
    assert_ne!(before.first(), Some(&rotated.key));
    assert_eq!(at.database.wrapped_by().await, [rotated.key]);
    let kept = std::fs::read_to_string(&file).unwrap();
    let key = |text: &str| text.lines().find(|line| !line.starts_with('#')).unwrap().to_owned();
    assert_eq!(key(&kept), key(&fresh), "no third key is made");
    // Who keeps the file themselves has it left as it is.
    let more = format!("{}\n{kept}", key(&old));
    std::fs::write(&file, &more).unwrap();
    let rotated = keys_of(folder.path()).rotate(&owner, true).await.unwrap();
    assert_eq!((rotated.keys, at.database.wrapped_by().await), (2, before));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), more);
    let web = at.database.clone().with_data_of(folder.path()).web(&at.world);
    let org = web.organisation::<ManageOrganisation>(&tenant.owner, &tenant.slug).await.unwrap();
    web.rename_organisation(&org, &OrganisationName::parse("Anew").unwrap()).await.unwrap();
}

#[tokio::test]
async fn keys_of_another_installation_are_refused() {
    let (at, folder) = in_folder().await;
    at.tenant("acme").await;
    let pool = at.database.pool(Part::Web);
    keys_of(folder.path()).check(&pool).await.unwrap();
    let other = tempfile::tempdir().unwrap();
    let error = keys_of(other.path()).check(&pool).await.unwrap_err().to_string();
    assert!(error.contains("KUBEWISE_MASTER_KEY_FILE"), "{error}");
    std::fs::copy(folder.path().join("master.key"), other.path().join("master.key")).unwrap();
    let error = keys_of(other.path()).check(&pool).await.unwrap_err().to_string();
    assert!(error.contains("KUBEWISE_KEY_STORE"), "{error}");
}

#[tokio::test]
async fn columns_from_before_data_keys_are_read_and_moved_under_them() {
    let (at, folder) = in_folder().await;
    let tenant = at.tenant("acme").await;
    let person = at.person("maya@example.com").await;
    at.web.begin_authenticator(&person).await.unwrap();
    let setup = at.web.authenticator_setup(&person).await.unwrap();
    at.database.make_old(tenant.org, person.user_id()).await;
    assert_eq!(columns_under_the_master_key(&at).await, 2);
    // As they are, they are read and written.
    assert_eq!(at.web.authenticator_setup(&person).await.unwrap().seed, setup.seed);
    let log = at.look::<ViewActivity>(&tenant.owner, &tenant.slug).await.unwrap();
    assert!(matches!(at.web.verify_activity(&log).await.unwrap(), Verdict::Intact { .. }));
    keys_of(folder.path()).rotate(&at.database.pool(Part::Owner), false).await.unwrap();
    assert_eq!(columns_under_the_master_key(&at).await, 0);
    let web = at.database.clone().with_data_of(folder.path()).web(&World::system());
    assert_eq!(web.authenticator_setup(&person).await.unwrap().seed, setup.seed);
    assert!(matches!(web.verify_activity(&log).await.unwrap(), Verdict::Intact { .. }));
}
