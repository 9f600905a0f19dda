//! What a scrape reads.

use std::time::Duration;

use kulta_core::status::{CompletionStatus, RolloutDuration};
use serde_json::{Value, json};

use super::*;
use crate::watch::samples::{self, argo, argo_key, key, put};
use crate::watch::{AnalysisRun, AnalysisTemplate, ClusterAnalysisTemplate, Experiment, Rollout};

struct Scene {
    caches: Arc<Caches>,
    metrics: Arc<Metrics>,
    argo: ArgoMetrics,
}

fn scene() -> Scene {
    let caches = Arc::<Caches>::default();
    caches.keep_measures();
    let metrics = Arc::new(Metrics::new("1.2.3").counting_by_rollout());
    metrics.leads(true);
    let argo = ArgoMetrics::new(Arc::clone(&caches), Arc::clone(&metrics), "1.2.3");
    Scene {
        caches,
        metrics,
        argo,
    }
}

impl Scene {
    fn counts(&self) -> &crate::metrics::argo::ArgoCounts {
        self.metrics.argo.as_ref().unwrap()
    }

    /// Expects each of `lines` in what is served.
    #[track_caller]
    fn serves(&self, lines: &[&str]) {
        let text = self.argo.render().unwrap();
        for line in lines {
            assert!(
                text.lines().any(|found| found == *line),
                "{line}\nis not in\n{text}"
            );
        }
    }
}

#[test]
fn replica_that_follows_tells_of_no_object() {
    let scene = scene();
    put::<Rollout>(&scene.caches, &samples::rollout("web"));
    assert!(scene.argo.render().unwrap().contains("rollout_info{"));

    scene.metrics.leads(false);

    let text = scene.argo.render().unwrap();
    assert!(!text.contains("rollout_info{"), "{text}");
    assert!(text.contains("argo_rollouts_controller_info{"), "{text}");
}

fn with_status(mut rollout: Value, status: Value) -> Value {
    rollout["status"] = status;
    rollout
}

fn progressing(reason: &str) -> Value {
    json!({
        "replicas": 5, "availableReplicas": 3, "updatedReplicas": 2,
        "conditions": [{
            "type": "Progressing", "status": "True", "reason": reason, "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z", "lastUpdateTime": "2026-01-01T00:00:00Z",
        }],
    })
}

#[test]
fn a_rollout_has_its_phase_and_its_numbers() {
    let scene = scene();
    put::<Rollout>(
        &scene.caches,
        &with_status(samples::rollout("web"), progressing("RolloutPaused")),
    );

    scene.serves(&[
        r#"rollout_info{namespace="shop",name="web",api_group="kulta.io",strategy="canary",traffic_router="GatewayAPI",phase="Paused"} 1"#,
        r#"rollout_info_replicas_available{namespace="shop",name="web",api_group="kulta.io"} 3"#,
        r#"rollout_info_replicas_unavailable{namespace="shop",name="web",api_group="kulta.io"} 2"#,
        r#"rollout_info_replicas_desired{namespace="shop",name="web",api_group="kulta.io"} 3"#,
        r#"rollout_info_replicas_updated{namespace="shop",name="web",api_group="kulta.io"} 2"#,
        r#"rollout_phase{namespace="shop",name="web",api_group="kulta.io",strategy="canary",phase="Paused"} 1"#,
        r#"rollout_phase{namespace="shop",name="web",api_group="kulta.io",strategy="canary",phase="Completed"} 0"#,
        r#"argo_rollouts_controller_info{version="1.2.3"} 1"#,
    ]);
}

