//! The conversation with an agent: which batch is accepted, when, and what it is answered.

use std::{collections::BTreeMap, io::Read};

use kubewise_contract::{ClusterId, OrgId};
use kubewise_protocol::{BatchKind, DecodeError, Header, Limits, SyncAnswer, UnreadableReason, VULNERABILITY_REPORT};
use secrecy::{ExposeSecret, SecretString};
use sqlx::{PgConnection, PgPool};
use time::{Duration, OffsetDateTime};
use tokio::sync::mpsc;

use super::{
    HEARTBEAT, counts, delta, full,
    read::{Chunk, Item, read},
    vulnerabilities,
};
use crate::{
    Billing, Error, World,
    billing::{self, BEYOND_FOR},
    database::{self, Scope},
    error::database_is_away,
    live,
    logged::logged,
    token,
};

/// Answers that are remembered of an epoch: as many batches can be sent again.
const REMEMBERED: i64 = 64;
/// How long answers of other epochs are remembered.
pub(crate) const REMEMBERED_FOR: Duration = Duration::hours(24);
/// Most objects of one cluster, whatever the plan: some ten times the largest clusters known to us.
const MOST_RESOURCES: i64 = 2_000_000;

/// The part of the server that serves agents.
#[derive(Clone)]
pub struct Ingest {
    pool: PgPool,
    world: World,
    limits: Limits,
    billing: Billing,
}

/// An agent that proved which cluster it speaks for. Only [`Ingest::authenticate`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct Agent {
    pub(super) org: OrgId,
    pub(super) cluster: ClusterId,
}

impl Agent {
    /// The cluster it speaks for.
    pub const fn cluster(&self) -> ClusterId {
        self.cluster
    }
}

