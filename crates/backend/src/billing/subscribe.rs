//! What people do about what they pay: see it, say who is billed, and go to Stripe.

use kubewise_contract::{
    Action, BillingDetails, BillingNotice, BillingOverview, InvoiceRow, Limit, Money, OrgId, OrganisationRef, Payment,
    Permission, Plan, Subscription, SubscriptionStatus,
};
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};

use super::{
    Billing, Current, SHOWN, Stripe, Usage, details,
    stripe::Purchase,
    sync::{GRACE, SyncBilling, sync_at},
    usage,
};
use crate::{
    Actor, Authorized, Error, Organisation, Web, World, activity::Entry, jobs, permission::ManageBilling,
    world::timestamp,
};

/// A way to Checkout is given again for so long; Stripe keeps it open for a day.
const OPEN_FOR: Duration = Duration::hours(20);
/// Stripe is asked so long after somebody went there, in case it does not tell.
const ASKED_AFTER: Duration = Duration::minutes(2);

struct Row {
    status: Option<String>,
    quantity: Option<i64>,
    currency: Option<String>,
    period_end: Option<OffsetDateTime>,
    trial_end: Option<OffsetDateTime>,
    ends_at: Option<OffsetDateTime>,
    past_due_since: Option<OffsetDateTime>,
    next_amount: Option<i64>,
    next_at: Option<OffsetDateTime>,
    had_trial: bool,
    synced_at: Option<OffsetDateTime>,
    sync_at: Option<OffsetDateTime>,
    asking_until: Option<OffsetDateTime>,
    failures: i32,
}

impl Row {
    fn subscription(&self) -> Option<Subscription> {
        let next = self.next_amount.zip(self.currency.clone()).zip(self.next_at);
        Some(Subscription {
            status: self.status.as_deref().and_then(SubscriptionStatus::parse)?,
            nodes: self.quantity.unwrap_or_default(),
            trial_end: self.trial_end.map(timestamp),
            period_end: self.period_end.map(timestamp),
            ends_at: self.ends_at.map(timestamp),
            past_due_since: self.past_due_since.map(timestamp),
            next: next.map(|((amount, currency), at)| (Money { amount, currency }, timestamp(at))),
        })
    }
}

impl Web {
    /// The plan, what is used of it, and what is paid.
    pub async fn billing(&self, org: &Authorized<Organisation, ManageBilling>) -> Result<BillingOverview, Error> {
        let now = self.world.now();
        let mut tx = org.read(&self.pool).await?;
        let current = Current::read(&mut tx, self.billing, org.id).await?;
        let usage = Usage::read(&mut tx, now).await?;
        let days = usage::days(&mut tx, org.id, now).await?;
        let payment = match self.billing {
            Billing::Off => None,
            Billing::On => Some(payment(&mut tx, org, usage.of(Limit::Nodes), now).await?),
        };
        tx.commit().await?;
        Ok(BillingOverview {
            plan: current.plan,
            grace_until: current.grace.filter(|(_, until)| *until > now).map(|(_, until)| timestamp(until)),
            used: SHOWN.into_iter().map(|limit| (limit, usage.of(limit))).collect(),
            days,
            payment,
        })
    }

    /// What those who pay are told on every page of the organisation.
    pub async fn billing_notice(&self, actor: &Actor, here: &OrganisationRef) -> Result<Option<BillingNotice>, Error> {
        if self.billing == Billing::Off || !here.may(Permission::ManageBilling) {
            return Ok(None);
        }
        let org = match self.organisation::<ManageBilling>(actor, &here.slug).await {
            Ok(org) => org,
            // The page itself says why not.
            Err(Error::NotFound | Error::Forbidden | Error::SecondFactorNeeded) => return Ok(None),
            Err(error) => return Err(error),
        };
        let now = self.world.now();
        let mut tx = org.read(&self.pool).await?;
        let row = sqlx::query!("SELECT past_due_since, grace_until FROM subscriptions WHERE org_id = $1", org.id.0)
            .fetch_optional(&mut *tx)
            .await?;
        let Some(row) = row else { return Ok(None) };
        if row.past_due_since.is_some() {
            return Ok(Some(BillingNotice::PastDue));
        }
        let Some(until) = row.grace_until.filter(|until| *until > now) else { return Ok(None) };
        let has = Plan::Free.entitlements();
        let usage = Usage::read(&mut tx, now).await?;
        let is_more = |limit| has.most(limit).is_some_and(|most| usage.of(limit) > i64::from(most));
        Ok([Limit::Clusters, Limit::Nodes].into_iter().any(is_more).then(|| BillingNotice::Grace(timestamp(until))))
    }