#[test]
fn phases_are_those_of_argo_rollouts_metrics() {
    let expected = [
        ("NewReplicaSetAvailable", "Completed"),
        ("ReplicaSetUpdated", "Progressing"),
        ("ProgressDeadlineExceeded", "Timeout"),
        ("ReplicaSetCreateError", "Error"),
        ("RolloutAborted", "Abort"),
    ];
    for (reason, phase) in expected {
        let scene = scene();
        let rollout = with_status(samples::rollout("web"), progressing(reason));
        put::<Rollout>(&scene.caches, &rollout);

        let labels = r#"namespace="shop",name="web",api_group="kulta.io",strategy="canary",traffic_router="GatewayAPI""#;
        scene.serves(&[&format!(r#"rollout_info{{{labels},phase="{phase}"}} 1"#)]);
    }
}

#[test]
fn rollouts_of_one_name_in_both_groups_have_series_of_their_own() {
    let scene = scene();
    put::<Rollout>(&scene.caches, &samples::rollout("web"));
    put::<Rollout>(&scene.caches, &argo(samples::rollout("web")));

    scene.serves(&[
        r#"rollout_info_replicas_desired{namespace="shop",name="web",api_group="kulta.io"} 3"#,
        r#"rollout_info_replicas_desired{namespace="shop",name="web",api_group="argoproj.io"} 3"#,
    ]);
}

#[test]
fn reconciles_errors_and_events_are_counted_by_rollout() {
    let scene = scene();
    put::<Rollout>(&scene.caches, &argo(samples::rollout("web")));
    scene
        .counts()
        .reconciled(&argo_key("web"), true, Duration::from_millis(20));
    scene
        .counts()
        .told(&argo_key("web"), ("Normal", "RolloutUpdated"));

    let labels = r#"namespace="shop",name="web",api_group="argoproj.io""#;
    scene.serves(&[
        &format!(r#"rollout_reconcile_bucket{{le="0.01",{labels}}} 0"#),
        &format!(r#"rollout_reconcile_bucket{{le="0.15",{labels}}} 1"#),
        &format!("rollout_reconcile_count{{{labels}}} 1"),
        &format!("rollout_reconcile_error{{{labels}}} 1"),
        &format!(r#"rollout_events_total{{{labels},type="Normal",reason="RolloutUpdated"}} 1"#),
    ]);
}

#[test]
fn nothing_is_left_of_a_rollout_that_is_gone() {
    let scene = scene();
    put::<Rollout>(&scene.caches, &samples::rollout("web"));
    scene
        .counts()
        .reconciled(&key("web"), false, Duration::from_millis(20));
    scene.serves(&[r#"rollout_reconcile_count{namespace="shop",name="web",api_group="kulta.io"} 1"#]);

    scene.caches.delete::<Rollout>(&key("web"));

    let text = scene.argo.render().unwrap();
    assert!(!text.contains(r#"name="web""#), "{text}");
    assert!(scene.counts().of(|_| true).is_empty());
}

#[test]
fn a_rollout_that_ends_is_counted_once_by_what_became_of_it() {
    let scene = scene();
    let at = |second: i64| Some(jiff::Timestamp::from_second(second).unwrap());
    let running = RolloutDuration {
        rollout_started_at: at(1000),
        ..RolloutDuration::default()
    };
    let ended = RolloutDuration {
        total_manual_pause_duration_seconds: 40,
        finished_at: at(1100),
        completion_status: Some(CompletionStatus::Promoted),
        ..running.clone()
    };

    scene.counts().finished(Some(&running), Some(&ended));
    scene.counts().finished(Some(&ended), Some(&ended));

    scene.serves(&[
        r#"rollout_duration_seconds_count{status="Promoted"} 1"#,
        r#"rollout_duration_seconds_sum{status="Promoted"} 100.0"#,
        r#"rollout_progression_duration_seconds_sum{status="Promoted"} 60.0"#,
        r#"rollout_manual_pause_duration_seconds_sum{status="Promoted"} 40.0"#,
    ]);
}

#[test]
fn an_experiment_has_its_phase() {
    let scene = scene();
    let mut experiment = samples::experiment("web", "web-abc-2-1");
    experiment["status"] = json!({"phase": "Failed"});
    put::<Experiment>(&scene.caches, &experiment);

    let labels = r#"namespace="shop",name="web-abc-2-1",api_group="kulta.io""#;
    scene.serves(&[
        &format!(r#"experiment_info{{{labels},phase="Failed"}} 1"#),
        &format!(r#"experiment_phase{{{labels},phase="Failed"}} 1"#),
        &format!(r#"experiment_phase{{{labels},phase="Running"}} 0"#),
    ]);
}

#[test]
fn an_analysis_has_its_phase_and_that_of_each_metric() {
    let scene = scene();
    let mut run = samples::analysis_run("web", "web-abc-2");
    run["spec"]["metrics"] = json!([
        {"name": "errors", "provider": {"prometheus": {"query": "up"}}},
        {"name": "smoke", "provider": {"job": {}}},
    ]);
    run["status"] = json!({
        "phase": "Running",
        "metricResults": [{"name": "errors", "phase": "Successful", "dryRun": true}],
    });
    put::<AnalysisRun>(&scene.caches, &run);

    let labels = r#"namespace="shop",name="web-abc-2",api_group="kulta.io""#;
    let errors = r#"metric="errors",type="Prometheus""#;
    let smoke = r#"metric="smoke",type="Job""#;
    scene.serves(&[
        &format!(r#"analysis_run_info{{{labels},phase="Running"}} 1"#),
        &format!(r#"analysis_run_phase{{{labels},phase="Failed"}} 0"#),
        &format!("analysis_run_metric_type{{{labels},{errors}}} 1"),
        &format!(r#"analysis_run_metric_phase{{{labels},{errors},dry_run="true",phase="Successful"}} 1"#),
        &format!(r#"analysis_run_metric_phase{{{labels},{smoke},dry_run="false",phase="Pending"}} 1"#),
    ]);
}

#[test]
fn templates_have_their_metrics() {
    let scene = scene();
    put::<AnalysisTemplate>(&scene.caches, &samples::analysis_template("health"));

    let labels = r#"namespace="shop",name="health",api_group="kulta.io""#;
    scene.serves(&[
        &format!("analysis_template_info{{{labels}}} 1"),
        &format!(r#"analysis_template_metric_info{{{labels},type="Plugin",metric="errors"}} 1"#),
    ]);
}

#[test]
fn where_nobody_asks_no_metric_of_a_template_is_kept() {
    let caches = Caches::default();
    put::<AnalysisTemplate>(&caches, &samples::analysis_template("health"));
    put::<ClusterAnalysisTemplate>(&caches, &samples::analysis_template("health"));

    caches.read(|tables| {
        assert!(tables.analysis_templates[&key("health")].0.measures.is_empty());
        assert!(
            tables.cluster_analysis_templates[&key("health")]
                .0
                .measures
                .is_empty()
        );
    });
}

#[tokio::test]
async fn nothing_is_served_before_the_caches_are_filled() {
    let (ready, receiver) = watch::channel(false);
    let endpoint = Endpoint {
        metrics: scene().argo,
        ready: receiver,
    };
    assert_eq!(scrape(State(endpoint.clone())).await.status(), 503);

    ready.send_replace(true);

    assert_eq!(scrape(State(endpoint)).await.status(), 200);
}
