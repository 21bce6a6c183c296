//! What is asked of Stripe, and what is read of its answers. All that is sent is here; `docs/billing/data-sent.md` lists
//! it. Of the answers the few fields are read that are needed: an answer of another version of the API is understood as
//! long as it has these.

use std::{sync::Arc, time::Duration};

use kubewise_contract::{BillingDetails, OrgId};
use miniserde::Deserialize;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use sha2::{Digest, Sha256};
use stripe::{ClientBuilder, IdempotencyKey, RequestStrategy, StripeError};
use stripe_client_core::{RequestBuilder, StripeMethod};
use time::{Date, OffsetDateTime};

use crate::Error;

/// People wait for some of it.
pub(super) const PATIENCE: Duration = Duration::from_secs(8);
/// Subscriptions that are looked at: an organisation has one, and those before.
const SUBSCRIPTIONS: u8 = 100;
/// Sessions of Checkout that are looked at: each is open for a day.
const CHECKOUTS: u8 = 100;
/// Invoices that are shown: two years.
const INVOICES: u8 = 24;
/// Invoices that are counted at once: as many as Stripe has on a page.
const COUNTED: u8 = 100;
/// Stripe's code where there is nothing of that id, or not any more.
const MISSING: &str = "resource_missing";
/// Days of the trial.
const TRIAL_DAYS: u8 = 14;

/// Stripe, and what we sell there.
#[derive(Clone)]
pub struct Stripe {
    client: stripe::Client,
    price: Arc<str>,
    secret: SecretString,
    site: Arc<str>,
}

/// Why Stripe did not do what it was asked. Says nothing of whom it was about.
#[derive(Debug, thiserror::Error)]
pub enum StripeFault {
    /// It refused, with this status and its own code.
    #[error("refused with status {status}{}", .code.as_ref().map(|code| format!(", {code}")).unwrap_or_default())]
    Refused {
        /// HTTP status.
        status: u16,
        /// In Stripe's words.
        code: Option<String>,
    },
    /// It was not reached, or broke off.
    #[error("not reached")]
    Away,
    /// It took too long.
    #[error("no answer within {} seconds", PATIENCE.as_secs())]
    Late,
    /// Its answer has not what is needed.
    #[error("its answer was not understood")]
    Garbled,
    /// It is being asked about the same, and what comes of that is waited for.
    #[error("is being asked about the same")]
    Asked,
}

impl StripeFault {
    /// Whether there is nothing of the id that was asked about, or not any more.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { code: Some(code), .. } if code == MISSING)
    }
}

impl From<StripeError> for StripeFault {
    fn from(error: StripeError) -> Self {
        match error {
            StripeError::Stripe(errors, status) => {
                Self::Refused { status, code: errors.code.map(|code| code.as_str().to_owned()) }
            }
            StripeError::Timeout => Self::Late,
            StripeError::JSONDeserialize(_) => Self::Garbled,
            StripeError::ClientError(_) | StripeError::ConfigError(_) => Self::Away,
        }
    }
}

/// A list of Stripe's.
#[derive(Deserialize)]
struct List<T> {
    data: Vec<T>,
    has_more: Option<bool>,
}

/// Something that was made.
#[derive(Deserialize)]
struct Made {
    id: String,
}

/// A page of Stripe's that people are sent to.
#[derive(Deserialize)]
pub(super) struct Door {
    pub(super) id: Option<String>,
    pub(super) url: Option<String>,
}

/// A subscription.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Subscribed {
    pub(super) id: String,
    pub(super) status: String,
    pub(super) created: i64,
    pub(super) start_date: Option<i64>,
    pub(super) trial_end: Option<i64>,
    pub(super) cancel_at_period_end: Option<bool>,
    pub(super) cancel_at: Option<i64>,
    items: Items,
    // Where they stood before version 2025-03-31.
    current_period_start: Option<i64>,
    current_period_end: Option<i64>,
}

