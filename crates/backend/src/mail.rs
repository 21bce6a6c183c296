//! Mail: what is written to people, and how it leaves. Mails are jobs, enqueued in the transaction that causes them.
//!
//! A job says who is written to and why, never what opens something: the worker makes a link at the moment it sends it.

mod outbox;

use std::path::PathBuf;

use askama::Template;
use kubewise_contract::{ExportId, InvitationId, NotificationId, OrgId, UserId};
use lettre::{
    AsyncFileTransport, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
    transport::smtp::AsyncSmtpTransportBuilder,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};

pub(crate) use self::outbox::Lying;
use crate::{
    Error, Worker, World, authorize,
    billing::BillingLetter,
    database::{self, Scope},
    jobs::{self, Queue},
    links::{self, Purpose},
};

/// A mail that waits to be sent: to whom, and why.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "mail", rename_all = "snake_case")]
pub(crate) enum Mail {
    /// Somebody gave this address as theirs.
    VerifyAddress { user: UserId },
    /// Somebody with an account wants to be known by this address instead.
    ChangeAddress { user: UserId, email: String },
    /// The address of an account was changed; this was the one before.
    AddressChanged { name: String, before: String, now: String },
    /// Somebody who says that this is their address forgot their password. Whether it has an account is looked up
    /// when the mail is sent, so that asking takes as long whether it has one or not.
    ResetPassword { email: String },
    /// Somebody was invited to an organisation.
    Invitation { org: OrgId, invitation: InvitationId },
    /// The password of an account was changed.
    PasswordChanged { user: UserId },
    /// Something was done to how the person proves who they are.
    SecurityChanged { user: UserId, what: Changed },
    /// Somebody signed in with a browser that the account was not signed in with before, at this second since 1970.
    NewBrowser { user: UserId, browser: String, at: i64 },
    /// Something that somebody wanted told is not told any more.
    NotificationEnded { org: OrgId, notification: NotificationId },
    /// What somebody asked for of what is held about them is there.
    ExportReady { user: UserId, export: ExportId },
    /// Something about what an organisation pays, at this second since 1970; to a member, or to where invoices go.
    Billing { org: OrgId, user: Option<UserId>, letter: BillingLetter, about: i64 },
    /// A policy has a new version, of this date.
    PolicyChanged { user: UserId, policy: String, version: String },
}

impl Mail {
    /// Whose account it is about, if it is looked up when the mail is written.
    const fn user(&self) -> Option<UserId> {
        match self {
            Self::VerifyAddress { user }
            | Self::ChangeAddress { user, .. }
            | Self::PasswordChanged { user }
            | Self::SecurityChanged { user, .. }
            | Self::NewBrowser { user, .. }
            | Self::ExportReady { user, .. }
            | Self::PolicyChanged { user, .. } => Some(*user),
            Self::Billing { user, .. } => *user,
            Self::AddressChanged { .. }
            | Self::ResetPassword { .. }
            | Self::Invitation { .. }
            | Self::NotificationEnded { .. } => None,
        }
    }
}

/// What a person is told of in case it was not them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Changed {
    AuthenticatorAdded,
    AuthenticatorRemoved,
    PasskeyAdded,
    PasskeyRemoved,
    RecoveryCodesMade,
    RecoveryCodeUsed,
    ProviderLinked,
    ProviderUnlinked,
}

impl Changed {
    /// The subject, and what was done.
    const fn sentence(self) -> (&'static str, &'static str) {
        match self {
            Self::AuthenticatorAdded => (
                "Two-step sign-in was switched on",
                "an authenticator app was added to your account at Kubewise. Signing in asks for a code of it from now on. Everywhere else you were signed out.",
            ),
            Self::AuthenticatorRemoved => (
                "Your authenticator app was removed",
                "the authenticator app of your account at Kubewise was removed. Signing in asks for no code of it any more.",
            ),
            Self::PasskeyAdded => (
                "A passkey was added",
                "a passkey was added to your account at Kubewise. It signs you in, and everywhere else you were signed out.",
            ),
            Self::PasskeyRemoved => (
                "A passkey was removed",
                "a passkey of your account at Kubewise was removed. It signs nobody in any more.",
            ),
            Self::RecoveryCodesMade => (
                "You have new recovery codes",
                "new recovery codes were made for your account at Kubewise. Those from before work no more.",
            ),
            Self::RecoveryCodeUsed => (
                "A recovery code was used",
                "your account at Kubewise was signed in to, or changed, with one of its recovery codes. That code works no more.",
            ),
            Self::ProviderLinked => (
                "Another way to sign in was linked",
                "your account at Kubewise can be signed in to through a provider from now on, such as Google. Your account's security page says as whom.",
            ),
            Self::ProviderUnlinked => (
                "A way to sign in was unlinked",
                "your account at Kubewise can be signed in to through a provider, such as Google, no more.",
            ),
        }
    }
}

