//! Whether the server is well.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use axum::response::IntoResponse;
use http::header;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::config::Config;

/// Answers as soon as the server listens; says nothing of what is behind it.
pub(super) async fn healthz() -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "no-store")], "ok\n")
}

/// `kubewise-server healthcheck`: asks the server that runs with the same settings.
pub async fn healthcheck(config: &Config) -> Result<()> {
    let mut address = config.listen;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() });
    }
    let check = async {
        let mut stream = TcpStream::connect(address).await.with_context(|| format!("nothing answers at {address}"))?;
        if config.tls.is_some() {
            // That the listener accepts is what can be said without trusting its certificate.
            return Ok(());
        }
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
        let mut answer = Vec::new();
        stream.take(4096).read_to_end(&mut answer).await?;
        if !answer.starts_with(b"HTTP/1.1 200") {
            bail!("the server at {address} is not well");
        }
        Ok(())
    };
    tokio::time::timeout(Duration::from_secs(5), check).await.context("no answer within 5 seconds")?
}
