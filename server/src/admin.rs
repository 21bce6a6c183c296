//! `kubewise-server admin …`: for whoever runs the installation. Answers are one JSON line, for scripts.

use std::{
    io::{IsTerminal, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use kubewise_backend::{
    Error, NewToken, SignUp, SignedCertificate, Web, World, admin, agree_plan, database::Part, parse_date,
    publish_policy, set_administrator,
};
use kubewise_contract::{ClusterName, EmailAddress, OrgSlug, OrganisationName, Permission, PersonName, TokenName};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sqlx::PgPool;

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
    /// Make an API token of the organisation and print it.
    CreateToken {
        /// The organisation's address: what follows /o/.
        #[arg(long)]
        organisation: String,
        /// What people call it.
        #[arg(long)]
        name: String,
        /// What it may do, separated by commas: `view_inventory,view_activity`.
        #[arg(long, value_delimiter = ',', required = true)]
        permissions: Vec<String>,
        /// In how many days it ends.
        #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(i64).range(1..=365))]
        days: i64,
    },
    /// Have a cluster audited; what it finds is shown in the browser.
    RunAudit {
        /// The organisation's address: what follows /o/.
        #[arg(long)]
        organisation: String,
        /// The cluster's name.
        #[arg(long)]
        name: String,
    },
    /// Print what a cluster holds, and how its last audit ended.
    ClusterStatus {
        /// The organisation's address: what follows /o/.
        #[arg(long)]
        organisation: String,
        /// The cluster's name.
        #[arg(long)]
        name: String,
    },
    /// Print the jobs, such as mails, that failed as often as they are tried, a line each.
    DeadJobs,
    /// Have them tried again.
    RetryJobs {
        /// One of them alone.
        #[arg(long)]
        id: Option<String>,
    },
    /// Invite somebody to make an account; prints the link for them.
    Invite {
        /// Their e-mail address, the only one that may use it.
        #[arg(long)]
        email: String,
    },
    /// Make somebody an administrator of the installation: they see which organisations and accounts there are, and how
    /// jobs are doing, and may disable accounts.
    SetAdministrator {
        /// Their e-mail address.
        #[arg(long)]
        email: String,
        /// No more.
        #[arg(long)]
        revoke: bool,
    },
    /// Publish a version of a policy: who asked for it is mailed, once, if it changes something significant.
    PublishPolicy {
        /// The policy: what follows /policies/.
        #[arg(long)]
        policy: String,
        /// The date of the version, like 2026-11-28; else the current one.
        #[arg(long)]
        version: Option<String>,
    },
    /// Sign somebody out everywhere.
    EndSessions {
        /// Their e-mail address.
        #[arg(long, required_unless_present = "all")]
        email: Option<String>,
        /// Everybody.
        #[arg(long, conflicts_with = "email")]
        all: bool,
    },
    /// Wrap every data key by a new master key, while servers run; old master keys are taken out of their file. What was
    /// broken off is gone on with.
    RotateKeys {
        /// The file is kept by somebody else, who has put the new key first: leave it as it is.
        #[arg(long)]
        in_place: bool,
    },
    /// Tell whether a deletion certificate is from this installation, and as it was signed.
    VerifyCertificate {
        /// The certificate's file.
        file: PathBuf,
    },
    /// Agree with an organisation on the plan Enterprise, whatever it subscribed to.
    SetEnterprise {
        /// The organisation's address: what follows /o/.
        #[arg(long)]
        organisation: String,
        /// No more: the plan is what it subscribed to, and the limits of before hold for two weeks.
        #[arg(long)]
        revoke: bool,
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
    let keys = serve::keys(config, &world)?;
    let web = serve::web(config, &databases, &world, keys)?;
    let result = answer(config, &databases, &web, command).await;
    databases.close().await?;
    #[expect(clippy::print_stdout, reason = "the command's answer")]
    for line in result? {
        println!("{line}");
    }
    Ok(())
}

async fn answer(
    config: &Config,
    databases: &Databases,
    web: &Web,
    command: AdminCommand,
) -> Result<Vec<serde_json::Value>> {
    let owner = databases.pool(Part::Owner, 1)?;
    let line = match command {
        AdminCommand::CreateUser { name, email, organisation } => {
            let request = SignUp {
                name: PersonName::parse(&name)?,
                email: EmailAddress::parse(&email)?,
                password: password()?,
                organisation: OrganisationName::parse(&organisation)?,
                place: "the server's command line".to_owned(),
            };
            let wanted = OrgSlug::from_name(&organisation);
            match web.admin_create_user(request).await? {
                Some(slug) => json!({ "created": true, "organisation": slug }),
                None => json!({ "created": false, "organisation": wanted }),
            }
        }
        AdminCommand::CreateCluster { organisation, name, count } => {
            return create_clusters(web, &owner, &organisation, name, count).await;
        }
        AdminCommand::CreateToken { organisation, name, permissions, days } => {
            let slug = parse_slug(&organisation)?;
            let (_, user) = admin::find_organisation(&owner, &slug).await?;
            let permissions = permissions.iter().map(|name| parse_permission(name)).collect::<Result<_>>()?;
            let name = TokenName::parse(&name)?;
            let wanted = NewToken { name, permissions, clusters: None, days, of_organisation: true };
            let (id, token) = web.admin_create_token(user, &slug, &wanted).await?;
            json!({ "id": id, "token": token.expose_secret() })
        }
        AdminCommand::ClusterStatus { organisation, name } => {
            let slug = parse_slug(&organisation)?;
            let (_, user) = admin::find_organisation(&owner, &slug).await?;
            let report = web.admin_cluster_report(user, &slug, &ClusterName::parse(&name)?).await?;
            serde_json::to_value(report)?
        }
        AdminCommand::RunAudit { organisation, name } => {
            let slug = parse_slug(&organisation)?;
            let (_, user) = admin::find_organisation(&owner, &slug).await?;
            json!({ "audit": web.admin_run_audit(user, &slug, &ClusterName::parse(&name)?).await? })
        }
        AdminCommand::DeadJobs => {
            let jobs = admin::dead_jobs(&owner).await?;
            return Ok(jobs.iter().map(serde_json::to_value).collect::<Result<_, _>>()?);
        }
        AdminCommand::RetryJobs { id } => json!({ "retried": admin::retry_dead_jobs(&owner, id.as_deref()).await? }),
        AdminCommand::Invite { email } => {
            let email = EmailAddress::parse(&email)?;
            let token = admin::invite(&owner, &World::system(), &email).await?;
            let link = format!("{}/signup?invitation={}", config.public_url, token.expose_secret());
            json!({ "email": email, "link": link })
        }
        AdminCommand::SetAdministrator { email, revoke } => {
            let address = EmailAddress::parse(&email)?;
            let Some(account) = web.admin_find_user(&address).await? else { bail!("no account has this address") };
            set_administrator(&owner, account, !revoke).await?;
            json!({ "email": address, "administrator": !revoke })
        }
        AdminCommand::PublishPolicy { policy, version } => {
            let date = version
                .as_deref()
                .map(|date| parse_date(date).with_context(|| format!("--version {date}: use a date like 2026-11-28")));
            match publish_policy(&owner, &World::system(), web.public_policies(), &policy, date.transpose()?).await {
                Err(Error::NotFound) => bail!(
                    "--policy {policy}: there is no such policy, or none of this version; see {}/policies",
                    config.public_url
                ),
                published => serde_json::to_value(published?)?,
            }
        }
        AdminCommand::EndSessions { email, all: _ } => {
            let email = email.as_deref().map(EmailAddress::parse).transpose()?;
            json!({ "ended": admin::end_sessions(&owner, email.as_ref()).await? })
        }
        AdminCommand::RotateKeys { in_place } => {
            let keys = serve::keys(config, &World::system())?;
            // One connection is kept by the rotation, so that there is one at a time.
            serde_json::to_value(keys.rotate(&databases.pool(Part::Owner, 3)?, in_place).await?)?
        }
        AdminCommand::VerifyCertificate { file } => verified(web, &file).await?,
        AdminCommand::SetEnterprise { organisation, revoke } => {
            let (org, _) = admin::find_organisation(&owner, &parse_slug(&organisation)?).await?;
            agree_plan(&owner, &World::system(), org, !revoke).await?;
            json!({ "organisation": organisation, "enterprise": !revoke })
        }
        AdminCommand::SetLimit { organisation, resources } => {
            let (org, _) = admin::find_organisation(&owner, &parse_slug(&organisation)?).await?;
            admin::set_resource_limit(&owner, org, resources.map(i64::from)).await?;
            json!({ "organisation": organisation, "resources": resources })
        }
    };
    Ok(vec![line])
}

async fn create_clusters(
    web: &Web,
    owner: &PgPool,
    organisation: &str,
    name: String,
    count: Option<u16>,
) -> Result<Vec<serde_json::Value>> {
    let slug = parse_slug(organisation)?;
    let (_, user) = admin::find_organisation(owner, &slug).await?;
    let names = match count {
        None => vec![name],
        Some(count) => (1..=count).map(|n| format!("{name}-{n:04}")).collect(),
    };
    let mut lines = Vec::with_capacity(names.len());
    for name in names {
        let (cluster, token) = web.admin_create_cluster(user, &slug, &ClusterName::parse(&name)?).await?;
        lines.push(json!({ "cluster": cluster, "token": token.expose_secret() }));
    }
    Ok(lines)
}

/// What a certificate says, if it is ours.
async fn verified(web: &Web, file: &Path) -> Result<serde_json::Value> {
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let signed: SignedCertificate =
        serde_json::from_str(&text).with_context(|| format!("{}: not a certificate", file.display()))?;
    let keys = web.verifying_keys().await?;
    if !keys.iter().any(|key| signed.is_signed_by(key)) {
        bail!("{}: not signed by this installation, or changed since", file.display());
    }
    let certificate: serde_json::Value = serde_json::from_str(&signed.certificate)?;
    Ok(json!({ "valid": true, "certificate": certificate }))
}

fn parse_slug(text: &str) -> Result<OrgSlug> {
    text.parse().map_err(|_| anyhow::anyhow!("--organisation {text}: use what follows /o/ in its address"))
}

/// One that a token can be given.
fn parse_permission(name: &str) -> Result<Permission> {
    let names = || Permission::FOR_TOKENS.iter().map(|permission| permission.as_str()).collect::<Vec<_>>().join(", ");
    Permission::parse(name.trim())
        .filter(|permission| Permission::FOR_TOKENS.contains(permission))
        .with_context(|| format!("--permissions {name}: a token can be given {}", names()))
}

fn password() -> Result<SecretString> {
    let mut text = String::new();
    if std::io::stdin().is_terminal() {
        bail!("pipe the password in: it is read from standard input");
    }
    std::io::stdin().take(4096).read_to_string(&mut text).context("the password on standard input")?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned().into())
}
