//! The pages of one cluster.

mod applications;
mod frame;
mod images;
mod list;
mod namespaces;
mod nodes;
mod overview;
mod resource;
mod resources;
mod settings;
mod workloads;

pub(crate) use applications::Applications;
pub(crate) use frame::ClusterFrame;
pub(crate) use images::Images;
pub(crate) use namespaces::Namespaces;
pub(crate) use nodes::Nodes;
pub(crate) use overview::ClusterOverview;
pub(crate) use resource::ResourcePage;
pub(crate) use resources::Resources;
pub(crate) use settings::Settings;
pub(crate) use workloads::Workloads;
