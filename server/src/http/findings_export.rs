//! `GET /o/{org}/clusters/{cluster}/findings/export`: the open findings of a cluster as a file, for who sees the cluster.

use axum::{
    extract::{Path, Query, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, header};
use kubewise_audit::format::{self, Output};
use kubewise_backend::{Error, FindingsExport, permission::ViewInventory};
use kubewise_contract::{ClusterId, FindingState, FindingsQuery, OrgSlug, Severity};
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::{
    member::{Member, refused},
    oidc::Asking,
    router::WebState,
};
use crate::pdf::pdf;

/// Findings in a file: with their texts some 100 MB, which is held while it is written and sent.
const MOST: usize = 50_000;
/// Findings in a PDF: some seven hundred pages, which take seconds to lay out.
const MOST_PRINTED: usize = 5_000;
/// Files that are made at once: who asks for one more waits, so that memory and processor stay for the pages.
static MAKING: Semaphore = Semaphore::const_new(2);

/// Nothing but the styles that the page brings with it; where a browser shows it all the same, it is of no origin.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; sandbox";

/// What is asked for: the format, and the filters of the page. A form sends its empty fields too.
#[derive(Deserialize)]
pub(super) struct Wish {
    #[serde(default)]
    format: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    severity: String,
    rule: Option<String>,
    category: Option<String>,
    framework: Option<String>,
    namespace: Option<String>,
    app: Option<String>,
    q: Option<String>,
}

impl Wish {
    /// A filter that is not understood is refused: left out, the file would hold more than was meant.
    fn query(self) -> Result<FindingsQuery, &'static str> {
        let state = match &*self.state {
            "" | "open" => None,
            "new" => Some(FindingState::New),
            "fixed" => return Err("What was fixed is not open: exports hold open findings (state=open or state=new)."),
            _ => return Err("There is no such state: choose open or new."),
        };
        let severity = match &*self.severity {
            "" => None,
            text => Some(
                Severity::parse(text)
                    .ok_or("There is no such severity: choose critical, high, medium, low or info.")?,
            ),
        };
        let set = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        Ok(FindingsQuery {
            state,
            severity,
            rule: set(self.rule),
            category: set(self.category),
            framework: set(self.framework),
            namespace: set(self.namespace),
            app: set(self.app),
            q: set(self.q),
            after: None,
        })
    }
}

#[derive(Clone, Copy)]
enum Format {
    Csv,
    Json,
    Sarif,
    Html,
    Pdf,
}

impl Format {
    fn parse(name: &str) -> Option<Self> {
        [Self::Csv, Self::Json, Self::Sarif, Self::Html, Self::Pdf].into_iter().find(|format| format.name() == name)
    }

    /// As the address has it, and as the file's name ends.
    const fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Sarif => "sarif",
            Self::Html => "html",
            Self::Pdf => "pdf",
        }
    }

    const fn content_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Json => "application/json",
            // As IANA registered it for SARIF 2.1.0.
            Self::Sarif => "application/sarif+json",
            Self::Html => "text/html; charset=utf-8",
            Self::Pdf => "application/pdf",
        }
    }

    const fn most(self) -> usize {
        match self {
            Self::Pdf => MOST_PRINTED,
            Self::Csv | Self::Json | Self::Sarif | Self::Html => MOST,
        }
    }

    fn write(self, output: &Output) -> Result<Vec<u8>, Error> {
        Ok(match self {
            Self::Csv => format::csv(output).into_bytes(),
            Self::Json => format::json(output).into_bytes(),
            Self::Sarif => format::sarif(output).into_bytes(),
            Self::Html => format::html(output).into_bytes(),
            Self::Pdf => pdf(output).ok_or_else(|| Error::Internal("a PDF could not be written".to_owned()))?,
        })
    }
}

