//! Deletions: nothing is left of who or what was deleted, wherever one looks; the certificate says so and verifies; and a
//! copy from before opens nothing of it.

mod found;
mod log;

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration as Wait,
};

use kubewise_backend::{
    Actor, ErasureState, Error, NewNotification, Receiver, SignedCertificate,
    permission::{
        ManageClusters, ManageOrganisation, ManageOwnership, ManageTeam, RunAudits, ViewActivity, ViewInventory,
    },
    testing::{Installation, Tenant, TestDatabase},
};
use kubewise_contract::{
    Access, ActivityQuery, ClusterId, Field, NotificationName, Occasions, Role, RunState, Severity, Verdict,
};
use secrecy::SecretString;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use time::Duration;

use self::{found::found, log::Log};
use crate::bucket::place::{Place, once_more_on_s3};

/// What the queue says of its jobs, for who waited in vain.
async fn jobs(at: &Installation) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT job_type || ' ' || status || ' ' || attempts || ' ' || coalesce(last_result::text, '') FROM apalis.jobs",
    )
    .fetch_all(&at.database.superuser())
    .await
    .unwrap()
}

/// Tries what is asked for again and again, as the clock goes on: what breaks off is begun anew.
async fn until<T>(at: &Installation, ended: impl AsyncFn() -> Option<T>) -> T {
    let looks = at.worker();
    for round in 0..600 {
        if let Some(ended) = ended().await {
            return ended;
        }
        tokio::time::sleep(Wait::from_millis(100)).await;
        if round % 5 == 4 {
            at.pass(Duration::seconds(3));
            looks.look_for_erasures_now().await.unwrap();
        }
    }
    panic!("the deletion is not done: {:?}", jobs(at).await);
}

async fn until_ended(at: &Installation, token: &SecretString) -> ErasureState {
    until(at, async || Some(at.web.erasure(token).await.unwrap()).filter(|state| state.ended_at.is_some())).await
}

/// Where it is on an S3 server, that went wrong many times, and not all of it was repeated without beginning again.
fn was_disturbed(place: &Place, log: &Log, befallen: &AtomicUsize) {
    let log = log.text();
    assert!(log.contains("a deletion is done") && log.lines().any(|line| line.starts_with("TRACE")), "a log");
    let (befallen, again) =
        (befallen.load(Ordering::SeqCst), log.matches("a deletion could not be finished yet").count());
    assert_eq!((befallen > 10, again > 1), (place.is_on_s3(), place.is_on_s3()), "{befallen} and {again} times");
}

async fn certificate(at: &Installation, signed: &str) -> Value {
    let signed: SignedCertificate = serde_json::from_str(signed).unwrap();
    let keys = at.web.verifying_keys().await.unwrap();
    assert!(keys.iter().any(|key| signed.is_signed_by(key)), "the certificate verifies");
    let certificate: Value = serde_json::from_str(&signed.certificate).unwrap();
    assert_eq!(certificate["left"]["rows"], json!({}), "{certificate}");
    assert_eq!(certificate["left"]["objects"], 0);
    certificate
}

async fn set(at: &Installation, statement: &str, values: &[&str]) {
    let mut query = sqlx::query(AssertSqlSafe(statement));
    for value in values {
        query = query.bind(*value);
    }
    query.execute(&at.database.superuser()).await.unwrap();
}

/// Waits until no job waits.
async fn quiet(at: &Installation) {
    for _ in 0..600 {
        let waiting: i64 = count(at, "SELECT count(*) FROM apalis.jobs WHERE status NOT IN ('Done', 'Killed')").await;
        if waiting == 0 {
            return;
        }
        tokio::time::sleep(Wait::from_millis(50)).await;
    }
    panic!("jobs wait still: {:?}", jobs(at).await);
}

/// `said`: what nothing says but its manifest.
fn pod(name: &str, said: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "annotations": {"example.com/said": said}},
        "spec": {"hostPID": true, "containers": [{"name": "app", "image": "registry.example/very-own-image:1"}]},
    })
}

