//! Whether plugins take the configurations that Rollouts have for them, and whether their conditions can be read: found out
//! when a Rollout is observed, so that nothing new begins that its own analyses could not judge.
//!
//! A reconcile does not wait for plugins, however slow they are: they are asked beside it, within the limits and the share
//! of every call, and the Rollout is looked at again when they have answered. Answers are kept ([`answers`]). What could not
//! be asked, because a plugin is not in service or has no room, is no refusal: its analysis finds out when it is to begin.

mod answers;
mod field;
mod question;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use kulta_api::analysis::{Planned, is_known};
use kulta_core::spec::Problem;
use kulta_core::text;
use kulta_core::text::with_causes;
use kulta_plugin_host::Conditions;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use self::answers::{Answer, Answers};
use self::question::{Key, Question, Refusal, Topic};
use super::Instruments;
use super::jobs::is_job;
use super::plugins::{InService, Plugins, ServiceState};
use super::providers::Providers;
use super::shares::{Place, Shares};
use crate::key::ObjectKey;
use crate::metrics::Metrics;
use crate::queue::Requests;

/// A reconcile that something new depends on waits no longer for answers. Most take a millisecond: with them, what is
/// refused is told by the first status, instead of one that says that it is being looked at.
const MOMENT: Duration = Duration::from_millis(100);
/// What is new waits no longer for answers: the limits of a call with the wait for its place, twice. Then it begins, and its
/// analyses find out.
const HOLD_AT_MOST: Duration = Duration::from_secs(30);
/// A call waits no longer for a place.
const WAIT_FOR_PLACE: Duration = Duration::from_secs(5);
/// How soon a Rollout is looked at again for which there was no place to ask.
const PLACE_RETRY: Duration = Duration::from_secs(1);
/// What could not be asked for want of room is asked again after this time.
const ASK_AGAIN: Duration = Duration::from_mins(1);
/// Rollouts whose plugins are asked at the same time, and those of one namespace.
const ROUNDS: usize = 16;
const ROUNDS_OF_NAMESPACE: usize = 4;
/// The configurations that are asked about in one round, in bytes: all rounds together must not take much memory.
const ROUND_BYTES: usize = 256 << 10;
/// So many metrics and gates of one Rollout are asked about; the rest is left to their analyses. A few Rollouts must not
/// push the answers of all others out, each time they are looked at.
const MOST_ASKED: usize = 500;
/// So many refusals of one Rollout are told: nobody mends more at once, and a message has its limits.
const MOST_TOLD: usize = 10;

/// Asks plugins about configurations, and knows what they have answered.
pub struct PluginChecks {
    plugins: Arc<Plugins>,
    providers: Arc<Providers>,
    conditions: Arc<Conditions>,
    calls: Arc<Shares>,
    metrics: Arc<Metrics>,
    /// Where it is asked for that a Rollout is looked at again.
    requests: Requests,
    rounds: Shares,
    answers: Mutex<Answers>,
    rollouts: Mutex<BTreeMap<ObjectKey, Concern>>,
}

/// What is known of a Rollout.
#[derive(Debug, Default)]
struct Concern {
    /// The names of the plugins that it names.
    plugins: BTreeSet<String>,
    /// Some are being asked.
    is_asking: bool,
    /// Since when the generation that is to begin waits.
    waits: Option<(i64, Instant)>,
}

/// What plugins say of the configurations of a Rollout.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// What they refuse.
    pub problems: Vec<Problem>,
    /// Some are being asked, and what is new is to wait for them.
    pub is_awaited: bool,
}

/// One asking of the plugins of a Rollout. However it ends, the Rollout is looked at after it.
struct Round {
    checks: Arc<PluginChecks>,
    rollout: ObjectKey,
    ended: Option<oneshot::Sender<()>>,
    _place: Place,
}

impl Drop for Round {
    fn drop(&mut self) {
        if let Some(concern) = self.checks.rollouts.lock().get_mut(&self.rollout) {
            concern.is_asking = false;
        }
        let is_waited_for = self.ended.take().is_some_and(|ended| ended.send(()).is_ok());
        if !is_waited_for {
            self.checks.requests.all_now([self.rollout.clone()]);
        }
    }
}

impl PluginChecks {
    /// Checks by these `instruments`; `requests` is where Rollouts are asked to be looked at.
    #[must_use]
    pub fn new(instruments: &Instruments, metrics: Arc<Metrics>, requests: Requests) -> Self {
        Self {
            plugins: Arc::clone(&instruments.plugins),
            providers: Arc::clone(&instruments.providers),
            conditions: Arc::clone(&instruments.conditions),
            calls: Arc::clone(&instruments.calls),
            metrics,
            requests,
            rounds: Shares::new(ROUNDS, ROUNDS_OF_NAMESPACE),
            answers: Mutex::default(),
            rollouts: Mutex::default(),
        }
    }

