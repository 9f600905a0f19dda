//! What is counted, and how it is rendered.

use std::collections::BTreeSet;

use super::plugins::tests::finished;
use super::*;

fn rendered(metrics: &Metrics) -> String {
    metrics.render().unwrap()
}

#[test]
fn a_rollout_is_counted_in_one_phase_only() {
    let metrics = Metrics::new("1.2.3");

    metrics.rollout_is("uid-1", Group::Kulta, Phase::Progressing);
    metrics.rollout_is("uid-1", Group::Kulta, Phase::Healthy);
    metrics.rollout_is("uid-1", Group::Kulta, Phase::Healthy);

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
    metrics.rollout_is("uid-1", Group::Kulta, Phase::Degraded);

    metrics.rollout_gone("uid-1");
    metrics.rollout_gone("uid-1");

    let text = rendered(&metrics);
    assert!(text.contains(r#"kulta_rollouts{phase="Degraded"} 0"#), "{text}");
}

/// One of each that has no series before it is counted.
fn count_some(metrics: &Metrics) {
    metrics.reconciled(ReconcileResult::Ok, Duration::from_millis(2));
    metrics.failed(ReconcileStep::Observe);
    metrics.wrote(ActionKind::SetRouteWeights, WriteResult::Conflict);
    metrics.wrote_status(WriteResult::Written);
    metrics.events(EventResult::Published, 3);
}

#[test]
fn every_metric_has_its_labels_and_unit() {
    let metrics = Metrics::new("1.2.3");

    count_some(&metrics);

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

/// What each of the metrics is called for those who write queries.
fn all_names() -> BTreeSet<String> {
    let metrics = Metrics::new("1.2.3").serving_argo();
    count_some(&metrics);
    metrics.watches(&kulta_api::rollout::api_resource(Group::Kulta), false);
    metrics.plugins.called("error-ratio", &finished(Ok(()), 1, 1));
    metrics.plugins.loaded(plugins::LoadResult::InService);
    metrics.plugins.are(plugins::PluginStates::default());
    metrics.delivery.set_up("dashboard");
    let text = rendered(&metrics);
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types
        .filter_map(|line| line.split_once(' '))
        .map(|(name, kind)| match kind {
            "counter" => format!("{name}_total"),
            "info" => format!("{name}_info"),
            _ => name.to_owned(),
        })
        .collect()
}

/// The names of metrics in a text, and those of the series of histograms by their metric.
fn names_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|character: char| !character.is_ascii_lowercase() && character != '_');
    let names = words.filter(|word| word.starts_with("kulta_"));
    names
        .map(|name| name.strip_suffix("_bucket").unwrap_or(name).to_owned())
        .collect()
}

#[test]
fn whether_argo_rollouts_lease_is_held_is_told_only_where_it_is_wanted() {
    let named = |metrics: &Metrics| rendered(metrics).contains("kulta_argo_lease_held");

    assert!(!named(&Metrics::new("1.2.3")));
    assert!(named(&Metrics::new("1.2.3").serving_argo()));
}

#[test]
fn rollouts_of_a_group_that_is_not_worked_on_any_more_are_counted_no_more() {
    let metrics = Metrics::new("1.2.3").serving_argo();
    metrics.rollout_is("uid-1", Group::Kulta, Phase::Degraded);
    metrics.rollout_is("uid-2", Group::Argo, Phase::Degraded);

    metrics.argo_lease(false);

    let text = rendered(&metrics);
    assert!(text.contains(r#"kulta_rollouts{phase="Degraded"} 1"#), "{text}");
}

#[test]
fn every_metric_is_in_the_documented_table() {
    let readme = include_str!("../../../../deploy/README.md");
    let rows = readme.lines().filter_map(|line| line.strip_prefix("| `kulta_"));
    let documented =
        rows.flat_map(|row| names_in(&format!("kulta_{}", row.split('`').next().unwrap_or_default())));

    assert_eq!(documented.collect::<BTreeSet<_>>(), all_names());
}

#[test]
fn every_alert_is_in_the_documented_table() {
    let alerts = include_str!("../../../../deploy/kustomize/components/monitoring/alerts.yaml");
    let alerts = alerts
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    let readme = include_str!("../../../../deploy/README.md");
    let rows = readme.lines().filter(|line| line.starts_with("| `Kulta"));
    let names = rows.flat_map(|row| row.split('|').nth(1).unwrap_or_default().split('`'));
    let documented = names.filter(|name| name.starts_with("Kulta"));

    assert_eq!(documented.collect::<BTreeSet<_>>(), alerts.collect());
}

#[test]
fn alerts_and_dashboard_ask_for_metrics_that_there_are() {
    let asked = [
        include_str!("../../../../deploy/kustomize/components/monitoring/alerts.yaml"),
        include_str!("../../../../deploy/kustomize/components/monitoring/dashboard.json"),
    ];
    let names = all_names();

    let unknown: Vec<_> = asked
        .into_iter()
        .flat_map(names_in)
        .filter(|name| !names.contains(name))
        .collect();

    assert!(unknown.is_empty(), "{unknown:?}");
}
