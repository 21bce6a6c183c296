//! `POST /o/{org}/activity/export`: the activity log as a file, CSV or JSON, for who may read it. It is sent as it is read,
//! a thousand lines at a time, and each time it is asked anew whether it may be.

use axum::{
    Form,
    body::{Body, Bytes},
    extract::{Path, State},
    response::{IntoResponse, Response},
};
use futures::{Stream, stream};
use http::{StatusCode, header};
use kubewise_backend::{Error, permission::ViewActivity};
use kubewise_contract::{ActivityQuery, ActivityRow, OrgSlug};
use serde::Deserialize;
use serde_json::{json, value::RawValue};

use super::{
    member::{Member, refused},
    oidc::Asking,
    router::WebState,
};

/// What is asked for.
#[derive(Deserialize)]
pub(super) struct Wish {
    format: Format,
    action: Option<String>,
    person: Option<String>,
    from: Option<String>,
    to: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    Csv,
    Json,
}

impl Format {
    const fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }

    const fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Json => "application/json",
        }
    }
}

/// Answers the file.
pub(super) async fn export(
    State(state): State<WebState>,
    Path(slug): Path<String>,
    asking: Asking,
    Form(wish): Form<Wish>,
) -> Response {
    let Ok(slug) = slug.parse::<OrgSlug>() else { return StatusCode::NOT_FOUND.into_response() };
    let Wish { format, action, person, from, to } = wish;
    // A form sends its empty fields too.
    let set = |text: Option<String>| text.filter(|text| !text.is_empty());
    let query = ActivityQuery { action: set(action), person: set(person), from: set(from), to: set(to), after: None };
    let member = Member { web: state.web, session: asking.session, slug, visitor: asking.visitor };
    match begin(&member, format, query.clone()).await {
        Ok(first) => {
            let file = format!("attachment; filename=\"kubewise-activity-{}.{}\"", member.slug, format.name());
            let reading = Reading { member, format, query: first.1, next: Some(first.0), begun: false };
            let headers =
                [(header::CONTENT_TYPE, format.content_type().to_owned()), (header::CONTENT_DISPOSITION, file)];
            (headers, Body::from_stream(lines(reading))).into_response()
        }
        Err(error) => refused(&error).into_response(),
    }
}

/// Says in the log that it is taken out, and reads the first lines: what is refused is so before anything is sent.
async fn begin(
    member: &Member,
    format: Format,
    mut query: ActivityQuery,
) -> Result<(Vec<ActivityRow>, ActivityQuery), Error> {
    let organisation = member.authorized::<ViewActivity>().await?;
    let first = member.web.activity_export(&organisation, &mut query).await?;
    member.web.record_export(&organisation, format.name()).await?;
    Ok((first, query))
}

struct Reading {
    member: Member,
    format: Format,
    query: ActivityQuery,
    /// What was read and not sent; none at the end.
    next: Option<Vec<ActivityRow>>,
    begun: bool,
}

fn lines(reading: Reading) -> impl Stream<Item = Result<Bytes, Error>> {
    stream::try_unfold(reading, |mut reading| async move {
        let Some(rows) = reading.next.take() else { return Ok(None) };
        let first = !reading.begun;
        reading.begun = true;
        let ended = rows.is_empty();
        let bytes = match reading.format {
            Format::Csv => csv(&rows, first)?,
            Format::Json => json(&rows, first, ended)?,
        };
        if !ended {
            // An error breaks the answer off: the browser says that the file is not whole.
            let organisation = reading.member.authorized::<ViewActivity>().await?;
            reading.next = Some(reading.member.web.activity_export(&organisation, &mut reading.query).await?);
        }
        Ok(Some((Bytes::from(bytes), reading)))
    })
}

const COLUMNS: [&str; 10] =
    ["line", "at", "person", "token", "from", "action", "subject", "cluster", "before", "after"];

fn csv(rows: &[ActivityRow], first: bool) -> Result<Vec<u8>, Error> {
    let broken = |e: &dyn std::fmt::Display| Error::Internal(format!("CSV: {e}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    if first {
        writer.write_record(COLUMNS).map_err(|e| broken(&e))?;
    }
    for row in rows {
        let text = |text: &Option<String>| harmless(text.as_deref().unwrap_or_default());
        let record = [
            row.seq.to_string(),
            row.at.to_string(),
            text(&row.person),
            text(&row.token),
            harmless(&row.place),
            row.action.clone(),
            text(&row.subject),
            row.cluster.map(|id| id.to_string()).unwrap_or_default(),
            text(&row.before),
            text(&row.after),
        ];
        writer.write_record(record).map_err(|e| broken(&e))?;
    }
    writer.into_inner().map_err(|e| broken(&e.error()))
}

/// Spreadsheets compute what begins like a formula, and people choose names (OWASP, CSV Injection).
fn harmless(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}

fn json(rows: &[ActivityRow], first: bool, ended: bool) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    for (n, row) in rows.iter().enumerate() {
        out.extend_from_slice(if first && n == 0 { b"[\n" } else { b",\n" });
        let raw = |text: &Option<String>| text.as_ref().and_then(|text| RawValue::from_string(text.clone()).ok());
        let line = json!({
            "line": row.seq,
            "at": row.at.to_string(),
            "person": row.person,
            "token": row.token,
            "from": row.place,
            "action": row.action,
            "subject": row.subject,
            "cluster": row.cluster,
            "before": raw(&row.before),
            "after": raw(&row.after),
        });
        serde_json::to_writer(&mut out, &line).map_err(|e| Error::Internal(format!("JSON: {e}")))?;
    }
    if ended {
        out.extend_from_slice(if first { b"[]\n" } else { b"\n]\n" });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_call_things_is_no_formula() {
        assert_eq!(harmless("=1+1"), "'=1+1");
        assert_eq!(harmless("eu-prod"), "eu-prod");
    }
}
