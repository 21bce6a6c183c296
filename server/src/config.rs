//! Settings: typed, and checked as a whole when the server starts. Every error names its variable.

mod source;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow, bail};
use kubewise_backend::{AllowedNetworks, BucketAddress, Mailer, SignUpPolicy, Stripe};
use kubewise_contract::EmailAddress;
use secrecy::{ExposeSecret, SecretString};
pub use source::Source;

/// Everything that can be set.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where people and agents connect.
    pub listen: SocketAddr,
    /// The address that people and agents use, without a trailing slash.
    pub public_url: String,
    /// Certificate and key for TLS on the listener.
    pub tls: Option<TlsFiles>,
    /// Whether something in front of this server speaks TLS.
    pub behind_proxy: bool,
    /// Where what is kept on this machine is kept.
    pub data_dir: PathBuf,
    /// Where the master keys are; made on first start.
    pub master_key_file: PathBuf,
    /// Where the halves of data keys are that are not in PostgreSQL.
    pub key_store: BucketAddress,
    /// Where what is large and rarely read is kept.
    pub object_store: BucketAddress,
    /// How each part reaches PostgreSQL; none: the embedded one.
    pub databases: Option<Databases>,
    /// Which parts this process runs.
    pub roles: Roles,
    /// What is logged, as `tracing-subscriber` filters it.
    pub log: String,
    /// How it is written.
    pub log_format: LogFormat,
    /// Who may make an account.
    pub signup: SignUpPolicy,
    /// The SMTP server that mail leaves by; none: it lands in the folder `outbox` of the data folder.
    pub smtp_url: Option<SecretString>,
    /// Who mail comes from.
    pub mail_from: String,
    /// The address that people write to about the policies.
    pub contact: String,
    /// Networks that webhooks may lead into although they are not public.
    pub webhook_allow: AllowedNetworks,
    /// How organisations pay; none: nobody is billed.
    pub stripe: Option<StripeAccount>,
    /// The OpenID Connect issuer that people may sign in through.
    pub oidc: Option<OidcIssuer>,
}

/// An OpenID Connect issuer, and what it knows us by.
#[derive(Clone, Debug)]
pub struct OidcIssuer {
    /// Its address.
    pub issuer: String,
    /// Our client id.
    pub client_id: String,
    /// Our client secret.
    pub client_secret: SecretString,
}

/// An account at Stripe, and what is sold there.
#[derive(Clone, Debug)]
pub struct StripeAccount {
    /// Its secret key.
    pub secret_key: SecretString,
    /// What its events are signed with.
    pub webhook_secret: SecretString,
    /// The price of the plan Team, per node and month.
    pub price_team: String,
    /// Another address than Stripe's own.
    pub api_base: Option<String>,
}

/// PEM files.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// Certificate chain.
    pub cert: PathBuf,
    /// Private key.
    pub key: PathBuf,
}

/// A database URL for each part.
#[derive(Clone, Debug)]
pub struct Databases {
    /// For migrations.
    pub owner: SecretString,
    /// For pages.
    pub web: SecretString,
    /// For agents.
    pub ingest: SecretString,
    /// For jobs.
    pub worker: SecretString,
}

/// Which parts run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Roles {
    /// Pages.
    pub web: bool,
    /// Agents.
    pub ingest: bool,
    /// Jobs.
    pub worker: bool,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: an object a line.
    Json,
}

