//! Which names (of flags, variables, keys of maps) say that their value is a secret.

/// A name that contains one of these, whatever separates its words, names a secret.
const WORDS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "accountkey",
    "privatekey",
    "encryptionkey",
    "signingkey",
    "sharedkey",
    "sessionkey",
    "masterkey",
    "licensekey",
    "credential",
    "connectionstring",
    "auth",
];

/// A name that has one of these as a word of its own names a secret.
const WHOLE_WORDS: &[&str] = &["pass", "pwd", "pw", "jwt", "dsn", "cookie", "bearer", "sas", "salt", "creds"];

/// A name that ends with one of these words names where a secret is or how it is used, not the secret itself.
const HARMLESS_ENDINGS: &[&str] = &[
    "audience",
    "audiences",
    "author",
    "authority",
    "class",
    "dir",
    "directory",
    "disabled",
    "duration",
    "enabled",
    "endpoint",
    "expiration",
    "expiry",
    "file",
    "files",
    "interval",
    "issuer",
    "kind",
    "length",
    "lookup",
    "method",
    "methods",
    "mode",
    "modes",
    "name",
    "names",
    "namespace",
    "namespaces",
    "path",
    "paths",
    "period",
    "port",
    "provider",
    "ref",
    "seconds",
    "size",
    "timeout",
    "ttl",
    "type",
    "types",
    "uri",
    "url",
    "version",
];

/// True when the value that belongs to this name is a secret.
pub(super) fn is_secret(name: &str) -> bool {
    let name = name.trim_start_matches('-');
    let words = words(name);
    let Some(last) = words.last() else { return false };
    if HARMLESS_ENDINGS.contains(&last.as_str()) {
        return false;
    }
    let joined = words.concat();
    // `--keyfile` style names, written without a separator.
    if joined.ends_with("file") || joined.ends_with("path") || joined.ends_with("filename") {
        return false;
    }
    WORDS.iter().any(|word| joined.contains(word))
        || words.iter().any(|word| WHOLE_WORDS.contains(&word.as_str()))
        || (last.ends_with("pass") && last != "bypass")
}

/// Splits `--dbPassword_file.x` into `db`, `password`, `file`, `x`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before_is_lower = false;
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            if c.is_ascii_uppercase() && before_is_lower {
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                word.push(c.to_ascii_lowercase());
            }
        } else {
            words.push(String::new());
        }
        before_is_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::is_secret;

    #[test]
    fn secrets() {
        for name in [
            "--password",
            "--db-password",
            "DB_PASSWORD",
            "dbPassword",
            "--api-key",
            "apikey",
            "--apiKey",
            "API_KEY",
            "--auth",
            "--basic-auth",
            "--auth-token",
            "Authorization",
            "--access.key",
            "--requirepass",
            "PGPASS",
            "--private-key",
            "client_secret",
            "--credentials",
            "X-Auth-Token",
            "--passwd",
            "-pass",
            "SENTRY_DSN",
        ] {
            assert!(is_secret(name), "{name}");
        }
    }

    #[test]
    fn not_secrets() {
        for name in [
            "--token-auth-file",
            "--service-account-private-key-file",
            "--authorization-mode",
            "--secret-name",
            "--tls-private-key-file",
            "--auth-url",
            "--token-ttl",
            "--secretName",
            "--bypass",
            "--keyfile",
            "--port",
            "",
            "--",
            "--authfile",
            "--webhook-url",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
