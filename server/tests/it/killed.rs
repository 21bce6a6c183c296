//! A server, and a rotation of its keys, that are killed at random moments while accounts, clusters and organisations are
//! deleted, people's data is gathered and everything is wrapped anew, each often enough amidst: after a restart all of it ends
//! as it would have. Of who and what was deleted nothing is anywhere then, and whatever was logged meanwhile, on the most
//! talkative level, says nothing of them either.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use futures::{StreamExt, TryStreamExt};
use kubewise_backend::{
    Actor, SignedCertificate, Web, World,
    database::Part,
    permission::{ManageClusters, ManageOwnership, ViewActivity, ViewOrganisation},
    testing::{Installation, Tenant, TestDatabase, keys_of},
};
use kubewise_contract::{ClusterId, OrganisationName, Role, UserId, Verdict};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::AssertSqlSafe;

/// How often each is killed while it is under way.
const TIMES: usize = 20;
/// What is deleted, as its rows call it.
const DELETIONS: [&str; 3] = ["account", "cluster", "organisation"];
const EXPORT: &str = "export";
const ROTATION: &str = "rotation";
/// Kills after which it must have been so.
const MOST_KILLS: usize = 6 * TIMES;
/// How long something may take that was broken off: it is tried again after a fourth of its age, so that what was asked for
/// first waits longest.
const PATIENCE: Duration = Duration::from_mins(2);
/// What every name and address has in it that must be found nowhere afterwards.
const DOOMED: &str = "doomed";
/// How much there is of what is deleted, gathered and wrapped anew: enough for each to take longer than it is waited for
/// before a kill.
const OBJECTS: usize = 6_000;
const FILES: usize = 150;
const BROWSERS: i32 = 3_000;
const PEOPLE: i32 = 200;

struct Program(Child);

