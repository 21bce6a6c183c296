//! Looking for words wherever something is kept: unpacked where it is compressed, and opened where there is a key that opens it.

use std::{
    io::{Cursor, Read as _},
    path::Path,
};

use kubewise_backend::testing::Installation;
use kubewise_contract::{NotificationId, OrgId};
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::log::Log;
use crate::bucket::place::Place;

/// What begins a text that is compressed by zstd (RFC 8878, 3.1.1), and a ZIP.
const ZSTD: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
const ZIP: [u8; 4] = *b"PK\x03\x04";

/// Words, and where they were found.
struct Search<'a> {
    words: &'a [String],
    found: Vec<String>,
}

/// Everything that says one of these: tables (the queue's too), objects, halves of keys, mails and, if there is one, the log.
pub(super) async fn found(at: &Installation, place: &Place, log: Option<&Log>, words: &[String]) -> Vec<String> {
    let mut search = Search { words, found: Vec::new() };
    in_tables(at, &mut search).await;
    in_columns_of_bytes(at, &mut search).await;
    in_columns_that_are_sealed(at, &mut search).await;
    for name in place.objects().await {
        search.text(&format!("bucket: {name} is called"), &name);
        search.bytes(&format!("bucket: {name} is"), &std::fs::read(place.object(&name)).unwrap());
        // Whose bucket it is, as it is.
        if name == "installation" {
            continue;
        }
        match at.database.opens_object(&name).await {
            Ok(object) => search.bytes(&format!("bucket: {name} opens and is"), &object),
            Err(error) => search.found.push(format!("bucket: {name} does not open: {error}")),
        }
    }
    for name in place.halves().await {
        search.text(&format!("key store: {name} is called"), &name);
    }
    for folder in place.folders() {
        look_into(&folder, &folder, &mut search);
    }
    look_into(&at.outbox(), &at.outbox(), &mut search);
    if let Some(log) = log {
        let text = log.text();
        for line in text.lines() {
            search.text("the log says", line);
        }
    }
    search.found
}

impl Search<'_> {
    fn says(&self, text: &str) -> Option<&String> {
        let text = text.to_lowercase();
        self.words.iter().find(|word| {
            let is_id = Uuid::parse_str(word).is_ok();
            text.contains(&word.to_lowercase()) || is_id && text.contains(&word.replace('-', ""))
        })
    }

    fn text(&mut self, wherever: &str, text: &str) {
        if let Some(word) = self.says(text) {
            let near: String = text.chars().take(300).collect();
            self.found.push(format!("{wherever} {word}: {near}"));
        }
    }

    fn bytes(&mut self, wherever: &str, bytes: &[u8]) {
        self.text(wherever, &String::from_utf8_lossy(bytes));
        let id = |word: &String| Uuid::parse_str(word).ok();
        if let Some(id) =
            self.words.iter().filter_map(id).find(|id| bytes.windows(16).any(|window| window == id.as_bytes()))
        {
            self.found.push(format!("{wherever} the bytes of {id}"));
        }
        if bytes.starts_with(&ZSTD) {
            let unpacked = zstd::stream::decode_all(bytes).expect("it is as zstd made it");
            self.bytes(&format!("{wherever} (unpacked)"), &unpacked);
        } else if bytes.starts_with(&ZIP) {
            let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).expect("a ZIP");
            for n in 0..zip.len() {
                let mut file = zip.by_index(n).expect("as many as it says");
                let mut content = Vec::new();
                file.read_to_end(&mut content).expect("it unpacks");
                let wherever = format!("{wherever} (a ZIP with {})", file.name().expect("a name"));
                self.bytes(&wherever, &content);
            }
        }
    }
}

async fn in_tables(at: &Installation, search: &mut Search<'_>) {
    let behind = at.database.superuser();
    for table in at.database.tables().await {
        for word in search.words {
            // Bytes are shown in hexadecimal: an id in them would be too.
            let count: i64 = sqlx::query_scalar(AssertSqlSafe(format!(
                "SELECT count(*) FROM {table} t
                 WHERE t::text ILIKE '%' || $1 || '%' OR ($2 AND t::text ILIKE '%' || $3 || '%')"
            )))
            .bind(word)
            .bind(Uuid::parse_str(word).is_ok())
            .bind(word.replace('-', ""))
            .fetch_one(&behind)
            .await
            .unwrap();
            if count > 0 {
                search.found.push(format!("{count} rows of {table} say {word}"));
            }
        }
    }
}

/// Manifests, jobs, and whatever else is there.
async fn in_columns_of_bytes(at: &Installation, search: &mut Search<'_>) {
    let behind = at.database.superuser();
    let columns: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT table_schema::text, table_name::text, column_name::text FROM information_schema.columns
         WHERE table_schema IN ('public', 'apalis') AND data_type = 'bytea' AND table_name <> '_sqlx_migrations'",
    )
    .fetch_all(&behind)
    .await
    .unwrap();
    assert!(columns.iter().any(|(_, table, column)| (table.as_str(), column.as_str()) == ("resources", "manifest")));
    for (schema, table, column) in columns {
        let statement = format!("SELECT {column} FROM {schema}.{table} WHERE {column} IS NOT NULL");
        let values: Vec<Vec<u8>> = sqlx::query_scalar(AssertSqlSafe(statement)).fetch_all(&behind).await.unwrap();
        for value in values {
            search.bytes(&format!("{schema}.{table}.{column} is"), &value);
        }
    }
}

/// Addresses of webhooks: the text that people typed and that is kept under a data key.
async fn in_columns_that_are_sealed(at: &Installation, search: &mut Search<'_>) {
    let hooks: Vec<(Uuid, Uuid)> = sqlx::query_as("SELECT org_id, id FROM notifications WHERE url IS NOT NULL")
        .fetch_all(&at.database.superuser())
        .await
        .unwrap();
    for (org, hook) in hooks {
        let address = at.database.opens_webhook(OrgId(org), NotificationId(hook)).await.unwrap();
        search.text("public.notifications.url opens and is", &address);
    }
}

fn look_into(root: &Path, folder: &Path, search: &mut Search<'_>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        let name = path.strip_prefix(root).unwrap().display().to_string();
        let within = root.file_name().unwrap().display().to_string();
        search.text(&format!("a file in {within} is called"), &name);
        if path.is_dir() {
            look_into(root, &path, search);
        } else {
            // Quoted-printable breaks words and writes some letters otherwise.
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).replace("=\r\n", "").replace("=2D", "-");
            search.text(&format!("a file in {within} is"), &text);
        }
    }
}
