//! Notifications: who wants to be told is told, once, of what they see and nobody else of anything.

use std::time::Duration as Wait;

use kubewise_backend::{
    Actor, Error, NewNotification, Receiver,
    permission::{RunAudits, ViewInventory},
    testing::{Installation, Tenant},
};
use kubewise_contract::{
    Channel, ClusterId, DeliveryEvent, DeliveryRow, DeliveryState, Field, ListQuery, NotificationDetail,
    NotificationId, NotificationName, Occasions, Problem, Role, Schedule, Severity,
};
use serde_json::json;
use time::Duration;

struct Scene {
    at: Installation,
    tenant: Tenant,
}

impl Scene {
    async fn new() -> Self {
        let at = Installation::new().await;
        let tenant = at.tenant("acme").await;
        std::fs::create_dir_all(at.outbox()).unwrap();
        Self { at, tenant }
    }

    /// A cluster of which nothing is known but what the test puts there.
    async fn cluster(&self, name: &str) -> ClusterId {
        let cluster = self.at.cluster(&self.tenant, name).await;
        for table in ["resources", "findings", "audit_runs", "audit_schedules", "cluster_silences", "notifications"] {
            self.behind(&format!("DELETE FROM {table} WHERE cluster_id = '{cluster}'")).await;
        }
        cluster
    }

    async fn behind(&self, statement: &str) {
        sqlx::query(sqlx::AssertSqlSafe(statement.to_owned())).execute(&self.at.database.superuser()).await.unwrap();
    }

    /// A pod of which an audit finds that it shares the node's processes, which is critical.
    async fn bad_pod(&self, cluster: ClusterId, namespace: &str, name: &str) {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace},
            "spec": {"hostPID": true, "containers": [{"name": "app", "image": "shop:1"}]},
        });
        self.at.put(&self.tenant, cluster, &pod).await;
    }

    /// Has a cluster audited, and waits until that is done.
    async fn audit(&self, cluster: ClusterId) {
        let web = &self.at.web;
        let may = web.cluster::<RunAudits>(&self.tenant.owner, &self.tenant.slug, cluster).await.unwrap();
        let number = web.run_audit(&may).await.unwrap();
        let seen = web.cluster::<ViewInventory>(&self.tenant.owner, &self.tenant.slug, cluster).await.unwrap();
        for _ in 0..600 {
            let last = web.cluster_audit(&seen).await.unwrap().cluster.last;
            if last.is_some_and(|last| last.number >= number) {
                return;
            }
            tokio::time::sleep(Wait::from_millis(50)).await;
        }
        panic!("the audit is not done");
    }

    async fn make(&self, by: &Actor, wanted: &NewNotification) -> Result<NotificationId, Error> {
        let org = self.at.look::<ViewInventory>(by, &self.tenant.slug).await.unwrap();
        self.at.web.make_notification(&org, wanted).await.map(|(id, _)| id)
    }

    async fn detail(&self, by: &Actor, id: NotificationId) -> Result<NotificationDetail, Error> {
        let org = self.at.look::<ViewInventory>(by, &self.tenant.slug).await.unwrap();
        self.at.web.notification(&org, id, &ListQuery::default()).await
    }

    /// What was told, once as many have ended; then a moment more, in which nothing else may come.
    async fn told(&self, id: NotificationId, count: usize) -> Vec<DeliveryRow> {
        for _ in 0..600 {
            let rows = self.detail(&self.tenant.owner, id).await.unwrap().deliveries.rows;
            if rows.iter().filter(|row| row.state != DeliveryState::Waiting).count() >= count {
                tokio::time::sleep(Wait::from_millis(300)).await;
                let rows = self.detail(&self.tenant.owner, id).await.unwrap().deliveries.rows;
                assert_eq!(rows.len(), count, "{rows:?}");
                return rows;
            }
            tokio::time::sleep(Wait::from_millis(50)).await;
        }
        panic!("{:?}", self.detail(&self.tenant.owner, id).await.unwrap());
    }

    /// The mails to somebody, as far as they are whole, unfolded.
    fn mails(&self, to: &Actor) -> Vec<String> {
        let address = self.address(to);
        let files = std::fs::read_dir(self.at.outbox()).unwrap().map(|file| file.unwrap().path());
        let mails = files.map(|file| std::fs::read_to_string(file).unwrap().replace("=\r\n", "").replace("=3D", "="));
        mails.filter(|mail| mail.contains(&format!("<{address}>"))).collect()
    }

    /// Members are called after their addresses.
    fn address(&self, of: &Actor) -> String {
        let pool = self.at.database.superuser();
        let id = of.user_id().0;
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(async move {
                sqlx::query_scalar("SELECT email FROM users WHERE id = $1").bind(id).fetch_one(&pool).await.unwrap()
            })
        })
    }

    /// Its agent was heard now, and has sent what runs there.
    async fn heard(&self, cluster: ClusterId) {
        sqlx::query("UPDATE clusters SET last_heard_at = $2, synced_at = $2 WHERE id = $1")
            .bind(cluster.0)
            .bind(self.at.world.now())
            .execute(&self.at.database.superuser())
            .await
            .unwrap();
    }
}

