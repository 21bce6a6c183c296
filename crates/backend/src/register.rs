//! The register of what is stored (`docs/privacy/register.toml`): every table and column, what it is for, on what basis, and for
//! how long. What a person gets who asks for everything about them goes by it.

use std::{collections::BTreeMap, fmt::Write as _, sync::LazyLock};

use kubewise_contract::About;
use serde::{Deserialize, Deserializer};

use crate::{Error, retention};

/// What is stored, by table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// The tables, by name. `apalis.*` is all that the queue has.
    #[serde(rename = "table")]
    pub tables: BTreeMap<String, Table>,
}

/// What is stored in a table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Whom it is about.
    pub about: About,
    /// What a row is: a sentence.
    pub what: String,
    /// How long a row is kept: a sentence.
    pub retention: String,
    /// Which rows are about a person: those that one of these leads to. None: no row is.
    #[serde(default, deserialize_with = "one_or_several")]
    pub rows: Vec<Rows>,
    /// The columns, by name.
    #[serde(rename = "column")]
    pub columns: BTreeMap<String, Column>,
}

/// How a person's rows are found.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rows {
    /// The column that leads to the person.
    pub column: String,
    /// What stands in it.
    pub is: Is,
    /// The columns of such a row that are about the person: the others are about the organisation, or somebody else. None: all
    /// are.
    #[serde(default)]
    pub only: Vec<String>,
}

/// What stands in a column that leads to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Is {
    /// The id of their account.
    Account,
    /// Their address; in lower case it is the one of their account that is compared.
    Address,
    /// What the organisation's activity log calls them.
    Pseudonym,
}

/// What is stored in a column.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// What it is for: a sentence.
    pub purpose: String,
    /// Why it may be stored.
    pub basis: Basis,
    /// How long it is kept, where that is not as long as the row.
    pub retention: Option<String>,
    /// Why it is not given to the person whom it is about.
    pub withheld: Option<String>,
}

/// Why something may be stored (Regulation (EU) 2016/679, Article 6(1)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Basis {
    /// The contract with the person asks for it (b).
    #[serde(rename = "contract")]
    Contract,
    /// Somebody has an interest in it that weighs more (f).
    #[serde(rename = "legitimate interest")]
    LegitimateInterest,
    /// Law asks for it (c).
    #[serde(rename = "legal obligation")]
    LegalObligation,
    /// The person agreed to it, and may take that back (a).
    #[serde(rename = "consent")]
    Consent,
    /// It is about no person.
    #[serde(rename = "none")]
    None,
}

impl Basis {
    /// As it is written in the register.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Contract => "contract",
            Self::LegitimateInterest => "legitimate interest",
            Self::LegalObligation => "legal obligation",
            Self::Consent => "consent",
            Self::None => "none",
        }
    }
}

fn one_or_several<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Rows>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Given {
        One(Rows),
        Several(Vec<Rows>),
    }
    Ok(match Given::deserialize(from)? {
        Given::One(rows) => vec![rows],
        Given::Several(rows) => rows,
    })
}

static REGISTER: LazyLock<Result<Register, String>> =
    LazyLock::new(|| Register::parse(include_str!("../../../docs/privacy/register.toml")));

impl Register {
    /// The register of this version.
    pub fn get() -> Result<&'static Self, Error> {
        REGISTER.as_ref().map_err(|e| Error::Internal(format!("the register of what is stored: {e}")))
    }

    /// Reads one, and puts the stated times in the place of their names.
    fn parse(text: &str) -> Result<Self, String> {
        let mut register: Self = toml::from_str(text).map_err(|e| e.to_string())?;
        for table in register.tables.values_mut() {
            table.retention = with_times(&table.retention)?;
            for kept in table.columns.values_mut().filter_map(|column| column.retention.as_mut()) {
                *kept = with_times(kept)?;
            }
        }
        Ok(register)
    }

    /// As a page of the documentation shows it, in Markdown.
    pub fn markdown(&self) -> String {
        let mut out = String::new();
        for about in About::ALL {
            let _ = write!(out, "\n## {}\n", about.title());
            for (name, table) in self.tables.iter().filter(|(_, table)| table.about == about) {
                let Table { what, retention, .. } = table;
                let _ = write!(
                    out,
                    "\n### `{name}`\n\n{what} Kept: {}\n\n| column | what for | basis |\n|---|---|---|\n",
                    in_a_sentence(retention)
                );
                for (name, column) in &table.columns {
                    let _ = write!(out, "| `{name}` | {}", column.purpose);
                    if let Some(retention) = &column.retention {
                        let _ = write!(out, " Kept: {}", in_a_sentence(retention));
                    }
                    if let Some(why) = &column.withheld {
                        let _ = write!(out, " Not in a download: {}", in_a_sentence(why));
                    }
                    let _ = writeln!(out, " | {} |", column.basis.as_str());
                }
            }
        }
        out
    }
}

/// Puts in the place of `{what}` how long that is kept.
fn with_times(text: &str) -> Result<String, String> {
    let times = retention::stated_times();
    let mut parts = text.split('{');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (what, rest) = part.split_once('}').ok_or_else(|| format!("{text:?}: a brace is not closed"))?;
        let time =
            times.iter().find(|time| time.what == what).ok_or_else(|| format!("no time is stated of {what:?}"))?;
        out.push_str(&time.kept);
        out.push_str(rest);
    }
    let mut chars = out.chars();
    Ok(chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default())
}

/// With a small letter at its beginning.
fn in_a_sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = r#"
        [table.sessions]
        about = "person"
        what = "A browser."
        retention = "{A session that is not used}; or until one signs out."
        rows = { column = "user_id", is = "account" }
        [table.sessions.column.user_id]
        purpose = "Whose it is."
        basis = "contract"
    "#;

    #[test]
    fn one_way_to_a_persons_rows_is_written_as_several_are_and_times_stand_in_the_place_of_their_names() {
        let register = Register::parse(ONE).unwrap();
        let sessions = &register.tables["sessions"];
        let rows = [Rows { column: "user_id".to_owned(), is: Is::Account, only: Vec::new() }];
        assert_eq!(sessions.rows, rows);
        assert_eq!(sessions.retention, "7 days after it was used last; or until one signs out.");
        let several =
            ONE.replace("{ column = \"user_id\", is = \"account\" }", "[{ column = \"user_id\", is = \"account\" }]");
        assert_eq!(Register::parse(&several).unwrap().tables["sessions"].rows, rows);
        assert!(register.markdown().contains("| `user_id` | Whose it is. | contract |"));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (right, wrong) in [
            ("{A session that is not used}", "{A session of mine}"),
            ("{A session that is not used}", "{A session that is not used"),
            ("\"contract\"", "\"habit\""),
            ("is = \"account\"", "is = \"name\""),
            ("about = \"person\"", "about = \"people\""),
            ("purpose =", "reason ="),
        ] {
            assert!(Register::parse(&ONE.replace(right, wrong)).is_err(), "{wrong}");
        }
    }
}
