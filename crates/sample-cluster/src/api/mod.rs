//! The HTTP side: what a kube-apiserver answers, as far as inventories need it.

mod answer;
mod control;
mod discovery;
mod handle;
mod list;
mod target;
mod watch;

pub(crate) use handle::router;
