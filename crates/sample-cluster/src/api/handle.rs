//! One request: what it asks for, what goes wrong on demand, the answer, the record.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Query as QueryExtractor, Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, Method, header};

use super::{
    answer::{Status, json_bytes, push_typed, type_prefix},
    control, discovery, list,
    target::{Query, ResourceTarget, Target},
    watch,
};
use crate::{
    cluster::SampleCluster, faults::Effect, object::key_of, request_log::RecordedRequest, resource_type::is_forbidden,
};

/// Everything that is served.
pub(crate) fn router(cluster: SampleCluster) -> Router {
    Router::new().nest("/_sample", control::router()).fallback(handle).with_state(cluster)
}

async fn handle(State(cluster): State<SampleCluster>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let target = Target::of(&parts.uri);
    let query = QueryExtractor::<Query>::try_from_uri(&parts.uri);
    let response = match &query {
        Ok(QueryExtractor(query)) => respond(&cluster, &parts.method, &parts.headers, &target, query).await,
        Err(_) => Status::bad_request("the query cannot be read").into_response(),
    };
    let no_query = Query::default();
    let query = query.as_ref().map_or(&no_query, |q| &q.0);
    let mut record = RecordedRequest {
        method: parts.method.to_string(),
        verb: "other",
        group: String::new(),
        version: String::new(),
        resource: String::new(),
        namespace: None,
        path_and_query: parts.uri.path_and_query().map_or_else(String::new, ToString::to_string),
        status: response.status().as_u16(),
    };
    if let Target::Resource(target) = target {
        record.verb = target.verb(&parts.method, query);
        record.resource = target.rbac_resource();
        (record.group, record.version, record.namespace) = (target.group, target.version, target.namespace);
    }
    cluster.shared.log.record(record);
    response
}

async fn respond(
    cluster: &SampleCluster,
    method: &Method,
    headers: &HeaderMap,
    target: &Target,
    query: &Query,
) -> Response {
    let shared = &cluster.shared;
    let (group, resource, verb) = match target {
        Target::Resource(t) => (t.group.as_str(), t.resource.as_str(), t.verb(method, query)),
        Target::Discovery(_) | Target::Unknown => ("", "", "other"),
    };
    let fault = shared.decide_fault(group, resource, verb);
    if let Some(delay) = fault.as_ref().map(|f| f.delay_ms).filter(|&d| d > 0) {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    let effect = fault.map(|f| f.effect).unwrap_or_default();
    if let Effect::Status { status, retry_after } = effect {
        return Status::of_fault(status, retry_after).into_response();
    }
    match target {
        Target::Unknown => Status::no_such_resource().into_response(),
        Target::Discovery(path) if method == Method::GET => discovery::answer(&shared.store(), path),
        Target::Discovery(_) => Status::new(405, "MethodNotAllowed", "only GET is served here").into_response(),
        Target::Resource(target) => {
            if !accepts_json(headers) {
                return Status::new(406, "NotAcceptable", "only application/json is served").into_response();
            }
            resource_answer(cluster, target, query, verb, &effect)
        }
    }
}

fn resource_answer(
    cluster: &SampleCluster,
    target: &ResourceTarget,
    query: &Query,
    verb: &str,
    effect: &Effect,
) -> Response {
    let ResourceTarget { group, version, resource, namespace, .. } = target;
    if verb == "other" || target.subresource.is_some() || is_forbidden(group, resource) {
        return Status::forbidden(verb, group, &target.rbac_resource(), namespace.as_deref()).into_response();
    }
    let mut store = cluster.shared.store();
    let Some(collection) = store.find(group, version, resource) else {
        let unavailable = store.unavailable_groups.contains(group);
        return if unavailable { Status::of_fault(503, None) } else { Status::no_such_resource() }.into_response();
    };
    if namespace.is_some() && !store.kind(collection).namespaced {
        return Status::no_such_resource().into_response();
    }
    if query.label_selector.as_ref().or(query.field_selector.as_ref()).is_some_and(|s| !s.is_empty()) {
        return Status::bad_request("selectors are not served by the sample cluster").into_response();
    }
    if let Some(name) = &target.name {
        let kind = Arc::clone(store.kind(collection));
        let Some(object) = store.objects(collection).get(key_of(namespace.as_deref(), name).as_str()) else {
            return Status::not_found(&kind, name).into_response();
        };
        let mut body = Vec::with_capacity(object.len() + 64);
        push_typed(&mut body, &type_prefix(&kind), object);
        return json_bytes(body);
    }
    if verb == "watch" {
        return watch::answer(&cluster.shared, &store, collection, target, query, effect);
    }
    let page = list::find(&mut store, collection, target, query, *effect == Effect::Gone);
    // A large page is written without holding up everybody else.
    drop(store);
    match page {
        Ok(page) => list::answer(&page, *effect == Effect::BreakList),
        Err(status) => status.into_response(),
    }
}

/// True unless the client wants only what is not served here: tables, partial objects, protobuf.
fn accepts_json(headers: &HeaderMap) -> bool {
    let Some(accept) = headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()) else { return true };
    accept.split(',').any(|range| {
        let mut parts = range.split(';').map(str::trim);
        matches!(parts.next(), Some("*/*" | "application/*" | "application/json"))
            && !parts.any(|p| p.starts_with("as="))
    })
}
