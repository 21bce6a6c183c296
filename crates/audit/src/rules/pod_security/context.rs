//! Where a pod and its containers say what they may do.

use crate::{
    node::Node,
    object::{Container, Pod},
    spot::Spot,
};

/// The `securityContext` of a pod, or of one of its containers.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pod: Pod<'a>,
    container: Option<Container<'a>>,
    /// All of it; absent where nothing is written.
    pub(super) node: &'a Node,
}

/// That of the pod, then those of its containers.
pub(super) fn contexts(pod: Pod<'_>) -> impl Iterator<Item = Context<'_>> {
    let own = Context { pod, container: None, node: pod.spec.get("securityContext") };
    std::iter::once(own).chain(pod.containers().map(move |container| Context {
        pod,
        container: Some(container),
        node: container.security_context(),
    }))
}

impl Context<'_> {
    /// Whether it is that of a container.
    pub(super) const fn is_of_container(&self) -> bool {
        self.container.is_some()
    }

    /// A place in it.
    pub(super) fn spot(&self, path: &str) -> Spot {
        let path = format!("securityContext.{path}");
        self.container.map_or_else(|| self.pod.spot(&path), |container| container.spot(&path))
    }

    /// Whose it is, where a sentence begins: `The pod`, `Container "app"`.
    pub(super) fn subject(&self) -> String {
        self.container.map_or_else(|| "The pod".to_owned(), subject)
    }
}

/// A container where a sentence begins: `Init container "app"`.
pub(super) fn subject(container: Container<'_>) -> String {
    let mut title = container.title();
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    title
}

/// A place in a list of the pod's `spec` that is told from others by a name, so that what is put before it changes
/// nothing.
pub(super) fn named(pod: Pod<'_>, list: &str, index: usize, name: &str, field: &str) -> Spot {
    let key = Some(format!("{}.{list}[{name}].{field}", pod.path).into());
    Spot { key, ..pod.spot(&format!("{list}[{index}].{field}")) }
}

/// An annotation of the pod.
pub(super) fn annotation(pod: Pod<'_>, key: &str) -> Spot {
    pod.object.spot(&format!("{}.annotations[\"{key}\"]", pod.metadata_path()))
}
