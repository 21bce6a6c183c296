//! Pods at the edges of what each check allows.

use proptest::prelude::*;
use serde_json::{Value, json};

/// A field of a pod, and values of it: those that the specification names, those beside them, and none.
pub(super) struct Field {
    /// From `spec` or from the container.
    path: &'static str,
    values: &'static str,
}

const fn field(path: &'static str, values: &'static str) -> Field {
    Field { path, values }
}

/// Of the pod's `securityContext` and of a container's.
const SHARED: &[Field] = &[
    field("securityContext", "[null, {}]"),
    field("securityContext.runAsNonRoot", "[true, false, null]"),
    field("securityContext.runAsUser", "[0, 1, -1, 1000, 4294967295, null]"),
    field("securityContext.runAsGroup", "[0]"),
    field(
        "securityContext.seccompProfile",
        r#"[null, {}, {"type": null}, {"type": ""}, {"type": "Unconfined"}, {"type": "RuntimeDefault"},
            {"type": "Localhost", "localhostProfile": "a.json"}, {"type": "runtime/default"},
            {"type": "Runtimedefault"}]"#,
    ),
    field(
        "securityContext.appArmorProfile",
        r#"[null, {}, {"type": ""}, {"type": "Unconfined"}, {"type": "RuntimeDefault"}, {"type": "Localhost"}]"#,
    ),
    field(
        "securityContext.seLinuxOptions",
        r#"[null, {}, {"type": null}, {"type": ""}, {"type": "container_t"}, {"type": "container_init_t"},
            {"type": "container_kvm_t"}, {"type": "container_engine_t"}, {"type": "spc_t"}, {"level": "s0:c1"},
            {"user": ""}, {"user": "u"}, {"role": ""}, {"role": "r"}, {"type": "container_t", "role": "r"},
            {"user": "container_t"}]"#,
    ),
    field(
        "securityContext.windowsOptions",
        r#"[null, {}, {"hostProcess": null}, {"hostProcess": false}, {"hostProcess": true}, {"runAsUserName": "x"}]"#,
    ),
];

const OF_PODS: &[Field] = &[
    field("hostNetwork", "[true, false, null]"),
    field("hostPID", "[true, false, null]"),
    field("hostIPC", "[true, false, null]"),
    field("hostUsers", "[true, false, null]"),
    field("os", r#"[null, {}, {"name": ""}, {"name": "windows"}, {"name": "Windows"}, {"name": "linux"}]"#),
    field("initContainers", "[null, []]"),
    field("ephemeralContainers", "[null, []]"),
    field("containers", "[null, []]"),
    field(
        "volumes",
        r#"[null, [], [null], [{"name": "v"}], [{"name": "v", "hostPath": null}], [{"name": "v", "hostPath": {}}],
            [{"name": "v", "hostPath": {"path": "/"}}], [{"name": "v", "nfs": null}], [{"name": "v", "nfs": {}}],
            [{"name": "v", "emptyDir": null}], [{"name": "v", "emptyDir": {}}], [{"name": "v", "configMap": {}}],
            [{"name": "v", "csi": {}}], [{"name": "v", "downwardAPI": {}}], [{"name": "v", "ephemeral": {}}],
            [{"name": "v", "image": {}}], [{"name": "v", "persistentVolumeClaim": {}}],
            [{"name": "v", "projected": {}}], [{"name": "v", "secret": {}}], [{"name": "v", "gcePersistentDisk": {}}],
            [{"name": "v", "awsElasticBlockStore": {}}], [{"name": "v", "gitRepo": {}}], [{"name": "v", "iscsi": {}}],
            [{"name": "v", "glusterfs": {}}], [{"name": "v", "rbd": {}}], [{"name": "v", "flexVolume": {}}],
            [{"name": "v", "cinder": {}}], [{"name": "v", "cephfs": {}}], [{"name": "v", "flocker": {}}],
            [{"name": "v", "fc": {}}], [{"name": "v", "azureFile": {}}], [{"name": "v", "vsphereVolume": {}}],
            [{"name": "v", "quobyte": {}}], [{"name": "v", "azureDisk": {}}], [{"name": "v", "portworxVolume": {}}],
            [{"name": "v", "scaleIO": {}}], [{"name": "v", "storageos": {}}],
            [{"name": "v", "secret": {}}, {"name": "w", "hostPath": {"path": "/w"}}]]"#,
    ),
    field(
        "securityContext.sysctls",
        r#"[null, [], [{}], [{"name": ""}], [{"name": "kernel.shm_rmid_forced"}],
            [{"name": "net.ipv4.ip_local_port_range"}], [{"name": "net.ipv4.tcp_syncookies"}],
            [{"name": "net.ipv4.ping_group_range"}], [{"name": "net.ipv4.ip_unprivileged_port_start"}],
            [{"name": "net.ipv4.ip_local_reserved_ports"}], [{"name": "net.ipv4.tcp_keepalive_time"}],
            [{"name": "net.ipv4.tcp_fin_timeout"}], [{"name": "net.ipv4.tcp_keepalive_intvl"}],
            [{"name": "net.ipv4.tcp_keepalive_probes"}], [{"name": "net.ipv4.tcp_rmem"}],
            [{"name": "net.ipv4.tcp_wmem"}], [{"name": "net.ipv4.tcp_slow_start_after_idle"}],
            [{"name": "net.ipv4.tcp_notsent_lowat"}], [{"name": "net/ipv4/tcp_syncookies"}],
            [{"name": "kernel.msgmax"}], [{"name": "net.ipv4.tcp_syncookies"}, {"name": "kernel.sem"}]]"#,
    ),
];

