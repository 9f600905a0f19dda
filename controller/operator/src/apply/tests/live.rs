//! Actions that read the live objects before they write: creation, adoption, a new number for an old ReplicaSet.

use kulta_core::observed::FailureKind;
use kulta_core::revision::TemplateDigest;
use serde_json::{Value, json};

use super::{PATCH_OLD, applied};
use crate::apply::*;
use crate::scenario::{Reply, expect, live_rollout, template};

const GET_ROLLOUT: &str = "GET /apis/kulta.io/v1alpha1/namespaces/shop/rollouts/web";
const CREATE_REPLICA_SET: &str = "POST /apis/apps/v1/namespaces/shop/replicasets?&fieldManager=kulta";
const GET_NEW: &str = "GET /apis/apps/v1/namespaces/shop/replicasets/web-new";
const GET_OLD: &str = "GET /apis/apps/v1/namespaces/shop/replicasets/web-old";

fn create() -> Action {
    Action::CreateReplicaSet {
        name: "web-new".to_owned(),
        hash: "new".to_owned(),
        digest: TemplateDigest::of(&template()),
        revision: 2,
        min_ready_seconds: 5,
        desired_replicas: 4,
        metadata: kulta_core::spec::PodMetadata::default(),
        apart_from: None,
    }
}

fn adopt() -> Action {
    Action::AdoptReplicaSet {
        name: "web-old".to_owned(),
        uid: "uid-old".to_owned(),
        resource_version: "40".to_owned(),
    }
}

fn existing(owner: &str, digest: &TemplateDigest) -> Reply {
    Reply::With(
        200,
        json!({"metadata": {
            "name": "web-new", "uid": "uid-new", "resourceVersion": "41",
            "annotations": {kulta_api::names::TEMPLATE_DIGEST_ANNOTATION: digest.as_str()},
            "ownerReferences": [{
                "apiVersion": "kulta.io/v1alpha1", "kind": "Rollout", "name": "web",
                "uid": owner, "controller": true,
            }],
        }}),
    )
}

fn already_exists() -> Reply {
    Reply::failure(
        409,
        "AlreadyExists",
        "replicasets.apps \"web-new\" already exists",
        &[],
    )
}

#[tokio::test]
async fn a_replica_set_is_created_from_the_live_template() {
    let ended = applied(
        vec![create()],
        vec![
            expect(GET_ROLLOUT, Reply::With(200, live_rollout())),
            expect(CREATE_REPLICA_SET, Reply::written("41")),
        ],
    )
    .await;

    ended.outcome.unwrap();
    let told = (
        "NewReplicaSetCreated".to_owned(),
        "Created ReplicaSet web-new (revision 2)".to_owned(),
    );
    assert_eq!(ended.events, [told]);
}

#[tokio::test]
async fn a_template_that_changed_meanwhile_is_a_conflict() {
    let mut live = live_rollout();
    live["spec"]["template"]["spec"]["containers"][0]["image"] = json!("web:3");

    let ended = applied(vec![create()], vec![expect(GET_ROLLOUT, Reply::With(200, live))]).await;

    assert!(ended.outcome.unwrap_err().is_conflict());
}

#[tokio::test]
async fn a_rollout_created_anew_meanwhile_is_a_conflict() {
    let mut live = live_rollout();
    live["metadata"]["uid"] = json!("uid-2");

    let ended = applied(vec![create()], vec![expect(GET_ROLLOUT, Reply::With(200, live))]).await;

    assert!(ended.outcome.unwrap_err().is_conflict());
}

#[tokio::test]
async fn a_replica_set_that_was_created_before_a_crash_is_taken_for_created() {
    let digest = TemplateDigest::of(&template());
    let ended = applied(
        vec![create()],
        vec![
            expect(GET_ROLLOUT, Reply::With(200, live_rollout())),
            expect(CREATE_REPLICA_SET, already_exists()),
            expect(GET_NEW, existing("uid-1", &digest)),
        ],
    )
    .await;

    ended.outcome.unwrap();
}

