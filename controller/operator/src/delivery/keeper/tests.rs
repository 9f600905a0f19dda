//! From what was stored to what is stored, with one sink.

use kulta_api::names::INSTANCE_ID_LABEL;
use serde_json::Value;

use super::*;
use crate::context::Context;
use crate::delivery::configuration::EventSettings;
use crate::lease::Claim;
use crate::scenario::{Exchange, Reply, expect, scenario};
use crate::watch::Rollout;
use crate::watch::samples::{key, put, rollout};

const READ: &str = "GET /api/v1/namespaces/default/configmaps/kulta-inventory";
const CREATE: &str = "POST /api/v1/namespaces/default/configmaps?";
const PATCH: &str = "PATCH /api/v1/namespaces/default/configmaps/kulta-inventory?&fieldManager=kulta";
/// That of the Rollout shop/web.
const UID: &str = "uid-web";

/// That of the ConfigMap.
const VERSION: &str = "7";

fn metadata() -> Value {
    json!({"name": CONFIG_MAP, "resourceVersion": VERSION})
}

fn written() -> Reply {
    Reply::With(
        200,
        json!({"kind": "PartialObjectMetadata", "metadata": metadata()}),
    )
}

fn made() -> Reply {
    let made = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata()});
    Reply::With(201, made)
}

fn missing() -> Reply {
    Reply::failure(404, "NotFound", "configmaps \"kulta-inventory\" not found", &[])
}

/// What is stored is to become another.
fn patch(data: &Value) -> Exchange {
    let body = json!({"metadata": {"resourceVersion": VERSION}, "data": data});
    expect(PATCH, written()).with_body(body)
}

/// Whether a Rollout of the inventory that no watch shows is there.
fn asked_for(name: &str, answer: Reply) -> Exchange {
    let path = format!("GET /apis/kulta.io/v1alpha1/namespaces/shop/rollouts/{name}");
    expect(&path, answer)
}

fn gone(name: &str) -> Exchange {
    asked_for(name, Reply::failure(404, "NotFound", "rollouts not found", &[]))
}

/// What is stored.
fn stored(data: &Value) -> Exchange {
    expect(
        READ,
        Reply::With(200, json!({"metadata": metadata(), "data": data})),
    )
}

/// Lets a keeper look once, where shop/web is there or not. Answers whether the inventory is kept.
async fn looks(exchanges: Vec<Exchange>, is_there: bool, configured: Value) -> (bool, bool) {
    let settings: EventSettings = serde_json::from_value(configured).unwrap();
    let ended = scenario(exchanges, async |context: &Context| {
        context.outbox.configure(&settings);
        if is_there {
            put::<Rollout>(&context.caches, &rollout("web"));
        }
        let keeper = keeper(context);
        let mut inventory = Inventory::default();
        let mut gone = keeper.compare(&mut inventory);
        let is_kept = keeper
            .keep(&mut inventory, &mut Stored::default(), &mut gone)
            .await;
        let is_gone = gone.iter().any(|gone| gone.uid == UID);
        (is_kept, is_gone)
    });
    ended.await.outcome
}

/// Whether a sink has still to hear that the Rollout is gone.
fn is_leaving(keeper: &Keeper) -> bool {
    keeper.outbox.take_set_up_anew();
    let mut leaves = false;
    keeper.outbox.while_told(|is_leaving| leaves = is_leaving(UID));
    leaves
}

#[tokio::test]
async fn what_one_had_to_tell_when_it_was_deleted_is_told_before_its_end() {
    let caches = Caches::default();
    let mut object = rollout("web");
    object["status"] = json!({
        "history": [{"sequence": 7, "time": "2026-03-01T12:00:00Z", "kind": "Promoted", "cause": "Controller"}],
        "delivered": {"nowhere": 6},
    });
    put::<Rollout>(&caches, &object);

    caches.delete::<Rollout>(&key("web"));

    let departed = caches.take_departed();
    let numbers = departed.iter().flat_map(|(_, rollout)| &rollout.status.history);
    assert_eq!(numbers.map(|fact| fact.sequence).collect::<Vec<_>>(), [7]);
    assert!(caches.take_departed().is_empty());
}

/// A sink that nothing reaches.
fn with_sink() -> Value {
    json!({"environment": "test", "sinks": {"nowhere": {"file": {"path": "/nowhere/at/all/events"}}}})
}

/// The Rollout shop/web, whose fact 7 the sink has not heard, is deleted, as the watch sees it.
fn deletes(caches: &Caches) {
    let mut object = rollout("web");
    object["status"] = json!({"history": [fact()], "delivered": {"nowhere": 6}});
    put::<Rollout>(caches, &object);
    caches.delete::<Rollout>(&key("web"));
}

fn fact() -> Value {
    json!({"sequence": 7, "time": "2026-03-01T12:00:00Z", "kind": "Promoted", "cause": "Controller"})
}

/// What of shop/web is stored.
fn facts() -> String {
    json!({"delivered": {"nowhere": 6}, "facts": [fact()]}).to_string()
}

