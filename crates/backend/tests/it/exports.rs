//! What a person takes out: everything that the register says is about them, and nothing of anybody else; by a link that
//! works once, for them alone.

use std::{cell::RefCell, cmp::Reverse, collections::BTreeSet, io::Read as _, time::Duration as Wait};

use futures::TryStreamExt as _;
use kubewise_backend::{
    Actor, Error, World,
    permission::{ManageClusters, ManageTeam},
    register::{Is, Register},
    testing::{Installation, Tenant},
};
use kubewise_contract::{Access, EmailAddress, ExportState, Role, UserId};
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use sqlx::{AssertSqlSafe, PgPool};
use time::Duration;

/// What happens to somebody, or between them and another, in an organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Join,
    Leave,
    Change,
    Limit,
    Invite,
    Invited,
    Waive,
    Token,
    Notify,
    Audit,
    Bill,
    Cluster,
    Browse,
    KnownBrowser,
    Link,
    Authenticator,
    RecoveryCode,
    Passkey,
    Identity,
    SignUp,
    Policies,
    Export,
    /// An organisation that they have nothing else to do with has their address on its invoices.
    BillElsewhere,
    /// They get another name and address; what was written to the one before stays.
    Move,
    /// The other gets an address that was theirs.
    TakeOver,
    /// Their account is going to be deleted.
    Delete,
}

impl What {
    const ALL: [Self; 26] = [
        Self::Join,
        Self::Leave,
        Self::Change,
        Self::Limit,
        Self::Invite,
        Self::Invited,
        Self::Waive,
        Self::Token,
        Self::Notify,
        Self::Audit,
        Self::Bill,
        Self::Cluster,
        Self::Browse,
        Self::KnownBrowser,
        Self::Link,
        Self::Authenticator,
        Self::RecoveryCode,
        Self::Passkey,
        Self::Identity,
        Self::SignUp,
        Self::Policies,
        Self::Export,
        Self::BillElsewhere,
        Self::Move,
        Self::TakeOver,
        Self::Delete,
    ];

