//! What a feed makes of the events of its watch.

use std::iter;

use kube::runtime::scheduler::ScheduleRequest;
use kulta_core::spec::RouteKind;
use serde_json::{Value, json};

use super::*;
use crate::context::Context;
use crate::expectations::Kind;
use crate::queue::queue;
use crate::scenario::{Exchange, Reply, expect, scenario};
use crate::watch::samples;

fn intake() -> Intake<Service> {
    Intake {
        group: Group::Kulta,
        caches: Arc::default(),
        work: None,
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

const WATCH: &str = "GET /apis/gateway.networking.k8s.io/v1/httproutes?&watch=true&timeoutSeconds=60\
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
            client: client.clone(),
            patient_client: client,
            namespace: None,
            argo_api: false,
            instance: context.instance.clone(),
            caches,
            metrics: Arc::clone(&context.metrics),
            queues: Queues {
                rollouts: requests,
                analyses: queue().0,
                experiments: queue().0,
            },
            synced: Synced::default(),
            argo_synced: Synced::of_argo(),
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
        let following = tokio::spawn(feeds.follow_if_served::<HttpRoute>(Group::Kulta, every()));
        let concerned = pin!(asked).next().await.unwrap().message;
        following.abort();
        let _ = following.await;
        (concerned, *missing.lock())
    })
    .await;
    assert_eq!(ended.outcome, (ObjectKey::new("shop", "web"), KINDS - 1));
}

const LIST: &str = "GET /apis/gateway.networking.k8s.io/v1/httproutes?&limit=100";

/// How the watch of routes is told to be, after these times one after the other.
async fn interrupted(exchanges: Vec<Exchange>, waits: &[Duration]) -> Vec<Option<String>> {
    const ROUTES: &str = "kulta_watches_interrupted{group=\"gateway.networking.k8s.io\",kind=\"HTTPRoute\"} ";
    let discovered = iter::once(expect(DISCOVERY, served()));
    let ended = scenario(discovered.chain(exchanges).collect(), async |context| {
        let (feeds, _asked) = feeds(context);
        let metrics = Arc::clone(&context.metrics);
        let following = tokio::spawn(feeds.follow_if_served::<HttpRoute>(Group::Kulta, every()));
        let mut seen = Vec::new();
        for wait in waits {
            tokio::time::sleep(*wait).await;
            let text = metrics.render().unwrap();
            let line = text.lines().find_map(|line| line.strip_prefix(ROUTES));
            seen.push(line.map(str::to_owned));
        }
        following.abort();
        let _ = following.await;
        seen
    });
    ended.await.outcome
}

