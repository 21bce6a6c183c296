//! What is told, for programs: signed JSON as Standard Webhooks has it (specification 1.0.0), and what Slack takes.

use aws_lc_rs::hmac;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use kubewise_contract::{BySeverity, DeliveryEvent, NotificationId, OrgId};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    found::FoundRow,
    told::{Told, Way},
    words,
};
use crate::{
    AllowedNetworks, Error, World,
    keys::DataKey,
    outbound::{Failed, Outbound},
    world::timestamp,
};

/// What a secret begins with, before its base64.
const PREFIX: &str = "whsec_";
/// Bytes of a secret: Standard Webhooks asks for 24 to 64. As many as need no padding.
const SECRET_BYTES: usize = 33;
/// Findings that a chat is shown: more would be a wall.
const IN_CHAT: usize = 10;
/// Characters of a block (Slack: at most 3000 in a section, 150 in a header).
const BLOCK: usize = 2_900;

/// What is needed to send to webhooks.
#[derive(Clone)]
pub struct Webhooks {
    outbound: Outbound,
}

impl Webhooks {
    /// `allowed`: networks that something may be sent to although they are not public.
    pub fn new(allowed: AllowedNetworks) -> Self {
        Self { outbound: Outbound::new(allowed) }
    }
}

/// Where the address of a webhook belongs, in the database.
pub(crate) fn url_place(org: OrgId, id: NotificationId) -> String {
    format!("notifications.url {org} {id}")
}

/// The same for its secret.
pub(crate) fn secret_place(org: OrgId, id: NotificationId) -> String {
    format!("notifications.secret {org} {id}")
}

/// The place of what ends a notification by mail.
pub(super) const END: &str = "notifications.end";

/// What the header of a mail carries, so that one POST ends it: the organisation, and under its key the notification, so that
/// nobody else can make one.
fn end_token(key: &DataKey, org: OrgId, id: NotificationId) -> Result<String, Error> {
    Ok(URL_SAFE_NO_PAD.encode([org.0.as_bytes().as_slice(), &key.seal(END, id.0.as_bytes())?].concat()))
}

/// Whose key opens the rest.
pub(super) fn parsed_end(token: &SecretString) -> Option<(OrgId, Vec<u8>)> {
    let both = URL_SAFE_NO_PAD.decode(token.expose_secret()).ok()?;
    let (org, sealed) = both.split_at_checked(16)?;
    Some((OrgId(Uuid::from_slice(org).ok()?), sealed.to_vec()))
}

/// What that names.
pub(super) fn ended(opened: &[u8]) -> Option<NotificationId> {
    Uuid::from_slice(opened).ok().map(NotificationId)
}

/// Where one POST ends the mails of a notification.
pub(super) fn end_address(key: &DataKey, told: &Told, site: &str) -> Result<String, Error> {
    Ok(format!("{site}/unsubscribe?token={}", end_token(key, told.org, told.notification)?))
}

/// A fresh secret, as it is shown once.
pub(super) fn fresh_secret(world: &World) -> SecretString {
    format!("{PREFIX}{}", STANDARD.encode(world.random::<SECRET_BYTES>())).into()
}

