//! The public API against its own description: schemathesis sends what the description allows and what it does not, and
//! holds every answer against it.

use anyhow::{Context, Result};

use super::steps;
use crate::data_dir::DataDir;
use crate::demo;
use crate::postgres::free_port;
use crate::project::{Profile, Project};
use crate::setup;
use crate::stack::{Server, ServerSettings, Stack};

/// How long requests are made.
const SECONDS: &str = "90";
/// Each may ask 600 times in a minute.
const TOKENS: usize = 16;

pub(super) fn test(project: &Project) -> Result<()> {
    let data = DataDir::temporary()?;
    let settings = ServerSettings { project, profile: Profile::Release, data: data.path(), port: free_port()? };
    let mut stack = Stack::connect(Server::start(settings)?, &data, &[])?;
    demo::inventoried(&mut stack, |status| status.status == "live")?.context("the cluster is not inventoried")?;
    let tokens = (0..TOKENS)
        .map(|n| stack.server.admin(|admin| admin.create_token(&stack.organisation, &format!("script-{n}"))))
        .map(|made| made.map(|made| made.token))
        .collect::<Result<Vec<_>>>()?;

    let url = stack.server.url();
    let mut schemathesis = project.command(setup::API_PYTHON.program(project, "schemathesis"));
    schemathesis
        .args(["--no-color", "run", "--max-time", SECONDS, "--seed", "1", "--generation-database", "none"])
        .arg(format!("{url}/v1/openapi.json"))
        .current_dir(project.root.join("end2end/api"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("KUBEWISE_API_URL", &url)
        .env("KUBEWISE_API_TOKENS", tokens.join(" "));
    steps::close(project, "api", &mut schemathesis, 120)?;
    stack.must_run()
}
