//! `POST /ingest/v1/sync`: batches from agents.

use std::{io, pin::Pin, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::State as AxumState,
    response::{IntoResponse, Response},
};
use futures::{Stream, StreamExt, TryStreamExt};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use kubewise_backend::{Ingest, ingest::Refused};
use kubewise_protocol::{CONTENT_ENCODING, CONTENT_TYPE, DecodeError, ErrorAnswer, ErrorCode, SyncAnswer};
use tokio::sync::Semaphore;
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::bearer::bearer;

/// Largest body, compressed.
const BODY_BYTES: u64 = 32 << 20;
/// Batches that are read at once; as many chunks of each are in memory. More agents wait their turn.
const AT_ONCE: usize = 8;
/// Agents that wait; further ones are told to come back.
const WAITING: usize = 512;
/// A client that sends nothing for so long has hung up.
const QUIET: Duration = Duration::from_secs(15);
/// A batch must be through in this time: it holds a transaction open.
const WHOLE: Duration = Duration::from_mins(2);
/// When to come back.
const RETRY_AFTER: u64 = 2;

/// What the route needs.
#[derive(Clone)]
pub(super) struct State {
    ingest: Ingest,
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
}

impl State {
    pub(super) fn new(ingest: Ingest) -> Self {
        Self {
            ingest,
            running: Arc::new(Semaphore::new(AT_ONCE)),
            admitted: Arc::new(Semaphore::new(AT_ONCE + WAITING)),
        }
    }
}

/// Takes one batch.
pub(super) async fn sync(AxumState(state): AxumState<State>, headers: HeaderMap, body: Body) -> Response {
    match accept(&state, &headers, body).await {
        Ok(answer) => axum::Json(answer).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

struct Refusal {
    code: ErrorCode,
    message: String,
}

impl Refusal {
    fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response =
            (status, axum::Json(ErrorAnswer { error: self.code, message: self.message })).into_response();
        match self.code {
            ErrorCode::Busy => {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER));
            }
            ErrorCode::Unauthorized => {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        response
    }
}

async fn accept(state: &State, headers: &HeaderMap, body: Body) -> Result<SyncAnswer, Refusal> {
    let busy = || Refusal::new(ErrorCode::Busy, "the server is busy; send the same batch again after Retry-After");
    let _admitted = state.admitted.try_acquire().map_err(|_| busy())?;
    let token = bearer(headers).ok_or_else(unauthorized)?;
    let agent =
        state.ingest.authenticate(&token).await.map_err(|error| fault(&error.into()))?.ok_or_else(unauthorized)?;
    media_type(headers)?;
    if content_length(headers).is_some_and(|length| length > BODY_BYTES) {
        return Err(too_large());
    }
    let work = async {
        let _running = state.running.acquire().await.map_err(|_| busy())?;
        let reader = SyncIoBridge::new(StreamReader::new(bounded(body)));
        state.ingest.sync(agent, reader).await.map_err(|refused| refuse(&refused))
    };
    let result = tokio::time::timeout(WHOLE, work).await;
    result.unwrap_or_else(|_| {
        Err(Refusal::new(ErrorCode::Busy, "the batch took too long; send the same again, or smaller ones"))
    })
}

fn unauthorized() -> Refusal {
    Refusal::new(
        ErrorCode::Unauthorized,
        "the token is unknown or was revoked; make a new one on the cluster's settings page and give it to the agent",
    )
}

fn media_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let is = |name, wanted: &str| {
        headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .is_some_and(|v| v.split(';').next().is_some_and(|v| v.trim().eq_ignore_ascii_case(wanted)))
    };
    if is(header::CONTENT_TYPE, CONTENT_TYPE) && is(header::CONTENT_ENCODING, CONTENT_ENCODING) {
        return Ok(());
    }
    Err(Refusal::new(
        ErrorCode::UnsupportedMediaType,
        format!("send Content-Type: {CONTENT_TYPE} with Content-Encoding: {CONTENT_ENCODING}"),
    ))
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn too_large() -> Refusal {
    Refusal::new(
        ErrorCode::TooLarge,
        format!("a batch may have at most {} MiB compressed; send several", BODY_BYTES >> 20),
    )
}

/// The body's bytes: not more than allowed, and not slower.
fn bounded(body: Body) -> Pin<Box<dyn Stream<Item = io::Result<bytes::Bytes>> + Send>> {
    let mut left = BODY_BYTES;
    let limited = body.into_data_stream().map_err(io::Error::other).map(move |chunk| {
        let chunk = chunk.map_err(|_| io::Error::from(io::ErrorKind::ConnectionAborted))?;
        left = left.checked_sub(chunk.len() as u64).ok_or_else(|| io::Error::from(io::ErrorKind::FileTooLarge))?;
        Ok(chunk)
    });
    let timed = tokio_stream::StreamExt::timeout(limited, QUIET);
    Box::pin(timed.map(|chunk| chunk.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))))
}

fn refuse(refused: &Refused) -> Refusal {
    match refused {
        Refused::PlanLimit(sentence) => Refusal::new(ErrorCode::PlanLimit, sentence.clone()),
        Refused::NewEpoch(sentence) => Refusal::new(ErrorCode::NewEpoch, *sentence),
        Refused::Unreadable(error) => {
            let code = match error {
                DecodeError::Version(_) => ErrorCode::ProtocolTooOld,
                DecodeError::TooLarge { .. } => ErrorCode::TooLarge,
                DecodeError::Malformed { .. } => ErrorCode::Malformed,
                DecodeError::Disconnected => ErrorCode::Unavailable,
            };
            Refusal::new(code, error.to_string())
        }
        Refused::Busy => Refusal::new(ErrorCode::Busy, refused.to_string()),
        Refused::Fault(_) => fault(refused),
    }
}

/// What the agent is told says nothing of the cause; the log does.
fn fault(refused: &Refused) -> Refusal {
    if refused.is_away() {
        tracing::warn!(error = %refused, "ingest cannot reach the database");
    } else {
        tracing::error!(error = %refused, "ingest failed");
    }
    Refusal::new(
        ErrorCode::Unavailable,
        "the server cannot store the batch right now; send the same again, later each time",
    )
}
