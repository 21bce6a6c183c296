//! Policies: what somebody agreed to is written down with their account, and who asked for it is told of changes, once.

use std::{collections::BTreeSet, sync::Arc};

use kubewise_backend::{
    Actor, Error, PublicPolicies, Published, SignUp, SignUpInvited, SignUpPolicy, Web, admin,
    database::Part,
    parse_date,
    permission::ManageTeam,
    publish_policy,
    testing::{Installation, PLACE},
};
use kubewise_contract::{Access, EmailAddress, OrganisationName, PersonName, Role, UserId};
use secrecy::SecretString;
use serde_json::Value;
use sqlx::AssertSqlSafe;

const PASSWORD: &str = "harbour lemon quilt thunder";
const VERSIONS: [(&str, bool, &str); 3] = [
    ("2026-11-28", true, "The first version."),
    ("2027-01-05", false, "A typo."),
    ("2027-03-01", true, "Names are kept for <a year>."),
];

/// A privacy policy of three versions, the second of which changes little.
fn policies() -> Arc<PublicPolicies> {
    let files = VERSIONS.map(|(date, significant, summary)| {
        let front = format!("date = \"{date}\"\nsummary = \"{summary}\"\nsignificant = {significant}");
        (date, format!("+++\n{front}\n+++\n# Privacy policy\n\nOf {date}. Write to {{contact}}.\n"))
    });
    let files = files.each_ref().map(|(date, text)| ("privacy", *date, text.as_str()));
    Arc::new(PublicPolicies::parse(&files).unwrap())
}

async fn behind(at: &Installation, statement: &str) -> u64 {
    let done = sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&at.database.superuser()).await.unwrap();
    done.rows_affected()
}

async fn count(at: &Installation, of: &str) -> i64 {
    let query = format!("SELECT count(*) FROM {of}");
    sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&at.database.superuser()).await.unwrap()
}

async fn publish(at: &Installation, version: &str) -> Result<Published, Error> {
    let owner = at.database.pool(Part::Owner);
    publish_policy(&owner, &at.world, &policies(), "privacy", parse_date(version)).await
}

