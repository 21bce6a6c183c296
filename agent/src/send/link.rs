//! How the connection to the server stands; said once when it changes, not once per try.

use std::sync::{Arc, Mutex, PoisonError};

use tracing::{error, info, warn};

use crate::metrics::Metrics;

/// How the connection to the server stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing was sent yet.
    #[default]
    Unknown,
    /// The server took the last batch.
    Connected,
    /// The server does not know the token.
    Unauthorized,
    /// The plan does not allow more.
    PlanLimit,
    /// The server is busy.
    Busy,
    /// The server cannot be reached, or answers with a fault of its own.
    Away,
    /// The server does not take what the agent sends.
    Refused,
}

/// How the connection to the server stands. Clones are the same.
#[derive(Clone)]
pub(crate) struct Link {
    standing: Arc<Mutex<Standing>>,
    metrics: Metrics,
}

impl Link {
    /// Nothing was sent yet.
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self { standing: Arc::default(), metrics }
    }

    /// How it stands now.
    pub(crate) fn standing(&self) -> Standing {
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, standing: Standing, sentence: &str) {
        let mut current = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        if *current == standing {
            return;
        }
        let before = std::mem::replace(&mut *current, standing);
        drop(current);
        self.metrics.connected(standing == Standing::Connected);
        match standing {
            Standing::Connected if before == Standing::Unknown => info!("the server takes what is sent"),
            Standing::Connected => info!("the server takes what is sent again"),
            Standing::Unauthorized => {
                error!(
                    "the token is unknown or was revoked; make a new one on the cluster's page and give it to this agent: {sentence}"
                );
            }
            Standing::PlanLimit => error!("the plan does not allow more: {sentence}"),
            Standing::Refused => error!("the server does not take what is sent: {sentence}"),
            Standing::Busy => info!("the server is busy; sending the same again later: {sentence}"),
            Standing::Away | Standing::Unknown => {
                warn!("the server does not answer as it should; trying again until it does: {sentence}");
            }
        }
    }
}