#[tokio::test]
async fn a_name_that_belongs_to_another_is_an_error_that_names_it() {
    let same = TemplateDigest::of(&template());
    for (owner, digest) in [("uid-2", same), ("uid-1", TemplateDigest::stored("other"))] {
        let ended = applied(
            vec![create()],
            vec![
                expect(GET_ROLLOUT, Reply::With(200, live_rollout())),
                expect(CREATE_REPLICA_SET, already_exists()),
                expect(GET_NEW, existing(owner, &digest)),
            ],
        )
        .await;

        let failure = ended.outcome.unwrap_err().failure().unwrap();
        assert_eq!(failure.kind, FailureKind::CreateReplicaSet);
        assert!(
            failure.message.contains("ReplicaSet shop/web-new"),
            "{}",
            failure.message
        );
    }
}

#[tokio::test]
async fn an_orphan_gets_its_owner_beside_those_it_has() {
    let audit = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "audit", "uid": "uid-9"});
    let orphan = json!({"metadata": {"name": "web-old", "ownerReferences": [audit]}});
    let owner = json!({
        "apiVersion": "kulta.io/v1alpha1", "kind": "Rollout", "name": "web", "uid": "uid-1",
        "controller": true, "blockOwnerDeletion": true,
    });
    let body = json!({
        "metadata": {"uid": "uid-old", "resourceVersion": "40", "ownerReferences": [audit, owner]},
    });

    let ended = applied(
        vec![adopt()],
        vec![
            expect(GET_ROLLOUT, Reply::With(200, live_rollout())),
            expect(GET_OLD, Reply::With(200, orphan)),
            expect(PATCH_OLD, Reply::written("41")).with_body(body),
        ],
    )
    .await;

    ended.outcome.unwrap();
}

#[tokio::test]
async fn an_orphan_that_another_controller_took_is_a_conflict() {
    let owner = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "uid-9", "controller": true});
    let taken = json!({"metadata": {"name": "web-old", "ownerReferences": [owner]}});

    let ended = applied(
        vec![adopt()],
        vec![
            expect(GET_ROLLOUT, Reply::With(200, live_rollout())),
            expect(GET_OLD, Reply::With(200, taken)),
        ],
    )
    .await;

    assert!(ended.outcome.unwrap_err().is_conflict());
}

#[tokio::test]
async fn a_rollout_that_goes_adopts_nothing() {
    let mut live = live_rollout();
    live["metadata"]["deletionTimestamp"] = json!("2026-03-01T12:00:00Z");

    let ended = applied(vec![adopt()], vec![expect(GET_ROLLOUT, Reply::With(200, live))]).await;

    assert!(ended.outcome.unwrap_err().is_conflict());
}

#[tokio::test]
async fn a_reused_replica_set_remembers_its_earlier_number() {
    let record = Action::RecordRevision {
        name: "web-old".to_owned(),
        resource_version: "40".to_owned(),
        revision: 3,
        digest: TemplateDigest::stored("d1gest"),
    };
    let live = json!({"metadata": {"annotations": {kulta_api::names::REVISION_ANNOTATION: "1"}}});
    let body = json!({"metadata": {"resourceVersion": "40", "annotations": {
        kulta_api::names::REVISION_ANNOTATION: "3",
        kulta_api::names::REVISION_HISTORY_ANNOTATION: "1",
        kulta_api::names::TEMPLATE_DIGEST_ANNOTATION: "d1gest",
    }}});

    let ended = applied(
        vec![record],
        vec![
            expect(GET_OLD, Reply::With(200, live)),
            expect(PATCH_OLD, Reply::written("41")).with_body(body),
        ],
    )
    .await;

    ended.outcome.unwrap();
}

const GET_RUN: &str = "GET /apis/kulta.io/v1alpha1/namespaces/shop/analysisruns/web-new-2";
const CREATE_RUN: &str = "POST /apis/kulta.io/v1alpha1/namespaces/shop/analysisruns?&fieldManager=kulta";

fn analyse() -> Action {
    Action::CreateAnalysisRun {
        name: "web-new-2".to_owned(),
        purpose: kulta_core::plan::Purpose::Background,
        hash: "new".to_owned(),
        revision: 2,
        definition: "steps".to_owned(),
        spec: json!({"metrics": []}),
    }
}