impl Queue for Mail {
    const NAME: &'static str = "mail";
}

/// How mail leaves.
#[derive(Clone)]
pub struct Mailer {
    from: Mailbox,
    /// The address of this installation: links lead there.
    public_url: String,
    transport: Transport,
}

#[derive(Clone)]
enum Transport {
    Outbox(PathBuf, AsyncFileTransport<Tokio1Executor>),
    Smtp(AsyncSmtpTransport<Tokio1Executor>),
}

impl Mailer {
    /// Into a folder, one `.eml` file each: for whoever tries Kubewise without a mail server.
    pub fn outbox(folder: PathBuf, from: &str, public_url: &str) -> Result<Self, Error> {
        Ok(Self {
            from: mailbox(from)?,
            public_url: public_url.to_owned(),
            transport: Transport::Outbox(folder.clone(), AsyncFileTransport::new(folder)),
        })
    }

    /// By SMTP: `smtps://user:password@host:465`, `smtp://host:587?tls=required`. In a runtime only: connections are
    /// kept for a while.
    pub fn smtp(url: &SecretString, from: &str, public_url: &str) -> Result<Self, Error> {
        let transport = Transport::Smtp(smtp(url)?.build());
        Ok(Self { from: mailbox(from)?, public_url: public_url.to_owned(), transport })
    }

    /// Whether mail can come from this sender.
    pub fn check_sender(from: &str) -> Result<(), Error> {
        mailbox(from).map(drop)
    }

    /// The address that mail of this sender comes from.
    pub fn address_of(from: &str) -> Result<String, Error> {
        Ok(mailbox(from)?.email.to_string())
    }

    /// Whether this is the URL of an SMTP server.
    pub fn check_smtp_url(url: &SecretString) -> Result<(), Error> {
        smtp(url).map(drop)
    }

    /// The address of this installation.
    pub(crate) fn site(&self) -> &str {
        &self.public_url
    }

    /// Removes mail that was written into the folder longer ago; an SMTP server has none of ours.
    pub(crate) async fn remove_older_than(&self, age: Duration) -> Result<(), Error> {
        let Transport::Outbox(folder, _) = &self.transport else { return Ok(()) };
        let fault = |e: std::io::Error| Error::Internal(format!("outbox: {e}"));
        // Files have the machine's clock, whichever was handed in.
        let before = World::system().now() - age;
        let mut files = match tokio::fs::read_dir(folder).await {
            Ok(files) => files,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(fault(e)),
        };
        while let Some(file) = files.next_entry().await.map_err(fault)? {
            let is_mail = file.path().extension().is_some_and(|ending| ending == "eml");
            let written = file.metadata().await.and_then(|about| about.modified());
            if is_mail && written.is_ok_and(|at| OffsetDateTime::from(at) < before) {
                // Somebody else may have been faster.
                tokio::fs::remove_file(file.path()).await.ok();
            }
        }
        Ok(())
    }

    async fn send(&self, to: Mailbox, letter: &Letter<'_>) -> Result<(), Error> {
        self.send_about(None, to, letter).await
    }

    /// The same about an organisation, which the letter does not say by a link: by its slug.
    async fn send_about(&self, slug: Option<&str>, to: Mailbox, letter: &Letter<'_>) -> Result<(), Error> {
        let broken = |e: askama::Error| Error::Internal(format!("mail: {e}"));
        let text = PlainText { letter }.render().map_err(broken)?;
        let html = Html { letter }.render().map_err(broken)?;
        let subject = letter.subject.to_owned();
        let about = slug.map(|slug| format!("/o/{slug}/"));
        self.hand_over(to, Composed { subject, text, html, id: None, unsubscribe: None, about }).await
    }

