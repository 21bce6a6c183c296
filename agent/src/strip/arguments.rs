//! Command lines: `command` and `args` of containers, of probes and of lifecycle hooks.

use serde_json::Value;

use super::REMOVED;
use super::names::is_secret;
use super::shell::{self, Line};
use super::text::redact_text;

/// Takes what looks like a secret out of a command line. Flags keep their names.
pub(super) fn redact(arguments: &mut [Value]) {
    let mut line = Line::default();
    for argument in arguments {
        if let Value::String(text) = argument
            && let Some(redacted) = redact_argument(text, &mut line)
        {
            *text = redacted;
        }
    }
}

fn redact_argument(text: &str, line: &mut Line) -> Option<String> {
    if line.take_awaited() && !text.starts_with('-') && !is_reference(text) && !text.is_empty() {
        return (text != REMOVED).then(|| REMOVED.to_owned());
    }
    // An argument that is one assignment is taken as a whole, whatever its value holds.
    if let Some((name, value)) = text.split_once('=')
        && is_name(name)
        && is_secret(name)
    {
        if is_harmless_value(value) || value == REMOVED {
            return None;
        }
        return Some(format!("{name}={REMOVED}"));
    }
    let redacted = shell::redact(text, line);
    redact_text(redacted.as_deref().unwrap_or(text)).or(redacted)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// True for a value that says nothing: nothing, a truth value, or the name of a variable.
pub(super) fn is_harmless_value(value: &str) -> bool {
    matches!(value, "" | "true" | "false") || is_reference(value)
}

/// True for `$NAME`, `${NAME}`, `$(NAME)` and nothing else.
pub(super) fn is_reference(value: &str) -> bool {
    let Some(name) = value.strip_prefix('$') else { return false };
    let name = match name.as_bytes() {
        [b'(', .., b')'] | [b'{', .., b'}'] => &name[1..name.len() - 1],
        _ => name,
    };
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn redacted(arguments: Value) -> Value {
        let Value::Array(mut arguments) = arguments else { panic!("an array") };
        redact(&mut arguments);
        let once = arguments.clone();
        redact(&mut arguments);
        assert_eq!(once, arguments, "cleaning twice changes nothing");
        Value::Array(arguments)
    }

    #[test]
    fn flags_with_a_value() {
        assert_eq!(
            redacted(json!(["--password=hunter2", "--api-key=a=b, c", "--db.passwd=x", "DB_PASSWORD=hunter2"])),
            json!(["--password=[removed]", "--api-key=[removed]", "--db.passwd=[removed]", "DB_PASSWORD=[removed]"])
        );
    }

    #[test]
    fn flags_before_their_value() {
        assert_eq!(
            redacted(json!(["--token", "hunter2", "--verbose", "--password", "a b c", "serve", "--auth", "--x"])),
            json!(["--token", REMOVED, "--verbose", "--password", REMOVED, "serve", "--auth", "--x"])
        );
    }

    #[test]
    fn what_is_not_secret_stays() {
        let arguments = json!([
            "--requirepass $(REDIS_PASSWORD)",
            "--password=$(PASSWORD)",
            "--token=${TOKEN}",
            "--anonymous-auth=false",
            "--authorization-mode=Node,RBAC",
            "--token-auth-file=/etc/tokens.csv",
            "--tls-private-key-file=/pki/apiserver.key",
            "--tls-cipher-suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "--prometheus-url=http://prometheus-k8s.monitoring.svc:9090/",
            "--path.procfs=/host/root/proc",
            "--collector.netclass.ignored-devices=^(veth.*|[a-f0-9]{15})$",
            "redis-initial-password",
            "--configmap=$(POD_NAMESPACE)/ingress-nginx-controller",
            "echo share-manager image pulled && sleep infinity",
            "while [ $(curl -m 1 -s -o /dev/null -w \"%{http_code}\" http://b:9500/v1) != \"200\" ]; do sleep 2; done",
            "--feature-gates=ServerSideFieldValidation=true",
            "",
            "-",
            "--",
            "ünïcode --flag=wért",
        ]);
        assert_eq!(redacted(arguments.clone()), arguments);
    }

    #[test]
    fn scripts() {
        for (before, after) in [
            ("mysql -uroot -phunter2 shop", "mysql -uroot -p[removed] shop"),
            ("exec /usr/bin/mysqldump -p'hunter2' shop", "exec /usr/bin/mysqldump -p[removed] shop"),
            ("sshpass -p hunter2 ssh host", "sshpass -p [removed] ssh host"),
            ("redis-cli -a hunter2 ping", "redis-cli -a [removed] ping"),
            ("curl -u admin:hunter2 http://x", "curl -u [removed] http://x"),
            ("curl -H 'Authorization: Bearer hunter2' http://x", "curl -H 'Authorization: [removed]' http://x"),
            ("export PASSWORD=hunter2; run", "export PASSWORD=[removed]; run"),
            ("export PASSWORD='hun ter2' && run", "export PASSWORD=[removed] && run"),
            ("run --password hunter2 --user me", "run --password [removed] --user me"),
            ("echo '{\"password\": \"hunter2\", \"a\": 1}'", "echo '{\"password\": [removed], \"a\": 1}'"),
            ("psql \"host=db password=hunter2\"", "psql \"host=db password=[removed]\""),
            ("curl 'http://x/?a=1&token=hunter2&b=2'", "curl 'http://x/?a=1&token=[removed]&b=2'"),
            ("psql -c \"ALTER USER app PASSWORD 'hunter2'\"", "psql -c \"ALTER USER app PASSWORD [removed]\""),
            (
                "mysql -e \"CREATE USER a IDENTIFIED BY 'hunter2'\"",
                "mysql -e \"CREATE USER a IDENTIFIED BY [removed]\"",
            ),
            ("run --key=wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY", "run --key=[removed]"),
            ("cat <<E\npassword: hunter2\nuser: me\nE", "cat <<E\npassword: [removed]\nuser: me\nE"),
            ("psql postgres://a:hunter2@db/x", "psql postgres://[removed]@db/x"),
            ("echo \"{\\\"password\\\":\\\"hunter2\\\"}\"", "echo \"{\\\"password\\\":[removed]}\""),
            ("run --upstream=auth-service:8080/x", "run --upstream=auth-service:8080/x"),
            ("pull ghcr.io/x/oauth2-proxy:v7", "pull ghcr.io/x/oauth2-proxy:v7"),
            ("openssl rsa -passin pass:hunter2", "openssl rsa -passin pass:[removed]"),
        ] {
            assert_eq!(redacted(json!(["sh", "-c", before])), json!(["sh", "-c", after]));
        }
    }

    #[test]
    fn short_flags_across_arguments() {
        assert_eq!(
            redacted(json!(["redis-cli", "-h", "localhost", "-a", "hunter2"])),
            json!(["redis-cli", "-h", "localhost", "-a", REMOVED])
        );
        assert_eq!(redacted(json!(["mysqladmin", "-phunter2", "ping"])), json!(["mysqladmin", "-p[removed]", "ping"]));
        assert_eq!(redacted(json!(["mkdir", "-p", "/data"])), json!(["mkdir", "-p", "/data"]));
    }
}
