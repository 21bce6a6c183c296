//! The names of the built files: cargo-leptos puts a hash of the content into each and writes the hashes down.

use std::{collections::HashMap, sync::OnceLock};

use leptos::prelude::LeptosOptions;

/// Addresses of what a page loads.
#[derive(Debug)]
pub(super) struct Assets {
    pub(super) css: String,
    pub(super) js: String,
    pub(super) wasm: String,
    /// What fetches the chunks, and is part of `js`.
    pub(super) loader: Option<String>,
    /// By the name of a chunk, what it consists of.
    pub(super) chunks: HashMap<String, Vec<String>>,
    folder: String,
}

impl Assets {
    /// Read once: the files do not change while the server runs.
    pub(super) fn get(options: &LeptosOptions) -> &'static Self {
        static ASSETS: OnceLock<Assets> = OnceLock::new();
        ASSETS.get_or_init(|| {
            let hashes = hashes(options);
            Self::new(options, &hashes, chunks(options, &hashes))
        })
    }

    fn new(options: &LeptosOptions, hashes: &str, mut chunks: HashMap<String, Vec<String>>) -> Self {
        let (package, name) = (&options.site_pkg_dir, &options.output_name);
        let file = |extension: &str| {
            let hash = hash(hashes, extension).map(|hash| format!(".{hash}")).unwrap_or_default();
            format!("{name}{hash}.{extension}")
        };
        let loader = hash(hashes, "split");
        let folder = loader.map_or_else(|| format!("/{package}"), |loader| format!("/{package}/{loader}"));
        for file in chunks.values_mut().flatten() {
            *file = format!("{folder}/{file}.wasm");
        }
        Self {
            css: format!("/{package}/{}", file("css")),
            js: format!("{folder}/{}", file("js")),
            wasm: format!("{folder}/{}", file("wasm")),
            loader: loader.map(|hash| format!("{folder}/__wasm_split.{hash}.js")),
            chunks,
            folder,
        }
    }
}

/// Where the browser's code is addressed; the files are all in the package folder. The hash in most names is of what
/// they had in them before cargo-leptos wrote the loader's name there. The loader's own is right, and has the names of
/// the others in it: as a folder it keeps what belongs to one build from being mixed, in a cache, with that of another.
pub fn code_folder(options: &LeptosOptions) -> &'static str {
    &Assets::get(options).folder
}

fn hash<'a>(hashes: &'a str, of: &str) -> Option<&'a str> {
    hashes
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(file, _)| file.trim() == of)
        .map(|(_, hash)| hash.trim())
}

/// The files of each chunk, without their ending.
fn chunks(options: &LeptosOptions, hashes: &str) -> HashMap<String, Vec<String>> {
    let Some(hash) = hash(hashes, "manifest") else { return HashMap::new() };
    let file = format!("{}/{}/__wasm_split_manifest.{hash}.json", options.site_root, options.site_pkg_dir);
    let read = std::fs::read(&file).map_err(|error| error.to_string());
    match read.and_then(|json| serde_json::from_slice(&json).map_err(|error| error.to_string())) {
        Ok(chunks) => chunks,
        Err(error) => {
            tracing::error!(file, error, "the list of chunks cannot be read: pages will ask for theirs late");
            HashMap::new()
        }
    }
}

fn hashes(options: &LeptosOptions) -> String {
    if !options.hash_files {
        return String::new();
    }
    let file =
        std::env::current_exe().ok().and_then(|exe| exe.parent().map(|folder| folder.join(options.hash_file.as_ref())));
    match file.as_ref().map(std::fs::read_to_string) {
        Some(Ok(hashes)) => hashes,
        other => {
            tracing::error!(?file, ?other, "the list of built files cannot be read: pages will lack style and script");
            String::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_carry_the_hash_of_the_file() {
        let options = LeptosOptions::builder().output_name("kubewise").build();
        let assets = Assets::new(&options, "js: abc\nwasm: def\ncss: ghi\n", HashMap::new());
        assert_eq!((assets.css.as_str(), assets.js.as_str()), ("/pkg/kubewise.ghi.css", "/pkg/kubewise.abc.js"));
        assert_eq!(Assets::new(&options, "", HashMap::new()).wasm, "/pkg/kubewise.wasm");
    }

    #[test]
    fn code_that_belongs_together_is_in_one_folder() {
        let options = LeptosOptions::builder().output_name("kubewise").build();
        let chunks = HashMap::from([("account".to_owned(), vec!["split_account.jkl".to_owned()])]);
        let assets = Assets::new(&options, "js: abc\nwasm: def\ncss: ghi\nmanifest: mno\nsplit: pqr\n", chunks);
        assert_eq!((assets.css.as_str(), assets.js.as_str()), ("/pkg/kubewise.ghi.css", "/pkg/pqr/kubewise.abc.js"));
        assert_eq!(assets.loader.as_deref(), Some("/pkg/pqr/__wasm_split.pqr.js"));
        assert_eq!(assets.chunks["account"], ["/pkg/pqr/split_account.jkl.wasm"]);
    }
}
