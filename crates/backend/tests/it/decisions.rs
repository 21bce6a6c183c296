//! What an organisation decides about audits: what is waived is found and not counted, who decides is who may, and what is
//! decided has clusters judged again.

use std::time::Duration as Wait;

use kubewise_backend::{
    Actor, Authorized, Cluster, Error, FindingsExport, Organisation,
    permission::{Grant, ManagePolicies, RunAudits, ViewInventory, WaiveFindings},
    testing::{Installation, Tenant},
};
use kubewise_contract::{
    AuditRun, ClusterId, Decided, Field, FieldError, FindingRow, FindingState, FindingsQuery, ListQuery,
    ParametersInput, Policies, Problem, Role, RunState, Severity, WaiverInput, WaiverRow, WaiverState, WaiversQuery,
    WaiversShown,
};
use serde_json::{Value, json};
use time::Duration;

const RULE: &str = "pss-host-namespaces";

/// A pod that sees the node's processes.
fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "labels": {"app": name}},
        "spec": {"hostPID": true, "containers": [{"name": "main", "image": "registry.example.com/web:1.2.3"}]},
    })
}

async fn org<P: Grant>(at: &Installation, tenant: &Tenant, actor: &Actor) -> Authorized<Organisation, P> {
    at.look::<P>(actor, &tenant.slug).await.unwrap()
}

async fn look<P: Grant>(at: &Installation, tenant: &Tenant, cluster: ClusterId) -> Authorized<Cluster, P> {
    at.web.cluster(&tenant.owner, &tenant.slug, cluster).await.unwrap()
}

/// The last audit that was done, once it has this number.
async fn until(at: &Installation, tenant: &Tenant, cluster: ClusterId, number: i64) -> AuditRun {
    let seen = look::<ViewInventory>(at, tenant, cluster).await;
    for _ in 0..300 {
        let found = at.web.cluster_audit(&seen).await.unwrap().cluster;
        if let Some(last) = found.last.filter(|last| last.number >= number)
            && found.newer.is_none()
        {
            assert_eq!((last.number, last.state), (number, RunState::Done));
            return last;
        }
        tokio::time::sleep(Wait::from_millis(50)).await;
    }
    panic!("audit {number} was not done");
}

async fn audited(at: &Installation, tenant: &Tenant, cluster: ClusterId) -> AuditRun {
    let number = at.web.run_audit(&look::<RunAudits>(at, tenant, cluster).await).await.unwrap();
    until(at, tenant, cluster, number).await
}

async fn found(at: &Installation, tenant: &Tenant, cluster: ClusterId, state: FindingState) -> Vec<FindingRow> {
    let query = FindingsQuery { state: Some(state), rule: Some(RULE.to_owned()), ..FindingsQuery::default() };
    at.web.findings(&look::<ViewInventory>(at, tenant, cluster).await, &query).await.unwrap().rows
}

async fn names(at: &Installation, tenant: &Tenant, cluster: ClusterId, state: FindingState) -> Vec<String> {
    found(at, tenant, cluster, state).await.into_iter().map(|row| row.name).collect()
}

fn waiver(cluster: ClusterId, name: &str) -> WaiverInput {
    WaiverInput {
        rule: RULE.to_owned(),
        cluster: cluster.to_string(),
        name: name.to_owned(),
        reason: "Reads the node's own figures.".to_owned(),
        owner: "platform team".to_owned(),
        ..WaiverInput::default()
    }
}

async fn waivers(at: &Installation, tenant: &Tenant, actor: &Actor, shown: WaiversShown) -> Vec<WaiverRow> {
    let org = org::<ViewInventory>(at, tenant, actor).await;
    at.web.waivers(&org, &WaiversQuery { shown, after: None }).await.unwrap().rows
}