/// A cluster that was audited: with findings, evidence in the bucket, and mails about it.
async fn audited_cluster(at: &Installation, tenant: &Tenant, name: &str, pod_name: &str, said: &str) -> ClusterId {
    let cluster = at.cluster(tenant, name).await;
    for table in ["findings", "waivers", "audit_runs", "resources"] {
        let statement = format!("DELETE FROM {table} WHERE cluster_id = $1::uuid");
        set(at, &statement, &[&cluster.to_string()]).await;
    }
    at.put(tenant, cluster, &pod(pod_name, said)).await;
    // These are called after the cluster there, and are about none.
    for table in ["billing_letters", "billing_differences", "invoices"] {
        set(at, &format!("DELETE FROM {table} WHERE org_id = $1::uuid"), &[&tenant.org.to_string()]).await;
    }
    let org = at.look::<ViewInventory>(&tenant.owner, &tenant.slug).await.unwrap();
    let occasions = Occasions { new_findings: Some(Severity::Low), failed_runs: true, silent_clusters: true };
    let wanted = NewNotification {
        name: NotificationName::parse("to the owner").unwrap(),
        to: Receiver::Member(None),
        cluster: None,
        namespaces: Vec::new(),
        occasions,
        digest: None,
    };
    at.web.make_notification(&org, &wanted).await.unwrap();
    let run = at.web.cluster::<RunAudits>(&tenant.owner, &tenant.slug, cluster).await.unwrap();
    let number = at.web.run_audit(&run).await.unwrap();
    let look = at.web.cluster::<ViewInventory>(&tenant.owner, &tenant.slug, cluster).await.unwrap();
    for _ in 0..600 {
        let audit = at.web.cluster_audit(&look).await.unwrap();
        if audit.cluster.last.is_some_and(|last| last.number >= number && last.state == RunState::Done) {
            break;
        }
        tokio::time::sleep(Wait::from_millis(50)).await;
    }
    quiet(at).await;
    cluster
}

async fn verdict(at: &Installation, who: &Actor, tenant: &Tenant) -> Verdict {
    let org = at.look::<ViewActivity>(who, &tenant.slug).await.unwrap();
    at.web.verify_activity(&org).await.unwrap()
}

#[tokio::test]
async fn of_an_account_that_is_deleted_nothing_is_left() {
    let (log, place) = (Log::start(), Place::told().await);
    let at = place.installation().await;
    let tenant = at.tenant("acme").await;
    let worker = at.work();
    // Somebody with something in each table that is about people.
    let person = at.person("zarathustra.quillon@example.org").await;
    let user = person.user_id();
    set(&at, "UPDATE users SET name = 'Zarathustra Quillon' WHERE id = $1::uuid", &[&user.to_string()]).await;
    let person = at.actor(user).await;
    at.join(&tenant, &person, Role::Admin, None).await;
    at.web.begin_authenticator(&person).await.unwrap();
    for statement in [
        "INSERT INTO sessions VALUES ('\\x0011223344556677889900112233445566778899001122334455667788990011', $1::uuid, '{}', now(), now())",
        "INSERT INTO identities VALUES ('https://issuer.example', 'zarathustra quillon', $1::uuid, 'zarathustra.quillon@example.org', now(), now())",
        "INSERT INTO passkeys VALUES ($1::uuid, '\\x01', 'the phone of Zarathustra Quillon', '{}', now(), now())",
        "INSERT INTO known_browsers VALUES ($1::uuid, '\\x0011223344556677889900112233445566778899001122334455667788990011', now(), now())",
        "INSERT INTO recovery_codes VALUES ($1::uuid, '\\x0011223344556677889900112233445566778899001122334455667788990011', now())",
        "INSERT INTO account_links VALUES ('\\x0011223344556677889900112233445566778899001122334455667788990011', $1::uuid,
           'reset_password', 'zarathustra.quillon@example.org', now(), now() + interval '1 day')",
        "INSERT INTO waivers (org_id, id, rule, reason, owner, requested_at, requested_by)
         SELECT org_id, gen_random_uuid(), 'pss-host-pid', 'Zarathustra Quillon says so', 'zarathustra.quillon@example.org', now(),
           user_id FROM memberships WHERE user_id = $1::uuid",
        "INSERT INTO invitations (org_id, id, email, email_canonical, role, invited_by, created_at, expires_at)
         SELECT org_id, gen_random_uuid(), 'someone@example.com', 'someone@example.com', 'viewer', user_id, now(), now() + interval '1 day'
         FROM memberships WHERE user_id = $1::uuid",
    ] {
        set(&at, statement, &[&user.to_string()]).await;
    }
    // Invited elsewhere, mailed, and in the log as who did it and to whom it was done.
    let other = at.tenant("globex").await;
    let team = at.look::<ManageTeam>(&other.owner, &other.slug).await.unwrap();
    let email = kubewise_contract::EmailAddress::parse("Zarathustra.Quillon@example.org").unwrap();
    let access = Access { role: Role::Viewer, clusters: None };
    at.web.invite(&team, &other.owner, &email, &access, false).await.unwrap();
    let team = at.look::<ManageTeam>(&tenant.owner, &tenant.slug).await.unwrap();
    at.web.change_member(&team, user, &Access { role: Role::Operator, clusters: None }, true).await.unwrap();
    at.web.request_reset(&email, &visitor()).await.unwrap();
    at.web.request_export(&person).await.unwrap();
    quiet(&at).await;

    let words: Vec<String> = ["Zarathustra", "quillon", "zarathustra.quillon@example.org"]
        .map(str::to_owned)
        .into_iter()
        .chain([user.to_string()])
        .collect();
    let before = found(&at, &place, None, &words).await;
    for place in [
        "users",
        "sessions",
        "invitations",
        "waivers",
        "pseudonyms",
        "outbox",
        "person_keys",
        "key store: people/",
        "bucket: people/",
        "(a ZIP with ",
    ] {
        assert!(before.iter().any(|found| found.contains(place)), "{place} has nothing: {before:#?}");
    }

    let wrong = at.web.delete_account(&person, "someone@example.org").await;
    assert!(matches!(wrong, Err(Error::Invalid(error)) if error.field == Field::Email), "{wrong:?}");
    let befallen = place.disturb();
    let token = at.web.delete_account(&person, " ZARATHUSTRA.Quillon@example.org").await.unwrap();
    let state = until_ended(&at, &token).await;
    quiet(&at).await;
    place.calm();
    was_disturbed(&place, &log, &befallen);
    assert_eq!(found(&at, &place, Some(&log), &words).await, Vec::<String>::new());
    assert!(at.web.actor(user).await.unwrap().is_none());

    let certificate = certificate(&at, &state.certificate.unwrap()).await;
    assert_eq!((&certificate["deleted"], &certificate["held"]["rows"]["users"]), (&json!("account"), &json!(1)));
    for table in ["identities", "person_keys", "memberships", "sessions"] {
        assert_eq!(certificate["held"]["rows"][table], 1, "{table}: {certificate}");
    }
    // What they did is there still, and the log verifies.
    let log = at.look::<ViewActivity>(&tenant.owner, &tenant.slug).await.unwrap();
    let rows = at.web.activity(&log, &ActivityQuery::default()).await.unwrap().rows;
    assert!(
        rows.iter()
            .any(|row| row.action == "member.leave" && row.person.as_ref().unwrap().starts_with("former account"))
    );
    assert!(matches!(verdict(&at, &tenant.owner, &tenant).await, Verdict::Intact { .. }));
    // The address is free.
    at.person("zarathustra.quillon@example.org").await;
    drop(worker);
}

