//! Which revision it goes back to, and what is written.

use kulta_api::names::{INJECTED_METADATA_ANNOTATION, WORKLOAD_GENERATION_ANNOTATION};
use serde_json::json;

use super::*;
use crate::scenario::template as scenario_template;
use crate::scenario::{
    DEPLOYMENT, ROLLOUT, deployment, expect, expect_get, failure, object, referring, rollout, scenario,
    template, with_spec, with_status,
};

const LIST: &str = "GET /apis/apps/v1/namespaces/shop/replicasets?&labelSelector=app%3Dweb";

fn replica_set(revision: u64, image: &str) -> DynamicObject {
    let mut template = template(image);
    template["metadata"]["labels"][HASH_LABEL] = json!(format!("hash-{revision}"));
    template["metadata"]["creationTimestamp"] = Value::Null;
    object(json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": format!("web-{revision}"), "namespace": "shop", "uid": format!("uid-{revision}"),
            "annotations": {"rollout.argoproj.io/revision": revision.to_string()},
            "ownerReferences": [{
                "apiVersion": "kulta.io/v1alpha1", "kind": "Rollout", "name": "web", "uid": "uid-web",
                "controller": true,
            }],
        },
        "spec": {"template": template},
    }))
}

fn listed(replica_sets: &[DynamicObject]) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "ReplicaSetList", "metadata": {}, "items": replica_sets})
}

#[test]
fn the_revision_before_the_latest_is_gone_back_to() {
    let replica_sets = [
        replica_set(3, "web:1"),
        replica_set(1, "web:0"),
        replica_set(2, "web:2"),
    ];
    let object = rollout();
    let found = target(Rollout::new(&object), &replica_sets, None, true).unwrap();
    assert_eq!(revision(found), Some(2));
}

#[test]
fn nothing_is_gone_back_to_before_the_latest_change_is_taken_up() {
    let replica_sets = [replica_set(2, "web:2"), replica_set(1, "web:1")];
    let object = with_status(&rollout(), json!({"observedGeneration": 2}));

    let told = target(Rollout::new(&object), &replica_sets, None, true).unwrap_err();

    assert!(
        told.to_string()
            .ends_with("choose one with --to-revision; there are 2, 1"),
        "{told}"
    );
    assert!(target(Rollout::new(&object), &replica_sets, Some(1), true).is_ok());
}

#[test]
fn replica_sets_of_others_are_no_revisions() {
    let mut other = replica_set(7, "web:7");
    other.metadata.owner_references = None;
    let replica_sets = [other, replica_set(2, "web:2")];
    let object = rollout();
    let told = target(Rollout::new(&object), &replica_sets, None, true).unwrap_err();
    assert!(matches!(told, UndoError::NoPreviousRevision { .. }), "{told}");
}

#[test]
fn a_revision_that_is_not_there_is_told_with_those_that_are() {
    let replica_sets = [replica_set(3, "web:1"), replica_set(2, "web:2")];
    let object = rollout();
    let told = target(Rollout::new(&object), &replica_sets, Some(9), true).unwrap_err();
    assert_eq!(
        told.to_string(),
        "unable to find specified revision 9 in history; there are 3, 2"
    );
}

#[test]
fn a_template_that_differs_by_defaults_only_is_known_by_its_digest() {
    let mut made_of_it = replica_set(2, "web:2");
    made_of_it.data["spec"]["template"]["spec"]["restartPolicy"] = json!("Always");
    let digest = TemplateDigest::of(&template("web:2")).as_str().to_owned();
    let annotations = made_of_it.metadata.annotations.as_mut().unwrap();
    annotations.insert(TEMPLATE_DIGEST_ANNOTATION.to_owned(), digest);
    let now = template("web:2");
    assert_eq!(undo_to("web", Some(&now), &made_of_it), Ok(Undo::Unchanged));
}

#[test]
fn labels_of_its_part_and_terms_that_keep_it_apart_do_not_come_back() {
    let mut put_in = replica_set(1, "web:1");
    let template = &mut put_in.data["spec"]["template"];
    template["metadata"]["labels"]["role"] = json!("canary");
    injected::keep_apart(template, "shop", "abc", kulta_core::spec::AntiAffinity::Required);
    let annotations = put_in.metadata.annotations.as_mut().unwrap();
    annotations.insert(
        INJECTED_METADATA_ANNOTATION.to_owned(),
        r#"{"labels":{"role":"canary"}}"#.to_owned(),
    );
    let (from, to) = (scenario_template("web:2"), scenario_template("web:1"));

    let undo = undo_to("web", Some(&from), &put_in).unwrap();

    assert_eq!(undo, Undo::Change { from, to });
}

