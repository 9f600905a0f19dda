use serde_json::{Value, json};

use super::*;
use crate::output::Output;
use crate::scenario::{object, paused_at, rollout, template, with_spec, with_status};

const NOW: &str = "2026-03-01T12:10:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn owner(kind: &str, uid: &str) -> Value {
    json!([{"apiVersion": "v1", "kind": kind, "name": "x", "uid": uid, "controller": true}])
}

fn replica_set(hash: &str, revision: u64, replicas: u64, image: &str) -> DynamicObject {
    object(json!({
        "metadata": {
            "name": format!("web-{hash}"), "uid": format!("uid-{hash}"), "generation": 1,
            "creationTimestamp": "2026-03-01T12:00:00Z",
            "labels": {"rollouts-pod-template-hash": hash},
            "annotations": {"rollout.argoproj.io/revision": revision.to_string()},
            "ownerReferences": owner("Rollout", "uid-web"),
        },
        "spec": {"replicas": replicas, "template": template(image)},
        "status": {"observedGeneration": 1, "replicas": replicas, "availableReplicas": replicas},
    }))
}

fn pod(hash: &str, number: u64, status: &Value) -> DynamicObject {
    object(json!({
        "metadata": {
            "name": format!("web-{hash}-{number}"), "ownerReferences": owner("ReplicaSet", &format!("uid-{hash}")),
            "creationTimestamp": "2026-03-01T12:09:30Z",
        },
        "spec": {"containers": [{"name": "web"}]},
        "status": status,
    }))
}

fn running() -> Value {
    json!({"phase": "Running", "containerStatuses": [{"ready": true, "restartCount": 0, "state": {"running": {}}}]})
}

fn waiting_for(reason: &str) -> Value {
    let status = json!({"ready": false, "restartCount": 3, "state": {"waiting": {"reason": reason}}});
    json!({"phase": "Pending", "containerStatuses": [status]})
}

fn analysis(spec: &Value, status: &Value) -> DynamicObject {
    object(json!({
        "metadata": {
            "name": "web-new-2", "ownerReferences": owner("Rollout", "uid-web"),
            "creationTimestamp": "2026-03-01T12:05:00Z",
            "annotations": {"rollout.argoproj.io/revision": "2"},
        },
        "spec": spec, "status": status,
    }))
}

fn half_way() -> Belongings {
    Belongings {
        replica_sets: vec![
            replica_set("old", 1, 3, "web:1"),
            replica_set("new", 2, 1, "web:2"),
        ],
        pods: vec![
            pod("old", 1, &running()),
            pod("new", 1, &waiting_for("CrashLoopBackOff")),
        ],
        analysis_runs: Vec::new(),
        ..Belongings::default()
    }
}

fn shown(rows: &[Vec<Cell>]) -> String {
    let mut text = Vec::new();
    Output::plain(&mut text).table(rows).unwrap();
    String::from_utf8(text).unwrap()
}

fn tree(object: &DynamicObject, belongings: &Belongings) -> String {
    shown(&rows(Rollout::new(object), belongings, now()))
}

#[test]
fn a_rollout_half_way_shows_both_revisions_with_their_pods() {
    let expected = "\
NAME                 KIND        STATUS              AGE  INFO
⟳ web                Rollout     ॥ Paused            10m
├──# revision:2
│  └──⧉ web-new      ReplicaSet  ✔ Healthy           10m  canary
│     └──□ web-new-1  Pod         ✖ CrashLoopBackOff  30s  ready:0/1,restarts:3
└──# revision:1
   └──⧉ web-old      ReplicaSet  ✔ Healthy           10m  stable
      └──□ web-old-1  Pod         ✔ Running           30s  ready:1/1
";
    let squeezed = |text: &str| {
        let lines = text
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        lines.collect::<Vec<_>>()
    };
    assert_eq!(squeezed(&tree(&paused_at(1), &half_way())), squeezed(expected));
}

#[test]
fn blue_green_shows_which_version_has_the_users() {
    let blue_green = with_spec(
        &paused_at(1),
        json!({"strategy": {"canary": null, "blueGreen": {"activeService": "web"}}}),
    );
    let role = |active: &str, hash: &str| {
        let object = with_status(&blue_green, json!({"blueGreen": {"activeSelector": active}}));
        Role::of(Some(hash), Rollout::new(&object))
    };

    assert_eq!(
        [
            role("old", "old"),
            role("old", "new"),
            role("new", "new"),
            role("new", "old")
        ],
        [Role::StableActive, Role::Preview, Role::Active, Role::Stable]
    );
}

