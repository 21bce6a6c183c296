//! Tokens by which scripts ask the API. A token of a person does what it was given and what the person may at that
//! moment, never more; one of the organisation does what it was given. Both are in one organisation.

use kubewise_contract::{
    Access, Action, ClusterId, Field, FieldError, Permission, Permissions, Problem, Role, TokenId, TokenName, TokenRow,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use time::Duration;

use crate::{
    Authorized, Error, Organisation, Web,
    activity::Entry,
    attempts,
    authorize::{self, Author, Bearer, Holder, Right},
    database::{self, Scope},
    permission::MakeTokens,
    team, token,
    world::timestamp,
};

/// Longest that a token works, in days.
const LONGEST_DAYS: i64 = 365;
/// Tokens of an organisation that work at once.
const MOST: i64 = 500;
/// Requests of one token in a minute.
pub const REQUESTS_PER_MINUTE: i32 = 600;
/// How exact "last used" is.
const SEEN_EVERY: Duration = Duration::minutes(1);

/// A token that is asked for.
pub struct NewToken {
    /// What people call it.
    pub name: TokenName,
    /// What it may do, of what who asks may.
    pub permissions: Permissions,
    /// Only these clusters; none: all that its owner sees.
    pub clusters: Option<Vec<ClusterId>>,
    /// In how many days it ends.
    pub days: i64,
    /// Whether it is the organisation's rather than of who asks.
    pub of_organisation: bool,
}

/// How often a token may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests that are left, of [`REQUESTS_PER_MINUTE`].
    pub left: i32,
    /// Until in so many seconds the next minute begins.
    pub seconds: u32,
}

