//! As whom pods run, on the node and to the API server.

use crate::{
    object::{Container, Kind, Pod},
    out::Out,
};

use super::mounts::capitalised;

/// Below this, a user or group of the container may be one of the node's.
///
/// Source: Trivy's KSV020 and KSV021, which Polaris and Kubescape follow.
const LOWEST: i64 = 10_000;

/// Seconds that a token may be good for: a day.
const LONGEST_TOKEN: i64 = 86_400;

fn low(container: Container<'_>, out: &mut Out<'_>, field: &str, what: &str) {
    if container.pod.is_windows() || container.pod.has_user_namespace() {
        return;
    }
    if let Some(id) = container.effective(field).as_i64().filter(|id| (1..LOWEST).contains(id)) {
        let message =
            format!("{} runs as {what} {id}, which may be one of the node's.", capitalised(&container.title()));
        out.fail(container.spot(&format!("securityContext.{field}")), message);
    }
}

pub(super) fn low_user(container: Container<'_>, out: &mut Out<'_>) {
    low(container, out, "runAsUser", "user");
}

pub(super) fn low_group(container: Container<'_>, out: &mut Out<'_>) {
    low(container, out, "runAsGroup", "group");
}

pub(super) fn root_group(pod: Pod<'_>, out: &mut Out<'_>) {
    if pod.is_windows() {
        return;
    }
    let context = pod.spec.get("securityContext");
    if context.get("fsGroup").as_i64() == Some(0) {
        out.fail(pod.spot("securityContext.fsGroup"), "Volumes of the pod belong to the group root (fsGroup: 0).");
    }
    for (index, group) in context.get("supplementalGroups").items().iter().enumerate() {
        if group.as_i64() == Some(0) {
            let spot = pod.spot(&format!("securityContext.supplementalGroups[{index}]"));
            out.fail(spot, "Containers of the pod are in the group root (supplementalGroups has 0).");
        }
    }
    for container in pod.containers() {
        if container.effective("runAsGroup").as_i64() == Some(0) {
            let message = format!("{} runs as the group root (runAsGroup: 0).", capitalised(&container.title()));
            out.fail(container.spot("securityContext.runAsGroup"), message);
        }
    }
}

/// Whether the pod gets a token of its service account; none where that is not known.
fn has_token(pod: Pod<'_>, out: &Out<'_>) -> Option<bool> {
    if let Some(own) = pod.spec.get("automountServiceAccountToken").as_bool() {
        return Some(own);
    }
    let (inventory, name) = (out.inventory(), pod.service_account());
    if let Some(account) = inventory.find(Kind::ServiceAccount, &pod.object.namespace, name) {
        return Some(!account.root.get("automountServiceAccountToken").is_false());
    }
    // Kubernetes makes the account `default` with each namespace, and it gives its token to every pod.
    let is_as_made = inventory.is_manifests() && name == "default";
    (is_as_made || inventory.is_whole(Kind::ServiceAccount)).then_some(true)
}

const UNKNOWN_ACCOUNT: &str = "The service account is not among what is audited";

pub(super) fn token(pod: Pod<'_>, out: &mut Out<'_>) {
    let (namespace, name) = (&pod.object.namespace, pod.service_account());
    // Of the default account another rule speaks; who gave one of its own rights means it to be used.
    if name == "default" {
        out.skip();
        return;
    }
    if out.inventory().access().is_bound(namespace, name) {
        return;
    }
    match has_token(pod, out) {
        Some(true) => {
            let message =
                format!("Every container of the pod has a token of the service account \"{}\".", pod.service_account());
            out.fail(pod.spot("automountServiceAccountToken"), message);
        }
        Some(false) => {}
        None => out.cannot(UNKNOWN_ACCOUNT),
    }
}

pub(super) fn default_account(pod: Pod<'_>, out: &mut Out<'_>) {
    if pod.service_account() != "default" {
        return;
    }
    match has_token(pod, out) {
        Some(true) => {
            let message = "The pod runs with a token of the namespace's default service account.";
            out.fail(pod.spot("serviceAccountName"), message);
        }
        Some(false) => {}
        None => out.cannot(UNKNOWN_ACCOUNT),
    }
}

pub(super) fn long_lived_token(pod: Pod<'_>, out: &mut Out<'_>) {
    for (index, volume) in pod.spec.get("volumes").items().iter().enumerate() {
        for (source, node) in volume.get("projected").get("sources").items().iter().enumerate() {
            let lifetime = node.get("serviceAccountToken").get("expirationSeconds").as_i64();
            if let Some(seconds) = lifetime.filter(|seconds| *seconds > LONGEST_TOKEN) {
                let path =
                    format!("volumes[{index}].projected.sources[{source}].serviceAccountToken.expirationSeconds");
                out.fail(pod.spot(&path), format!("A token of the service account is good for {seconds} seconds."));
            }
        }
    }
}
