//! Refusals, as RFC 9457 has them. What a script is told is decided here; the cause, if it is a fault of ours, goes to
//! the log and no further.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use kubewise_backend::Error;
use kubewise_contract::{Field, FieldError, Permission, Problem as Wrong, UiError};
use serde::Serialize;
use utoipa::ToSchema;

/// The media type of a problem.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// The kinds of problems. Each is a heading of docs/api.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The request cannot be understood.
    BadRequest,
    /// No token, or none that is accepted.
    Unauthorized,
    /// The token may not do this.
    Forbidden,
    /// Not there, or not visible.
    NotFound,
    /// Another method.
    MethodNotAllowed,
    /// What there is already is in the way.
    Conflict,
    /// The body is too large.
    TooLarge,
    /// The body is not JSON.
    UnsupportedMediaType,
    /// The body is JSON, but not what is needed.
    Invalid,
    /// Too many requests.
    RateLimited,
    /// A fault of ours.
    Internal,
    /// Later it may work.
    Unavailable,
}

impl Kind {
    /// All of them.
    pub(super) const ALL: [Self; 12] = [
        Self::BadRequest,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Conflict,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::Invalid,
        Self::RateLimited,
        Self::Internal,
        Self::Unavailable,
    ];

    /// The kind that answers of this status are.
    pub(super) fn of(status: StatusCode) -> Self {
        let otherwise = if status.is_server_error() { Self::Internal } else { Self::BadRequest };
        Self::ALL.into_iter().find(|kind| kind.status() == status).unwrap_or(otherwise)
    }

    /// The status that says so.
    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The name that stays the same.
    pub(super) const fn slug(self) -> &'static str {
        match self {
            Self::BadRequest => "bad-request",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::Conflict => "conflict",
            Self::TooLarge => "too-large",
            Self::UnsupportedMediaType => "unsupported-media-type",
            Self::Invalid => "invalid",
            Self::RateLimited => "rate-limited",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
        }
    }

    /// In a few words.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::BadRequest => "The request cannot be understood",
            Self::Unauthorized => "A token is needed",
            Self::Forbidden => "The token does not allow this",
            Self::NotFound => "There is nothing here",
            Self::MethodNotAllowed => "This method is not possible here",
            Self::Conflict => "What there is already is in the way",
            Self::TooLarge => "The body is too large",
            Self::UnsupportedMediaType => "The body is not JSON",
            Self::Invalid => "The body does not hold what is needed",
            Self::RateLimited => "Too many requests",
            Self::Internal => "Something went wrong on our side",
            Self::Unavailable => "Not available right now",
        }
    }

    /// What is to be said when there is nothing more exact.
    pub(super) const fn sentence(self) -> &'static str {
        match self {
            Self::BadRequest => "The address, its query or the body cannot be understood.",
            Self::Unauthorized => {
                "Send `Authorization: Bearer kw_…` with a token that is neither expired nor revoked, of somebody who is a \
                 member."
            }
            Self::Forbidden => {
                "The token was not given a permission that is needed, or the member that it is of does not have it."
            }
            Self::NotFound => "There is no such thing, or none that the token sees.",
            Self::MethodNotAllowed => "The header `Allow` names those that are.",
            Self::Conflict => "The name is already in use.",
            Self::TooLarge => "The body is larger than anything that is understood here.",
            Self::UnsupportedMediaType => "Send `Content-Type: application/json`.",
            Self::Invalid => "A field is missing, unknown or not acceptable.",
            Self::RateLimited => "The token asked too often in this minute. Go on after `Retry-After` seconds.",
            Self::Internal => "Nothing was changed. The server's log has the cause.",
            Self::Unavailable => "The server cannot answer in time, or not reach its database. Try again in a moment.",
        }
    }
}

/// Why a request was not done.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "type": "/docs/api#not-found",
    "title": Kind::NotFound.title(),
    "status": 404,
    "detail": Kind::NotFound.sentence(),
}))]
pub(super) struct Problem {
    /// Which kind of problem it is: stays the same, and leads to its description.
    #[schema(format = "uri-reference")]
    r#type: String,
    /// The kind in a few words.
    title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong this time.
    detail: String,
    #[serde(skip)]
    kind: Kind,
    #[serde(skip)]
    retry_after: Option<u32>,
    /// Whether a token was sent.
    #[serde(skip)]
    is_token_wrong: bool,
}

impl Problem {
    /// A problem about which there is nothing more exact to say.
    pub(super) fn of(kind: Kind) -> Self {
        Self::new(kind, kind.sentence())
    }

    /// A problem, and what is wrong this time.
    pub(super) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            r#type: format!("/docs/api#{}", kind.slug()),
            title: kind.title(),
            status: kind.status().as_u16(),
            detail: detail.into(),
            kind,
            retry_after: None,
            is_token_wrong: false,
        }
    }

    /// The token that was sent is not accepted.
    pub(super) fn wrong_token() -> Self {
        let detail = "The token is unknown, expired or revoked, or the member that it was of is none any more.";
        Self { is_token_wrong: true, ..Self::new(Kind::Unauthorized, detail) }
    }

    /// The token lacks a permission.
    pub(super) fn lacks(permission: Permission) -> Self {
        let name = permission.as_str();
        let detail = format!(
            "This needs the permission `{name}`: the token was not given it, or the member that it is of does not have it."
        );
        Self::new(Kind::Forbidden, detail)
    }

    fn of_field(FieldError { field, problem }: FieldError) -> Self {
        match (field, problem) {
            (Field::Query, _) => {
                Self::new(Kind::BadRequest, "`after` is not a position that this list answered as `next`.")
            }
            (_, Wrong::Taken) => Self::new(Kind::Conflict, format!("{field} {problem}")),
            _ => Self::new(Kind::Invalid, format!("{field} {problem}")),
        }
    }
}

impl From<Error> for Problem {
    fn from(cause: Error) -> Self {
        if cause.is_fault() {
            tracing::error!(%cause, "a request of the API could not be answered");
        }
        match cause.ui() {
            UiError::Invalid(errors) => {
                errors.first().map_or_else(|| Self::of(Kind::Invalid), |error| Self::of_field(*error))
            }
            UiError::TooMany { seconds } => Self { retry_after: Some(seconds), ..Self::of(Kind::RateLimited) },
            other => Self::of(StatusCode::from_u16(other.status()).map_or(Kind::Internal, Kind::of)),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (self.kind.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if self.kind == Kind::Unauthorized {
            // RFC 6750 §3.1: who sent no token is not told an error.
            let asks = if self.is_token_wrong { "Bearer error=\"invalid_token\"" } else { "Bearer" };
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(asks));
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
