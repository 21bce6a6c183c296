//! Admission webhooks and policies.

use std::sync::LazyLock;

use super::ADMISSION;
use crate::{
    node::{Node, Value},
    object::{Kind, Object},
    out::Out,
    rule::{Category, Check, Framework, Rule, Severity},
    selector,
    version::KubernetesVersion,
};

const WEBHOOKS: &[Kind] = &[Kind::MutatingWebhookConfiguration, Kind::ValidatingWebhookConfiguration];

/// What Kubernetes waits when nothing is said, in `v1`: the most that is good.
const DEFAULT_TIMEOUT: i64 = 10;

pub(super) const IGNORE: Rule = Rule {
    id: "webhook-failure-policy-ignore",
    title: "Validation is skipped when it fails",
    why: "With failurePolicy Ignore, what a validation would refuse passes while it does not answer, which whoever can \
          overload or stop it brings about.",
    fix: "Set failurePolicy: Fail for what guards the cluster, and let it run in several replicas.",
    severity: Severity::Low,
    check: Check::Object(&[Kind::ValidatingWebhookConfiguration, Kind::ValidatingAdmissionPolicy], ignore),
    ..ADMISSION
};

pub(super) const KUBE_SYSTEM: Rule = Rule {
    id: "webhook-blocks-kube-system",
    title: "Webhook that fails stops pods of kube-system",
    why: "When such a webhook does not answer, no pod starts, those of kube-system included: the network, the DNS or the \
          webhook itself may be what cannot come back.",
    fix: "Leave kube-system and the webhook's own namespace out by a namespaceSelector on kubernetes.io/metadata.name.",
    categories: &[Category::AccessControl, Category::Reliability],
    check: Check::Object(WEBHOOKS, kube_system),
    ..ADMISSION
};

pub(super) const TIMEOUT: Rule = Rule {
    id: "webhook-timeout-long",
    title: "Webhook may take more than 10 seconds",
    why: "Every request that a webhook is asked about waits for it: one that hangs slows down the whole cluster, and \
          requests of controllers time out.",
    fix: "Set timeoutSeconds to a few seconds.",
    severity: Severity::Low,
    categories: &[Category::AccessControl, Category::Reliability],
    check: Check::Object(WEBHOOKS, timeout),
    ..ADMISSION
};

pub(super) const MISSING_SERVICE: Rule = Rule {
    id: "webhook-service-missing",
    title: "Webhook's service does not exist",
    why: "Nothing answers: with failurePolicy Fail every request that it is asked about is refused, with Ignore what it \
          should check is not checked.",
    fix: "Remove the configuration when the application is gone, or correct the service's name and namespace.",
    severity: Severity::High,
    categories: &[Category::AccessControl, Category::Reliability],
    check: Check::Object(WEBHOOKS, missing_service),
    ..ADMISSION
};

pub(super) const URL: Rule = Rule {
    id: "webhook-url",
    title: "Webhook is outside of the cluster",
    why: "The API server sends every object that the webhook is asked about to that address, and depends on it, and on the \
          way to it, for writing them.",
    fix: "Run the webhook in the cluster and name its service.",
    severity: Severity::Low,
    controls: &[(Framework::Soc2, "CC6.6")],
    check: Check::Object(WEBHOOKS, url),
    ..ADMISSION
};

pub(super) const WILDCARD: Rule = Rule {
    id: "webhook-matches-everything",
    title: "Webhook is asked about every resource",
    why: "A webhook for all resources is asked about leases and events as well, slows down every write, sees every secret \
          and, when it fails, stops everything.",
    fix: "List the API groups and resources that it is about.",
    categories: &[Category::AccessControl, Category::Reliability],
    check: Check::Object(WEBHOOKS, wildcard),
    ..ADMISSION
};

