//! `POST /o/{org}/export`: all of an organisation's data as a file, a JSON object a line (docs/export.md), for Owners who
//! proved lately who they are. It is sent as it is read, and for each page it is asked anew whether it may be.

use axum::{
    body::{Body, Bytes},
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use futures::{Stream, stream};
use http::header;
use kubewise_app::{provider::confirm_page, sign_in::is_fresh};
use kubewise_backend::{Error, ExportPlace, permission::ManageOwnership};
use kubewise_contract::OrgSlug;
use serde_json::{Value, json};

use super::{
    member::Member,
    oidc::Asking,
    page::{led, refused, to_sign_in},
    router::WebState,
};

/// Some lines, and where to go on.
type Page = (Vec<Value>, Option<ExportPlace>);

/// Answers the file.
pub(super) async fn export(State(state): State<WebState>, Path(slug): Path<String>, asking: Asking) -> Response {
    let Ok(slug) = slug.parse::<OrgSlug>() else { return refused(&state, &Error::NotFound) };
    // The page with the button.
    let back = format!("/o/{slug}/settings/data");
    let member = Member { web: state.web.clone(), session: asking.session, slug, visitor: asking.visitor };
    if matches!(member.actor().await, Err(Error::NotFound)) {
        return to_sign_in(&back);
    }
    match begin(&member).await {
        Ok(first) => {
            let file = format!("attachment; filename=\"kubewise-{}.ndjson\"", member.slug);
            let headers = [
                (header::CONTENT_TYPE, "application/x-ndjson".to_owned()),
                (header::CONTENT_DISPOSITION, file),
                (header::CACHE_CONTROL, "no-store".to_owned()),
            ];
            let reading = Reading { member, first: Some(first), place: None, lines: 0 };
            (headers, Body::from_stream(lines(reading))).into_response()
        }
        Err(Error::ProofNeeded) => led(&confirm_page(Some(&back))),
        Err(error) => refused(&state, &error),
    }
}

/// Says in the log that it is taken out, and reads the first lines: what is refused is so before anything is sent.
async fn begin(member: &Member) -> Result<Page, Error> {
    let organisation = member.authorized::<ManageOwnership>().await?;
    let is_fresh = is_fresh(&member.web, &member.session).await;
    if !is_fresh.map_err(|refusal| Error::Internal(format!("{refusal:?}")))? {
        return Err(Error::ProofNeeded);
    }
    let first = member.web.organisation_export(&organisation, ExportPlace::default()).await?;
    member.web.record_organisation_export(&organisation).await?;
    Ok(first)
}

struct Reading {
    member: Member,
    /// What was read before anything was sent.
    first: Option<Page>,
    /// Where to go on; none at the end.
    place: Option<ExportPlace>,
    /// How many were sent.
    lines: usize,
}

impl Reading {
    /// The next lines; none after the last.
    async fn next(&mut self) -> Result<Option<Page>, Error> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        let Some(place) = self.place.take() else { return Ok(None) };
        let organisation = self.member.authorized::<ManageOwnership>().await?;
        self.member.web.organisation_export(&organisation, place).await.map(Some)
    }
}

/// The lines as they are read. An error breaks the answer off: the browser says that the file is not whole, and there is no
/// last line that says how many there are.
fn lines(reading: Reading) -> impl Stream<Item = Result<Bytes, Error>> {
    stream::try_unfold(reading, |mut reading| async move {
        loop {
            let Some((lines, next)) = reading.next().await? else { return Ok(None) };
            reading.lines += lines.len();
            let mut out = Vec::new();
            for line in &lines {
                write(&mut out, line)?;
            }
            if next.is_none() {
                write(&mut out, &json!({ "kind": "end", "lines": reading.lines }))?;
            }
            reading.place = next;
            // There is nothing of some kinds.
            if !out.is_empty() {
                return Ok(Some((Bytes::from(out), reading)));
            }
        }
    })
}

fn write(out: &mut Vec<u8>, line: &Value) -> Result<(), Error> {
    serde_json::to_writer(&mut *out, line).map_err(|e| Error::Internal(format!("JSON: {e}")))?;
    out.push(b'\n');
    Ok(())
}
