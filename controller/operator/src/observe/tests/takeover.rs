//! Rollouts as Argo Rollouts' controller has left them go on where they were, and no pod is touched by the switch.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use jiff::Timestamp;
use kulta_api::Group;
use kulta_api::names::{FIELD_MANAGER, HASH_LABEL, TEMPLATE_DIGEST_ANNOTATION};
use kulta_api::status::{WriteContext, foreign, with_foreign, write};
use kulta_core::decide;
use kulta_core::plan::{Action, Plan};
use serde_json::{Value, json};

use crate::context::{Context, Sighting};
use crate::key::ObjectKey;
use crate::observe::observe;
use crate::scenario::scenario;
use crate::watch::{EndpointSlice, HttpRoute, ReplicaSet, Rollout, Service};

const NAMESPACE: &str = "default";
/// A few minutes after the objects were written, and before any deadline in them.
const NOW: &str = "2026-11-22T05:45:00Z";
/// More than it takes to settle.
const ROUNDS: usize = 6;

/// The objects of one state, by kind and name.
struct World(BTreeMap<(String, String), Value>);

impl World {
    fn load(state: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../api/argo-objects");
        let text = fs::read_to_string(folder.join(format!("{state}.yaml"))).unwrap();
        let documents = text.split("\n---\n").filter(|text| !text.starts_with('#'));
        let objects = documents.map(|text| serde_saphyr::from_str::<Value>(text).unwrap());
        let mut world = Self(objects.map(|object| (identity(&object), object)).collect());
        world.accept_route(state);
        world
    }

    /// What the gateway says of the route is not among the objects.
    fn accept_route(&mut self, name: &str) {
        let Some(route) = self.0.get_mut(&("HTTPRoute".to_owned(), name.to_owned())) else {
            return;
        };
        let generation = route["metadata"]["generation"].clone();
        let condition = |kind: &str| {
            json!({
                "type": kind, "status": "True", "observedGeneration": generation, "reason": kind, "message": "",
                "lastTransitionTime": NOW,
            })
        };
        route["status"]["parents"] = json!([{
            "parentRef": {"name": "gw", "kind": "Gateway", "group": "gateway.networking.k8s.io"},
            "controllerName": "example.org/gateway",
            "conditions": [condition("Accepted"), condition("ResolvedRefs")],
        }]);
    }

    fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        let objects = self.0.iter().filter(move |((found, _), _)| found == kind);
        objects.map(|(_, object)| object)
    }

    fn get(&mut self, kind: &str, name: &str) -> &mut Value {
        self.0.get_mut(&(kind.to_owned(), name.to_owned())).unwrap()
    }

    /// The ready pods behind a Service that selects a revision.
    fn endpoints(&self, service: &Value) -> Value {
        let hash = &service["spec"]["selector"][HASH_LABEL];
        let mut replica_sets = self.of_kind("ReplicaSet");
        let selected = replica_sets.find(|found| found["metadata"]["labels"][HASH_LABEL] == *hash);
        let pods = selected.map_or(0, |found| found["status"]["readyReplicas"].as_u64().unwrap_or(0));
        let name = selected.map_or("", |found| found["metadata"]["name"].as_str().unwrap());
        let pod = |number| json!({"conditions": {"ready": true}, "targetRef": {"kind": "Pod", "name": format!("{name}-{number:05}")}});
        let service = service["metadata"]["name"].as_str().unwrap();
        json!({
            "metadata": {
                "name": format!("{service}-1"), "namespace": NAMESPACE, "uid": format!("uid-{service}"),
                "resourceVersion": "1", "creationTimestamp": NOW,
                "labels": {"kubernetes.io/service-name": service},
            },
            "addressType": "IPv4",
            "endpoints": (0..pods).map(pod).collect::<Vec<_>>(),
        })
    }

    fn show(&self, context: &Context) {
        for object in self.of_kind("Rollout") {
            put::<Rollout>(context, Group::Argo, object);
        }
        for object in self.of_kind("ReplicaSet") {
            put::<ReplicaSet>(context, Group::Kulta, object);
        }
        for object in self.of_kind("Service") {
            put::<Service>(context, Group::Kulta, object);
            put::<EndpointSlice>(context, Group::Kulta, &self.endpoints(object));
        }
        for object in self.of_kind("HTTPRoute") {
            put::<HttpRoute>(context, Group::Kulta, object);
        }
    }

    /// Carries out a plan that touches no pod and no weight.
    fn carry_out(&mut self, name: &str, rollout: &Sighting, plan: &Plan) {
        for action in &plan.actions {
            match action {
                Action::RecordRevision { name, digest, .. } => {
                    self.get("ReplicaSet", name)["metadata"]["annotations"][TEMPLATE_DIGEST_ANNOTATION] =
                        json!(digest.as_str());
                }
                other => panic!("{name}: {other:?}"),
            }
        }
        let (stable_service, canary_service) = rollout.observed.spec.as_ref().unwrap().services();
        let shape = WriteContext {
            group: Group::Argo,
            generation: rollout.observed.rollout.generation,
            stable_service,
            canary_service,
        };
        let status = write(&Group::Argo.kept(&plan.status), &shape);
        let status = with_foreign(status, &rollout.foreign_status);
        let rollout = self.get("Rollout", name);
        rollout["status"] = status;
        rollout["metadata"]["managedFields"] = json!([{"manager": FIELD_MANAGER}]);
    }
}

