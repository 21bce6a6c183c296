//! The policies on the website, and mail about them: pages that anybody reads, and mails that one POST ends.

use std::{process::Command, sync::Arc, time::Duration};

use kubewise_backend::{
    AllowedNetworks, Mailer, Oidc, PublicPolicies, Stripe, Webhooks, Worker, World, database::Part, parse_date,
    publish_policy, testing::TestDatabase,
};
use reqwest::StatusCode;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::common::{TestServer, client, smtp::smtp_server};

const FIRST: &str = "+++\ndate = \"2026-11-28\"\nsummary = \"The first <version>.\"\nsignificant = true\n+++\n\
                     # Privacy policy\n\nWrite to {contact}.\n\n## Times\n\nSessions end after 7 days.\n\nNames are kept.\n";

/// A privacy policy that was changed once, and sub-processors.
fn policies() -> Arc<PublicPolicies> {
    let second = FIRST
        .replace("2026-11-28", "2027-01-05")
        .replace("The first <version>.", "Sessions last longer.")
        .replace("7 days", "14 days");
    let third = FIRST.replace("# Privacy policy", "# Sub-processors");
    let files = [
        ("privacy", "2026-11-28", FIRST),
        ("privacy", "2027-01-05", &second),
        ("sub-processors", "2026-11-28", &third),
    ];
    Arc::new(PublicPolicies::parse(&files).unwrap())
}

async fn read(server: &TestServer, path: &str) -> (StatusCode, String) {
    let answer = client().get(format!("{}{path}", server.url)).send().await.unwrap();
    let headers = answer.headers();
    assert_eq!(headers["content-type"], "text/html; charset=utf-8", "{path}");
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("script-src"), "{path}: {policy}");
    assert!(!headers.contains_key("set-cookie"), "{path}");
    (answer.status(), answer.text().await.unwrap())
}

