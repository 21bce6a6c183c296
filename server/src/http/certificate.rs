//! Deletion certificates, for people to read and to keep, and the keys that they are verified with.

use axum::{
    Json,
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use kubewise_backend::{Error, SignedCertificate, permission::ManageOrganisation};
use kubewise_contract::OrgSlug;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    differences::escaped,
    member::Member,
    oidc::Asking,
    page::{page, refused, to_sign_in},
    router::WebState,
};

/// Where the keys are, as RFC 8615 has such addresses.
pub(super) const KEYS: &str = "/.well-known/kubewise-certificate-keys.json";

/// The file is asked for, not the page.
#[derive(Deserialize)]
pub(super) struct Wish {
    download: Option<String>,
}

/// The keys, for everybody.
pub(super) async fn keys(State(state): State<WebState>) -> Response {
    match state.web.verifying_keys().await {
        Ok(keys) => ([(header::CACHE_CONTROL, "public, max-age=300")], Json(json!({ "keys": keys }))).into_response(),
        Err(error) => {
            tracing::error!(%error, "the keys of certificates could not be read");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

/// The certificate of a cluster's deletion, for who manages its organisation.
pub(super) async fn of_cluster(
    State(state): State<WebState>,
    Path((slug, id)): Path<(String, String)>,
    Query(wish): Query<Wish>,
    asking: Asking,
) -> Response {
    let Ok(slug) = slug.parse::<OrgSlug>() else { return refused(&state, &Error::NotFound) };
    let address = format!("/o/{slug}/settings/data/certificates/{id}");
    let member = Member { web: state.web.clone(), session: asking.session, slug, visitor: asking.visitor };
    if matches!(member.actor().await, Err(Error::NotFound)) {
        return to_sign_in(&address);
    }
    match find(&member, &id).await {
        Ok(certificate) if wish.download.is_some() => file(certificate),
        Ok(certificate) => {
            let body = removed(&certificate, &Download { action: &address, field: "download", value: "1" });
            page(&state, StatusCode::OK, "A cluster was deleted", &body)
        }
        Err(error) => refused(&state, &error),
    }
}

async fn find(member: &Member, id: &str) -> Result<String, Error> {
    let organisation = member.authorized::<ManageOrganisation>().await?;
    member.web.cluster_certificate(&organisation, id).await
}

/// A certificate, to be kept.
pub(super) fn file(certificate: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"kubewise-deletion-certificate.json\""),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, certificate).into_response()
}

/// Where the file of a certificate is: an address and what follows its question mark.
pub(super) struct Download<'a> {
    pub(super) action: &'a str,
    pub(super) field: &'static str,
    pub(super) value: &'a str,
}

/// What a certificate says, as HTML.
pub(super) fn removed(certificate: &str, download: &Download<'_>) -> String {
    let said = serde_json::from_str::<SignedCertificate>(certificate)
        .ok()
        .and_then(|signed| serde_json::from_str::<Value>(&signed.certificate).ok())
        .unwrap_or_default();
    let [requested, completed] =
        ["requested_at", "completed_at"].map(|at| moment(said[at].as_str().unwrap_or_default()));
    let (held, left) = (&said["held"], &said["left"]);
    let objects = match (count(&held["objects"]), count(&held["bytes"])) {
        (0, _) => "There were no files.".to_owned(),
        (objects, bytes) => format!("Of files, {objects} with {bytes} bytes."),
    };
    format!(
        "<p>Asked for on {requested}, done on {completed}.</p>\
         <h2>What was removed</h2>{}<p>{objects}</p>\
         <h2>What is left</h2>{}\
         <h2>Keys that were destroyed</h2>{}\
         {}\
         <h2>The certificate</h2>\
         <p>All of this stands in a certificate, which this installation has signed: whoever keeps it can show later that it was \
         not changed. How to verify it: <code>kubewise-server admin verify-certificate</code>, or with the \
         <a href=\"{KEYS}\">public keys</a> (Ed25519). It is kept here for 400 days.</p>\
         <form action=\"{}\"><input type=\"hidden\" name=\"{}\" value=\"{}\">\
         <button class=\"btn primary\" type=\"submit\">Download the certificate</button></form>",
        table(&held["rows"]),
        rest(left),
        destroyed(&said["keys_destroyed"]),
        kept(&said["kept_by_others"]),
        escaped(download.action),
        download.field,
        escaped(download.value),
    )
}

