//! How the issuer is asked: the workspace's HTTP client in the shape that openidconnect wants.

use std::{future::Future, pin::Pin, time::Duration};

use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use reqwest::{Client, header::AUTHORIZATION, redirect};

use crate::Error;

const CONNECT: Duration = Duration::from_secs(3);
/// A person waits meanwhile.
const PATIENCE: Duration = Duration::from_secs(5);
/// Largest answer, in bytes: what issuers send has a few thousand.
const ANSWER: usize = 128 << 10;

/// Asks the issuer.
pub(super) struct Http(Client);

/// Why there was no answer; without an address, which may hold a secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error("no connection")]
    Connect,
    #[error("no answer within {} seconds", PATIENCE.as_secs())]
    Timeout,
    #[error("its answer is larger than {ANSWER} bytes")]
    TooLarge,
    #[error("the exchange broke off")]
    Broken,
}

impl From<reqwest::Error> for Failed {
    fn from(error: reqwest::Error) -> Self {
        if error.is_timeout() {
            Self::Timeout
        } else if error.is_connect() {
            Self::Connect
        } else {
            Self::Broken
        }
    }
}

impl Http {
    /// `https`: nothing is sent to an address that is not `https://`, whatever the issuer says.
    pub(super) fn new(https: bool) -> Result<Self, Error> {
        let mut builder = Client::builder()
            .user_agent(concat!("kubewise/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .timeout(PATIENCE)
            .https_only(https)
            // The issuer is asked, and nobody whom it names.
            .redirect(redirect::Policy::none());
        // Without TLS it is on this machine, for which no proxy is meant.
        if !https {
            builder = builder.no_proxy();
        }
        Ok(Self(builder.build().map_err(|e| Error::Internal(format!("OpenID Connect: no TLS client: {e}")))?))
    }

    async fn ask(&self, request: HttpRequest) -> Result<HttpResponse, Failed> {
        let mut request = reqwest::Request::try_from(request)?;
        // Our secret, or an access token: no log shows what is marked.
        if let Some(value) = request.headers_mut().get_mut(AUTHORIZATION) {
            value.set_sensitive(true);
        }
        let mut response = self.0.execute(request).await?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            if body.len() + chunk.len() > ANSWER {
                return Err(Failed::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let mut answer = HttpResponse::new(body);
        *answer.status_mut() = response.status();
        *answer.headers_mut() = std::mem::take(response.headers_mut());
        Ok(answer)
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = Failed;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Failed>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.ask(request))
    }
}