impl Web {
    /// One's own tokens; for who manages them, all.
    pub async fn api_tokens(&self, org: &Authorized<Organisation, MakeTokens>) -> Result<Vec<TokenRow>, Error> {
        let now = self.world.now();
        let mut tx = org.read(&self.pool).await?;
        let clusters = team::choices(&mut tx, org).await?;
        let rows = sqlx::query!(
            r#"SELECT t.id, t.name, t.user_id, u.name AS "owner?", t.permissions, t.clusters, t.created_at, t.expires_at,
                      t.last_used_at
               FROM api_tokens t LEFT JOIN users u ON u.id = t.user_id
               WHERE t.org_id = $1 AND t.revoked_at IS NULL AND ($2 OR t.user_id = $3)
               ORDER BY t.created_at DESC, t.id LIMIT $4"#,
            org.id.0,
            org.may(Permission::ManageTokens),
            org.holder().by.person().map(|user| user.0),
            MOST,
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        let rows = rows.into_iter().map(|row| TokenRow {
            id: TokenId(row.id),
            name: row.name,
            owner: row.owner,
            permissions: row.permissions.iter().filter_map(|p| Permission::parse(p)).collect(),
            is_limited: row.clusters.is_some(),
            clusters: team::named(row.clusters, &clusters),
            created_at: timestamp(row.created_at),
            expires_at: timestamp(row.expires_at),
            is_expired: row.expires_at <= now,
            last_used_at: row.last_used_at.map(timestamp),
        });
        Ok(rows.collect())
    }

    /// The clusters that a token can be limited to: those that who asks sees.
    pub async fn token_choices(
        &self,
        org: &Authorized<Organisation, MakeTokens>,
    ) -> Result<Vec<kubewise_contract::ClusterChoice>, Error> {
        let mut tx = org.read(&self.pool).await?;
        let choices = team::choices(&mut tx, org).await?;
        tx.commit().await?;
        Ok(choices)
    }

    /// Makes a token, which is never seen again.
    pub async fn make_api_token(
        &self,
        org: &Authorized<Organisation, MakeTokens>,
        wanted: &NewToken,
    ) -> Result<(TokenId, SecretString), Error> {
        let refused = |field, problem| Err(FieldError { field, problem }.into());
        let given: Vec<Permission> =
            wanted.permissions.iter().filter(|permission| Permission::FOR_TOKENS.contains(permission)).collect();
        if given.is_empty() {
            return refused(Field::Permissions, Problem::Missing);
        }
        if !(1..=LONGEST_DAYS).contains(&wanted.days) {
            return refused(Field::Expiry, Problem::NotUnderstood);
        }
        let person = org.holder().by.person().ok_or(Error::Forbidden)?;
        let (id, now) = (TokenId(self.world.uuid()), self.world.now());
        let (secret, hash) = token::API.generate(&self.world, org.id);
        let mut tx = org.write(self).await?;
        // Nobody hands on what they do not have, nor has any more.
        if (wanted.of_organisation && !tx.may(Permission::ManageTokens)) || given.iter().any(|one| !tx.may(*one)) {
            return Err(Error::Forbidden);
        }
        let access = Access { role: Role::Viewer, clusters: wanted.clusters.clone() };
        let clusters = team::checked_clusters(&mut tx, org.id, &access).await?;
        if clusters.iter().flatten().any(|cluster| !org.holder().scope.sees(ClusterId(*cluster))) {
            return refused(Field::Clusters, Problem::NotUnderstood);
        }
        let names: Vec<String> = given.iter().map(|permission| permission.as_str().to_owned()).collect();
        let made = sqlx::query!(
            "INSERT INTO api_tokens (org_id, id, hash, name, user_id, created_by, permissions, clusters, created_at, expires_at)
             SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10
             WHERE (SELECT count(*) FROM api_tokens WHERE org_id = $1 AND revoked_at IS NULL AND expires_at > $9) < $11",
            org.id.0,
            id.0,
            &hash[..],
            wanted.name.as_str(),
            (!wanted.of_organisation).then_some(person.0),
            person.0,
            &names,
            clusters.as_deref(),
            now,
            now + Duration::days(wanted.days),
            MOST,
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
        if made == 0 {
            return Err(Error::TooMany { seconds: 3600 });
        }
        let after = json!({
            "of": if wanted.of_organisation { "organisation" } else { "person" },
            "permissions": names,
            "clusters": clusters,
            "days": wanted.days,
        });
        tx.commit(Entry::named(Action::TokenCreate, id.0, wanted.name.as_str()).after(after)).await?;
        Ok((id, secret))
    }

    /// Refuses a token from now on: one's own, or, for who manages them, anybody's.
    pub async fn revoke_api_token(&self, org: &Authorized<Organisation, MakeTokens>, id: TokenId) -> Result<(), Error> {
        let mut tx = org.write(self).await?;
        let manages = tx.may(Permission::ManageTokens);
        Right::Token(id).take(&mut tx).await?;
        let name = sqlx::query_scalar!(
            "UPDATE api_tokens SET revoked_at = $3
             WHERE org_id = $1 AND id = $2 AND revoked_at IS NULL AND ($4 OR user_id = $5) RETURNING name",
            org.id.0,
            id.0,
            self.world.now(),
            manages,
            org.holder().by.person().map(|user| user.0),
        )
        .fetch_optional(&mut *tx)
        .await?
        .ok_or(Error::NotFound)?;
        tx.commit(Entry::named(Action::TokenRevoke, id.0, &name)).await
    }

    /// Who a token speaks for, asking from this network; none when it is unknown, revoked or too old, or the person may
    /// not be here any more.
    pub async fn bearer(&self, secret: &SecretString, place: String) -> Result<Option<Bearer>, Error> {
        let Some((org, hash)) = token::API.parse(secret.expose_secret()) else { return Ok(None) };
        let now = self.world.now();
        let mut tx = database::tenant_tx(&self.pool, org, &Scope::All).await?;
        let row = sqlx::query!(
            r#"SELECT t.id, t.user_id, t.permissions, t.clusters, t.last_used_at, o.name,
                      m.role AS "role?", m.clusters AS member_clusters,
                      t.user_id IS NULL OR NOT o.requires_second_factor
                      OR EXISTS (SELECT FROM authenticators a WHERE a.user_id = t.user_id AND a.confirmed_at IS NOT NULL)
                      OR EXISTS (SELECT FROM passkeys p WHERE p.user_id = t.user_id) AS "is_safe!"
               FROM api_tokens t JOIN organisations o ON o.id = t.org_id
               LEFT JOIN memberships m ON m.org_id = t.org_id AND m.user_id = t.user_id
               LEFT JOIN users u ON u.id = t.user_id
               WHERE t.org_id = $1 AND t.hash = $2 AND t.revoked_at IS NULL AND t.expires_at > $3
                 AND (t.user_id IS NULL OR (m.user_id IS NOT NULL AND u.disabled_at IS NULL))"#,
            org.0,
            &hash[..],
            now,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(None) };
        if row.last_used_at.is_none_or(|at| at < now - SEEN_EVERY) {
            sqlx::query!("UPDATE api_tokens SET last_used_at = $3 WHERE org_id = $1 AND id = $2", org.0, row.id, now)
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        let mut permissions: Permissions = row.permissions.iter().filter_map(|p| Permission::parse(p)).collect();
        let mut scope = Scope::from_column(row.clusters);
        if let Some(role) = row.role {
            let held = authorize::held_by(&role, row.member_clusters)?;
            permissions = permissions.and(held.0);
            scope = held.1.and(&scope);
        }
        if scope.column().is_some() {
            permissions = permissions.iter().filter(|permission| !permission.needs_every_cluster()).collect();
        }
        // The organisation asks its members for what this one does not have.
        if !row.is_safe {
            permissions = Permissions::NONE;
        }
        let by = Author::Token { id: TokenId(row.id), of: row.user_id.map(kubewise_contract::UserId) };
        Ok(Some(Bearer { name: row.name, holder: Holder { by, place, org, permissions, scope } }))
    }

    /// Counts one request of a token. Fails with [`Error::TooMany`] when it asked too often in this minute.
    pub async fn count_request(&self, bearer: &Bearer) -> Result<Rate, Error> {
        let Author::Token { id, .. } = bearer.holder.by else { return Err(Error::Forbidden) };
        let now = self.world.now();
        let minute = now - Duration::minutes(1);
        let mut tx = bearer.holder.read(&self.pool).await?;
        let row = sqlx::query!(
            "INSERT INTO api_token_minutes AS m (org_id, token_id, began_at, requests) VALUES ($1, $2, $3, 1)
             ON CONFLICT (org_id, token_id) DO UPDATE SET
               began_at = CASE WHEN m.began_at <= $4 THEN $3 ELSE m.began_at END,
               requests = CASE WHEN m.began_at <= $4 THEN 1 ELSE m.requests + 1 END
             RETURNING began_at, requests",
            bearer.holder.org.0,
            id.0,
            now,
            minute,
        )
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        let seconds = attempts::seconds(now, row.began_at + Duration::minutes(1));
        if row.requests > REQUESTS_PER_MINUTE {
            return Err(Error::TooMany { seconds });
        }
        Ok(Rate { left: REQUESTS_PER_MINUTE - row.requests, seconds })
    }

    /// The organisation that a token is of.
    pub fn organisation_of<P: crate::permission::Grant>(
        &self,
        bearer: &Bearer,
    ) -> Result<Authorized<Organisation, P>, Error> {
        Authorized::of_bearer(bearer)
    }
}