/// Has the worker send what waits.
async fn send(at: &Installation) {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let worker = at.worker().with_policies(policies());
    let works = tokio::spawn(worker.run(at.world.uuid().to_string(), async move { drop(stopped.await) }));
    for _ in 0..600 {
        if count(at, "apalis.jobs WHERE status <> 'Done'").await == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    drop(stop);
    works.await.unwrap().unwrap();
    assert_eq!(count(at, "apalis.jobs WHERE status <> 'Done'").await, 0);
}

/// All mails, unfolded.
fn mails(at: &Installation) -> Vec<String> {
    let files = std::fs::read_dir(at.outbox()).unwrap().map(|file| file.unwrap().path());
    files.map(|file| std::fs::read_to_string(file).unwrap().replace("=\r\n", "").replace("=3D", "=")).collect()
}

fn sign_up(email: &str) -> SignUp {
    SignUp {
        name: PersonName::parse("Jonas Pohl").unwrap(),
        email: EmailAddress::parse(email).unwrap(),
        password: PASSWORD.to_owned().into(),
        organisation: OrganisationName::parse("Northwind").unwrap(),
        place: PLACE.to_owned(),
    }
}

/// What somebody agreed to: policies and versions.
async fn accepted(at: &Installation, web: &Web, user: UserId) -> Vec<(String, String)> {
    let actor = at.actor(user).await;
    let accepted = web.accepted_policies(&actor).await.unwrap();
    accepted.into_iter().map(|one| (one.policy, one.version)).collect()
}

/// A way to make an account that is not here, through an issuer, is tested with one (`server/tests/it/oidc.rs`).
#[tokio::test(flavor = "multi_thread")]
async fn who_makes_an_account_agrees_to_what_is_current_then() {
    let at = Installation::new().await;
    let current = |name: &str| PublicPolicies::built_in().find(name).unwrap().current().date.to_string();
    let both = ["privacy", "security"].map(|name| (name.to_owned(), current(name)));

    let open = at.web.sign_up(sign_up("open@example.com")).await.unwrap();
    assert_eq!(accepted(&at, &at.web, open.user).await, both);
    let shown = at.web.accepted_policies(&at.actor(open.user).await).await.unwrap();
    assert_eq!(shown[0].title, "Privacy policy");
    assert_eq!(shown[0].at, at.world.timestamp());

    let closed = at.another(SignUpPolicy::Invite);
    let owner = at.database.pool(Part::Owner);
    let email = EmailAddress::parse("invited@example.com").unwrap();
    let link = admin::invite(&owner, &at.world, &email).await.unwrap();
    let invited = closed.sign_up_by_invitation(sign_up(email.as_str()), &link).await.unwrap();
    assert_eq!(accepted(&at, &at.web, invited.user).await, both);

    let tenant = at.tenant("acme").await;
    let team = at.look::<ManageTeam>(&tenant.owner, &tenant.slug).await.unwrap();
    let email = EmailAddress::parse("member@example.com").unwrap();
    let access = Access { role: Role::Viewer, clusters: None };
    at.web.invite(&team, &tenant.owner, &email, &access, true).await.unwrap();
    behind(&at, "UPDATE invitations SET hash = sha256('link')").await;
    let name = PersonName::parse("Maya Duran").unwrap();
    let (password, link) = (SecretString::from(PASSWORD), SecretString::from("link"));
    let request = SignUpInvited { name, password, link, place: PLACE.to_owned() };
    let member = closed.sign_up_invited(request).await.unwrap();
    assert_eq!(accepted(&at, &at.web, member.user).await, both);

    // Later, it is another version.
    let newer = at.web.clone().with_policies(policies());
    let later = newer.sign_up(sign_up("later@example.com")).await.unwrap();
    let newest = VERSIONS[2].0.to_owned();
    assert_eq!(accepted(&at, &newer, later.user).await, [("privacy".to_owned(), newest)]);

    // Whoever runs the installation agrees to nothing in the name of others.
    at.web.admin_create_user(sign_up("made@example.com")).await.unwrap().unwrap();
    let made = at.web.admin_find_user(&EmailAddress::parse("made@example.com").unwrap()).await.unwrap().unwrap();
    assert_eq!(accepted(&at, &at.web, made).await, []);

    // Where no account is made, nothing is agreed to.
    let before = count(&at, "policy_acceptances").await;
    assert!(matches!(at.web.sign_up(sign_up("open@example.com")).await, Err(Error::Invalid(_))));
    assert_eq!(count(&at, "policy_acceptances").await, before);
    assert_eq!(count(&at, "policy_subscriptions").await, 0, "nobody is mailed who did not ask for it");
}

/// People who asked to be mailed.
async fn subscribers<const N: usize>(at: &Installation, names: [&str; N]) -> [Actor; N] {
    let mut people = Vec::new();
    for name in names {
        let person = at.person(&format!("{name}@example.com")).await;
        at.web.set_policy_mails(&person, true).await.unwrap();
        people.push(person);
    }
    people.try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_significant_change_is_told_once_to_who_asked_for_it() {
    let at = Installation::new().await;
    at.person("never-asked@example.com").await;
    let [maya, jonas, before, after] = subscribers(&at, ["maya", "jonas", "ended-before", "ended-after"]).await;
    at.web.set_policy_mails(&before, false).await.unwrap();
    assert!(at.web.policy_mails(&maya).await.unwrap() && !at.web.policy_mails(&before).await.unwrap());
    // Asked for twice is asked for once.
    at.web.set_policy_mails(&maya, true).await.unwrap();

    let first = publish(&at, "2027-03-01").await.unwrap();
    let expected =
        Published { policy: "privacy".to_owned(), version: "2027-03-01".to_owned(), significant: true, mailed: 3 };
    assert_eq!(first, expected);
    at.web.set_policy_mails(&after, false).await.unwrap();
    assert_eq!(publish(&at, "2027-03-01").await.unwrap(), Published { mailed: 0, ..expected });
    send(&at).await;
    assert_eq!(publish(&at, "2027-03-01").await.unwrap().mailed, 0);
    send(&at).await;

    let sent = mails(&at);
    assert_eq!(sent.len(), 2, "{sent:?}");
    for person in [&maya, &jonas] {
        let name = at.web.account(person).await.unwrap().email;
        let mail = sent.iter().find(|mail| mail.contains(&format!("<{name}>"))).unwrap();
        for part in [
            "Subject: Privacy policy: a new version",
            "Privacy policy, of 1 March 2027",
            "Names are kept for <a year>.",
            "Names are kept for &#60;a year&#62;.",
            "http://127.0.0.1:3000/policies/privacy/2027-03-01\r\n",
            "http://127.0.0.1:3000/policies/privacy/2027-03-01/changes",
            "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
        ] {
            assert!(mail.contains(part), "{part}: {mail}");
        }
    }
    assert_eq!(sent[0].matches("Message-ID:").count(), 1);
    assert_ne!(message_id(&sent[0]), message_id(&sent[1]));
    // What is in the queue names neither people nor addresses.
    let jobs: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT job FROM apalis.jobs").fetch_all(&at.database.superuser()).await.unwrap();
    assert!(jobs.iter().all(|job| !String::from_utf8_lossy(job).contains('@')), "{jobs:?}");
}

fn message_id(mail: &str) -> &str {
    mail.lines().find(|line| line.starts_with("Message-ID:")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changes_little_is_told_to_nobody() {
    let at = Installation::new().await;
    subscribers(&at, ["maya"]).await;
    let published = publish(&at, "2027-01-05").await.unwrap();
    assert!(!published.significant && published.mailed == 0, "{published:?}");
    assert_eq!((count(&at, "apalis.jobs").await, count(&at, "policy_letters").await), (0, 0));
    assert_eq!(count(&at, "policy_publications").await, 1);

    let owner = at.database.pool(Part::Owner);
    let ask = async |name, date| publish_policy(&owner, &at.world, &policies(), name, date).await;
    assert!(matches!(ask("privacy", parse_date("2026-11-29")).await, Err(Error::NotFound)));
    assert!(matches!(ask("cookies", None).await, Err(Error::NotFound)));
    assert_eq!(ask("privacy", None).await.unwrap().version, "2027-03-01", "the one that holds");
}

/// They read it as it is, and are told of the next one.
#[tokio::test(flavor = "multi_thread")]
async fn who_asks_after_a_version_was_published_is_not_told_of_it() {
    let at = Installation::new().await;
    assert_eq!(publish(&at, "2026-11-28").await.unwrap().mailed, 0);
    at.pass(time::Duration::minutes(1));
    subscribers(&at, ["late"]).await;
    assert_eq!(publish(&at, "2026-11-28").await.unwrap().mailed, 0);
    assert_eq!(publish(&at, "2027-03-01").await.unwrap().mailed, 1);
}

/// More people than are written to in one transaction, and a command that is killed and run again, twice at once.
#[tokio::test(flavor = "multi_thread")]
async fn publishing_that_was_interrupted_goes_on_where_it_was() {
    const PEOPLE: i64 = 1_203;
    let at = Arc::new(Installation::new().await);
    behind(
        &at,
        &format!(
            "INSERT INTO users (id, name, email, email_canonical, created_at)
             SELECT gen_random_uuid(), 'P', n || '@example.com', n || '@example.com', now() FROM generate_series(1, {PEOPLE}) n"
        ),
    )
    .await;
    let since = at.world.now();
    sqlx::query("INSERT INTO policy_subscriptions SELECT id, sha256(id::text::bytea), $1 FROM users WHERE name = 'P'")
        .bind(since)
        .execute(&at.database.superuser())
        .await
        .unwrap();
    let killed = {
        let at = Arc::clone(&at);
        tokio::spawn(async move { publish(&at, "2027-03-01").await })
    };
    while count(&at, "policy_letters").await == 0 {
        tokio::task::yield_now().await;
    }
    killed.abort();
    drop(killed.await);
    let (one, two) = tokio::join!(publish(&at, "2027-03-01"), publish(&at, "2027-03-01"));
    one.unwrap();
    two.unwrap();
    assert_eq!(count(&at, "policy_letters").await, PEOPLE);
    let jobs: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT job FROM apalis.jobs").fetch_all(&at.database.superuser()).await.unwrap();
    let told: BTreeSet<String> = jobs
        .iter()
        .map(|job| serde_json::from_slice::<Value>(job).unwrap()["user"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!((jobs.len(), told.len()), (1_203, 1_203));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_mail_carries_ends_these_mails_and_no_others() {
    let at = Installation::new().await;
    let [maya, jonas] = subscribers(&at, ["maya", "jonas"]).await;
    publish(&at, "2026-11-28").await.unwrap();
    send(&at).await;
    let mail = mails(&at).into_iter().find(|mail| mail.contains("<maya@example.com>")).unwrap();
    let unfolded = mail.replace("\r\n ", " ");
    let (_, rest) =
        unfolded.split_once("List-Unsubscribe: <http://127.0.0.1:3000/unsubscribe/policies?token=").unwrap();
    let token = rest.split('>').next().unwrap().to_owned();
    for wrong in ["", "x", &token[1..], &token.to_lowercase()] {
        let ended = at.web.end_policy_mails(&wrong.to_owned().into()).await;
        assert!(matches!(ended, Err(Error::LinkEnded)), "{wrong}: {ended:?}");
    }
    at.web.end_policy_mails(&token.clone().into()).await.unwrap();
    assert!(!at.web.policy_mails(&maya).await.unwrap() && at.web.policy_mails(&jonas).await.unwrap());
    // Asked for anew, the mails of before do not end it.
    at.web.set_policy_mails(&maya, true).await.unwrap();
    assert!(matches!(at.web.end_policy_mails(&token.into()).await, Err(Error::LinkEnded)));
    assert!(at.web.policy_mails(&maya).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_an_account_all_of_it_goes() {
    let at = Installation::new().await;
    let made = at.web.sign_up(sign_up("jonas@example.com")).await.unwrap();
    behind(&at, "DELETE FROM apalis.jobs").await;
    let actor = at.actor(made.user).await;
    at.web.set_policy_mails(&actor, true).await.unwrap();
    assert_eq!(publish(&at, "2027-03-01").await.unwrap().mailed, 1);
    let tables = ["policy_acceptances", "policy_subscriptions", "policy_letters"];
    for table in tables {
        assert!(count(&at, table).await > 0, "{table}");
    }
    behind(&at, "DELETE FROM organisations").await;
    assert_eq!(behind(&at, "DELETE FROM users").await, 1);
    for table in tables {
        assert_eq!(count(&at, table).await, 0, "{table}");
    }
    // A mail that waited is to nobody.
    send(&at).await;
    assert_eq!(mails(&at).len(), 0);
    assert_eq!(publish(&at, "2027-03-01").await.unwrap().mailed, 0);
}