fn wanted(name: &str) -> NewNotification {
    NewNotification {
        name: NotificationName::parse(name).unwrap(),
        to: Receiver::Member(None),
        occasions: Occasions { new_findings: Some(Severity::Critical), failed_runs: true, silent_clusters: true },
        cluster: None,
        namespaces: Vec::new(),
        digest: None,
    }
}

fn findings(least: Severity) -> Occasions {
    Occasions { new_findings: Some(least), failed_runs: false, silent_clusters: false }
}

fn to(member: &Actor) -> Receiver {
    Receiver::Member(Some(member.user_id()))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_new_is_told_once_to_who_wants_it_and_sees_it() {
    let scene = Scene::new().await;
    let (east, west) = (scene.cluster("east").await, scene.cluster("west").await);
    let owner = scene.tenant.owner.clone();
    let limited = scene.at.member(&scene.tenant, "limited", Role::Viewer, Some(&[west])).await;
    let all = scene.make(&owner, &wanted("all of it")).await.unwrap();
    let shop = NewNotification { namespaces: vec!["shop".to_owned()], ..wanted("of the shop") };
    let shop = scene.make(&owner, &shop).await.unwrap();
    let only = scene.make(&owner, &NewNotification { cluster: Some(west), ..wanted("of the west") }).await.unwrap();
    let theirs = scene.make(&owner, &NewNotification { to: to(&limited), ..wanted("for limited") }).await.unwrap();
    scene.bad_pod(east, "shop", "debug").await;
    scene.bad_pod(east, "bank", "debug").await;
    let _worker = scene.at.work();

    scene.audit(east).await;
    let told = scene.told(all, 1).await;
    assert_eq!(
        (told[0].event, told[0].state, told[0].audit),
        (DeliveryEvent::NewFindings, DeliveryState::Sent, Some(1))
    );
    scene.told(shop, 1).await;
    scene.told(only, 0).await;
    scene.told(theirs, 0).await;
    let mails = scene.mails(&owner);
    assert_eq!(mails.len(), 2);
    let of_shop = mails.iter().find(|mail| mail.contains("of the shop")).unwrap();
    assert!(of_shop.contains("Pod shop/debug in east") && !of_shop.contains("bank"), "{of_shop}");
    let of_all = mails.iter().find(|mail| mail.contains("all of it")).unwrap();
    assert!(of_all.contains("Pod bank/debug") && of_all.contains("made the notification"), "{of_all}");
    assert!(of_all.contains(&format!("/o/acme/settings/notifications/{all}")), "{of_all}");
    assert!(of_all.contains(&format!("Message-ID: <{}@", told[0].id)), "{of_all}");

    // One POST of a mail program ends it, and what was made up ends nothing.
    let unfolded = of_shop.replace("\r\n ", " ");
    let (_, link) = unfolded.split_once("/unsubscribe?token=").unwrap();
    assert!(unfolded.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click"), "{unfolded}");
    let token = link.split('>').next().unwrap().to_owned();
    let made_up = scene.at.web.unsubscribe(&token.to_lowercase().into()).await;
    assert!(matches!(made_up, Err(Error::LinkEnded)), "{made_up:?}");
    scene.at.web.unsubscribe(&token.clone().into()).await.unwrap();
    scene.at.web.unsubscribe(&token.into()).await.unwrap();
    assert!(matches!(scene.detail(&owner, shop).await, Err(Error::NotFound)));

    // Found again is not new.
    scene.audit(east).await;
    scene.bad_pod(west, "shop", "other").await;
    scene.audit(west).await;
    let mine = scene.told(theirs, 1).await;
    assert_eq!(mine[0].cluster.as_ref().map(|(id, _)| *id), Some(west));
    scene.told(only, 1).await;
    scene.told(all, 2).await;
    let to_limited = scene.mails(&limited);
    assert_eq!(to_limited.len(), 1);
    assert!(to_limited[0].contains("in west") && !to_limited[0].contains("east"), "{}", to_limited[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_findings_that_are_severe_enough_are_told() {
    let scene = Scene::new().await;
    let cluster = scene.cluster("east").await;
    let owner = scene.tenant.owner.clone();
    let low = NewNotification { occasions: findings(Severity::Low), ..wanted("low") };
    let low = scene.make(&owner, &low).await.unwrap();
    let critical = NewNotification { occasions: findings(Severity::Critical), ..wanted("critical") };
    let critical = scene.make(&owner, &critical).await.unwrap();
    let _worker = scene.at.work();
    // A pod that shares nothing has faults all the same, none of them critical.
    scene.bad_pod(cluster, "shop", "web").await;
    scene.behind("UPDATE resources SET manifest = (SELECT manifest FROM resources LIMIT 1)").await;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"containers": [{"name": "app", "image": "shop:1"}]},
    });
    sqlx::query("UPDATE resources SET manifest = $1")
        .bind(zstd::bulk::compress(pod.to_string().as_bytes(), 3).unwrap())
        .execute(&scene.at.database.superuser())
        .await
        .unwrap();
    scene.audit(cluster).await;
    scene.told(low, 1).await;
    scene.told(critical, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_left_was_shut_out_or_sees_it_no_more_is_not_told() {
    let scene = Scene::new().await;
    let (east, west) = (scene.cluster("east").await, scene.cluster("west").await);
    let owner = scene.tenant.owner.clone();
    let mut of = Vec::new();
    for name in ["left", "disabled", "narrowed", "billing"] {
        let member = scene.at.member(&scene.tenant, name, Role::Viewer, None).await;
        let id = scene.make(&owner, &NewNotification { to: to(&member), ..wanted(name) }).await.unwrap();
        of.push((member, id));
    }
    let user = |n: usize| of[n].0.user_id();
    scene.behind(&format!("DELETE FROM memberships WHERE user_id = '{}'", user(0))).await;
    scene.behind(&format!("UPDATE users SET disabled_at = now() WHERE id = '{}'", user(1))).await;
    scene.behind(&format!("UPDATE memberships SET clusters = '{{{west}}}' WHERE user_id = '{}'", user(2))).await;
    scene.behind(&format!("UPDATE memberships SET role = 'billing' WHERE user_id = '{}'", user(3))).await;
    let mine = scene.make(&owner, &wanted("mine")).await.unwrap();
    scene.bad_pod(east, "shop", "debug").await;
    let _worker = scene.at.work();
    scene.audit(east).await;
    scene.told(mine, 1).await;
    // With the membership what was made for it has ended.
    assert!(matches!(scene.detail(&owner, of[0].1).await, Err(Error::NotFound)));
    for (member, id) in &of[1..] {
        assert!(scene.detail(&owner, *id).await.unwrap().deliveries.rows.is_empty());
        assert!(scene.mails(member).is_empty());
    }
    assert!(scene.mails(&of[0].0).is_empty());

    // An organisation that asks for a second factor shows nothing to who has none, and mails them nothing.
    scene.behind("UPDATE organisations SET requires_second_factor = true").await;
    scene.bad_pod(east, "shop", "debug-2").await;
    let before = scene.mails(&owner).len();
    let number: i64 = sqlx::query_scalar("SELECT max(number) FROM audit_runs")
        .fetch_one(&scene.at.database.superuser())
        .await
        .unwrap();
    scene.behind("UPDATE organisations SET requires_second_factor = false").await;
    let web = &scene.at.web;
    let may = web.cluster::<RunAudits>(&owner, &scene.tenant.slug, east).await.unwrap();
    scene.behind("UPDATE organisations SET requires_second_factor = true").await;
    web.run_audit(&may).await.unwrap();
    for _ in 0..400 {
        let done: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM audit_runs WHERE number > $1 AND state = 'done')")
                .bind(number)
                .fetch_one(&scene.at.database.superuser())
                .await
                .unwrap();
        if done {
            break;
        }
        tokio::time::sleep(Wait::from_millis(50)).await;
    }
    tokio::time::sleep(Wait::from_millis(500)).await;
    assert_eq!(scene.mails(&owner).len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_that_failed_or_was_missed_is_told() {
    let scene = Scene::new().await;
    let cluster = scene.cluster("east").await;
    let owner = scene.tenant.owner.clone();
    let id = scene.make(&owner, &wanted("runs")).await.unwrap();
    let none = NewNotification { occasions: findings(Severity::Info), ..wanted("findings") };
    let none = scene.make(&owner, &none).await.unwrap();
    scene.heard(cluster).await;
    let web = &scene.at.web;
    let may = web.cluster::<RunAudits>(&owner, &scene.tenant.slug, cluster).await.unwrap();
    let schedule = Schedule { cron: "0 6 * * *".to_owned(), time_zone: "UTC".to_owned() };
    web.set_schedule(&may, &schedule).await.unwrap();
    scene.at.pass(Duration::days(2));
    let worker = scene.at.work();
    let told = scene.told(id, 1).await;
    assert_eq!((told[0].event, told[0].audit), (DeliveryEvent::MissedRun, Some(1)));
    drop(worker);

    // One that cannot be judged, the last time it is tried.
    scene.behind("INSERT INTO resources (org_id, cluster_id, uid, kind, api_version, namespace, name, updated_at, workload, health,
                   images, hash, manifest)
                  SELECT org_id, id, gen_random_uuid(), 'Pod', 'v1', 'shop', 'broken', now(), true, 'healthy', '{}', '', 'x'
                  FROM clusters").await;
    let number = web.run_audit(&may).await.unwrap();
    scene.behind("UPDATE apalis.jobs SET attempts = 7 WHERE job_type = 'audit-cluster' AND status = 'Pending'").await;
    let _worker = scene.at.work();
    for _ in 0..1200 {
        if scene.detail(&owner, id).await.unwrap().deliveries.rows.len() == 2 {
            break;
        }
        tokio::time::sleep(Wait::from_millis(50)).await;
    }
    // Both at the same moment, by the clock of the test: in any order.
    let told = scene.told(id, 2).await;
    assert!(told.iter().any(|row| (row.event, row.audit) == (DeliveryEvent::FailedRun, Some(number))), "{told:?}");
    let mails = scene.mails(&owner);
    assert!(mails.iter().any(|mail| mail.contains("An audit of east failed")), "{mails:?}");
    assert!(mails.iter().any(|mail| mail.contains("An audit of east was missed")), "{mails:?}");
    scene.told(none, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silence_is_told_once_and_the_next_one_again() {
    let scene = Scene::new().await;
    let cluster = scene.cluster("east").await;
    let owner = scene.tenant.owner.clone();
    let id = scene.make(&owner, &wanted("silence")).await.unwrap();
    scene.heard(cluster).await;
    let _worker = scene.at.work();
    // Two servers look.
    let _another = scene.at.work();
    tokio::time::sleep(Wait::from_secs(1)).await;
    scene.at.pass(Duration::minutes(20));
    let told = scene.told(id, 1).await;
    assert_eq!((told[0].event, told[0].state), (DeliveryEvent::SilentCluster, DeliveryState::Sent));
    scene.at.pass(Duration::hours(1));
    tokio::time::sleep(Wait::from_secs(6)).await;
    scene.told(id, 1).await;
    scene.heard(cluster).await;
    scene.at.pass(Duration::minutes(20));
    scene.told(id, 2).await;
    let mails = scene.mails(&owner);
    assert_eq!(mails.iter().filter(|mail| mail.contains("Subject: east is silent")).count(), 2, "{mails:?}");
    // Who asks to be told while it is silent looked at it a moment ago.
    let late = scene.make(&owner, &wanted("late")).await.unwrap();
    scene.at.pass(Duration::hours(1));
    tokio::time::sleep(Wait::from_secs(6)).await;
    scene.told(late, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_is_sent_when_it_is_due_with_what_happened_since_the_last() {
    let scene = Scene::new().await;
    let cluster = scene.cluster("east").await;
    let owner = scene.tenant.owner.clone();
    let daily = Schedule { cron: "0 7 * * *".to_owned(), time_zone: "Europe/Paris".to_owned() };
    let id = scene.make(&owner, &NewNotification { digest: Some(daily), ..wanted("every morning") }).await.unwrap();
    let row = scene.detail(&owner, id).await.unwrap().row;
    assert_eq!(row.digest.as_deref(), Some("every day at 07:00 Paris time"));
    scene.bad_pod(cluster, "shop", "debug").await;
    scene.heard(cluster).await;
    let _worker = scene.at.work();
    scene.at.pass(Duration::seconds(5));
    scene.audit(cluster).await;
    scene.told(id, 0).await;
    scene.at.pass(Duration::days(1));
    scene.heard(cluster).await;
    let told = scene.told(id, 1).await;
    assert_eq!((told[0].event, told[0].state), (DeliveryEvent::Digest, DeliveryState::Sent));
    let mails = scene.mails(&owner);
    assert_eq!(mails.len(), 1);
    assert!(mails[0].contains("Pod shop/debug in east"), "{}", mails[0]);
    // Nothing happened since.
    scene.at.pass(Duration::days(1));
    scene.heard(cluster).await;
    let told = scene.told(id, 2).await;
    assert_eq!(told[0].state, DeliveryState::Nothing);
    assert_eq!(scene.mails(&owner).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_done_twice_sends_one_mail() {
    let scene = Scene::new().await;
    scene.cluster("east").await;
    let owner = scene.tenant.owner.clone();
    let id = scene.make(&owner, &wanted("twice")).await.unwrap();
    let org = scene.at.look::<ViewInventory>(&owner, &scene.tenant.slug).await.unwrap();
    scene.at.web.test_notification(&org, id).await.unwrap();
    // As if the queue had handed it out twice.
    scene
        .behind(
            "INSERT INTO apalis.jobs (job, id, job_type, status, attempts, max_attempts, run_at, priority)
             SELECT job, '01ARZ3NDEKTSV4RRFFQ69G5FAV', job_type, status, attempts, max_attempts, run_at, priority
             FROM apalis.jobs WHERE job_type = 'notification'",
        )
        .await;
    let _worker = scene.at.work();
    let told = scene.told(id, 1).await;
    assert_eq!((told[0].event, told[0].attempts), (DeliveryEvent::Test, 1));
    tokio::time::sleep(Wait::from_secs(3)).await;
    assert_eq!(scene.mails(&owner).len(), 1);
    // What was told is forgotten in time.
    scene.at.pass(Duration::days(31));
    let again = scene.at.work();
    for _ in 0..200 {
        if scene.detail(&owner, id).await.unwrap().deliveries.rows.is_empty() {
            break;
        }
        tokio::time::sleep(Wait::from_millis(50)).await;
    }
    scene.told(id, 0).await;
    drop(again);
}

#[tokio::test]
async fn everybody_has_themselves_told_and_who_manages_it_anybody() {
    let scene = Scene::new().await;
    let (east, west) = (scene.cluster("east").await, scene.cluster("west").await);
    let viewer = scene.at.member(&scene.tenant, "viewer", Role::Viewer, Some(&[west])).await;
    let admin = scene.at.member(&scene.tenant, "admin", Role::Admin, None).await;
    let billing = scene.at.member(&scene.tenant, "billing", Role::Billing, None).await;
    let owner = scene.tenant.owner.clone();
    let refused = |result: Result<NotificationId, Error>| match result {
        Err(Error::Invalid(error)) => (error.field, error.problem),
        other => panic!("{other:?}"),
    };

    let own = scene.make(&viewer, &wanted("own")).await.unwrap();
    for not_theirs in [
        to(&owner),
        Receiver::Webhook("https://hooks.example.com/".to_owned().into()),
        Receiver::Slack("https://hooks.example.com/".to_owned().into()),
    ] {
        let made = scene.make(&viewer, &NewNotification { to: not_theirs, ..wanted("theirs") }).await;
        assert!(matches!(made, Err(Error::Forbidden)), "{made:?}");
    }
    let of_hidden = scene.make(&viewer, &NewNotification { cluster: Some(east), ..wanted("hidden") }).await;
    assert_eq!(refused(of_hidden), (Field::Clusters, Problem::NotUnderstood));

    for (to, problem) in [
        (Receiver::Webhook("https://169.254.169.254/".to_owned().into()), Problem::NotReachable),
        (Receiver::Webhook("http://hooks.example.com/".to_owned().into()), Problem::NotEncrypted),
        (Receiver::Slack("https://u:p@hooks.example.com/".to_owned().into()), Problem::NotAWebhook),
    ] {
        let made = scene.make(&admin, &NewNotification { to, ..wanted("hostile") }).await;
        assert_eq!(refused(made), (Field::Url, problem));
    }
    let to_billing = scene.make(&admin, &NewNotification { to: to(&billing), ..wanted("blind") }).await;
    assert_eq!(refused(to_billing), (Field::Recipient, Problem::NotUnderstood));
    let nothing = Occasions { new_findings: None, failed_runs: false, silent_clusters: false };
    let of_nothing = scene.make(&admin, &NewNotification { occasions: nothing, ..wanted("nothing") }).await;
    assert_eq!(refused(of_nothing), (Field::Occasions, Problem::Missing));

    let org = scene.at.look::<ViewInventory>(&admin, &scene.tenant.slug).await.unwrap();
    let hook = Receiver::Webhook("https://hooks.example.com:8443/secret-path?key=1".to_owned().into());
    let hook = NewNotification { to: hook, ..wanted("hook") };
    let (hook, secret) = scene.at.web.make_notification(&org, &hook).await.unwrap();
    assert!(secret.is_some());
    let shown = scene.at.web.notifications(&org).await.unwrap();
    assert_eq!(shown.rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["hook", "own"]);
    assert_eq!((shown.rows[0].channel, shown.rows[0].to.as_str()), (Channel::Webhook, "hooks.example.com:8443"));
    assert!(!format!("{shown:?}").contains("secret-path"));
    assert!(shown.members.iter().all(|member| member.id != billing.user_id()));
    let stored: Vec<u8> = sqlx::query_scalar("SELECT url || secret FROM notifications WHERE id = $1")
        .bind(hook.0)
        .fetch_one(&scene.at.database.superuser())
        .await
        .unwrap();
    assert!(!stored.windows(11).any(|part| part == b"secret-path"));

    // Who does not manage them sees one's own, and does nothing to others.
    let theirs = scene.at.look::<ViewInventory>(&viewer, &scene.tenant.slug).await.unwrap();
    let shown = scene.at.web.notifications(&theirs).await.unwrap();
    assert_eq!(shown.rows.iter().map(|row| row.id).collect::<Vec<_>>(), [own]);
    assert!(shown.members.is_empty() && !shown.manages);
    assert!(matches!(scene.detail(&viewer, hook).await, Err(Error::NotFound)));
    for refused in [
        scene.at.web.remove_notification(&theirs, hook).await,
        scene.at.web.test_notification(&theirs, hook).await,
        scene.at.web.resume_notification(&theirs, hook).await,
    ] {
        assert!(matches!(refused, Err(Error::NotFound)), "{refused:?}");
    }
    scene.at.web.remove_notification(&theirs, own).await.unwrap();
    // Tests are mails to people and requests to servers: not as many as somebody likes.
    for _ in 0..10 {
        scene.at.web.test_notification(&org, hook).await.unwrap();
    }
    assert!(matches!(scene.at.web.test_notification(&org, hook).await, Err(Error::TooMany { .. })));
    scene.at.web.remove_notification(&org, hook).await.unwrap();
    assert!(scene.at.web.notifications(&org).await.unwrap().rows.is_empty());
}
