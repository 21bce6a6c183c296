//! The way to the server: TLS, and whose certificates are trusted.

use kubewise_sample_cluster::SampleCluster;
use rcgen::generate_simple_self_signed;

use crate::process::{command, output};
use crate::scene::Scene;

#[tokio::test]
async fn a_certificate_is_trusted_when_its_root_was_named() {
    let scene = Scene::new(SampleCluster::bundled().unwrap()).await;
    let certificate = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let port = scene.ingest.listen_with_tls(&certificate).await;
    std::fs::write(scene.path("ca.pem"), certificate.cert.pem()).unwrap();

    let mut trusting = command(&scene, &["run", "--once"]);
    trusting.env("KUBEWISE_SERVER", format!("https://localhost:{port}")).env("KUBEWISE_CA_FILE", scene.path("ca.pem"));
    // What stands in the environment for the rest of the machine is not for loopback.
    trusting.env("HTTPS_PROXY", "http://127.0.0.1:9").env("https_proxy", "http://127.0.0.1:9");
    let ended = output(trusting).await;
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    assert_eq!(scene.ingest.totals(), scene.expected());
}

#[tokio::test]
async fn another_name_or_root_is_not_trusted() {
    let scene = Scene::new(SampleCluster::bundled().unwrap()).await;
    let certificate = generate_simple_self_signed(["kubewise.example.com".to_owned()]).unwrap();
    let port = scene.ingest.listen_with_tls(&certificate).await;
    let other = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    for trusted in [&certificate, &other] {
        std::fs::write(scene.path("ca.pem"), trusted.cert.pem()).unwrap();
        let mut agent = command(&scene, &["run"]);
        agent.env("KUBEWISE_SERVER", format!("https://localhost:{port}")).env("KUBEWISE_CA_FILE", scene.path("ca.pem"));
        let child = agent.spawn().unwrap();
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        let (code, log, _) = crate::process::terminate(child).await;
        assert_eq!(code, Some(0));
        assert!(log.contains("certificate"), "{log}");
    }
    assert!(scene.ingest.received().is_empty(), "nothing was sent");
}

#[tokio::test]
async fn what_is_no_certificate_is_said_at_the_start() {
    let scene = Scene::new(SampleCluster::bundled().unwrap()).await;
    let mut agent = command(&scene, &["run"]);
    agent.env("KUBEWISE_CA_FILE", scene.path("token"));
    let ended = output(agent).await;
    assert_eq!(ended.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&ended.stderr).contains("KUBEWISE_CA_FILE"));
}
