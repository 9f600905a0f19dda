use std::collections::BTreeMap;

use kulta_core::observed::{ApplyFailure, FailureKind};
use kulta_core::plan::{RuleChange, WeightChange};
use kulta_core::spec::{PodMetadata, RouteKind, RouteReference};
use serde_json::json;

use super::*;
use crate::scenario::{Ended, Exchange, Reply, expect, plan, scenario, sighting};
use crate::watch::{TcpRoute, route};

mod live;

const PATCH_ROLLOUT: &str = "PATCH /apis/kulta.io/v1alpha1/namespaces/shop/rollouts/web?&fieldManager=kulta";
const PATCH_OLD: &str = "PATCH /apis/apps/v1/namespaces/shop/replicasets/web-old?&fieldManager=kulta";
const DELETE_OLD: &str = "DELETE /apis/apps/v1/namespaces/shop/replicasets/web-old?";
const PATCH_SERVICE: &str = "PATCH /api/v1/namespaces/shop/services/web-canary?&fieldManager=kulta";
const PATCH_ROUTE: &str =
    "PATCH /apis/gateway.networking.k8s.io/v1/namespaces/edge/httproutes/web?&fieldManager=kulta";
const PATCH_ROUTE_STRICTLY: &str = "PATCH /apis/gateway.networking.k8s.io/v1/namespaces/edge/httproutes/web?\
    &fieldManager=kulta&fieldValidation=Strict";

fn scale(from: u32, to: u32) -> Action {
    Action::ScaleReplicaSet {
        name: "web-old".to_owned(),
        resource_version: "40".to_owned(),
        revision: 1,
        from,
        to,
        min_ready_seconds: 0,
        desired_replicas: 4,
    }
}

fn point() -> Action {
    Action::PointService {
        name: "web-canary".to_owned(),
        resource_version: "30".to_owned(),
        from: Some("old".to_owned()),
        to: "new".to_owned(),
    }
}

fn split() -> Action {
    Action::SetRouteWeights {
        route: RouteReference {
            kind: RouteKind::Http,
            namespace: "edge".to_owned(),
            name: "web".to_owned(),
        },
        generation: 7,
        changes: vec![WeightChange {
            rule: 0,
            index: 1,
            name: "web-canary".to_owned(),
            from: Some(0),
            to: 25,
        }],
        backends: Vec::new(),
        rules: Vec::new(),
        label: None,
    }
}

/// A rule that the API server refuses to keep without its name.
fn managed() -> Action {
    let Action::SetRouteWeights {
        route, generation, ..
    } = split()
    else {
        panic!("weights of a route");
    };
    Action::SetRouteWeights {
        route,
        generation,
        changes: Vec::new(),
        backends: Vec::new(),
        rules: vec![RuleChange::Add {
            index: 0,
            rule: json!({"name": "testers"}),
        }],
        label: None,
    }
}

async fn applied(actions: Vec<Action>, exchanges: Vec<Exchange>) -> Ended<Result<Applied, ApplyError>> {
    scenario(exchanges, async |context| {
        apply(context, &sighting(), &plan(actions)).await
    })
    .await
}

#[tokio::test]
async fn a_plan_without_actions_asks_nothing_of_the_api_server() {
    let ended = applied(Vec::new(), Vec::new()).await;
    assert_eq!(ended.outcome.unwrap(), Applied::default());
}

