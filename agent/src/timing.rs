//! How long to wait for what. The program uses the defaults; tests hand in shorter ones.

use std::time::Duration;

use crate::backoff::Growth;

/// How long to wait for what, and how often to try.
#[derive(Clone, Debug)]
pub struct Timing {
    /// How long changes are gathered before they are sent.
    pub gather: Duration,
    /// The server's `heartbeat_seconds` is held within these bounds.
    pub heartbeat: Growth,
    /// How often a kind is tried that may not be read.
    pub forbidden: Duration,
    /// How often a kind is looked for that the cluster does not have.
    pub not_installed: Duration,
    /// Between tries of a kind, or of an API server, that does not answer.
    pub unavailable: Growth,
    /// Failures in a row before a kind counts as unreadable, and tries of a kind while everything is listed.
    pub failures: u32,
    /// How long the API server is asked to keep a watch open, in seconds. A minute more for some kinds.
    pub watch_seconds: u64,
    /// The least time between two watches of a kind.
    pub watch_pause: Duration,
    /// Between tries of a server that does not take a batch.
    pub send: Growth,
    /// Between full synchronisations that the server asks for.
    pub conflict: Growth,
    /// Between full synchronisations that the server refuses.
    pub refused: Growth,
    /// Between full synchronisations that were begun because of a difference in totals.
    pub difference: Growth,
    /// How often the file with the token is looked at while the token is refused.
    pub token_file: Duration,
    /// How long a request in flight may take to end when the agent is told to stop.
    pub stop: Duration,
    /// How often the API server is asked for its version.
    pub version: Duration,
    /// Tries of anything before `run --once` gives up.
    pub tries_once: u32,
}

impl Default for Timing {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        let growth = |least, most| Growth { least: seconds(least), most: seconds(most) };
        Self {
            gather: seconds(5),
            heartbeat: growth(1, 3600),
            forbidden: seconds(60),
            not_installed: seconds(300),
            unavailable: growth(1, 60),
            failures: 3,
            watch_seconds: 240,
            watch_pause: seconds(1),
            send: growth(1, 600),
            conflict: growth(1, 30),
            refused: growth(1, 600),
            difference: growth(5, 3600),
            token_file: seconds(5),
            stop: seconds(4),
            version: seconds(600),
            tries_once: 8,
        }
    }
}