#[test]
fn the_facts_name_step_weights_images_and_counts() {
    let object = with_status(
        &paused_at(1),
        json!({"replicas": 4, "updatedReplicas": 1, "availableReplicas": 4}),
    );
    let expected = "\
Name:            web
Namespace:       shop
Status:          ॥ Paused
Message:         CanaryPauseStep
Strategy:        Canary
  Step:          1/4
  SetWeight:     20
  ActualWeight:  25
Images:          web:2 (canary)
                 web:1 (stable)
Replicas:
  Desired:       4
  Current:       4
  Updated:       1
  Ready:         4
  Available:     4
";
    let shown = shown(&facts(Rollout::new(&object), &half_way()));
    assert_eq!(shown, expected);
}

#[test]
fn blue_green_by_route_shows_the_weight_that_the_gateways_work_by() {
    let by_route = json!({"strategy": {"canary": null, "blueGreen": {
        "activeService": "web", "previewService": "web-preview",
        "trafficRouting": {"gatewayAPI": {"httpRoutes": [{"name": "web"}]}},
    }}});
    let status = json!({"canary": {"weights": {"canary": {"weight": 100}}, "inForce": 0}});
    let object = with_status(&with_spec(&paused_at(1), by_route), status);

    let shown = shown(&facts(Rollout::new(&object), &half_way()));

    assert!(shown.contains("  PreviewWeight:  0\n"), "{shown}");
}

#[test]
fn an_analysis_shows_the_last_measurement_of_each_metric() {
    let measured = |phase: &str, value: &str| json!({"phase": phase, "value": value, "startedAt": "2026-03-01T12:08:00Z"});
    let result = json!({
        "name": "error-rate", "phase": "Running", "successful": 2, "failed": 1,
        "measurements": [measured("Failed", "0.2"), measured("Successful", "0.01")],
    });
    let status = json!({"phase": "Running", "runSummary": {"count": 1}, "metricResults": [result]});
    let belongings = Belongings {
        analysis_runs: vec![analysis(&json!({"metrics": [{"name": "error-rate"}]}), &status)],
        ..half_way()
    };

    let shown = tree(&paused_at(1), &belongings);

    let line = |name: &str| {
        let found = shown.lines().find(|line| line.contains(name)).unwrap();
        found.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("α web-new-2"), "│ └──α web-new-2 AnalysisRun ◌ Running 5m");
    assert_eq!(
        line("error-rate"),
        "│ └──error-rate Metric ◌ Running 2m ✔ 2 ✖ 1 = 0.01"
    );
}

#[test]
fn a_gate_is_told_from_a_metric_and_says_why_it_holds() {
    let held = json!({"phase": "Running", "message": "not at night", "startedAt": "2026-03-01T12:09:00Z"});
    let status = json!({
        "phase": "Running",
        "metricResults": [{"name": "no-changes-at-night", "phase": "Running", "measurements": [held]}],
    });
    let spec = json!({"gates": [{"name": "no-changes-at-night"}]});
    let belongings = Belongings {
        analysis_runs: vec![analysis(&spec, &status)],
        ..half_way()
    };

    let shown = tree(&paused_at(1), &belongings);

    let line = shown
        .lines()
        .find(|line| line.contains("no-changes-at-night"))
        .unwrap();
    assert!(line.contains("Gate"), "{line}");
    assert!(line.ends_with("not at night"), "{line}");
}

#[test]
fn revisions_are_newest_first_and_delayed_ones_say_for_how_long() {
    let mut old = replica_set("old", 9, 3, "web:1");
    let annotations = old.metadata.annotations.as_mut().unwrap();
    annotations.insert(
        "scale-down-deadline".to_owned(),
        "2026-03-01T12:10:20Z".to_owned(),
    );
    let belongings = Belongings {
        replica_sets: vec![
            old,
            replica_set("new", 10, 4, "web:2"),
            replica_set("first", 1, 0, "web:0"),
        ],
        ..Belongings::default()
    };

    let shown = tree(&rollout(), &belongings);

    let revisions: Vec<_> = shown.lines().filter(|line| line.contains("revision:")).collect();
    assert_eq!(
        revisions,
        ["├──# revision:10", "├──# revision:9", "└──# revision:1"]
    );
    assert!(shown.contains("delay:20s"), "{shown}");
    assert!(shown.contains("• ScaledDown"), "{shown}");
}

#[test]
fn what_belongs_to_others_is_not_shown() {
    let mut foreign = replica_set("other", 3, 1, "other:1");
    foreign.metadata.owner_references = serde_json::from_value(owner("Rollout", "uid-of-another")).unwrap();
    let belongings = Belongings {
        replica_sets: vec![foreign],
        ..half_way()
    };
    assert!(!tree(&paused_at(1), &belongings).contains("other"));
}

