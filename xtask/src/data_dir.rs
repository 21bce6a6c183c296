//! Where the demo and the benchmarks keep their data between two starts.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::files::{self, TempDir};
use crate::fingerprint::Fnv;
use crate::project::Project;

/// The lock file; also the mark by which a folder is known to be ours before it is emptied.
const LOCK: &str = "demo.lock";

/// The server's data folder, held by this process alone.
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: Option<File>,
    _temporary: Option<TempDir>,
}

impl DataDir {
    /// The checkout's own folder, the same every time.
    pub(crate) fn of_the_demo(project: &Project, fresh: bool) -> Result<Self> {
        Self::kept(project, "demo", "", fresh)
    }

    /// A benchmark's folder, the same every time; `key` tells apart what cannot be shared.
    pub(crate) fn of_a_bench(project: &Project, key: &str, fresh: bool) -> Result<Self> {
        Self::kept(project, "bench", key, fresh)
    }

    fn kept(project: &Project, purpose: &str, key: &str, fresh: bool) -> Result<Self> {
        let path = if files::is_root() {
            // Root's home is closed to the unprivileged user that PostgreSQL must run as.
            let mut hash = Fnv::new();
            hash.add(project.root.as_os_str().as_encoded_bytes());
            Path::new("/var/lib").join(format!("kubewise-{purpose}")).join(format!("{:016x}", hash.finish()))
        } else {
            project.root.join("target").join(purpose)
        };
        let path = if key.is_empty() { path } else { path.join(key) };
        files::make_passable(&path)?;
        let lock = lock(&path)?;
        if fresh {
            empty(&path)?;
        }
        Ok(Self { path, _lock: Some(lock), _temporary: None })
    }

    /// A new folder that goes away with this value.
    pub(crate) fn temporary() -> Result<Self> {
        let temporary = TempDir::new("data")?;
        Ok(Self { path: temporary.path().to_owned(), _lock: None, _temporary: Some(temporary) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A private text that is made once and then stays: `make` is asked when it is not there yet.
    pub(crate) fn keep(&self, name: &str, make: impl FnOnce() -> Result<String>) -> Result<String> {
        let path = self.join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let text = make()?;
                files::write_private(&path, &text)?;
                Ok(text)
            }
            Err(error) => Err(error).with_context(|| path.display().to_string()),
        }
    }
}

fn lock(path: &Path) -> Result<File> {
    let file = path.join(LOCK);
    let handle = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(false)
        .open(&file)
        .with_context(|| file.display().to_string())?;
    match handle.try_lock() {
        Ok(()) => Ok(handle),
        Err(TryLockError::WouldBlock) => bail!(
            "another one of this checkout is already running (it holds {}). Stop it with Ctrl-C first.",
            path.display()
        ),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| file.display().to_string()),
    }
}

fn empty(path: &Path) -> Result<()> {
    for entry in std::fs::read_dir(path).with_context(|| path.display().to_string())? {
        let entry = entry?;
        if entry.file_name() == LOCK {
            continue;
        }
        let path = entry.path();
        let removed =
            if entry.file_type()?.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
        removed.with_context(|| path.display().to_string())?;
    }
    Ok(())
}
