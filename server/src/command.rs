//! The command line.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use crate::{
    admin::{self, AdminCommand},
    config::{Config, Source},
    http::healthcheck,
    postgres, serve, start_logging,
};

/// The Kubewise server. Settings come from variables named KUBEWISE_…; see the documentation.
#[derive(Parser)]
#[command(name = "kubewise-server", version)]
struct Arguments {
    /// A TOML file with settings; variables come before it.
    #[arg(long, global = true, value_name = "FILE.toml")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve people and agents (the default).
    Serve,
    /// Bring the database's schema up to date, then exit.
    Migrate,
    /// Ask the server that runs with these settings whether it is well: exit code 0 or 1.
    Healthcheck,
    /// Administer this installation.
    #[command(subcommand)]
    Admin(AdminCommand),
}

/// Does what the arguments of this process say. In the library and not in the program, so that what is asynchronous is
/// compiled here, once.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "the last word of a command-line program")]
            {
                eprintln!("kubewise-server: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    let config = Config::read(&Source::from_environment(arguments.config.as_deref())?)?;
    start_logging(&config);
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("a TLS provider was installed before"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("tokio")?;
    runtime.block_on(async {
        match arguments.command.unwrap_or(Command::Serve) {
            Command::Serve => serve::serve(config).await,
            Command::Migrate => {
                let databases = postgres::open(&config, false).await?;
                databases.migrate().await?;
                databases.close().await
            }
            Command::Healthcheck => healthcheck(&config).await,
            Command::Admin(command) => admin::run(&config, command).await,
        }
    })
}
