//! The calls of plugins for one AnalysisRun.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use kulta_api::analysis::{Arguments, Measured};
use kulta_core::analysis::condition::Conditions;
use kulta_core::analysis::finding::Finding;
use kulta_core::analysis::run::{MetricResult, RunStatus};
use kulta_core::analysis::verdict::NextStep;
use kulta_core::analysis::{Taken, gate};
use kulta_core::spec::Problem;
use kulta_core::text::with_causes;
use kulta_plugin_host::limits::CONFIG_BYTES;
use kulta_plugin_host::{Finished, Request};

use super::engine::{AnalysisEngine, Run};
use super::jobs::{Jobs, is_job};
use super::plugins::InService;
use super::providers::secrets::SecretTexts;
use super::providers::{DEFAULT_PROVIDER, ForNamespace};
use super::revisions::Chosen;
use super::secrets::Secrets;
use super::shares::Place;
use super::{past, subject};
use crate::key::ObjectKey;

/// A call waits no longer for a place: others of the analysis may be done, and are to be written down.
const WAIT_FOR_PLACE: Duration = Duration::from_secs(5);

/// So often is a call made that finds no place at a provider: once for each of some providers that it asks.
const CALLS_FOR_PLACES: usize = 3;

/// What is said of one that can't be asked now.
pub(super) const NO_ROOM: &str =
    "the analyses of this namespace are using their share of the controller: it is asked again";

/// Who asks, and for what.
pub(super) struct Asking<'run> {
    pub(super) engine: &'run AnalysisEngine,
    pub(super) key: &'run ObjectKey,
    pub(super) run: &'run Run,
    /// The versions of the plugins.
    pub(super) chosen: &'run Chosen,
    /// The texts of Secrets that it takes.
    pub(super) secrets: &'run Secrets,
    /// What it was begun with.
    pub(super) arguments: &'run Arguments,
    /// What was measured so far.
    pub(super) status: &'run RunStatus,
    pub(super) now: Timestamp,
}

/// What came of the calls.
#[derive(Default)]
pub(super) struct Answers {
    pub(super) taken: Vec<Taken>,
    /// For some there was no place, no memory or no plugin yet: they are asked again soon, as if nothing had been.
    pub(super) postponed: bool,
}

impl Answers {
    /// What came of one call; None: it is to be made again.
    fn add(&mut self, call: Option<Taken>) {
        self.postponed |= call.is_none();
        self.taken.extend(call);
    }
}