fn visitor() -> kubewise_backend::Visitor {
    kubewise_backend::Visitor { address: "198.51.100.7".parse().unwrap(), browser: String::new(), kept: None }
}

async fn count(at: &Installation, statement: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(&at.database.superuser()).await.unwrap()
}

/// The link of the newest mail to an address.
fn link_to(at: &Installation, address: &str) -> SecretString {
    let mails =
        std::fs::read_dir(at.outbox()).unwrap().map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    let text =
        mails.map(|mail| mail.replace("=\r\n", "").replace("=3D", "=")).find(|mail| mail.contains(address)).unwrap();
    text.split_once("token=")
        .unwrap()
        .1
        .chars()
        .take_while(|c| c.is_alphanumeric() || "-_".contains(*c))
        .collect::<String>()
        .into()
}

#[tokio::test]
async fn of_an_account_that_is_deleted_nothing_is_left_on_an_s3_server_either() {
    once_more_on_s3("erasure::of_an_account_that_is_deleted_nothing_is_left").await;
}

#[tokio::test]
async fn what_somebody_was_called_and_known_by_before_is_forgotten_too() {
    let (log, place) = (Log::start(), Place::told().await);
    let at = place.installation().await;
    let tenant = at.tenant("acme").await;
    let worker = at.work();
    let person = at.person("ottilie.brandt@example.org").await;
    let user = person.user_id();
    let name = |name: &str| kubewise_contract::PersonName::parse(name).unwrap();
    at.web.change_name(&person, &name("Ottilie Brandt")).await.unwrap();
    // Invited and joined by the address that they have then.
    let team = at.look::<ManageTeam>(&tenant.owner, &tenant.slug).await.unwrap();
    let email = kubewise_contract::EmailAddress::parse("ottilie.brandt@example.org").unwrap();
    let access = Access { role: Role::Operator, clusters: None };
    at.web.invite(&team, &tenant.owner, &email, &access, false).await.unwrap();
    quiet(&at).await;
    at.web.accept_invitation(&at.actor(user).await, &link_to(&at, email.as_str())).await.unwrap();
    for statement in [
        "INSERT INTO waivers (org_id, id, rule, reason, owner, requested_at)
         SELECT org_id, gen_random_uuid(), 'pss-host-pid', 'as Ottilie Brandt says', 'ottilie.brandt@example.org', now()
         FROM memberships WHERE user_id = $1::uuid",
        // Another's bills, to their address.
        "INSERT INTO billing_details (org_id, email, line1, line2, city, postal_code, state, country, unsent)
         SELECT org_id, 'Ottilie.Brandt@example.org', '', '', '', '', '', '', false FROM memberships WHERE user_id = $1::uuid",
        "UPDATE users SET email = 'O.Lange@example.org', email_canonical = 'o.lange@example.org' WHERE id = $1::uuid",
    ] {
        set(&at, statement, &[&user.to_string()]).await;
    }
    at.web.change_name(&at.actor(user).await, &name("Ottilie Lange")).await.unwrap();
    // A job has it in lower case.
    let current = kubewise_contract::EmailAddress::parse("O.Lange@example.org").unwrap();
    at.web.request_reset(&current, &visitor()).await.unwrap();

    let words = ["Ottilie", "brandt@", "o.lange@", &user.to_string()].map(str::to_owned);
    let before = found(&at, &place, None, &words).await;
    for place in ["users", "invitations", "waivers", "billing_details", "outbox"] {
        assert!(before.iter().any(|found| found.contains(place)), "{place} has nothing: {before:#?}");
    }
    let token = at.web.delete_account(&at.actor(user).await, "o.lange@example.org").await.unwrap();
    until_ended(&at, &token).await;
    quiet(&at).await;
    assert_eq!(found(&at, &place, Some(&log), &words).await, Vec::<String>::new());
    let owner = "SELECT count(*) FROM billing_details WHERE email = 'owner-of-acme@example.com' AND unsent";
    assert_eq!(count(&at, owner).await, 1, "bills go to an Owner, and Stripe is told");
    drop(worker);
}

