//! Audits: what is found is there, what is mended is gone, each run is done once, and what was judged is kept for who may
//! see it.

use std::time::Duration as Wait;

use kubewise_backend::{
    Authorized, Cluster, Error,
    permission::{ManageClusters, RunAudits, ViewInventory},
    testing::{Installation, Tenant},
};
use kubewise_contract::{
    AuditRun, ClusterId, ComparedRule, Difference, Field, FindingRow, FindingState, FindingsQuery, ListQuery,
    OnlyThere, Problem, Role, RunState, Schedule, ScheduleRow, Severity,
};
use serde_json::{Value, json};
use time::Duration;

fn pod(name: &str, host_pid: bool) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop"},
        "spec": {"hostPID": host_pid, "containers": [{"name": "app", "image": "shop:1"}]},
    })
}

async fn look<P: kubewise_backend::permission::Grant>(
    at: &Installation,
    tenant: &Tenant,
    cluster: ClusterId,
) -> Authorized<Cluster, P> {
    at.web.cluster(&tenant.owner, &tenant.slug, cluster).await.unwrap()
}

async fn audited(at: &Installation, tenant: &Tenant, cluster: ClusterId) -> AuditRun {
    let number = at.web.run_audit(&look::<RunAudits>(at, tenant, cluster).await).await.unwrap();
    until_done(at, tenant, cluster, number).await
}

async fn until_done(at: &Installation, tenant: &Tenant, cluster: ClusterId, number: i64) -> AuditRun {
    for _ in 0..600 {
        let found = at.web.cluster_audit(&look::<ViewInventory>(at, tenant, cluster).await).await.unwrap();
        match (found.cluster.last, found.cluster.newer) {
            (Some(last), _) if last.number >= number => return last,
            (_, Some(newer)) if newer.state == RunState::Failed => return newer,
            _ => tokio::time::sleep(Wait::from_millis(50)).await,
        }
    }
    let jobs: Vec<String> = sqlx::query_scalar(
        "SELECT status || ' ' || attempts || ' ' || coalesce(last_result::text, '') FROM apalis.jobs",
    )
    .fetch_all(&at.database.superuser())
    .await
    .unwrap();
    panic!("the audit is not done: {jobs:?}");
}

/// The findings of the rule about the host's namespaces: others come and go with the catalogue.
async fn host_pid(at: &Installation, tenant: &Tenant, cluster: ClusterId, state: FindingState) -> Vec<FindingRow> {
    let rule = Some("pss-host-namespaces".to_owned());
    let query = FindingsQuery { state: Some(state), rule, ..FindingsQuery::default() };
    at.web.findings(&look::<ViewInventory>(at, tenant, cluster).await, &query).await.unwrap().rows
}

fn names(rows: &[FindingRow]) -> Vec<&str> {
    rows.iter().map(|row| row.name.as_str()).collect()
}

