//! Plans: at a limit what is there stays and what would be one more is refused; nodes are counted by day; the agents of
//! clusters that a plan is too small for are refused, after some time.

use kubewise_backend::{
    Error, NewNotification, Receiver, Web,
    permission::{
        AddClusters, ManageBilling, ManageClusters, ManageOrganisation, ManageTeam, RunAudits, ViewInventory,
    },
    testing::{Installation, Tenant},
};
use kubewise_contract::{
    Access, ClusterId, ClusterName, EmailAddress, InvitationId, Limit, NodeDay, NotificationName, Occasions, Plan,
    PlanLimit, Role, Schedule,
};
use time::Duration;

/// An organisation of an installation that bills, without a subscription: the plan is Free.
async fn billed() -> (Installation, Tenant, Web) {
    let at = Installation::new().await;
    let tenant = at.tenant("acme").await;
    let web = at.web.clone().billed();
    (at, tenant, web)
}

async fn add(web: &Web, tenant: &Tenant, name: &str) -> Result<ClusterId, Error> {
    let org = web.organisation::<AddClusters>(&tenant.owner, &tenant.slug).await.unwrap();
    web.add_cluster(&org, &ClusterName::parse(name).unwrap()).await.map(|(id, _)| id)
}

async fn subscribe(at: &Installation, tenant: &Tenant, plan: &str, before: Option<&str>) {
    sqlx::query(
        "INSERT INTO subscriptions (org_id, plan, plan_before, grace_until, set_at)
         VALUES ($1, $2, $3, CASE WHEN $3 IS NOT NULL THEN $4::timestamptz + interval '14 days' END, $4)
         ON CONFLICT (org_id) DO UPDATE SET plan = excluded.plan, plan_before = excluded.plan_before,
           grace_until = excluded.grace_until",
    )
    .bind(tenant.org.0)
    .bind(plan)
    .bind(before)
    .bind(at.world.now())
    .execute(&at.database.superuser())
    .await
    .unwrap();
}

