//! References to images.

/// The parts of `registry.example.com:5000/team/app:1.2@sha256:…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image<'a> {
    /// `docker.io` when none is written.
    pub registry: &'a str,
    /// Without the registry and without Docker Hub's `library/`.
    pub repository: &'a str,
    /// Tag.
    pub tag: Option<&'a str>,
    /// `sha256:…`
    pub digest: Option<&'a str>,
}

impl<'a> Image<'a> {
    /// None for what is not a reference.
    ///
    /// Source: the grammar of distribution/reference. The first part is a registry when it has a dot or a colon or is
    /// `localhost`.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (text, None),
        };
        let (rest, tag) = match rest.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
            _ => (rest, None),
        };
        let (registry, repository) = match rest.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
            _ => ("docker.io", rest),
        };
        let registry = if registry == "index.docker.io" { "docker.io" } else { registry };
        let repository = if registry == "docker.io" {
            repository.strip_prefix("library/").unwrap_or(repository)
        } else {
            repository
        };
        let is_name = |text: &str| !text.is_empty() && !text.contains(char::is_whitespace);
        let is_whole = is_name(repository) && tag.is_none_or(is_name) && digest.is_none_or(|d| d.contains(':'));
        is_whole.then_some(Self { registry, repository, tag, digest })
    }
}

#[cfg(test)]
mod tests {
    use super::Image;

    #[test]
    fn parts() {
        for (text, registry, repository, tag, digest) in [
            ("nginx", "docker.io", "nginx", None, None),
            ("docker.io/library/nginx:1.27", "docker.io", "nginx", Some("1.27"), None),
            ("localhost/app", "localhost", "app", None, None),
            ("reg.example.com:5000/team/app", "reg.example.com:5000", "team/app", None, None),
            ("ghcr.io/acme/app:v1@sha256:ab", "ghcr.io", "acme/app", Some("v1"), Some("sha256:ab")),
        ] {
            assert_eq!(Image::parse(text), Some(Image { registry, repository, tag, digest }), "{text}");
        }
        for text in ["", "a b", "nginx:", "ghcr.io/", "x@sha256"] {
            assert_eq!(Image::parse(text), None, "{text}");
        }
    }
}
