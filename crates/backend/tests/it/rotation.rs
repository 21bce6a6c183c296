//! Another master key, while servers run: nothing that is asked for meanwhile fails, and afterwards nothing is wrapped by the
//! old one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration as Wait,
};

use kubewise_backend::{
    Web, World,
    database::Part,
    permission::{ManageOrganisation, ViewActivity},
    testing::{Installation, TestDatabase, keys_of},
};
use kubewise_contract::{OrganisationName, Verdict};

/// What wraps each wrapped thing: the master keys' ids.
async fn wrapped_by(at: &Installation) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT DISTINCT encode(substring(sealed FOR 4), 'hex') FROM (
           SELECT sealed FROM organisation_keys UNION ALL SELECT sealed FROM person_keys UNION ALL SELECT sealed FROM signing_keys
         ) wrapped",
    )
    .fetch_all(&at.database.superuser())
    .await
    .unwrap()
}

/// Columns that are encrypted under the master key itself, as all were before there were data keys.
async fn columns_under_the_master_key(at: &Installation) -> i64 {
    sqlx::query_scalar(
        "SELECT count(*) FROM (SELECT seed AS sealed FROM authenticators UNION ALL SELECT sealed FROM activity_heads
           UNION ALL SELECT url FROM notifications WHERE url IS NOT NULL) columns WHERE substring(sealed FOR 4) <> '\\x00000000'",
    )
    .fetch_one(&at.database.superuser())
    .await
    .unwrap()
}

async fn in_folder() -> (Installation, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let database = TestDatabase::new().await.with_data_of(folder.path());
    (Installation::on(database), folder)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_keys_are_rotated_nothing_fails() {
    let (at, folder) = in_folder().await;
    let tenant = at.tenant("acme").await;
    let _worker = at.work();
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicU64::new(0));
    let mut load = Vec::new();
    // Servers of their own, each of which read the file when it started.
    for server in 0..3 {
        let web = at.database.clone().with_data_of(folder.path()).web(&at.world);
        let (owner, slug) = (tenant.owner.clone(), tenant.slug.clone());
        let person = at.person(&format!("person-{server}@example.com")).await;
        let (stop, done) = (Arc::clone(&stop), Arc::clone(&done));
        load.push(tokio::spawn(async move {
            for round in 0_u32.. {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                // What exists is read and written, and what needs a fresh key is made.
                let org = web.organisation::<ManageOrganisation>(&owner, &slug).await.unwrap();
                let name = OrganisationName::parse(&format!("Acme {server} {round}")).unwrap();
                web.rename_organisation(&org, &name).await.unwrap();
                web.begin_authenticator(&person).await.unwrap();
                web.authenticator_setup(&person).await.unwrap();
                if round % 4 == 0 && round < 60 {
                    let name = OrganisationName::parse(&format!("New {server} {round}")).unwrap();
                    web.create_organisation(&person, &name).await.unwrap();
                }
                done.fetch_add(1, Ordering::SeqCst);
            }
        }));
    }
    let rotating = keys_of(folder.path());
    let owner = at.database.pool(Part::Owner);
    for _ in 0..5 {
        let before = done.load(Ordering::SeqCst);
        let rotated = rotating.rotate(&owner, false).await.unwrap();
        assert!(rotated.organisations >= 1 && rotated.rewrapped >= 1 && rotated.keys == 1, "{rotated:?}");
        assert_eq!(wrapped_by(&at).await, [rotated.key], "nothing is wrapped by the old one");
        // All of them go on.
        while done.load(Ordering::SeqCst) < before + 6 {
            assert!(load.iter().all(|server| !server.is_finished()), "a server failed");
            tokio::time::sleep(Wait::from_millis(10)).await;
        }
    }
    stop.store(true, Ordering::SeqCst);
    for server in load {
        server.await.unwrap();
    }
    let last = rotating.rotate(&owner, false).await.unwrap();
    assert_eq!(wrapped_by(&at).await, [last.key]);
    assert_eq!(columns_under_the_master_key(&at).await, 0);
    let log = at.look::<ViewActivity>(&tenant.owner, &tenant.slug).await.unwrap();
    let web: Web = at.database.clone().with_data_of(folder.path()).web(&at.world);
    assert!(matches!(web.verify_activity(&log).await.unwrap(), Verdict::Intact { .. }));
}

