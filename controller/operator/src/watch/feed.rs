//! The watches: one task per kind, so that one that fails does not hold up the others.

use std::collections::{BTreeSet, HashSet};
use std::marker::PhantomData;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client};
use kulta_api::names::HASH_LABEL;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::endpoint_slice::SERVICE_NAME_LABEL;
use super::{
    AnalysisRun, Cached, Caches, EndpointSlice, HttpRoute, ReplicaSet, Rollout, Service, Watched, http_route,
};
use crate::error_chain::with_causes;
use crate::key::ObjectKey;
use crate::queue::Requests;

/// Objects in one page of a list. A page is in memory as text: Rollouts with a full history are 70 kB each.
const PAGE_SIZE: u32 = 100;
/// How often to look whether the Gateway API was installed meanwhile.
const LOOK_FOR_ROUTES_EVERY: Duration = Duration::from_secs(15);
/// The kinds that have to be listed before anything is decided.
const KINDS: usize = 6;

/// What all feeds share.
#[derive(Clone)]
pub struct Feeds {
    /// The API server.
    pub client: Client,
    /// The only namespace to watch; None: all.
    pub namespace: Option<String>,
    /// What they fill.
    pub caches: Arc<Caches>,
    /// Where they tell which Rollouts to decide on.
    pub requests: Requests,
    /// Where they tell which AnalysisRuns to work on.
    pub analyses: Requests,
    /// Becomes true when every kind was listed once.
    pub synced: Synced,
}

impl Feeds {
    /// Starts all feeds. None of them ends by itself.
    #[must_use]
    pub fn start(self) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        tasks.spawn(self.clone().follow::<Rollout>(every()));
        tasks.spawn(self.clone().follow::<ReplicaSet>(every().labels(HASH_LABEL)));
        tasks.spawn(self.clone().follow::<AnalysisRun>(every()));
        tasks.spawn(self.clone().follow::<Service>(every()));
        tasks.spawn(
            self.clone()
                .follow::<EndpointSlice>(every().labels(SERVICE_NAME_LABEL)),
        );
        tasks.spawn(self.follow_routes());
        tasks
    }

    async fn follow<P: Cached>(self, objects: watcher::Config) {
        let mut intake = self.intake::<P>();
        loop {
            let ended = self.follow_until_gone(&mut intake, objects.clone()).await;
            tracing::warn!(
                kind = P::api_resource().kind,
                error = ended,
                "the API server does not know the kind"
            );
            tokio::time::sleep(LOOK_FOR_ROUTES_EVERY).await;
        }
    }

    /// Follows `HTTPRoute`s where the Gateway API is installed, from the moment it is.
    async fn follow_routes(self) {
        let mut intake = self.intake::<HttpRoute>();
        loop {
            match self.routes_are_served().await {
                Ok(true) => {
                    self.follow_until_gone(&mut intake, every()).await;
                }
                Ok(false) => {
                    tracing::debug!("the Gateway API is not installed: there are no HTTPRoutes");
                    self.requests.all_now(intake.none_left());
                }
                Err(error) => {
                    tracing::warn!(
                        error = with_causes(&error),
                        "can't find out whether the Gateway API is installed"
                    );
                }
            }
            tokio::time::sleep(LOOK_FOR_ROUTES_EVERY).await;
        }
    }

    async fn routes_are_served(&self) -> Result<bool, kube::Error> {
        let version = format!("{}/{}", http_route::GROUP, http_route::VERSION);
        match self.client.list_api_group_resources(&version).await {
            Ok(served) => Ok(served
                .resources
                .iter()
                .any(|resource| resource.kind == http_route::KIND)),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Follows a kind for as long as the API server knows it; answers the error that said it does not.
    async fn follow_until_gone<P: Cached>(&self, intake: &mut Intake<P>, objects: watcher::Config) -> String {
        let resource = P::api_resource();
        let api: Api<Watched<P>> = match &self.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        };
        let mut events = pin!(watcher(api, objects).default_backoff());
        loop {
            match events.next().await {
                Some(Ok(event)) => self.requests.all_now(intake.take(event)),
                Some(Err(error)) if is_unknown_kind(&error) => return with_causes(&error),
                Some(Err(error)) => {
                    tracing::warn!(
                        kind = resource.kind,
                        error = with_causes(&error),
                        "watch interrupted"
                    );
                }
                None => return "the watch ended".to_owned(),
            }
        }
    }

    fn intake<P: Cached>(&self) -> Intake<P> {
        Intake {
            caches: Arc::clone(&self.caches),
            work: self.analyses.clone(),
            synced: Some(self.synced.clone()),
            listed: HashSet::new(),
            kind: PhantomData,
        }
    }
}

fn every() -> watcher::Config {
    watcher::Config::default().page_size(PAGE_SIZE)
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
    fn default() -> Self {
        Self {
            missing: Arc::new(Mutex::new(KINDS)),
            all: watch::Sender::new(false),
        }
    }
}