    /// Says who is billed. Stripe is told by a job.
    pub async fn set_billing_details(
        &self,
        org: &Authorized<Organisation, ManageBilling>,
        typed: BillingDetails,
    ) -> Result<(), Error> {
        self.stripe()?;
        let wanted =
            typed.checked().map_err(|errors| errors.into_iter().next().map_or(Error::NotFound, Error::Invalid))?;
        let mut tx = org.write(self).await?;
        let before = details::read(&mut tx, org.id).await?;
        if before.as_ref() == Some(&wanted) {
            return Ok(());
        }
        details::put(&mut tx, org.id, &wanted, true).await?;
        self.ask_now(&mut tx, org, Duration::ZERO).await?;
        // That it changed, and not to what: addresses are kept in one place, where they can be erased.
        tx.commit(Entry::of(Action::BillingDetails)).await
    }

    /// Has Stripe asked now.
    pub async fn ask_stripe(&self, org: &Authorized<Organisation, ManageBilling>) -> Result<(), Error> {
        self.stripe()?;
        let mut tx = org.read(&self.pool).await?;
        self.ask_now(&mut tx, org, Duration::ZERO).await?;
        Ok(tx.commit().await?)
    }

    async fn ask_now(
        &self,
        tx: &mut PgConnection,
        org: &Authorized<Organisation, ManageBilling>,
        after: Duration,
    ) -> Result<(), Error> {
        sync_at(tx, org.id, self.world.now() + after).await?;
        if after.is_zero() {
            jobs::enqueue(tx, &SyncBilling { org: org.id }).await?;
        }
        Ok(())
    }

