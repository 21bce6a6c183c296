//! One batch, one request, one reply.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::{StatusCode, header};
use kubewise_protocol::{CONTENT_ENCODING, CONTENT_TYPE, ErrorAnswer, SyncAnswer};
use reqwest::{Certificate, Response, Url, redirect, tls};

use super::token::TokenSource;
use crate::chain::chain;
use crate::config::is_loopback;

/// How long the server may take to answer. The last batch of a large cluster makes it work for some seconds.
const PATIENCE: Duration = Duration::from_mins(2);

/// What is read of an answer.
const LONGEST_ANSWER: usize = 64 << 10;

/// What the server replied.
#[derive(Debug)]
pub(super) enum Reply {
    /// 200
    Accepted(SyncAnswer),
    /// 401
    Unauthorized(String),
    /// 402
    PlanLimit(String),
    /// 409
    NewEpoch(String),
    /// 413
    TooLarge(String),
    /// 415, 422, 426
    Refused(String),
    /// 429
    Busy(String, Option<Duration>),
    /// Anything else, or nothing.
    Failed(String, Option<Duration>),
}

/// Sends batches.
pub(crate) struct Client {
    http: reqwest::Client,
    endpoint: Url,
    pub(super) token: TokenSource,
}

impl Client {
    /// A client for this endpoint; nothing is sent yet.
    pub(crate) fn new(endpoint: Url, token: TokenSource, ca_file: Option<&Path>) -> anyhow::Result<Self> {
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("kubewise-agent/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(10))
            .timeout(PATIENCE)
            .tcp_nodelay(true)
            .tcp_keepalive(Duration::from_mins(1))
            .pool_max_idle_per_host(1)
            .tls_version_min(tls::Version::TLS_1_2)
            // A token is given to the server that was named, and to no other.
            .redirect(redirect::Policy::none());
        // A proxy that the environment names is none for what is on this machine.
        if endpoint.host_str().is_some_and(is_loopback) {
            builder = builder.no_proxy();
        }
        if let Some(path) = ca_file {
            let pem = std::fs::read(path).with_context(|| format!("KUBEWISE_CA_FILE: {}", path.display()))?;
            let certificates =
                Certificate::from_pem_bundle(&pem).context("KUBEWISE_CA_FILE: holds no certificates in PEM")?;
            anyhow::ensure!(!certificates.is_empty(), "KUBEWISE_CA_FILE: holds no certificates in PEM");
            builder = builder.tls_certs_merge(certificates);
        }
        let http = builder.build().context("no TLS client")?;
        Ok(Self { http, endpoint, token })
    }

    /// Sends a batch. The status, when there was one, and what it means.
    pub(super) async fn post(&self, batch: Bytes) -> (Option<u16>, Reply) {
        let Some(authorization) = self.token.header() else {
            return (None, Reply::Unauthorized("the token cannot be sent".to_owned()));
        };
        let request = self
            .http
            .post(self.endpoint.clone())
            .header(header::AUTHORIZATION, authorization)
            .header(header::CONTENT_TYPE, CONTENT_TYPE)
            .header(header::CONTENT_ENCODING, CONTENT_ENCODING)
            .body(batch);
        match request.send().await {
            Ok(response) => {
                let status = response.status().as_u16();
                (Some(status), read(response).await)
            }
            Err(error) => (None, Reply::Failed(chain(&error.without_url()), None)),
        }
    }
}

async fn read(mut response: Response) -> Reply {
    let status = response.status();
    let retry_after = response
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(part)) if body.len() + part.len() <= LONGEST_ANSWER => body.extend_from_slice(&part),
            Ok(Some(_)) if status == StatusCode::OK => {
                return Reply::Failed("the server's answer is longer than an answer can be".to_owned(), None);
            }
            Err(error) if status == StatusCode::OK => return Reply::Failed(chain(&error.without_url()), None),
            // Of a refusal, what was read is enough.
            Ok(_) | Err(_) => break,
        }
    }
    if status == StatusCode::OK {
        return match serde_json::from_slice(&body) {
            Ok(answer) => Reply::Accepted(answer),
            Err(_) => {
                Reply::Failed("status 200, but not from a Kubewise server; check KUBEWISE_SERVER".to_owned(), None)
            }
        };
    }
    let sentence = sentence(status, &body);
    match status {
        StatusCode::UNAUTHORIZED => Reply::Unauthorized(sentence),
        StatusCode::PAYMENT_REQUIRED => Reply::PlanLimit(sentence),
        StatusCode::CONFLICT => Reply::NewEpoch(sentence),
        StatusCode::PAYLOAD_TOO_LARGE => Reply::TooLarge(sentence),
        StatusCode::UNSUPPORTED_MEDIA_TYPE | StatusCode::UNPROCESSABLE_ENTITY | StatusCode::UPGRADE_REQUIRED => {
            Reply::Refused(sentence)
        }
        StatusCode::TOO_MANY_REQUESTS => Reply::Busy(sentence, retry_after),
        _ => Reply::Failed(sentence, retry_after),
    }
}

/// What the server says, fit for a line of the log.
fn sentence(status: StatusCode, body: &[u8]) -> String {
    match serde_json::from_slice::<ErrorAnswer>(body) {
        Ok(answer) => {
            let message: String = answer.message.chars().filter(|c| !c.is_control()).take(500).collect();
            format!("{message} (status {})", status.as_u16())
        }
        Err(_) => format!("status {status}"),
    }
}
