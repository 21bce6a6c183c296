//! The release build: the browser's part and the three programs, each only when its sources changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::fingerprint;
use crate::project::{Profile, Project, is_program};
use crate::{cmd, interrupt};

/// What the browser's part is made of.
const FRONTEND_SOURCES: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    ".cargo",
    "package-lock.json",
    "app",
    "frontend",
    "crates/contract",
    "style",
    "public",
];
/// What no program is made of, in the root folder.
const NOT_PROGRAM_SOURCES: &[&str] =
    &[".ci", ".git", ".github", "data", "end2end", "node_modules", "public", "style", "target", "xtask"];
/// The programs that are built besides the server, each with its package.
const OTHER_PROGRAMS: &[(&str, &str)] = &[
    ("kubewise-agent", "kubewise-agent"),
    ("kubewise-sample-cluster", "sample-cluster"),
    ("kubewise-sample-stripe", "sample-stripe"),
];

/// Tells cargo-leptos to put the pages of `app/src/lazy.rs` into files of their own. Without it the browser's part would
/// miss them.
pub(crate) const SPLIT: &str = "--split";

/// Builds what is out of date.
pub(crate) fn build(project: &Project) -> Result<()> {
    let started = Instant::now();
    let frontend = Part::frontend(project)?;
    let programs = Part::programs(project)?;
    if frontend.is_current()? && programs.is_current()? {
        eprintln!("Build: nothing changed since the last one.");
        return Ok(());
    }
    eprintln!("Building the release (from scratch this takes minutes) …");
    // The two use different target folders, and the browser's ends with one long link on one core: side by side.
    std::thread::scope(|scope| {
        let frontend = scope.spawn(|| frontend.build(project));
        let programs = programs.build(project);
        let frontend = frontend.join().unwrap_or_else(|_| bail!("the browser part's build panicked"));
        frontend.and(programs)
    })?;
    eprintln!("Build: done in {} s.", started.elapsed().as_secs());
    Ok(())
}

/// One half of the build, with a note of what it was made from and what it left.
struct Part {
    name: &'static str,
    args: Vec<String>,
    sources: Vec<PathBuf>,
    outputs: Vec<PathBuf>,
    stamp: PathBuf,
}

impl Part {
    fn frontend(project: &Project) -> Result<Self> {
        let mut sources: Vec<_> = FRONTEND_SOURCES.iter().map(|path| project.root.join(path)).collect();
        sources.push(compiler(project)?);
        Ok(Self {
            name: "browser part",
            args: ["leptos", "build", SPLIT, "--release", "--frontend-only", "--precompress"]
                .map(str::to_owned)
                .to_vec(),
            sources,
            outputs: vec![project.site(), project.programs(Profile::Release).join("hash.txt")],
            stamp: project.state().join("frontend.stamp"),
        })
    }

    fn programs(project: &Project) -> Result<Self> {
        let mut sources = vec![compiler(project)?];
        for entry in std::fs::read_dir(&project.root)? {
            let entry = entry?;
            let name = entry.file_name();
            if !NOT_PROGRAM_SOURCES.iter().any(|skipped| name == *skipped) && !name.to_string_lossy().ends_with(".md") {
                sources.push(entry.path());
            }
        }
        sources.sort();
        let mut args = ["leptos", "build", "--release", "--server-only"].map(str::to_owned).to_vec();
        let folder = project.programs(Profile::Release);
        let mut outputs = vec![folder.join("kubewise-server")];
        for (package, program) in OTHER_PROGRAMS {
            // In the same build, so that dependencies are compiled once with one set of features.
            args.extend([format!("--bin-cargo-args=--package={package}"), format!("--bin-cargo-args=--bin={program}")]);
            outputs.push(folder.join(program));
        }
        Ok(Self { name: "programs", args, sources, outputs, stamp: project.state().join("programs.stamp") })
    }

    /// True when neither the sources nor what was built from them changed since the last build.
    fn is_current(&self) -> Result<bool> {
        let Ok(stamp) = std::fs::read_to_string(&self.stamp) else { return Ok(false) };
        Ok(stamp == self.fingerprints(self.sources()?)?)
    }

    fn sources(&self) -> Result<u64> {
        fingerprint::of_paths(&self.sources, &|path| {
            path.file_name().is_some_and(|name| name == "node_modules" || name == "__pycache__")
        })
    }

    fn fingerprints(&self, sources: u64) -> Result<String> {
        let outputs = fingerprint::of_paths(&self.outputs, &|_| false)?;
        Ok(format!("{sources:016x} {outputs:016x}\n"))
    }

    fn build(&self, project: &Project) -> Result<()> {
        if self.is_current()? {
            return Ok(());
        }
        interrupt::check()?;
        // As they are before the build: what is edited while it runs belongs to the next one.
        let sources = self.sources()?;
        let args: Vec<_> = self.args.iter().map(String::as_str).collect();
        let finished = cmd::run_ok(project, self.name, &mut project.cargo(&args))?;
        for output in &self.outputs {
            if !output.exists() {
                bail!("the build of the {} left no {}", self.name, output.display());
            }
        }
        std::fs::write(&self.stamp, self.fingerprints(sources)?).with_context(|| self.stamp.display().to_string())?;
        eprintln!("  {}: done in {} s", self.name, finished.took.as_secs());
        Ok(())
    }
}

