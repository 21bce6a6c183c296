//! Where in an object something was found.

use crate::object::ContainerGroup;

/// A place in an object. Made by [`crate::Object::spot`], [`crate::Pod::spot`] and [`crate::Container::spot`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    pub(crate) object: u32,
    pub(crate) container: Option<(ContainerGroup, Box<str>)>,
    /// What tells it from others in the object, from one run to the next.
    pub(crate) key: Box<str>,
    /// `spec.containers[0].image`
    pub(crate) path: Box<str>,
    pub(crate) line: u32,
}

impl Spot {
    /// The same place, told from others at it: two capabilities in one list, two subjects of one binding.
    #[must_use]
    pub fn for_each(mut self, what: &str) -> Self {
        self.key = format!("{}#{what}", self.key).into();
        self
    }
}
