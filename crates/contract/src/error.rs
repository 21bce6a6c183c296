//! The only error that crosses the wire. Closed: it carries no text from inside the server.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::{PlanLimit, ProviderRefusal, Weakness};

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "error", content = "detail")]
pub enum UiError {
    /// Some fields were not acceptable. 422.
    #[error("{}", sentences(.0))]
    Invalid(Vec<FieldError>),
    /// E-mail address or password wrong; which of the two is not said. 401.
    #[error("That e-mail address and password do not match an account.")]
    WrongCredentials,
    /// Nobody is signed in, or the session ended. 401.
    #[error("Your session has ended. Sign in again to go on.")]
    SignedOut,
    /// A link from a mail that was used already, is too old, or never was one. 410.
    #[error("This link was used already, or is too old. Ask for a new one.")]
    LinkEnded,
    /// There is no such thing, or none that you may see. 404.
    #[error("There is nothing here, or nothing that you may see.")]
    NotFound,
    /// You see it but may not do this to it. 403.
    #[error("Your role does not allow this. Ask an owner or admin of the organisation.")]
    Forbidden,
    /// The account was shut out by whoever runs the installation. 403.
    #[error("This account was disabled by whoever runs this installation. Ask them to let it in again.")]
    AccountDisabled,
    /// The organisation would have no Owner. 409.
    #[error("An organisation needs an Owner. Make somebody else Owner first.")]
    LastOwner,
    /// The invitation is for another address. 403.
    #[error("This invitation is for another e-mail address than that of your account.")]
    InvitedAnother,
    /// What was asked for needs a proof that is not older than ten minutes. 403.
    #[error("Confirm first that it is you.")]
    ProofNeeded,
    /// The organisation asks its members for a second factor, and you have none. 403.
    #[error("This organisation asks its members for two-step sign-in. Set it up in your account first.")]
    SecondFactorNeeded,
    /// The passkey does not belong here, or what it signed was not what it was asked for. 401.
    #[error("This passkey was not accepted. Try again, or choose another way.")]
    PasskeyRefused,
    /// The person did not go through with it, or has no passkey that fits (made in the browser).
    #[error("No passkey was used. Try again, or choose another way.")]
    PasskeyCancelled,
    /// The browser knows no passkeys, or the site has no name that one could belong to. 404.
    #[error(
        "Passkeys do not work here: they need a browser that knows them, and a site with a name. Choose another way."
    )]
    NoPasskeys,
    /// The request did not come from this site's own pages. 403.
    #[error("This request did not come from Kubewise's own pages, so it was not carried out.")]
    ForeignOrigin,
    /// About signing in through another provider. 409.
    #[error("{}", .0.sentence())]
    Provider(ProviderRefusal),
    /// This installation does not accept new accounts. 403.
    #[error("This installation does not accept new accounts. Ask whoever runs it for an invitation.")]
    SignUpClosed,
    /// Too many attempts that failed, or too much asked for. 429.
    #[error("Too many attempts. Try again in {}.", wait(*.seconds))]
    TooMany {
        /// How long the next one has to wait.
        seconds: u32,
    },
    /// The organisation's plan does not have more of it. 402.
    #[error("{0}")]
    PlanLimit(PlanLimit),
    /// There is a subscription already. 409.
    #[error(
        "There is a subscription already. What it costs and how it is paid is changed at Stripe, by the way on the page Billing."
    )]
    AlreadySubscribed,
    /// Stripe did not answer, or refused. 503.
    #[error(
        "Stripe cannot be reached right now. Nothing was changed, and everything else works; try again in a moment."
    )]
    StripeAway,
    /// The server is there but could not answer now. 503.
    #[error("Kubewise cannot reach its database right now. Nothing was changed; try again in a moment.")]
    Unavailable,
    /// A fault of ours; its cause is in the server's log. 500.
    #[error("Something went wrong on our side. Nothing was changed; try again, and tell us if it stays.")]
    Internal,
    /// The server was not reached, or its answer was not understood (made in the browser).
    #[error("The server did not answer. Check your connection, then try again.")]
    Transport,
}