    /// What plugins say of what the Rollout `key` is going to have measured. `begins` is its generation if something new
    /// may begin with that: only then their answers are waited for.
    pub async fn check(
        self: &Arc<Self>,
        key: &ObjectKey,
        planned: &[Planned],
        begins: Option<i64>,
    ) -> Checked {
        self.note(key, planned);
        let mut seen = self.look_up(&key.namespace, planned);
        if !seen.open.is_empty() {
            let ended = self.ask(key, std::mem::take(&mut seen.open));
            seen.is_open = true;
            if let Some(ended) = ended.filter(|_| begins.is_some())
                && is_sent_within_a_moment(ended).await
            {
                seen = self.look_up(&key.namespace, planned);
                seen.is_open = !seen.open.is_empty();
                if seen.is_open {
                    self.look_again(key, Duration::ZERO);
                }
            }
        }
        seen.problems.truncate(MOST_TOLD);
        Checked {
            is_awaited: self.is_awaited(key, begins.filter(|_| seen.is_open)),
            problems: seen.problems,
        }
    }

    /// Looks for changes of plugins for ever: the Rollouts that name them are looked at again.
    pub async fn run(self: Arc<Self>) -> Infallible {
        let mut changed = self.plugins.subscribe();
        let mut before = self.plugins.in_service();
        loop {
            if changed.changed().await.is_err() {
                // The plugins are gone, and the process with them.
                std::future::pending::<()>().await;
            }
            let now = self.plugins.in_service();
            self.requests.all_now(self.concerned(&before, &now));
            before = now;
        }
    }

    /// Forgets a Rollout that is gone.
    pub fn forget(&self, key: &ObjectKey) {
        self.rollouts.lock().remove(key);
    }

    /// The Rollouts that name a plugin of which another version is in service, or for which the operator says something
    /// else.
    fn concerned(&self, before: &ServiceState, now: &ServiceState) -> Vec<ObjectKey> {
        let rollouts = self.rollouts.lock();
        let is_concerned = |concern: &Concern| {
            let mut names = concern.plugins.iter();
            names.any(|name| now.differs_from(before, name))
        };
        let concerned = rollouts.iter().filter(|(_, concern)| is_concerned(concern));
        concerned.map(|(key, _)| key.clone()).collect()
    }

    fn note(&self, key: &ObjectKey, planned: &[Planned]) {
        let names: BTreeSet<_> = planned
            .iter()
            .filter(|planned| !is_job(&planned.measured))
            .map(|planned| planned.measured.plugin.clone())
            .collect();
        let mut rollouts = self.rollouts.lock();
        if names.is_empty() && rollouts.get(key).is_none_or(|concern| !concern.is_asking) {
            rollouts.remove(key);
            return;
        }
        rollouts.entry(key.clone()).or_default().plugins = names;
    }

    /// Whether the generation that `begins` is to wait, although it has for some time.
    fn is_awaited(&self, key: &ObjectKey, begins: Option<i64>) -> bool {
        let mut rollouts = self.rollouts.lock();
        let Some(concern) = rollouts.get_mut(key) else {
            return false;
        };
        let Some(generation) = begins else {
            concern.waits = None;
            return false;
        };
        let same = concern.waits.filter(|(waiting, _)| *waiting == generation);
        let waits = same.unwrap_or((generation, Instant::now()));
        concern.waits = Some(waits);
        waits.1.elapsed() < HOLD_AT_MOST
    }

