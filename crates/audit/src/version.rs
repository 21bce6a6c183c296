//! Versions of Kubernetes.

use std::{fmt, str::FromStr};

/// A minor version of Kubernetes: what rules differ by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KubernetesVersion {
    /// The first number.
    pub major: u16,
    /// The second number.
    pub minor: u16,
}

impl KubernetesVersion {
    /// The newest that the rules know. Later ones are judged as this one.
    pub const NEWEST: Self = Self::new(1, 36);

    /// From its numbers.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// Whether it is this version or a later one.
    pub fn is_at_least(self, minor: u16) -> bool {
        self >= Self::new(1, minor)
    }
}

impl fmt::Display for KubernetesVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// What is not a version of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a version of Kubernetes, as 1.35")]
pub struct NotAVersion(String);

/// `1.35`, `v1.35.2`, `1.35+`, `v1.33.5-eks-3cfe0ce`
impl FromStr for KubernetesVersion {
    type Err = NotAVersion;

    fn from_str(text: &str) -> Result<Self, NotAVersion> {
        let fault = || NotAVersion(text.to_owned());
        let mut parts = text.strip_prefix('v').unwrap_or(text).splitn(3, '.');
        let major = parts.next().and_then(|part| part.parse().ok()).ok_or_else(fault)?;
        let minor = parts.next().ok_or_else(fault)?;
        let digits = minor.find(|c: char| !c.is_ascii_digit()).unwrap_or(minor.len());
        let (number, rest) = minor.split_at(digits);
        if !(rest.is_empty() || rest.starts_with(['+', '-'])) {
            return Err(fault());
        }
        Ok(Self::new(major, number.parse().map_err(|_| fault())?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_clusters_and_people_write_them() {
        for text in ["1.35", "v1.35.2", "1.35+", "v1.35.5-eks-3cfe0ce", "1.35-alpha", "v1.35.1+k3s1"] {
            assert_eq!(text.parse(), Ok(KubernetesVersion::new(1, 35)), "{text}");
        }
        for text in ["", "1", "v", "1.x", "one.two", "1.35x", "latest", "1.", ".35", "1.99999999"] {
            assert!(text.parse::<KubernetesVersion>().is_err(), "{text}");
        }
        assert!(KubernetesVersion::new(1, 9) < KubernetesVersion::new(1, 10));
        assert_eq!(KubernetesVersion::NEWEST.to_string().parse(), Ok(KubernetesVersion::NEWEST));
    }
}
