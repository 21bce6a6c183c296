//! The file: everything as JSON, for programs, and a page that says what it is, for people.

use std::io::{Cursor, Write};

use askama::Template;
use serde_json::Value;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use super::gather::Gathered;
use crate::{Error, register::Register};

#[derive(Template)]
#[template(path = "export.html")]
struct Index<'a> {
    site: &'a str,
    made_at: &'a str,
    tables: Vec<Shown<'a>>,
}

struct Shown<'a> {
    name: &'a str,
    what: &'a str,
    retention: &'a str,
    rows: Vec<Vec<Cell<'a>>>,
    /// How many there are besides.
    more: usize,
}

struct Cell<'a> {
    column: &'a str,
    purpose: &'a str,
    basis: &'a str,
    value: String,
}

/// Rows of a table that the page shows; the JSON has all.
const SHOWN: usize = 200;

pub(super) fn write(gathered: &Gathered, site: &str, made_at: &str) -> Result<Vec<u8>, Error> {
    let broken = |e: &dyn std::fmt::Display| Error::Internal(format!("export: {e}"));
    let register = Register::get()?;
    let tables = gathered.tables.iter().filter_map(|(name, rows)| {
        let table = register.tables.get(*name)?;
        let shown = rows.iter().take(SHOWN).map(|row| {
            let cells = row.iter().filter_map(|(column, value)| {
                let known = table.columns.get(column)?;
                Some(Cell { column, purpose: &known.purpose, basis: known.basis.as_str(), value: words(value) })
            });
            cells.collect()
        });
        let more = rows.len().saturating_sub(SHOWN);
        Some(Shown { name, what: &table.what, retention: &table.retention, rows: shown.collect(), more })
    });
    let index = Index { site, made_at, tables: tables.collect() }.render().map_err(|e| broken(&e))?;
    let data = serde_json::json!({ "kubewise_export": 1, "from": site, "made_at": made_at, "tables": gathered.tables });
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("index.html", options).map_err(|e| broken(&e))?;
    zip.write_all(index.as_bytes()).map_err(|e| broken(&e))?;
    zip.start_file("data.json", options).map_err(|e| broken(&e))?;
    serde_json::to_writer_pretty(&mut zip, &data).map_err(|e| broken(&e))?;
    Ok(zip.finish().map_err(|e| broken(&e))?.into_inner())
}

fn words(value: &Value) -> String {
    match value {
        Value::Null => "(nothing)".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
