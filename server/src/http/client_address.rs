//! Where a request comes from: the connection's other end, or what the proxy in front says of it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::{
    extract::{ConnectInfo, Request},
    middleware::{FromFnLayer, Next, from_fn},
    response::Response,
};
use futures::future::BoxFuture;
use http::HeaderMap;
use kubewise_app::ClientAddress;

/// The layer. `behind_proxy`: whether all requests come through a proxy, which adds whom it speaks for to
/// `X-Forwarded-For`.
pub(super) fn layer(
    behind_proxy: bool,
) -> FromFnLayer<impl Fn(Request, Next) -> BoxFuture<'static, Response> + Clone, (), (Request,)> {
    from_fn(move |mut request: Request, next: Next| -> BoxFuture<'static, Response> {
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let forwarded = if behind_proxy { forwarded_for(request.headers()) } else { None };
        let address = forwarded.or(peer).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        request.extensions_mut().insert(ClientAddress(address));
        Box::pin(next.run(request))
    })
}

/// The last address of the last header: the one that the proxy itself wrote. What stands before it, anybody can claim.
fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?.to_str().ok()?;
    let last = last.rsplit(',').next()?.trim();
    last.parse().ok().or_else(|| last.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_proxy_wrote_is_believed() {
        let of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("x-forwarded-for", http::HeaderValue::from_static(value));
            }
            forwarded_for(&headers).map(|address| address.to_string())
        };
        assert_eq!(of(&["192.0.2.1"]).as_deref(), Some("192.0.2.1"));
        assert_eq!(of(&["6.6.6.6, 192.0.2.1"]).as_deref(), Some("192.0.2.1"));
        assert_eq!(of(&["6.6.6.6", "7.7.7.7, 192.0.2.1:4711"]).as_deref(), Some("192.0.2.1"));
        assert_eq!(of(&["[2001:db8::1]:443"]).as_deref(), Some("2001:db8::1"));
        assert_eq!(of(&["unknown"]), None);
        assert_eq!(of(&[]), None);
    }
}
