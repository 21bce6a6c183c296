//! For how long what was is kept: what is older than the stated time is removed, what is younger stays, and pages cope.

use std::{collections::BTreeSet, path::PathBuf, time::Duration as Wait};

use kubewise_backend::{
    Authorized, Cluster, Error, Worker,
    database::Part,
    permission::{Grant, ManageOrganisation, RunAudits, ViewInventory, ViewOrganisation},
    stated_times,
    testing::{Installation, Tenant},
};
use kubewise_contract::{
    ClusterId, Field, FieldError, FindingState, FindingsQuery, HISTORY_DAYS, Plan, Problem, Retention, Role, RunState,
};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use time::{Duration, OffsetDateTime};

async fn look<P: Grant>(at: &Installation, tenant: &Tenant, cluster: ClusterId) -> Authorized<Cluster, P> {
    at.web.cluster(&tenant.owner, &tenant.slug, cluster).await.unwrap()
}

async fn set_history(at: &Installation, tenant: &Tenant, days: Option<u32>) -> Result<(), Error> {
    let org = at.web.organisation::<ManageOrganisation>(&tenant.owner, &tenant.slug).await.unwrap();
    at.web.set_history(&org, days).await
}

/// Runs a statement from behind the walls.
async fn behind(at: &Installation, statement: &str) {
    sqlx::query(AssertSqlSafe(statement)).execute(&at.database.superuser()).await.unwrap();
}

async fn count(at: &Installation, from: &str) -> i64 {
    let count = AssertSqlSafe(format!("SELECT count(*) FROM {from}"));
    sqlx::query_scalar(count).fetch_one(&at.database.superuser()).await.unwrap()
}

fn pod(name: &str, host_pid: bool) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop"},
        "spec": {"hostPID": host_pid, "containers": [{"name": "app", "image": "shop:1"}]},
    })
}

/// Has a cluster audited, and waits for it.
async fn audited(at: &Installation, tenant: &Tenant, cluster: ClusterId) -> i64 {
    let number = at.web.run_audit(&look::<RunAudits>(at, tenant, cluster).await).await.unwrap();
    for _ in 0..600 {
        let found = at.web.cluster_audit(&look::<ViewInventory>(at, tenant, cluster).await).await.unwrap();
        if found.cluster.last.is_some_and(|last| last.number == number && last.state == RunState::Done) {
            return number;
        }
        tokio::time::sleep(Wait::from_millis(50)).await;
    }
    panic!("the audit is not done");
}

/// The audits of a cluster that are there.
async fn numbers(at: &Installation, cluster: ClusterId) -> Vec<i64> {
    sqlx::query_scalar("SELECT number FROM audit_runs WHERE cluster_id = $1 ORDER BY number")
        .bind(cluster.0)
        .fetch_all(&at.database.superuser())
        .await
        .unwrap()
}

/// The folders of what audits judged.
fn evidence(at: &Installation, tenant: &Tenant, cluster: ClusterId, number: i64) -> PathBuf {
    let objects = std::env::temp_dir().join(format!("kubewise-{}", at.database.name));
    objects.join(format!("{}/{cluster}/audits/{number}/evidence", tenant.org))
}