fn refused() -> Reply {
    Reply::failure(403, "Forbidden", "may not watch", &[])
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_fails_is_told_until_it_goes_on() {
    let list = json!({"metadata": {"resourceVersion": "7"}, "items": []});
    let exchanges = vec![
        expect(LIST, Reply::With(200, list)),
        expect(WATCH, refused()),
        expect(WATCH, Reply::Silence),
    ];

    let seen = interrupted(exchanges, &[Duration::from_mins(1), WELL_AFTER]).await;

    assert_eq!(seen, [Some("1".to_owned()), Some("0".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_fails_is_told_while_the_next_one_is_waited_for() {
    let exchanges = vec![expect(LIST, refused()), expect(LIST, Reply::Silence)];

    let seen = interrupted(exchanges, &[Duration::from_mins(1)]).await;

    assert_eq!(seen, [Some("1".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn what_was_listed_of_a_kind_that_went_meanwhile_is_forgotten_when_it_is_back() {
    let list = |name: &str, next: &str| {
        let page =
            json!({"metadata": {"resourceVersion": "7", "continue": next}, "items": [samples::route(name)]});
        Reply::With(200, page)
    };
    let exchanges = vec![
        expect(DISCOVERY, served()),
        expect(LIST, list("gone", "more")),
        expect(
            &format!("{LIST}&continue=more"),
            Reply::failure(404, "NotFound", "not found", &[]),
        ),
        expect(DISCOVERY, served()),
        expect(LIST, list("web", "")),
        expect(WATCH, Reply::Silence),
    ];
    let ended = scenario(exchanges, async |context| {
        let (feeds, _asked) = feeds(context);
        let following = tokio::spawn(feeds.follow_if_served::<HttpRoute>(Group::Kulta, every()));
        tokio::time::sleep(Duration::from_mins(1)).await;
        following.abort();
        let _ = following.await;
        ["gone", "web"].map(|name| {
            let key = ObjectKey::new("shop", name);
            let route = context.caches.version(Kind::Route(RouteKind::Http), &key);
            route.is_some()
        })
    });

    assert_eq!(ended.await.outcome, [false, true]);
}

#[test]
fn a_list_that_is_broken_off_is_forgotten() {
    let mut intake = intake();
    intake.take(Event::Apply(object(samples::service("gone"))));
    intake.take(Event::InitApply(object(samples::service("gone"))));

    intake.broken_off();
    intake.take(Event::InitApply(object(samples::service("web"))));
    intake.take(Event::InitDone);

    assert!(sees(&intake, "web") && !sees(&intake, "gone"));
}

/// Follows Rollouts until they were listed once; `query` is what is asked for.
async fn lists_rollouts(instance: Instance, query: &str) {
    const ROLLOUTS: &str = "/apis/kulta.io/v1alpha1/rollouts?";
    let list = json!({"metadata": {"resourceVersion": "7"}, "items": [samples::rollout("web")]});
    let watch = "&watch=true&timeoutSeconds=60";
    let exchanges = vec![
        expect(
            &format!("GET {ROLLOUTS}&labelSelector={query}&limit=100"),
            Reply::With(200, list),
        ),
        expect(
            &format!(
                "GET {ROLLOUTS}{watch}&labelSelector={query}&allowWatchBookmarks=true&resourceVersion=7"
            ),
            Reply::Silence,
        ),
    ];
    scenario(exchanges, async |context| {
        let (mut feeds, asked) = feeds(context);
        feeds.instance = instance;
        let own = feeds.own();
        let following = tokio::spawn(feeds.follow::<Rollout>(own));
        pin!(asked).next().await.unwrap();
        following.abort();
        let _ = following.await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn only_rollouts_with_the_own_instance_id_are_asked_for() {
    let instance = Some("blue".parse().unwrap()).into();
    let query = "argo-rollouts.argoproj.io%2Fcontroller-instance-id%3Dblue";
    lists_rollouts(instance, query).await;
}

#[tokio::test(start_paused = true)]
async fn without_an_instance_id_rollouts_with_one_are_not_asked_for() {
    let query = "%21argo-rollouts.argoproj.io%2Fcontroller-instance-id";
    lists_rollouts(Instance::default(), query).await;
}

/// The answer of discovery where these kinds are served in a version of the Gateway API.
fn discovered(version: &str, kinds: &[(&str, &str)]) -> Exchange {
    let kinds: Vec<_> = kinds
        .iter()
        .map(|(kind, plural)| json!({"name": plural, "singularName": "", "namespaced": true, "kind": kind, "verbs": []}))
        .collect();
    let group_version = format!("gateway.networking.k8s.io/{version}");
    let list = json!({"kind": "APIResourceList", "groupVersion": group_version, "resources": kinds});
    expect(&format!("GET /apis/{group_version}"), Reply::With(200, list))
}

fn not_discovered(version: &str) -> Exchange {
    let not_found = Reply::failure(404, "NotFound", "not found", &[]);
    expect(
        &format!("GET /apis/gateway.networking.k8s.io/{version}"),
        not_found,
    )
}

/// A Rollout that names a route of connections hears of it from the moment on when the kind is installed, in the newest version
/// that is served: first in none, then in an old one, then, when that one is gone, in the next.
#[tokio::test(start_paused = true)]
async fn routes_of_connections_are_followed_in_the_newest_version_that_is_served() {
    let http = ("HTTPRoute", "httproutes");
    let tls = ("TLSRoute", "tlsroutes");
    let listed = |version: &str, reply| {
        let path = format!("/apis/gateway.networking.k8s.io/{version}/tlsroutes");
        expect(&format!("GET {path}?&limit=100"), reply)
    };
    let list = json!({"metadata": {"resourceVersion": "7"}, "items": [samples::route("web")]});
    let watch = "GET /apis/gateway.networking.k8s.io/v1/tlsroutes?&watch=true&timeoutSeconds=60\
        &allowWatchBookmarks=true&resourceVersion=7";
    let exchanges = vec![
        discovered("v1", &[http]),
        not_discovered("v1alpha3"),
        not_discovered("v1alpha2"),
        discovered("v1", &[http]),
        not_discovered("v1alpha3"),
        discovered("v1alpha2", &[tls]),
        listed("v1alpha2", Reply::failure(404, "NotFound", "not found", &[])),
        discovered("v1", &[http, tls]),
        listed("v1", Reply::With(200, list)),
        expect(watch, Reply::Silence),
    ];
    let ended = scenario(exchanges, async |context| {
        let mut rollout = samples::rollout("web");
        rollout["spec"]["strategy"]["canary"]["trafficRouting"]["gatewayAPI"] =
            json!({"tlsRoutes": [{"name": "web"}]});
        let rollout = Rollout::project(&rollout).unwrap();
        let key = ObjectKey::new("shop", "web");
        context.caches.apply(&key, &Arc::new(rollout));
        let (feeds, asked) = feeds(context);
        let following = tokio::spawn(feeds.follow_if_served::<TlsRoute>(Group::Kulta, every()));
        let concerned = pin!(asked).next().await.unwrap().message;
        following.abort();
        let _ = following.await;
        (
            concerned,
            context.caches.route_resource(RouteKind::Tls).api_version,
        )
    })
    .await;
    let version = "gateway.networking.k8s.io/v1".to_owned();
    assert_eq!(ended.outcome, (ObjectKey::new("shop", "web"), version));
}
