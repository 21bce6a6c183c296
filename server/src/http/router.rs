//! All routes, and the layers around them.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, FromRef},
    middleware::from_fn,
    routing::{get, post},
};
use http::StatusCode;
use kubewise_app::{App, ServerInfo, shell};
use kubewise_backend::{Ingest, Live, Web};
use kubewise_protocol::SYNC_PATH;
use leptos::{config::LeptosOptions, prelude::provide_context};
use leptos_axum::{LeptosRoutes, file_and_error_handler_with_context, generate_route_list};
use tokio::sync::watch;
use tower::ServiceBuilder;
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::CompressionLayer,
    limit::RequestBodyLimitLayer,
    request_id::{PropagateRequestIdLayer, SetRequestIdLayer},
    timeout::TimeoutLayer,
};

use super::{
    activity_export, assets, billing, certificate, client_address, docs, erasure, events, findings_export, health,
    ingest, install, my_data, oidc, one_task, organisation_export, origin, policies, security, sessions, trace,
    unsubscribe, v1,
};
use docs::Documentation;

/// A page or server function that takes longer has failed: the slowest takes a hundredth of it.
const PAGE: Duration = Duration::from_secs(20);
/// Largest body of a form or server function.
const FORM_BYTES: usize = 64 << 10;

/// What the router is made of: the parts that this process runs.
#[derive(Clone)]
pub struct Parts {
    /// Pages.
    pub web: Option<Web>,
    /// Agents.
    pub ingest: Option<Ingest>,
    /// Changes as they happen.
    pub live: Live,
    /// The address that people and agents use.
    pub public_url: String,
    /// Whether every request comes through a proxy that says whom it speaks for.
    pub behind_proxy: bool,
    /// Turns true when the server is asked to stop: what streams without end must end.
    pub stopping: watch::Receiver<bool>,
    /// The address that people write to about the policies.
    pub contact: String,
    /// Where the built files of the pages are, and what they are called.
    pub leptos: LeptosOptions,
}

/// State of the routes that serve people.
#[derive(Clone)]
pub(super) struct WebState {
    pub(super) web: Web,
    pub(super) live: Live,
    pub(super) stopping: watch::Receiver<bool>,
    pub(super) public_url: String,
    pub(super) https: bool,
    pub(super) contact: Arc<str>,
    pub(super) documentation: Arc<Documentation>,
    leptos: LeptosOptions,
}

impl WebState {
    pub(super) const fn leptos(&self) -> &LeptosOptions {
        &self.leptos
    }
}

impl FromRef<WebState> for LeptosOptions {
    fn from_ref(state: &WebState) -> Self {
        state.leptos.clone()
    }
}

/// The router.
pub fn router(parts: Parts) -> Router {
    let https = parts.public_url.starts_with("https://");
    let mut router = Router::new().route("/healthz", get(health::healthz));
    if let Some(ingest) = parts.ingest.clone() {
        let sync = post(ingest::sync).layer(DefaultBodyLimit::disable()).with_state(ingest::State::new(ingest));
        router = router.route(SYNC_PATH, sync);
    }
    if parts.web.is_some() || parts.ingest.is_some() {
        let manifest = get(install::agent_yaml).with_state(parts.public_url.clone());
        router = router.route("/install/agent.yaml", manifest);
    }
    if let Some(web) = parts.web.clone() {
        router = router.merge(web_router(&parts, web, https));
    }
    router.layer(
        ServiceBuilder::new()
            .layer(SetRequestIdLayer::x_request_id(trace::RandomRequestId::default()))
            .layer(trace::layer())
            .layer(PropagateRequestIdLayer::x_request_id())
            .layer(security::headers(https))
            .layer(CatchPanicLayer::custom(trace::panicked)),
    )
}

