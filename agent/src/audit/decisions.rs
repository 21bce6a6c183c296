//! What people decided before: baselines, exceptions, parameters.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, Result, bail, ensure};
use kubewise_audit::{Parameters, exception::Exception, rules};
use serde::{Deserialize, de::DeserializeOwned};
use time::{Date, UtcDateTime, macros::format_description};

#[derive(Deserialize)]
struct Baseline {
    findings: Vec<Known>,
}

#[derive(Deserialize)]
struct Known {
    fingerprint: String,
}

/// The fingerprints of an earlier report's findings.
pub(super) fn baseline(path: &Path) -> Result<BTreeSet<String>> {
    let baseline: Baseline = serde_json::from_str(&text(path)?)
        .with_context(|| format!("{}: is no report of `kubewise-agent audit --format json`", path.display()))?;
    Ok(baseline.findings.into_iter().map(|known| known.fingerprint).collect())
}

/// What rules leave open.
pub(super) fn parameters(path: &Path) -> Result<Parameters> {
    let parameters: Option<Parameters> = yaml(path)?;
    Ok(parameters.unwrap_or_default())
}

/// Exceptions that hold today, and what is to be said of the others.
pub(super) fn exceptions(path: &Path) -> Result<(Vec<Exception>, Vec<String>)> {
    let all: Option<Vec<Exception>> = yaml(path)?;
    let today = today().to_string();
    let mut holding = Vec::new();
    let mut warnings = Vec::new();
    for (index, exception) in all.unwrap_or_default().into_iter().enumerate() {
        let place = || format!("{}: exception {} ({})", path.display(), index + 1, exception.rule);
        ensure!(!exception.reason.trim().is_empty(), "{} has no reason", place());
        if let Some(last) = &exception.expires
            && Date::parse(last, format_description!("[year]-[month]-[day]")).is_err()
        {
            bail!("{} ends on {last:?}, which is no day as 2027-01-31", place());
        }
        if exception.has_ended(&today) {
            let last = exception.expires.as_deref().unwrap_or_default();
            warnings.push(format!("{} ended on {last} and no longer counts", place()));
            continue;
        }
        if exception.rule != "*" && rules::find(&exception.rule).is_none() {
            // It accepts nothing, which need not be said too.
            warnings.push(format!("{} is for a rule that does not exist", place()));
            continue;
        }
        holding.push(exception);
    }
    Ok((holding, warnings))
}

#[expect(
    clippy::disallowed_methods,
    reason = "which day it is decides whether an exception has ended; nothing else does"
)]
fn today() -> Date {
    UtcDateTime::now().date()
}

/// YAML, of which JSON is a part. None for a file without a value.
fn yaml<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let text = text(path)?;
    if text.trim().is_empty() {
        return Ok(None);
    }
    serde_saphyr::from_str(&text).with_context(|| path.display().to_string())
}

fn text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}
