//! Annotations hold anything that anybody ever thought of, so only those on a list leave the cluster.

use serde_json::{Map, Value};

use super::REMOVED;
use super::text::redact_text;

/// Annotations whose values may leave, by their whole key.
const KEYS: &[&str] = &[
    "argocd.argoproj.io/sync-wave",
    "argocd.argoproj.io/tracking-id",
    "container.apparmor.security.beta.kubernetes.io",
    "deployment.kubernetes.io/revision",
    "ingressclass.kubernetes.io/is-default-class",
    "kubernetes.io/description",
    "kubernetes.io/ingress.class",
    "kubernetes.io/service-account.name",
    "meta.helm.sh/release-name",
    "meta.helm.sh/release-namespace",
    "scheduler.alpha.kubernetes.io/critical-pod",
    "seccomp.security.alpha.kubernetes.io/pod",
    "service.beta.kubernetes.io/aws-load-balancer-internal",
    "service.beta.kubernetes.io/aws-load-balancer-scheme",
    "service.beta.kubernetes.io/aws-load-balancer-type",
    "service.beta.kubernetes.io/azure-load-balancer-internal",
    "networking.gke.io/load-balancer-type",
    "storageclass.beta.kubernetes.io/is-default-class",
    "storageclass.kubernetes.io/is-default-class",
    "volume.kubernetes.io/selected-node",
    "volume.kubernetes.io/storage-provisioner",
];

/// Annotations whose values may leave, by how their key begins.
const PREFIXES: &[&str] = &[
    "app.kubernetes.io/",
    "cert-manager.io/",
    "container.apparmor.security.beta.kubernetes.io/",
    "container.seccomp.security.alpha.kubernetes.io/",
    "helm.sh/",
    "kubewise.",
    "nginx.ingress.kubernetes.io/",
    "nginx.org/",
    "pod-security.kubernetes.io/",
    "rbac.authorization.kubernetes.io/",
];

/// Longer values are documents, not settings.
const LONGEST_VALUE: usize = 1024;

/// Keeps the listed annotations only. Snippets of configuration keep their key, since that they exist is a finding,
/// and lose their value.
pub(super) fn filter(annotations: &mut Map<String, Value>) {
    annotations.retain(|key, value| is_listed(key) && value.is_string());
    for (key, value) in annotations.iter_mut() {
        let Value::String(text) = value else { continue };
        if key.contains("snippet") || text.len() > LONGEST_VALUE {
            REMOVED.clone_into(text);
        } else if let Some(redacted) = redact_text(text) {
            *text = redacted;
        }
    }
}

fn is_listed(key: &str) -> bool {
    KEYS.contains(&key) || PREFIXES.iter().any(|prefix| key.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn filtered(annotations: Value) -> Value {
        let Value::Object(mut map) = annotations else { panic!("an object") };
        filter(&mut map);
        Value::Object(map)
    }

    #[test]
    fn only_listed_keys_stay() {
        let before = json!({
            "kubectl.kubernetes.io/last-applied-configuration": "{}",
            "vault.hashicorp.com/agent-inject-secret": "x",
            "meta.helm.sh/release-name": "shop",
            "deployment.kubernetes.io/revision": "4",
            "pod-security.kubernetes.io/enforce": "restricted",
            "example.com/password": "hunter2",
        });
        let after = json!({
            "meta.helm.sh/release-name": "shop",
            "deployment.kubernetes.io/revision": "4",
            "pod-security.kubernetes.io/enforce": "restricted",
        });
        assert_eq!(filtered(before), after);
    }

    #[test]
    fn a_snippet_keeps_its_key() {
        let before = json!({"nginx.ingress.kubernetes.io/configuration-snippet": "set $token hunter2;"});
        assert_eq!(filtered(before), json!({"nginx.ingress.kubernetes.io/configuration-snippet": REMOVED}));
    }

    #[test]
    fn a_user_in_an_address_goes() {
        let before = json!({"nginx.ingress.kubernetes.io/auth-url": "https://me:hunter2@auth.example.com/check"});
        let after = json!({"nginx.ingress.kubernetes.io/auth-url": "https://[removed]@auth.example.com/check"});
        assert_eq!(filtered(before), after);
    }
}
