//! Resources as companies have them: the same for the same number, in several namespaces, some set up well and some not.

use serde_json::{Value, json};

/// How many objects one application is made of, as it is written.
const OF_ONE: usize = 16;
/// And with what Kubernetes makes of it.
const LISTED_OF_ONE: usize = 32;
/// How many applications share a namespace.
const IN_A_NAMESPACE: usize = 30;

/// The first resources of an endless row of applications.
pub(crate) fn resources(count: usize) -> impl Iterator<Item = Value> {
    (0..count).map(resource)
}

fn resource(index: usize) -> Value {
    let app = App { number: index / OF_ONE };
    match index % OF_ONE {
        0 => app.deployment("web"),
        1 => app.deployment("api"),
        2 => app.deployment("worker"),
        3 => app.stateful_set(),
        4 => app.daemon_set(),
        5 => app.cron_job(),
        6 => app.pod("debug"),
        7 => app.pod("migrate"),
        8 => app.service("web"),
        9 => app.service("api"),
        10 => app.service_account(),
        11 => app.role(),
        12 => app.role_binding(),
        13 => app.ingress(),
        14 => app.network_policy(),
        _ => app.config_map(),
    }
}

/// The same as a cluster lists them: with replica sets of this and of earlier versions, and with pods.
pub(crate) fn listed(count: usize) -> impl Iterator<Item = Value> {
    (0..count).map(|index| {
        let app = App { number: index / LISTED_OF_ONE };
        match index % LISTED_OF_ONE {
            0 => app.deployment("web"),
            part @ 1..=3 => app.replica_set("web", part - 1),
            part @ 4..=6 => app.made("ReplicaSet", "web-0", "web", part - 4),
            7 => app.deployment("api"),
            part @ 8..=10 => app.replica_set("api", part - 8),
            part @ 11..=13 => app.made("ReplicaSet", "api-0", "api", part - 11),
            14 => app.stateful_set(),
            part @ 15..=17 => app.made("StatefulSet", "store", "store", part - 15),
            18 => app.daemon_set(),
            part @ 19..=21 => app.made("DaemonSet", "node", "node", part - 19),
            22 => app.cron_job(),
            23 => app.pod("debug"),
            24 => app.service("web"),
            25 => app.service("api"),
            26 => app.service_account(),
            27 => app.role(),
            28 => app.role_binding(),
            29 => app.ingress(),
            30 => app.network_policy(),
            _ => app.config_map(),
        }
    })
}

struct App {
    number: usize,
}

impl App {
    /// Whether this is so for one of so many applications, another one for each matter.
    const fn one_of(&self, many: usize, matter: usize) -> bool {
        (self.number.wrapping_mul(2_654_435_761).wrapping_add(matter * 40_503) >> 7).is_multiple_of(many)
    }

    fn name(&self, part: &str) -> String {
        format!("app-{}-{part}", self.number)
    }

    fn metadata(&self, part: &str) -> Value {
        json!({
            "name": self.name(part),
            "namespace": format!("team-{}", self.number / IN_A_NAMESPACE),
            "labels": self.labels(part),
            "annotations": {"example.com/owner": "platform", "example.com/revision": "3c1f0de"},
        })
    }

    fn labels(&self, part: &str) -> Value {
        json!({
            "app.kubernetes.io/name": self.name(part),
            "app.kubernetes.io/part-of": format!("app-{}", self.number),
            "app.kubernetes.io/version": "1.4.2",
        })
    }

