//! The command line of `kubewise-agent audit`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use kubewise_audit::{KubernetesVersion, Profile, Severity, format::Format};

/// What is audited, and how it is told.
#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// Files and folders of YAML or JSON; - for standard input
    #[arg(value_name = "PATH", required_unless_present_any = ["explain", "list_rules"])]
    pub(super) paths: Vec<PathBuf>,
    /// Which rules are judged: all, a framework or a category
    #[arg(long, default_value_t = Profile::All)]
    pub(super) profile: Profile,
    /// The version of Kubernetes that the manifests are for
    #[arg(long, value_name = "VERSION", default_value_t = KubernetesVersion::NEWEST)]
    pub(super) kubernetes_version: KubernetesVersion,
    /// How the report is written
    #[arg(long, value_enum, default_value_t = FormatName::Table)]
    pub(super) format: FormatName,
    /// The least severity that makes the exit code 1
    #[arg(long, value_enum, value_name = "SEVERITY", default_value_t = Threshold::Low)]
    pub(super) fail_on: Threshold,
    /// A report of --format json from before: what is in it is known and fails nothing
    #[arg(long, value_name = "FILE")]
    pub(super) baseline: Option<PathBuf>,
    /// A list of exceptions (YAML or JSON): findings that are accepted for a reason
    #[arg(long, value_name = "FILE")]
    pub(super) exceptions: Option<PathBuf>,
    /// What rules leave open (YAML or JSON): allowed registries, required labels and so on
    #[arg(long, value_name = "FILE")]
    pub(super) parameters: Option<PathBuf>,
    /// Write the report to a file
    #[arg(long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Say what a rule is about and what to do, and end
    #[arg(long, value_name = "RULE")]
    pub(super) explain: Option<String>,
    /// List the rules of the profile, and end
    #[arg(long, conflicts_with = "explain")]
    pub(super) list_rules: bool,
}

const HELP: &str = "Exit codes:
  0  no finding at or above --fail-on
  1  findings at or above --fail-on
  2  something could not be read, or the arguments are wrong";

/// A format, by the name it has on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum FormatName {
    Table,
    Json,
    Sarif,
    Junit,
    Markdown,
    Csv,
    Html,
}

impl FormatName {
    pub(super) const fn format(self, colour: bool) -> Format {
        match self {
            Self::Table => Format::Table { colour },
            Self::Json => Format::Json,
            Self::Sarif => Format::Sarif,
            Self::Junit => Format::Junit,
            Self::Markdown => Format::Markdown,
            Self::Csv => Format::Csv,
            Self::Html => Format::Html,
        }
    }
}

/// From which severity on findings fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Threshold {
    Info,
    Low,
    Medium,
    High,
    Critical,
    /// Whatever is found
    Never,
}

impl Threshold {
    pub(super) const fn severity(self) -> Option<Severity> {
        match self {
            Self::Info => Some(Severity::Info),
            Self::Low => Some(Severity::Low),
            Self::Medium => Some(Severity::Medium),
            Self::High => Some(Severity::High),
            Self::Critical => Some(Severity::Critical),
            Self::Never => None,
        }
    }
}
