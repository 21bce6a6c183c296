//! Jobs: rows, enqueued in the transaction that causes them, done by the worker, tried again when they fail.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use apalis::{
    layers::{WorkerBuilderExt, retry::RetryPolicy},
    prelude::*,
};
use apalis_postgres::{Config, PostgresStorage, Pubsub};
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{PgConnection, PgPool, postgres::PgPoolOptions};
use tokio::{
    task::{JoinError, JoinSet},
    time::MissedTickBehavior,
};
use tower::retry::backoff::{ExponentialBackoffMaker, MakeBackoff};

use crate::{
    Billing, Bucket, Error, KEPT, Keys, PublicPolicies, Stripe, World,
    attempts::FORGOTTEN_AFTER,
    audits::{AuditCluster, JudgeAgain},
    billing::SyncBilling,
    erasure::Erase,
    exports::MakeExport,
    logged::logged,
    mail::{Mail, Mailer},
    notifications::{Deliver, Looked, Webhooks},
    session,
};

/// What is done by the worker, and the name of the queue it waits in.
pub(crate) trait Queue: Serialize + DeserializeOwned + Send + Sync + Unpin + 'static {
    const NAME: &'static str;
}

/// How often a job is tried by the worker that took it, and how long it waits in between: four minutes in all. What has
/// not been done by then is taken from the queue again later.
const TRIES: usize = 8;
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_mins(2);
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Attempts at telling somebody something that are under way at once: each waits for somebody else's server, and holds
/// nothing of ours meanwhile.
const TOLD_AT_ONCE: usize = 16;
/// Deletions under way at once in a server: each keeps a connection for itself.
const ERASED_AT_ONCE: usize = 1;
/// Organisations that Stripe is asked about at once.
const ASKED_AT_ONCE: usize = 4;
/// How often it is read what a node costs.
const PRICED_EVERY: time::Duration = time::Duration::hours(1);
/// How late an audit is asked for that is due, or something told, at most.
const DUE_EVERY: Duration = Duration::from_secs(5);
/// What was done is remembered for so long: jobs name people.
pub(crate) const DONE_FOR: Duration = Duration::from_hours(1);

/// Jobs that failed as often as they are tried, in SQL. The queue's tables are its own: what is asked of them is not
/// checked when it is compiled.
pub(crate) const DEAD: &str = "(status = 'Killed' OR (status = 'Failed' AND attempts >= max_attempts))";
/// Has a job begin again, in SQL.
pub(crate) const BEGUN_AGAIN: &str =
    "status = 'Pending', attempts = 0, run_at = now(), lock_by = NULL, lock_at = NULL, done_at = NULL";

/// Enqueues, as part of the caller's transaction.
pub(crate) async fn enqueue<J: Queue>(tx: &mut PgConnection, job: &J) -> Result<(), Error> {
    enqueue_all(tx, std::slice::from_ref(job)).await
}

/// The same with several, by one statement.
pub(crate) async fn enqueue_all<J: Queue>(tx: &mut PgConnection, jobs: &[J]) -> Result<(), Error> {
    let tasks = jobs.iter().map(|job| {
        let args = serde_json::to_vec(job).map_err(|e| Error::Internal(e.to_string()))?;
        Ok(TaskBuilder::new(args).build())
    });
    let tasks = tasks.collect::<Result<_, Error>>()?;
    Ok(apalis_postgres::queries::push_tasks(tx, J::NAME, tasks).await?)
}

// What fails is tried again by its row, for as long as it takes.
async fn erase(job: Erase, worker: Data<Worker>) -> Result<(), Error> {
    if let Err(error) = worker.erase(&job).await {
        tracing::error!(%error, "a deletion could not be finished yet");
    }
    Ok(())
}

// The same.
async fn make_export(job: MakeExport, worker: Data<Worker>) -> Result<(), Error> {
    if let Err(error) = worker.make_export(&job).await {
        tracing::error!(%error, "what somebody asked for about themselves could not be made yet");
    }
    Ok(())
}

async fn audit(job: AuditCluster, attempt: Attempt, worker: Data<Worker>) -> Result<(), Error> {
    let Err(error) = worker.audit_cluster(&job).await else { return Ok(()) };
    tracing::error!(%error, cluster = logged(job.cluster), audit = job.number, "an audit could not be done yet");
    if attempt.current() >= TRIES {
        worker.give_up_audit(&job).await?;
        return Ok(());
    }
    Err(error)
}

