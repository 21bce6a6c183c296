//! The cluster that is served, shared by whoever serves, watches or changes it.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::sync::watch::Sender;

use crate::{
    bundled,
    faults::{Fault, Faults},
    generated, live, object, recording,
    request_log::{RecordedRequest, RequestLog},
    resource_type::group_resource,
    serve::{self, ServeHandle},
    store::Store,
};

/// A Kubernetes cluster in memory. Clones are the same cluster.
#[derive(Clone, Debug)]
pub struct SampleCluster {
    pub(crate) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    store: Mutex<Store>,
    pub(crate) log: RequestLog,
    faults: Mutex<Faults>,
    /// The store's revision; watches wait for it.
    pub(crate) revisions: Sender<u64>,
    /// Counts how often all watches were closed.
    pub(crate) closings: Sender<u64>,
    /// True while connections are refused.
    pub(crate) refusing: Sender<bool>,
}

impl Shared {
    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn decide_fault(&self, group: &str, resource: &str, verb: &str) -> Option<Fault> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).decide(group, resource, verb)
    }
}

impl SampleCluster {
    pub(crate) fn of_store(store: Store) -> Self {
        let revision = store.revision();
        Self {
            shared: Arc::new(Shared {
                store: Mutex::new(store),
                log: RequestLog::default(),
                faults: Mutex::default(),
                revisions: Sender::new(revision),
                closings: Sender::new(0),
                refusing: Sender::new(false),
            }),
        }
    }

    /// The cluster that comes with this crate: what a mid-sized company might run, good and bad practice.
    pub fn bundled() -> Result<Self> {
        Ok(Self::of_store(bundled::store()?))
    }

    /// A cluster as it was recorded: a folder with an API's answers, each under its own path.
    pub fn recording(dir: &Path) -> Result<Self> {
        Ok(Self::of_store(recording::load(dir)?))
    }

    /// A cluster of about `pods` pods with what belongs to them: exactly `pods` pods, and the workloads, services,
    /// accounts, roles, namespaces and nodes that so many pods come with. The same seed gives the same cluster.
    pub fn generated(pods: usize, seed: u64) -> Self {
        Self::of_store(generated::store(pods, seed))
    }

    /// Starts to serve on 127.0.0.1 at `port` (0: any free one). Dropping the handle stops it.
    pub async fn serve(&self, port: u16) -> Result<ServeHandle> {
        serve::start(self.clone(), port).await
    }

    /// A kubeconfig for an API served at `addr`.
    pub fn kubeconfig(&self, addr: SocketAddr) -> String {
        format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: sample\n  cluster:\n    server: http://{addr}\nusers:\n- name: sample\n  user: {{}}\ncontexts:\n- name: sample\n  context:\n    cluster: sample\n    user: sample\ncurrent-context: sample\n"
        )
    }

    /// How many objects there are of each group-kind (`Pod`, `Deployment.apps`); none with zero. What nobody may
    /// read (secrets, configmaps, events) is not there.
    pub fn totals(&self) -> BTreeMap<String, u64> {
        self.shared.store().totals()
    }

    /// Every request of the API so far (the last 100,000).
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.log.all()
    }

    /// From now on writes each request to a file too, a JSON object a line.
    pub fn write_requests_to(&self, path: &Path) -> Result<()> {
        self.shared.log.write_to(path)
    }

    /// What goes wrong from now on, in place of what was set before. Watches that are open go on, except when
    /// connections are refused; see [`Self::close_watches`].
    pub fn set_faults(&self, faults: Faults) {
        let refuse = faults.refuse_connections;
        let seconds = faults.refuse_seconds;
        *self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
        self.shared.refusing.send_replace(refuse);
        if let (true, Some(seconds), Ok(runtime)) = (refuse, seconds, tokio::runtime::Handle::try_current()) {
            let shared = Arc::clone(&self.shared);
            runtime.spawn(async move {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                shared.refusing.send_replace(false);
            });
        }
    }

    /// Ends every open watch, as an API server does that restarts.
    pub fn close_watches(&self) {
        self.shared.closings.send_modify(|n| *n += 1);
    }

    /// Forgets what changed: watches from a revision before now and continue tokens get 410 Gone.
    pub fn forget_history(&self) {
        self.shared.store().forget();
    }

    /// Adds an object, or replaces the one of its name; watchers see it. The object needs apiVersion, kind and name;
    /// a uid, creationTimestamp and generation are made or kept where it has none. A `CustomResourceDefinition`
    /// brings its kind.
    ///
    /// # Errors
    /// When no such kind is served, or it is one that is never held (secrets, configmaps, events).
    pub fn upsert(&self, object: Value) -> Result<()> {
        self.change(|store| live::upsert(store, object))
    }

    /// Deletes an object with all that it owned, a namespace with all that was in it, a `CustomResourceDefinition` with its
    /// kind, as the garbage collector does. No controller makes anything again.
    ///
    /// # Errors
    /// When there is no such object.
    pub fn delete(&self, group: &str, resource: &str, namespace: Option<&str>, name: &str) -> Result<()> {
        self.change(|store| {
            let collection = store
                .find_any_version(group, resource)
                .with_context(|| format!("no resource type {} is served", group_resource(group, resource)))?;
            let key = object::key_of(namespace, name);
            if !live::delete(store, collection, &key)? {
                bail!("{} \"{key}\" not found", group_resource(group, resource));
            }
            Ok(())
        })
    }

    /// Turns what is served into a recording, change by change: what is new or different there is added or
    /// modified, what is gone is deleted, and what has another UID is both.
    pub fn become_recording(&self, dir: &Path) -> Result<()> {
        let target = recording::load(dir)?;
        self.change(|store| recording::become_store(store, target))
    }

    /// What happens to the bundled cluster in a day: images updated, deployments scaled, one deleted, a namespace
    /// deleted, and a privileged debug pod with a literal password (`hunter2`) added. The same on every call; what
    /// already happened changes nothing.
    pub fn a_days_events(&self) {
        if let Err(error) = self.change(live::a_days_events) {
            tracing::error!(error = format!("{error:#}"), "a day's events could not all be applied");
        }
    }

    /// A small harmless change, the `n`th: a container restarts, or a deployment scales. `now` is in seconds since
    /// 1970.
    pub fn churn(&self, n: u64, now: i64) -> Result<()> {
        self.change(|store| live::churn(store, n, now))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Store) -> Result<T>) -> Result<T> {
        let mut store = self.shared.store();
        let result = change(&mut store);
        // Also after an error: a part of it may have been done.
        self.shared.revisions.send_replace(store.revision());
        result
    }
}
