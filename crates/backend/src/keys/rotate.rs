//! Another master key, while servers run. The new key is put first into the file, then named in the database as the one
//! to wrap by, then everything is wrapped anew, an organisation or some people at a time; then the old key is taken out of
//! the file. Whatever is broken off is gone on with when it is asked for again.

use kubewise_contract::{OrgId, UserId};
use sqlx::{PgConnection, PgPool};

use super::{HALF, Half, KeyOf, Keys, UNDER_DATA_KEY, master::KeyId};
use crate::{
    Error,
    activity::head_place,
    certificates::signing_place,
    database::{self, Scope},
    factors::seed_place,
    notifications::{secret_place, url_place},
};

/// Rows that are wrapped anew in one transaction.
const AT_ONCE: i64 = 200;

/// What a rotation did.
#[derive(Debug, serde::Serialize)]
pub struct Rotated {
    /// The master key that everything is wrapped by now: what tells it from others.
    pub key: String,
    /// Organisations that were looked at.
    pub organisations: u64,
    /// People who were.
    pub people: u64,
    /// Halves and columns that were encrypted anew.
    pub rewrapped: u64,
    /// Keys that are in the file.
    pub keys: usize,
}

/// Taken by whoever wraps something until it is committed: which key is the one to wrap by does not change meanwhile.
pub(super) async fn stand_by(tx: &mut PgConnection) -> Result<(), Error> {
    sqlx::query!("SELECT pg_advisory_xact_lock_shared(hashtextextended('kubewise master key', 0))").execute(tx).await?;
    Ok(())
}

