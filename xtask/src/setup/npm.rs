//! npm packages, and the fonts that come as such.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::Presence;
use crate::project::Project;
use crate::{cmd, fingerprint};

/// Written after an installation: what it was made from.
const STAMP: &str = "node_modules/.kubewise";

/// The fonts the site serves itself: the package, its file, the name below `public/fonts`.
const FONTS: &[(&str, &str, &str)] = &[
    ("inter", "files/inter-latin-wght-normal.woff2", "inter-latin-wght-normal.woff2"),
    ("inter", "files/inter-latin-ext-wght-normal.woff2", "inter-latin-ext-wght-normal.woff2"),
    ("inter", "LICENSE", "inter-LICENSE.txt"),
    ("jetbrains-mono", "files/jetbrains-mono-latin-wght-normal.woff2", "jetbrains-mono-latin-wght-normal.woff2"),
    (
        "jetbrains-mono",
        "files/jetbrains-mono-latin-ext-wght-normal.woff2",
        "jetbrains-mono-latin-ext-wght-normal.woff2",
    ),
    ("jetbrains-mono", "LICENSE", "jetbrains-mono-LICENSE.txt"),
];

pub(super) fn presence(folder: &Path) -> Result<Presence> {
    if !folder.join("package.json").is_file() {
        bail!("{} is missing", folder.join("package.json").display());
    }
    Ok(match std::fs::read_to_string(folder.join(STAMP)) {
        Ok(stamp) if stamp == wanted(folder)? => Presence::Yes,
        Ok(_) => Presence::No("package.json changed".to_owned()),
        Err(_) => Presence::No("not installed yet".to_owned()),
    })
}

pub(super) fn install(project: &Project, folder: &Path, log: &str) -> Result<()> {
    // `npm ci` installs exactly what the lock file names.
    let verb = if folder.join("package-lock.json").is_file() { "ci" } else { "install" };
    let mut npm = project.command("npm");
    npm.current_dir(folder)
        .args([verb, "--no-audit", "--no-fund", "--loglevel=error"])
        // Browsers come from the distribution.
        .env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1");
    cmd::run_ok(project, log, &mut npm)?;
    let stamp = folder.join(STAMP);
    std::fs::write(&stamp, wanted(folder)?).with_context(|| stamp.display().to_string())
}

fn wanted(folder: &Path) -> Result<String> {
    let files: Vec<PathBuf> = ["package.json", "package-lock.json"].iter().map(|file| folder.join(file)).collect();
    Ok(format!("{:016x}\n", fingerprint::of_paths(&files, &|_| false)?))
}

/// Copies the fonts to where the site takes them from; a font that is there already is left alone.
pub(super) fn copy_fonts(project: &Project) -> Result<()> {
    let target = project.root.join("public/fonts");
    std::fs::create_dir_all(&target).with_context(|| target.display().to_string())?;
    for (package, file, name) in FONTS {
        let source = project.root.join("node_modules/@fontsource-variable").join(package).join(file);
        let content = std::fs::read(&source).with_context(|| source.display().to_string())?;
        let target = target.join(name);
        if std::fs::read(&target).is_ok_and(|there| there == content) {
            continue;
        }
        std::fs::write(&target, content).with_context(|| target.display().to_string())?;
    }
    Ok(())
}
