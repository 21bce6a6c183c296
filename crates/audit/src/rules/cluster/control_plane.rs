//! Sections 1 and 2 of the CIS Kubernetes Benchmark: how the control plane is started.

use crate::{
    out::Out,
    rules::cluster::flags::{API_SERVER, CONTROLLER_MANAGER, ETCD, SCHEDULER, Said, judge, wrong_if},
};

const BY_FILE: &str = "A configuration file decides, which is not known.";
const ELSEWHERE: &str = "A configuration file or environment variables decide, which are not known.";

pub(super) fn anonymous(out: &mut Out<'_>) {
    judge(out, &[API_SERVER], |flags| match flags.get("anonymous-auth") {
        None if flags.has("authentication-config") => Said::Unknown(BY_FILE),
        None => Said::Wrong("The API server answers anonymous requests: --anonymous-auth is not set.".to_owned()),
        Some(_) => {
            wrong_if(flags.is_on("anonymous-auth"), "The API server answers anonymous requests (--anonymous-auth).")
        }
    });
}

pub(super) fn token_file(out: &mut Out<'_>) {
    judge(out, &[API_SERVER], |flags| {
        wrong_if(flags.has("token-auth-file"), "The API server takes static tokens from a file (--token-auth-file).")
    });
}

pub(super) fn kubelet_authority(out: &mut Out<'_>) {
    judge(out, &[API_SERVER], |flags| {
        let message = "The API server does not check the kubelets' certificates: no --kubelet-certificate-authority.";
        wrong_if(!flags.has("kubelet-certificate-authority"), message)
    });
}

pub(super) fn always_allow(out: &mut Out<'_>) {
    judge(out, &[API_SERVER], |flags| {
        if flags.has("authorization-config") {
            return Said::Unknown(BY_FILE);
        }
        // What is not said is AlwaysAllow.
        // Source: https://kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver/
        let allows = !flags.has("authorization-mode") || flags.lists("authorization-mode", "AlwaysAllow");
        wrong_if(allows, "The API server allows everything to everybody (--authorization-mode AlwaysAllow).")
    });
}

pub(super) fn authorization_modes(out: &mut Out<'_>) {
    judge(out, &[API_SERVER], |flags| {
        if flags.has("authorization-config") {
            return Said::Unknown(BY_FILE);
        }
        let missing = ["Node", "RBAC"].into_iter().find(|mode| !flags.lists("authorization-mode", mode));
        match missing {
            Some(mode) => Said::Wrong(format!("The API server's --authorization-mode does not have {mode}.")),
            None => Said::Right,
        }
    });
}

pub(super) fn always_admit(out: &mut Out<'_>) {
    judge(out, &[API_SERVER], |flags| {
        let admits = flags.lists("enable-admission-plugins", "AlwaysAdmit");
        wrong_if(admits, "The API server has the admission plugin AlwaysAdmit.")
    });
}

pub(super) fn admission_off(out: &mut Out<'_>) {
    judge(out, &[API_SERVER], |flags| {
        let off = ["NamespaceLifecycle", "ServiceAccount"];
        match off.into_iter().find(|plugin| flags.lists("disable-admission-plugins", plugin)) {
            Some(plugin) => Said::Wrong(format!("The API server's admission plugin {plugin} is switched off.")),
            None => Said::Right,
        }
    });
}

pub(super) fn node_restriction(out: &mut Out<'_>) {
    judge(out, &[API_SERVER], |flags| {
        let restricts = flags.lists("enable-admission-plugins", "NodeRestriction");
        wrong_if(!restricts, "The API server does not have the admission plugin NodeRestriction.")
    });
}

pub(super) fn profiling(out: &mut Out<'_>) {
    judge(out, &[API_SERVER, CONTROLLER_MANAGER, SCHEDULER], |flags| {
        // The scheduler may have it in its configuration.
        if !flags.has("profiling") && flags.has("config") {
            return Said::Unknown(BY_FILE);
        }
        // It is on unless it is said otherwise.
        let is_on = !flags.has("profiling") || flags.is_on("profiling");
        wrong_if(is_on, "It serves profiles of itself: --profiling is not false.")
    });
}

pub(super) fn audit_log(out: &mut Out<'_>) {
    judge(out, &[API_SERVER], |flags| {
        if !flags.has("audit-log-path") && !flags.has("audit-webhook-config-file") {
            return Said::Wrong("The API server writes no audit log: no --audit-log-path.".to_owned());
        }
        let message = "The API server's audit log stays empty: no --audit-policy-file.";
        wrong_if(!flags.has("audit-policy-file"), message)
    });
}

/// The least that the benchmark asks for: days, files and megabytes.
const RETENTION: [(&str, u32); 3] = [("audit-log-maxage", 30), ("audit-log-maxbackup", 10), ("audit-log-maxsize", 100)];