#[tokio::test]
async fn actions_are_carried_out_in_order_and_told() {
    let ended = applied(
        vec![scale(4, 2), point(), split()],
        vec![
            expect(PATCH_OLD, Reply::written("41")),
            expect(PATCH_SERVICE, Reply::written("31")),
            expect(PATCH_ROUTE, Reply::written("21")),
        ],
    )
    .await;

    ended.outcome.unwrap();
    assert_eq!(
        ended.events,
        [
            (
                "ScalingReplicaSet".to_owned(),
                "Scaled down ReplicaSet web-old (revision 1) from 4 to 2".to_owned()
            ),
            (
                "SwitchService".to_owned(),
                "Switched selector for service 'web-canary' from 'old' to 'new'".to_owned()
            ),
        ]
    );
    assert!(
        ended
            .metrics
            .contains(r#"kulta_writes_total{action="PointService",result="written"} 1"#)
    );
}

#[tokio::test]
async fn what_is_refused_is_told_and_keeps_nothing_else_from_being_done() {
    let refused = Reply::failure(403, "Forbidden", "not by this policy", &[]);
    let ended = applied(
        vec![scale(4, 2), point(), split()],
        vec![
            expect(PATCH_OLD, Reply::written("41")),
            expect(PATCH_SERVICE, refused),
            expect(PATCH_ROUTE, Reply::written("42")),
        ],
    )
    .await;

    let failure = ended.outcome.unwrap_err().failure().unwrap();
    assert_eq!(
        failure,
        ApplyFailure {
            kind: FailureKind::Other,
            message: "not by this policy".to_owned()
        }
    );
}

#[tokio::test]
async fn nothing_is_done_after_a_conflict() {
    let conflict = Reply::failure(409, "Conflict", "the object has been modified", &[]);
    let ended = applied(
        vec![scale(4, 2), point(), split()],
        vec![
            expect(PATCH_OLD, Reply::written("41")),
            expect(PATCH_SERVICE, conflict),
        ],
    )
    .await;

    assert!(ended.outcome.unwrap_err().is_conflict());
    assert_eq!(
        ended.events.len(),
        1,
        "what was done before is told: {:?}",
        ended.events
    );
}

#[tokio::test]
async fn every_write_is_expected_to_show_in_the_caches() {
    let ended = scenario(
        vec![
            expect(PATCH_OLD, Reply::written("41")),
            expect(DELETE_OLD, Reply::With(200, json!({"kind": "Status"}))),
        ],
        async |context| {
            let rollout = sighting();
            apply(context, &rollout, &plan(vec![scale(4, 2)])).await.unwrap();
            let written = context.expectations.satisfied(&rollout.key, |_, _| None).unwrap();
            let delete = Action::DeleteReplicaSet {
                name: "web-old".to_owned(),
                uid: "uid-old".to_owned(),
                resource_version: "41".to_owned(),
            };
            apply(context, &rollout, &plan(vec![delete])).await.unwrap();
            (written, context.expectations.satisfied(&rollout.key, |_, _| None))
        },
    )
    .await;

    let (written, after_delete) = ended.outcome;
    assert_eq!(
        written.write.outcome,
        Outcome::Written {
            resource_version: "41".to_owned()
        }
    );
    assert_eq!(after_delete, None);
}

#[tokio::test]
async fn a_delete_takes_the_pods_along_and_only_this_object() {
    let delete = Action::DeleteReplicaSet {
        name: "web-old".to_owned(),
        uid: "uid-old".to_owned(),
        resource_version: "40".to_owned(),
    };
    let body = json!({
        "propagationPolicy": "Background",
        "preconditions": {"uid": "uid-old", "resourceVersion": "40"},
    });

    let ended = applied(
        vec![delete],
        vec![expect(DELETE_OLD, Reply::With(200, json!({"kind": "Status"}))).with_body(body)],
    )
    .await;

    ended.outcome.unwrap();
}

#[tokio::test]
async fn answers_are_told_apart_by_what_to_do_next() {
    let conflict = || Reply::failure(409, "Conflict", "the object has been modified", &[]);
    let gone = || Reply::failure(404, "NotFound", "not found", &[]);
    let invalid = || Reply::failure(422, "Invalid", "weight: must be less than 1000000", &["weight"]);
    let cases = [
        ("an older version", scale(4, 2), PATCH_OLD, conflict(), true),
        ("deleted meanwhile", scale(4, 2), PATCH_OLD, gone(), true),
        (
            "a route that changed",
            split(),
            PATCH_ROUTE,
            Reply::test_failed(),
            true,
        ),
        ("an invalid weight", split(), PATCH_ROUTE, invalid(), false),
        (
            "a rule whose name the definition lacks",
            managed(),
            PATCH_ROUTE_STRICTLY,
            invalid(),
            false,
        ),
        (
            "a merge patch without causes",
            scale(4, 2),
            PATCH_OLD,
            Reply::test_failed(),
            false,
        ),
        (
            "forbidden",
            point(),
            PATCH_SERVICE,
            Reply::failure(403, "Forbidden", "no", &[]),
            false,
        ),
        (
            "broken",
            point(),
            PATCH_SERVICE,
            Reply::failure(500, "InternalError", "no", &[]),
            false,
        ),
    ];
    for (name, action, request, reply, is_conflict) in cases {
        let ended = applied(vec![action], vec![expect(request, reply)]).await;

        let error = ended.outcome.unwrap_err();
        assert_eq!(error.is_conflict(), is_conflict, "{name}: {error:?}");
        assert_eq!(error.failure().is_none(), is_conflict, "{name}: {error:?}");
    }
}

#[tokio::test]
async fn a_busy_api_server_is_nothing_to_complain_about_in_the_status() {
    for code in [429, 503, 504] {
        let busy = Reply::failure(code, "Busy", "later", &[]);

        let ended = applied(vec![point()], vec![expect(PATCH_SERVICE, busy)]).await;

        assert_eq!(ended.outcome.unwrap_err().failure(), None, "{code}");
    }
}

const PODS: &str =
    "GET /api/v1/namespaces/shop/pods?&labelSelector=rollouts-pod-template-hash+in+%28old%29&limit=100";

fn role(value: &str) -> PodMetadata {
    PodMetadata {
        labels: BTreeMap::from([("role".to_owned(), value.to_owned())]),
        annotations: BTreeMap::from([(format!("only-of-{value}"), value.to_owned())]),
    }
}

/// The metadata of a pod of web-old with these labels.
fn pod(
    name: &str,
    owner: &str,
    labels: &serde_json::Value,
    annotations: &serde_json::Value,
) -> serde_json::Value {
    json!({
        "metadata": {
            "name": name, "uid": format!("uid-{name}"), "resourceVersion": "7",
            "labels": labels, "annotations": annotations,
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-old", "uid": owner, "controller": true,
            }],
        },
    })
}