#[tokio::test]
async fn audits_go_with_what_they_judged_and_what_they_found_and_the_last_one_stays() {
    let at = Installation::new().await;
    let tenant = at.tenant("acme").await;
    let cluster = at.empty_cluster(&tenant, "eu").await;
    let working = at.work();
    at.put(&tenant, cluster, &pod("open", true)).await;
    at.put(&tenant, cluster, &pod("mended", true)).await;
    audited(&at, &tenant, cluster).await;
    at.pass(Duration::days(10));
    at.put(&tenant, cluster, &pod("mended", false)).await;
    audited(&at, &tenant, cluster).await;
    at.pass(Duration::days(10));
    at.put(&tenant, cluster, &pod("mended", true)).await;
    audited(&at, &tenant, cluster).await;
    at.pass(Duration::days(10));
    at.put(&tenant, cluster, &pod("mended", false)).await;
    assert_eq!(audited(&at, &tenant, cluster).await, 4);
    drop(working);
    let worker = at.worker();
    let closed = "findings WHERE rule = 'pss-host-namespaces' AND closed_in IS NOT NULL";
    let kept = |number| evidence(&at, &tenant, cluster, number);

    // Thirty days ago, twenty, ten, and now. As long as nothing is set, the plan keeps all.
    worker.keep_what_is_stated().await.unwrap();
    assert_eq!((numbers(&at, cluster).await, count(&at, closed).await), (vec![1, 2, 3, 4], 2));
    set_history(&at, &tenant, Some(25)).await.unwrap();
    worker.keep_what_is_stated().await.unwrap();
    assert_eq!(
        (numbers(&at, cluster).await, count(&at, closed).await),
        (vec![2, 3, 4], 2),
        "what the second one fixed"
    );
    assert!(!kept(1).exists() && kept(2).exists() && kept(4).exists());
    set_history(&at, &tenant, Some(15)).await.unwrap();
    worker.keep_what_is_stated().await.unwrap();
    assert_eq!((numbers(&at, cluster).await, count(&at, closed).await), (vec![3, 4], 1));
    assert!(!kept(2).exists() && kept(3).exists());

    // Pages show what is left, and say of the rest that it is not there.
    let seen = look::<ViewInventory>(&at, &tenant, cluster).await;
    let compared = at.web.compare((&seen, Some(3)), (&seen, Some(4))).await.unwrap();
    let rules = compared.difference.unwrap().rules;
    let rule = rules.iter().find(|rule| rule.rule == "pss-host-namespaces").unwrap();
    assert_eq!((rule.only_a, rule.only_b, rule.both), (1, 0, 1));
    assert_eq!(compared.a.runs.iter().map(|run| run.number).collect::<Vec<_>>(), [4, 3]);
    let gone = at.web.compare((&seen, Some(1)), (&seen, Some(4))).await;
    let no_such = FieldError { field: Field::Audit, problem: Problem::NoSuchAudit };
    assert!(matches!(gone, Err(Error::Invalid(error)) if error == no_such));
    assert!(matches!(at.web.evidence(&seen, 2).await, Err(Error::NotFound)));
    let trend = at.web.cluster_audit(&seen).await.unwrap().trend;
    assert_eq!(trend.iter().map(|run| run.number).collect::<Vec<_>>(), [3, 4]);

    // Years later: the last audit, what it fixed, and what is open.
    at.pass(Duration::days(4_000));
    worker.keep_what_is_stated().await.unwrap();
    assert_eq!(numbers(&at, cluster).await, [4]);
    assert!(!kept(3).exists() && kept(4).exists());
    let rule = Some("pss-host-namespaces".to_owned());
    for (state, name) in [(FindingState::Open, "open"), (FindingState::Fixed, "mended")] {
        let query = FindingsQuery { state: Some(state), rule: rule.clone(), ..FindingsQuery::default() };
        let rows = at.web.findings(&seen, &query).await.unwrap().rows;
        assert_eq!(rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), [name]);
        let detail = at.web.finding(&seen, &rows[0].id).await.unwrap();
        let opened: Vec<i64> = detail.history.iter().map(|span| span.opened_in).collect();
        assert_eq!(opened, if name == "open" { [1] } else { [3] }, "also by an audit that is gone");
    }
    assert!(!at.web.evidence(&seen, 4).await.unwrap().is_empty());
    // Numbers go on.
    assert_eq!(at.web.run_audit(&look::<RunAudits>(&at, &tenant, cluster).await).await.unwrap(), 5);
}

/// Puts audits in place that ended so many days ago, the first the longest.
async fn past(at: &Installation, tenant: &Tenant, cluster: ClusterId, runs: &[(&str, i64)]) {
    behind(at, &format!("DELETE FROM audit_runs WHERE cluster_id = '{cluster}'")).await;
    for (number, (state, days)) in (1..).zip(runs) {
        let ended = (at.world.now() - Duration::days(*days)).unix_timestamp();
        let finished =
            if matches!(*state, "done" | "failed") { format!("to_timestamp({ended})") } else { "NULL".into() };
        behind(
            at,
            &format!(
                "INSERT INTO audit_runs (org_id, cluster_id, number, state, requested_at, finished_at)
                 VALUES ('{}', '{cluster}', {number}, '{state}', to_timestamp({ended}), {finished})",
                tenant.org
            ),
        )
        .await;
    }
}

