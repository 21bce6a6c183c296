//! Configuration: environment variables, each validated before anything starts.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use kubewise_protocol::SYNC_PATH;
use reqwest::Url;
use secrecy::SecretString;

use crate::send::TokenSource;

/// What the agent needs to know.
#[derive(Debug)]
pub struct Config {
    /// Where batches are sent.
    pub endpoint: Url,
    /// Who sends them.
    pub token: TokenSource,
    /// A kubeconfig file, when one was named.
    pub kubeconfig: Option<PathBuf>,
    /// Root certificates, in PEM, that are trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Where health and metrics are served.
    pub health_listen: SocketAddr,
    /// How long changes are gathered before they are sent.
    pub sync_interval: Duration,
}

/// How logs are written.
#[derive(Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// A level, or directives as `tracing_subscriber::EnvFilter` takes them.
    pub filter: String,
    /// One JSON object per line instead of text.
    pub json: bool,
}

/// A value that cannot be used. Never quotes the token.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct ConfigError {
    variable: &'static str,
    problem: String,
}

impl ConfigError {
    fn new(variable: &'static str, problem: impl Into<String>) -> Self {
        Self { variable, problem: problem.into() }
    }
}

/// Looks up environment variables.
pub struct Environment<F>(pub F);

impl<F: Fn(&str) -> Option<OsString>> Environment<F> {
    /// The configuration of `run`.
    pub fn config(&self) -> Result<Config, ConfigError> {
        Ok(Config {
            endpoint: self.endpoint()?,
            token: self.token()?,
            kubeconfig: self.path("KUBECONFIG")?,
            ca_file: self.path("KUBEWISE_CA_FILE")?,
            health_listen: self.health_listen()?,
            sync_interval: self.sync_interval()?,
        })
    }

    /// How logs are written.
    pub fn log(&self) -> Result<LogConfig, ConfigError> {
        let filter = self.text("KUBEWISE_LOG")?.unwrap_or_else(|| "info".to_owned());
        let json = match self.text("KUBEWISE_LOG_FORMAT")?.as_deref() {
            None | Some("text") => false,
            Some("json") => true,
            Some(_) => return Err(ConfigError::new("KUBEWISE_LOG_FORMAT", "must be text or json")),
        };
        // A bare level is meant for the agent; what its libraries say at that level helps nobody.
        let filter = if filter.parse::<tracing::Level>().is_ok() || filter == "off" {
            format!("warn,kube_client=off,kubewise_agent={filter}")
        } else {
            filter
        };
        tracing_subscriber::EnvFilter::try_new(&filter).map_err(|_| {
            ConfigError::new("KUBEWISE_LOG", "must be a level (error, warn, info, debug, trace) or directives")
        })?;
        Ok(LogConfig { filter, json })
    }

    fn endpoint(&self) -> Result<Url, ConfigError> {
        const NAME: &str = "KUBEWISE_SERVER";
        let text = self.text(NAME)?.ok_or_else(|| {
            ConfigError::new(
                NAME,
                "is not set; it is the address of the Kubewise server, as https://kubewise.example.com",
            )
        })?;
        let mut url =
            Url::parse(&text).map_err(|error| ConfigError::new(NAME, format!("is not an address: {error}")))?;
        if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none_or(str::is_empty) {
            return Err(ConfigError::new(NAME, "must begin with https://, followed by a host"));
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err(ConfigError::new(NAME, "must be an address only, without user, query or fragment"));
        }
        if url.scheme() == "http"
            && !is_loopback(url.host_str().unwrap_or_default())
            && !self.flag("KUBEWISE_ALLOW_HTTP")?
        {
            return Err(ConfigError::new(
                NAME,
                "http:// would send the token and the inventory in the clear; use https://, or set KUBEWISE_ALLOW_HTTP=true",
            ));
        }
        let path = format!("{}{SYNC_PATH}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        Ok(url)
    }

    fn token(&self) -> Result<TokenSource, ConfigError> {
        match (self.text("KUBEWISE_TOKEN")?, self.path("KUBEWISE_TOKEN_FILE")?) {
            (Some(_), Some(_)) => {
                Err(ConfigError::new("KUBEWISE_TOKEN", "is set beside KUBEWISE_TOKEN_FILE; set one of them"))
            }
            (None, None) => Err(ConfigError::new(
                "KUBEWISE_TOKEN",
                "is not set, nor is KUBEWISE_TOKEN_FILE; the token was shown when the cluster was added",
            )),
            (Some(token), None) => TokenSource::fixed(SecretString::from(token.trim()))
                .map_err(|problem| ConfigError::new("KUBEWISE_TOKEN", problem)),
            (None, Some(path)) => {
                TokenSource::file(path).map_err(|problem| ConfigError::new("KUBEWISE_TOKEN_FILE", problem))
            }
        }
    }

    fn health_listen(&self) -> Result<SocketAddr, ConfigError> {
        const NAME: &str = "KUBEWISE_HEALTH_LISTEN";
        let text = self.text(NAME)?.unwrap_or_else(|| "127.0.0.1:8081".to_owned());
        text.parse().map_err(|_| ConfigError::new(NAME, "must be an address and a port, as 127.0.0.1:8081"))
    }

    fn sync_interval(&self) -> Result<Duration, ConfigError> {
        const NAME: &str = "KUBEWISE_SYNC_INTERVAL";
        let Some(text) = self.text(NAME)? else { return Ok(Duration::from_secs(5)) };
        let interval =
            parse_duration(&text).ok_or_else(|| ConfigError::new(NAME, "must be a time, as 5s, 500ms or 1m"))?;
        if !(Duration::from_millis(100)..=Duration::from_mins(10)).contains(&interval) {
            return Err(ConfigError::new(NAME, "must be between 100ms and 10m"));
        }
        Ok(interval)
    }

    fn flag(&self, name: &'static str) -> Result<bool, ConfigError> {
        match self.text(name)?.as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(ConfigError::new(name, "must be true or false")),
        }
    }