fn patch_pod(name: &str) -> String {
    format!("PATCH /api/v1/namespaces/shop/pods/{name}?&fieldManager=kulta")
}

fn spread() -> Action {
    Action::SpreadMetadata {
        name: "web-old".to_owned(),
        uid: "uid-old".to_owned(),
        hash: "old".to_owned(),
        resource_version: "40".to_owned(),
        former: role("canary"),
        metadata: role("stable"),
    }
}

#[tokio::test]
async fn other_labels_come_into_the_template_with_a_note_of_what_may_be_in_pods() {
    let inject = Action::InjectMetadata {
        name: "web-old".to_owned(),
        resource_version: "40".to_owned(),
        former: role("canary"),
        metadata: role("stable"),
    };
    let body = json!({
        "metadata": {"resourceVersion": "40", "annotations": {
            "rollout.argoproj.io/ephemeral-metadata":
                r#"{"labels":{"role":"canary"},"annotations":{"only-of-canary":"canary"}}"#,
            "kulta.io/ephemeral-metadata-under-way":
                r#"{"labels":{"role":"stable"},"annotations":{"only-of-stable":"stable"}}"#,
        }},
        "spec": {"template": {"metadata": {
            "labels": {"role": "stable"}, "annotations": {"only-of-canary": null, "only-of-stable": "stable"},
        }}},
    });

    let ended = applied(
        vec![inject],
        vec![expect(PATCH_OLD, Reply::written("41")).with_body(body)],
    )
    .await;

    ended.outcome.unwrap();
}

#[tokio::test]
async fn other_labels_come_into_the_own_pods_that_lack_them_and_are_noted_last() {
    let done = pod(
        "b",
        "uid-old",
        &json!({"role": "stable"}),
        &json!({"only-of-stable": "stable"}),
    );
    let pods = json!({"items": [
        pod("a", "uid-old", &json!({"app": "web", "role": "canary"}), &json!({"only-of-canary": "canary"})),
        done,
        pod("c", "uid-of-another", &json!({}), &json!({})),
        pod("d", "uid-old", &json!({"app": "web"}), &json!(null)),
    ]});
    let a = json!({"metadata": {
        "uid": "uid-a", "resourceVersion": "7",
        "labels": {"role": "stable"},
        "annotations": {"only-of-canary": null, "only-of-stable": "stable"},
    }});
    let noted = json!({"metadata": {"resourceVersion": "40", "annotations": {
        "rollout.argoproj.io/ephemeral-metadata":
            r#"{"labels":{"role":"stable"},"annotations":{"only-of-stable":"stable"}}"#,
        "kulta.io/ephemeral-metadata-under-way": null,
    }}});
    let gone = Reply::failure(404, "NotFound", "not found", &[]);

    let ended = applied(
        vec![spread()],
        vec![
            expect(PODS, Reply::With(200, pods)),
            expect(&patch_pod("a"), Reply::written("8")).with_body(a),
            expect(&patch_pod("d"), gone),
            expect(PATCH_OLD, Reply::written("41")).with_body(noted),
        ],
    )
    .await;

    ended.outcome.unwrap();
}

