//! Whether anything changed since the last time: names, sizes and times of files, as one number.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result};

/// FNV-1a, 64 bits: for telling change, not for security. <http://www.isthe.com/chongo/tech/comp/fnv/>
pub(crate) struct Fnv(u64);

impl Fnv {
    pub(crate) const fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        // The length first, so that two neighbours cannot trade bytes unnoticed.
        for byte in bytes.len().to_le_bytes().iter().chain(bytes) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    pub(crate) const fn finish(&self) -> u64 {
        self.0
    }
}

/// Names, sizes and modification times of files and of all that is in folders. A path that is not there counts too.
pub(crate) fn of_paths(paths: &[PathBuf], skip: &dyn Fn(&Path) -> bool) -> Result<u64> {
    let mut hash = Fnv::new();
    for path in paths {
        add(&mut hash, path, skip)?;
    }
    Ok(hash.finish())
}

fn add(hash: &mut Fnv, path: &Path, skip: &dyn Fn(&Path) -> bool) -> Result<()> {
    if skip(path) {
        return Ok(());
    }
    hash.add(path.as_os_str().as_encoded_bytes());
    let Ok(meta) = path.metadata() else {
        hash.add(b"absent");
        return Ok(());
    };
    if meta.is_dir() {
        let mut entries = std::fs::read_dir(path)
            .and_then(Iterator::collect::<std::io::Result<Vec<_>>>)
            .with_context(|| path.display().to_string())?;
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            add(hash, &entry.path(), skip)?;
        }
    } else {
        let modified = meta.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        hash.add(&meta.len().to_le_bytes());
        hash.add(&modified.as_nanos().to_le_bytes());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::TempDir;

    #[test]
    fn any_change_shows() {
        let dir = TempDir::new("fingerprint").unwrap();
        let paths = [dir.path().to_owned()];
        let none: &dyn Fn(&Path) -> bool = &|_| false;
        let empty = of_paths(&paths, none).unwrap();
        std::fs::write(dir.path().join("a"), "1").unwrap();
        let one = of_paths(&paths, none).unwrap();
        assert_eq!(one, of_paths(&paths, none).unwrap());
        std::fs::write(dir.path().join("a"), "12").unwrap();
        let longer = of_paths(&paths, none).unwrap();
        std::fs::rename(dir.path().join("a"), dir.path().join("b")).unwrap();
        let renamed = of_paths(&paths, none).unwrap();
        let all = [empty, one, longer, renamed];
        assert!((1..all.len()).all(|i| !all[..i].contains(&all[i])), "{all:?}");
        assert_eq!(of_paths(&paths, &|path| path.ends_with("b")).unwrap(), empty, "what is skipped is not seen");
    }
}
