//! How workloads are updated, stopped and kept.

use crate::{
    object::{Kind, Object, Pod},
    out::Out,
};

use super::{probes::runs_on, replicas::written};

pub(super) fn without_priority(pod: Pod<'_>, out: &mut Out<'_>) {
    if !runs_on(pod) || !pod.spec.get("priorityClassName").str().is_empty() || out.is_system(&pod.object.namespace) {
        return;
    }
    if out.inventory().of(Kind::PriorityClass).any(|class| class.root.get("globalDefault").is_true()) {
        return;
    }
    out.fail(pod.spot(""), format!("The pods of {} have no priority class.", pod.object.title()));
}

pub(super) fn no_grace(pod: Pod<'_>, out: &mut Out<'_>) {
    if pod.spec.get("terminationGracePeriodSeconds").as_i64() == Some(0) {
        let message = "The pod is killed without being asked to stop (terminationGracePeriodSeconds: 0).";
        out.fail(pod.spot("terminationGracePeriodSeconds"), message);
    }
}

pub(super) fn long_grace(pod: Pod<'_>, out: &mut Out<'_>) {
    let most = i64::from(out.parameters().maximum_grace_seconds);
    let grace = pod.spec.get("terminationGracePeriodSeconds").as_i64();
    if let Some(grace) = grace.filter(|grace| *grace > most) {
        let message = format!("The pod may take {grace} s to stop, more than {most} s.");
        out.fail(pod.spot("terminationGracePeriodSeconds"), message);
    }
}

pub(super) fn on_delete(workload: &Object, out: &mut Out<'_>) {
    if workload.spec().get("updateStrategy").get("type").str() == "OnDelete" {
        let message = format!("Pods of {} stay as they are until somebody deletes them.", workload.title());
        out.fail(workload.spot("spec.updateStrategy.type"), message);
    }
}

pub(super) fn partition_left(set: &Object, out: &mut Out<'_>) {
    let path = ["updateStrategy", "rollingUpdate", "partition"];
    if let Some(partition) = set.spec().at(&path).as_i64().filter(|partition| *partition > 0) {
        let message = format!("Updates of {} leave its first {partition} pods out.", set.title());
        out.fail(set.spot("spec.updateStrategy.rollingUpdate.partition"), message);
    }
}

pub(super) fn service_missing(set: &Object, out: &mut Out<'_>) {
    let name = set.spec().get("serviceName").str();
    let inventory = out.inventory();
    if name.is_empty() || inventory.find(Kind::Service, &set.namespace, name).is_some() {
        return;
    }
    if inventory.would_have(Kind::Service, &set.namespace) {
        let message = format!("{} gives its pods names by Service \"{name}\", which there is not.", set.title());
        out.fail(set.spot("spec.serviceName"), message);
    } else {
        out.cannot("the Services of the namespace are not known");
    }
}

pub(super) fn without_storage(set: &Object, out: &mut Out<'_>) {
    let Some(pod) = set.pod().filter(|_| set.spec().get("volumeClaimTemplates").is_empty()) else { return };
    let volumes = pod.spec.get("volumes").items();
    let is_kept = |volume: &crate::Node| {
        ["persistentVolumeClaim", "ephemeral", "hostPath", "nfs", "csi"]
            .iter()
            .any(|kind| volume.get(kind).is_present())
    };
    let lost = volumes
        .iter()
        .position(|volume| volume.get("emptyDir").is_map() && volume.get("emptyDir").get("medium").str() != "Memory");
    if let Some(index) = lost.filter(|_| !volumes.iter().any(is_kept)) {
        let message = format!("{} has no volume that outlives its pods.", set.title());
        out.fail(pod.spot(&format!("volumes[{index}].emptyDir")), message);
    }
}

pub(super) fn shares_volume(deployment: &Object, out: &mut Out<'_>) {
    let Some(pod) = deployment.pod().filter(|_| written(deployment) >= 2) else { return };
    let inventory = out.inventory();
    for (index, volume) in pod.spec.get("volumes").items().iter().enumerate() {
        let name = volume.get("persistentVolumeClaim").get("claimName").str();
        if name.is_empty() {
            continue;
        }
        let Some(claim) = inventory.find(Kind::PersistentVolumeClaim, &deployment.namespace, name) else {
            out.cannot("the claims of the pods are not known");
            continue;
        };
        let mut modes = claim.spec().get("accessModes").strings();
        let is_one = |mode: &str| matches!(mode, "ReadWriteOnce" | "ReadWriteOncePod");
        if modes.clone().next().is_some() && modes.all(is_one) {
            let message = format!(
                "{} replicas of {} share claim \"{name}\", which one node can mount.",
                written(deployment),
                deployment.title()
            );
            out.fail(pod.spot(&format!("volumes[{index}].persistentVolumeClaim.claimName")), message);
        }
    }
}

pub(super) fn without_history(workload: &Object, out: &mut Out<'_>) {
    if workload.spec().get("revisionHistoryLimit").as_i64() == Some(0) {
        let message = format!("{} keeps no revision to go back to (revisionHistoryLimit: 0).", workload.title());
        out.fail(workload.spot("spec.revisionHistoryLimit"), message);
    }
}