#[tokio::test]
async fn pod_that_has_changed_since_it_was_listed_is_looked_at_again_and_holds_no_other_up() {
    let of_canary = |name| pod(name, "uid-old", &json!({"role": "canary"}), &json!({}));
    let pods = json!({"items": [of_canary("a"), of_canary("b")]});
    let changed = Reply::failure(409, "Conflict", "the object has been modified", &[]);

    let ended = applied(
        vec![spread()],
        vec![
            expect(PODS, Reply::With(200, pods)),
            expect(&patch_pod("a"), changed),
            expect(&patch_pod("b"), Reply::written("8")),
        ],
    )
    .await;

    assert!(ended.outcome.unwrap_err().is_conflict());
}

#[tokio::test]
async fn pods_that_may_not_be_written_are_not_noted_and_hold_nothing_up() {
    let pods = json!({"items": [pod("a", "uid-old", &json!({}), &json!({}))]});
    let refused = Reply::failure(403, "Forbidden", "pods is forbidden", &[]);

    let ended = applied(
        vec![spread()],
        vec![
            expect(PODS, Reply::With(200, pods)),
            expect(&patch_pod("a"), refused),
        ],
    )
    .await;

    let failure = ended.outcome.unwrap_err().failure().unwrap();
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (FailureKind::Pods, "pods is forbidden")
    );
}

const EVICT: &str = "POST /api/v1/namespaces/shop/pods/web-old-a/eviction";

fn evict(name: &str) -> Action {
    Action::EvictPod {
        name: name.to_owned(),
        uid: format!("uid-{name}"),
        resource_version: "7".to_owned(),
    }
}

#[tokio::test]
async fn a_pod_is_evicted_if_it_is_still_as_it_was_seen() {
    let body = json!({
        "apiVersion": "policy/v1", "kind": "Eviction",
        "metadata": {"namespace": "shop", "name": "web-old-a"},
        "deleteOptions": {"preconditions": {"uid": "uid-web-old-a", "resourceVersion": "7"}},
    });
    let done = Reply::With(201, json!({"kind": "Status", "status": "Success"}));

    let ended = applied(
        vec![evict("web-old-a")],
        vec![expect(EVICT, done).with_body(body)],
    )
    .await;

    ended.outcome.unwrap();
    let written = r#"kulta_writes_total{action="EvictPod",result="written"} 1"#;
    assert!(ended.metrics.contains(written));
}

#[tokio::test]
async fn a_disruption_budget_is_no_failure_and_ends_the_evictions_of_the_plan() {
    let kept = Reply::failure(429, "TooManyRequests", "Cannot evict pod", &["DisruptionBudget"]);

    let ended = applied(
        vec![evict("web-old-a"), evict("web-old-b")],
        vec![expect(EVICT, kept)],
    )
    .await;

    ended.outcome.unwrap();
    let kept = r#"kulta_writes_total{action="EvictPod",result="kept"} 1"#;
    assert!(ended.metrics.contains(kept));
}

#[tokio::test]
async fn an_eviction_that_is_refused_is_a_failure_of_the_restart_alone() {
    let refused = Reply::failure(403, "Forbidden", "pods/eviction is forbidden", &[]);

    let ended = applied(vec![evict("web-old-a")], vec![expect(EVICT, refused)]).await;

    let failure = ended.outcome.unwrap_err().failure().unwrap();
    assert_eq!(failure.kind, FailureKind::Pods);
    assert_eq!(failure.message, "pods/eviction is forbidden");
}

