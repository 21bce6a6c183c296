//! What the agent costs the cluster.

use std::time::{Duration, Instant};

use kubewise_sample_cluster::{Faults, SampleCluster};
use serde_json::json;
use tokio::time::sleep;

use crate::process::{command, terminate};
use crate::scene::{Scene, pod};

/// The budget, in KiB.
const BUDGET: u64 = 64 << 10;

/// What a test may be told by the environment: how large, how long.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A line of `/proc/PID/status`, in KiB.
fn memory(process: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// What a process used of the processors, in hundredths of a second.
fn processor(process: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields = stat.rsplit(')').next().unwrap().split_whitespace();
    fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap()).sum()
}

/// 10,000 pods is what the budget is for; that many take minutes without optimisation.
#[tokio::test]
async fn a_large_cluster_fits_into_memory() {
    let pods = setting("KUBEWISE_TEST_PODS", 2_000);
    let scene = Scene::new(SampleCluster::generated(usize::try_from(pods).unwrap(), 1)).await;
    let begun = Instant::now();
    let child = command(&scene, &["run"]).spawn().unwrap();
    while !scene.ingest.is_synchronised() {
        sleep(Duration::from_millis(10)).await;
        assert!(begun.elapsed() < Duration::from_mins(4));
    }
    let (took, used) = (begun.elapsed(), processor(child.id()));
    assert_eq!(scene.ingest.totals(), scene.expected());
    let first = memory(child.id(), "VmHWM");

    // Everything is listed again, while changes wait.
    scene.cluster.forget_history();
    scene.cluster.close_watches();
    for n in 0..200 {
        scene.cluster.upsert(pod(n)).unwrap();
    }
    scene.settled().await;
    let most = memory(child.id(), "VmHWM");
    eprintln!("{pods} pods: {took:?}, {used}0 ms of processor, {first} KiB, listed again {most} KiB");
    let (code, log, _) = terminate(child).await;
    assert_eq!(code, Some(0), "{log}");
    assert!(most < BUDGET, "{most} KiB");
}

/// Reports of scanners are the largest objects there are.
#[tokio::test]
async fn large_reports_fit_into_memory() {
    let cluster = SampleCluster::generated(200, 3);
    let bundled = include_str!("../../../crates/sample-cluster/manifests/trivy.yaml");
    let definition: serde_json::Value = serde_saphyr::from_multiple(bundled).unwrap().swap_remove(0);
    cluster.upsert(definition).unwrap();
    let one = |n: usize| {
        json!({"vulnerabilityID": format!("CVE-2026-{n}"), "severity": "LOW", "resource": "lib", "installedVersion": "1",
            "fixedVersion": "2", "title": "t".repeat(80), "primaryLink": "https://example.com/", "target": "",
            "description": "d".repeat(400), "links": vec!["https://example.com/advisories/of/this/one"; 8]})
    };
    let vulnerabilities: Vec<_> = (0..1_500).map(one).collect();
    for n in 0..100 {
        let report = json!({
            "apiVersion": "aquasecurity.github.io/v1alpha1", "kind": "VulnerabilityReport",
            "metadata": {"name": format!("pod-{n}"), "namespace": "default"},
            "report": {"artifact": {"repository": format!("image-{n}"), "tag": "1"}, "vulnerabilities": vulnerabilities},
        });
        cluster.upsert(report).unwrap();
    }
    let scene = Scene::new(cluster).await;
    let child = command(&scene, &["run"]).spawn().unwrap();
    scene.settled().await;
    assert_eq!(scene.ingest.totals()["VulnerabilityReport.aquasecurity.github.io"], 100);
    let most = memory(child.id(), "VmHWM");
    eprintln!("100 reports of more than a megabyte: {most} KiB");
    let (code, log, _) = terminate(child).await;
    assert_eq!(code, Some(0), "{log}");
    assert!(most < BUDGET, "{most} KiB");
}

#[tokio::test]
#[ignore = "takes KUBEWISE_TEST_SECONDS, five minutes by default"]
async fn memory_does_not_grow_with_time() {
    let scene = Scene::new(SampleCluster::generated(1_000, 2)).await;
    let child = command(&scene, &["run"]).spawn().unwrap();
    scene.settled().await;
    let end = Instant::now() + Duration::from_secs(setting("KUBEWISE_TEST_SECONDS", 300));
    let mut measured = Vec::new();
    for round in 0_u128.. {
        if Instant::now() > end {
            break;
        }
        for n in 0..300 {
            let mut object = pod(n);
            object["spec"]["nodeName"] = format!("node-{round}").into();
            scene.cluster.upsert(object).unwrap();
        }
        match round % 5 {
            0 => scene.cluster.close_watches(),
            1 => {
                scene.cluster.forget_history();
                scene.cluster.close_watches();
            }
            2 => {
                scene.ingest.go_away().await;
                sleep(Duration::from_secs(3)).await;
                scene.ingest.come_back().await;
            }
            3 => {
                scene.cluster.set_faults(Faults::refuse());
                sleep(Duration::from_secs(2)).await;
                scene.cluster.set_faults(Faults::none());
            }
            _ => scene.ingest.forget_conversation(),
        }
        sleep(Duration::from_secs(2)).await;
        scene.settled().await;
        measured.push(memory(child.id(), "VmRSS"));
    }
    eprintln!("{measured:?} KiB");
    let (code, log, _) = terminate(child).await;
    assert_eq!(code, Some(0), "{log}");
    let third = measured.len() / 3;
    let (early, late) = (measured[..third].iter().max().unwrap(), measured[2 * third..].iter().max().unwrap());
    assert!(late < &(early + (4 << 10)), "{early} KiB, later {late} KiB");
}
