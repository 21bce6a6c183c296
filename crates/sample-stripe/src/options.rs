//! What a sample Stripe can be started with.

use std::{
    fmt,
    path::PathBuf,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

/// Seconds since 1970, as often as they are asked for.
pub(crate) type Now = Arc<dyn Fn() -> i64 + Send + Sync>;

/// How a sample Stripe is started.
#[derive(Clone)]
pub struct Options {
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Seconds since 1970.
    pub now: Now,
    /// Id of the only price.
    pub price: String,
    /// What a node costs for a month, in the currency's minor unit.
    pub unit_amount: i64,
    /// Three letters, small.
    pub currency: String,
    /// Where events go, and the secret that signs them.
    pub webhook: Option<(String, String)>,
    /// Days from one attempt at an invoice to the next; when the last one fails, the subscription is canceled.
    pub retry_days: Vec<i64>,
    /// Serve `/_control` too, for tests in other processes. What is not documented then goes to `sent_file`, and no
    /// longer panics.
    pub control: bool,
    /// Every request and field is written here once.
    pub sent_file: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            port: 0,
            now: Arc::new(system_now),
            price: "price_team".to_owned(),
            unit_amount: 300,
            currency: "eur".to_owned(),
            webhook: None,
            retry_days: vec![3, 5, 7],
            control: false,
            sent_file: None,
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("port", &self.port).field("price", &self.price).finish_non_exhaustive()
    }
}

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the outermost edge: whoever wants another time hands it in")]
fn system_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