    /// What it writes from behind the walls, in the name of nobody's page. In the place of `$org`, `$who`, `$other` and `$owner`
    /// stand ids, of `$name` the other's name, of `$address` theirs; `$theirs`, `$others` and `$shared` are words that they
    /// alone, the other alone and these two may read, and `$mailed` whoever has the address.
    const fn rows(self) -> &'static [&'static str] {
        match self {
            Self::Limit => &["UPDATE memberships SET role = 'operator', clusters = ARRAY[gen_random_uuid()]
                              WHERE org_id = '$org' AND user_id = '$who'"],
            Self::Invited => &["INSERT INTO invitations (org_id, id, email, email_canonical, role, clusters, invited_by,
                                  accepted_by, created_at, expires_at, accepted_at, revoked_at)
                                VALUES ('$org', gen_random_uuid(), '$address', lower('$address'), 'viewer',
                                  ARRAY[gen_random_uuid()], '$other', '$who', now(), now() + interval '1 day', now(), now())"],
            Self::Waive => &["INSERT INTO waivers (org_id, id, rule, reason, owner, expires_on, requested_at, requested_by,
                                approved_at, approved_by, ended_at, ended_by)
                              VALUES ('$org', gen_random_uuid(), 'pss-host-pid', 'because $theirs', '$name', '2100-01-01', now(),
                                '$who', now(), '$other', now(), '$owner')"],
            Self::Token => &[
                "INSERT INTO api_tokens (org_id, id, hash, name, user_id, created_by, permissions, clusters, created_at,
                   expires_at, last_used_at, revoked_at)
                 VALUES ('$org', gen_random_uuid(), sha256(gen_random_uuid()::text::bytea), 'token $shared', '$who', '$other',
                   '{view_inventory}', ARRAY[gen_random_uuid()], now(), now() + interval '1 day', now(), now())",
                "UPDATE activity SET token_id = gen_random_uuid() WHERE org_id = '$org' AND seq = 1",
            ],
            Self::Notify => &[
                "INSERT INTO notifications (org_id, id, name, channel, user_id, created_by, created_at, cluster_id, namespaces,
                   least_severity, failed_runs, silent_clusters, cron, time_zone, next_at, told_until, ended_at, ended)
                 VALUES ('$org', gen_random_uuid(), 'mail $shared', 'mail', '$who', '$other', now(),
                   (SELECT id FROM clusters WHERE org_id = '$org' LIMIT 1), '{ns-$theirs}', 2, true, true, '0 6 * * *', 'UTC',
                   '2100-01-01', now(), now(), 'gone')",
                "INSERT INTO notifications (org_id, id, name, channel, created_by, created_at, failed_runs, silent_clusters,
                   url, host, secret)
                 VALUES ('$org', gen_random_uuid(), 'hook $others', 'webhook', '$other', now(), true, true, 'sealed',
                   'h$others.example', 'sealed')",
            ],
            Self::Audit => &["INSERT INTO audit_runs (org_id, cluster_id, number, state, requested_at, requested_by)
                              SELECT '$org', c.id, 1000 + (SELECT count(*) FROM audit_runs), 'done', now(), '$who'
                              FROM clusters c WHERE c.org_id = '$org' LIMIT 1"],
            Self::Bill | Self::BillElsewhere => &["INSERT INTO billing_details (org_id, email, line1, line2, city, postal_code, state, country)
                 VALUES ('$org', initcap('$address'), '$mailed', '2nd floor', 'Bonn', '53111', 'NW', 'DE')
                 ON CONFLICT (org_id) DO UPDATE SET email = excluded.email, line1 = excluded.line1"],
            Self::Browse => &["INSERT INTO sessions VALUES (sha256('$theirs'), '$who',
                                 '{\"browser\": \"Browser $theirs\", \"place\": \"198.51.100.0/24\"}', now(), now())"],
            Self::KnownBrowser => &["INSERT INTO known_browsers VALUES ('$who', sha256('$theirs'), now(), now())"],
            Self::Link => &["INSERT INTO account_links VALUES (sha256('$theirs'), '$who', 'change_address', 'to$theirs@example.net',
                               now(), now() + interval '1 day')"],
            Self::Authenticator => &["UPDATE authenticators SET confirmed_at = now(), last_step = 1 WHERE user_id = '$who'"],
            Self::RecoveryCode => &["INSERT INTO recovery_codes VALUES ('$who', sha256('$theirs'), now())"],
            Self::Passkey => &["INSERT INTO passkeys VALUES ('$who', '\\x$theirs', 'Key $theirs', '{\"cred\": \"$theirs\"}', now(),
                                  now())"],
            Self::Identity => &["INSERT INTO identities VALUES ('https://i$theirs.example', 's$theirs', '$who',
                                   'at$theirs@example.net', now(), now())"],
            Self::SignUp => &["INSERT INTO sign_up_invitations VALUES (sha256('$theirs'), lower('$address'), now(),
                                 now() + interval '1 day')"],
            Self::Policies => &[
                "INSERT INTO policy_acceptances VALUES ('$who', 'terms-$theirs', '2020-01-01', now())",
                "INSERT INTO policy_subscriptions VALUES ('$who', sha256('$theirs'), now()) ON CONFLICT DO NOTHING",
                "INSERT INTO policy_letters VALUES ('$who', 'privacy-$theirs', '2020-01-01', now())",
            ],
            // Of the days before, and just taken: it counts for nothing that is asked for today, and its object stays for an hour.
            Self::Export => &["INSERT INTO exports (id, user_id, requested_at, next_try_at, object, bytes, made_at, expires_at, hash,
                                 used_at)
                               VALUES (gen_random_uuid(), '$who', now() - interval '2 days', now(), 'people/$who/$theirs', 1,
                                 now() - interval '1 day', now() + interval '6 days', sha256('$theirs'), now())"],
            // It is neither due nor to be mailed: nothing happens to it.
            Self::Delete => &["INSERT INTO erasures (id, kind, hash, mail_hash, user_id, requested_at, due_at, next_try_at, begun_at,
                                 held, kept)
                               VALUES (gen_random_uuid(), 'account', sha256('$theirs'), sha256('2$theirs'), '$who', now(),
                                 '2100-01-01', '2100-01-01', now(), '{\"rows\": {\"$theirs\": 1}}', '[\"$theirs\"]')
                               ON CONFLICT DO NOTHING"],
            Self::Move => &["UPDATE users SET name = 'Renamed $theirs', email = 'At$theirs@example.org',
                               email_canonical = 'at$theirs@example.org' WHERE id = '$who'"],
            Self::TakeOver => &["UPDATE users SET email = former.address, email_canonical = lower(former.address)
                                 FROM (SELECT unnest(former_addresses) address FROM users WHERE id = '$who') former
                                 WHERE id = '$other' AND former.address = (SELECT former_addresses[1] FROM users WHERE id = '$who')
                                   AND NOT EXISTS (SELECT FROM users u WHERE u.email_canonical = lower(former.address))"],
            Self::Join | Self::Leave | Self::Change | Self::Invite | Self::Cluster => &[],
        }
    }

    /// Whether it is done among members.
    const fn is_among_members(self) -> bool {
        matches!(
            self,
            Self::Change
                | Self::Limit
                | Self::Invited
                | Self::Move
                | Self::Waive
                | Self::Token
                | Self::Notify
                | Self::Audit
        )
    }
}

#[derive(Clone, Debug)]
struct Step {
    what: What,
    org: usize,
    who: usize,
    other: usize,
}

#[derive(Clone, Debug)]
struct Story {
    people: usize,
    organisations: usize,
    steps: Vec<Step>,
}

fn stories() -> impl Strategy<Value = Story> {
    let indices = || (any::<usize>(), any::<usize>(), any::<usize>());
    let step = |(what, (org, who, other))| Step { what, org, who, other };
    let some = vec((proptest::sample::select(&What::ALL[..]), indices()), 0..24);
    // After what happens by chance, everything that leaves something behind happens once: whatever the chance, each table has
    // rows. First what takes an address away from somebody.
    let (first, last): (Vec<What>, Vec<What>) = What::ALL
        .into_iter()
        .filter(|what| *what != What::Leave)
        .partition(|what| matches!(what, What::Move | What::TakeOver));
    let each = vec(indices(), What::ALL.len() - 1);
    (2_usize..5, 1_usize..4, some, Just(last).prop_shuffle(), each).prop_map(
        move |(people, organisations, some, last, each)| {
            let each = first.iter().rev().copied().chain(last).zip(each);
            Story { people, organisations, steps: some.into_iter().chain(each).map(step).collect() }
        },
    )
}

/// Who may read a word that was written for them.
#[derive(Debug)]
enum Reader {
    Account(UserId),
    Address(String),
}

/// What was told, and to whom.
struct Told {
    people: Vec<Actor>,
    /// Words, and who may read them: nobody else does.
    words: Vec<(String, Vec<Reader>)>,
}

/// Somebody's name and address as they are now.
async fn called(behind: &PgPool, who: &Actor) -> (String, String) {
    let asked = sqlx::query_as("SELECT name, email FROM users WHERE id = $1").bind(who.user_id().0);
    asked.fetch_one(behind).await.unwrap()
}

/// Puts what a step leaves behind into the database.
async fn write(behind: &PgPool, what: What, tenant: &Tenant, who: &Actor, other: &Actor, told: &mut Told) {
    let word = || hex::encode(World::system().random::<8>());
    let (theirs, others, shared, mailed) = (word(), word(), word(), word());
    let ((_, address), (name, _)) = (called(behind, who).await, called(behind, other).await);
    for row in what.rows() {
        let row = [
            ("$org", tenant.org.to_string()),
            ("$who", who.user_id().to_string()),
            ("$others", others.clone()),
            ("$other", other.user_id().to_string()),
            ("$owner", tenant.owner.user_id().to_string()),
            ("$name", name.clone()),
            ("$address", address.clone()),
            ("$theirs", theirs.clone()),
            ("$shared", shared.clone()),
            ("$mailed", mailed.clone()),
        ]
        .iter()
        .fold((*row).to_owned(), |row, (place, value)| row.replace(place, value));
        if let Err(error) = sqlx::query(AssertSqlSafe(row.as_str())).execute(behind).await {
            panic!("{what:?}: {error}\n{row}");
        }
    }
    told.words.extend([
        (theirs, vec![Reader::Account(who.user_id())]),
        (others, vec![Reader::Account(other.user_id())]),
        (shared, vec![Reader::Account(who.user_id()), Reader::Account(other.user_id())]),
        (mailed, vec![Reader::Address(address.to_lowercase())]),
    ]);
}

async fn tell(at: &Installation, behind: &PgPool, story: &Story) -> Told {
    let mut people = Vec::new();
    for n in 0..story.people {
        people
            .push(at.person(&format!("somebody{n}x{}@example.org", hex::encode(World::system().random::<4>()))).await);
    }
    let mut tenants: Vec<Tenant> = Vec::new();
    for n in 0..story.organisations {
        let tenant = at.tenant(&format!("organisation-{n}")).await;
        sqlx::query(
            "INSERT INTO clusters (org_id, id, name, created_at) VALUES ($1, gen_random_uuid(), 'first', now())",
        )
        .bind(tenant.org.0)
        .execute(behind)
        .await
        .unwrap();
        tenants.push(tenant);
    }
    let owners = tenants.iter().map(|tenant| tenant.owner.clone());
    let mut told = Told { people: people.iter().cloned().chain(owners).collect(), words: Vec::new() };
    let is_member = async |tenant: &Tenant, who: &Actor| -> bool {
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM memberships WHERE org_id = $1 AND user_id = $2)")
            .bind(tenant.org.0)
            .bind(who.user_id().0)
            .fetch_one(behind)
            .await
            .unwrap()
    };
    // Nobody joins anything once their account is going to be deleted.
    let (ends, steps): (Vec<_>, Vec<_>) = story.steps.iter().partition(|step| step.what == What::Delete);
    for (number, step) in steps.into_iter().chain(ends).enumerate() {
        let tenant = &tenants[step.org % tenants.len()];
        let who = step.who % people.len();
        let (who, other) = (&people[who], &people[(who + 1 + step.other % (people.len() - 1)) % people.len()]);
        if step.what.is_among_members() {
            for one in [who, other] {
                if !is_member(tenant, one).await {
                    at.join(tenant, one, Role::Admin, None).await;
                }
            }
        }
        let team = at.look::<ManageTeam>(&tenant.owner, &tenant.slug).await.unwrap();
        match step.what {
            What::Join if !is_member(tenant, who).await => at.join(tenant, who, Role::Admin, None).await,
            What::Leave if is_member(tenant, who).await => {
                at.web.remove_member(&team, who.user_id(), true).await.unwrap();
            }
            What::Change => {
                for role in [Role::Operator, Role::Admin] {
                    let access = Access { role, clusters: None };
                    at.web.change_member(&team, who.user_id(), &access, true).await.unwrap();
                }
            }
            What::Invite if !is_member(tenant, who).await => {
                let email = EmailAddress::parse(&called(behind, who).await.1).unwrap();
                let access = Access { role: Role::Viewer, clusters: None };
                // One that waits already is refused.
                drop(at.web.invite(&team, &tenant.owner, &email, &access, false).await);
            }
            What::Authenticator => drop(at.web.begin_authenticator(who).await),
            What::Cluster => {
                let cluster = at.cluster(tenant, &format!("cluster-{number}")).await;
                let cluster = at.web.cluster::<ManageClusters>(&tenant.owner, &tenant.slug, cluster).await.unwrap();
                at.web.revoke_token(&cluster).await.unwrap();
            }
            _ => {}
        }
        match step.what {
            What::BillElsewhere => {
                let elsewhere = at.tenant(&format!("elsewhere-{number}")).await;
                write(behind, What::Bill, &elsewhere, who, other, &mut told).await;
            }
            What::Move => {
                let (billing, inviting) =
                    (at.tenant(&format!("billing-{number}")).await, at.tenant(&format!("inviting-{number}")).await);
                write(behind, What::Bill, &billing, who, other, &mut told).await;
                write(behind, What::SignUp, &billing, who, other, &mut told).await;
                write(behind, What::Invited, tenant, who, other, &mut told).await;
                let team = at.look::<ManageTeam>(&inviting.owner, &inviting.slug).await.unwrap();
                let email = EmailAddress::parse(&called(behind, who).await.1).unwrap();
                let access = Access { role: Role::Viewer, clusters: None };
                at.web.invite(&team, &inviting.owner, &email, &access, false).await.unwrap();
                write(behind, What::Move, tenant, who, other, &mut told).await;
            }
            what => write(behind, what, tenant, who, other, &mut told).await,
        }
    }
    told
}

