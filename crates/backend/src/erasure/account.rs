//! A person is forgotten. What they did in organisations stays under the pseudonyms they had there, which nothing connects
//! with them any more.

use kubewise_contract::{OrgId, UserId};
use serde_json::json;

use super::{
    held::Held,
    run::{Begun, Removed},
};
use crate::{
    Error, Worker,
    activity::forget::{Person, detach_person},
    attempts,
    database::{self, Scope},
    keys::KeyOf,
};

/// Where objects about a person are, in the bucket.
fn folder(user: UserId) -> String {
    format!("people/{user}")
}

impl Worker {
    pub(super) async fn erase_account(&self, begun: &Begun, user: UserId) -> Result<Removed, Error> {
        let (folder, held) = (folder(user), &begun.held);
        // First of all the key: what copies hold of what it encrypted is noise from here on.
        let mut tx = database::begin(&self.pool, None, Some(user)).await?;
        self.keys.destroy(&mut tx, KeyOf::Person(user)).await?;
        tx.commit().await?;
        self.bucket.remove_under(&folder).await?;
        if let Some((person, canonical)) = self.account_of(user).await? {
            for org in &held.organisations {
                let mut tx = database::tenant_tx(&self.pool, *org, &Scope::All).await?;
                detach_person(&mut tx, *org, user, &person, self.world.now()).await?;
                tx.commit().await?;
            }
            sqlx::query!("DELETE FROM sign_up_invitations WHERE email_canonical = $1", canonical)
                .execute(&self.pool)
                .await?;
            attempts::forget(&self.pool, user, &canonical).await?;
            let ids: Vec<String> = person.addresses.iter().cloned().chain([canonical, user.to_string()]).collect();
            let names = person.full_names().map(str::to_owned);
            self.mailer.forget(&ids.iter().cloned().chain(names).collect::<Vec<_>>()).await?;
            self.forget_waiting(&ids).await?;
        }
        sqlx::query_scalar!(r#"SELECT finish_erasure($1) AS "is!""#, begun.id).fetch_one(&self.pool).await?;
        // What was being made for them meanwhile is under a key of its own, which goes too: from here on there is no account that
        // another could be made for.
        self.keys.destroy_share(KeyOf::Person(user)).await?;
        self.bucket.remove_under(&folder).await?;
        let left = self.left_about(user, &folder, &held.organisations).await?;
        Ok(Removed { left, keys: vec!["the person's data key, both halves"], kept: json!([]) })
    }

    pub(super) async fn held_about(&self, user: UserId) -> Result<Held, Error> {
        let mut tx = database::begin(&self.pool, None, Some(user)).await?;
        let mut organisations =
            sqlx::query_scalar!("SELECT org_id FROM pseudonyms WHERE user_id = $1", user.0).fetch_all(&mut *tx).await?;
        let invited = sqlx::query_scalar!(
            // An address that was never proven to be theirs is perhaps somebody else's, and so are invitations to it; and so
            // is one that is another account's by now.
            r#"SELECT i.org_id AS "org_id!" FROM users u,
                 unnest(array_append(u.former_addresses, CASE WHEN u.email_verified_at IS NOT NULL THEN u.email END)) address,
                 organisations_inviting(lower(address)) i
               WHERE u.id = $1
                 AND NOT EXISTS (SELECT FROM users o WHERE o.id <> u.id AND o.email_canonical = lower(address))"#,
            user.0,
        )
        .fetch_all(&mut *tx)
        .await?;
        tx.commit().await?;
        organisations.extend(invited);
        organisations.sort_unstable();
        organisations.dedup();
        let organisations: Vec<OrgId> = organisations.into_iter().map(OrgId).collect();
        let mut held = self.left_about(user, &folder(user), &organisations).await?;
        held.organisations = organisations;
        Ok(held)
    }

    /// What an account that is there still is known by, and its address as it is told from others.
    async fn account_of(&self, user: UserId) -> Result<Option<(Person, String)>, Error> {
        let row = sqlx::query!(
            // What is another account's address by now is theirs.
            r#"SELECT name, email, email_canonical, former_names,
                      ARRAY(SELECT former FROM unnest(former_addresses) former WHERE NOT EXISTS
                        (SELECT FROM users o WHERE o.id <> $1 AND o.email_canonical = lower(former))) AS "former_addresses!"
               FROM users WHERE id = $1"#,
            user.0,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| {
            let person = Person {
                names: row.former_names.into_iter().chain([row.name]).collect(),
                addresses: row.former_addresses.into_iter().chain([row.email]).collect(),
            };
            (person, row.email_canonical)
        }))
    }

    async fn left_about(&self, user: UserId, folder: &str, organisations: &[OrgId]) -> Result<Held, Error> {
        let mut held = Held::default();
        let mut tx = database::begin(&self.pool, None, Some(user)).await?;
        held.count(&mut tx, "user_id", user.0, false).await?;
        if sqlx::query_scalar!("SELECT id FROM users WHERE id = $1", user.0).fetch_optional(&mut *tx).await?.is_some() {
            held.itself("users");
        }
        tx.commit().await?;
        for org in organisations {
            let mut tx = database::tenant_tx(&self.pool, *org, &Scope::All).await?;
            held.count(&mut tx, "user_id", user.0, true).await?;
            tx.commit().await?;
        }
        let stored = self.bucket.usage_under(folder).await?;
        (held.objects, held.bytes) = (stored.objects, stored.bytes);
        Ok(held)
    }
}
