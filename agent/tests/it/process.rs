//! The program itself: signals, exit codes, health, logs.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use kubewise_sample_cluster::SampleCluster;

use crate::ingest::Canned;
use crate::scene::{Scene, eventually};
use kubewise_protocol::ErrorCode;

pub(crate) fn command(scene: &Scene, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kubewise-agent"));
    command.env_clear().envs(scene.environment()).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) async fn output(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// Sends SIGTERM; the exit code and the log, and how long it took.
pub(crate) async fn terminate(child: Child) -> (Option<i32>, String, Duration) {
    let begun = Instant::now();
    let kill = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap(), begun.elapsed())
}

#[tokio::test]
async fn once_ends_with_0_when_everything_is_sent() {
    let scene = Scene::new(SampleCluster::bundled().unwrap()).await;
    let output = output(command(&scene, &["run", "--once"])).await;
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stdout.is_empty());
    assert_eq!(scene.ingest.totals(), scene.expected());
}

#[tokio::test]
async fn once_ends_with_1_and_says_why() {
    let scene = Scene::new(SampleCluster::bundled().unwrap()).await;
    scene.ingest.set_token("another");
    let refused = output(command(&scene, &["run", "--once"])).await;
    let log = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{log}");
    assert!(log.contains("the token is unknown or was revoked"), "{log}");
    assert!(!log.contains("kwa_test"), "the token is in no log");

    scene.ingest.set_token("kwa_test");
    scene.ingest.answer_always(Some(Canned::error(ErrorCode::PlanLimit)));
    let limited = output(command(&scene, &["run", "--once"])).await;
    assert_eq!(limited.status.code(), Some(1));
    assert!(String::from_utf8(limited.stderr).unwrap().contains("as the test wants it"));
}

#[tokio::test]
async fn wrong_configuration_ends_with_2_and_names_the_variable() {
    let scene = Scene::new(SampleCluster::bundled().unwrap()).await;
    for (name, value) in [("KUBEWISE_SERVER", "http://kubewise.example.com"), ("KUBEWISE_SYNC_INTERVAL", "x")] {
        let mut command = command(&scene, &["run"]);
        command.env(name, value);
        let output = output(command).await;
        assert_eq!(output.status.code(), Some(2));
        let log = String::from_utf8(output.stderr).unwrap();
        assert!(log.contains(name), "{log}");
    }
}

#[tokio::test]
async fn sigterm_ends_it_at_rest() {
    let scene = Scene::new(SampleCluster::bundled().unwrap()).await;
    let child = command(&scene, &["run"]).spawn().unwrap();
    scene.settled().await;
    let (code, log, took) = terminate(child).await;
    assert_eq!(code, Some(0), "{log}");
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn sigterm_ends_it_while_the_server_does_not_answer() {
    let scene = Scene::new(SampleCluster::bundled().unwrap()).await;
    scene.ingest.hang();
    let child = command(&scene, &["run"]).spawn().unwrap();
    eventually("it lists to the end", || scene.watches("storageclasses") > 0).await;
    let (code, log, took) = terminate(child).await;
    assert_eq!(code, Some(0), "{log}");
    assert!(took <= Duration::from_secs(6), "{took:?}");
}

#[tokio::test]
async fn sigterm_ends_it_while_the_server_is_away() {
    let scene = Scene::new(SampleCluster::bundled().unwrap()).await;
    scene.ingest.go_away().await;
    let child = command(&scene, &["run"]).spawn().unwrap();
    eventually("it lists to the end", || scene.watches("storageclasses") > 0).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (code, log, took) = terminate(child).await;
    assert_eq!(code, Some(0), "{log}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(log.matches("the server does not answer").count(), 1, "said once, not once per try: {log}");
}

#[tokio::test]
async fn health_and_metrics() {
    let scene = Scene::new(SampleCluster::bundled().unwrap()).await;
    scene.ingest.answer_always(Some(Canned::error(ErrorCode::Unavailable)));
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = command(&scene, &["run"]);
    command.env("KUBEWISE_HEALTH_LISTEN", format!("127.0.0.1:{port}")).env("KUBEWISE_LOG_FORMAT", "json");
    let child = command.spawn().unwrap();
    eventually("it sends", || !scene.ingest.received().is_empty()).await;
    assert!(get(port, "/healthz").starts_with("HTTP/1.1 200"));
    let not_ready = get(port, "/readyz");
    assert!(not_ready.starts_with("HTTP/1.1 503") && not_ready.contains("the server does not answer"), "{not_ready}");
    scene.ingest.answer_always(None);
    scene.settled().await;
    eventually("it is ready", || get(port, "/readyz").starts_with("HTTP/1.1 200")).await;
    let metrics = get(port, "/metrics");
    let pods = format!("kubewise_agent_objects{{kind=\"Pod\"}} {}", scene.expected()["Pod"]);
    for line in [&pods, "kubewise_agent_connected 1", "kubewise_agent_epochs_total{reason=\"start\"} 1"] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
    let (code, log, _) = terminate(child).await;
    assert_eq!(code, Some(0));
    for line in log.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
}

fn get(port: u16, path: &str) -> String {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(connection, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn an_agent_that_is_killed_begins_anew() {
    let scene = Scene::new(SampleCluster::generated(600, 5)).await;
    for milliseconds in [100, 300, 500, 900] {
        let mut child = command(&scene, &["run"]).stderr(Stdio::null()).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let before = scene.ingest.epochs().len();
    let child = command(&scene, &["run"]).spawn().unwrap();
    eventually("it begins anew", || scene.ingest.epochs().len() > before).await;
    scene.settled().await;
    assert_eq!(terminate(child).await.0, Some(0));
    let epochs = scene.ingest.epochs();
    assert!(epochs.is_sorted_by(|a, b| a < b), "{epochs:?}");
}

#[test]
fn the_program_says_what_it_is() {
    let run = |argument: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_kubewise-agent")).arg(argument).output().unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    assert!(run("--version").contains(env!("CARGO_PKG_VERSION")));
    assert!(run("--help").contains("KUBEWISE_TOKEN_FILE"));
    assert_ne!(OsString::from(run("run-away")).len(), 0);
}
