//! What Stripe tells: that something happened, to be read there. Nothing in an event is believed but whose it is.

use aws_lc_rs::hmac;
use kubewise_contract::OrgId;
use secrecy::ExposeSecret;
use serde::Deserialize;
use time::OffsetDateTime;

use super::{stripe::moment, sync::SyncBilling};
use crate::{Error, Web, jobs};

/// How old a signature may be, or ahead of our clock, in seconds: as Stripe's own libraries have it.
const TOLERANCE: i64 = 300;
/// Signatures that are looked at in one header: while a secret is changed, there are two.
const SIGNATURES: usize = 8;

/// Why something is no event of Stripe's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotFromStripe {
    /// Nobody is billed here.
    #[error("Stripe is not configured here.")]
    Off,
    /// It is not signed, or not by who knows the secret.
    #[error("The signature is not Stripe's: check KUBEWISE_STRIPE_WEBHOOK_SECRET.")]
    Signature,
    /// It was signed too long ago.
    #[error("The signature is older than five minutes, or from the future.")]
    Age,
    /// It is signed, and no event.
    #[error("This is not an event as Stripe writes it.")]
    Shape,
}

#[derive(Deserialize)]
struct Event {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    created: i64,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    object: Object,
}

#[derive(Deserialize)]
struct Object {
    #[serde(rename = "object")]
    kind: Option<String>,
    id: Option<String>,
    customer: Option<Customer>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Customer {
    Id(String),
    Whole { id: String },
}

impl Object {
    /// Whose it is.
    fn customer(self) -> Option<String> {
        match self.customer {
            Some(Customer::Id(id) | Customer::Whole { id }) => Some(id),
            None => self.id.filter(|_| self.kind.as_deref() == Some("customer")),
        }
    }
}

/// Stripe's scheme, version 1: HMAC-SHA256 over the moment and the body as it came, with a dot between
/// (docs.stripe.com/webhooks/signature). Compared in constant time.
fn verify(secret: &[u8], header: &str, body: &[u8], now: OffsetDateTime) -> Result<(), NotFromStripe> {
    let mut at = None;
    let mut signatures = Vec::new();
    for (name, value) in header.split(',').filter_map(|pair| pair.split_once('=')) {
        match name.trim() {
            "t" => at = Some(value),
            "v1" if signatures.len() < SIGNATURES => signatures.push(value),
            _ => {}
        }
    }
    let at = at.ok_or(NotFromStripe::Signature)?;
    let signed = [at.as_bytes(), b".", body].concat();
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let is_theirs = |value: &&str| hex::decode(value).is_ok_and(|tag| hmac::verify(&key, &signed, &tag).is_ok());
    if !signatures.iter().any(is_theirs) {
        return Err(NotFromStripe::Signature);
    }
    // Only who knows the secret wrote it.
    let at: i64 = at.parse().map_err(|_| NotFromStripe::Signature)?;
    if now.unix_timestamp().abs_diff(at) > TOLERANCE.unsigned_abs() {
        return Err(NotFromStripe::Age);
    }
    Ok(())
}

fn read(secret: &[u8], header: &str, body: &[u8], now: OffsetDateTime) -> Result<Event, NotFromStripe> {
    verify(secret, header, body, now)?;
    serde_json::from_slice(body).map_err(|_| NotFromStripe::Shape)
}

impl Web {
    /// Takes down an event, with the header `Stripe-Signature` and the body as it came. Once, however often it comes.
    pub async fn receive_stripe_event(&self, header: &str, body: &[u8]) -> Result<Result<(), NotFromStripe>, Error> {
        let Some(stripe) = &self.stripe else { return Ok(Err(NotFromStripe::Off)) };
        let now = self.world.now();
        let event = match read(stripe.secret().expose_secret().as_bytes(), header, body, now) {
            Ok(event) => event,
            Err(why) => return Ok(Err(why)),
        };
        let created = moment(event.created).unwrap_or(now);
        let mut tx = self.pool.begin().await?;
        let whose = sqlx::query_scalar!(
            r#"SELECT org_id AS "org_id!" FROM receive_stripe_event($1, $2, $3, $4, $5)"#,
            event.id,
            event.kind,
            event.data.object.customer(),
            created,
            now,
        )
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(org) = whose {
            jobs::enqueue(&mut tx, &SyncBilling { org: OrgId(org) }).await?;
        }
        tx.commit().await?;
        tracing::info!(event = event.id, kind = event.kind, known = whose.is_some(), "Stripe told of something");
        Ok(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    const SECRET: &[u8] = b"whsec_test";
    const NOW: OffsetDateTime = datetime!(2026-11-28 12:00 UTC);

    fn signed(secret: &[u8], at: i64, body: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let tag = hmac::sign(&key, &[at.to_string().as_bytes(), b".", body].concat());
        format!("t={at},v1={}", hex::encode(tag.as_ref()))
    }

    #[test]
    fn what_is_signed_as_stripe_signs_is_taken() {
        // From `printf '1492774577.{}' | openssl dgst -sha256 -hmac whsec_test`.
        let header = "t=1492774577,v1=0d0602f6611bd2252dd4b74b58a4528355a7380639a15e6cc21e3059d56d5b8b,v0=00";
        let at = OffsetDateTime::from_unix_timestamp(1_492_774_577).unwrap();
        assert_eq!(verify(SECRET, header, b"{}", at), Ok(()));
        // While the secret is changed, there are two.
        let both = header.replace(",v1", &format!(",v1={},v1", "0".repeat(64)));
        assert_eq!(verify(SECRET, &both, b"{}", at), Ok(()));
    }

    #[test]
    fn what_is_old_changed_or_signed_by_others_is_not() {
        let now = NOW.unix_timestamp();
        let body = br#"{"id":"evt_1"}"#;
        let header = signed(SECRET, now, body);
        assert_eq!(verify(SECRET, &header, body, NOW), Ok(()));
        for (secret, header, body, why) in [
            (&b"whsec_other"[..], header.as_str(), &body[..], NotFromStripe::Signature),
            (SECRET, header.as_str(), br#"{"id":"evt_2"}"#, NotFromStripe::Signature),
            (SECRET, &header.replace(&now.to_string(), &(now + 1).to_string()), body, NotFromStripe::Signature),
            (SECRET, "", body, NotFromStripe::Signature),
            (SECRET, &format!("t={now}"), body, NotFromStripe::Signature),
            (SECRET, &header.replace("v1=", "v0="), body, NotFromStripe::Signature),
            (SECRET, &signed(SECRET, now - 301, body), body, NotFromStripe::Age),
            (SECRET, &signed(SECRET, now + 301, body), body, NotFromStripe::Age),
            (SECRET, &signed(SECRET, i64::MIN, body), body, NotFromStripe::Age),
        ] {
            assert_eq!(verify(secret, header, body, NOW), Err(why), "{header}");
        }
    }

    #[test]
    fn whose_an_event_is_stands_in_its_object() {
        let whose = |object: &str| serde_json::from_str::<Object>(object).unwrap().customer();
        assert_eq!(whose(r#"{"object":"customer","id":"cus_1"}"#).as_deref(), Some("cus_1"));
        assert_eq!(whose(r#"{"object":"invoice","id":"in_1","customer":"cus_1"}"#).as_deref(), Some("cus_1"));
        assert_eq!(
            whose(r#"{"object":"invoice","customer":{"id":"cus_1","object":"customer"}}"#).as_deref(),
            Some("cus_1")
        );
        assert_eq!(whose(r#"{"object":"price","id":"price_1"}"#), None);
        assert_eq!(whose(r#"{"object":"invoice","id":"in_1","customer":null}"#), None);
    }

    proptest! {
        #[test]
        fn no_header_and_no_body_breaks_it(header in ".{0,200}", body in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(verify(SECRET, &header, &body, NOW).is_err());
            let header = signed(SECRET, NOW.unix_timestamp(), &body);
            prop_assert_eq!(read(SECRET, &header, &body, NOW).err(), Some(NotFromStripe::Shape));
        }

        #[test]
        fn one_bit_makes_it_another_body(mut body in proptest::collection::vec(any::<u8>(), 1..200), at in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let header = signed(SECRET, NOW.unix_timestamp(), &body);
            prop_assert_eq!(verify(SECRET, &header, &body, NOW), Ok(()));
            let at = at.index(body.len());
            body[at] ^= 1 << bit;
            prop_assert_eq!(verify(SECRET, &header, &body, NOW), Err(NotFromStripe::Signature));
        }
    }
}
