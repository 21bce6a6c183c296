//! What is audited: objects of Kubernetes, and the pods in them.

use std::sync::Arc;

use crate::{node::Node, spot::Spot};

macro_rules! kinds {
    ($($(#[doc = $doc:literal])? $kind:ident in $($group:literal)|+;)*) => {
        /// Kinds that rules speak of.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $(#[doc = stringify!($kind)] $kind,)*
            /// Any other.
            Other,
        }

        impl Kind {
            /// All but [`Kind::Other`].
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// By its API group and name.
            pub fn find(group: &str, kind: &str) -> Self {
                match (kind, group) {
                    $((stringify!($kind), $($group)|+) => Self::$kind,)*
                    _ => Self::Other,
                }
            }

            /// As Kubernetes writes it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => stringify!($kind),)*
                    Self::Other => "other kinds",
                }
            }
        }
    };
}

kinds! {
    APIService in "apiregistration.k8s.io";
    ClusterRole in "rbac.authorization.k8s.io";
    ClusterRoleBinding in "rbac.authorization.k8s.io";
    ConfigMap in "";
    CronJob in "batch";
    CSIDriver in "storage.k8s.io";
    CustomResourceDefinition in "apiextensions.k8s.io";
    DaemonSet in "apps" | "extensions";
    Deployment in "apps" | "extensions";
    Endpoints in "";
    EndpointSlice in "discovery.k8s.io";
    Gateway in "gateway.networking.k8s.io";
    GatewayClass in "gateway.networking.k8s.io";
    HorizontalPodAutoscaler in "autoscaling";
    HTTPRoute in "gateway.networking.k8s.io";
    Ingress in "networking.k8s.io" | "extensions";
    IngressClass in "networking.k8s.io";
    Job in "batch";
    LimitRange in "";
    MutatingWebhookConfiguration in "admissionregistration.k8s.io";
    Namespace in "";
    NetworkPolicy in "networking.k8s.io" | "extensions";
    Node in "";
    PersistentVolume in "";
    PersistentVolumeClaim in "";
    Pod in "";
    PodDisruptionBudget in "policy";
    PodTemplate in "";
    PriorityClass in "scheduling.k8s.io";
    ReplicaSet in "apps" | "extensions";
    ReplicationController in "";
    ResourceQuota in "";
    Role in "rbac.authorization.k8s.io";
    RoleBinding in "rbac.authorization.k8s.io";
    Secret in "";
    Service in "";
    ServiceAccount in "";
    StatefulSet in "apps";
    StorageClass in "storage.k8s.io";
    ValidatingAdmissionPolicy in "admissionregistration.k8s.io";
    ValidatingAdmissionPolicyBinding in "admissionregistration.k8s.io";
    ValidatingWebhookConfiguration in "admissionregistration.k8s.io";
}

impl Kind {
    /// How many there are, with [`Kind::Other`].
    pub(crate) const COUNT: usize = Self::ALL.len() + 1;

    /// The kinds that are pods or make them.
    pub const WITH_PODS: &'static [Self] = &[
        Self::Pod,
        Self::PodTemplate,
        Self::ReplicationController,
        Self::ReplicaSet,
        Self::Deployment,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::Job,
        Self::CronJob,
    ];
}

/// One object, as it was read.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its place in the inventory.
    pub(crate) index: u32,
    /// Kind, when rules speak of it.
    pub kind: Kind,
    /// `apps/v1`
    pub api_version: Box<str>,
    /// The kind's name as it is written.
    pub kind_name: Box<str>,
    /// Empty for what is in none, or does not say in which.
    pub namespace: Box<str>,
    /// Name; of what is named when it is made, its `generateName` with a star.
    pub name: Box<str>,
    /// The file it was read from.
    pub source: Option<Arc<str>>,
    /// All of it.
    pub root: Node,
    /// Whether an object that is audited too makes this one, so that what is said of it is said there; or it is on its way
    /// out, and its maker gone.
    pub(crate) is_made: bool,
}