const OF_CONTAINERS: &[Field] = &[
    field("securityContext.privileged", "[true, false, null]"),
    field("securityContext.allowPrivilegeEscalation", "[true, false, null]"),
    field("securityContext.procMount", r#"["Unmasked", "Default", "default", "", null]"#),
    field(
        "securityContext.capabilities",
        r#"[null, {}, {"drop": null}, {"drop": []}, {"drop": ["all"]}, {"drop": ["NET_RAW"]}, {"drop": ["ALL"]},
            {"drop": ["NET_RAW", "ALL"]}, {"drop": ["CAP_ALL"]}, {"add": []}, {"add": null, "drop": ["ALL"]}]"#,
    ),
    field(
        "securityContext.capabilities.add",
        r#"[["ALL"], ["AUDIT_WRITE"], ["CHOWN"], ["DAC_OVERRIDE"], ["FOWNER"], ["FSETID"], ["KILL"], ["MKNOD"],
            ["NET_BIND_SERVICE"], ["SETFCAP"], ["SETGID"], ["SETPCAP"], ["SETUID"], ["SYS_CHROOT"], ["NET_RAW"],
            ["SYS_ADMIN"], ["CAP_CHOWN"], ["chown"], ["net_bind_service"], [""], ["NET_BIND_SERVICE", "NET_ADMIN"]]"#,
    ),
    field(
        "ports",
        r#"[null, [], [{}], [{"containerPort": 80}], [{"hostPort": null}], [{"hostPort": 0}], [{"hostPort": 1}],
            [{"hostPort": 65535}], [{"hostPort": 0}, {"hostPort": 80}]]"#,
    ),
    field("livenessProbe", PROBES),
    field("readinessProbe", PROBES),
    field("startupProbe", PROBES),
    field("lifecycle", r#"[null, {}, {"postStart": null, "preStop": {}}]"#),
    field("lifecycle.postStart", PROBES),
    field("lifecycle.preStop", PROBES),
];

const PROBES: &str = r#"[null, {}, {"httpGet": null}, {"httpGet": {"port": 80}}, {"httpGet": {"host": ""}},
    {"httpGet": {"host": null}}, {"httpGet": {"host": "127.0.0.1"}}, {"httpGet": {"host": "::1"}},
    {"tcpSocket": {"port": 80}}, {"tcpSocket": {"host": "localhost"}}, {"exec": {"command": ["true"]}},
    {"httpGet": {"httpHeaders": [{"name": "Host", "value": "x"}]}}, {"grpc": {"port": 80}}]"#;

/// Annotations of the pod; containers are called as the lists they are in.
const ANNOTATIONS: &[(&str, &str)] = &[
    ("seccomp.security.alpha.kubernetes.io/pod", SECCOMP),
    ("container.seccomp.security.alpha.kubernetes.io/containers", SECCOMP),
    ("container.seccomp.security.alpha.kubernetes.io/initContainers", SECCOMP),
    ("container.seccomp.security.alpha.kubernetes.io/ephemeralContainers", SECCOMP),
    ("container.seccomp.security.alpha.kubernetes.io/nobody", SECCOMP),
    ("container.seccomp.security.alpha.kubernetes.io/pod", SECCOMP),
    ("container.apparmor.security.beta.kubernetes.io/containers", APPARMOR),
    ("container.apparmor.security.beta.kubernetes.io/nobody", APPARMOR),
    ("container.apparmor.security.beta.kubernetes.io", APPARMOR),
];

const SECCOMP: &str =
    r#"["unconfined", "runtime/default", "docker/default", "localhost/a.json", "localhost", "", "RuntimeDefault"]"#;
const APPARMOR: &str = r#"["unconfined", "runtime/default", "localhost/a", "localhost", "", "docker/default"]"#;

/// The lists of a pod's containers, of which each has one that is called as the list.
const LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

fn values(text: &str) -> Vec<Value> {
    serde_json::from_str(text).expect("a list of values")
}

/// Sets what a path leads to. What is on the way and is no map becomes one.
pub(super) fn set(root: &mut Value, path: &str, value: Value) {
    let mut place = root;
    for key in path.split('.') {
        let key = key.parse::<usize>().map_or_else(|_| Err(key), Ok);
        place = match key {
            Ok(index) => &mut place[index],
            Err(key) => {
                if !place.is_object() {
                    *place = json!({});
                }
                &mut place[key]
            }
        };
    }
    *place = value;
}

