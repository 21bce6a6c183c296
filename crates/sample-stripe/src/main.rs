//! Serves a sample Stripe on loopback.

use std::{io::Write, path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::Parser;
use kubewise_sample_stripe::{Options, Stripe};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// A Stripe on loopback, for demonstrations and tests. Serves until SIGTERM or SIGINT. Prints one JSON line with the URL
/// when it is ready.
#[derive(Parser)]
#[command(name = "sample-stripe", version)]
struct Cli {
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Where events are sent.
    #[arg(long, value_name = "URL", requires = "secret")]
    webhook: Option<String>,
    /// What signs them.
    #[arg(long, value_name = "whsec_…", requires = "webhook")]
    secret: Option<String>,
    /// Id of the only price.
    #[arg(long, value_name = "ID", default_value = "price_team")]
    price: String,
    /// What a node costs for a month, in the currency's minor unit.
    #[arg(long, value_name = "AMOUNT", default_value_t = 300)]
    unit_amount: i64,
    /// Three letters, small.
    #[arg(long, default_value = "eur")]
    currency: String,
    /// Write every request and field here once; what is not documented in a line that begins with UNDOCUMENTED.
    #[arg(long, value_name = "FILE")]
    sent: Option<PathBuf>,
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("KUBEWISE_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match serve(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Its causes in one line; a backtrace helps nobody whose port is taken.
            let _ = writeln!(std::io::stderr(), "sample-stripe: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(cli: Cli) -> Result<()> {
    // Before the ready line: whoever reads it may send the signal at once.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stripe = Stripe::start(Options {
        port: cli.port,
        price: cli.price,
        unit_amount: cli.unit_amount,
        currency: cli.currency,
        webhook: cli.webhook.zip(cli.secret),
        control: true,
        sent_file: cli.sent,
        ..Options::default()
    })
    .await?;
    {
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{}", json!({"url": stripe.url()}))?;
        stdout.flush()?;
    }
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
