//! Image references.

/// A container image reference, taken apart: `registry/repository:tag@digest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageReference<'a> {
    /// Registry and repository, as written.
    pub repository: &'a str,
    /// Tag, if written.
    pub tag: Option<&'a str>,
    /// Digest, if written: `sha256:…`.
    pub digest: Option<&'a str>,
}

impl<'a> ImageReference<'a> {
    /// Takes a reference apart (grammar: github.com/distribution/reference). Never fails: what it does not understand
    /// is all repository.
    pub fn parse(text: &'a str) -> Self {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (text, None),
        };
        // A colon before the last slash belongs to the registry's port.
        let (repository, tag) = match name.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
            _ => (name, None),
        };
        Self { repository, tag, digest }
    }

    /// True when the same reference can mean something else tomorrow by custom: tag `latest` or none, and no digest.
    pub fn is_mutable(&self) -> bool {
        self.digest.is_none() && self.tag.is_none_or(|tag| tag == "latest")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_taken_apart() {
        let parse = |text| {
            let r = ImageReference::parse(text);
            (r.repository, r.tag, r.digest, r.is_mutable())
        };
        assert_eq!(parse("nginx"), ("nginx", None, None, true));
        assert_eq!(parse("nginx:latest"), ("nginx", Some("latest"), None, true));
        assert_eq!(parse("nginx:1.29"), ("nginx", Some("1.29"), None, false));
        assert_eq!(parse("localhost:5000/a/b"), ("localhost:5000/a/b", None, None, true));
        assert_eq!(parse("localhost:5000/a/b:2"), ("localhost:5000/a/b", Some("2"), None, false));
        assert_eq!(parse("a/b@sha256:00"), ("a/b", None, Some("sha256:00"), false));
        assert_eq!(parse("a/b:latest@sha256:00"), ("a/b", Some("latest"), Some("sha256:00"), false));
        assert_eq!(parse(""), ("", None, None, true));
    }
}