    /// Sends what was written elsewhere.
    pub(crate) async fn post(&self, name: &str, email: &str, composed: Composed) -> Result<(), Error> {
        self.hand_over(to(name, email)?, composed).await
    }

    /// Tells somebody of something, with the page where it can be seen, and why they get this mail.
    pub(crate) async fn tell_about(
        &self,
        name: &str,
        email: &str,
        subject: &str,
        what: String,
        link: Link<'_>,
        closing: &str,
    ) -> Result<(), Error> {
        let site = &self.public_url;
        let letter = Letter { subject, name, paragraphs: vec![what], link: Some(link), closing, site };
        self.send(to(name, email)?, &letter).await
    }

    /// Tells somebody that what they asked for is being deleted, and where it will be shown that it was.
    pub(crate) async fn tell_of_erasure(&self, name: &str, email: &str, told: &ErasureTold<'_>) -> Result<(), Error> {
        let what = match told.organisation {
            None => {
                "your account at Kubewise is being deleted, as was asked for with it. This is the last mail to you."
                    .to_owned()
            }
            Some((organisation, slug)) => match told.undone_until {
                None => format!(
                    "the organisation {organisation} at Kubewise is being deleted, as one of its Owners asked for."
                ),
                Some(at) => format!(
                    "one of its Owners asked for the organisation {organisation} at Kubewise to be deleted. It will be, on {}. Until \
                     then each Owner can take that back: {}/o/{slug}/settings/data",
                    moment(at),
                    self.public_url,
                ),
            },
        };
        let subject = match told.organisation {
            None => "Your account is being deleted".to_owned(),
            Some((organisation, _)) if told.undone_until.is_some() => format!("{organisation} will be deleted"),
            Some((organisation, _)) => format!("{organisation} is being deleted"),
        };
        let label = "How the deletion is doing, and its certificate";
        let letter = Letter {
            subject: &subject,
            name,
            paragraphs: vec![what],
            link: Some(Link { label, url: format!("{}/erasure?token={}", self.public_url, told.token) }),
            closing: "Keep this mail: the certificate is kept for 400 days.",
            site: &self.public_url,
        };
        self.send_about(told.organisation.map(|(_, slug)| slug), to(name, email)?, &letter).await
    }

    /// Removes those of the mails that lie in a folder that are meant. What was sent is not ours any more.
    pub(crate) async fn forget(&self, is_meant: impl Fn(&Lying) -> bool + Send + 'static) -> Result<u64, Error> {
        let Transport::Outbox(folder, _) = &self.transport else { return Ok(0) };
        let folder = folder.clone();
        let forgotten = tokio::task::spawn_blocking(move || outbox::forget(&folder, is_meant));
        forgotten
            .await
            .map_err(|e| Error::Internal(format!("outbox: {e}")))?
            .map_err(|e| Error::Internal(format!("outbox: {e}")))
    }

    async fn hand_over(&self, to: Mailbox, composed: Composed) -> Result<(), Error> {
        let broken = |e: &dyn std::fmt::Display| Error::Internal(format!("mail: {e}"));
        let mut builder = Message::builder().from(self.from.clone()).to(to).subject(composed.subject);
        if let Some(id) = composed.id {
            builder = builder.message_id(Some(format!("<{id}@{}>", self.from.email.domain())));
        }
        if let Some(end) = composed.unsubscribe {
            // RFC 8058: one POST ends it.
            for (name, value) in [
                (HeaderName::new_from_ascii_str("List-Unsubscribe"), format!("<{end}>")),
                (HeaderName::new_from_ascii_str("List-Unsubscribe-Post"), "List-Unsubscribe=One-Click".to_owned()),
            ] {
                builder = builder.raw_header(HeaderValue::new(name, value));
            }
        }
        if let Some(about) = composed.about {
            builder =
                builder.raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Kubewise-Organisation"), about));
        }
        let body = MultiPart::alternative_plain_html(composed.text, composed.html);
        let message = builder.multipart(body).map_err(|e| broken(&e))?;
        match &self.transport {
            Transport::Outbox(_, outbox) => outbox.send(message).await.map(drop).map_err(|e| broken(&e)),
            // A server's answer can repeat the address.
            Transport::Smtp(smtp) => smtp.send(message).await.map(drop).map_err(|e| {
                Error::Internal(match e.status() {
                    Some(code) => format!("mail: the SMTP server answered {code}"),
                    None => "mail: the SMTP server cannot be reached, or broke off".to_owned(),
                })
            }),
        }
    }
}

