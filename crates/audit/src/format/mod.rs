//! What an audit found, as files that people and other programs read. Pure functions from [`Output`] to text.

mod csv;
mod html;
mod json;
mod junit;
mod kind;
mod markdown;
mod output;
mod sarif;
mod table;
mod text;

pub use csv::csv;
pub use html::html;
pub use json::json;
pub use junit::junit;
pub use kind::Format;
pub use markdown::markdown;
pub use output::{Acceptance, Control, Excepted, Item, Origin, Output, Resource, RuleText, Summary, Text, Unassessed};
pub use sarif::sarif;
pub use table::{summary, table};