impl Config {
    /// Reads and checks everything.
    pub fn read(source: &Source) -> Result<Self> {
        source.refuse_unknown()?;
        let listen: SocketAddr =
            source.parsed("KUBEWISE_LISTEN", "127.0.0.1:3000", "an address and port, like 0.0.0.0:3000")?;
        let tls = match (source.get("KUBEWISE_TLS_CERT"), source.get("KUBEWISE_TLS_KEY")) {
            (Some(cert), Some(key)) => Some(TlsFiles { cert: cert.into(), key: key.into() }),
            (None, None) => None,
            (Some(_), None) => bail!("KUBEWISE_TLS_CERT is set, so KUBEWISE_TLS_KEY must be too"),
            (None, Some(_)) => bail!("KUBEWISE_TLS_KEY is set, so KUBEWISE_TLS_CERT must be too"),
        };
        let behind_proxy: bool = source.parsed("KUBEWISE_BEHIND_PROXY", "false", "true or false")?;
        if !listen.ip().is_loopback() && tls.is_none() && !behind_proxy {
            bail!(
                "KUBEWISE_LISTEN={listen} can be reached from other machines and would carry passwords unencrypted. \
                 Set KUBEWISE_TLS_CERT and KUBEWISE_TLS_KEY; or KUBEWISE_BEHIND_PROXY=true if a proxy in front speaks TLS"
            );
        }
        let scheme = if tls.is_some() { "https" } else { "http" };
        let public_url = source.get("KUBEWISE_PUBLIC_URL").unwrap_or_else(|| format!("{scheme}://{listen}"));
        let public_url = check_public_url(public_url.trim_end_matches('/'))?;
        let data_dir: PathBuf = source.get("KUBEWISE_DATA_DIR").unwrap_or_else(|| "./data".to_owned()).into();
        let master_key_file =
            source.get("KUBEWISE_MASTER_KEY_FILE").map_or_else(|| data_dir.join("master.key"), PathBuf::from);
        let object_store = match source.get("KUBEWISE_OBJECT_STORE") {
            Some(address) => address.parse().map_err(|why| anyhow!("KUBEWISE_OBJECT_STORE={address}: {why}"))?,
            None => BucketAddress::Folder(data_dir.join("objects")),
        };
        let key_store = key_store(source, &master_key_file, &object_store)?;
        let databases = databases(source)?;
        let roles = roles(&source.get("KUBEWISE_ROLES").unwrap_or_else(|| "web,ingest,worker".to_owned()))?;
        if databases.is_none() && !(roles.web && roles.ingest && roles.worker) {
            bail!(
                "KUBEWISE_ROLES names some parts only, but the embedded PostgreSQL is for one process; set KUBEWISE_DATABASE_URL"
            );
        }
        let log = source.get("KUBEWISE_LOG").unwrap_or_else(|| "info".to_owned());
        if let Err(error) = log.parse::<tracing_subscriber::filter::EnvFilter>() {
            bail!("KUBEWISE_LOG={log}: {error}; use error, warn, info, debug or trace");
        }
        let log_format = match source.get("KUBEWISE_LOG_FORMAT").as_deref() {
            None | Some("text") => LogFormat::Text,
            Some("json") => LogFormat::Json,
            Some(other) => bail!("KUBEWISE_LOG_FORMAT={other}: use text or json"),
        };
        let signup = match source.get("KUBEWISE_SIGNUP").as_deref() {
            None | Some("open") => SignUpPolicy::Open,
            Some("invite") => SignUpPolicy::Invite,
            Some("closed") => SignUpPolicy::Closed,
            Some(other) => bail!("KUBEWISE_SIGNUP={other}: use open, invite or closed"),
        };
        let smtp_url = source.secret("KUBEWISE_SMTP_URL");
        let mail_from = match (source.get("KUBEWISE_MAIL_FROM"), &smtp_url) {
            (Some(from), _) => from,
            (None, None) => "Kubewise <kubewise@localhost.localdomain>".to_owned(),
            (None, Some(_)) => bail!(
                "KUBEWISE_SMTP_URL is set, so KUBEWISE_MAIL_FROM must be too: an address like Kubewise <kubewise@example.com>"
            ),
        };
        Mailer::check_sender(&mail_from).context("KUBEWISE_MAIL_FROM")?;
        if let Some(url) = &smtp_url {
            Mailer::check_smtp_url(url).context("KUBEWISE_SMTP_URL")?;
        }
        let contact = match source.get("KUBEWISE_CONTACT") {
            Some(contact) => match EmailAddress::parse(&contact) {
                Ok(address) => address.as_str().to_owned(),
                Err(_) => bail!("KUBEWISE_CONTACT={contact}: use an e-mail address like privacy@example.com"),
            },
            None => Mailer::address_of(&mail_from).context("KUBEWISE_MAIL_FROM")?,
        };
        let webhook_allow = source.get("KUBEWISE_WEBHOOK_ALLOW").unwrap_or_default();
        let webhook_allow =
            webhook_allow.parse().map_err(|why| anyhow!("KUBEWISE_WEBHOOK_ALLOW={webhook_allow}: {why}"))?;
        Ok(Self {
            listen,
            public_url,
            tls,
            behind_proxy,
            data_dir,
            master_key_file,
            key_store,
            object_store,
            databases,
            roles,
            log,
            log_format,
            signup,
            smtp_url,
            mail_from,
            contact,
            webhook_allow,
            stripe: stripe(source)?,
            oidc: oidc(source)?,
        })
    }

