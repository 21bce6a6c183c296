//! Deployments with their `ReplicaSets`, `StatefulSets` and `DaemonSets`, and the pods of each.

use serde_json::{Value, json};

use super::{
    defaults,
    directives::{Directives, PodState},
    names::suffix,
    pod::PodRequest,
    scene::Scene,
};
use crate::{
    clock::{DAY, MINUTE, START, rfc3339},
    object::{self, default, owner_reference},
};

/// What a controller made of a workload: the workload itself, complete, and what belongs to it.
pub(crate) struct Expanded {
    pub(crate) workload: Value,
    pub(crate) dependents: Vec<Value>,
}

/// A pod template's hash, as it ends a `ReplicaSet`'s name.
pub(crate) fn template_hash(template: &Value) -> String {
    suffix(&template.to_string(), 9)
}

/// The name of the `ReplicaSet` of a Deployment's present template.
pub(crate) fn replica_set_name(deployment: &Value) -> String {
    format!("{}-{}", object::name(deployment), template_hash(&deployment["spec"]["template"]))
}

fn replicas(workload: &Value) -> u64 {
    workload["spec"]["replicas"].as_u64().unwrap_or(1)
}

/// A template with the label that tells one `ReplicaSet`'s pods from another's.
fn with_hash(template: &Value, hash: &str) -> Value {
    let mut template = template.clone();
    object::map(&mut template["metadata"], "labels").insert("pod-template-hash".to_owned(), json!(hash));
    template
}

fn condition(kind: &str, ok: bool, reason: &str, message: &str, at: i64) -> Value {
    let at = rfc3339(at);
    json!({
        "type": kind, "status": if ok { "True" } else { "False" }, "reason": reason, "message": message,
        "lastTransitionTime": at, "lastUpdateTime": at,
    })
}

