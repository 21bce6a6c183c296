//! What an organisation pays for, and what its plan has.

mod details;
mod ending;
mod event;
mod installation;
mod letters;
mod quantity;
mod stripe;
mod subscribe;
mod sync;
mod usage;

use kubewise_contract::{Limit, OrgId, Plan, PlanLimit};
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};

use crate::{Error, Web, authorize::Write};

pub use ending::EndedBilling;
pub use event::NotFromStripe;
pub use stripe::{Stripe, StripeFault};
pub use subscribe::agree_plan;

pub(crate) use details::bill_another;
pub(crate) use letters::BillingLetter;
pub(crate) use sync::SyncBilling;
pub(crate) use usage::{BEYOND_FOR, NODE_DAYS, count_nodes, day};

/// Whether the installation bills organisations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Billing {
    /// Nobody: each has everything.
    #[default]
    Off,
    /// By their plans.
    On,
}

/// What administrators are shown is kept for so long.
pub(crate) const TOLD_FOR: Duration = Duration::days(90);

/// How many there are of what plans limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    clusters: i64,
    nodes: i64,
    members: i64,
    schedules: i64,
    notifications: i64,
}

impl Usage {
    /// Of the organisation that the transaction states, seen or not.
    async fn read(tx: &mut PgConnection, now: OffsetDateTime) -> Result<Self, Error> {
        Ok(sqlx::query_as!(
            Self,
            r#"SELECT clusters AS "clusters!", nodes AS "nodes!", members AS "members!", schedules AS "schedules!",
                      notifications AS "notifications!" FROM plan_usage($1)"#,
            now,
        )
        .fetch_one(tx)
        .await?)
    }

    const fn of(&self, limit: Limit) -> i64 {
        match limit {
            Limit::Clusters => self.clusters,
            Limit::Nodes => self.nodes,
            Limit::Members => self.members,
            Limit::Schedules => self.schedules,
            Limit::Notifications => self.notifications,
            // One has it or not.
            Limit::SecondFactor => 0,
        }
    }
}

/// What is shown of usage, in this order.
const SHOWN: [Limit; 5] = [Limit::Clusters, Limit::Nodes, Limit::Members, Limit::Schedules, Limit::Notifications];

/// The plan, and until when the limits of another one hold.
struct Current {
    plan: Plan,
    grace: Option<(Plan, OffsetDateTime)>,
}

impl Current {
    async fn read(tx: &mut PgConnection, billing: Billing, org: OrgId) -> Result<Self, Error> {
        if billing == Billing::Off {
            return Ok(Self { plan: Plan::SelfHosted, grace: None });
        }
        let row = sqlx::query!("SELECT plan, plan_before, grace_until FROM subscriptions WHERE org_id = $1", org.0)
            .fetch_optional(tx)
            .await?;
        let Some(row) = row else { return Ok(Self { plan: Plan::Free, grace: None }) };
        let grace = match (row.plan_before, row.grace_until) {
            (Some(plan), Some(until)) => Some((parsed(&plan)?, until)),
            _ => None,
        };
        Ok(Self { plan: parsed(&row.plan)?, grace })
    }

    /// The plan whose limits hold.
    fn holding(&self, now: OffsetDateTime) -> Plan {
        self.grace.filter(|(_, until)| *until > now).map_or(self.plan, |(plan, _)| plan)
    }
}

fn parsed(plan: &str) -> Result<Plan, Error> {
    Plan::parse(plan).ok_or_else(|| Error::Internal(format!("unknown plan {plan:?}")))
}

/// The plan whose limits hold for an organisation now.
pub(crate) async fn plan(
    tx: &mut PgConnection,
    billing: Billing,
    org: OrgId,
    now: OffsetDateTime,
) -> Result<Plan, Error> {
    Ok(Current::read(tx, billing, org).await?.holding(now))
}

/// Whether the plan has one more of something. One after the other within an organisation: of two who would have the
/// last one, the other is refused.
pub(crate) async fn one_more(tx: &mut PgConnection, web: &Web, org: OrgId, limit: Limit) -> Result<(), Error> {
    if web.billing == Billing::Off {
        return Ok(());
    }
    let now = web.world.now();
    sqlx::query!("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", format!("kubewise plan {org}"))
        .execute(&mut *tx)
        .await?;
    let plan = plan(tx, web.billing, org, now).await?;
    let Some(most) = plan.entitlements().most(limit) else { return Ok(()) };
    if Usage::read(tx, now).await?.of(limit) < i64::from(most) {
        return Ok(());
    }
    Err(Error::PlanLimit(PlanLimit { plan, limit, most }))
}

impl Write<'_> {
    /// Whether the organisation's plan has one more of something.
    pub(crate) async fn one_more(&mut self, limit: Limit) -> Result<(), Error> {
        let (web, org) = self.by();
        one_more(self, web, org, limit).await
    }
}