#[tokio::test]
async fn what_is_found_is_new_then_open_then_fixed_and_new_again() {
    let at = Installation::new().await;
    let tenant = at.tenant("acme").await;
    let cluster = at.empty_cluster(&tenant, "eu").await;
    at.put(&tenant, cluster, &pod("debug", true)).await;
    at.put(&tenant, cluster, &pod("web", false)).await;
    let _worker = at.work();

    let first = audited(&at, &tenant, cluster).await;
    assert_eq!((first.number, first.state, first.objects, first.read), (1, RunState::Done, 2, 2));
    assert!(first.findings.critical >= 1 && first.score.unwrap() < 100.0);
    assert_eq!((first.opened, first.fixed), (first.findings.total(), 0));
    let found = host_pid(&at, &tenant, cluster, FindingState::New).await;
    assert_eq!(names(&found), ["debug"]);
    assert_eq!((found[0].severity, found[0].is_new), (Severity::Critical, true));

    at.pass(Duration::HOUR);
    at.put(&tenant, cluster, &pod("debug-2", true)).await;
    let second = audited(&at, &tenant, cluster).await;
    assert_eq!(second.fixed, 0);
    assert_eq!(names(&host_pid(&at, &tenant, cluster, FindingState::New).await), ["debug-2"]);
    assert_eq!(names(&host_pid(&at, &tenant, cluster, FindingState::Open).await), ["debug", "debug-2"]);

    at.pass(Duration::HOUR);
    at.put(&tenant, cluster, &pod("debug", false)).await;
    let third = audited(&at, &tenant, cluster).await;
    assert!(third.fixed >= 1);
    assert_eq!(names(&host_pid(&at, &tenant, cluster, FindingState::Fixed).await), ["debug"]);
    assert_eq!(names(&host_pid(&at, &tenant, cluster, FindingState::Open).await), ["debug-2"]);

    at.pass(Duration::HOUR);
    at.put(&tenant, cluster, &pod("debug", true)).await;
    audited(&at, &tenant, cluster).await;
    let back = host_pid(&at, &tenant, cluster, FindingState::New).await;
    assert_eq!(names(&back), ["debug"]);
    let seen = look::<ViewInventory>(&at, &tenant, cluster).await;
    let detail = at.web.finding(&seen, &back[0].id).await.unwrap();
    let spans: Vec<_> = detail.history.iter().map(|span| (span.opened_in, span.closed_in)).collect();
    assert_eq!(spans, [(4, None), (1, Some(3))]);
    assert_eq!((detail.path.as_str(), detail.is_open), ("spec.hostPID", true));
    assert!(detail.evidence.lines().nth(detail.line as usize - 1).unwrap().contains("hostPID: true"));
    assert!(detail.patch.contains("hostPID: false") && !detail.rule.why.is_empty());

    let trend = at.web.cluster_audit(&seen).await.unwrap().trend;
    assert_eq!(trend.iter().map(|run| run.number).collect::<Vec<_>>(), [1, 2, 3, 4]);
    let summary = at.web.cluster_audit(&seen).await.unwrap().summary;
    assert!(summary.rules.iter().any(|rule| rule.name == "pss-host-namespaces" && rule.findings.critical == 2));
    assert!(summary.namespaces.iter().any(|namespace| namespace.name == "shop"));
    assert!(summary.applications.iter().any(|application| application.name == "shop"));
}

#[tokio::test]
async fn two_audits_of_a_cluster_differ_by_what_was_opened_and_closed_between_them() {
    let at = Installation::new().await;
    let tenant = at.tenant("acme").await;
    let cluster = at.empty_cluster(&tenant, "eu").await;
    at.put(&tenant, cluster, &pod("stays", true)).await;
    at.put(&tenant, cluster, &pod("mended", true)).await;
    let _worker = at.work();
    audited(&at, &tenant, cluster).await;
    at.put(&tenant, cluster, &pod("mended", false)).await;
    at.put(&tenant, cluster, &pod("passing", true)).await;
    audited(&at, &tenant, cluster).await;
    at.remove(cluster, "Pod", "shop", "passing").await;
    at.put(&tenant, cluster, &pod("fresh", true)).await;
    audited(&at, &tenant, cluster).await;

    let seen = look::<ViewInventory>(&at, &tenant, cluster).await;
    let compare = async |a, b| at.web.compare((&seen, a), (&seen, b)).await;
    let found = compare(Some(1), None).await.unwrap();
    let runs = [&found.a, &found.b].map(|side| side.run.as_ref().unwrap());
    assert_eq!(runs.map(|run| run.number), [1, 3]);
    assert_eq!(found.b.runs.iter().map(|run| run.number).collect::<Vec<_>>(), [3, 2, 1]);
    let difference = found.difference.clone().unwrap();
    assert_eq!(of_host_pid(&difference), (vec!["mended"], vec!["fresh"], (1, 1, 1)));
    // What each side is said to have adds up to what its audit says.
    let sum = |of: fn(&ComparedRule) -> i64| difference.rules.iter().map(of).sum::<i64>();
    assert_eq!(sum(|rule| rule.only_a + rule.both), runs[0].findings.total());
    assert_eq!(sum(|rule| rule.only_b + rule.both), runs[1].findings.total());
    assert_eq!(difference.only_a.total, sum(|rule| rule.only_a));
    assert_eq!(difference.rules[0].severity, Severity::Critical);
    assert!(difference.rules.is_sorted_by(|a, b| a.severity >= b.severity));
    assert!(difference.only_a.rows.iter().all(|finding| !finding.is_open));
    assert!(difference.only_b.rows.iter().all(|finding| finding.is_open));

    // Of what was there in between only.
    let between = compare(Some(1), Some(2)).await.unwrap().difference.unwrap();
    assert_eq!(of_host_pid(&between), (vec!["mended"], vec!["passing"], (1, 1, 1)));
    assert!(between.only_b.rows.iter().all(|finding| finding.is_open == (finding.name != "passing")));
    // The other way round, the sides change places.
    let back = compare(None, Some(1)).await.unwrap().difference.unwrap();
    assert_eq!(of_host_pid(&back), (vec!["fresh"], vec!["mended"], (1, 1, 1)));
    let same = compare(None, Some(3)).await.unwrap().difference.unwrap();
    assert_eq!((same.only_a.total, same.only_b.total), (0, 0));
    assert!(!same.rules.is_empty() && same.only_a.rows.is_empty() && same.only_b.rows.is_empty());

    for number in [0, -1, 4, i64::MAX] {
        let refused = compare(None, Some(number)).await.unwrap_err();
        assert_eq!(refused.ui().of_field(Field::Audit), Some(Problem::NoSuchAudit), "{number}: {refused}");
    }
    // One that is on its way, or failed, has found nothing yet.
    let behind = at.database.superuser();
    sqlx::query("UPDATE audit_runs SET state = 'failed' WHERE number = 3").execute(&behind).await.unwrap();
    assert!(matches!(compare(Some(3), None).await, Err(Error::Invalid(_))));
    assert_eq!(compare(None, Some(1)).await.unwrap().a.run.unwrap().number, 2);
}

