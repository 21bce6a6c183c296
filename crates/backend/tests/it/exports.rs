//! What a person takes out: everything that the register says is about them, and nothing of anybody else; by a link that
//! works once, for them alone.

use std::{io::Read as _, time::Duration as Wait};

use futures::TryStreamExt as _;
use kubewise_backend::{
    Actor, Error, World,
    permission::{ManageClusters, ManageTeam},
    register::{Is, Register},
    testing::{Installation, Tenant},
};
use kubewise_contract::{Access, EmailAddress, ExportState, Role};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use sqlx::AssertSqlSafe;
use time::Duration;

/// What happens between people and organisations.
#[derive(Clone, Debug)]
enum Step {
    Join(usize, usize),
    Leave(usize, usize),
    Change(usize, usize),
    Invite(usize, usize),
    Waive(usize, usize),
    Token(usize, usize),
    Browse(usize),
    Authenticator(usize),
    Cluster(usize),
}

#[derive(Clone, Debug)]
struct Story {
    people: usize,
    organisations: usize,
    steps: Vec<Step>,
}

fn stories() -> impl Strategy<Value = Story> {
    let step = prop_oneof![
        4 => (any::<usize>(), any::<usize>()).prop_map(|(org, who)| Step::Join(org, who)),
        1 => (any::<usize>(), any::<usize>()).prop_map(|(org, who)| Step::Leave(org, who)),
        2 => (any::<usize>(), any::<usize>()).prop_map(|(org, who)| Step::Change(org, who)),
        2 => (any::<usize>(), any::<usize>()).prop_map(|(org, who)| Step::Invite(org, who)),
        2 => (any::<usize>(), any::<usize>()).prop_map(|(org, who)| Step::Waive(org, who)),
        2 => (any::<usize>(), any::<usize>()).prop_map(|(org, who)| Step::Token(org, who)),
        2 => any::<usize>().prop_map(Step::Browse),
        1 => any::<usize>().prop_map(Step::Authenticator),
        1 => any::<usize>().prop_map(Step::Cluster),
    ];
    (2_usize..5, 1_usize..4, vec(step, 0..24)).prop_map(|(people, organisations, steps)| Story {
        people,
        organisations,
        steps,
    })
}

async fn tell(at: &Installation, story: &Story) -> Vec<Actor> {
    let mut people = Vec::new();
    for n in 0..story.people {
        people
            .push(at.person(&format!("somebody{n}x{}@example.org", hex::encode(World::system().random::<4>()))).await);
    }
    let mut tenants: Vec<Tenant> = Vec::new();
    for n in 0..story.organisations {
        tenants.push(at.tenant(&format!("organisation-{n}")).await);
    }
    people.extend(tenants.iter().map(|tenant| tenant.owner.clone()));
    let behind = at.database.superuser();
    let is_member = async |tenant: &Tenant, who: &Actor| -> bool {
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM memberships WHERE org_id = $1 AND user_id = $2)")
            .bind(tenant.org.0)
            .bind(who.user_id().0)
            .fetch_one(&behind)
            .await
            .unwrap()
    };
    for (number, step) in story.steps.iter().enumerate() {
        let tenant = |n: &usize| &tenants[n % tenants.len()];
        let person = |n: &usize| &people[n % story.people];
        match step {
            Step::Join(org, who) if !is_member(tenant(org), person(who)).await => {
                at.join(tenant(org), person(who), Role::Admin, None).await;
            }
            Step::Leave(org, who) if is_member(tenant(org), person(who)).await => {
                let team = at.look::<ManageTeam>(&tenant(org).owner, &tenant(org).slug).await.unwrap();
                at.web.remove_member(&team, person(who).user_id(), true).await.unwrap();
            }
            Step::Change(org, who) if is_member(tenant(org), person(who)).await => {
                let team = at.look::<ManageTeam>(&tenant(org).owner, &tenant(org).slug).await.unwrap();
                let role = if number % 2 == 0 { Role::Admin } else { Role::Operator };
                let access = Access { role, clusters: None };
                at.web.change_member(&team, person(who).user_id(), &access, true).await.unwrap();
            }
            Step::Invite(org, who) if !is_member(tenant(org), person(who)).await => {
                let team = at.look::<ManageTeam>(&tenant(org).owner, &tenant(org).slug).await.unwrap();
                let email: String = sqlx::query_scalar("SELECT email FROM users WHERE id = $1")
                    .bind(person(who).user_id().0)
                    .fetch_one(&behind)
                    .await
                    .unwrap();
                let access = Access { role: Role::Viewer, clusters: None };
                let email = EmailAddress::parse(&email).unwrap();
                // One that waits already is refused.
                drop(at.web.invite(&team, &tenant(org).owner, &email, &access, false).await);
            }
            Step::Waive(org, who) if is_member(tenant(org), person(who)).await => {
                sqlx::query(
                    "INSERT INTO waivers (org_id, id, rule, reason, owner, requested_at, requested_by, approved_at, approved_by)
                     VALUES ($1, gen_random_uuid(), 'pss-host-pid', 'because ' || $3, 'a team', now(), $2, now(), $2)",
                )
                .bind(tenant(org).org.0)
                .bind(person(who).user_id().0)
                .bind(number.to_string())
                .execute(&behind)
                .await
                .unwrap();
            }
            Step::Token(org, who) if is_member(tenant(org), person(who)).await => {
                sqlx::query(
                    "INSERT INTO api_tokens (org_id, id, hash, name, user_id, created_by, permissions, created_at, expires_at)
                     VALUES ($1, gen_random_uuid(), sha256($3::bytea), 'token ' || $4, $2, $2, '{view_inventory}', now(),
                       now() + interval '1 day')",
                )
                .bind(tenant(org).org.0)
                .bind(person(who).user_id().0)
                .bind(World::system().random::<16>().to_vec())
                .bind(number.to_string())
                .execute(&behind)
                .await
                .unwrap();
            }
            Step::Browse(who) => {
                sqlx::query(
                    "INSERT INTO sessions VALUES (sha256($2), $1, '{\"browser\": \"Firefox on Linux\", \"place\": \"198.51.100.0/24\"}',
                       now(), now())",
                )
                .bind(person(who).user_id().0)
                .bind(World::system().random::<16>().to_vec())
                .execute(&behind)
                .await
                .unwrap();
            }
            Step::Authenticator(who) => at.web.begin_authenticator(person(who)).await.unwrap(),
            Step::Cluster(org) => {
                let cluster = at.cluster(tenant(org), &format!("cluster-{number}")).await;
                let cluster =
                    at.web.cluster::<ManageClusters>(&tenant(org).owner, &tenant(org).slug, cluster).await.unwrap();
                at.web.revoke_token(&cluster).await.unwrap();
            }
            _ => {}
        }
    }
    people
}