#[tokio::test]
async fn a_pod_that_is_gone_or_another_is_looked_at_again() {
    for (code, reason) in [(404, "NotFound"), (409, "Conflict")] {
        let reply = Reply::failure(code, reason, "no", &[]);

        let ended = applied(vec![evict("web-old-a")], vec![expect(EVICT, reply)]).await;

        assert!(ended.outcome.unwrap_err().is_conflict(), "{code}");
    }
}

#[tokio::test]
async fn a_namespace_that_is_being_deleted_is_nothing_to_complain_about_in_the_status() {
    let ended = applied(
        vec![point()],
        vec![expect(PATCH_SERVICE, Reply::namespace_terminating())],
    )
    .await;

    assert_eq!(ended.outcome.unwrap_err().failure(), None);
}

/// The same weights of a route of this kind.
fn split_of(kind: RouteKind) -> Action {
    let mut action = split();
    if let Action::SetRouteWeights { route, .. } = &mut action {
        route.kind = kind;
    }
    action
}

#[tokio::test]
async fn routes_of_connections_are_written_in_the_version_that_they_are_read_in() {
    let path = |version: &str, plural: &str| {
        let group = "/apis/gateway.networking.k8s.io";
        format!("PATCH {group}/{version}/namespaces/edge/{plural}/web?&fieldManager=kulta")
    };
    let weights = json!([
        {"op": "test", "path": "/metadata/generation", "value": 7},
        {"op": "test", "path": "/spec/rules/0/backendRefs/1/name", "value": "web-canary"},
        {"op": "test", "path": "/spec/rules/0/backendRefs/1/weight", "value": 0},
        {"op": "replace", "path": "/spec/rules/0/backendRefs/1/weight", "value": 25},
    ]);
    let exchanges = vec![
        expect(&path("v1alpha2", "tcproutes"), Reply::written("21")).with_body(weights.clone()),
        expect(&path("v1", "tlsroutes"), Reply::written("22")).with_body(weights),
    ];

    let ended = scenario(exchanges, async |context| {
        let served = route::api_resource(RouteKind::Tcp, Some("v1alpha2"));
        context.caches.serve::<TcpRoute>(&served);
        let actions = vec![split_of(RouteKind::Tcp), split_of(RouteKind::Tls)];
        apply(context, &sighting(), &plan(actions)).await
    })
    .await;

    ended.outcome.unwrap();
}

#[tokio::test]
async fn a_failed_weight_is_a_failure_of_traffic_in_the_api_servers_words() {
    let refused = Reply::failure(403, "Forbidden", "httproutes is forbidden", &[]);

    let ended = applied(vec![split()], vec![expect(PATCH_ROUTE, refused)]).await;

    let failure = ended.outcome.unwrap_err().failure().unwrap();
    let expected = "httproutes is forbidden".to_owned();
    assert_eq!(
        failure,
        ApplyFailure {
            kind: FailureKind::Traffic,
            message: expected
        }
    );
}

#[tokio::test(start_paused = true)]
async fn a_write_without_an_answer_ends_in_time() {
    let ended = applied(vec![split(), point()], vec![expect(PATCH_ROUTE, Reply::Silence)]).await;

    let error = ended.outcome.unwrap_err();
    assert!(!error.is_conflict());
    assert_eq!(error.failure(), None);
    assert!(
        ended
            .metrics
            .contains(r#"kulta_writes_total{action="SetRouteWeights",result="timeout"} 1"#)
    );
}

#[tokio::test]
async fn annotating_the_rollout_tells_the_report_its_new_version() {
    let ended = applied(
        vec![Action::AnnotateRollout {
            revision: Some(2),
            workload_generation: None,
            replicas: None,
        }],
        vec![expect(PATCH_ROLLOUT, Reply::written("51"))],
    )
    .await;

    assert_eq!(
        ended.outcome.unwrap().rollout_resource_version.as_deref(),
        Some("51")
    );
}

#[tokio::test]
async fn without_the_lease_nothing_is_written_for_argo_rollouts() {
    let rollout = Sighting {
        key: crate::watch::samples::argo_key("web"),
        ..sighting()
    };
    let ended = scenario(Vec::new(), async |context| {
        apply(context, &rollout, &plan(vec![scale(4, 3), point(), split()])).await
    });

    let error = ended.await.outcome.unwrap_err();

    assert!(error.is_conflict() && error.failure().is_none(), "{error:?}");
}
