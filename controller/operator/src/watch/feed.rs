//! The watches: one task per kind, so that one that fails does not hold up the others.

use std::collections::{BTreeSet, HashSet};
use std::marker::PhantomData;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::ready;
use futures::{StreamExt as _, TryStreamExt as _};
use kube::core::ApiResource;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use kulta_api::Group;
use kulta_api::names::HASH_LABEL;
use kulta_core::text::with_causes;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::endpoint_slice::SERVICE_NAME_LABEL;
use super::workloads::Kept;
use super::{
    AnalysisRun, AnalysisTemplate, Cached, Caches, ClusterAnalysisTemplate, Deployments, EndpointSlice,
    Experiment, GrpcRoute, HttpRoute, PodTemplates, Projection as _, ReplicaSet, ReplicaSets, Rollout,
    Service, TcpRoute, TlsRoute, Watched, Workload,
};
use crate::instance::Instance;
use crate::key::ObjectKey;
use crate::metrics::Metrics;
use crate::queue::{Queues, Requests};

/// Each watch is begun anew after so many seconds: one that was cut off without a word, and shows nothing any more, is noticed
/// within that time.
const WATCH_SECONDS: u32 = 60;
/// An answer that is waited for in vain for so long will not come: a watch ends before.
pub(crate) const SILENT_FOR: Duration = Duration::from_secs(90);
/// The longest wait between two attempts (30 s, and as much again by chance) and for a connection (30 s).
const LONGEST_WAIT_SECONDS: u64 = 90;
/// A watch of which nothing wrong was told for so long is well: no attempt that fails takes longer.
const WELL_AFTER: Duration = Duration::from_mins(4);
const _: () = assert!(SILENT_FOR.as_secs() > WATCH_SECONDS as u64);
const _: () = assert!(WELL_AFTER.as_secs() > SILENT_FOR.as_secs() + LONGEST_WAIT_SECONDS);
/// Objects in one page of a list. A page is in memory as text: Rollouts with a full history are 70 kB each.
const PAGE_SIZE: u32 = 100;
/// How often to look whether a kind was installed meanwhile.
const LOOK_FOR_KINDS_EVERY: Duration = Duration::from_secs(15);
/// The kinds that have to be listed before anything is decided: all of them; and before anything of `argoproj.io` is: those
/// that it has, too.
const KINDS: usize = 12;
const ARGO_KINDS: usize = 5;

/// What all feeds share.
#[derive(Clone)]
pub struct Feeds {
    /// The API server, for watches: one that fails is begun anew after a growing while, and told, so nothing is to ask again
    /// within it, unseen.
    pub client: Client,
    /// The same for the question which kinds there are, which is asked again where the API server has no time.
    pub patient_client: Client,
    /// The only namespace to watch; None: all.
    pub namespace: Option<String>,
    /// Whether Rollouts, AnalysisRuns, templates and Experiments of `argoproj.io` are followed as well.
    pub argo_api: bool,
    /// Whose Rollouts and AnalysisRuns are followed.
    pub instance: Instance,
    /// What they fill.
    pub caches: Arc<Caches>,
    /// Where it is told that a kind can't be watched.
    pub metrics: Arc<Metrics>,
    /// Where they tell what to work on.
    pub queues: Queues,
    /// Becomes true when every kind was listed once.
    pub synced: Synced,
    /// The same for the kinds of `argoproj.io`: where they can't be listed, the others go on.
    pub argo_synced: Synced,
}

