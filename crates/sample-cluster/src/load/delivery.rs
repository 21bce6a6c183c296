//! Bringing batches to the server over connections that are kept.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use kubewise_protocol::{CONTENT_ENCODING, CONTENT_TYPE, ErrorAnswer, SYNC_PATH};

/// When a busy server does not say when to come back.
const COME_BACK: Duration = Duration::from_secs(2);
/// How often the same batch is sent to a busy server.
const TRIES: u32 = 60;
/// How long an answer may take: as long as the server gives itself.
const PATIENCE: Duration = Duration::from_secs(150);
/// Longest answer that is read.
const LONGEST_ANSWER: usize = 64 << 10;

/// The way to the server.
pub(super) struct Delivery {
    client: Client<HttpConnector, Full<Bytes>>,
    url: Uri,
    retries: AtomicU64,
}

impl Delivery {
    /// To the server at this address. Plain HTTP only: load is made beside the server.
    pub(super) fn new(server: &Uri) -> Result<Self> {
        ensure!(server.scheme_str() == Some("http"), "{server} is not an address like http://127.0.0.1:3000");
        let authority = server.authority().context("the server's address has no host")?;
        let url = format!("http://{authority}{SYNC_PATH}").parse()?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, url, retries: AtomicU64::new(0) })
    }

    /// How often a batch had to be sent again so far.
    pub(super) fn retries(&self) -> u64 {
        self.retries.load(Ordering::Relaxed)
    }

    /// Sends one batch until it is accepted or refused for good.
    pub(super) async fn send(&self, token: &str, body: Bytes) -> Result<()> {
        for _ in 0..TRIES {
            let wait = match tokio::time::timeout(PATIENCE, self.try_once(token, body.clone())).await {
                Ok(Ok(None)) => return Ok(()),
                Ok(Ok(Some(wait))) => wait,
                Ok(Err(error)) => return Err(error),
                Err(_) => bail!("no answer in {} s", PATIENCE.as_secs()),
            };
            self.retries.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(wait).await;
        }
        bail!("the server was busy {TRIES} times")
    }

    /// None: accepted; else how long to wait before the same is sent again.
    async fn try_once(&self, token: &str, body: Bytes) -> Result<Option<Duration>> {
        let request = Request::post(&self.url)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, CONTENT_TYPE)
            .header(header::CONTENT_ENCODING, CONTENT_ENCODING)
            .body(Full::new(body))?;
        let response = self.client.request(request).await.context("the server could not be reached")?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, LONGEST_ANSWER).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("the answer broke off: {error}"))?.to_bytes();
        match head.status {
            StatusCode::OK => Ok(None),
            StatusCode::TOO_MANY_REQUESTS => {
                let seconds = head.headers.get(header::RETRY_AFTER).and_then(|v| v.to_str().ok()?.parse().ok());
                Ok(Some(seconds.map_or(COME_BACK, Duration::from_secs)))
            }
            status => {
                let said = serde_json::from_slice::<ErrorAnswer>(&body).map(|e| e.message).unwrap_or_default();
                bail!("the server answered {status}: {said}")
            }
        }
    }
}