    /// What is known, and what has to be asked.
    fn look_up<'p>(&self, namespace: &str, planned: &'p [Planned]) -> Seen<'p> {
        let mut seen = Seen::default();
        // A metric on trial ends nothing: what is wrong with it comes out when it is measured.
        let ending = planned.iter().filter(|planned| !planned.measured.metric.dry_run);
        // What is wrong with a Job, the API server tells the analysis that is to run it.
        let ending = ending.filter(|planned| !is_job(&planned.measured));
        for planned in ending.take(MOST_ASKED) {
            if let Ok(version) = self.plugins.get(&planned.measured.plugin, namespace, None) {
                let refused = question::misused(planned, &version)
                    .or_else(|| self.may_not_be_asked(namespace, planned, &version));
                match refused {
                    Some(problem) => seen.problems.push(problem),
                    None => self.see(
                        namespace,
                        Question::of_configuration(planned, &version),
                        &mut seen,
                    ),
                }
            }
            for question in Question::of_conditions(planned) {
                self.see(namespace, question, &mut seen);
            }
        }
        seen
    }

    fn see<'p>(&self, namespace: &str, question: Question<'p>, seen: &mut Seen<'p>) {
        match self.answers.lock().get(&question.key, namespace, Instant::now()) {
            Some(Answer::Refused(refusal)) => seen.problems.extend(question.problem(refusal)),
            Some(Answer::Accepted | Answer::Unanswered { .. }) => {}
            None => seen.open.push(question),
        }
    }

    /// What is wrong with the address that a metric has for its plugin to ask.
    fn may_not_be_asked(&self, namespace: &str, planned: &Planned, version: &InService) -> Option<Problem> {
        let name = &planned.measured.plugin;
        let servers = self
            .providers
            .for_namespace(namespace)
            .with_servers(name, &version.servers);
        if let Some((field, message)) = servers.refuses_url_of(&planned.measured) {
            return Some(planned.problem(format!("{}.{field}", planned.configuration_path()), message));
        }
        let source = planned.measured.source.as_ref()?;
        // Without one it is for whoever operates KULTA, and for the analysis to tell.
        let address = source.address.as_ref()?;
        if !is_known(&Value::String(address.clone())) {
            return None;
        }
        let providers = self.providers.for_namespace(namespace);
        let message = providers.only(source, &version.grants).refusal()?;
        Some(planned.problem(format!("{}.address", planned.configuration_path()), message))
    }

    /// Asks beside the reconcile. None: they are being asked already, or there is no place.
    fn ask(self: &Arc<Self>, key: &ObjectKey, open: Vec<Question<'_>>) -> Option<oneshot::Receiver<()>> {
        let mut rollouts = self.rollouts.lock();
        let concern = rollouts.get_mut(key).filter(|concern| !concern.is_asking)?;
        let Some(place) = self.rounds.take(&key.namespace) else {
            self.look_again(key, PLACE_RETRY);
            return None;
        };
        concern.is_asking = true;
        let mut bytes = 0;
        let fits = |question: &Question<'_>| {
            let is_first = bytes == 0;
            bytes += question.bytes();
            is_first || bytes <= ROUND_BYTES
        };
        let topics: Vec<_> = open
            .into_iter()
            .take_while(fits)
            .map(|question| (question.key, question.topic))
            .collect();
        let (sender, ended) = oneshot::channel();
        let round = Round {
            checks: Arc::clone(self),
            rollout: key.clone(),
            ended: Some(sender),
            _place: place,
        };
        tokio::spawn(async move { round.run(topics).await });
        Some(ended)
    }

    /// Asks for another look at a Rollout in so much time.
    fn look_again(&self, key: &ObjectKey, delay: Duration) {
        self.requests.at(Instant::now() + delay, key.clone());
    }

    /// What comes of asking one question.
    async fn answer(&self, namespace: &str, topic: &Topic) -> Answer {
        let unanswered = || Answer::Unanswered {
            namespace: namespace.to_owned(),
            until: Instant::now() + ASK_AGAIN,
        };
        let Some(_place) = self.calls.wait(namespace, WAIT_FOR_PLACE).await else {
            return unanswered();
        };
        match topic {
            Topic::Condition(condition) => match self.conditions.check(namespace, condition).await {
                Ok(()) => Answer::Accepted,
                Err(failure) if failure.cause.is_final() => {
                    Answer::Refused(Refusal::Other(text::message(&with_causes(&failure))))
                }
                Err(_busy) => unanswered(),
            },
            Topic::Configuration {
                version,
                configuration,
            } => {
                let InService { plugin, limits, .. } = version.as_ref();
                let checked = plugin
                    .check_config(namespace, configuration, Timestamp::now(), limits)
                    .await;
                let name = &plugin.identity().name;
                self.metrics.plugins.called(name, &checked);
                match checked.result.map_err(|failure| failure.cause) {
                    Err(cause) if cause.is_final() => Answer::Refused(Refusal::of(&cause)),
                    Err(cause) if cause.is_for_want_of_room() => unanswered(),
                    // What may be well the next time is left to measuring, and its limits.
                    Ok(()) | Err(_) => Answer::Accepted,
                }
            }
        }
    }
}

impl Round {
    async fn run(self, topics: Vec<(Key, Topic)>) {
        let namespace = &self.rollout.namespace;
        let checks = &self.checks;
        let answers = topics.into_iter().map(async |(key, topic)| {
            let answer = checks.answer(namespace, &topic).await;
            let is_open = matches!(answer, Answer::Unanswered { .. });
            checks.answers.lock().keep(key, answer);
            is_open
        });
        if join_all(answers).await.contains(&true) {
            checks.look_again(&self.rollout, ASK_AGAIN);
        }
    }
}

/// What is known of the plans of a Rollout.
#[derive(Default)]
struct Seen<'p> {
    problems: Vec<Problem>,
    open: Vec<Question<'p>>,
    is_open: bool,
}

/// Whether a round has ended by now, or ends in a moment. If not, it asks for another look at its end.
async fn is_sent_within_a_moment(mut ended: oneshot::Receiver<()>) -> bool {
    if timeout(MOMENT, &mut ended).await.is_ok() {
        return true;
    }
    ended.close();
    ended.try_recv().is_ok()
}

#[cfg(test)]
mod tests;