fn keeper(context: &Context) -> Keeper {
    Keeper {
        caches: Arc::clone(&context.caches),
        outbox: context.outbox.clone(),
        namespace: None,
        argo_api: false,
        instance: Instance::default(),
        permission: Permission::default(),
        ready: watch::channel(true).1,
        client: context.client.clone(),
    }
}

/// How many events wait for the sink.
fn pending(metrics: &str) -> Option<&str> {
    let mut lines = metrics.lines();
    lines.find_map(|line| line.strip_prefix("kulta_sink_events_pending{sink=\"nowhere\"} "))
}

#[tokio::test]
async fn what_no_sink_has_heard_of_a_deleted_rollout_is_stored_with_its_end() {
    let settings: EventSettings = serde_json::from_value(with_sink()).unwrap();
    let exchanges = vec![
        expect(READ, missing()),
        expect(CREATE, made()),
        expect(PATCH, written()),
    ];
    let ended = scenario(exchanges, async |context: &Context| {
        context.outbox.configure(&settings);
        deletes(&context.caches);
        let keeper = keeper(context);
        let mut inventory = Inventory::default();
        let mut gone = keeper.compare(&mut inventory);
        let data = inventory.changes().data();
        assert!(
            keeper
                .keep(&mut inventory, &mut Stored::default(), &mut gone)
                .await
        );
        data
    });

    let data = ended.await.outcome;

    assert!(data[UID].as_ref().unwrap().starts_with("shop/web@"), "{data:?}");
    let stored: Value = serde_json::from_str(data[&format!("{UID}.facts")].as_ref().unwrap()).unwrap();
    assert_eq!(stored, serde_json::from_str::<Value>(&facts()).unwrap());
}

#[tokio::test]
async fn what_the_process_before_has_not_told_is_offered_before_the_end() {
    let settings: EventSettings = serde_json::from_value(with_sink()).unwrap();
    let key = format!("{UID}.facts");
    let exchanges = vec![
        stored(&json!({UID: "shop/web@2026-03-01T12:00:00Z", key: facts()})),
        gone("web"),
    ];
    let ended = scenario(exchanges, async |context: &Context| {
        context.outbox.configure(&settings);
        let keeper = keeper(context);
        let mut inventory = Inventory::default();
        let mut gone = Vec::new();
        assert!(
            keeper
                .keep(&mut inventory, &mut Stored::default(), &mut gone)
                .await
        );
        for gone in gone {
            keeper.outbox.gone(&gone, inventory.unheard(&gone.uid), None);
        }
        is_leaving(&keeper)
    });

    let ended = ended.await;

    assert!(ended.outcome);
    assert_eq!(pending(&ended.metrics), Some("2"));
}

#[tokio::test]
async fn no_end_is_told_to_be_before_what_it_ends() {
    let settings: EventSettings = serde_json::from_value(with_sink()).unwrap();
    let later: Timestamp = "2500-01-01T00:00:00Z".parse().unwrap();
    let ended = scenario(Vec::new(), async |context: &Context| {
        context.outbox.configure(&settings);
        let mut object = rollout("web");
        object["status"] = json!({"history": [fact()], "delivered": {"nowhere": 6}});
        object["status"]["history"][0]["time"] = json!(later);
        put::<Rollout>(&context.caches, &object);
        context.caches.delete::<Rollout>(&key("web"));
        keeper(context).compare(&mut Inventory::default())
    });

    let times: Vec<Timestamp> = ended.await.outcome.iter().map(|gone| gone.time).collect();

    assert_eq!(times, [later]);
}

#[tokio::test]
async fn what_there_is_no_room_for_is_counted_as_lost() {
    let settings: EventSettings = serde_json::from_value(with_sink()).unwrap();
    let ended = scenario(Vec::new(), async |context: &Context| {
        context.outbox.configure(&settings);
        deletes(&context.caches);
        let keeper = keeper(context);
        let mut inventory = Inventory::default();
        for gone in keeper.compare(&mut inventory) {
            keeper.outbox.gone(&gone, inventory.unheard(&gone.uid), None);
        }
        let room = Room {
            unheard_bytes: 0,
            ..Room::BOUND
        };
        for forgone in inventory.fit(room) {
            keeper.outbox.forgo(&forgone);
        }
        is_leaving(&keeper)
    });

    let ended = ended.await;

    assert!(ended.outcome, "the end is still to be told");
    assert_eq!(pending(&ended.metrics), Some("1"));
    let lost = "kulta_sink_events_lost_total{sink=\"nowhere\"} 1";
    assert!(ended.metrics.contains(lost), "{}", ended.metrics);
}

#[tokio::test]
async fn the_first_inventory_is_made() {
    let exchanges = vec![
        expect(READ, missing()),
        expect(CREATE, made()),
        patch(&json!({UID: "shop/web"})),
    ];

    assert_eq!(looks(exchanges, true, with_sink()).await, (true, false));
}

