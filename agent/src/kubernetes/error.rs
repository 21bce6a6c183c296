//! Why a request of the Kubernetes API failed, as far as it matters here.

use std::time::Duration;

use http::StatusCode;

/// Why a request of the Kubernetes API failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ApiError {
    /// 404: the cluster has no such kind.
    #[error("the cluster does not serve it")]
    NotInstalled,
    /// 401, 403: it may not be read.
    #[error("it may not be read: {0}")]
    Forbidden(String),
    /// 410: the version that was asked for is too old; list again.
    #[error("the resource version is too old")]
    Expired,
    /// 429: ask again later.
    #[error("the API server is busy")]
    Busy(Option<Duration>),
    /// Anything else: it does not answer, or nothing that makes sense.
    #[error("it cannot be read now: {0}")]
    Unavailable(String),
}

impl ApiError {
    /// The error behind a status and the message that came with it.
    pub(super) fn from_status(status: StatusCode, message: String, retry_after: Option<Duration>) -> Self {
        match status {
            StatusCode::NOT_FOUND => Self::NotInstalled,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Self::Forbidden(message),
            StatusCode::GONE => Self::Expired,
            StatusCode::TOO_MANY_REQUESTS => Self::Busy(retry_after),
            _ => Self::Unavailable(format!("{status}: {message}")),
        }
    }

    /// A failure without a status.
    pub(super) fn unavailable(error: impl std::fmt::Display) -> Self {
        Self::Unavailable(error.to_string())
    }
}