impl Program {
    fn is_running(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SIGKILL: no goodbye.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Stack {
    at: Installation,
    /// With a clock that goes: what is asked for is tried again by its age.
    web: Web,
    living: Tenant,
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
        let web = database.web(&World::system());
        let at = Installation::on(database);
        let living = at.tenant("living").await;
        Self { at, web, living, folder, port, databases: databases.to_vec() }
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

    async fn count(&self, statement: &'static str) -> i64 {
        sqlx::query_scalar(statement).fetch_one(&self.at.database.superuser()).await.unwrap()
    }

    async fn behind(&self, statement: &str, id: uuid::Uuid) {
        let query = sqlx::query(AssertSqlSafe(statement)).bind(id);
        query.execute(&self.at.database.superuser()).await.unwrap();
    }

    /// What of the log is a complaint, for who waits in vain.
    fn complaints(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let complaints = log.lines().rev().filter(|line| line.contains("WARN") || line.contains("ERROR"));
        complaints.take(15).map(str::to_owned).collect()
    }

    async fn until_none(&self, statement: &'static str) {
        let start = Instant::now();
        while self.count(statement).await > 0 {
            assert!(start.elapsed() < PATIENCE, "{statement} is not 0\n{:#?}", self.complaints());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// What is being done just now: who does it holds a lock of its name. A deletion has begun to remove something, too.
    async fn under_way(&self) -> Vec<String> {
        sqlx::query_scalar(
            "SELECT DISTINCT kind FROM (
               SELECT kind, 'kubewise erasure ' || id AS name FROM erasures WHERE begun_at IS NOT NULL AND ended_at IS NULL
               UNION ALL SELECT 'export', 'kubewise export ' || id FROM exports WHERE made_at IS NULL
               UNION ALL SELECT 'rotation', 'kubewise rotation'
             ) work JOIN pg_locks ON locktype = 'advisory' AND granted AND objsubid = 1
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
               AND ((classid::bigint << 32) | objid::bigint) = hashtextextended(name, 0)",
        )
        .fetch_all(&self.at.database.superuser())
        .await
        .unwrap()
    }

    /// Waits until this is being done, or `is_over`.
    async fn until_under_way(&self, kind: &str, mut is_over: impl FnMut() -> bool) {
        let start = Instant::now();
        while !self.under_way().await.iter().any(|one| one == kind) && !is_over() {
            assert!(start.elapsed() < PATIENCE, "{kind} does not begin\n{:#?}", self.complaints());
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
    }

    /// People who stay, each with a key that is wrapped anew.
    async fn people(&self) -> Vec<Actor> {
        let ids: Vec<uuid::Uuid> = sqlx::query_scalar(
            "INSERT INTO users (id, name, email, email_canonical, email_verified_at, created_at)
             SELECT gen_random_uuid(), 'Person', 'person-' || n || '@example.net', 'person-' || n || '@example.net', now(), now()
             FROM generate_series(1, $1) n RETURNING id",
        )
        .bind(PEOPLE)
        .fetch_all(&self.at.database.superuser())
        .await
        .unwrap();
        let made = futures::stream::iter(ids).map(async |id| {
            let person = self.at.actor(UserId(id)).await;
            self.web.begin_authenticator(&person).await.unwrap();
            person
        });
        made.buffer_unordered(6).collect().await
    }

    /// A cluster with enough in it that removing it takes a while.
    async fn cluster(&self, tenant: &Tenant, name: &str) -> ClusterId {
        let cluster = self.at.cluster(tenant, name).await;
        let query = sqlx::query(
            "INSERT INTO resources (org_id, cluster_id, uid, kind, api_version, namespace, name, updated_at, workload, health,
               images, hash, manifest)
             SELECT org_id, id, gen_random_uuid(), 'Pod', 'v1', 'shop', 'pod-of-' || name || '-' || n, now(), true, 'healthy', '{}', '', ''
             FROM clusters, generate_series(1, $2) n WHERE id = $1",
        );
        let objects = i32::try_from(OBJECTS).unwrap();
        query.bind(cluster.0).bind(objects).execute(&self.at.database.superuser()).await.unwrap();
        self.store(&format!("{}/{cluster}/audits", tenant.org));
        cluster
    }

    /// Puts objects into the bucket: evidence of many audits, or exports.
    fn store(&self, folder: &str) {
        let folder = self.at.database.objects().join(folder);
        for number in 0..FILES {
            let folder = folder.join(number.to_string());
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("evidence"), b"what nobody opens").unwrap();
        }
    }

    /// Makes something to be deleted. Its ids are added to `ids`; its names have [`DOOMED`] in them.
    async fn make(&self, kind: &str, name: &str, ids: &mut Vec<String>) -> Doomed {
        match kind {
            "account" => {
                let address = format!("{name}@example.org");
                let person = self.at.person(&address).await;
                let user = person.user_id();
                self.at.join(&self.living, &person, Role::Admin, None).await;
                self.web.begin_authenticator(&person).await.unwrap();
                let waiver = "INSERT INTO waivers (org_id, id, rule, reason, owner, requested_at, requested_by)
                              SELECT org_id, gen_random_uuid(), 'pss-host-pid', 'ask ' || email, email, now(), user_id
                              FROM memberships JOIN users ON users.id = user_id WHERE user_id = $1";
                self.behind(waiver, user.0).await;
                self.store(&format!("people/{user}"));
                ids.push(user.to_string());
                Doomed::Account(self.at.actor(user).await, address)
            }
            "cluster" => {
                let cluster = self.cluster(&self.living, name).await;
                // These are called after the cluster by who fills tables, and are about none.
                for table in ["billing_letters", "billing_differences", "invoices"] {
                    self.behind(&format!("DELETE FROM {table} WHERE org_id = $1"), self.living.org.0).await;
                }
                ids.push(cluster.to_string());
                Doomed::Cluster(cluster)
            }
            _ => {
                let owner = self.living.owner.clone();
                // Nobody makes so many in a day.
                sqlx::query("TRUNCATE attempts").execute(&self.at.database.superuser()).await.unwrap();
                let called = OrganisationName::parse(name).unwrap();
                let slug = self.web.create_organisation(&owner, &called).await.unwrap();
                let org = self.at.look::<ViewOrganisation>(&owner, &slug).await.unwrap().id;
                let tenant = Tenant { org, slug, owner };
                let cluster = self.cluster(&tenant, &format!("cluster-of-{name}")).await;
                ids.extend([org.to_string(), cluster.to_string()]);
                Doomed::Organisation(tenant, name.to_owned())
            }
        }
    }

    async fn delete(&self, doomed: &Doomed) {
        match doomed {
            Doomed::Account(person, address) => drop(self.web.delete_account(person, address).await.unwrap()),
            Doomed::Cluster(cluster) => {
                let Tenant { owner, slug, .. } = &self.living;
                let cluster = self.web.cluster::<ManageClusters>(owner, slug, *cluster).await.unwrap();
                self.web.delete_cluster(&cluster).await.unwrap();
            }
            Doomed::Organisation(tenant, name) => {
                let org = self.web.organisation::<ManageOwnership>(&tenant.owner, &tenant.slug).await.unwrap();
                drop(self.web.delete_organisation(&org, name, true).await.unwrap());
            }
        }
    }

    /// Somebody of whom there is so much that gathering it takes a while.
    async fn asker(&self, number: usize) -> Actor {
        let person = self.at.person(&format!("staying-{number}@example.net")).await;
        let query = sqlx::query(
            "INSERT INTO known_browsers SELECT $1, sha256(n::text::bytea), now(), now() FROM generate_series(1, $2) n",
        );
        let query = query.bind(person.user_id().0).bind(BROWSERS);
        query.execute(&self.at.database.superuser()).await.unwrap();
        person
    }

    /// Takes what somebody asked for about themselves, by a link of our own: the one in the mail is known to the mail alone.
    async fn take(&self, who: &Actor) {
        let link = hex::encode(World::system().random::<16>());
        let query = sqlx::query("UPDATE exports SET hash = $2 WHERE user_id = $1 AND used_at IS NULL");
        let query = query.bind(who.user_id().0).bind(Sha256::digest(link.as_bytes()).to_vec());
        assert_eq!(query.execute(&self.at.database.superuser()).await.unwrap().rows_affected(), 1);
        let pieces: Vec<_> = self.web.take_export(who, &link.into()).await.unwrap().try_collect().await.unwrap();
        assert!(pieces.concat().starts_with(b"PK"), "a whole archive");
    }

    /// Where somebody is named still: in which rows of which tables, the queue's too, and in which names and contents of files.
    async fn found(&self, named: &Named) -> Vec<String> {
        let behind = self.at.database.superuser();
        let mut found = Vec::new();
        for table in self.at.database.tables().await {
            let statement = AssertSqlSafe(format!("SELECT t::text FROM {table} t"));
            let mut rows = sqlx::query_scalar::<_, String>(statement).fetch(&behind);
            while let Some(row) = rows.try_next().await.unwrap() {
                if named.are_in(&row) {
                    found.push(format!("{table}: {row}"));
                }
            }
        }
        for folder in ["objects", "master.key.store", "outbox"] {
            let folder = self.folder.path().join(folder);
            assert!(folder.is_dir(), "{} is looked into", folder.display());
            look_into(&folder, named, &mut found);
        }
        found
    }
}

/// What is to be deleted.
enum Doomed {
    Account(Actor, String),
    Cluster(ClusterId),
    Organisation(Tenant, String),
}

/// The ids of who and what was deleted, without their dashes: as they are, and as bytes of theirs are shown. Their names and
/// addresses have [`DOOMED`] in them.
struct Named(Vec<String>);

impl Named {
    fn new(ids: &[String]) -> Self {
        Self(ids.iter().flat_map(|id| [id.replace('-', ""), hex::encode(id)]).collect())
    }

    fn are_in(&self, text: &str) -> bool {
        if text.contains(DOOMED) || text.contains(&hex::encode(DOOMED)) {
            return true;
        }
        // An id is in whatever is made of its letters and long enough for one: there is much to look at, and there are many ids.
        let pieces = text.split(|letter: char| !letter.is_ascii_hexdigit() && letter != '-');
        pieces.filter(|piece| piece.len() >= 32).any(|piece| {
            let piece = piece.to_ascii_lowercase().replace('-', "");
            self.0.iter().any(|id| piece.contains(id.as_str()))
        })
    }
}

fn look_into(folder: &Path, named: &Named, found: &mut Vec<String>) {
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = path.display().to_string();
        // A folder without anything in it is none to the bucket, which knows names of objects alone.
        if path.is_dir() {
            look_into(&path, named, found);
        } else if named.are_in(&name) || named.are_in(&text(&path)) {
            found.push(name);
        }
    }
}

/// What a file says; of a mail, without the ends of lines that were put into it.
fn text(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap()).replace("=\r\n", "")
}

