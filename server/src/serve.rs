//! `kubewise-server serve`: everything together, from start to stop.

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use kubewise_backend::{
    Bucket, BucketAddress, Ingest, Keys, Live, MasterKeys, Oidc, PasswordPolicy, Web, Webhooks, Worker, World,
    database::Part,
};
use leptos::config::LeptosOptions;
use sqlx::PgPool;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};

use crate::{
    config::Config,
    http::{self, Listener, Parts},
    postgres::{self, Databases},
};

/// Most password hashes computed at once, 19 MiB each; fewer where there are fewer processors, which more would not make
/// faster.
const HASHES_AT_ONCE: usize = 4;
/// Connections of each part.
const WEB_CONNECTIONS: u32 = 16;
const INGEST_CONNECTIONS: u32 = 10;
const WORKER_CONNECTIONS: u32 = 6;
/// How long jobs under way may take when the server stops; what is not done by then is enqueued again.
const JOB_DRAIN: Duration = Duration::from_secs(20);

/// What data keys are made of: the master key file and the key store.
pub fn keys(config: &Config, world: &World) -> Result<Keys> {
    let master = MasterKeys::open(&config.master_key_file, world).context("KUBEWISE_MASTER_KEY_FILE")?;
    Keys::new(master, &absolute(&config.key_store)?, world).context("KUBEWISE_KEY_STORE")
}

/// Where what is large is kept.
pub fn bucket(config: &Config, keys: Keys) -> Result<Bucket> {
    Bucket::open(&absolute(&config.object_store)?, keys).context("KUBEWISE_OBJECT_STORE")
}

/// A relative folder is one of the working directory.
fn absolute(address: &BucketAddress) -> Result<BucketAddress> {
    Ok(match address {
        BucketAddress::Folder(folder) => BucketAddress::Folder(std::path::absolute(folder)?),
        other @ BucketAddress::S3 { .. } => other.clone(),
    })
}

/// The part that serves people.
pub fn web(config: &Config, databases: &Databases, world: &World, keys: Keys) -> Result<Web> {
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let passwords = PasswordPolicy::new(world, processors.min(HASHES_AT_ONCE))?;
    let oidc = config.oidc.as_ref().map(|known| {
        let back = format!("{}{}", config.public_url, http::OIDC_CALLBACK);
        Oidc::new(world, &known.issuer, &known.client_id, &known.client_secret, back)
    });
    let stripe = config.stripe()?;
    let pool = databases.pool(Part::Web, WEB_CONNECTIONS)?;
    let bucket = bucket(config, keys.clone())?;
    let web = Web::new(pool, world.clone(), passwords, keys, bucket, config.signup);
    Ok(web
        .at(&config.public_url)
        .with_oidc(oidc.transpose()?)
        .with_webhooks_to(config.webhook_allow.clone())
        .with_stripe(stripe))
}