async fn left(at: &Installation, worker: &Worker, cluster: ClusterId) -> Vec<i64> {
    worker.keep_what_is_stated().await.unwrap();
    numbers(at, cluster).await
}

#[tokio::test]
async fn a_plan_keeps_its_days_a_smaller_one_begins_after_its_grace_and_a_setting_keeps_fewer() {
    let at = Installation::new().await;
    let tenant = at.tenant("acme").await;
    let cluster = at.empty_cluster(&tenant, "eu").await;
    let other = at.tenant("other").await;
    let untouched = at.empty_cluster(&other, "eu").await;
    let (nobody_bills, bills) = (at.worker(), at.worker().billed());
    let runs = [("done", 500), ("failed", 450), ("done", 31), ("failed", 29), ("done", 29), ("failed", 8), ("done", 1)];
    past(&at, &tenant, cluster, &runs).await;
    past(&at, &other, untouched, &runs).await;
    assert_eq!(left(&at, &nobody_bills, cluster).await, [1, 2, 3, 4, 5, 6, 7], "self-hosted: for ever");

    // Team, and then Free with the limits of Team for fourteen days.
    for org in [tenant.org, other.org] {
        behind(&at, &format!("INSERT INTO subscriptions (org_id, plan, set_at) VALUES ('{org}', 'team', now())")).await;
    }
    assert_eq!(left(&at, &bills, cluster).await, [3, 4, 5, 6, 7], "four hundred days");
    let until = (at.world.now() + Duration::days(14)).unix_timestamp();
    behind(
        &at,
        &format!(
            "UPDATE subscriptions SET plan = 'free', plan_before = 'team', grace_until = to_timestamp({until})
             WHERE org_id = '{}'",
            tenant.org
        ),
    )
    .await;
    at.pass(Duration::days(13));
    assert_eq!(left(&at, &bills, cluster).await, [3, 4, 5, 6, 7], "within the grace");
    at.pass(Duration::days(2));
    assert_eq!(left(&at, &bills, cluster).await, [6, 7], "thirty days");

    // Fewer are set by the other one, which has Team still.
    assert_eq!(numbers(&at, untouched).await, [3, 4, 5, 6, 7]);
    set_history(&at, &other, Some(20)).await.unwrap();
    assert_eq!(left(&at, &bills, untouched).await, [7]);
}

#[tokio::test]
async fn what_is_on_its_way_stays_and_so_do_the_last_audit_and_the_last_that_is_done() {
    let at = Installation::new().await;
    let tenant = at.tenant("acme").await;
    let cluster = at.empty_cluster(&tenant, "eu").await;
    let worker = at.worker();
    set_history(&at, &tenant, Some(7)).await.unwrap();
    for (runs, stay) in [
        (&[("done", 90), ("failed", 80), ("running", 70)][..], &[1, 3][..]),
        (&[("done", 90), ("done", 80), ("failed", 70)], &[2, 3]),
        (&[("failed", 90), ("failed", 80)], &[2]),
        (&[("failed", 90), ("waiting", 80)], &[2]),
        (&[("done", 8), ("done", 6)], &[2]),
        (&[("done", 6), ("done", 5)], &[1, 2]),
    ] {
        past(&at, &tenant, cluster, runs).await;
        assert_eq!(left(&at, &worker, cluster).await, stay, "{runs:?}");
    }
}

