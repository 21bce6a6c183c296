//! The agent's manifest, with this server's address in it. It holds no secret: the token is a Secret that the person
//! who installs the agent makes.

use axum::{extract::State, response::IntoResponse};
use http::header;

const MANIFEST: &str = include_str!("../../../deploy/manifest/agent.yaml");
const SERVER: &str = "__KUBEWISE_SERVER__";

/// `GET /install/agent.yaml`
pub(super) async fn agent_yaml(State(public_url): State<String>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "application/yaml; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")],
        MANIFEST.replace(SERVER, &public_url),
    )
}