async fn judge_again(job: JudgeAgain, worker: Data<Worker>) -> Result<(), Error> {
    worker.judge_again(&job).await.inspect_err(|error| {
        tracing::error!(%error, org = logged(job.org), "clusters could not be audited again yet");
    })
}

async fn send(mail: Mail, worker: Data<Worker>) -> Result<(), Error> {
    worker.send_mail(mail).await.inspect_err(|error| tracing::error!(%error, "a mail could not be sent yet"))
}

async fn ask_stripe(job: SyncBilling, worker: Data<Worker>) -> Result<(), Error> {
    worker.sync_billing(&job).await.inspect_err(|error| {
        tracing::error!(%error, org = logged(job.org), "what Stripe has could not be taken in yet");
    })
}

// What fails is tried again by its row, over hours: here, only what could not be written down.
async fn deliver(job: Deliver, worker: Data<Worker>) -> Result<(), Error> {
    worker.deliver(&job).await.inspect_err(|error| {
        tracing::error!(%error, notification = logged(job.notification), "a notification could not be told yet");
    })
}

/// The part of the server that does jobs.
#[derive(Clone)]
pub struct Worker {
    pub(crate) pool: PgPool,
    pub(crate) world: World,
    pub(crate) mailer: Mailer,
    pub(crate) keys: Keys,
    pub(crate) bucket: Bucket,
    pub(crate) webhooks: Webhooks,
    pub(crate) billing: Billing,
    pub(crate) stripe: Option<Stripe>,
    pub(crate) public_policies: Option<Arc<PublicPolicies>>,
}

impl Worker {
    /// `pool` logs in as `kubewise_worker`.
    pub const fn new(
        pool: PgPool,
        world: World,
        mailer: Mailer,
        keys: Keys,
        bucket: Bucket,
        webhooks: Webhooks,
    ) -> Self {
        Self { pool, world, mailer, keys, bucket, webhooks, billing: Billing::Off, stripe: None, public_policies: None }
    }

    /// With organisations held to their plans.
    #[must_use]
    pub fn billed(self) -> Self {
        Self { billing: Billing::On, ..self }
    }

    /// The same, paid through Stripe, if it is configured.
    #[must_use]
    pub fn with_stripe(self, stripe: Option<Stripe>) -> Self {
        if stripe.is_some() { Self { stripe, ..self.billed() } } else { self }
    }

    /// Does jobs until `stop` resolves; what is under way is finished, what is not begun stays enqueued. A lost database
    /// ends apalis' workers: they begin anew.
    pub async fn run(self, name: String, stop: impl Future<Output = ()> + Send) -> Result<(), Error> {
        tokio::pin!(stop);
        for beginning in 0_u64.. {
            match self.work(&format!("{name}-{beginning}"), stop.as_mut()).await {
                Ok(()) => break,
                Err(error) => tracing::warn!(%error, "jobs are interrupted, and begin anew"),
            }
            tokio::select! {
                () = stop.as_mut() => break,
                () = tokio::time::sleep(FIRST_WAIT) => {}
            }
        }
        Ok(())
    }

