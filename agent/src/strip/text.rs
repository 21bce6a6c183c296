//! Secrets that can be told by their form, wherever they stand: users in addresses, tokens with a known beginning.

use std::ops::Range;

use super::REMOVED;

/// Beginnings that well-known services give their tokens, and how much must follow at least.
const TOKENS: &[(&str, usize)] = &[
    ("AKIA", 12),
    ("ASIA", 12),
    ("AIza", 20),
    ("EAAA", 20),
    ("GOCSPX-", 10),
    ("SG.", 20),
    ("ATATT", 20),
    ("dckr_pat_", 10),
    ("dop_v1_", 10),
    ("eyJ", 17),
    ("ghp_", 10),
    ("gho_", 10),
    ("ghu_", 10),
    ("ghs_", 10),
    ("ghr_", 10),
    ("github_pat_", 10),
    ("glpat-", 10),
    ("glsa_", 10),
    ("hf_", 20),
    ("hvs.", 10),
    ("hvb.", 10),
    ("npm_", 20),
    ("pypi-", 20),
    ("rk_live_", 8),
    ("rk_test_", 8),
    ("sk-", 20),
    ("sk_live_", 8),
    ("sk_test_", 8),
    ("whsec_", 10),
    ("xapp-", 10),
    ("xox", 10),
    ("ya29.", 10),
];

/// `a://b@c`
const SHORTEST: usize = 7;

/// No token is shorter.
const SHORTEST_TOKEN: usize = 13;

/// The text without what looks like a secret by itself, or none when there is nothing to take out.
///
/// Every string of every object comes through here, and nearly every one is short and innocent: one look over its
/// bytes decides which searches are worth their time.
pub(super) fn redact_text(text: &str) -> Option<String> {
    if text.len() < SHORTEST {
        return None;
    }
    let (mut at_signs, mut slashes, mut spaces) = (false, false, false);
    for byte in text.bytes() {
        at_signs |= byte == b'@';
        slashes |= byte == b'/';
        spaces |= byte == b' ';
    }
    let mut ranges = Vec::new();
    if spaces {
        private_keys(text, &mut ranges);
    }
    if at_signs {
        users(text, &mut ranges);
    }
    if slashes {
        webhooks(text, &mut ranges);
    }
    tokens(text, &mut ranges);
    if ranges.is_empty() {
        return None;
    }
    ranges.sort_by_key(|range| range.start);
    let mut redacted = String::with_capacity(text.len());
    let mut kept = 0;
    for range in ranges {
        if range.end <= kept {
            continue;
        }
        if range.start >= kept {
            redacted.push_str(&text[kept..range.start]);
            redacted.push_str(REMOVED);
        }
        kept = range.end;
    }
    redacted.push_str(&text[kept..]);
    // A text that had been cleaned before is found to be clean.
    (redacted != text).then_some(redacted)
}

/// `-----BEGIN … PRIVATE KEY-----`, to the end of the text.
fn private_keys(text: &str, found: &mut Vec<Range<usize>>) {
    if let Some(start) = text.find("-----BEGIN")
        && text[start..].contains("PRIVATE KEY")
    {
        found.push(start..text.len());
    }
}

/// `user:password@` in `scheme://user:password@host`, and in the forms without a scheme that Go's drivers take.
fn users(text: &str, found: &mut Vec<Range<usize>>) {
    for (at, _) in text.match_indices("://") {
        let start = at + 3;
        let rest = &text[start..];
        let run = &rest[..rest.find(ends_word).unwrap_or(rest.len())];
        let authority = &run[..run.find(['/', '?', '#']).unwrap_or(run.len())];
        let user = match authority.rfind('@') {
            Some(end) => Some(end),
            // A password may hold an unescaped `/`: then what follows the colon is no port.
            None => authority
                .split_once(':')
                .filter(|(_, port)| !port.is_empty() && !port.bytes().all(|b| b.is_ascii_digit()))
                .filter(|(_, port)| !port.starts_with(['$', '{', '[']))
                .and_then(|_| run.rfind('@')),
        };
        if let Some(end) = user.filter(|end| *end > 0) {
            found.push(start..start + end);
        }
    }
    // user:password@tcp(host:3306)/database
    for marker in ["@tcp(", "@unix(", "@udp("] {
        for (at, _) in text.match_indices(marker) {
            let start = text[..at].rfind(ends_word).map_or(0, |i| i + 1);
            let start = start + text[start..at].find('=').map_or(0, |i| i + 1);
            found.push(start..at);
        }
    }
}

/// Addresses that are themselves the secret.
fn webhooks(text: &str, found: &mut Vec<Range<usize>>) {
    for host in ["hooks.slack.com/", "discord.com/api/webhooks/", "webhook.office.com/"] {
        for (at, _) in text.match_indices(host) {
            let start = at + host.len();
            let rest = &text[start..];
            let end = start + rest.find(ends_word).unwrap_or(rest.len());
            if end > start {
                found.push(start..end);
            }
        }
    }
}

