//! The manifests of a generated cluster.

use serde_json::{Value, json};

use crate::controllers::pick;

const TEAMS: &[&str] =
    &["checkout", "search", "catalog", "identity", "billing", "shipping", "ads", "media", "risk", "core"];
const ROLES: &[&str] = &["api", "worker", "web", "gateway", "sync", "indexer", "notifier", "scheduler"];
const ZONES: &[&str] = &["eu-central-1a", "eu-central-1b", "eu-central-1c"];

/// The `i`th namespace's name.
pub(crate) fn namespace_name(seed: &str, i: usize) -> String {
    let team = TEAMS[pick(&format!("{seed} team {i}"), TEAMS.len())];
    format!("{team}-{i:03}")
}

/// The `i`th node.
pub(crate) fn node(i: usize) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": format!("node-{i:04}"), "labels": {
            "node.kubernetes.io/instance-type": "m6i.2xlarge", "topology.kubernetes.io/region": "eu-central-1",
            "topology.kubernetes.io/zone": ZONES[i % ZONES.len()],
        }},
        "spec": {},
    })
}

/// What a cluster has once.
pub(crate) fn cluster() -> Vec<Value> {
    let namespace = |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    vec![
        namespace("kube-system"),
        namespace("default"),
        json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": {"name": "gp3", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
            "provisioner": "ebs.csi.aws.com", "reclaimPolicy": "Delete", "volumeBindingMode": "WaitForFirstConsumer",
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "cluster-admin"},
            "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
        }),
    ]
}

/// A namespace with what its team shares.
pub(crate) fn namespace(name: &str) -> Vec<Value> {
    let rbac = "rbac.authorization.k8s.io";
    vec![
        json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "baseline"}},
        }),
        json!({
            "apiVersion": format!("{rbac}/v1"), "kind": "Role", "metadata": {"name": "deployer", "namespace": name},
            "rules": [
                {"apiGroups": ["apps"], "resources": ["deployments", "statefulsets"], "verbs": ["get", "list", "patch"]},
                {"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "list"]},
            ],
        }),
        json!({
            "apiVersion": format!("{rbac}/v1"), "kind": "RoleBinding", "metadata": {"name": "deployer", "namespace": name},
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "deployer"},
            "subjects": [{"apiGroup": rbac, "kind": "Group", "name": format!("team-{name}")}],
        }),
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": "default-deny", "namespace": name},
            "spec": {"podSelector": {}, "policyTypes": ["Ingress"]},
        }),
    ]
}

/// One application: a workload, its service, its account, sometimes an autoscaler or an ingress.
pub(crate) struct App<'a> {
    name: String,
    namespace: &'a str,
    number: usize,
    replicas: usize,
    version: String,
}

impl<'a> App<'a> {
    pub(crate) fn new(seed: &str, number: usize, namespace: &'a str, replicas: usize) -> Self {
        let role = ROLES[pick(&format!("{seed} role {number}"), ROLES.len())];
        let version = format!("{}.{}.{}", 1 + number % 7, pick(&format!("{seed} minor {number}"), 40), number % 10);
        Self { name: format!("{role}-{number:05}"), namespace, number, replicas, version }
    }

    /// Every twelfth keeps its data.
    const fn is_stateful(&self) -> bool {
        self.number % 12 == 11
    }

    pub(crate) fn manifests(&self) -> Vec<Value> {
        let mut all = vec![self.account(), self.service(), self.workload()];
        if !self.is_stateful() && self.number.is_multiple_of(3) {
            all.push(self.autoscaler());
        }
        if self.number.is_multiple_of(10) {
            all.push(self.ingress());
        }
        all
    }

    /// What an autoscaler looks for: `Kind/namespace/name` and the replicas there.
    pub(crate) fn scaled(&self) -> (String, u64) {
        (format!("Deployment/{}/{}", self.namespace, self.name), self.replicas as u64)
    }

    fn metadata(&self) -> Value {
        json!({"name": self.name, "namespace": self.namespace, "labels": self.labels()})
    }

