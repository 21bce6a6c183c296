//! Waiting longer each time.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// How waiting grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    /// The first wait.
    pub least: Duration,
    /// No wait is longer.
    pub most: Duration,
}

impl Growth {
    /// The time itself, or the bound that it is beyond.
    pub fn clamp(self, time: Duration) -> Duration {
        time.max(self.least).min(self.most)
    }

    /// Waits that grow like this.
    pub fn backoff(self) -> Backoff {
        Backoff { growth: self, failures: 0, random: seed() }
    }
}

/// Waits that double each time, each between half of that and the whole, so that many agents do not come back at once.
#[derive(Debug)]
pub struct Backoff {
    growth: Growth,
    failures: u32,
    random: SmallRng,
}

impl Backoff {
    /// The next wait.
    pub fn next(&mut self) -> Duration {
        let Growth { least, most } = self.growth;
        let whole = least.saturating_mul(1 << self.failures.min(20)).min(most);
        self.failures = self.failures.saturating_add(1);
        whole.mul_f64(self.random.random_range(0.5..=1.0))
    }

    /// After a success.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Nothing secret and nothing that a test would want to repeat depends on the jitter; it only has to differ between agents.
fn seed() -> SmallRng {
    use std::hash::{BuildHasher, RandomState};
    SmallRng::seed_from_u64(RandomState::new().hash_one("jitter"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let growth = Growth { least: Duration::from_secs(1), most: Duration::from_mins(1) };
        let mut backoff = growth.backoff();
        for whole in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] {
            let wait = backoff.next().as_secs_f64();
            assert!((whole / 2.0..=whole).contains(&wait), "{wait} of {whole}");
        }
        for _ in 0..100 {
            assert!(backoff.next() <= growth.most);
        }
        backoff.reset();
        assert!(backoff.next() <= growth.least);
    }
}