#[derive(Clone, Debug, Deserialize)]
struct Items {
    data: Vec<Item>,
}

#[derive(Clone, Debug, Deserialize)]
struct Item {
    id: String,
    quantity: Option<i64>,
    price: Option<Price>,
    current_period_start: Option<i64>,
    current_period_end: Option<i64>,
}

/// What something costs.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Price {
    pub(super) unit_amount: Option<i64>,
    pub(super) currency: String,
}

impl Subscribed {
    pub(super) fn item(&self) -> Option<&str> {
        self.items.data.first().map(|item| item.id.as_str())
    }

    pub(super) fn quantity(&self) -> Option<i64> {
        self.items.data.first()?.quantity
    }

    pub(super) fn price(&self) -> Option<&Price> {
        self.items.data.first()?.price.as_ref()
    }

    pub(super) fn period_start(&self) -> Option<i64> {
        self.items.data.first().and_then(|item| item.current_period_start).or(self.current_period_start)
    }

    pub(super) fn period_end(&self) -> Option<i64> {
        self.items.data.first().and_then(|item| item.current_period_end).or(self.current_period_end)
    }
}

/// A customer.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Customer {
    pub(super) email: Option<String>,
    pub(super) address: Option<Address>,
    pub(super) deleted: Option<bool>,
}

/// A customer's address.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Address {
    pub(super) line1: Option<String>,
    pub(super) line2: Option<String>,
    pub(super) city: Option<String>,
    pub(super) postal_code: Option<String>,
    pub(super) state: Option<String>,
    pub(super) country: Option<String>,
}

/// An invoice.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Invoice {
    pub(super) id: Option<String>,
    pub(super) number: Option<String>,
    pub(super) status: Option<String>,
    pub(super) total: i64,
    pub(super) currency: String,
    pub(super) created: i64,
    pub(super) next_payment_attempt: Option<i64>,
    #[serde(rename = "hosted_invoice_url")]
    pub(super) page: Option<String>,
    #[serde(rename = "invoice_pdf")]
    pub(super) pdf: Option<String>,
    parent: Option<InvoiceParent>,
    // Where it stood before version 2025-03-31.
    subscription: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
struct InvoiceParent {
    subscription_details: Option<OfSubscription>,
}

#[derive(Clone, Debug, Deserialize)]
struct OfSubscription {
    subscription: Option<String>,
}

impl Invoice {
    /// Whether it is one of this subscription's.
    pub(super) fn is_of(&self, subscription: &str) -> bool {
        let details = self.parent.as_ref().and_then(|parent| parent.subscription_details.as_ref());
        let of = details.and_then(|details| details.subscription.as_deref()).or(self.subscription.as_deref());
        of == Some(subscription)
    }
}

#[derive(Serialize)]
struct AddressSent<'a> {
    line1: &'a str,
    line2: &'a str,
    city: &'a str,
    postal_code: &'a str,
    state: &'a str,
    country: &'a str,
}

#[derive(Serialize)]
struct CustomerSent<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    email: &'a str,
    address: AddressSent<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata>,
}

#[derive(Serialize)]
struct Metadata {
    kubewise_organisation: OrgId,
}

impl<'a> CustomerSent<'a> {
    fn of(details: &'a BillingDetails) -> Self {
        Self {
            name: None,
            email: &details.email,
            address: AddressSent {
                line1: &details.line1,
                line2: &details.line2,
                city: &details.city,
                postal_code: &details.postal_code,
                state: &details.state,
                country: &details.country,
            },
            metadata: None,
        }
    }
}

#[derive(Serialize)]
struct CheckoutSent<'a> {
    mode: &'a str,
    customer: &'a str,
    line_items: [LineItem<'a>; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    subscription_data: Option<SubscriptionData<'a>>,
    payment_method_collection: &'a str,
    automatic_tax: Enabled,
    tax_id_collection: Enabled,
    customer_update: CustomerUpdate<'a>,
    success_url: String,
    cancel_url: String,
}