impl Object {
    /// From a manifest; none for what has no `apiVersion` and `kind`.
    pub fn new(root: Node, source: Option<Arc<str>>) -> Option<Self> {
        let api_version = root.get("apiVersion").as_str()?;
        let kind_name = root.get("kind").as_str()?;
        let metadata = root.get("metadata");
        let name = match metadata.get("name").text() {
            Some(name) => name,
            None => metadata.get("generateName").text().map(|name| name + "*").unwrap_or_default(),
        };
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        Some(Self {
            index: 0,
            kind: Kind::find(group, kind_name),
            api_version: api_version.into(),
            kind_name: kind_name.into(),
            namespace: metadata.get("namespace").str().into(),
            name: name.into(),
            source,
            root,
            is_made: false,
        })
    }

    /// Its place in the inventory.
    pub const fn index(&self) -> u32 {
        self.index
    }

    /// API group; empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// `metadata`
    pub fn metadata(&self) -> &Node {
        self.root.get("metadata")
    }

    /// `metadata.labels`
    pub fn labels(&self) -> &Node {
        self.metadata().get("labels")
    }

    /// One of `metadata.annotations`; empty when it is not there.
    pub fn annotation(&self, name: &str) -> &str {
        self.metadata().get("annotations").get(name).str()
    }

    /// `spec`
    pub fn spec(&self) -> &Node {
        self.root.get("spec")
    }

    /// `status`
    pub fn status(&self) -> &Node {
        self.root.get("status")
    }

    /// The owner that manages it: kind and name.
    pub fn controller(&self) -> Option<(&str, &str)> {
        let owners = self.metadata().get("ownerReferences").items();
        let owner = owners.iter().find(|owner| owner.get("controller").is_true())?;
        Some((owner.get("kind").str(), owner.get("name").str()))
    }

    /// A place in it, by the path from its root.
    pub fn spot(&self, path: &str) -> Spot {
        Spot { object: self.index, container: None, key: None, path: path.into(), line: self.root.line_of(path) }
    }

    /// `Deployment/web`, `ServiceAccount/kube-system/x`: for messages.
    pub fn title(&self) -> String {
        if self.namespace.is_empty() {
            format!("{}/{}", self.kind_name, self.name)
        } else {
            format!("{}/{}/{}", self.kind_name, self.namespace, self.name)
        }
    }

    /// The pod that it is or makes. Kinds of others that have `spec.template.spec.containers`, as Argo Rollouts and
    /// Knative Services have, make pods too.
    pub fn pod(&self) -> Option<Pod<'_>> {
        let (around, path): (&[&str], &'static str) = match self.kind {
            Kind::Pod => (&[], "spec"),
            Kind::PodTemplate => (&["template"], "template.spec"),
            Kind::CronJob => (&["spec", "jobTemplate", "spec", "template"], "spec.jobTemplate.spec.template.spec"),
            Kind::Deployment
            | Kind::StatefulSet
            | Kind::DaemonSet
            | Kind::ReplicaSet
            | Kind::ReplicationController
            | Kind::Job
            | Kind::Other => (&["spec", "template"], "spec.template.spec"),
            _ => return None,
        };
        let around = self.root.at(around);
        let spec = around.get("spec");
        if self.kind == Kind::Other && !spec.get("containers").is_list() {
            return None;
        }
        spec.is_map().then_some(Pod { object: self, path, metadata: around.get("metadata"), spec })
    }
}

/// A pod, or what pods are made from.
#[derive(Clone, Copy, Debug)]
pub struct Pod<'a> {
    /// What it is in.
    pub object: &'a Object,
    /// Where its `spec` is in that.
    pub path: &'static str,
    /// `metadata` of the pod or of the template.
    pub metadata: &'a Node,
    /// `spec` of the pod.
    pub spec: &'a Node,
}