#[tokio::test]
async fn a_former_address_that_is_anothers_by_now_is_theirs() {
    let at = Installation::new().await;
    let (tenant, other) = (at.tenant("acme").await, at.tenant("globex").await);
    let worker = at.work();
    let first = at.person("ops@example.org").await;
    at.join(&tenant, &first, Role::Viewer, None).await;
    let moved =
        "UPDATE users SET email = 'first@example.org', email_canonical = 'first@example.org' WHERE id = $1::uuid";
    set(&at, moved, &[&first.user_id().to_string()]).await;
    let second = at.person("ops@example.org").await;
    let waiver = "INSERT INTO waivers (org_id, id, rule, reason, owner, requested_at)
                  VALUES ($1::uuid, gen_random_uuid(), 'pss-host-pid', 'ask ops@example.org', 'first@example.org', now())";
    set(&at, waiver, &[&tenant.org.to_string()]).await;
    let team = at.look::<ManageTeam>(&other.owner, &other.slug).await.unwrap();
    let email = kubewise_contract::EmailAddress::parse("ops@example.org").unwrap();
    at.web.invite(&team, &other.owner, &email, &Access { role: Role::Viewer, clusters: None }, false).await.unwrap();
    quiet(&at).await;

    let token = at.web.delete_account(&at.actor(first.user_id()).await, "first@example.org").await.unwrap();
    until_ended(&at, &token).await;
    let invitations = "SELECT count(*) FROM invitations WHERE email = 'ops@example.org'";
    assert_eq!(count(&at, invitations).await, 1);
    let waivers = "SELECT count(*) FROM waivers WHERE owner = 'a former account' AND reason = 'ask ops@example.org'";
    assert_eq!(count(&at, waivers).await, 1);
    at.web.accept_invitation(&second, &link_to(&at, "ops@example.org")).await.unwrap();
    drop(worker);
}

