//! Where in an object something was found.

use crate::object::ContainerGroup;

/// A place in an object. Made by [`crate::Object::spot`], [`crate::Pod::spot`] and [`crate::Container::spot`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    pub(crate) object: u32,
    /// The list and the place in it.
    pub(crate) container: Option<(ContainerGroup, u32)>,
    /// What tells it from others in the object, from one run to the next, where its path does not.
    pub(crate) key: Option<Box<str>>,
    /// `spec.containers[0].image`
    pub(crate) path: Box<str>,
    pub(crate) line: u32,
}

impl Spot {
    pub(crate) fn key(&self) -> &str {
        self.key.as_deref().unwrap_or(&self.path)
    }

    /// The same place, told from others at it: two capabilities in one list, two subjects of one binding.
    #[must_use]
    pub fn for_each(mut self, what: &str) -> Self {
        self.key = Some([self.key(), "#", what].concat().into());
        self
    }
}
