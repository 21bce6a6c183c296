//! What goes wrong on the way to an S3 server and back. Each operation ends right or says that it did not; what is read is
//! never wrong and never less than it seems; and what could not be put is not there, nor are parts of it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::TryStreamExt;
use kubewise_backend::{Error, Held, testing::TestObjects};

use super::{
    all, noise, pieces,
    proxy::{Fault, Head, Proxy},
    server::{PATIENT, Server, access, address},
};

const MIB: usize = 1 << 20;
const SEALED: usize = MIB + 16;
/// Where silence is what is tested.
const IMPATIENT: Duration = Duration::from_secs(2);
/// As often as a request goes wrong: it is repeated thrice, and what is read is asked for again five times.
const ALWAYS: usize = usize::MAX;

/// A kind of requests.
type Is = fn(&Head) -> bool;
/// A step of putting something: its requests, how many are spared, what is put, and what befalls the others.
type Case<'a> = (&'static str, Is, usize, &'a [u8], Vec<Fault>);

struct At {
    server: Server,
    proxy: Proxy,
    objects: TestObjects,
    /// Without the proxy.
    behind: TestObjects,
}

impl At {
    async fn new(fault: Fault) -> Self {
        let server = Server::start().await;
        let proxy = Proxy::to(server.address).await;
        let silence = if fault == Fault::Silence { IMPATIENT } else { PATIENT };
        let objects = TestObjects::open(&address("x"), &access(proxy.address, silence));
        let behind = TestObjects::open(&address("x"), &server.access());
        Self { server, proxy, objects, behind }
    }

    /// The fault befalls requests of a kind: so many, after one that it spares if told so.
    fn plan(&self, fault: Fault, is: Is, spared: usize, times: usize) {
        let mut seen = 0;
        self.proxy.plan(move |head| {
            if !is(head) {
                return None;
            }
            seen += 1;
            (seen > spared && seen - spared <= times).then_some(fault)
        });
    }
}

#[tokio::test]
async fn what_goes_wrong_once_is_mended() {
    let content = noise(20 * MIB, 1);
    let (small, large) = (&content[..300], &content[..]);
    let cases: [Case; 4] = [
        ("small", Head::is_whole, 0, small, vec![Fault::CutRequest(100), Fault::LoseAnswer, Fault::Silence]),
        ("begin", Head::is_begin, 0, large, vec![]),
        ("part", Head::is_part, 1, large, vec![Fault::CutRequest(5 * MIB), Fault::LoseAnswer, Fault::Silence]),
        ("complete", Head::is_complete, 0, large, vec![]),
    ];
    for (step, is, spared, content, faults) in cases {
        for fault in faults.into_iter().chain([Fault::Status(500), Fault::Status(503)]) {
            let at = At::new(fault).await;
            at.plan(fault, is, spared, 1);
            let put = at.objects.put_as_it_is("a/b", pieces(content, MIB)).await;
            put.unwrap_or_else(|error| panic!("{step} {fault:?}: {error}"));
            assert!(all(at.behind.records("a/b").await.unwrap()).await.unwrap() == content, "{step} {fault:?}");
            assert_eq!(at.server.parts_left(), Vec::<String>::new(), "{step} {fault:?}");
        }
    }
}

