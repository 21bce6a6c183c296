//! A real S3 server of others (s3s-fs), on loopback, for as long as a test takes.

use std::{net::SocketAddr, path::Path, time::Duration};

use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use kubewise_backend::{BucketAddress, S3Access};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::{net::TcpListener, task::JoinHandle};

pub(crate) const BUCKET: &str = "kubewise";
/// For the halves of keys, which are nowhere where objects are.
pub(crate) const KEYS: &str = "kubewise-keys";
pub(crate) const CREDENTIALS: [&str; 2] = ["kubewise-test", "a secret of tests"];
/// Longer than any answer takes on a busy machine.
pub(crate) const PATIENT: Duration = Duration::from_secs(30);

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    root: tempfile::TempDir,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        // Already there when another test of this process was faster.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let root = tempfile::tempdir().unwrap();
        for bucket in [BUCKET, KEYS] {
            std::fs::create_dir(root.path().join(bucket)).unwrap();
        }
        let mut service = S3ServiceBuilder::new(FileSystem::new(root.path()).unwrap());
        let [id, secret] = CREDENTIALS;
        service.set_auth(SimpleAuth::from_single(id, secret));
        let service = service.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let service = service.clone();
                tokio::spawn(async move {
                    let http = auto::Builder::new(TokioExecutor::new());
                    // A connection that was cut is what some tests are about.
                    drop(http.serve_connection(TokioIo::new(socket), service).await);
                });
            }
        });
        Self { address, root, task }
    }

    pub(crate) fn access(&self) -> S3Access {
        access(self.address, PATIENT)
    }

    /// Files of uploads in parts that were neither completed nor given up.
    pub(crate) fn parts_left(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.root.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with(".upload")).collect()
    }

    /// Where its buckets are: folders, with an object a file.
    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    /// A bucket's object, as a file.
    pub(crate) fn file(&self, name: &str) -> std::path::PathBuf {
        self.root.path().join(BUCKET).join(Path::new(name))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// How a server is asked by tests.
pub(crate) fn access(at: SocketAddr, silence: Duration) -> S3Access {
    S3Access::test(&format!("http://{at}"), CREDENTIALS, silence)
}

pub(crate) fn address(prefix: &str) -> BucketAddress {
    BucketAddress::S3 { bucket: BUCKET.to_owned(), prefix: prefix.to_owned() }
}