/// Answers the file.
pub(super) async fn export(
    State(state): State<WebState>,
    Path((slug, cluster)): Path<(String, String)>,
    Query(wish): Query<Wish>,
    asking: Asking,
) -> Response {
    let (Ok(slug), Ok(cluster)) = (slug.parse::<OrgSlug>(), cluster.parse().map(ClusterId)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let member = Member { web: state.web, session: asking.session, slug, visitor: asking.visitor };
    match make(&member, cluster, wish).await {
        Ok(response) => response,
        Err(error) => refused(&error).into_response(),
    }
}

async fn make(member: &Member, cluster: ClusterId, wish: Wish) -> Result<Response, Error> {
    // First: who may not see the cluster is told nothing.
    let cluster = member.cluster::<ViewInventory>(cluster).await?;
    let Some(format) = Format::parse(&wish.format) else {
        return Ok(sentence(StatusCode::BAD_REQUEST, "There is no such format: choose csv, json, sarif, html or pdf."));
    };
    let query = match wish.query() {
        Ok(query) => query,
        Err(why) => return Ok(sentence(StatusCode::BAD_REQUEST, why)),
    };
    let _turn = MAKING.acquire().await.map_err(|e| Error::Internal(format!("exports: {e}")))?;
    let output = match member.web.findings_export(&cluster, &query, format.most()).await? {
        FindingsExport::Whole(output) => output,
        FindingsExport::TooMany => {
            let (most, name) = (format.most(), format.name());
            let why = format!(
                "There are more than {most} findings, the most for a file as {name}: choose a severity, a namespace or a rule."
            );
            return Ok(sentence(StatusCode::UNPROCESSABLE_ENTITY, &why));
        }
        FindingsExport::NeverAudited => {
            return Ok(sentence(
                StatusCode::NOT_FOUND,
                "This cluster has not been audited yet: there is nothing to export.",
            ));
        }
    };
    let audit = output.origin.as_ref().map_or(0, |origin| origin.audit);
    let file = format!("attachment; filename=\"{}-audit-{audit}.{}\"", file_name(&cluster.name), format.name());
    let bytes = tokio::task::spawn_blocking(move || format.write(&output))
        .await
        .map_err(|e| Error::Internal(format!("an export was given up: {e}")))??;
    let headers = [
        (header::CONTENT_TYPE, format.content_type()),
        (header::CONTENT_DISPOSITION, &*file),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
    ];
    Ok((headers, bytes).into_response())
}

fn sentence(status: StatusCode, text: &str) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], format!("{text}\n")).into_response()
}

/// A name that is one on every system, and needs no quoting in a header (RFC 6266, section 4.3).
fn file_name(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let safe: String = name.chars().take(100).map(|c| if is_plain(c) { c } else { '-' }).collect();
    // What begins with a dot is hidden.
    let safe = safe.trim_start_matches(['.', '-']);
    if safe.is_empty() { "cluster".to_owned() } else { safe.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_lead_nowhere_else() {
        assert_eq!(file_name("eu-prod.1"), "eu-prod.1");
        assert_eq!(file_name("../../etc/\"pass\"\r\nwd"), "etc--pass---wd");
        assert_eq!(file_name("..."), "cluster");
        assert_eq!(file_name("東京"), "cluster");
    }

    #[test]
    fn filters_that_are_not_understood_are_refused() {
        let wish = |state: &str, severity: &str| Wish {
            format: String::new(),
            state: state.to_owned(),
            severity: severity.to_owned(),
            rule: Some(" ".to_owned()),
            category: None,
            framework: None,
            namespace: None,
            app: None,
            q: None,
        };
        assert_eq!(wish("", "").query(), Ok(FindingsQuery::default()));
        assert_eq!(wish("open", "high").query().unwrap().severity, Some(Severity::High));
        for (state, severity) in [("fixed", ""), ("old", ""), ("", "bad")] {
            assert!(wish(state, severity).query().is_err(), "{state} {severity}");
        }
    }
}
