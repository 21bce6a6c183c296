//! `GET /o/{org}/events`: what changes, as it changes (server-sent events), to members alone.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::{Path, State},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::{Stream, stream};
use http::StatusCode;
use kubewise_backend::{Change, permission::ViewInventory};
use kubewise_contract::{OrgId, OrgSlug};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{
    member::{Member, refused},
    oidc::Asking,
    router::WebState,
};

/// How often somebody who only listens is checked to still be a member, and signed in.
const CHECK_EVERY: Duration = Duration::from_mins(1);

struct Listening {
    org: OrgId,
    changes: Receiver<Change>,
    who: Member,
    check: tokio::time::Interval,
    stopping: tokio::sync::watch::Receiver<bool>,
    ended: bool,
}

/// Streams the changes of one organisation until it may not be seen any more, or the server stops.
pub(super) async fn events(State(state): State<WebState>, Path(slug): Path<String>, asking: Asking) -> Response {
    let Ok(slug) = slug.parse::<OrgSlug>() else { return StatusCode::NOT_FOUND.into_response() };
    let who = Member { web: state.web.clone(), session: asking.session, slug, visitor: asking.visitor };
    let changes = state.live.subscribe();
    let org = match who.authorized::<ViewInventory>().await {
        Ok(organisation) => organisation.id,
        Err(error) => return refused(&error).into_response(),
    };
    let mut check = tokio::time::interval(CHECK_EVERY);
    check.reset();
    let listening = Listening { org, changes, who, check, stopping: state.stopping.clone(), ended: false };
    Sse::new(stream(listening)).keep_alive(KeepAlive::new().interval(Duration::from_secs(20))).into_response()
}

fn stream(listening: Listening) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(listening, |mut listening| async move {
        let mut lagged = false;
        if listening.ended {
            return None;
        }
        loop {
            let change = tokio::select! {
                change = listening.changes.recv() => match change {
                    Ok(change) => Some(change),
                    Err(RecvError::Lagged(_)) => {
                        lagged = true;
                        None
                    }
                    Err(RecvError::Closed) => return None,
                },
                _ = listening.check.tick() => None,
                _ = listening.stopping.wait_for(|stopping| *stopping) => return None,
            };
            // Other organisations' changes pass by without a look at the database.
            if change.as_ref().is_some_and(|change| change.org != listening.org) {
                continue;
            }
            let members = change.as_ref().is_some_and(|change| change.event.is_none());
            let organisation = match listening.who.authorized::<ViewInventory>().await {
                Ok(organisation) => organisation,
                // Told once more, so that the page that is open asks again, and is refused.
                Err(_) if members => {
                    listening.ended = true;
                    return Some((Ok(Event::default().event("members").data("{}")), listening));
                }
                Err(_) => return None,
            };
            // Too slow to be told everything: told to ask again for all.
            if lagged {
                return Some((Ok(Event::default().event("lagged").data("{}")), listening));
            }
            match change.map(|change| change.event) {
                Some(Some(event)) if organisation.sees(event.cluster) => {
                    let data = serde_json::to_string(&event).ok()?;
                    return Some((Ok(Event::default().event("change").data(data)), listening));
                }
                // What they may do may be another: the page asks again for everything.
                Some(None) => return Some((Ok(Event::default().event("members").data("{}")), listening)),
                Some(Some(_)) | None => {}
            }
        }
    })
}