impl Scene {
    /// A Deployment from a manifest.
    pub(crate) fn deployment(&self, mut deployment: Value) -> Expanded {
        let (directives, created, applied) = self.begin(&mut deployment);
        let spec = &mut deployment["spec"];
        default(spec, "replicas", json!(1));
        default(spec, "progressDeadlineSeconds", json!(600));
        default(spec, "revisionHistoryLimit", json!(10));
        let rolling = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}});
        default(spec, "strategy", rolling);
        defaults::pod_template(&mut spec["template"]);
        let revision = directives.previous.len() as u64 + 1;
        object::map(&mut deployment["metadata"], "annotations")
            .insert("deployment.kubernetes.io/revision".to_owned(), json!(revision.to_string()));
        deployment["metadata"]["generation"] = json!(revision);
        let mut dependents = self.previous_replica_sets(&deployment, &directives, created);
        // The present version was rolled out after the others, a few days ago at the latest.
        let rolled_out = match directives.previous.len() {
            0 => created,
            _ => (START - 3 * DAY).max(created + DAY).min(START - 20 * MINUTE),
        };
        let template = deployment["spec"]["template"].clone();
        dependents.extend(self.replica_set(&deployment, &template, revision, rolled_out, &directives));
        deployment["status"] = deployment_status(&deployment, directives.state, rolled_out);
        self.finish(&mut deployment, Some(&applied), Some("kube-controller-manager"));
        Expanded { workload: deployment, dependents }
    }

    /// The `ReplicaSets` of images that ran before, scaled to nothing.
    fn previous_replica_sets(&self, deployment: &Value, directives: &Directives, created: i64) -> Vec<Value> {
        let mut made = Vec::new();
        for (image, i) in directives.previous.iter().zip(0..) {
            let mut old = deployment.clone();
            old["spec"]["replicas"] = json!(0);
            old["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
            let template = old["spec"]["template"].take();
            let at = created + i * 2 * DAY;
            made.extend(self.replica_set(
                &old,
                &template,
                i.unsigned_abs() + 1,
                at.min(START - DAY),
                &Directives::default(),
            ));
        }
        made
    }

    /// One `ReplicaSet` with its pods.
    pub(crate) fn replica_set(
        &self,
        deployment: &Value,
        template: &Value,
        revision: u64,
        created: i64,
        directives: &Directives,
    ) -> Vec<Value> {
        let hash = template_hash(template);
        let namespace = object::namespace(deployment);
        let name = format!("{}-{hash}", object::name(deployment));
        let count = replicas(deployment);
        let template = with_hash(template, &hash);
        let mut selector = deployment["spec"]["selector"].clone();
        object::map(&mut selector, "matchLabels").insert("pod-template-hash".to_owned(), json!(hash));
        let mut set = json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {
                "name": name, "namespace": namespace, "generation": 1,
                "labels": template["metadata"]["labels"],
                "ownerReferences": [owner_reference(deployment)],
                "annotations": {
                    "deployment.kubernetes.io/desired-replicas": count.to_string(),
                    "deployment.kubernetes.io/max-replicas": (count + count.div_ceil(4)).to_string(),
                    "deployment.kubernetes.io/revision": revision.to_string(),
                },
            },
            "spec": {"replicas": count, "selector": selector, "template": template},
        });
        self.identify(&mut set, created);
        set["status"] = replica_set_status(count, directives.state, 1);
        self.finish_made(&mut set, "kube-controller-manager", Some("kube-controller-manager"));
        let mut made = vec![Value::Null];
        made.extend((0..count).map(|i| self.pod_of_set(&set, i, created + 1, directives)));
        made[0] = set;
        made
    }

    /// The `i`th pod of a `ReplicaSet`.
    pub(crate) fn pod_of_set(&self, set: &Value, i: u64, created: i64, directives: &Directives) -> Value {
        let (namespace, name) = (object::namespace(set), object::name(set));
        self.pod(&PodRequest {
            namespace,
            name: format!("{name}-{}", suffix(&format!("{}/{namespace}/{name}/{i}", self.seed), 5)),
            generate_name: Some(format!("{name}-")),
            owner: Some(set),
            template: &set["spec"]["template"],
            created,
            node: None,
            state: directives.state,
            restarts: directives.restarts,
        })
    }

    /// A `StatefulSet` from a manifest, with its pods and their claims.
    pub(crate) fn stateful_set(&self, mut set: Value) -> Expanded {
        let (directives, created, applied) = self.begin(&mut set);
        let spec = &mut set["spec"];
        default(spec, "replicas", json!(1));
        default(spec, "podManagementPolicy", json!("OrderedReady"));
        default(spec, "revisionHistoryLimit", json!(10));
        default(spec, "updateStrategy", json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}));
        default(spec, "persistentVolumeClaimRetentionPolicy", json!({"whenDeleted": "Retain", "whenScaled": "Retain"}));
        defaults::pod_template(&mut spec["template"]);
        set["metadata"]["generation"] = json!(1);
        let (namespace, name, count) =
            (object::namespace(&set).to_owned(), object::name(&set).to_owned(), replicas(&set));
        let revision = format!("{name}-{}", template_hash(&set["spec"]["template"]));
        let mut dependents = Vec::new();
        for i in 0..count {
            let pod_name = format!("{name}-{i}");
            let mut template = set["spec"]["template"].clone();
            let labels = object::map(&mut template["metadata"], "labels");
            labels.insert("apps.kubernetes.io/pod-index".to_owned(), json!(i.to_string()));
            labels.insert("controller-revision-hash".to_owned(), json!(revision));
            labels.insert("statefulset.kubernetes.io/pod-name".to_owned(), json!(pod_name));
            for claim in object::list(&set["spec"]["volumeClaimTemplates"]) {
                let volume = object::name(claim);
                let claim_name = format!("{volume}-{pod_name}");
                default(&mut template["spec"], "volumes", json!([]));
                if let Some(volumes) = template["spec"]["volumes"].as_array_mut() {
                    volumes.push(json!({"name": volume, "persistentVolumeClaim": {"claimName": claim_name}}));
                }
                let labels = &set["spec"]["selector"]["matchLabels"];
                dependents.extend(self.claim_of_template(claim, &claim_name, &namespace, labels, created));
            }
            dependents.push(self.pod(&PodRequest {
                namespace: &namespace,
                name: pod_name,
                generate_name: Some(format!("{name}-")),
                owner: Some(&set),
                template: &template,
                created: created + 20 * i64::try_from(i).unwrap_or(0),
                node: None,
                state: directives.state,
                restarts: directives.restarts,
            }));
        }
        let ready = if directives.state.is_ready() { count } else { 0 };
        set["status"] = json!({
            "replicas": count, "readyReplicas": ready, "availableReplicas": ready, "currentReplicas": count,
            "updatedReplicas": count, "observedGeneration": 1, "collisionCount": 0,
            "currentRevision": revision, "updateRevision": revision,
        });
        self.finish(&mut set, Some(&applied), Some("kube-controller-manager"));
        Expanded { workload: set, dependents }
    }

    /// A `DaemonSet` from a manifest, with a pod on each node that it may run on.
    pub(crate) fn daemon_set(&self, mut set: Value) -> Expanded {
        let (directives, created, applied) = self.begin(&mut set);
        let spec = &mut set["spec"];
        default(spec, "revisionHistoryLimit", json!(10));
        let rolling = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}});
        default(spec, "updateStrategy", rolling);
        defaults::pod_template(&mut spec["template"]);
        set["metadata"]["generation"] = json!(1);
        let name = object::name(&set).to_owned();
        let mut template = set["spec"]["template"].clone();
        let labels = object::map(&mut template["metadata"], "labels");
        labels.insert("controller-revision-hash".to_owned(), json!(template_hash(&set["spec"]["template"])));
        labels.insert("pod-template-generation".to_owned(), json!("1"));
        let nodes = self.candidates(&set["spec"]["template"]["spec"]);
        let dependents: Vec<Value> = nodes
            .iter()
            .map(|node| {
                self.pod(&PodRequest {
                    namespace: object::namespace(&set),
                    name: format!("{name}-{}", suffix(&format!("{}/{name}/{}", self.seed, node.name), 5)),
                    generate_name: Some(format!("{name}-")),
                    owner: Some(&set),
                    template: &template,
                    created: created + 2,
                    node: Some(node),
                    state: directives.state,
                    restarts: directives.restarts,
                })
            })
            .collect();
        let count = dependents.len();
        let ready = if directives.state.is_ready() { count } else { 0 };
        set["status"] = json!({
            "currentNumberScheduled": count, "desiredNumberScheduled": count, "numberAvailable": ready,
            "numberMisscheduled": 0, "numberReady": ready, "observedGeneration": 1, "updatedNumberScheduled": count,
            "numberUnavailable": count - ready,
        });
        self.finish(&mut set, Some(&applied), Some("kube-controller-manager"));
        Expanded { workload: set, dependents }
    }
}

