//! From a failing measurement to the route patched: how long a version that was found bad still gets requests.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::future::try_join_all;
use jiff::Timestamp;
use kube::Api;
use kube::api::{DynamicObject, ListParams};
use kulta_core::status::Phase;
use kulta_e2e::app::step;
use kulta_e2e::rollout::is_in_force;
use kulta_e2e::{App, Distribution, Rollout, Stage, Version};
use kulta_test_cluster::progress::Progress;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::audit::{Audit, Write};
use crate::limits;

/// The variable in the template that makes each version another one.
const VARIABLE: &str = "ROUND";
/// Where an AnalysisRun says when its only measurement came to its end.
const FINISHED_AT: &str = "/status/metricResults/0/measurements/0/finishedAt";

/// When measurements failed, by the names of the AnalysisRuns.
type Failures = BTreeMap<String, Timestamp>;

/// Has every version of some applications fail its analysis, and gives the times from the end of the measurement to the
/// answer that the route is patched.
pub(crate) async fn measure(stage: &Stage, progress: &Progress) -> Result<Distribution> {
    progress.begin(&format!(
        "{} rollbacks of each of {} applications",
        limits::ROLLBACK_ROUNDS,
        limits::ROLLBACK_ROLLOUTS
    ));
    let audit = Audit::from_now(stage.cluster()?.audit_log())?;
    let failures = try_join_all((0..limits::ROLLBACK_ROLLOUTS).map(async |number| {
        let name = format!("app-{number}");
        let failures = fail(stage, &name).await.with_context(|| name.clone())?;
        anyhow::Ok((name, failures))
    }));
    let failures = failures.await?;
    let answered = timeout(
        limits::WITHIN,
        until_answered(&audit, stage.namespace(), &failures),
    );
    let times = answered
        .await
        .context("not every failure came to a patched route")??;
    Distribution::of(times).context("nothing was rolled back")
}

/// Releases one bad version after the other.
async fn fail(stage: &Stage, name: &str) -> Result<Failures> {
    let images = &stage.settings().app;
    let app = App::new(name, Version::v1(images)).replicas(1);
    let app = app.steps([step::weight(50), step::analysis(&metric())]);
    let app = app.canary_field("abortScaleDownDelaySeconds", 1);
    let rollout = app.deploy(stage).await?;
    rollout
        .until("to be healthy", |status| status.phase == Phase::Healthy)
        .await?;
    let mut failures = Failures::new();
    for round in 0..limits::ROLLBACK_ROUNDS {
        rollout
            .release(&Version::v2(images).with(VARIABLE, &round.to_string()))
            .await?;
        rollout
            .until("to be rolled back", |status| {
                status.abort && is_in_force(status, 0)
            })
            .await?;
        // Later they are tidied up.
        failures.extend(failed(stage, &rollout).await?);
    }
    Ok(failures)
}

/// A real query of a real Prometheus, whose answer is always bad.
fn metric() -> Value {
    json!({
        "name": "bad",
        "failureCondition": "result[0] > 0",
        "provider": {"plugin": {"prometheus": {"query": "vector(1)"}}},
    })
}

/// The AnalysisRuns of a Rollout that are there.
async fn failed(stage: &Stage, rollout: &Rollout) -> Result<Failures> {
    let runs: Api<DynamicObject> =
        stage.dynamic_api(&kulta_api::analysis::api_resource(kulta_api::Group::Kulta));
    let mut failures = Failures::new();
    for run in runs.list(&ListParams::default()).await? {
        let owners = run.metadata.owner_references.iter().flatten();
        if !owners.into_iter().any(|owner| owner.name == rollout.name()) {
            continue;
        }
        let finished_at = run.data.pointer(FINISHED_AT).and_then(Value::as_str);
        let finished_at = finished_at.with_context(|| format!("nothing was measured: {:?}", run.data))?;
        failures.insert(run.metadata.name.unwrap_or_default(), finished_at.parse()?);
    }
    Ok(failures)
}

async fn until_answered(
    audit: &Audit,
    namespace: &str,
    failures: &[(String, Failures)],
) -> Result<Vec<Duration>> {
    loop {
        let writes = audit.route_writes(namespace)?;
        let times = failures.iter().flat_map(|(name, failures)| {
            let writes = writes.get(name).map(Vec::as_slice).unwrap_or_default();
            failures.values().map(|&failure| until_patched(failure, writes))
        });
        // Not all may be in the log yet.
        if let Some(times) = times.collect() {
            return Ok(times);
        }
        sleep(limits::LOOK).await;
    }
}

/// From a failure to the end of the first write of the route that began after it.
fn until_patched(failure: Timestamp, writes: &[Write]) -> Option<Duration> {
    let after = writes.iter().filter(|(asked, _)| *asked >= failure);
    let &(_, done) = after.min()?;
    Some(done.duration_since(failure).unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: &str) -> Timestamp {
        format!("2026-01-01T00:00:0{second}Z").parse().unwrap()
    }

    #[test]
    fn the_first_write_after_the_failure_counts_to_its_end() {
        let writes =
            [("1.0", "1.1"), ("5.0", "5.1"), ("2.2", "2.5")].map(|(asked, done)| (at(asked), at(done)));
        assert_eq!(
            until_patched(at("2.0"), &writes),
            Some(Duration::from_millis(500))
        );
    }

    #[test]
    fn a_failure_that_no_write_follows_has_no_time() {
        assert_eq!(until_patched(at("2.0"), &[(at("1.0"), at("1.1"))]), None);
    }
}
