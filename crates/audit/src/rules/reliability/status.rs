//! What a cluster says of how things are.

use crate::{
    node::Node,
    object::{Kind, Object},
    out::Out,
    spot::Spot,
};

pub(super) const UNKNOWN: &str = "how things are is not known from manifests";

/// So many restarts of one container are no accident.
const MANY_RESTARTS: i64 = 10;

fn is_unknown(out: &mut Out<'_>) -> bool {
    let is_unknown = out.inventory().is_manifests();
    if is_unknown {
        out.cannot(UNKNOWN);
    }
    is_unknown
}

/// The status of a container, and where it is.
struct Status<'a> {
    list: &'static str,
    index: usize,
    node: &'a Node,
}

impl<'a> Status<'a> {
    fn of(pod: &'a Object) -> impl Iterator<Item = Self> {
        ["initContainerStatuses", "containerStatuses"].into_iter().flat_map(move |list| {
            let all = pod.status().get(list).items().iter().enumerate();
            all.map(move |(index, node)| Self { list, index, node })
        })
    }

    fn name(&self) -> &'a str {
        self.node.get("name").str()
    }

    fn spot(&self, pod: &Object, field: &str) -> Spot {
        pod.spot(&format!("status.{}[{}]{field}", self.list, self.index)).for_each(self.name())
    }
}

/// The containers of a pod that wait for one of these reasons.
fn waiting(pod: &Object, reasons: &[&str], out: &mut Out<'_>) {
    for status in Status::of(pod) {
        let (name, reason) = (status.name(), status.node.at(&["state", "waiting", "reason"]).str());
        if reasons.contains(&reason) {
            let message = format!("Container \"{name}\" of {} does not start ({reason}).", pod.title());
            out.fail(status.spot(pod, ""), message);
        }
    }
}

pub(super) fn crash_looping(pod: &Object, out: &mut Out<'_>) {
    if !is_unknown(out) {
        waiting(pod, &["CrashLoopBackOff"], out);
    }
}

pub(super) fn image_not_pulled(pod: &Object, out: &mut Out<'_>) {
    if !is_unknown(out) {
        waiting(pod, &["ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull"], out);
    }
}

pub(super) fn cannot_start(pod: &Object, out: &mut Out<'_>) {
    if !is_unknown(out) {
        waiting(pod, &["CreateContainerConfigError", "CreateContainerError", "RunContainerError"], out);
    }
}

pub(super) fn restarts(pod: &Object, out: &mut Out<'_>) {
    if is_unknown(out) {
        return;
    }
    for status in Status::of(pod) {
        let (name, count) = (status.name(), status.node.get("restartCount").as_i64().unwrap_or(0));
        if count >= MANY_RESTARTS {
            let message = format!("Container \"{name}\" of {} was restarted {count} times.", pod.title());
            out.fail(status.spot(pod, ".restartCount"), message);
        }
    }
}

pub(super) fn out_of_memory(pod: &Object, out: &mut Out<'_>) {
    if is_unknown(out) {
        return;
    }
    for status in Status::of(pod) {
        let name = status.name();
        if ["lastState", "state"].iter().any(|at| status.node.at(&[at, "terminated", "reason"]).str() == "OOMKilled") {
            let message = format!("Container \"{name}\" of {} was killed for its memory (OOMKilled).", pod.title());
            out.fail(status.spot(pod, ""), message);
        }
    }
}

/// Whether a condition has this status.
fn has_condition(object: &Object, kind: &str, status: &str) -> bool {
    let mut conditions = object.status().get("conditions").items().iter();
    conditions.any(|condition| condition.get("type").str() == kind && condition.get("status").str() == status)
}

pub(super) fn unschedulable(pod: &Object, out: &mut Out<'_>) {
    if !is_unknown(out) && pod.status().get("phase").str() == "Pending" && has_condition(pod, "PodScheduled", "False") {
        out.fail(pod.spot("status.phase"), format!("No node takes {}.", pod.title()));
    }
}

pub(super) fn not_ready(workload: &Object, out: &mut Out<'_>) {
    if is_unknown(out) {
        return;
    }
    let status = workload.status();
    let (wanted, ready) = if workload.kind == Kind::DaemonSet {
        (status.get("desiredNumberScheduled").as_i64().unwrap_or(0), status.get("numberReady"))
    } else {
        (super::replicas::written(workload), status.get("readyReplicas"))
    };
    let ready = ready.as_i64().unwrap_or(0);
    // Without a status, nobody has looked at it yet.
    if status.is_map() && ready < wanted {
        out.fail(workload.spot("status"), format!("{ready} of {wanted} pods of {} are ready.", workload.title()));
    }
}

pub(super) fn node_not_ready(node: &Object, out: &mut Out<'_>) {
    if !is_unknown(out) && (has_condition(node, "Ready", "False") || has_condition(node, "Ready", "Unknown")) {
        out.fail(node.spot("status.conditions"), format!("Node \"{}\" is not ready.", node.name));
    }
}

pub(super) fn node_pressure(node: &Object, out: &mut Out<'_>) {
    if is_unknown(out) {
        return;
    }
    for (condition, what) in [
        ("MemoryPressure", "memory"),
        ("DiskPressure", "disk space"),
        ("PIDPressure", "process ids"),
        ("NetworkUnavailable", "a network"),
    ] {
        if has_condition(node, condition, "True") {
            let message = format!("Node \"{}\" is short of {what} ({condition}).", node.name);
            out.fail(node.spot("status.conditions").for_each(condition), message);
        }
    }
}

pub(super) fn claim_not_bound(claim: &Object, out: &mut Out<'_>) {
    if is_unknown(out) {
        return;
    }
    let phase = claim.status().get("phase").str();
    let is_faulty = match phase {
        "Lost" => true,
        "Pending" => {
            let class = claim.spec().get("storageClassName").str();
            match out.inventory().find(Kind::StorageClass, "", class) {
                // It is bound when a pod comes that uses it.
                Some(class) => class.root.get("volumeBindingMode").str() != "WaitForFirstConsumer",
                None => true,
            }
        }
        _ => false,
    };
    if is_faulty {
        out.fail(claim.spot("status.phase"), format!("{} has no volume ({phase}).", claim.title()));
    }
}

pub(super) fn volume_not_usable(volume: &Object, out: &mut Out<'_>) {
    if is_unknown(out) {
        return;
    }
    let phase = volume.status().get("phase").str();
    if matches!(phase, "Failed" | "Released") {
        let message = format!("Volume \"{}\" is no claim's, and can be none's ({phase}).", volume.name);
        out.fail(volume.spot("status.phase"), message);
    }
}
