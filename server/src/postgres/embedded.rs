//! A PostgreSQL of our own: under the data folder, reached over a unix socket only, a password for each login.
//!
//! It outlives a server that is killed: the next one finds it running and goes on with it. A lock on a file tells
//! whether a server uses it.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Write,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use kubewise_backend::{
    World,
    database::{Part, Target},
};
use secrecy::SecretString;
use sqlx::Executor;

use super::{binaries, user::Unprivileged};
use crate::config;

const SUPERUSER: &str = "postgres";
const DATABASE: &str = "kubewise";
/// Names the socket's file only: nothing listens on the network.
const PORT: u16 = 5432;

/// Longest path of a unix socket on Linux: `sun_path` of `sockaddr_un` less its ending NUL.
const SOCKET_PATH_MAX: usize = 107;

/// How often it is looked whether the instance runs.
const LOOK: Duration = Duration::from_secs(1);

/// The running instance.
pub struct Embedded {
    instance: Instance,
    passwords: BTreeMap<String, String>,
    /// Held by the server that uses the instance; an administrator's command beside it does without.
    lock: Option<File>,
    data_dir: PathBuf,
}

impl Embedded {
    /// Makes the instance if there is none, starts it if it does not run.
    ///
    /// `serve`: for a server, which shares the data folder with no other; else for a command beside one.
    pub async fn start(data_dir: &Path, serve: bool) -> Result<Self> {
        make_folder(data_dir, 0o755)?;
        let data_dir = data_dir.canonicalize().with_context(|| data_dir.display().to_string())?;
        let lock = if serve {
            let Some(lock) = try_lock(&data_dir)? else {
                bail!("another kubewise-server uses {}; set KUBEWISE_DATA_DIR to another folder", data_dir.display());
            };
            Some(lock)
        } else {
            None
        };
        let folder = data_dir.join("postgres");
        let user = Unprivileged::needed()?;
        if let Some(user) = user {
            user.can_reach(&folder)?;
        }
        let binaries = binaries::find_or_download(&data_dir).await?;
        make_folder(&folder, 0o700)?;
        if let Some(user) = user {
            user.own(&folder)?;
        }
        let sockets = folder.join("run");
        let longest = sockets.join(format!(".s.PGSQL.{PORT}"));
        if longest.as_os_str().len() > SOCKET_PATH_MAX {
            bail!(
                "the path {} is too long for a unix socket; set KUBEWISE_DATA_DIR to a shorter one",
                longest.display()
            );
        }
        let passwords = passwords(&data_dir.join("postgres-passwords.json"))?;
        let instance = Instance { binaries, folder, sockets, user };
        if !instance.cluster().join("PG_VERSION").exists() {
            instance.initialise(passwords.get(SUPERUSER).map(String::as_str).unwrap_or_default())?;
        }
        if !instance.is_running()? {
            instance.launch()?;
        }
        let embedded = Self { instance, passwords, lock, data_dir };
        embedded.prepare().await?;
        Ok(embedded)
    }

    /// Each part's URL.
    pub fn urls(&self) -> config::Databases {
        config::Databases {
            owner: self.url(Part::Owner.login(), DATABASE),
            web: self.url(Part::Web.login(), DATABASE),
            ingest: self.url(Part::Ingest.login(), DATABASE),
            worker: self.url(Part::Worker.login(), DATABASE),
        }
    }

    /// The superuser's URL.
    pub fn superuser_url(&self) -> SecretString {
        self.url(SUPERUSER, DATABASE)
    }

    /// Stops it, unless a server uses it.
    pub async fn stop(mut self) -> Result<()> {
        if self.lock.is_none() {
            self.lock = try_lock(&self.data_dir)?;
        }
        if self.lock.is_none() {
            return Ok(());
        }
        tokio::task::spawn_blocking(move || {
            let mut command = self.instance.program("pg_ctl");
            // Fast: ends connections, writes everything out.
            command.args(["stop", "--mode=fast", "--wait", "--silent", "--pgdata"]).arg(self.instance.cluster());
            run(&mut command, "PostgreSQL could not be stopped")
        })
        .await?
    }

