//! What somebody agreed to, and whether they are told of changes.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use kubewise_contract::{AcceptedPolicy, UserId};
use secrecy::{ExposeSecret, SecretString};
use sqlx::PgConnection;

use super::PublicPolicies;
use crate::{Actor, Error, Web, world::timestamp};

/// What somebody agrees to who makes an account.
const AGREED: [&str; 2] = ["privacy", "security"];

impl Web {
    /// The policies on the website.
    pub fn public_policies(&self) -> &PublicPolicies {
        self.public_policies.as_deref().unwrap_or_else(|| PublicPolicies::built_in())
    }

    /// Writes down that somebody whose account is being made agrees to the policies as they are.
    pub(crate) async fn agree(&self, tx: &mut PgConnection, user: UserId) -> Result<(), Error> {
        let now = self.world.now();
        for policy in AGREED.iter().filter_map(|name| self.public_policies().find(name)) {
            sqlx::query!(
                "INSERT INTO policy_acceptances (user_id, policy, version, accepted_at) VALUES ($1, $2, $3, $4)",
                user.0,
                policy.name,
                policy.current().date,
                now,
            )
            .execute(&mut *tx)
            .await?;
        }
        Ok(())
    }

    /// What the person agreed to, latest first.
    pub async fn accepted_policies(&self, actor: &Actor) -> Result<Vec<AcceptedPolicy>, Error> {
        let rows = sqlx::query!(
            "SELECT policy, version, accepted_at FROM policy_acceptances WHERE user_id = $1
             ORDER BY accepted_at DESC, policy, version DESC",
            actor.user.0,
        )
        .fetch_all(&self.pool)
        .await?;
        let rows = rows.into_iter().map(|row| {
            let version = self.public_policies().find(&row.policy).and_then(|policy| policy.version(row.version));
            AcceptedPolicy {
                // One that this server does not know is called by its name.
                title: version.map_or_else(|| row.policy.clone(), |(version, _)| version.title.clone()),
                policy: row.policy,
                version: row.version.to_string(),
                at: timestamp(row.accepted_at),
            }
        });
        Ok(rows.collect())
    }

    /// Whether the person is mailed when a policy changes significantly.
    pub async fn policy_mails(&self, actor: &Actor) -> Result<bool, Error> {
        let is = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM policy_subscriptions WHERE user_id = $1) AS "is!""#,
            actor.user.0,
        );
        Ok(is.fetch_one(&self.pool).await?)
    }

    /// Has the person mailed when a policy changes significantly, or not any more.
    pub async fn set_policy_mails(&self, actor: &Actor, wanted: bool) -> Result<(), Error> {
        if wanted {
            sqlx::query!(
                "INSERT INTO policy_subscriptions (user_id, token, since) VALUES ($1, $2, $3) ON CONFLICT (user_id) DO NOTHING",
                actor.user.0,
                &self.world.random::<32>(),
                self.world.now(),
            )
            .execute(&self.pool)
            .await?;
        } else {
            sqlx::query!("DELETE FROM policy_subscriptions WHERE user_id = $1", actor.user.0)
                .execute(&self.pool)
                .await?;
        }
        Ok(())
    }

    /// Ends the mails about policies that a mail is one of, by what it carries. What was not made here, or ended them
    /// already, is [`Error::LinkEnded`].
    pub async fn end_policy_mails(&self, token: &SecretString) -> Result<(), Error> {
        let token = URL_SAFE_NO_PAD.decode(token.expose_secret()).map_err(|_| Error::LinkEnded)?;
        let ended =
            sqlx::query!("DELETE FROM policy_subscriptions WHERE token = $1", token).execute(&self.pool).await?;
        if ended.rows_affected() == 1 { Ok(()) } else { Err(Error::LinkEnded) }
    }
}

/// The token as an address carries it.
pub(super) fn written(token: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(token)
}