/// What the `ReplicaSet` controller reports.
pub(crate) fn replica_set_status(count: u64, state: PodState, generation: i64) -> Value {
    let mut status = json!({"replicas": count, "observedGeneration": generation});
    if count > 0 {
        status["fullyLabeledReplicas"] = json!(count);
        if state.is_ready() {
            status["readyReplicas"] = json!(count);
            status["availableReplicas"] = json!(count);
        }
    }
    status
}

/// What the deployment controller reports.
pub(crate) fn deployment_status(deployment: &Value, state: PodState, at: i64) -> Value {
    let count = replicas(deployment);
    let generation = &deployment["metadata"]["generation"];
    let set = replica_set_name(deployment);
    let ready = state.is_ready() || count == 0;
    let available = if ready {
        condition("Available", true, "MinimumReplicasAvailable", "Deployment has minimum availability.", at + 30)
    } else {
        let message = "Deployment does not have minimum availability.";
        condition("Available", false, "MinimumReplicasUnavailable", message, at + 30)
    };
    let progressing = if ready {
        let message = format!("ReplicaSet \"{set}\" has successfully progressed.");
        condition("Progressing", true, "NewReplicaSetAvailable", &message, at + 30)
    } else {
        let message = format!("ReplicaSet \"{set}\" has timed out progressing.");
        condition("Progressing", false, "ProgressDeadlineExceeded", &message, at + 630)
    };
    let mut status = json!({"observedGeneration": generation, "conditions": [available, progressing]});
    if count > 0 {
        status["replicas"] = json!(count);
        status["updatedReplicas"] = json!(count);
        let field = if ready { ["readyReplicas", "availableReplicas"].as_slice() } else { &["unavailableReplicas"] };
        for field in field {
            status[*field] = json!(count);
        }
    }
    status
}
