//! Serves a sample Kubernetes cluster on loopback, or loads a server with many.

use std::{
    io::Write,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use http::Uri;
use kubewise_sample_cluster::{Load, LoadSettings, SampleCluster};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// A small Kubernetes API on loopback, for demonstrations and tests.
#[derive(Parser)]
#[command(name = "sample-cluster", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until SIGTERM or SIGINT. Prints one JSON line with the URL and what is served when it is ready.
    Serve(Serve),
    /// Load a server with generated clusters: one full synchronisation for each token. Prints a JSON line when they are
    /// done, and with --steady a second one at the end.
    Load(LoadArgs),
}

#[derive(clap::Args)]
struct LoadArgs {
    /// The server's address, like `http://127.0.0.1:3000`
    #[arg(long, value_name = "URL")]
    server: Uri,
    /// A file with an agent's token on each line
    #[arg(long, value_name = "FILE")]
    tokens: PathBuf,
    /// Pods of each cluster
    #[arg(long)]
    pods: usize,
    /// Then go on for so many seconds: heartbeats and changed pods
    #[arg(long, value_name = "SECONDS")]
    steady: Option<u64>,
    /// Only the first so many tokens
    #[arg(long, value_name = "CLUSTERS")]
    clusters: Option<usize>,
}

#[derive(clap::Args)]
struct Serve {
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Serve the recording in this folder instead of the bundled cluster.
    #[arg(long, value_name = "DIR", conflicts_with = "generate")]
    recording: Option<PathBuf>,
    /// Serve a generated cluster with so many pods instead of the bundled one.
    #[arg(long, value_name = "PODS")]
    generate: Option<usize>,
    /// Which generated cluster: the same number gives the same one.
    #[arg(long, default_value_t = 1, requires = "generate")]
    seed: u64,
    /// Write a kubeconfig for this API here.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Write every request here, a JSON object a line.
    #[arg(long, value_name = "FILE")]
    requests: Option<PathBuf>,
    /// Make a small harmless change every so many seconds.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    churn: Option<u64>,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("KUBEWISE_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let done = match Cli::parse().command {
        Command::Serve(args) => serve(args).await,
        Command::Load(args) => load(args).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Its causes in one line; a backtrace helps nobody who misspelt a folder.
            let _ = writeln!(std::io::stderr(), "sample-cluster: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn load(args: LoadArgs) -> Result<()> {
    let text = std::fs::read_to_string(&args.tokens)
        .with_context(|| format!("cannot read the tokens in {}", args.tokens.display()))?;
    let mut tokens: Vec<String> =
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    tokens.truncate(args.clusters.unwrap_or(usize::MAX));
    ensure!(!tokens.is_empty(), "{} holds no token", args.tokens.display());
    let all = tokens.len();
    let settings = LoadSettings { server: args.server, tokens, pods: args.pods, epoch: now().unsigned_abs() };
    let load = Load::synchronise(settings, |clusters, resources| {
        let _ = writeln!(std::io::stderr(), "{clusters} of {all} clusters, {resources} objects");
    })
    .await?;
    answer(&serde_json::to_value(load.synchronised())?)?;
    if let Some(seconds) = args.steady {
        let steady = load.steady(Duration::from_secs(seconds)).await;
        answer(&serde_json::to_value(steady)?)?;
    }
    Ok(())
}

/// One JSON line on standard output.
fn answer(value: &serde_json::Value) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{value}")?;
    stdout.flush()?;
    Ok(())
}

async fn serve(args: Serve) -> Result<()> {
    let cluster = match (&args.recording, args.generate) {
        (Some(dir), _) => SampleCluster::recording(dir)?,
        (None, Some(pods)) => SampleCluster::generated(pods, args.seed),
        (None, None) => SampleCluster::bundled()?,
    };
    if let Some(file) = &args.requests {
        cluster.write_requests_to(file)?;
    }
    // Before the ready line: whoever reads it may send the signal at once.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let handle = cluster.serve(args.port).await?;
    if let Some(file) = &args.kubeconfig {
        std::fs::write(file, cluster.kubeconfig(handle.addr))
            .with_context(|| format!("cannot write the kubeconfig to {}", file.display()))?;
    }
    answer(&json!({"url": handle.url(), "totals": cluster.totals()}))?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = churn(&cluster, args.churn) => {}
    }
    handle.stop();
    Ok(())
}

/// Changes something every so many seconds, for ever.
async fn churn(cluster: &SampleCluster, every: Option<u64>) {
    let Some(every) = every else { return std::future::pending().await };
    let mut n = 0;
    loop {
        tokio::time::sleep(Duration::from_secs(every)).await;
        if let Err(error) = cluster.churn(n, now()) {
            tracing::warn!(error = format!("{error:#}"), "a change could not be made");
        }
        n += 1;
    }
}

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the outermost edge: from here the time is handed in")]
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