#[derive(Serialize)]
struct LineItem<'a> {
    price: &'a str,
    quantity: i64,
}

#[derive(Serialize)]
struct SubscriptionData<'a> {
    trial_period_days: u8,
    trial_settings: TrialSettings<'a>,
}

#[derive(Serialize)]
struct TrialSettings<'a> {
    end_behavior: EndBehavior<'a>,
}

#[derive(Serialize)]
struct EndBehavior<'a> {
    missing_payment_method: &'a str,
}

#[derive(Serialize)]
struct Enabled {
    enabled: bool,
}

#[derive(Serialize)]
struct CustomerUpdate<'a> {
    address: &'a str,
    name: &'a str,
}

#[derive(Serialize)]
struct PortalSent<'a> {
    customer: &'a str,
    return_url: String,
}

#[derive(Serialize)]
struct QuantitySent<'a> {
    items: [ItemSent<'a>; 1],
    proration_date: i64,
}

#[derive(Serialize)]
struct ItemSent<'a> {
    id: &'a str,
    quantity: i64,
}

#[derive(Serialize)]
struct OfCustomer<'a> {
    customer: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'a str>,
    limit: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    starting_after: Option<&'a str>,
}

#[derive(Serialize)]
struct PreviewSent<'a> {
    customer: &'a str,
    subscription: &'a str,
}

/// What is subscribed to at Checkout.
pub(super) struct Purchase<'a> {
    pub(super) customer: &'a str,
    pub(super) nodes: i64,
    pub(super) has_trial: bool,
    /// The page Billing.
    pub(super) page: &'a str,
    /// The same for the same attempt.
    pub(super) key: &'a str,
}

impl Stripe {
    /// `price`: what a node costs in a month, by Stripe's id. `secret`: what Stripe signs events with. `api`: Stripe's own
    /// address unless it is another one. `site`: the address of this installation.
    pub fn new(
        key: &SecretString,
        secret: SecretString,
        price: &str,
        api: Option<&str>,
        site: &str,
    ) -> Result<Self, Error> {
        let mut builder = ClientBuilder::new(key.expose_secret()).timeout(PATIENCE);
        if let Some(api) = api {
            builder = builder.url(format!("{}/", api.trim_end_matches('/')));
        }
        // What is wrong with the key is not repeated.
        let client = builder.build().map_err(|_| Error::Internal("Stripe: not a secret key".to_owned()))?;
        Ok(Self { client, price: price.into(), secret, site: site.into() })
    }

    /// What Stripe signs events with.
    pub(super) const fn secret(&self) -> &SecretString {
        &self.secret
    }

    /// The page Billing of an organisation.
    pub(super) fn page(&self, slug: &str) -> String {
        format!("{}/o/{slug}/billing", self.site)
    }

    pub(super) fn price_id(&self) -> &str {
        &self.price
    }

    async fn get<T: Deserialize, Q: Serialize + Sync>(&self, path: &str, query: Option<&Q>) -> Result<T, StripeFault> {
        let mut request = RequestBuilder::new(StripeMethod::Get, path);
        if let Some(query) = query {
            request = request.query(query);
        }
        Ok(request.customize::<T>().send(&self.client).await?)
    }

    async fn post<T: Deserialize, F: Serialize + Sync>(
        &self,
        path: &str,
        form: &F,
        key: Option<&str>,
    ) -> Result<T, StripeFault> {
        let mut request = RequestBuilder::new(StripeMethod::Post, path).form(form).customize::<T>();
        if let Some(key) = key.and_then(|key| IdempotencyKey::new(key).ok()) {
            request = request.request_strategy(RequestStrategy::Idempotent(key));
        }
        Ok(request.send(&self.client).await?)
    }

