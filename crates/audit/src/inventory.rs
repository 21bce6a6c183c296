//! All objects that are audited together, and what is known to be all there is.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap, HashSet},
    hash::{BuildHasher, RandomState},
    sync::OnceLock,
};

use crate::{
    access::Access,
    node::Node,
    object::{Kind, Object, Pod},
    selector,
    version::KubernetesVersion,
};

/// Where objects come from, and so what their absence means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// Manifests: whatever is not among them may be elsewhere.
    Manifests,
    /// A cluster, without the kinds that could not be read.
    Cluster {
        /// What was read whole: an object of these kinds that is not in the inventory is not in the cluster.
        whole: BTreeSet<Kind>,
        /// Whether values of environment variables were taken out before.
        without_values: bool,
        /// The version that the cluster runs.
        version: Option<KubernetesVersion>,
    },
}

/// Objects that are audited together.
#[derive(Debug)]
pub struct Inventory {
    objects: Vec<Object>,
    completeness: Completeness,
    by_kind: Vec<Vec<u32>>,
    /// By kind, namespace and name.
    by_name: Vec<HashMap<Box<str>, Names>>,
    has_repeated: bool,
    pods: OnceLock<PodLabels>,
    namespaces: OnceLock<HashMap<Label, Vec<u32>>>,
    generated: OnceLock<HashSet<(Kind, Box<str>)>>,
    access: OnceLock<Access>,
}

/// Objects of one kind in one namespace, by their names.
type Names = HashMap<Box<str>, u32>;

/// Which pods have which labels.
#[derive(Debug, Default)]
struct PodLabels {
    by_namespace: HashMap<Box<str>, Vec<u32>>,
    /// By the hash of namespace, name and value, so that asking allocates nothing. Two that have the same hash are told
    /// apart by what asks.
    by_label: HashMap<u64, Vec<u32>>,
    /// Other hashes in every process: names are chosen by whoever is audited.
    hashes: RandomState,
}

impl PodLabels {
    fn hash(&self, namespace: &str, key: &str, value: &Node) -> u64 {
        let value = match value.as_str() {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(value.text().unwrap_or_default()),
        };
        self.hashes.hash_one((namespace, key, value))
    }
}

/// Name and value.
type Label = (Box<str>, Box<str>);

impl Inventory {
    /// From objects, in their order. `List`s are taken apart by [`flatten`].
    pub fn new(objects: impl IntoIterator<Item = Object>, completeness: Completeness) -> Self {
        let mut objects: Vec<Object> = objects.into_iter().collect();
        let mut by_kind = vec![Vec::new(); Kind::COUNT];
        let mut by_name: Vec<HashMap<Box<str>, Names>> = vec![HashMap::new(); Kind::COUNT];
        let mut has_repeated = false;
        for (index, object) in (0_u32..).zip(&mut objects) {
            object.index = index;
            by_kind[object.kind as usize].push(index);
            if object.kind != Kind::Other {
                let namespaces = &mut by_name[object.kind as usize];
                if !namespaces.contains_key(&object.namespace) {
                    namespaces.insert(object.namespace.clone(), HashMap::new());
                }
                if let Some(names) = namespaces.get_mut(&object.namespace) {
                    has_repeated |= names.insert(object.name.clone(), index).is_some();
                }
            }
        }
        let mut others = HashSet::new();
        has_repeated |= by_kind[Kind::Other as usize].iter().any(|index| {
            let object = &objects[*index as usize];
            !others.insert((object.group(), &object.kind_name, &object.namespace, &object.name))
        });
        let mut inventory = Self {
            objects,
            completeness,
            by_kind,
            by_name,
            has_repeated,
            pods: OnceLock::new(),
            namespaces: OnceLock::new(),
            generated: OnceLock::new(),
            access: OnceLock::new(),
        };
        let made: Vec<bool> = inventory.objects.iter().map(|object| inventory.has_maker(object)).collect();
        for (object, made) in inventory.objects.iter_mut().zip(made) {
            object.is_made = made;
        }
        inventory
    }

    /// Whether the controller of an object is here, and makes it from a template that is judged itself. What is being
    /// deleted and outlived its controller by some seconds is as good as gone.
    fn has_maker(&self, object: &Object) -> bool {
        let Some((kind, name)) = object.controller() else { return false };
        if object.metadata().get("deletionTimestamp").is_present() {
            return true;
        }
        Kind::WITH_PODS
            .iter()
            .filter(|maker| maker.as_str() == kind)
            .any(|maker| self.find(*maker, &object.namespace, name).is_some())
    }