#[tokio::test]
async fn an_account_that_is_being_deleted_is_out_of_use_and_joins_nothing() {
    let at = Installation::new().await;
    let person = at.person("quick@example.org").await;
    // Nobody works: it waits.
    let token = at.web.delete_account(&person, "quick@example.org").await.unwrap();
    assert!(at.web.actor(person.user_id()).await.unwrap().is_none());
    let name = kubewise_contract::OrganisationName::parse("Too late").unwrap();
    let made = at.web.create_organisation(&person, &name).await;
    assert!(matches!(&made, Err(error) if error.ui() == kubewise_contract::UiError::SignedOut), "{made:?}");
    // Who administers the installation does not let it in again.
    let administrator = at.person("administrator@example.org").await;
    let is = "UPDATE users SET is_administrator = true WHERE id = $1::uuid";
    set(&at, is, &[&administrator.user_id().to_string()]).await;
    let installation = at.web.installation(&administrator).await.unwrap();
    let let_in = at.web.disable_account(&installation, person.user_id(), false).await;
    assert!(matches!(let_in, Err(Error::NotFound)), "{let_in:?}");
    assert!(at.web.actor(person.user_id()).await.unwrap().is_none());
    let worker = at.work();
    until_ended(&at, &token).await;
    drop(worker);

    // Whichever of both is first, the account goes, or it is the only Owner of something.
    for round in 0..10 {
        let person = at.person(&format!("racing-{round}@example.org")).await;
        let worker = at.work();
        let name = kubewise_contract::OrganisationName::parse(&format!("Race {round}")).unwrap();
        let address = format!("racing-{round}@example.org");
        let (made, deleted) =
            tokio::join!(at.web.create_organisation(&person, &name), at.web.delete_account(&person, &address));
        match deleted {
            Ok(token) => {
                assert!(made.is_err(), "deleted, and made an organisation");
                until_ended(&at, &token).await;
            }
            Err(error) => assert!(matches!(error.ui(), kubewise_contract::UiError::LastOwner), "{error:?}"),
        }
        drop(worker);
    }
}

/// Anybody can make an account with an address, and call themselves anything.
#[tokio::test]
async fn nobody_takes_something_out_of_an_organisation_that_they_were_never_in() {
    let at = Installation::new().await;
    let tenant = at.tenant("acme").await;
    let worker = at.work();
    let team = at.look::<ManageTeam>(&tenant.owner, &tenant.slug).await.unwrap();
    let access = Access { role: Role::Viewer, clusters: None };
    let waiver = "INSERT INTO waivers (org_id, id, rule, reason, owner, requested_at)
                  VALUES ($1::uuid, gen_random_uuid(), 'image-tag-latest', 'until Latest Tag is gone', 'Latest Tag', now())";
    set(&at, waiver, &[&tenant.org.to_string()]).await;
    for (address, is_proven) in [("never@example.org", false), ("proven@example.org", true)] {
        let email = kubewise_contract::EmailAddress::parse(address).unwrap();
        at.web.invite(&team, &tenant.owner, &email, &access, false).await.unwrap();
        quiet(&at).await;
        let person = at.person(address).await;
        let user = person.user_id().to_string();
        set(&at, "UPDATE users SET name = 'Latest Tag', former_names = '{}' WHERE id = $1::uuid", &[&user]).await;
        if !is_proven {
            set(&at, "UPDATE users SET email_verified_at = NULL WHERE id = $1::uuid", &[&user]).await;
        }
        // Bills go there, of an organisation that they were never in.
        let bill =
            "INSERT INTO billing_details (org_id, email, line1, line2, city, postal_code, state, country, unsent)
                    VALUES ($1::uuid, initcap($2), '', '', '', '', '', '', false)
                    ON CONFLICT (org_id) DO UPDATE SET email = excluded.email, unsent = false";
        set(&at, bill, &[&tenant.org.to_string(), address]).await;
        // Others' mails that have the words of their name, and one to somebody who has the address, or says so.
        let mails = [
            (
                "named",
                "To: x@example.com\r\nSubject: the Latest Tag\r\n\r\nof http://127.0.0.1/o/other/\r\n".to_owned(),
            ),
            ("nowhere", "To: x@example.com\r\nSubject: the Latest Tag\r\n\r\nhttp://127.0.0.1/verify\r\n".to_owned()),
            ("to", format!("To: {address}\r\nSubject: s\r\n\r\nof http://127.0.0.1/o/other/\r\n")),
        ];
        let mails = mails.map(|(name, mail)| {
            let file = at.outbox().join(format!("{name}.eml"));
            std::fs::write(&file, mail).unwrap();
            (name, file)
        });
        let token = at.web.delete_account(&at.actor(person.user_id()).await, address).await.unwrap();
        until_ended(&at, &token).await;
        for (name, file) in mails {
            assert_eq!(file.exists(), name != "to" || !is_proven, "{name}, {address}");
        }
        let billed = "SELECT count(*) FROM billing_details WHERE email = 'owner-of-acme@example.com' AND unsent";
        assert_eq!(count(&at, billed).await, i64::from(is_proven), "{address}");
        let invitations = format!("SELECT count(*) FROM invitations WHERE email = '{address}'");
        assert_eq!(count(&at, &invitations).await, i64::from(!is_proven), "{address}");
        let whole = "SELECT count(*) FROM waivers WHERE owner = 'Latest Tag' AND reason = 'until Latest Tag is gone'";
        assert_eq!(count(&at, whole).await, 1);
        let verdict = verdict(&at, &tenant.owner, &tenant).await;
        assert!(matches!(verdict, Verdict::Intact { forgotten: 0, .. }), "{verdict:?}");
    }
    drop(worker);
}