fn web_router(parts: &Parts, web: Web, https: bool) -> Router {
    let info = ServerInfo { public_url: parts.public_url.clone(), secure_cookies: https };
    let context = {
        let web = web.clone();
        move || {
            provide_context(web.clone());
            provide_context(info.clone());
        }
    };
    let (api, reference) = v1::routes(web.clone(), parts.behind_proxy);
    let state = WebState {
        web: web.clone(),
        live: parts.live.clone(),
        stopping: parts.stopping.clone(),
        public_url: parts.public_url.clone(),
        https,
        leptos: parts.leptos.clone(),
        contact: parts.contact.as_str().into(),
        documentation: Arc::new(Documentation::new(&reference)),
    };
    one_task::set_executor();
    let pages = Router::new()
        .leptos_routes_with_context(&state, generate_route_list(App), context.clone(), {
            let leptos = parts.leptos.clone();
            move || shell(leptos.clone())
        })
        .route(oidc::START, get(oidc::start))
        .route(oidc::CALLBACK, get(oidc::callback))
        .route("/o/{org}/billing/checkout", get(billing::checkout))
        .route("/o/{org}/billing/portal", get(billing::portal))
        .route("/o/{org}/clusters/{cluster}/findings/export", get(findings_export::export))
        .fallback(file_and_error_handler_with_context::<WebState, _>(context, shell));
    // Inside: what a request did to its session is kept even if the browser does not wait for it.
    let pages = sessions::with(pages, &web, https)
        // Not for events: they have no end, and must leave at once, not when a block is full.
        .layer(from_fn(one_task::one_task))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, PAGE))
        .layer(CompressionLayer::new().br(true).gzip(true).quality(tower_http::CompressionLevel::Precise(4)));
    let streams = Router::new()
        .route("/o/{org}/events", get(events::events))
        .route("/o/{org}/activity/export", post(activity_export::export))
        .route("/o/{org}/export", post(organisation_export::export))
        .route("/o/{org}/settings/data/certificates/{id}", get(certificate::of_cluster))
        .route("/account/privacy/download", get(my_data::ask).post(my_data::take));
    // What a mail carries is the proof, and mail programs send no Origin.
    let unsubscribe = Router::new()
        .route("/unsubscribe", get(unsubscribe::ask).post(unsubscribe::end))
        .route("/unsubscribe/policies", get(unsubscribe::ask_policies).post(unsubscribe::end_policies))
        .layer(RequestBodyLimitLayer::new(FORM_BYTES))
        .with_state(state.clone());
    // What is signed is the proof, and Stripe sends no Origin.
    let stripe = Router::new()
        .route(billing::WEBHOOK, post(billing::receive))
        .layer(DefaultBodyLimit::disable())
        .layer(RequestBodyLimitLayer::new(billing::EVENT_BYTES))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, PAGE))
        .with_state(state.clone());
    pages
        .route("/docs", get(docs::index))
        .route("/docs/{page}", get(docs::page).layer(CompressionLayer::new().br(true).gzip(true)))
        .route("/docs/rules/{rule}", get(docs::rule).layer(CompressionLayer::new().br(true).gzip(true)))
        .merge(policies().layer(CompressionLayer::new().br(true).gzip(true)))
        .route("/erasure", get(erasure::show))
        .route("/erasure/certificate", get(erasure::certificate))
        .route(certificate::KEYS, get(certificate::keys))
        .merge(sessions::with(streams, &web, https))
        .layer(RequestBodyLimitLayer::new(FORM_BYTES))
        .layer(origin::layer(parts.public_url.clone()))
        .layer(client_address::layer(parts.behind_proxy))
        .with_state(state)
        .merge(assets::routes(&parts.leptos))
        // Outside of what surrounds the pages: no session, and no Origin, since no browser sends a token by itself.
        .merge(api)
        .merge(unsubscribe)
        .merge(stripe)
}

fn policies() -> Router<WebState> {
    Router::new()
        .route("/policies", get(policies::index))
        .route("/policies/{policy}", get(policies::current))
        .route("/policies/{policy}/history", get(policies::history))
        .route("/policies/{policy}/{date}", get(policies::version))
        .route("/policies/{policy}/{date}/changes", get(policies::changes))
}