fn refusal(error: Result<impl Sized, Error>) -> FieldError {
    match error.map(drop) {
        Err(Error::Invalid(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_waived_is_found_and_not_counted_until_the_waiver_ends() {
    let at = Installation::new().await;
    let tenant = at.tenant("acme").await;
    let cluster = at.empty_cluster(&tenant, "eu").await;
    at.put(&tenant, cluster, &pod("exporter")).await;
    at.put(&tenant, cluster, &pod("debug")).await;
    let _worker = at.work();
    let first = audited(&at, &tenant, cluster).await;
    assert_eq!(names(&at, &tenant, cluster, FindingState::Open).await, ["debug", "exporter"]);

    // Waived: judged again at once, found, and in no figure.
    let org = org::<WaiveFindings>(&at, &tenant, &tenant.owner).await;
    assert!(at.web.add_waiver(&org, &waiver(cluster, "exporter")).await.unwrap());
    let second = until(&at, &tenant, cluster, 2).await;
    assert_eq!(second.findings.total(), first.findings.total() - 1);
    assert_eq!((second.waived, second.opened, second.fixed), (1, 0, 0));
    assert_eq!(second.score, first.score, "the score is about what is");
    assert_eq!(names(&at, &tenant, cluster, FindingState::Open).await, ["debug"]);
    let waived = found(&at, &tenant, cluster, FindingState::Waived).await;
    assert_eq!(waived.len(), 1);
    assert!(found(&at, &tenant, cluster, FindingState::Fixed).await.is_empty(), "nothing was mended");
    let seen = look::<ViewInventory>(&at, &tenant, cluster).await;
    let detail = at.web.finding(&seen, &waived[0].id).await.unwrap();
    assert_eq!(detail.waived.unwrap().owner.as_deref(), Some("platform team"));
    let summary = at.web.cluster_audit(&seen).await.unwrap().summary;
    assert_eq!(summary.rules.iter().find(|rule| rule.name == RULE).unwrap().findings.total(), 1);

    // In a file it is accepted, with its reason.
    let FindingsExport::Whole(output) = at.web.findings_export(&seen, &FindingsQuery::default(), 1000).await.unwrap()
    else {
        panic!("a file")
    };
    assert!(output.findings.iter().all(|item| item.rule != RULE || item.resource.name == "debug"));
    assert_eq!(output.excepted.len(), 1);
    assert_eq!(output.excepted[0].exception.reason, "Reads the node's own figures.");

    // Ended: open again, and not new.
    let rows = waivers(&at, &tenant, &tenant.owner, WaiversShown::Current).await;
    assert_eq!((rows[0].state, rows[0].findings), (WaiverState::Holds, 1));
    at.web.end_waiver(&org, rows[0].id).await.unwrap();
    let third = until(&at, &tenant, cluster, 3).await;
    assert_eq!((third.findings, third.waived, third.opened), (first.findings, 0, 0));
    assert_eq!(names(&at, &tenant, cluster, FindingState::Open).await, ["debug", "exporter"]);
    let ended = waivers(&at, &tenant, &tenant.owner, WaiversShown::Ended).await;
    assert_eq!(ended[0].state, WaiverState::Ended);
    assert!(waivers(&at, &tenant, &tenant.owner, WaiversShown::Current).await.is_empty());
}

#[tokio::test]
async fn a_waiver_is_for_what_it_names_and_no_more() {
    let at = Installation::new().await;
    let tenant = at.tenant("acme").await;
    let cluster = at.empty_cluster(&tenant, "eu").await;
    for name in ["a", "b", "c"] {
        at.put(&tenant, cluster, &pod(name)).await;
    }
    let _worker = at.work();
    audited(&at, &tenant, cluster).await;
    let org = org::<WaiveFindings>(&at, &tenant, &tenant.owner).await;
    let mut number = 1;
    for (input, left) in [
        (WaiverInput { labels: "app=a".to_owned(), ..waiver(cluster, "") }, vec!["b", "c"]),
        (WaiverInput { kind: "Deployment".to_owned(), ..waiver(cluster, "") }, vec!["a", "b", "c"]),
        (WaiverInput { namespace: "other".to_owned(), ..waiver(cluster, "") }, vec!["a", "b", "c"]),
        (WaiverInput { rule: "*".to_owned(), ..waiver(cluster, "b") }, vec!["a", "c"]),
        (WaiverInput { cluster: String::new(), namespace: "shop".to_owned(), ..waiver(cluster, "") }, vec![]),
        (WaiverInput { rule: "pss-host-ports".to_owned(), ..waiver(cluster, "") }, vec!["a", "b", "c"]),
    ] {
        at.web.add_waiver(&org, &input).await.unwrap();
        number += 1;
        until(&at, &tenant, cluster, number).await;
        assert_eq!(names(&at, &tenant, cluster, FindingState::Open).await, left, "{input:?}");
        let row = waivers(&at, &tenant, &tenant.owner, WaiversShown::Current).await.remove(0);
        let unused = waivers(&at, &tenant, &tenant.owner, WaiversShown::Unused).await;
        assert_eq!(unused.iter().any(|one| one.id == row.id), left.len() == 3, "{input:?}");
        at.web.end_waiver(&org, row.id).await.unwrap();
        number += 1;
        until(&at, &tenant, cluster, number).await;
    }
}

#[tokio::test]
async fn what_has_to_be_allowed_holds_once_it_is() {
    let at = Installation::new().await;
    let tenant = at.tenant("acme").await;
    let cluster = at.empty_cluster(&tenant, "eu").await;
    at.put(&tenant, cluster, &pod("exporter")).await;
    let _worker = at.work();
    audited(&at, &tenant, cluster).await;
    let admin = at.member(&tenant, "admin", Role::Admin, None).await;
    let operator = at.member(&tenant, "operator", Role::Operator, None).await;
    let policy = org::<ManagePolicies>(&at, &tenant, &admin).await;
    at.web.set_waiver_policy(&policy, true, false).await.unwrap();

    let asking = org::<WaiveFindings>(&at, &tenant, &operator).await;
    assert!(at.web.waiver_choices(&asking).await.unwrap().is_asked);
    assert!(!at.web.add_waiver(&asking, &waiver(cluster, "exporter")).await.unwrap());
    assert!(matches!(at.look::<ManagePolicies>(&operator, &tenant.slug).await, Err(Error::Forbidden)));
    audited(&at, &tenant, cluster).await;
    assert_eq!(names(&at, &tenant, cluster, FindingState::Open).await, ["exporter"], "it does not hold yet");
    let asked = waivers(&at, &tenant, &admin, WaiversShown::Asked).await.remove(0);
    assert_eq!((asked.state, asked.findings), (WaiverState::Asked, 0));

    at.web.allow_waiver(&policy, asked.id).await.unwrap();
    // Twice is once.
    at.web.allow_waiver(&policy, asked.id).await.unwrap();
    until(&at, &tenant, cluster, 3).await;
    assert!(names(&at, &tenant, cluster, FindingState::Open).await.is_empty());
    let held = waivers(&at, &tenant, &operator, WaiversShown::Current).await.remove(0);
    assert_eq!(held.state, WaiverState::Holds);
    assert!(held.approved_by.is_some() && held.approved_by != held.requested_by);

    // One that is turned down is over, and is not allowed any more.
    at.web.add_waiver(&asking, &waiver(cluster, "other")).await.unwrap();
    let asked = waivers(&at, &tenant, &admin, WaiversShown::Asked).await.remove(0);
    at.web.end_waiver(&org::<WaiveFindings>(&at, &tenant, &admin).await, asked.id).await.unwrap();
    at.web.allow_waiver(&policy, asked.id).await.unwrap();
    assert_eq!(waivers(&at, &tenant, &admin, WaiversShown::Ended).await[0].state, WaiverState::Ended);
    // Who may allow it needs nobody to.
    let own = org::<WaiveFindings>(&at, &tenant, &admin).await;
    assert!(at.web.add_waiver(&own, &waiver(cluster, "third")).await.unwrap());
}

#[tokio::test]
async fn a_waiver_whose_last_day_is_over_holds_no_more() {
    let at = Installation::new().await;
    let tenant = at.tenant("acme").await;
    let cluster = at.empty_cluster(&tenant, "eu").await;
    at.put(&tenant, cluster, &pod("exporter")).await;
    let today = at.world.now().date();
    {
        let _worker = at.work();
        audited(&at, &tenant, cluster).await;
        let org = org::<WaiveFindings>(&at, &tenant, &tenant.owner).await;
        let input = WaiverInput { expires: today.to_string(), ..waiver(cluster, "exporter") };
        at.web.add_waiver(&org, &input).await.unwrap();
        until(&at, &tenant, cluster, 2).await;
        assert!(names(&at, &tenant, cluster, FindingState::Open).await.is_empty(), "the last day counts");
    }
    at.pass(Duration::DAY);
    assert_eq!(waivers(&at, &tenant, &tenant.owner, WaiversShown::Ended).await[0].state, WaiverState::Ended);
    // What is over is ended when a worker begins, and every hour.
    let _worker = at.work();
    until(&at, &tenant, cluster, 3).await;
    assert_eq!(names(&at, &tenant, cluster, FindingState::Open).await, ["exporter"]);
}

#[tokio::test]
async fn annotations_waive_where_the_organisation_lets_them() {
    let at = Installation::new().await;
    let tenant = at.tenant("acme").await;
    let cluster = at.empty_cluster(&tenant, "eu").await;
    let annotated = |name: &str, annotations: Value| {
        let mut pod = pod(name);
        pod["metadata"]["annotations"] = annotations;
        pod
    };
    let (waive, reason) = ("kubewise.io/waive", "kubewise.io/waive-reason");
    for pod in [
        annotated("right", json!({waive: "pss-host-ports, pss-host-namespaces", reason: "Reads processes."})),
        annotated("no-reason", json!({waive: RULE, reason: " "})),
        annotated("all", json!({waive: "*", reason: "Everything."})),
        annotated("another", json!({waive: "pss-host-ports", reason: "Another rule."})),
    ] {
        at.put(&tenant, cluster, &pod).await;
    }
    let _worker = at.work();
    audited(&at, &tenant, cluster).await;
    assert_eq!(found(&at, &tenant, cluster, FindingState::Open).await.len(), 4, "nobody has let them");
    let policy = org::<ManagePolicies>(&at, &tenant, &tenant.owner).await;
    at.web.set_waiver_policy(&policy, false, true).await.unwrap();
    until(&at, &tenant, cluster, 2).await;
    assert_eq!(names(&at, &tenant, cluster, FindingState::Open).await, ["all", "another", "no-reason"]);
    let waived = found(&at, &tenant, cluster, FindingState::Waived).await;
    let detail = at.web.finding(&look::<ViewInventory>(&at, &tenant, cluster).await, &waived[0].id).await.unwrap();
    let why = detail.waived.unwrap();
    assert_eq!((why.reason.as_str(), why.owner), ("Reads processes.", None));
}

#[tokio::test]
async fn rules_are_switched_off_and_made_worse_and_clusters_judged_by_a_profile_and_a_version() {
    let at = Installation::new().await;
    let tenant = at.tenant("acme").await;
    let cluster = at.empty_cluster(&tenant, "eu").await;
    at.put(&tenant, cluster, &pod("debug")).await;
    let _worker = at.work();
    let first = audited(&at, &tenant, cluster).await;
    let policy = org::<ManagePolicies>(&at, &tenant, &tenant.owner).await;

    at.web.decide_rule(&policy, RULE, Some(Decided::Severity(Severity::Low))).await.unwrap();
    until(&at, &tenant, cluster, 2).await;
    assert_eq!(found(&at, &tenant, cluster, FindingState::Open).await[0].severity, Severity::Low);

    // Not judged: closed, and not fixed.
    at.web.decide_rule(&policy, RULE, Some(Decided::Off)).await.unwrap();
    let third = until(&at, &tenant, cluster, 3).await;
    assert_eq!((third.fixed, third.findings.total()), (0, first.findings.total() - 1));
    assert!(found(&at, &tenant, cluster, FindingState::Open).await.is_empty());
    assert!(found(&at, &tenant, cluster, FindingState::Fixed).await.is_empty());

    at.web.decide_rule(&policy, RULE, None).await.unwrap();
    until(&at, &tenant, cluster, 4).await;
    assert_eq!(found(&at, &tenant, cluster, FindingState::New).await[0].severity, Severity::Critical);
    // What is so already is not decided again.
    at.web.decide_rule(&policy, RULE, None).await.unwrap();
    let wrong = refusal(at.web.decide_rule(&policy, "no-such-rule", Some(Decided::Off)).await);
    assert_eq!(wrong, FieldError { field: Field::Rule, problem: Problem::NoSuchRule });

    let may = look::<ManagePolicies>(&at, &tenant, cluster).await;
    at.web.set_cluster_policy(&may, "pss-baseline", Some("1.25")).await.unwrap();
    let fifth = until(&at, &tenant, cluster, 5).await;
    assert_eq!(fifth.kubernetes_version.as_deref(), Some("1.25"));
    assert_eq!(fifth.profile.as_deref(), Some("pss-baseline"));
    assert_eq!(fifth.findings.total(), 1, "the host's processes are all that baseline minds");
    assert_eq!(fifth.fixed, 0);
    for (profile, version) in [("best", None), ("all", Some("2.0")), ("all", Some("1.99")), ("all", Some("new"))] {
        refusal(at.web.set_cluster_policy(&may, profile, version).await);
    }
    let shown: Policies =
        at.web.policies(&org::<ViewInventory>(&at, &tenant, &tenant.owner).await, &ListQuery::default()).await.unwrap();
    assert_eq!((shown.clusters[0].profile.as_str(), shown.rules.len()), ("pss-baseline", 0));
}

#[tokio::test]
async fn what_rules_leave_open_is_set() {
    let at = Installation::new().await;
    let tenant = at.tenant("acme").await;
    let cluster = at.empty_cluster(&tenant, "eu").await;
    at.put(&tenant, cluster, &pod("debug")).await;
    let _worker = at.work();
    audited(&at, &tenant, cluster).await;
    let rule = "image-registry-not-allowed";
    let policy = org::<ManagePolicies>(&at, &tenant, &tenant.owner).await;
    let view = org::<ViewInventory>(&at, &tenant, &tenant.owner).await;
    let usual = at.web.policies(&view, &ListQuery::default()).await.unwrap().parameters;
    let input = ParametersInput { allowed_registries: "ghcr.io/acme".to_owned(), ..usual };
    at.web.set_parameters(&policy, &input).await.unwrap();
    until(&at, &tenant, cluster, 2).await;
    let query = FindingsQuery { rule: Some(rule.to_owned()), ..FindingsQuery::default() };
    let seen = look::<ViewInventory>(&at, &tenant, cluster).await;
    assert_eq!(at.web.findings(&seen, &query).await.unwrap().rows.len(), 1);
    assert_eq!(at.web.policies(&view, &ListQuery::default()).await.unwrap().parameters, input);
    // The same again changes nothing.
    at.web.set_parameters(&policy, &input).await.unwrap();
    let wrong = ParametersInput { minimum_replicas: "none".to_owned(), ..input };
    assert_eq!(refusal(at.web.set_parameters(&policy, &wrong).await).field, Field::Replicas);
}

#[tokio::test]
async fn what_is_decided_while_an_audit_runs_has_another_one_follow() {
    let at = Installation::new().await;
    let tenant = at.tenant("acme").await;
    let cluster = at.empty_cluster(&tenant, "eu").await;
    at.put(&tenant, cluster, &pod("exporter")).await;
    {
        let _worker = at.work();
        audited(&at, &tenant, cluster).await;
    }
    // One that another server has begun, and read what was decided by then.
    at.web.run_audit(&look::<RunAudits>(&at, &tenant, cluster).await).await.unwrap();
    let behind = at.database.superuser();
    sqlx::query("UPDATE audit_runs SET state = 'running', started_at = now() WHERE number = 2")
        .execute(&behind)
        .await
        .unwrap();
    sqlx::query("UPDATE apalis.jobs SET status = 'Running' WHERE job_type = 'audit-cluster' AND status = 'Pending'")
        .execute(&behind)
        .await
        .unwrap();
    let org = org::<WaiveFindings>(&at, &tenant, &tenant.owner).await;
    at.web.add_waiver(&org, &waiver(cluster, "exporter")).await.unwrap();
    let _worker = at.work();
    for _ in 0..200 {
        let again: bool =
            sqlx::query_scalar("SELECT again FROM audit_runs WHERE number = 2").fetch_one(&behind).await.unwrap();
        if again {
            break;
        }
        tokio::time::sleep(Wait::from_millis(50)).await;
    }
    // It ends there, and the next begins by itself.
    sqlx::query("UPDATE apalis.jobs SET status = 'Pending', lock_by = NULL, lock_at = NULL WHERE job_type = 'audit-cluster' AND status = 'Running'")
        .execute(&behind)
        .await
        .unwrap();
    until(&at, &tenant, cluster, 3).await;
    assert!(names(&at, &tenant, cluster, FindingState::Open).await.is_empty());
}

#[tokio::test]
async fn who_is_limited_waives_in_their_clusters_and_sees_no_others() {
    let at = Installation::new().await;
    let tenant = at.tenant("acme").await;
    let (eu, us) = (at.empty_cluster(&tenant, "eu").await, at.cluster(&tenant, "us").await);
    let limited = at.member(&tenant, "limited", Role::Operator, Some(&[eu])).await;
    let may = org::<WaiveFindings>(&at, &tenant, &limited).await;
    let all = org::<WaiveFindings>(&at, &tenant, &tenant.owner).await;
    at.web.add_waiver(&all, &WaiverInput { cluster: String::new(), ..waiver(eu, "everywhere") }).await.unwrap();
    at.web.add_waiver(&all, &waiver(us, "over-there")).await.unwrap();
    at.pass(Duration::MINUTE);

    assert_eq!(
        refusal(at.web.add_waiver(&may, &WaiverInput { cluster: String::new(), ..waiver(eu, "x") }).await).field,
        Field::Clusters
    );
    assert!(matches!(at.web.add_waiver(&may, &waiver(us, "x")).await, Err(Error::NotFound)));
    at.web.add_waiver(&may, &waiver(eu, "here")).await.unwrap();
    let choices = at.web.waiver_choices(&may).await.unwrap();
    assert_eq!((choices.clusters.len(), choices.every_cluster), (1, false));

    let seen = waivers(&at, &tenant, &limited, WaiversShown::Current).await;
    let scopes: Vec<_> = seen.iter().map(|row| (row.scope.join(" "), row.can_end)).collect();
    assert_eq!(scopes, [("name here".to_owned(), true), ("name everywhere".to_owned(), false)]);
    assert!(matches!(at.web.end_waiver(&may, seen[1].id).await, Err(Error::Forbidden)));
    let theirs = waivers(&at, &tenant, &tenant.owner, WaiversShown::Current).await;
    let hidden = theirs.iter().find(|row| row.cluster.as_deref() == Some("us")).unwrap();
    assert!(matches!(at.web.end_waiver(&may, hidden.id).await, Err(Error::NotFound)));

    // Of another organisation nothing is there.
    let other = at.tenant("other").await;
    let theirs = org::<WaiveFindings>(&at, &other, &other.owner).await;
    assert!(matches!(at.web.end_waiver(&theirs, seen[0].id).await, Err(Error::NotFound)));
    let viewer = at.member(&tenant, "viewer", Role::Viewer, None).await;
    assert!(matches!(at.look::<WaiveFindings>(&viewer, &tenant.slug).await, Err(Error::Forbidden)));
}
