//! The formats by their names.

use super::{Output, csv, html, json, junit, markdown, sarif, table};

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For a terminal, with colours where it is asked for.
    Table {
        /// Whether severities are coloured by escape sequences (ECMA-48).
        colour: bool,
    },
    /// All of it, for programs.
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// `JUnit`'s XML, for what shows tests.
    Junit,
    /// GitHub's Markdown.
    Markdown,
    /// Comma-separated values, for spreadsheets.
    Csv,
    /// A page that needs nothing else.
    Html,
}

impl Format {
    /// The report as this format.
    pub fn write(self, output: &Output) -> String {
        match self {
            Self::Table { colour } => table(output, colour),
            Self::Json => json(output),
            Self::Sarif => sarif(output),
            Self::Junit => junit(output),
            Self::Markdown => markdown(output),
            Self::Csv => csv(output),
            Self::Html => html(output),
        }
    }
}