/// A moment at random, within so many milliseconds.
fn within(milliseconds: u16) -> Duration {
    Duration::from_millis(u64::from(u16::from_be_bytes(World::system().random::<2>()) % milliseconds))
}

/// Halts them where they are, so that what is seen to be under way is what the kill meets.
fn halt(programs: &[&Program]) {
    let ids: Vec<String> = programs.iter().map(|program| program.0.id().to_string()).collect();
    let halted = Command::new("sh").args(["-c", &format!("kill -STOP {}", ids.join(" "))]).status().unwrap();
    assert!(halted.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_broken_off_ends_after_a_restart_and_no_log_says_who() {
    let stack = Stack::new().await;
    let begun = Instant::now();
    let people = stack.people().await;
    let mut ids = Vec::new();
    let mut askers = Vec::new();
    let mut asked = BTreeMap::<&str, usize>::new();
    let mut killed = BTreeMap::<String, usize>::new();
    let times = |killed: &BTreeMap<String, usize>, kind: &str| killed.get(kind).copied().unwrap_or_default();
    let mut kills = 0;
    loop {
        let mut lacking = DELETIONS.into_iter().chain([EXPORT, ROTATION]).filter(|kind| times(&killed, kind) < TIMES);
        if lacking.next().is_none() {
            break;
        }
        assert!(kills < MOST_KILLS, "after {kills} kills: {killed:?}");
        let mut server = stack.serve();
        let kind = DELETIONS.into_iter().min_by_key(|kind| times(&killed, kind)).unwrap();
        let name = format!("{DOOMED}-{kills}-{}", hex::encode(World::system().random::<3>()));
        let doomed = stack.make(kind, &name, &mut ids).await;
        let asker = if times(&killed, EXPORT) < TIMES { Some(stack.asker(kills).await) } else { None };
        let mut rotation = (times(&killed, ROTATION) < TIMES).then(|| stack.rotate());
        if let Some(rotation) = &mut rotation {
            stack.until_under_way(ROTATION, || !rotation.is_running()).await;
            tokio::time::sleep(within(300)).await;
        }
        if let Doomed::Account(person, _) = &doomed {
            // Gathered and deleted at once: it goes with the account.
            stack.web.request_export(person).await.unwrap();
        }
        let export = async {
            if let Some(asker) = &asker {
                stack.web.request_export(asker).await.unwrap();
            }
        };
        tokio::join!(export, stack.delete(&doomed));
        askers.extend(asker);
        *asked.entry(kind).or_default() += 1;
        stack.until_under_way(kind, || !server.is_running()).await;
        assert!(server.is_running(), "the server ended: {:#?}", stack.complaints());
        tokio::time::sleep(within(250)).await;

        let is_rotating = rotation.as_mut().is_some_and(Program::is_running);
        let programs = [Some(&server), rotation.as_ref().filter(|_| is_rotating)];
        halt(&programs.into_iter().flatten().collect::<Vec<_>>());
        let met = stack.under_way().await;
        eprintln!("{:?}: {kind}, met {met:?}", begun.elapsed());
        drop((server, rotation));
        kills += 1;
        for kind in met {
            *killed.entry(kind).or_default() += 1;
        }
    }
    eprintln!("{:?}: {kills} kills, of which under way were {killed:?}", begun.elapsed());

    let server = stack.serve();
    stack.until_none("SELECT count(*) FROM erasures WHERE ended_at IS NULL").await;
    stack.until_none("SELECT count(*) FROM exports WHERE made_at IS NULL").await;
    eprintln!("{:?}: all ended", begun.elapsed());
    is_complete(&stack, &asked, &people, &askers, server).await;
    let named = Named::new(&ids);
    assert_eq!(stack.found(&named).await, Vec::<String>::new());
    says_nothing(&stack.folder.path().join("log"), &named);
    eprintln!("{:?}: end", begun.elapsed());
}

/// Everything that was asked for was done, and what nobody asked to be deleted is as it was.
async fn is_complete(
    stack: &Stack,
    asked: &BTreeMap<&str, usize>,
    people: &[Actor],
    askers: &[Actor],
    server: Program,
) {
    let at = &stack.at;
    let rotated = keys_of(stack.folder.path()).rotate(&at.database.pool(Part::Owner), false).await.unwrap();
    drop(server);
    let behind = at.database.superuser();
    assert_eq!((at.database.wrapped_by().await, rotated.keys), (vec![rotated.key], 1));
    // All keys of what is deleted are gone from the key store, and none of what lives.
    let rows: Vec<String> = sqlx::query_scalar(
        "SELECT 'organisations/' || org_id FROM organisation_keys UNION ALL SELECT 'people/' || user_id FROM person_keys",
    )
    .fetch_all(&behind)
    .await
    .unwrap();
    let mut kept = BTreeSet::new();
    for kind in ["organisations", "people"] {
        let files = std::fs::read_dir(stack.folder.path().join("master.key.store").join(kind)).unwrap();
        // Of somebody who lives, what a kill left half written is found beside (`name#1`).
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        kept.extend(names.map(|name| format!("{kind}/{}", name.split('#').next().unwrap())));
    }
    let rows: BTreeSet<String> = rows.into_iter().collect();
    assert_eq!(kept.symmetric_difference(&rows).collect::<Vec<_>>(), Vec::<&String>::new());
    assert_eq!(stack.count("SELECT count(*) FROM organisations").await, 1);
    assert_eq!(stack.count("SELECT count(*) FROM clusters").await, 0);

    // Each deletion has its certificate, which says that nothing is left.
    let certificates: Vec<String> =
        sqlx::query_scalar("SELECT certificate FROM erasures").fetch_all(&behind).await.unwrap();
    let keys = stack.web.verifying_keys().await.unwrap();
    let mut certified = BTreeMap::<String, usize>::new();
    for signed in certificates {
        let signed: SignedCertificate = serde_json::from_str(&signed).unwrap();
        assert!(keys.iter().any(|key| signed.is_signed_by(key)), "the certificate verifies");
        let certificate: Value = serde_json::from_str(&signed.certificate).unwrap();
        assert_eq!(certificate["left"], json!({ "rows": {}, "objects": 0, "bytes": 0 }));
        let objects = certificate["held"]["objects"].as_u64().unwrap();
        assert!(objects >= u64::try_from(FILES).unwrap(), "{certificate}");
        *certified.entry(certificate["deleted"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(certified.iter().map(|(kind, count)| (kind.as_str(), *count)).collect::<BTreeMap<_, _>>(), *asked);

    // Each export is there, and opens; and so does everybody's secret.
    let exports = stack.count("SELECT count(*) FROM exports").await;
    assert_eq!(usize::try_from(exports).unwrap(), askers.len());
    for who in askers {
        stack.take(who).await;
    }
    for person in people {
        stack.web.authenticator_setup(person).await.unwrap();
    }
    let log = at.look::<ViewActivity>(&stack.living.owner, &stack.living.slug).await.unwrap();
    assert!(matches!(stack.web.verify_activity(&log).await.unwrap(), Verdict::Intact { .. }));
}

fn says_nothing(log: &Path, named: &Named) {
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.len() > 1_000_000, "much was logged");
    if let Some(line) = log.lines().find(|line| named.are_in(line)) {
        panic!("the log names somebody: {line}");
    }
}
