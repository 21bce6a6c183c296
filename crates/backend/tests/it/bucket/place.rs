//! Where a test of the whole backend has what is not in PostgreSQL: in folders; or, when it is done once more in a process of
//! its own, on an S3 server. The key store there is reached by the usual variables, as a server reaches it, and those are of a
//! process.

use std::{
    collections::HashMap,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use kubewise_backend::{
    BucketAddress, Keys, MasterKeys, S3Access, World,
    testing::{Installation, TestDatabase, TestObjects},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{
    proxy::{Fault, Head, Proxy},
    server::{CREDENTIALS, KEYS, PATIENT, Server, access, address},
};

/// Tells a process that it is the other one, and where things are.
const TOLD: &str = "KUBEWISE_TEST_PLACE";
/// What befalls the first requests of a kind: more than are repeated, so that whoever asks has to begin again; then one that
/// is done without anybody hearing of it, and one more, which is repeated.
const DISTURBANCES: [Fault; 9] = {
    let mut faults = [Fault::Status(500); 9];
    faults[7] = Fault::LoseAnswer;
    faults
};

pub(crate) struct Place {
    folder: tempfile::TempDir,
    objects: BucketAddress,
    access: S3Access,
    halves: BucketAddress,
    s3: Option<OnS3>,
}

struct OnS3 {
    /// Between this process and the server.
    proxy: Proxy,
    behind: S3Access,
    /// Where the server has its buckets.
    root: PathBuf,
}

/// Does a test once more, with its keys and its objects on an S3 server. Its name is as the harness has it.
pub(crate) async fn once_more_on_s3(test: &str) {
    let server = Server::start().await;
    // Free a moment ago: variables say it before there is somebody who listens.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let told = json!({ "port": port, "server": server.address, "root": server.root() });
    let ended = tokio::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(TOLD, told.to_string())
        .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"))
        .env("AWS_ALLOW_HTTP", "true")
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ACCESS_KEY_ID", CREDENTIALS[0])
        .env("AWS_SECRET_ACCESS_KEY", CREDENTIALS[1])
        .kill_on_drop(true)
        .status()
        .await
        .unwrap();
    assert!(ended.success(), "{test}, on an S3 server");
    // A test that there is not is none that fails.
    assert!(server.root().join(KEYS).join("halves/name").exists(), "{test} had no key store on the S3 server");
}

impl Place {
    /// Where this process is told; in folders, where it is told nothing.
    pub(crate) async fn told() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let Ok(told) = std::env::var(TOLD) else {
            return Self {
                objects: BucketAddress::Folder(folder.path().join("objects")),
                access: S3Access::default(),
                halves: BucketAddress::Folder(folder.path().join("halves")),
                s3: None,
                folder,
            };
        };
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let told: Value = serde_json::from_str(&told).unwrap();
        let server: SocketAddr = told["server"].as_str().unwrap().parse().unwrap();
        let proxy = Proxy::at(told["port"].as_u64().unwrap().try_into().unwrap(), server).await;
        Self {
            folder,
            objects: address("production"),
            access: access(proxy.address, PATIENT),
            halves: BucketAddress::S3 { bucket: KEYS.to_owned(), prefix: "halves".to_owned() },
            s3: Some(OnS3 { proxy, behind: access(server, PATIENT), root: told["root"].as_str().unwrap().into() }),
        }
    }

    pub(crate) const fn is_on_s3(&self) -> bool {
        self.s3.is_some()
    }

    /// An installation that has all it has here.
    pub(crate) async fn installation(&self) -> Installation {
        let database = TestDatabase::new().await.with_bucket(self.objects.clone(), self.access.clone());
        Installation::on(database.with_keys(self.keys()))
    }

    /// Its keys, as of a server that has just started: it remembers nothing.
    pub(crate) fn keys(&self) -> Keys {
        let world = World::system();
        let master = MasterKeys::open(&self.folder.path().join("master.key"), &world).unwrap();
        Keys::new(master, &self.halves, &world).unwrap()
    }

    /// Where objects and halves are, if that is in folders: there also names that no object has say something.
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        let of = |place: &BucketAddress| match place {
            BucketAddress::Folder(folder) => Some(folder.clone()),
            BucketAddress::S3 { .. } => None,
        };
        [&self.objects, &self.halves].into_iter().filter_map(of).collect()
    }

    /// The names of all objects.
    pub(crate) async fn objects(&self) -> Vec<String> {
        TestObjects::open(&self.objects, self.behind()).names().await.unwrap()
    }

    /// The names of all halves of keys.
    pub(crate) async fn halves(&self) -> Vec<String> {
        TestObjects::open(&self.halves, self.behind()).names().await.unwrap()
    }

    /// Without the proxy.
    fn behind(&self) -> &S3Access {
        self.s3.as_ref().map_or(&self.access, |s3| &s3.behind)
    }

    /// The file that an object is.
    pub(crate) fn object(&self, name: &str) -> PathBuf {
        match (&self.objects, &self.s3) {
            (BucketAddress::Folder(folder), _) => folder.join(name),
            (BucketAddress::S3 { bucket, prefix }, Some(s3)) => s3.root.join(bucket).join(prefix).join(name),
            (BucketAddress::S3 { .. }, None) => unreachable!("it was told where that is"),
        }
    }

    /// From now on, on an S3 server, the first requests of each kind go wrong, to each bucket. Answers how many did.
    pub(crate) fn disturb(&self) -> Arc<AtomicUsize> {
        let befallen = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&befallen);
        let mut seen: HashMap<String, usize> = HashMap::new();
        self.plan(move |head| {
            let bucket = head.target.split(['/', '?']).nth(1).unwrap_or_default();
            let kind = format!("{} {bucket} {} {}", head.method, head.is_list(), head.is_remove());
            let seen = seen.entry(kind).or_default();
            let fault = DISTURBANCES.get(*seen).copied();
            *seen += 1;
            count.fetch_add(usize::from(fault.is_some()), Ordering::SeqCst);
            fault
        });
        befallen
    }

    /// From now on, nothing goes wrong.
    pub(crate) fn calm(&self) {
        self.plan(|_| None);
    }

    /// From now on, on an S3 server, each request is asked about.
    pub(crate) fn plan(&self, plan: impl FnMut(&Head) -> Option<Fault> + Send + 'static) {
        if let Some(s3) = &self.s3 {
            s3.proxy.plan(plan);
        }
    }
}
