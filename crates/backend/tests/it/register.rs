//! The register of what is stored, beside the schema: nothing is stored that is not in it, and it says nothing of what is
//! not there.

use std::collections::{BTreeMap, BTreeSet};

use kubewise_backend::{
    register::{Basis, Is, Register},
    testing::Installation,
};
use kubewise_contract::About;

/// The queue's own tables, which one entry stands for.
const QUEUE: &str = "apalis.*";

/// The columns of each table, with their types. A partition is its table's.
async fn schema(at: &Installation) -> BTreeMap<String, BTreeMap<String, String>> {
    let rows: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT c.table_name::text, c.column_name::text, c.udt_name::text FROM information_schema.columns c
         JOIN pg_class t ON t.oid = format('%I.%I', c.table_schema, c.table_name)::regclass
         WHERE c.table_schema = 'public' AND NOT t.relispartition AND c.table_name <> '_sqlx_migrations'",
    )
    .fetch_all(&at.database.superuser())
    .await
    .unwrap();
    let mut tables: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (table, column, kind) in rows {
        tables.entry(table).or_default().insert(column, kind);
    }
    tables
}

#[tokio::test]
async fn every_column_of_the_schema_is_in_the_register_and_nothing_else() {
    let at = Installation::new().await;
    let schema = schema(&at).await;
    let register = Register::get().unwrap();
    assert!(schema.len() > 40 && register.tables.contains_key(QUEUE));
    let stored: BTreeSet<(&str, &str)> = schema
        .iter()
        .flat_map(|(table, columns)| columns.keys().map(move |column| (table.as_str(), column.as_str())))
        .collect();
    let registered: BTreeSet<(&str, &str)> = register
        .tables
        .iter()
        .filter(|(table, _)| *table != QUEUE)
        .flat_map(|(table, entry)| entry.columns.keys().map(move |column| (table.as_str(), column.as_str())))
        .collect();
    let missing: Vec<_> = stored.difference(&registered).collect();
    let gone: Vec<_> = registered.difference(&stored).collect();
    assert!(missing.is_empty(), "stored, and not in docs/privacy/register.toml: {missing:?}");
    assert!(gone.is_empty(), "in docs/privacy/register.toml, and not stored: {gone:?}");
}

#[tokio::test]
async fn a_persons_rows_are_found_by_columns_that_are_there() {
    let at = Installation::new().await;
    let schema = schema(&at).await;
    for (name, table) in &Register::get().unwrap().tables {
        for rows in &table.rows {
            let kind = schema.get(name).and_then(|columns| columns.get(&rows.column));
            let wanted = if rows.is == Is::Address { "text" } else { "uuid" };
            assert_eq!(kind.map(String::as_str), Some(wanted), "{name}.{}", rows.column);
        }
    }
}

/// Of a row that is about several people, each is given what is theirs, and nothing else; all together all that is about
/// people.
#[test]
fn of_a_row_that_is_about_several_each_is_given_theirs() {
    let mut shared = 0;
    for (name, table) in &Register::get().unwrap().tables {
        for rows in &table.rows {
            for column in &rows.only {
                assert!(table.columns.contains_key(column), "{name}.{column}");
            }
            if table.rows.len() > 1 {
                shared += 1;
                assert!(rows.only.contains(&rows.column), "{name}.{}", rows.column);
                let others = table.rows.iter().filter(|other| *other != rows);
                for other in others {
                    assert!(!rows.only.contains(&other.column), "{name}: by {} also {}", rows.column, other.column);
                }
            }
        }
        for (column, entry) in &table.columns {
            let is_given = table.rows.iter().any(|rows| rows.only.is_empty() || rows.only.contains(column));
            assert!(
                table.rows.is_empty() || entry.basis == Basis::None || is_given,
                "{name}.{column} is given to nobody"
            );
        }
    }
    assert!(shared >= 10);
}

/// Whoever stores who did something has it found by them.
#[tokio::test]
async fn what_names_a_person_leads_to_them() {
    let at = Installation::new().await;
    for (name, columns) in schema(&at).await {
        let table = &Register::get().unwrap().tables[&name];
        for (column, kind) in columns {
            let names_somebody = match kind.as_str() {
                "uuid" => matches!(column.as_str(), "user_id" | "person_id") || column.ends_with("_by"),
                "text" => column.contains("email"),
                _ => false,
            };
            if !names_somebody {
                continue;
            }
            assert!(!table.rows.is_empty(), "{name}.{column} names somebody, and no row leads to them");
            let leads = table.rows.iter().any(|rows| rows.column == column);
            assert!(kind != "uuid" || leads, "{name}.{column} leads to nobody's rows");
            assert_ne!(table.columns[&column].basis, Basis::None, "{name}.{column}");
        }
    }
}

#[test]
fn everything_is_said_in_sentences_that_fit_into_a_table() {
    let sentence = |text: &str, of: &str| {
        assert!(text.len() > 3 && text.ends_with('.') && text.trim() == text, "{of}: {text:?}");
        assert!(!text.contains(['|', '\n', '{', '}']), "{of}: {text:?}");
    };
    for (name, table) in &Register::get().unwrap().tables {
        sentence(&table.what, name);
        sentence(&table.retention, name);
        assert!(!table.columns.is_empty(), "{name}");
        for (column, entry) in &table.columns {
            let of = format!("{name}.{column}");
            sentence(&entry.purpose, &of);
            for text in [&entry.retention, &entry.withheld].into_iter().flatten() {
                sentence(text, &of);
            }
            assert!(entry.withheld.is_none() || entry.basis != Basis::None, "{of} is about nobody, and withheld");
        }
        let leads = !table.rows.is_empty();
        assert!(!leads || table.columns.values().any(|column| column.basis != Basis::None), "{name}");
    }
}

#[test]
fn the_page_has_a_table_for_each_table() {
    let register = Register::get().unwrap();
    let page = register.markdown();
    for (name, table) in &register.tables {
        assert!(page.contains(&format!("\n### `{name}`\n")), "{name}");
        for column in table.columns.keys() {
            assert!(page.contains(&format!("| `{column}` | ")), "{name}.{column}");
        }
    }
    assert!(About::ALL.iter().all(|about| page.contains(about.title())));
}
