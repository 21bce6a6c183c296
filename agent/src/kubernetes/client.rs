//! Requests of the Kubernetes API, and their answers as streams of bytes.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kubewise_protocol::WatchedKind;
use serde::Deserialize;
use serde_json::from_slice;
use tokio::time::timeout;

use super::error::ApiError;
use crate::chain::chain;
use crate::config::is_loopback;

/// How long an answer, or its next part, may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// What is read of an answer that is an error, or that is small by nature.
const SMALL: usize = 64 << 10;

/// The Kubernetes API.
#[derive(Clone)]
pub(crate) struct Kubernetes {
    client: kube::Client,
}

impl Kubernetes {
    /// Connects as `KUBECONFIG` says, else as a pod of the cluster, else as `~/.kube/config` says.
    pub(crate) async fn connect(kubeconfig: Option<PathBuf>) -> anyhow::Result<Self> {
        let options = KubeConfigOptions::default();
        let mut config = if let Some(path) = kubeconfig {
            kube::Config::from_custom_kubeconfig(Kubeconfig::read_from(path)?, &options).await?
        } else {
            match kube::Config::incluster() {
                Ok(config) => config,
                Err(in_cluster) => kube::Config::from_kubeconfig(&options).await.map_err(|kubeconfig| {
                    anyhow::anyhow!(
                        "no cluster to read: not in a cluster ({in_cluster}), and no kubeconfig ({kubeconfig})"
                    )
                })?,
            }
        };
        // What is tried again, and when, is decided here.
        config.default_retry = false;
        // A proxy that the environment names is none for what is on this machine.
        if config.cluster_url.host().is_some_and(is_loopback) {
            config.proxy_url = None;
        }
        Ok(Self { client: kube::Client::try_from(config)? })
    }

    /// The version of the API server: `1.35.4`.
    pub(crate) async fn version(&self) -> Result<String, ApiError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Version {
            git_version: String,
        }
        let body = self.get("/version").await?.collect(SMALL).await?;
        let Version { git_version } = from_slice(&body).map_err(ApiError::unavailable)?;
        let version = git_version.strip_prefix('v').unwrap_or(&git_version);
        Ok(version.chars().filter(|c| !c.is_control()).take(60).collect())
    }

    /// Asks for one page of all objects of a kind.
    pub(super) async fn list(&self, kind: &WatchedKind, limit: u32, next: &str) -> Result<Parts, ApiError> {
        let mut path = format!("{}?limit={limit}", path(kind));
        if !next.is_empty() {
            path.push_str("&continue=");
            path.extend(url_encode(next));
        }
        self.get(&path).await
    }

    /// Asks for the changes of a kind since this version. The server ends the answer after `seconds`.
    pub(super) async fn watch(&self, kind: &WatchedKind, since: &str, seconds: u64) -> Result<Parts, ApiError> {
        let mut path = format!("{}?watch=true&allowWatchBookmarks=true&timeoutSeconds={seconds}", path(kind));
        path.push_str("&resourceVersion=");
        path.extend(url_encode(since));
        self.get(&path).await
    }

    async fn get(&self, path: &str) -> Result<Parts, ApiError> {
        let request = Request::get(path)
            .header(header::ACCEPT, "application/json")
            .body(Body::empty())
            .map_err(ApiError::unavailable)?;
        let answer = timeout(PATIENCE, self.client.send(request))
            .await
            .map_err(|_| ApiError::unavailable("no answer in time"))?
            .map_err(|error| ApiError::Unavailable(chain(&error)))?;
        if answer.status().is_success() { Ok(Parts { body: answer.into_body() }) } else { Err(refusal(answer).await) }
    }
}

/// An answer, part by part.
pub(super) struct Parts {
    body: Body,
}

impl Parts {
    /// The next part; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        self.next_within(PATIENCE).await
    }

    /// The next part, if it comes within this time.
    pub(super) async fn next_within(&mut self, patience: Duration) -> Result<Option<Bytes>, ApiError> {
        loop {
            let frame = timeout(patience, self.body.frame())
                .await
                .map_err(|_| ApiError::unavailable("the answer stopped in the middle"))?;
            match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(ApiError::Unavailable(chain(&error))),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// The whole of a small answer.
    async fn collect(mut self, limit: usize) -> Result<Vec<u8>, ApiError> {
        let mut whole = Vec::new();
        while let Some(part) = self.next().await? {
            if whole.len() + part.len() > limit {
                return Err(ApiError::unavailable("the answer is longer than it should be"));
            }
            whole.extend_from_slice(&part);
        }
        Ok(whole)
    }
}

/// What `metav1.Status` says.
#[derive(Deserialize)]
pub(super) struct Status {
    #[serde(default)]
    pub(super) code: u16,
    #[serde(default)]
    pub(super) message: String,
}

impl Status {
    /// As the error that it is.
    pub(super) fn into_error(self, retry_after: Option<Duration>) -> ApiError {
        let code = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        ApiError::from_status(code, self.message.chars().filter(|c| !c.is_control()).take(300).collect(), retry_after)
    }
}

async fn refusal(answer: Response<Body>) -> ApiError {
    let code = answer.status().as_u16();
    let retry_after = answer
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .map(Duration::from_secs);
    let body = Parts { body: answer.into_body() }.collect(SMALL).await.unwrap_or_default();
    let message = from_slice::<Status>(&body).map(|status| status.message).unwrap_or_default();
    Status { code, message }.into_error(retry_after)
}

fn path(kind: &WatchedKind) -> String {
    if kind.group.is_empty() {
        format!("/api/{}/{}", kind.version, kind.plural)
    } else {
        format!("/apis/{}/{}/{}", kind.group, kind.version, kind.plural)
    }
}

/// Tokens and versions are opaque: every byte that could mean something in an address is escaped.
fn url_encode(text: &str) -> impl Iterator<Item = char> + '_ {
    text.bytes().flat_map(|byte| {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
        let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).map_or('0', |c| c.to_ascii_uppercase());
        let escaped = [Some('%'), Some(digit(byte >> 4)), Some(digit(byte & 15))];
        if plain { [Some(char::from(byte)), None, None] } else { escaped }.into_iter().flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let find = |plural| kubewise_protocol::KINDS.iter().find(|kind| kind.plural == plural).unwrap();
        assert_eq!(path(find("pods")), "/api/v1/pods");
        assert_eq!(path(find("deployments")), "/apis/apps/v1/deployments");
    }

    #[test]
    fn escapes() {
        assert_eq!(url_encode("aZ09-_.~").collect::<String>(), "aZ09-_.~");
        assert_eq!(url_encode("a=b&c+/é").collect::<String>(), "a%3Db%26c%2B%2F%C3%A9");
    }
}
