//! What is logged, at the most talkative level: no password, address, name, link, session or token of anybody.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    net::TcpListener as StdListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use kubewise_backend::{database::Part, testing::TestDatabase};
use kubewise_protocol::SYNC_PATH;
use kubewise_sample_stripe as sample;
use reqwest::{Client, Response};
use secrecy::ExposeSecret;

use crate::common::{Browser, Letter, client, full, pod, shop, smtp::smtp_server};

const NAME: &str = "Zenobia Quillfeather";
const MAYA: &str = "zenobia.4711@example.com";
const NEW: &str = "quillfeather.4712@example.com";
const SECOND: &str = "another.4720@example.com";
const NOBODY: &str = "nobody.4713@example.com";
const PASSWORD: &str = "lantern orchard velvet 4714";
const OTHER: &str = "copper meadow whistle 4715";
const THIRD: &str = "granite ribbon saffron 4716";
const WRONG: &str = "pebble drizzle compass 4717";
const SMTP_PASSWORD: &str = "smtp-4718-password";
const STRIPE_KEY: &str = "sk_test_4721_of_the_tests";
const STRIPE_SECRET: &str = "whsec_4722_of_the_tests";
/// Where all of it is asked from, as the proxy in front says.
const PLACE: &str = "203.0.113.47";
const STREET: &str = "Harbour Parade 4723";

/// The server's program, and all that it says.
struct Server {
    program: Child,
    folder: tempfile::TempDir,
    url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

impl Server {
    async fn start(settings: &[(String, String)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // PostgreSQL refuses root, and must reach its folder as somebody else.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let port = StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let url = format!("http://127.0.0.1:{port}");
        let program = Command::new(env!("CARGO_BIN_EXE_kubewise-server"))
            .arg("serve")
            .env("KUBEWISE_LISTEN", format!("127.0.0.1:{port}"))
            .env("KUBEWISE_DATA_DIR", folder.path().join("data"))
            .env("KUBEWISE_BEHIND_PROXY", "true")
            .env("KUBEWISE_LOG", "trace")
            .env("KUBEWISE_LOG_FORMAT", "json")
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("server.log")).unwrap())
            .spawn()
            .unwrap();
        let server = Self { program, folder, url };
        for _ in 0..600 {
            if client().get(format!("{}/healthz", server.url)).send().await.is_ok_and(|answer| answer.status() == 200) {
                return server;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the server does not start:\n{}", server.log());
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("server.log")).unwrap()
    }