#[tokio::test]
async fn each_version_of_a_policy_has_a_page_and_says_what_is_different() {
    let server =
        TestServer::start_of(World::system(), |database, world, _| database.web(world).with_policies(policies())).await;
    let contact = "<a href=\"mailto:contact@example.com\">contact@example.com</a>";
    let pages = [
        ("/policies", vec!["href=\"/policies/privacy\">Privacy policy</a> of", "5 January 2027", contact]),
        (
            "/policies/privacy",
            vec![
                "<h1>Privacy policy</h1>",
                "<time datetime=\"2027-01-05\">5 January 2027</time>",
                "after 14 days",
                contact,
                "href=\"/policies/privacy/history\"",
            ],
        ),
        ("/policies/privacy/2027-01-05", vec!["after 14 days"]),
        ("/policies/privacy/2026-11-28", vec!["after 7 days", "It was replaced: ", contact]),
        (
            "/policies/privacy/history",
            vec![
                "The first &lt;version&gt;.",
                "Sessions last longer.",
                "significant",
                "href=\"/policies/privacy/2027-01-05/changes\"",
                "href=\"/policies/privacy/2026-11-28\"",
            ],
        ),
        (
            "/policies/privacy/2027-01-05/changes",
            vec!["Compared with", "[removed:] </span>7<", "[added:] </span>14<", "<h2>Times</h2>"],
        ),
        ("/policies/privacy/2026-11-28/changes", vec!["It is the first version."]),
    ];
    for (path, parts) in pages {
        let (status, text) = read(&server, path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        for part in parts {
            assert!(text.contains(part), "{path} has no {part}: {text}");
        }
        assert!(!text.contains("{contact}"), "{path}");
    }
    let (_, history) = read(&server, "/policies/privacy/history").await;
    assert!(!history.contains("2026-11-28/changes"), "the first version is different from nothing");
    for path in [
        "/policies/cookies",
        "/policies/cookies/history",
        "/policies/privacy/2026-11-29",
        "/policies/privacy/2026-11-29/changes",
        "/policies/privacy/latest",
        "/policies/..%2Fdocs",
    ] {
        assert_eq!(read(&server, path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn the_policies_of_the_repository_are_served_and_say_what_is_configured() {
    let plain = TestServer::start().await;
    for policy in PublicPolicies::built_in().iter() {
        let current = policy.current();
        for path in ["", "/history", &format!("/{}", current.date), &format!("/{}/changes", current.date)] {
            let (status, text) = read(&plain, &format!("/policies/{}{path}", policy.name)).await;
            assert_eq!(status, StatusCode::OK, "{}{path}", policy.name);
            assert!(text.contains(&current.title), "{}{path}", policy.name);
        }
        let (_, text) = read(&plain, &format!("/policies/{}", policy.name)).await;
        assert!(text.contains("mailto:contact@example.com"), "{}", policy.name);
    }
    let (_, text) = read(&plain, "/policies/sub-processors").await;
    assert!(text.contains("Stripe is not used.") && text.contains("issuer: none is used."), "{text}");
    let (_, text) = read(&plain, "/policies/privacy").await;
    assert!(!text.contains("What this installation uses"));

    let configured = TestServer::start_of(World::system(), |database, world, url| {
        let stripe = Stripe::new(&"sk_test_1".into(), "whsec_1".into(), "price_1", Some("http://127.0.0.1:1"), url);
        let back = format!("{url}/login/google/callback");
        let oidc = Oidc::new(world, "https://accounts.google.com", "client", &"secret".into(), back);
        database.web(world).with_stripe(Some(stripe.unwrap())).with_oidc(Some(oidc.unwrap()))
    })
    .await;
    let (_, text) = read(&configured, "/policies/sub-processors").await;
    assert!(text.contains("Stripe is used") && text.contains("Google is used"), "{text}");
}

/// As a mail program does it: without a session, from nowhere.
#[tokio::test]
async fn a_mail_of_a_real_conversation_ends_such_mails_by_one_post() {
    let world = World::system();
    let server = TestServer::start().await;
    let tenant = server.tenant("acme").await;
    let actor = server.web.actor(tenant.user).await.unwrap().unwrap();
    server.web.set_policy_mails(&actor, true).await.unwrap();
    let (port, arrived) = smtp_server().await;
    let smtp = format!("smtp://127.0.0.1:{port}");
    let mailer = Mailer::smtp(&smtp.into(), "Kubewise <kubewise@example.com>", &server.url).unwrap();
    let webhooks = Webhooks::new(AllowedNetworks::NONE);
    let pool = server.database.pool(Part::Worker);
    let worker = Worker::new(pool, world.clone(), mailer, server.database.keys(), server.database.bucket(), webhooks);
    tokio::spawn(worker.run("test".to_owned(), std::future::pending()));
    let owner = server.database.pool(Part::Owner);
    let policies = PublicPolicies::built_in();
    let published = publish_policy(&owner, &world, policies, "privacy", parse_date("2026-11-28")).await.unwrap();
    assert_eq!(published.mailed, 1);

    let mut mail = None;
    for _ in 0..400 {
        mail = arrived
            .lock()
            .unwrap()
            .iter()
            .find(|mail| mail.contains("Subject: Privacy policy: a new version"))
            .cloned();
        if mail.is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mail = mail.unwrap().replace("\r\n ", " ");
    assert!(mail.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click"), "{mail}");
    let (_, rest) = mail.split_once("List-Unsubscribe: <").unwrap();
    let address = rest.split_once('>').unwrap().0;
    assert!(address.starts_with(&format!("{}/unsubscribe/policies?token=", server.url)), "{address}");

    let client = client();
    let asked = client.get(address).send().await.unwrap();
    assert_eq!(asked.status(), 200);
    assert_eq!(asked.headers()["cache-control"], "no-store");
    assert!(asked.text().await.unwrap().contains("End these mails"));
    assert!(server.web.policy_mails(&actor).await.unwrap(), "who looks at a link ends nothing");
    for wrong in ["", "?token=", "?token=x", &format!("?token={}", "A".repeat(43))] {
        let ended = client.post(format!("{}/unsubscribe/policies{wrong}", server.url)).send().await.unwrap();
        assert_eq!(ended.status(), 410, "{wrong}");
    }
    let post = || {
        let one_click = client.post(address).header("content-type", "application/x-www-form-urlencoded");
        one_click.body("List-Unsubscribe=One-Click").send()
    };
    let ended = post().await.unwrap();
    assert_eq!(ended.status(), 200);
    assert!(ended.text().await.unwrap().contains("It has ended"));
    assert!(!server.web.policy_mails(&actor).await.unwrap());
    assert_eq!(post().await.unwrap().status(), 410);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_runs_the_installation_publishes_by_a_command() {
    let database = TestDatabase::new().await;
    let folder = tempfile::tempdir().unwrap();
    let web = database.web(&World::system());
    let publish = |args: &[&str]| {
        let parts = [(Part::Owner, "OWNER"), (Part::Web, "WEB"), (Part::Ingest, "INGEST"), (Part::Worker, "WORKER")];
        let urls = parts.map(|(part, name)| {
            (format!("KUBEWISE_DATABASE_URL_{name}"), database.url(part).expose_secret().to_owned())
        });
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubewise-server"));
        command.args(["admin", "publish-policy"]).args(args).envs(urls).env("KUBEWISE_DATA_DIR", folder.path());
        let output = command.output().unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        (output.status.success(), out, err)
    };
    let request = kubewise_backend::SignUp {
        name: kubewise_contract::PersonName::parse("Maya Duran").unwrap(),
        email: kubewise_contract::EmailAddress::parse("maya@example.com").unwrap(),
        password: crate::common::PASSWORD.to_owned().into(),
        organisation: kubewise_contract::OrganisationName::parse("acme").unwrap(),
        place: "this machine".to_owned(),
    };
    let user = web.sign_up(request).await.unwrap().user;
    let actor = web.actor(user).await.unwrap().unwrap();
    web.set_policy_mails(&actor, true).await.unwrap();
    // A significant one is mailed once, and another is not.
    for (policy, significant, version, mailed) in
        [("privacy", true, "2026-11-29", 1), ("privacy", true, "2026-11-29", 0), ("security", false, "2026-11-29", 0)]
    {
        let (done, out, err) = publish(&["--policy", policy, "--version", version]);
        assert!(done, "{err}");
        let line: Value = serde_json::from_str(&out).unwrap();
        let expected = json!({"policy": policy, "version": version, "significant": significant, "mailed": mailed});
        assert_eq!((line, out.lines().count()), (expected, 1));
    }
    for (args, why) in [
        (&["--policy", "weather"][..], "no such policy"),
        (&["--policy", "security", "--version", "2020-02-02"], "none of this version"),
        (&["--policy", "security", "--version", "yesterday"], "a date like"),
    ] {
        let (done, out, err) = publish(args);
        assert!(!done && out.is_empty() && err.contains(why), "{args:?}: {out} {err}");
    }
}
