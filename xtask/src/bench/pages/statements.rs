//! Time in PostgreSQL, as its own log tells it (`log_min_duration_statement`): of the statements that pages really
//! make, with the plans that they really get.

use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

use anyhow::{Context, Result};

use super::super::embedded::Embedded;
use crate::interrupt;

const LOGIN: &str = "kubewise_web";
/// By then the log is written.
const SETTLE: Duration = Duration::from_millis(300);
/// How much of a statement is shown.
const SHOWN: usize = 120;

/// The log, switched on for the login of pages.
pub(super) struct Log<'a>(&'a Embedded<'a>);

/// What the log told.
#[derive(Debug, Default)]
pub(super) struct Timed {
    /// Parsing, planning and running all statements, in milliseconds.
    pub(super) total: f64,
    /// The slowest run, in milliseconds.
    pub(super) slowest: f64,
    pub(super) slowest_statement: String,
    /// Runs.
    pub(super) count: u32,
}

impl<'a> Log<'a> {
    /// For connections that begin from now on.
    pub(super) fn switch_on(embedded: &'a Embedded<'a>) -> Result<Self> {
        embedded.run(&format!("ALTER ROLE {LOGIN} SET log_min_duration_statement = 0"))?;
        Ok(Self(embedded))
    }

    /// Also when a run before was interrupted.
    pub(super) fn switch_off(&self) -> Result<()> {
        self.0.run(&format!("ALTER ROLE {LOGIN} RESET log_min_duration_statement")).map(drop)
    }

    /// What is logged while `work` is done.
    pub(super) fn around(&self, work: impl FnOnce() -> Result<()>) -> Result<Timed> {
        let path = self.0.log();
        let mut file = std::fs::File::open(&path).with_context(|| path.display().to_string())?;
        file.seek(SeekFrom::End(0))?;
        work()?;
        interrupt::sleep(SETTLE)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(read(&String::from_utf8_lossy(&bytes)))
    }
}

fn read(log: &str) -> Timed {
    let mut timed = Timed::default();
    for line in log.lines() {
        let Some((_, rest)) = line.split_once("duration: ") else { continue };
        let Some((milliseconds, what)) = rest.split_once(" ms") else { continue };
        let Ok(milliseconds) = milliseconds.parse::<f64>() else { continue };
        timed.total += milliseconds;
        let what = what.trim();
        timed.count += u32::from(!what.starts_with("parse") && !what.starts_with("bind"));
        if milliseconds > timed.slowest {
            timed.slowest = milliseconds;
            timed.slowest_statement = what.chars().take(SHOWN).collect();
        }
    }
    timed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_added_up() {
        let log = "2026-01-01 LOG:  duration: 0.500 ms  parse sqlx_s_1: SELECT 1\n\
                   2026-01-01 LOG:  duration: 2.000 ms  execute sqlx_s_1: SELECT 1\n\tFROM x\nother\n\
                   2026-01-01 LOG:  duration: 1.000 ms  statement: COMMIT\n";
        let timed = read(log);
        assert!((timed.total - 3.5).abs() < 1e-9 && (timed.slowest - 2.0).abs() < 1e-9);
        assert_eq!((timed.count, timed.slowest_statement.as_str()), (2, "execute sqlx_s_1: SELECT 1"));
    }
}