/// Reads everything about somebody who asked for it, by the link.
async fn taken(at: &Installation, behind: &PgPool, who: &Actor) -> (String, Value) {
    for _ in 0..600 {
        // To whose account is being deleted already, nothing is mailed any more.
        let mailed: bool = sqlx::query_scalar(
            "SELECT bool_and(hash IS NOT NULL OR (object IS NOT NULL AND EXISTS
               (SELECT FROM erasures e WHERE e.user_id = $1 AND e.begun_at IS NOT NULL)))
             FROM exports WHERE user_id = $1",
        )
        .bind(who.user_id().0)
        .fetch_one(behind)
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
            .execute(behind)
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

/// A row about somebody, and how it was found.
#[derive(Debug)]
struct HeldRow {
    table: String,
    way: String,
    row: Map<String, Value>,
}

/// What stands in the place of what is not given.
const WITHHELD: &str = "(held, and not given here: ";

/// The addresses that are somebody's, in lower case, the one that they have now first.
async fn addresses(behind: &PgPool, who: &Actor) -> Vec<String> {
    // What they had once is theirs until another account has it.
    sqlx::query_scalar(
        "SELECT lower(address) FROM users u, unnest(u.email || u.former_addresses) WITH ORDINALITY a (address, n)
         WHERE u.id = $1 AND NOT EXISTS (SELECT FROM users o WHERE o.id <> u.id AND o.email_canonical = lower(address))
         ORDER BY n",
    )
    .bind(who.user_id().0)
    .fetch_all(behind)
    .await
    .unwrap()
}