    fn labels(&self) -> Value {
        json!({
            "app.kubernetes.io/name": self.name, "app.kubernetes.io/instance": self.name,
            "app.kubernetes.io/version": self.version, "app.kubernetes.io/part-of": self.namespace,
            "app.kubernetes.io/managed-by": "Helm", "helm.sh/chart": "service-2.4.1",
        })
    }

    fn account(&self) -> Value {
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": self.metadata()})
    }

    fn service(&self) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": self.metadata(),
            "spec": {
                "selector": {"app.kubernetes.io/name": self.name},
                "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
            },
        })
    }

    fn workload(&self) -> Value {
        let kind = if self.is_stateful() { "StatefulSet" } else { "Deployment" };
        let image = |version: &str| format!("registry.acme.example/{}/{}:{version}", self.namespace, self.name);
        let mut metadata = self.metadata();
        metadata["annotations"] =
            json!({"meta.helm.sh/release-name": self.name, "meta.helm.sh/release-namespace": self.namespace});
        if self.number.is_multiple_of(2) && !self.is_stateful() {
            metadata["annotations"]["sample-cluster/previous"] = json!(image("0.9.0"));
        }
        let http = |path: &str| json!({"httpGet": {"path": path, "port": "http"}});
        let mut workload = json!({
            "apiVersion": "apps/v1", "kind": kind, "metadata": metadata,
            "spec": {
                "replicas": self.replicas,
                "selector": {"matchLabels": {"app.kubernetes.io/name": self.name}},
                "template": {
                    "metadata": {"labels": self.labels(), "annotations": {"prometheus.io/scrape": "true"}},
                    "spec": {
                        "serviceAccountName": self.name,
                        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
                        "containers": [{
                            "name": "app", "image": image(&self.version),
                            "args": ["serve", "--listen=:8080", format!("--workers={}", 2 + self.number % 6)],
                            "env": self.environment(),
                            "ports": [{"name": "http", "containerPort": 8080}],
                            "livenessProbe": http("/livez"), "readinessProbe": http("/readyz"),
                            "resources": {
                                "requests": {"cpu": format!("{}m", 50 * (1 + self.number % 8)), "memory": "128Mi"},
                                "limits": {"memory": "256Mi"},
                            },
                            "securityContext": {
                                "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                                "capabilities": {"drop": ["ALL"]},
                            },
                            "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
                        }],
                        "volumes": [{"name": "tmp", "emptyDir": {}}],
                    },
                },
            },
        });
        if self.is_stateful() {
            workload["spec"]["serviceName"] = json!(self.name);
        }
        workload
    }

    fn environment(&self) -> Value {
        let secret = |key: &str| json!({"secretKeyRef": {"name": format!("{}-credentials", self.name), "key": key}});
        json!([
            {"name": "LOG_LEVEL", "value": "info"},
            {"name": "SERVICE_NAME", "value": self.name},
            {"name": "DATABASE_HOST", "value": format!("postgres.{}.svc.cluster.local", self.namespace)},
            {"name": "DATABASE_PASSWORD", "valueFrom": secret("password")},
            {"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://otel-collector.monitoring:4317"},
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
        ])
    }

    fn autoscaler(&self) -> Value {
        json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": self.metadata(),
            "spec": {
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": self.name},
                "minReplicas": 1, "maxReplicas": 12,
                "metrics": [{"type": "Resource", "resource": {
                    "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70},
                }}],
            },
        })
    }

    fn ingress(&self) -> Value {
        json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": self.metadata(),
            "spec": {
                "ingressClassName": "nginx",
                "tls": [{"hosts": [format!("{}.acme.example", self.name)], "secretName": format!("{}-tls", self.name)}],
                "rules": [{"host": format!("{}.acme.example", self.name), "http": {"paths": [{
                    "path": "/", "pathType": "Prefix",
                    "backend": {"service": {"name": self.name, "port": {"name": "http"}}},
                }]}}],
            },
        })
    }
}
