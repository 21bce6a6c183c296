//! Organisations: making them, their name, and what they ask of their members.

use kubewise_contract::{Access, Action, Limit, OrgId, OrgSlug, OrganisationName, OrganisationSettings, Role, UserId};
use serde_json::json;
use sqlx::PgConnection;

use crate::{
    Actor, Authorized, Error, Organisation, SignUpPolicy, Web,
    activity::Entry,
    attempts::{self, Counter},
    authorize::Holder,
    database::{self, Scope},
    invitations::{domain_of, join_rule},
    permission::ManageOrganisation,
};

impl Web {
    /// What is set, and how many members it would shut out.
    pub async fn organisation_settings(
        &self,
        organisation: &Authorized<Organisation, ManageOrganisation>,
        actor: &Actor,
    ) -> Result<OrganisationSettings, Error> {
        let mut tx = organisation.read(&self.pool).await?;
        let rule = join_rule(&mut tx, organisation.id).await?;
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
            join_rule: rule,
            domain: domain_of(&self.pool, actor).await.ok(),
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
        let mut tx = organisation.write_alone(self).await?;
        if required {
            tx.one_more(Limit::SecondFactor).await?;
        }
        let before =
            sqlx::query_scalar!("SELECT requires_second_factor FROM organisations WHERE id = $1", organisation.id.0)
                .fetch_one(&mut *tx)
                .await?;
        sqlx::query!("UPDATE organisations SET requires_second_factor = $2 WHERE id = $1", organisation.id.0, required)
            .execute(&mut *tx)
            .await?;
        let entry = Entry::of(Action::SecondFactorRequire);
        tx.commit(entry.before(json!({ "required": before })).after(json!({ "required": required }))).await
    }

    /// Gives the organisation another name. Its address stays: links lead there.
    pub async fn rename_organisation(
        &self,
        organisation: &Authorized<Organisation, ManageOrganisation>,
        name: &OrganisationName,
    ) -> Result<(), Error> {
        let mut tx = organisation.write_alone(self).await?;
        // As it is now: somebody else may have given it another since it was looked up.
        let before = sqlx::query_scalar!("SELECT name FROM organisations WHERE id = $1", organisation.id.0)
            .fetch_one(&mut *tx)
            .await?;
        sqlx::query!("UPDATE organisations SET name = $2 WHERE id = $1", organisation.id.0, name.as_str())
            .execute(&mut *tx)
            .await?;
        let entry = Entry::of(Action::OrganisationRename);
        tx.commit(entry.before(json!({ "name": before })).after(json!({ "name": name }))).await
    }

    /// Makes another organisation, which who asks owns. Where strangers are let in only.
    pub async fn create_organisation(&self, actor: &Actor, name: &OrganisationName) -> Result<OrgSlug, Error> {
        if self.signup != SignUpPolicy::Open {
            return Err(Error::SignUpClosed);
        }
        attempts::begin(&self.pool, &self.world, vec![Counter::organisations(actor.user)]).await?;
        let org = OrgId(self.world.uuid());
        let mut tx = database::begin(&self.pool, Some((org, &Scope::All)), Some(actor.user)).await?;
        let slug = self.insert_organisation(&mut tx, org, name, actor.user, &actor.place).await?;
        tx.commit().await?;
        Ok(slug)
    }

    /// Makes an organisation with its Owner, as part of the caller's transaction, which has stated both.
    pub(crate) async fn insert_organisation(
        &self,
        tx: &mut PgConnection,
        org: OrgId,
        name: &OrganisationName,
        owner: UserId,
        place: &str,
    ) -> Result<OrgSlug, Error> {
        let now = self.world.now();
        let wanted = OrgSlug::from_name(name.as_str());
        let mut slug = wanted.clone();
        // Other organisations are invisible here, so a taken address shows only as a conflict. A random ending settles
        // it: counting up would tell how many of the same name there are.
        for attempt in 0.. {
            let inserted = sqlx::query!(
                "INSERT INTO organisations (id, slug, name, created_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (slug) DO NOTHING",
                org.0,
                slug.as_str(),
                name.as_str(),
                now,
            )
            .execute(&mut *tx)
            .await?
            .rows_affected();
            if inserted == 1 {
                break;
            }
            if attempt == 8 {
                return Err(Error::Internal("no free address for the organisation".to_owned()));
            }
            let ending = hex::encode(self.world.random::<3>());
            slug = format!("{wanted}-{ending}").parse().map_err(|e| Error::Internal(format!("slug: {e}")))?;
        }
        sqlx::query!(
            "INSERT INTO memberships (org_id, user_id, role, created_at) VALUES ($1, $2, $3, $4)",
            org.0,
            owner.0,
            Role::Owner.as_str(),
            now,
        )
        .execute(&mut *tx)
        .await?;
        let holder = Holder::member(owner, place, org, &Access { role: Role::Owner, clusters: None });
        self.record(tx, &holder, Entry::of(Action::OrganisationCreate).after(json!({ "name": name }))).await?;
        Ok(slug)
    }
}
