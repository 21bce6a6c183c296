//! Fuzzing of the decoder: whatever arrives, it answers, in bounded memory.
//!
//! Runs for `KUBEWISE_TEST_FUZZ_SECONDS` (2 by default), from the corpus in tests/corpus: batches as agents send them,
//! and what once was worth keeping. Mutations are of three sorts: of the compressed bytes, of the lines inside, and of
//! whole batches put together.
#![expect(clippy::unwrap_used, reason = "a test fails where it is")]

use std::{
    io::{Read, Write},
    path::PathBuf,
    time::{Duration, Instant},
};

use kubewise_protocol::{DecodeError, Decoder, Limits, Operation};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};

const LIMITS: Limits = Limits { line_bytes: 64 << 10, batch_bytes: 1 << 20, operations: 1_000 };

/// Reads a batch to its end or first error; checks what must hold whatever it is.
fn decode(bytes: &[u8]) -> Result<usize, DecodeError> {
    let mut decoder = Decoder::new(bytes, LIMITS)?;
    let mut held = 0;
    while let Some(operation) = decoder.next_operation()? {
        held += 1;
        assert!(held <= LIMITS.operations, "more operations than allowed");
        if let Operation::Upsert(json) = operation {
            assert!(json.get().len() <= LIMITS.line_bytes, "a longer line than allowed");
        }
    }
    Ok(held)
}

fn compress(lines: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.write_all(lines).unwrap();
    encoder.finish().unwrap()
}

fn corpus_folder() -> PathBuf {
    // Of this run, not of the build: build results may be shared by several clones.
    PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").unwrap()).join("tests/corpus")
}

fn corpus() -> Vec<Vec<u8>> {
    let folder = corpus_folder();
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

#[derive(Clone, Debug)]
enum Mutation {
    Flip(usize, u8),
    Cut(usize),
    Insert(usize, Vec<u8>),
    Repeat(usize, usize),
    Swap(usize, usize),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let token = prop_oneof![
        any::<Vec<u8>>(),
        Just(b"\n".to_vec()),
        Just(b"\n\n".to_vec()),
        Just(b"{\"op\":\"delete\",\"uid\":\"00000000-0000-4000-8000-000000000000\"}\n".to_vec()),
        Just(b"{\"op\":\"upsert\",\"resource\":".to_vec()),
        Just("[".repeat(300).into_bytes()),
        Just(b"\\u0000".to_vec()),
        Just(b"18446744073709551616".to_vec()),
        Just(b"-1e999".to_vec()),
        Just(vec![b' '; 70_000]),
        Just(vec![0x28, 0xb5, 0x2f, 0xfd]),
    ];
    prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, with)| Mutation::Flip(at, with)),
        any::<usize>().prop_map(Mutation::Cut),
        (any::<usize>(), token).prop_map(|(at, what)| Mutation::Insert(at, what)),
        (any::<usize>(), 1usize..50).prop_map(|(at, times)| Mutation::Repeat(at, times)),
        (any::<usize>(), any::<usize>()).prop_map(|(a, b)| Mutation::Swap(a, b)),
    ]
}

fn apply(bytes: &mut Vec<u8>, mutation: &Mutation) {
    let len = bytes.len();
    if len == 0 {
        return;
    }
    match mutation {
        Mutation::Flip(at, with) => bytes[at % len] ^= with,
        Mutation::Cut(at) => bytes.truncate(at % len),
        Mutation::Insert(at, what) => {
            let at = at % len;
            bytes.splice(at..at, what.iter().copied());
        }
        Mutation::Repeat(at, times) => {
            // A line, again and again.
            let start = at % len;
            let end = bytes[start..].iter().position(|b| *b == b'\n').map_or(len, |n| start + n + 1);
            let line = bytes[start..end].to_vec();
            for _ in 0..*times {
                if bytes.len() > 2 << 20 {
                    break;
                }
                bytes.splice(end..end, line.iter().copied());
            }
        }
        Mutation::Swap(a, b) => bytes.swap(a % len, b % len),
    }
}

/// Peak resident memory of this process, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() * 1024
}