#[tokio::test]
async fn a_rotation_that_was_broken_off_is_gone_on_with() {
    let (at, folder) = in_folder().await;
    let tenant = at.tenant("acme").await;
    let owner = at.database.pool(Part::Owner);
    let before = wrapped_by(&at).await;
    let file = folder.path().join("master.key");
    let old = std::fs::read_to_string(&file).unwrap();
    // A new key is in the file, and that is as far as it got.
    let other = tempfile::tempdir().unwrap();
    drop(keys_of(other.path()));
    let fresh = std::fs::read_to_string(other.path().join("master.key")).unwrap();
    std::fs::write(&file, format!("{fresh}{old}")).unwrap();
    let rotated = keys_of(folder.path()).rotate(&owner, false).await.unwrap();
    assert_eq!(rotated.keys, 1);
    assert_ne!(before.first(), Some(&rotated.key));
    assert_eq!(wrapped_by(&at).await, [rotated.key]);
    let kept = std::fs::read_to_string(&file).unwrap();
    let key = |text: &str| text.lines().find(|line| !line.starts_with('#')).unwrap().to_owned();
    assert_eq!(key(&kept), key(&fresh), "no third key is made");
    // Who keeps the file themselves has it left as it is.
    let more = format!("{}\n{kept}", key(&old));
    std::fs::write(&file, &more).unwrap();
    let rotated = keys_of(folder.path()).rotate(&owner, true).await.unwrap();
    assert_eq!((rotated.keys, wrapped_by(&at).await), (2, before));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), more);
    let web = at.database.clone().with_data_of(folder.path()).web(&at.world);
    let org = web.organisation::<ManageOrganisation>(&tenant.owner, &tenant.slug).await.unwrap();
    web.rename_organisation(&org, &OrganisationName::parse("Anew").unwrap()).await.unwrap();
}

#[tokio::test]
async fn keys_of_another_installation_are_refused() {
    let (at, folder) = in_folder().await;
    at.tenant("acme").await;
    let pool = at.database.pool(Part::Web);
    keys_of(folder.path()).check(&pool).await.unwrap();
    let other = tempfile::tempdir().unwrap();
    let error = keys_of(other.path()).check(&pool).await.unwrap_err().to_string();
    assert!(error.contains("KUBEWISE_MASTER_KEY_FILE"), "{error}");
    std::fs::copy(folder.path().join("master.key"), other.path().join("master.key")).unwrap();
    let error = keys_of(other.path()).check(&pool).await.unwrap_err().to_string();
    assert!(error.contains("KUBEWISE_KEY_STORE"), "{error}");
}

#[tokio::test]
async fn columns_from_before_data_keys_are_read_and_moved_under_them() {
    let (at, folder) = in_folder().await;
    let tenant = at.tenant("acme").await;
    let person = at.person("maya@example.com").await;
    at.web.begin_authenticator(&person).await.unwrap();
    let setup = at.web.authenticator_setup(&person).await.unwrap();
    at.database.make_old(tenant.org, person.user_id()).await;
    assert_eq!(columns_under_the_master_key(&at).await, 2);
    // As they are, they are read and written.
    assert_eq!(at.web.authenticator_setup(&person).await.unwrap().seed, setup.seed);
    let log = at.look::<ViewActivity>(&tenant.owner, &tenant.slug).await.unwrap();
    assert!(matches!(at.web.verify_activity(&log).await.unwrap(), Verdict::Intact { .. }));
    keys_of(folder.path()).rotate(&at.database.pool(Part::Owner), false).await.unwrap();
    assert_eq!(columns_under_the_master_key(&at).await, 0);
    let web = at.database.clone().with_data_of(folder.path()).web(&World::system());
    assert_eq!(web.authenticator_setup(&person).await.unwrap().seed, setup.seed);
    assert!(matches!(web.verify_activity(&log).await.unwrap(), Verdict::Intact { .. }));
}