#[tokio::test]
async fn two_clusters_differ_by_what_only_one_of_them_has_and_a_foreign_one_is_not_found() {
    let at = Installation::new().await;
    let tenant = at.tenant("acme").await;
    let eu = at.empty_cluster(&tenant, "eu").await;
    let us = at.empty_cluster(&tenant, "us").await;
    for cluster in [eu, us] {
        at.put(&tenant, cluster, &pod("same", true)).await;
    }
    // More than are listed.
    for n in 0..101 {
        at.put(&tenant, us, &pod(&format!("only-{n:03}"), true)).await;
    }
    let _worker = at.work();
    audited(&at, &tenant, eu).await;
    let seen = (look::<ViewInventory>(&at, &tenant, eu).await, look::<ViewInventory>(&at, &tenant, us).await);
    // Before the other was audited there is nothing to compare, and no error.
    let early = at.web.compare((&seen.0, None), (&seen.1, None)).await.unwrap();
    assert!(early.a.run.is_some() && early.b.run.is_none() && early.difference.is_none());
    audited(&at, &tenant, us).await;

    let found = at.web.compare((&seen.0, Some(1)), (&seen.1, None)).await.unwrap();
    assert_eq!((found.a.cluster.name.as_str(), found.b.cluster.name.as_str()), ("eu", "us"));
    let difference = found.difference.unwrap();
    let rule = difference.rules.iter().find(|rule| rule.rule == "pss-host-namespaces").unwrap();
    assert_eq!((rule.only_a, rule.only_b, rule.both), (0, 101, 1));
    assert_eq!((difference.only_a.total, difference.only_b.rows.len()), (0, 100));
    assert!(difference.only_b.total >= 101);
    assert!(difference.only_b.rows.is_sorted_by(|a, b| a.severity >= b.severity));

    // Whoever sees one of them cannot compare it with the other, nor with one of another organisation.
    let limited = at.member(&tenant, "limited", Role::Viewer, Some(&[eu])).await;
    assert!(matches!(at.web.cluster::<ViewInventory>(&limited, &tenant.slug, us).await, Err(Error::NotFound)));
    let organisation = at.look::<ViewInventory>(&limited, &tenant.slug).await.unwrap();
    let offered = at.web.comparable(&organisation).await.unwrap();
    assert_eq!(offered.iter().map(|cluster| cluster.name.as_str()).collect::<Vec<_>>(), ["eu"]);
    let other = at.tenant("other").await;
    let theirs = at.cluster(&other, "theirs").await;
    assert!(matches!(at.web.cluster::<ViewInventory>(&tenant.owner, &tenant.slug, theirs).await, Err(Error::NotFound)));
    let theirs = look::<ViewInventory>(&at, &other, theirs).await;
    assert!(matches!(at.web.compare((&seen.0, None), (&theirs, None)).await, Err(Error::NotFound)));
}

