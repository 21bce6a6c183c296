//! What a store in a folder leaves behind: folders with nothing in them, and, when a process ends in the middle of writing,
//! files that have no name yet (`name#1`, as `object_store` calls them).

use std::{
    fs,
    io::{self, ErrorKind},
    path::Path,
    time::SystemTime,
};

/// Removes it in a folder; only what has not changed since a moment, if one is given.
pub(super) fn tidy(folder: &Path, before: Option<SystemTime>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            // Read before what is in it is removed, which changes it.
            let is_old = is_old(&path, before)?;
            tidy(&path, before)?;
            if is_old {
                gone(fs::remove_dir(&path))?;
            }
        } else if entry.file_name().to_str().is_some_and(is_staged) && is_old(&path, before)? {
            gone(fs::remove_file(&path))?;
        }
    }
    Ok(())
}

/// Removes what was being written under this file's name, and may be all of it already.
pub(crate) fn remove_staged(file: &Path) -> io::Result<()> {
    let (Some(folder), Some(name)) = (file.parent(), file.file_name().and_then(|name| name.to_str())) else {
        return Ok(());
    };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let is_its =
            |staged: &str| staged.strip_prefix(name).is_some_and(|rest| rest.starts_with('#')) && is_staged(staged);
        if entry.file_name().to_str().is_some_and(is_its) {
            gone(fs::remove_file(entry.path()))?;
        }
    }
    Ok(())
}

/// Removes folders with nothing in them, from this one upwards to a root that stays.
pub(super) fn close(folder: &Path, root: &Path) {
    let mut at = folder;
    while at != root && at.starts_with(root) && !matches!(fs::remove_dir(at), Err(e) if e.kind() != ErrorKind::NotFound)
    {
        let Some(above) = at.parent() else { return };
        at = above;
    }
}

fn is_staged(name: &str) -> bool {
    name.split_once('#').is_some_and(|(_, n)| !n.is_empty() && n.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_old(path: &Path, before: Option<SystemTime>) -> io::Result<bool> {
    let Some(before) = before else { return Ok(true) };
    match fs::symlink_metadata(path).and_then(|found| found.modified()) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        at => Ok(at? < before),
    }
}

/// Whoever was faster did the same; a folder that has something in it stays.
fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => Ok(()),
        other => other,
    }
}
