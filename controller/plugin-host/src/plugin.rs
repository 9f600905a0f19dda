//! A plugin that is loaded, and the three things that it can be asked.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use kulta_core::analysis::verdict::{Decision, NextStep, Verdict};
use tokio::time::timeout;
use wasmtime::component::InstancePre;

use crate::bindings::described::DescribedPre;
use crate::bindings::gate::PromotionGatePre;
use crate::bindings::metric::MetricAnalysisPre;
use crate::bindings::types;
use crate::call::{CallReport, Finished, Request, Session};
use crate::convert::{self, Description, Taking};
use crate::failure::{CallError, Identity};
use crate::guest::{Guest, Surroundings};
use crate::limits::{self, Limit, Limits};
use crate::logbook::{Logbook, PluginLog};
use crate::memory::Total;
use crate::redaction::Redaction;

/// A plugin describes itself to the controller, for no namespace in particular. One does so at a time.
const NOBODY: &str = "";

/// What a plugin is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum World {
    /// It measures.
    MetricAnalysis,
    /// It decides whether a step may be made.
    PromotionGate,
}

impl World {
    /// Its name in the interface.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MetricAnalysis => "metric-analysis",
            Self::PromotionGate => "promotion-gate",
        }
    }
}

/// A plugin that is loaded. Cheap to clone.
#[derive(Clone)]
pub struct Plugin {
    pub(crate) identity: Identity,
    pub(crate) description: Description,
    pub(crate) imports: BTreeSet<String>,
    pub(crate) code: Code,
}

/// What of a plugin is run.
#[derive(Clone)]
pub(crate) struct Code {
    log: Arc<PluginLog>,
    total: Total,
    described: DescribedPre<Guest>,
    metric: Option<MetricAnalysisPre<Guest>>,
    gate: Option<PromotionGatePre<Guest>>,
}

impl Code {
    /// Checks the exports of `worlds` against the interface. What a plugin exports beside them is never called.
    pub(crate) fn new(
        name: Arc<str>,
        total: Total,
        code: InstancePre<Guest>,
        worlds: &BTreeSet<World>,
    ) -> wasmtime::Result<Self> {
        let metric = worlds
            .contains(&World::MetricAnalysis)
            .then(|| MetricAnalysisPre::new(code.clone()));
        let gate = worlds
            .contains(&World::PromotionGate)
            .then(|| PromotionGatePre::new(code.clone()));
        Ok(Self {
            log: Arc::new(PluginLog::new(name)),
            total,
            metric: metric.transpose()?,
            gate: gate.transpose()?,
            described: DescribedPre::new(code)?,
        })
    }

    fn open(&self, surroundings: Surroundings, limits: &Limits) -> Session {
        let share = self.total.share_of(&surroundings.namespace);
        let redaction = surroundings.redaction.clone();
        let logbook = Logbook::new(Arc::clone(&self.log), limits.amount(Limit::LogLines), redaction);
        let guest = Guest::new(surroundings, limits, share, logbook);
        Session::open(self.described.engine(), guest, limits)
    }

    /// Asks the plugin who it is.
    pub(crate) async fn describe(&self, limits: &Limits) -> Result<Description, CallError> {
        let limits = limits.for_description();
        let mut session = self.open(Surroundings::bare(NOBODY, Timestamp::UNIX_EPOCH), &limits);
        let call = async {
            let store = session.ready()?;
            let instance = self.described.instantiate_async(&mut *store).await?;
            instance.kulta_analysis_plugin().call_describe(store).await
        };
        let answer = timeout(limits.call_time(), call).await;
        let (answer, _report) = session.close(answer);
        let told = answer?;
        convert::description(&told.name, &told.version, told.config_schema).map_err(CallError::InvalidAnswer)
    }
}

impl Plugin {
    /// Who it is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What it tells of itself.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// What it is made for: one or both.
    #[must_use]
    pub fn worlds(&self) -> BTreeSet<World> {
        let metric = self.code.metric.as_ref().map(|_code| World::MetricAnalysis);
        let gate = self.code.gate.as_ref().map(|_code| World::PromotionGate);
        metric.into_iter().chain(gate).collect()
    }

    /// The interfaces that it imports, such as `kulta:analysis/metrics@1.0.0`. One that does not import that can't ask
    /// any provider, whatever it is granted.
    #[must_use]
    pub fn imports(&self) -> &BTreeSet<String> {
        &self.imports
    }