/// Of the rule about the host's namespaces: what only one or the other found, and how many only one, only the other, and
/// both did.
fn of_host_pid<'a>(difference: &'a Difference) -> (Vec<&'a str>, Vec<&'a str>, (i64, i64, i64)) {
    let rule = difference.rules.iter().find(|rule| rule.rule == "pss-host-namespaces").unwrap();
    let names = |only: &'a OnlyThere| {
        only.rows.iter().filter(|finding| finding.title == rule.title).map(|finding| finding.name.as_str()).collect()
    };
    (names(&difference.only_a), names(&difference.only_b), (rule.only_a, rule.only_b, rule.both))
}

#[tokio::test]
async fn who_asks_at_the_same_time_gets_the_same_audit_and_two_workers_do_it_once() {
    let at = Installation::new().await;
    let tenant = at.tenant("acme").await;
    let cluster = at.empty_cluster(&tenant, "eu").await;
    for n in 0..200 {
        at.put(&tenant, cluster, &pod(&format!("debug-{n:03}"), true)).await;
    }
    let run = look::<RunAudits>(&at, &tenant, cluster).await;
    let numbers = futures::future::join_all((0..8).map(|_| at.web.run_audit(&run))).await;
    assert!(numbers.into_iter().all(|number| number.unwrap() == 1));

    // One that was interrupted: it says that it runs, and nobody runs it.
    sqlx::query("UPDATE audit_runs SET state = 'running', started_at = now(), read = 7")
        .execute(&at.database.superuser())
        .await
        .unwrap();
    // As if the queue had handed it out twice.
    sqlx::query(
        "INSERT INTO apalis.jobs (job, id, job_type, status, attempts, max_attempts, run_at, priority)
         SELECT job, '01ARZ3NDEKTSV4RRFFQ69G5FAV', job_type, status, attempts, max_attempts, run_at, priority FROM apalis.jobs
         WHERE job_type = 'audit-cluster'",
    )
    .execute(&at.database.superuser())
    .await
    .unwrap();
    let _workers = (at.work(), at.work(), at.work());
    let done = until_done(&at, &tenant, cluster, 1).await;
    assert_eq!((done.state, done.objects, done.opened), (RunState::Done, 200, done.findings.total()));
    // Whoever came second found it done.
    tokio::time::sleep(Wait::from_secs(3)).await;
    assert_eq!(until_done(&at, &tenant, cluster, 1).await, done);
    let rows: i64 =
        sqlx::query_scalar("SELECT count(*) FROM findings").fetch_one(&at.database.superuser()).await.unwrap();
    assert_eq!(rows, done.findings.total());
}

#[tokio::test]
async fn what_was_judged_is_kept_encrypted_for_who_sees_the_cluster_and_goes_with_it() {
    let at = Installation::new().await;
    let tenant = at.tenant("acme").await;
    let cluster = at.empty_cluster(&tenant, "eu").await;
    at.put(&tenant, cluster, &pod("debug", true)).await;
    let worker = at.work();
    audited(&at, &tenant, cluster).await;

    let seen = look::<ViewInventory>(&at, &tenant, cluster).await;
    let evidence = at.web.evidence(&seen, 1).await.unwrap();
    let judged: Value = serde_json::from_slice(evidence.strip_suffix(b"\n").unwrap()).unwrap();
    assert_eq!(judged, pod("debug", true));
    assert!(matches!(at.web.evidence(&seen, 2).await, Err(Error::NotFound)));

    let objects = std::env::temp_dir().join(format!("kubewise-{}", at.database.name));
    let kept = objects.join(format!("{}/{cluster}/audits/1/evidence", tenant.org));
    let bytes = std::fs::read(&kept).unwrap();
    assert!(bytes.len() > 30 && !bytes.windows(7).any(|window| window == b"hostPID"));

    // Without the organisation's key it is noise.
    let behind = at.database.superuser();
    sqlx::query("UPDATE organisation_keys SET sealed = sealed || '\\x00'").execute(&behind).await.unwrap();
    assert!(at.web.evidence(&seen, 1).await.is_err());
    sqlx::query("UPDATE organisation_keys SET sealed = substring(sealed FOR octet_length(sealed) - 1)")
        .execute(&behind)
        .await
        .unwrap();
    assert!(at.web.evidence(&seen, 1).await.is_ok());

    at.web.delete_cluster(&look::<ManageClusters>(&at, &tenant, cluster).await).await.unwrap();
    for _ in 0..200 {
        let left: i64 = sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM audit_runs) + (SELECT count(*) FROM findings) + (SELECT count(*) FROM clusters)",
        )
        .fetch_one(&behind)
        .await
        .unwrap();
        if left == 0 {
            assert!(!kept.exists(), "the object is removed before what names it");
            drop(worker);
            std::fs::remove_dir_all(&objects).unwrap();
            return;
        }
        tokio::time::sleep(Wait::from_millis(50)).await;
    }
    panic!("the cluster is not removed");
}