#[test]
fn a_rollout_without_a_template_is_told() {
    let told = undo_to("web", None, &replica_set(1, "web:1")).unwrap_err();
    assert!(told.to_string().contains("workloadRef"), "{told}");
}

/// The Deployment of these tests is read, at the generation 5.
fn expect_deployment() -> crate::scenario::Exchange {
    expect(&format!("GET {DEPLOYMENT}"), 200, &json!(deployment("web:2")))
}

#[tokio::test]
async fn where_the_rollout_refers_to_a_workload_its_template_is_changed_there() {
    let replica_sets = [replica_set(2, "web:2"), replica_set(1, "web:1")];
    let patch = json!([
        {"op": "test", "path": "/spec/template", "value": template("web:2")},
        {"op": "replace", "path": "/spec/template", "value": template("web:1")},
    ]);
    let exchanges = vec![
        expect_get(&referring()),
        expect(LIST, 200, &listed(&replica_sets)),
        expect_deployment(),
        expect(
            &format!("PATCH {DEPLOYMENT}?&fieldManager=kubectl-kulta"),
            200,
            &json!(deployment("web:1")),
        )
        .with_body(patch),
    ];

    let (done, printed) = scenario(exchanges, async |cluster, out| {
        undo(cluster, "web", None, out).await
    })
    .await;

    done.unwrap();
    assert_eq!(
        printed,
        "rollout 'web' undo to revision 1 (in Deployment 'web')\n"
    );
}

#[tokio::test]
async fn nothing_is_gone_back_to_before_the_workload_is_taken_up_as_it_is() {
    let replica_sets = [replica_set(2, "web:2"), replica_set(1, "web:1")];
    // What the controller has noted is in line with its status, and both are behind.
    let mut behind = with_status(&referring(), json!({"workloadObservedGeneration": 4}));
    let annotations = behind.metadata.annotations.get_or_insert_default();
    annotations.insert(WORKLOAD_GENERATION_ANNOTATION.to_owned(), "4".to_owned());
    let exchanges = vec![
        expect_get(&behind),
        expect(LIST, 200, &listed(&replica_sets)),
        expect_deployment(),
    ];

    let (done, _) = scenario(exchanges, async |cluster, out| {
        undo(cluster, "web", None, out).await
    })
    .await;

    let told = done.unwrap_err().to_string();
    assert!(told.contains("--to-revision"), "{told}");
}

#[tokio::test]
async fn the_template_is_replaced_without_the_hash_if_it_is_still_the_one_that_was_read() {
    let replica_sets = [replica_set(2, "web:2"), replica_set(1, "web:1")];
    let patch = json!([
        {"op": "test", "path": "/spec/template", "value": template("web:2")},
        {"op": "replace", "path": "/spec/template", "value": template("web:1")},
    ]);
    let exchanges = vec![
        expect_get(&rollout()),
        expect(LIST, 200, &listed(&replica_sets)),
        expect(
            &format!("PATCH {ROLLOUT}?&fieldManager=kubectl-kulta"),
            200,
            &json!(rollout()),
        )
        .with_body(patch),
    ];

    let (done, printed) = scenario(exchanges, async |cluster, out| {
        undo(cluster, "web", None, out).await
    })
    .await;

    done.unwrap();
    assert_eq!(printed, "rollout 'web' undo to revision 1\n");
}

#[tokio::test]
async fn the_revision_that_is_asked_for_already_is_skipped() {
    let exchanges = vec![
        expect_get(&rollout()),
        expect(LIST, 200, &listed(&[replica_set(2, "web:2")])),
    ];

    let (done, printed) = scenario(exchanges, async |cluster, out| {
        undo(cluster, "web", Some(2), out).await
    })
    .await;

    done.unwrap();
    assert_eq!(
        printed,
        "skipped rollback (current template already matches revision 2)\n"
    );
}

#[tokio::test]
async fn a_template_that_somebody_changes_meanwhile_is_left_alone() {
    let replica_sets = [replica_set(2, "web:2"), replica_set(1, "web:1")];
    let refusal = failure(422, "Invalid", "the server rejected our request");
    let changed = with_spec(&rollout(), json!({"template": template("web:3")}));
    let exchanges = vec![
        expect_get(&rollout()),
        expect(LIST, 200, &listed(&replica_sets)),
        expect(
            &format!("PATCH {ROLLOUT}?&fieldManager=kubectl-kulta"),
            422,
            &refusal,
        ),
        expect_get(&changed),
    ];

    let (done, _) = scenario(exchanges, async |cluster, out| {
        undo(cluster, "web", None, out).await
    })
    .await;

    let told = done.unwrap_err().to_string();
    assert!(told.contains("changed by somebody else meanwhile"), "{told}");
}
