//! What an administrator of the installation sees. Nothing of any cluster is in it.

use serde::{Deserialize, Serialize};

use crate::{OrgSlug, Timestamp, UserId};

/// An organisation, as the installation knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallationOrganisation {
    /// Its address after `/o/`.
    pub slug: OrgSlug,
    /// Its name.
    pub name: String,
    /// How many members it has.
    pub members: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// An account, as the installation knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallationAccount {
    /// Names it.
    pub id: UserId,
    /// The person's name.
    pub name: String,
    /// The address they sign in with.
    pub email: String,
    /// In how many organisations they are.
    pub organisations: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it is shut out, if it is.
    pub disabled_at: Option<Timestamp>,
    /// Whether it administers the installation.
    pub is_administrator: bool,
    /// Whether it is who looks.
    pub is_viewer: bool,
}

/// How jobs are doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobHealth {
    /// Each queue.
    pub queues: Vec<QueueHealth>,
    /// Jobs that failed as often as they are tried, latest last; at most 100.
    pub dead: Vec<DeadJobRow>,
}

/// How the jobs of one queue are doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueHealth {
    /// Its name.
    pub name: String,
    /// Jobs that wait.
    pub waiting: i64,
    /// Jobs that are being done.
    pub running: i64,
    /// Jobs that were done within the last hour.
    pub done: i64,
    /// Jobs that failed as often as they are tried.
    pub dead: i64,
    /// Since when the one waits that waits longest.
    pub oldest: Option<Timestamp>,
}

/// A job that failed as often as it is tried. What it was about is not told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadJobRow {
    /// Names it.
    pub id: String,
    /// The queue it waited in.
    pub queue: String,
    /// How often it was begun.
    pub attempts: i32,
    /// Why it failed last.
    pub why: String,
}