/// `2026-11-28 09:12 UTC`
fn moment(rfc3339: &str) -> String {
    match (rfc3339.get(..10), rfc3339.get(11..16)) {
        (Some(day), Some(minute)) => format!("{} {} UTC", escaped(day), escaped(minute)),
        _ => escaped(rfc3339),
    }
}

fn count(number: &Value) -> u64 {
    number.as_u64().unwrap_or_default()
}

fn table(rows: &Value) -> String {
    let lines: Vec<String> = rows
        .as_object()
        .into_iter()
        .flatten()
        .map(|(table, rows)| {
            format!("<tr><td><code>{}</code></td><td class=\"num\">{}</td></tr>", escaped(table), count(rows))
        })
        .collect();
    if lines.is_empty() {
        return "<p>There were no rows.</p>".to_owned();
    }
    format!(
        "<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"Rows by table\"><table><thead><tr><th>Table</th>\
         <th class=\"num\">Rows</th></tr></thead><tbody>{}</tbody></table></div>",
        lines.concat()
    )
}

fn rest(left: &Value) -> String {
    let rows = left["rows"].as_object().is_some_and(|rows| rows.values().any(|rows| count(rows) > 0));
    match (rows, count(&left["objects"])) {
        (false, 0) => "<p>Nothing.</p>".to_owned(),
        (rows, objects) => {
            let table = if rows { table(&left["rows"]) } else { String::new() };
            let files = if objects > 0 { format!("<p>Files: {objects}.</p>") } else { String::new() };
            format!("{table}{files}")
        }
    }
}

fn destroyed(keys: &Value) -> String {
    let keys: Vec<String> = keys
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(|key| format!("<li>{}</li>", escaped(key)))
        .collect();
    if keys.is_empty() {
        return "<p>None: the key is that of the organisation, which goes on.</p>".to_owned();
    }
    format!("<ul>{}</ul><p>What they had encrypted cannot be read any more, in backups either.</p>", keys.concat())
}

fn kept(others: &Value) -> String {
    let others: Vec<String> = others
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| {
            let [by, what, why] = ["by", "what", "why"].map(|field| escaped(one[field].as_str().unwrap_or_default()));
            format!("<li>{by}: {what}. Why: {why}.</li>")
        })
        .collect();
    if others.is_empty() {
        return String::new();
    }
    format!("<h2>What others keep</h2><ul>{}</ul>", others.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(certificate: &Value) -> String {
        json!({"certificate": certificate.to_string(), "key": "00", "signature": "AA=="}).to_string()
    }

    #[test]
    fn a_certificate_is_told_in_words_and_nothing_in_it_is_markup() {
        let html = removed(
            &signed(&json!({
                "requested_at": "2026-11-28T09:12:33Z",
                "completed_at": "2026-11-28T09:13:00Z",
                "held": {"rows": {"clusters": 3, "<b>": 1}, "objects": 12, "bytes": 40960},
                "left": {"rows": {}, "objects": 0, "bytes": 0},
                "keys_destroyed": ["the organisation's data key, both halves"],
                "kept_by_others": [{"by": "Stripe", "what": "2 invoices", "why": "tax law"}],
            })),
            &Download { action: "/erasure/certificate", field: "token", value: "\"><script>" },
        );
        for part in [
            "Asked for on 2026-11-28 09:12 UTC, done on 2026-11-28 09:13 UTC.",
            "<code>clusters</code></td><td class=\"num\">3<",
            "Of files, 12 with 40960 bytes.",
            "<h2>What is left</h2><p>Nothing.</p>",
            "both halves",
            "Stripe: 2 invoices. Why: tax law.",
            "name=\"token\" value=\"&quot;&gt;&lt;script&gt;\"",
        ] {
            assert!(html.contains(part), "{part}: {html}");
        }
        assert!(!html.contains("<b>") && !html.contains("<script>"));
    }

    #[test]
    fn what_is_left_is_not_said_to_be_nothing() {
        let download = Download { action: "/", field: "download", value: "1" };
        let html = removed(&signed(&json!({"left": {"rows": {"users": 1}, "objects": 2}})), &download);
        assert!(
            html.contains("<code>users</code>") && html.contains("Files: 2.") && !html.contains("Nothing."),
            "{html}"
        );
    }
}
