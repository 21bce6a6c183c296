//! Figures of a report.

use crate::{engine::Report, rule::Severity};

impl Report {
    /// How many findings there are of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// From 0 to 100: of all that was judged, each judgement weighed by its rule's severity ([`Severity::weight`]), what
    /// part had no finding. None when nothing that weighs anything was judged.
    pub fn score(&self) -> Option<f64> {
        let (mut judged, mut failed) = (0_u64, 0_u64);
        for tally in &self.tallies {
            judged += tally.rule.severity.weight() * u64::from(tally.judged);
            failed += tally.rule.severity.weight() * u64::from(tally.failed);
        }
        #[expect(clippy::cast_precision_loss, reason = "a share, shown with one digit")]
        (judged > 0).then(|| 100.0 * (1.0 - failed as f64 / judged as f64))
    }
}
