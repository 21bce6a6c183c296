//! Every page of an organisation with a million objects: time to the first byte, bytes, and time in PostgreSQL.

mod organisation;
mod places;
mod statements;

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use super::embedded::Embedded;
use super::{Figure, start_server};
use crate::http::Connection;
use crate::project::Project;
use organisation::Million;

/// Requests of each page.
const REQUESTS: usize = 200;
/// Requests of each page whose statements are timed.
const REQUESTS_TIMED: u32 = 20;
/// Before anything is counted: plans are cached, pages are in memory.
const WARM_UP: usize = 10;
const BUDGET_TTFB_MS: f64 = 60.0;
const BUDGET_BYTES: f64 = 81_920.0;
const BUDGET_SQL_MS: f64 = 10.0;

pub(super) fn run(project: &Project, fresh: bool) -> Result<()> {
    let million = Million::ready(project, fresh)?;
    let embedded = Embedded::new(project, million.data.path());
    let (pages, log) = {
        let server = start_server(project, &million.data)?;
        let mut connection = Connection::open(server.settings.address())?;
        let cookie = million.sign_in(&mut connection, &server.url())?;
        let pages = places::find(&mut connection, &cookie, &million)?;
        for (name, path) in &pages {
            let mut measured = Measured::default();
            for n in 0..WARM_UP + REQUESTS {
                let answer = connection.get(path, &[("Cookie", &cookie), ("Accept-Encoding", "br")])?;
                ensure!(answer.status == 200, "{path} answered {}", answer.status);
                if n >= WARM_UP {
                    measured.times.push(answer.first_byte);
                }
                measured.bytes = answer.transferred;
            }
            measured.print(name)?;
        }
        (pages, statements::Log::switch_on(&embedded)?)
    };
    // Another server: its connections to PostgreSQL begin with the log switched on.
    let server = start_server(project, &million.data)?;
    let mut connection = Connection::open(server.settings.address())?;
    let cookie = million.sign_in(&mut connection, &server.url())?;
    for (name, path) in &pages {
        for _ in 0..WARM_UP {
            connection.get(path, &[("Cookie", &cookie)])?;
        }
        let timed = log.around(|| {
            for _ in 0..REQUESTS_TIMED {
                connection.get(path, &[("Cookie", &cookie)])?;
            }
            Ok(())
        })?;
        let details = json!({ "slowest_ms": timed.slowest, "statement": timed.slowest_statement, "statements": timed.count / REQUESTS_TIMED });
        let mean = timed.total / f64::from(REQUESTS_TIMED);
        Figure::print(&format!("pages/{name}/sql"), mean, "ms in PostgreSQL for each request", BUDGET_SQL_MS, details)?;
    }
    log.switch_off()
}

#[derive(Default)]
struct Measured {
    times: Vec<Duration>,
    bytes: usize,
}

impl Measured {
    fn print(mut self, name: &str) -> Result<()> {
        self.times.sort_unstable();
        let at = |percent: usize| self.times[(self.times.len() * percent).div_ceil(100) - 1].as_secs_f64() * 1000.0;
        let details = json!({ "p50_ms": at(50), "most_ms": at(100) });
        Figure::print(&format!("pages/{name}"), at(99), "ms p99 TTFB", BUDGET_TTFB_MS, details)?;
        let bytes = u32::try_from(self.bytes).map_or(f64::MAX, f64::from);
        Figure::print(&format!("pages/{name}/bytes"), bytes, "bytes", BUDGET_BYTES, json!({}))
    }
}