#[tokio::test]
async fn waivers_that_ended_go_with_the_history_unless_a_finding_is_lived_with_by_them() {
    let at = Installation::new().await;
    let tenant = at.tenant("acme").await;
    let cluster = at.cluster(&tenant, "eu").await;
    behind(&at, "DELETE FROM waivers").await;
    for (rule, ended) in [("old", Some(31)), ("young", Some(29)), ("holds", None), ("lived-with", Some(31))] {
        let ended = ended.map_or("NULL".to_owned(), |days: i64| {
            format!("to_timestamp({})", (at.world.now() - Duration::days(days)).unix_timestamp())
        });
        behind(
            &at,
            &format!(
                "INSERT INTO waivers (org_id, id, rule, reason, owner, requested_at, ended_at)
                 VALUES ('{}', gen_random_uuid(), '{rule}', 'why', 'who', now(), {ended})",
                tenant.org
            ),
        )
        .await;
    }
    behind(
        &at,
        &format!(
            "UPDATE findings SET waiver = (SELECT id FROM waivers WHERE rule = 'lived-with') WHERE cluster_id = '{cluster}'"
        ),
    )
    .await;
    let worker = at.worker();
    worker.keep_what_is_stated().await.unwrap();
    assert_eq!(count(&at, "waivers").await, 4, "for ever");
    set_history(&at, &tenant, Some(30)).await.unwrap();
    worker.keep_what_is_stated().await.unwrap();
    let rules: Vec<String> = sqlx::query_scalar("SELECT rule FROM waivers ORDER BY rule COLLATE \"C\"")
        .fetch_all(&at.database.superuser())
        .await
        .unwrap();
    assert_eq!(rules, ["holds", "lived-with", "young"]);
}

#[tokio::test]
async fn an_organisation_sets_fewer_days_than_its_plan_has_and_sees_what_holds() {
    let mut at = Installation::new().await;
    let tenant = at.tenant("acme").await;
    let viewer = at.member(&tenant, "viewer", Role::Viewer, None).await;
    let refused = at.web.organisation::<ManageOrganisation>(&viewer, &tenant.slug).await;
    assert!(matches!(refused, Err(Error::Forbidden)));
    let stated = async |at: &Installation| -> Retention {
        let org = at.web.organisation::<ViewOrganisation>(&viewer, &tenant.slug).await.unwrap();
        at.web.retention(&org).await.unwrap()
    };
    let not_between = |result: Result<(), Error>, most: u32| {
        let problem = Problem::NotBetween { min: *HISTORY_DAYS.start(), max: most };
        let wrong = FieldError { field: Field::History, problem };
        assert!(matches!(result, Err(Error::Invalid(error)) if error == wrong));
    };

    let now = stated(&at).await;
    assert_eq!((now.plan, now.plan_days, now.setting, now.effective), (Plan::SelfHosted, None, None, None));
    assert_eq!(now.times, stated_times());
    for days in [0, 6, 3_651] {
        not_between(set_history(&at, &tenant, Some(days)).await, 3_650);
    }
    for days in [7, 3_650, 365] {
        set_history(&at, &tenant, Some(days)).await.unwrap();
    }
    let now = stated(&at).await;
    assert_eq!((now.plan_days, now.setting, now.effective), (None, Some(365), Some(365)));

    // What was set for a larger plan stays set, and the plan's days hold.
    at.web = at.web.clone().billed();
    let now = stated(&at).await;
    assert_eq!((now.plan, now.plan_days, now.setting, now.effective), (Plan::Free, Some(30), Some(365), Some(30)));
    not_between(set_history(&at, &tenant, Some(31)).await, 30);
    set_history(&at, &tenant, Some(30)).await.unwrap();
    set_history(&at, &tenant, Some(7)).await.unwrap();
    assert_eq!(stated(&at).await.effective, Some(7));
    set_history(&at, &tenant, None).await.unwrap();
    let now = stated(&at).await;
    assert_eq!((now.setting, now.effective), (None, Some(30)));
}

/// A stated time of so many hours or days.
fn kept(what: &str) -> Duration {
    let time = stated_times().into_iter().find(|time| time.what == what).unwrap_or_else(|| panic!("{what:?}"));
    let mut words = time.kept.split(' ');
    let number: i64 = words.next().unwrap().parse().unwrap();
    match words.next().unwrap() {
        "hour" | "hours" => Duration::hours(number),
        "day" | "days" => Duration::days(number),
        unit => panic!("{unit:?}"),
    }
}

/// What is kept for a stated time: its name there, where it is, and how one comes about at a moment.
struct Case {
    what: &'static str,
    from: &'static str,
    insert: String,
}