/// What comes of creating an AnalysisRun where there is one with this metadata.
async fn analysed_beside(metadata: Value) -> ApplyError {
    let ended = applied(
        vec![analyse()],
        vec![
            expect(GET_ROLLOUT, Reply::With(200, live_rollout())),
            expect(CREATE_RUN, already_exists()),
            expect(GET_RUN, Reply::With(200, json!({"metadata": metadata}))),
        ],
    )
    .await;
    ended.outcome.unwrap_err()
}

#[tokio::test]
async fn an_analysis_that_is_being_deleted_is_not_taken_for_the_new_one() {
    let error = analysed_beside(json!({
        "name": "web-new-2", "uid": "uid-run", "resourceVersion": "60",
        "deletionTimestamp": "2026-03-01T12:00:00Z", "finalizers": ["example.com/audit"],
        "ownerReferences": [{
            "apiVersion": "kulta.io/v1alpha1", "kind": "Rollout", "name": "web",
            "uid": "uid-1", "controller": true,
        }],
    }))
    .await;

    assert!(error.is_conflict(), "{error}");
}

#[tokio::test]
async fn the_name_of_an_analysis_that_nobody_owns_is_told_as_what_it_is() {
    let error =
        analysed_beside(json!({"name": "web-new-2", "uid": "uid-run", "resourceVersion": "60"})).await;

    let failure = error.failure().unwrap();
    assert_eq!(failure.kind, FailureKind::Other);
    assert!(
        failure
            .message
            .contains("AnalysisRun shop/web-new-2 exists already"),
        "{}",
        failure.message
    );
}

fn end_analysis(name: &str) -> Action {
    Action::TerminateAnalysisRun {
        judge: kulta_core::observed::Judge::AnalysisRun,
        name: name.to_owned(),
        resource_version: "60".to_owned(),
    }
}

#[tokio::test]
async fn a_refusal_to_end_an_analysis_is_told_as_what_holds_nothing_up_unless_something_does() {
    let patch = "PATCH /apis/kulta.io/v1alpha1/namespaces/shop/analysisruns/web-new-2?&fieldManager=kulta";
    let refused = || Reply::failure(403, "Forbidden", "not by this policy", &[]);
    let scale = Action::ScaleReplicaSet {
        name: "web-old".to_owned(),
        resource_version: "40".to_owned(),
        revision: 1,
        from: 4,
        to: 2,
        min_ready_seconds: 0,
        desired_replicas: 4,
    };

    let alone = applied(vec![end_analysis("web-new-2")], vec![expect(patch, refused())]).await;
    let before = applied(
        vec![end_analysis("web-new-2"), scale],
        vec![expect(patch, refused()), expect(PATCH_OLD, refused())],
    )
    .await;

    let kind = |ended: crate::scenario::Ended<Result<Applied, ApplyError>>| {
        ended.outcome.unwrap_err().failure().unwrap().kind
    };
    assert_eq!(
        (kind(alone), kind(before)),
        (FailureKind::Cleanup, FailureKind::Other)
    );
}

/// The watch would never show it, and the rollout would wait for it without end.
#[tokio::test]
async fn an_analysis_of_another_instance_under_the_wanted_name_is_told() {
    let begin = Action::CreateAnalysisRun {
        name: "web-abc-2".to_owned(),
        purpose: kulta_core::plan::Purpose::Background,
        hash: "abc".to_owned(),
        revision: 2,
        definition: "d1".to_owned(),
        spec: json!({"metrics": []}),
    };
    let path = "/apis/kulta.io/v1alpha1/namespaces/shop/analysisruns";
    let existing = json!({
        "metadata": {
            "name": "web-abc-2", "uid": "uid-2", "resourceVersion": "9",
            "labels": {"argo-rollouts.argoproj.io/controller-instance-id": "blue"},
            "ownerReferences": [{
                "apiVersion": "kulta.io/v1alpha1", "kind": "Rollout", "name": "web", "uid": "uid-1", "controller": true,
            }],
        },
    });
    let exchanges = vec![
        expect(GET_ROLLOUT, Reply::With(200, live_rollout())),
        expect(&format!("POST {path}?&fieldManager=kulta"), already_exists()),
        expect(&format!("GET {path}/web-abc-2"), Reply::With(200, existing)),
    ];

    let error = applied(vec![begin], exchanges).await.outcome.unwrap_err();

    assert!(matches!(error, ApplyError::NameTaken { .. }), "{error:?}");
}
