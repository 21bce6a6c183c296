//! Volume plugins that are no longer part of Kubernetes.

use crate::{
    node::Node,
    object::{Kind, Object, Pod},
    out::Out,
    version::KubernetesVersion,
};

/// A plugin that was part of Kubernetes.
struct Plugin {
    /// The field of a volume.
    field: &'static str,
    /// What a storage class names it; empty for what cannot provision.
    provisioner: &'static str,
    /// The minor version that deprecates it.
    deprecated: u16,
    /// The minor version without it.
    removed: Option<u16>,
    /// The CSI driver that takes its place without a change of the object; empty when there is none.
    driver: &'static str,
}

const fn plugin(
    field: &'static str,
    provisioner: &'static str,
    deprecated: u16,
    removed: Option<u16>,
    driver: &'static str,
) -> Plugin {
    Plugin { field, provisioner, deprecated, removed, driver }
}

/// Source: <https://kubernetes.io/docs/concepts/storage/volumes/>, under each type.
static PLUGINS: &[Plugin] = &[
    plugin("awsElasticBlockStore", "kubernetes.io/aws-ebs", 19, Some(27), "ebs.csi.aws.com"),
    plugin("azureDisk", "kubernetes.io/azure-disk", 19, Some(27), "disk.csi.azure.com"),
    plugin("azureFile", "kubernetes.io/azure-file", 21, Some(30), "file.csi.azure.com"),
    plugin("cephfs", "", 28, Some(31), ""),
    plugin("cinder", "kubernetes.io/cinder", 11, Some(26), "cinder.csi.openstack.org"),
    plugin("flexVolume", "", 23, None, ""),
    plugin("flocker", "", 22, Some(25), ""),
    plugin("gcePersistentDisk", "kubernetes.io/gce-pd", 17, Some(28), "pd.csi.storage.gke.io"),
    plugin("glusterfs", "kubernetes.io/glusterfs", 25, Some(26), ""),
    plugin("portworxVolume", "kubernetes.io/portworx-volume", 25, None, "pxd.portworx.com"),
    plugin("quobyte", "kubernetes.io/quobyte", 22, Some(25), ""),
    plugin("rbd", "kubernetes.io/rbd", 28, Some(31), ""),
    plugin("scaleIO", "kubernetes.io/scaleio", 22, Some(22), ""),
    plugin("storageos", "kubernetes.io/storageos", 22, Some(25), ""),
    plugin("vsphereVolume", "kubernetes.io/vsphere-volume", 19, Some(30), "csi.vsphere.vmware.com"),
];

impl Plugin {
    /// Whether volumes of it no longer work.
    fn is_gone(&self, version: KubernetesVersion) -> bool {
        self.driver.is_empty() && self.removed.is_some_and(|removed| version.is_at_least(removed))
    }

    /// What is to be known of one that still works.
    fn warning(&self, version: KubernetesVersion) -> Option<String> {
        let Self { deprecated, removed, driver, .. } = self;
        if !version.is_at_least(*deprecated) || self.is_gone(version) {
            return None;
        }
        Some(match removed {
            Some(removed) if version.is_at_least(*removed) => {
                format!("is not part of Kubernetes since 1.{removed} and needs the CSI driver {driver}")
            }
            Some(removed) => format!("is deprecated since Kubernetes 1.{deprecated} and removed in 1.{removed}"),
            None => format!("is deprecated since Kubernetes 1.{deprecated}"),
        })
    }
}

/// The kinds that name a plugin besides pods.
pub(super) const STORAGE: &[Kind] = &[Kind::PersistentVolume, Kind::StorageClass];

fn of(volume: &Node) -> Option<&'static Plugin> {
    // A volume has a name and one field that says what it is.
    volume.entries().find_map(|(field, source)| PLUGINS.iter().find(|one| one.field == field && source.is_present()))
}

pub(super) fn volume_removed(pod: Pod<'_>, out: &mut Out<'_>) {
    for (index, volume) in pod.spec.get("volumes").items().iter().enumerate() {
        let Some(plugin) = of(volume).filter(|plugin| plugin.is_gone(out.version())) else { continue };
        let Plugin { field, removed, .. } = plugin;
        let (name, removed) = (volume.get("name").str(), removed.unwrap_or_default());
        let message = format!("Volume \"{name}\" is a {field}, which Kubernetes cannot mount since 1.{removed}.");
        out.fail(pod.spot(&format!("volumes[{index}].{field}")), message);
    }
}

pub(super) fn volume_outdated(pod: Pod<'_>, out: &mut Out<'_>) {
    for (index, volume) in pod.spec.get("volumes").items().iter().enumerate() {
        let Some(plugin) = of(volume) else { continue };
        let Some(warning) = plugin.warning(out.version()) else { continue };
        let (name, field) = (volume.get("name").str(), plugin.field);
        let message = format!("Volume \"{name}\" is a {field}, which {warning}.");
        out.fail(pod.spot(&format!("volumes[{index}].{field}")), message);
    }
}

/// The plugin of a persistent volume or a storage class, and where it is named.
fn named(object: &Object) -> Option<(&'static Plugin, String)> {
    if object.kind == Kind::PersistentVolume {
        return of(object.spec()).map(|plugin| (plugin, format!("spec.{}", plugin.field)));
    }
    let provisioner = object.root.get("provisioner").as_str().filter(|name| !name.is_empty())?;
    let plugin = PLUGINS.iter().find(|plugin| plugin.provisioner == provisioner)?;
    Some((plugin, "provisioner".to_owned()))
}

pub(super) fn storage_removed(object: &Object, out: &mut Out<'_>) {
    let Some((plugin, path)) = named(object).filter(|(plugin, _)| plugin.is_gone(out.version())) else { return };
    let Plugin { field, removed, .. } = plugin;
    let removed = removed.unwrap_or_default();
    let message = format!("It uses the volume plugin {field}, which is not part of Kubernetes since 1.{removed}.");
    out.fail(object.spot(&path), message);
}

pub(super) fn storage_outdated(object: &Object, out: &mut Out<'_>) {
    let Some((plugin, path)) = named(object) else { return };
    let Some(warning) = plugin.warning(out.version()) else { return };
    out.fail(object.spot(&path), format!("It uses the volume plugin {}, which {warning}.", plugin.field));
}

pub(super) fn git_repo(pod: Pod<'_>, out: &mut Out<'_>) {
    for (index, volume) in pod.spec.get("volumes").items().iter().enumerate() {
        if volume.get("gitRepo").is_present() {
            let state =
                if out.version().is_at_least(33) { "off by default since 1.33" } else { "deprecated since 1.11" };
            let message = format!("Volume \"{}\" is a gitRepo, which is {state}.", volume.get("name").str());
            out.fail(pod.spot(&format!("volumes[{index}].gitRepo")), message);
        }
    }
}

pub(super) fn dockershim_socket(pod: Pod<'_>, out: &mut Out<'_>) {
    for (index, volume) in pod.spec.get("volumes").items().iter().enumerate() {
        let path = volume.get("hostPath").get("path").str();
        if matches!(path, "/var/run/dockershim.sock" | "/run/dockershim.sock") {
            let name = volume.get("name").str();
            let message = format!("Volume \"{name}\" is {path}, which no node has since Kubernetes 1.24.");
            out.fail(pod.spot(&format!("volumes[{index}].hostPath.path")), message);
        }
    }
}