#[tokio::test]
async fn who_can_be_told_of_a_deletion_is_told_once() {
    let at = Installation::new().await;
    let tenant = at.tenant("acme").await;
    let second = at.member(&tenant, "second", Role::Owner, None).await;
    // No mail can be written to it.
    set(&at, "UPDATE users SET email = 'nowhere' WHERE id = $1::uuid", &[&second.user_id().to_string()]).await;
    let org = at.look::<ManageOwnership>(&tenant.owner, &tenant.slug).await.unwrap();
    at.web.delete_organisation(&org, "acme", false).await.unwrap();
    let worker = at.work();
    let told = "SELECT count(*) FROM erasures WHERE mail_hash IS NOT NULL";
    for _ in 0..600 {
        if count(&at, told).await == 1 {
            break;
        }
        tokio::time::sleep(Wait::from_millis(50)).await;
    }
    at.pass(Duration::minutes(1));
    at.worker().look_for_erasures_now().await.unwrap();
    quiet(&at).await;
    assert_eq!(std::fs::read_dir(at.outbox()).unwrap().count(), 1);
    let state = at.web.erasure(&link_to(&at, "owner-of-acme@example.com")).await.unwrap();
    assert!(!state.has_begun, "and the mail's link leads somewhere");
    drop(worker);
}

#[tokio::test]
async fn who_is_the_only_owner_of_something_is_not_deleted() {
    let at = Installation::new().await;
    let tenant = at.tenant("acme").await;
    let second = at.member(&tenant, "second", Role::Owner, None).await;
    let only = at.tenant("globex").await;
    at.join(&only, &tenant.owner, Role::Owner, None).await;
    // Two who leave at once: one stays.
    let (one, two) = (at.web.clone(), at.web.clone());
    let (first, other) = (tenant.owner.clone(), second.clone());
    let (one, two) = tokio::join!(async { one.delete_account(&first, "owner-of-acme@example.com").await }, async {
        two.delete_account(&other, "second-of-acme@example.com").await
    },);
    assert!(one.is_ok() != two.is_ok(), "one of both is the last Owner");
    assert!(
        [one, two]
            .into_iter()
            .any(|result| matches!(&result, Err(error) if error.ui() == kubewise_contract::UiError::LastOwner))
    );
    // Where the other owner of both left, this one is the last.
    let owners: i64 = sqlx::query_scalar("SELECT count(*) FROM memberships WHERE org_id = $1 AND role = 'owner'")
        .bind(only.org.0)
        .fetch_one(&at.database.superuser())
        .await
        .unwrap();
    let refused = at.web.delete_account(&only.owner, "owner-of-globex@example.com").await;
    assert_eq!(refused.is_err(), owners == 1);
}