impl Asking<'_> {
    /// What is wrong with the configuration of the plugins: found out before anything is measured. A metric on trial
    /// ends nothing: what is wrong with it comes out when it is measured.
    pub(super) async fn check(&self, measured: &[Measured]) -> Vec<Problem> {
        let incomplete = measured.iter().filter(|measured| self.chosen.is_for(measured));
        let in_force = incomplete.filter(|measured| !measured.metric.dry_run);
        let checks = in_force.map(async |measured| {
            let path = measured.provider_path();
            let version = match self.chosen.version(measured) {
                Ok(version) => version,
                Err(message) => return Some(Problem::new(path, message)),
            };
            let providers = self.providers(measured, version);
            if let Some(message) = providers.refusal() {
                return Some(Problem::new(format!("{path}.address"), message));
            }
            if let Some((field, message)) = providers.refuses_url_of(measured) {
                return Some(Problem::new(format!("{path}.{field}"), message));
            }
            let InService { plugin, limits, .. } = version;
            let configuration = measured.configuration.to_string();
            // Without a place, it is left to measuring, too.
            let _place = self.place().await?;
            let checked = plugin
                .check_config(&self.key.namespace, &configuration, self.now, limits)
                .await;
            self.engine.metrics.plugins.called(&measured.plugin, &checked);
            // What may be well the next time is left to measuring, and its limits.
            let failure = checked.result.err().filter(|failure| failure.cause.is_final())?;
            Some(Problem::new(path, with_causes(&failure)))
        });
        join_all(checks).await.into_iter().flatten().collect()
    }

    /// The Jobs of the AnalysisRun.
    fn jobs(&self) -> Jobs<'_> {
        self.engine.jobs(self.key, self.run)
    }

    /// Which Jobs the API server would refuse: found out before anything is measured, too.
    pub(super) async fn check_jobs(&self, measured: &[Measured]) -> Vec<Problem> {
        let in_force = measured
            .iter()
            .filter(|measured| is_job(measured) && !measured.metric.dry_run);
        let mut problems = Vec::new();
        for measured in in_force {
            problems.extend(self.jobs().check(measured).await);
        }
        problems
    }

    /// Which conditions can't be read: found out before anything is measured, too.
    pub(super) async fn check_conditions(&self, measured: &[Measured]) -> Vec<Problem> {
        let incomplete = measured.iter().filter(|measured| self.chosen.is_for(measured));
        let written = incomplete.flat_map(|measured| {
            let Conditions { success, failure } = &measured.conditions;
            let fields = [("successCondition", success), ("failureCondition", failure)];
            fields.map(|(field, condition)| (format!("{}.{field}", measured.path), condition.as_deref()))
        });
        let checks = written.map(async |(path, condition)| {
            let (condition, _place) = (condition?, self.place().await?);
            let checked = self.engine.conditions.check(&self.key.namespace, condition);
            let failure = checked.await.err()?;
            // What is only busy at the moment is found out when it is evaluated.
            let is_wrong = failure.cause.is_final();
            is_wrong.then(|| Problem::new(path, with_causes(&failure)))
        });
        join_all(checks).await.into_iter().flatten().collect()
    }

    /// Measures these metrics, all at the same time as far as there are places, those first that have waited longest. What
    /// is not measured by the time that all `is_decided` is waited for no longer: it counts as postponed. Only Jobs are
    /// waited for to the end of what is asked about them, as the API server may be creating them.
    pub(super) async fn measure(
        &self,
        due: impl Iterator<Item = &Measured>,
        is_decided: impl Fn(&[Taken]) -> bool,
    ) -> Answers {
        let mut due: Vec<&Measured> = due.collect();
        due.sort_by_key(|measured| self.last_measured(measured));
        let most = due.len().max(1);
        let decided = AtomicBool::new(false);
        let (mut jobs, mut calls) = (Vec::new(), Vec::with_capacity(most));
        for measured in due {
            if is_job(measured) {
                jobs.push(self.job(measured, &decided));
            } else {
                calls.push(self.measured(measured));
            }
        }
        let mut jobs = pin!(stream::iter(jobs).buffer_unordered(most));
        let mut calls = pin!(stream::iter(calls).buffer_unordered(most));
        let mut answers = Answers::default();
        {
            let mut either = stream::select(jobs.as_mut(), calls.as_mut());
            while let Some(call) = either.next().await {
                answers.add(call);
                if is_decided(&answers.taken) {
                    decided.store(true, Ordering::Relaxed);
                    break;
                }
            }
        }
        while let Some(job) = jobs.next().await {
            answers.add(job);
        }
        answers
    }

    /// None: the API server has no time now, or none is to be begun any more.
    async fn job(&self, measured: &Measured, is_decided: &AtomicBool) -> Option<Taken> {
        let jobs = self.jobs();
        let finding = jobs.measure(measured, self.result(measured), self.now, is_decided);
        Some(self.taken(measured, finding.await?))
    }

    /// None: there was no room for it, or its plugin is being loaded.
    async fn measured(&self, measured: &Measured) -> Option<Taken> {
        if self.chosen.is_loading(measured) {
            return None;
        }
        let finding = match (self.chosen.version(measured), self.secrets.of(measured)) {
            (Ok(version), Ok(secrets)) => self.evaluate(measured, version, secrets).await?,
            (Err(message), _) | (_, Err(message)) => Finding::Error(message),
        };
        Some(self.taken(measured, finding))
    }

    fn last_measured(&self, measured: &Measured) -> Option<Timestamp> {
        let last = self.result(measured)?.measurements.last()?;
        Some(last.finished_at.unwrap_or(last.started_at))
    }

    /// What was measured so far.
    fn result(&self, measured: &Measured) -> Option<&MetricResult> {
        let mut results = self.status.metric_results.iter();
        results.find(|result| result.name == measured.metric.name)
    }

    /// What one metric comes to; None: there was no room for the call, and the metric is no worse for it.
    async fn evaluate(
        &self,
        measured: &Measured,
        version: &InService,
        secrets: SecretTexts,
    ) -> Option<Finding> {
        let evaluate = |request| version.plugin.evaluate(request);
        let Finished { result, report } = self.call(measured, version, secrets, evaluate).await?;
        let name = &measured.metric.name;
        tracing::debug!(metric = name, fuel = report.fuel, time = ?report.time, "measured");
        match result {
            Ok(verdict) => {
                let (namespace, conditions) = (&self.key.namespace, &measured.conditions);
                let _place = self.place().await?;
                self.engine.conditions.judge(namespace, conditions, verdict).await
            }
            Err(failure) if failure.cause.is_for_want_of_room() => None,
            Err(failure) => Some(Finding::Error(with_causes(&failure))),
        }
    }

    /// Asks all gates together, also those that have allowed before: what counts is that all allow now.
    pub(super) async fn gates(&self, gates: &[Measured], next: NextStep) -> Answers {
        let answers = gates.iter().map(async |gate| {
            let version = match self.chosen.version(gate) {
                Ok(version) => version,
                Err(message) => return Err(message),
            };
            let decide = |request| version.plugin.decide(request, next);
            let finished = self.call(gate, version, SecretTexts::default(), decide).await;
            let Finished { result, report } = finished.ok_or(NO_ROOM)?;
            let name = &gate.metric.name;
            tracing::debug!(gate = name, fuel = report.fuel, time = ?report.time, "asked");
            result.map_err(|failure| with_causes(&failure))
        });
        // One that there was no room for holds as any that gives no answer: another's denial counts all the same.
        let answers = join_all(answers).await;
        let taken = gates
            .iter()
            .zip(gate::findings(answers))
            .map(|(gate, finding)| self.taken(gate, finding))
            .collect();
        Answers {
            taken,
            postponed: false,
        }
    }

    /// Makes a call, and makes it again where a provider had no place for its query and has one now. None: there was no
    /// place for the call itself.
    async fn call<T, Answer: Future<Output = Finished<T>>>(
        &self,
        measured: &Measured,
        version: &InService,
        secrets: SecretTexts,
        call: impl Fn(Request) -> Answer,
    ) -> Option<Finished<T>> {
        let providers = Arc::new(self.providers(measured, version).with_secrets(secrets.clone()));
        let mut again = 1..CALLS_FOR_PLACES;
        loop {
            let place = self.place().await?;
            let finished = call(self.request(measured, version, &secrets, &providers)).await;
            drop(place);
            self.engine.metrics.plugins.called(&measured.plugin, &finished);
            if finished.result.is_ok() || again.next().is_none() || !providers.wait_for_place().await {
                return Some(finished);
            }
        }
    }

    async fn place(&self) -> Option<Place> {
        self.engine.calls.wait(&self.key.namespace, WAIT_FOR_PLACE).await
    }

    fn taken(&self, measured: &Measured, finding: Finding) -> Taken {
        Taken {
            metric: measured.metric.name.clone(),
            started_at: self.now,
            finding,
        }
    }

    /// Whom the plugin asks: where the metric itself says it, nobody else.
    fn providers(&self, measured: &Measured, version: &InService) -> ForNamespace {
        let providers = self.engine.providers.for_namespace(&self.key.namespace);
        let providers = providers.with_servers(&measured.plugin, &version.servers);
        match &measured.source {
            Some(source) => providers.only(source, &version.grants),
            None => providers,
        }
    }

    fn request(
        &self,
        measured: &Measured,
        version: &InService,
        secrets: &SecretTexts,
        providers: &Arc<ForNamespace>,
    ) -> Request {
        let written = measured.configuration.to_string();
        // One that is too long already is refused as it is.
        let config = if version.secret_args && written.len() <= CONFIG_BYTES {
            secrets.put_into(&measured.configuration).to_string()
        } else {
            written
        };
        let name = &measured.metric.name;
        let result = self.result(measured);
        let (owner, hash) = (self.run.owner.as_deref(), self.run.hash.as_deref());
        let started_at = self.status.started_at.unwrap_or(self.now);
        let caches = &self.engine.caches;
        let mut subject = caches.read(|tables| subject::of(tables, self.key, owner, hash, name, started_at));
        subject.facts.extend(subject::arguments(self.arguments));
        Request {
            config,
            subject,
            now: self.now,
            previous: result
                .map(|result| past::of(result, measured.metric.gate))
                .unwrap_or_default(),
            state: result.and_then(|result| result.state.clone()),
            redaction: secrets.redaction().clone(),
            metrics: Arc::<ForNamespace>::clone(providers),
            http: Some(Arc::<ForNamespace>::clone(providers)),
            grants: match measured.source {
                Some(_) => BTreeSet::from([DEFAULT_PROVIDER.to_owned()]),
                None => version.grants.clone(),
            },
            limits: version.limits.clone(),
        }
    }
}
