//! Which files are read.

use std::{
    collections::HashSet,
    ffi::OsStr,
    path::{Path, PathBuf},
};

use walkdir::{DirEntry, WalkDir};

/// Something to read.
#[derive(Debug)]
pub(super) struct Input {
    /// None: standard input.
    pub(super) path: Option<PathBuf>,
    /// As reports call it: relative to the working folder where it is inside.
    pub(super) name: String,
}

/// What is to be read, each file once, in the order of the paths, folders by name; and what cannot be.
pub(super) fn find(paths: &[PathBuf], working_folder: &Path) -> (Vec<Input>, Vec<String>) {
    let mut found = Found { working_folder, has_links: false, inputs: Vec::new(), faults: Vec::new() };
    for path in paths {
        if path.as_os_str() == "-" {
            found.inputs.push(Input { path: None, name: "stdin".to_owned() });
        } else if path.is_dir() {
            found.folder(path);
        } else {
            found.file(path);
        }
    }
    // One folder without links has each file once, and asking where each of them is would take as long as reading it.
    if paths.len() > 1 || found.has_links {
        let mut seen = HashSet::new();
        // What has no other name, as a pipe, is called as it was given.
        let canonical = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
        found.inputs.retain(|input| seen.insert(input.path.as_ref().map(canonical)));
    }
    (found.inputs, found.faults)
}

struct Found<'a> {
    working_folder: &'a Path,
    has_links: bool,
    inputs: Vec<Input>,
    faults: Vec<String>,
}

impl Found<'_> {
    fn folder(&mut self, folder: &Path) {
        let walk = WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter();
        for entry in walk.filter_entry(|entry| !is_hidden_folder(entry)) {
            self.has_links |= entry.as_ref().is_ok_and(DirEntry::path_is_symlink);
            match entry {
                Ok(entry) if entry.file_type().is_file() && is_manifest(entry.path()) => self.file(entry.path()),
                Ok(_) => {}
                // A link to a folder around it.
                Err(error) if error.loop_ancestor().is_some() => {}
                Err(error) => {
                    let is_missing = error.io_error().is_some_and(|e| e.kind() == std::io::ErrorKind::NotFound);
                    let path = error.path().unwrap_or(folder).to_owned();
                    // A link that leads nowhere is no fault where nothing would be read.
                    if !is_missing || is_manifest(&path) {
                        let error =
                            error.into_io_error().map_or_else(|| "cannot be read".to_owned(), |e| e.to_string());
                        self.faults.push(format!("{}: {error}", path.display()));
                    }
                }
            }
        }
    }

    fn file(&mut self, path: &Path) {
        let short = path.strip_prefix(self.working_folder).unwrap_or(path);
        let short = short.strip_prefix("./").unwrap_or(short);
        self.inputs.push(Input { path: Some(path.to_owned()), name: short.to_string_lossy().into_owned() });
    }
}

fn is_hidden_folder(entry: &DirEntry) -> bool {
    entry.depth() > 0 && entry.file_type().is_dir() && entry.file_name().as_encoded_bytes().starts_with(b".")
}

fn is_manifest(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str);
    extension.is_some_and(|e| ["yaml", "yml", "json"].iter().any(|known| e.eq_ignore_ascii_case(known)))
}