    /// The way to where the plan Team is bought. The same for a while, so that who goes twice does not buy twice.
    pub async fn checkout(
        &self,
        org: &Authorized<Organisation, ManageBilling>,
        actor: &Actor,
    ) -> Result<String, Error> {
        let stripe = self.stripe()?;
        let now = self.world.now();
        let mut tx = org.write(self).await?;
        sqlx::query!(
            "INSERT INTO subscriptions (org_id, plan, set_at) VALUES ($1, 'free', $2) ON CONFLICT DO NOTHING",
            org.id.0,
            now
        )
        .execute(&mut *tx)
        .await?;
        let row = sqlx::query!(
            "SELECT customer, status, had_trial, checkout_url, checkout_until, checkouts FROM subscriptions WHERE org_id = $1",
            org.id.0
        )
        .fetch_one(&mut *tx)
        .await?;
        if row.status.as_deref().and_then(SubscriptionStatus::parse).is_some_and(SubscriptionStatus::is_live) {
            return Err(Error::AlreadySubscribed);
        }
        if let Some(url) = row.checkout_url.filter(|_| row.checkout_until.is_some_and(|until| until > now)) {
            self.ask_now(&mut tx, org, ASKED_AFTER).await?;
            // It is in the log that somebody went.
            tx.commit(Entry::of(Action::BillingSubscribe)).await?;
            return Ok(url);
        }
        let who = match details::read(&mut tx, org.id).await? {
            Some(details) => details,
            // Who goes is who is written to, until somebody says otherwise.
            None => {
                let who = BillingDetails { email: actor.email.clone(), ..BillingDetails::default() };
                details::put(&mut tx, org.id, &who, false).await?;
                who
            }
        };
        let nodes = Usage::read(&mut tx, now).await?.of(Limit::Nodes).max(1);
        let slug = slug(&mut tx, org).await?;
        // Kept before Stripe is asked: nothing is held while it answers.
        tx.commit(Entry::of(Action::BillingSubscribe)).await?;

        let customer = match row.customer {
            Some(customer) => customer,
            None => self.customer(stripe, org, &who, row.checkouts).await?,
        };
        let page = stripe.page(&slug);
        let key = format!("kubewise-checkout-{}-{}-{nodes}-{}", org.id, row.checkouts, row.had_trial);
        let purchase = Purchase { customer: &customer, nodes, has_trial: !row.had_trial, page: &page, key: &key };
        let door = stripe.checkout(&purchase).await?;
        let url = door.url.ok_or_else(|| Error::Internal("Stripe: Checkout without an address".to_owned()))?;
        let mut tx = org.read(&self.pool).await?;
        // One after the other with whoever ends it for good.
        let is_open = sqlx::query_scalar!(
            r#"SELECT closed_at IS NULL AS "is!" FROM subscriptions WHERE org_id = $1 FOR UPDATE"#,
            org.id.0,
        )
        .fetch_optional(&mut *tx)
        .await?;
        if is_open != Some(true) {
            tx.commit().await?;
            if let Some(session) = door.id {
                stripe.expire_checkout(&session).await?;
            }
            return Err(Error::NotFound);
        }
        sqlx::query!(
            "UPDATE subscriptions SET checkout_url = $2, checkout_until = $3, checkouts = $4 + 1
             WHERE org_id = $1 AND checkouts = $4",
            org.id.0,
            url,
            now + OPEN_FOR,
            row.checkouts,
        )
        .execute(&mut *tx)
        .await?;
        self.ask_now(&mut tx, org, ASKED_AFTER).await?;
        tx.commit().await?;
        Ok(url)
    }

    /// The organisation's customer at Stripe: the one that was made first. Another one is deleted, and each when billing has
    /// ended for good meanwhile.
    async fn customer(
        &self,
        stripe: &Stripe,
        org: &Authorized<Organisation, ManageBilling>,
        who: &BillingDetails,
        attempt: i32,
    ) -> Result<String, Error> {
        let made = stripe.make_customer(org.id, &org.name, who, attempt).await?;
        let mut tx = org.read(&self.pool).await?;
        let row = sqlx::query!(
            r#"UPDATE subscriptions SET customer = CASE WHEN closed_at IS NULL THEN coalesce(customer, $2) ELSE customer END,
                 sync_at = CASE WHEN closed_at IS NULL THEN coalesce(sync_at, $3) END
               WHERE org_id = $1 RETURNING customer, closed_at IS NULL AS "is_open!""#,
            org.id.0,
            made,
            self.world.now() + ASKED_AFTER,
        )
        .fetch_optional(&mut *tx)
        .await?;
        tx.commit().await?;
        let (kept, is_open) = row.map_or((None, false), |row| (row.customer, row.is_open));
        if kept.as_ref() != Some(&made) {
            stripe.delete_customer(&made).await?;
        }
        kept.filter(|_| is_open).ok_or(Error::NotFound)
    }

    /// The way to where card, address and invoices are, and where a subscription is cancelled.
    pub async fn portal(&self, org: &Authorized<Organisation, ManageBilling>) -> Result<String, Error> {
        let stripe = self.stripe()?;
        let mut tx = org.read(&self.pool).await?;
        let customer = sqlx::query_scalar!("SELECT customer FROM subscriptions WHERE org_id = $1", org.id.0)
            .fetch_optional(&mut *tx)
            .await?
            .flatten();
        let Some(customer) = customer else { return Err(Error::NotFound) };
        let slug = slug(&mut tx, org).await?;
        self.ask_now(&mut tx, org, ASKED_AFTER).await?;
        tx.commit().await?;
        let door = stripe.portal(&customer, &stripe.page(&slug)).await?;
        door.url.ok_or_else(|| Error::Internal("Stripe: a portal without an address".to_owned()))
    }

