//! Answers: JSON bodies, and errors as `metav1.Status` objects.

use std::time::Duration;

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::resource_type::{ResourceType, group_resource};

/// How long to wait before a body is broken off: the HTTP server drops what it has not yet written.
pub(crate) const BEFORE_BREAKING: Duration = Duration::from_millis(50);

/// A body that is JSON already.
pub(crate) fn json_bytes(body: impl Into<Bytes>) -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], Body::from(body.into())).into_response()
}

/// An error as the API writes it: <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/>.
#[derive(Debug)]
pub(crate) struct Status {
    code: u16,
    reason: &'static str,
    message: String,
    details: Value,
    retry_after: Option<u64>,
}

impl Status {
    pub(crate) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Value::Null, retry_after: None }
    }

    pub(crate) fn not_found(kind: &ResourceType, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", kind.group_resource());
        let details = json!({"name": name, "group": kind.group, "kind": kind.plural});
        Self { details, ..Self::new(404, "NotFound", message) }
    }

    pub(crate) fn no_such_resource() -> Self {
        let details = json!({"causes": [{"reason": "UnexpectedServerResponse", "message": "404 page not found"}]});
        Self { details, ..Self::new(404, "NotFound", "the server could not find the requested resource") }
    }

    pub(crate) fn forbidden(verb: &str, group: &str, resource: &str, namespace: Option<&str>) -> Self {
        let at = namespace.map_or_else(|| "at the cluster scope".to_owned(), |n| format!("in the namespace \"{n}\""));
        let message = format!(
            "{} is forbidden: User \"system:serviceaccount:kubewise:kubewise-agent\" cannot {verb} resource \"{resource}\" in API group \"{group}\" {at}",
            group_resource(group, resource)
        );
        Self { details: json!({"group": group, "kind": resource}), ..Self::new(403, "Forbidden", message) }
    }

    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "InternalError", message)
    }

    /// What a fault asks for, in the words of the API.
    pub(crate) fn of_fault(code: u16, retry_after: Option<u64>) -> Self {
        let (reason, message) = match code {
            400 => ("BadRequest", "the server rejected our request for an unknown reason"),
            401 => ("Unauthorized", "Unauthorized"),
            403 => ("Forbidden", "forbidden"),
            404 => ("NotFound", "the server could not find the requested resource"),
            410 => ("Expired", "The provided continue parameter is too old to display a consistent list result."),
            429 => ("TooManyRequests", "the server has received too many requests and has asked us to try again later"),
            503 => ("ServiceUnavailable", "the server is currently unable to handle the request"),
            504 => ("Timeout", "the server was unable to return a response in the time allotted"),
            500 => ("InternalError", "an error on the server has prevented the request from succeeding"),
            _ => ("", "the server answered as it was told to"),
        };
        let details = retry_after.map_or(Value::Null, |seconds| json!({"retryAfterSeconds": seconds}));
        Self { details, retry_after, ..Self::new(code, reason, message) }
    }

    pub(crate) fn body(&self) -> Value {
        let mut body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if !self.details.is_null() {
            body["details"] = self.details.clone();
        }
        body
    }
}

impl IntoResponse for Status {
    fn into_response(self) -> Response {
        let mut response = json_bytes(self.body().to_string());
        *response.status_mut() = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The bytes that turn a kept object into a whole one: its apiVersion and kind, in place of its opening brace.
pub(crate) fn type_prefix(kind: &ResourceType) -> String {
    format!(r#"{{"apiVersion":"{}","kind":"{}","#, kind.api_version(), kind.kind)
}

/// Appends a kept object with its apiVersion and kind.
pub(crate) fn push_typed(out: &mut Vec<u8>, prefix: &str, object: &[u8]) {
    out.extend_from_slice(prefix.as_bytes());
    out.extend_from_slice(object.get(1..).unwrap_or_default());
}
