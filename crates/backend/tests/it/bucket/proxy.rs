//! What is between a client and a server, and goes wrong as it is told. A connection for each request.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// What is done to a request or its answer. Numbers are bytes of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is answered here with this status.
    Status(u16),
    /// It is not answered.
    Silence,
    /// It is cut off, after so many bytes.
    CutRequest(usize),
    /// A bit of it is changed.
    SpoilRequest(usize),
    /// The server does it, and nobody hears of it.
    LoseAnswer,
    /// The answer is cut off, after so many bytes.
    CutAnswer(usize),
    /// The answer is so long, and says that it is.
    ShortAnswer(usize),
    /// A bit of the answer is changed.
    SpoilAnswer(usize),
}

/// A request, as far as faults depend on it.
pub(crate) struct Head {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) range: Option<String>,
    pub(crate) sha256: Option<String>,
}

impl Head {
    pub(crate) fn is_read(&self) -> bool {
        self.method == "GET" && !self.target.contains("list-type")
    }

    pub(crate) fn is_list(&self) -> bool {
        self.method == "GET" && self.target.contains("list-type")
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.method == "PUT" && !self.target.contains("partNumber=")
    }

    pub(crate) fn is_part(&self) -> bool {
        self.method == "PUT" && self.target.contains("partNumber=")
    }

    pub(crate) fn is_begin(&self) -> bool {
        self.method == "POST" && self.target.contains("uploads")
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.method == "POST" && self.target.contains("uploadId=")
    }

    pub(crate) fn is_abort(&self) -> bool {
        self.method == "DELETE" && self.target.contains("uploadId=")
    }

    pub(crate) fn is_remove(&self) -> bool {
        self.method == "POST" && self.target.contains("?delete")
    }
}

type Plan = Box<dyn FnMut(&Head) -> Option<Fault> + Send>;

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    plan: Arc<Mutex<Plan>>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn to(server: SocketAddr) -> Self {
        Self::at(0, server).await
    }

    /// At a port that was said before; 0 is any.
    pub(crate) async fn at(port: u16, server: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let plan: Arc<Mutex<Plan>> = Arc::new(Mutex::new(Box::new(|_| None)));
        let planned = Arc::clone(&plan);
        let task = tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let plan = Arc::clone(&planned);
                // Whatever breaks here is seen by the client.
                tokio::spawn(async move { drop(pass(client, server, &plan).await) });
            }
        });
        Self { address, plan, task }
    }

    /// From now on, each request is asked about.
    pub(crate) fn plan(&self, plan: impl FnMut(&Head) -> Option<Fault> + Send + 'static) {
        *self.plan.lock().unwrap() = Box::new(plan);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(mut client: TcpStream, server: SocketAddr, plan: &Mutex<Plan>) -> std::io::Result<()> {
    let (head, mut body) = until_body(&mut client).await?;
    let text = String::from_utf8(head).unwrap();
    let mut lines = text.split("\r\n");
    let mut first = lines.next().unwrap().split(' ');
    let (method, target) = (first.next().unwrap().to_owned(), first.next().unwrap().to_owned());
    let (range, sha256) = (header(&text, "range"), header(&text, "x-amz-checksum-sha256"));
    let fault = plan.lock().unwrap()(&Head { method, target, range, sha256 });
    let length = header(&text, "content-length").map_or(0, |length| length.parse().unwrap());
    while body.len() < length {
        if client.read_buf(&mut body).await? == 0 {
            return Ok(());
        }
    }
    match fault {
        Some(Fault::Status(status)) => {
            let xml = "<?xml version=\"1.0\"?><Error><Code>SlowDown</Code><Message>later</Message></Error>";
            let answer = format!(
                "HTTP/1.1 {status} no\r\nContent-Type: application/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{xml}",
                xml.len()
            );
            return client.write_all(answer.as_bytes()).await;
        }
        Some(Fault::Silence) => {
            while client.read(&mut [0; 64]).await? > 0 {}
            return Ok(());
        }
        Some(Fault::SpoilRequest(at)) => {
            if let Some(byte) = body.get_mut(at) {
                *byte ^= 1;
            }
        }
        _ => {}
    }
    let mut server = TcpStream::connect(server).await?;
    let (first, others) = text.split_once("\r\n").unwrap();
    server.write_all(format!("{first}\r\nConnection: close\r\n{others}").as_bytes()).await?;
    if let Some(Fault::CutRequest(at)) = fault {
        return server.write_all(&body[..at.min(body.len())]).await;
    }
    server.write_all(&body).await?;
    let (head, mut body) = until_body(&mut server).await?;
    while server.read_buf(&mut body).await? > 0 {}
    let mut head = String::from_utf8(head).unwrap();
    match fault {
        Some(Fault::LoseAnswer) => return Ok(()),
        Some(Fault::CutAnswer(at)) => body.truncate(at),
        Some(Fault::ShortAnswer(at)) => {
            let length = header(&head, "content-length").unwrap();
            body.truncate(at);
            head = head.replace(&format!("content-length: {length}"), &format!("content-length: {}", body.len()));
            assert_eq!(header(&head, "content-length"), Some(body.len().to_string()));
        }
        Some(Fault::SpoilAnswer(at)) => {
            if let Some(byte) = body.get_mut(at) {
                *byte ^= 1;
            }
        }
        _ => {}
    }
    client.write_all(head.as_bytes()).await?;
    client.write_all(&body).await?;
    client.shutdown().await
}

/// The head, with the empty line at its end, and what came of the body with it.
async fn until_body(from: &mut TcpStream) -> std::io::Result<(Vec<u8>, Vec<u8>)> {
    let mut read = Vec::new();
    loop {
        if let Some(end) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            let body = read.split_off(end + 4);
            return Ok((read, body));
        }
        if from.read_buf(&mut read).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn header(head: &str, name: &str) -> Option<String> {
    head.split("\r\n")
        .filter_map(|line| line.split_once(": "))
        .find_map(|(of, value)| of.eq_ignore_ascii_case(name).then(|| value.to_owned()))
}