/// Asks for everything about somebody, and reads it by the link.
async fn taken(at: &Installation, who: &Actor) -> (String, Value) {
    at.web.request_export(who).await.unwrap();
    for _ in 0..600 {
        let mailed: bool = sqlx::query_scalar("SELECT bool_and(hash IS NOT NULL) FROM exports WHERE user_id = $1")
            .bind(who.user_id().0)
            .fetch_one(&at.database.superuser())
            .await
            .unwrap();
        if mailed {
            break;
        }
        tokio::time::sleep(Wait::from_millis(50)).await;
    }
    let made = at.web.privacy(who).await.unwrap().exports.remove(0);
    assert!(matches!(made.state, ExportState::Ready { .. }), "{made:?}");
    // What the link in the mail carries is known to the mail alone: another one is put in its place.
    let link = hex::encode(World::system().random::<16>());
    let changed =
        sqlx::query("UPDATE exports SET hash = $2 WHERE user_id = $1 AND used_at IS NULL AND object IS NOT NULL")
            .bind(who.user_id().0)
            .bind(Sha256::digest(link.as_bytes()).to_vec())
            .execute(&at.database.superuser())
            .await
            .unwrap();
    assert_eq!(changed.rows_affected(), 1, "it was made");
    let link = link.into();
    assert!(at.web.is_export_there(who, &link).await.unwrap());
    let pieces: Vec<_> = at.web.take_export(who, &link).await.unwrap().try_collect().await.unwrap();
    assert!(matches!(at.web.take_export(who, &link).await, Err(Error::LinkEnded)), "it works once");
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(pieces.concat())).unwrap();
    let mut file = |name: &str| {
        let mut text = String::new();
        zip.by_name(name).unwrap().read_to_string(&mut text).unwrap();
        text
    };
    let (index, data) = (file("index.html"), file("data.json"));
    let json = serde_json::from_str(&data).unwrap();
    (format!("{index}\n{data}"), json)
}

/// What the database has about somebody, found without the code that makes exports.
async fn held(at: &Installation, who: &Actor) -> Vec<(String, Map<String, Value>, Vec<String>)> {
    let behind = at.database.superuser();
    let (address,): (String,) = sqlx::query_as("SELECT email_canonical FROM users WHERE id = $1")
        .bind(who.user_id().0)
        .fetch_one(&behind)
        .await
        .unwrap();
    let mut held = Vec::new();
    for (name, table) in &Register::get().unwrap().tables {
        for rows in &table.rows {
            let (wanted, value) = match rows.is {
                Is::Account => (format!("{}::text = $1", rows.column), who.user_id().to_string()),
                Is::Address => (format!("lower({}) = $1", rows.column), address.clone()),
                Is::Pseudonym => (
                    format!(
                        "(t.org_id, t.{}) IN (SELECT p.org_id, p.pseudonym FROM pseudonyms p WHERE p.user_id::text = $1)",
                        rows.column
                    ),
                    who.user_id().to_string(),
                ),
            };
            let found: Vec<Value> =
                sqlx::query_scalar(AssertSqlSafe(format!("SELECT to_jsonb(t) FROM {name} t WHERE {wanted}")))
                    .bind(value)
                    .fetch_all(&behind)
                    .await
                    .unwrap();
            for row in found {
                let Value::Object(mut row) = row else { unreachable!() };
                row.retain(|column, _| rows.only.is_empty() || rows.only.contains(column));
                let withheld = row.keys().filter(|column| table.columns[*column].withheld.is_some()).cloned().collect();
                held.push((name.clone(), row, withheld));
            }
        }
    }
    held
}