#[tokio::test]
async fn who_may_not_run_audits_does_not_and_who_is_limited_sees_theirs() {
    let at = Installation::new().await;
    let tenant = at.tenant("acme").await;
    let (eu, us) = (at.cluster(&tenant, "eu").await, at.cluster(&tenant, "us").await);
    let viewer = at.member(&tenant, "viewer", Role::Viewer, None).await;
    let refused = at.web.cluster::<RunAudits>(&viewer, &tenant.slug, eu).await;
    assert!(matches!(refused, Err(Error::Forbidden)));
    let limited = at.member(&tenant, "limited", Role::Operator, Some(&[eu])).await;
    assert!(matches!(at.web.cluster::<RunAudits>(&limited, &tenant.slug, us).await, Err(Error::NotFound)));
    let organisation = at.look::<ViewInventory>(&limited, &tenant.slug).await.unwrap();
    let audits = at.web.audits(&organisation, &ListQuery::default()).await.unwrap();
    assert_eq!(audits.clusters.iter().map(|cluster| cluster.name.as_str()).collect::<Vec<_>>(), ["eu"]);
    assert!(audits.clusters[0].last.is_some() && audits.can_run);
}

fn every_morning() -> Schedule {
    Schedule { cron: "0 6 * * *".to_owned(), time_zone: "Europe/Paris".to_owned() }
}

async fn schedule_of(at: &Installation, tenant: &Tenant, cluster: ClusterId) -> ScheduleRow {
    let org = at.look::<ViewInventory>(&tenant.owner, &tenant.slug).await.unwrap();
    let found = at.web.schedules(&org, &ListQuery::default()).await.unwrap();
    found.clusters.into_iter().find(|row| row.id == cluster).unwrap()
}

async fn runs(at: &Installation) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM audit_runs").fetch_one(&at.database.superuser()).await.unwrap()
}

#[tokio::test]
async fn what_is_due_is_audited_once_however_many_servers_there_are_and_however_much_was_missed() {
    let at = Installation::new().await;
    let tenant = at.tenant("acme").await;
    let cluster = at.empty_cluster(&tenant, "eu").await;
    at.put(&tenant, cluster, &pod("debug", true)).await;
    sqlx::query("UPDATE clusters SET synced_at = now()").execute(&at.database.superuser()).await.unwrap();
    let may = look::<RunAudits>(&at, &tenant, cluster).await;
    at.web.set_schedule(&may, &every_morning()).await.unwrap();
    let set = schedule_of(&at, &tenant, cluster).await;
    assert_eq!(set.words.as_deref(), Some("every day at 06:00 Paris time"));
    let first = set.next_at.unwrap();

    // Nothing is due yet.
    let _workers = (at.work(), at.work(), at.work());
    tokio::time::sleep(Wait::from_secs(6)).await;
    assert_eq!(runs(&at).await, 0);

    // All servers were away for ten days: the ten audits are one.
    at.pass(Duration::days(10));
    until_done(&at, &tenant, cluster, 1).await;
    tokio::time::sleep(Wait::from_secs(6)).await;
    assert_eq!(runs(&at).await, 1);
    let next = schedule_of(&at, &tenant, cluster).await.next_at.unwrap();
    assert!(next > first && next > at.world.timestamp(), "{next:?}");

    // And the day after there is one more.
    at.pass(Duration::days(1));
    until_done(&at, &tenant, cluster, 2).await;
    assert_eq!(runs(&at).await, 2);

    at.web.end_schedule(&may).await.unwrap();
    assert_eq!(schedule_of(&at, &tenant, cluster).await.schedule, None);
    at.web.end_schedule(&may).await.unwrap();
}