    async fn work(&self, name: &str, stop: Pin<&mut (impl Future<Output = ()> + Send)>) -> Result<(), Error> {
        let erasing = WorkerContext::new(&format!("{name}-erasure"));
        let mailing = WorkerContext::new(&format!("{name}-mail"));
        let auditing = WorkerContext::new(&format!("{name}-audit"));
        let judging = WorkerContext::new(&format!("{name}-judge-again"));
        let telling = WorkerContext::new(&format!("{name}-notification"));
        let erase = WorkerBuilder::new(&erasing)
            .backend(queue::<Erase>(&self.pool))
            .data(self.clone())
            .concurrency(ERASED_AT_ONCE)
            .build(erase);
        let mail = WorkerBuilder::new(&mailing)
            .backend(queue::<Mail>(&self.pool))
            .data(self.clone())
            .retry(RetryPolicy::retries(TRIES).with_backoff(backoff()?))
            .build(send);
        // One after the other: an audit uses all processors.
        let audit = WorkerBuilder::new(&auditing)
            .backend(queue::<AuditCluster>(&self.pool))
            .data(self.clone())
            .concurrency(1)
            .retry(RetryPolicy::retries(TRIES).with_backoff(backoff()?))
            .build(audit);
        let judge = WorkerBuilder::new(&judging)
            .backend(queue::<JudgeAgain>(&self.pool))
            .data(self.clone())
            .retry(RetryPolicy::retries(TRIES).with_backoff(backoff()?))
            .build(judge_again);
        let tell = WorkerBuilder::new(&telling)
            .backend(queue::<Deliver>(&self.pool))
            .data(self.clone())
            .concurrency(TOLD_AT_ONCE)
            .retry(RetryPolicy::retries(TRIES).with_backoff(backoff()?))
            .build(deliver);
        let asking = WorkerContext::new(&format!("{name}-billing"));
        let ask = WorkerBuilder::new(&asking)
            .backend(queue::<SyncBilling>(&self.pool))
            .data(self.clone())
            .concurrency(ASKED_AT_ONCE)
            .retry(RetryPolicy::retries(TRIES).with_backoff(backoff()?))
            .build(ask_stripe);
        let exporting = WorkerContext::new(&format!("{name}-export"));
        let export = WorkerBuilder::new(&exporting)
            .backend(queue::<MakeExport>(&self.pool))
            .data(self.clone())
            .concurrency(1)
            .build(make_export);
        // A task for each: one that is woken looks into its queue, and would have all others in its task look too, whose
        // answers wake it again, without end.
        let mut workers = JoinSet::new();
        workers.spawn(erase.run());
        workers.spawn(mail.run());
        workers.spawn(audit.run());
        workers.spawn(judge.run());
        workers.spawn(tell.run());
        workers.spawn(ask.run());
        workers.spawn(export.run());
        let stopped = tokio::select! {
            Some(ended) = workers.join_next() => {
                ended_well(ended)?;
                false
            }
            () = self.sweep() => false,
            () = self.keep_schedules() => false,
            () = self.keep_notifications() => false,
            () = self.keep_billing() => false,
            () = self.keep_erasures() => false,
            () = stop => true,
        };
        if !stopped {
            return Err(Error::Internal("a worker ended".to_owned()));
        }
        // What is under way is finished; the caller decides how long it waits for that.
        for worker in [erasing, mailing, auditing, judging, telling, asking, exporting] {
            drop(worker.stop());
        }
        while let Some(ended) = workers.join_next().await {
            ended_well(ended)?;
        }
        Ok(())
    }

    /// Asks for the audits that are due, as they become due. Several servers do so at the same time.
    async fn keep_schedules(&self) {
        let mut every = tokio::time::interval(DUE_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            if let Err(error) = self.run_due_audits().await {
                tracing::warn!(%error, "audits that are due could not be asked for; tried again in a moment");
            }
        }
    }