    fn container(&self, name: &str) -> Value {
        let tag = if self.one_of(5, 1) { "latest".to_owned() } else { format!("1.{}.0", self.number % 40) };
        let mut container = json!({
            "name": name,
            "image": format!("registry.example.com/team/{name}:{tag}"),
            "imagePullPolicy": "IfNotPresent",
            "args": ["serve", "--port=8080", "--log-format=json"],
            "ports": [{"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": 9090}],
            "env": [
                {"name": "LOG_LEVEL", "value": "info"},
                {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                {"name": "DATABASE_PASSWORD", "valueFrom": {"secretKeyRef": {"name": self.name("database"), "key": "password"}}},
            ],
            "envFrom": [{"configMapRef": {"name": self.name("config")}}],
            "volumeMounts": [{"name": "config", "mountPath": "/etc/app", "readOnly": true}, {"name": "tmp", "mountPath": "/tmp"}],
        });
        if !self.one_of(3, 2) {
            container["resources"] = json!({
                "requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "1", "memory": "256Mi"},
            });
            container["livenessProbe"] = json!({"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 20});
            container["readinessProbe"] = json!({"httpGet": {"path": "/ready", "port": "http"}});
        }
        if self.one_of(50, 3) {
            container["securityContext"] = json!({"privileged": true});
        } else if !self.one_of(2, 4) {
            container["securityContext"] = json!({
                "allowPrivilegeEscalation": false,
                "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": true,
                "runAsNonRoot": true,
                "seccompProfile": {"type": "RuntimeDefault"},
            });
        }
        container
    }

    fn pod_spec(&self, part: &str) -> Value {
        let mut spec = json!({
            "serviceAccountName": self.name("account"),
            "automountServiceAccountToken": false,
            "securityContext": {"fsGroup": 1000, "runAsUser": 1000},
            "initContainers": [self.container("prepare")],
            "containers": [self.container(part), self.container("proxy")],
            "volumes": [
                {"name": "config", "configMap": {"name": self.name("config")}},
                {"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}},
            ],
            "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{
                "weight": 100,
                "podAffinityTerm": {
                    "topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": self.labels(part)},
                },
            }]}},
        });
        if self.one_of(80, 5) {
            spec["hostNetwork"] = json!(true);
        }
        spec
    }

    fn template(&self, part: &str) -> Value {
        json!({
            "metadata": {"labels": self.labels(part), "annotations": {"prometheus.io/scrape": "true"}},
            "spec": self.pod_spec(part),
        })
    }

    fn workload(&self, api_version: &str, kind: &str, part: &str, spec: Value) -> Value {
        json!({"apiVersion": api_version, "kind": kind, "metadata": self.metadata(part), "spec": spec})
    }

    fn deployment(&self, part: &str) -> Value {
        let replicas = if self.one_of(4, 6) { 1 } else { 3 };
        let selector = json!({"matchLabels": self.labels(part)});
        let spec = json!({"replicas": replicas, "selector": selector, "template": self.template(part)});
        self.workload("apps/v1", "Deployment", part, spec)
    }

    /// Of a Deployment: the first is of this version.
    fn replica_set(&self, part: &str, version: usize) -> Value {
        let selector = json!({"matchLabels": self.labels(part)});
        let replicas = if version == 0 { 3 } else { 0 };
        let spec = json!({"replicas": replicas, "selector": selector, "template": self.template(part)});
        let mut set = self.workload("apps/v1", "ReplicaSet", &format!("{part}-{version}"), spec);
        set["metadata"]["ownerReferences"] = self.owner("Deployment", part);
        set["status"] = json!({"replicas": replicas, "readyReplicas": replicas});
        set
    }

    /// A pod of a workload.
    fn made(&self, kind: &str, by: &str, part: &str, number: usize) -> Value {
        let mut pod = self.workload("v1", "Pod", &format!("{by}-{number}"), self.pod_spec(part));
        pod["metadata"]["labels"] = self.labels(part);
        pod["metadata"]["ownerReferences"] = self.owner(kind, by);
        pod["spec"]["nodeName"] = json!(format!("node-{number}"));
        pod["status"] = json!({
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": part, "ready": true, "restartCount": 0, "state": {"running": {}}}],
        });
        pod
    }

    fn owner(&self, kind: &str, part: &str) -> Value {
        json!([{"apiVersion": "apps/v1", "kind": kind, "name": self.name(part), "controller": true}])
    }

    fn stateful_set(&self) -> Value {
        let spec = json!({
            "replicas": 3,
            "serviceName": self.name("store"),
            "selector": {"matchLabels": self.labels("store")},
            "template": self.template("store"),
            "volumeClaimTemplates": [{
                "metadata": {"name": "data"},
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}},
            }],
        });
        self.workload("apps/v1", "StatefulSet", "store", spec)
    }

    fn daemon_set(&self) -> Value {
        let spec = json!({"selector": {"matchLabels": self.labels("node")}, "template": self.template("node")});
        self.workload("apps/v1", "DaemonSet", "node", spec)
    }

    fn cron_job(&self) -> Value {
        let mut template = self.template("report");
        template["spec"]["restartPolicy"] = json!("Never");
        let spec =
            json!({"schedule": "*/10 * * * *", "jobTemplate": {"spec": {"backoffLimit": 2, "template": template}}});
        self.workload("batch/v1", "CronJob", "report", spec)
    }

    fn pod(&self, part: &str) -> Value {
        self.workload("v1", "Pod", part, self.pod_spec(part))
    }

    fn service(&self, part: &str) -> Value {
        let kind = if self.one_of(20, 7) { "LoadBalancer" } else { "ClusterIP" };
        let ports = json!([{"name": "http", "port": 80, "targetPort": "http"}]);
        self.workload("v1", "Service", part, json!({"type": kind, "selector": self.labels(part), "ports": ports}))
    }

    fn service_account(&self) -> Value {
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": self.metadata("account")})
    }

    fn role(&self) -> Value {
        let verbs = if self.one_of(25, 8) { json!(["*"]) } else { json!(["get", "list", "watch"]) };
        let rules = json!([
            {"apiGroups": [""], "resources": ["configmaps", "pods"], "verbs": verbs},
            {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]},
        ]);
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": self.metadata("role"), "rules": rules,
        })
    }

    fn role_binding(&self) -> Value {
        let metadata = self.metadata("binding");
        let namespace = metadata["namespace"].clone();
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": self.name("role")},
            "subjects": [{"kind": "ServiceAccount", "name": self.name("account"), "namespace": namespace}],
        })
    }

    fn ingress(&self) -> Value {
        let host = format!("app-{}.example.com", self.number);
        let backend = json!({"service": {"name": self.name("web"), "port": {"name": "http"}}});
        let paths = json!([{"path": "/", "pathType": "Prefix", "backend": backend}]);
        let mut spec = json!({"ingressClassName": "nginx", "rules": [{"host": host, "http": {"paths": paths}}]});
        if !self.one_of(6, 9) {
            spec["tls"] = json!([{"hosts": [host], "secretName": self.name("tls")}]);
        }
        self.workload("networking.k8s.io/v1", "Ingress", "web", spec)
    }

    fn network_policy(&self) -> Value {
        let part_of = json!({"matchLabels": {"app.kubernetes.io/part-of": format!("app-{}", self.number)}});
        let from = json!([{"podSelector": part_of}]);
        let spec = json!({
            "podSelector": part_of,
            "policyTypes": ["Ingress"],
            "ingress": [{"from": from, "ports": [{"port": 8080, "protocol": "TCP"}]}],
        });
        self.workload("networking.k8s.io/v1", "NetworkPolicy", "inside", spec)
    }

    fn config_map(&self) -> Value {
        let data = json!({"app.yaml": "listen: 8080\ncache:\n  size: 64\n", "LOG_FORMAT": "json"});
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": self.metadata("config"), "data": data})
    }
}