impl UiError {
    /// The HTTP status that says the same.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Invalid(_) => 422,
            Self::WrongCredentials | Self::SignedOut | Self::PasskeyRefused | Self::PasskeyCancelled => 401,
            Self::LinkEnded => 410,
            Self::NotFound | Self::NoPasskeys => 404,
            Self::Forbidden
            | Self::ProofNeeded
            | Self::SecondFactorNeeded
            | Self::InvitedAnother
            | Self::AccountDisabled
            | Self::ForeignOrigin
            | Self::SignUpClosed => 403,
            Self::Provider(_) | Self::LastOwner | Self::AlreadySubscribed => 409,
            Self::PlanLimit(_) => 402,
            Self::TooMany { .. } => 429,
            Self::Unavailable | Self::StripeAway => 503,
            Self::Internal | Self::Transport => 500,
        }
    }

    /// What is wrong with one field, if that is what is wrong.
    pub fn of_field(&self, field: Field) -> Option<Problem> {
        match self {
            Self::Invalid(errors) => errors.iter().find(|e| e.field == field).map(|e| e.problem),
            _ => None,
        }
    }
}

impl From<FieldError> for UiError {
    fn from(error: FieldError) -> Self {
        Self::Invalid(vec![error])
    }
}

fn wait(seconds: u32) -> String {
    match seconds {
        0 | 1 => "a second".to_owned(),
        2..=90 => format!("{seconds} seconds"),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    }
}