#[test]
fn objects_of_odd_shapes_are_shown_as_far_as_they_go() {
    let odd = json!({"phase": 3, "runSummary": [], "metricResults": [7, {"name": {}, "measurements": "x"}]});
    let mut replica_set = replica_set("new", 2, 1, "web:2");
    replica_set.data = json!({"spec": {"replicas": "many", "template": []}, "status": "none"});
    replica_set.metadata.annotations = None;
    let belongings = Belongings {
        replica_sets: vec![replica_set],
        pods: vec![pod(
            "new",
            1,
            &json!({"containerStatuses": [{"state": 1}, "x"], "phase": []}),
        )],
        analysis_runs: vec![analysis(&json!("x"), &odd)],
        ..Belongings::default()
    };
    let object = with_spec(
        &with_status(&rollout(), json!("odd")),
        json!({"strategy": [], "replicas": "x"}),
    );

    let shown = tree(&object, &belongings) + &shown(&facts(Rollout::new(&object), &belongings));

    assert!(shown.contains("revision:?"), "{shown}");
    assert!(shown.contains("web-new-1"), "{shown}");
}

#[test]
fn pods_have_the_words_of_kubectl() {
    let mut terminating = pod("new", 9, &running());
    terminating.metadata.deletion_timestamp = terminating.metadata.creation_timestamp.clone();
    let initialising = json!({
        "phase": "Pending",
        "initContainerStatuses": [{"state": {"waiting": {"reason": "PodInitializing"}}}, {"state": {}}],
        "containerStatuses": [{"state": {"waiting": {"reason": "PodInitializing"}}}],
    });
    let pods = [
        (pod("new", 1, &running()), "✔ Running"),
        (
            pod("new", 2, &waiting_for("ContainerCreating")),
            "◌ ContainerCreating",
        ),
        (
            pod("new", 3, &waiting_for("ImagePullBackOff")),
            "⚠ ImagePullBackOff",
        ),
        (
            pod("new", 4, &json!({"phase": "Failed", "reason": "Evicted"})),
            "✖ Evicted",
        ),
        (pod("new", 5, &initialising), "◌ Init:0/2"),
        (pod("new", 6, &json!(null)), "? Unknown"),
        (terminating, "◌ Terminating"),
    ];
    for (pod, status) in pods {
        let belongings = Belongings {
            pods: vec![pod],
            ..half_way()
        };
        let shown = tree(&paused_at(1), &belongings);
        assert!(shown.contains(status), "{status}: {shown}");
    }
}

fn experiment() -> DynamicObject {
    object(json!({
        "metadata": {
            "name": "web-new-2-1", "uid": "uid-exp", "ownerReferences": owner("Rollout", "uid-web"),
            "creationTimestamp": "2026-03-01T12:05:00Z",
            "annotations": {"rollout.argoproj.io/revision": "2"},
        },
        "spec": {"templates": [{"name": "baseline", "template": template("web:1")}]},
        "status": {"phase": "Failed", "message": "analysis 'errors': 5 % errors"},
    }))
}

/// What an experiment has made.
fn made(mut object: DynamicObject, name: &str) -> DynamicObject {
    object.metadata.name = Some(name.to_owned());
    object.metadata.owner_references = serde_json::from_value(owner("Experiment", "uid-exp")).unwrap();
    object
}

fn drawn(rows: &[Vec<Cell>]) -> String {
    let mut printed = Vec::new();
    Output::plain(&mut printed).table(rows).unwrap();
    String::from_utf8(printed).unwrap()
}

#[test]
fn an_experiment_stands_below_the_revision_that_it_judges_with_its_versions() {
    let belongings = Belongings {
        replica_sets: vec![
            replica_set("new", 2, 1, "web:2"),
            made(replica_set("base", 0, 1, "web:1"), "web-new-2-1-baseline"),
        ],
        experiments: vec![experiment()],
        analysis_runs: vec![made(
            analysis(&json!({}), &json!({"phase": "Failed"})),
            "web-new-2-1-errors",
        )],
        ..Belongings::default()
    };

    let tree = drawn(&rows(Rollout::new(&rollout()), &belongings, now()));

    let expected = [
        "└──# revision:2",
        "   ├──⧉ web-new",
        "   └──Σ web-new-2-1",
        "      ├──⧉ web-new-2-1-baseline",
        "      └──α web-new-2-1-errors",
    ];
    let shown: Vec<&str> = tree.lines().skip(2).collect();
    assert_eq!(shown.len(), expected.len(), "{tree}");
    for (line, begin) in shown.iter().zip(expected) {
        assert!(line.starts_with(begin), "{tree}");
    }
}

#[test]
fn an_experiment_alone_is_shown_with_its_images_and_why_it_ended() {
    let facts = drawn(&experiment_facts(&experiment()));

    assert!(facts.contains("Status:          ✖ Failed"), "{facts}");
    assert!(facts.contains("analysis 'errors': 5 % errors"), "{facts}");
    assert!(facts.contains("web:1 (baseline)"), "{facts}");
}
