//! What there is of something, counted: before it is deleted, and after.

use std::collections::BTreeMap;

use kubewise_contract::OrgId;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::Error;

/// What there is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Held {
    /// Rows, by table.
    pub(super) rows: BTreeMap<String, i64>,
    /// Objects in the bucket.
    pub(super) objects: u64,
    /// How large they are there together, in bytes.
    pub(super) bytes: u64,
    /// Of a person, the organisations they were in: not in the certificate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) organisations: Vec<OrgId>,
}

impl Held {
    /// Adds the rows of every table that has this column, of what the transaction states if `of_tenants`.
    pub(super) async fn count(
        &mut self,
        tx: &mut PgConnection,
        column: &str,
        whose: Uuid,
        of_tenants: bool,
    ) -> Result<(), Error> {
        let rows = sqlx::query!(
            r#"SELECT name AS "name!", rows AS "rows!" FROM rows_with($1, $2, $3)"#,
            column,
            whose,
            of_tenants,
        )
        .fetch_all(tx)
        .await?;
        for row in rows {
            self.add(&row.name, row.rows);
        }
        Ok(())
    }

    /// Adds rows of a table, if there are any.
    pub(super) fn add(&mut self, table: &str, rows: i64) {
        if rows > 0 {
            *self.rows.entry(table.to_owned()).or_default() += rows;
        }
    }

    /// Whether there is nothing.
    pub(super) fn is_nothing(&self) -> bool {
        self.rows.is_empty() && self.objects == 0
    }

    /// Adds the one row that it is itself.
    pub(super) fn itself(&mut self, table: &str) {
        self.add(table, 1);
    }
}