/// Why a batch was not accepted. Nothing of it was applied.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The organisation may not hold more.
    #[error("{0}")]
    PlanLimit(String),
    /// The batch does not follow what the server has.
    #[error("{0}")]
    NewEpoch(&'static str),
    /// The batch cannot be read.
    #[error("{0}")]
    Unreadable(#[from] DecodeError),
    /// Another batch of the same cluster is being written.
    #[error("another batch of this cluster is still being written; send the same again in a moment")]
    Busy,
    /// A fault on our side.
    #[error("{0}")]
    Fault(#[from] Error),
}

impl From<sqlx::Error> for Refused {
    fn from(error: sqlx::Error) -> Self {
        Self::Fault(error.into())
    }
}

impl Refused {
    /// True when PostgreSQL is away: the agent shall wait and send the same again.
    pub fn is_away(&self) -> bool {
        matches!(self, Self::Fault(Error::Database(e)) if database_is_away(e))
    }
}

/// A batch's place in the conversation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) epoch: i64,
    pub(super) seq: i64,
}

impl Ingest {
    /// `pool` logs in as `kubewise_ingest`.
    pub const fn new(pool: PgPool, world: World, limits: Limits) -> Self {
        Self { pool, world, limits, billing: Billing::Off }
    }

    /// With organisations held to their plans.
    #[must_use]
    pub fn billed(self) -> Self {
        Self { billing: Billing::On, ..self }
    }

    /// Who a token speaks for; none when it is unknown or was revoked.
    pub async fn authenticate(&self, token: &SecretString) -> Result<Option<Agent>, Error> {
        let Some((org, hash)) = token::AGENT.parse(token.expose_secret()) else { return Ok(None) };
        let mut tx = database::tenant_tx(&self.pool, org, &Scope::All).await?;
        let cluster = sqlx::query_scalar!(
            "SELECT t.cluster_id FROM cluster_tokens t JOIN clusters c ON c.org_id = t.org_id AND c.id = t.cluster_id
             WHERE t.org_id = $1 AND t.hash = $2 AND t.revoked_at IS NULL AND c.deleted_at IS NULL",
            org.0,
            &hash[..],
        )
        .fetch_optional(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(cluster.map(|id| Agent { org, cluster: ClusterId(id) }))
    }

    /// Reads a batch and applies it, whole or not at all.
    ///
    /// The transaction ends with this future: dropping it (a client that hung up, a time-out) applies nothing.
    pub async fn sync(&self, agent: Agent, body: impl Read + Send + 'static) -> Result<SyncAnswer, Refused> {
        // Few chunks in flight: the reader waits for PostgreSQL, and the client for the reader.
        let (sender, mut items) = mpsc::channel(2);
        let limits = self.limits;
        let reader = tokio::task::spawn_blocking(move || read(body, limits, &sender));
        let result = self.apply(agent, &mut items).await;
        // A reader that is still at it finds nobody taking what it gives, and ends.
        drop(items);
        drop(reader);
        result
    }

    async fn apply(&self, agent: Agent, items: &mut mpsc::Receiver<Item>) -> Result<SyncAnswer, Refused> {
        let header = match items.recv().await {
            Some(Item::Header(header)) => *header,
            Some(Item::Failed(error)) => return Err(error.into()),
            _ => return Err(DecodeError::Disconnected.into()),
        };
        let place = place(&header)?;
        let now = self.world.now();
        let cluster = agent.cluster.0;

        let mut tx = database::tenant_tx(&self.pool, agent.org, &Scope::All).await?;
        // One batch of a cluster at a time, in every server process: released with the transaction.
        let (high, low) = cluster.as_u64_pair();
        let locked =
            sqlx::query_scalar!(r#"SELECT pg_try_advisory_xact_lock($1) AS "locked!""#, (high ^ low).cast_signed())
                .fetch_one(&mut *tx)
                .await?;
        if !locked {
            return Err(Refused::Busy);
        }
        if let Some(answer) = remembered(&mut tx, agent, place).await? {
            return Ok(answer);
        }
        self.within_plan(&mut tx, agent, now).await?;

        let mut changed = false;
        match header.kind {
            BatchKind::Full => {
                full::begin(&mut tx, agent, place, header.last).await?;
                let mut added = 0;
                while let Some(chunk) = next_chunk(items).await? {
                    added += full::stage(&mut tx, agent, &chunk, now).await?;
                }
                let staged = full::staged(&mut tx, agent, place, added).await?;
                self.within_limit(&mut tx, agent, staged).await?;
                if header.last {
                    let kept: Vec<String> = header
                        .unreadable
                        .iter()
                        .filter(|u| u.reason == UnreadableReason::Unavailable)
                        .map(|u| u.kind.clone())
                        .collect();
                    full::publish(&mut tx, agent, place, &kept, now).await?;
                    counts::recount(&mut tx, agent).await?;
                    vulnerabilities::refresh(&mut tx, agent).await?;
                    changed = true;
                }
            }
            BatchKind::Delta | BatchKind::Heartbeat => {
                follows(&mut tx, agent, place).await?;
                let mut difference = counts::Difference::default();
                while let Some(chunk) = next_chunk(items).await? {
                    delta::apply(&mut tx, agent, &chunk, &mut difference, now).await?;
                }
                let forbidden: Vec<String> = header
                    .unreadable
                    .iter()
                    .filter(|u| u.reason == UnreadableReason::Forbidden)
                    .map(|u| u.kind.clone())
                    .collect();
                changed = !difference.is_empty();
                let mut reports = difference.touches(VULNERABILITY_REPORT);
                difference.write(&mut tx, agent).await?;
                if !forbidden.is_empty() && delta::drop_kinds(&mut tx, agent, &forbidden).await? {
                    counts::recount(&mut tx, agent).await?;
                    reports |= forbidden.iter().any(|kind| kind == VULNERABILITY_REPORT);
                    changed = true;
                }
                if reports {
                    vulnerabilities::refresh(&mut tx, agent).await?;
                }
                if changed {
                    counts::figures(&mut tx, agent).await?;
                    let held = counts::held(&mut tx, agent).await?;
                    self.within_limit(&mut tx, agent, held).await?;
                }
            }
        }
        if changed {
            billing::count_nodes(&mut tx, agent.org, agent.cluster, now).await.map_err(Error::from)?;
        }
        let visible = header.kind != BatchKind::Full || header.last;
        heard(&mut tx, agent, &header, visible.then_some(place), now).await?;
        let answer = SyncAnswer {
            epoch: header.epoch,
            seq: header.seq,
            totals: totals(&mut tx, agent).await?,
            heartbeat_seconds: HEARTBEAT.as_secs(),
        };
        remember(&mut tx, agent, place, &answer, now).await?;
        live::notify(&mut tx, agent.org, agent.cluster, changed).await?;
        tx.commit().await?;
        tracing::debug!(cluster = logged(agent.cluster), epoch = header.epoch, seq = header.seq, kind = ?header.kind, "batch applied");
        Ok(answer)
    }

    /// Refuses when the plan has been too small for the cluster for some time.
    async fn within_plan(&self, tx: &mut PgConnection, agent: Agent, now: OffsetDateTime) -> Result<(), Refused> {
        if self.billing == Billing::Off {
            return Ok(());
        }
        let since = sqlx::query_scalar!(
            "SELECT beyond_plan_since FROM clusters WHERE org_id = $1 AND id = $2",
            agent.org.0,
            agent.cluster.0
        )
        .fetch_one(&mut *tx)
        .await?;
        if since.is_none_or(|since| since + BEYOND_FOR > now) {
            return Ok(());
        }
        Err(Refused::PlanLimit(
            "the organisation's plan is too small for this cluster; what is known of it stays and can be read: choose a \
             larger plan on the page Billing, or remove a cluster that was added before it"
                .to_owned(),
        ))
    }

    /// Refuses when the organisation would hold more than it may, with `held` objects in this cluster.
    async fn within_limit(&self, tx: &mut PgConnection, agent: Agent, held: i64) -> Result<(), Refused> {
        if held > MOST_RESOURCES {
            return Err(Refused::PlanLimit(format!("a cluster may hold at most {MOST_RESOURCES} objects")));
        }
        let Some(limit) = sqlx::query_scalar!("SELECT max_resources FROM organisations WHERE id = $1", agent.org.0)
            .fetch_one(&mut *tx)
            .await?
        else {
            return Ok(());
        };
        let others = sqlx::query_scalar!(
            r#"SELECT coalesce(sum(resources), 0)::bigint AS "sum!" FROM clusters
               WHERE org_id = $1 AND id <> $2 AND deleted_at IS NULL"#,
            agent.org.0,
            agent.cluster.0,
        )
        .fetch_one(&mut *tx)
        .await?;
        if others + held > limit {
            return Err(Refused::PlanLimit(format!(
                "the organisation's plan allows {limit} objects in all clusters, and this cluster would bring them to {}; \
                 remove a cluster or ask an owner to raise the limit",
                others + held
            )));
        }
        Ok(())
    }
}

fn place(header: &Header) -> Result<Place, Refused> {
    // Numbers are only compared for equality and counted up, so the sign that PostgreSQL gives them does not matter;
    // but counting up must not wrap.
    let seq = i64::try_from(header.seq).map_err(|_| Refused::NewEpoch("seq is too large; begin a new epoch at 0"))?;
    Ok(Place { epoch: header.epoch.cast_signed(), seq })
}

async fn next_chunk(items: &mut mpsc::Receiver<Item>) -> Result<Option<Chunk>, Refused> {
    match items.recv().await {
        Some(Item::Chunk(chunk)) => Ok(Some(chunk)),
        Some(Item::End) => Ok(None),
        Some(Item::Failed(error)) => Err(error.into()),
        Some(Item::Header(_)) | None => Err(DecodeError::Disconnected.into()),
    }
}

/// A delta or heartbeat must follow the last batch of its epoch.
async fn follows(tx: &mut PgConnection, agent: Agent, place: Place) -> Result<(), Refused> {
    let state = sqlx::query!(
        "SELECT epoch, seq FROM ingest_state WHERE org_id = $1 AND cluster_id = $2",
        agent.org.0,
        agent.cluster.0,
    )
    .fetch_optional(tx)
    .await?;
    match state {
        Some(state) if state.epoch == place.epoch && state.seq.checked_add(1) == Some(place.seq) => Ok(()),
        Some(state) if state.epoch == place.epoch => {
            Err(Refused::NewEpoch("a batch is missing or was forgotten; begin a new epoch with a full synchronisation"))
        }
        _ => Err(Refused::NewEpoch("this epoch is not known; begin a new one with a full synchronisation")),
    }
}

async fn remembered(tx: &mut PgConnection, agent: Agent, place: Place) -> Result<Option<SyncAnswer>, Refused> {
    let answer = sqlx::query_scalar!(
        "SELECT answer FROM ingest_batches WHERE org_id = $1 AND cluster_id = $2 AND epoch = $3 AND seq = $4",
        agent.org.0,
        agent.cluster.0,
        place.epoch,
        place.seq,
    )
    .fetch_optional(tx)
    .await?;
    answer
        .map(|answer| serde_json::from_value(answer).map_err(|e| Error::Internal(format!("stored answer: {e}")).into()))
        .transpose()
}

async fn remember(
    tx: &mut PgConnection,
    agent: Agent,
    place: Place,
    answer: &SyncAnswer,
    now: time::OffsetDateTime,
) -> Result<(), Refused> {
    let answer = serde_json::to_value(answer).map_err(|e| Error::Internal(e.to_string()))?;
    sqlx::query!(
        "INSERT INTO ingest_batches (org_id, cluster_id, epoch, seq, answer, received_at) VALUES ($1, $2, $3, $4, $5, $6)",
        agent.org.0,
        agent.cluster.0,
        place.epoch,
        place.seq,
        answer,
        now,
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "DELETE FROM ingest_batches WHERE org_id = $1 AND cluster_id = $2 AND epoch = $3 AND seq <= $4",
        agent.org.0,
        agent.cluster.0,
        place.epoch,
        place.seq - REMEMBERED,
    )
    .execute(&mut *tx)
    .await?;
    if place.seq == 0 {
        sqlx::query!(
            "DELETE FROM ingest_batches WHERE org_id = $1 AND cluster_id = $2 AND received_at < $3",
            agent.org.0,
            agent.cluster.0,
            now - REMEMBERED_FOR,
        )
        .execute(tx)
        .await?;
    }
    Ok(())
}

/// Notes that the agent was heard and what it says of itself; and how far the conversation is, when it moved.
async fn heard(
    tx: &mut PgConnection,
    agent: Agent,
    header: &Header,
    moved_to: Option<Place>,
    now: time::OffsetDateTime,
) -> Result<(), Refused> {
    let unreadable = serde_json::to_value(&header.unreadable).map_err(|e| Error::Internal(e.to_string()))?;
    let said = |text: &str| Some(text.to_owned()).filter(|t| !t.is_empty());
    sqlx::query!(
        "UPDATE clusters SET last_heard_at = $3, agent_version = $4, kubernetes_version = $5,
                cluster_uid = coalesce($6, cluster_uid), unreadable = $7,
                synced_at = CASE WHEN $8 THEN $3 ELSE synced_at END
         WHERE org_id = $1 AND id = $2",
        agent.org.0,
        agent.cluster.0,
        now,
        said(&header.agent_version),
        said(header.kubernetes_version.trim_start_matches('v')),
        said(&header.cluster_uid),
        unreadable,
        header.kind == BatchKind::Full && header.last,
    )
    .execute(&mut *tx)
    .await?;
    if let Some(place) = moved_to {
        sqlx::query!(
            "INSERT INTO ingest_state (org_id, cluster_id, epoch, seq) VALUES ($1, $2, $3, $4)
             ON CONFLICT (org_id, cluster_id) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq",
            agent.org.0,
            agent.cluster.0,
            place.epoch,
            place.seq,
        )
        .execute(tx)
        .await?;
    }
    Ok(())
}

async fn totals(tx: &mut PgConnection, agent: Agent) -> Result<BTreeMap<String, u64>, Refused> {
    let rows = sqlx::query!(
        "SELECT kind, count FROM cluster_kinds WHERE org_id = $1 AND cluster_id = $2",
        agent.org.0,
        agent.cluster.0,
    )
    .fetch_all(tx)
    .await?;
    Ok(rows.into_iter().map(|row| (row.kind, row.count.cast_unsigned())).collect())
}