#[tokio::test]
async fn of_a_cluster_that_is_deleted_nothing_is_left() {
    let (log, place) = (Log::start(), Place::told().await);
    let at = place.installation().await;
    let tenant = at.tenant("acme").await;
    let worker = at.work();
    let kept = audited_cluster(&at, &tenant, "kept-cluster", "kept-pod", "glockenspiel").await;
    let gone = audited_cluster(&at, &tenant, "doomed-cluster", "doomed-pod", "xylophone").await;
    at.member(&tenant, "limited", Role::Operator, Some(&[gone])).await;
    let cluster = at.web.cluster::<ManageClusters>(&tenant.owner, &tenant.slug, gone).await.unwrap();
    at.web.rename_cluster(&cluster, &kubewise_contract::ClusterName::parse("doomed-renamed").unwrap()).await.unwrap();
    quiet(&at).await;
    let words = [&gone.to_string(), "doomed-cluster", "doomed-renamed", "doomed-pod", "xylophone"].map(str::to_owned);
    let before = found(&at, &place, None, &words).await;
    for place in ["clusters", "resources", "findings", "activity", "outbox", "bucket: "] {
        assert!(before.iter().any(|found| found.contains(place)), "{place}: {before:#?}");
    }
    let unpacked = found(&at, &place, None, &["xylophone".to_owned()]).await;
    for place in ["public.resources.manifest is (unpacked)", "bucket: "] {
        assert!(unpacked.iter().any(|found| found.contains(place)), "{place}: {unpacked:#?}");
    }

    let befallen = place.disturb();
    at.web.delete_cluster(&cluster).await.unwrap();
    let org = at.look::<ManageOrganisation>(&tenant.owner, &tenant.slug).await.unwrap();
    let ended = until(&at, async || {
        let data = at.web.organisation_data(&org).await.unwrap();
        data.deletions.into_iter().find(|deletion| deletion.ended_at.is_some())
    })
    .await;
    quiet(&at).await;
    place.calm();
    was_disturbed(&place, &log, &befallen);
    assert_eq!(found(&at, &place, Some(&log), &words).await, Vec::<String>::new());
    let signed = at.web.cluster_certificate(&org, &ended.id).await.unwrap();
    let certificate = certificate(&at, &signed).await;
    assert!(certificate["held"]["rows"]["resources"] == 1 && certificate["held"]["objects"] == 1, "{certificate}");
    // The other one has all it had.
    let other = found(&at, &place, None, &[kept.to_string(), "kept-pod".to_owned()]).await;
    for place in ["clusters", "resources", "findings", "activity"] {
        assert!(other.iter().any(|found| found.contains(place)), "{place}: {other:#?}");
    }
    let look = at.web.cluster::<ViewInventory>(&tenant.owner, &tenant.slug, kept).await.unwrap();
    assert!(String::from_utf8(at.web.evidence(&look, 1).await.unwrap()).unwrap().contains("kept-pod"));
    assert!(matches!(verdict(&at, &tenant.owner, &tenant).await, Verdict::Intact { .. }));
    // Another organisation is not told how it went.
    let globex = at.tenant("globex").await;
    let foreign = at.look::<ManageOrganisation>(&globex.owner, &globex.slug).await.unwrap();
    let id = at.web.organisation_data(&org).await.unwrap().deletions[0].id.clone();
    assert!(matches!(at.web.cluster_certificate(&foreign, &id).await, Err(Error::NotFound)));
    drop(worker);
}

#[tokio::test]
async fn of_a_cluster_that_is_deleted_nothing_is_left_on_an_s3_server_either() {
    once_more_on_s3("erasure::of_a_cluster_that_is_deleted_nothing_is_left").await;
}

#[tokio::test]
async fn of_an_organisation_that_is_deleted_nothing_is_left_and_a_copy_from_before_opens_nothing() {
    let (log, place) = (Log::start(), Place::told().await);
    let at = place.installation().await;
    let tenant = at.tenant("doomed-industries").await;
    let other = at.tenant("globex").await;
    let worker = at.work();
    let cluster = audited_cluster(&at, &tenant, "doomed-cluster", "doomed-pod", "xylophone").await;
    at.cluster(&tenant, "doomed-second").await;
    at.cluster(&other, "living-cluster").await;
    let org = at.look::<ViewInventory>(&tenant.owner, &tenant.slug).await.unwrap();
    let wanted = NewNotification {
        name: NotificationName::parse("hook").unwrap(),
        to: Receiver::Webhook("https://hooks.doomed.example/secret-path".to_owned().into()),
        cluster: None,
        namespaces: Vec::new(),
        occasions: Occasions { new_findings: Some(Severity::Low), failed_runs: false, silent_clusters: false },
        digest: None,
    };
    let (hook, _) = at.web.make_notification(&org, &wanted).await.unwrap();
    quiet(&at).await;

    // As a backup has it: the database and the bucket.
    let mut objects = Vec::new();
    for name in place.objects().await {
        objects.push((place.object(&name), std::fs::read(place.object(&name)).unwrap()));
    }
    let backup = at.database.copy().await;
    // By a server that has just started, and by those that run.
    let reads = async |backup: &TestDatabase| {
        let web = backup.web(&at.world);
        let look = web.cluster::<ViewInventory>(&tenant.owner, &tenant.slug, cluster).await.unwrap();
        let evidence = web.evidence(&look, 1).await;
        let column = backup.opens_webhook(tenant.org, hook).await;
        (evidence, column)
    };
    let (evidence, column) = reads(&backup).await;
    assert!(String::from_utf8(evidence.unwrap()).unwrap().contains("doomed-pod"), "the copy is whole");
    assert_eq!(column.unwrap(), "https://hooks.doomed.example/secret-path");

    let words: Vec<String> = vec![
        tenant.org.to_string(),
        cluster.to_string(),
        "doomed-industries".to_owned(),
        "doomed-cluster".to_owned(),
        "doomed-pod".to_owned(),
        "xylophone".to_owned(),
        "doomed-second".to_owned(),
        "very-own-image".to_owned(),
        "hooks.doomed.example".to_owned(),
    ];
    // Its Owner's address is made of its name, and stays.
    set(&at, "UPDATE users SET email = 'owner@example.com', email_canonical = 'owner@example.com', name = 'Owner' WHERE id = $1::uuid",
        &[&tenant.owner.user_id().to_string()]).await;
    set(
        &at,
        "UPDATE users SET former_names = '{}', former_addresses = '{}' WHERE id = $1::uuid",
        &[&tenant.owner.user_id().to_string()],
    )
    .await;
    let org = at.look::<ManageOwnership>(&tenant.owner, &tenant.slug).await.unwrap();
    assert!(at.web.delete_organisation(&org, "Doomed", true).await.is_err(), "the name is typed");
    let before = found(&at, &place, None, &words).await;
    for place in ["resources.manifest is (unpacked)", "notifications.url opens", "bucket: ", "key store: ", "outbox"] {
        assert!(before.iter().any(|found| found.contains(place)), "{place}: {before:#?}");
    }
    let befallen = place.disturb();
    let token = at.web.delete_organisation(&org, "doomed-industries", true).await.unwrap();
    let state = until_ended(&at, &token).await;
    quiet(&at).await;
    place.calm();
    was_disturbed(&place, &log, &befallen);
    assert_eq!(found(&at, &place, Some(&log), &words).await, Vec::<String>::new());
    let certificate = certificate(&at, &state.certificate.unwrap()).await;
    assert_eq!(certificate["keys_destroyed"].as_array().unwrap().len(), 1, "{certificate}");
    assert!(certificate["held"]["rows"]["clusters"] == 2, "{certificate}");
    assert!(at.web.organisation::<ManageOwnership>(&tenant.owner, &tenant.slug).await.is_err());
    let others = found(&at, &place, None, &["living-cluster".to_owned()]).await;
    assert!(others.len() > 3, "{others:#?}");

    // The copy, with the objects as they were, and all keys that the installation has.
    for (file, object) in &objects {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, object).unwrap();
    }
    for backup in [backup.clone(), backup.with_keys(place.keys())] {
        let (evidence, column) = reads(&backup).await;
        for error in [evidence.unwrap_err(), column.unwrap_err()] {
            assert!(error.to_string().contains("it was destroyed"), "a copy from before opens nothing: {error}");
        }
    }
    assert_eq!(place.objects().await.len(), objects.len(), "all of them are there again");
    drop(worker);
}