    /// Set, and not empty.
    fn text(&self, name: &'static str) -> Result<Option<String>, ConfigError> {
        match (self.0)(name) {
            None => Ok(None),
            Some(value) => match value.into_string() {
                Ok(text) if text.is_empty() => Ok(None),
                Ok(text) => Ok(Some(text)),
                Err(_) => Err(ConfigError::new(name, "is not UTF-8")),
            },
        }
    }

    /// A file that must be there.
    fn path(&self, name: &'static str) -> Result<Option<PathBuf>, ConfigError> {
        let Some(value) = (self.0)(name).filter(|value| !value.is_empty()) else { return Ok(None) };
        let path = PathBuf::from(value);
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => Ok(Some(path)),
            Ok(_) => Err(ConfigError::new(name, format!("{} is not a file", path.display()))),
            Err(error) => Err(ConfigError::new(name, format!("{}: {error}", path.display()))),
        }
    }
}

/// True for a host that is this machine itself.
pub(crate) fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// `500ms`, `5s`, `5`, `2m`
fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    match &text[digits.len()..] {
        "ms" => Some(Duration::from_millis(number)),
        "" | "s" => Some(Duration::from_secs(number)),
        "m" => Some(Duration::from_secs(number.checked_mul(60)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment<'a>(values: &'a [(&'a str, &'a str)]) -> Environment<impl Fn(&str) -> Option<OsString> + 'a> {
        Environment(|name: &str| values.iter().rev().find(|(n, _)| *n == name).map(|(_, value)| OsString::from(value)))
    }

    const GOOD: &[(&str, &str)] = &[("KUBEWISE_SERVER", "https://k.example.com"), ("KUBEWISE_TOKEN", "kwa_abc")];

    fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        GOOD.iter().chain(more).copied().collect()
    }

    #[test]
    fn defaults() {
        let config = environment(GOOD).config().unwrap();
        assert_eq!(config.endpoint.as_str(), "https://k.example.com/ingest/v1/sync");
        assert_eq!(config.health_listen.to_string(), "127.0.0.1:8081");
        assert_eq!(config.sync_interval, Duration::from_secs(5));
        assert!(!format!("{config:?}").contains("kwa_abc"), "the token is never printed");
        let log = environment(GOOD).log().unwrap();
        assert_eq!(log, LogConfig { filter: "warn,kube_client=off,kubewise_agent=info".to_owned(), json: false });
    }

    #[test]
    fn addresses() {
        for (server, endpoint) in [
            ("https://k.example.com/", "https://k.example.com/ingest/v1/sync"),
            ("https://example.com/kubewise", "https://example.com/kubewise/ingest/v1/sync"),
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000/ingest/v1/sync"),
            ("http://localhost:3000", "http://localhost:3000/ingest/v1/sync"),
            ("http://[::1]:3000", "http://[::1]:3000/ingest/v1/sync"),
        ] {
            let config = environment(&with(&[("KUBEWISE_SERVER", server)])).config().unwrap();
            assert_eq!(config.endpoint.as_str(), endpoint);
        }
        let plain = [("KUBEWISE_SERVER", "http://kubewise:3000"), ("KUBEWISE_ALLOW_HTTP", "true")];
        assert!(environment(&with(&plain)).config().is_ok());
    }

    #[test]
    fn every_error_names_its_variable() {
        for (name, value) in [
            ("KUBEWISE_SERVER", ""),
            ("KUBEWISE_SERVER", "k.example.com"),
            ("KUBEWISE_SERVER", "ftp://k.example.com"),
            ("KUBEWISE_SERVER", "http://k.example.com"),
            ("KUBEWISE_SERVER", "https://me:pw@k.example.com"),
            ("KUBEWISE_SERVER", "https://k.example.com/?a=b"),
            ("KUBEWISE_TOKEN", ""),
            ("KUBEWISE_TOKEN", "two words"),
            ("KUBEWISE_TOKEN", "ünïcode"),
            ("KUBECONFIG", "/does/not/exist"),
            ("KUBEWISE_CA_FILE", "/"),
            ("KUBEWISE_HEALTH_LISTEN", "8081"),
            ("KUBEWISE_SYNC_INTERVAL", "soon"),
            ("KUBEWISE_SYNC_INTERVAL", "0"),
            ("KUBEWISE_SYNC_INTERVAL", "1h"),
            ("KUBEWISE_SYNC_INTERVAL", "99999999999999999999s"),
        ] {
            let error = environment(&with(&[(name, value)])).config().unwrap_err().to_string();
            assert!(error.starts_with(name), "{name}={value}: {error}");
        }
        for (name, value) in [("KUBEWISE_LOG", "a=b=c"), ("KUBEWISE_LOG_FORMAT", "xml")] {
            let error = environment(&[(name, value)]).log().unwrap_err().to_string();
            assert!(error.starts_with(name), "{error}");
        }
    }

    #[test]
    fn the_token_comes_from_one_place() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        std::fs::write(path, "kwa_file\n").unwrap();
        let server = ("KUBEWISE_SERVER", "https://k.example.com");
        assert!(environment(&[server, ("KUBEWISE_TOKEN_FILE", path)]).config().is_ok());
        assert!(environment(&with(&[("KUBEWISE_TOKEN_FILE", path)])).config().is_err());
        std::fs::write(path, "\n").unwrap();
        let error = environment(&[server, ("KUBEWISE_TOKEN_FILE", path)]).config().unwrap_err().to_string();
        assert!(error.starts_with("KUBEWISE_TOKEN_FILE"), "{error}");
    }
}