#[test]
fn whatever_arrives_is_answered_in_bounded_memory() {
    let seconds = std::env::var("KUBEWISE_TEST_FUZZ_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(2);
    let corpus = corpus();
    assert!(corpus.iter().filter(|batch| decode(batch).is_ok()).count() >= 3, "the corpus holds whole batches");
    // Without a chosen seed each run goes its own way; a failure prints its input.
    let mut runner = TestRunner::new_with_rng(
        ProptestConfig::default(),
        TestRng::from_seed(RngAlgorithm::ChaCha, &{
            let mut seed = [0; 32];
            std::fs::File::open("/dev/urandom").unwrap().read_exact(&mut seed).unwrap();
            seed
        }),
    );
    let strategy = (any::<prop::sample::Index>(), any::<bool>(), prop::collection::vec(mutation(), 1..8));
    let until = Instant::now() + Duration::from_secs(seconds);
    let (mut tried, mut whole, mut after_warm_up) = (0u64, 0u64, 0);
    while Instant::now() < until {
        let (which, inside, mutations) = strategy.new_tree(&mut runner).unwrap().current();
        let mut bytes = which.get(&corpus).clone();
        if inside {
            bytes = zstd::stream::decode_all(&bytes[..]).unwrap_or(bytes);
        }
        for mutation in &mutations {
            apply(&mut bytes, mutation);
        }
        let body = if inside { compress(&bytes) } else { bytes };
        let result = std::panic::catch_unwind(|| decode(&body).is_ok());
        match result {
            Ok(ok) => whole += u64::from(ok),
            Err(panic) => {
                eprintln!("a panic on {}", hex(&body));
                std::panic::resume_unwind(panic)
            }
        }
        tried += 1;
        if tried == 500 {
            after_warm_up = peak();
        }
    }
    let grown = peak().saturating_sub(after_warm_up);
    eprintln!("{tried} batches, {whole} of them whole, peak memory grew by {} KiB", grown / 1024);
    assert!(tried > 500 && whole > 0);
    // The largest window, a line and a batch at their limits, twice over.
    assert!(grown < 64 << 20, "memory grew by {grown} bytes");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, b| text + &format!("{b:02x}"))
}

/// How the corpus was made: run with `KUBEWISE_TEST_WRITE_CORPUS=1` after the protocol changes.
#[test]
fn the_corpus_is_of_this_protocol() {
    use kubewise_protocol::{BatchKind, Encoder, Header, Unreadable, UnreadableReason};
    let header = |kind, seq, last| Header {
        protocol: 1,
        agent_version: "0.1.0".to_owned(),
        cluster_uid: "6f1c2a52-8f0e-4a54-9a83-6f4c9b7e1d11".to_owned(),
        kubernetes_version: "1.35.4".to_owned(),
        epoch: 1_800_000_000_000,
        seq,
        kind,
        last,
        unreadable: vec![Unreadable { kind: "Node".to_owned(), reason: UnreadableReason::Forbidden }],
    };
    let pod = |n: u32| {
        serde_json::json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"uid": uuid::Uuid::from_u128(n.into()),
            "name": format!("web-{n}"), "namespace": "shop", "labels": {"app": "web"}},
            "spec": {"containers": [{"name": "main", "image": "nginx:1.29", "env": [{"name": "A"}]}]}})
    };
    let batch = |header: &Header, pods: u32, deletes: u32| {
        let mut encoder = Encoder::new(header, 3).unwrap();
        for n in 0..pods {
            encoder.upsert(&pod(n)).unwrap();
        }
        for n in 0..deletes {
            encoder.delete(uuid::Uuid::from_u128(n.into())).unwrap();
        }
        encoder.finish().unwrap()
    };
    let batches = [
        ("full", batch(&header(BatchKind::Full, 0, true), 20, 0)),
        ("full-part", batch(&header(BatchKind::Full, 1, false), 3, 0)),
        ("delta", batch(&header(BatchKind::Delta, 2, true), 4, 5)),
        ("heartbeat", batch(&header(BatchKind::Heartbeat, 3, true), 0, 0)),
        ("two-frames", [batch(&header(BatchKind::Delta, 4, true), 1, 0), compress(b"{\"op\":\"delete\"}\n")].concat()),
        ("other-version", compress(b"{\"protocol\":2,\"new\":[]}\n")),
    ];
    let folder = corpus_folder();
    for (name, bytes) in batches {
        let file = folder.join(name);
        if std::env::var_os("KUBEWISE_TEST_WRITE_CORPUS").is_some() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&file, &bytes).unwrap();
        }
        // The same once unpacked: another version of zstd may pack otherwise.
        let unpacked = |bytes: &[u8]| zstd::stream::decode_all(bytes).unwrap();
        assert_eq!(unpacked(&std::fs::read(&file).unwrap()), unpacked(&bytes), "{name}");
    }
}