pub(super) const UNBOUND_POLICY: Rule = Rule {
    id: "admission-policy-unbound",
    title: "ValidatingAdmissionPolicy without a binding",
    why: "A policy that no binding names validates nothing.",
    fix: "Add a ValidatingAdmissionPolicyBinding with its name in policyName.",
    categories: &[Category::AccessControl, Category::Hygiene],
    since: KubernetesVersion::new(1, 26),
    references: &["https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/"],
    check: Check::Inventory(&[Kind::ValidatingAdmissionPolicy], unbound_policy),
    ..ADMISSION
};

pub(super) const MISSING_POLICY: Rule = Rule {
    id: "admission-policy-missing",
    title: "Binding to an admission policy that does not exist",
    why: "The binding validates nothing, so that what it should refuse passes.",
    fix: "Correct policyName, or create the policy.",
    categories: &[Category::AccessControl, Category::Hygiene],
    since: KubernetesVersion::new(1, 26),
    references: &["https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/"],
    check: Check::Object(&[Kind::ValidatingAdmissionPolicyBinding], missing_policy),
    ..ADMISSION
};

fn webhooks(object: &Object) -> impl Iterator<Item = (usize, &Node)> {
    object.root.get("webhooks").items().iter().enumerate()
}

fn is_v1(object: &Object) -> bool {
    object.api_version.ends_with("/v1")
}

/// What happens when a webhook does not answer: before `v1` it was ignored when nothing was said.
fn fails(object: &Object, webhook: &Node) -> bool {
    match webhook.get("failurePolicy").as_str() {
        Some(policy) => policy == "Fail",
        None => is_v1(object),
    }
}

fn ignore(object: &Object, out: &mut Out<'_>) {
    if object.kind == Kind::ValidatingAdmissionPolicy {
        if object.spec().get("failurePolicy").str() == "Ignore" {
            let message = format!("ValidatingAdmissionPolicy \"{}\" is skipped when it fails.", object.name);
            out.fail(object.spot("spec.failurePolicy"), message);
        }
        return;
    }
    for (index, webhook) in webhooks(object) {
        if !fails(object, webhook) {
            let message = format!("Webhook \"{}\" is skipped when it fails.", webhook.get("name").str());
            out.fail(object.spot(&format!("webhooks[{index}].failurePolicy")), message);
        }
    }
}

/// The labels that kube-system has in every cluster since 1.22.
static KUBE_SYSTEM_LABELS: LazyLock<Node> = LazyLock::new(|| {
    let name = Node::new(0, Value::String("kube-system".into()));
    Node::new(0, Value::Map(vec![("kubernetes.io/metadata.name".into(), name)]))
});

fn kube_system(object: &Object, out: &mut Out<'_>) {
    let namespace = out.inventory().find(Kind::Namespace, "", "kube-system");
    let is_cluster = !out.inventory().is_manifests();
    let labels = namespace.filter(|_| is_cluster).map_or(&*KUBE_SYSTEM_LABELS, Object::labels);
    for (index, webhook) in webhooks(object) {
        let is_narrowed =
            !selector::is_empty(webhook.get("objectSelector")) || !webhook.get("matchConditions").is_empty();
        let is_selected = selector::selects(webhook.get("namespaceSelector"), labels);
        if fails(object, webhook)
            && !is_narrowed
            && is_selected
            && webhook.get("rules").items().iter().any(is_for_new_pods)
        {
            let message = format!(
                "Webhook \"{}\" is asked about new pods of kube-system, and refuses them when it does not answer.",
                webhook.get("name").str()
            );
            out.fail(object.spot(&format!("webhooks[{index}]")), message);
        }
    }
}

fn is_for_new_pods(rule: &Node) -> bool {
    let has = |field: &str, wanted: &str| rule.get(field).strings().any(|item| item == "*" || item == wanted);
    let is_pods = has("resources", "pods") || rule.get("resources").has("*/*");
    let is_core = rule.get("apiGroups").strings().any(|group| group.is_empty() || group == "*");
    is_pods && is_core && has("operations", "CREATE") && rule.get("scope").str() != "Cluster"
}

