//! Analyses by hostile plugins: AnalysisRuns as users begin them by hand, that measure for as long as they are there.

use anyhow::{Context, Result, ensure};
use kube::Api;
use kube::api::DynamicObject;
use kulta_core::analysis::run::{AnalysisPhase, Measurement, RunStatus};
use kulta_e2e::Stage;
use serde_json::{Value, json};

use super::plugins::{Delivered, Expected};

/// So that no number of failures ends an analysis.
const NO_LIMIT: u32 = 1_000_000;
/// How much of a condition is looked for in what is told of it.
const CONDITION_SHOWN: usize = 40;

/// A metric that is measured by `plugin` every second, whatever comes of it.
pub(super) fn metric(plugin: &str) -> Value {
    json!({
        "name": "harm",
        "interval": "1s",
        "failureLimit": NO_LIMIT,
        "consecutiveErrorLimit": NO_LIMIT,
        "provider": {"plugin": {plugin: {}}},
    })
}

/// Begins an analysis.
pub(super) async fn begin(stage: &Stage, name: &str, metrics: &[Value]) -> Result<()> {
    let resource = kulta_api::analysis::api_resource(kulta_api::Group::Kulta);
    let manifest = json!({
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {"name": name},
        "spec": {"metrics": metrics},
    });
    stage.create(&manifest).await
}

/// Waits for the status of an analysis.
pub(super) async fn until(
    stage: &Stage,
    name: &str,
    what: &str,
    condition: impl Fn(&RunStatus) -> bool,
) -> Result<RunStatus> {
    let runs: Api<DynamicObject> =
        stage.dynamic_api(&kulta_api::analysis::api_resource(kulta_api::Group::Kulta));
    let holds =
        |run: Option<&DynamicObject>| run.and_then(status_of).is_some_and(|status| condition(&status));
    let found = stage.wait_for(runs, name, what, holds).await?;
    found.as_ref().and_then(status_of).context("the analysis is gone")
}

/// Refuses an analysis of which anything else comes than is expected of its plugin.
pub(super) async fn comes_as_expected(stage: &Stage, delivered: &Delivered) -> Result<()> {
    let Delivered { name, expected, .. } = delivered;
    if matches!(expected, Expected::Tried) {
        return Ok(());
    }
    let status = until(stage, name, "to come to something", has_come_to_something).await?;
    let said = words(&status);
    match *expected {
        Expected::Fails(words) => {
            ensure!(!status.phase.completed(), "{name} has ended: {said}");
            says(&said, &format!("plugin {name} "), words)
        }
        Expected::Refused(words) => {
            ensure!(status.phase == AnalysisPhase::Pending, "{name} was begun: {said}");
            says(&said, &format!("{name:?} is not in service"), words)
        }
        Expected::Tried => Ok(()),
        Expected::Measures(value) => {
            let measured = measurements(&status).next().context("nothing was measured")?;
            let is_taken = measured.phase != AnalysisPhase::Error && measured.value == value;
            ensure!(is_taken, "{name} has measured something else: {measured:?}");
            Ok(())
        }
    }
}

/// Refuses an analysis whose condition is not told of, in these words.
pub(super) async fn condition_is_told(
    stage: &Stage,
    name: &str,
    condition: &str,
    words: &[&str],
) -> Result<()> {
    let status = until(stage, name, "to come to something", has_come_to_something).await?;
    let shown = condition.get(..CONDITION_SHOWN).unwrap_or(condition);
    says(&self::words(&status), shown, words)
}

/// Refuses a text that does not name whom it is about, or not all of these words.
pub(super) fn says(said: &str, who: &str, words: &[&str]) -> Result<()> {
    let missing: Vec<_> = std::iter::once(&who)
        .chain(words)
        .filter(|word| !said.contains(**word))
        .collect();
    ensure!(missing.is_empty(), "no {missing:?} in {said:?}");
    Ok(())
}

/// All of its measurements.
pub(super) fn measurements(status: &RunStatus) -> impl Iterator<Item = &Measurement> {
    status
        .metric_results
        .iter()
        .flat_map(|result| &result.measurements)
}

/// Everything that it says.
pub(super) fn words(status: &RunStatus) -> String {
    let messages = measurements(status).map(|measurement| measurement.message.as_str());
    let all: Vec<_> = std::iter::once(status.message.as_str()).chain(messages).collect();
    all.join("\n")
}

/// One that waits for its plugin to be loaded, or for a place, has not.
fn has_come_to_something(status: &RunStatus) -> bool {
    let waits = status.message.contains("is being loaded") || status.message.contains("their share");
    status.phase.completed()
        || status.phase == AnalysisPhase::Pending && !status.message.is_empty() && !waits
        || measurements(status).any(|measurement| measurement.finished_at.is_some())
}

fn status_of(run: &DynamicObject) -> Option<RunStatus> {
    serde_json::from_value(run.data.get("status")?.clone()).ok()
}
