//! Numbers of epochs.

use std::time::{Duration, UNIX_EPOCH};

/// Gives each epoch a number that no epoch of this cluster had before.
pub struct Epochs {
    now: Box<dyn Fn() -> u64 + Send + Sync>,
    last: u64,
}

impl Epochs {
    /// Milliseconds since 1970 by this clock. Two starts of the agent differ, as long as clocks go forward between them.
    pub fn new(now: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self { now: Box::new(now), last: 0 }
    }

    /// By the clock of the machine.
    pub fn system() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place where the agent reads the clock")]
        Self::new(|| {
            let now = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
            u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
        })
    }

    /// The next number; greater than the one before, even when the clock was set back.
    pub fn take(&mut self) -> u64 {
        self.last = (self.now)().max(self.last.saturating_add(1));
        self.last
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn a_clock_that_is_set_back_repeats_no_number() {
        let clock = Arc::new(AtomicU64::new(1000));
        let read = Arc::clone(&clock);
        let mut epochs = Epochs::new(move || read.load(Ordering::Relaxed));
        assert_eq!(epochs.take(), 1000);
        clock.store(500, Ordering::Relaxed);
        assert_eq!(epochs.take(), 1001);
        assert_eq!(epochs.take(), 1002);
        clock.store(2000, Ordering::Relaxed);
        assert_eq!(epochs.take(), 2000);
    }
}
