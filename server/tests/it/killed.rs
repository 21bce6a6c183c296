//! A server, and a rotation of its keys, that are killed at random moments while an organisation and an account are deleted,
//! a person's data is gathered and everything is wrapped anew: after a restart all of it ends as it would have. And whatever
//! was logged meanwhile, on the most talkative level, says nothing of who and what was deleted.

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use kubewise_backend::{
    World,
    database::Part,
    permission::ManageOwnership,
    testing::{Installation, Tenant, TestDatabase, keys_of},
};
use secrecy::ExposeSecret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How often each is killed.
const TIMES: usize = 20;
/// How long something may take that was broken off: jobs are looked for every few seconds.
const PATIENCE: Duration = Duration::from_mins(2);

struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        // SIGKILL: no goodbye.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Stack {
    at: Installation,
    folder: tempfile::TempDir,
    port: u16,
    databases: Vec<(String, String)>,
}

impl Stack {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = TestDatabase::new().await.with_data_of(folder.path());
        let parts = [(Part::Owner, "OWNER"), (Part::Web, "WEB"), (Part::Ingest, "INGEST"), (Part::Worker, "WORKER")];
        let databases = parts.map(|(part, name)| {
            (format!("KUBEWISE_DATABASE_URL_{name}"), database.url(part).expose_secret().to_owned())
        });
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { at: Installation::on(database), folder, port, databases: databases.to_vec() }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubewise-server"));
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        command
            .env("KUBEWISE_LISTEN", format!("127.0.0.1:{}", self.port))
            .env("KUBEWISE_DATA_DIR", self.folder.path())
            .env("KUBEWISE_LOG", "trace")
            .envs(self.databases.iter().map(|(name, url)| (name, url)))
            .stdout(Stdio::null())
            .stderr(log);
        command
    }

    fn serve(&self) -> Program {
        Program(self.command().arg("serve").spawn().unwrap())
    }

    fn rotate(&self) -> Program {
        Program(self.command().args(["admin", "rotate-keys"]).spawn().unwrap())
    }

    /// Waits until the server answers.
    async fn ready(&self) {
        let start = Instant::now();
        loop {
            let asked = async {
                let mut answer = [0; 12];
                let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await?;
                stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
                stream.read_exact(&mut answer).await?;
                Ok::<_, std::io::Error>(answer)
            };
            if asked.await.is_ok_and(|answer| answer.ends_with(b"200")) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "the server does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn count(&self, statement: &'static str) -> i64 {
        sqlx::query_scalar(statement).fetch_one(&self.at.database.superuser()).await.unwrap()
    }

    async fn until_none(&self, statement: &'static str) {
        let start = Instant::now();
        while self.count(statement).await > 0 {
            let tail = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            let tail: Vec<&str> =
                tail.lines().rev().filter(|line| line.contains("WARN") || line.contains("ERROR")).take(15).collect();
            assert!(start.elapsed() < PATIENCE, "{statement} is not 0\n{tail:#?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Something with enough in it that removing it takes a while.
    async fn filled(&self, name: &str) -> Tenant {
        let tenant = self.at.tenant(name).await;
        self.at.cluster(&tenant, &format!("cluster-of-{name}")).await;
        sqlx::query(
            "INSERT INTO resources (org_id, cluster_id, uid, kind, api_version, namespace, name, updated_at, workload, health,
               images, hash, manifest)
             SELECT org_id, id, gen_random_uuid(), 'Pod', 'v1', 'shop', 'pod-of-' || name || '-' || n, now(), true, 'healthy', '{}', '', ''
             FROM clusters, generate_series(1, 12000) n WHERE org_id = $1",
        )
        .bind(tenant.org.0)
        .execute(&self.at.database.superuser())
        .await
        .unwrap();
        tenant
    }
}

fn moment() -> Duration {
    let [a, b] = World::system().random::<2>();
    Duration::from_millis(u64::from(u16::from_be_bytes([a, b])) % 1500)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_broken_off_ends_after_a_restart_and_no_log_says_who() {
    let stack = Stack::new().await;
    let at = &stack.at;
    at.tenant("living").await;
    let mut server = stack.serve();
    stack.ready().await;
    let mut words = Vec::new();
    let mut done = 0;
    while done < TIMES {
        let name = format!("doomed{done}x{}", hex::encode(World::system().random::<3>()));
        let tenant = stack.filled(&name).await;
        let (leaving, staying) = (
            at.person(&format!("leaving-{name}@example.org")).await,
            at.person(&format!("staying-{name}@example.net")).await,
        );
        at.web.begin_authenticator(&leaving).await.unwrap();
        words.extend([
            tenant.org.to_string(),
            leaving.user_id().to_string(),
            name.clone(),
            format!("cluster-of-{name}"),
        ]);

        at.web.request_export(&staying).await.unwrap();
        at.web.request_export(&leaving).await.unwrap();
        at.web.delete_account(&leaving, &format!("leaving-{name}@example.org")).await.unwrap();
        let org = at.look::<ManageOwnership>(&tenant.owner, &tenant.slug).await.unwrap();
        at.web.delete_organisation(&org, &name, true).await.unwrap();
        let mut rotation = stack.rotate();
        tokio::time::sleep(moment()).await;
        drop(server);
        if done % 2 == 0 {
            drop(rotation);
        } else {
            let _ = rotation.0.wait();
        }
        done += 1;
        server = stack.serve();
        stack.ready().await;
        // Every other time it is killed again before it has ended.
        if done % 3 == 0 {
            tokio::time::sleep(moment()).await;
            drop(server);
            server = stack.serve();
            stack.ready().await;
        }
    }
    stack.until_none("SELECT count(*) FROM erasures WHERE ended_at IS NULL").await;
    stack.until_none("SELECT count(*) FROM exports WHERE made_at IS NULL").await;
    assert_eq!(stack.count("SELECT count(*) FROM erasures").await, 2 * i64::try_from(TIMES).unwrap());
    assert_eq!(stack.count("SELECT count(*) FROM exports").await, i64::try_from(TIMES).unwrap());
    assert_eq!(stack.count("SELECT count(*) FROM organisations WHERE slug LIKE 'doomed%'").await, 0);
    assert_eq!(stack.count("SELECT count(*) FROM resources").await, 0);
    assert_eq!(stack.count("SELECT count(*) FROM users WHERE email LIKE 'leaving%'").await, 0);

    let rotated = keys_of(stack.folder.path()).rotate(&at.database.pool(Part::Owner), false).await.unwrap();
    let wrapped: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT encode(substring(sealed FOR 4), 'hex') FROM (
           SELECT sealed FROM organisation_keys UNION ALL SELECT sealed FROM person_keys UNION ALL SELECT sealed FROM signing_keys
         ) wrapped",
    )
    .fetch_all(&at.database.superuser())
    .await
    .unwrap();
    assert_eq!((wrapped, rotated.keys), (vec![rotated.key], 1));
    // All keys of what is deleted are gone from the key store, and none of what lives.
    let names = |kind: &str| -> Vec<String> {
        let folder = stack.folder.path().join("master.key.store").join(kind);
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
    };
    let kept = names("organisations").len() + names("people").len();
    let rows =
        stack.count("SELECT (SELECT count(*) FROM organisation_keys) + (SELECT count(*) FROM person_keys)").await;
    assert_eq!(i64::try_from(kept).unwrap(), rows);
    drop(server);
    says_nothing(&stack.folder.path().join("log"), &words);
}

fn says_nothing(log: &Path, words: &[String]) {
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.len() > 1_000, "something was logged");
    for word in words {
        if let Some(line) = log.lines().find(|line| line.contains(word.as_str())) {
            panic!("the log says {word}: {line}");
        }
    }
}