impl Synced {
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
    caches: Arc<Caches>,
    /// Where work on the objects themselves is asked for.
    work: Requests,
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
                self.listed.clear();
                BTreeSet::new()
            }
            Event::InitApply(object) => {
                let (key, concerned) = self.apply(object);
                self.listed.insert(key);
                concerned
            }
            Event::InitDone => {
                let concerned = self.caches.retain::<P>(&std::mem::take(&mut self.listed));
                self.sync();
                concerned
            }
            Event::Apply(object) => self.apply(object).1,
            Event::Delete(object) => self.caches.delete::<P>(&object.into_parts().0),
        }
    }

    /// There are no objects of this kind any more.
    fn none_left(&mut self) -> BTreeSet<ObjectKey> {
        let concerned = self.caches.retain::<P>(&HashSet::new());
        self.sync();
        concerned
    }

    /// An object that can't be read stays as it was last read: a write based on that fails on its precondition, while
    /// one based on its absence might not.
    fn apply(&self, object: Watched<P>) -> (ObjectKey, BTreeSet<ObjectKey>) {
        let (key, projection) = object.into_parts();
        let concerned = match projection {
            Ok(projection) => {
                if projection.has_work() {
                    self.work.all_now([key.clone()]);
                }
                self.caches.apply(&key, &projection)
            }
            Err(error) => {
                let kind = P::api_resource().kind;
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
mod tests {
    use kube::runtime::scheduler::ScheduleRequest;
    use serde_json::{Value, json};

    use super::*;
    use crate::context::Context;
    use crate::queue::queue;
    use crate::scenario::{Reply, expect, scenario};
    use crate::watch::{Projection as _, samples};

    fn intake() -> Intake<Service> {
        Intake {
            caches: Arc::default(),
            work: queue().0,
            synced: None,
            listed: HashSet::new(),
            kind: PhantomData,
        }
    }

    fn object(object: Value) -> Watched<Service> {
        serde_json::from_value(object).unwrap()
    }

    fn sees(intake: &Intake<Service>, name: &str) -> bool {
        intake
            .caches
            .read(|tables| tables.services.contains_key(&ObjectKey::new("shop", name)))
    }

    #[test]
    fn a_list_replaces_what_was_there() {
        let mut intake = intake();
        intake.take(Event::Apply(object(samples::service("gone"))));

        intake.take(Event::Init);
        intake.take(Event::InitApply(object(samples::service("web"))));
        assert!(
            sees(&intake, "gone"),
            "nothing vanishes before the list is complete"
        );
        intake.take(Event::InitDone);

        assert!(sees(&intake, "web") && !sees(&intake, "gone"));
    }

    #[test]
    fn a_deleted_object_is_taken_out() {
        let mut intake = intake();
        intake.take(Event::Apply(object(samples::service("web"))));

        intake.take(Event::Delete(object(samples::service("web"))));

        assert!(!sees(&intake, "web"));
    }

    #[test]
    fn a_broken_object_stays_as_it_was_and_holds_up_nobody() {
        let mut intake = intake();
        intake.take(Event::Apply(object(samples::service("web"))));
        let mut broken = samples::service("web");
        broken["spec"]["ports"] = json!("none");

        intake.take(Event::Init);
        intake.take(Event::InitApply(object(broken)));
        intake.take(Event::InitApply(object(samples::service("other"))));
        intake.take(Event::InitDone);

        assert!(sees(&intake, "web") && sees(&intake, "other"));
    }

    #[test]
    fn the_caches_are_filled_when_every_kind_was_listed() {
        let synced = Synced::default();
        let ready = synced.subscribe();
        for _ in 1..KINDS {
            synced.one_more();
        }
        assert!(!*ready.borrow());

        synced.one_more();

        assert!(*ready.borrow());
    }

    #[test]
    fn a_second_list_of_a_kind_does_not_count_for_another() {
        let synced = Synced::default();
        let mut intake = Intake {
            synced: Some(synced.clone()),
            ..intake()
        };
        for _ in 0..KINDS {
            intake.take(Event::Init);
            intake.take(Event::InitDone);
        }
        assert_eq!(*synced.missing.lock(), KINDS - 1);
    }

    const WATCH: &str = "GET /apis/gateway.networking.k8s.io/v1/httproutes?&watch=true&timeoutSeconds=290\
        &allowWatchBookmarks=true&resourceVersion=7";
    const DISCOVERY: &str = "GET /apis/gateway.networking.k8s.io/v1";

    fn served() -> Reply {
        let kinds = json!([{"name": "httproutes", "singularName": "", "namespaced": true, "kind": "HTTPRoute", "verbs": []}]);
        Reply::With(
            200,
            json!({"kind": "APIResourceList", "groupVersion": "gateway.networking.k8s.io/v1", "resources": kinds}),
        )
    }

    fn feeds(
        context: &Context,
    ) -> (
        Feeds,
        impl futures::Stream<Item = ScheduleRequest<ObjectKey>> + use<>,
    ) {
        let (requests, asked) = queue();
        let (client, caches) = (context.client.clone(), Arc::clone(&context.caches));
        (
            Feeds {
                client,
                namespace: None,
                caches,
                requests,
                analyses: queue().0,
                synced: Synced::default(),
            },
            asked,
        )
    }

    #[tokio::test(start_paused = true)]
    async fn routes_are_seen_once_the_gateway_api_is_installed() {
        let list = json!({"metadata": {"resourceVersion": "7"}, "items": [samples::route("web")]});
        let exchanges = vec![
            expect(DISCOVERY, Reply::failure(404, "NotFound", "not found", &[])),
            expect(DISCOVERY, served()),
            expect(
                "GET /apis/gateway.networking.k8s.io/v1/httproutes?&limit=100",
                Reply::With(200, list),
            ),
            expect(WATCH, Reply::Silence),
        ];
        let ended = scenario(exchanges, async |context| {
            let rollout = Rollout::project(&samples::rollout("web")).unwrap();
            context
                .caches
                .apply(&ObjectKey::new("shop", "web"), &Arc::new(rollout));
            let (feeds, asked) = feeds(context);
            let missing = Arc::clone(&feeds.synced.missing);
            let following = tokio::spawn(feeds.follow_routes());
            let concerned = pin!(asked).next().await.unwrap().message;
            following.abort();
            let _ = following.await;
            (concerned, *missing.lock())
        })
        .await;
        assert_eq!(ended.outcome, (ObjectKey::new("shop", "web"), KINDS - 1));
    }
}
