//! The calls of plugins for one AnalysisRun.

use std::sync::Arc;

use futures::future::join_all;
use jiff::Timestamp;
use kulta_api::analysis::Measured;
use kulta_core::analysis::finding::Finding;
use kulta_core::analysis::run::RunStatus;
use kulta_core::analysis::verdict::NextStep;
use kulta_core::analysis::{Taken, gate};
use kulta_core::spec::Problem;
use kulta_plugin_host::{Finished, Request};

use super::engine::{AnalysisEngine, Run};
use super::plugins::InService;
use super::revisions::Chosen;
use super::{past, subject};
use crate::error_chain::with_causes;
use crate::key::ObjectKey;

/// Who asks, and for what.
pub(super) struct Asking<'run> {
    pub(super) engine: &'run AnalysisEngine,
    pub(super) key: &'run ObjectKey,
    pub(super) run: &'run Run,
    /// The versions of the plugins.
    pub(super) chosen: &'run Chosen,
    /// What was measured so far.
    pub(super) status: &'run RunStatus,
    pub(super) now: Timestamp,
}

impl Asking<'_> {
    /// What is wrong with the configuration of the plugins: found out before anything is measured.
    pub(super) async fn check(&self, measured: &[Measured]) -> Vec<Problem> {
        let incomplete = measured.iter().filter(|measured| self.chosen.is_for(measured));
        let checks = incomplete.map(async |measured| {
            let path = format!("{}.provider.plugin", measured.path);
            let InService { plugin, limits, .. } = match self.chosen.version(measured) {
                Ok(version) => version,
                Err(message) => return Some(Problem::new(path, message)),
            };
            let configuration = measured.configuration.to_string();
            let checked = plugin.check_config(&configuration, self.now, limits).await;
            self.engine.metrics.plugins.called(&measured.plugin, &checked);
            // What may be well the next time is left to measuring, and its limits.
            let failure = checked.result.err().filter(|failure| failure.cause.is_final())?;
            Some(Problem::new(
                format!("{path}.{}", measured.plugin),
                with_causes(&failure),
            ))
        });
        join_all(checks).await.into_iter().flatten().collect()
    }

    /// Measures these metrics, all at the same time.
    pub(super) async fn measure(&self, due: impl Iterator<Item = &Measured>) -> Vec<Taken> {
        let calls = due.map(async |measured| {
            let finding = match self.chosen.version(measured) {
                Ok(version) => {
                    let finished = version.plugin.evaluate(self.request(measured, version)).await;
                    self.engine.metrics.plugins.called(&measured.plugin, &finished);
                    let Finished { result, report } = finished;
                    let name = &measured.metric.name;
                    tracing::debug!(metric = name, fuel = report.fuel, time = ?report.time, "measured");
                    result.map_or_else(|failure| Finding::Error(with_causes(&failure)), Finding::from)
                }
                Err(message) => Finding::Error(message),
            };
            self.taken(measured, finding)
        });
        join_all(calls).await
    }

    /// Asks all gates together, also those that have allowed before: what counts is that all allow now.
    pub(super) async fn gates(&self, gates: &[Measured], next: NextStep) -> Vec<Taken> {
        let answers = gates.iter().map(async |gate| {
            let version = self.chosen.version(gate)?;
            let finished = version.plugin.decide(self.request(gate, version), next).await;
            self.engine.metrics.plugins.called(&gate.plugin, &finished);
            let Finished { result, report } = finished;
            let name = &gate.metric.name;
            tracing::debug!(gate = name, fuel = report.fuel, time = ?report.time, "asked");
            result.map_err(|failure| with_causes(&failure))
        });
        let findings = gate::findings(join_all(answers).await);
        let gates = gates.iter().zip(findings);
        gates.map(|(gate, finding)| self.taken(gate, finding)).collect()
    }

    fn taken(&self, measured: &Measured, finding: Finding) -> Taken {
        Taken {
            metric: measured.metric.name.clone(),
            started_at: self.now,
            finding,
        }
    }

    fn request(&self, measured: &Measured, version: &InService) -> Request {
        let name = &measured.metric.name;
        let mut results = self.status.metric_results.iter();
        let result = results.find(|result| result.name == *name);
        let (owner, hash) = (self.run.owner.as_deref(), self.run.hash.as_deref());
        let started_at = self.status.started_at.unwrap_or(self.now);
        let caches = &self.engine.caches;
        Request {
            config: measured.configuration.to_string(),
            subject: caches.read(|tables| subject::of(tables, self.key, owner, hash, name, started_at)),
            now: self.now,
            previous: result.map(past::of).unwrap_or_default(),
            state: result.and_then(|result| result.state.clone()),
            metrics: Arc::new(self.engine.providers.for_namespace(&self.key.namespace)),
            grants: version.grants.clone(),
            limits: version.limits.clone(),
        }
    }
}
