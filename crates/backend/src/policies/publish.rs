//! A version is published: whoever asked for it is told of significant changes, once.

use kubewise_contract::UserId;
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use time::{Date, OffsetDateTime};

use super::{PublicPolicies, consent::written, letter, parse_date};
use crate::{
    Error, Worker, World, database, jobs,
    mail::{Mail, Mailer},
};

/// People who are written to in one transaction.
const AT_ONCE: i64 = 500;

/// What publishing did.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
pub struct Published {
    /// The policy.
    pub policy: String,
    /// The date of the version.
    pub version: String,
    /// Whether it changes something that somebody may decide by.
    pub significant: bool,
    /// How many mails were enqueued by this.
    pub mailed: u64,
}

/// Publishes a version of a policy, or the current one, and has those told who asked for it by then, if it is significant.
/// Done twice, or once more after it was interrupted, it tells whom it did not tell yet. `owner` logs in as
/// `kubewise_owner`. Fails with [`Error::NotFound`] when there is no such policy or version.
pub async fn publish_policy(
    owner: &PgPool,
    world: &World,
    policies: &PublicPolicies,
    name: &str,
    version: Option<Date>,
) -> Result<Published, Error> {
    let policy = policies.find(name).ok_or(Error::NotFound)?;
    let date = version.unwrap_or(policy.current().date);
    let (version, _) = policy.version(date).ok_or(Error::NotFound)?;
    // When it was published first: who asked later reads it as it is.
    let published_at = sqlx::query_scalar!(
        "INSERT INTO policy_publications (policy, version, published_at) VALUES ($1, $2, $3)
         ON CONFLICT (policy, version) DO UPDATE SET published_at = policy_publications.published_at
         RETURNING published_at",
        policy.name,
        date,
        world.now(),
    )
    .fetch_one(owner)
    .await?;
    let mut mailed = 0;
    if version.is_significant {
        while let Some(more) = write_to_some(owner, world, name, date, published_at).await? {
            mailed += more;
        }
    }
    Ok(Published {
        policy: policy.name.clone(),
        version: date.to_string(),
        significant: version.is_significant,
        mailed,
    })
}

/// Has some of those told who asked by then and were not told yet: how many; none when there is nobody left.
async fn write_to_some(
    owner: &PgPool,
    world: &World,
    policy: &str,
    version: Date,
    until: OffsetDateTime,
) -> Result<Option<u64>, Error> {
    let mut tx = database::begin(owner, None, None).await?;
    let due = sqlx::query_scalar!(
        "SELECT s.user_id FROM policy_subscriptions s
         WHERE s.since <= $3
           AND NOT EXISTS (SELECT FROM policy_letters l
                           WHERE l.user_id = s.user_id AND l.policy = $1 AND l.version = $2)
         ORDER BY s.user_id LIMIT $4",
        policy,
        version,
        until,
        AT_ONCE,
    )
    .fetch_all(&mut *tx)
    .await?;
    if due.is_empty() {
        return Ok(None);
    }
    // Accounts that are being deleted meanwhile are not written to; what another run wrote down is that one's.
    let written = sqlx::query_scalar!(
        "INSERT INTO policy_letters (user_id, policy, version, written_at)
         SELECT u.id, $2, $3, $4 FROM users u WHERE u.id = ANY ($1) ORDER BY u.id
         ON CONFLICT DO NOTHING RETURNING user_id",
        &due,
        policy,
        version,
        world.now(),
    )
    .fetch_all(&mut *tx)
    .await?;
    let mails: Vec<Mail> = written
        .into_iter()
        .map(|user| Mail::PolicyChanged { user: UserId(user), policy: policy.to_owned(), version: version.to_string() })
        .collect();
    jobs::enqueue_all(&mut tx, &mails).await?;
    tx.commit().await?;
    Ok(Some(u64::try_from(mails.len()).unwrap_or_default()))
}

impl Worker {
    /// The policies on the website.
    fn public_policies(&self) -> &PublicPolicies {
        self.public_policies.as_deref().unwrap_or_else(|| PublicPolicies::built_in())
    }

    /// Tells somebody of a new version, if they still want that.
    pub(crate) async fn send_policy_letter(&self, user: UserId, policy: &str, version: &str) -> Result<(), Error> {
        let found = self.public_policies().find(policy).zip(parse_date(version));
        // A server before the one that published it does not know it yet.
        let (version, _) = found
            .and_then(|(policy, date)| policy.version(date))
            .ok_or_else(|| Error::Internal(format!("the policy {policy} of {version} is not in this server")))?;
        let wanted = sqlx::query!(
            "SELECT u.name, u.email, s.token FROM policy_subscriptions s JOIN users u ON u.id = s.user_id
             WHERE s.user_id = $1",
            user.0,
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(wanted) = wanted else { return Ok(()) };
        let composed = letter::write(&About {
            site: self.mailer.site(),
            name: &wanted.name,
            policy,
            version,
            end: end(&self.mailer, &wanted.token),
            id: id(user, policy, version.date),
        })?;
        self.mailer.post(&wanted.name, &wanted.email, composed).await
    }
}

/// What a letter is written from.
pub(super) struct About<'a> {
    /// The address of this installation.
    pub(super) site: &'a str,
    /// Whom it is to.
    pub(super) name: &'a str,
    /// What the policy is called in addresses.
    pub(super) policy: &'a str,
    /// What changed.
    pub(super) version: &'a super::PolicyVersion,
    /// Where such mails are ended.
    pub(super) end: String,
    /// The same when it is sent again.
    pub(super) id: String,
}

fn end(mailer: &Mailer, token: &[u8]) -> String {
    format!("{}/unsubscribe/policies?token={}", mailer.site(), written(token))
}

/// Says nothing of whom the mail is to.
fn id(user: UserId, policy: &str, version: Date) -> String {
    hex::encode(&Sha256::digest(format!("policy {policy} {version} {user}"))[..16])
}