    /// Whether two objects may be the same one by group, kind, namespace and name.
    pub(crate) const fn has_repeated(&self) -> bool {
        self.has_repeated
    }

    /// Every object.
    pub fn objects(&self) -> &[Object] {
        &self.objects
    }

    /// An object by its place.
    pub fn object(&self, index: u32) -> &Object {
        &self.objects[index as usize]
    }

    /// Where they come from.
    pub const fn completeness(&self) -> &Completeness {
        &self.completeness
    }

    /// The objects of a kind, in order.
    pub fn of(&self, kind: Kind) -> impl ExactSizeIterator<Item = &Object> + Clone {
        self.by_kind[kind as usize].iter().map(|index| &self.objects[*index as usize])
    }

    /// An object by its name.
    pub fn find(&self, kind: Kind, namespace: &str, name: &str) -> Option<&Object> {
        let index = self.by_name[kind as usize].get(namespace)?.get(name)?;
        Some(&self.objects[*index as usize])
    }

    /// The objects of a kind in a namespace, in no order.
    pub fn in_namespace(&self, kind: Kind, namespace: &str) -> impl Iterator<Item = &Object> {
        let found = self.by_name[kind as usize].get(namespace);
        found.into_iter().flat_map(|named| named.values().map(|index| &self.objects[*index as usize]))
    }

    /// Whether an object that is not here does not exist. Manifests never know; what an audit of a cluster reads of
    /// secrets and configuration maps is nothing.
    pub fn is_whole(&self, kind: Kind) -> bool {
        match &self.completeness {
            Completeness::Manifests => false,
            Completeness::Cluster { whole, .. } => whole.contains(&kind),
        }
    }

    /// Whether these are manifests on disk.
    pub fn is_manifests(&self) -> bool {
        self.completeness == Completeness::Manifests
    }

    /// Whether the absence of an object of this kind in this namespace says something: in a cluster when the kind was
    /// read whole, in manifests when there are others of the kind in the namespace, as what is deployed together has.
    pub fn would_have(&self, kind: Kind, namespace: &str) -> bool {
        self.is_whole(kind) || (self.is_manifests() && self.by_name[kind as usize].contains_key(namespace))
    }

    /// Whether pods that are not here do not exist: all kinds that make pods were read whole, or they are manifests
    /// with pods in this namespace.
    pub fn would_have_pods(&self, namespace: &str) -> bool {
        if self.is_manifests() {
            return self.pod_labels().by_namespace.contains_key(namespace);
        }
        [Kind::Pod, Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet].iter().all(|kind| self.is_whole(*kind))
    }