impl Webhooks {
    /// Sends what is told; answers the status.
    pub(super) async fn send(
        &self,
        told: &Told,
        way: &Way,
        site: &str,
        now: OffsetDateTime,
    ) -> Result<Result<u16, Failed>, Error> {
        let (url, signed, body) = match way {
            Way::Webhook { url, secret } => (url, Some(secret), body(told, site)),
            Way::Slack { url } => (url, None, chat(told, site)),
            Way::Mail(_) => return Err(Error::Internal("mail is no webhook".to_owned())),
        };
        let body = body.to_string();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(secret) = signed {
            let (id, at) = (told.delivery.to_string(), now.unix_timestamp().to_string());
            for (name, value) in [
                ("webhook-signature", signature(secret, &id, &at, &body)?),
                ("webhook-id", id),
                ("webhook-timestamp", at),
            ] {
                let value = HeaderValue::try_from(value).map_err(|e| Error::Internal(format!("webhook: {e}")))?;
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        Ok(self.outbound.post(url.expose_secret(), headers, body.into_bytes()).await)
    }
}

/// Standard Webhooks: HMAC-SHA256 over the id, the timestamp and the body, with dots between.
fn signature(secret: &SecretString, id: &str, at: &str, body: &str) -> Result<String, Error> {
    let secret = secret.expose_secret().strip_prefix(PREFIX).and_then(|text| STANDARD.decode(text).ok());
    let secret = secret.ok_or_else(|| Error::Internal("a webhook's secret is none".to_owned()))?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
    let tag = hmac::sign(&key, format!("{id}.{at}.{body}").as_bytes());
    Ok(format!("v1,{}", STANDARD.encode(tag.as_ref())))
}

/// The body of a webhook.
fn body(told: &Told, site: &str) -> Value {
    let cluster = |id: Uuid, name: &str| json!({ "id": id, "name": name, "url": cluster_page(site, told, id) });
    let mut data = json!({
        "organisation": { "slug": told.slug, "name": told.organisation, "url": organisation_page(site, told) },
        "notification": { "id": told.notification, "name": told.name, "url": notification_page(site, told) },
    });
    if told.event == DeliveryEvent::NewFindings
        && let Some(first) = told.found.worst.first()
    {
        data["cluster"] = cluster(first.cluster_id, &first.cluster);
        data["audit"] = json!(told.audit);
        data["counts"] = counts(&told.found.counts);
        data["findings"] = told.found.worst.iter().map(|row| finding(told, site, row)).collect();
        data["more"] = json!(words::more(told));
    }
    if let Some(run) = told.runs.first() {
        data["cluster"] = cluster(run.cluster_id, &run.cluster);
        data["audit"] = json!(run.audit);
        if let Some(due_at) = run.missed {
            data["due_at"] = json!(timestamp(due_at).to_string());
        }
    }
    if let Some(silence) = told.silences.first() {
        data["cluster"] = cluster(silence.cluster_id, &silence.cluster);
        data["last_heard_at"] = json!(timestamp(silence.last_heard_at).to_string());
    }
    json!({ "type": told.event.as_str(), "timestamp": timestamp(told.at).to_string(), "data": data })
}

fn counts(counts: &BySeverity) -> Value {
    json!({
        "critical": counts.critical, "high": counts.high, "medium": counts.medium, "low": counts.low, "info": counts.info,
    })
}

fn finding(told: &Told, site: &str, row: &FoundRow) -> Value {
    json!({
        "id": row.id,
        "rule": row.rule,
        "title": row.title(),
        "severity": row.severity().as_str(),
        "kind": row.kind,
        "namespace": row.namespace,
        "name": row.name,
        "path": row.path,
        "message": row.message,
        "url": finding_page(site, told, row),
    })
}

/// What Slack takes at an incoming webhook, and what copied that: a line for lists and notices, and blocks.
fn chat(told: &Told, site: &str) -> Value {
    let subject = escaped(&words::subject(told));
    let mut paragraphs = vec![format!("*{subject}*")];
    // Of findings, the line has said it all.
    if told.event != DeliveryEvent::NewFindings {
        paragraphs.extend(words::sentences(told).iter().map(|sentence| escaped(&words::begun(sentence))));
    }
    let shown = &told.found.worst[..told.found.worst.len().min(IN_CHAT)];
    paragraphs.extend(shown.iter().map(|row| {
        format!(
            "• *{}* <{}|{}>: {}",
            row.severity(),
            finding_page(site, told, row),
            linked(row.title()),
            escaped(&row.object())
        )
    }));
    let hidden = told.found.counts.total() - i64::try_from(shown.len()).unwrap_or_default();
    if hidden > 0 {
        paragraphs.push(format!("and {hidden} more"));
    }
    let blocks: Vec<_> = paragraphs
        .iter()
        .map(|text| json!({ "type": "section", "text": { "type": "mrkdwn", "text": cut(text) } }))
        .chain([json!({ "type": "context", "elements": [{
            "type": "mrkdwn",
            "text": format!("<{}|{}> at Kubewise", notification_page(site, told), linked(&told.name)),
        }] })])
        .collect();
    json!({ "text": subject, "blocks": blocks })
}

/// The three characters that mean something to Slack; so nothing in a name becomes a link, or calls a whole channel.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The words of a link, which end at a bar.
fn linked(text: &str) -> String {
    escaped(&text.replace(['|', '\n'], " "))
}

fn cut(text: &str) -> String {
    if text.chars().count() <= BLOCK {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(BLOCK).collect();
    short.push('…');
    short
}

pub(super) fn organisation_page(site: &str, told: &Told) -> String {
    format!("{site}/o/{}/", told.slug)
}

pub(super) fn cluster_page(site: &str, told: &Told, cluster: Uuid) -> String {
    format!("{site}/o/{}/clusters/{cluster}", told.slug)
}

pub(super) fn finding_page(site: &str, told: &Told, row: &FoundRow) -> String {
    format!("{}/findings/{}", cluster_page(site, told, row.cluster_id), row.id)
}

pub(super) fn notification_page(site: &str, told: &Told) -> String {
    format!("{site}/o/{}/settings/notifications/{}", told.slug, told.notification)
}

#[cfg(test)]
mod tests {
    use kubewise_contract::DeliveryId;

    use super::*;
    use crate::{Keys, notifications::found::Found};

    fn told(title: &str) -> Told {
        let row = FoundRow {
            id: "00".to_owned(),
            cluster_id: Uuid::nil(),
            cluster: "eu-prod".to_owned(),
            rule: "no-such-rule".to_owned(),
            severity: 4,
            kind: "Deployment.apps".to_owned(),
            namespace: "shop".to_owned(),
            name: title.to_owned(),
            path: String::new(),
            message: String::new(),
        };
        Told {
            org: OrgId(Uuid::nil()),
            slug: "acme".to_owned(),
            organisation: "Acme".to_owned(),
            notification: NotificationId(Uuid::nil()),
            name: "On call".to_owned(),
            made_by: None,
            delivery: DeliveryId(Uuid::nil()),
            event: DeliveryEvent::NewFindings,
            at: OffsetDateTime::UNIX_EPOCH,
            audit: Some(12),
            since: None,
            found: Found { counts: BySeverity { critical: 3, ..BySeverity::default() }, worst: vec![row] },
            runs: Vec::new(),
            silences: Vec::new(),
        }
    }

    /// The example of the specification's own libraries.
    #[test]
    fn what_is_sent_is_signed_as_standard_webhooks_has_it() {
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned().into();
        let signed = signature(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", r#"{"test": 2432232314}"#);
        assert_eq!(signed.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let fresh = fresh_secret(&World::system());
        let text = fresh.expose_secret();
        assert!(text.starts_with(PREFIX) && !text.contains('=') && text.len() == 6 + 44, "{text}");
    }

    #[test]
    fn what_ends_a_notification_names_it_and_cannot_be_made_up() {
        let (keys, _folder) = Keys::for_tests();
        let [key, another] = [1, 2].map(DataKey::for_tests);
        let (org, id) = (OrgId(Uuid::from_u128(1)), NotificationId(Uuid::from_u128(2)));
        let token = end_token(&key, org, id).unwrap();
        let opened = |key: &DataKey, token: String| {
            let (org, sealed) = parsed_end(&token.into())?;
            Some((org, ended(&keys.open(key, END, &sealed).ok()?)?))
        };
        assert_eq!(opened(&key, token.clone()), Some((org, id)));
        for other in [String::new(), "x".to_owned(), token.to_uppercase(), token[..token.len() - 2].to_owned()] {
            assert_eq!(opened(&key, other.clone()), None, "{other}");
        }
        assert_eq!(opened(&another, token), None);
    }

    #[test]
    fn a_webhook_says_what_was_found_and_where_to_look() {
        let body = body(&told("web"), "https://kubewise.example");
        assert_eq!(body["type"], "findings.new");
        assert_eq!(body["timestamp"], "1970-01-01T00:00:00Z");
        assert_eq!(body["data"]["counts"]["critical"], 3);
        assert_eq!((&body["data"]["more"], &body["data"]["audit"]), (&json!(2), &json!(12)));
        assert_eq!(body["data"]["findings"][0]["severity"], "critical");
        let page = "https://kubewise.example/o/acme/clusters/00000000-0000-0000-0000-000000000000";
        assert_eq!(body["data"]["cluster"]["url"], page);
        assert_eq!(body["data"]["findings"][0]["url"], format!("{page}/findings/00"));
    }

    #[test]
    fn nothing_in_a_name_calls_a_channel_or_becomes_a_link() {
        let chat = chat(&told("<!channel> & <https://evil.example|click>"), "https://kubewise.example").to_string();
        assert!(!chat.contains("<!channel>") && !chat.contains("<https://evil.example"), "{chat}");
        assert!(chat.contains("&lt;!channel&gt; &amp;"), "{chat}");
        assert!(chat.contains("and 2 more"), "{chat}");
    }
}