fn timeout(object: &Object, out: &mut Out<'_>) {
    for (index, webhook) in webhooks(object) {
        let timeout = webhook.get("timeoutSeconds");
        // Before `v1`, 30 seconds when nothing was said.
        let seconds = timeout.as_i64().or_else(|| (!is_v1(object) && !timeout.is_present()).then_some(30));
        if let Some(seconds) = seconds.filter(|seconds| *seconds > DEFAULT_TIMEOUT) {
            let message = format!("Webhook \"{}\" may take {seconds} seconds.", webhook.get("name").str());
            out.fail(object.spot(&format!("webhooks[{index}].timeoutSeconds")), message);
        }
    }
}

fn missing_service(object: &Object, out: &mut Out<'_>) {
    let inventory = out.inventory();
    for (index, webhook) in webhooks(object) {
        let service = webhook.at(&["clientConfig", "service"]);
        let (namespace, name) = (service.get("namespace").str(), service.get("name").str());
        if name.is_empty() || inventory.find(Kind::Service, namespace, name).is_some() {
            continue;
        }
        if inventory.would_have(Kind::Service, namespace) {
            let message = format!(
                "Webhook \"{}\" is answered by service \"{namespace}/{name}\", which does not exist.",
                webhook.get("name").str()
            );
            out.fail(object.spot(&format!("webhooks[{index}].clientConfig.service")), message);
        } else {
            out.cannot("Services may exist that are not among what is audited.");
        }
    }
}

fn url(object: &Object, out: &mut Out<'_>) {
    for (index, webhook) in webhooks(object) {
        let url = webhook.at(&["clientConfig", "url"]);
        let Some(text) = url.as_str() else { continue };
        let rest = text.strip_prefix("https://").unwrap_or(text);
        let host = rest.split(['/', ':']).next().unwrap_or_default();
        // Beside the API server, on the same node, or a service by its name.
        let is_near = matches!(host, "localhost" | "127.0.0.1") || rest.starts_with("[::1]");
        let is_service = host.strip_suffix(".cluster.local").unwrap_or(host).rsplit('.').next() == Some("svc");
        if !is_near && !is_service {
            let message = format!("Webhook \"{}\" is at {host}.", webhook.get("name").str());
            out.fail(object.spot(&format!("webhooks[{index}].clientConfig.url")), message);
        }
    }
}

fn wildcard(object: &Object, out: &mut Out<'_>) {
    for (index, webhook) in webhooks(object) {
        for (place, rule) in webhook.get("rules").items().iter().enumerate() {
            let is_everything = rule.get("resources").has("*") || rule.get("resources").has("*/*");
            if rule.get("apiGroups").has("*") && is_everything {
                let message = format!("Webhook \"{}\" is asked about all resources.", webhook.get("name").str());
                out.fail(object.spot(&format!("webhooks[{index}].rules[{place}]")), message);
            }
        }
    }
}

fn unbound_policy(out: &mut Out<'_>) {
    let inventory = out.inventory();
    let bindings = inventory.of(Kind::ValidatingAdmissionPolicyBinding);
    let bound: std::collections::HashSet<&str> =
        bindings.map(|binding| binding.spec().get("policyName").str()).collect();
    let knows = inventory.would_have(Kind::ValidatingAdmissionPolicyBinding, "");
    for policy in inventory.of(Kind::ValidatingAdmissionPolicy) {
        if bound.contains(&*policy.name) {
            continue;
        }
        if knows {
            let message = format!("No ValidatingAdmissionPolicyBinding names the policy \"{}\".", policy.name);
            out.fail(policy.spot("metadata.name"), message);
        } else {
            out.cannot("Bindings of policies may exist that are not among what is audited.");
        }
    }
}

fn missing_policy(object: &Object, out: &mut Out<'_>) {
    let inventory = out.inventory();
    let name = object.spec().get("policyName").str();
    if inventory.find(Kind::ValidatingAdmissionPolicy, "", name).is_some() {
        return;
    }
    if inventory.would_have(Kind::ValidatingAdmissionPolicy, "") {
        out.fail(object.spot("spec.policyName"), format!("There is no ValidatingAdmissionPolicy \"{name}\"."));
    } else {
        out.cannot("Policies may exist that are not among what is audited.");
    }
}
