//! The part of the server that serves people.

use kubewise_contract::Timestamp;
use sqlx::PgPool;

use crate::{World, password::PasswordPolicy, session::Sessions};

/// All that pages may do. Cheap to clone.
#[derive(Clone)]
pub struct Web {
    pub(crate) pool: PgPool,
    pub(crate) world: World,
    pub(crate) passwords: PasswordPolicy,
    pub(crate) signup_open: bool,
}

impl Web {
    /// `pool` logs in as `kubewise_web`. `signup_open`: whether strangers may make accounts.
    pub const fn new(pool: PgPool, world: World, passwords: PasswordPolicy, signup_open: bool) -> Self {
        Self { pool, world, passwords, signup_open }
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
