//! `cargo xtask dev`: the demo's server, built for debugging and again whenever a source changes.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;

use crate::daemon::Daemon;
use crate::data_dir::DataDir;
use crate::demo::{USUAL_PORT, print_sign_in, run_until_asked};
use crate::project::{Profile, Project};
use crate::setup::{self, Part};
use crate::stack::{Server, ServerSettings, Stack};
use crate::{cmd, release};

/// The first build of everything may come before the first answer.
const FIRST_BUILD: Duration = Duration::from_hours(1);

pub(crate) fn run(project: &Project) -> Result<ExitCode> {
    setup::ensure(project, Part::DEMO)?;
    let data = DataDir::of_the_demo(project, false)?;
    let settings = ServerSettings { project, profile: Profile::Debug, data: data.path(), port: USUAL_PORT };
    eprintln!("Building the agent and the sample cluster …");
    let mut build = project.cargo(&["build", "--package", "kubewise-agent", "--package", "kubewise-sample-cluster"]);
    cmd::run_ok(project, "dev-build", &mut build)?;

    let mut watch = project.cargo(&["leptos", "watch", release::SPLIT]);
    settings.apply(&mut watch);
    // cargo-leptos passes its own on; it ends the server it started when it is asked to stop.
    let daemon = Daemon::spawn_in_terminal("cargo leptos watch", &mut watch)?;
    let mut server = Server { settings, daemon };
    server.daemon.healthy(server.settings.address(), "/healthz", FIRST_BUILD)?;
    release::programs(project, Profile::Debug)?;
    let stack = Stack::connect(server, &data, &["--churn", "20"])?;
    print_sign_in(&stack, &data);
    run_until_asked(stack)
}