fn smtp(url: &SecretString) -> Result<AsyncSmtpTransportBuilder, Error> {
    // What is wrong with the URL is not repeated: it holds a password.
    AsyncSmtpTransport::<Tokio1Executor>::from_url(url.expose_secret())
        .map_err(|_| Error::Internal("not an SMTP URL like smtps://user:password@mail.example.com:465".to_owned()))
}

fn mailbox(text: &str) -> Result<Mailbox, Error> {
    text.parse().map_err(|_| Error::Internal("not an address like Kubewise <kubewise@example.com>".to_owned()))
}

/// A mail that is written.
pub(crate) struct Composed {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
    /// What is the same when the same is sent again, so that it is shown once.
    pub(crate) id: Option<String>,
    /// Where one POST ends such mails.
    pub(crate) unsubscribe: Option<String>,
    /// The organisation that it is about, where no link says it, as the beginning of its pages' addresses: so that it is found
    /// where mails lie in a folder.
    pub(crate) about: Option<String>,
}

/// What is told of a deletion.
pub(crate) struct ErasureTold<'a> {
    /// Name and address of the organisation; none: it is an account's.
    pub(crate) organisation: Option<(&'a str, &'a str)>,
    /// Until when it can be taken back, in seconds since 1970.
    pub(crate) undone_until: Option<i64>,
    /// What the address of its page carries.
    pub(crate) token: &'a str,
}

/// A button, and where it leads.
pub(crate) struct Link<'a> {
    pub(crate) label: &'a str,
    pub(crate) url: String,
}

struct Letter<'a> {
    subject: &'a str,
    name: &'a str,
    paragraphs: Vec<String>,
    link: Option<Link<'a>>,
    closing: &'a str,
    site: &'a str,
}

#[derive(Template)]
#[template(path = "mail.txt")]
struct PlainText<'a> {
    letter: &'a Letter<'a>,
}

#[derive(Template)]
#[template(path = "mail.html")]
struct Html<'a> {
    letter: &'a Letter<'a>,
}

/// Enqueues, as part of the caller's transaction.
pub(crate) async fn enqueue(tx: &mut PgConnection, mail: &Mail) -> Result<(), Error> {
    jobs::enqueue(tx, mail).await
}

const IF_NOT_YOU: &str = "If this was not you, reset your password now, and tell whoever runs this installation.";

impl Worker {
    /// Writes and sends one mail. What it was about may be gone by now: then there is nothing to send.
    pub(crate) async fn send_mail(&self, mail: Mail) -> Result<(), Error> {
        let user = mail.user().filter(|_| matches!(self.mailer.transport, Transport::Outbox(..)));
        let Some(user) = user else { return self.write(mail).await };
        let Some(person) = self.person(user).await? else { return Ok(()) };
        self.write(mail).await?;
        // It is being deleted by now, and the folder may have been looked through before this came there.
        if self.person(user).await?.is_none() {
            self.mailer.forget(move |mail| mail.says(&person.email)).await?;
        }
        Ok(())
    }