/// What the database has about somebody, found without the code that makes exports.
async fn held(behind: &PgPool, who: &Actor) -> Vec<HeldRow> {
    let addresses = addresses(behind, who).await;
    let mut held = Vec::new();
    for (name, table) in &Register::get().unwrap().tables {
        for rows in &table.rows {
            let account = vec![who.user_id().to_string()];
            let (wanted, values) = match rows.is {
                Is::Account => (format!("{}::text = ANY ($1)", rows.column), account),
                Is::Address => (format!("lower({}) = ANY ($1)", rows.column), addresses.clone()),
                Is::Pseudonym => (
                    format!(
                        "(t.org_id, t.{}) IN
                           (SELECT p.org_id, p.pseudonym FROM pseudonyms p WHERE p.user_id::text = ANY ($1))",
                        rows.column
                    ),
                    account,
                ),
            };
            let found: Vec<Value> =
                sqlx::query_scalar(AssertSqlSafe(format!("SELECT to_jsonb(t) FROM {name} t WHERE {wanted}")))
                    .bind(values)
                    .fetch_all(behind)
                    .await
                    .unwrap();
            for row in found {
                let Value::Object(mut row) = row else { unreachable!() };
                let now = row[&rows.column].as_str().map(str::to_lowercase) == addresses.first().cloned();
                let is_former = rows.is == Is::Address && !now;
                row.retain(|column, _| rows.only.is_empty() || rows.only.contains(column));
                for (column, value) in &mut row {
                    if table.columns[column].withheld.is_some() {
                        *value = WITHHELD.into();
                    }
                }
                let way = if is_former { format!("{} (a former one)", rows.column) } else { rows.column.clone() };
                held.push(HeldRow { table: name.clone(), way, row });
            }
        }
    }
    held
}

