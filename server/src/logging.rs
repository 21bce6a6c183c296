//! Logs: structured, without personal data.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

use crate::config::{Config, LogFormat};

/// Starts to log, to standard error.
pub fn start_logging(config: &Config) {
    // Checked when the settings were read.
    let filter = EnvFilter::try_new(&config.log).unwrap_or_else(|_| EnvFilter::new("info"));
    // What PostgreSQL remarks on migrations that ran before ("already exists, skipping") tells nobody anything.
    let filter = match "sqlx::postgres::notice=warn".parse() {
        Ok(quieter) => filter.add_directive(quieter),
        Err(_) => filter,
    };
    let layer =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    // The filter is the registry's, not the layer's: a library that asks whether it may speak and then does not would make
    // a layer's filter swallow the next event.
    let layer = match config.log_format {
        LogFormat::Text => layer.with_target(false).boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    // A second start in one process (tests) keeps the first.
    drop(tracing_subscriber::registry().with(filter).with(layer).try_init());
}
