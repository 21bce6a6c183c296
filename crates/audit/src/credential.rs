//! What looks like a secret: by the name that it has, or by its own form. Unlike what cleans objects before they leave a
//! cluster, which takes out too much when in doubt, this says nothing when in doubt: each finding is read by somebody.

/// Stands where an agent took something out that looked like a secret.
pub(crate) const REMOVED: &str = "[removed]";

/// A name with one of these in it, whatever separates its words, names a secret.
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
    "credential",
    "connectionstring",
];

/// A name that ends with one of these as a word of its own names a secret.
const LAST_WORDS: &[&str] = &["pass", "pwd", "pw", "requirepass"];

/// A name that ends with one of these words names where a secret is or how it is used, not the secret itself.
const HARMLESS_ENDINGS: &[&str] = &[
    "addr",
    "address",
    "age",
    "alg",
    "algorithm",
    "arn",
    "audience",
    "audiences",
    "backend",
    "bucket",
    "class",
    "count",
    "dir",
    "directory",
    "disabled",
    "duration",
    "enable",
    "enabled",
    "endpoint",
    "engine",
    "expiration",
    "expires",
    "expiry",
    "field",
    "file",
    "filename",
    "files",
    "folder",
    "format",
    "grace",
    "header",
    "host",
    "hostname",
    "hours",
    "id",
    "ids",
    "interval",
    "issuer",
    "kind",
    "length",
    "lifetime",
    "limit",
    "location",
    "lookup",
    "manager",
    "max",
    "method",
    "methods",
    "min",
    "minutes",
    "mode",
    "modes",
    "mount",
    "name",
    "names",
    "namespace",
    "namespaces",
    "optional",
    "path",
    "paths",
    "period",
    "policy",
    "port",
    "prefix",
    "provider",
    "ref",
    "region",
    "required",
    "role",
    "rotation",
    "seconds",
    "service",
    "size",
    "source",
    "store",
    "strategy",
    "suffix",
    "table",
    "timeout",
    "tokens",
    "ttl",
    "type",
    "types",
    "uri",
    "url",
    "user",
    "username",
    "validity",
    "version",
    "webhook",
];

/// Beginnings that well-known services give their tokens, how much must follow at least, and what they are.
const TOKENS: &[(&str, usize, &str)] = &[
    ("AKIA", 16, "an access key of AWS"),
    ("ASIA", 16, "an access key of AWS"),
    ("AIza", 35, "an API key of Google"),
    ("GOCSPX-", 20, "a client secret of Google"),
    ("SG.", 40, "an API key of SendGrid"),
    ("dckr_pat_", 20, "a token of Docker Hub"),
    ("dop_v1_", 40, "a token of DigitalOcean"),
    ("ghp_", 30, "a token of GitHub"),
    ("gho_", 30, "a token of GitHub"),
    ("ghu_", 30, "a token of GitHub"),
    ("ghs_", 30, "a token of GitHub"),
    ("ghr_", 30, "a token of GitHub"),
    ("github_pat_", 30, "a token of GitHub"),
    ("glpat-", 20, "a token of GitLab"),
    ("glsa_", 20, "a token of Grafana"),
    ("hvs.", 20, "a token of Vault"),
    ("npm_", 30, "a token of npm"),
    ("pypi-", 40, "a token of PyPI"),
    ("rk_live_", 16, "a key of Stripe"),
    ("sk_live_", 16, "a key of Stripe"),
    ("xoxa-", 16, "a token of Slack"),
    ("xoxb-", 16, "a token of Slack"),
    ("xoxp-", 16, "a token of Slack"),
    ("xapp-", 16, "a token of Slack"),
];

/// No token is shorter: what is looked for first.
const SHORTEST: usize = 20;

/// Splits `--dbPassword_file.x` into `db`, `password`, `file`, `x`, in small letters.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_after_small = false;
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            if c.is_ascii_uppercase() && is_after_small {
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                word.push(c.to_ascii_lowercase());
            }
        } else {
            words.push(String::new());
        }
        is_after_small = c.is_ascii_lowercase() || c.is_ascii_digit();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether what has this name is a secret.
