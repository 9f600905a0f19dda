//! What is counted, and how it is rendered.

use super::*;

fn rendered(metrics: &Metrics) -> String {
    metrics.render().unwrap()
}

#[test]
fn a_rollout_is_counted_in_one_phase_only() {
    let metrics = Metrics::new("1.2.3");

    metrics.rollout_is("uid-1", Phase::Progressing);
    metrics.rollout_is("uid-1", Phase::Healthy);
    metrics.rollout_is("uid-1", Phase::Healthy);

    let text = rendered(&metrics);
    assert!(
        text.contains(r#"kulta_rollouts{phase="Progressing"} 0"#),
        "{text}"
    );
    assert!(text.contains(r#"kulta_rollouts{phase="Healthy"} 1"#), "{text}");
}

#[test]
fn a_deleted_rollout_is_counted_no_more() {
    let metrics = Metrics::new("1.2.3");
    metrics.rollout_is("uid-1", Phase::Degraded);

    metrics.rollout_gone("uid-1");
    metrics.rollout_gone("uid-1");

    let text = rendered(&metrics);
    assert!(text.contains(r#"kulta_rollouts{phase="Degraded"} 0"#), "{text}");
}

#[test]
fn every_metric_has_its_labels_and_unit() {
    let metrics = Metrics::new("1.2.3");

    metrics.reconciled(ReconcileResult::Ok, Duration::from_millis(2));
    metrics.failed(ReconcileStep::Observe);
    metrics.wrote(ActionKind::SetRouteWeights, WriteResult::Conflict);
    metrics.wrote_status(WriteResult::Written);
    metrics.events(EventResult::Published, 3);

    let text = rendered(&metrics);
    for line in [
        r#"kulta_build_info{version="1.2.3"} 1"#,
        r#"kulta_reconcile_duration_seconds_count{result="ok"} 1"#,
        r#"kulta_reconcile_errors_total{step="observe"} 1"#,
        r#"kulta_writes_total{action="SetRouteWeights",result="conflict"} 1"#,
        r#"kulta_status_writes_total{result="written"} 1"#,
        r#"kulta_events_total{result="published"} 3"#,
    ] {
        assert!(text.contains(line), "no {line} in\n{text}");
    }
}