impl Feeds {
    /// Starts all feeds. None of them ends by itself.
    #[must_use]
    pub fn start(self) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        let own = self.own();
        tasks.spawn(self.clone().follow::<Rollout>(own.clone()));
        tasks.spawn(self.clone().follow::<ReplicaSet>(every().labels(HASH_LABEL)));
        tasks.spawn(self.clone().follow::<AnalysisRun>(own.clone()));
        tasks.spawn(
            self.clone()
                .follow_if_served::<Experiment>(Group::Kulta, own.clone()),
        );
        if self.argo_api {
            tasks.spawn(self.clone().follow_if_served::<Rollout>(Group::Argo, own.clone()));
            tasks.spawn(
                self.clone()
                    .follow_if_served::<AnalysisRun>(Group::Argo, own.clone()),
            );
            tasks.spawn(self.clone().follow_if_served::<Experiment>(Group::Argo, own));
            self.follow_templates(&mut tasks, Group::Argo);
        }
        tasks.spawn(self.clone().follow::<Service>(every()));
        tasks.spawn(
            self.clone()
                .follow::<EndpointSlice>(every().labels(SERVICE_NAME_LABEL)),
        );
        self.follow_templates(&mut tasks, Group::Kulta);
        tasks.spawn(self.clone().follow_when_wanted::<Deployments>());
        tasks.spawn(self.clone().follow_when_wanted::<ReplicaSets>());
        tasks.spawn(self.clone().follow_when_wanted::<PodTemplates>());
        tasks.spawn(self.clone().follow_if_served::<HttpRoute>(Group::Kulta, every()));
        tasks.spawn(self.clone().follow_if_served::<GrpcRoute>(Group::Kulta, every()));
        tasks.spawn(self.clone().follow_if_served::<TcpRoute>(Group::Kulta, every()));
        tasks.spawn(self.follow_if_served::<TlsRoute>(Group::Kulta, every()));
        tasks
    }

    /// All that belongs to this controller, where it is told apart.
    fn own(&self) -> watcher::Config {
        every().labels(&self.instance.selector())
    }

    fn follow_templates(&self, tasks: &mut JoinSet<()>, group: Group) {
        tasks.spawn(self.clone().follow_if_served::<AnalysisTemplate>(group, every()));
        if self.namespace.is_none() {
            tasks.spawn(
                self.clone()
                    .follow_if_served::<ClusterAnalysisTemplate>(group, every()),
            );
        } else {
            // Whoever works on one namespace has no rights in the cluster.
            self.intake::<ClusterAnalysisTemplate>(group).none_left();
        }
    }

    async fn follow<P: Cached>(self, objects: watcher::Config) {
        let mut intake = self.intake::<P>(Group::Kulta);
        loop {
            let resource = P::api_resource(Group::Kulta);
            let ended = self
                .follow_until_gone(&mut intake, &resource, objects.clone())
                .await;
            self.metrics.watches(&resource, true);
            tracing::warn!(
                kind = resource.kind,
                error = ended,
                "the API server does not know the kind"
            );
            tokio::time::sleep(LOOK_FOR_KINDS_EVERY).await;
        }
    }

    /// Follows a kind where it is installed, from the moment it is: there are none of it before.
    async fn follow_if_served<P: Cached>(self, group: Group, objects: watcher::Config) {
        let mut intake = self.intake::<P>(group);
        let ApiResource { group: of, kind, .. } = P::api_resource(group);
        loop {
            match self.newest_served::<P>(group).await {
                Ok(Some(resource)) => {
                    self.caches.serve::<P>(&resource);
                    self.follow_until_gone(&mut intake, &resource, objects.clone())
                        .await;
                }
                Ok(None) => {
                    tracing::debug!(group = of, kind, "not installed: there are none");
                    self.queues.rollouts.all_now(intake.none_left());
                }
                Err(error) => {
                    let error = with_causes(&error);
                    tracing::warn!(group = of, kind, error, "can't find out whether it is installed");
                }
            }
            tokio::time::sleep(LOOK_FOR_KINDS_EVERY).await;
        }
    }

    /// Follows a kind of workloads from the moment on when some Rollout takes its template from one: in most clusters none
    /// does, and there may be thousands of Deployments.
    async fn follow_when_wanted<K: Kept>(self) {
        let mut wanted = self.caches.wanted(K::KIND);
        // An error: the caches are gone, and with them everybody who could want it.
        if wanted.wait_for(|wanted| *wanted).await.is_err() {
            return;
        }
        let mut intake = self.intake::<Workload<K>>(Group::Kulta);
        // Nothing else waits for it.
        intake.synced = None;
        loop {
            let resource = Workload::<K>::api_resource(Group::Kulta);
            let ended = self.follow_until_gone(&mut intake, &resource, every()).await;
            tracing::warn!(kind = %K::KIND, error = ended, "workloads can't be followed");
            tokio::time::sleep(LOOK_FOR_KINDS_EVERY).await;
        }
    }

    /// The newest version of a kind that is served and can be read; None: none is.
    async fn newest_served<P: Cached>(&self, group: Group) -> Result<Option<ApiResource>, kube::Error> {
        for resource in P::api_resources(group) {
            match self
                .patient_client
                .list_api_group_resources(&resource.api_version)
                .await
            {
                Ok(served) if served.resources.iter().any(|served| served.kind == resource.kind) => {
                    return Ok(Some(resource));
                }
                Ok(_) => {}
                Err(kube::Error::Api(status)) if status.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Follows a kind for as long as the API server knows it; answers the error that said it does not.
    async fn follow_until_gone<P: Cached>(
        &self,
        intake: &mut Intake<P>,
        resource: &ApiResource,
        objects: watcher::Config,
    ) -> String {
        let api: Api<Watched<P>> = match &self.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, resource),
            None => Api::all_with(self.client.clone(), resource),
        };
        intake.broken_off();
        // That a list is about to be asked for is no success: it would hide that none comes, and each attempt would be made as soon
        // as the first.
        let events = watcher(api, objects).try_filter(|event| ready(!matches!(event, Event::Init)));
        let mut events = pin!(events.default_backoff());
        loop {
            // One that goes on where it was, and has nothing to tell, says nothing.
            let Ok(next) = timeout(WELL_AFTER, events.next()).await else {
                self.metrics.watches(resource, false);
                continue;
            };
            match next {
                Some(Ok(event)) => {
                    self.metrics.watches(resource, false);
                    self.queues.rollouts.all_now(intake.take(event));
                    let touched = self.caches.take_touched_experiments();
                    self.queues.experiments.all_now(touched);
                }
                Some(Err(error)) if is_unknown_kind(&error) => {
                    // Where it may be missing, nothing is to be seen.
                    self.metrics.watches(resource, false);
                    return with_causes(&error);
                }
                Some(Err(error)) => {
                    intake.broken_off();
                    self.metrics.watches(resource, true);
                    tracing::warn!(
                        api_version = resource.api_version,
                        kind = resource.kind,
                        error = with_causes(&error),
                        "watch interrupted"
                    );
                }
                None => return "the watch ended".to_owned(),
            }
        }
    }

    fn intake<P: Cached>(&self, group: Group) -> Intake<P> {
        Intake {
            group,
            caches: Arc::clone(&self.caches),
            work: P::work(&self.queues).cloned(),
            synced: Some(match group {
                Group::Kulta => self.synced.clone(),
                Group::Argo => self.argo_synced.clone(),
            }),
            listed: HashSet::new(),
            kind: PhantomData,
        }
    }
}

