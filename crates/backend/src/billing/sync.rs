//! Bringing what is known here to what Stripe has. Whatever leads to it (an event, a day that ended, somebody who asks),
//! all of it is read at Stripe, and what is written here follows from what was read: in whichever order events come, the
//! end is the same.

use std::{collections::BTreeMap, iter};

use kubewise_contract::{BillingDetails, OrgId, Plan, SubscriptionStatus};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use time::{Date, Duration, OffsetDateTime};

use super::{
    Current, Stripe, TOLD_FOR, details, letters,
    quantity::billed,
    stripe::{Customer, Invoice, Subscribed, day_of, moment},
    usage,
};
use crate::{
    Error, Worker,
    database::{self, Scope},
    jobs::{self, Queue},
    logged::logged,
};

/// Ask Stripe about an organisation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SyncBilling {
    pub(crate) org: OrgId,
}

impl Queue for SyncBilling {
    const NAME: &'static str = "billing";
}

/// Who asks has so long before another one does.
const CLAIMED_FOR: Duration = Duration::minutes(10);
/// How long is waited after Stripe did not answer: doubled each time.
const FIRST_WAIT: Duration = Duration::seconds(15);
const LONGEST_WAIT: Duration = Duration::minutes(15);
/// After the day or the period has ended.
const SOON: Duration = Duration::minutes(1);
/// Not all organisations at the same moment, in seconds.
const SPREAD: u32 = 600;
/// Days that are looked back upon.
const LOOK_BACK: Duration = Duration::days(40);
/// The limits of a larger plan hold so long after it has ended.
pub(super) const GRACE: Duration = Duration::days(14);

/// What was known when Stripe began to be asked.
struct Claim {
    org: OrgId,
    customer: String,
    ticket: i64,
    /// Nobody else asks until then.
    until: OffsetDateTime,
    failures: i32,
    subscription: Option<String>,
    quantity: Option<i64>,
    told_day: Option<Date>,
    /// Whether Stripe told of something that was not looked at yet.
    is_told: bool,
    /// To be sent.
    details: Option<BillingDetails>,
    days: BTreeMap<Date, i64>,
}

/// What was read.
struct Read {
    subscription: Option<Subscribed>,
    told_day: Option<Date>,
    /// None where ours were sent.
    customer: Option<Customer>,
    invoices: Vec<Invoice>,
    next: Option<Invoice>,
    /// What is otherwise than it may be.
    differences: Vec<Difference>,
}

struct Difference {
    what: &'static str,
    was: String,
    found: String,
}

impl Worker {
    /// Asks Stripe about an organisation, unless somebody does or did since it was wanted. What fails is tried again by its
    /// row, for as long as it takes.
    pub(crate) async fn sync_billing(&self, job: &SyncBilling) -> Result<(), Error> {
        let Some(stripe) = &self.stripe else { return Ok(()) };
        let Some(claim) = self.claim(job.org).await? else { return Ok(()) };
        match self.ask(stripe, &claim).await {
            Ok(read) => self.store(&claim, read).await,
            // The organisation is being deleted, and it was ended there meanwhile.
            Err(Error::NotFound) => {
                let mut tx = database::tenant_tx(&self.pool, claim.org, &Scope::All).await?;
                asked_in_vain(&mut tx, &claim).await?;
                Ok(tx.commit().await?)
            }
            Err(Error::Stripe(fault)) => {
                let wait = FIRST_WAIT * 2_i32.saturating_pow(claim.failures.clamp(0, 16).unsigned_abs());
                let wait = wait.min(LONGEST_WAIT);
                tracing::warn!(%fault, org = logged(job.org), seconds = wait.whole_seconds(), "Stripe could not be asked; tried again");
                self.wait(&claim, wait).await
            }
            Err(error) => Err(error),
        }
    }

