//! A PostgreSQL of one's own for the length of a test run: fast, trusting, on loopback, gone afterwards.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::daemon::Daemon;
use crate::files::{self, TempDir};
use crate::project::{Project, is_program};
use crate::{cmd, interrupt};

/// The oldest major version that Kubewise supports.
const OLDEST: u32 = 15;

/// The folder with `initdb`, `postgres` and `psql`.
pub(crate) struct Programs(PathBuf);

impl Programs {
    /// The newest that is on this machine, at least version 15.
    pub(crate) fn find(project: &Project) -> Result<Self> {
        // Where Debian keeps the versions apart; they are not on its PATH.
        let mut folders: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
            .collect();
        folders.extend(project.which("initdb").and_then(|path| Some(path.parent()?.to_owned())));
        let newest = folders
            .into_iter()
            .filter(|folder| ["initdb", "postgres", "psql"].iter().all(|name| is_program(&folder.join(name))))
            .filter_map(|folder| Some((major_version(project, &folder)?, folder)))
            .max();
        match newest {
            Some((major, folder)) if major >= OLDEST => Ok(Self(folder)),
            Some((major, _)) => bail!("the newest PostgreSQL here is {major}; {OLDEST} or newer is needed"),
            None => bail!("no PostgreSQL server under /usr/lib/postgresql or on the PATH"),
        }
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

fn major_version(project: &Project, folder: &Path) -> Option<u32> {
    let text = cmd::text(project.command(folder.join("postgres")).arg("--version")).ok()?;
    text.split(' ').find_map(|word| word.split('.').next()?.parse().ok())
}

/// A running instance. Its superuser is `postgres`; connections are trusted.
pub(crate) struct Throwaway {
    programs: Programs,
    daemon: Daemon,
    port: u16,
    _dir: TempDir,
}

impl Throwaway {
    /// Initialises and starts one; ready when this returns.
    pub(crate) fn start(project: &Project) -> Result<Self> {
        let programs = Programs::find(project)?;
        let dir = TempDir::new("pg")?;
        let user = User::find()?;
        let data = dir.path().join("data");
        if let Some(user) = &user {
            chown(dir.path(), Some(user.uid), Some(user.gid))?;
        }
        let command = |name: &str| {
            let mut command = project.command(programs.program(name));
            command.current_dir(dir.path()).env("HOME", dir.path()).env("LC_ALL", "C.UTF-8");
            if let Some(user) = &user {
                command.uid(user.uid).gid(user.gid);
            }
            command
        };
        let mut initdb = command("initdb");
        initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]);
        cmd::run_ok(project, "postgres-initdb", initdb.arg("--pgdata").arg(&data))?;

        // Somebody else may take the port in between; then the server says so and ends.
        let port = free_port()?;
        let mut postgres = command("postgres");
        postgres.arg("-D").arg(&data).args(["-p", &port.to_string()]);
        for setting in [
            "listen_addresses=127.0.0.1",
            &format!("unix_socket_directories={}", dir.path().display()),
            "max_connections=300",
            "shared_buffers=256MB",
            // Nothing here outlives the machine.
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
        ] {
            postgres.args(["-c", setting]);
        }
        let log = cmd::log_file(project, "postgres")?;
        // INT: ends the sessions and then itself; TERM would wait for them.
        let daemon = Daemon::spawn("PostgreSQL", &mut postgres, &log)?.stopped_by("INT");
        let mut this = Self { programs, daemon, port, _dir: dir };
        this.wait(project)?;
        Ok(this)
    }

    fn wait(&mut self, project: &Project) -> Result<()> {
        let ready = interrupt::poll(Duration::from_mins(1), Duration::from_millis(100), || {
            self.daemon.must_run()?;
            Ok(cmd::text(self.psql(project, "postgres").args(["--command", "select 1"])).is_ok().then_some(()))
        })?;
        ready.with_context(|| format!("PostgreSQL does not answer. {}", self.daemon.last_words()))
    }

    /// The superuser's connection string for one of its databases.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// `psql` as the superuser; stops at the first error.
    pub(crate) fn psql(&self, project: &Project, database: &str) -> Command {
        let mut psql = project.command(self.programs.program("psql"));
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1", "--dbname"]);
        psql.arg(self.url(database));
        psql
    }

    /// Creates a database and applies the migrations to it.
    pub(crate) fn create_migrated(&self, project: &Project, database: &str) -> Result<()> {
        cmd::text(self.psql(project, "postgres").args(["--command", &format!("create database {database}")]))?;
        for file in migrations(&project.root.join("migrations"))? {
            let mut psql = self.psql(project, database);
            // As the migrator does it: each in a transaction, unless its first line says that it cannot be.
            if !std::fs::read_to_string(&file)?.starts_with("-- no-transaction") {
                psql.arg("--single-transaction");
            }
            cmd::text(psql.arg("--file").arg(&file)).with_context(|| file.display().to_string())?;
        }
        Ok(())
    }
}

/// A port of loopback that nothing listens on.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
    Ok(listener.local_addr()?.port())
}

/// The migrations in the order they are applied: by the number their names begin with.
pub(crate) fn migrations(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let Some(number) = stem.split('_').next().and_then(|number| number.parse::<u64>().ok()) else { continue };
        // `….down.sql` would undo what the file of the same number did.
        if path.extension().is_some_and(|extension| extension == "sql") && !stem.contains('.') {
            files.push((number, path));
        }
    }
    files.sort();
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

/// Whom PostgreSQL runs as when xtask runs as root, which it refuses.
struct User {
    uid: u32,
    gid: u32,
}

impl User {
    fn find() -> Result<Option<Self>> {
        if !files::is_root() {
            return Ok(None);
        }
        let passwd = std::fs::read_to_string("/etc/passwd").context("/etc/passwd")?;
        let user = Self::in_passwd(&passwd, "postgres").or_else(|| Self::in_passwd(&passwd, "nobody"));
        user.map(Some).context("neither the user postgres nor the user nobody is in /etc/passwd")
    }

    fn in_passwd(passwd: &str, name: &str) -> Option<Self> {
        let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some(Self { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_come_in_the_order_of_their_numbers() {
        let dir = TempDir::new("migrations").unwrap();
        for name in ["0010_c.sql", "0002_b.sql", "0001_a.sql", "0001_a.down.sql", "README.md"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let names: Vec<_> =
            migrations(dir.path()).unwrap().iter().map(|path| path.file_name().unwrap().to_owned()).collect();
        assert_eq!(names, ["0001_a.sql", "0002_b.sql", "0010_c.sql"]);
    }

    #[test]
    fn a_user_is_found_by_its_whole_name() {
        let passwd = "postgresql:x:1:2::/:/bin/sh\npostgres:x:105:111:,,,:/var/lib/postgresql:/bin/bash\n";
        let user = User::in_passwd(passwd, "postgres").unwrap();
        assert_eq!((user.uid, user.gid), (105, 111));
        assert!(User::in_passwd(passwd, "nobody").is_none());
    }
}
