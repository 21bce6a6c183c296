//! References that lead nowhere.

use std::collections::HashSet;

use crate::{
    node::Node,
    object::{Kind, Object, Pod},
    out::Out,
};

/// Labels that controllers give pods when they make them: templates do not have them.
const GIVEN_LATER: &[&str] = &[
    "apps.kubernetes.io/pod-index",
    "controller-revision-hash",
    "pod-template-hash",
    "role",
    "rollouts-pod-template-hash",
    "spilo-role",
    "statefulset.kubernetes.io/pod-name",
];

pub(super) fn service_selects_nothing(service: &Object, out: &mut Out<'_>) {
    let selector = service.spec().get("selector");
    let inventory = out.inventory();
    if selector.is_empty()
        || service.spec().get("type").str() == "ExternalName"
        || inventory.pods_with(&service.namespace, selector).next().is_some()
    {
        return;
    }
    if inventory.is_manifests() && selector.entries().any(|(key, _)| GIVEN_LATER.contains(&key)) {
        out.cannot("the selector names labels that pods are given when they run");
    } else if inventory.would_have_pods(&service.namespace) {
        out.fail(service.spot("spec.selector"), format!("{} selects no pods.", service.title()));
    } else {
        out.cannot("the pods of the namespace are not known");
    }
}

pub(super) fn service_port_missing(service: &Object, out: &mut Out<'_>) {
    let selector = service.spec().get("selector");
    if selector.is_empty() {
        return;
    }
    for (index, port) in service.spec().get("ports").items().iter().enumerate() {
        let name = port.get("targetPort").str();
        if !name.bytes().any(|b| b.is_ascii_alphabetic()) {
            continue;
        }
        let has_port = |pod: Pod<'_>| {
            pod.running().any(|c| c.get("ports").items().iter().any(|port| port.get("name").str() == name))
        };
        let mut pods = out.inventory().pods_with(&service.namespace, selector).peekable();
        // Without any pods, another rule speaks.
        if pods.peek().is_some() && !pods.any(has_port) {
            let message = format!("No pod that {} selects has a port \"{name}\".", service.title());
            out.fail(service.spot(&format!("spec.ports[{index}].targetPort")), message);
        }
    }
}

/// A reference of a pod to an object of its namespace.
struct Reference<'a, 'p> {
    /// Where it is, relative to the pod's `spec`.
    path: &'p dyn Fn() -> String,
    name: &'a str,
    /// A key that the object must have; empty for none.
    key: &'a str,
}

/// The fields that refer to a kind of object: in volumes, in `valueFrom` and in `envFrom`.
struct Fields {
    volume: &'static str,
    volume_name: &'static str,
    value: &'static str,
    all: &'static str,
}

const OF_CONFIG_MAPS: Fields =
    Fields { volume: "configMap", volume_name: "name", value: "configMapKeyRef", all: "configMapRef" };
const OF_SECRETS: Fields =
    Fields { volume: "secret", volume_name: "secretName", value: "secretKeyRef", all: "secretRef" };

/// What a pod cannot run without.
fn needed<'a>(pod: Pod<'a>, fields: &Fields, judge: &mut dyn FnMut(Reference<'a, '_>)) {
    let mut say = |node: &'a Node, name: &str, path: &dyn Fn() -> String| {
        if node.is_map() && !node.get("optional").is_true() && !node.get(name).str().is_empty() {
            judge(Reference { path, name: node.get(name).str(), key: node.get("key").str() });
        }
    };
    for (index, volume) in pod.spec.get("volumes").items().iter().enumerate() {
        say(volume.get(fields.volume), fields.volume_name, &|| format!("volumes[{index}].{}", fields.volume));
        for (at, source) in volume.at(&["projected", "sources"]).items().iter().enumerate() {
            let path = || format!("volumes[{index}].projected.sources[{at}].{}", fields.volume);
            say(source.get(fields.volume), "name", &path);
        }
    }
    for container in pod.containers() {
        let around = || format!("{}[{}]", container.group.field(), container.index);
        for (index, variable) in container.get("env").items().iter().enumerate() {
            let path = || format!("{}.env[{index}].valueFrom.{}", around(), fields.value);
            say(variable.get("valueFrom").get(fields.value), "name", &path);
        }
        for (index, source) in container.get("envFrom").items().iter().enumerate() {
            let path = || format!("{}.envFrom[{index}].{}", around(), fields.all);
            say(source.get(fields.all), "name", &path);
        }
    }
}

fn missing(kind: Kind, pod: Pod<'_>, fields: &Fields, out: &mut Out<'_>) {
    let inventory = out.inventory();
    let namespace = &*pod.object.namespace;
    let mut is_unknown = false;
    needed(pod, fields, &mut |reference| {
        // Kubernetes, Istio and OpenShift put these into every namespace.
        let is_everywhere =
            matches!(reference.name, "kube-root-ca.crt" | "istio-ca-root-cert" | "openshift-service-ca.crt");
        if is_everywhere || inventory.find(kind, namespace, reference.name).is_some() {
            return;
        }
        if !inventory.would_have(kind, namespace) {
            is_unknown = true;
        } else if !inventory.is_generated(kind, reference.name) {
            let message =
                format!("{} needs {} \"{}\", which there is not.", pod.object.title(), kind.as_str(), reference.name);
            out.fail(pod.spot(&(reference.path)()), message);
        }
    });
    if is_unknown {
        out.cannot(format!("which objects of kind {} there are is not known", kind.as_str()));
    }
}

pub(super) fn config_map_missing(pod: Pod<'_>, out: &mut Out<'_>) {
    missing(Kind::ConfigMap, pod, &OF_CONFIG_MAPS, out);
}