    /// Starts the instance again whenever it has ended (killed, out of memory); never returns.
    pub fn keep(&self) -> impl Future<Output = ()> + Send + 'static {
        let instance = self.instance.clone();
        async move {
            loop {
                tokio::time::sleep(LOOK).await;
                if tokio::net::UnixStream::connect(instance.socket()).await.is_ok() {
                    continue;
                }
                let instance = instance.clone();
                // It may be about to start or to stop; what cannot be started now is tried again.
                let started = tokio::task::spawn_blocking(move || {
                    if instance.is_running()? {
                        return Ok(false);
                    }
                    instance.launch().map(|()| true)
                });
                match started.await {
                    Ok(Ok(true)) => tracing::warn!("PostgreSQL had ended; it was started again"),
                    Ok(Ok(false)) | Err(_) => {}
                    Ok(Err(error)) => tracing::error!(%error, "PostgreSQL ended and does not start; trying again"),
                }
            }
        }
    }

    fn url(&self, login: &str, database: &str) -> SecretString {
        let password = self.passwords.get(login).map(String::as_str).unwrap_or_default();
        let host: String = {
            let bytes = self.instance.sockets.as_os_str().as_encoded_bytes().iter();
            bytes.fold(String::new(), |host, b| host + &format!("%{b:02X}"))
        };
        format!("postgres://{login}:{password}@{host}:{PORT}/{database}").into()
    }

    /// The database and the logins' passwords.
    async fn prepare(&self) -> Result<()> {
        let mut server = Target::as_given(&self.url(SUPERUSER, "postgres"))?
            .connect()
            .await
            .context("the embedded PostgreSQL does not answer")?;
        let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
            .bind(DATABASE)
            .fetch_one(&mut server)
            .await?;
        let logins: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'kubewise\\_%'")
            .fetch_one(&mut server)
            .await?;
        if exists && logins >= 5 {
            return Ok(());
        }
        for part in [Part::Owner, Part::Web, Part::Ingest, Part::Worker] {
            let login = part.login();
            let password = self.passwords.get(login).context("a login without a password")?;
            // Names are ours and passwords are hexadecimal: nothing to escape.
            let made: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)")
                .bind(login)
                .fetch_one(&mut server)
                .await?;
            let verb = if made { "ALTER" } else { "CREATE" };
            let statement = format!("{verb} ROLE {login} LOGIN NOINHERIT PASSWORD '{password}'");
            server.execute(sqlx::AssertSqlSafe(statement)).await?;
        }
        if !exists {
            let statement = format!("CREATE DATABASE {DATABASE} OWNER {}", Part::Owner.login());
            server.execute(sqlx::AssertSqlSafe(statement)).await?;
        }
        Ok(())
    }
}

/// Where the instance is, and who runs it.
#[derive(Clone)]
struct Instance {
    binaries: PathBuf,
    folder: PathBuf,
    sockets: PathBuf,
    user: Option<Unprivileged>,
}

impl Instance {
    fn cluster(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn socket(&self) -> PathBuf {
        self.sockets.join(format!(".s.PGSQL.{PORT}"))
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.binaries.join(name));
        // Nothing of ours is PostgreSQL's business; and its messages are read by people and by us in English.
        command.env_clear().env("LC_ALL", "C.UTF-8").env("PATH", "/usr/bin:/bin").current_dir(&self.folder);
        if let Some(user) = self.user {
            user.apply(&mut command);
        }
        command
    }

