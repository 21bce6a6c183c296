//! Fields and annotations that newer versions ignore or warn of.

use crate::{
    object::{Container, Kind, Object, Pod},
    out::Out,
};

const APPARMOR: &str = "container.apparmor.security.beta.kubernetes.io/";
const SECCOMP: &str = "container.seccomp.security.alpha.kubernetes.io/";
const SECCOMP_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";

/// Annotations of pods that nothing reads any more: since which minor version, and the field in their place.
///
/// Sources: <https://kubernetes.io/docs/reference/labels-annotations-taints/> and the changelogs of the versions.
static UNREAD: &[(&str, u16, &[&str])] = &[
    ("pod.alpha.kubernetes.io/init-containers", 8, &["initContainers"]),
    ("pod.beta.kubernetes.io/init-containers", 8, &["initContainers"]),
    ("scheduler.alpha.kubernetes.io/affinity", 8, &["affinity"]),
    ("scheduler.alpha.kubernetes.io/critical-pod", 16, &["priorityClassName"]),
    ("scheduler.alpha.kubernetes.io/tolerations", 8, &["tolerations"]),
    ("security.alpha.kubernetes.io/sysctls", 11, &["securityContext", "sysctls"]),
    ("security.alpha.kubernetes.io/unsafe-sysctls", 11, &["securityContext", "sysctls"]),
];

fn annotation_path(pod: Pod<'_>, name: &str) -> String {
    format!("{}.annotations[\"{name}\"]", pod.metadata_path())
}

fn container<'a>(pod: Pod<'a>, name: &str) -> Option<Container<'a>> {
    pod.containers().find(|container| container.name() == name)
}

pub(super) fn seccomp_annotations(pod: Pod<'_>, out: &mut Out<'_>) {
    const FIELD: &str = "seccompProfile";
    for (key, _) in pod.metadata.get("annotations").entries() {
        let has_field = if key == SECCOMP_POD {
            pod.containers().all(|container| container.effective(FIELD).is_present())
        } else if let Some(name) = key.strip_prefix(SECCOMP) {
            container(pod, name).is_some_and(|container| container.effective(FIELD).is_present())
        } else {
            continue;
        };
        if !has_field {
            let state =
                if out.version().is_at_least(27) { "has no effect since 1.27" } else { "is deprecated since 1.19" };
            let message = format!("The annotation {key} {state}, and no seccompProfile takes its place.");
            out.fail(pod.object.spot(&annotation_path(pod, key)), message);
        }
    }
}

pub(super) fn apparmor_annotations(pod: Pod<'_>, out: &mut Out<'_>) {
    for (key, _) in pod.metadata.get("annotations").entries() {
        let Some(name) = key.strip_prefix(APPARMOR) else { continue };
        if !container(pod, name).is_some_and(|container| container.effective("appArmorProfile").is_present()) {
            let message = format!("The annotation {key} is deprecated since 1.30; the field is appArmorProfile.");
            out.fail(pod.object.spot(&annotation_path(pod, key)), message);
        }
    }
}

pub(super) fn unread_annotations(pod: Pod<'_>, out: &mut Out<'_>) {
    for (key, _) in pod.metadata.get("annotations").entries() {
        let Some((_, since, field)) = UNREAD.iter().find(|(name, ..)| *name == key) else { continue };
        if out.version().is_at_least(*since) && !pod.spec.at(field).is_present() {
            let field = field.join(".");
            let message = format!("Nothing reads the annotation {key} since 1.{since}; the field is spec.{field}.");
            out.fail(pod.object.spot(&annotation_path(pod, key)), message);
        }
    }
}

pub(super) fn service_account_alias(pod: Pod<'_>, out: &mut Out<'_>) {
    let name = pod.spec.get("serviceAccount").str();
    if !name.is_empty() && pod.spec.get("serviceAccountName").str().is_empty() {
        let message = format!("The service account \"{name}\" is named by serviceAccount, not by serviceAccountName.");
        out.fail(pod.spot("serviceAccount"), message);
    }
}

pub(super) fn unready_endpoints(service: &Object, out: &mut Out<'_>) {
    const NAME: &str = "service.alpha.kubernetes.io/tolerate-unready-endpoints";
    if service.annotation(NAME) == "true" && !service.spec().get("publishNotReadyAddresses").is_true() {
        let message = format!("The annotation {NAME} is deprecated; the field is spec.publishNotReadyAddresses.");
        out.fail(service.spot(&format!("metadata.annotations[\"{NAME}\"]")), message);
    }
}

pub(super) fn topology_keys(service: &Object, out: &mut Out<'_>) {
    if !service.spec().get("topologyKeys").is_empty() {
        let state = if out.version().is_at_least(22) { "is gone since" } else { "is deprecated before" };
        let message = format!("The field topologyKeys {state} Kubernetes 1.22; traffic does not keep to the topology.");
        out.fail(service.spot("spec.topologyKeys"), message);
    }
}

