//! Objects that nothing names go after a day, and no others.

use kubewise_backend::{
    BucketAddress, Held, S3Access, Worker,
    database::Part,
    testing::{Installation, TestDatabase, TestObjects},
};
use time::Duration;
use uuid::Uuid;

use super::{
    pieces,
    proxy::{Fault, Head, Proxy},
    server::{Server, access, address},
};

#[tokio::test]
async fn in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let place = BucketAddress::Folder(folder.path().to_owned());
    let at = Installation::on(TestDatabase::new().await.with_bucket(place.clone(), S3Access::default()));
    // As of processes that were killed.
    let staged = folder.path().join(format!("{}/{}/audits/1", Uuid::from_u128(8), Uuid::from_u128(9)));
    std::fs::create_dir_all(&staged).unwrap();
    std::fs::write(staged.join("evidence#1"), "half of it").unwrap();
    let empty = folder.path().join(Uuid::from_u128(10).to_string());
    std::fs::create_dir_all(empty.join("audits/1")).unwrap();
    suite(&at, &TestObjects::open(&place, &S3Access::default()), || {
        assert!(staged.join("evidence#1").exists() && empty.join("audits/1").exists(), "they may be of this moment");
    })
    .await;
    assert!(!folder.path().join(Uuid::from_u128(8).to_string()).exists(), "a name is left on the disk");
    assert!(!empty.exists(), "a name is left on the disk");
}

#[tokio::test]
async fn on_an_s3_server() {
    let server = Server::start().await;
    let (place, access) = (address("production"), server.access());
    let at = Installation::on(TestDatabase::new().await.with_bucket(place.clone(), access.clone()));
    std::fs::create_dir_all(server.file("other")).unwrap();
    std::fs::write(server.file(&format!("other/{}", Uuid::from_u128(1))), "theirs").unwrap();
    suite(&at, &TestObjects::open(&place, &access), || {}).await;
    assert!(server.file(&format!("other/{}", Uuid::from_u128(1))).exists());
}

/// A kind of requests.
type Is = fn(&Head) -> bool;
/// Where silence is what is tested.
const IMPATIENT: std::time::Duration = std::time::Duration::from_secs(1);

fn worker(at: &Installation) -> Worker {
    at.database.worker(&at.world, &std::env::temp_dir())
}

/// `young`: looked at while all is younger than a day.
async fn suite(at: &Installation, objects: &TestObjects, young: impl FnOnce()) {
    let tenant = at.tenant("acme").await;
    let other = at.tenant("other").await;
    let cluster = at.empty_cluster(&tenant, "eu").await;
    let behind = at.database.superuser();
    let evidence = |org: Uuid, cluster: Uuid, n: u64| format!("{org}/{cluster}/audits/{n}/evidence");
    let named = |n| evidence(tenant.org.0, cluster.0, n);
    for (number, state, name) in
        [(1, "done", Some(named(1))), (2, "running", None), (4, "failed", None), (5, "done", None)]
    {
        sqlx::query(
            "INSERT INTO audit_runs (org_id, cluster_id, number, state, requested_at, evidence)
             VALUES ($1, $2, $3, $4, now(), $5)",
        )
        .bind(tenant.org.0)
        .bind(cluster.0)
        .bind(number)
        .bind(state)
        .bind(name)
        .execute(&behind)
        .await
        .unwrap();
    }
    let kept = [
        named(1),
        named(2),
        // Of a newer version, or nobody's.
        format!("{}/{}/else", tenant.org, cluster),
        "backups/monday".to_owned(),
    ];
    let mut orphans = vec![
        // Audits that failed, that ended without, that never were, of a cluster that is no more.
        named(4),
        named(5),
        named(77),
        evidence(tenant.org.0, Uuid::from_u128(5), 1),
        // The name of one organisation's audit, in another.
        evidence(other.org.0, cluster.0, 1),
        // Of an organisation that is no more, whatever it is.
        evidence(Uuid::from_u128(6), cluster.0, 1),
        format!("{}/whatever", Uuid::from_u128(6)),
        // What somebody took out, of an account that is no more.
        format!("people/{}/{}", Uuid::from_u128(3), Uuid::from_u128(4)),
    ];
    // More than are asked about at once.
    orphans.extend((1_000..2_050).map(named));
    for name in kept.iter().chain(&orphans) {
        objects.put_as_it_is(name, pieces(b"content", 100)).await.unwrap();
    }

    assert_eq!(worker(at).look_for_orphans().await.unwrap(), Held::default());
    assert_eq!(objects.names().await.unwrap().len(), kept.len() + orphans.len() + 1, "what is young stays");
    young();
    at.pass(Duration::hours(23));
    assert_eq!(worker(at).look_for_orphans().await.unwrap(), Held::default(), "once a day");
    at.pass(Duration::hours(2));
    let workers = [worker(at), worker(at), worker(at)];
    let removed = futures::future::join_all(workers.iter().map(Worker::look_for_orphans)).await;
    let removed: Vec<u64> = removed.into_iter().map(|removed| removed.unwrap().objects).collect();
    assert_eq!(removed.iter().sum::<u64>(), orphans.len() as u64);
    assert_eq!(removed.iter().filter(|removed| **removed == 0).count(), 2, "one of several does it: {removed:?}");
    let mut names: Vec<String> = kept.into_iter().chain(["installation".to_owned()]).collect();
    names.sort();
    assert_eq!(objects.names().await.unwrap(), names);

    // Of a bucket that another installation uses, too, nothing is removed.
    at.pass(Duration::days(2));
    objects.put_as_it_is(&named(4), pieces(b"theirs", 100)).await.unwrap();
    at.pass(Duration::days(2));
    sqlx::query("UPDATE bucket SET id = gen_random_uuid()").execute(&behind).await.unwrap();
    assert!(worker(at).look_for_orphans().await.unwrap_err().to_string().contains("another installation"));
    assert!(objects.names().await.unwrap().contains(&named(4)));
}

