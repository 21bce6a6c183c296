//! Whether the time of an answer tells which addresses have an account: signing in with a wrong password, and asking
//! for a link, for addresses with and without one.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::json;

use super::people::{People, address};
use super::{Figure, mann_whitney, start_server_behind_proxy};
use crate::data_dir::DataDir;
use crate::files;
use crate::http::{Answer, Connection};
use crate::project::Project;

/// Attempts for addresses of each kind.
const ATTEMPTS: usize = 400;
/// Addresses of each kind. Four attempts each: after five links in an hour no more are sent, and after five attempts
/// from one network the next one waits.
const ADDRESSES: usize = 100;
/// Before anything is counted.
const WARM_UP: usize = 20;
/// Below this the two are different. Where they are not, one run of a hundred says so all the same.
const BUDGET: f64 = 0.01;

pub(super) fn run(project: &Project) -> Result<()> {
    let data = DataDir::temporary()?;
    let server = start_server_behind_proxy(project, &data)?;
    let mut connection = Connection::open(server.settings.address())?;
    let mut people = People::sign_up(&mut connection, server.url(), data.path(), ADDRESSES)?;
    let wrong = files::random_password()?;
    measure("login-timing", |email| {
        let answer = people.sign_in(&mut connection, email, &wrong, "")?;
        ensure!(answer.status == 401, "a wrong password was answered {}", answer.status);
        Ok(answer)
    })?;
    measure("reset-timing", |email| {
        let answer = people.reset(&mut connection, email)?;
        ensure!(answer.status == 200, "asking for a link was answered {}", answer.status);
        Ok(answer)
    })
}

fn measure(name: &str, mut attempt: impl FnMut(&str) -> Result<Answer>) -> Result<()> {
    for n in 0..WARM_UP {
        // Addresses that are not measured, and have no account.
        attempt(&address(n, "never"))?;
    }
    let mut order: Vec<(bool, usize)> =
        [true, false].into_iter().flat_map(|known| (0..ATTEMPTS).map(move |n| (known, n))).collect();
    files::shuffle(&mut order)?;
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for (known, n) in order {
        let answer = attempt(&address(n % ADDRESSES, if known { "known" } else { "other" }))?;
        if known { &mut with } else { &mut without }.push(answer.first_byte);
    }
    let p = mann_whitney::p(&with, &without);
    let details = json!({
        "attempts_each": ATTEMPTS, "median_ms_with_account": median(&mut with),
        "median_ms_without": median(&mut without),
    });
    Figure::print_probability(name, p, BUDGET, details)
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1000.0
}