/// The export that somebody asked for, as it is while what is held about them is read.
async fn asked_for(behind: &PgPool, who: &Actor) -> Value {
    sqlx::query_scalar(
        "SELECT to_jsonb(e) || '{\"object\": null, \"bytes\": null, \"made_at\": null, \"expires_at\": null, \"used_at\": null}'
           || jsonb_build_object('hash', $2) FROM exports e WHERE user_id = $1 ORDER BY requested_at DESC LIMIT 1",
    )
    .bind(who.user_id().0)
    .bind(WITHHELD)
    .fetch_one(behind)
    .await
    .unwrap()
}

/// Columns of rows that lead to a person, and never say anything of them in an export: by table, way to the row, and column.
const NEVER: [(&str, &str, &str, &str); 5] = [
    ("activity", "subject_id", "erased_at", "a line that is emptied leads to nobody by its subject any more"),
    ("erasures", "user_id", "org_id", "of an organisation's deletion, which leads to no account"),
    ("erasures", "user_id", "cluster_id", "of a cluster's, which leads to no account"),
    ("erasures", "user_id", "ended_at", "one that has ended leads to no account any more"),
    ("erasures", "user_id", "certificate", "the same"),
];

/// By table, way to the row and column: what exports were checked for.
type Met = BTreeSet<(String, String, String)>;

