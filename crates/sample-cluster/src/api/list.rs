//! LIST: whole or in pages. All pages of one list come from one snapshot, as etcd gives them.

use std::{ops::Bound, sync::Arc};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    answer::{BEFORE_BREAKING, Status, json_bytes, push_typed, type_prefix},
    target::{Query, ResourceTarget},
};
use crate::{
    resource_type::ResourceType,
    store::{Objects, Store},
};

/// Where a list goes on. Opaque to clients.
#[derive(Serialize, Deserialize)]
struct Continue {
    revision: u64,
    after: String,
    remaining: usize,
}

/// One page, found but not yet written: it needs the store no longer.
pub(crate) struct Page {
    kind: Arc<ResourceType>,
    revision: u64,
    items: Vec<Bytes>,
    next: Option<Continue>,
}

/// Finds the page that a request asks for.
pub(crate) fn find(
    store: &mut Store,
    collection: usize,
    target: &ResourceTarget,
    query: &Query,
    expire_continue: bool,
) -> Result<Page, Status> {
    let kind = Arc::clone(store.kind(collection));
    let prefix = target.namespace.as_ref().map(|n| format!("{n}/")).unwrap_or_default();
    let limit = query.limit.filter(|&l| l > 0);
    if let Some(asked) = query.resource_version.as_ref().and_then(|v| v.parse::<u64>().ok())
        && asked > store.revision()
    {
        let message = format!("Too large resource version: {asked}, current: {}", store.revision());
        return Err(Status::new(504, "Timeout", message));
    }
    let (revision, objects, after, remaining) = match query.continue_token.as_ref().filter(|t| !t.is_empty()) {
        Some(token) => {
            let token = decode(token)?;
            let kept = store.kept_snapshot(collection, token.revision).filter(|_| !expire_continue);
            let objects = kept.ok_or_else(|| {
                Status::expired(
                    "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.",
                )
            })?;
            (token.revision, objects, Some(token.after), token.remaining)
        }
        None if limit.is_some() => {
            let (revision, objects) = store.snapshot(collection);
            let remaining = count(&objects, &prefix);
            (revision, objects, None, remaining)
        }
        None => (store.revision(), Arc::clone(store.objects(collection)), None, 0),
    };
    let start = after.as_deref().map_or(Bound::Included(prefix.as_str()), Bound::Excluded);
    let mut range = objects.range::<str, _>((start, Bound::Unbounded)).take_while(|(key, _)| key.starts_with(&prefix));
    let mut items = Vec::with_capacity(limit.unwrap_or(objects.len()).min(objects.len()));
    let mut last = None;
    for (key, object) in range.by_ref().take(limit.unwrap_or(usize::MAX)) {
        items.push(object.clone());
        last = Some(key);
    }
    let more = limit.is_some() && range.next().is_some();
    let next = last.filter(|_| more).map(|last| Continue {
        revision,
        after: last.to_string(),
        remaining: remaining.saturating_sub(items.len()),
    });
    Ok(Page { kind, revision, items, next })
}

fn count(objects: &Objects, prefix: &str) -> usize {
    if prefix.is_empty() {
        return objects.len();
    }
    let from = (Bound::Included(prefix), Bound::Unbounded);
    objects.range::<str, _>(from).take_while(|(key, _)| key.starts_with(prefix)).count()
}

fn decode(token: &str) -> Result<Continue, Status> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok();
    bytes
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(|| Status::bad_request("continue key is not valid"))
}

/// Writes a page.
pub(crate) fn answer(page: &Page, break_off: bool) -> Response {
    let kind = &page.kind;
    let mut metadata = json!({"resourceVersion": page.revision.to_string()});
    if let Some(next) = &page.next {
        let token = match serde_json::to_vec(next) {
            Ok(token) => BASE64_URL_SAFE_NO_PAD.encode(token),
            Err(error) => return Status::internal(error.to_string()).into_response(),
        };
        metadata["continue"] = json!(token);
        metadata["remainingItemCount"] = json!(next.remaining);
    }
    let prefix = type_prefix(kind);
    let per_item = if kind.custom { prefix.len() } else { 0 };
    let size = page.items.iter().map(|o| o.len() + per_item + 1).sum::<usize>();
    let mut body = Vec::with_capacity(size + 256);
    body.extend_from_slice(
        format!(
            r#"{{"kind":"{}List","apiVersion":"{}","metadata":{metadata},"items":["#,
            kind.kind,
            kind.api_version()
        )
        .as_bytes(),
    );
    for (i, item) in page.items.iter().enumerate() {
        if i > 0 {
            body.push(b',');
        }
        if kind.custom {
            push_typed(&mut body, &prefix, item);
        } else {
            body.extend_from_slice(item);
        }
    }
    body.extend_from_slice(b"]}");
    if break_off { broken(body) } else { json_bytes(body) }
}

/// The first half of a body, then a broken connection.
fn broken(mut body: Vec<u8>) -> Response {
    body.truncate(body.len() / 2);
    let half = stream::iter([Ok(Bytes::from(body))]);
    let end = stream::once(async {
        tokio::time::sleep(BEFORE_BREAKING).await;
        Err(std::io::Error::other("the list was told to break off"))
    });
    let mut response = json_bytes(Bytes::new());
    *response.body_mut() = Body::from_stream(half.chain(end));
    response
}