pub(super) fn topology_hints(service: &Object, out: &mut Out<'_>) {
    const NAME: &str = "service.kubernetes.io/topology-aware-hints";
    const NEW: &str = "service.kubernetes.io/topology-mode";
    let (value, new) = (service.annotation(NAME), service.annotation(NEW));
    if matches!(value, "Auto" | "auto") && new.is_empty() && !service.spec().get("trafficDistribution").is_present() {
        let message = format!("The annotation {NAME} is deprecated since 1.27 in favour of {NEW}.");
        out.fail(service.spot(&format!("metadata.annotations[\"{NAME}\"]")), message);
    }
}

pub(super) fn external_ips(service: &Object, out: &mut Out<'_>) {
    let addresses = service.spec().get("externalIPs");
    if !addresses.is_empty() {
        let first = addresses.strings().next().unwrap_or_default();
        let message = format!("The Service has {} externalIPs ({first}), deprecated since 1.36.", addresses.len());
        out.fail(service.spot("spec.externalIPs"), message);
    }
}

pub(super) fn load_balancer_ip(service: &Object, out: &mut Out<'_>) {
    let address = service.spec().get("loadBalancerIP").str();
    if !address.is_empty() {
        let message = format!("The Service asks for the address {address} by loadBalancerIP, deprecated since 1.24.");
        out.fail(service.spot("spec.loadBalancerIP"), message);
    }
}

pub(super) fn ingress_class_annotation(ingress: &Object, out: &mut Out<'_>) {
    const NAME: &str = "kubernetes.io/ingress.class";
    let class = ingress.annotation(NAME);
    // The controllers of GKE read the annotation only.
    // Source: https://cloud.google.com/kubernetes-engine/docs/concepts/ingress
    let is_needed = class.is_empty() || class == "gce" || class.starts_with("gce-");
    if !is_needed {
        let message = format!("The class \"{class}\" is named by an annotation that is deprecated since 1.18.");
        out.fail(ingress.spot(&format!("metadata.annotations[\"{NAME}\"]")), message);
    }
}

/// Kinds that the annotations of storage classes are on.
pub(super) const CLAIMS: &[Kind] = &[Kind::PersistentVolume, Kind::PersistentVolumeClaim, Kind::StorageClass];

pub(super) fn storage_annotations(object: &Object, out: &mut Out<'_>) {
    const NAMES: &[(&str, &str)] = &[
        ("storageclass.beta.kubernetes.io/is-default-class", "storageclass.kubernetes.io/is-default-class"),
        ("volume.alpha.kubernetes.io/storage-class", "spec.storageClassName"),
        ("volume.beta.kubernetes.io/mount-options", "spec.mountOptions"),
        ("volume.beta.kubernetes.io/storage-class", "spec.storageClassName"),
    ];
    for (key, _) in object.metadata().get("annotations").entries() {
        let Some((_, new)) = NAMES.iter().find(|(name, _)| *name == key) else { continue };
        // Who says it both ways does so for old versions.
        let has_new = match new.strip_prefix("spec.") {
            Some(field) => object.spec().get(field).is_present(),
            None => !object.annotation(new).is_empty(),
        };
        if !has_new {
            let spot = object.spot(&format!("metadata.annotations[\"{key}\"]"));
            out.fail(spot, format!("The annotation {key} is deprecated in favour of {new}."));
        }
    }
}

pub(super) fn recycle(volume: &Object, out: &mut Out<'_>) {
    if volume.spec().get("persistentVolumeReclaimPolicy").str() == "Recycle" {
        let message = "The reclaim policy Recycle is deprecated; only some plugins ever had it.";
        out.fail(volume.spot("spec.persistentVolumeReclaimPolicy"), message);
    }
}

pub(super) fn autoscaler_annotations(autoscaler: &Object, out: &mut Out<'_>) {
    // A cluster that is asked for autoscaling/v1 answers with what v1 cannot say as annotations.
    if !out.inventory().is_manifests() {
        return;
    }
    for name in ["autoscaling.alpha.kubernetes.io/metrics", "autoscaling.alpha.kubernetes.io/behavior"] {
        if !autoscaler.annotation(name).is_empty() {
            let field = name.rsplit('/').next().unwrap_or_default();
            let message = format!("The annotation {name} stands for spec.{field} of autoscaling/v2.");
            out.fail(autoscaler.spot(&format!("metadata.annotations[\"{name}\"]")), message);
        }
    }
}

pub(super) fn pod_security_policies(role: &Object, out: &mut Out<'_>) {
    let is_theirs =
        role.name.starts_with("system:") || role.labels().get("kubernetes.io/bootstrapping").str() == "rbac-defaults";
    if is_theirs {
        return;
    }
    for (index, rule) in role.root.get("rules").items().iter().enumerate() {
        if rule.get("resources").has("podsecuritypolicies") {
            let message = "It grants rights to pod security policies, which no version since 1.25 has.";
            out.fail(role.spot(&format!("rules[{index}].resources")), message);
        }
    }
}

pub(super) fn schedule_time_zone(job: &Object, out: &mut Out<'_>) {
    let schedule = job.spec().get("schedule").str().trim_start();
    if schedule.starts_with("TZ=") || schedule.starts_with("CRON_TZ=") {
        let message = format!("The schedule \"{schedule}\" names a time zone, which is not supported there.");
        out.fail(job.spot("spec.schedule"), message);
    }
}
