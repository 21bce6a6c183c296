//! What an organisation pays, as its page shows it.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::{EmailAddress, Field, FieldError, Limit, NodeDay, Plan, Problem, Timestamp, input::one_line_or_none};

/// An amount in the smallest unit of its currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Money {
    /// How many of them.
    pub amount: i64,
    /// ISO 4217, in lower case as Stripe writes it: `eur`.
    pub currency: String,
}

/// An organisation's plan, what it has of what the plan limits, and what it pays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillingOverview {
    /// The plan.
    pub plan: Plan,
    /// Until when the limits of the plan before hold, where it had more.
    pub grace_until: Option<Timestamp>,
    /// How many there are.
    pub used: Vec<(Limit, i64)>,
    /// Nodes by day, earliest first: from the first one with nodes to today.
    pub days: Vec<NodeDay>,
    /// What is between the organisation and Stripe; none: nobody is billed.
    pub payment: Option<Payment>,
}

/// What is between an organisation and Stripe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// What a node costs in a month, if Stripe said so.
    pub price: Option<Money>,
    /// The nodes that would be billed from now on.
    pub nodes: i64,
    /// What it subscribed to.
    pub subscription: Option<Subscription>,
    /// Whether it may try the plan for nothing first.
    pub has_trial: bool,
    /// Latest first.
    pub invoices: Vec<InvoiceRow>,
    /// Who is billed, if that was typed.
    pub details: Option<BillingDetails>,
    /// When Stripe was asked the last time.
    pub asked_at: Option<Timestamp>,
    /// Whether Stripe is being asked, or will be in a moment.
    pub is_asking: bool,
    /// Whether Stripe did not answer the last time.
    pub is_away: bool,
}

/// What an organisation subscribed to, as Stripe has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Its state.
    pub status: SubscriptionStatus,
    /// The nodes that are billed.
    pub nodes: i64,
    /// Until when the trial lasts.
    pub trial_end: Option<Timestamp>,
    /// Until when what is paid reaches.
    pub period_end: Option<Timestamp>,
    /// When it ends, if it was cancelled.
    pub ends_at: Option<Timestamp>,
    /// Since when a payment is owed.
    pub past_due_since: Option<Timestamp>,
    /// What the next invoice will be, and when.
    pub next: Option<(Money, Timestamp)>,
}

macro_rules! statuses {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal, $said:literal;)*) => {
        /// The state of a subscription, in Stripe's words.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum SubscriptionStatus {
            $($(#[doc = $doc])* #[serde(rename = $text)] $name,)*
        }

        impl SubscriptionStatus {
            /// Every state.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// As Stripe spells it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// As people read it.
            pub const fn said(self) -> &'static str {
                match self { $(Self::$name => $said,)* }
            }
        }
    };
}

statuses! {
    /// For nothing, for some days.
    Trialing = "trialing", "trial";
    /// Paid.
    Active = "active", "active";
    /// A payment failed, and is tried again.
    PastDue = "past_due", "payment failed";
    /// Payments failed for good.
    Unpaid = "unpaid", "unpaid";
    /// Ended.
    Canceled = "canceled", "ended";
    /// The first payment is not made yet.
    Incomplete = "incomplete", "not paid yet";
    /// The first payment was never made.
    IncompleteExpired = "incomplete_expired", "never paid";
    /// A trial ended and nobody said how it is paid.
    Paused = "paused", "paused";
}

impl SubscriptionStatus {
    /// The inverse of [`SubscriptionStatus::as_str`].
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| status.as_str() == text)
    }

    /// Whether the organisation has what it subscribed to: also while a payment is tried again.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Trialing | Self::Active | Self::PastDue)
    }
}

/// An invoice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvoiceRow {
    /// Its number; none as long as it is a draft.
    pub number: Option<String>,
    /// In Stripe's words: `draft`, `open`, `paid`, `uncollectible`, `void`.
    pub status: String,
    /// What it comes to.
    pub total: Money,
    /// When it was made.
    pub made_at: Timestamp,
    /// When payment is tried again.
    pub next_attempt_at: Option<Timestamp>,
    /// Its page at Stripe.
    pub page: Option<String>,
    /// As a PDF, at Stripe.
    pub pdf: Option<String>,
}

/// Who is billed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillingDetails {
    /// Where invoices go.
    pub email: String,
    /// Street and number.
    pub line1: String,
    /// The rest of it.
    pub line2: String,
    /// Town.
    pub city: String,
    /// Postal code.
    pub postal_code: String,
    /// State, county, province.
    pub state: String,
    /// ISO 3166-1 alpha-2: `FR`.
    pub country: String,
}

