//! What an organisation asks of its members.

use kubewise_contract::OrganisationSettings;

use crate::{Actor, Authorized, Error, Organisation, Web, database, permission::ManageOrganisation};

impl Web {
    /// What is set, and how many members it would shut out.
    pub async fn organisation_settings(
        &self,
        organisation: &Authorized<Organisation, ManageOrganisation>,
    ) -> Result<OrganisationSettings, Error> {
        let mut tx = database::tenant_tx(&self.pool, organisation.id).await?;
        let row = sqlx::query!(
            r#"SELECT o.name, o.requires_second_factor,
                      (SELECT count(*) FROM memberships m WHERE m.org_id = o.id) AS "members!",
                      (SELECT count(*) FROM memberships m WHERE m.org_id = o.id
                         AND NOT EXISTS (SELECT FROM authenticators a
                                         WHERE a.user_id = m.user_id AND a.confirmed_at IS NOT NULL)
                         AND NOT EXISTS (SELECT FROM passkeys p WHERE p.user_id = m.user_id)) AS "without!"
               FROM organisations o WHERE o.id = $1"#,
            organisation.id.0,
        )
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(OrganisationSettings {
            name: row.name,
            requires_second_factor: row.requires_second_factor,
            members: row.members,
            without_second_factor: row.without,
        })
    }

    /// Whether members without a second factor see anything of the organisation. Who has none cannot ask for one: they
    /// would shut themselves out.
    pub async fn require_second_factor(
        &self,
        organisation: &Authorized<Organisation, ManageOrganisation>,
        actor: &Actor,
        required: bool,
    ) -> Result<(), Error> {
        if required && !actor.has_second_factor {
            return Err(Error::SecondFactorNeeded);
        }
        let mut tx = database::tenant_tx(&self.pool, organisation.id).await?;
        sqlx::query!("UPDATE organisations SET requires_second_factor = $2 WHERE id = $1", organisation.id.0, required)
            .execute(&mut *tx)
            .await?;
        Ok(tx.commit().await?)
    }
}