fn identity(object: &Value) -> (String, String) {
    let text = |pointer| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap()
            .to_owned()
    };
    (text("/kind"), text("/metadata/name"))
}

fn put<P: crate::watch::Cached>(context: &Context, group: Group, object: &Value) {
    let name = object["metadata"]["name"].as_str().unwrap();
    let key = ObjectKey::in_group(group, NAMESPACE, name);
    let projection = P::project(object).unwrap();
    context.caches.apply(&key, &std::sync::Arc::new(projection));
}

/// Takes `state` over and answers its status as it was before and as it is in the end.
async fn taken_over(state: &str) -> (Value, Value) {
    let mut world = World::load(state);
    let before = world.get("Rollout", state)["status"].clone();
    let now: Timestamp = NOW.parse().unwrap();
    let ended = scenario(Vec::new(), async |context| {
        for _ in 0..ROUNDS {
            world.show(context);
            let key = ObjectKey::in_group(Group::Argo, NAMESPACE, state);
            let rollout = observe(context, &key).await.unwrap().unwrap();
            let plan = decide(&rollout.observed, now);
            world.carry_out(state, &rollout, &plan);
        }
        world.show(context);
        world.get("Rollout", state)["status"].clone()
    });
    (before, ended.await.outcome)
}

/// What must be as before.
const KEPT: [&str; 15] = [
    "/phase",
    "/message",
    "/abort",
    "/abortedAt",
    "/currentPodHash",
    "/currentStepHash",
    "/currentStepIndex",
    "/stableRS",
    "/pauseConditions",
    "/controllerPause",
    "/observedGeneration",
    "/canary/weights",
    "/blueGreen/activeSelector",
    "/blueGreen/previewSelector",
    "/HPAReplicas",
];

async fn goes_on(state: &str) {
    let (before, after) = taken_over(state).await;
    for pointer in KEPT {
        assert_eq!(
            after.pointer(pointer),
            before.pointer(pointer),
            "{state}{pointer}"
        );
    }
    assert_eq!(
        foreign(&after),
        foreign(&before),
        "{state}: what only Argo Rollouts knows"
    );
}

#[tokio::test]
async fn a_healthy_one_stays_healthy() {
    goes_on("healthy").await;
}

#[tokio::test]
async fn one_in_a_pause_goes_on_waiting() {
    goes_on("paused-basic").await;
}

#[tokio::test]
async fn one_in_a_pause_keeps_its_weight() {
    goes_on("paused-routed").await;
}

#[tokio::test]
async fn an_aborted_one_stays_aborted() {
    goes_on("aborted-basic").await;
    goes_on("aborted-routed").await;
}

#[tokio::test]
async fn one_with_a_delayed_scale_down_keeps_the_pods_until_then() {
    goes_on("delayed-routed").await;
}

#[tokio::test]
async fn one_that_its_user_has_paused_stays_paused() {
    goes_on("manually-paused").await;
}

#[tokio::test]
async fn a_blue_green_one_goes_on_waiting_for_its_switch() {
    goes_on("bluegreen").await;
}

#[tokio::test]
async fn a_switched_one_keeps_its_old_pods_until_their_time_has_passed() {
    goes_on("bluegreen-done").await;
}