    /// How organisations pay.
    pub fn stripe(&self) -> Result<Option<Stripe>> {
        let account = self.stripe.as_ref();
        let made = account.map(|known| {
            let api = known.api_base.as_deref();
            Stripe::new(&known.secret_key, known.webhook_secret.clone(), &known.price_team, api, &self.public_url)
        });
        made.transpose().context("KUBEWISE_STRIPE_SECRET_KEY")
    }

    /// How mail leaves. In a runtime only.
    pub fn mailer(&self) -> Result<Mailer> {
        let mailer = match &self.smtp_url {
            Some(url) => Mailer::smtp(url, &self.mail_from, &self.public_url),
            None => Mailer::outbox(self.outbox(), &self.mail_from, &self.public_url),
        };
        mailer.context("mail")
    }

    /// Where mail lands that leaves by no server.
    pub fn outbox(&self) -> PathBuf {
        self.data_dir.join("outbox")
    }

    /// Whether people reach this server over TLS, so that cookies may be bound to it.
    pub fn is_https(&self) -> bool {
        self.public_url.starts_with("https://")
    }
}

fn check_public_url(url: &str) -> Result<String> {
    let parsed: http::Uri = match url.parse() {
        Ok(uri) => uri,
        Err(error) => bail!("KUBEWISE_PUBLIC_URL={url}: {error}; use an address like https://kubewise.example.com"),
    };
    let scheme_ok = matches!(parsed.scheme_str(), Some("http" | "https"));
    if !scheme_ok || parsed.authority().is_none() || !matches!(parsed.path(), "" | "/") || parsed.query().is_some() {
        bail!("KUBEWISE_PUBLIC_URL={url}: use scheme and host only, like https://kubewise.example.com");
    }
    Ok(url.to_owned())
}

/// Where a folder is that may not be there yet, with nothing in its path that leads elsewhere.
fn resolved(folder: &Path) -> PathBuf {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    for there in absolute.ancestors() {
        if let (Ok(real), Ok(rest)) = (there.canonicalize(), absolute.strip_prefix(there)) {
            return real.join(rest);
        }
    }
    absolute
}

/// Beside the master key, unless it is said where.
fn key_store(source: &Source, master_key_file: &Path, object_store: &BucketAddress) -> Result<BucketAddress> {
    let store = match source.get("KUBEWISE_KEY_STORE") {
        Some(address) => address.parse().map_err(|why| anyhow!("KUBEWISE_KEY_STORE={address}: {why}"))?,
        None => {
            let mut beside = master_key_file.as_os_str().to_owned();
            beside.push(".store");
            BucketAddress::Folder(beside.into())
        }
    };
    let is_same_place = match (&store, object_store) {
        (BucketAddress::Folder(keys), BucketAddress::Folder(objects)) => {
            let (keys, objects) = (resolved(keys), resolved(objects));
            keys.starts_with(&objects) || objects.starts_with(&keys)
        }
        // Whole buckets are copied and keep versions, whatever the names in them begin with.
        (BucketAddress::S3 { bucket: keys, .. }, BucketAddress::S3 { bucket: objects, .. }) => keys == objects,
        _ => false,
    };
    if is_same_place {
        bail!(
            "KUBEWISE_KEY_STORE is in the same folder or bucket as KUBEWISE_OBJECT_STORE: what is destroyed in the one would be \
             left in copies of the other. Give it a place of its own"
        );
    }
    Ok(store)
}