#[tokio::test]
async fn what_goes_wrong_on_the_way_removes_nothing_that_is_named_and_leaves_nothing_for_long() {
    let server = Server::start().await;
    let proxy = Proxy::to(server.address).await;
    let place = address("production");
    let database = TestDatabase::new().await;
    let whole = database.clone().with_bucket(place.clone(), server.access());
    let at = Installation::on(database.with_bucket(place.clone(), access(proxy.address, IMPATIENT)));
    let objects = TestObjects::open(&place, &server.access());
    let tenant = at.tenant("acme").await;
    let cluster = at.empty_cluster(&tenant, "eu").await;
    let name = |n: u64| format!("{}/{cluster}/audits/{n}/evidence", tenant.org);
    sqlx::query(
        "INSERT INTO audit_runs (org_id, cluster_id, number, state, requested_at, evidence) VALUES ($1, $2, 1, 'done', now(), $3)",
    )
    .bind(tenant.org.0)
    .bind(cluster.0)
    .bind(name(1))
    .execute(&at.database.superuser())
    .await
    .unwrap();
    let steps: [(&str, Is); 4] =
        [("mark", Head::is_whole), ("whose", Head::is_read), ("list", Head::is_list), ("remove", Head::is_remove)];
    for (step, is) in steps {
        for fault in
            [Fault::Status(500), Fault::CutAnswer(20), Fault::ShortAnswer(20), Fault::LoseAnswer, Fault::Silence]
        {
            if step == "mark" && fault == Fault::ShortAnswer(20) {
                // It has no answer that could be shorter.
                continue;
            }
            for n in 1..4 {
                objects.put_as_it_is(&name(n), pieces(b"content", 100)).await.unwrap();
            }
            if step == "mark" {
                objects.remove("installation").await.unwrap();
            }
            at.pass(Duration::days(2));
            proxy.plan(move |head| is(head).then_some(fault));
            let removed = worker(&at).look_for_orphans().await;
            proxy.plan(|_| None);
            let left = objects.names().await.unwrap();
            assert!(left.contains(&name(1)), "{step} {fault:?} removed what is named");
            if let Ok(removed) = removed {
                assert_eq!((removed.objects, left.len()), (2, 2), "{step} {fault:?} says that all is done");
            }
            at.pass(Duration::days(2));
            whole.worker(&at.world, &std::env::temp_dir()).look_for_orphans().await.unwrap();
            let mut left = objects.names().await.unwrap();
            left.retain(|name| name != "installation");
            assert_eq!(left, [name(1)], "{step} {fault:?}");
        }
    }
}

#[tokio::test]
async fn whose_bucket_it_is_is_the_workers_to_know_and_nobodys_to_change() {
    let at = Installation::new().await;
    for (part, statement, is_let) in [
        (Part::Worker, "SELECT id FROM bucket", true),
        (Part::Worker, "UPDATE bucket SET looked_through_at = now()", true),
        (Part::Worker, "UPDATE bucket SET id = gen_random_uuid()", false),
        (Part::Worker, "DELETE FROM bucket", false),
        (Part::Web, "SELECT id FROM bucket", false),
        (Part::Web, "UPDATE bucket SET looked_through_at = now()", false),
        (Part::Ingest, "SELECT id FROM bucket", false),
    ] {
        let done = sqlx::query(statement).execute(&at.database.pool(part)).await;
        assert_eq!(done.is_ok(), is_let, "{statement}: {done:?}");
    }
}
