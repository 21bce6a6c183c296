//! What a rule says.

use crate::{
    inventory::Inventory,
    object::ContainerGroup,
    options::{Options, Parameters},
    rule::{Rule, Severity},
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
    /// The container, where it is in one.
    pub container: Option<(ContainerGroup, Box<str>)>,
    /// Where in the object: `spec.containers[0].image`
    pub path: Box<str>,
    /// The line there, counted from 1; 0 where it is not known.
    pub line: u32,
    /// What was found, in a sentence.
    pub message: String,
    /// The same for the same thing in another run: 16 bytes of a SHA-256 over the rule, the object and the place.
    pub fingerprint: Fingerprint,
    /// What the fingerprint is over, besides the rule and the object.
    pub(crate) key: Box<str>,
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
    pub(crate) findings: Vec<Finding>,
    pub(crate) unknown: Vec<String>,
    pub(crate) is_skipped: bool,
}

impl<'a> Out<'a> {
    pub(crate) fn new(inventory: &'a Inventory, options: &'a Options, rule: &'static Rule) -> Self {
        let severity = options.severity(rule);
        Self { inventory, options, rule, severity, findings: Vec::new(), unknown: Vec::new(), is_skipped: false }
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
    pub(crate) const fn turn_to(&mut self, rule: &'static Rule, severity: Severity) {
        self.rule = rule;
        self.severity = severity;
        self.is_skipped = false;
    }

    /// Something is wrong here. The message says what was found, as a sentence with names and values in it.
    pub fn fail(&mut self, spot: Spot, message: impl Into<String>) {
        let Spot { object, container, key, path, line } = spot;
        self.findings.push(Finding {
            rule: self.rule,
            severity: self.severity,
            object,
            container,
            path,
            line,
            message: message.into(),
            fingerprint: Fingerprint::default(),
            key,
        });
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