fn databases(source: &Source) -> Result<Option<Databases>> {
    let all = source.secret("KUBEWISE_DATABASE_URL");
    let part = |name: &str| source.secret(name).or_else(|| all.clone());
    let parts = [
        ("KUBEWISE_DATABASE_URL_OWNER", part("KUBEWISE_DATABASE_URL_OWNER")),
        ("KUBEWISE_DATABASE_URL_WEB", part("KUBEWISE_DATABASE_URL_WEB")),
        ("KUBEWISE_DATABASE_URL_INGEST", part("KUBEWISE_DATABASE_URL_INGEST")),
        ("KUBEWISE_DATABASE_URL_WORKER", part("KUBEWISE_DATABASE_URL_WORKER")),
    ];
    if parts.iter().all(|(_, url)| url.is_none()) {
        return Ok(None);
    }
    if let Some((missing, _)) = parts.iter().find(|(_, url)| url.is_none()) {
        bail!("{missing} is missing: set it, or KUBEWISE_DATABASE_URL for all parts that have none of their own");
    }
    for (name, url) in &parts {
        if let Some(url) = url {
            let text = url.expose_secret();
            let scheme_ok = text.starts_with("postgres://") || text.starts_with("postgresql://");
            kubewise_backend::database::Target::as_given(url).ok().filter(|_| scheme_ok).ok_or_else(|| {
                anyhow::anyhow!("{name} is not a PostgreSQL URL like postgres://user:password@host/database")
            })?;
        }
    }
    let [(_, owner), (_, web), (_, ingest), (_, worker)] = parts;
    Ok(owner.zip(web).zip(ingest.zip(worker)).map(|((owner, web), (ingest, worker))| Databases {
        owner,
        web,
        ingest,
        worker,
    }))
}

fn oidc(source: &Source) -> Result<Option<OidcIssuer>> {
    let issuer = source.get("KUBEWISE_GOOGLE_ISSUER");
    match (source.get("KUBEWISE_GOOGLE_CLIENT_ID"), source.secret("KUBEWISE_GOOGLE_CLIENT_SECRET")) {
        (Some(client_id), Some(client_secret)) => {
            let issuer = check_issuer(issuer.unwrap_or_else(|| "https://accounts.google.com".to_owned()))?;
            Ok(Some(OidcIssuer { issuer, client_id, client_secret }))
        }
        (Some(_), None) => bail!("KUBEWISE_GOOGLE_CLIENT_ID is set, so KUBEWISE_GOOGLE_CLIENT_SECRET must be too"),
        (None, Some(_)) => bail!("KUBEWISE_GOOGLE_CLIENT_SECRET is set, so KUBEWISE_GOOGLE_CLIENT_ID must be too"),
        (None, None) if issuer.is_some() => bail!(
            "KUBEWISE_GOOGLE_ISSUER is set, so KUBEWISE_GOOGLE_CLIENT_ID and KUBEWISE_GOOGLE_CLIENT_SECRET must be too"
        ),
        (None, None) => Ok(None),
    }
}

fn stripe(source: &Source) -> Result<Option<StripeAccount>> {
    let key = source.secret("KUBEWISE_STRIPE_SECRET_KEY");
    let webhook = source.secret("KUBEWISE_STRIPE_WEBHOOK_SECRET");
    let (price, base) = (source.get("KUBEWISE_STRIPE_PRICE_TEAM"), source.get("KUBEWISE_STRIPE_API_BASE"));
    let (secret_key, webhook_secret, price_team) = match (key, webhook, price) {
        (Some(key), Some(webhook), Some(price)) => (key, webhook, price),
        (None, None, None) if base.is_none() => return Ok(None),
        (key, webhook, price) => {
            let missing = [
                ("KUBEWISE_STRIPE_SECRET_KEY", key.is_none()),
                ("KUBEWISE_STRIPE_WEBHOOK_SECRET", webhook.is_none()),
                ("KUBEWISE_STRIPE_PRICE_TEAM", price.is_none()),
            ];
            let missing: Vec<_> = missing.iter().filter(|(_, is)| *is).map(|(name, _)| *name).collect();
            bail!("billing needs {} too: Stripe works with all three or none", missing.join(" and "));
        }
    };
    // What is wrong is said without repeating it: it may be the right key in the wrong variable.
    for (name, value, starts, example) in [
        ("KUBEWISE_STRIPE_SECRET_KEY", secret_key.expose_secret(), &["sk_", "rk_"][..], "sk_live_…"),
        ("KUBEWISE_STRIPE_WEBHOOK_SECRET", webhook_secret.expose_secret(), &["whsec_"], "whsec_…"),
        ("KUBEWISE_STRIPE_PRICE_TEAM", &price_team, &["price_"], "price_…"),
    ] {
        if !starts.iter().any(|start| value.starts_with(start)) || value.chars().any(char::is_whitespace) {
            bail!("{name} is not one: Stripe's look like {example}");
        }
    }
    if let Some(base) = &base
        && !leads_to_no_wire(base)
    {
        bail!("KUBEWISE_STRIPE_API_BASE={base}: use an address like https://api.stripe.com");
    }
    Ok(Some(StripeAccount { secret_key, webhook_secret, price_team, api_base: base }))
}