    async fn delete(&self, path: &str) -> Result<(), StripeFault> {
        let done = RequestBuilder::new(StripeMethod::Delete, path).customize::<Made>().send(&self.client).await;
        match done.map_err(StripeFault::from) {
            // It was done before.
            Err(StripeFault::Refused { status: 404, code }) if code.as_deref() == Some(MISSING) => Ok(()),
            done => done.map(drop),
        }
    }

    /// Makes a customer; the same one when it is asked again.
    pub(super) async fn make_customer(
        &self,
        org: OrgId,
        name: &str,
        details: &BillingDetails,
        attempt: i32,
    ) -> Result<String, StripeFault> {
        let sent = CustomerSent {
            name: Some(name),
            metadata: Some(Metadata { kubewise_organisation: org }),
            ..CustomerSent::of(details)
        };
        // Stripe refuses a key that comes with other fields than the first time.
        let fields = serde_json::to_vec(&sent).map_err(|_| StripeFault::Garbled)?;
        let key = format!("kubewise-customer-{org}-{attempt}-{}", hex::encode(&Sha256::digest(fields)[..8]));
        Ok(self.post::<Made, _>("/customers", &sent, Some(&key)).await?.id)
    }

    pub(super) async fn change_customer(&self, customer: &str, details: &BillingDetails) -> Result<(), StripeFault> {
        self.post::<Made, _>(&format!("/customers/{customer}"), &CustomerSent::of(details), None).await.map(drop)
    }

    pub(super) async fn customer(&self, customer: &str) -> Result<Customer, StripeFault> {
        self.get(&format!("/customers/{customer}"), None::<&()>).await
    }

    /// Deletes a customer. Whatever it subscribes to ends at once.
    pub(super) async fn delete_customer(&self, customer: &str) -> Result<(), StripeFault> {
        self.delete(&format!("/customers/{customer}")).await
    }

    /// Where a subscription is bought; the same place for the same key.
    pub(super) async fn checkout(&self, purchase: &Purchase<'_>) -> Result<Door, StripeFault> {
        let sent = CheckoutSent {
            mode: "subscription",
            customer: purchase.customer,
            line_items: [LineItem { price: &self.price, quantity: purchase.nodes }],
            subscription_data: purchase.has_trial.then_some(SubscriptionData {
                trial_period_days: TRIAL_DAYS,
                trial_settings: TrialSettings { end_behavior: EndBehavior { missing_payment_method: "cancel" } },
            }),
            payment_method_collection: "if_required",
            automatic_tax: Enabled { enabled: true },
            tax_id_collection: Enabled { enabled: true },
            customer_update: CustomerUpdate { address: "auto", name: "auto" },
            success_url: format!("{}?done=subscribed", purchase.page),
            cancel_url: purchase.page.to_owned(),
        };
        self.post("/checkout/sessions", &sent, Some(purchase.key)).await
    }

    /// Ids of the sessions of Checkout in which something can still be bought.
    pub(super) async fn open_checkouts(&self, customer: &str) -> Result<Vec<String>, StripeFault> {
        let query = OfCustomer { customer, status: Some("open"), limit: CHECKOUTS, starting_after: None };
        self.ids("/checkout/sessions", &query).await
    }

    /// Nothing is bought there any more.
    pub(super) async fn expire_checkout(&self, session: &str) -> Result<(), StripeFault> {
        let request = RequestBuilder::new(StripeMethod::Post, format!("/checkout/sessions/{session}/expire"));
        match request.customize::<Made>().send(&self.client).await.map_err(StripeFault::from) {
            // It is not open any more: something was bought there just now, or nothing was for a day.
            Err(StripeFault::Refused { status: 400 | 404, .. }) => Ok(()),
            done => done.map(drop),
        }
    }

    /// What there is of a customer's; nothing where the customer is not there any more.
    async fn ids(&self, path: &str, query: &OfCustomer<'_>) -> Result<Vec<String>, StripeFault> {
        match self.get::<List<Made>, _>(path, Some(query)).await {
            Ok(list) => Ok(list.data.into_iter().map(|one| one.id).collect()),
            Err(fault) if fault.is_missing() => Ok(Vec::new()),
            Err(fault) => Err(fault),
        }
    }

