//! What can go wrong, with its cause. The cause is for the log; [`Error::ui`] is all that leaves the server.

use kubewise_contract::{FieldError, PlanLimit, ProviderRefusal, UiError};

use crate::billing::StripeFault;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Some input is not acceptable.
    #[error("invalid input: {0}")]
    Invalid(#[from] FieldError),
    /// E-mail address or password wrong.
    #[error("wrong credentials")]
    WrongCredentials,
    /// A link that was used already, is too old, or never was one.
    #[error("the link has ended")]
    LinkEnded,
    /// There is none, or none that the asker may see.
    #[error("not found")]
    NotFound,
    /// The asker sees it but may not do this.
    #[error("forbidden")]
    Forbidden,
    /// The organisation asks its members for a second factor, and the asker has none.
    #[error("a second factor is needed")]
    SecondFactorNeeded,
    /// It needs a proof that is not older than ten minutes.
    #[error("a fresh proof is needed")]
    ProofNeeded,
    /// The organisation would have no Owner.
    #[error("the last owner")]
    LastOwner,
    /// The invitation is for another address.
    #[error("the invitation is for another address")]
    InvitedAnother,
    /// What a passkey signed was not what it was asked for.
    #[error("the passkey was not accepted")]
    PasskeyRefused,
    /// The site has no name, so it has no passkeys.
    #[error("there are no passkeys for a site without a name")]
    NoPasskeys,
    /// About signing in through another provider.
    #[error("refused: {0:?}")]
    Provider(ProviderRefusal),
    /// New accounts are not accepted.
    #[error("sign-up is closed")]
    SignUpClosed,
    /// Too many attempts that failed, or too much asked for.
    #[error("too many attempts")]
    TooMany {
        /// How long the next one has to wait.
        seconds: u32,
    },
    /// The organisation's plan does not have more of it.
    #[error("{0}")]
    PlanLimit(PlanLimit),
    /// There is a subscription already.
    #[error("there is a subscription already")]
    AlreadySubscribed,
    /// Stripe did not answer, or refused.
    #[error("Stripe: {0}")]
    Stripe(#[from] StripeFault),
    /// PostgreSQL failed or was not reached.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// A job could not be enqueued.
    #[error("job queue: {0}")]
    Queue(#[from] apalis_postgres::Error),
    /// A fault of ours.
    #[error("{0}")]
    Internal(String),
}

impl From<ProviderRefusal> for Error {
    fn from(refusal: ProviderRefusal) -> Self {
        Self::Provider(refusal)
    }
}

impl Error {
    /// What the browser is told.
    pub fn ui(&self) -> UiError {
        match self {
            Self::Invalid(field) => (*field).into(),
            Self::WrongCredentials => UiError::WrongCredentials,
            Self::LinkEnded => UiError::LinkEnded,
            Self::NotFound => UiError::NotFound,
            Self::Forbidden => UiError::Forbidden,
            Self::SecondFactorNeeded => UiError::SecondFactorNeeded,
            Self::ProofNeeded => UiError::ProofNeeded,
            Self::LastOwner => UiError::LastOwner,
            Self::InvitedAnother => UiError::InvitedAnother,
            Self::PasskeyRefused => UiError::PasskeyRefused,
            Self::NoPasskeys => UiError::NoPasskeys,
            Self::Provider(refusal) => UiError::Provider(*refusal),
            Self::SignUpClosed => UiError::SignUpClosed,
            Self::TooMany { seconds } => UiError::TooMany { seconds: *seconds },
            Self::PlanLimit(limit) => UiError::PlanLimit(*limit),
            Self::AlreadySubscribed => UiError::AlreadySubscribed,
            Self::Stripe(_) => UiError::StripeAway,
            Self::Database(e) if is_taken(e, "memberships_owner") => UiError::LastOwner,
            // The account is being deleted.
            Self::Database(e) if is_taken(e, "memberships_account") => UiError::SignedOut,
            Self::Database(e) if database_is_away(e) => UiError::Unavailable,
            Self::Database(_) | Self::Queue(_) | Self::Internal(_) => UiError::Internal,
        }
    }

    /// True when the cause belongs in the log: it is the server's fault, not the asker's.
    pub fn is_fault(&self) -> bool {
        matches!(self, Self::Database(_) | Self::Queue(_) | Self::Internal(_))
    }
}

/// True when trying again later can help.
pub(crate) fn database_is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Tls(_) => true,
        // Class 08 connection exception, 53 insufficient resources, 57P operator intervention (restart).
        sqlx::Error::Database(e) => {
            e.code().is_some_and(|c| c.starts_with("08") || c.starts_with("53") || c.starts_with("57P"))
        }
        _ => false,
    }
}

/// True when a unique key refused the row.
pub(crate) fn is_taken(error: &sqlx::Error, constraint: &str) -> bool {
    matches!(error, sqlx::Error::Database(e) if e.constraint() == Some(constraint))
}
