//! Headers that every answer carries. Pages add a Content-Security-Policy with a nonce of their own; whatever brings
//! none gets one under which nothing runs.

use axum::{
    extract::Request,
    middleware::{FromFnLayer, Next, from_fn},
    response::Response,
};
use futures::future::BoxFuture;
use http::{HeaderName, HeaderValue, header};

const PERMISSIONS: &str = "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), \
                           magnetometer=(), microphone=(), midi=(), payment=(), usb=()";

/// The layer. `https`: whether browsers reach us over TLS.
pub(super) fn headers(
    https: bool,
) -> FromFnLayer<impl Fn(Request, Next) -> BoxFuture<'static, Response> + Clone, (), (Request,)> {
    from_fn(move |request: Request, next: Next| -> BoxFuture<'static, Response> {
        Box::pin(async move {
            let mut response = next.run(request).await;
            let headers = response.headers_mut();
            let mut set = |name: HeaderName, value: &'static str| {
                headers.entry(name).or_insert(HeaderValue::from_static(value));
            };
            set(
                header::CONTENT_SECURITY_POLICY,
                "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
            );
            set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
            set(header::X_FRAME_OPTIONS, "DENY");
            set(header::REFERRER_POLICY, "same-origin");
            set(HeaderName::from_static("permissions-policy"), PERMISSIONS);
            set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
            set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
            if https {
                // Two years, as hstspreload.org asks for.
                set(header::STRICT_TRANSPORT_SECURITY, "max-age=63072000; includeSubDomains");
            }
            response
        })
    })
}
