//! The real programs, killed at random moments: readers always see one whole state, and afterwards the totals are right
//! without anybody's help. And what must never leave a cluster is nowhere afterwards.
//!
//! These tests run the agent too, so they need its program beside the server's (`cargo build -p kubewise-agent`); xtask
//! builds it before it runs the tests.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use kubewise_backend::{
    Bucket, BucketAddress, PasswordPolicy, SignUpPolicy, Web, World,
    database::{Part, Target, migrate},
    testing::{TestDatabase, keys_of},
};
use kubewise_protocol::KINDS;
use kubewise_sample_cluster::{SampleCluster, ServeHandle};
use kubewise_server::postgres::Embedded;
use secrecy::ExposeSecret;
use sqlx::PgPool;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const KILLS: usize = 20;
const PATIENCE: Duration = Duration::from_mins(1);

/// A program that is killed with the test.
struct Program(Child);

impl Program {
    fn kill(&mut self) {
        // SIGKILL: no goodbye.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

struct Stack {
    /// What tells the server where PostgreSQL is: nothing when it is to start its own.
    databases: Vec<(String, String)>,
    folder: tempfile::TempDir,
    port: u16,
    cluster: SampleCluster,
    api: ServeHandle,
    kubeconfig: PathBuf,
    token: PathBuf,
    superuser: PgPool,
}

impl Stack {
    /// On a database of the PostgreSQL of the tests.
    async fn new(cluster: SampleCluster) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = TestDatabase::new().await.with_data_of(folder.path());
        let parts = [(Part::Owner, "OWNER"), (Part::Web, "WEB"), (Part::Ingest, "INGEST"), (Part::Worker, "WORKER")];
        let databases = parts.map(|(part, name)| {
            (format!("KUBEWISE_DATABASE_URL_{name}"), database.url(part).expose_secret().to_owned())
        });
        let web = database.web(&World::system());
        Self::with(cluster, folder, databases.to_vec(), database.superuser(), &web).await
    }

    /// On a PostgreSQL that the server starts itself, as it does where none is given; and where that is.
    async fn embedded(cluster: SampleCluster) -> (Self, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        // PostgreSQL refuses root, and must reach its folder as somebody else.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let embedded = Embedded::start(folder.path(), false).await.unwrap();
        let urls = embedded.urls();
        let superuser = Target::as_given(&embedded.superuser_url()).unwrap();
        migrate(&superuser, &Target::new(&urls.owner, Part::Owner).unwrap()).await.unwrap();
        let world = World::system();
        let passwords = PasswordPolicy::new(&world, 1).unwrap();
        let keys = keys_of(folder.path());
        let objects = BucketAddress::Folder(folder.path().join("objects"));
        let bucket = Bucket::open(&objects, keys.clone()).unwrap();
        let pool = Target::new(&urls.web, Part::Web).unwrap().pool(2);
        let web = Web::new(pool, world.clone(), passwords, keys, bucket, SignUpPolicy::Open);
        let data = folder.path().join("postgres/data");
        (Self::with(cluster, folder, Vec::new(), superuser.pool(2), &web).await, data)
    }

    async fn with(
        cluster: SampleCluster,
        folder: tempfile::TempDir,
        databases: Vec<(String, String)>,
        superuser: PgPool,
        web: &Web,
    ) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let api = cluster.serve(0).await.unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        std::fs::write(&kubeconfig, cluster.kubeconfig(api.addr)).unwrap();
        let request = kubewise_backend::SignUp {
            name: kubewise_contract::PersonName::parse("Maya Duran").unwrap(),
            email: kubewise_contract::EmailAddress::parse("maya@example.com").unwrap(),
            password: "correct horse battery staple".to_owned().into(),
            organisation: kubewise_contract::OrganisationName::parse("Acme").unwrap(),
            place: "this machine".to_owned(),
        };
        let made = web.sign_up(request).await.unwrap();
        let actor = web.actor(made.user).await.unwrap().unwrap();
        let org = web.organisation(&actor, made.slug.as_ref().unwrap()).await.unwrap();
        let (_, secret) = web.add_cluster(&org, &kubewise_contract::ClusterName::parse("prod").unwrap()).await.unwrap();
        let token = folder.path().join("token");
        std::fs::write(&token, secret.expose_secret()).unwrap();
        Self { databases, folder, port, cluster, api, kubeconfig, token, superuser }
    }

