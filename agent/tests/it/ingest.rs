//! A server that follows the protocol, remembers all it was sent, and misbehaves on demand.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum_server::tls_rustls::RustlsConfig;
use bytes::Bytes;
use kubewise_protocol::{
    BatchKind, Decoder, ErrorAnswer, ErrorCode, Header, Limits, Operation, SYNC_PATH, SyncAnswer, UnreadableReason,
    group_kind,
};
use rcgen::{CertifiedKey, KeyPair};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// One request, as it came.
#[derive(Clone)]
pub(crate) struct Received {
    pub(crate) status: u16,
    pub(crate) authorization: String,
    pub(crate) body: Bytes,
    pub(crate) header: Header,
    /// Stripped objects.
    pub(crate) upserts: Vec<Box<RawValue>>,
}

impl Received {
    pub(crate) fn objects(&self) -> impl Iterator<Item = serde_json::Value> + '_ {
        self.upserts.iter().map(|json| serde_json::from_str(json.get()).unwrap())
    }

    /// All objects as they came.
    pub(crate) fn text(&self) -> String {
        self.upserts.iter().map(|json| json.get()).collect()
    }
}

/// An answer that is given in place of the right one.
#[derive(Clone)]
pub(crate) struct Canned {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<u64>,
    pub(crate) body: String,
}

impl Canned {
    pub(crate) fn error(error: ErrorCode) -> Self {
        let body = serde_json::to_string(&ErrorAnswer { error, message: "as the test wants it".to_owned() }).unwrap();
        Self { status: error.status(), retry_after: None, body }
    }

    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

struct Conversation {
    epoch: u64,
    next: u64,
    staged: HashMap<Uuid, String>,
    last_answer: Option<SyncAnswer>,
}

/// What the server remembers.
struct Memory {
    token: String,
    received: Vec<Received>,
    canned: VecDeque<Canned>,
    /// Given for every request, as long as it is set.
    always: Option<Canned>,
    objects: HashMap<Uuid, String>,
    conversation: Option<Conversation>,
    /// Added to the totals of the answer.
    lie: BTreeMap<String, u64>,
    hang: bool,
    longest_batch: usize,
}

/// The server. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Ingest {
    memory: Arc<Mutex<Memory>>,
    address: SocketAddr,
    running: Arc<Mutex<Option<Running>>>,
}

struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Ingest {
    pub(crate) async fn start(token: &str) -> Self {
        let memory = Memory {
            token: token.to_owned(),
            received: Vec::new(),
            canned: VecDeque::new(),
            always: None,
            objects: HashMap::new(),
            conversation: None,
            lie: BTreeMap::new(),
            hang: false,
            longest_batch: usize::MAX,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let ingest = Self { memory: Arc::new(Mutex::new(memory)), address, running: Arc::default() };
        ingest.listen(listener);
        ingest
    }

    /// Serves the same over TLS too; the port.
    pub(crate) async fn listen_with_tls(&self, certificate: &CertifiedKey<KeyPair>) -> u16 {
        let (cert, key) = (certificate.cert.pem(), certificate.signing_key.serialize_pem());
        let tls = RustlsConfig::from_pem(cert.into_bytes(), key.into_bytes()).await.unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = axum_server::from_tcp_rustls(listener, tls).unwrap();
        tokio::spawn(server.serve(self.router().into_make_service()));
        port
    }

    fn listen(&self, listener: TcpListener) {
        let router = self.router();
        let (stop, stopped) = oneshot::channel::<()>();
        let serve = axum::serve(listener, router).with_graceful_shutdown(async {
            let _ = stopped.await;
        });
        let task = tokio::spawn(async { serve.await.unwrap() });
        *self.running.lock().unwrap() = Some(Running { stop, task });
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Closes its port.
    pub(crate) async fn go_away(&self) {
        let Running { stop, task } = self.running.lock().unwrap().take().unwrap();
        let _ = stop.send(());
        task.await.unwrap();
    }

    /// Opens its port again.
    pub(crate) async fn come_back(&self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.listen(listener);
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.lock().received.clone()
    }

    /// Batches that were taken.
    pub(crate) fn accepted(&self) -> Vec<Received> {
        self.received().into_iter().filter(|r| r.status == 200).collect()
    }

    /// Epochs of the batches that were taken, each once.
    pub(crate) fn epochs(&self) -> Vec<u64> {
        let mut epochs: Vec<u64> = self.accepted().iter().map(|r| r.header.epoch).collect();
        epochs.dedup();
        epochs
    }

    /// The header that came last.
    pub(crate) fn last_header(&self) -> Option<Header> {
        self.lock().received.last().map(|r| r.header.clone())
    }

    /// What the server holds.
    pub(crate) fn totals(&self) -> BTreeMap<String, u64> {
        totals(&self.lock().objects)
    }

    pub(crate) fn holds(&self, uid: Uuid) -> bool {
        self.lock().objects.contains_key(&uid)
    }

    /// True once a full synchronisation is complete.
    pub(crate) fn is_synchronised(&self) -> bool {
        self.accepted().iter().any(|r| r.header.kind == BatchKind::Full && r.header.last)
    }

    pub(crate) fn answer_once(&self, canned: Canned) {
        self.lock().canned.push_back(canned);
    }

    pub(crate) fn answer_always(&self, canned: Option<Canned>) {
        self.lock().always = canned;
    }

    pub(crate) fn set_token(&self, token: &str) {
        token.clone_into(&mut self.lock().token);
    }

    /// Claims to hold this much more than it does.
    pub(crate) fn lie(&self, kind: &str, more: u64) {
        self.lock().lie.insert(kind.to_owned(), more);
    }

    /// Answers nothing.
    pub(crate) fn hang(&self) {
        self.lock().hang = true;
    }

    /// Takes no longer batches, in compressed bytes.
    pub(crate) fn longest_batch(&self, bytes: usize) {
        self.lock().longest_batch = bytes;
    }

    /// Forgets the conversation, not the objects.
    pub(crate) fn forget_conversation(&self) {
        self.lock().conversation = None;
    }

    fn router(&self) -> Router {
        Router::new()
            .route(SYNC_PATH, post(sync))
            .layer(DefaultBodyLimit::max(256 << 20))
            .with_state(Arc::clone(&self.memory))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Memory> {
        self.memory.lock().unwrap()
    }
}

fn totals(objects: &HashMap<Uuid, String>) -> BTreeMap<String, u64> {
    let mut totals = BTreeMap::new();
    for kind in objects.values() {
        *totals.entry(kind.clone()).or_insert(0) += 1;
    }
    totals
}

async fn sync(State(memory): State<Arc<Mutex<Memory>>>, headers: HeaderMap, body: Bytes) -> Response {
    if memory.lock().unwrap().hang {
        std::future::pending::<()>().await;
    }
    assert_eq!(headers["content-type"], "application/x-ndjson");
    assert_eq!(headers["content-encoding"], "zstd");
    let authorization = headers["authorization"].to_str().unwrap().to_owned();
    let (header, upserts, deletes) = decode(&body);
    let mut memory = memory.lock().unwrap();
    let canned = memory.always.clone().or_else(|| memory.canned.pop_front());
    let answer = match canned {
        Some(canned) => Err(canned),
        None => memory.take(&authorization, &header, &upserts, &deletes, body.len()),
    };
    let status = answer.as_ref().map_or_else(|canned| canned.status, |_| 200);
    memory.received.push(Received { status, authorization, body, header, upserts });
    match answer {
        Ok(answer) => axum::Json(answer).into_response(),
        Err(Canned { status, retry_after, body }) => {
            let mut response = Response::new(Body::from(body));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            if let Some(seconds) = retry_after {
                response.headers_mut().insert("retry-after", seconds.into());
            }
            response
        }
    }
}

fn decode(body: &[u8]) -> (Header, Vec<Box<RawValue>>, Vec<Uuid>) {
    let mut decoder = Decoder::new(body, Limits::default()).unwrap();
    let (mut upserts, mut deletes) = (Vec::new(), Vec::new());
    while let Some(operation) = decoder.next_operation().unwrap() {
        match operation {
            Operation::Upsert(json) => upserts.push(json),
            Operation::Delete(uid) => deletes.push(uid),
        }
    }
    (decoder.header().clone(), upserts, deletes)
}

impl Memory {
    /// What a server does with a batch.
    fn take(
        &mut self,
        authorization: &str,
        header: &Header,
        upserts: &[Box<RawValue>],
        deletes: &[Uuid],
        length: usize,
    ) -> Result<SyncAnswer, Canned> {
        if authorization != format!("Bearer {}", self.token) {
            return Err(Canned::error(ErrorCode::Unauthorized));
        }
        if length > self.longest_batch {
            return Err(Canned::error(ErrorCode::TooLarge));
        }
        if header.kind == BatchKind::Full && header.seq == 0 {
            let (epoch, staged) = (header.epoch, HashMap::new());
            self.conversation = Some(Conversation { epoch, next: 0, staged, last_answer: None });
        }
        let conversation = match &mut self.conversation {
            Some(conversation) if conversation.epoch == header.epoch => conversation,
            _ => return Err(Canned::error(ErrorCode::NewEpoch)),
        };
        if header.seq + 1 == conversation.next
            && let Some(answer) = &conversation.last_answer
        {
            return Ok(answer.clone());
        }
        if header.seq != conversation.next {
            return Err(Canned::error(ErrorCode::NewEpoch));
        }
        conversation.next += 1;
        let target = match header.kind {
            BatchKind::Full => &mut conversation.staged,
            BatchKind::Delta | BatchKind::Heartbeat => &mut self.objects,
        };
        for object in upserts {
            let (uid, kind) = identity(object);
            target.insert(uid, kind);
        }
        for uid in deletes {
            target.remove(uid);
        }
        let unreadable = |kind: &str, reason| header.unreadable.iter().any(|u| u.kind == kind && u.reason == reason);
        if header.kind == BatchKind::Full && header.last {
            let staged = std::mem::take(&mut conversation.staged);
            self.objects.retain(|_, kind| unreadable(kind, UnreadableReason::Unavailable));
            self.objects.extend(staged);
        }
        if header.last {
            self.objects.retain(|_, kind| !unreadable(kind, UnreadableReason::Forbidden));
        }
        let mut totals = totals(&self.objects);
        for (kind, more) in &self.lie {
            *totals.entry(kind.clone()).or_insert(0) += more;
        }
        let answer = SyncAnswer { epoch: header.epoch, seq: header.seq, totals, heartbeat_seconds: 1 };
        conversation.last_answer = Some(answer.clone());
        Ok(answer)
    }
}

fn identity(object: &RawValue) -> (Uuid, String) {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Identity {
        api_version: String,
        kind: String,
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    struct Metadata {
        uid: Uuid,
    }
    let Identity { api_version, kind, metadata } = serde_json::from_str(object.get()).unwrap();
    let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
    (metadata.uid, group_kind(group, &kind))
}
