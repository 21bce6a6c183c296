//! Where settings come from: the environment, before a TOML file with the same names.

use std::{collections::BTreeMap, path::Path, str::FromStr};

use anyhow::{Context, Result, bail};
use secrecy::SecretString;

const PREFIX: &str = "KUBEWISE_";

/// What the server reads.
const KNOWN: &[&str] = &[
    "KUBEWISE_BEHIND_PROXY",
    "KUBEWISE_CONTACT",
    "KUBEWISE_DATABASE_URL",
    "KUBEWISE_DATABASE_URL_INGEST",
    "KUBEWISE_DATABASE_URL_OWNER",
    "KUBEWISE_DATABASE_URL_WEB",
    "KUBEWISE_DATABASE_URL_WORKER",
    "KUBEWISE_DATA_DIR",
    "KUBEWISE_GOOGLE_CLIENT_ID",
    "KUBEWISE_GOOGLE_CLIENT_SECRET",
    "KUBEWISE_GOOGLE_ISSUER",
    "KUBEWISE_KEY_STORE",
    "KUBEWISE_LISTEN",
    "KUBEWISE_LOG",
    "KUBEWISE_LOG_FORMAT",
    "KUBEWISE_MAIL_FROM",
    "KUBEWISE_MASTER_KEY_FILE",
    "KUBEWISE_OBJECT_STORE",
    "KUBEWISE_PUBLIC_URL",
    "KUBEWISE_ROLES",
    "KUBEWISE_SIGNUP",
    "KUBEWISE_SMTP_URL",
    "KUBEWISE_STRIPE_API_BASE",
    "KUBEWISE_STRIPE_PRICE_TEAM",
    "KUBEWISE_STRIPE_SECRET_KEY",
    "KUBEWISE_STRIPE_WEBHOOK_SECRET",
    "KUBEWISE_TLS_CERT",
    "KUBEWISE_TLS_KEY",
    "KUBEWISE_WEBHOOK_ALLOW",
];

/// What other programs of the project read from the same environment.
const OTHERS: &[&str] = &[
    "KUBEWISE_ALLOW_HTTP",
    "KUBEWISE_CA_FILE",
    "KUBEWISE_CLUSTERS_DIR",
    "KUBEWISE_E2E_",
    "KUBEWISE_HEALTH_LISTEN",
    "KUBEWISE_SERVER",
    "KUBEWISE_SQLX_DATABASE_URL",
    "KUBEWISE_SYNC_INTERVAL",
    "KUBEWISE_TEST_",
    "KUBEWISE_TOKEN",
    "KUBEWISE_TOKEN_FILE",
];

/// Settings as text, by variable name.
pub struct Source {
    values: BTreeMap<String, String>,
}

impl Source {
    /// The environment, and below it a file whose keys are the variables' names in lower case without `KUBEWISE_`.
    pub fn from_environment(file: Option<&Path>) -> Result<Self> {
        let mut values = BTreeMap::new();
        if let Some(path) = file {
            let text = std::fs::read_to_string(path).with_context(|| format!("--config {}", path.display()))?;
            let table: toml::Table = text.parse().with_context(|| format!("--config {}", path.display()))?;
            for (key, value) in table {
                let value = match value {
                    toml::Value::String(text) => text,
                    toml::Value::Boolean(_) | toml::Value::Integer(_) => value.to_string(),
                    _ => bail!("--config {}: {key} must be text, a number or true or false", path.display()),
                };
                values.insert(format!("{PREFIX}{}", key.to_uppercase()), value);
            }
        }
        for (name, value) in std::env::vars_os() {
            if let (Ok(name), Ok(value)) = (name.into_string(), value.into_string())
                && name.starts_with(PREFIX)
            {
                values.insert(name, value);
            }
        }
        Ok(Self { values })
    }

    /// From pairs.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { values: pairs.into_iter().collect() }
    }

    /// A misspelt name would be a setting that silently does nothing.
    pub(super) fn refuse_unknown(&self) -> Result<()> {
        let known = |name: &str| {
            KNOWN.contains(&name) || OTHERS.iter().any(|o| name == *o || (o.ends_with('_') && name.starts_with(o)))
        };
        match self.values.keys().find(|name| !known(name)) {
            Some(name) => bail!("{name} is not a setting of this version; the settings are {}", KNOWN.join(", ")),
            None => Ok(()),
        }
    }

    /// A value; an empty one counts as none.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        debug_assert!(KNOWN.contains(&name), "{name} is not in the list of known settings");
        self.values.get(name).filter(|value| !value.is_empty()).cloned()
    }

    pub(super) fn secret(&self, name: &str) -> Option<SecretString> {
        self.get(name).map(Into::into)
    }

    pub(super) fn parsed<T: FromStr>(&self, name: &str, default: &str, expected: &str) -> Result<T> {
        let text = self.get(name).unwrap_or_else(|| default.to_owned());
        text.parse().map_err(|_| anyhow::anyhow!("{name}={text}: use {expected}"))
    }
}
