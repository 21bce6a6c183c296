//! What is held about a person, as the register says where it is.

use std::collections::{BTreeMap, HashSet};

use kubewise_contract::{OrgId, UserId};
use serde::Serialize;
use serde_json::{Map, Value};
use sqlx::{AssertSqlSafe, PgConnection, Row};

use crate::{
    Error, Worker,
    database::{self, Scope},
    register::{Is, Register, Rows, Table},
};

/// Everything about a person.
#[derive(Debug, Default, Serialize)]
pub(super) struct Gathered {
    /// By table.
    pub(super) tables: BTreeMap<&'static str, Vec<Map<String, Value>>>,
    /// Which of them are there: a row that is about the person in two ways is given once.
    #[serde(skip)]
    there: HashSet<(&'static str, String)>,
}

/// What a person is known by.
struct Known {
    user: UserId,
    address: String,
    pseudonyms: Vec<(OrgId, uuid::Uuid)>,
}

impl Worker {
    pub(super) async fn gather(&self, user: UserId) -> Result<Gathered, Error> {
        let mut tx = database::begin(&self.pool, None, Some(user)).await?;
        let address = sqlx::query_scalar!("SELECT email_canonical FROM users WHERE id = $1", user.0)
            .fetch_optional(&mut *tx)
            .await?
            .ok_or(Error::NotFound)?;
        let pseudonyms = sqlx::query!("SELECT org_id, pseudonym FROM pseudonyms WHERE user_id = $1", user.0)
            .fetch_all(&mut *tx)
            .await?;
        let pseudonyms: Vec<_> = pseudonyms.into_iter().map(|row| (OrgId(row.org_id), row.pseudonym)).collect();
        let inviting = sqlx::query_scalar!(r#"SELECT org_id AS "org_id!" FROM organisations_inviting($1)"#, address)
            .fetch_all(&mut *tx)
            .await?;
        let register = Register::get()?;
        let known = Known { user, address, pseudonyms };
        let mut gathered = Gathered::default();
        for (name, table) in register.tables.iter().filter(|(_, table)| !table.columns.contains_key("org_id")) {
            for rows in &table.rows {
                gathered.read(&mut tx, name, table, rows, &known, None).await?;
            }
        }
        tx.commit().await?;
        let mut organisations: Vec<OrgId> = known.pseudonyms.iter().map(|(org, _)| *org).collect();
        organisations.extend(inviting.into_iter().map(OrgId));
        organisations.sort_unstable();
        organisations.dedup();
        for org in organisations {
            let mut tx = database::begin(&self.pool, Some((org, &Scope::All)), Some(user)).await?;
            for (name, table) in register.tables.iter().filter(|(_, table)| table.columns.contains_key("org_id")) {
                for rows in &table.rows {
                    gathered.read(&mut tx, name, table, rows, &known, Some(org)).await?;
                }
            }
            tx.commit().await?;
        }
        Ok(gathered)
    }
}

impl Gathered {
    async fn read(
        &mut self,
        tx: &mut PgConnection,
        name: &'static str,
        table: &'static Table,
        rows: &'static Rows,
        known: &Known,
        org: Option<OrgId>,
    ) -> Result<(), Error> {
        let (value, kind) = match rows.is {
            Is::Account => (known.user.to_string(), "uuid"),
            Is::Address => (known.address.clone(), "text"),
            Is::Pseudonym => {
                let pseudonym = known.pseudonyms.iter().find(|(of, _)| Some(*of) == org);
                let Some((_, pseudonym)) = pseudonym else { return Ok(()) };
                (pseudonym.to_string(), "uuid")
            }
        };
        let column = match rows.is {
            Is::Address => format!("lower({:?})", rows.column),
            Is::Account | Is::Pseudonym => format!("{:?}", rows.column),
        };
        // Where a row says something of others too, what is the person's is named.
        let shown = table.columns.iter().filter(|(column, _)| rows.only.is_empty() || rows.only.contains(column));
        let given: Vec<String> = shown
            .clone()
            .filter(|(_, column)| column.withheld.is_none())
            .map(|(name, _)| format!("{name:?}"))
            .collect();
        let of = if org.is_some() { "AND org_id = $2" } else { "AND $2::uuid IS NULL" };
        // Names from the register alone, which is part of this program.
        let statement = format!(
            "SELECT to_jsonb(held) FROM (SELECT {} FROM {name:?} WHERE {column} = $1::{kind} {of}) held",
            given.join(", ")
        );
        let found = sqlx::query(AssertSqlSafe(statement))
            .bind(value)
            .bind(org.map(|org| org.0))
            .fetch_all(tx)
            .await
            .map_err(|e| Error::Internal(format!("export of {name}: {e}")))?;
        for row in found {
            let Value::Object(mut row) = row.try_get::<Value, _>(0)? else { continue };
            for (column, withheld) in shown.clone().filter_map(|(name, column)| Some((name, column.withheld.as_ref()?)))
            {
                row.insert(column.clone(), Value::String(format!("(held, and not given here: {withheld})")));
            }
            let row = Value::Object(row);
            if self.there.insert((name, row.to_string()))
                && let Value::Object(row) = row
            {
                self.tables.entry(name).or_default().push(row);
            }
        }
        Ok(())
    }
}
