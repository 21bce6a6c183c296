//! Many people with an account each, and requests that come from as many networks: attempts are slowed down here as
//! anywhere, so each attempt is one that is not.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::files;
use crate::http::{Answer, Connection};
use crate::interrupt;

/// The longest that the mails of signing up may take.
const PATIENCE: Duration = Duration::from_mins(3);

/// Accounts that were made; all have one password, which the benchmark alone knows.
pub(super) struct People {
    origin: String,
    password: String,
    /// Each with what their browser keeps.
    pub(super) known: Vec<Person>,
    next_network: u32,
}

#[derive(Clone)]
pub(super) struct Person {
    pub(super) email: String,
    /// The cookie by which the account knows the browser.
    pub(super) browser: String,
}

impl People {
    /// Signs up so many through the site, and waits until the mails that this causes are written.
    pub(super) fn sign_up(connection: &mut Connection, origin: String, data: &Path, count: usize) -> Result<Self> {
        let password = files::random_password()?;
        let mut people = Self { origin, password, known: Vec::new(), next_network: 0 };
        for n in 0..count {
            let email = address(n, "known");
            let fields = [("name", "Maya Duran"), ("email", &email), ("organisation", "Northwind Retail")];
            let password = people.password.clone();
            let answer =
                people.post(connection, "/api/sign_up", "", &[&fields[..], &[("password", &password)]].concat())?;
            ensure!(answer.status == 200, "signing up answered {}", answer.status);
            let browser = answer.cookie("kubewise-browser").context("no browser is remembered")?.to_owned();
            people.known.push(Person { email, browser });
        }
        let outbox = data.join("outbox");
        let written = interrupt::poll(PATIENCE, Duration::from_millis(200), || {
            Ok((std::fs::read_dir(&outbox)?.count() >= count).then_some(()))
        })?;
        match written {
            Some(()) => Ok(people),
            None => bail!("the mails of signing up are not written"),
        }
    }

    /// Tries to sign in; with the browser's cookie or without.
    pub(super) fn sign_in(
        &mut self,
        connection: &mut Connection,
        email: &str,
        password: &str,
        cookie: &str,
    ) -> Result<Answer> {
        self.post(connection, "/api/log_in", cookie, &[("email", email), ("password", password)])
    }

    /// Asks for a link.
    pub(super) fn reset(&mut self, connection: &mut Connection, email: &str) -> Result<Answer> {
        self.post(connection, "/api/request_reset", "", &[("email", email)])
    }

    /// A form, from a network of its own.
    fn post(&mut self, connection: &mut Connection, path: &str, cookie: &str, form: &[(&str, &str)]) -> Result<Answer> {
        let network = network(self.next_network);
        self.next_network += 1;
        let headers = [
            ("Origin", self.origin.as_str()),
            ("Accept", "application/json"),
            ("X-Forwarded-For", network.as_str()),
            ("Cookie", cookie),
        ];
        let headers = if cookie.is_empty() { &headers[..3] } else { &headers[..] };
        connection.post(path, headers, &encode(form))
    }

    /// The same people, for another thread. Its requests come from the same networks: for who signs in with a browser
    /// that is known.
    pub(super) fn again(&self) -> Self {
        Self {
            origin: self.origin.clone(),
            password: self.password.clone(),
            known: Vec::new(),
            next_network: self.next_network,
        }
    }

    /// What all of them sign in with.
    pub(super) fn password(&self) -> &str {
        &self.password
    }
}

/// An address; those at `known` have an account. All are of one length.
pub(super) fn address(n: usize, domain: &str) -> String {
    format!("person-{n:04}@{domain}.example")
}

/// RFC 2544 sets these addresses aside for benchmarks.
fn network(n: u32) -> String {
    Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 0).to_bits() + n % (1 << 17)).to_string()
}

fn encode(form: &[(&str, &str)]) -> String {
    // Nothing but spaces and the sign in an address has a meaning of its own in what is sent here.
    let pairs = form.iter().map(|(name, value)| format!("{name}={}", value.replace('@', "%40").replace(' ', "+")));
    pairs.collect::<Vec<_>>().join("&")
}
