//! Time and randomness, handed in: tests choose both.

use std::sync::Arc;

use kubewise_contract::Timestamp;
use time::OffsetDateTime;
use uuid::Uuid;

type Clock = dyn Fn() -> OffsetDateTime + Send + Sync;
type Entropy = dyn Fn(&mut [u8]) + Send + Sync;

/// Where the time and random bytes come from.
#[derive(Clone)]
pub struct World {
    clock: Arc<Clock>,
    entropy: Arc<Entropy>,
}

impl World {
    /// The machine's clock and the operating system's random bytes.
    pub fn system() -> Self {
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
        let clock = Arc::new(OffsetDateTime::now_utc);
        let entropy = Arc::new(|bytes: &mut [u8]| {
            use rand::TryRng as _;
            // Without random bytes no token and no session is safe: there is nothing to go on with.
            rand::rngs::SysRng.try_fill_bytes(bytes).expect("the operating system gives random bytes");
        });
        Self { clock, entropy }
    }

    /// A world with a clock of one's own and real randomness.
    pub fn with_clock(clock: impl Fn() -> OffsetDateTime + Send + Sync + 'static) -> Self {
        Self { clock: Arc::new(clock), ..Self::system() }
    }

    /// Now.
    pub fn now(&self) -> OffsetDateTime {
        (self.clock)()
    }

    /// Now, as the pages want it.
    pub fn timestamp(&self) -> Timestamp {
        timestamp(self.now())
    }

    /// Fresh random bytes.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.entropy)(&mut bytes);
        bytes
    }

    /// A fresh id: time-ordered (UUID version 7), so that keys of new rows are neighbours.
    pub fn uuid(&self) -> Uuid {
        let millis = u64::try_from(self.now().unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(millis, &self.random::<10>()).into_uuid()
    }
}

/// A moment, as the pages want it.
pub(crate) fn timestamp(at: OffsetDateTime) -> Timestamp {
    Timestamp(i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX))
}