/// Of everything that is removed by its age alone, one from `ago` longer than it is kept.
async fn cases(at: &Installation, tenant: &Tenant, cluster: ClusterId, ago: Duration) -> Vec<Case> {
    let (org, user, now) = (tenant.org, tenant.owner.user_id(), at.world.now());
    let moment = |at: OffsetDateTime| format!("to_timestamp({})", at.unix_timestamp());
    let notification: uuid::Uuid = sqlx::query_scalar("SELECT id FROM notifications WHERE org_id = $1")
        .bind(org.0)
        .fetch_one(&at.database.superuser())
        .await
        .unwrap();
    let mut cases = Vec::new();
    let mut case = |what: &'static str, from: &'static str, insert: &dyn Fn(String, String) -> String| {
        let ends = now - ago;
        cases.push(Case { what, from, insert: insert(moment(ends - kept(what)), moment(ends)) });
    };
    let hash = "sha256(gen_random_uuid()::text::bytea)";
    case("A session that is not used", "sessions", &|at, _| {
        format!("INSERT INTO sessions VALUES ({hash}, NULL, '{{}}', {at}, {at})")
    });
    case("A session in any case", "sessions", &|at, _| {
        format!("INSERT INTO sessions VALUES ({hash}, NULL, '{{}}', {at}, {})", moment(now))
    });
    for (what, purpose) in [
        ("A link that proves an address", "verify_address"),
        ("A link that changes an address", "change_address"),
        ("A link for a forgotten password", "reset_password"),
    ] {
        case(what, "account_links", &|at, ends| {
            format!("INSERT INTO account_links VALUES ({hash}, '{user}', '{purpose}', 'x', {at}, {ends})")
        });
    }
    case("An invitation to make an account", "sign_up_invitations", &|at, ends| {
        format!("INSERT INTO sign_up_invitations VALUES ({hash}, 'x', {at}, {ends})")
    });
    case("A browser that an account was signed in with", "known_browsers", &|at, _| {
        format!("INSERT INTO known_browsers VALUES ('{user}', {hash}, {at}, {at})")
    });
    case("Counts of failed sign-ins", "attempts", &|at, _| {
        format!("INSERT INTO attempts VALUES ({hash}, 1, {at}, {at})")
    });
    for (ended, accepted, revoked) in [("at", "NULL", "NULL"), ("now", "at", "NULL"), ("now", "NULL", "at")] {
        case("An invitation that was accepted, revoked or not answered", "invitations", &|at, _| {
            let at = |column: &str| column.replace("at", &at).replace("now", &moment(now));
            format!(
                "INSERT INTO invitations (org_id, id, email, email_canonical, role, invited_by, created_at, expires_at,
                   accepted_at, revoked_at)
                 VALUES ('{org}', gen_random_uuid(), 'x', gen_random_uuid()::text, 'viewer', '{user}', now(), {}, {}, {})",
                at(ended),
                at(accepted),
                at(revoked)
            )
        });
    }
    for (expires, revoked) in [("at", "NULL"), ("now", "at")] {
        case("An API token that ended", "api_tokens", &|at, _| {
            let at = |column: &str| column.replace("at", &at).replace("now", &moment(now));
            format!(
                "INSERT INTO api_tokens (org_id, id, hash, name, created_by, permissions, created_at, expires_at, revoked_at)
                 VALUES ('{org}', gen_random_uuid(), {hash}, 'x', '{user}', '{{}}', now(), {}, {})",
                at(expires),
                at(revoked)
            )
        });
    }
    case("Counts of an API token's requests", "api_token_minutes", &|at, _| {
        format!("INSERT INTO api_token_minutes VALUES ('{org}', gen_random_uuid(), {at}, 1)")
    });
    case("What was told by notifications", "notification_deliveries", &|at, _| {
        format!(
            "INSERT INTO notification_deliveries (org_id, notification_id, id, event, made_at, state)
             VALUES ('{org}', '{notification}', gen_random_uuid(), 'test', {at}, 'sent')"
        )
    });
    case("What was found otherwise at Stripe than it was known here", "billing_differences", &|at, _| {
        format!("INSERT INTO billing_differences VALUES ('{org}', {at}, 'x', 'a', 'b')")
    });
    case("An agent's token that was revoked", "cluster_tokens", &|at, _| {
        format!("INSERT INTO cluster_tokens VALUES ('{org}', {hash}, '{cluster}', now(), {at})")
    });
    case("What was answered to an agent", "ingest_batches", &|at, _| {
        format!("INSERT INTO ingest_batches SELECT '{org}', '{cluster}', 7, count(*), '{{}}', {at} FROM ingest_batches")
    });
    let job = "INSERT INTO apalis.jobs (job, id, job_type, status, attempts, max_attempts, run_at, done_at, priority)
               SELECT '', gen_random_uuid()::text, 'x',";
    case("Jobs that are done", "apalis.jobs", &|at, _| format!("{job} 'Done', 1, 9, {at}, {at}, 0"));
    let dead = "Jobs that failed as often as they are tried";
    case(dead, "apalis.jobs", &|at, _| format!("{job} 'Failed', 9, 9, {at}, {at}, 0"));
    case(dead, "apalis.jobs", &|at, _| format!("{job} 'Killed', 1, 9, {at}, NULL, 0"));
    case("Events of Stripe", "stripe_events", &|at, _| {
        format!(
            "INSERT INTO stripe_events (id, kind, created_at, received_at, ticket)
             VALUES (gen_random_uuid()::text, 'x', {at}, {at}, 1)"
        )
    });
    cases
}

