//! Static files: those with a hash of their content in their name are kept for ever, others are asked for again by
//! their `ETag`. Compressed when they were built, not when they are served.

use axum::{
    Router,
    extract::Request,
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use kubewise_app::code_folder;
use leptos::config::LeptosOptions;
use sha2::{Digest, Sha256};
use tower_http::services::ServeDir;

/// `/pkg`, also by the name of the build, and `/fonts`. The few files at the top (the icon) are served by the pages' fallback.
pub(super) fn routes(options: &LeptosOptions) -> Router {
    let files =
        |folder: &str| ServeDir::new(format!("{}/{folder}", options.site_root)).precompressed_br().precompressed_gzip();
    let package = format!("/{}", options.site_pkg_dir);
    let mut built = Router::new().nest_service(&package, files(&options.site_pkg_dir));
    if code_folder(options) != package {
        built = built.nest_service(code_folder(options), files(&options.site_pkg_dir));
    }
    built
        .layer(from_fn(keep_for_ever))
        .merge(Router::new().nest_service("/fonts", files("fonts")).layer(from_fn(by_etag)))
}

async fn keep_for_ever(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if response.status().is_success() {
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    }
    response
}

async fn by_etag(request: Request, next: Next) -> Response {
    let known = request.headers().get(header::IF_NONE_MATCH).cloned();
    let mut response = next.run(request).await;
    let headers = response.headers();
    let (Some(modified), Some(length)) = (headers.get(header::LAST_MODIFIED), headers.get(header::CONTENT_LENGTH))
    else {
        return response;
    };
    let digest = Sha256::new().chain_update(modified.as_bytes()).chain_update(length.as_bytes()).finalize();
    let Ok(etag) = HeaderValue::try_from(format!("W/\"{}\"", hex::encode(&digest[..8]))) else { return response };
    if known.as_ref() == Some(&etag) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response();
    }
    response.headers_mut().insert(header::ETAG, etag);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=86400"));
    response
}
