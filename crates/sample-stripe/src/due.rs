//! What happens because time passes, in order of time, each at the very moment that it is due.

use crate::{
    calendar::DAY,
    state::{InvoiceStatus, State, Status},
};

/// How long before its end a trial is told of.
const TOLD_BEFORE: i64 = 3 * DAY;

/// Of what is due at the same moment, in this order.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    TrialWillEnd(String),
    Attempt(String),
    PeriodEnds(String),
    SessionExpires(String),
}

impl State {
    /// Everything due until then.
    pub(crate) fn tick(&mut self, now: i64) {
        while let Some((at, due)) = self.next_due().filter(|(at, _)| *at <= now) {
            self.at = self.at.max(at);
            self.happen(due);
        }
        self.at = self.at.max(now);
    }

    fn next_due(&self) -> Option<(i64, Due)> {
        let live = || self.subscriptions.values().filter(|s| s.status != Status::Canceled);
        let told = live().filter(|s| s.status == Status::Trialing && !s.trial_end_told).filter_map(|s| {
            let (start, end) = s.trial?;
            Some((start.max(end - TOLD_BEFORE), Due::TrialWillEnd(s.id.clone())))
        });
        let attempts = self.invoices.values().filter(|i| i.status == InvoiceStatus::Open);
        let attempts = attempts.filter_map(|i| Some((i.next_attempt?, Due::Attempt(i.id.clone()))));
        let ends = live().map(|s| (s.period_end, Due::PeriodEnds(s.id.clone())));
        let expiring = self.sessions.values().filter(|s| s.status == "open");
        let expiring = expiring.map(|s| (s.expires_at, Due::SessionExpires(s.id.clone())));
        told.chain(attempts).chain(ends).chain(expiring).min()
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::TrialWillEnd(id) => {
                if let Some(subscription) = self.subscriptions.get_mut(&id) {
                    subscription.trial_end_told = true;
                }
                self.emit("customer.subscription.trial_will_end", self.subscription_shape(&self.subscriptions[&id]));
            }
            Due::Attempt(id) => self.attempt(&id, true),
            Due::PeriodEnds(id) => self.period_ends(&id),
            Due::SessionExpires(id) => {
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.status = "expired";
                }
                self.emit("checkout.session.expired", self.session_shape(&self.sessions[&id]));
            }
        }
    }

    fn period_ends(&mut self, id: &str) {
        let subscription = &self.subscriptions[id];
        if subscription.cancel_at_period_end {
            self.cancel(id, Some("cancellation_requested"));
        } else if subscription.status == Status::Trialing
            && subscription.cancel_without_card
            && self.card_of(id).is_none()
        {
            self.cancel(id, None);
        } else {
            self.renew(id);
        }
    }
}