/// Whether whoever runs the tests was shown everything that the register says is given.
fn check_all_is_met(met: &Met) {
    let mut unmet = Vec::new();
    for (name, table) in &Register::get().unwrap().tables {
        for rows in &table.rows {
            let given = table.columns.iter().filter(|(column, about)| {
                about.withheld.is_none() && (rows.only.is_empty() || rows.only.contains(column))
            });
            for (column, _) in given {
                let mut ways = vec![rows.column.clone()];
                if rows.is == Is::Address {
                    ways.push(format!("{} (a former one)", rows.column));
                }
                for way in ways {
                    let is_met = met.contains(&(name.clone(), way.clone(), column.clone()));
                    let is_never = NEVER.iter().any(|(t, w, c, _)| t == name && *w == way && c == column);
                    assert!(!(is_met && is_never), "{name} by {way}: {column} is given after all");
                    if !is_met && !is_never {
                        unmet.push(format!("{name} by {way}: {column}"));
                    }
                }
            }
        }
    }
    assert!(unmet.is_empty(), "no story has anything of\n{}", unmet.join("\n"));
}

/// That what is given is what is held, row by row.
fn check_rows(who: &Actor, expected: &[HeldRow], json: &Value) {
    let mut given = json["tables"].clone();
    let tables = given.as_object_mut().unwrap();
    for (name, rows) in tables.iter_mut() {
        let columns = &Register::get().unwrap().tables[name].columns;
        for row in rows.as_array_mut().unwrap() {
            for (column, value) in row.as_object_mut().unwrap() {
                if columns[column].withheld.is_some() && value.as_str().is_some_and(|text| text.starts_with(WITHHELD)) {
                    *value = WITHHELD.into();
                }
            }
        }
    }
    let who = who.user_id();
    let mut wrong = Vec::new();
    for HeldRow { table, way, row } in expected {
        let is_given = tables
            .get(table)
            .is_some_and(|given| given.as_array().unwrap().iter().any(|given| given.as_object() == Some(row)));
        if !is_given {
            wrong.push(format!("{table} by {way}: not given: {}", Value::Object(row.clone())));
        }
    }
    for (table, rows) in tables.iter() {
        for given in rows.as_array().unwrap() {
            if !expected.iter().any(|held| held.table == *table && given.as_object() == Some(&held.row)) {
                wrong.push(format!("{table}: not theirs: {given}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{who}:\n{}", wrong.join("\n"));
}

/// What others are known by: ids, names, addresses and pseudonyms, also those that they had once.
async fn words_of(behind: &PgPool, which: &str, who: &Actor) -> Vec<String> {
    let words = format!(
        "SELECT lower(word) FROM users u,
           unnest(ARRAY[u.id::text, u.name, u.email] || u.former_names || u.former_addresses) word WHERE u.id {which} $1
         UNION SELECT pseudonym::text FROM pseudonyms WHERE user_id {which} $1"
    );
    sqlx::query_scalar(AssertSqlSafe(words)).bind(who.user_id().0).fetch_all(behind).await.unwrap()
}

async fn check(story: &Story, met: &mut Met) {
    let at = Installation::new().await;
    let worker = at.work();
    let behind = at.database.superuser();
    let told = tell(&at, &behind, story).await;
    let mut expected = Vec::new();
    for who in &told.people {
        // Before they ask: what comes of that is not what is held about them.
        let mut held = held(&behind, who).await;
        assert!(held.iter().any(|held| held.table == "users"));
        at.web.request_export(who).await.unwrap();
        let Value::Object(row) = asked_for(&behind, who).await else { unreachable!() };
        held.push(HeldRow { table: "exports".to_owned(), way: "user_id".to_owned(), row });
        expected.push(held);
    }
    for (who, expected) in told.people.iter().zip(expected) {
        let (text, json) = taken(&at, &behind, who).await;
        check_rows(who, &expected, &json);
        for HeldRow { table, way, row } in expected {
            let said = row.into_iter().filter(|(_, value)| !value.is_null());
            met.extend(said.map(|(column, _)| (table.clone(), way.clone(), column)));
        }
        // Whatever the register says: these are somebody else's.
        let mut text = text.to_lowercase();
        // What they had once may be another's by now. An address has a name in it, and goes first.
        let mut own = words_of(&behind, "=", who).await;
        own.sort_unstable_by_key(|word| Reverse(word.len()));
        for word in own {
            text = text.replace(&word, "");
        }
        for word in words_of(&behind, "<>", who).await {
            assert!(!text.contains(&word), "{word} is somebody else's\n{text}");
        }
        let addresses = addresses(&behind, who).await;
        for (word, readers) in &told.words {
            let may_read = readers.iter().any(|reader| match reader {
                Reader::Account(user) => *user == who.user_id(),
                Reader::Address(address) => addresses.contains(address),
            });
            assert!(may_read || !text.contains(word), "{word} is for {readers:?}\n{text}");
        }
    }
    drop(worker);
}

#[test]
fn all_that_is_held_about_somebody_is_in_it_and_nothing_of_anybody_else() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(6);
    let config = Config { cases, max_shrink_iters: 20, failure_persistence: None, ..Config::default() };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let met = RefCell::new(Met::new());
    TestRunner::new(config)
        .run(&stories(), |story| {
            runtime.block_on(check(&story, &mut met.borrow_mut()));
            Ok(())
        })
        .unwrap();
    check_all_is_met(&met.borrow());
}

#[tokio::test]
async fn an_address_that_nobody_proved_to_be_theirs_brings_nothing_of_organisations_that_write_to_it() {
    let at = Installation::new().await;
    let worker = at.work();
    let behind = at.database.superuser();
    let (who, other) = (at.person("claimed@example.com").await, at.person("other@example.com").await);
    let strangers = at.tenant("strangers").await;
    let mut told = Told { people: Vec::new(), words: Vec::new() };
    write(&behind, What::Bill, &strangers, &who, &other, &mut told).await;
    let team = at.look::<ManageTeam>(&strangers.owner, &strangers.slug).await.unwrap();
    let access = Access { role: Role::Viewer, clusters: None };
    let email = EmailAddress::parse("claimed@example.com").unwrap();
    at.web.invite(&team, &strangers.owner, &email, &access, false).await.unwrap();
    sqlx::query("UPDATE users SET email_verified_at = NULL WHERE id = $1")
        .bind(who.user_id().0)
        .execute(&behind)
        .await
        .unwrap();
    at.web.request_export(&who).await.unwrap();
    let (text, json) = taken(&at, &behind, &who).await;
    assert!(json["tables"]["users"].is_array());
    assert!(!text.contains(&strangers.org.to_string()), "{text}");
    drop(worker);
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
