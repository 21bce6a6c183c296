//! What pods mount of the node.

use crate::{
    node::Node,
    object::{Container, Object, Pod},
    out::Out,
};

/// Sockets of container runtimes, by their place under `/run`.
///
/// Source: the defaults of Docker, containerd, CRI-O, cri-dockerd, Podman, K3s and `MicroK8s`.
const SOCKETS: &[&str] = &[
    "/run/docker.sock",
    "/run/docker/containerd/containerd.sock",
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/cri-dockerd.sock",
    "/run/dockershim.sock",
    "/run/podman/podman.sock",
    "/run/k3s/containerd/containerd.sock",
    "/var/snap/microk8s/common/run/containerd.sock",
];

/// Through which a writer changes what the kernel does.
const KERNEL: &[&str] = &["/proc", "/proc/sys", "/proc/sys/kernel", "/sys", "/sys/kernel"];

/// From which the node runs code, or takes its configuration.
const SYSTEM: &[&str] =
    &["/etc", "/boot", "/usr", "/bin", "/sbin", "/lib", "/lib64", "/root", "/opt/cni", "/var/spool/cron"];

/// Whole trees that hold some of those.
const AROUND_SYSTEM: &[&str] = &["/var", "/var/lib", "/var/spool", "/opt", "/home"];

/// What pods change to have the node's time zone, and nothing follows from.
const HARMLESS: &[&str] = &["/etc/localtime", "/etc/timezone", "/usr/share/zoneinfo"];

/// Where the kubelet keeps its own credentials and the secrets of every pod.
const KUBELET: &[&str] = &["/var", "/var/lib", "/var/lib/kubelet", "/var/lib/kubelet/pods", "/var/lib/kubelet/pki"];

/// Where etcd keeps everything: of kubeadm, and of K3s.
const ETCD: &[&str] = &["/var/lib/etcd", "/var/lib/rancher/k3s/server/db"];

/// Trees with credentials of the node or of the cluster.
const CREDENTIALS: &[&str] = &["/etc/kubernetes", "/etc/rancher", "/var/lib/rancher/k3s/server/tls", "/etc/ssh"];

/// Folders that hold credentials among other things.
const AROUND_CREDENTIALS: &[&str] = &["/etc", "/etc/shadow", "/root", "/home", "/var/lib/rancher/k3s/server"];

/// Folders of people's credentials, wherever they are.
const PERSONAL: &[&str] = &[".ssh", ".kube", ".aws", ".docker", ".azure"];

/// Where the kubelet reads logs of containers through links.
const LOGS: &[&str] = &["/var/log", "/var/log/pods", "/var/log/containers"];

/// The parts of a path, with `/var/run` as what it is a link to.
fn parts(path: &str) -> impl Iterator<Item = &str> + Clone {
    let parts = path.split('/').filter(|part| !part.is_empty() && *part != ".");
    let link = usize::from(parts.clone().take(2).eq(["var", "run"]));
    parts.skip(link)
}

fn is(path: &str, known: &str) -> bool {
    parts(path).eq(parts(known))
}

/// Whether it is this path, or beneath it.
fn is_within(path: &str, around: &str) -> bool {
    let mut inner = parts(path);
    parts(around).all(|part| inner.next() == Some(part))
}

fn is_one(path: &str, known: &[&str]) -> bool {
    known.iter().any(|known| is(path, known))
}

fn is_within_one(path: &str, around: &[&str]) -> bool {
    around.iter().any(|around| is_within(path, around))
}

/// A volume that is a path of the node.
#[derive(Clone, Copy)]
struct HostPath<'a> {
    index: usize,
    volume: &'a str,
    path: &'a str,
}

impl<'a> HostPath<'a> {
    fn all(pod: Pod<'a>) -> impl Iterator<Item = Self> {
        pod.spec.get("volumes").items().iter().enumerate().filter_map(|(index, node)| {
            let path = node.get("hostPath").get("path").as_str().filter(|path| !path.is_empty())?;
            Some(Self { index, volume: node.get("name").str(), path })
        })
    }

    /// Where a container mounts it.
    fn mounts(self, container: Container<'a>) -> impl Iterator<Item = (usize, &'a Node)> {
        let mounts = container.get("volumeMounts").items().iter().enumerate();
        mounts.filter(move |(_, mount)| mount.get("name").str() == self.volume)
    }

    fn is_socket(self) -> bool {
        SOCKETS
            .iter()
            .any(|socket| is(self.path, socket) || (is_within(self.path, "/run") && is_within(socket, self.path)))
    }

    fn is_system(self) -> bool {
        (is_within_one(self.path, SYSTEM) && !is_within_one(self.path, HARMLESS)) || is_one(self.path, AROUND_SYSTEM)
    }

    fn fail(self, pod: Pod<'_>, out: &mut Out<'_>, what: &str) {
        let message = format!("Volume \"{}\" is {} of the node, {what}.", self.volume, self.path);
        out.fail(pod.spot(&format!("volumes[{}].hostPath.path", self.index)), message);
    }
}

