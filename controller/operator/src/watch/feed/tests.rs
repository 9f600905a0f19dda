//! What a feed makes of the events of its watch.

use kube::runtime::scheduler::ScheduleRequest;
use serde_json::{Value, json};

use super::*;
use crate::context::Context;
use crate::queue::queue;
use crate::scenario::{Reply, expect, scenario};
use crate::watch::{Projection as _, samples};

fn intake() -> Intake<Service> {
    Intake {
        group: Group::Kulta,
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
            argo_api: false,
            caches,
            requests,
            analyses: queue().0,
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