    fn log(&self, name: &str) -> Stdio {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join(name)).unwrap();
        file.into()
    }

    fn server(&self) -> Program {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubewise-server"));
        command
            .arg("serve")
            .env("KUBEWISE_LISTEN", format!("127.0.0.1:{}", self.port))
            .env("KUBEWISE_DATA_DIR", self.folder.path())
            .env("KUBEWISE_LOG", "trace");
        command.envs(self.databases.iter().map(|(name, url)| (name, url)));
        Program(command.stdout(Stdio::null()).stderr(self.log("server.log")).spawn().unwrap())
    }

    fn agent(&self) -> Program {
        let program = Path::new(env!("CARGO_BIN_EXE_kubewise-server")).with_file_name("kubewise-agent");
        assert!(program.exists(), "build the agent first: cargo build -p kubewise-agent");
        let mut command = Command::new(program);
        command
            .arg("run")
            .env("KUBEWISE_SERVER", format!("http://127.0.0.1:{}", self.port))
            .env("KUBEWISE_TOKEN_FILE", &self.token)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("KUBEWISE_HEALTH_LISTEN", "127.0.0.1:0")
            .env("KUBEWISE_SYNC_INTERVAL", "1")
            .env("KUBEWISE_LOG", "trace");
        Program(command.stdout(Stdio::null()).stderr(self.log("agent.log")).spawn().unwrap())
    }

    /// What the API serves of the kinds that the agent reads.
    fn served(&self) -> BTreeMap<String, i64> {
        let read: Vec<String> = KINDS.iter().map(kubewise_protocol::WatchedKind::group_kind).collect();
        let totals = self.cluster.totals().into_iter().filter(|(kind, _)| read.contains(kind));
        totals.map(|(kind, count)| (kind, i64::try_from(count).unwrap())).collect()
    }

    /// What readers see, counted from the objects and as the pages count: both must be of one whole state.
    async fn seen(&self) -> BTreeMap<String, i64> {
        let mut tx = self.superuser.begin().await.unwrap();
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").execute(&mut *tx).await.unwrap();
        let counted: Vec<(String, i64)> =
            sqlx::query_as("SELECT kind, count(*) FROM resources GROUP BY kind").fetch_all(&mut *tx).await.unwrap();
        let kept: Vec<(String, i64)> =
            sqlx::query_as("SELECT kind, count FROM cluster_kinds").fetch_all(&mut *tx).await.unwrap();
        let counted: BTreeMap<_, _> = counted.into_iter().collect();
        assert_eq!(counted, kept.into_iter().collect(), "the counts are of another state than the objects");
        counted
    }

    async fn wait_for(&self, expected: &BTreeMap<String, i64>) {
        let start = Instant::now();
        loop {
            let seen = self.seen().await;
            if seen == *expected {
                return;
            }
            let tail = |name| {
                let log = std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
                log.lines().rev().take(15).collect::<Vec<_>>().join("\n")
            };
            assert!(
                start.elapsed() < PATIENCE,
                "seen {seen:?}\nexpected {expected:?}\n{}\n{}",
                tail("server.log"),
                tail("agent.log")
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the server answers, which it does once the schema is up to date.
    async fn ready(&self) {
        let start = Instant::now();
        loop {
            let mut answer = [0; 12];
            let asked = async {
                let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await?;
                stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
                stream.read_exact(&mut answer).await
            };
            let asked = tokio::time::timeout(Duration::from_secs(1), asked).await;
            if matches!(asked, Ok(Ok(_))) && answer.ends_with(b" 200") {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "the server does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Fails when something between two whole states is seen.
    async fn one_whole_state(&self, states: &[BTreeMap<String, i64>]) {
        let seen = self.seen().await;
        assert!(states.contains(&seen), "half a state is seen: {seen:?}");
    }
}

fn random(below: u64) -> u64 {
    u64::from_le_bytes(World::system().random()) % below
}

#[tokio::test]
async fn the_server_and_the_agent_may_be_killed_at_any_moment() {
    // Some 5,000 objects: a full synchronisation of several batches.
    let stack = Stack::new(SampleCluster::generated(2_000, 7)).await;
    let whole = stack.served();
    let states = [BTreeMap::new(), whole.clone()];
    let mut server = stack.server();
    for round in 0..KILLS {
        // A fresh agent begins with a full synchronisation; until the first one is through, nothing is seen.
        let mut agent = stack.agent();
        tokio::time::sleep(Duration::from_millis(random(1_500))).await;
        if round % 2 == 0 {
            server.kill();
            stack.one_whole_state(&states).await;
            server = stack.server();
            tokio::time::sleep(Duration::from_millis(random(1_500))).await;
        }
        agent.kill();
        stack.one_whole_state(&states).await;
    }
    let _agent = stack.agent();
    stack.wait_for(&whole).await;
}

#[tokio::test]
async fn postgresql_may_end_every_connection_at_any_moment() {
    let stack = Stack::new(SampleCluster::generated(1_000, 8)).await;
    let whole = stack.served();
    let states = [BTreeMap::new(), whole.clone()];
    let _server = stack.server();
    // A server that is cut off while it begins says so and ends, as it should.
    stack.ready().await;
    let _agent = stack.agent();
    for _ in 0..KILLS {
        tokio::time::sleep(Duration::from_millis(random(400))).await;
        // What the programs see when somebody restarts a PostgreSQL that is not ours.
        sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .execute(&stack.superuser)
        .await
        .unwrap();
        stack.one_whole_state(&states).await;
    }
    stack.wait_for(&whole).await;
}

/// SIGKILL: PostgreSQL recovers from its log, and what was staged is gone. The server starts it again.
#[tokio::test]
async fn postgresql_may_be_killed_at_any_moment() {
    let (stack, data) = Stack::embedded(SampleCluster::generated(2_000, 9)).await;
    let whole = stack.served();
    let states = [BTreeMap::new(), whole.clone()];
    let mut server = stack.server();
    for _ in 0..KILLS {
        // A fresh agent begins with a full synchronisation.
        let mut agent = stack.agent();
        tokio::time::sleep(Duration::from_millis(random(2_000))).await;
        let pid = main_process(&data).unwrap();
        assert!(Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
        wait_until_back(&stack.superuser, &data, &pid).await;
        stack.one_whole_state(&states).await;
        agent.kill();
    }
    let mut agent = stack.agent();
    stack.wait_for(&whole).await;
    agent.kill();
    server.kill();
    // Nobody else uses it any more.
    stack.superuser.close().await;
    Embedded::start(stack.folder.path(), false).await.unwrap().stop().await.unwrap();
}

/// The process of PostgreSQL that started all its others.
fn main_process(data: &Path) -> Option<String> {
    let text = std::fs::read_to_string(data.join("postmaster.pid")).ok()?;
    Some(text.lines().next()?.trim().to_owned())
}

/// Waits for another PostgreSQL than the one that was killed.
async fn wait_until_back(pool: &PgPool, data: &Path, killed: &str) {
    let start = Instant::now();
    loop {
        let there = main_process(data).is_some_and(|pid| pid != killed);
        if there && sqlx::query("SELECT 1").execute(pool).await.is_ok() {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "PostgreSQL was not started again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Everything that is stored, as text: each table, and each manifest unpacked.
async fn everything_stored(pool: &PgPool) -> String {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('public', 'apalis')",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut text = String::new();
    for table in tables {
        let statement = format!("SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} t");
        text += &sqlx::query_scalar::<_, String>(sqlx::AssertSqlSafe(statement)).fetch_one(pool).await.unwrap();
    }
    let manifests: Vec<Vec<u8>> = sqlx::query_scalar("SELECT manifest FROM resources").fetch_all(pool).await.unwrap();
    for manifest in manifests {
        text += &String::from_utf8(zstd::bulk::decompress(&manifest, 8 << 20).unwrap()).unwrap();
    }
    text
}

#[tokio::test]
async fn a_days_events_arrive_and_the_password_among_them_does_not() {
    const PASSWORD: &str = "hunter2";
    let stack = Stack::new(SampleCluster::bundled().unwrap()).await;
    let _server = stack.server();
    let mut agent = stack.agent();
    stack.wait_for(&stack.served()).await;
    stack.cluster.a_days_events();
    stack.wait_for(&stack.served()).await;
    agent.kill();
    let stored = everything_stored(&stack.superuser).await;
    assert!(stored.contains("apiVersion") && stored.len() > 100_000, "the search has something to search in");
    assert!(!stored.contains(PASSWORD), "the database holds it");
    for log in ["server.log", "agent.log"] {
        let text = std::fs::read_to_string(stack.folder.path().join(log)).unwrap();
        assert!(text.contains("INFO"), "{log} is a log");
        assert!(!text.contains(PASSWORD), "{log} holds the password");
        let token = std::fs::read_to_string(&stack.token).unwrap();
        assert!(!text.contains(&token), "{log} holds the token");
    }
    let asked: Vec<String> = stack.cluster.requests().into_iter().map(|r| r.resource).collect();
    assert!(!asked.is_empty() && !asked.iter().any(|r| r == "secrets" || r == "configmaps"));
}

/// Recordings of a real cluster, where they are at hand.
#[tokio::test]
async fn recordings_arrive_whole_one_day_after_the_other() {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/clusters");
    let folder = std::env::var_os("KUBEWISE_CLUSTERS_DIR").map_or_else(|| default.into(), PathBuf::from);
    if !folder.join("acme-prod-day1").is_dir() {
        eprintln!("left out: no recordings in {}", folder.display());
        return;
    }
    let stack = Stack::new(SampleCluster::recording(&folder.join("acme-prod-day1")).unwrap()).await;
    let _server = stack.server();
    let _agent = stack.agent();
    let day1 = stack.served();
    stack.wait_for(&day1).await;
    stack.cluster.become_recording(&folder.join("acme-prod-day2")).unwrap();
    let day2 = stack.served();
    assert_ne!(day1, day2);
    stack.wait_for(&day2).await;
    let names: i64 = sqlx::query_scalar("SELECT count(*) FROM resources").fetch_one(&stack.superuser).await.unwrap();
    assert_eq!(names, day2.values().sum::<i64>());
    assert!(
        !everything_stored(&stack.superuser).await.contains("hunter2"),
        "the database holds the debug pod's password"
    );
}

/// How many of each severity, by image: counted over what the Kubernetes API serves, by other means than the server's.
async fn counted(stack: &Stack) -> BTreeMap<String, [i64; 5]> {
    let url = format!("http://{}/apis/aquasecurity.github.io/v1alpha1/vulnerabilityreports", stack.api.addr);
    let client = reqwest::Client::builder().build().unwrap();
    let list: serde_json::Value = client.get(url).send().await.unwrap().json().await.unwrap();
    let mut newest: BTreeMap<String, &serde_json::Value> = BTreeMap::new();
    for item in list["items"].as_array().unwrap() {
        let report = &item["report"];
        let text = |pointer: &str| report.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or_default();
        let end = if text("/artifact/tag").is_empty() {
            format!("@{}", text("/artifact/digest"))
        } else {
            format!(":{}", text("/artifact/tag"))
        };
        let server = text("/registry/server").replace("index.docker.io", "docker.io");
        let image = format!("{server}/{}{end}", text("/artifact/repository"));
        let time = |report: &serde_json::Value| report["updateTimestamp"].as_str().unwrap_or_default().to_owned();
        if newest.get(&image).is_none_or(|other| time(other) < time(report)) {
            newest.insert(image, report);
        }
    }
    newest
        .into_iter()
        .map(|(image, report)| {
            let mut counts = [0; 5];
            for one in report["vulnerabilities"].as_array().unwrap() {
                let order = ["CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN"];
                counts[order.iter().position(|severity| one["severity"] == *severity).unwrap()] += 1;
            }
            (image, counts)
        })
        .collect()
}

/// The same, as the server has it.
async fn known(stack: &Stack) -> BTreeMap<String, [i64; 5]> {
    let rows: Vec<(String, i64, i64, i64, i64, i64)> =
        sqlx::query_as("SELECT key, critical, high, medium, low, unknown FROM image_scans")
            .fetch_all(&stack.superuser)
            .await
            .unwrap();
    rows.into_iter().map(|(key, a, b, c, d, e)| (key, [a, b, c, d, e])).collect()
}

#[tokio::test]
async fn reports_of_the_sample_cluster_arrive_and_are_counted_right() {
    let stack = Stack::new(SampleCluster::bundled().unwrap()).await;
    let _server = stack.server();
    let _agent = stack.agent();
    stack.wait_for(&stack.served()).await;
    let counted = counted(&stack).await;
    assert!(counted.len() >= 10 && counted.values().any(|counts| counts[0] > 0), "{counted:?}");
    assert_eq!(known(&stack).await, counted);
    // They are about what runs.
    let unused: Vec<String> = sqlx::query_scalar(
        "SELECT key FROM image_scans s WHERE NOT EXISTS (SELECT FROM cluster_images i WHERE i.key = s.key)",
    )
    .fetch_all(&stack.superuser)
    .await
    .unwrap();
    assert_eq!(unused, [""; 0]);
    let kept: Vec<Vec<u8>> =
        sqlx::query_scalar("SELECT manifest FROM resources WHERE kind LIKE 'VulnerabilityReport.%'")
            .fetch_all(&stack.superuser)
            .await
            .unwrap();
    for manifest in kept {
        let text = String::from_utf8(zstd::bulk::decompress(&manifest, 8 << 20).unwrap()).unwrap();
        assert!(!text.contains("\"links\"") && !text.contains("\"target\""), "{text}");
    }
}

/// The recorded cluster has Trivy Operator's kinds and no report; here it gets one on each of its images.
#[tokio::test]
async fn reports_on_recorded_images_arrive_and_are_counted_right() {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/clusters");
    let folder = std::env::var_os("KUBEWISE_CLUSTERS_DIR").map_or_else(|| default.into(), PathBuf::from);
    if !folder.join("acme-prod-day1").is_dir() {
        eprintln!("left out: no recordings in {}", folder.display());
        return;
    }
    let stack = Stack::new(SampleCluster::recording(&folder.join("acme-prod-day1")).unwrap()).await;
    let _server = stack.server();
    let _agent = stack.agent();
    stack.wait_for(&stack.served()).await;
    assert_eq!(known(&stack).await, BTreeMap::new(), "recorded without reports");
    let keys: Vec<String> =
        sqlx::query_scalar("SELECT DISTINCT key FROM cluster_images").fetch_all(&stack.superuser).await.unwrap();
    assert!(keys.len() > 10);
    for (n, key) in keys.iter().enumerate() {
        let (server, rest) = key.split_once('/').unwrap();
        let artifact = match (rest.split_once('@'), rest.rsplit_once(':')) {
            (Some((repository, digest)), _) => serde_json::json!({"repository": repository, "digest": digest}),
            (None, Some((repository, tag))) => serde_json::json!({"repository": repository, "tag": tag}),
            (None, None) => panic!("{key}"),
        };
        let order = ["CRITICAL", "HIGH", "MEDIUM", "LOW", "UNKNOWN"];
        let vulnerabilities: Vec<_> = (0..n * 7)
            .map(|one| {
                serde_json::json!({"vulnerabilityID": format!("CVE-2026-{one}"), "severity": order[(one + n) % 5],
                    "resource": "lib", "installedVersion": "1", "fixedVersion": "", "title": "t", "links": ["https://a.example"],
                    "description": "d".repeat(500), "target": ""})
            })
            .collect();
        let report = serde_json::json!({
            "apiVersion": "aquasecurity.github.io/v1alpha1", "kind": "VulnerabilityReport",
            "metadata": {"name": format!("pod-{n}-main"), "namespace": "default"},
            "report": {
                "updateTimestamp": "2026-11-20T08:00:00Z", "scanner": {"name": "Trivy", "version": "0.67.2"},
                "registry": {"server": server.replace("docker.io", "index.docker.io")}, "artifact": artifact,
                "vulnerabilities": vulnerabilities,
            },
        });
        stack.cluster.upsert(report).unwrap();
    }
    stack.wait_for(&stack.served()).await;
    let counted = counted(&stack).await;
    assert_eq!(counted.len(), keys.len());
    assert_eq!(known(&stack).await, counted);
}