    /// Where card, address, invoices and cancelling are.
    pub(super) async fn portal(&self, customer: &str, page: &str) -> Result<Door, StripeFault> {
        self.post("/billing_portal/sessions", &PortalSent { customer, return_url: page.to_owned() }, None).await
    }

    pub(super) async fn subscriptions(&self, customer: &str) -> Result<Vec<Subscribed>, StripeFault> {
        let query = OfCustomer { customer, status: Some("all"), limit: SUBSCRIPTIONS, starting_after: None };
        Ok(self.get::<List<Subscribed>, _>("/subscriptions", Some(&query)).await?.data)
    }

    /// Ids of the subscriptions that are not cancelled.
    pub(super) async fn uncancelled(&self, customer: &str) -> Result<Vec<String>, StripeFault> {
        let query = OfCustomer { customer, status: None, limit: SUBSCRIPTIONS, starting_after: None };
        self.ids("/subscriptions", &query).await
    }

    /// Cancels a subscription at once. Nothing is billed for it any more, and nothing given back.
    pub(super) async fn cancel(&self, subscription: &str) -> Result<(), StripeFault> {
        self.delete(&format!("/subscriptions/{subscription}")).await
    }

    /// So many nodes from the beginning of a day on.
    pub(super) async fn set_quantity(
        &self,
        subscription: &str,
        item: &str,
        quantity: i64,
        from: i64,
        key: &str,
    ) -> Result<Subscribed, StripeFault> {
        let sent = QuantitySent { items: [ItemSent { id: item, quantity }], proration_date: from };
        self.post(&format!("/subscriptions/{subscription}"), &sent, Some(key)).await
    }

    pub(super) async fn invoices(&self, customer: &str) -> Result<Vec<Invoice>, StripeFault> {
        let query = OfCustomer { customer, status: None, limit: INVOICES, starting_after: None };
        Ok(self.get::<List<Invoice>, _>("/invoices", Some(&query)).await?.data)
    }

    /// How many invoices there are with an amount other than 0, whatever became of them.
    pub(super) async fn invoices_with_an_amount(&self, customer: &str) -> Result<usize, StripeFault> {
        let mut counted = 0;
        let mut last: Option<String> = None;
        loop {
            let query = OfCustomer { customer, status: None, limit: COUNTED, starting_after: last.as_deref() };
            let page = match self.get::<List<Invoice>, _>("/invoices", Some(&query)).await {
                Ok(page) => page,
                // No such customer.
                Err(fault) if fault.is_missing() && last.is_none() => return Ok(0),
                Err(fault) => return Err(fault),
            };
            counted += page.data.iter().filter(|invoice| invoice.total != 0).count();
            if page.has_more != Some(true) {
                return Ok(counted);
            }
            last = Some(page.data.into_iter().next_back().and_then(|one| one.id).ok_or(StripeFault::Garbled)?);
        }
    }

    /// The invoice to come; none when none will.
    pub(super) async fn preview(&self, customer: &str, subscription: &str) -> Result<Option<Invoice>, StripeFault> {
        match self.post("/invoices/create_preview", &PreviewSent { customer, subscription }, None).await {
            Ok(invoice) => Ok(Some(invoice)),
            // Refused: there is none, or it cannot be said yet. That is no reason not to take in the rest.
            Err(StripeFault::Refused { status: 400..=404, .. }) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    pub(super) async fn price(&self) -> Result<Price, StripeFault> {
        self.get(&format!("/prices/{}", self.price), None::<&()>).await
    }
}

/// A moment of Stripe's.
pub(super) fn moment(seconds: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(seconds).ok()
}

/// The day of a moment, in UTC.
pub(super) fn day_of(seconds: i64) -> Option<Date> {
    moment(seconds).map(OffsetDateTime::date)
}