fn sentences(errors: &[FieldError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// A field of one of our forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// A person's name.
    Name,
    /// An e-mail address.
    Email,
    /// A password.
    Password,
    /// The password that the account has, asked for again.
    CurrentPassword,
    /// An organisation's name.
    Organisation,
    /// A cluster's name.
    ClusterName,
    /// The name typed again to confirm a deletion.
    Confirmation,
    /// A code of an authenticator app, or a recovery code.
    Code,
    /// What a passkey is called.
    PasskeyName,
    /// The clusters that somebody is limited to.
    Clusters,
    /// A member's role.
    Role,
    /// The domain of an address.
    Domain,
    /// What an API token is called.
    TokenName,
    /// What an API token may do.
    Permissions,
    /// When an API token ends.
    Expiry,
    /// When something is done by itself.
    Cron,
    /// By whose clocks.
    TimeZone,
    /// At what time of day.
    At,
    /// The number of an audit.
    Audit,
    /// A rule of audits.
    Rule,
    /// What a waiver is for.
    Scope,
    /// Labels of an object.
    Labels,
    /// Why something is decided.
    Reason,
    /// Who answers for something.
    Owner,
    /// Where images may come from.
    Registries,
    /// How many replicas there are at least.
    Replicas,
    /// How many times a request a limit may be.
    LimitRatio,
    /// Labels that workloads have.
    RequiredLabels,
    /// Namespaces that are Kubernetes' own.
    SystemNamespaces,
    /// How long a pod may take to stop.
    Grace,
    /// What a notification is called.
    NotificationName,
    /// Whom mail is for.
    Recipient,
    /// What is told of.
    Occasions,
    /// Where a webhook leads.
    Url,
    /// Namespaces, with commas between.
    Namespaces,
    /// A line of a postal address.
    AddressLine,
    /// A town.
    City,
    /// A postal code.
    PostalCode,
    /// A state, county or province.
    State,
    /// A country.
    Country,
    /// For how long something is kept.
    History,
    /// A filter or position in a URL.
    Query,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "Your name",
            Self::Email => "The e-mail address",
            Self::Password => "The password",
            Self::CurrentPassword => "The current password",
            Self::Organisation => "The organisation's name",
            Self::ClusterName => "The cluster's name",
            Self::Confirmation => "The confirmation",
            Self::Code => "The code",
            Self::PasskeyName => "The passkey's name",
            Self::Clusters => "The choice of clusters",
            Self::Role => "The role",
            Self::Domain => "The domain of your e-mail address",
            Self::TokenName => "The token's name",
            Self::Permissions => "What the token may do",
            Self::Expiry => "The day it ends",
            Self::Cron => "The schedule",
            Self::TimeZone => "The time zone",
            Self::At => "The time of day",
            Self::Audit => "The number of an audit",
            Self::Rule => "The rule",
            Self::Scope => "What is waived",
            Self::Labels => "The labels",
            Self::Reason => "The reason",
            Self::Owner => "The owner",
            Self::Registries => "The registries",
            Self::Replicas => "The least number of replicas",
            Self::LimitRatio => "The ratio",
            Self::RequiredLabels => "The required labels",
            Self::SystemNamespaces => "The namespaces",
            Self::Grace => "The time to stop",
            Self::NotificationName => "The notification's name",
            Self::Recipient => "The choice of a member",
            Self::Occasions => "What is told of",
            Self::Url => "The address",
            Self::Namespaces => "The list of namespaces",
            Self::AddressLine => "The street",
            Self::City => "The town",
            Self::PostalCode => "The postal code",
            Self::State => "The state",
            Self::Country => "The country",
            Self::History => "The number of days",
            Self::Query => "The address of this page",
        })
    }
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// Empty.
    Missing,
    /// Longer than allowed.
    TooLong {
        /// Longest allowed, in characters.
        max: usize,
    },
    /// Shorter than allowed.
    TooShort {
        /// Shortest allowed, in characters.
        min: usize,
    },
    /// Holds line breaks or other control characters.
    NotText,
    /// Not an e-mail address.
    NotAnAddress,
    /// Not a name that can be used on a command line.
    NotAName,
    /// Can be guessed too fast, and why.
    TooWeak(Weakness),
    /// Somebody has it already.
    Taken,
    /// Not the one that is known.
    Wrong,
    /// Not a code that is valid now, or one that was used.
    WrongCode,
    /// Not the one that was invited.
    NotInvited,
    /// A member already.
    IsMember,
    /// Was invited already.
    IsInvited,
    /// Not possible for this role.
    NotForThisRole,
    /// Not proven to be read by the person.
    NotProven,
    /// Anybody can have an address there.
    IsPublic,
    /// Not what was asked to be typed again.
    DoesNotMatch,
    /// Not five fields as cron reads them.
    NotCron,
    /// Comes more often than it may.
    TooOften,
    /// Never comes.
    Never,
    /// Not the name of a time zone.
    NotATimeZone,
    /// Not a time of day.
    NotATime,
    /// Not names of namespaces.
    NotANamespace,
    /// Not a URL that a webhook can be sent to.
    NotAWebhook,
    /// Would carry what is sent unencrypted.
    NotEncrypted,
    /// Leads where this server does not send.
    NotReachable,
    /// Not that of an audit which was done.
    NoSuchAudit,
    /// Not the id of a rule.
    NoSuchRule,
    /// Every finding of every object.
    Everything,
    /// There are as many as there may be.
    OneTooMany,
    /// Not labels as Kubernetes writes them.
    NotLabels,
    /// Not a day that is still to come.
    NotADay,
    /// Not a code of a country.
    NotACountry,
    /// Not a number in a range.
    NotBetween {
        /// The least.
        min: u32,
        /// The most.
        max: u32,
    },
    /// Not names with commas between.
    NotNames,
    /// Cannot be understood.
    NotUnderstood,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is missing."),
            Self::TooLong { max } => write!(f, "is too long: at most {max} characters."),
            Self::TooShort { min } => write!(f, "is too short: at least {min} characters."),
            Self::NotText => f.write_str("holds line breaks or control characters."),
            Self::NotAnAddress => f.write_str("is not an address like name@example.com."),
            Self::NotAName => f.write_str(
                "may hold lower-case letters, digits, hyphens and dots, and begins and ends with a letter or digit.",
            ),
            Self::TooWeak(weakness) => write!(
                f,
                "can be guessed too easily: {weakness}. Take a few words that have nothing to do with each other."
            ),
            Self::Taken => f.write_str("is already in use."),
            Self::Wrong => f.write_str("is not right."),
            Self::WrongCode => f.write_str("is not right, or was used already. Wait for the next one, or use another."),
            Self::NotInvited => f.write_str("is not the one that was invited."),
            Self::IsMember => f.write_str("belongs to a member already."),
            Self::IsInvited => {
                f.write_str("was invited already. Send that invitation again, or wait until others are answered.")
            }
            Self::NotForThisRole => f.write_str("is not possible for this role."),
            Self::NotProven => f.write_str("is not confirmed. Open the link in the mail that we sent you first."),
            Self::IsPublic => f.write_str("is one where anybody can have an address."),
            Self::DoesNotMatch => f.write_str("does not match."),
            Self::NotCron => f.write_str(
                "is not five fields as cron reads them: minute, hour, day of the month, month, day of the week, such as 0 6 * * 1-5.",
            ),
            Self::TooOften => f.write_str("comes too often: at most every 15 minutes."),
            Self::Never => f.write_str("never comes."),
            Self::NotATimeZone => f.write_str("is not a name like Europe/Paris or UTC."),
            Self::NotATime => f.write_str("is not a time like 06:30."),
            Self::NotANamespace => f.write_str("holds what is no name of a namespace, such as shop or shop-api."),
            Self::NotAWebhook => f.write_str("is not one like https://hooks.example.com/kubewise, without a user or a password in it."),
            Self::NotEncrypted => f.write_str("must begin with https://, so that nobody on the way reads what is sent."),
            Self::NotReachable => {
                f.write_str("leads to a network that this installation sends nothing to, such as one of its own.")
            }
            Self::NoSuchAudit => {
                f.write_str("is not that of one that was done in the cluster. Without a number, the last one is meant.")
            }
            Self::NoSuchRule => f.write_str("is not the id of one, as its page says, such as pss-host-ports."),
            Self::Everything => {
                f.write_str("would be every finding there is. Name a rule, or say for which objects every rule is waived.")
            }
            Self::OneTooMany => f.write_str("is one more than there may be. End some that are not needed first."),
            Self::NotLabels => f.write_str("are not written like app=web, tier=front."),
            Self::NotADay => f.write_str("is not a day from today on, like 2027-01-31."),
            Self::NotACountry => f.write_str("is not a country's two letters, like FR."),
            Self::NotBetween { min, max } => write!(f, "is not a number between {min} and {max}."),
            Self::NotNames => f.write_str("are not names with commas between, at most 100 of them."),
            Self::NotUnderstood => f.write_str("cannot be understood. Go back to the first page."),
        }
    }
}

/// One field and what is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// The field.
    pub field: Field,
    /// What is wrong with it.
    pub problem: Problem,
}

impl core::error::Error for FieldError {}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.field, self.problem)
    }
}

#[cfg(feature = "server-fn")]
impl server_fn::error::FromServerFnError for UiError {
    type Encoder = server_fn::codec::JsonEncoding;

    // The text inside is dropped on purpose: it can quote what the framework or the database said.
    fn from_server_fn_error(value: server_fn::error::ServerFnErrorErr) -> Self {
        use server_fn::error::ServerFnErrorErr as E;
        match value {
            E::Args(_) | E::MissingArg(_) => {
                Self::Invalid(vec![FieldError { field: Field::Query, problem: Problem::NotUnderstood }])
            }
            E::Request(_) | E::Deserialization(_) => Self::Transport,
            _ => Self::Internal,
        }
    }
}