impl<'a> Pod<'a> {
    /// All containers: init, main and ephemeral.
    pub fn containers(self) -> impl Iterator<Item = Container<'a>> {
        [ContainerGroup::Init, ContainerGroup::Main, ContainerGroup::Ephemeral].into_iter().flat_map(move |group| {
            let nodes = self.spec.get(group.field()).items().iter().enumerate();
            nodes.map(move |(index, node)| Container { pod: self, group, index, node })
        })
    }

    /// The containers that run as long as the pod does: main ones, and init containers that restart always (sidecars).
    pub fn running(self) -> impl Iterator<Item = Container<'a>> {
        self.containers().filter(|c| c.group == ContainerGroup::Main || c.is_sidecar())
    }

    /// Where the pod's metadata is: beside its `spec`.
    pub fn metadata_path(self) -> String {
        match self.path.rsplit_once('.') {
            Some((before, _)) => format!("{before}.metadata"),
            None => "metadata".to_owned(),
        }
    }

    /// A place in the pod's `spec`, by the path from there; the `spec` itself for an empty one.
    pub fn spot(self, path: &str) -> Spot {
        let dot = if path.is_empty() { "" } else { "." };
        Spot {
            object: self.object.index,
            container: None,
            key: None,
            path: [self.path, dot, path].concat().into(),
            line: self.spec.line_of(path),
        }
    }

    /// Whether it says that it is for Windows (`spec.os.name`).
    pub fn is_windows(self) -> bool {
        self.spec.get("os").get("name").str() == "windows"
    }

    /// Whether the pod has a user namespace of its own (`spec.hostUsers: false`).
    pub fn has_user_namespace(self) -> bool {
        self.spec.get("hostUsers").is_false()
    }

    /// The service account it runs as.
    pub fn service_account(self) -> &'a str {
        let named = [self.spec.get("serviceAccountName").str(), self.spec.get("serviceAccount").str()];
        named.into_iter().find(|name| !name.is_empty()).unwrap_or("default")
    }

    /// Labels of the pod.
    pub fn labels(self) -> &'a Node {
        self.metadata.get("labels")
    }
}

/// In which of its lists a container is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContainerGroup {
    /// `initContainers`
    Init,
    /// `containers`
    Main,
    /// `ephemeralContainers`
    Ephemeral,
}

impl ContainerGroup {
    /// The name of the list.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Init => "initContainers",
            Self::Main => "containers",
            Self::Ephemeral => "ephemeralContainers",
        }
    }
}

/// A container of a pod.
#[derive(Clone, Copy, Debug)]
pub struct Container<'a> {
    /// The pod.
    pub pod: Pod<'a>,
    /// Which of its lists.
    pub group: ContainerGroup,
    /// Where in the list.
    pub index: usize,
    /// All of it.
    pub node: &'a Node,
}

impl<'a> Container<'a> {
    /// Its name.
    pub fn name(self) -> &'a str {
        self.node.get("name").str()
    }

    /// A field of it.
    pub fn get(self, key: &str) -> &'a Node {
        self.node.get(key)
    }

    /// `securityContext`
    pub fn security_context(self) -> &'a Node {
        self.node.get("securityContext")
    }

    /// A field of its `securityContext`, or where it has none of that name, of the pod's.
    pub fn effective(self, field: &str) -> &'a Node {
        let own = self.security_context().get(field);
        if own.is_present() { own } else { self.pod.spec.get("securityContext").get(field) }
    }

    /// Whether it is an init container that runs as long as the pod does.
    pub fn is_sidecar(self) -> bool {
        self.group == ContainerGroup::Init && self.get("restartPolicy").str() == "Always"
    }

    /// A place in the container, by the path from there; the container itself for an empty one.
    pub fn spot(self, path: &str) -> Spot {
        let dot = if path.is_empty() { "" } else { "." };
        let place = |which: &str| [self.pod.path, ".", self.group.field(), "[", which, "]", dot, path].concat().into();
        Spot {
            object: self.pod.object.index,
            container: Some((self.group, u32::try_from(self.index).unwrap_or(u32::MAX))),
            // By its name, so that a container that is put before it changes nothing.
            key: Some(place(self.name())),
            path: place(&self.index.to_string()),
            line: self.node.line_of(path),
        }
    }

    /// `container "app"`: for messages.
    pub fn title(self) -> String {
        match self.group {
            ContainerGroup::Init => format!("init container \"{}\"", self.name()),
            ContainerGroup::Main => format!("container \"{}\"", self.name()),
            ContainerGroup::Ephemeral => format!("ephemeral container \"{}\"", self.name()),
        }
    }
}