    fn stripe(&self) -> Result<&Stripe, Error> {
        self.stripe.as_ref().ok_or(Error::NotFound)
    }
}

async fn slug(tx: &mut PgConnection, org: &Authorized<Organisation, ManageBilling>) -> Result<String, Error> {
    Ok(sqlx::query_scalar!("SELECT slug FROM organisations WHERE id = $1", org.id.0).fetch_one(tx).await?)
}

async fn payment(
    tx: &mut PgConnection,
    org: &Authorized<Organisation, ManageBilling>,
    nodes: i64,
    now: OffsetDateTime,
) -> Result<Payment, Error> {
    let price = sqlx::query!("SELECT unit_amount, currency FROM stripe_price").fetch_optional(&mut *tx).await?;
    let row = sqlx::query_as!(
        Row,
        "SELECT status, quantity, currency, period_end, trial_end, ends_at, past_due_since, next_amount, next_at, had_trial,
                synced_at, sync_at, asking_until, failures
         FROM subscriptions WHERE org_id = $1",
        org.id.0,
    )
    .fetch_optional(&mut *tx)
    .await?;
    let invoices = sqlx::query!(
        "SELECT number, status, total, currency, made_at, next_attempt_at, page, pdf FROM invoices WHERE org_id = $1
         ORDER BY made_at DESC, id",
        org.id.0,
    )
    .fetch_all(&mut *tx)
    .await?;
    Ok(Payment {
        price: price.and_then(|row| Some(Money { amount: row.unit_amount?, currency: row.currency })),
        nodes: nodes.max(1),
        subscription: row.as_ref().and_then(Row::subscription),
        has_trial: row.as_ref().is_none_or(|row| !row.had_trial),
        invoices: invoices
            .into_iter()
            .map(|row| InvoiceRow {
                number: row.number,
                status: row.status,
                total: Money { amount: row.total, currency: row.currency },
                made_at: timestamp(row.made_at),
                next_attempt_at: row.next_attempt_at.map(timestamp),
                page: row.page,
                pdf: row.pdf,
            })
            .collect(),
        details: details::read(tx, org.id).await?,
        asked_at: row.as_ref().and_then(|row| row.synced_at).map(timestamp),
        is_asking: row.as_ref().is_some_and(|row| {
            row.sync_at.is_some_and(|at| at <= now) || row.asking_until.is_some_and(|until| until > now)
        }),
        is_away: row.as_ref().is_some_and(|row| row.failures > 0),
    })
}

/// Agrees with an organisation on the plan Enterprise, or ends that: then the plan is what Stripe has, and the limits of
/// before hold for some time. `owner` logs in as `kubewise_owner`.
pub async fn agree_plan(owner: &sqlx::PgPool, world: &World, org: OrgId, agreed: bool) -> Result<(), Error> {
    let now = world.now();
    let mut tx = owner.begin().await?;
    sqlx::query!(
        "INSERT INTO subscriptions AS s (org_id, plan, agreed, set_at)
         VALUES ($1, CASE WHEN $2 THEN 'enterprise' ELSE 'free' END, $2, $3)
         ON CONFLICT (org_id) DO UPDATE SET agreed = $2, set_at = $3, sync_at = $3,
           plan = CASE WHEN $2 THEN 'enterprise' WHEN s.status IN ('trialing', 'active', 'past_due') THEN 'team' ELSE 'free' END,
           plan_before = CASE WHEN $2 THEN NULL WHEN s.agreed THEN s.plan ELSE s.plan_before END,
           grace_until = CASE WHEN $2 THEN NULL WHEN s.agreed THEN $4 ELSE s.grace_until END
         WHERE s.closed_at IS NULL",
        org.0,
        agreed,
        now,
        now + GRACE,
    )
    .execute(&mut *tx)
    .await?;
    Ok(tx.commit().await?)
}