fn every() -> watcher::Config {
    watcher::Config::default()
        .page_size(PAGE_SIZE)
        .timeout(WATCH_SECONDS)
}

fn is_unknown_kind(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => status.is_not_found(),
        _ => false,
    }
}

/// Counts the kinds that were not listed yet.
#[derive(Debug, Clone)]
pub struct Synced {
    missing: Arc<Mutex<usize>>,
    all: watch::Sender<bool>,
}

impl Default for Synced {
    /// Of the kinds without which nothing is decided, none was listed yet.
    fn default() -> Self {
        Self::of(KINDS)
    }
}

impl Synced {
    /// Of the kinds of `argoproj.io`, none was listed yet.
    #[must_use]
    pub fn of_argo() -> Self {
        Self::of(ARGO_KINDS)
    }

    fn of(kinds: usize) -> Self {
        Self {
            missing: Arc::new(Mutex::new(kinds)),
            all: watch::Sender::new(false),
        }
    }

    /// True from the moment on when every kind was listed once.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<bool> {
        self.all.subscribe()
    }

    fn one_more(&self) {
        let mut missing = self.missing.lock();
        *missing = missing.saturating_sub(1);
        if *missing == 0 {
            self.all.send_replace(true);
        }
    }
}

/// Puts the events of one watch into the caches.
#[derive(Debug)]
struct Intake<P> {
    group: Group,
    caches: Arc<Caches>,
    /// Where work on the objects themselves is asked for, if they ever have any.
    work: Option<Requests>,
    /// Told once, after the first list.
    synced: Option<Synced>,
    listed: HashSet<ObjectKey>,
    kind: PhantomData<P>,
}

impl<P: Cached> Intake<P> {
    /// Takes one event in; answers the Rollouts to decide on.
    fn take(&mut self, event: Event<Watched<P>>) -> BTreeSet<ObjectKey> {
        match event {
            Event::Init => {
                self.broken_off();
                BTreeSet::new()
            }
            Event::InitApply(object) => {
                let (key, concerned) = self.apply(object);
                self.listed.insert(key);
                concerned
            }
            Event::InitDone => {
                let concerned = self
                    .caches
                    .retain::<P>(self.group, &std::mem::take(&mut self.listed));
                self.sync();
                concerned
            }
            Event::Apply(object) => self.apply(object).1,
            Event::Delete(object) => self.caches.delete::<P>(&object.into_parts(self.group).0),
        }
    }

    /// What was listed last did not come to its end: the next list begins anew.
    fn broken_off(&mut self) {
        self.listed.clear();
    }

    /// There are no objects of this kind any more.
    fn none_left(&mut self) -> BTreeSet<ObjectKey> {
        let concerned = self.caches.retain::<P>(self.group, &HashSet::new());
        self.sync();
        concerned
    }

    /// An object that can't be read stays as it was last read: a write based on that fails on its precondition, while
    /// one based on its absence might not.
    fn apply(&self, object: Watched<P>) -> (ObjectKey, BTreeSet<ObjectKey>) {
        let (key, projection) = object.into_parts(self.group);
        let concerned = match projection {
            Ok(projection) => {
                if let Some(work) = self.work.as_ref().filter(|_| projection.has_work()) {
                    work.all_now([key.clone()]);
                }
                self.caches.apply(&key, &projection)
            }
            Err(error) => {
                let kind = P::api_resource(self.group).kind;
                tracing::warn!(kind, object = %key, error = with_causes(&error), "skipped");
                BTreeSet::new()
            }
        };
        (key, concerned)
    }

    fn sync(&mut self) {
        if let Some(synced) = self.synced.take() {
            synced.one_more();
        }
    }
}

#[cfg(test)]
mod tests;
