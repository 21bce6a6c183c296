//! Running one command of a longer job: all that it says goes to a log, a line now and then to the terminal.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::interrupt;
use crate::project::Project;

/// How often a long step says that it goes on.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(12);
/// Lines kept for showing how a command ended.
const TAIL_LINES: usize = 400;

/// How a command ended.
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) took: Duration,
    /// The last lines of standard output and standard error, in the order they came.
    pub(crate) tail: Vec<String>,
    /// All that the command said.
    pub(crate) log: PathBuf,
}

impl Finished {
    /// The last `count` lines.
    pub(crate) fn last(&self, count: usize) -> &[String] {
        &self.tail[self.tail.len().saturating_sub(count)..]
    }
}

/// Runs a command to its end. `name` is what the person sees; the log is called after it.
pub(crate) fn run(project: &Project, name: &str, command: &mut Command) -> Result<Finished> {
    interrupt::check()?;
    let log = log_file(project, name)?;
    let program = command.get_program().to_string_lossy().into_owned();
    let started = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("{program} could not be started"))?;
    let output = Arc::new(Mutex::new(Output::new(File::create(&log).with_context(|| log.display().to_string())?)));
    let readers =
        [child.stdout.take().map(|pipe| follow(pipe, &output)), child.stderr.take().map(|pipe| follow(pipe, &output))];
    let status = wait(&mut child, name, started, &output)?;
    // A daemon that the command left behind may hold the pipes open: it is not waited for.
    let patience = Instant::now() + Duration::from_secs(2);
    for reader in readers.into_iter().flatten() {
        while !reader.is_finished() && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    let tail = lock(&output).tail.iter().cloned().collect();
    Ok(Finished { status, took: started.elapsed(), tail, log })
}

/// Runs a command that must succeed.
pub(crate) fn run_ok(project: &Project, name: &str, command: &mut Command) -> Result<Finished> {
    let finished = run(project, name, command)?;
    if !finished.status.success() {
        bail!(
            "{name} failed ({}). Its last lines:\n{}\nAll of it: {}",
            finished.status,
            finished.last(60).join("\n"),
            finished.log.display()
        );
    }
    Ok(finished)
}

/// What a short command says on standard output, without the line end; an error when it fails.
pub(crate) fn text(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{program} could not be started"))?;
    if !output.status.success() {
        bail!("{program} failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Sends a signal (`TERM`, `INT`, `KILL`) to one process.
pub(crate) fn signal(pid: u32, signal: &str) {
    // The shell's own `kill` is there even where no other is. A process that has ended by itself is no error.
    let sent = Command::new("sh")
        .args(["-c", "kill -s \"$0\" \"$1\" 2>/dev/null", signal, &pid.to_string()])
        .stdin(Stdio::null())
        .status();
    if let Err(error) = sent {
        eprintln!("process {pid} could not be sent SIG{signal}: {error}");
    }
}

/// Where what a command says is kept.
pub(crate) fn log_file(project: &Project, name: &str) -> Result<PathBuf> {
    let folder = project.state().join("logs");
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let file: String = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' }).collect();
    Ok(folder.join(format!("{file}.log")))
}

struct Output {
    log: File,
    tail: VecDeque<String>,
    compiled: usize,
    doing: String,
}

impl Output {
    fn new(log: File) -> Self {
        Self { log, tail: VecDeque::new(), compiled: 0, doing: String::new() }
    }

    fn line(&mut self, line: &str) {
        // A full disk shows in the command's own failure.
        let _ = writeln!(self.log, "{line}");
        if let Some(rest) = line.trim_start().strip_prefix("Compiling ").or(line.trim_start().strip_prefix("Checking "))
        {
            self.compiled += 1;
            let name = rest.split(' ').next().unwrap_or(rest);
            self.doing = format!("compiling {name} ({} crates so far)", self.compiled);
        } else if !line.trim().is_empty() {
            self.doing = line.trim().chars().take(90).collect();
        }
        if self.tail.len() == TAIL_LINES {
            self.tail.pop_front();
        }
        self.tail.push_back(line.to_owned());
    }
}

/// A line without the escape sequences (ECMA-48: `ESC [ … letter`) that some programs colour theirs with even in a
/// file.
fn plain(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line.chars().peekable();
    while let Some(character) = rest.next() {
        if character == '\u{1b}' {
            if rest.next_if_eq(&'[').is_some() {
                while rest.next_if(|c| !('\u{40}'..='\u{7e}').contains(c)).is_some() {}
            }
            rest.next();
        } else {
            text.push(character);
        }
    }
    text
}

fn lock(output: &Mutex<Output>) -> std::sync::MutexGuard<'_, Output> {
    output.lock().unwrap_or_else(PoisonError::into_inner)
}

fn follow(pipe: impl Read + Send + 'static, output: &Arc<Mutex<Output>>) -> JoinHandle<()> {
    let output = Arc::clone(output);
    std::thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            match reader.read_until(b'\n', &mut bytes) {
                Ok(0) | Err(_) => return,
                Ok(_) => lock(&output).line(plain(&String::from_utf8_lossy(&bytes)).trim_end()),
            }
        }
    })
}

fn wait(child: &mut Child, name: &str, started: Instant, output: &Mutex<Output>) -> Result<ExitStatus> {
    let mut last_said = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if interrupt::asked() {
            signal(child.id(), "TERM");
            let patience = Instant::now() + Duration::from_secs(10);
            while child.try_wait()?.is_none() {
                if Instant::now() > patience {
                    child.kill()?;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
            return Err(interrupt::Interrupted.into());
        }
        if last_said.elapsed() > PROGRESS_INTERVAL {
            last_said = Instant::now();
            let mut line = format!("  {name}: {} s", started.elapsed().as_secs());
            let doing = &lock(output).doing;
            if !doing.is_empty() {
                let _ = write!(line, ", {doing}");
            }
            eprintln!("{line}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_taken_off() {
        assert_eq!(plain("\u{1b}[38;5;77m    Finished\u{1b}[0m in 3 s"), "    Finished in 3 s");
        assert_eq!(plain("\u{1b}(B plain"), "B plain");
        assert_eq!(plain("no escapes"), "no escapes");
    }
}
