//! What Argo CD is told of Rollouts: the scripts, run in the language's version that Argo CD has (5.1), and the patch of its
//! ConfigMap, which is made of them.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "this is a test: a panic is how it says what is wrong"
)]

use std::fs;
use std::path::PathBuf;

use mlua::{Lua, LuaSerdeExt as _};
use serde_json::{Value, json};

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/argo-cd"))
}

#[test]
fn the_patch_of_the_config_map_has_every_script() {
    let file = |name: &str| fs::read_to_string(folder().join(name)).unwrap();
    let yaml = |text: &str| serde_saphyr::from_str::<Value>(text).unwrap();
    let patch = yaml(&file("argocd-cm.yaml"));
    let customized = |what: &str| {
        let field = format!("resource.customizations.{what}.kulta.io_Rollout");
        patch["data"][field].as_str().unwrap().to_owned()
    };

    assert_eq!(customized("health"), file("health.lua"));
    let actions = yaml(&customized("actions"));
    assert_eq!(actions["discovery.lua"], file("discovery.lua"));
    let definitions = actions["definitions"].as_array().unwrap();
    assert_eq!(
        definitions.len(),
        fs::read_dir(folder().join("actions")).unwrap().count()
    );
    for definition in definitions {
        let name = definition["name"].as_str().unwrap();
        assert_eq!(
            definition["action.lua"],
            file(&format!("actions/{name}.lua")),
            "{name}"
        );
        assert!(
            file("discovery.lua").contains(&format!("actions[\"{name}\"]")),
            "{name}"
        );
    }
}

/// What a script answers about a Rollout.
fn answer(script: &str, rollout: &Value) -> Value {
    let lua = Lua::new();
    let rollout = lua.to_value(rollout).unwrap();
    lua.globals().set("obj", rollout).unwrap();
    let text = fs::read_to_string(folder().join(script)).unwrap();
    let answer = lua.load(text).set_name(script).eval::<mlua::Value>().unwrap();
    lua.from_value(answer).unwrap()
}

/// A Rollout of generation 3 with this status.
fn rollout(status: &Value) -> Value {
    let mut status = status.clone();
    status["observedGeneration"] = status.get("observedGeneration").cloned().unwrap_or(json!(3));
    json!({
        "metadata": {"name": "shop", "generation": 3},
        "spec": {"replicas": 2},
        "status": status,
    })
}

fn health(rollout: &Value) -> (String, String) {
    let answer = answer("health.lua", rollout);
    let text = |field: &str| answer[field].as_str().unwrap_or_default().to_owned();
    (text("status"), text("message"))
}

fn is_offered(action: &str, rollout: &Value) -> bool {
    answer("discovery.lua", rollout)[action]["disabled"] == false
}

#[test]
fn health_is_the_phase_once_it_is_of_this_generation() {
    let pauses = json!([{"reason": "CanaryPauseStep"}]);
    let cases = [
        (json!({"phase": "Healthy"}), "Healthy"),
        (
            json!({"phase": "Degraded", "message": "RolloutAborted: x"}),
            "Degraded",
        ),
        (
            json!({"phase": "Paused", "pauseConditions": pauses, "message": "CanaryPauseStep"}),
            "Suspended",
        ),
        (json!({"phase": "Progressing"}), "Progressing"),
        (
            json!({"phase": "Healthy", "observedGeneration": 2}),
            "Progressing",
        ),
        (json!({"phase": "Healthy", "observedGeneration": "3"}), "Healthy"),
    ];
    for (status, expected) in cases {
        let (health, message) = health(&rollout(&status));

        assert_eq!(health, expected, "{status}: {message}");
    }
}

#[test]
fn rollout_without_a_status_is_progressing() {
    let created = json!({"metadata": {"name": "shop", "generation": 1}, "spec": {}});

    assert_eq!(health(&created).0, "Progressing");
}

#[test]
fn pause_that_was_just_ended_and_an_abort_that_nobody_has_seen_are_progressing() {
    let resumed = rollout(&json!({"phase": "Paused"}));
    let aborted = rollout(&json!({"phase": "Paused", "abort": true, "pauseConditions": [{"reason": "x"}]}));

    assert_eq!(health(&resumed).1, "waiting for rollout to unpause");
    assert_eq!(health(&aborted).1, "waiting for rollout to abort");
}

#[test]
fn user_that_holds_a_rollout_has_suspended_it() {
    let mut held = rollout(&json!({"phase": "Paused", "message": "manually paused"}));
    held["spec"]["paused"] = true.into();

    assert_eq!(health(&held).0, "Suspended");
}

#[test]
fn workload_that_has_changed_is_waited_for() {
    let mut taken = rollout(&json!({"phase": "Healthy", "workloadObservedGeneration": 4}));
    taken["spec"]["workloadRef"] = json!({"kind": "Deployment", "name": "shop"});
    let noted = |generation: &str| json!({"rollout.argoproj.io/workload-generation": generation});

    taken["metadata"]["annotations"] = noted("5");
    assert_eq!(health(&taken).0, "Progressing");
    taken["metadata"]["annotations"] = noted("4");
    assert_eq!(health(&taken).0, "Healthy");
}

#[test]
fn what_means_nothing_at_the_moment_is_not_offered() {
    let promoted = rollout(&json!({"phase": "Healthy", "stableRS": "a", "currentPodHash": "a"}));
    let paused = rollout(&json!({
        "phase": "Paused", "stableRS": "a", "currentPodHash": "b", "pauseConditions": [{"reason": "CanaryPauseStep"}],
    }));
    let aborted =
        rollout(&json!({"phase": "Degraded", "stableRS": "a", "currentPodHash": "b", "abort": true}));

    let offered = |rollout: &Value| {
        ["abort", "retry", "pause", "resume", "promote-full", "restart"]
            .into_iter()
            .filter(|action| is_offered(action, rollout))
            .collect::<Vec<_>>()
    };
    assert_eq!(offered(&promoted), ["pause", "restart"]);
    assert_eq!(
        offered(&paused),
        ["abort", "pause", "resume", "promote-full", "restart"]
    );
    assert_eq!(offered(&aborted), ["retry", "pause", "promote-full", "restart"]);
}

#[test]
fn actions_write_what_the_verbs_of_the_plugin_write() {
    let paused = rollout(&json!({"phase": "Paused", "pauseConditions": [{"reason": "CanaryPauseStep"}]}));
    let mut held = paused.clone();
    held["spec"]["paused"] = true.into();
    let aborted = rollout(&json!({"phase": "Degraded", "abort": true}));
    let done = |action: &str, rollout: &Value| answer(&format!("actions/{action}.lua"), rollout);

    assert_eq!(done("abort", &paused)["status"]["abort"], true);
    assert_eq!(done("retry", &aborted)["status"].get("abort"), None);
    assert_eq!(done("pause", &paused)["spec"]["paused"], true);
    assert_eq!(done("resume", &paused)["status"].get("pauseConditions"), None);
    // A pause of a user's own is ended without the one of the step.
    let resumed = done("resume", &held);
    assert_eq!(resumed["spec"].get("paused"), None);
    assert_eq!(
        resumed["status"]["pauseConditions"][0]["reason"],
        "CanaryPauseStep"
    );
    let full = done("promote-full", &held);
    assert_eq!(
        (full["spec"].get("paused"), &full["status"]["promoteFull"]),
        (None, &json!(true))
    );
    let restarted = done("restart", &paused)["spec"]["restartAt"].clone();
    let at = restarted.as_str().unwrap().parse::<jiff::Timestamp>();
    assert!(at.is_ok(), "{restarted}");
}