#[tokio::test]
async fn what_goes_on_going_wrong_is_an_error_and_nothing_is_seen_of_it() {
    let content = noise(20 * MIB, 2);
    let (small, large) = (&content[..300], &content[..]);
    let cases: [Case; 4] = [
        ("small", Head::is_whole, 0, small, vec![Fault::CutRequest(0), Fault::CutRequest(200), Fault::Silence]),
        ("begin", Head::is_begin, 0, large, vec![]),
        ("part", Head::is_part, 1, large, vec![Fault::CutRequest(5 * MIB), Fault::Silence]),
        ("complete", Head::is_complete, 0, large, vec![Fault::CutRequest(10)]),
    ];
    for (step, is, spared, content, faults) in cases {
        for fault in faults.into_iter().chain([Fault::Status(500), Fault::Status(503), Fault::Status(403)]) {
            let at = At::new(fault).await;
            at.plan(fault, is, spared, ALWAYS);
            assert!(at.objects.put_as_it_is("a/b", pieces(content, MIB)).await.is_err(), "{step} {fault:?}");
            assert!(matches!(at.behind.records("a/b").await, Err(Error::NotFound)), "{step} {fault:?}");
            assert_eq!(at.behind.usage_under("").await.unwrap(), Held::default(), "{step} {fault:?}");
            assert_eq!(at.server.parts_left(), Vec::<String>::new(), "{step} {fault:?}");
        }
    }
}

#[tokio::test]
async fn what_arrives_changed_is_not_taken() {
    let content = noise(20 * MIB, 3);
    let fault = Fault::SpoilRequest(200);
    for (is, spared, bytes) in [(Head::is_whole as Is, 0, 300), (Head::is_part, 1, 20 * MIB)] {
        for times in [1, ALWAYS] {
            let at = At::new(fault).await;
            at.plan(fault, is, spared, times);
            let put = at.objects.put_as_it_is("a/b", pieces(&content[..bytes], MIB)).await;
            assert!(put.is_err() || times == 1);
            match at.behind.records("a/b").await {
                // Sent once more.
                Ok(found) => assert!(put.is_ok() && all(found).await.unwrap() == content[..bytes]),
                Err(error) => assert!(put.is_err() && matches!(error, Error::NotFound), "{error}"),
            }
            assert_eq!(at.server.parts_left(), Vec::<String>::new());
        }
    }
}

#[tokio::test]
async fn all_that_is_sent_says_its_sha_256() {
    let at = At::new(Fault::SpoilRequest(0)).await;
    let sums = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&sums);
    at.proxy.plan(move |head| {
        if head.method == "PUT" {
            seen.lock().unwrap().push((head.is_part(), head.sha256.clone()));
        }
        None
    });
    at.objects.put_as_it_is("a/small", pieces(&noise(300, 1), MIB)).await.unwrap();
    at.objects.put_as_it_is("a/large", pieces(&noise(20 * MIB, 1), MIB)).await.unwrap();
    let sums = sums.lock().unwrap();
    assert_eq!(sums.iter().map(|(is_part, _)| *is_part).collect::<Vec<_>>(), [false, true, true, true]);
    // In base64.
    assert!(sums.iter().all(|(_, sum)| sum.as_ref().is_some_and(|sum| sum.len() == 44)), "{sums:?}");
}

/// The server has it, and nobody hears so: then it may be said that it failed, but what is there is whole.
#[tokio::test]
async fn an_answer_that_is_lost_leaves_all_or_nothing() {
    let content = noise(20 * MIB, 4);
    for (is, bytes) in [(Head::is_whole as Is, 300), (Head::is_complete, 20 * MIB)] {
        for times in [1, ALWAYS] {
            let at = At::new(Fault::LoseAnswer).await;
            at.plan(Fault::LoseAnswer, is, 0, times);
            let put = at.objects.put_as_it_is("a/b", pieces(&content[..bytes], MIB)).await;
            match at.behind.records("a/b").await {
                Ok(found) => assert!(all(found).await.unwrap() == content[..bytes]),
                Err(error) => assert!(put.is_err() && matches!(error, Error::NotFound), "{error}"),
            }
            assert_eq!(at.server.parts_left(), Vec::<String>::new());
        }
    }
}

#[tokio::test]
async fn parts_that_could_not_be_given_up_are_not_an_object() {
    let fault = Fault::Status(500);
    let at = At::new(fault).await;
    let mut parts = 0;
    at.proxy.plan(move |head| {
        parts += usize::from(head.is_part());
        (head.is_abort() || (head.is_part() && parts > 1)).then_some(fault)
    });
    assert!(at.objects.put_as_it_is("a/b", pieces(&noise(20 * MIB, 5), MIB)).await.is_err());
    assert!(matches!(at.behind.records("a/b").await, Err(Error::NotFound)));
    assert_eq!(at.behind.names().await.unwrap(), Vec::<String>::new());
}