    fn browser(&self, client: Client) -> Browser {
        Browser {
            client,
            url: self.url.clone(),
            cookie: None,
            kept: None,
            address: Some(PLACE.to_owned()),
            bearer: None,
        }
    }
}

/// Where mail arrives.
enum Mail {
    Smtp(Arc<Mutex<Vec<String>>>),
    Outbox(PathBuf),
}

impl Mail {
    /// The mail to this address with this subject.
    async fn to(&self, address: &str, subject: &str) -> Letter {
        for _ in 0..400 {
            let found = self.all().into_iter().find(|mail| {
                mail.contains(&format!("<{address}>"))
                    && mail.contains(&format!("Subject: {subject}"))
                    && mail.trim_end().ends_with("--")
            });
            if let Some(mail) = found {
                return Letter(mail.replace("=\r\n", "").replace("=3D", "="));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no mail to {address}: {subject}");
    }

    fn all(&self) -> Vec<String> {
        match self {
            Self::Smtp(arrived) => arrived.lock().unwrap().clone(),
            Self::Outbox(folder) => {
                let files = std::fs::read_dir(folder).unwrap();
                files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect()
            }
        }
    }
}

/// What must not be logged, each with what it is.
#[derive(Default)]
struct Secrets(BTreeMap<String, &'static str>);

impl Secrets {
    fn add(&mut self, what: &'static str, secret: &str) {
        assert!(secret.len() >= 8, "{what}: {secret:?} is found by accident");
        self.0.insert(secret.to_owned(), what);
    }

    /// What the browser keeps now.
    fn add_cookies(&mut self, browser: &Browser) {
        for (what, cookie) in [("a session", &browser.cookie), ("a browser", &browser.kept)] {
            if let Some((_, value)) = cookie.as_deref().and_then(|cookie| cookie.split_once('=')) {
                self.add(what, value);
            }
        }
    }

    /// Fails when a log holds one of them, in whatever form.
    fn must_not_be_in(&self, log: &str) {
        let mut found = String::new();
        for (secret, what) in &self.0 {
            for form in forms(secret) {
                if let Some(line) = log.lines().find(|line| line.contains(&form)) {
                    let line: String = line.chars().take(600).collect();
                    writeln!(found, "{what} ({form}) in: {line}").unwrap();
                }
            }
        }
        assert!(found.is_empty(), "{found}");
    }
}

/// As it is, as it stands in a form, in Base64, in hexadecimal, and as Rust shows bytes.
fn forms(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let listed = bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    let encoded: String = secret
        .bytes()
        .map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect();
    let plus = encoded.replace("%20", "+");
    vec![secret.to_owned(), encoded, plus, STANDARD.encode(secret), hex::encode(secret), listed]
}

fn token_of_a_cluster(response: &Response) -> String {
    let cookies = response.headers().get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
    let cookie = cookies.into_iter().find(|cookie| cookie.starts_with("kubewise_token_")).unwrap();
    cookie.split_once('=').unwrap().1.split(';').next().unwrap().to_owned()
}

/// Everything that a person does with secrets, over HTTP/1 and HTTP/2.
async fn live(server: &Server, mail: &Mail) -> Secrets {
    let mut secrets = Secrets::default();
    for (what, secret) in [
        ("a name", "Quillfeather"),
        ("an address", MAYA),
        ("an address", NEW),
        ("an address", SECOND),
        ("an address", NOBODY),
        ("a password", PASSWORD),
        ("a password", OTHER),
        ("a password", THIRD),
        ("a password", WRONG),
        ("the password of the mail server", SMTP_PASSWORD),
        ("an address of the network", PLACE),
    ] {
        secrets.add(what, secret);
    }
    let mut browser = server.browser(client());
    let sign_up = [("name", NAME), ("email", MAYA), ("organisation", "Acme"), ("password", PASSWORD)];
    assert_eq!(browser.call("/api/sign_up", &sign_up).await, 200);
    secrets.add_cookies(&browser);
    assert_eq!(server.browser(client()).call("/api/sign_up", &sign_up).await, 422, "the address is taken");
    let token = mail.to(MAYA, "Confirm your e-mail address").await.token();
    secrets.add("a link", &token);
    assert_eq!(browser.get(&format!("/verify?token={token}")).await.status(), 200);
    assert_eq!(browser.call("/api/verify_address", &[("token", &token)]).await, 200);

    let http2 = Client::builder().http2_prior_knowledge().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let mut other = server.browser(http2);
    for (email, password) in [(MAYA, WRONG), (NOBODY, WRONG)] {
        assert_eq!(other.call("/api/log_in", &[("email", email), ("password", password)]).await, 401);
    }
    other.sign_in(MAYA, PASSWORD).await;
    secrets.add_cookies(&other);
    mail.to(MAYA, "Your account was signed in to from a new browser").await;
    assert_eq!(other.get("/account").await.status(), 200);
    let strength = other.client.post(format!("{}/api/password_strength", server.url)).header("origin", &server.url);
    let asked = strength.json(&serde_json::json!({"password": THIRD, "about": NEW})).send().await.unwrap();
    assert_eq!(asked.status(), 200);

    let change = [("email", NEW), ("current_password", PASSWORD)];
    assert_eq!(browser.call("/api/change_address", &change).await, 200);
    let token = mail.to(NEW, "Confirm your new e-mail address").await.token();
    secrets.add("a link", &token);
    assert_eq!(browser.call("/api/verify_address", &[("token", &token)]).await, 200);
    mail.to(MAYA, "Your e-mail address was changed").await;
    let second = [("name", NAME), ("email", SECOND), ("organisation", "Second"), ("password", PASSWORD)];
    assert_eq!(server.browser(client()).call("/api/sign_up", &second).await, 200);
    let change = [("email", SECOND), ("current_password", PASSWORD)];
    assert_eq!(browser.call("/api/change_address", &change).await, 200);
    let token = mail.to(SECOND, "Confirm your new e-mail address").await.token();
    assert_eq!(browser.call("/api/verify_address", &[("token", &token)]).await, 422, "the address is taken");
    let change = [("current_password", PASSWORD), ("password", OTHER)];
    assert_eq!(browser.call("/api/change_password", &change).await, 200);
    secrets.add_cookies(&browser);
    mail.to(NEW, "Your password was changed").await;

    for email in [NEW, NOBODY] {
        assert_eq!(browser.call("/api/request_reset", &[("email", email)]).await, 200);
    }
    let token = mail.to(NEW, "Choose a new password").await.token();
    secrets.add("a link", &token);
    // Without JavaScript, the address of the page that leads back holds what is wrong.
    let weak = [("token", token.as_str()), ("password", "passwordpassword")];
    browser.post("/api/reset_password", &weak).await;
    assert_eq!(browser.call("/api/reset_password", &[("token", &token), ("password", THIRD)]).await, 200);
    browser.sign_in(NEW, THIRD).await;
    secrets.add_cookies(&browser);

    let made = browser.post("/api/add_cluster", &[("org", "acme"), ("name", "prod")]).await;
    let token = token_of_a_cluster(&made);
    secrets.add("an agent's token", &token);
    let install = made.headers()["location"].to_str().unwrap().to_owned();
    browser.cookie =
        browser.cookie.map(|cookie| format!("{cookie}; {}", made.headers()["set-cookie"].to_str().unwrap()));
    assert_eq!(browser.get(&install).await.status(), 200);
    for bearer in [token.as_str(), "kwc_4719_which_is_no_token_of_anybody"] {
        let request = other.client.post(format!("{}{SYNC_PATH}", server.url)).bearer_auth(bearer);
        let request = request.header("content-type", "application/x-ndjson").header("content-encoding", "zstd");
        let sent = request.body(full(1, &[pod(1, "a", "nginx")])).send().await.unwrap();
        assert_eq!(sent.status().as_u16(), if bearer == token { 200 } else { 401 });
    }
    secrets.add("an agent's token", "kwc_4719_which_is_no_token_of_anybody");
    secrets
}

/// Everything that is paid, and what is not Stripe's.
async fn pay(server: &Server, stripe: &sample::Stripe, secrets: &mut Secrets) {
    for (what, secret) in [("Stripe's key", STRIPE_KEY), ("Stripe's secret", STRIPE_SECRET), ("an address", STREET)] {
        secrets.add(what, secret);
    }
    let mut browser = server.browser(client());
    browser.sign_in(NEW, THIRD).await;
    secrets.add_cookies(&browser);
    // What Stripe does not answer is logged too.
    stripe.down(true);
    assert_eq!(browser.follow("/o/acme/billing/checkout").await, "/o/acme/billing?failed=stripe");
    stripe.down(false);
    let form = [("org", "acme"), ("email", SECOND), ("line1", STREET), ("line2", ""), ("city", ""), ("state", "")];
    let form = [&form[..], &[("postal_code", ""), ("country", "DE")]].concat();
    assert_eq!(browser.call("/api/set_billing_details", &form).await, 200);
    let checkout = browser.follow("/o/acme/billing/checkout").await;
    secrets.add("a way to Checkout", checkout.rsplit('/').next().unwrap());
    shop::press(&checkout, &[("card_number", shop::GOOD)]).await;
    shop::page_with(&browser, "/o/acme/billing", "The plan is Team.").await;
    let portal = browser.follow("/o/acme/billing/portal").await;
    secrets.add("a way to the portal", portal.rsplit('/').next().unwrap());
    shop::press(&portal, &[("action", "cancel")]).await;
    shop::page_with(&browser, "/o/acme/billing", "The plan was cancelled").await;
    let event = stripe.events().pop().unwrap();
    for (secret, status) in [(STRIPE_SECRET, 204), ("whsec_4724_of_somebody_else", 400)] {
        let header = sample::signature(secret, stripe.now(), &event.body);
        secrets.add("a signature", header.split_once("v1=").unwrap().1);
        let request = client().post(format!("{}{}", server.url, shop::WEBHOOK)).header("stripe-signature", header);
        assert_eq!(request.body(event.body.clone()).send().await.unwrap().status().as_u16(), status);
    }
    assert_eq!(browser.call("/api/ask_stripe", &[("org", "acme")]).await, 200);
    stripe.delivered().await;
}

/// The server's log, and that of its PostgreSQL if it has one of its own.
fn logs(server: &Server) -> String {
    fn add(folder: &Path, all: &mut String) {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                add(&path, all);
            } else {
                all.push_str(&String::from_utf8_lossy(&std::fs::read(&path).unwrap()));
            }
        }
    }
    let mut all = server.log();
    let postgres = server.data().join("postgres/log");
    if postgres.is_file() {
        all.push_str(&std::fs::read_to_string(&postgres).unwrap());
    }
    add(&postgres, &mut all);
    all
}

#[tokio::test]
async fn no_secret_is_logged_where_mail_leaves_by_smtp() {
    let database = TestDatabase::new().await;
    let parts = [(Part::Owner, "OWNER"), (Part::Web, "WEB"), (Part::Ingest, "INGEST"), (Part::Worker, "WORKER")];
    let mut settings: Vec<(String, String)> = parts
        .map(|(part, name)| (format!("KUBEWISE_DATABASE_URL_{name}"), database.url(part).expose_secret().to_owned()))
        .to_vec();
    let (port, arrived) = smtp_server().await;
    settings.push(("KUBEWISE_SMTP_URL".to_owned(), format!("smtp://kubewise:{SMTP_PASSWORD}@127.0.0.1:{port}")));
    settings.push(("KUBEWISE_MAIL_FROM".to_owned(), "Kubewise <kubewise@example.com>".to_owned()));
    let server = Server::start(&settings).await;
    let secrets = live(&server, &Mail::Smtp(arrived)).await;
    let log = logs(&server);
    assert!(log.contains("\"level\":\"TRACE\""), "the most talkative level");
    secrets.must_not_be_in(&log);
}

#[tokio::test]
async fn no_secret_is_logged_where_everything_is_on_one_machine_and_is_paid() {
    let stripe = sample::Stripe::start(sample::Options::default()).await.unwrap();
    let settings = [
        ("KUBEWISE_STRIPE_SECRET_KEY", STRIPE_KEY),
        ("KUBEWISE_STRIPE_WEBHOOK_SECRET", STRIPE_SECRET),
        ("KUBEWISE_STRIPE_PRICE_TEAM", shop::PRICE),
        ("KUBEWISE_STRIPE_API_BASE", stripe.url()),
    ];
    let server = Server::start(&settings.map(|(name, value)| (name.to_owned(), value.to_owned()))).await;
    stripe.set_webhook(&format!("{}{}", server.url, shop::WEBHOOK), STRIPE_SECRET);
    let mail = Mail::Outbox(server.data().join("outbox"));
    let mut secrets = live(&server, &mail).await;
    pay(&server, &stripe, &mut secrets).await;
    let passwords = std::fs::read(server.data().join("postgres-passwords.json")).unwrap();
    let passwords: BTreeMap<String, String> = serde_json::from_slice(&passwords).unwrap();
    for password in passwords.values() {
        secrets.add("the password of a database login", password);
    }
    let log = logs(&server);
    assert!(log.contains("\"level\":\"TRACE\"") && log.contains("database system is ready"), "both logs");
    secrets.must_not_be_in(&log);
}