    async fn write(&self, mail: Mail) -> Result<(), Error> {
        match mail {
            Mail::VerifyAddress { user } => {
                let Some(person) = self.person(user).await? else { return Ok(()) };
                let Some(url) = self.link(user, Purpose::VerifyAddress, &person.email, "/verify").await? else {
                    return Ok(());
                };
                let letter = Letter {
                    subject: "Confirm your e-mail address",
                    name: &person.name,
                    paragraphs: vec![
                        "you made an account at Kubewise. Please confirm that this is your address.".to_owned(),
                    ],
                    link: Some(Link { label: "Confirm this address", url }),
                    closing: "The link works once, for a day. If you made no account, ignore this mail.",
                    site: &self.mailer.public_url,
                };
                self.mailer.send(to(&person.name, &person.email)?, &letter).await
            }
            Mail::ChangeAddress { user, email } => {
                let Some(person) = self.person(user).await? else { return Ok(()) };
                let Some(url) = self.link(user, Purpose::ChangeAddress, &email, "/verify").await? else {
                    return Ok(());
                };
                let letter = Letter {
                    subject: "Confirm your new e-mail address",
                    name: &person.name,
                    paragraphs: vec![
                        "you asked that your account at Kubewise be known by this address. It is, once you confirm that you read it."
                            .to_owned(),
                    ],
                    link: Some(Link { label: "Use this address", url }),
                    closing: "The link works once, for a day. If you asked for nothing, ignore this mail.",
                    site: &self.mailer.public_url,
                };
                self.mailer.send(to(&person.name, &email)?, &letter).await
            }
            Mail::AddressChanged { name, before, now } => {
                let letter = Letter {
                    subject: "Your e-mail address was changed",
                    name: &name,
                    paragraphs: vec![format!(
                        "your account at Kubewise is now known by {now} instead of this address."
                    )],
                    link: None,
                    closing: "If this was not you, tell whoever runs this installation at once.",
                    site: &self.mailer.public_url,
                };
                self.mailer.send(to(&name, &before)?, &letter).await
            }
            Mail::ResetPassword { email } => {
                let found = sqlx::query!("SELECT id, name, email FROM users WHERE email_canonical = $1", email)
                    .fetch_optional(&self.pool)
                    .await?;
                let Some(found) = found else { return Ok(()) };
                let Some(url) = self.link(UserId(found.id), Purpose::ResetPassword, &found.email, "/reset").await?
                else {
                    return Ok(());
                };
                let letter = Letter {
                    subject: "Choose a new password",
                    name: &found.name,
                    paragraphs: vec![
                        "somebody, hopefully you, forgot the password of your account at Kubewise.".to_owned(),
                    ],
                    link: Some(Link { label: "Choose a new password", url }),
                    closing: "The link works once, for an hour. If you asked for nothing, ignore this mail: your password stays as it is.",
                    site: &self.mailer.public_url,
                };
                self.mailer.send(to(&found.name, &found.email)?, &letter).await
            }
            Mail::Invitation { org, invitation } => self.send_invitation(org, invitation).await,
            Mail::NotificationEnded { org, notification } => self.tell_ended(org, notification).await,
            Mail::ExportReady { user, export } => self.send_export(user, export).await,
            Mail::Billing { org, user, letter, about } => self.send_billing_letter(org, user, letter, about).await,
            Mail::PolicyChanged { user, policy, version } => self.send_policy_letter(user, &policy, &version).await,
            Mail::PasswordChanged { user } => {
                let what = "the password of your account at Kubewise was changed just now. Everywhere else you were signed out.";
                self.tell(user, "Your password was changed", what.to_owned()).await
            }
            Mail::SecurityChanged { user, what } => {
                let (subject, sentence) = what.sentence();
                self.tell(user, subject, sentence.to_owned()).await
            }
            Mail::NewBrowser { user, browser, at } => {
                let with = if browser.is_empty() { String::new() } else { format!(" with {browser}") };
                let what = format!(
                    "your account at Kubewise was signed in to{with}, {}. It was the first time with this browser.",
                    moment(at),
                );
                self.tell(user, "Your account was signed in to from a new browser", what).await
            }
        }
    }

