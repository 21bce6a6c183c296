//! Each request of the pages is worked off by one task: what rendering begins on the side is polled by the request's own
//! task, and ends with it. Left to Leptos, other threads would do it, where two may ask a memo for its first value at
//! once, or use what the end of another request is just taking away. And the task runs to its end, even if the browser
//! does not wait for it: nothing is dropped half done (ADR 0013).

use std::{
    future::{Future, poll_fn},
    panic::resume_unwind,
    pin::pin,
};

use any_spawner::{CustomExecutor, Executor, PinnedFuture, PinnedLocalFuture};
use axum::{
    body::{Body, to_bytes},
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::{StreamExt, stream::FuturesUnordered};
use http::StatusCode;
use leptos::prelude::Owner;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tracing::Instrument;

tokio::task_local! {
    /// Takes what the request that is being polled begins on the side.
    static ASIDE: UnboundedSender<PinnedFuture<()>>;
}

/// Leptos' executor. It must be set before Leptos sets its own, which makes the router's list of pages do.
struct OneTask;

impl CustomExecutor for OneTask {
    fn spawn(&self, work: PinnedFuture<()>) {
        // A request that has just ended needs none of it any more.
        let begun = ASIDE.try_with(Clone::clone);
        match begun {
            Ok(aside) => drop(aside.send(work)),
            // While the list of pages is made.
            Err(_) => drop(tokio::spawn(work)),
        }
    }

    fn spawn_local(&self, work: PinnedLocalFuture<()>) {
        tokio::task::spawn_local(work);
    }

    fn poll_local(&self) {}
}

/// Makes what Leptos spawns part of the request that it is for. Once a process; again is harmless.
pub(super) fn set_executor() {
    drop(Executor::init_custom_executor(OneTask));
}

/// The layer. The answer is complete when it leaves: what it is made from ends with the request.
pub(super) async fn one_task(request: Request, next: Next) -> Response {
    let answer = with_side_work(async {
        let (head, body) = next.run(request).await.into_parts();
        match to_bytes(body, usize::MAX).await {
            Ok(body) => Response::from_parts(head, Body::from(body)),
            Err(error) => {
                tracing::error!(%error, "an answer broke off");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    });
    match tokio::spawn(answer.in_current_span()).await {
        Ok(answer) => answer,
        // For the layer that answers panics.
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        },
    }
}

async fn with_side_work<T>(work: impl Future<Output = T>) -> T {
    let (aside, mut begun) = unbounded_channel();
    let all = async {
        let mut work = pin!(work);
        let mut side_work = FuturesUnordered::new();
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                Some(more) = begun.recv() => side_work.push(more),
                Some(()) = side_work.next() => {}
            }
        }
    };
    let mut all = pin!(ASIDE.scope(aside, all));
    poll_fn(|context| {
        forget_owner();
        all.as_mut().poll(context)
    })
    .await
}

/// Leptos leaves the last request's owner on the thread; whatever is made next would become its child, and lose its
/// contexts when that request ends.
fn forget_owner() {
    Owner::new_root(None).unset();
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    /// Counts itself while it is alive.
    struct Alive(Arc<AtomicUsize>);

    impl Alive {
        fn new(count: &Arc<AtomicUsize>) -> Self {
            count.fetch_add(1, Ordering::SeqCst);
            Self(Arc::clone(count))
        }
    }

    impl Drop for Alive {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn what_is_begun_aside_runs_in_the_task_of_its_request() {
        set_executor();
        let (here, aside) = with_side_work(async {
            let (tell, told) = tokio::sync::oneshot::channel();
            Executor::spawn(async move {
                tokio::task::yield_now().await;
                // What it begins itself, too.
                Executor::spawn(async move {
                    let _ = tell.send(tokio::task::try_id());
                });
            });
            (tokio::task::try_id(), told.await.unwrap())
        })
        .await;
        assert_eq!(here, aside);
    }

    #[tokio::test]
    async fn what_is_begun_aside_ends_with_its_request() {
        set_executor();
        let count = Arc::new(AtomicUsize::new(0));
        let begin = |count: &Arc<AtomicUsize>| {
            let alive = Alive::new(count);
            Executor::spawn(async move {
                let _alive = alive;
                std::future::pending::<()>().await;
            });
        };
        // Answered:
        with_side_work(async { begin(&count) }).await;
        assert_eq!(count.load(Ordering::SeqCst), 0);
        // Broken off by who asked:
        let mut broken = Box::pin(with_side_work(async {
            begin(&count);
            std::future::pending::<()>().await;
        }));
        assert!(futures::poll!(&mut broken).is_pending());
        assert_eq!(count.load(Ordering::SeqCst), 1);
        drop(broken);
        assert_eq!(count.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn a_request_does_not_see_the_owner_of_another() {
        let other = Owner::new_root(None);
        other.set();
        let parent = with_side_work(async { Owner::new().parent() }).await;
        assert!(parent.is_none());
    }
}
