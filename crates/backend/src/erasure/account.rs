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
    exports::{Known, canonical},
    keys::KeyOf,
    mail::Lying,
};

/// What mails of an account that lie in a folder are found by.
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
        let known = self.known(user).await?.unwrap_or_else(|| Known::by_id(user));
        let person = Person { names: known.names.clone(), addresses: known.addresses().cloned().collect() };
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
        // The last is the one that they have.
        let addresses = canonical(known.addresses());
        if let Some(current) = addresses.last() {
            sqlx::query!("DELETE FROM sign_up_invitations WHERE email_canonical = $1", current)
                .execute(&self.pool)
                .await?;
            attempts::forget(&self.pool, user, current).await?;
        }
        let traces = Traces {
            ids: known.proven.iter().cloned().chain([user.to_string()]).collect(),
            names: person.full_names().map(str::to_owned).collect(),
            places,
            unproven: known.unproven.clone(),
        };
        // A job has an address as it was typed, or as addresses are compared.
        let waiting: Vec<String> = known.addresses().cloned().chain(addresses).chain([user.to_string()]).collect();
        self.forget_traces(&traces, &waiting).await?;
        sqlx::query_scalar!(r#"SELECT finish_erasure($1) AS "is!""#, begun.id).fetch_one(&self.pool).await?;
        // What was being written meanwhile: from here on, nothing is.
        self.forget_traces(&traces, &waiting).await?;
        // What was being made for them meanwhile is under a key of its own, which goes too: from here on there is no account that
        // another could be made for.
        self.keys.destroy_share(KeyOf::Person(user)).await?;
        self.bucket.remove_under(&folder).await?;
        // What is sent to an address that is perhaps another's stays, and so does what they did, under pseudonyms.
        let organisations = held.organisations.clone();
        let known = Known { unproven: None, pseudonyms: Vec::new(), organisations, ..known };
        let left = self.left_about(&known, &folder).await?;
        Ok(Removed { left, keys: vec!["the person's data key, both halves"], kept: json!([]) })
    }

    /// Removes mails that lie in a folder, and jobs that name any of what is waited for.
    async fn forget_traces(&self, traces: &Traces, waiting: &[String]) -> Result<(), Error> {
        let meant = traces.clone();
        self.mailer.forget(move |mail| meant.are_in(mail)).await?;
        self.forget_waiting(waiting).await
    }

    pub(super) async fn held_about(&self, user: UserId) -> Result<Held, Error> {
        let organisations = self.known(user).await?.map(|known| known.organisations).unwrap_or_default();
        let mut held = self.counted(user, &folder(user), &organisations).await?;
        held.organisations = organisations;
        Ok(held)
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
