//! The few requests that xtask makes of its own servers on loopback.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// More than any answer that is asked for here.
const LARGEST_ANSWER: u64 = 64 * 1024 * 1024;

/// `GET http://{address}{path}`: the status and the body. HTTP/1.0, so that the body ends with the connection.
pub(crate) fn get(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.set_write_timeout(Some(Duration::from_secs(2)))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\nAccept: */*\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(LARGEST_ANSWER).read_to_end(&mut answer)?;
    let answer = String::from_utf8(answer).context("the answer is not text")?;
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { bail!("the answer has no body") };
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.context("the answer has no status")?, body.to_owned()))
}

/// The address in `http://127.0.0.1:1234`.
pub(crate) fn address_of(url: &str) -> Result<SocketAddr> {
    let rest = url.strip_prefix("http://").with_context(|| format!("{url} is not a plain HTTP address"))?;
    let authority = rest.split('/').next().unwrap_or(rest);
    authority.parse().with_context(|| format!("{authority} is not an address and a port"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_out_of_its_url() {
        assert_eq!(address_of("http://127.0.0.1:3000").unwrap().port(), 3000);
        assert_eq!(address_of("http://127.0.0.1:3000/path").unwrap().port(), 3000);
        assert!(address_of("https://127.0.0.1:3000").is_err());
        assert!(address_of("http://localhost").is_err());
    }
}
