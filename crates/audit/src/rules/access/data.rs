//! Roles that read what is confidential, or remove what shows what happened.

use super::{
    CLUSTER_ROLES, NSA, PCI, RBAC, ROLES, SOC2,
    pods::holds_in_kube_system,
    rights::{ANYWHERE, EVERYWHERE, NAMESPACES, READ, Right, WRITE, report, right},
};
use crate::rule::{Check, Framework, Rule, Severity};

pub(super) const SECRETS: &[Right] = &[right(READ, "", "secrets", "")];
const SECRETS_CHANGED: &[Right] = &[right(WRITE, "", "secrets", "")];
const CONFIG_MAPS: &[Right] = &[right(READ, "", "configmaps", "")];
const LOGS: &[Right] = &[right(&["get"], "", "pods", "log")];
const EVENTS: &[Right] = &[
    right(&["delete", "deletecollection"], "", "events", ""),
    right(&["delete", "deletecollection"], "events.k8s.io", "events", ""),
];

pub(super) const SECRETS_READ_CLUSTER_WIDE: Rule = Rule {
    id: "secrets-read-cluster-wide",
    title: "ClusterRole reads the secrets of all namespaces",
    why: "Among all secrets are the tokens of more powerful service accounts, registry passwords and private keys: \
          reading them leads to whatever they open. To list or to watch them shows their values as well.",
    fix: "Bind it in the namespaces that are needed, or name the secrets in resourceNames with the verb get alone.",
    severity: Severity::High,
    controls: &[
        (Framework::Cis, "5.1.2"),
        NSA,
        (Framework::Mitre, "T1552.007"),
        SOC2,
        (Framework::Iso27001, "A.8.3"),
        PCI,
    ],
    check: Check::Object(CLUSTER_ROLES, |role, out| report(role, out, EVERYWHERE, SECRETS)),
    ..RBAC
};

pub(super) const SECRETS_READ: Rule = Rule {
    id: "secrets-read",
    title: "Role reads all secrets of a namespace",
    why: "Reading all secrets of a namespace shows the credentials of every application in it, where one or two secrets \
          are usually what is needed.",
    fix: "Name the secrets in resourceNames with the verb get alone.",
    controls: &[
        (Framework::Cis, "5.1.2"),
        NSA,
        (Framework::Mitre, "T1552.007"),
        SOC2,
        (Framework::Iso27001, "A.8.3"),
        PCI,
    ],
    check: Check::Object(ROLES, |role, out| report(role, out, NAMESPACES, SECRETS)),
    ..RBAC
};

pub(super) const SECRETS_WRITE_CLUSTER_WIDE: Rule = Rule {
    id: "secrets-write-cluster-wide",
    title: "ClusterRole writes secrets of all namespaces",
    why: "A secret of the type kubernetes.io/service-account-token that is created for a service account is filled with \
          its token, and changed credentials and certificates are used by whoever trusts them.",
    fix: "Bind it in the namespaces that are needed, or name the secrets in resourceNames.",
    severity: Severity::High,
    controls: &[(Framework::Cis, "5.1.2"), NSA, (Framework::Mitre, "T1528"), SOC2, (Framework::Iso27001, "A.8.3"), PCI],
    check: Check::Object(CLUSTER_ROLES, |role, out| report(role, out, EVERYWHERE, SECRETS_CHANGED)),
    ..RBAC
};

pub(super) const SECRETS_WRITE: Rule = Rule {
    id: "secrets-write",
    title: "Role writes all secrets of a namespace",
    why: "A secret of the type kubernetes.io/service-account-token that is created for a service account of the namespace \
          is filled with its token, and changed credentials are used by whoever trusts them.",
    fix: "Name the secrets in resourceNames where they are known.",
    controls: &[(Framework::Cis, "5.1.2"), NSA, (Framework::Mitre, "T1528"), SOC2, (Framework::Iso27001, "A.8.3"), PCI],
    check: Check::Object(ROLES, |role, out| report(role, out, NAMESPACES, SECRETS_CHANGED)),
    ..RBAC
};

pub(super) const KUBE_SYSTEM_CONFIG_MAPS: Rule = Rule {
    id: "kube-system-config-maps-read",
    title: "Role reads all config maps of kube-system",
    why: "The config maps of kube-system show how the cluster is set up: its addresses, its DNS and, with some \
          providers, who is mapped to which rights.",
    fix: "Name the config maps in resourceNames.",
    severity: Severity::Low,
    controls: &[NSA, (Framework::Mitre, "T1613"), SOC2, (Framework::Iso27001, "A.8.3"), PCI],
    check: Check::Object(ROLES, |role, out| {
        if holds_in_kube_system(role, out) {
            report(role, out, NAMESPACES, CONFIG_MAPS);
        }
    }),
    ..RBAC
};

pub(super) const LOGS_READ: Rule = Rule {
    id: "pods-log-read",
    title: "Role reads the logs of all pods",
    why: "Applications write personal data and now and then credentials to their logs.",
    fix: "Keep it to those who look after the applications; remove it where nobody reads logs.",
    severity: Severity::Info,
    controls: &[NSA, SOC2, (Framework::Iso27001, "A.8.3"), PCI],
    references: &["https://kubernetes.io/docs/concepts/security/rbac-good-practices/"],
    check: Check::Object(ROLES, |role, out| report(role, out, ANYWHERE, LOGS)),
    ..RBAC
};

pub(super) const EVENTS_DELETE: Rule = Rule {
    id: "events-delete",
    title: "Role deletes events",
    why: "Events show what was started, pulled, killed and refused. Whoever removes them hides what was done.",
    fix: "Remove delete and deletecollection; events expire by themselves.",
    severity: Severity::Low,
    controls: &[NSA, (Framework::Mitre, "T1070"), SOC2, (Framework::Iso27001, "A.8.15"), PCI],
    references: &["https://attack.mitre.org/techniques/T1070/"],
    check: Check::Object(ROLES, |role, out| report(role, out, ANYWHERE, EVENTS)),
    ..RBAC
};