/// Serves until SIGTERM or SIGINT.
pub async fn serve(config: Config) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT")?;
    let listener = Listener::bind(config.listen, config.tls.as_ref())?;
    let databases = postgres::open(&config, true).await?;
    databases.migrate().await?;

    let keeping = tokio::spawn(databases.keep());

    let world = World::system();
    let keys = if config.roles.web || config.roles.worker {
        let part = if config.roles.web { Part::Web } else { Part::Worker };
        let keys = keys(&config, &world)?;
        keys.check(&databases.pool(part, 1)?).await?;
        say_what_is_encrypted(&config);
        Some(keys)
    } else {
        None
    };
    let (stop, stopping) = watch::channel(false);
    let live = Live::new();
    let parts = Parts {
        web: match &keys {
            Some(keys) if config.roles.web => Some(web(&config, &databases, &world, keys.clone())?),
            _ => None,
        },
        ingest: if config.roles.ingest {
            let pool = databases.pool(Part::Ingest, INGEST_CONNECTIONS)?;
            let ingest = Ingest::new(pool, world.clone(), kubewise_protocol::Limits::default());
            Some(if config.stripe.is_some() { ingest.billed() } else { ingest })
        } else {
            None
        },
        live: live.clone(),
        public_url: config.public_url.clone(),
        behind_proxy: config.behind_proxy,
        stopping: stopping.clone(),
        contact: config.contact.clone(),
        leptos: leptos_options(&config),
    };
    let listening = tokio::spawn(keep_listening(live, databases.pool(Part::Web, 1)?, stopping.clone()));
    let jobs = if let Some(keys) = keys.filter(|_| config.roles.worker) {
        if config.smtp_url.is_none() {
            make_outbox(&config.outbox())?;
            tracing::info!(folder = %config.outbox().display(), "no SMTP server is set: mail lands in a folder");
        }
        let pool = databases.pool(Part::Worker, WORKER_CONNECTIONS)?;
        let bucket = bucket(&config, keys.clone())?;
        let webhooks = Webhooks::new(config.webhook_allow.clone());
        let worker =
            Worker::new(pool, world.clone(), config.mailer()?, keys, bucket, webhooks).with_stripe(config.stripe()?);
        let name = format!("{}-{}", std::process::id(), hex::encode(world.random::<4>()));
        Some(tokio::spawn(worker.run(name, wait(stopping.clone()))))
    } else {
        None
    };

    tracing::info!(address = %listener.address()?, url = config.public_url, "Kubewise is ready");
    let server = tokio::spawn(http::listen(listener, http::router(parts), wait(stopping)));
    tokio::pin!(server);
    let served = tokio::select! {
        served = &mut server => Some(served),
        _ = terminate.recv() => None,
        _ = interrupt.recv() => None,
    };
    tracing::info!("stopping: requests under way are finished");
    // Nobody waiting is fine.
    let _ = stop.send(true);
    let served = match served {
        Some(served) => served,
        None => server.await,
    };
    if let Some(jobs) = jobs {
        match tokio::time::timeout(JOB_DRAIN, jobs).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::error!(%error, "the job runner ended"),
            Ok(Err(error)) => tracing::error!(%error, "the job runner ended"),
            Err(_) => tracing::warn!("jobs under way did not finish; they are enqueued again"),
        }
    }
    listening.abort();
    keeping.abort();
    databases.close().await?;
    tracing::info!("stopped");
    served.context("listener")?
}

/// So that nobody has to guess what else has to be seen to.
fn say_what_is_encrypted(config: &Config) {
    tracing::info!(
        "encrypted by this server (AES-256-GCM, a key of each organisation and person): what is in the bucket; of the database, \
         seeds of authenticator apps, addresses and secrets of webhooks, and the seal of the activity log"
    );
    tracing::info!(
        "not encrypted by this server: everything else in PostgreSQL, names, e-mail addresses and inventories among it. Keep its \
         files, and its backups, on encrypted volumes"
    );
    let folder = |address: &BucketAddress| matches!(address, BucketAddress::Folder(_));
    if folder(&config.key_store) && !folder(&config.object_store) {
        tracing::info!(
            "the key store is a folder of this machine: with more than one server, set KUBEWISE_KEY_STORE to a place that all reach"
        );
    }
}

/// For this user alone: mails hold links that open accounts.
fn make_outbox(folder: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(folder).with_context(|| folder.display().to_string())
}

async fn wait(mut stopping: watch::Receiver<bool>) {
    // The sender lives as long as the server: an error means the same.
    drop(stopping.wait_for(|stopping| *stopping).await);
}

/// Hears of changes; when PostgreSQL is away, tries again.
async fn keep_listening(live: Live, pool: PgPool, stopping: watch::Receiver<bool>) {
    while !*stopping.borrow() {
        if let Err(error) = live.run(&pool).await {
            tracing::warn!(%error, "live changes are not heard; trying again");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Where the built pages are: what cargo-leptos says in its variables, else beside this program.
fn leptos_options(config: &Config) -> LeptosOptions {
    let beside = std::env::current_exe().ok().and_then(|exe| exe.parent().map(|folder| folder.join("site")));
    let site_root: PathBuf = std::env::var_os("LEPTOS_SITE_ROOT")
        .map(PathBuf::from)
        .or_else(|| beside.filter(|folder| folder.is_dir()))
        .unwrap_or_else(|| Path::new("target/site").to_owned());
    LeptosOptions::builder()
        .output_name("kubewise")
        .site_root(site_root.to_string_lossy().into_owned())
        .site_pkg_dir("pkg")
        .site_addr(config.listen)
        .hash_files(std::env::var("LEPTOS_HASH_FILES").map_or(true, |hash| hash == "true"))
        .build()
}