impl Keys {
    /// Makes a new master key and wraps everything by it; the old ones are taken out of the file at the end. Where a rotation
    /// was broken off, goes on with it. `in_place`: the file is kept by somebody else, who has put the new key first; it is left
    /// as it is. `owner` logs in as `kubewise_owner`.
    pub async fn rotate(&self, owner: &PgPool, in_place: bool) -> Result<Rotated, Error> {
        self.check(owner).await?;
        // One at a time.
        let mut alone = database::begin(owner, None, None).await?;
        sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended('kubewise rotation', 0))")
            .execute(&mut *alone)
            .await?;
        let rotated = self.rotate_alone(owner, in_place).await?;
        alone.commit().await?;
        Ok(rotated)
    }

    async fn rotate_alone(&self, owner: &PgPool, in_place: bool) -> Result<Rotated, Error> {
        self.master.reload()?;
        if !in_place && self.master.count() == 1 {
            self.master.add(&self.world)?;
        }
        let key = self.master.first();
        self.wrap_by(owner, key).await?;
        let (mut organisations, mut people, mut rewrapped) = (0, 0, 0);
        let mut after = uuid::Uuid::nil();
        loop {
            let ids =
                sqlx::query_scalar!("SELECT id FROM organisations WHERE id > $1 ORDER BY id LIMIT $2", after, AT_ONCE)
                    .fetch_all(owner)
                    .await?;
            let Some(last) = ids.last() else { break };
            after = *last;
            for id in ids {
                rewrapped += self.rewrap_organisation(owner, OrgId(id), key).await?;
                organisations += 1;
            }
        }
        let mut after = uuid::Uuid::nil();
        loop {
            let ids = sqlx::query_scalar!(
                r#"SELECT id AS "id!" FROM (SELECT user_id AS id FROM person_keys UNION SELECT user_id FROM authenticators) whose
                   WHERE id > $1 ORDER BY id LIMIT $2"#,
                after,
                AT_ONCE,
            )
            .fetch_all(owner)
            .await?;
            let Some(last) = ids.last() else { break };
            after = *last;
            for id in ids {
                rewrapped += self.rewrap_person(owner, UserId(id), key).await?;
                people += 1;
            }
        }
        rewrapped += self.rewrap_signing_keys(owner, key).await?;
        if !in_place {
            self.master.keep_only(key, &self.world)?;
        }
        Ok(Rotated { key: hex::encode(key), organisations, people, rewrapped, keys: self.master.count() })
    }

    /// From when this is committed, everything new is wrapped by it: who is wrapping something by another is waited for.
    async fn wrap_by(&self, owner: &PgPool, key: KeyId) -> Result<(), Error> {
        let mut tx = database::begin(owner, None, None).await?;
        sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended('kubewise master key', 0))")
            .execute(&mut *tx)
            .await?;
        sqlx::query!(
            "UPDATE installation SET master_key = $1, set_at = $2 WHERE master_key <> $1",
            &key[..],
            self.world.now()
        )
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    async fn rewrap_organisation(&self, owner: &PgPool, org: OrgId, key: KeyId) -> Result<u64, Error> {
        let of = KeyOf::Organisation(org);
        let mut tx = database::tenant_tx(owner, org, &Scope::All).await?;
        // As who deletes it does: first of all what everything else hangs on. Of both, one is first.
        let is_there = sqlx::query_scalar!("SELECT id FROM organisations WHERE id = $1 FOR KEY SHARE", org.0)
            .fetch_optional(&mut *tx)
            .await?;
        if is_there.is_none() {
            return Ok(0);
        }
        let mut done = 0;
        let row = sqlx::query!("SELECT sealed, shared FROM organisation_keys WHERE org_id = $1 FOR UPDATE", org.0)
            .fetch_optional(&mut *tx)
            .await?;
        if let Some(row) = row
            && let Some(sealed) = self.rewrapped(of, &row.sealed, row.shared, key).await?
        {
            sqlx::query!("UPDATE organisation_keys SET sealed = $2, shared = true WHERE org_id = $1", org.0, sealed)
                .execute(&mut *tx)
                .await?;
            done += 1;
        }
        // Columns from before there were data keys.
        let head = sqlx::query_scalar!("SELECT sealed FROM activity_heads WHERE org_id = $1 FOR UPDATE", org.0)
            .fetch_optional(&mut *tx)
            .await?;
        if let Some(sealed) = head.filter(|sealed| !sealed.starts_with(&UNDER_DATA_KEY)) {
            let sealed = self.under_data_key(&mut tx, of, &head_place(org), &sealed).await?;
            sqlx::query!("UPDATE activity_heads SET sealed = $2 WHERE org_id = $1", org.0, sealed)
                .execute(&mut *tx)
                .await?;
            done += 1;
        }
        let rows = sqlx::query!(
            r#"SELECT id, url AS "url!", secret FROM notifications WHERE org_id = $1 AND url IS NOT NULL
               AND (substring(url FOR 4) <> $2 OR substring(secret FOR 4) <> $2) FOR UPDATE"#,
            org.0,
            &UNDER_DATA_KEY[..],
        )
        .fetch_all(&mut *tx)
        .await?;
        for row in rows {
            let id = kubewise_contract::NotificationId(row.id);
            let url = self.under_data_key(&mut tx, of, &url_place(org, id), &row.url).await?;
            let secret = match row.secret {
                Some(secret) => Some(self.under_data_key(&mut tx, of, &secret_place(org, id), &secret).await?),
                None => None,
            };
            sqlx::query!(
                "UPDATE notifications SET url = $3, secret = $4 WHERE org_id = $1 AND id = $2",
                org.0,
                row.id,
                url,
                secret
            )
            .execute(&mut *tx)
            .await?;
            done += 1;
        }
        tx.commit().await?;
        Ok(done)
    }

    async fn rewrap_person(&self, owner: &PgPool, user: UserId, key: KeyId) -> Result<u64, Error> {
        let of = KeyOf::Person(user);
        let mut tx = database::begin(owner, None, None).await?;
        let is_there = sqlx::query_scalar!("SELECT id FROM users WHERE id = $1 FOR KEY SHARE", user.0)
            .fetch_optional(&mut *tx)
            .await?;
        if is_there.is_none() {
            return Ok(0);
        }
        let mut done = 0;
        let sealed = sqlx::query_scalar!("SELECT sealed FROM person_keys WHERE user_id = $1 FOR UPDATE", user.0)
            .fetch_optional(&mut *tx)
            .await?;
        if let Some(sealed) = sealed
            && let Some(sealed) = self.rewrapped(of, &sealed, true, key).await?
        {
            sqlx::query!("UPDATE person_keys SET sealed = $2 WHERE user_id = $1", user.0, sealed)
                .execute(&mut *tx)
                .await?;
            done += 1;
        }
        let seed = sqlx::query_scalar!("SELECT seed FROM authenticators WHERE user_id = $1 FOR UPDATE", user.0)
            .fetch_optional(&mut *tx)
            .await?;
        if let Some(sealed) = seed.filter(|sealed| !sealed.starts_with(&UNDER_DATA_KEY)) {
            let sealed = self.under_data_key(&mut tx, of, &seed_place(user), &sealed).await?;
            sqlx::query!("UPDATE authenticators SET seed = $2 WHERE user_id = $1", user.0, sealed)
                .execute(&mut *tx)
                .await?;
            done += 1;
        }
        tx.commit().await?;
        Ok(done)
    }

    async fn rewrap_signing_keys(&self, owner: &PgPool, key: KeyId) -> Result<u64, Error> {
        let mut tx = database::begin(owner, None, None).await?;
        let rows = sqlx::query!("SELECT id, sealed FROM signing_keys FOR UPDATE").fetch_all(&mut *tx).await?;
        let mut done = 0;
        for row in rows.into_iter().filter(|row| !row.sealed.starts_with(&key)) {
            let place = signing_place(&row.id);
            let sealed = self.master.wrap(&key, &place, &self.unwrap(&place, &row.sealed)?)?;
            sqlx::query!("UPDATE signing_keys SET sealed = $2 WHERE id = $1", row.id, sealed).execute(&mut *tx).await?;
            done += 1;
        }
        tx.commit().await?;
        Ok(done)
    }

    /// A half under another master key; none if it is already. One that was the whole key is halved.
    async fn rewrapped(&self, of: KeyOf, sealed: &[u8], shared: bool, key: KeyId) -> Result<Option<Vec<u8>>, Error> {
        if shared && sealed.starts_with(&key) {
            return Ok(None);
        }
        let mut half = self.unwrap(&of.place(), sealed)?;
        if !shared {
            let share: Half = self.shares.get_or_make(&self.world, &of.share()).await?;
            half = (0..HALF.min(half.len())).map(|at| half[at] ^ share[at]).collect();
        }
        self.master.wrap(&key, &of.place(), &half).map(Some)
    }

    async fn under_data_key(
        &self,
        tx: &mut PgConnection,
        of: KeyOf,
        place: &str,
        sealed: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let key = self.get(tx, of).await?;
        let text = self.open(&key, place, sealed)?;
        key.seal(place, &text)
    }
}
