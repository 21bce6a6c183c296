//! PostgreSQL: a given one, or one of our own under the data folder.

mod binaries;
mod embedded;
mod user;

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};
use kubewise_backend::database::{self, Part, Target};
use secrecy::SecretString;
use sqlx::PgPool;

use crate::config::{self, Config};
pub use embedded::Embedded;

/// How long a pool may take to close.
const CLOSE: Duration = Duration::from_secs(2);

/// How each part reaches PostgreSQL.
pub struct Databases {
    urls: config::Databases,
    /// Who may create logins: the embedded instance's superuser, else whoever the owner's URL names.
    admin: SecretString,
    embedded: Option<Embedded>,
    pools: Mutex<Vec<PgPool>>,
}

/// Finds the given PostgreSQL, or starts our own.
///
/// `serve`: for a server, which shares the embedded one's folder with no other; else for a command beside one.
pub async fn open(config: &Config, serve: bool) -> Result<Databases> {
    match &config.databases {
        Some(urls) => {
            Ok(Databases { admin: urls.owner.clone(), urls: urls.clone(), embedded: None, pools: Mutex::default() })
        }
        None => {
            let embedded = Embedded::start(&config.data_dir, serve).await?;
            Ok(Databases {
                urls: embedded.urls(),
                admin: embedded.superuser_url(),
                embedded: Some(embedded),
                pools: Mutex::default(),
            })
        }
    }
}

impl Databases {
    /// A part's pool of at most `size` connections.
    pub fn pool(&self, part: Part, size: u32) -> Result<PgPool> {
        let pool = self.target(part)?.pool(size);
        self.pools.lock().unwrap_or_else(PoisonError::into_inner).push(pool.clone());
        Ok(pool)
    }

    fn target(&self, part: Part) -> Result<Target> {
        let url = match part {
            Part::Owner => &self.urls.owner,
            Part::Web => &self.urls.web,
            Part::Ingest => &self.urls.ingest,
            Part::Worker => &self.urls.worker,
        };
        Ok(Target::new(url, part)?)
    }

    /// Brings the schema up to date.
    pub async fn migrate(&self) -> Result<()> {
        database::migrate(&Target::as_given(&self.admin)?, &self.target(Part::Owner)?)
            .await
            .context("the database's schema could not be brought up to date")
    }

    /// Keeps our own PostgreSQL running, if it is ours; never returns.
    pub fn keep(&self) -> impl Future<Output = ()> + Send + 'static {
        let keep = self.embedded.as_ref().map(Embedded::keep);
        async move {
            match keep {
                Some(keep) => keep.await,
                None => std::future::pending().await,
            }
        }
    }

    /// Closes all pools; stops our own PostgreSQL.
    pub async fn close(self) -> Result<()> {
        for pool in self.pools.into_inner().unwrap_or_else(PoisonError::into_inner) {
            // What is still in use then is cut off.
            drop(tokio::time::timeout(CLOSE, pool.close()).await);
        }
        match self.embedded {
            Some(embedded) => embedded.stop().await,
            None => Ok(()),
        }
    }
}
