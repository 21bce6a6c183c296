//! The key store, on which it rests that what was destroyed opens nothing: another master key, and, on an S3 server, what goes
//! wrong on the way.

use kubewise_backend::{
    Actor, World,
    database::Part,
    permission::ViewActivity,
    testing::{Installation, Tenant},
};
use kubewise_contract::Verdict;

use super::{
    place::{Place, once_more_on_s3},
    proxy::{Fault, Head},
};

/// An organisation and somebody, with something under the key of each.
async fn with_secrets(at: &Installation) -> (Tenant, Actor, String) {
    let tenant = at.tenant("acme").await;
    let person = at.person("maya@example.com").await;
    at.web.begin_authenticator(&person).await.unwrap();
    let seed = at.web.authenticator_setup(&person).await.unwrap().seed;
    (tenant, person, seed)
}

/// Whether a server that has just started reads both.
async fn are_read(at: &Installation, place: &Place, (tenant, person, seed): &(Tenant, Actor, String)) {
    let web = at.database.clone().with_keys(place.keys()).web(&World::system());
    assert_eq!(web.authenticator_setup(person).await.unwrap().seed, *seed);
    let log = web.organisation::<ViewActivity>(&tenant.owner, &tenant.slug).await.unwrap();
    assert!(matches!(web.verify_activity(&log).await.unwrap(), Verdict::Intact { .. }));
}

#[tokio::test]
async fn another_master_key_is_put_in_place_however_often_it_breaks_off() {
    let place = Place::told().await;
    let at = place.installation().await;
    let secrets = with_secrets(&at).await;
    // A key that is halved on the way, too: its half is made in the key store.
    at.database.make_old(secrets.0.org, secrets.1.user_id()).await;
    let owner = at.database.pool(Part::Owner);
    let befallen = place.disturb();
    let mut broken_off = 0;
    let rotated = loop {
        match place.keys().rotate(&owner, false).await {
            Ok(rotated) => break rotated,
            Err(error) => assert!(broken_off < 20, "{error}"),
        }
        broken_off += 1;
    };
    let befallen = befallen.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!((broken_off > 0, befallen > 7), (place.is_on_s3(), place.is_on_s3()));
    place.calm();
    assert_eq!(rotated.keys, 1);
    assert_eq!(at.database.wrapped_by().await, [rotated.key]);
    are_read(&at, &place, &secrets).await;
}

#[tokio::test]
async fn another_master_key_is_put_in_place_on_an_s3_server_too() {
    once_more_on_s3("bucket::keys::another_master_key_is_put_in_place_however_often_it_breaks_off").await;
}

#[tokio::test]
async fn what_goes_wrong_on_the_way_to_an_s3_server_is_an_error_and_never_another_key() {
    once_more_on_s3("bucket::keys::a_half_is_made_once_and_read_whole").await;
}

/// By itself it has nothing to do: in a folder, none of this goes wrong.
#[tokio::test]
async fn a_half_is_made_once_and_read_whole() {
    let place = Place::told().await;
    if !place.is_on_s3() {
        return;
    }
    let at = place.installation().await;
    let secrets = with_secrets(&at).await;
    // Read: once and it is asked for again; always and it is an error. What is shorter is no half.
    for (fault, times, is_read) in [
        (Fault::Status(500), 1, true),
        (Fault::CutAnswer(16), 1, true),
        (Fault::LoseAnswer, 1, true),
        (Fault::Status(403), usize::MAX, false),
        (Fault::Status(500), usize::MAX, false),
        (Fault::ShortAnswer(16), usize::MAX, false),
        (Fault::ShortAnswer(0), usize::MAX, false),
    ] {
        let mut seen = 0;
        place.plan(move |head| {
            seen += usize::from(head.is_read());
            (head.is_read() && seen <= times).then_some(fault)
        });
        let web = at.database.clone().with_keys(place.keys()).web(&at.world);
        match web.authenticator_setup(&secrets.1).await {
            Ok(setup) => assert!(is_read && setup.seed == secrets.2, "{fault:?}"),
            Err(error) => assert!(!is_read, "{fault:?}: {error}"),
        }
        place.calm();
        are_read(&at, &place, &secrets).await;
    }
    // Made: whether or not it is said, there is one afterwards, and it stays.
    for (n, fault) in [Fault::Status(500), Fault::LoseAnswer, Fault::CutRequest(16)].into_iter().enumerate() {
        let person = at.person(&format!("person-{n}@example.com")).await;
        let mut left = 1;
        place.plan(move |head| {
            let befalls = Head::is_whole(head) && left > 0;
            left -= usize::from(befalls);
            befalls.then_some(fault)
        });
        if at.web.begin_authenticator(&person).await.is_err() {
            at.web.begin_authenticator(&person).await.unwrap();
        }
        place.calm();
        let seed = at.web.authenticator_setup(&person).await.unwrap().seed;
        are_read(&at, &place, &(secrets.0.clone(), person, seed)).await;
    }
    // Made by several servers at once.
    let person = at.person("of-several@example.com").await;
    let servers: Vec<_> = (0..4).map(|_| at.database.clone().with_keys(place.keys()).web(&at.world)).collect();
    for begun in futures::future::join_all(servers.iter().map(|web| web.begin_authenticator(&person))).await {
        begun.unwrap();
    }
    let seed = at.web.authenticator_setup(&person).await.unwrap().seed;
    are_read(&at, &place, &(secrets.0.clone(), person, seed)).await;
}
