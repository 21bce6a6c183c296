//! The few requests that xtask makes of its own servers on loopback.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

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

/// A connection that is kept: for measuring what one request takes, without beginning.
pub(crate) struct Connection {
    address: SocketAddr,
    stream: BufReader<TcpStream>,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    /// As it was sent: compressed, if it was.
    pub(crate) body: Vec<u8>,
    /// From the request's last byte to the answer's first.
    pub(crate) first_byte: Duration,
    /// Head and body, in bytes.
    pub(crate) transferred: usize,
}

impl Answer {
    /// A header's first value; the name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// A cookie that is set, as it is sent back: `name=value`.
    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        let set = self.headers.iter().filter(|(header, _)| header == "set-cookie");
        let mut pairs = set.filter_map(|(_, value)| value.split(';').next());
        pairs.find(|pair| pair.split_once('=').is_some_and(|(of, _)| of == name))
    }
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self { address, stream: BufReader::new(stream) })
    }

    pub(crate) fn get(&mut self, path: &str, headers: &[(&str, &str)]) -> Result<Answer> {
        self.request("GET", path, headers, "")
    }

    /// Sends a form.
    pub(crate) fn post(&mut self, path: &str, headers: &[(&str, &str)], form: &str) -> Result<Answer> {
        let mut headers = headers.to_vec();
        headers.push(("Content-Type", "application/x-www-form-urlencoded"));
        self.request("POST", path, &headers, form)
    }

    fn request(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Result<Answer> {
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n", self.address, body.len());
        for (name, value) in headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        head.push_str(body);
        self.stream.get_mut().write_all(head.as_bytes())?;
        let sent = Instant::now();
        self.stream.fill_buf()?;
        let first_byte = sent.elapsed();
        self.answer(first_byte).with_context(|| format!("the answer to {method} {path}"))
    }

    fn answer(&mut self, first_byte: Duration) -> Result<Answer> {
        let mut transferred = 0;
        let status = self.line(&mut transferred)?;
        let status = status.split(' ').nth(1).and_then(|status| status.parse().ok()).context("no status")?;
        let mut headers = Vec::new();
        loop {
            let line = self.line(&mut transferred)?;
            let Some((name, value)) = line.split_once(':') else { break };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut answer = Answer { status, headers, body: Vec::new(), first_byte, transferred };
        if answer.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            loop {
                let size = self.line(&mut answer.transferred)?;
                let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16)?;
                self.body(size, &mut answer)?;
                self.line(&mut answer.transferred)?;
                if size == 0 {
                    return Ok(answer);
                }
            }
        }
        let length = answer.header("content-length").map_or(Ok(0), str::parse::<usize>)?;
        self.body(length, &mut answer)?;
        Ok(answer)
    }

    fn line(&mut self, transferred: &mut usize) -> Result<String> {
        let mut line = String::new();
        *transferred += self.stream.by_ref().take(LARGEST_ANSWER).read_line(&mut line)?;
        let Some(line) = line.strip_suffix("\r\n") else { bail!("it breaks off") };
        Ok(line.to_owned())
    }

    fn body(&mut self, size: usize, answer: &mut Answer) -> Result<()> {
        let read = self.stream.by_ref().take(u64::try_from(size)?).read_to_end(&mut answer.body)?;
        answer.transferred += read;
        if read < size {
            bail!("it breaks off");
        }
        Ok(())
    }
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
