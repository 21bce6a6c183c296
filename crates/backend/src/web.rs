//! The part of the server that serves people.

use std::sync::Arc;

use kubewise_contract::Timestamp;
use sqlx::PgPool;
use webauthn_rs::Webauthn;

use crate::{
    AllowedNetworks, Bucket, MasterKeys, Oidc, SignUpPolicy, World, passkeys, password::PasswordPolicy,
    session::Sessions,
};

/// All that pages may do. Cheap to clone.
#[derive(Clone)]
pub struct Web {
    pub(crate) pool: PgPool,
    pub(crate) world: World,
    pub(crate) passwords: PasswordPolicy,
    pub(crate) keys: MasterKeys,
    pub(crate) bucket: Bucket,
    pub(crate) signup: SignUpPolicy,
    pub(crate) webauthn: Option<Arc<Webauthn>>,
    pub(crate) oidc: Option<Oidc>,
    pub(crate) webhooks: AllowedNetworks,
}

impl Web {
    /// `pool` logs in as `kubewise_web`. `signup`: who may make an account.
    pub const fn new(
        pool: PgPool,
        world: World,
        passwords: PasswordPolicy,
        keys: MasterKeys,
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
        }
    }

    /// With webhooks that may lead into these networks although they are not public.
    #[must_use]
    pub fn with_webhooks_to(self, webhooks: AllowedNetworks) -> Self {
        Self { webhooks, ..self }
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