#[tokio::test]
async fn of_an_organisation_that_is_deleted_nothing_is_left_on_an_s3_server_either() {
    once_more_on_s3("erasure::of_an_organisation_that_is_deleted_nothing_is_left_and_a_copy_from_before_opens_nothing")
        .await;
}

#[tokio::test]
async fn an_organisation_can_be_kept_for_a_week_and_not_any_longer() {
    let at = Installation::new().await;
    let tenant = at.tenant("acme").await;
    let worker = at.work();
    let org = at.look::<ManageOwnership>(&tenant.owner, &tenant.slug).await.unwrap();
    let admin = at.member(&tenant, "admin", Role::Admin, None).await;
    assert!(matches!(at.look::<ManageOwnership>(&admin, &tenant.slug).await, Err(Error::Forbidden)));
    let token = at.web.delete_organisation(&org, "acme", false).await.unwrap();
    let managed = at.look::<ManageOrganisation>(&admin, &tenant.slug).await.unwrap();
    assert!(at.web.organisation_data(&managed).await.unwrap().deleted_at.is_some(), "all who manage it see it");
    at.pass(Duration::days(6));
    quiet(&at).await;
    assert!(!at.web.erasure(&token).await.unwrap().has_begun);
    at.web.keep_organisation(&org).await.unwrap();
    assert!(matches!(at.web.erasure(&token).await, Err(Error::LinkEnded)));
    at.pass(Duration::days(2));
    at.look::<ManageOwnership>(&tenant.owner, &tenant.slug).await.unwrap();

    let token = at.web.delete_organisation(&org, "acme", false).await.unwrap();
    // Asked for again, the last word counts.
    let again = at.web.delete_organisation(&org, "acme", false).await.unwrap();
    assert!(matches!(at.web.erasure(&token).await, Err(Error::LinkEnded)));
    at.pass(Duration::days(7));
    let state = until_ended(&at, &again).await;
    assert!(state.certificate.is_some());
    assert!(matches!(at.web.keep_organisation(&org).await, Err(Error::NotFound)));
    let mails: BTreeSet<_> = std::fs::read_dir(at.outbox()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(mails.is_empty(), "mails about it are gone too");
    drop(worker);
}