/// Where an answer may end: in the head, after it, in a record, at its end.
const ENDS: [usize; 7] = [0, 30, 61, 61 + 5, 61 + SEALED, 61 + 2 * SEALED - 1, 3 * MIB];

#[tokio::test]
async fn what_is_read_is_right_although_an_answer_breaks_off_once() {
    let content = noise(3 * MIB + MIB / 2, 6);
    let cut = ENDS.map(Fault::CutAnswer).into_iter().chain(ENDS.map(Fault::ShortAnswer));
    let spoilt = ENDS.map(Fault::SpoilAnswer);
    for fault in cut.chain(spoilt).chain([Fault::Status(500), Fault::Status(503), Fault::LoseAnswer, Fault::Silence]) {
        let at = At::new(fault).await;
        at.behind.put_as_it_is("a/b", pieces(&content, MIB)).await.unwrap();
        at.plan(fault, Head::is_read, 0, 1);
        let read = all(at.objects.records("a/b").await.unwrap()).await;
        assert!(read.unwrap_or_else(|error| panic!("{fault:?}: {error}")) == content, "{fault:?}");
    }
}

#[tokio::test]
async fn what_is_read_is_never_wrong_although_every_answer_breaks_off() {
    let content = noise(3 * MIB + MIB / 2, 7);
    let cut = ENDS.map(Fault::CutAnswer).into_iter().chain(ENDS.map(Fault::ShortAnswer));
    let spoilt = ENDS.map(Fault::SpoilAnswer);
    let others = [Fault::Status(500), Fault::Status(503), Fault::Status(403), Fault::LoseAnswer, Fault::Silence];
    for fault in cut.chain(spoilt).chain(others) {
        let at = At::new(fault).await;
        at.behind.put_as_it_is("a/b", pieces(&content, MIB)).await.unwrap();
        at.plan(fault, Head::is_read, 0, ALWAYS);
        let Ok(mut reading) = at.objects.records("a/b").await else { continue };
        let mut read = Vec::new();
        let ended = loop {
            match reading.try_next().await {
                Ok(Some(piece)) => read.extend_from_slice(&piece),
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        // Where each answer has a record more, all is read in the end.
        assert!(content.starts_with(&read), "{fault:?}");
        assert_eq!(ended, read.len() == content.len(), "{fault:?}");
        let brings_records = matches!(fault, Fault::CutAnswer(n) | Fault::ShortAnswer(n) if n > 61 + SEALED);
        assert!(ended || !brings_records, "{fault:?}");
    }
}

#[tokio::test]
async fn the_rest_is_asked_for_from_the_last_record_that_was_whole() {
    let content = noise(5 * MIB, 8);
    let at = At::new(Fault::ShortAnswer(0)).await;
    at.behind.put_as_it_is("a/b", pieces(&content, MIB)).await.unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let ranges = Arc::clone(&asked);
    at.proxy.plan(move |head| {
        let mut ranges = ranges.lock().unwrap();
        ranges.push(head.range.clone());
        // Two records and a half.
        (ranges.len() == 1).then_some(Fault::ShortAnswer(61 + 2 * SEALED + MIB / 2))
    });
    assert!(all(at.objects.records("a/b").await.unwrap()).await.unwrap() == content);
    assert_eq!(*asked.lock().unwrap(), [None, Some(format!("bytes={}-", 61 + 2 * SEALED))]);
}

#[tokio::test]
async fn what_is_replaced_while_it_is_read_is_an_error() {
    let at = At::new(Fault::ShortAnswer(0)).await;
    at.behind.put_as_it_is("a/b", pieces(&noise(5 * MIB, 9), MIB)).await.unwrap();
    at.plan(Fault::ShortAnswer(61 + SEALED + 100), Head::is_read, 0, 1);
    let mut reading = at.objects.records("a/b").await.unwrap();
    assert_eq!(reading.try_next().await.unwrap().unwrap().len(), MIB);
    at.behind.put_as_it_is("a/b", pieces(&noise(5 * MIB, 10), MIB)).await.unwrap();
    assert!(reading.try_next().await.is_err());
}

#[tokio::test]
async fn lists_and_removals_are_whole_or_an_error_and_can_be_done_again() {
    let faults = [
        Fault::Status(500),
        Fault::Status(503),
        Fault::CutAnswer(0),
        Fault::CutAnswer(200),
        Fault::ShortAnswer(0),
        Fault::ShortAnswer(200),
        Fault::LoseAnswer,
        Fault::Silence,
    ];
    let cases = faults.into_iter().flat_map(|fault| {
        [(true, 1), (true, ALWAYS), (false, 1), (false, ALWAYS)].map(|(is_of_lists, times)| (fault, is_of_lists, times))
    });
    // At once: for silence, one waits.
    futures::future::join_all(cases.map(|(fault, is_of_lists, times)| async move {
        let at = At::new(fault).await;
        for n in 0..3 {
            at.behind.put_as_it_is(&format!("a/{n}"), pieces(b"content", 100)).await.unwrap();
        }
        at.plan(fault, if is_of_lists { Head::is_list } else { Head::is_remove }, 0, times);
        let there = at.behind.usage_under("a").await.unwrap();
        match at.objects.usage_under("a").await {
            Ok(held) => assert_eq!(held, there, "{fault:?}"),
            Err(_) => assert!(is_of_lists),
        }
        let removed = at.objects.remove_under("a").await;
        match removed {
            Ok(held) => assert_eq!(held, there, "{fault:?}"),
            Err(_) => drop(at.behind.remove_under("a").await.unwrap()),
        }
        assert_eq!(at.behind.usage_under("a").await.unwrap(), Held::default(), "{fault:?}");
    }))
    .await;
}

/// Whose it is said to be is ours, or less than that: never another's.
#[tokio::test]
async fn who_claims_hears_who_has_it_although_answers_are_lost() {
    let faults = [
        Fault::Status(500),
        Fault::Status(503),
        Fault::CutRequest(2),
        Fault::CutAnswer(2),
        Fault::ShortAnswer(2),
        Fault::LoseAnswer,
        Fault::Silence,
    ];
    let cases = faults.into_iter().flat_map(|fault| [1, ALWAYS].map(|times| (fault, times)));
    futures::future::join_all(cases.map(|(fault, times)| async move {
        let is_short = matches!(fault, Fault::ShortAnswer(_));
        // What is put has no answer that could be shorter.
        if !is_short {
            let at = At::new(fault).await;
            at.plan(fault, Head::is_whole, 0, times);
            let heard = at.objects.claim("mark", "ours").await;
            let found = at.behind.claim("mark", "theirs").await.unwrap();
            let has_arrived = matches!(fault, Fault::CutAnswer(_) | Fault::LoseAnswer);
            match heard {
                Ok(heard) => assert_eq!((heard.as_str(), found.as_str()), ("ours", "ours"), "{fault:?}"),
                Err(_) => assert!(found == "ours" || !has_arrived, "{fault:?}"),
            }
        }
        let at = At::new(fault).await;
        at.behind.claim("mark", "ours").await.unwrap();
        at.plan(fault, Head::is_read, 0, times);
        match at.objects.claim("mark", "theirs").await {
            Ok(found) => assert!(found == "ours" || is_short && found == "ou", "{fault:?}: {found}"),
            Err(_) => assert!(times == ALWAYS || fault == Fault::Silence, "{fault:?}"),
        }
        assert_eq!(at.behind.claim("mark", "theirs").await.unwrap(), "ours", "{fault:?}");
    }))
    .await;
}