pub(super) fn audit_retention(out: &mut Out<'_>) {
    judge(out, &[API_SERVER], |flags| {
        // What goes to standard output or to a webhook is kept elsewhere.
        if flags.get("audit-log-path").is_none_or(|path| path == "-") {
            return Said::Right;
        }
        for (flag, least) in RETENTION {
            let value = flags.get(flag).and_then(|value| value.parse::<u32>().ok());
            if value.is_none_or(|value| value < least) {
                let value = flags.get(flag).unwrap_or("not set");
                return Said::Wrong(format!("The audit log's --{flag} is {value}; the benchmark asks for {least}."));
            }
        }
        Said::Right
    });
}

pub(super) fn insecure_port(out: &mut Out<'_>) {
    judge(out, &[API_SERVER], |flags| match flags.get("insecure-port") {
        Some(port) if port != "0" => {
            Said::Wrong(format!("The API server serves without authentication on port {port} (--insecure-port)."))
        }
        _ => wrong_if(
            flags.has("insecure-bind-address"),
            "The API server serves without authentication on an address (--insecure-bind-address).",
        ),
    });
}

pub(super) fn weak_tls(out: &mut Out<'_>) {
    judge(out, &[API_SERVER], |flags| {
        if let Some(version @ ("VersionTLS10" | "VersionTLS11")) = flags.get("tls-min-version") {
            return Said::Wrong(format!("The API server accepts old versions of TLS (--tls-min-version={version})."));
        }
        let is_weak = |suite: &&str| ["_RC4_", "_3DES_", "_CBC_"].iter().any(|part| suite.contains(part));
        let suites = flags.get("tls-cipher-suites").unwrap_or_default();
        match suites.split(',').find(is_weak) {
            Some(suite) => Said::Wrong(format!("The API server accepts the weak cipher suite {suite}.")),
            None => Said::Right,
        }
    });
}

pub(super) fn encryption(out: &mut Out<'_>) {
    judge(out, &[API_SERVER], |flags| {
        let message = "The API server stores secrets in clear text: no --encryption-provider-config.";
        wrong_if(!flags.has("encryption-provider-config"), message)
    });
}

pub(super) fn account_lookup(out: &mut Out<'_>) {
    judge(out, &[API_SERVER], |flags| {
        let is_off = flags.has("service-account-lookup") && !flags.is_on("service-account-lookup");
        wrong_if(is_off, "The API server accepts tokens of deleted service accounts (--service-account-lookup=false).")
    });
}

pub(super) fn etcd_client(out: &mut Out<'_>) {
    judge(out, &[API_SERVER], |flags| {
        let missing = ["etcd-certfile", "etcd-keyfile", "etcd-cafile"].into_iter().find(|flag| !flags.has(flag));
        match missing {
            Some(flag) => Said::Wrong(format!("The API server speaks to etcd without --{flag}.")),
            None => Said::Right,
        }
    });
}

pub(super) fn own_credentials(out: &mut Out<'_>) {
    judge(out, &[CONTROLLER_MANAGER], |flags| {
        let message = "All controllers have one identity: --use-service-account-credentials is not true.";
        wrong_if(!flags.is_on("use-service-account-credentials"), message)
    });
}

pub(super) fn bind_address(out: &mut Out<'_>) {
    judge(out, &[CONTROLLER_MANAGER, SCHEDULER], |flags| match flags.get("bind-address") {
        None | Some("127.0.0.1" | "::1" | "localhost") => Said::Right,
        Some(address) => Said::Wrong(format!("It listens on {address} (--bind-address), not on the loopback only.")),
    });
}

pub(super) fn etcd_server(out: &mut Out<'_>) {
    judge(out, &[ETCD], |flags| {
        if flags.is_set_elsewhere() {
            return Said::Unknown(ELSEWHERE);
        }
        let message = "The etcd server asks clients for no certificate: --client-cert-auth is not true.";
        wrong_if(!flags.is_on("client-cert-auth"), message)
    });
}

pub(super) fn etcd_certificate(out: &mut Out<'_>) {
    judge(out, &[ETCD], |flags| {
        if flags.is_set_elsewhere() {
            return Said::Unknown(ELSEWHERE);
        }
        match ["cert-file", "key-file"].into_iter().find(|flag| !flags.has(flag)) {
            Some(flag) => Said::Wrong(format!("The etcd server has no --{flag}, and serves without TLS.")),
            None => Said::Right,
        }
    });
}

pub(super) fn etcd_peers(out: &mut Out<'_>) {
    judge(out, &[ETCD], |flags| {
        if flags.is_set_elsewhere() {
            return Said::Unknown(ELSEWHERE);
        }
        let message = "The etcd server asks peers for no certificate: --peer-client-cert-auth is not true.";
        wrong_if(!flags.is_on("peer-client-cert-auth"), message)
    });
}

pub(super) fn etcd_auto_tls(out: &mut Out<'_>) {
    judge(out, &[ETCD], |flags| {
        if flags.is_set_elsewhere() {
            return Said::Unknown(ELSEWHERE);
        }
        match ["auto-tls", "peer-auto-tls"].into_iter().find(|flag| flags.is_on(flag)) {
            Some(flag) => Said::Wrong(format!("The etcd server makes its own certificates (--{flag}).")),
            None => Said::Right,
        }
    });
}
