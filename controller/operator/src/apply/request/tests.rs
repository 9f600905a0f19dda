//! What is sent for each action on an object that KULTA alone shapes.

use kulta_api::Group;
use serde_json::json;

use super::*;

/// The requests of the Rollout shop/web.
fn with<T>(build: impl FnOnce(Requests<'_>) -> T) -> T {
    build(Requests {
        rollout: &ObjectKey::new("shop", "web"),
    })
}

fn merge(request: &Request) -> &Value {
    match &request.operation {
        Operation::Merge(patch) => patch,
        other => panic!("no merge patch: {other:?}"),
    }
}

/// What becomes of an object by a JSON patch.
pub(super) fn apply_to(object: &mut Value, request: &Request) -> Result<(), json_patch::PatchError> {
    match &request.operation {
        Operation::Test(patch) | Operation::TestStrictly(patch) | Operation::TestStatus(patch) => {
            json_patch::patch(object, patch)
        }
        other => panic!("no JSON patch: {other:?}"),
    }
}

const SCALE: Scale = Scale {
    replicas: 3,
    min_ready_seconds: 5,
    desired_replicas: 10,
};

#[test]
fn a_service_keeps_the_rest_of_its_selector() {
    let mut service = json!({"spec": {"selector": {"app": "web"}, "clusterIP": "10.0.0.1"}});

    json_patch::merge(
        &mut service,
        merge(&with(|requests| {
            requests.point_service("web-canary", "12", "abc")
        })),
    );

    assert_eq!(
        service,
        json!({
            "metadata": {"resourceVersion": "12", "annotations": {names::MANAGED_BY_ANNOTATION: "web"}},
            "spec": {"selector": {"app": "web", names::HASH_LABEL: "abc"}, "clusterIP": "10.0.0.1"},
        })
    );
}

#[test]
fn scaling_notes_the_desired_replicas_too() {
    let request = with(|requests| requests.scale_replica_set("web-abc", "12", SCALE));

    assert_eq!(
        merge(&request),
        &json!({
            "metadata": {"resourceVersion": "12", "annotations": {names::DESIRED_REPLICAS_ANNOTATION: "10"}},
            "spec": {"replicas": 3, "minReadySeconds": 5},
        })
    );
    assert_eq!(request.target.to_string(), "ReplicaSet shop/web-abc");
}

#[test]
fn a_deadline_is_written_in_utc_or_taken_away() {
    let deadline = "2026-03-01T13:30:00+01:00".parse().unwrap();
    for (deadline, written) in [
        (Some(deadline), json!("2026-03-01T12:30:00Z")),
        (None, Value::Null),
    ] {
        let request = with(|requests| requests.set_scale_down_deadline("web-abc", "12", deadline));

        let metadata = &merge(&request)["metadata"];
        assert_eq!(
            metadata["annotations"],
            json!({names::SCALE_DOWN_DEADLINE_ANNOTATION: written})
        );
        assert_eq!(metadata["resourceVersion"], json!("12"));
    }
}

#[test]
fn revisions_are_noted_as_text() {
    let digest = TemplateDigest::stored("d1gest");
    let recorded = with(|requests| requests.record_revision("web-abc", "12", 4, Some("1,2"), &digest));
    let note = RolloutNote {
        revision: Some(4),
        ..RolloutNote::default()
    };
    let annotated = with(|requests| requests.annotate_rollout("13", note));

    assert_eq!(
        merge(&recorded)["metadata"],
        json!({"resourceVersion": "12", "annotations": {
            names::REVISION_ANNOTATION: "4",
            names::REVISION_HISTORY_ANNOTATION: "1,2",
            names::TEMPLATE_DIGEST_ANNOTATION: "d1gest",
        }})
    );
    assert_eq!(
        merge(&annotated)["metadata"],
        json!({"resourceVersion": "13", "annotations": {names::REVISION_ANNOTATION: "4"}})
    );
    assert_eq!(annotated.target.to_string(), "Rollout shop/web");
}

#[test]
fn a_number_of_pods_is_written_where_it_is_left_out_only() {
    let note = RolloutNote {
        replicas: Some(1),
        ..RolloutNote::default()
    };

    let written = with(|requests| requests.annotate_rollout("13", note));

    assert_eq!(
        *merge(&written),
        json!({"metadata": {"resourceVersion": "13", "annotations": {}}, "spec": {"replicas": 1}})
    );
}

#[test]
fn a_delete_names_the_one_object_it_means() {
    assert_eq!(
        with(|requests| requests.delete(Kind::ReplicaSet, "web-abc", "uid-1", "12")).operation,
        Operation::Delete {
            uid: "uid-1".to_owned(),
            resource_version: "12".to_owned()
        }
    );
}

#[test]
fn an_adoption_writes_all_owners_under_uid_and_version() {
    let owners = [
        json!({"kind": "Other"}),
        json!({"kind": "Rollout", "controller": true}),
    ];

    let request = with(|requests| requests.adopt_replica_set("web-abc", "uid-1", "12", &owners));

    assert_eq!(
        merge(&request),
        &json!({"metadata": {"uid": "uid-1", "resourceVersion": "12", "ownerReferences": owners}})
    );
}

#[test]
fn a_status_is_replaced_as_a_whole() {
    let mut rollout = json!({"metadata": {"resourceVersion": "12"}, "status": {"abort": true, "old": 1}});

    apply_to(
        &mut rollout,
        &with(|requests| requests.replace_status("12", json!({"phase": "Healthy"}))),
    )
    .unwrap();

    assert_eq!(rollout["status"], json!({"phase": "Healthy"}));
}

#[test]
fn a_status_is_not_written_over_a_newer_object() {
    let mut rollout = json!({"metadata": {"resourceVersion": "13"}});
    assert!(
        apply_to(
            &mut rollout,
            &with(|requests| requests.replace_status("12", json!({})))
        )
        .is_err()
    );
}

mod argo {
    use super::*;

    fn target(kind: Kind, key: ObjectKey) -> Target {
        let version = None;
        Target { kind, key, version }
    }

    #[test]
    fn the_status_of_an_analysis_is_a_field_there() {
        let (own, argo) = Group::ALL
            .map(|group| ObjectKey::in_group(group, "shop", "web"))
            .into();
        let status = |key| replace_status(target(Kind::AnalysisRun, key), "7", json!({})).operation;

        assert!(matches!(status(own), Operation::TestStatus(_)));
        assert!(matches!(status(argo), Operation::Test(_)));
    }

    #[test]
    fn the_status_of_a_rollout_is_a_subresource_in_both_groups() {
        for group in Group::ALL {
            let rollout = ObjectKey::in_group(group, "shop", "web");
            let request = Requests { rollout: &rollout }.replace_status("7", json!({}));
            assert!(matches!(request.operation, Operation::TestStatus(_)), "{group}");
            assert_eq!(request.target.key, rollout);
        }
    }

    #[test]
    fn analyses_are_of_the_group_of_their_rollout() {
        let rollout = ObjectKey::in_group(Group::Argo, "shop", "web");
        let requests = Requests { rollout: &rollout };

        let run = requests.create(Judge::AnalysisRun, "web-abc-2", json!({}));
        let replica_set = requests.create_replica_set("web-abc", json!({}));

        assert_eq!(run.target.key, rollout.beside("web-abc-2"));
        assert_eq!(replica_set.target.key, ObjectKey::new("shop", "web-abc"));
    }
}

#[test]
fn a_note_on_an_experiment_is_for_the_experiment_as_it_was_seen() {
    let left = "2026-01-01T00:00:00Z";
    let until = Routed::Until(left.parse().unwrap());
    let now = Routed::Now(["try-a", "try-b"].map(str::to_owned).into());
    let marked = with(|requests| requests.mark_experiment("try", "7", &now));
    let released = with(|requests| requests.mark_experiment("try", "8", &until));

    let note = |version: &str, note: &str| json!({"metadata": {"resourceVersion": version, "annotations": {"kulta.io/in-routes": note}}});
    assert_eq!(merge(&marked), &note("7", "try-a,try-b"));
    assert_eq!(merge(&released), &note("8", left));
    assert_eq!((Routed::read("try-a,try-b"), Routed::read(left)), (now, until));
    assert_eq!(marked.target.to_string(), "Experiment shop/try");
}