    /// The pods and templates of a namespace whose labels a map of labels selects (as of a Service).
    pub fn pods_with(&self, namespace: &str, pairs: &Node) -> impl Iterator<Item = Pod<'_>> {
        self.candidates(namespace, pairs).filter(move |pod| selector::selects_map(pairs, pod.labels()))
    }

    /// The pods and templates of a namespace that a `LabelSelector` selects.
    pub fn pods_selected(&self, namespace: &str, label_selector: &Node) -> impl Iterator<Item = Pod<'_>> {
        self.candidates(namespace, label_selector.get("matchLabels"))
            .filter(move |pod| selector::selects(label_selector, pod.labels()))
    }

    /// Those that have the label that the fewest have.
    fn candidates(&self, namespace: &str, pairs: &Node) -> impl Iterator<Item = Pod<'_>> {
        const NONE: &[u32] = &[];
        let pods = self.pod_labels();
        let all = pods.by_namespace.get(namespace).map_or(NONE, Vec::as_slice);
        let rarest = pairs
            .entries()
            .map(|(key, value)| pods.by_label.get(&pods.hash(namespace, key, value)).map_or(NONE, Vec::as_slice))
            .min_by_key(|found| found.len());
        let objects = rarest.unwrap_or(all).iter().map(|index| &self.objects[*index as usize]);
        objects.filter(move |object| &*object.namespace == namespace).filter_map(Object::pod)
    }

    fn pod_labels(&self) -> &PodLabels {
        self.pods.get_or_init(|| {
            let mut pods = PodLabels::default();
            for (index, object) in (0_u32..).zip(&self.objects) {
                let Some(pod) = object.pod() else { continue };
                let namespace = &object.namespace;
                match pods.by_namespace.get_mut(namespace) {
                    Some(indices) => indices.push(index),
                    None => drop(pods.by_namespace.insert(namespace.clone(), vec![index])),
                }
                for (key, value) in pod.labels().entries() {
                    let hash = pods.hash(namespace, key, value);
                    pods.by_label.entry(hash).or_default().push(index);
                }
            }
            pods
        })
    }

    /// The namespaces that a `LabelSelector` selects.
    pub fn namespaces_selected(&self, label_selector: &Node) -> impl Iterator<Item = &Object> {
        const NONE: &[u32] = &[];
        let by_label = self.namespaces.get_or_init(|| {
            let mut by_label: HashMap<_, Vec<u32>> = HashMap::new();
            for namespace in self.of(Kind::Namespace) {
                for (key, value) in namespace.labels().entries() {
                    let label = (key.into(), value.text().unwrap_or_default().into());
                    by_label.entry(label).or_default().push(namespace.index());
                }
            }
            by_label
        });
        let of_label = |(key, value): (&str, &Node)| {
            let label = (key.into(), value.text().unwrap_or_default().into());
            by_label.get(&label).map_or(NONE, Vec::as_slice)
        };
        let rarest = label_selector.get("matchLabels").entries().map(of_label).min_by_key(|found| found.len());
        let found = rarest.unwrap_or(&self.by_kind[Kind::Namespace as usize]).iter();
        found
            .map(|index| &self.objects[*index as usize])
            .filter(|namespace| selector::selects(label_selector, namespace.labels()))
    }

    /// Whether a tool makes a `ConfigMap` or a `Secret` of this name from another object: Kustomize's generators, sealed
    /// and external secrets, certificates.
    pub fn is_generated(&self, kind: Kind, name: &str) -> bool {
        self.generated.get_or_init(|| self.generators()).contains(&(kind, name.into()))
    }

    fn generators(&self) -> HashSet<(Kind, Box<str>)> {
        let mut generated = HashSet::new();
        for object in self.of(Kind::Other) {
            match &*object.kind_name {
                "Kustomization" => {
                    for (field, kind) in [("configMapGenerator", Kind::ConfigMap), ("secretGenerator", Kind::Secret)] {
                        let made = object.root.get(field).items().iter().map(|made| made.get("name").str());
                        generated.extend(made.map(|name| (kind, name.into())));
                    }
                }
                "SealedSecret" | "ExternalSecret" | "Certificate" => {
                    let named = [object.spec().at(&["target", "name"]).str(), object.spec().get("secretName").str()];
                    let names = named.into_iter().filter(|_| &*object.kind_name != "SealedSecret");
                    generated.extend(names.chain([&*object.name]).map(|name| (Kind::Secret, name.into())));
                }
                _ => {}
            }
        }
        generated
    }

    /// Who may do what, from roles and bindings.
    pub fn access(&self) -> &Access {
        self.access.get_or_init(|| Access::new(self))
    }

    /// What workloads run: pods and templates that nothing here makes.
    pub fn workloads(&self) -> impl Iterator<Item = Pod<'_>> {
        self.objects.iter().filter(|object| !object.is_made).filter_map(Object::pod)
    }
}

/// Takes `List`s apart: `v1` `List`, and any `…List` with `items`, as the API answers. Items of the latter do not say
/// what they are: the list does.
pub fn flatten(document: Node) -> Vec<Node> {
    use crate::node::Value;

    let kind = document.get("kind").str().to_owned();
    let api_version = document.get("apiVersion").str().to_owned();
    if !kind.ends_with("List") || !document.get("items").is_list() {
        return vec![document];
    }
    let Value::Map(entries) = document.value else { return Vec::new() };
    let items = entries.into_iter().find(|(key, _)| key.as_str() == "items").map(|(_, items)| items.value);
    let Some(Value::List(items)) = items else { return Vec::new() };
    let item_kind = kind.strip_suffix("List").unwrap_or_default();
    let named = |mut item: Node| {
        let line = item.line;
        if let Value::Map(entries) = &mut item.value
            && !item_kind.is_empty()
        {
            for (key, value) in [("apiVersion", &api_version), ("kind", &item_kind.to_owned())] {
                if !entries.iter().any(|(k, _)| k.as_str() == key) {
                    entries.push((key.into(), Node::new(line, Value::String(value.as_str().into()))));
                }
            }
        }
        item
    };
    items.into_iter().map(named).flat_map(flatten).collect()
}