fn refused<T: std::fmt::Debug>(result: Result<T, Error>) -> (Plan, Limit, u32) {
    match result {
        Err(Error::PlanLimit(PlanLimit { plan, limit, most })) => (plan, limit, most),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn where_nobody_is_billed_everybody_has_everything() {
    let at = Installation::new().await;
    let tenant = at.tenant("acme").await;
    for number in 0..4 {
        add(&at.web, &tenant, &format!("cluster-{number}")).await.unwrap();
    }
    let org = at.look::<ManageBilling>(&tenant.owner, &tenant.slug).await.unwrap();
    let billing = at.web.billing(&org).await.unwrap();
    assert_eq!(billing.plan, Plan::SelfHosted);
    assert!(billing.used.contains(&(Limit::Clusters, 4)) && billing.used.contains(&(Limit::Members, 1)));
    assert_eq!(billing.days, []);
}

#[tokio::test]
async fn a_cluster_more_than_the_plan_has_is_refused_and_one_that_is_gone_makes_room() {
    let (at, tenant, web) = billed().await;
    add(&web, &tenant, "first").await.unwrap();
    // Of two who would have the last one, one has it.
    let (one, other) = tokio::join!(add(&web, &tenant, "second"), add(&web, &tenant, "third"));
    let (made, not) = match (one, other) {
        (Ok(made), not) | (not, Ok(made)) => (made, not),
        neither => panic!("{neither:?}"),
    };
    assert_eq!(refused(not), (Plan::Free, Limit::Clusters, 2));
    let cluster = web.cluster::<ManageClusters>(&tenant.owner, &tenant.slug, made).await.unwrap();
    web.delete_cluster(&cluster).await.unwrap();
    add(&web, &tenant, "fourth").await.unwrap();
    assert_eq!(refused(add(&web, &tenant, "fifth").await), (Plan::Free, Limit::Clusters, 2));
    // A larger plan has it.
    subscribe(&at, &tenant, "team", None).await;
    add(&web, &tenant, "fifth").await.unwrap();
}

#[tokio::test]
async fn the_limits_of_the_plan_before_hold_for_some_time() {
    let (at, tenant, web) = billed().await;
    subscribe(&at, &tenant, "free", Some("team")).await;
    for name in ["first", "second", "third"] {
        add(&web, &tenant, name).await.unwrap();
    }
    let org = web.organisation::<ManageBilling>(&tenant.owner, &tenant.slug).await.unwrap();
    let billing = web.billing(&org).await.unwrap();
    assert!(billing.plan == Plan::Free && billing.grace_until.is_some());
    at.pass(Duration::days(15));
    assert_eq!(refused(add(&web, &tenant, "fourth").await), (Plan::Free, Limit::Clusters, 2));
    let billing = web.billing(&org).await.unwrap();
    assert!(billing.grace_until.is_none() && billing.used.contains(&(Limit::Clusters, 3)), "nothing is removed");
}

#[tokio::test]
async fn invitations_schedules_notifications_and_rules_for_all_are_limited_too() {
    let (at, tenant, web) = billed().await;
    let access = Access { role: Role::Viewer, clusters: None };
    let team = web.organisation::<ManageTeam>(&tenant.owner, &tenant.slug).await.unwrap();
    let invite = async |name: &str| {
        let email = EmailAddress::parse(&format!("{name}@example.org")).unwrap();
        web.invite(&team, &tenant.owner, &email, &access, true).await
    };
    for name in ["one", "two", "three"] {
        invite(name).await.unwrap();
    }
    at.member(&tenant, "four", Role::Viewer, None).await;
    assert_eq!(refused(invite("five").await), (Plan::Free, Limit::Members, 5));

    let schedule = Schedule { cron: "0 6 * * *".to_owned(), time_zone: "UTC".to_owned() };
    let (first, second) = (add(&web, &tenant, "first").await.unwrap(), add(&web, &tenant, "second").await.unwrap());
    let set = async |cluster| {
        let cluster = web.cluster::<RunAudits>(&tenant.owner, &tenant.slug, cluster).await.unwrap();
        web.set_schedule(&cluster, &schedule).await
    };
    set(first).await.unwrap();
    set(first).await.unwrap();
    assert_eq!(refused(set(second).await), (Plan::Free, Limit::Schedules, 1));

    let seen = web.organisation::<ViewInventory>(&tenant.owner, &tenant.slug).await.unwrap();
    let tell = async |name: &str| {
        let wanted = NewNotification {
            name: NotificationName::parse(name).unwrap(),
            to: Receiver::Member(None),
            occasions: Occasions { new_findings: None, failed_runs: true, silent_clusters: false },
            cluster: None,
            namespaces: Vec::new(),
            digest: None,
        };
        web.make_notification(&seen, &wanted).await.map(drop)
    };
    for name in ["a", "b", "c"] {
        tell(name).await.unwrap();
    }
    assert_eq!(refused(tell("d").await), (Plan::Free, Limit::Notifications, 3));
    // One that has ended makes room, and does not come back where there is none.
    let behind = at.database.superuser();
    sqlx::query("UPDATE notifications SET ended = 'gone', ended_at = now() WHERE name = 'a'")
        .execute(&behind)
        .await
        .unwrap();
    tell("d").await.unwrap();
    let rows = web.notifications(&seen).await.unwrap().rows;
    let ended = rows.iter().find(|row| row.name == "a").unwrap().id;
    assert_eq!(refused(web.resume_notification(&seen, ended).await), (Plan::Free, Limit::Notifications, 3));
    // Nor does an invitation that is over.
    at.pass(Duration::days(8));
    let late = web.organisation::<ManageTeam>(&tenant.owner, &tenant.slug).await.unwrap();
    invite("six").await.unwrap();
    invite("seven").await.unwrap();
    invite("eight").await.unwrap();
    let over: uuid::Uuid = sqlx::query_scalar("SELECT id FROM invitations WHERE email = 'one@example.org'")
        .fetch_one(&behind)
        .await
        .unwrap();
    let again = web.resend_invitation(&late, &tenant.owner, InvitationId(over)).await;
    assert_eq!(refused(again), (Plan::Free, Limit::Members, 5));

    sqlx::query("INSERT INTO authenticators (user_id, seed, confirmed_at, created_at) SELECT $1, '', now(), now()")
        .bind(tenant.owner.user_id().0)
        .execute(&at.database.superuser())
        .await
        .unwrap();
    let owner = at.actor(tenant.owner.user_id()).await;
    let whole = web.organisation::<ManageOrganisation>(&owner, &tenant.slug).await.unwrap();
    let required = web.require_second_factor(&whole, &owner, true).await;
    assert_eq!(refused(required), (Plan::Free, Limit::SecondFactor, 0));
    web.require_second_factor(&whole, &owner, false).await.unwrap();
}

/// An agent tells of so many nodes.
async fn nodes(at: &Installation, cluster: ClusterId, nodes: i64) {
    sqlx::query("UPDATE clusters SET nodes = $2, last_heard_at = $3, synced_at = $3 WHERE id = $1")
        .bind(cluster.0)
        .bind(nodes)
        .bind(at.world.now())
        .execute(&at.database.superuser())
        .await
        .unwrap();
}

/// Waits for what a worker does when it begins.
async fn counted(at: &Installation) {
    let _worker = at.work();
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
}

#[tokio::test]
async fn nodes_are_counted_by_day_and_a_silent_cluster_has_none() {
    let at = Installation::new().await;
    let tenant = at.tenant("acme").await;
    let (east, west) = (add(&at.web, &tenant, "east").await.unwrap(), add(&at.web, &tenant, "west").await.unwrap());
    nodes(&at, east, 3).await;
    nodes(&at, west, 4).await;
    counted(&at).await;
    // Fewer, later on the same day, is not less.
    nodes(&at, east, 1).await;
    counted(&at).await;
    at.pass(Duration::DAY);
    // West is silent today.
    nodes(&at, east, 2).await;
    counted(&at).await;
    let cluster = at.web.cluster::<ManageClusters>(&tenant.owner, &tenant.slug, west).await.unwrap();
    at.web.delete_cluster(&cluster).await.unwrap();
    let org = at.look::<ManageBilling>(&tenant.owner, &tenant.slug).await.unwrap();
    let days = at.web.billing(&org).await.unwrap().days;
    assert_eq!(days.iter().map(|day| day.nodes).collect::<Vec<_>>(), [7, 2]);
    let today = NodeDay { day: at.world.now().date().to_string(), nodes: 2 };
    assert_eq!(days.last(), Some(&today));
}