#[tokio::test]
async fn what_is_stored_already_is_not_written_again() {
    let exchanges = vec![stored(&json!({UID: "shop/web"}))];

    assert_eq!(looks(exchanges, true, with_sink()).await, (true, false));
}

#[tokio::test]
async fn the_end_of_one_that_went_unseen_is_told() {
    let exchanges = vec![
        stored(&json!({UID: "shop/web@2026-03-01T12:00:00Z"})),
        gone("web"),
    ];

    assert_eq!(looks(exchanges, false, with_sink()).await, (true, true));
}

#[tokio::test]
async fn the_end_of_one_that_is_there_and_that_a_watch_lacks_is_not_told() {
    let there = Reply::With(200, rollout("web"));
    let exchanges = vec![stored(&json!({UID: "shop/web"})), asked_for("web", there)];

    assert_eq!(looks(exchanges, false, with_sink()).await, (false, false));
}

#[tokio::test]
async fn one_that_was_given_to_another_instance_is_gone() {
    let mut others = rollout("web");
    others["metadata"]["labels"] = json!({INSTANCE_ID_LABEL: "blue"});
    let exchanges = vec![
        stored(&json!({UID: "shop/web@2026-03-01T12:00:00Z"})),
        asked_for("web", Reply::With(200, others)),
    ];

    assert_eq!(looks(exchanges, false, with_sink()).await, (true, true));
}

#[tokio::test]
async fn entries_that_nobody_can_read_are_left() {
    let exchanges = vec![stored(&json!({"whatever": "no entry"}))];

    assert_eq!(looks(exchanges, false, with_sink()).await, (true, false));
}

#[tokio::test]
async fn an_inventory_that_can_not_be_read_is_not_written() {
    let refused = Reply::failure(403, "Forbidden", "may not get configmaps", &[]);

    let looked = looks(vec![expect(READ, refused)], true, with_sink()).await;

    assert_eq!(looked, (false, false));
}

#[tokio::test]
async fn without_sinks_nothing_is_kept() {
    let exchanges = vec![
        stored(&json!({UID: "shop/web", "other": "shop/cart"})),
        gone("cart"),
        patch(&json!({UID: null, "other": null})),
    ];

    assert_eq!(looks(exchanges, true, json!({})).await, (true, false));
    let refused = Reply::failure(403, "Forbidden", "may not get configmaps", &[]);
    assert_eq!(
        looks(vec![expect(READ, refused)], true, json!({})).await,
        (true, false)
    );
}

#[tokio::test]
async fn a_sink_that_is_set_up_anew_hears_the_ends_that_are_still_to_be_told() {
    let settings: EventSettings = serde_json::from_value(with_sink()).unwrap();
    let ended = scenario(Vec::new(), async |context: &Context| {
        let keeper = keeper(context);
        let mut inventory = Inventory::default();
        let entry = "shop/web@2026-03-01T12:00:00Z".parse().unwrap();
        inventory.recall([(UID.to_owned(), entry)].into(), BTreeMap::new());

        context.outbox.configure(&settings);
        let mut told_meanwhile = false;
        keeper.outbox.while_told(|_| told_meanwhile = true);
        keeper.forget(&mut inventory);
        (told_meanwhile, inventory.leaving().len(), is_leaving(&keeper))
    });

    // Nothing is forgotten between the set-up of a sink and its being told.
    assert_eq!(ended.await.outcome, (false, 1, true));
}

#[tokio::test]
async fn what_another_replica_has_written_meanwhile_is_read_before_anything_is_written() {
    let conflict = Reply::failure(409, "Conflict", "the object has been modified", &[]);
    let exchanges = vec![stored(&json!({})), expect(PATCH, conflict)];
    let settings: EventSettings = serde_json::from_value(with_sink()).unwrap();
    let ended = scenario(exchanges, async |context: &Context| {
        context.outbox.configure(&settings);
        put::<Rollout>(&context.caches, &rollout("web"));
        let keeper = keeper(context);
        let mut inventory = Inventory::default();
        let mut gone = keeper.compare(&mut inventory);
        let mut known = Stored::default();
        let is_kept = keeper.keep(&mut inventory, &mut known, &mut gone).await;
        (is_kept, known)
    });

    assert_eq!(ended.await.outcome, (false, Stored::Unread));
}

#[tokio::test]
async fn a_replica_that_does_not_lead_writes_no_inventory() {
    let settings: EventSettings = serde_json::from_value(with_sink()).unwrap();
    let ended = scenario(vec![stored(&json!({}))], async |context: &Context| {
        context.outbox.configure(&settings);
        put::<Rollout>(&context.caches, &rollout("web"));
        let keeper = Keeper {
            permission: Permission::leading(Claim::default()),
            ..keeper(context)
        };
        let mut inventory = Inventory::default();
        let mut gone = keeper.compare(&mut inventory);
        keeper
            .keep(&mut inventory, &mut Stored::default(), &mut gone)
            .await
    });

    assert!(!ended.await.outcome);
}
