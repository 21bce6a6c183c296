//! `/healthz`, `/readyz` and `/metrics`, on a local port.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::send::Link;
use crate::send::Standing;

/// What is told to those who ask whether the agent is well. Clones are the same.
#[derive(Clone)]
pub(crate) struct Health {
    synchronised: Arc<AtomicBool>,
    link: Link,
    metrics: Metrics,
}

impl Health {
    /// Nothing was sent yet.
    pub(crate) fn new(link: Link, metrics: Metrics) -> Self {
        Self { synchronised: Arc::default(), link, metrics }
    }

    /// Whether the server holds all of the cluster.
    pub(crate) fn synchronised(&self, synchronised: bool) {
        self.synchronised.store(synchronised, Ordering::Relaxed);
    }

    /// Listens; answers are given by what is returned.
    pub(crate) async fn listen(
        self,
        address: SocketAddr,
        stop: CancellationToken,
    ) -> anyhow::Result<(SocketAddr, impl Future<Output = std::io::Result<()>> + Send + 'static)> {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("KUBEWISE_HEALTH_LISTEN: cannot listen on {address}"))?;
        let address = listener.local_addr().context("KUBEWISE_HEALTH_LISTEN")?;
        let router = Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(ready))
            .route("/metrics", get(metrics))
            .with_state(self);
        let listener = listener.tap_io(|connection| {
            // An answer of a few bytes must not wait for more to come.
            let _ = connection.set_nodelay(true);
        });
        let serve = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
        Ok((address, serve.into_future()))
    }
}

/// Ready: the server holds all of the cluster and takes what is sent.
async fn ready(State(health): State<Health>) -> Response {
    let why_not = match health.link.standing() {
        Standing::Connected if health.synchronised.load(Ordering::Relaxed) => {
            return (StatusCode::OK, "ready\n").into_response();
        }
        Standing::Connected | Standing::Unknown => "the full synchronisation is not complete\n",
        Standing::Unauthorized => "the token is unknown or was revoked\n",
        Standing::PlanLimit => "the plan does not allow more\n",
        Standing::Busy => "the server is busy\n",
        Standing::Away => "the server does not answer\n",
        Standing::Refused => "the server does not take what is sent\n",
    };
    (StatusCode::SERVICE_UNAVAILABLE, why_not).into_response()
}

async fn metrics(State(health): State<Health>) -> Response {
    match health.metrics.encode() {
        Ok(text) => {
            let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, content_type)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
