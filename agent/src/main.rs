//! `kubewise-agent`: reads a cluster and tells a Kubewise server what runs there; or audits manifests on disk.

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use kubewise_agent::{Config, Environment, LogConfig, Mode, Options, audit, run};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

// A third less processor time for reading lists than with glibc's, and the same with every libc. Without huge pages: with
// them it keeps twice the memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long the agent may take to stop. Kubernetes kills after 30 s; nothing here needs that long.
const STOP: Duration = Duration::from_secs(5);

/// The configuration could not be used; as clap has it for arguments.
const MISCONFIGURED: u8 = 2;

/// The Kubewise agent: a read-only look into one Kubernetes cluster.
#[derive(Parser)]
#[command(version, after_help = HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// List and watch the cluster, and send what is there to the server.
    Run {
        /// One full synchronisation, then exit: 0 when the server took everything, 1 when it did not.
        #[arg(long)]
        once: bool,
    },
    /// Audit manifests (files and folders of YAML or JSON), without a cluster or a server.
    Audit(audit::Arguments),
}

const HELP: &str = "Environment of run:
  KUBEWISE_SERVER          address of the server, as https://kubewise.example.com
  KUBEWISE_TOKEN           the cluster's token, or
  KUBEWISE_TOKEN_FILE      a file that holds it, read again when the token is refused
  KUBECONFIG               the cluster, when the agent does not run in it
  KUBEWISE_CA_FILE         root certificates (PEM) to trust beside the system's
  KUBEWISE_SYNC_INTERVAL   how long changes are gathered before they are sent [5s]
  KUBEWISE_HEALTH_LISTEN   /healthz, /readyz, /metrics [127.0.0.1:8081]
  KUBEWISE_LOG             error, warn, info, debug or trace [info]
  KUBEWISE_LOG_FORMAT      text or json [text]
  KUBEWISE_ALLOW_HTTP      true: send without TLS to another machine [false]";

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run { once } => start(once),
        // Before anything is started that only the network needs.
        Command::Audit(arguments) => audit::audit(&arguments),
    }
}

fn start(once: bool) -> ExitCode {
    let environment = Environment(|name: &str| std::env::var_os(name));
    let (log, config) = match environment.log().and_then(|log| Ok((log, environment.config()?))) {
        Ok(read) => read,
        Err(error) => {
            eprintln!("kubewise-agent: {error}");
            return ExitCode::from(MISCONFIGURED);
        }
    };
    start_logging(&log);
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        error!("another TLS provider is installed");
        return ExitCode::FAILURE;
    }
    // Two threads: one reads and strips while the other sends.
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            error!("no runtime: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mode = if once { Mode::Once } else { Mode::Forever };
    let code = runtime.block_on(run_until_told(config, mode));
    // Nothing that still waits may hold up the end.
    runtime.shutdown_background();
    code
}

async fn run_until_told(config: Config, mode: Mode) -> ExitCode {
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        wait_for_signal().await;
        info!("told to stop");
        told.cancel();
    });
    let too_long = async {
        stop.cancelled().await;
        tokio::time::sleep(STOP).await;
    };
    let ended = tokio::select! {
        ended = run(config, mode, Options::default(), stop.clone()) => ended,
        () = too_long => Ok(()),
    };
    match ended {
        Ok(()) => {
            info!("the agent ends");
            ExitCode::SUCCESS
        }
        Err(error) => {
            error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn wait_for_signal() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        // Without handlers, the signals end the process by themselves.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

fn start_logging(log: &LogConfig) {
    let builder = tracing_subscriber::fmt().with_env_filter(&log.filter).with_writer(std::io::stderr);
    if log.json {
        builder.json().init();
    } else {
        builder.with_ansi(false).init();
    }
}