/// What root may do there is not what the container may do when it does not run as root.
pub(super) fn may_be_root(container: Container<'_>) -> bool {
    !container.effective("runAsNonRoot").is_true() && container.effective("runAsUser").as_i64().is_none_or(|id| id == 0)
}

/// The control plane's own pods, as kubeadm makes them: their files are what they are for.
fn is_control_plane(pod: Pod<'_>, out: &Out<'_>) -> bool {
    out.is_system(&pod.object.namespace) && pod.labels().get("tier").str() == "control-plane"
}

pub(super) fn runtime_socket(pod: Pod<'_>, out: &mut Out<'_>) {
    for volume in HostPath::all(pod).filter(|volume| volume.is_socket()) {
        volume.fail(pod, out, "where the container runtime takes its orders");
    }
}

pub(super) fn root(pod: Pod<'_>, out: &mut Out<'_>) {
    for volume in HostPath::all(pod).filter(|volume| is(volume.path, "/")) {
        let mut users = pod.containers().filter(|container| volume.mounts(*container).next().is_some()).peekable();
        if users.peek().is_none() || users.any(may_be_root) {
            volume.fail(pod, out, "which is all of its files");
        }
    }
}

pub(super) fn kubelet(pod: Pod<'_>, out: &mut Out<'_>) {
    for volume in HostPath::all(pod).filter(|volume| is_one(volume.path, KUBELET)) {
        volume.fail(pod, out, "with the kubelet's credentials or the secrets of every pod there");
    }
}

pub(super) fn etcd(pod: Pod<'_>, out: &mut Out<'_>) {
    for volume in HostPath::all(pod).filter(|volume| is_within_one(volume.path, ETCD)) {
        if !is_control_plane(pod, out) {
            volume.fail(pod, out, "where etcd keeps everything that the cluster knows");
        }
    }
}

pub(super) fn credentials(pod: Pod<'_>, out: &mut Out<'_>) {
    for volume in HostPath::all(pod) {
        let path = volume.path;
        let is_personal = || parts(path).any(|part| PERSONAL.contains(&part));
        if (is_within_one(path, CREDENTIALS) || is_one(path, AROUND_CREDENTIALS) || is_personal())
            && !is_control_plane(pod, out)
        {
            volume.fail(pod, out, "where credentials are kept");
        }
    }
}

/// Says of each mount that can be written to what `judge` says of it.
fn writable(container: Container<'_>, out: &mut Out<'_>, what: &str, judge: fn(HostPath<'_>, bool) -> bool) {
    for volume in HostPath::all(container.pod) {
        for (index, mount) in volume.mounts(container) {
            if !mount.get("readOnly").is_true() && judge(volume, may_be_root(container)) {
                let message =
                    format!("{} may write to {} of the node{what}.", capitalised(&container.title()), volume.path);
                out.fail(container.spot(&format!("volumeMounts[{index}]")), message);
            }
        }
    }
}

pub(super) fn kernel_writable(container: Container<'_>, out: &mut Out<'_>) {
    writable(container, out, ", and so tell its kernel what to run", |volume, may_be_root| {
        may_be_root && is_one(volume.path, KERNEL)
    });
}

pub(super) fn system_writable(container: Container<'_>, out: &mut Out<'_>) {
    writable(container, out, ", from which it runs or configures its own programs", |volume, may_be_root| {
        may_be_root && volume.is_system()
    });
}

pub(super) fn log_writable(container: Container<'_>, out: &mut Out<'_>) {
    writable(container, out, ", where the kubelet follows links as root", |volume, may_be_root| {
        may_be_root && is_one(volume.path, LOGS)
    });
}

/// What the rules above do not say more of.
pub(super) fn not_read_only(container: Container<'_>, out: &mut Out<'_>) {
    writable(container, out, "", |volume, may_be_root| {
        let is_worse =
            is(volume.path, "/") || is_one(volume.path, KERNEL) || is_one(volume.path, LOGS) || volume.is_system();
        !(volume.is_socket() || (may_be_root && is_worse))
    });
}

pub(super) fn propagation(container: Container<'_>, out: &mut Out<'_>) {
    for (index, mount) in container.get("volumeMounts").items().iter().enumerate() {
        if mount.get("mountPropagation").str() == "Bidirectional" {
            let message = format!(
                "What {} mounts under {} is mounted on the node too (mountPropagation: Bidirectional).",
                container.title(),
                mount.get("mountPath").str()
            );
            out.fail(container.spot(&format!("volumeMounts[{index}].mountPropagation")), message);
        }
    }
}

pub(super) fn persistent_volume(object: &Object, out: &mut Out<'_>) {
    if let Some(path) = object.spec().get("hostPath").get("path").as_str() {
        out.fail(object.spot("spec.hostPath.path"), format!("The volume is {path} of whichever node its pod is on."));
    }
}

/// As the beginning of a sentence.
pub(super) fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + characters.as_str())
}