/// Writes a mail into the outbox, and answers how many are there.
fn mails(at: &Installation, written: OffsetDateTime, name: &str) -> usize {
    let file = std::fs::File::create(at.outbox().join(name)).unwrap();
    file.set_modified(written.into()).unwrap();
    std::fs::read_dir(at.outbox()).unwrap().count()
}

#[tokio::test]
async fn what_is_older_than_its_stated_time_goes_and_what_is_younger_stays() {
    let at = Installation::new().await;
    let tenant = at.tenant("acme").await;
    let cluster = at.cluster(&tenant, "eu").await;
    let worker = at.worker();
    worker.keep_what_is_stated().await.unwrap();
    let outbox = "Mail in the outbox folder";
    let mut seen = BTreeSet::from([outbox]);
    for (ago, stays) in [(Duration::MINUTE, 0), (-Duration::MINUTE, 1)] {
        for case in cases(&at, &tenant, cluster, ago).await {
            let before = count(&at, case.from).await;
            behind(&at, &case.insert).await;
            worker.keep_what_is_stated().await.unwrap();
            assert_eq!(count(&at, case.from).await - before, stays, "{}: {}", case.what, case.insert);
            seen.insert(case.what);
        }
        mails(&at, at.world.now() - kept(outbox) - ago, "mail.eml");
        let all = mails(&at, at.world.now() - kept(outbox) - ago, "somebody-elses.txt");
        worker.keep_what_is_stated().await.unwrap();
        let left = std::fs::read_dir(at.outbox()).unwrap().count();
        assert_eq!((all, left), if stays == 1 { (2, 2) } else { (2, 1) }, "{outbox}");
    }
    std::fs::remove_dir_all(at.outbox()).unwrap();

    // Whatever has a number is in this test, or says here where it is.
    let elsewhere = BTreeSet::from([
        // The next test.
        "Nodes by day",
        // A link that is too old opens nothing: tests/team.rs. Its row is above.
        "The link of an invitation",
        // With what makes them.
        "A download of one's own data",
        "That there was a download of one's own data",
        "An organisation whose deletion was asked for",
        "A certificate of deletion",
    ]);
    for time in stated_times() {
        let has_number = time.kept.starts_with(|c: char| c.is_ascii_digit());
        let is_tested = seen.contains(&*time.what) || elsewhere.contains(&*time.what);
        assert_eq!(has_number, is_tested, "{time:?}");
    }
}

#[tokio::test]
async fn workers_that_are_gone_are_forgotten_unless_a_job_names_them() {
    let at = Installation::new().await;
    let worker = at.worker();
    for (id, days) in [("gone", 31), ("named", 31), ("there", 29)] {
        behind(
            &at,
            &format!(
                "INSERT INTO apalis.workers (id, worker_type, storage_name, last_seen)
                 VALUES ('{id}', 'x', 'x', now() - interval '{days} days')"
            ),
        )
        .await;
    }
    behind(
        &at,
        "INSERT INTO apalis.jobs (job, id, job_type, status, attempts, max_attempts, run_at, priority, lock_by)
         VALUES ('', 'a', 'x', 'Running', 1, 9, now(), 0, 'named')",
    )
    .await;
    worker.keep_what_is_stated().await.unwrap();
    let left: Vec<String> = sqlx::query_scalar("SELECT id FROM apalis.workers ORDER BY id")
        .fetch_all(&at.database.superuser())
        .await
        .unwrap();
    assert_eq!(left, ["named", "there"]);
}

