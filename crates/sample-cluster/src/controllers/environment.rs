//! A whole cluster made of manifests.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{pod, scene::Scene, workload::Expanded};
use crate::{
    object::{self, list},
    resource_type::ResourceType,
};

impl Scene {
    /// Every object of the cluster that these manifests describe; `kinds` are those that its API serves.
    pub(crate) fn expand(&self, manifests: Vec<Value>, kinds: &[ResourceType]) -> Vec<Value> {
        let mut made = Vec::new();
        let mut later = Vec::new();
        for manifest in manifests {
            match object::kind(&manifest) {
                "Node" | "HorizontalPodAutoscaler" | "PodDisruptionBudget" => later.push(manifest),
                "PersistentVolumeClaim" => made.extend(self.claim(manifest)),
                "Pod" => made.push(pod::bare(self, manifest)),
                "Namespace" => {
                    let namespace = self.simple(manifest);
                    made.push(self.default_account(&namespace));
                    made.push(namespace);
                }
                _ => match self.workload(manifest) {
                    Ok(expanded) => {
                        made.push(expanded.workload);
                        made.extend(expanded.dependents);
                    }
                    Err(other) => made.push(self.simple(other)),
                },
            }
        }
        self.report(&mut made, later);
        let first = made.iter().map(object::created).min().unwrap_or_default();
        let mut group_versions = BTreeSet::new();
        for kind in kinds {
            if group_versions.insert((&kind.group, &kind.version)) {
                made.push(self.local_api_service(kind, first));
            }
        }
        made
    }

    /// A workload with what belongs to it; anything else is given back.
    pub(crate) fn workload(&self, manifest: Value) -> Result<Expanded, Value> {
        match object::kind(&manifest) {
            "Deployment" => Ok(self.deployment(manifest)),
            "StatefulSet" => Ok(self.stateful_set(manifest)),
            "DaemonSet" => Ok(self.daemon_set(manifest)),
            "CronJob" => Ok(self.cron_job(manifest)),
            "Job" => Ok(self.job(manifest)),
            _ => Err(manifest),
        }
    }

    /// The objects that report on others, once the others are there.
    fn report(&self, made: &mut Vec<Value>, later: Vec<Value>) {
        let pods: Vec<Value> = made.iter().filter(|o| object::kind(o) == "Pod").cloned().collect();
        let replicas: BTreeMap<String, u64> = made
            .iter()
            .filter_map(|o| {
                let count = o["spec"]["replicas"].as_u64()?;
                Some((format!("{}/{}/{}", object::kind(o), object::namespace(o), object::name(o)), count))
            })
            .collect();
        for manifest in later {
            made.push(match object::kind(&manifest) {
                "HorizontalPodAutoscaler" => self.autoscaler(manifest, &replicas),
                "PodDisruptionBudget" => self.disruption_budget(manifest, &pods),
                _ => {
                    let Some(node) = self.nodes.iter().find(|n| n.name == object::name(&manifest)) else { continue };
                    self.node(manifest, node, &images_on(&node.name, &pods))
                }
            });
        }
    }
}

/// The images of the pods on a node.
fn images_on(node: &str, pods: &[Value]) -> Vec<String> {
    let images: BTreeSet<&str> = pods
        .iter()
        .filter(|pod| pod["spec"]["nodeName"] == node)
        .flat_map(|pod| list(&pod["status"]["containerStatuses"]))
        .filter_map(|status| status["imageID"].as_str().filter(|id| !id.is_empty()))
        .collect();
    images.into_iter().map(str::to_owned).collect()
}
