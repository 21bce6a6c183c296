//! `kubewise-server admin …`: for whoever runs the installation. Answers are one JSON line, for scripts.

use std::io::{IsTerminal, Read};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use kubewise_backend::{SignUp, Web, World, admin, database::Part};
use kubewise_contract::{ClusterName, EmailAddress, OrgSlug, OrganisationName, PersonName};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::{
    config::Config,
    postgres::{self, Databases},
    serve,
};

/// What can be administered.
#[derive(Subcommand)]
pub enum AdminCommand {
    /// Make an account and its organisation. The password is read from standard input.
    CreateUser {
        /// The person's name.
        #[arg(long)]
        name: String,
        /// Their e-mail address.
        #[arg(long)]
        email: String,
        /// The organisation's name.
        #[arg(long)]
        organisation: String,
    },
    /// Add a cluster and print its token; for one that exists, make a new token.
    CreateCluster {
        /// The organisation's address: what follows /o/.
        #[arg(long)]
        organisation: String,
        /// The cluster's name.
        #[arg(long)]
        name: String,
        /// Add so many, named NAME-0001 and so on, and print a line for each.
        #[arg(long, value_name = "CLUSTERS", value_parser = clap::value_parser!(u16).range(1..=9999))]
        count: Option<u16>,
    },
    /// Print what a cluster holds.
    ClusterStatus {
        /// The organisation's address: what follows /o/.
        #[arg(long)]
        organisation: String,
        /// The cluster's name.
        #[arg(long)]
        name: String,
    },
    /// Limit how many objects an organisation's clusters may hold together.
    SetLimit {
        /// The organisation's address: what follows /o/.
        #[arg(long)]
        organisation: String,
        /// Objects; leave out to lift the limit.
        #[arg(long)]
        resources: Option<u32>,
    },
}

/// Does it.
pub async fn run(config: &Config, command: AdminCommand) -> Result<()> {
    let databases = postgres::open(config, false).await?;
    databases.migrate().await?;
    let world = World::system();
    let web = serve::web(config, &databases, &world)?;
    let result = answer(&databases, &web, command).await;
    databases.close().await?;
    #[expect(clippy::print_stdout, reason = "the command's answer")]
    for line in result? {
        println!("{line}");
    }
    Ok(())
}

async fn answer(databases: &Databases, web: &Web, command: AdminCommand) -> Result<Vec<serde_json::Value>> {
    let owner = databases.pool(Part::Owner, 1)?;
    let line = match command {
        AdminCommand::CreateUser { name, email, organisation } => {
            let request = SignUp {
                name: PersonName::parse(&name)?,
                email: EmailAddress::parse(&email)?,
                password: password()?,
                organisation: OrganisationName::parse(&organisation)?,
            };
            let wanted = OrgSlug::from_name(&organisation);
            match web.admin_create_user(request).await? {
                Some(slug) => json!({ "created": true, "organisation": slug }),
                None => json!({ "created": false, "organisation": wanted }),
            }
        }
        AdminCommand::CreateCluster { organisation, name, count } => {
            let slug = parse_slug(&organisation)?;
            let (_, user) = admin::find_organisation(&owner, &slug).await?;
            let names = match count {
                None => vec![name],
                Some(count) => (1..=count).map(|n| format!("{name}-{n:04}")).collect(),
            };
            let mut lines = Vec::with_capacity(names.len());
            for name in names {
                let (cluster, token) = web.admin_create_cluster(user, &slug, &ClusterName::parse(&name)?).await?;
                lines.push(json!({ "cluster": cluster, "token": token.expose_secret() }));
            }
            return Ok(lines);
        }
        AdminCommand::ClusterStatus { organisation, name } => {
            let slug = parse_slug(&organisation)?;
            let (_, user) = admin::find_organisation(&owner, &slug).await?;
            let report = web.admin_cluster_report(user, &slug, &ClusterName::parse(&name)?).await?;
            serde_json::to_value(report)?
        }
        AdminCommand::SetLimit { organisation, resources } => {
            let (org, _) = admin::find_organisation(&owner, &parse_slug(&organisation)?).await?;
            admin::set_resource_limit(&owner, org, resources.map(i64::from)).await?;
            json!({ "organisation": organisation, "resources": resources })
        }
    };
    Ok(vec![line])
}

fn parse_slug(text: &str) -> Result<OrgSlug> {
    text.parse().map_err(|_| anyhow::anyhow!("--organisation {text}: use what follows /o/ in its address"))
}

fn password() -> Result<SecretString> {
    let mut text = String::new();
    if std::io::stdin().is_terminal() {
        bail!("pipe the password in: it is read from standard input");
    }
    std::io::stdin().take(4096).read_to_string(&mut text).context("the password on standard input")?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned().into())
}