    /// Asks it for a verdict.
    pub async fn evaluate(&self, request: Request) -> Finished<Verdict> {
        let Some(code) = &self.code.metric else {
            return self.refused(CallError::MissingWorld {
                missing: World::MetricAnalysis,
            });
        };
        if let Err(refused) = check_length(&request.config) {
            return self.refused(refused);
        }
        let asked = Asked::from(request);
        let taking = asked.taking();
        let mut session = self.code.open(asked.surroundings, &asked.limits);
        let call = async {
            let store = session.ready()?;
            let instance = code.instantiate_async(&mut *store).await?;
            instance
                .kulta_analysis_metric()
                .call_evaluate(store, &asked.config, &asked.subject)
                .await
        };
        let answer = timeout(asked.limits.call_time(), call).await;
        let (answer, report) = session.close(answer);
        let result = answer
            .and_then(|answer| accepted(answer, &taking.redaction))
            .and_then(|verdict| convert::verdict(verdict, &taking).map_err(CallError::InvalidAnswer));
        Finished::new(&self.identity, result, report)
    }

    /// Asks it whether a step may be made. An error is never to be taken for [`Decision::Allow`].
    pub async fn decide(&self, request: Request, next: NextStep) -> Finished<Decision> {
        let Some(code) = &self.code.gate else {
            return self.refused(CallError::MissingWorld {
                missing: World::PromotionGate,
            });
        };
        if let Err(refused) = check_length(&request.config) {
            return self.refused(refused);
        }
        let asked = Asked::from(request);
        let taking = asked.taking();
        let mut session = self.code.open(asked.surroundings, &asked.limits);
        let next = convert::step(next);
        let call = async {
            let store = session.ready()?;
            let instance = code.instantiate_async(&mut *store).await?;
            instance
                .kulta_analysis_gate()
                .call_decide(store, &asked.config, &asked.subject, next)
                .await
        };
        let answer = timeout(asked.limits.call_time(), call).await;
        let (answer, report) = session.close(answer);
        let result = answer
            .and_then(|answer| accepted(answer, &taking.redaction))
            .and_then(|decision| convert::decision(decision, &taking).map_err(CallError::InvalidAnswer));
        Finished::new(&self.identity, result, report)
    }

    /// Asks it whether a configuration (JSON of at most 32 KiB) makes sense, for `namespace`, whose share of the memory
    /// the call has. It can ask no provider for that.
    pub async fn check_config(
        &self,
        namespace: &str,
        config: &str,
        now: Timestamp,
        limits: &Limits,
    ) -> Finished<()> {
        if let Err(refused) = check_length(config) {
            return self.refused(refused);
        }
        let mut session = self.code.open(Surroundings::bare(namespace, now), limits);
        let call = async {
            let store = session.ready()?;
            let instance = self.code.described.instantiate_async(&mut *store).await?;
            instance
                .kulta_analysis_plugin()
                .call_check_config(store, config)
                .await
        };
        let answer = timeout(limits.call_time(), call).await;
        let (answer, report) = session.close(answer);
        let result = answer.and_then(|answer| accepted(answer, &Redaction::default()));
        Finished::new(&self.identity, result, report)
    }

    /// A call that was not begun.
    fn refused<T>(&self, cause: CallError) -> Finished<T> {
        Finished::new(&self.identity, Err(cause), CallReport::default())
    }
}

/// A request, taken apart into what the plugin is handed and what it can ask for.
struct Asked {
    config: String,
    subject: types::Subject,
    now: Timestamp,
    limits: Limits,
    surroundings: Surroundings,
}

impl Asked {
    /// How its answer is taken.
    fn taking(&self) -> Taking {
        Taking {
            now: self.now,
            limits: self.limits.clone(),
            redaction: self.surroundings.redaction.clone(),
        }
    }
}

impl From<Request> for Asked {
    fn from(request: Request) -> Self {
        Self {
            subject: convert::subject(&request.subject),
            config: request.config,
            now: request.now,
            limits: request.limits,
            surroundings: Surroundings {
                namespace: request.subject.namespace,
                now: request.now,
                previous: request.previous,
                state: request.state,
                metrics: Some(request.metrics),
                http: request.http,
                grants: request.grants,
                redaction: request.redaction,
            },
        }
    }
}

fn check_length(config: &str) -> Result<(), CallError> {
    if config.len() > limits::CONFIG_BYTES {
        return Err(CallError::ConfigTooLarge { bytes: config.len() });
    }
    Ok(())
}

/// A plugin's own error is one of the ways in which a call has no answer.
fn accepted<T>(answer: Result<T, types::PluginError>, redaction: &Redaction) -> Result<T, CallError> {
    answer.map_err(|error| CallError::Plugin(convert::plugin_error(&redaction.error(error))))
}
