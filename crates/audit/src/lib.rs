//! The rule engine: pure functions from resources to findings. No I/O, no clock.
//!
//! ```
//! use kubewise_audit::{Completeness, Inventory, Object, Options, audit, flatten, yaml};
//!
//! let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: debug}\nspec:\n  hostPID: true\n  containers: [{name: a, image: b}]\n";
//! let documents = yaml::documents(text)?.into_iter().flat_map(flatten);
//! let inventory = Inventory::new(documents.filter_map(|node| Object::new(node, None)), Completeness::Manifests);
//! let report = audit(&inventory, &Options::default());
//! let finding = report.findings.iter().find(|f| f.path.as_ref() == "spec.hostPID").expect("is found");
//! assert_eq!(finding.line, 5);
//! # Ok::<(), yaml::ParseError>(())
//! ```

pub mod access;
mod credential;
mod engine;
pub mod exception;
pub mod format;
pub mod image;
mod inventory;
mod node;
mod object;
mod options;
mod out;
mod page;
mod patch;
pub mod quantity;
mod report;
pub mod rule;
pub mod rules;
pub mod selector;
mod spot;
mod version;
pub mod yaml;

pub use engine::{NotAssessable, Report, Tally, audit, audit_by};
pub use inventory::{Completeness, Inventory, flatten};
pub use node::Node;
pub use object::{Container, ContainerGroup, Kind, Object, Pod};
pub use options::{Options, Parameters};
pub use out::{Finding, Fingerprint, Out};
pub use page::catalogue;
pub use rule::{Category, Check, Framework, Patch, Profile, Rule, Severity};
pub use spot::Spot;
pub use version::{KubernetesVersion, NotAVersion};