impl BillingDetails {
    /// What a form sent, trimmed and checked: the e-mail address is needed, an address needs its country, and nothing is
    /// longer than Stripe keeps.
    pub fn checked(self) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let mut kept = |field, text: &str, most| {
            one_line_or_none(field, text, most).unwrap_or_else(|error| {
                errors.push(error);
                String::new()
            })
        };
        let mut details = Self {
            email: String::new(),
            line1: kept(Field::AddressLine, &self.line1, 200),
            line2: kept(Field::AddressLine, &self.line2, 200),
            city: kept(Field::City, &self.city, 100),
            postal_code: kept(Field::PostalCode, &self.postal_code, 20),
            state: kept(Field::State, &self.state, 100),
            country: kept(Field::Country, &self.country, 2).to_uppercase(),
        };
        match EmailAddress::parse(&self.email) {
            Ok(email) => email.as_str().clone_into(&mut details.email),
            Err(error) => errors.push(error),
        }
        let is_country = details.country.len() == 2 && details.country.bytes().all(|b| b.is_ascii_uppercase());
        let has_address = [&details.line1, &details.line2, &details.city, &details.postal_code, &details.state]
            .iter()
            .any(|part| !part.is_empty());
        if details.country.is_empty() && has_address {
            errors.push(FieldError { field: Field::Country, problem: Problem::Missing });
        } else if !details.country.is_empty() && !is_country {
            errors.push(FieldError { field: Field::Country, problem: Problem::NotACountry });
        }
        if errors.is_empty() { Ok(details) } else { Err(errors) }
    }
}

/// What those who pay are told on every page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BillingNotice {
    /// A payment failed.
    PastDue,
    /// The plan is smaller than what there is: until when all of it is served.
    Grace(Timestamp),
}

impl fmt::Display for BillingNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PastDue => f.write_str("A payment failed"),
            Self::Grace(until) => {
                let until = until.to_string();
                write!(f, "More than the plan has, served until {}", until.get(..10).unwrap_or(&until))
            }
        }
    }
}

/// An event of Stripe's, for whoever administers the installation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StripeEventRow {
    /// Stripe's id.
    pub id: String,
    /// What happened, in Stripe's words.
    pub kind: String,
    /// Whose; none: of nobody here.
    pub organisation: Option<String>,
    /// When it was received first.
    pub received_at: Timestamp,
    /// How often it was delivered.
    pub deliveries: i32,
    /// Whether Stripe was asked since.
    pub is_done: bool,
}

/// What was otherwise at Stripe than it was known here, without having been told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BillingDifference {
    /// Whose.
    pub organisation: String,
    /// When it was found, and mended.
    pub found_at: Timestamp,
    /// What.
    pub what: String,
    /// As it was known here.
    pub was: String,
    /// As it was found.
    pub found: String,
}

/// How the installation and Stripe get on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallationBilling {
    /// Whether anybody is billed.
    pub is_on: bool,
    /// Organisations by plan.
    pub plans: Vec<(Plan, i64)>,
    /// Organisations that Stripe could not be asked about.
    pub failing: i64,
    /// Latest first.
    pub events: Vec<StripeEventRow>,
    /// Latest first.
    pub differences: Vec<BillingDifference>,
}

/// Currencies without a smaller unit, and those with thousandths (docs.stripe.com/currencies).
const WHOLE: [&str; 16] =
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf"];
const THOUSANDTHS: [&str; 5] = ["bhd", "jod", "kwd", "omr", "tnd"];

impl fmt::Display for Money {
    /// `12.50 EUR`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let currency = self.currency.to_lowercase();
        let digits = match currency.as_str() {
            c if WHOLE.contains(&c) => 0,
            c if THOUSANDTHS.contains(&c) => 3,
            _ => 2,
        };
        let sign = if self.amount < 0 { "-" } else { "" };
        let parts = 10_u64.pow(digits);
        let (whole, part) = (self.amount.unsigned_abs() / parts, self.amount.unsigned_abs() % parts);
        let currency = currency.to_uppercase();
        match digits {
            0 => write!(f, "{sign}{whole} {currency}"),
            2 => write!(f, "{sign}{whole}.{part:02} {currency}"),
            _ => write!(f, "{sign}{whole}.{part:03} {currency}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_as_their_currency_has_them() {
        let said = |amount, currency: &str| Money { amount, currency: currency.to_owned() }.to_string();
        assert_eq!(said(1250, "eur"), "12.50 EUR");
        assert_eq!(said(-5, "usd"), "-0.05 USD");
        assert_eq!(said(300, "jpy"), "300 JPY");
        assert_eq!(said(1234, "KWD"), "1.234 KWD");
        assert_eq!(said(i64::MIN, "eur"), "-92233720368547758.08 EUR");
    }

    #[test]
    fn an_address_needs_its_country_and_all_of_it_an_email() {
        let typed = BillingDetails {
            email: " pay@example.com ".to_owned(),
            line1: " 1 Main Street ".to_owned(),
            country: "fr".to_owned(),
            ..BillingDetails::default()
        };
        let kept = typed.clone().checked().unwrap();
        assert_eq!(
            (kept.email.as_str(), kept.line1.as_str(), kept.country.as_str()),
            ("pay@example.com", "1 Main Street", "FR")
        );
        let fields =
            |details: BillingDetails| details.checked().unwrap_err().iter().map(|e| e.field).collect::<Vec<_>>();
        assert_eq!(fields(BillingDetails { country: String::new(), ..typed.clone() }), [Field::Country]);
        assert_eq!(fields(BillingDetails { country: "F1".to_owned(), ..typed.clone() }), [Field::Country]);
        assert_eq!(fields(BillingDetails { email: "nobody".to_owned(), ..typed.clone() }), [Field::Email]);
        assert_eq!(fields(BillingDetails { city: "a\nb".to_owned(), ..typed }), [Field::City]);
        let alone = BillingDetails { email: "pay@example.com".to_owned(), ..BillingDetails::default() };
        assert!(alone.checked().is_ok(), "Stripe asks for the address");
    }
}
