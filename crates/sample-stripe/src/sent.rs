//! What may be sent, by the table of `docs/billing/data-sent.md`, and what was.

use std::{
    collections::BTreeSet,
    fs::{File, OpenOptions},
    io::Write,
    path::Path,
    sync::{LazyLock, Mutex},
};

use anyhow::{Context, Result};

use crate::{fields::Fields, shared::locked};

/// The page that says it to whoever uses Kubewise.
const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/billing/data-sent.md"));

/// Requests and their fields; a request without any has the field "".
pub(crate) type Pairs = BTreeSet<(String, String)>;

static DOCUMENTED: LazyLock<Pairs> = LazyLock::new(|| pairs(PAGE));

/// What the table has.
pub(crate) fn documented() -> &'static Pairs {
    &DOCUMENTED
}

fn pairs(page: &str) -> Pairs {
    let table = page.split_once("<!-- sent -->").map_or("", |(_, rest)| rest);
    let table = table.split_once("<!-- end -->").map_or("", |(table, _)| table);
    let code = |cell: &str| cell.trim().trim_matches('`').to_owned();
    let rows = table.lines().filter_map(|line| {
        let mut cells = line.trim().strip_prefix('|')?.split('|');
        Some((code(cells.next()?), code(cells.next()?)))
    });
    rows.filter(|(request, _)| request.contains(" /v1/")).collect()
}

/// What was sent so far.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    documented: Mutex<Pairs>,
    undocumented: Mutex<BTreeSet<String>>,
    file: Option<Mutex<File>>,
}

impl Sent {
    /// `file`: where it is written too, once for each.
    pub(crate) fn new(file: Option<&Path>) -> Result<Self> {
        let open = |path: &Path| {
            let file = OpenOptions::new().create(true).append(true).open(path);
            file.map(Mutex::new).with_context(|| format!("cannot write to {}", path.display()))
        };
        Ok(Self { file: file.map(open).transpose()?, ..Self::default() })
    }

    /// Remembers a request. Answers what of it is not documented.
    pub(crate) fn note(&self, method: &str, path: &str, fields: &Fields) -> Vec<String> {
        let template = template(method, path);
        let request = template.unwrap_or_else(|| format!("{method} {path}"));
        let names: Vec<&str> = if fields.is_empty() { vec![""] } else { fields.keys().map(String::as_str).collect() };
        let mut refused = Vec::new();
        for name in names {
            let pair = (request.clone(), name.to_owned());
            if documented().contains(&pair) {
                if locked(&self.documented).insert(pair) {
                    self.write(&format!("{request}\t{name}"));
                }
            } else {
                let text = format!("{request} {name}").trim_end().to_owned();
                if locked(&self.undocumented).insert(text.clone()) {
                    self.write(&format!("UNDOCUMENTED\t{request}\t{name}"));
                }
                refused.push(text);
            }
        }
        refused
    }

    fn write(&self, line: &str) {
        let Some(file) = &self.file else { return };
        if let Err(error) = writeln!(locked(file), "{line}") {
            tracing::error!(%error, "what was sent could not be written");
        }
    }

    pub(crate) fn sent(&self) -> Pairs {
        locked(&self.documented).clone()
    }

    pub(crate) fn undocumented(&self) -> Vec<String> {
        locked(&self.undocumented).iter().cloned().collect()
    }
}

/// The documented request that a path is of.
fn template(method: &str, path: &str) -> Option<String> {
    let request = format!("{method} {path}");
    let known = || documented().iter().map(|(request, _)| request);
    // What is written out goes before what has an id in it.
    if known().any(|known| *known == request) {
        return Some(request);
    }
    let parts: Vec<&str> = request.split('/').collect();
    let fits = |known: &&String| {
        let known: Vec<&str> = known.split('/').collect();
        known.len() == parts.len() && known.iter().zip(&parts).all(|(k, p)| k == p || (*k == "{id}" && !p.is_empty()))
    };
    known().find(fits).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read() {
        let pair = |request: &str, field: &str| documented().contains(&(request.to_owned(), field.to_owned()));
        assert!(pair("POST /v1/customers", "metadata[kubewise_organisation]"));
        assert!(pair("GET /v1/customers/{id}", ""));
        assert!(!pair("POST /v1/customers", ""));
        assert!(documented().len() > 30);
    }

    #[test]
    fn a_path_is_of_the_request_that_it_fits() {
        let of = |method, path| template(method, path).unwrap_or_default();
        assert_eq!(of("POST", "/v1/customers/cus_1"), "POST /v1/customers/{id}");
        assert_eq!(of("POST", "/v1/invoices/create_preview"), "POST /v1/invoices/create_preview");
        assert_eq!(of("POST", "/v1/checkout/sessions/cs_1/expire"), "POST /v1/checkout/sessions/{id}/expire");
        assert_eq!(of("DELETE", "/v1/invoices/in_1"), "");
        assert_eq!(of("POST", "/v1/customers/"), "");
        assert_eq!(of("POST", "/v1/customers/cus_1/sources"), "");
    }
}