    async fn send_invitation(&self, org: OrgId, invitation: InvitationId) -> Result<(), Error> {
        let mut tx = database::tenant_tx(&self.pool, org, &Scope::All).await?;
        let found = sqlx::query!(
            r#"SELECT i.email, i.role, o.name, o.slug, u.name AS "invited_by?"
               FROM invitations i JOIN organisations o ON o.id = i.org_id LEFT JOIN users u ON u.id = i.invited_by
               WHERE i.org_id = $1 AND i.id = $2 AND i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.expires_at > $3"#,
            org.0,
            invitation.0,
            self.world.now(),
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(found) = found else { return Ok(()) };
        let token = links::text(&self.world);
        sqlx::query!(
            "UPDATE invitations SET hash = $3 WHERE org_id = $1 AND id = $2",
            org.0,
            invitation.0,
            links::hash(&token),
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        let role = authorize::parse_role(&found.role)?;
        let who = found.invited_by.unwrap_or_else(|| "A member".to_owned());
        let letter = Letter {
            subject: &format!("You are invited to {} at Kubewise", found.name),
            name: "there",
            paragraphs: vec![format!(
                "{who} invites you to {}, as {role}. Kubewise shows what runs in all the Kubernetes clusters of a team.",
                found.name,
            )],
            link: Some(Link {
                label: "See the invitation",
                url: format!("{}/invite?token={token}", self.mailer.public_url),
            }),
            closing: "The link works once, for a week, for this address alone. If you know nothing of it, ignore this mail.",
            site: &self.mailer.public_url,
        };
        let address = found.email.parse().map_err(|_| Error::Internal("mail: a stored address is none".to_owned()))?;
        self.mailer.send_about(Some(&found.slug), Mailbox::new(None, address), &letter).await
    }

    /// Tells a person of what was done with their account, in case it was not them.
    async fn tell(&self, user: UserId, subject: &str, what: String) -> Result<(), Error> {
        let Some(person) = self.person(user).await? else { return Ok(()) };
        let letter = Letter {
            subject,
            name: &person.name,
            paragraphs: vec![what],
            link: None,
            closing: IF_NOT_YOU,
            site: &self.mailer.public_url,
        };
        self.mailer.send(to(&person.name, &person.email)?, &letter).await
    }

    /// Who has an account, unless it is being deleted: then nothing is written to them any more.
    async fn person(&self, user: UserId) -> Result<Option<Person>, Error> {
        Ok(sqlx::query_as!(
            Person,
            "SELECT name, email FROM users u WHERE id = $1
               AND NOT EXISTS (SELECT FROM erasures e WHERE e.user_id = u.id AND e.begun_at IS NOT NULL)",
            user.0,
        )
        .fetch_optional(&self.pool)
        .await?)
    }

    /// A fresh link to a page; none when so many were sent lately that one more would only fill a mailbox.
    async fn link(&self, user: UserId, purpose: Purpose, email: &str, page: &str) -> Result<Option<String>, Error> {
        let token = links::make(&self.pool, &self.world, user, purpose, email).await?;
        Ok(token.map(|token| format!("{}{page}?token={token}", self.mailer.public_url)))
    }
}

/// `23 November 2026 at 13:05 UTC`
pub(crate) fn moment(at: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(at).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!("{} {} {} at {:02}:{:02} UTC", at.day(), at.month(), at.year(), at.hour(), at.minute())
}

struct Person {
    name: String,
    email: String,
}

fn to(name: &str, email: &str) -> Result<Mailbox, Error> {
    let address = email.parse().map_err(|_| Error::Internal("mail: a stored address is none".to_owned()))?;
    // Names have none; a header must have none.
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    Ok(Mailbox::new(Some(name), address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_call_themselves_cannot_change_the_mail() {
        let letter = Letter {
            subject: "s",
            name: "<b>Maya</b>\r\nBcc: x",
            paragraphs: vec!["a & b".to_owned()],
            link: Some(Link { label: "Go", url: "https://kubewise.example/verify?token=a".to_owned() }),
            closing: "c",
            site: "https://kubewise.example",
        };
        let html = Html { letter: &letter }.render().unwrap();
        assert!(!html.contains("<b>") && html.contains("a &#38; b"), "{html}");
        let text = PlainText { letter: &letter }.render().unwrap();
        assert!(text.contains("Go:\nhttps://kubewise.example/verify?token=a\n"), "{text}");
        let message = Message::builder()
            .from("Kubewise <kubewise@example.com>".parse().unwrap())
            .to(to(letter.name, "maya@example.com").unwrap())
            .subject(letter.subject)
            .body(text)
            .unwrap();
        let sent = String::from_utf8(message.formatted()).unwrap();
        let (headers, _) = sent.split_once("\r\n\r\n").unwrap();
        assert!(!headers.lines().any(|line| line.starts_with("Bcc:")), "{sent}");
    }
}
