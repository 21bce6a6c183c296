//! Claims, and the volumes that a provisioner made for them.

use serde_json::{Value, json};

use super::{directives::PodState, scene::Scene};
use crate::{
    clock::rfc3339,
    object::{self, default},
};

/// The class of claims that name none: the sample's default `StorageClass`.
const DEFAULT_CLASS: &str = "gp3";

impl Scene {
    /// The claim of one pod of a `StatefulSet`, with its volume.
    pub(crate) fn claim_of_template(
        &self,
        template: &Value,
        name: &str,
        namespace: &str,
        labels: &Value,
        created: i64,
    ) -> Vec<Value> {
        let claim = json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "metadata": {"name": name, "namespace": namespace, "labels": labels},
            "spec": template["spec"],
        });
        let mut claim = claim;
        self.identify(&mut claim, created);
        let volume = self.bind(&mut claim, created);
        self.finish_made(&mut claim, "kube-controller-manager", Some("kube-controller-manager"));
        vec![claim, volume]
    }

    /// A claim from a manifest: bound to a volume, or waiting for one.
    pub(crate) fn claim(&self, mut claim: Value) -> Vec<Value> {
        let (directives, created, applied) = self.begin(&mut claim);
        let mut made = Vec::new();
        if directives.state == PodState::Pending {
            default(&mut claim["spec"], "volumeMode", json!("Filesystem"));
            claim["status"] = json!({"phase": "Pending"});
        } else {
            made.push(self.bind(&mut claim, created));
        }
        self.finish(&mut claim, Some(&applied), Some("kube-controller-manager"));
        made.insert(0, claim);
        made
    }

    /// Completes a claim that has its UID; returns its volume.
    fn bind(&self, claim: &mut Value, created: i64) -> Value {
        let uid = object::uid_of(claim).to_owned();
        let volume = format!("pvc-{uid}");
        let spec = &mut claim["spec"];
        default(spec, "storageClassName", json!(DEFAULT_CLASS));
        default(spec, "volumeMode", json!("Filesystem"));
        spec["volumeName"] = json!(volume);
        let capacity = spec["resources"]["requests"].clone();
        let modes = spec["accessModes"].clone();
        claim["status"] = json!({"phase": "Bound", "accessModes": modes, "capacity": capacity});
        claim["metadata"]["finalizers"] = json!(["kubernetes.io/pvc-protection"]);
        object::map(&mut claim["metadata"], "annotations").extend([
            ("pv.kubernetes.io/bind-completed".to_owned(), json!("yes")),
            ("pv.kubernetes.io/bound-by-controller".to_owned(), json!("yes")),
            ("volume.kubernetes.io/storage-provisioner".to_owned(), json!("ebs.csi.aws.com")),
        ]);
        let mut made = json!({
            "apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": {
                "name": volume, "finalizers": ["external-provisioner.volume.kubernetes.io/finalizer", "kubernetes.io/pv-protection"],
                "annotations": {"pv.kubernetes.io/provisioned-by": "ebs.csi.aws.com"},
            },
            "spec": {
                "accessModes": modes, "capacity": capacity, "persistentVolumeReclaimPolicy": "Delete",
                "storageClassName": claim["spec"]["storageClassName"], "volumeMode": "Filesystem",
                "claimRef": {
                    "apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": claim["metadata"]["name"],
                    "namespace": claim["metadata"]["namespace"], "uid": uid,
                },
                "csi": {
                    "driver": "ebs.csi.aws.com", "fsType": "ext4",
                    "volumeHandle": format!("vol-0{}", &uid.replace('-', "")[..16]),
                },
            },
            "status": {"phase": "Bound", "lastPhaseTransitionTime": rfc3339(created + 6)},
        });
        self.identify(&mut made, created + 6);
        self.finish_made(&mut made, "csi-provisioner", Some("kube-controller-manager"));
        made
    }
}