pub(super) fn secret_missing(pod: Pod<'_>, out: &mut Out<'_>) {
    missing(Kind::Secret, pod, &OF_SECRETS, out);
}

pub(super) fn config_map_key_missing(pod: Pod<'_>, out: &mut Out<'_>) {
    let inventory = out.inventory();
    needed(pod, &OF_CONFIG_MAPS, &mut |reference| {
        if reference.key.is_empty() {
            return;
        }
        let Some(found) = inventory.find(Kind::ConfigMap, &pod.object.namespace, reference.name) else { return };
        if !inventory.is_manifests() {
            out.cannot("what is in ConfigMaps is not known");
        } else if !["data", "binaryData"].iter().any(|field| has_key(found.root.get(field), reference.key)) {
            let message = format!("ConfigMap \"{}\" has no key \"{}\".", reference.name, reference.key);
            out.fail(pod.spot(&(reference.path)()), message);
        }
    });
}

fn has_key(map: &Node, key: &str) -> bool {
    map.entries().any(|(known, _)| known == key)
}

pub(super) fn claim_missing(pod: Pod<'_>, out: &mut Out<'_>) {
    let inventory = out.inventory();
    let namespace = &*pod.object.namespace;
    for (index, volume) in pod.spec.get("volumes").items().iter().enumerate() {
        let name = volume.get("persistentVolumeClaim").get("claimName").str();
        if name.is_empty() || inventory.find(Kind::PersistentVolumeClaim, namespace, name).is_some() {
            continue;
        }
        if inventory.would_have(Kind::PersistentVolumeClaim, namespace) {
            let message = format!("{} mounts claim \"{name}\", which there is not.", pod.object.title());
            out.fail(pod.spot(&format!("volumes[{index}].persistentVolumeClaim.claimName")), message);
        } else {
            out.cannot("the claims of the namespace are not known");
        }
    }
}

pub(super) fn service_account_missing(pod: Pod<'_>, out: &mut Out<'_>) {
    let (inventory, name) = (out.inventory(), pod.service_account());
    let namespace = &*pod.object.namespace;
    if name == "default" || inventory.find(Kind::ServiceAccount, namespace, name).is_some() {
        return;
    }
    if inventory.would_have(Kind::ServiceAccount, namespace) {
        let message = format!("{} runs as service account \"{name}\", which there is not.", pod.object.title());
        out.fail(pod.spot("serviceAccountName"), message);
    } else {
        out.cannot("the service accounts of the namespace are not known");
    }
}

pub(super) fn priority_class_missing(pod: Pod<'_>, out: &mut Out<'_>) {
    let (inventory, name) = (out.inventory(), pod.spec.get("priorityClassName").str());
    let is_built_in = matches!(name, "" | "system-cluster-critical" | "system-node-critical");
    if is_built_in || inventory.find(Kind::PriorityClass, "", name).is_some() {
        return;
    }
    if inventory.is_whole(Kind::PriorityClass) {
        let message = format!("{} has priority class \"{name}\", which there is not.", pod.object.title());
        out.fail(pod.spot("priorityClassName"), message);
    } else {
        out.cannot("the priority classes of the cluster are not known");
    }
}

pub(super) fn storage_class_missing(out: &mut Out<'_>) {
    let inventory = out.inventory();
    // A claim of a volume that somebody made by hand needs a class in name only.
    let volumes = inventory.of(Kind::PersistentVolume).map(|volume| volume.spec().get("storageClassName").str());
    let by_hand: HashSet<&str> = volumes.collect();
    for claim in inventory.of(Kind::PersistentVolumeClaim) {
        let name = claim.spec().get("storageClassName").str();
        if name.is_empty()
            || by_hand.contains(name)
            || claim.spec().get("volumeName").is_present()
            || inventory.find(Kind::StorageClass, "", name).is_some()
        {
            continue;
        }
        if inventory.is_whole(Kind::StorageClass) && inventory.is_whole(Kind::PersistentVolume) {
            let message = format!("{} asks for storage class \"{name}\", which there is not.", claim.title());
            out.fail(claim.spot("spec.storageClassName"), message);
        } else {
            out.cannot("the storage classes of the cluster are not known");
        }
    }
}

pub(super) fn claim_unused(out: &mut Out<'_>) {
    let inventory = out.inventory();
    let mut used: HashSet<(&str, &str)> = HashSet::new();
    let mut templates: HashSet<(&str, String)> = HashSet::new();
    for object in inventory.objects() {
        let Some(pod) = object.pod() else { continue };
        for volume in pod.spec.get("volumes").items() {
            let claim = volume.get("persistentVolumeClaim").get("claimName").str();
            if !claim.is_empty() {
                used.insert((&object.namespace, claim));
            }
        }
        for template in object.spec().get("volumeClaimTemplates").items() {
            templates
                .insert((&object.namespace, format!("{}-{}", template.at(&["metadata", "name"]).str(), object.name)));
        }
    }
    for claim in inventory.of(Kind::PersistentVolumeClaim) {
        let of_set = claim.name.rsplit_once('-').map(|(before, _)| (&*claim.namespace, before.to_owned()));
        if used.contains(&(&*claim.namespace, &*claim.name))
            || of_set.is_some_and(|name| templates.contains(&name))
            || !claim.metadata().get("ownerReferences").is_empty()
        {
            continue;
        }
        if inventory.would_have_pods(&claim.namespace) {
            out.fail(claim.spot("metadata.name"), format!("No pod mounts {}.", claim.title()));
        } else {
            out.cannot("the pods of the namespace are not known");
        }
    }
}