async fn check(story: &Story) {
    let at = Installation::new().await;
    let worker = at.work();
    let people = tell(&at, story).await;
    let behind = at.database.superuser();
    for who in &people {
        let (text, json) = taken(&at, who).await;
        let mut expected = held(&at, who).await;
        // What being asked changed: the export itself is about them too, and was not made yet when it was.
        expected.retain(|(table, ..)| table != "exports" && table != "person_keys");
        assert!(expected.iter().any(|(table, ..)| table == "users"));
        for (table, row, withheld) in &expected {
            let given = json["tables"][table].as_array().unwrap_or_else(|| panic!("{table} is not in it"));
            let is_given = |given: &Value| {
                row.iter().all(|(column, value)| {
                    if withheld.contains(column) {
                        given[column].as_str().is_some_and(|text| text.contains("not given"))
                    } else {
                        given[column] == *value
                    }
                })
            };
            assert!(given.iter().any(is_given), "{table}: {row:?} is not in {given:#?}");
        }
        let others: Vec<(String, String, String)> =
            sqlx::query_as("SELECT name, email, id::text FROM users WHERE id <> $1")
                .bind(who.user_id().0)
                .fetch_all(&behind)
                .await
                .unwrap();
        let pseudonyms: Vec<String> = sqlx::query_scalar("SELECT pseudonym::text FROM pseudonyms WHERE user_id <> $1")
            .bind(who.user_id().0)
            .fetch_all(&behind)
            .await
            .unwrap();
        for (name, email, id) in others {
            for word in [name, email, id] {
                assert!(!text.contains(&word), "{word} is somebody else's\n{text}");
            }
        }
        for pseudonym in pseudonyms {
            assert!(!text.contains(&pseudonym), "{pseudonym} is somebody else's\n{text}");
        }
    }
    drop(worker);
}

#[test]
fn all_that_is_held_about_somebody_is_in_it_and_nothing_of_anybody_else() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(6);
    let config = Config { cases, max_shrink_iters: 20, failure_persistence: None, ..Config::default() };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    TestRunner::new(config)
        .run(&stories(), |story| {
            runtime.block_on(check(&story));
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn a_link_is_for_one_person_once_for_a_week_and_the_object_goes() {
    let at = Installation::new().await;
    let (maya, jonas) = (at.person("maya@example.com").await, at.person("jonas@example.com").await);
    let worker = at.work();
    at.web.request_export(&maya).await.unwrap();
    at.web.request_export(&maya).await.unwrap();
    assert_eq!(at.web.privacy(&maya).await.unwrap().exports.len(), 1, "one at a time");
    let behind = at.database.superuser();
    for _ in 0..600 {
        let mailed: bool =
            sqlx::query_scalar("SELECT bool_and(hash IS NOT NULL) FROM exports").fetch_one(&behind).await.unwrap();
        if mailed {
            break;
        }
        tokio::time::sleep(Wait::from_millis(50)).await;
    }
    let link = "the link".to_owned();
    sqlx::query("UPDATE exports SET hash = $1")
        .bind(Sha256::digest(link.as_bytes()).to_vec())
        .execute(&behind)
        .await
        .unwrap();
    let link = link.into();
    assert!(!at.web.is_export_there(&jonas, &link).await.unwrap());
    assert!(matches!(at.web.take_export(&jonas, &link).await, Err(Error::LinkEnded)));
    assert!(matches!(at.web.take_export(&maya, &"another".to_owned().into()).await, Err(Error::LinkEnded)));
    at.pass(Duration::days(7));
    assert!(matches!(at.web.take_export(&maya, &link).await, Err(Error::LinkEnded)), "too old");
    for _ in 0..600 {
        let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM exports WHERE object IS NOT NULL")
            .fetch_one(&behind)
            .await
            .unwrap();
        if kept == 0 {
            break;
        }
        tokio::time::sleep(Wait::from_millis(50)).await;
    }
    assert!(!at.database.objects().join("people").exists(), "nothing is left of it");
    at.pass(Duration::days(31));
    for _ in 0..600 {
        if at.web.privacy(&maya).await.unwrap().exports.is_empty() {
            break;
        }
        tokio::time::sleep(Wait::from_millis(50)).await;
    }
    assert!(at.web.privacy(&maya).await.unwrap().exports.is_empty(), "and that there was one is forgotten");
    // Each reads all there is: there are three in a day.
    for _ in 0..3 {
        at.web.request_export(&jonas).await.unwrap();
        for _ in 0..600 {
            let exports = at.web.privacy(&jonas).await.unwrap().exports;
            if exports.iter().all(|export| matches!(export.state, ExportState::Ready { .. })) {
                break;
            }
            tokio::time::sleep(Wait::from_millis(50)).await;
        }
    }
    assert!(matches!(at.web.request_export(&jonas).await, Err(Error::TooMany { .. })));
    drop(worker);
}