pub(crate) fn is_secret_name(name: &str) -> bool {
    // Nearly every name is innocent, and found to be so without taking it apart.
    const BEGINNINGS: &[&[u8]] = &[b"pass", b"pw", b"secret", b"token", b"key", b"credential", b"connection"];
    let bytes = name.as_bytes();
    let may_be =
        |beginning: &&[u8]| bytes.windows(beginning.len()).any(|window| window.eq_ignore_ascii_case(beginning));
    if !BEGINNINGS.iter().any(may_be) {
        return false;
    }
    let words = words(name);
    let Some(last) = words.last() else { return false };
    let joined = words.concat();
    if HARMLESS_ENDINGS.contains(&last.as_str()) || joined.ends_with("file") || joined.ends_with("path") {
        return false;
    }
    WORDS.iter().any(|word| joined.contains(word)) || LAST_WORDS.contains(&last.as_str())
}

/// Whether a value says nothing: none, a truth value, a reference, a placeholder, or where something is.
fn is_harmless(value: &str) -> bool {
    let value = value.trim().trim_matches(['"', '\'']);
    let word = value.to_ascii_lowercase();
    let is_placeholder = value.contains("{{") || value.starts_with(['<', '$', '`', '%', '@']) || value.contains("${");
    matches!(word.as_str(), "" | "true" | "false" | "yes" | "no" | "on" | "off" | "none" | "null" | "nil" | "disabled")
        || matches!(word.as_str(), "enabled" | "redacted" | "optional" | "required" | "always" | "never")
        || is_placeholder
        || value.bytes().all(|b| matches!(b, b'*' | b'x' | b'X' | b'.'))
        || value == REMOVED
        || value.starts_with('/')
        || value.contains("://")
}

/// A number or a duration: what names with `token` in them often are about.
fn is_amount(value: &str) -> bool {
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    value.len() - digits.len() <= 2 && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

/// Whether a value looks like the name of an object: what `TLS_SECRET` and `--webhook-secret` often are.
fn is_object_name(value: &str) -> bool {
    value.contains(['-', '/'])
        && value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'/'))
}

/// Whether this name with this value, as it is written, is a secret.
pub(crate) fn is_secret(name: &str, value: &str) -> bool {
    if !is_secret_name(name) {
        return false;
    }
    let lower = name.to_ascii_lowercase();
    let names_object = lower.ends_with("secret") || lower.ends_with("secrets") || lower.ends_with("credentials");
    // A password of digits alone is one all the same.
    let is_password = lower.contains("pass") || lower.contains("pwd");
    !(is_harmless(value) || (names_object && is_object_name(value)) || (!is_password && is_amount(value)))
}

/// What a text is, or holds, by its form alone: in words for a message.
pub(crate) fn known(text: &str) -> Option<&'static str> {
    if text.contains("-----BEGIN") && text.contains("PRIVATE KEY-----") {
        return Some("a private key");
    }
    if text.contains("://") && has_password(text) {
        return Some("an address with a password");
    }
    if text.len() >= SHORTEST { token(text) } else { None }
}

/// `scheme://user:password@host`
fn has_password(text: &str) -> bool {
    text.match_indices("://").any(|(at, _)| {
        let rest = &text[at + 3..];
        let end = rest
            .find(|c: char| c.is_whitespace() || matches!(c, '/' | '"' | '\'' | '?' | '#' | ','))
            .unwrap_or(rest.len());
        let user = rest[..end].rsplit_once('@').map_or("", |(user, _)| user);
        user.split_once(':').is_some_and(|(_, password)| {
            !is_harmless(password) && password != REMOVED && !password.contains(['$', '{', '<', '*'])
        })
    })
}

fn token(text: &str) -> Option<&'static str> {
    let is_token = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    let bytes = text.as_bytes();
    let mut at = 0;
    while at + SHORTEST <= bytes.len() {
        let word = &bytes[at..];
        if word[0].is_ascii_alphanumeric() {
            let length = || word.iter().take_while(|b| is_token(b)).count();
            let known = TOKENS.iter().find(|(beginning, least, _)| {
                word.starts_with(beginning.as_bytes()) && length() >= beginning.len() + least
            });
            if let Some((_, _, what)) = known {
                return Some(what);
            }
            if word.starts_with(b"eyJ") && is_json_web_token(&text[at..at + length()]) {
                return Some("a JSON web token");
            }
            at += word.iter().take_while(|b| b.is_ascii_alphanumeric()).count();
        } else {
            at += 1;
        }
    }
    None
}