/// Another compiler makes other programs.
fn compiler(project: &Project) -> Result<PathBuf> {
    let sysroot = cmd::text(project.command("rustc").args(["--print", "sysroot"]))?;
    Ok(Path::new(&sysroot).join("bin/rustc"))
}

/// The folder with the three programs of a profile; an error if one of them is not there.
pub(crate) fn programs(project: &Project, profile: Profile) -> Result<PathBuf> {
    let folder = project.programs(profile);
    for program in ["kubewise-server"].iter().chain(OTHER_PROGRAMS.iter().map(|(_, program)| program)) {
        if !is_program(&folder.join(program)) {
            bail!("{} was not built", folder.join(program).display());
        }
    }
    Ok(folder)
}

/// Compressed sizes, in bytes, of what a first visit loads.
#[derive(Debug, Default)]
pub(crate) struct FirstLoad {
    /// The module that every page needs.
    pub(crate) wasm: u64,
    /// What loads it, and what loads the chunks.
    pub(crate) script: u64,
    pub(crate) style: u64,
    /// By the name of a chunk, all that its pages need besides. A route has pages of one of them, or of none.
    pub(crate) chunks: BTreeMap<String, u64>,
    /// All files of all chunks.
    pub(crate) all_chunks: u64,
}

impl FirstLoad {
    /// Largest WASM and script together, compressed by brotli: 400 KiB.
    pub(crate) const BUDGET: u64 = 400 * 1024;

    /// Reads them from the site of the last build.
    pub(crate) fn measure(project: &Project) -> Result<Self> {
        let folder = project.site_pkg();
        Self::of(&folder, &project.leptos.output_name).with_context(|| folder.display().to_string())
    }

    fn of(folder: &Path, output_name: &str) -> Result<Self> {
        let mut sizes = Self::default();
        let mut manifest = None;
        // Without the last ending, as the manifest names them.
        let mut lazy = BTreeMap::new();
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let size = entry.metadata()?.len();
            if let Some(file) = name.strip_suffix(".wasm.br") {
                if file.split('.').next() == Some(output_name) {
                    sizes.wasm += size;
                } else {
                    sizes.all_chunks += size;
                    lazy.insert(file.to_owned(), size);
                }
            } else if name.ends_with(".js.br") {
                sizes.script += size;
            } else if name.ends_with(".css.br") {
                sizes.style += size;
            } else if name.starts_with("__wasm_split_manifest.") && name.strip_suffix(".json").is_some() {
                manifest = Some(entry.path());
            }
        }
        if sizes.wasm == 0 || sizes.script == 0 {
            bail!("no compressed WASM and script");
        }
        let manifest = manifest.context("no list of the chunks")?;
        let chunks: BTreeMap<String, Vec<String>> = serde_json::from_slice(&std::fs::read(manifest)?)?;
        for (chunk, files) in chunks {
            let size = |file: &String| lazy.get(file).with_context(|| format!("no compressed {file}.wasm"));
            let size = files.iter().map(size).sum::<Result<u64>>()?;
            sizes.chunks.insert(chunk, size);
        }
        Ok(sizes)
    }

    /// What every page loads.
    pub(crate) fn common(&self) -> u64 {
        self.wasm + self.script
    }

    /// What counts against the budget: what the route with the most to load loads.
    pub(crate) fn code(&self) -> u64 {
        self.common() + self.chunks.values().max().copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::TempDir;

    #[test]
    fn a_first_load_is_that_of_the_largest_route() {
        let dir = TempDir::new("first-load").unwrap();
        let manifest =
            r#"{ "account": ["chunk_1.h", "split_account.h"], "cluster": ["split_cluster.h", "chunk_1.h"] }"#;
        for (name, size) in [
            ("kubewise.h.wasm.br", 1000),
            ("kubewise.h.wasm", 3000),
            ("kubewise.h.js.br", 20),
            ("__wasm_split.h.js.br", 10),
            ("kubewise.h.css.br", 5),
            ("chunk_1.h.wasm.br", 100),
            ("split_account.h.wasm.br", 300),
            ("split_cluster.h.wasm.br", 400),
        ] {
            std::fs::write(dir.path().join(name), vec![0; size]).unwrap();
        }
        assert!(FirstLoad::of(dir.path(), "kubewise").is_err(), "without the list nothing can be said");
        std::fs::write(dir.path().join("__wasm_split_manifest.h.json"), manifest).unwrap();
        let load = FirstLoad::of(dir.path(), "kubewise").unwrap();
        assert_eq!((load.common(), load.code(), load.all_chunks, load.style), (1030, 1530, 800, 5));
        std::fs::remove_file(dir.path().join("split_account.h.wasm.br")).unwrap();
        assert!(FirstLoad::of(dir.path(), "kubewise").is_err());
    }
}
