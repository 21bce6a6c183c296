//! The part of the server that serves people.

use std::sync::Arc;

use kubewise_contract::Timestamp;
use sqlx::PgPool;
use webauthn_rs::Webauthn;

use crate::{
    AllowedNetworks, Billing, Bucket, Keys, Oidc, PublicPolicies, SignUpPolicy, Stripe, World, passkeys,
    password::PasswordPolicy, session::Sessions,
};

/// All that pages may do. Cheap to clone.
#[derive(Clone)]
pub struct Web {
    pub(crate) pool: PgPool,
    pub(crate) world: World,
    pub(crate) passwords: PasswordPolicy,
    pub(crate) keys: Keys,
    pub(crate) bucket: Bucket,
    pub(crate) signup: SignUpPolicy,
    pub(crate) webauthn: Option<Arc<Webauthn>>,
    pub(crate) oidc: Option<Oidc>,
    pub(crate) webhooks: AllowedNetworks,
    pub(crate) billing: Billing,
    pub(crate) stripe: Option<Stripe>,
    // None: those that are built in.
    pub(crate) public_policies: Option<Arc<PublicPolicies>>,
}

impl Web {
    /// `pool` logs in as `kubewise_web`. `signup`: who may make an account.
    pub const fn new(
        pool: PgPool,
        world: World,
        passwords: PasswordPolicy,
        keys: Keys,
        bucket: Bucket,
        signup: SignUpPolicy,
    ) -> Self {
        Self {
            pool,
            world,
            passwords,
            keys,
            bucket,
            signup,
            webauthn: None,
            oidc: None,
            webhooks: AllowedNetworks::NONE,
            billing: Billing::Off,
            stripe: None,
            public_policies: None,
        }
    }

    /// With webhooks that may lead into these networks although they are not public.
    #[must_use]
    pub fn with_webhooks_to(self, webhooks: AllowedNetworks) -> Self {
        Self { webhooks, ..self }
    }

    /// With organisations held to their plans.
    #[must_use]
    pub fn billed(self) -> Self {
        Self { billing: Billing::On, ..self }
    }

    /// The same, paid through Stripe, if it is configured.
    #[must_use]
    pub fn with_stripe(self, stripe: Option<Stripe>) -> Self {
        if stripe.is_some() { Self { stripe, ..self.billed() } } else { self }
    }

    /// Whether organisations pay through Stripe here.
    pub const fn is_paid_through_stripe(&self) -> bool {
        self.stripe.is_some()
    }

    /// With the passkeys of the site at this address, if it has a name.
    #[must_use]
    pub fn at(self, public_url: &str) -> Self {
        Self { webauthn: passkeys::judge(public_url).map(Arc::new), ..self }
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.world.timestamp()
    }

    /// The sessions of people, for the session layer.
    pub fn sessions(&self) -> Sessions {
        Sessions::new(self.pool.clone(), self.world.clone())
    }

    /// Whether the database answers.
    pub async fn is_ready(&self) -> bool {
        sqlx::query_scalar!("SELECT 1").fetch_one(&self.pool).await.is_ok()
    }
}
