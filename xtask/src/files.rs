//! Folders that go away with their owner, files that only their owner reads, and randomness for names and passwords.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::{env, io};

use anyhow::{Context, Result};

/// Folders may be passed through, not listed: PostgreSQL's unprivileged user must reach its own below them.
pub(crate) const PASSABLE: u32 = 0o711;

/// True for the superuser, whom PostgreSQL refuses and who may install packages.
pub(crate) fn is_root() -> bool {
    crate::cmd::text(std::process::Command::new("id").arg("-u")).is_ok_and(|id| id == "0")
}

/// A folder that is removed with all that is in it.
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    /// A new folder of mode 0711 that every user can reach.
    pub(crate) fn new(purpose: &str) -> Result<Self> {
        // Root's own temporary folder may be closed to the user that PostgreSQL runs as. Short: a socket goes in it.
        let parent = if is_root() { PathBuf::from("/tmp") } else { env::temp_dir() };
        let dir = parent.join(format!("kubewise-{purpose}-{}", random_hex(6)?));
        DirBuilder::new().mode(PASSABLE).create(&dir).with_context(|| dir.display().to_string())?;
        Ok(Self(dir))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0)
            && error.kind() != io::ErrorKind::NotFound
        {
            eprintln!("{} could not be removed: {error}", self.0.display());
        }
    }
}

/// Writes a file of mode 0600.
pub(crate) fn write_private(path: &Path, content: &str) -> Result<()> {
    let write = || {
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(content.as_bytes())
    };
    write().with_context(|| path.display().to_string())
}

/// Makes a folder and its parents, passable.
pub(crate) fn make_passable(path: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(PASSABLE).create(path).with_context(|| path.display().to_string())
}

/// `bytes` random bytes in hexadecimal.
pub(crate) fn random_hex(bytes: usize) -> Result<String> {
    use std::fmt::Write as _;
    let mut text = String::new();
    for byte in random(bytes)? {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

/// Four groups of five characters that cannot be mistaken for each other: 100 bits.
pub(crate) fn random_password() -> Result<String> {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let characters: String = random(20)?.into_iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect();
    Ok([&characters[..5], &characters[5..10], &characters[10..15], &characters[15..]].join("-"))
}

/// Puts things into a random order.
pub(crate) fn shuffle<T>(things: &mut [T]) -> Result<()> {
    for last in (1..things.len()).rev() {
        let bytes = random(8)?.try_into().unwrap_or_default();
        // 64 bits for a few hundred things: no order is preferred that anybody could see.
        let below = u64::try_from(last)? + 1;
        things.swap(last, usize::try_from(u64::from_le_bytes(bytes) % below)?);
    }
    Ok(())
}

fn random(bytes: usize) -> Result<Vec<u8>> {
    let mut buffer = vec![0; bytes];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut buffer)).context("/dev/urandom")?;
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_differ_and_can_be_read_out() {
        let one = random_password().unwrap();
        assert_eq!(one.len(), 23);
        assert!(one.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
        assert_ne!(one, random_password().unwrap());
    }

    #[test]
    fn a_temporary_folder_goes_away() {
        let dir = TempDir::new("test").unwrap();
        let path = dir.path().to_owned();
        std::fs::write(path.join("file"), "x").unwrap();
        drop(dir);
        assert!(!path.exists());
    }
}