/// Tokens with a known beginning.
fn tokens(text: &str, found: &mut Vec<Range<usize>>) {
    let bytes = text.as_bytes();
    let mut i = 0;
    while i + SHORTEST_TOKEN <= bytes.len() {
        if !bytes[i].is_ascii_alphanumeric() {
            i += 1;
            continue;
        }
        // A word begins here: a token may follow a separator, as in `prefix-ghp_…`, but no letter.
        let word = &bytes[i..];
        let token =
            TOKENS.iter().find(|(prefix, _)| prefix.as_bytes()[0] == word[0] && word.starts_with(prefix.as_bytes()));
        if let Some((prefix, rest)) = token {
            let length = word.iter().take_while(|b| is_token_byte(**b)).count();
            if length >= prefix.len() + rest {
                found.push(i..i + length);
                i += length;
                continue;
            }
        }
        i += word.iter().take_while(|b| b.is_ascii_alphanumeric()).count();
    }
}

const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

fn ends_word(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>' | '|' | ';' | ',')
}

/// True for a string that nobody would write by hand: 20 characters or more without structure.
pub(super) fn looks_random(value: &str) -> bool {
    let bytes = value.as_bytes();
    if bytes.len() < 20 || value.starts_with('/') {
        return false;
    }
    let (mut upper, mut lower, mut digits, mut hex, mut marks) = (0_usize, 0_usize, 0_usize, 0_usize, 0_usize);
    let mut counts = [0_u32; 256];
    for byte in bytes {
        match byte {
            b'A'..=b'Z' => upper += 1,
            b'a'..=b'z' => lower += 1,
            b'0'..=b'9' => digits += 1,
            b'+' | b'/' | b'_' | b'-' | b'=' => marks += 1,
            _ => return false,
        }
        hex += usize::from(byte.is_ascii_hexdigit());
        counts[usize::from(*byte)] += 1;
    }
    let letters = upper + lower;
    if digits == 0 || letters == 0 {
        return false;
    }
    let entropy = entropy(&counts, bytes.len());
    if hex + marks == bytes.len() && hex >= 20 {
        return entropy >= 2.8;
    }
    if upper > 0 && lower > 0 {
        return entropy >= if marks > 1 { 4.0 } else { 3.5 };
    }
    // One case only: words with a number in them are common, so more than a fifth must be digits.
    marks == 0 && digits * 5 >= bytes.len() && entropy >= 3.3
}

/// Shannon's, in bits per character.
fn entropy(counts: &[u32; 256], len: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "lengths of strings are far below 2^52")]
    let len = len as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let p = f64::from(*count) / len;
            -p * p.log2()
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_of_addresses() {
        for (before, after) in [
            ("postgres://app:hunter2@db:5432/shop", "postgres://[removed]@db:5432/shop"),
            ("see https://token@git.example.com/x.git now", "see https://[removed]@git.example.com/x.git now"),
            ("amqp://a:hun/ter2@mq:5672", "amqp://[removed]@mq:5672"),
            ("dsn=app:hunter2@tcp(db:3306)/shop", "dsn=[removed]@tcp(db:3306)/shop"),
            ("https://hooks.slack.com/services/T0/B0/XyZ", "https://hooks.slack.com/[removed]"),
        ] {
            assert_eq!(redact_text(before).as_deref(), Some(after));
            assert_eq!(redact_text(after), None, "clean stays as it is");
        }
    }

    #[test]
    fn tokens_by_their_beginning() {
        for token in [
            "ghp_0123456789abcdef0123456789abcdef0123",
            "xoxb-1234567890-abcdefghij",
            "AKIAIOSFODNN7EXAMPLE",
            "sk_live_0123456789abcdef",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijk",
        ] {
            assert_eq!(redact_text(token).as_deref(), Some(REMOVED), "{token}");
            assert_eq!(redact_text(&format!("--x={token},y")).as_deref(), Some("--x=[removed],y"));
        }
    }

    #[test]
    fn innocent_text() {
        for text in [
            "http://prometheus-k8s.monitoring.svc:9090/",
            "https://example.com/@scope/package",
            "http://${HOST}:${PORT}/x@y",
            "quay.io/argoproj/argocd@sha256:0123456789abcdef",
            "desk-checker",
            "task_skipper",
            "",
        ] {
            assert_eq!(redact_text(text), None, "{text}");
        }
    }

    #[test]
    fn random_strings() {
        for value in [
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "0123456789abcdef0123456789abcdef",
            "9b2e6c1a-8f3d-4e7b-a5c0-1d2f3e4a5b6c",
            "k3j2h4g5f6d7s8a9q0w1e2r3",
        ] {
            assert!(looks_random(value), "{value}");
        }
        for value in [
            "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
            "ServerSideFieldValidation",
            "ingress-nginx-controller-admission",
            "/etc/kubernetes/pki/ca20260101.crt",
            "registry.example.com/team/image",
            "aaaaaaaaaaaaaaaaaaaaaaaa1",
        ] {
            assert!(!looks_random(value), "{value}");
        }
    }
}