    fn initialise(&self, password: &str) -> Result<()> {
        tracing::info!("making a PostgreSQL instance under the data folder");
        let password_file = self.folder.join("superuser-password");
        write_private(&password_file, password.as_bytes())?;
        if let Some(user) = self.user {
            user.own(&password_file)?;
        }
        let mut command = self.program("initdb");
        command
            .args(["--username", SUPERUSER, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"])
            .arg("--data-checksums")
            .arg(format!("--pwfile={}", password_file.display()))
            .arg("--pgdata")
            .arg(self.cluster());
        let made = run(&mut command, "a PostgreSQL instance could not be made");
        std::fs::remove_file(&password_file).with_context(|| password_file.display().to_string())?;
        made
    }

    fn is_running(&self) -> Result<bool> {
        let mut command = self.program("pg_ctl");
        command.args(["status", "--pgdata"]).arg(self.cluster()).stdout(Stdio::null()).stderr(Stdio::null());
        // 0: runs; 3: does not; 4: no instance there.
        Ok(command.status().context("pg_ctl")?.code() == Some(0))
    }

    fn launch(&self) -> Result<()> {
        let mut make = Command::new("mkdir");
        make.args(["-p", "-m", "0700"]).arg(&self.sockets).current_dir(&self.folder);
        if let Some(user) = self.user {
            user.apply(&mut make);
        }
        run(&mut make, "the socket's folder could not be made")?;
        let options = format!(
            "-c listen_addresses='' -c port={PORT} -c unix_socket_directories='{}' -c unix_socket_permissions=0700 \
             -c max_connections=60 -c shared_buffers=128MB -c max_wal_size=1GB -c jit=off \
             -c log_error_verbosity=terse",
            self.sockets.display()
        );
        let mut command = self.program("pg_ctl");
        command
            .args(["start", "--wait", "--timeout=60", "--silent", "--options", &options, "--log"])
            .arg(self.folder.join("log"))
            .arg("--pgdata")
            .arg(self.cluster())
            // The instance must not hold our pipes open.
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        run(&mut command, &format!("PostgreSQL did not start; its log is {}", self.folder.join("log").display()))
    }
}

/// None while a server holds it. Given back when the file is closed, also by being killed.
fn try_lock(data_dir: &Path) -> Result<Option<File>> {
    let path = data_dir.join("server.lock");
    let file = File::create(&path).with_context(|| path.display().to_string())?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(std::fs::TryLockError::WouldBlock) => Ok(None),
        Err(std::fs::TryLockError::Error(error)) => Err(error).with_context(|| path.display().to_string()),
    }
}

fn run(command: &mut Command, failure: &str) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| program.clone())?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{failure} ({program}: {}) {}", output.status, said.trim());
    }
    Ok(())
}

fn make_folder(folder: &Path, mode: u32) -> Result<()> {
    if !folder.exists() {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode))
            .with_context(|| folder.display().to_string())?;
    }
    Ok(())
}

fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| path.display().to_string())?;
    file.write_all(content).with_context(|| path.display().to_string())
}

/// A password for each login, made once.
fn passwords(path: &Path) -> Result<BTreeMap<String, String>> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| path.display().to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let world = World::system();
            let logins =
                [SUPERUSER, Part::Owner.login(), Part::Web.login(), Part::Ingest.login(), Part::Worker.login()];
            let passwords: BTreeMap<String, String> =
                logins.into_iter().map(|login| (login.to_owned(), hex::encode(world.random::<24>()))).collect();
            write_private(path, &serde_json::to_vec(&passwords)?)?;
            Ok(passwords)
        }
        Err(error) => Err(error).with_context(|| path.display().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn passwords_are_made_once_and_for_the_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passwords.json");
        let first = passwords(&path).unwrap();
        assert_eq!(passwords(&path).unwrap(), first);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let instance =
            Instance { binaries: PathBuf::new(), folder: PathBuf::new(), sockets: "/var/lib/k w".into(), user: None };
        let embedded = Embedded { instance, passwords: first, lock: None, data_dir: PathBuf::new() };
        let url = embedded.url(SUPERUSER, DATABASE);
        assert!(url.expose_secret().contains("@%2F%76%61%72"), "the socket's folder is the URL's host");
    }
}