#[tokio::test]
async fn an_audit_whose_server_was_killed_is_done_by_another_once() {
    let at = Installation::new().await;
    let tenant = at.tenant("acme").await;
    let cluster = at.empty_cluster(&tenant, "eu").await;
    at.put(&tenant, cluster, &pod("debug", true)).await;
    at.web.run_audit(&look::<RunAudits>(&at, &tenant, cluster).await).await.unwrap();
    // As a server leaves it that is killed in the middle: taken from the queue, begun, and never heard of again.
    let behind = at.database.superuser();
    for statement in [
        "INSERT INTO apalis.workers (id, worker_type, storage_name, layers, last_seen, started_at)
         VALUES ('killed', 'audit-cluster', 'x', '', now() - interval '1 hour', now() - interval '1 hour')",
        "UPDATE apalis.jobs SET status = 'Running', lock_by = 'killed', lock_at = now() - interval '1 hour', attempts = 1
         WHERE job_type = 'audit-cluster'",
        "UPDATE audit_runs SET state = 'running', started_at = now() - interval '1 hour', read = 1",
    ] {
        let done = sqlx::query(statement).execute(&behind).await.unwrap();
        assert_eq!(done.rows_affected(), 1, "{statement}");
    }
    let _workers = (at.work(), at.work());
    let done = until_done(&at, &tenant, cluster, 1).await;
    assert_eq!((done.state, done.number), (RunState::Done, 1));
    assert_eq!(runs(&at).await, 1);
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM findings").fetch_one(&behind).await.unwrap();
    assert_eq!(rows, done.findings.total(), "nothing is there twice");
}

#[tokio::test]
async fn who_is_limited_sets_schedules_of_their_clusters_only() {
    let at = Installation::new().await;
    let tenant = at.tenant("acme").await;
    let (eu, us) = (at.cluster(&tenant, "eu").await, at.cluster(&tenant, "us").await);
    let limited = at.member(&tenant, "limited", Role::Operator, Some(&[eu])).await;
    let org = at.look::<RunAudits>(&limited, &tenant.slug).await.unwrap();
    let theirs: Vec<ClusterId> = at.web.clusters_to_audit(&org).await.unwrap().into_iter().map(|(id, _)| id).collect();
    assert_eq!(theirs, [eu]);
    assert!(matches!(at.web.cluster::<RunAudits>(&limited, &tenant.slug, us).await, Err(Error::NotFound)));
    let viewed = at.look::<ViewInventory>(&limited, &tenant.slug).await.unwrap();
    let seen = at.web.schedules(&viewed, &ListQuery::default()).await.unwrap();
    assert_eq!(seen.clusters.iter().map(|row| row.id).collect::<Vec<_>>(), [eu]);
    let wrong = Schedule { cron: "* * * * *".to_owned(), ..every_morning() };
    let may = at.web.cluster::<RunAudits>(&limited, &tenant.slug, eu).await.unwrap();
    assert!(matches!(at.web.set_schedule(&may, &wrong).await, Err(Error::Invalid(_))));
}

/// So many that they are read in several parts, and it is told in between how far that is: by another connection than the
/// one that reads.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_cluster_is_audited_with_few_connections() {
    let at = Installation::new().await;
    let tenant = at.tenant("acme").await;
    let cluster = at.empty_cluster(&tenant, "large").await;
    at.put(&tenant, cluster, &pod("debug", true)).await;
    sqlx::query(
        "INSERT INTO resources (org_id, cluster_id, uid, kind, api_version, namespace, name, updated_at, workload, health,
           images, hash, manifest)
         SELECT org_id, cluster_id, gen_random_uuid(), kind, api_version, namespace, 'debug-' || n, updated_at, workload,
                health, images, hash, manifest
         FROM resources, generate_series(1, 4500) n WHERE cluster_id = $1",
    )
    .bind(cluster.0)
    .execute(&at.database.superuser())
    .await
    .unwrap();
    let _worker = at.work();
    let run = audited(&at, &tenant, cluster).await;
    assert_eq!((run.state, run.objects), (RunState::Done, 4_501));
}
