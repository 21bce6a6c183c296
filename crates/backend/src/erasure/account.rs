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
    exports::Known,
    keys::KeyOf,
    mail::Lying,
};

/// What an account is known by.
struct Account {
    person: Person,
    /// Its address as it is told from others.
    canonical: String,
    /// Whether it was shown to be theirs.
    is_proven: bool,
}

/// What mails and jobs of an account are found by.
#[derive(Clone)]
struct Traces {
    /// Its id and proven addresses.
    ids: Vec<String>,
    /// Names of more than one word.
    names: Vec<String>,
    /// What addresses of pages begin with, of organisations that it was in.
    places: Vec<String>,
    /// An address that was never shown to be theirs.
    unproven: Option<String>,
}

impl Traces {
    /// Whoever calls themselves by words of ours, or by an address that is not theirs, takes no mail from others.
    fn are_in(&self, mail: &Lying) -> bool {
        self.ids.iter().any(|id| mail.says(id))
            || (self.names.iter().any(|name| mail.says(name)) && self.places.iter().any(|place| mail.says(place)))
            || self.unproven.as_ref().is_some_and(|address| mail.says(address) && !mail.is_about_organisation())
    }
}

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
        // Who is gone already after something broke off is known by nothing else any more.
        let mut known = Known { user, addresses: Vec::new(), pseudonyms: Vec::new(), organisations: Vec::new() };
        let mut traces = None;
        if let Some(Account { person, canonical, is_proven }) = self.account_of(user).await? {
            let mut places = Vec::new();
            for org in &held.organisations {
                let mut tx = database::tenant_tx(&self.pool, *org, &Scope::All).await?;
                detach_person(&mut tx, *org, user, &person, self.world.now()).await?;
                let slug = sqlx::query_scalar!("SELECT slug FROM organisations WHERE id = $1", org.0)
                    .fetch_optional(&mut *tx)
                    .await?;
                places.extend(slug.map(|slug| format!("/o/{slug}/")));
                tx.commit().await?;
            }
            sqlx::query!("DELETE FROM sign_up_invitations WHERE email_canonical = $1", canonical)
                .execute(&self.pool)
                .await?;
            attempts::forget(&self.pool, user, &canonical).await?;
            let is_current = |address: &String| address.to_lowercase() == canonical;
            let proven = person.addresses.iter().filter(|address| is_proven || !is_current(address)).cloned();
            let found_by = Traces {
                ids: proven.chain([user.to_string()]).collect(),
                names: person.full_names().map(str::to_owned).collect(),
                places,
                unproven: (!is_proven).then(|| canonical.clone()),
            };
            self.forget_traces(&found_by).await?;
            traces = Some(found_by);
            known.addresses = person.addresses.iter().map(|address| address.to_lowercase()).collect();
            if !is_proven {
                known.addresses.retain(|address| *address != canonical);
            }
        }
        sqlx::query_scalar!(r#"SELECT finish_erasure($1) AS "is!""#, begun.id).fetch_one(&self.pool).await?;
        // What was being written meanwhile: from here on, nothing is.
        match &traces {
            Some(traces) => self.forget_traces(traces).await?,
            None => self.forget_waiting(&[user.to_string()]).await?,
        }
        // What was being made for them meanwhile is under a key of its own, which goes too: from here on there is no account that
        // another could be made for.
        self.keys.destroy_share(KeyOf::Person(user)).await?;
        self.bucket.remove_under(&folder).await?;
        known.organisations.clone_from(&held.organisations);
        let left = self.left_about(&known, &folder).await?;
        Ok(Removed { left, keys: vec!["the person's data key, both halves"], kept: json!([]) })
    }

    /// Removes them where mails and jobs wait.
    async fn forget_traces(&self, traces: &Traces) -> Result<(), Error> {
        let meant = traces.clone();
        self.mailer.forget(move |mail| meant.are_in(mail)).await?;
        self.forget_waiting(&traces.ids).await
    }

    pub(super) async fn held_about(&self, user: UserId) -> Result<Held, Error> {
        let organisations = self.known(user).await?.map(|known| known.organisations).unwrap_or_default();
        let mut held = self.counted(user, &folder(user), &organisations).await?;
        held.organisations = organisations;
        Ok(held)
    }

    /// What an account that is there still is known by.
    async fn account_of(&self, user: UserId) -> Result<Option<Account>, Error> {
        let row = sqlx::query!(
            // What is another account's address by now is theirs.
            r#"SELECT name, email, email_canonical, former_names, email_verified_at IS NOT NULL AS "is_proven!",
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
            Account { person, canonical: row.email_canonical, is_proven: row.is_proven }
        }))
    }

    /// What is left: of the columns that hold who somebody is, and of all rows that the register says are about them.
    async fn left_about(&self, known: &Known, folder: &str) -> Result<Held, Error> {
        let mut left = self.counted(known.user, folder, &known.organisations).await?;
        for (table, rows) in self.held_of(known).await?.tables {
            // Of this deletion itself, which forgets whose it was when it is done.
            if table != "erasures" && !left.rows.contains_key(table) {
                left.add(table, i64::try_from(rows.len()).unwrap_or(i64::MAX));
            }
        }
        Ok(left)
    }

    async fn counted(&self, user: UserId, folder: &str, organisations: &[OrgId]) -> Result<Held, Error> {
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