    /// Enqueues what is to be told, as it becomes due. Several servers do so at the same time.
    async fn keep_notifications(&self) {
        let mut every = tokio::time::interval(DUE_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looked = Looked::since(self.world.now());
        loop {
            every.tick().await;
            if let Err(error) = self.look_for_notifications(&mut looked).await {
                tracing::warn!(%error, "notifications that are due could not be enqueued; tried again in a moment");
            }
        }
    }

    /// Goes on with deletions and exports, as they become due. Several servers do so at the same time.
    async fn keep_erasures(&self) {
        let mut every = tokio::time::interval(DUE_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            if let Err(error) = self.look_for_erasures().await {
                tracing::warn!(%error, "deletions that are due could not be enqueued; tried again in a moment");
            }
            if let Err(error) = self.look_for_exports().await {
                tracing::warn!(%error, "exports that are due could not be enqueued; tried again in a moment");
            }
        }
    }

    /// Has Stripe asked, as it becomes due; and what a node costs, every hour.
    async fn keep_billing(&self) {
        let mut every = tokio::time::interval(DUE_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut priced = None;
        loop {
            every.tick().await;
            let now = self.world.now();
            if priced.is_none_or(|at| now - at >= PRICED_EVERY) {
                match self.read_price().await {
                    Ok(()) => priced = Some(now),
                    Err(error) => {
                        tracing::warn!(%error, "what a node costs could not be read; tried again in a moment");
                    }
                }
            }
            if let Err(error) = self.ask_stripe_where_due().await {
                tracing::warn!(%error, "it could not be looked for whom Stripe is to be asked about; tried again in a moment");
            }
        }
    }

    /// Removes what has ended, every hour.
    async fn sweep(&self) {
        let mut every = tokio::time::interval(Duration::from_hours(1));
        loop {
            every.tick().await;
            if let Err(error) = self.sweep_once().await {
                tracing::warn!(%error, "what has ended could not be removed; tried again in an hour");
            }
            if let Err(error) = self.remove_orphans().await {
                tracing::warn!(%error, "the bucket could not be looked through; tried again in a day");
            }
        }
    }

    pub(crate) async fn sweep_once(&self) -> Result<(), Error> {
        self.remove_ended_sessions().await?;
        self.remove_ended_links().await?;
        self.remove_old_attempts().await?;
        self.end_waivers_over().await?;
        self.remove_old_deliveries().await?;
        self.count_all_nodes().await?;
        self.remove_old_billing().await?;
        self.keep_times().await?;
        self.remove_done_jobs().await?;
        Ok(())
    }

    pub(crate) async fn remove_ended_links(&self) -> Result<u64, Error> {
        let done = sqlx::query!("DELETE FROM account_links WHERE expires_at <= $1", self.world.now());
        let ended = done.execute(&self.pool).await?.rows_affected();
        sqlx::query!("DELETE FROM sign_up_invitations WHERE expires_at <= $1", self.world.now())
            .execute(&self.pool)
            .await?;
        Ok(ended)
    }

    /// Attempts and browsers of long ago.
    pub(crate) async fn remove_old_attempts(&self) -> Result<(), Error> {
        let now = self.world.now();
        sqlx::query!("DELETE FROM attempts WHERE last_at < $1", now - FORGOTTEN_AFTER).execute(&self.pool).await?;
        sqlx::query!("DELETE FROM known_browsers WHERE last_seen_at < $1", now - KEPT).execute(&self.pool).await?;
        Ok(())
    }

    /// The queue's tables are its own, so this statement is not checked when it is compiled.
    async fn remove_done_jobs(&self) -> Result<u64, Error> {
        let before = self.world.now() - DONE_FOR;
        let done = sqlx::query("DELETE FROM apalis.jobs WHERE status = 'Done' AND done_at < $1").bind(before);
        Ok(done.execute(&self.pool).await?.rows_affected())
    }

    pub(crate) async fn remove_ended_sessions(&self) -> Result<u64, Error> {
        let now = self.world.now();
        let done = sqlx::query!(
            "DELETE FROM sessions WHERE created_at <= $1 OR last_seen_at <= $2",
            now - session::ABSOLUTE,
            now - session::IDLE,
        )
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected())
    }
}

fn ended_well(ended: Result<Result<(), WorkerError>, JoinError>) -> Result<(), Error> {
    ended.map_err(|e| Error::Internal(format!("worker: {e}")))?.map_err(|e| Error::Internal(format!("worker: {e}")))
}

/// A queue that is looked into when PostgreSQL tells of a job, and every other second besides: what is told while it is
/// looked into would be missed.
fn queue<J: Queue>(pool: &PgPool) -> PollWith<PostgresStorage<J>, Look> {
    let storage = PostgresStorage::new(pool).with_config(Config::default().queue(J::NAME));
    let mut every = tokio::time::interval(LOOK_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let ticks = stream::unfold(every, |mut every| async move {
        every.tick().await;
        Some(((), every))
    });
    // A connection is kept for as long as the queue is listened to: not one of those that jobs are done with, which would
    // run out as queues are added.
    let listening = PgPoolOptions::new().max_connections(1).connect_lazy_with((*pool.connect_options()).clone());
    let told = Pubsub::new(listening, J::NAME.to_owned()).map(drop);
    PollWith::new(storage, Look(Mutex::new(stream::select(told, ticks).boxed())))
}

struct Look(Mutex<BoxStream<'static, ()>>);

impl PollStrategy for Look {
    fn poll_drive(&mut self, cx: &mut Context<'_>, _: &PollSnapshot) -> Poll<Option<()>> {
        let Ok(stream) = self.0.get_mut() else { return Poll::Ready(None) };
        let mut look = Poll::Pending;
        // To its end each time, so that it wakes this task again.
        while let Poll::Ready(Some(())) = stream.poll_next_unpin(cx) {
            look = Poll::Ready(Some(()));
        }
        look
    }
}

fn backoff()
-> Result<impl tower::retry::backoff::Backoff<Future = tokio::time::Sleep> + Clone + Send + Sync + 'static, Error> {
    let mut maker = ExponentialBackoffMaker::new(FIRST_WAIT, LONGEST_WAIT, 0.5, tower::util::rng::HasherRng::default())
        .map_err(|e| Error::Internal(e.to_string()))?;
    Ok(maker.make_backoff())
}
