//! Do the alerts that operators install fire when they should, and not before? Prometheus' own `promtool` says.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use kulta_e2e::Stage;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::kubectl::said;

/// The alerts, from the folder of the kustomization.
const ALERTS: &str = "components/monitoring/alerts.yaml";
const RULES: &str = "rules.json";
const TESTS: &str = "tests.json";

/// An alert, how a controller is that is well, and how one is that is not, with when that is told: the series, a sample each
/// minute (`1x60` is sixty more of the same), and the labels of the alert.
struct Case {
    alert: &'static str,
    severity: &'static str,
    labels: &'static str,
    well: &'static [(&'static str, &'static str)],
    wrong: &'static [(&'static str, &'static str)],
}

/// When what is wrong from the first minute must have been told.
const TOLD_AT: &str = "50m";

const CASES: [Case; 11] = [
    Case {
        alert: "KultaIsAbsent",
        severity: "critical",
        labels: "",
        well: &[("kulta_build_info", "1x60")],
        wrong: &[],
    },
    Case {
        alert: "KultaHasNoLeader",
        severity: "critical",
        labels: "",
        well: &[
            (r#"kulta_leader{pod="a"}"#, "0x60"),
            (r#"kulta_leader{pod="b"}"#, "1x60"),
        ],
        wrong: &[
            (r#"kulta_leader{pod="a"}"#, "0x60"),
            (r#"kulta_leader{pod="b"}"#, "0x60"),
        ],
    },
    Case {
        alert: "KultaReconcilesFail",
        severity: "warning",
        labels: r#"step="apply""#,
        well: &[(r#"kulta_reconcile_errors_total{step="apply"}"#, "0x60")],
        wrong: &[(r#"kulta_reconcile_errors_total{step="apply"}"#, "0+2x60")],
    },
    Case {
        alert: "KultaRolloutIsDegraded",
        severity: "warning",
        labels: "",
        well: &[(r#"kulta_rollouts{phase="Degraded"}"#, "0x60")],
        wrong: &[(r#"kulta_rollouts{phase="Degraded"}"#, "2x60")],
    },
    Case {
        alert: "KultaConfigurationIsRefused",
        severity: "warning",
        labels: "",
        well: &[("kulta_configuration_refused", "0x60")],
        wrong: &[("kulta_configuration_refused", "0x30 1x30")],
    },
    Case {
        alert: "KultaCannotWatch",
        severity: "critical",
        labels: r#"group="apps", kind="ReplicaSet""#,
        well: &[(
            r#"kulta_watches_interrupted{group="apps",kind="ReplicaSet"}"#,
            "0x60",
        )],
        wrong: &[(
            r#"kulta_watches_interrupted{group="apps",kind="ReplicaSet"}"#,
            "1x60",
        )],
    },
    Case {
        alert: "KultaHasNoArgoLease",
        severity: "warning",
        labels: "",
        well: &[
            (r#"kulta_argo_lease_held{pod="a"}"#, "0x60"),
            (r#"kulta_argo_lease_held{pod="b"}"#, "1x60"),
        ],
        wrong: &[
            (r#"kulta_argo_lease_held{pod="a"}"#, "0x60"),
            (r#"kulta_argo_lease_held{pod="b"}"#, "0x60"),
        ],
    },
    Case {
        alert: "KultaPluginIsRefused",
        severity: "warning",
        labels: "",
        well: &[(r#"kulta_plugins{state="refused"}"#, "0x60")],
        wrong: &[(r#"kulta_plugins{state="refused"}"#, "1x60")],
    },
    Case {
        alert: "KultaPluginFails",
        severity: "warning",
        labels: r#"plugin="web""#,
        well: &[
            (r#"kulta_plugin_calls_total{plugin="web",result="ok"}"#, "0+9x60"),
            (
                r#"kulta_plugin_calls_total{plugin="web",result="timeout"}"#,
                "0+1x60",
            ),
        ],
        wrong: &[
            (r#"kulta_plugin_calls_total{plugin="web",result="ok"}"#, "0+1x60"),
            (
                r#"kulta_plugin_calls_total{plugin="web",result="timeout"}"#,
                "0+1x60",
            ),
        ],
    },
    Case {
        alert: "KultaSinkIsDown",
        severity: "warning",
        labels: r#"sink="dashboard""#,
        well: &[
            (r#"kulta_sink_up{pod="a",sink="dashboard"}"#, "1x60"),
            (r#"kulta_sink_up{pod="b",sink="dashboard"}"#, "1x60"),
        ],
        wrong: &[
            (r#"kulta_sink_up{pod="a",sink="dashboard"}"#, "0x60"),
            (r#"kulta_sink_up{pod="b",sink="dashboard"}"#, "1x60"),
        ],
    },
    Case {
        alert: "KultaEventsAreLost",
        severity: "warning",
        labels: r#"sink="dashboard""#,
        well: &[(r#"kulta_sink_events_lost_total{sink="dashboard"}"#, "3x60")],
        wrong: &[(r#"kulta_sink_events_lost_total{sink="dashboard"}"#, "0+1x60")],
    },
];

pub(crate) async fn each_alert_fires_when_it_should(stage: &Stage) -> Result<()> {
    let settings = stage.settings();
    let folder = settings.work.join(stage.namespace());
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let alerts: Value = serde_saphyr::from_str(&fs::read_to_string(settings.manifests.join(ALERTS))?)?;
    fs::write(folder.join(RULES), alerts["spec"].to_string())?;
    let mut known: Vec<_> = names(&alerts);
    let mut tested: Vec<_> = CASES.iter().map(|case| case.alert).collect();
    known.sort_unstable();
    tested.sort_unstable();
    ensure!(known == tested, "the alerts are {known:?}");
    let tests = CASES
        .iter()
        .flat_map(|case| [case.of(case.well, false), case.of(case.wrong, true)]);
    let tests = json!({ "rule_files": [RULES], "tests": tests.collect::<Vec<_>>() });
    fs::write(folder.join(TESTS), serde_json::to_vec_pretty(&tests)?)?;

    promtool(&folder, &["check", "rules", "--lint-fatal", RULES]).await?;
    promtool(&folder, &["test", "rules", TESTS]).await
}

fn names(alerts: &Value) -> Vec<&str> {
    let rules = alerts["spec"]["groups"][0]["rules"].as_array();
    let rules = rules.into_iter().flatten();
    rules.filter_map(|rule| rule["alert"].as_str()).collect()
}

impl Case {
    fn of(&self, series: &[(&str, &str)], fires: bool) -> Value {
        let Self {
            alert,
            severity,
            labels,
            ..
        } = self;
        let series = series
            .iter()
            .map(|(series, values)| json!({ "series": series, "values": values }));
        let firing = json!([{
            "labels": format!(r#"ALERTS{{alertname="{alert}",alertstate="firing",severity="{severity}",{labels}}}"#),
            "value": 1,
        }]);
        json!({
            "interval": "1m",
            "input_series": series.collect::<Vec<_>>(),
            "promql_expr_test": [{
                "expr": format!(r#"ALERTS{{alertname="{alert}",alertstate="firing"}}"#),
                "eval_time": TOLD_AT,
                "exp_samples": if fires { firing } else { json!([]) },
            }],
        })
    }
}

async fn promtool(folder: &Path, arguments: &[&str]) -> Result<()> {
    let mut promtool = Command::new("promtool");
    promtool.args(arguments).current_dir(folder).kill_on_drop(true);
    let output = promtool.output().await.context("promtool is needed")?;
    ensure!(
        output.status.success(),
        "promtool {arguments:?}: {}",
        said(&output)
    );
    Ok(())
}
