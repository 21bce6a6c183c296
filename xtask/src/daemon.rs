//! Programs that run beside xtask: stopped by their own process id when their owner goes away, whatever the reason.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::{cmd, http, interrupt};

/// A running program.
pub(crate) struct Daemon {
    name: &'static str,
    child: Child,
    log: PathBuf,
    /// How it is asked to stop.
    stop_signal: &'static str,
    /// How long it may take to.
    patience: Duration,
    first_line: Option<Receiver<String>>,
    ended: Option<ExitStatus>,
}

impl Daemon {
    /// Starts it in a process group of its own, so that Ctrl-C reaches xtask alone, which then stops things in order.
    /// All that it says is appended to `log`.
    pub(crate) fn spawn(name: &'static str, command: &mut Command, log: &Path) -> Result<Self> {
        let file = append(log)?;
        command.stdout(file.try_clone()?).stderr(file);
        Self::start(name, command, log)
    }

    /// As [`Daemon::spawn`]; the first line of standard output can be had with [`Daemon::first_line`].
    pub(crate) fn spawn_talking(name: &'static str, command: &mut Command, log: &Path) -> Result<Self> {
        command.stdout(Stdio::piped()).stderr(append(log)?);
        let mut daemon = Self::start(name, command, log)?;
        let Some(stdout) = daemon.child.stdout.take() else { bail!("{name} has no standard output") };
        let mut log = append(log)?;
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Neither a full disk nor a reader that has what it wanted may block the program.
                let _ = writeln!(log, "{line}");
                let _ = sender.send(line);
            }
        });
        daemon.first_line = Some(receiver);
        Ok(daemon)
    }

    /// Lets the program talk to the terminal itself.
    pub(crate) fn spawn_in_terminal(name: &'static str, command: &mut Command) -> Result<Self> {
        Self::start(name, command, Path::new("the terminal"))
    }

    fn start(name: &'static str, command: &mut Command, log: &Path) -> Result<Self> {
        interrupt::check()?;
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .with_context(|| format!("{name} ({program}) could not be started"))?;
        Ok(Self {
            name,
            child,
            log: log.to_owned(),
            stop_signal: "TERM",
            patience: Duration::from_secs(15),
            first_line: None,
            ended: None,
        })
    }

    /// Another signal than TERM asks it to stop.
    pub(crate) fn stopped_by(mut self, signal: &'static str) -> Self {
        self.stop_signal = signal;
        self
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait()?;
        }
        Ok(self.ended)
    }

    /// An error with the last lines of its log if it has ended.
    pub(crate) fn must_run(&mut self) -> Result<()> {
        match self.ended()? {
            None => Ok(()),
            Some(status) => bail!("{} ended ({status}). {}", self.name, self.last_words()),
        }
    }

    /// The end of its log, for an error message.
    pub(crate) fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(25)..].join("\n");
        format!("The last lines of {}:\n{tail}", self.log.display())
    }

    /// The first line it prints.
    pub(crate) fn first_line(&mut self, limit: Duration) -> Result<String> {
        let end = Instant::now() + limit;
        loop {
            interrupt::check()?;
            let Some(lines) = &self.first_line else { bail!("{} writes to its log", self.name) };
            match lines.recv_timeout(Duration::from_millis(50)) {
                Ok(line) => return Ok(line),
                Err(RecvTimeoutError::Timeout) => self.must_run()?,
                Err(RecvTimeoutError::Disconnected) => {
                    self.must_run()?;
                    bail!("{} closed its standard output without a word", self.name);
                }
            }
            if Instant::now() > end {
                bail!("{} said nothing for {} s. {}", self.name, limit.as_secs(), self.last_words());
            }
        }
    }

    /// Waits until `GET path` answers 200.
    pub(crate) fn healthy(&mut self, address: SocketAddr, path: &str, limit: Duration) -> Result<()> {
        let answered = interrupt::poll(limit, Duration::from_millis(100), || {
            self.must_run()?;
            Ok(http::get(address, path).is_ok_and(|(status, _)| status == 200).then_some(()))
        })?;
        match answered {
            Some(()) => Ok(()),
            None => bail!("{} is not ready after {} s. {}", self.name, limit.as_secs(), self.last_words()),
        }
    }

    /// Waits until it ends by itself.
    pub(crate) fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        match interrupt::poll(limit, Duration::from_millis(10), || self.ended())? {
            Some(status) => Ok(status),
            None => bail!("{} has not ended after {} s. {}", self.name, limit.as_secs(), self.last_words()),
        }
    }

    /// Asks it to stop, and after its time is over makes it.
    pub(crate) fn stop(&mut self) {
        if !matches!(self.ended(), Ok(None)) {
            return;
        }
        cmd::signal(self.pid(), self.stop_signal);
        let end = Instant::now() + self.patience;
        while matches!(self.ended(), Ok(None)) {
            if Instant::now() > end {
                eprintln!("{} did not stop within {} s and is killed.", self.name, self.patience.as_secs());
                let _ = self.child.kill();
                self.ended = self.child.wait().ok();
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop();
    }
}

fn append(log: &Path) -> Result<File> {
    if let Some(folder) = log.parent() {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    OpenOptions::new().create(true).append(true).open(log).with_context(|| log.display().to_string())
}