/// As an agent's batch does it.
async fn count_a_node(at: &Installation, tenant: &Tenant, cluster: ClusterId) {
    let mut tx = at.database.pool(Part::Ingest).begin().await.unwrap();
    sqlx::query("SELECT set_config('kubewise.org_id', $1, true), set_config('kubewise.clusters', '*', true)")
        .bind(tenant.org.to_string())
        .execute(&mut *tx)
        .await
        .unwrap();
    sqlx::query(
        "INSERT INTO node_days VALUES ($1, $2, $3, 1)
         ON CONFLICT (org_id, day, cluster_id) DO UPDATE SET nodes = node_days.nodes + 1",
    )
    .bind(tenant.org.0)
    .bind(at.world.now().date())
    .bind(cluster.0)
    .execute(&mut *tx)
    .await
    .unwrap();
    tx.commit().await.unwrap();
}

/// The months that have a partition, and how many days wait for theirs.
async fn months(at: &Installation) -> (Vec<String>, i64) {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'node_days'::regclass AND c.relname <> 'node_days_other' ORDER BY 1",
    )
    .fetch_all(&at.database.superuser())
    .await
    .unwrap();
    (names, count(at, "node_days_other").await)
}

#[tokio::test]
async fn days_of_nodes_find_their_month_whenever_it_is_made_and_go_with_it() {
    let at = Installation::new().await;
    let tenant = at.tenant("acme").await;
    let cluster = at.empty_cluster(&tenant, "eu").await;
    // The tenth of a month, so that none is skipped below.
    let to_the_tenth = (40 - i64::from(at.world.now().day())) % 28;
    at.pass(Duration::days(to_the_tenth));
    let name = |ago: Duration| {
        let date = (at.world.now() - ago).date();
        format!("node_days_{}_{:02}", date.year(), u8::from(date.month()))
    };

    // Before there is any month, and twice on the same day.
    count_a_node(&at, &tenant, cluster).await;
    count_a_node(&at, &tenant, cluster).await;
    assert_eq!(months(&at).await, (vec![], 1));
    // Several servers at once.
    let workers = [at.worker(), at.worker(), at.worker()];
    for done in futures::future::join_all(workers.iter().map(Worker::keep_what_is_stated)).await {
        done.unwrap();
    }
    let (made, waiting) = months(&at).await;
    assert_eq!((made.len(), waiting), (3, 0), "{made:?}");
    assert_eq!((&made[0], count(&at, &made[0]).await), (&name(Duration::ZERO), 1));

    // Nobody looked for a year: days of two months have come in.
    at.pass(Duration::days(365));
    count_a_node(&at, &tenant, cluster).await;
    at.pass(Duration::days(40));
    count_a_node(&at, &tenant, cluster).await;
    assert_eq!((count(&at, "node_days").await, months(&at).await.1), (3, 2));
    let worker = &workers[0];
    worker.keep_what_is_stated().await.unwrap();
    let (made, waiting) = months(&at).await;
    assert_eq!((made.len(), waiting, count(&at, "node_days").await), (7, 0, 3), "{made:?}");
    // Into a month that is there.
    at.pass(Duration::DAY);
    count_a_node(&at, &tenant, cluster).await;
    assert_eq!((count(&at, "node_days").await, months(&at).await.1), (4, 0));

    // The first day is 799 days old, and then older than it is kept, and so is its month.
    at.pass(Duration::days(799 - 406));
    worker.keep_what_is_stated().await.unwrap();
    let first = name(Duration::days(799));
    assert!(months(&at).await.0.contains(&first) && count(&at, "node_days").await == 4);
    at.pass(Duration::days(1));
    worker.keep_what_is_stated().await.unwrap();
    assert_eq!(count(&at, "node_days").await, 4, "its month is not over");
    at.pass(Duration::days(31));
    worker.keep_what_is_stated().await.unwrap();
    assert_eq!(count(&at, "node_days").await, 3);
    assert!(!months(&at).await.0.contains(&first));
    assert_eq!(kept("Nodes by day"), Duration::days(800));
}