/// Three parts, of which the first two are JSON objects in Base64.
fn is_json_web_token(word: &str) -> bool {
    let mut parts = word.split('.');
    let mut next = || parts.next().unwrap_or_default();
    let (header, claims, signature) = (next(), next(), next());
    header.len() > 10 && claims.starts_with("eyJ") && signature.len() > 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in [
            "PASSWORD",
            "dbPassword",
            "--api-key",
            "API_KEY",
            "AWS_SECRET_ACCESS_KEY",
            "client_secret",
            "GITHUB_TOKEN",
            "REDIS_PASS",
            "DB_PWD",
            "requirepass",
            "SMTP_PW",
            "passphrase",
            "Credentials",
            "CONNECTION_STRING",
        ] {
            assert!(is_secret_name(name), "{name}");
        }
        for name in [
            "PASSWORD_FILE",
            "TOKEN_URL",
            "SECRET_NAME",
            "keyfile",
            "AWS_ACCESS_KEY_ID",
            "MAX_TOKENS",
            "AUTH_SERVICE",
            "COMPASS",
            "secretpath",
            "BYPASS",
            "KEY",
            "PASSENGER",
            "",
            "-",
            "TOKEN_TTL",
            "PASS_THROUGH",
        ] {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn values() {
        for (name, value) in [
            ("PASSWORD", "fox"),
            ("PASSWORD", "hunter2"),
            ("PASSWORD", "1234"),
            ("DB_PWD", "1234ab"),
            ("CLIENT_SECRET", "Hunter-two"),
            ("API_KEY", "a/b"),
            ("TOKEN", "12345a6"),
        ] {
            assert!(is_secret(name, value), "{name}={value}");
        }
        for (name, value) in [
            ("PASSWORD", ""),
            ("PASSWORD", "true"),
            ("PASSWORD", "$(X)"),
            ("PASSWORD", "${X}"),
            ("PASSWORD", "a${X}"),
            ("PASSWORD", "{{ x }}"),
            ("PASSWORD", "<password>"),
            ("PASSWORD", "****"),
            ("PASSWORD", "/run/x"),
            ("TOKEN", "5"),
            ("TOKEN", "10s"),
            ("TOKEN", "1.5h"),
            ("SECRET", "http://vault"),
            ("TLS_SECRET", "my-tls"),
            ("SECRETS", "a/b"),
            ("CREDENTIALS", "cloud-key"),
            ("PASSWORD", "[removed]"),
            ("USER", "hunter2"),
            ("PASSWORD", "REDACTED"),
            ("PASSWORD", "'off'"),
        ] {
            assert!(!is_secret(name, value), "{name}={value}");
        }
    }

    #[test]
    fn forms() {
        // Put together here, so that nothing that scans sources finds tokens in this one.
        let letters = "aB3".repeat(20);
        for (beginning, least, what) in TOKENS {
            let text = format!("x={beginning}{}", &letters[..*least]);
            assert_eq!(known(&text), Some(*what), "{text}");
            let shorter = format!("x={beginning}{}", &letters[..least - 1]);
            assert_eq!(known(&shorter), None, "{shorter}");
        }
        let key = format!("-----BEGIN {} KEY-----\nx", "RSA PRIVATE");
        assert_eq!(known(&key), Some("a private key"));
        assert_eq!(known("-----BEGIN CERTIFICATE-----\nx"), None);
        assert_eq!(known("PRIVATE KEY-----"), None);
        let token = format!("eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.{letters}");
        assert_eq!(known(&token), Some("a JSON web token"));
        for other in [
            "eyJhbGciOiJIUzI1NiJ9.abcdef.abcdefghijklmn",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.short",
            "eyJ.eyJzdWIi.abcdefghijklmn",
        ] {
            assert_eq!(known(other), None, "{other}");
        }
        assert_eq!(known("postgres://a:hunter2@db/x"), Some("an address with a password"));
        assert_eq!(known("postgres://a:1234@db/x"), Some("an address with a password"));
        assert_eq!(known("see http://a, postgres://a:hunter2@db"), Some("an address with a password"));
        for fine in [
            "postgres://a@db/x",
            "http://a:80/x@y",
            "postgres://a:$(P)@db",
            "postgres://a:x${P}@db",
            "http://<u>:<p>@x",
            "a:b@c",
            "postgres://a:[removed]@db",
            "https://x/?a:b@c",
        ] {
            assert_eq!(known(fine), None, "{fine}");
        }
    }
}
