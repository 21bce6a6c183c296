//! The names of the built files: cargo-leptos puts a hash of the content into each and writes the hashes down.

use std::sync::OnceLock;

use leptos::prelude::LeptosOptions;

/// Addresses of what a page loads.
#[derive(Debug)]
pub(super) struct Assets {
    pub(super) css: String,
    pub(super) js: String,
    pub(super) wasm: String,
}

impl Assets {
    /// Read once: the files do not change while the server runs.
    pub(super) fn get(options: &LeptosOptions) -> &'static Self {
        static ASSETS: OnceLock<Assets> = OnceLock::new();
        ASSETS.get_or_init(|| Self::new(options, &hashes(options)))
    }

    fn new(options: &LeptosOptions, hashes: &str) -> Self {
        let address = |extension: &str| {
            let hash = hashes
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(file, _)| file.trim() == extension)
                .map(|(_, hash)| format!(".{}", hash.trim()))
                .unwrap_or_default();
            format!("/{}/{}{hash}.{extension}", options.site_pkg_dir, options.output_name)
        };
        Self { css: address("css"), js: address("js"), wasm: address("wasm") }
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
        let assets = Assets::new(&options, "js: abc\nwasm: def\ncss: ghi\n");
        assert_eq!((assets.css.as_str(), assets.js.as_str()), ("/pkg/kubewise.ghi.css", "/pkg/kubewise.abc.js"));
        assert_eq!(Assets::new(&options, "").wasm, "/pkg/kubewise.wasm");
    }
}
