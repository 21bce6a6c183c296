//! What a rule says.

use crate::{
    image::Image,
    inventory::Inventory,
    node::Node,
    object::{Container, ContainerGroup},
    options::{Options, Parameters},
    rule::{Rule, Severity},
    rules::{images::Written, workload::programs},
    spot::Spot,
    version::KubernetesVersion,
};

/// Something that a rule found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// How bad it is, as the organisation sees it.
    pub severity: Severity,
    /// The object, by its place in the inventory.
    pub object: u32,
    /// The container, where it is in one: the list, and the place in it.
    pub container: Option<(ContainerGroup, u32)>,
    /// Where in the object: `spec.containers[0].image`
    pub path: Box<str>,
    /// The line there, counted from 1; 0 where it is not known.
    pub line: u32,
    /// What was found, in a sentence.
    pub message: String,
    /// The same for the same thing in another run: 16 bytes of a SHA-256 over the rule, the object and the place.
    pub fingerprint: Fingerprint,
    /// The rule's place in the catalogue of the audit.
    pub(crate) number: u16,
}

/// Tells a finding from others, from one run to the next.
pub type Fingerprint = [u8; 16];

/// Where a rule says what it finds, and what it may know besides what it looks at.
#[derive(Debug)]
pub struct Out<'a> {
    inventory: &'a Inventory,
    options: &'a Options,
    rule: &'static Rule,
    severity: Severity,
    number: u16,
    /// With what their fingerprints are over besides the rule and the object, where that is not the path.
    pub(crate) findings: Vec<(Option<Box<str>>, Finding)>,
    pub(crate) unknown: Vec<String>,
    pub(crate) is_skipped: bool,
    looked: Vec<Looked<'a>>,
}

/// What several rules ask of a container, found out once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Looked<'a> {
    node: &'a Node,
    /// Its image, where one is written that is a reference.
    pub(crate) image: Option<Image<'a>>,
    pub(crate) written: Written<'a>,
    /// Whether its command line has a word that a rule about command lines looks for.
    pub(crate) is_of_interest: bool,
}

impl<'a> Out<'a> {
    pub(crate) fn new(inventory: &'a Inventory, options: &'a Options, rule: &'static Rule) -> Self {
        let severity = options.severity(rule);
        Self {
            inventory,
            options,
            rule,
            severity,
            number: 0,
            findings: Vec::new(),
            unknown: Vec::new(),
            is_skipped: false,
            looked: Vec::new(),
        }
    }

    /// The containers of another pod come now.
    pub(crate) fn forget(&mut self) {
        self.looked.clear();
    }

    pub(crate) fn looked(&mut self, container: Container<'a>) -> Looked<'a> {
        if let Some(looked) = self.looked.iter().find(|looked| std::ptr::eq(looked.node, container.node)) {
            return *looked;
        }
        let image = container.get("image").as_str().and_then(Image::parse);
        let looked = Looked {
            node: container.node,
            image,
            written: Written::of(container, image),
            is_of_interest: programs::is_of_interest(container),
        };
        self.looked.push(looked);
        looked
    }

    /// All that is audited.
    pub const fn inventory(&self) -> &'a Inventory {
        self.inventory
    }

    /// The version of Kubernetes that is meant.
    pub const fn version(&self) -> KubernetesVersion {
        self.options.version
    }

    /// What the organisation decided.
    pub const fn parameters(&self) -> &'a Parameters {
        &self.options.parameters
    }

    /// Whether objects of this namespace are Kubernetes' own.
    pub fn is_system(&self, namespace: &str) -> bool {
        self.options.parameters.system_namespaces.iter().any(|name| name == namespace)
    }

    /// From now on it is another rule that speaks, of another object.
    pub(crate) const fn turn_to(&mut self, rule: &'static Rule, severity: Severity, number: u16) {
        self.rule = rule;
        self.number = number;
        self.severity = severity;
        self.is_skipped = false;
    }

    /// Something is wrong here. The message says what was found, as a sentence with names and values in it.
    pub fn fail(&mut self, spot: Spot, message: impl Into<String>) {
        let Spot { object, container, key, path, line } = spot;
        let (rule, severity, number, message) = (self.rule, self.severity, self.number, message.into());
        let fingerprint = Fingerprint::default();
        let finding = Finding { rule, severity, object, container, path, line, message, fingerprint, number };
        self.findings.push((key, finding));
    }

    /// It cannot be judged from what is known. The reason is the same for all objects that it holds for.
    pub fn cannot(&mut self, reason: impl Into<String>) {
        self.unknown.push(reason.into());
    }

    /// The rule is not for this object, or its parameters say nothing: it does not count as judged.
    pub const fn skip(&mut self) {
        self.is_skipped = true;
    }
}