    async fn claim(&self, org: OrgId) -> Result<Option<Claim>, Error> {
        let now = self.world.now();
        let until = now + CLAIMED_FOR;
        let mut tx = database::tenant_tx(&self.pool, org, &Scope::All).await?;
        let row = sqlx::query!(
            r#"UPDATE subscriptions SET sync_at = $3, asking_until = $3 WHERE org_id = $1 AND sync_at <= $2 AND customer IS NOT NULL
               RETURNING customer AS "customer!", nextval('billing_tickets') AS "ticket!", failures, subscription, quantity,
                 told_day"#,
            org.0,
            now,
            until,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let is_told = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM stripe_events WHERE customer = $1 AND done_at IS NULL) AS "is!""#,
            row.customer,
        )
        .fetch_one(&mut *tx)
        .await?;
        let details = details::unsent(&mut tx, org).await?;
        let days = usage::by_day(&mut tx, org, now - LOOK_BACK).await?;
        tx.commit().await?;
        Ok(Some(Claim {
            org,
            customer: row.customer,
            ticket: row.ticket,
            until,
            failures: row.failures,
            subscription: row.subscription,
            quantity: row.quantity,
            told_day: row.told_day,
            is_told,
            details,
            days,
        }))
    }

    /// Nothing of ours is held meanwhile.
    async fn ask(&self, stripe: &Stripe, claim: &Claim) -> Result<Read, Error> {
        let mut differences = Vec::new();
        let customer = match &claim.details {
            Some(details) => self.tell_details(stripe, claim, details).await?,
            None => Some(stripe.customer(&claim.customer).await?),
        };
        if customer.as_ref().is_some_and(|customer| customer.deleted == Some(true)) {
            let invoices = stripe.invoices(&claim.customer).await?;
            return Ok(Read { subscription: None, told_day: None, customer, invoices, next: None, differences });
        }
        let mut all = stripe.subscriptions(&claim.customer).await?;
        // Those that run first, the one that ran first before all; else the latest.
        all.sort_by_key(|one| if is_live(one) { (0, one.created) } else { (1, -one.created) });
        let running = all.iter().filter(|one| is_live(one)).count();
        if running > 1 {
            differences.push(Difference {
                what: "subscriptions that run",
                was: "1".to_owned(),
                found: running.to_string(),
            });
        }
        let mut subscription = all.into_iter().next();
        let mut told_day = None;
        if let Some(one) = subscription.as_mut().filter(|one| is_live(one)) {
            told_day = self.tell_nodes(stripe, claim, one, &mut differences).await?;
        }
        let invoices = stripe.invoices(&claim.customer).await?;
        let next = match &subscription {
            Some(one) if is_live(one) => stripe.preview(&claim.customer, &one.id).await?,
            _ => None,
        };
        Ok(Read { subscription, told_day, customer, invoices, next, differences })
    }

    /// Nobody tells Stripe anything about an organisation whose billing has ended for good.
    async fn may_tell(&self, claim: &Claim) -> Result<(), Error> {
        if self.is_closed(claim.org).await? { Err(Error::NotFound) } else { Ok(()) }
    }

    /// Tells Stripe who is billed. Answers the customer if it is deleted there.
    async fn tell_details(
        &self,
        stripe: &Stripe,
        claim: &Claim,
        details: &BillingDetails,
    ) -> Result<Option<Customer>, Error> {
        self.may_tell(claim).await?;
        let Err(fault) = stripe.change_customer(&claim.customer, details).await else { return Ok(None) };
        if fault.is_missing() {
            let customer = stripe.customer(&claim.customer).await?;
            if customer.deleted == Some(true) {
                return Ok(Some(customer));
            }
        }
        Err(fault.into())
    }

    /// Tells Stripe the nodes of the days that it does not know yet, each from its beginning on. Answers the last one.
    ///
    /// On the day on which a period ends, nothing is told before it has: what is told then begins with the new period.
    async fn tell_nodes(
        &self,
        stripe: &Stripe,
        claim: &Claim,
        one: &mut Subscribed,
        differences: &mut Vec<Difference>,
    ) -> Result<Option<Date>, Error> {
        let is_known = claim.subscription.as_ref() == Some(&one.id);
        let known = claim.told_day.filter(|_| is_known);
        let (Some(since), Some(begun), Some(ends), Some(item), Some(quantity)) = (
            day_of(one.start_date.unwrap_or(one.created)),
            one.period_start(),
            one.period_end(),
            one.item().map(str::to_owned),
            one.quantity(),
        ) else {
            return Ok(known);
        };
        let now = self.world.now();
        let today = usage::day(now);
        let is_last = day_of(ends) == Some(today) && now.unix_timestamp() < ends;
        let until = if is_last { today.saturating_sub(Duration::DAY) } else { today };
        let from = |day: Date| day.midnight().assume_utc().unix_timestamp().max(begun);
        let mut told = known.unwrap_or(since);
        let first = told.next_day().into_iter().chain(day_of(begun)).max().unwrap_or(today);
        let mut day = first.max(usage::day(now - LOOK_BACK));
        // Neither what was told nor what would have been since, where an answer was lost: somebody changed it at Stripe, and
        // pays for it until the next day's number is told.
        let is_ours = |ours: i64| {
            let mut days = iter::successors(Some(day), |day| day.next_day()).take_while(|day| *day <= until);
            ours == quantity || days.any(|day| billed(&claim.days, since, day) == Some(quantity))
        };
        if let Some(ours) = claim.quantity.filter(|ours| is_known && !is_ours(*ours)) {
            let (was, found) = (ours.to_string(), quantity.to_string());
            differences.push(Difference { what: "nodes that are billed", was, found });
        }
        while day <= until {
            let before = one.quantity();
            if let Some(nodes) = billed(&claim.days, since, day).filter(|nodes| Some(*nodes) != before) {
                self.may_tell(claim).await?;
                // Two who tell the same tell it once.
                let key = format!("kubewise-nodes-{}-{day}-{}-{nodes}", one.id, before.unwrap_or_default());
                *one = stripe.set_quantity(&one.id, &item, nodes, from(day), &key).await?;
            }
            told = day;
            let Some(next) = day.next_day() else { break };
            day = next;
        }
        Ok(Some(told))
    }

    async fn wait(&self, claim: &Claim, wait: Duration) -> Result<(), Error> {
        let mut tx = database::tenant_tx(&self.pool, claim.org, &Scope::All).await?;
        sqlx::query!(
            "UPDATE subscriptions SET failures = failures + 1, asking_until = NULL, sync_at = CASE WHEN sync_at = $2 THEN $3 ELSE sync_at END
             WHERE org_id = $1",
            claim.org.0,
            claim.until,
            self.world.now() + wait,
        )
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    #[expect(clippy::too_many_lines, reason = "one statement after the other, of one transaction")]
    async fn store(&self, claim: &Claim, read: Read) -> Result<(), Error> {
        let now = self.world.now();
        let org = claim.org;
        let mut tx = database::tenant_tx(&self.pool, org, &Scope::All).await?;
        let row = sqlx::query!(
            "SELECT plan, agreed, plan_before, grace_until, ticket, status, subscription, quantity, period_end, ends_at,
                    past_due_since, customer
             FROM subscriptions WHERE org_id = $1 AND closed_at IS NULL FOR UPDATE",
            org.0,
        )
        .fetch_optional(&mut *tx)
        .await?;
        // Who asked later was faster, or another customer is the organisation's by now, or it has ended for good.
        let Some(row) = row.filter(|row| row.ticket < claim.ticket && row.customer.as_ref() == Some(&claim.customer))
        else {
            asked_in_vain(&mut tx, claim).await?;
            return Ok(tx.commit().await?);
        };
        let is_gone = read.customer.as_ref().is_some_and(|customer| customer.deleted == Some(true));
        let one = read.subscription.as_ref().filter(|_| !is_gone);
        let status = one.and_then(|one| SubscriptionStatus::parse(&one.status));
        let is_live = status.is_some_and(SubscriptionStatus::is_live);
        let plan = match (row.agreed, is_live) {
            (true, _) => Plan::Enterprise,
            (false, true) => Plan::Team,
            (false, false) => Plan::Free,
        };
        let before = super::parsed(&row.plan)?;
        let held = row.plan_before.as_deref().map(super::parsed).transpose()?.zip(row.grace_until);
        let grace = if place(plan) < place(before) {
            Some((before, now + GRACE))
        } else {
            // Also of more than either: of an agreement that has ended.
            held.filter(|(held, _)| place(plan) < place(*held))
        };
        let period_end = one.and_then(Subscribed::period_end).and_then(moment);
        let ends_at = one.and_then(|one| {
            let at_end = one.cancel_at_period_end == Some(true);
            one.cancel_at.and_then(moment).or(period_end.filter(|_| at_end)).filter(|_| is_live)
        });
        let is_owed = |invoice: &&Invoice| {
            invoice.status.as_deref() == Some("open") && one.is_some_and(|one| invoice.is_of(&one.id))
        };
        let owed = read.invoices.iter().filter(is_owed);
        let past_due_since = if status == Some(SubscriptionStatus::PastDue) {
            owed.filter_map(|invoice| moment(invoice.created)).min().or(row.past_due_since).or(Some(now))
        } else {
            None
        };
        let trial_end = one.and_then(|one| one.trial_end).and_then(moment);
        let mut differences = read.differences;
        if !claim.is_told && row.ticket > 0 {
            let shown = |text: Option<&str>| text.unwrap_or("none").to_owned();
            let at = |at: Option<OffsetDateTime>| at.map_or_else(|| "none".to_owned(), |at| at.to_string());
            for (what, was, found) in [
                ("state", shown(row.status.as_deref()), shown(status.map(SubscriptionStatus::as_str))),
                ("end of the period", at(row.period_end), at(period_end)),
                ("end of the subscription", at(row.ends_at), at(ends_at)),
            ] {
                if was != found {
                    differences.push(Difference { what, was, found });
                }
            }
        }
        for Difference { what, was, found } in differences {
            tracing::warn!(
                org = logged(org),
                what,
                was,
                found,
                "Stripe has it otherwise than it was known here: mended"
            );
            sqlx::query!(
                "INSERT INTO billing_differences VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                org.0,
                now,
                what,
                was,
                found
            )
            .execute(&mut *tx)
            .await?;
        }
        let next_at =
            read.next.as_ref().and_then(|next| next.next_payment_attempt.or(Some(next.created))).and_then(moment);
        sqlx::query!(
            "UPDATE subscriptions SET plan = $2, plan_before = $3, grace_until = $4,
               set_at = CASE WHEN plan = $2 THEN set_at ELSE $5 END, subscription = $6, status = $7, quantity = $8,
               currency = $9, period_end = $10, trial_end = $11, ends_at = $12,
               past_due_since = $13, next_amount = $14, next_at = $15, told_day = $16,
               had_trial = had_trial OR $17, ticket = $18, synced_at = $5, failures = 0,
               asking_until = CASE WHEN asking_until = $19 THEN NULL ELSE asking_until END,
               sync_at = CASE WHEN sync_at = $19 THEN $20 ELSE sync_at END,
               checkout_url = CASE WHEN $21 THEN NULL ELSE checkout_url END,
               customer = CASE WHEN $22 THEN NULL ELSE customer END
             WHERE org_id = $1",
            org.0,
            plan.as_str(),
            grace.map(|(plan, _)| plan.as_str()),
            grace.map(|(_, until)| until),
            now,
            one.map(|one| &one.id),
            status.map(SubscriptionStatus::as_str),
            one.and_then(Subscribed::quantity).filter(|quantity| *quantity > 0),
            one.and_then(Subscribed::price).map(|price| &price.currency),
            period_end,
            trial_end,
            ends_at,
            past_due_since,
            read.next.as_ref().map(|next| next.total),
            next_at,
            read.told_day,
            one.is_some(),
            claim.ticket,
            claim.until,
            next_sync(org, now, period_end.filter(|_| is_live)),
            is_live || one.map(|one| &one.id) != row.subscription.as_ref(),
            is_gone,
        )
        .execute(&mut *tx)
        .await?;
        store_invoices(&mut tx, org, &read.invoices).await?;
        match (&claim.details, read.customer) {
            (Some(sent), None) => details::sent(&mut tx, org, sent).await?,
            (None, Some(customer)) if !is_gone => details::found(&mut tx, org, customer).await?,
            _ => {}
        }
        sqlx::query!(
            "UPDATE stripe_events SET done_at = $3 WHERE customer = $1 AND ticket < $2 AND done_at IS NULL",
            claim.customer,
            claim.ticket,
            now
        )
        .execute(&mut *tx)
        .await?;
        if is_gone {
            // Whose they were leads to nobody.
            sqlx::query!(
                "UPDATE stripe_events SET customer = NULL, done_at = coalesce(done_at, $2) WHERE customer = $1",
                claim.customer,
                now
            )
            .execute(&mut *tx)
            .await?;
        }
        if plan != before {
            tracing::info!(org = logged(org), %before, now = %plan, "the plan of an organisation changed");
            usage::see_which_are_beyond(&mut tx, org, Current { plan, grace }.holding(now), now).await?;
        }
        let standing = letters::Standing { status, trial_end, past_due_since, ended: grace.filter(|_| plan != before) };
        letters::write(&mut tx, org, now, &standing).await?;
        Ok(tx.commit().await?)
    }

    /// Has Stripe asked about whom it is due. Several servers do so at the same time.
    pub(crate) async fn ask_stripe_where_due(&self) -> Result<(), Error> {
        if self.stripe.is_none() {
            return Ok(());
        }
        let now = self.world.now();
        let due = sqlx::query_scalar!(r#"SELECT org_id AS "org_id!" FROM billing_due($1)"#, now)
            .fetch_all(&self.pool)
            .await?;
        let mut tx = self.pool.begin().await?;
        for org in due {
            jobs::enqueue(&mut tx, &SyncBilling { org: OrgId(org) }).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Reads what a node costs.
    pub(crate) async fn read_price(&self) -> Result<(), Error> {
        let Some(stripe) = &self.stripe else { return Ok(()) };
        let price = stripe.price().await?;
        sqlx::query!(
            "INSERT INTO stripe_price (id, unit_amount, currency, read_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (one) DO UPDATE SET id = excluded.id, unit_amount = excluded.unit_amount,
               currency = excluded.currency, read_at = excluded.read_at",
            stripe.price_id(),
            price.unit_amount,
            price.currency,
            self.world.now(),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    pub(crate) async fn remove_old_billing(&self) -> Result<(), Error> {
        let before = self.world.now() - TOLD_FOR;
        sqlx::query!("DELETE FROM stripe_events WHERE received_at < $1", before).execute(&self.pool).await?;
        Ok(())
    }
}

/// Has Stripe asked about an organisation no later than at this moment, as part of the caller's transaction.
pub(super) async fn sync_at(tx: &mut PgConnection, org: OrgId, wanted: OffsetDateTime) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE subscriptions SET sync_at = least(sync_at, $2)
             WHERE org_id = $1 AND customer IS NOT NULL AND closed_at IS NULL",
        org.0,
        wanted,
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Nobody asks on this claim any more, and what was read is of no use.
async fn asked_in_vain(tx: &mut PgConnection, claim: &Claim) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE subscriptions SET asking_until = NULL WHERE org_id = $1 AND asking_until = $2",
        claim.org.0,
        claim.until,
    )
    .execute(tx)
    .await?;
    Ok(())
}

fn is_live(one: &Subscribed) -> bool {
    SubscriptionStatus::parse(&one.status).is_some_and(SubscriptionStatus::is_live)
}

/// A larger plan has a higher one.
fn place(plan: Plan) -> Option<usize> {
    Plan::ALL.iter().position(|one| *one == plan)
}

/// After the day has ended, or the period if that is sooner.
fn next_sync(org: OrgId, now: OffsetDateTime, period_end: Option<OffsetDateTime>) -> OffsetDateTime {
    let [a, b, ..] = *org.0.as_bytes().last_chunk::<4>().unwrap_or(&[0; 4]);
    let spread = u32::from(u16::from_be_bytes([a, b])) % SPREAD;
    let day = usage::day(now).next_day().map_or(now + Duration::DAY, |day| day.midnight().assume_utc());
    let day = day + SOON + Duration::seconds(spread.into());
    period_end.map(|end| end + SOON).filter(|end| *end > now).map_or(day, |end| end.min(day))
}

async fn store_invoices(tx: &mut PgConnection, org: OrgId, invoices: &[Invoice]) -> Result<(), Error> {
    let ids: Vec<String> = invoices.iter().filter_map(|invoice| invoice.id.clone()).collect();
    sqlx::query!("DELETE FROM invoices WHERE org_id = $1 AND id <> ALL ($2)", org.0, &ids).execute(&mut *tx).await?;
    for invoice in invoices {
        let (Some(id), Some(status), Some(made_at)) = (&invoice.id, &invoice.status, moment(invoice.created)) else {
            continue;
        };
        sqlx::query!(
            "INSERT INTO invoices (org_id, id, number, status, total, currency, made_at, next_attempt_at, page, pdf)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             ON CONFLICT (org_id, id) DO UPDATE SET number = excluded.number, status = excluded.status,
               total = excluded.total, currency = excluded.currency, made_at = excluded.made_at,
               next_attempt_at = excluded.next_attempt_at, page = excluded.page, pdf = excluded.pdf",
            org.0,
            id,
            invoice.number,
            status,
            invoice.total,
            invoice.currency,
            made_at,
            invoice.next_payment_attempt.and_then(moment),
            secure(invoice.page.as_ref()),
            secure(invoice.pdf.as_ref()),
        )
        .execute(&mut *tx)
        .await?;
    }
    Ok(())
}

/// A link that is safe to show: one that leads to a page.
fn secure(link: Option<&String>) -> Option<&String> {
    link.filter(|link| link.starts_with("https://") || link.starts_with("http://127.0.0.1:"))
}
