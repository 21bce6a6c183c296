//! Threads that hash passwords, each in memory of its own: how many sign in at once changes how long they wait, and
//! neither the memory nor the processors that hashing takes.

use std::{
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use argon2::Block;
use tokio::sync::oneshot;

use crate::Error;

type Job = Box<dyn FnOnce(&mut Vec<Block>) + Send>;

/// The threads; they end with the last clone.
#[derive(Clone)]
pub(crate) struct Hashing(mpsc::Sender<Job>);

impl Hashing {
    /// So many threads.
    pub(crate) fn start(threads: usize) -> Result<Self, Error> {
        let (sender, receiver) = mpsc::channel::<Job>();
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..threads.max(1) {
            let receiver = Arc::clone(&receiver);
            thread::Builder::new()
                .name("hashing".to_owned())
                .spawn(move || work(&receiver))
                .map_err(|e| Error::Internal(format!("hashing: {e}")))?;
        }
        Ok(Self(sender))
    }

    /// Runs the work when a thread is free, in the order of asking; not at all when nobody waits for it any more.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Vec<Block>) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let ended = || Error::Internal("hashing: the threads ended".to_owned());
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |memory| {
            if !answer.is_closed() {
                // Who asked may leave meanwhile.
                let _ = answer.send(work(memory));
            }
        });
        self.0.send(job).map_err(|_| ended())?;
        answered.await.map_err(|_| ended())
    }
}

fn work(receiver: &Mutex<mpsc::Receiver<Job>>) {
    let mut memory = Vec::new();
    loop {
        // One thread waits for work, the others for their turn to wait.
        let job = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(job) => job(&mut memory),
            Err(mpsc::RecvError) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::HashSet,
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use super::*;

    #[tokio::test]
    async fn never_more_at_once_than_threads() {
        let hashing = Hashing::start(3).unwrap();
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let jobs = (0..40).map(|_| {
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            hashing.run(move |_| {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::sleep(Duration::from_millis(5));
                now.fetch_sub(1, Ordering::SeqCst);
                thread::current().id()
            })
        });
        let threads = futures::future::try_join_all(jobs).await.unwrap();
        assert_eq!(threads.into_iter().collect::<HashSet<_>>().len(), 3);
        assert_eq!(most.load(Ordering::SeqCst), 3);
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_not_done() {
        let hashing = Hashing::start(1).unwrap();
        let done = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&done);
        // The only thread is busy until who waits for the second job has left.
        let (free, busy_until) = std::sync::mpsc::channel::<()>();
        let busy = hashing.run(move |_| busy_until.recv().unwrap());
        let left = hashing.run(move |_| counted.fetch_add(1, Ordering::SeqCst));
        let leaving = async {
            assert!(tokio::time::timeout(Duration::from_millis(20), left).await.is_err());
            free.send(()).unwrap();
        };
        let (busy, ()) = tokio::join!(busy, leaving);
        busy.unwrap();
        hashing.run(|_| ()).await.unwrap();
        assert_eq!(done.load(Ordering::SeqCst), 0);
    }
}
