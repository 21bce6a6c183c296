//! The listener with TLS: versions, headers, a certificate that is replaced while the server runs.

use std::{
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use kubewise_backend::Live;
use kubewise_server::{
    config::{Config, Source, TlsFiles},
    http::{Listener, Parts, healthcheck, listen, router},
};
use leptos::config::LeptosOptions;
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use reqwest::{Certificate, Client, ClientBuilder, Version, tls};
use tokio::sync::watch;

type Pair = CertifiedKey<KeyPair>;

fn certificate() -> Pair {
    generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

fn write(files: &TlsFiles, pair: &Pair) {
    std::fs::write(&files.key, pair.signing_key.serialize_pem()).unwrap();
    std::fs::write(&files.cert, pair.cert.pem()).unwrap();
}

fn trusting(pair: &Pair) -> ClientBuilder {
    Client::builder().no_proxy().tls_certs_only([Certificate::from_pem(pair.cert.pem().as_bytes()).unwrap()])
}

fn files(folder: &Path) -> TlsFiles {
    TlsFiles { cert: folder.join("tls.crt"), key: folder.join("tls.key") }
}

/// The settings of a server that listens there.
fn config(address: SocketAddr, files: &TlsFiles) -> Config {
    let settings = [
        ("KUBEWISE_LISTEN", address.to_string()),
        ("KUBEWISE_TLS_CERT", files.cert.display().to_string()),
        ("KUBEWISE_TLS_KEY", files.key.display().to_string()),
    ];
    Config::read(&Source::from_pairs(settings.map(|(name, value)| (name.to_owned(), value)))).unwrap()
}

/// Answers where it listens, and what stops it.
fn serve(files: &TlsFiles) -> (SocketAddr, watch::Sender<bool>) {
    let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0)), Some(files)).unwrap();
    let address = listener.address().unwrap();
    let (stop, mut stopping) = watch::channel(false);
    let parts = Parts {
        web: None,
        ingest: None,
        live: Live::new(),
        public_url: format!("https://localhost:{}", address.port()),
        behind_proxy: false,
        stopping: stopping.clone(),
        contact: "contact@example.com".to_owned(),
        leptos: LeptosOptions::builder().output_name("kubewise").build(),
    };
    tokio::spawn(listen(listener, router(parts), async move { drop(stopping.wait_for(|stop| *stop).await) }));
    (address, stop)
}

#[tokio::test]
async fn tls_1_2_and_1_3_are_spoken_and_a_replaced_certificate_is_taken_up() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    let first = certificate();
    write(&files, &first);
    let (address, stop) = serve(&files);
    let url = format!("https://localhost:{}/healthz", address.port());
    for version in [tls::Version::TLS_1_2, tls::Version::TLS_1_3] {
        let client = trusting(&first).tls_version_min(version).tls_version_max(version).build().unwrap();
        let answer = client.get(&url).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.version()), (200, Version::HTTP_2), "{version:?}");
        assert!(answer.headers()["strict-transport-security"].to_str().unwrap().starts_with("max-age=63072000"));
    }
    let plain = Client::builder().no_proxy().build().unwrap();
    assert!(plain.get(url.replace("https", "http")).send().await.is_err(), "nothing is answered unencrypted");

    healthcheck(&config(address, &files)).await.unwrap();

    // A key alone does not go with the certificate: the one before stays.
    let second = certificate();
    std::fs::write(&files.key, second.signing_key.serialize_pem()).unwrap();
    tokio::time::sleep(Duration::from_secs(11)).await;
    let fresh = || trusting(&first).build().unwrap();
    assert_eq!(fresh().get(&url).send().await.unwrap().status().as_u16(), 200);
    write(&files, &second);
    let begun = Instant::now();
    while trusting(&second).build().unwrap().get(&url).send().await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(30), "the new certificate was not taken up");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(fresh().get(&url).send().await.is_err(), "the old one is no longer shown");
    stop.send(true).unwrap();
}

#[tokio::test]
async fn a_listener_that_is_not_kubewise_is_not_well() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    write(&files, &certificate());
    // Something accepts, and says nothing of TLS.
    let other = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = other.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = other.accept().await {
            drop(stream);
        }
    });
    healthcheck(&config(address, &files)).await.unwrap_err();
}