/// Pods that are changed in one place each: one that says nothing, one that is secure, one that is secure by what the
/// pod says for its containers; for Windows and with a user namespace too.
fn bases() -> Vec<Value> {
    let secure = json!({
        "runAsNonRoot": true, "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    let confined = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    let pod = |of_pod: Value, of_container: &Value, more: &[(&str, Value)]| {
        let mut pod = json!({"metadata": {"annotations": {}}, "spec": {"securityContext": of_pod}});
        for list in LISTS {
            pod["spec"][list] = json!([{"name": list, "securityContext": of_container}]);
        }
        for (path, value) in more {
            set(&mut pod["spec"], path, value.clone());
        }
        pod
    };
    let for_all = json!({"runAsNonRoot": true, "seccompProfile": {"type": "Localhost"}});
    let windows = [("os", json!({"name": "windows"}))];
    let own_users = [("hostUsers", json!(false))];
    vec![
        pod(Value::Null, &Value::Null, &[]),
        pod(json!({}), &secure, &[]),
        pod(for_all.clone(), &confined, &[]),
        pod(json!({"runAsNonRoot": true}), &json!({}), &windows),
        pod(for_all, &confined, &own_users),
        pod(Value::Null, &Value::Null, &own_users),
    ]
}

/// Every value of every field, in every place that it can be in, of every base.
pub(super) fn one_by_one() -> Vec<Value> {
    let mut places: Vec<(String, Vec<Value>)> = Vec::new();
    for field in SHARED.iter().chain(OF_PODS) {
        places.push((format!("spec.{}", field.path), values(field.values)));
    }
    for list in LISTS {
        for field in SHARED.iter().chain(OF_CONTAINERS) {
            places.push((format!("spec.{list}.0.{}", field.path), values(field.values)));
        }
    }
    let mut pods = Vec::new();
    for base in bases() {
        for (path, values) in &places {
            for value in values {
                let mut pod = base.clone();
                set(&mut pod, path, value.clone());
                pods.push(pod);
            }
        }
        for (key, texts) in ANNOTATIONS {
            for text in values(texts) {
                let mut pod = base.clone();
                pod["metadata"]["annotations"][*key] = text;
                pods.push(pod);
            }
        }
    }
    pods
}

/// Where a value may be that is not of the type that Kubernetes wants there.
pub(super) fn typed_places() -> Vec<String> {
    let of_pod = SHARED.iter().chain(OF_PODS).map(|field| format!("spec.{}", field.path));
    let of_container = SHARED.iter().chain(OF_CONTAINERS).map(|field| format!("spec.containers.0.{}", field.path));
    let inside = [
        "spec.containers.0.securityContext.capabilities.drop",
        "spec.containers.0.securityContext.seccompProfile.type",
        "spec.securityContext.seLinuxOptions.type",
        "spec.containers.0.livenessProbe.httpGet",
        "spec.containers.0",
        "metadata.annotations",
        "metadata",
    ];
    of_pod.chain(of_container).chain(inside.map(str::to_owned)).collect()
}

/// Values of all types.
pub(super) fn of_wrong_types() -> Vec<Value> {
    values(r#"["x", "", "true", 7, 0, 1.5, true, false, [], ["x"], [[]], [7, null], {}, {"x": {"x": []}}, null]"#)
}

/// Many fields at once.
pub(super) fn at_random() -> impl Strategy<Value = Value> {
    let of_pod = SHARED.iter().chain(OF_PODS).map(|field| (format!("spec.{}", field.path), values(field.values)));
    let of_containers = LISTS.into_iter().flat_map(|list| {
        let fields = SHARED.iter().chain(OF_CONTAINERS);
        fields.map(move |field| (format!("spec.{list}.0.{}", field.path), values(field.values)))
    });
    let places: Vec<(String, Vec<Value>)> = of_pod.chain(of_containers).collect();
    let annotations: Vec<(&str, Vec<Value>)> = ANNOTATIONS.iter().map(|(key, texts)| (*key, values(texts))).collect();
    let change = (prop::sample::select(places), any::<prop::sample::Index>());
    let annotation = (prop::sample::select(annotations), any::<prop::sample::Index>());
    let changes = (prop::collection::vec(change, 0..10), prop::collection::vec(annotation, 0..3));
    (prop::sample::select(bases()), changes).prop_map(|(mut pod, (changes, annotations))| {
        for ((path, values), index) in changes {
            // What was made empty before has nothing in it to be set.
            let list = path.split('.').nth(1).filter(|list| LISTS.contains(list)).unwrap_or_default();
            let is_there = list.is_empty() || path.ends_with(list) || pod["spec"][list][0].is_object();
            if is_there {
                set(&mut pod, &path, index.get(&values).clone());
            }
        }
        for ((key, values), index) in annotations {
            pod["metadata"]["annotations"][key] = index.get(&values).clone();
        }
        pod
    })
}