/// Whether what is sent to an address is encrypted, or does not leave this machine.
fn leads_to_no_wire(address: &str) -> bool {
    let parsed = address.parse::<http::Uri>().ok().filter(|uri| uri.query().is_none() && !address.contains('#'));
    let host = parsed.as_ref().and_then(|uri| uri.host()).unwrap_or_default();
    let is_loopback = host == "localhost"
        || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    match parsed.as_ref().and_then(|uri| uri.scheme_str()) {
        Some("https") => !host.is_empty(),
        Some("http") => is_loopback,
        _ => false,
    }
}

/// OpenID Connect Discovery 1.0 §3: https, no query, no fragment. Without TLS only what does not leave this machine.
fn check_issuer(issuer: String) -> Result<String> {
    if leads_to_no_wire(&issuer) {
        return Ok(issuer);
    }
    bail!("KUBEWISE_GOOGLE_ISSUER={issuer}: use an address like https://accounts.google.com")
}

fn roles(text: &str) -> Result<Roles> {
    let mut roles = Roles { web: false, ingest: false, worker: false };
    for role in text.split(',').map(str::trim) {
        match role {
            "web" => roles.web = true,
            "ingest" => roles.ingest = true,
            "worker" => roles.worker = true,
            other => bail!("KUBEWISE_ROLES={text}: {other:?} is not a part; use some of web,ingest,worker"),
        }
    }
    Ok(roles)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &[(&str, &str)]) -> Result<Config> {
        Config::read(&Source::from_pairs(settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))))
    }

    fn refused(settings: &[(&str, &str)], variable: &str) {
        let error = read(settings).expect_err("must be refused").to_string();
        assert!(error.contains(variable), "{error:?} does not name {variable}");
    }

    #[test]
    fn without_settings_the_server_is_for_this_machine_alone() {
        let config = read(&[]).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:3000");
        assert_eq!(config.public_url, "http://127.0.0.1:3000");
        assert!(config.databases.is_none() && config.tls.is_none() && config.signup == SignUpPolicy::Open);
        assert!(config.roles.web && config.roles.ingest && config.roles.worker);
    }

    #[test]
    fn the_key_store_is_nowhere_where_objects_are() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| format!("file://{}", folder.path().join(path).display());
        std::os::unix::fs::symlink(folder.path().join("objects"), folder.path().join("elsewhere")).unwrap();
        std::fs::create_dir(folder.path().join("objects")).unwrap();
        for (keys, objects) in [
            (at("objects"), at("objects")),
            (at("objects/keys"), at("objects")),
            (at("keys"), at("keys/objects")),
            (at("elsewhere/keys"), at("objects")),
            ("s3://one/keys".to_owned(), "s3://one/objects".to_owned()),
        ] {
            refused(&[("KUBEWISE_KEY_STORE", &keys), ("KUBEWISE_OBJECT_STORE", &objects)], "KUBEWISE_KEY_STORE");
        }
        for (keys, objects) in [
            (at("keys"), at("objects")),
            (at("objects-keys"), at("objects")),
            ("s3://one/keys".to_owned(), "s3://two/keys".to_owned()),
            (at("keys"), "s3://two".to_owned()),
        ] {
            assert!(read(&[("KUBEWISE_KEY_STORE", &keys), ("KUBEWISE_OBJECT_STORE", &objects)]).is_ok(), "{keys}");
        }
    }

    #[test]
    fn stripe_is_configured_whole_or_not_at_all_and_no_secret_is_repeated() {
        let whole = [
            ("KUBEWISE_STRIPE_SECRET_KEY", "sk_test_1"),
            ("KUBEWISE_STRIPE_WEBHOOK_SECRET", "whsec_2"),
            ("KUBEWISE_STRIPE_PRICE_TEAM", "price_3"),
        ];
        assert!(read(&[]).unwrap().stripe.is_none());
        assert!(read(&whole).unwrap().stripe.is_some());
        for (at, (name, _)) in whole.iter().enumerate() {
            let mut settings = whole;
            settings[at].1 = "pk_wrong";
            refused(&settings, name);
            assert!(!format!("{:#}", read(&settings).unwrap_err()).contains("pk_wrong"));
        }
        let with = |base| [whole[0], whole[1], whole[2], ("KUBEWISE_STRIPE_API_BASE", base)];
        assert!(read(&with("http://127.0.0.1:8420")).is_ok());
        refused(&with("http://stripe.example.com"), "KUBEWISE_STRIPE_API_BASE");
    }

    #[test]
    fn people_write_to_the_sender_of_mail_unless_another_address_is_named() {
        let from = ("KUBEWISE_MAIL_FROM", "Kubewise <kubewise@example.com>");
        assert_eq!(read(&[from]).unwrap().contact, "kubewise@example.com");
        assert_eq!(read(&[from, ("KUBEWISE_CONTACT", "privacy@example.com")]).unwrap().contact, "privacy@example.com");
        refused(&[("KUBEWISE_CONTACT", "Privacy <privacy@example.com>")], "KUBEWISE_CONTACT");
        refused(&[("KUBEWISE_CONTACT", "the door on the left")], "KUBEWISE_CONTACT");
    }

    #[test]
    fn every_value_is_checked_and_every_error_names_its_variable() {
        refused(&[("KUBEWISE_LISTEN", "3000")], "KUBEWISE_LISTEN");
        refused(&[("KUBEWISE_LISTEN", "0.0.0.0:3000")], "KUBEWISE_BEHIND_PROXY");
        refused(&[("KUBEWISE_TLS_CERT", "a.pem")], "KUBEWISE_TLS_KEY");
        refused(&[("KUBEWISE_TLS_KEY", "a.pem")], "KUBEWISE_TLS_CERT");
        refused(&[("KUBEWISE_PUBLIC_URL", "kubewise.example.com")], "KUBEWISE_PUBLIC_URL");
        refused(&[("KUBEWISE_PUBLIC_URL", "https://a.example/b")], "KUBEWISE_PUBLIC_URL");
        refused(&[("KUBEWISE_BEHIND_PROXY", "maybe")], "KUBEWISE_BEHIND_PROXY");
        refused(&[("KUBEWISE_DATABASE_URL", "mysql://x")], "KUBEWISE_DATABASE_URL");
        refused(&[("KUBEWISE_DATABASE_URL_WEB", "postgres://x/y")], "KUBEWISE_DATABASE_URL_OWNER");
        refused(&[("KUBEWISE_ROLES", "web,cook")], "KUBEWISE_ROLES");
        refused(&[("KUBEWISE_ROLES", "web")], "KUBEWISE_DATABASE_URL");
        refused(&[("KUBEWISE_LOG", "loud=very=much")], "KUBEWISE_LOG");
        refused(&[("KUBEWISE_STRIPE_SECRET_KEY", "sk_test_1")], "KUBEWISE_STRIPE_WEBHOOK_SECRET");
        refused(&[("KUBEWISE_STRIPE_API_BASE", "https://api.stripe.com")], "KUBEWISE_STRIPE_SECRET_KEY");
        refused(&[("KUBEWISE_LOG_FORMAT", "xml")], "KUBEWISE_LOG_FORMAT");
        refused(&[("KUBEWISE_SIGNUP", "yes")], "KUBEWISE_SIGNUP");
        refused(&[("KUBEWISE_SMTP_URL", "smtps://mail.example.com")], "KUBEWISE_MAIL_FROM");
        refused(&[("KUBEWISE_MAIL_FROM", "Kubewise")], "KUBEWISE_MAIL_FROM");
        let from = ("KUBEWISE_MAIL_FROM", "kubewise@example.com");
        refused(&[("KUBEWISE_SMTP_URL", "https://mail.example.com"), from], "KUBEWISE_SMTP_URL");
        for networks in ["localhost", "127.0.0.1", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/8;fd00::/8"] {
            refused(&[("KUBEWISE_WEBHOOK_ALLOW", networks)], "KUBEWISE_WEBHOOK_ALLOW");
        }
        refused(&[("KUBEWISE_LISTN", "127.0.0.1:1")], "KUBEWISE_LISTN");
        let (id, secret) = (("KUBEWISE_GOOGLE_CLIENT_ID", "kubewise"), ("KUBEWISE_GOOGLE_CLIENT_SECRET", "hunter2"));
        refused(&[id], "KUBEWISE_GOOGLE_CLIENT_SECRET must");
        refused(&[secret], "KUBEWISE_GOOGLE_CLIENT_ID must");
        refused(&[("KUBEWISE_GOOGLE_ISSUER", "https://id.example")], "KUBEWISE_GOOGLE_CLIENT_ID");
        for issuer in
            ["id.example", "http://id.example", "https://id.example?a=b", "https://", "ftp://127.0.0.1", "https://a/#b"]
        {
            refused(&[id, secret, ("KUBEWISE_GOOGLE_ISSUER", issuer)], "KUBEWISE_GOOGLE_ISSUER");
        }
    }

    #[test]
    fn an_error_does_not_repeat_a_password() {
        let from = ("KUBEWISE_MAIL_FROM", "kubewise@example.com");
        let error = read(&[("KUBEWISE_SMTP_URL", "ftp://u:hunter2@host"), from]).unwrap_err();
        assert!(!format!("{error:#}").contains("hunter2"), "{error:#}");
        let error = read(&[("KUBEWISE_DATABASE_URL", "postgres://u:hunter2@host:notaport/db")]).unwrap_err();
        assert!(!format!("{error:#}").contains("hunter2"), "{error:#}");
    }

    #[test]
    fn an_issuer_is_google_or_any_over_tls_or_on_this_machine() {
        assert!(read(&[]).unwrap().oidc.is_none());
        let (id, secret) = (("KUBEWISE_GOOGLE_CLIENT_ID", "kubewise"), ("KUBEWISE_GOOGLE_CLIENT_SECRET", "hunter2"));
        let google = read(&[id, secret]).unwrap();
        assert!(!format!("{google:?}").contains("hunter2"), "{google:?}");
        assert_eq!(google.oidc.unwrap().issuer, "https://accounts.google.com");
        for issuer in
            ["https://id.example/realms/a", "http://127.0.0.1:9000", "http://localhost:9000", "http://[::1]:9"]
        {
            assert_eq!(read(&[id, secret, ("KUBEWISE_GOOGLE_ISSUER", issuer)]).unwrap().oidc.unwrap().issuer, issuer);
        }
    }

    #[test]
    fn a_proxy_or_tls_opens_the_listener() {
        let proxied = read(&[
            ("KUBEWISE_LISTEN", "0.0.0.0:3000"),
            ("KUBEWISE_BEHIND_PROXY", "true"),
            ("KUBEWISE_PUBLIC_URL", "https://kubewise.example.com/"),
        ])
        .unwrap();
        assert!(proxied.is_https());
        assert_eq!(proxied.public_url, "https://kubewise.example.com");
        let tls =
            read(&[("KUBEWISE_LISTEN", "[::]:443"), ("KUBEWISE_TLS_CERT", "a.pem"), ("KUBEWISE_TLS_KEY", "b.pem")])
                .unwrap();
        assert!(tls.is_https());
    }
}
