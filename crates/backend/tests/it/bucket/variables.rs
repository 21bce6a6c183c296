//! An S3 server is reached by the usual variables. Those are of a process: the test starts itself once more with them.

use std::process::Stdio;

use kubewise_backend::{BucketAddress, S3Access, testing::TestObjects};

use super::{
    pieces,
    server::{BUCKET, CREDENTIALS, Server},
};

const ADDRESS: &str = "KUBEWISE_TEST_OBJECT_STORE";

#[tokio::test]
async fn an_s3_server_is_reached_by_the_usual_variables() {
    let server = Server::start().await;
    let run = |secret: &'static str| {
        tokio::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "bucket::variables::by_the_environment", "--nocapture"])
            .env(ADDRESS, format!("s3://{BUCKET}/by/variables"))
            .env("AWS_ENDPOINT_URL", format!("http://{}", server.address))
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_REGION", "eu-central-1")
            .env("AWS_ACCESS_KEY_ID", CREDENTIALS[0])
            .env("AWS_SECRET_ACCESS_KEY", secret)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
    };
    assert!(run(CREDENTIALS[1]).await.unwrap().success());
    assert!(server.file("by/variables/a/b").exists());
    assert!(!run("another").await.unwrap().success(), "who has no right is refused");
}

/// What the other process does. By itself it has nothing to do.
#[tokio::test]
async fn by_the_environment() {
    let Ok(address) = std::env::var(ADDRESS) else { return };
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let objects = TestObjects::open(&address.parse::<BucketAddress>().unwrap(), &S3Access::default());
    objects.put("a/b", pieces(b"content", 3)).await.unwrap();
    assert_eq!(objects.get("a/b").await.unwrap(), b"content");
}
