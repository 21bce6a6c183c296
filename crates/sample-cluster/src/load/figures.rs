//! What was measured.

use std::time::Duration;

use serde::Serialize;

/// Full synchronisations.
#[derive(Clone, Debug, Serialize)]
pub struct Synchronised {
    /// How many clusters.
    pub clusters: usize,
    /// Objects of all of them.
    pub resources: u64,
    /// How long it took, generating included.
    pub seconds: f64,
}

/// Clusters that live.
#[derive(Clone, Debug, Serialize)]
pub struct Steady {
    /// How many clusters.
    pub clusters: usize,
    /// How long it took.
    pub seconds: f64,
    /// Batches that were accepted.
    pub batches: usize,
    /// Accepted in a second.
    pub batches_per_second: f64,
    /// Conversations that ended because a batch was not accepted.
    pub errors: usize,
    /// The first of these errors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_error: Option<String>,
    /// Batches that a busy server wanted once more.
    pub retries: u64,
    /// From the moment a batch was due to its answer, in milliseconds: so a server that is late for one batch is
    /// late for those that wait behind it too.
    pub p50_ms: f64,
    /// As `p50_ms`.
    pub p99_ms: f64,
    /// As `p50_ms`.
    pub most_ms: f64,
}

/// The value below which a part of all is, in milliseconds; `sorted` ascends. 0 of nothing.
pub(super) fn quantile(sorted: &[Duration], percent: usize) -> f64 {
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).map_or(0.0, |d| d.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let sorted: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        assert!((quantile(&sorted, 50) - 100.0).abs() < 1e-9);
        assert!((quantile(&sorted, 99) - 198.0).abs() < 1e-9);
        assert!((quantile(&sorted, 100) - 200.0).abs() < 1e-9);
        assert!(quantile(&[], 99).abs() < 1e-9);
    }
}
