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
pub(crate) struct Gathered {
    /// By table.
    pub(crate) tables: BTreeMap<&'static str, Vec<Map<String, Value>>>,
    /// Which of them are there: a row that is about the person in two ways is given once.
    #[serde(skip)]
    there: HashSet<(&'static str, String)>,
}

/// What a person is known by, and where.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) user: UserId,
    /// What they are called, and were.
    pub(crate) names: Vec<String>,
    /// Addresses that were shown to be theirs and are no other account's by now, as they were typed.
    pub(crate) proven: Vec<String>,
    /// Their address, if it was never shown to be theirs: perhaps it is somebody else's.
    pub(crate) unproven: Option<String>,
    pub(crate) pseudonyms: Vec<(OrgId, uuid::Uuid)>,
    /// Organisations that they are or were a member of, that invite them, or bill them.
    pub(crate) organisations: Vec<OrgId>,
}

impl Known {
    /// Who is known by nothing else any more.
    pub(crate) const fn by_id(user: UserId) -> Self {
        Self {
            user,
            names: Vec::new(),
            proven: Vec::new(),
            unproven: None,
            pseudonyms: Vec::new(),
            organisations: Vec::new(),
        }
    }

    /// All addresses, as they were typed.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = &String> {
        self.proven.iter().chain(&self.unproven)
    }
}

/// As addresses are compared.
pub(crate) fn canonical<'a>(addresses: impl Iterator<Item = &'a String>) -> Vec<String> {
    addresses.map(|address| address.to_lowercase()).collect()
}

/// Whether each row belongs to an organisation. A deletion is of one, of a cluster, or of an account, which is in none.
fn is_of_organisations(name: &str, table: &Table) -> bool {
    table.columns.contains_key("org_id") && name != "erasures"
}

impl Worker {
    pub(super) async fn gather(&self, user: UserId) -> Result<Gathered, Error> {
        let known = self.known(user).await?.ok_or(Error::NotFound)?;
        self.held_of(&known).await
    }

    /// What a person is known by whose account is there.
    pub(crate) async fn known(&self, user: UserId) -> Result<Option<Known>, Error> {
        let mut tx = database::begin(&self.pool, None, Some(user)).await?;
        let account = sqlx::query!(
            r#"SELECT name, email, former_names, email_verified_at IS NOT NULL AS "is_proven!",
                      ARRAY(SELECT former FROM unnest(former_addresses) former WHERE NOT EXISTS
                        (SELECT FROM users o WHERE o.id <> $1 AND o.email_canonical = lower(former))) AS "former_addresses!"
               FROM users WHERE id = $1"#,
            user.0,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(account) = account else { return Ok(None) };
        let names = account.former_names.into_iter().chain([account.name]).collect();
        let (mut proven, mut unproven) = (account.former_addresses, None);
        if account.is_proven {
            proven.push(account.email);
        } else {
            unproven = Some(account.email);
        }
        let pseudonyms = sqlx::query!("SELECT org_id, pseudonym FROM pseudonyms WHERE user_id = $1", user.0)
            .fetch_all(&mut *tx)
            .await?;
        let pseudonyms: Vec<_> = pseudonyms.into_iter().map(|row| (OrgId(row.org_id), row.pseudonym)).collect();
        // Who invites or bills an address that was never proven means perhaps somebody else.
        let meant = sqlx::query_scalar!(
            r#"SELECT org_id AS "org_id!" FROM unnest($1::text[]) address, organisations_inviting(address)
               UNION SELECT org_id FROM unnest($1::text[]) address, organisations_billing(address)"#,
            &canonical(proven.iter()),
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let mut organisations: Vec<OrgId> = pseudonyms.iter().map(|(org, _)| *org).collect();
        organisations.extend(meant.into_iter().map(OrgId));
        organisations.sort_unstable();
        organisations.dedup();
        Ok(Some(Known { user, names, proven, unproven, pseudonyms, organisations }))
    }

    /// All that is held about them, as far as the register has it given to them.
    pub(crate) async fn held_of(&self, known: &Known) -> Result<Gathered, Error> {
        let register = Register::get()?;
        let mut tx = database::begin(&self.pool, None, Some(known.user)).await?;
        let mut gathered = Gathered::default();
        for (name, table) in register.tables.iter().filter(|(name, table)| !is_of_organisations(name, table)) {
            for rows in &table.rows {
                gathered.read(&mut tx, name, table, rows, known, None).await?;
            }
        }
        tx.commit().await?;
        for org in known.organisations.iter().copied() {
            let mut tx = database::begin(&self.pool, Some((org, &Scope::All)), Some(known.user)).await?;
            for (name, table) in register.tables.iter().filter(|(name, table)| is_of_organisations(name, table)) {
                for rows in &table.rows {
                    gathered.read(&mut tx, name, table, rows, known, Some(org)).await?;
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
        let (values, kind) = match rows.is {
            Is::Account => (vec![known.user.to_string()], "uuid"),
            Is::Address => (canonical(known.addresses()), "text"),
            Is::Pseudonym => {
                let pseudonym = known.pseudonyms.iter().find(|(of, _)| Some(*of) == org);
                let Some((_, pseudonym)) = pseudonym else { return Ok(()) };
                (vec![pseudonym.to_string()], "uuid")
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
        // Names from the register alone, which is part of this program. No column is called as the row is: it would be meant instead.
        let statement = format!(
            "SELECT to_jsonb(of_theirs) FROM (SELECT {} FROM {name:?} WHERE {column} = ANY ($1::{kind}[]) {of}) of_theirs",
            given.join(", ")
        );
        let found = sqlx::query(AssertSqlSafe(statement))
            .bind(values)
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
