//! The audit from beginning to end.

use std::{
    collections::BTreeSet,
    env,
    fmt::Write as _,
    fs,
    io::{self, ErrorKind, IsTerminal, Write as _},
    path::Path,
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use kubewise_audit::{
    Completeness, Inventory, Kind, Options, Report,
    exception::Exception,
    format::{Output, summary},
    rules,
};
use rayon::prelude::*;

use super::{
    arguments::{Arguments, FormatName},
    catalogue, decisions,
    files::{self, Input},
    read::{self, Contents},
};

/// Findings at or above the threshold.
const FOUND: u8 = 1;
/// Something could not be read, or was asked for wrongly; as clap has it for arguments.
const UNREADABLE: u8 = 2;

/// Files whose documents are named in a note, at most.
const NAMED: usize = 5;

/// Does what was asked for.
pub fn audit(arguments: &Arguments) -> ExitCode {
    match run(arguments) {
        Ok(code) => code,
        Err(error) => {
            warn(&format!("{error:#}"));
            ExitCode::from(UNREADABLE)
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut options =
        Options { profile: arguments.profile, version: arguments.kubernetes_version, ..Options::default() };
    if let Some(id) = &arguments.explain {
        let Some(rule) = rules::find(id) else { bail!("there is no rule {id:?}; --list-rules lists them all") };
        return write(arguments, &catalogue::explain(rule)).map(|()| ExitCode::SUCCESS);
    }
    if arguments.list_rules {
        let is_json = arguments.format == FormatName::Json;
        let list = if is_json { catalogue::list_json(&options) } else { catalogue::list(&options) };
        return write(arguments, &list).map(|()| ExitCode::SUCCESS);
    }
    if let Some(path) = &arguments.parameters {
        options.parameters = decisions::parameters(path)?;
    }
    let baseline = arguments.baseline.as_deref().map(decisions::baseline).transpose()?;
    let (exceptions, warnings) = match &arguments.exceptions {
        Some(path) => decisions::exceptions(path)?,
        None => Default::default(),
    };
    for warning in &warnings {
        warn(warning);
    }

    let Read { inventory, notes, files, faults } = read(arguments);
    for fault in &faults {
        warn(fault);
    }
    if inventory.objects().is_empty() {
        if faults.is_empty() {
            bail!("nothing to audit: no Kubernetes object in {}", names(&arguments.paths));
        }
        return Ok(ExitCode::from(UNREADABLE));
    }
    let report = kubewise_audit::audit(&inventory, &options);
    unused(&exceptions, &inventory, &report, arguments.exceptions.as_deref());
    let mut output = Output::new(&inventory, &report, &options, &exceptions);
    output.summary.notes = notes;
    output.summary.files = files;
    if let Some(baseline) = &baseline {
        output.compare(baseline);
    }
    write(arguments, &arguments.format.format(is_coloured(arguments)).write(&output))?;
    if arguments.output.is_some() {
        drop(writeln!(io::stderr(), "{}", summary(&output)));
    }
    let failures = arguments.fail_on.severity().map_or(0, |threshold| output.failures(threshold));
    // The program ends here: taking apart piece by piece what it knows would take longer than some of what it did.
    std::mem::forget((inventory, report, output));
    Ok(match (faults.is_empty(), failures) {
        (false, _) => ExitCode::from(UNREADABLE),
        (true, 0) => ExitCode::SUCCESS,
        (true, _) => ExitCode::from(FOUND),
    })
}

/// What was read, and what could not be.
struct Read {
    inventory: Inventory,
    notes: Vec<String>,
    files: usize,
    faults: Vec<String>,
}

fn read(arguments: &Arguments) -> Read {
    let working_folder = env::current_dir().unwrap_or_default();
    let (inputs, mut faults) = files::find(&arguments.paths, &working_folder);
    let read: Vec<Result<Contents, String>> = inputs.par_iter().map(read::read).collect();
    let mut objects = Vec::new();
    let mut ignored: Vec<(&Input, usize)> = Vec::new();
    let mut files = 0;
    for (input, contents) in inputs.iter().zip(read) {
        match contents {
            Ok(contents) => {
                files += 1;
                objects.extend(contents.objects);
                if contents.ignored > 0 {
                    ignored.push((input, contents.ignored));
                }
            }
            Err(fault) => faults.push(fault),
        }
    }
    let inventory = Inventory::new(objects, Completeness::Manifests);
    let notes = [about_ignored(&ignored), about_unknown(&inventory)].into_iter().flatten().collect();
    Read { inventory, notes, files, faults }
}

fn about_ignored(ignored: &[(&Input, usize)]) -> Option<String> {
    let count: usize = ignored.iter().map(|(_, count)| count).sum();
    let files = ignored.iter().map(|(input, _)| input.name.as_str());
    let what = if count == 1 { "document is no Kubernetes object" } else { "documents are no Kubernetes objects" };
    (count > 0).then(|| format!("Ignored: {count} {what} ({}).", some(files)))
}

fn about_unknown(inventory: &Inventory) -> Option<String> {
    let kinds: BTreeSet<&str> = inventory.of(Kind::Other).map(|object| &*object.kind_name).collect();
    let count = inventory.of(Kind::Other).len();
    let what = if count == 1 { "object" } else { "objects" };
    (count > 0).then(|| format!("Of kinds that no rule knows: {count} {what} ({}).", some(kinds)))
}

/// The first few of them.
fn some<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut names = names.into_iter();
    let mut text = names.by_ref().take(NAMED).collect::<Vec<_>>().join(", ");
    let more = names.count();
    if more > 0 {
        // Writing to a string does not fail.
        let _ = write!(text, " and {more} more");
    }
    text
}

fn names(paths: &[std::path::PathBuf]) -> String {
    let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    some(names.iter().map(String::as_str))
}

fn unused(exceptions: &[Exception], inventory: &Inventory, report: &Report, file: Option<&Path>) {
    let Some(file) = file else { return };
    for exception in exceptions {
        let is_used = report.findings.iter().any(|found| exception.accepts(found, inventory.object(found.object)));
        if !is_used {
            let scope = [&exception.kind, &exception.namespace, &exception.name];
            let scope: Vec<&str> = scope.into_iter().filter_map(Option::as_deref).collect();
            let scope = if scope.is_empty() { String::new() } else { format!(", {}", scope.join("/")) };
            warn(&format!("{}: the exception for {}{scope} accepts nothing", file.display(), exception.rule));
        }
    }
}

/// To the file that was asked for, or to standard output. Whoever reads that may stop before the end.
fn write(arguments: &Arguments, text: &str) -> Result<()> {
    if let Some(path) = &arguments.output {
        return fs::write(path, text).with_context(|| format!("{} could not be written", path.display()));
    }
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("standard output"),
        _ => Ok(()),
    }
}

/// Colours are for terminals, and not for who does not want them (<https://no-color.org>).
fn is_coloured(arguments: &Arguments) -> bool {
    let is_unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_dumb = env::var_os("TERM").is_some_and(|value| value == "dumb");
    arguments.output.is_none() && !is_unwanted && !is_dumb && io::stdout().is_terminal()
}

/// To standard error, where it may have been closed.
fn warn(text: &str) {
    drop(writeln!(io::stderr(), "kubewise-agent: {text}"));
}
