//! Transitions: the facts that tell how one status became the next.

use jiff::Timestamp;

use crate::analyses;
use crate::analysis::run::AnalysisPhase;
use crate::history::{Cause, Evidence, Fact, FactKind, Origin};
use crate::observed::{AnalysisRunView, Judge, Observed};
use crate::spec::Weight;
use crate::status::{AnalysisReference, ConditionType, Reason, Status};
use crate::{rollback, text};

use availability::Telling;

mod attempt;
mod availability;

/// No fact tells of more metrics.
const MOST_EVIDENCE: usize = 8;
/// No name or value of a metric is longer in a fact: more than any number, and than most words.
const EVIDENCE_BYTES: usize = 128;

/// What there is to tell.
#[derive(Debug)]
pub(crate) struct Transitions {
    /// The facts, in order.
    pub(crate) facts: Vec<Fact>,
    /// When there is more to tell, if all stays as it is.
    pub(crate) more_at: Option<Timestamp>,
}

/// The facts between `old` and `new`, numbered after those of the history.
pub(crate) fn between(old: &Status, new: &Status, observed: &Observed, now: Timestamp) -> Transitions {
    let mut facts = Facts::new(new, observed, now);
    revision(&mut facts, old, new);
    analyses_of(&mut facts, old, new);
    user_actions(&mut facts, old, new);
    skipped_steps(&mut facts, old, new);
    traffic(&mut facts, old, new);
    switch(&mut facts, old, new);
    steps(&mut facts, old, new);
    pauses(&mut facts, old, new);
    promotion(&mut facts, old, new);
    let more_at = phase(&mut facts, old, new, now);
    attempt::end(&mut facts, old, new);
    let first = next_sequence(old, observed, now);
    attempt::number(&mut facts.list, old, first);
    for fact in &mut facts.list {
        // One fact must not push the others out of the history.
        fact.message = text::message(&fact.message);
    }
    Transitions {
        facts: facts.list,
        more_at,
    }
}

/// The number of the next fact. Where a history was lost, counting goes on from the time in milliseconds: facts come
/// more slowly than one a millisecond, so no number is used twice.
fn next_sequence(old: &Status, observed: &Observed, now: Timestamp) -> u64 {
    match old.history.last() {
        Some(last) => last.sequence + 1,
        None if observed.replica_sets.is_empty() && observed.rollout.revision.is_none() => 1,
        None => u64::try_from(now.as_millisecond()).unwrap_or(1),
    }
}

/// The facts of one decision, in the making.
struct Facts<'a> {
    list: Vec<Fact>,
    observed: &'a Observed,
    /// Where the rollout stands after the decision: what each fact tells beside its own.
    snapshot: Fact,
}

impl<'a> Facts<'a> {
    fn new(new: &Status, observed: &'a Observed, now: Timestamp) -> Self {
        let traffic = new.traffic.as_ref();
        let switched = new.switched_share();
        let snapshot = Fact {
            revision: new.current_pod_hash.clone(),
            stable: new.stable_hash.clone(),
            step: new.current_step_index,
            // The history is told in percent, whatever the routes count in.
            weight: traffic.map(|traffic| traffic.requested.in_percent()).or(switched),
            in_force: traffic
                .and_then(|traffic| traffic.in_force)
                .map(Weight::in_percent)
                .or(switched),
            phase: Some(new.phase),
            ..Fact::new(FactKind::Unknown, Cause::Controller, now)
        };
        Self {
            list: Vec::new(),
            observed,
            snapshot,
        }
    }

    /// Adds a fact, and hands it out for what more there is to tell.
    fn push(&mut self, kind: FactKind, cause: Cause) -> Option<&mut Fact> {
        self.list.push(Fact {
            kind,
            cause,
            ..self.snapshot.clone()
        });
        self.list.last_mut()
    }

    /// Adds a fact that an event with an artifact is made of.
    fn push_with_origin(&mut self, kind: FactKind, cause: Cause) -> Option<&mut Fact> {
        let hash = self.snapshot.revision.as_deref();
        let image = hash
            .and_then(|hash| self.image(hash))
            .or_else(|| self.observed.template.image.clone());
        let origin = &self.observed.rollout.origin;
        let origin = (*origin != Origin::default()).then(|| Box::new(origin.clone()));
        let fact = self.push(kind, cause)?;
        fact.image = image;
        fact.origin = origin;
        Some(fact)
    }

    /// The image of a revision.
    fn image(&self, hash: &str) -> Option<String> {
        let mut found = self
            .observed
            .replica_sets
            .iter()
            .filter(|found| found.hash == hash);
        found.find_map(|found| found.image.clone())
    }
}

fn revision(facts: &mut Facts<'_>, old: &Status, new: &Status) {
    if old.current_pod_hash != new.current_pod_hash {
        let back = new.fully_promoted() && old.stable_hash == new.stable_hash && old.stable_hash.is_some();
        let fact = if back {
            facts.push(FactKind::RolledBack, Cause::Spec)
        } else {
            attempt::supersede(facts, old, Cause::Spec);
            facts.push_with_origin(FactKind::Started, Cause::Spec)
        };
        if let Some(fact) = fact {
            fact.from.clone_from(&old.current_pod_hash);
        }
    } else if old.current_step_hash != new.current_step_hash {
        facts.push(FactKind::StepsChanged, Cause::Spec);
    }
}

fn user_actions(facts: &mut Facts<'_>, old: &Status, new: &Status) {
    let same = old.current_pod_hash == new.current_pod_hash;
    match (old.aborted_at, new.aborted_at) {
        (None, Some(_)) if old.abort => {
            facts.push_with_origin(FactKind::Aborted, Cause::User);
        }
        (None, Some(_)) => {
            let decided = analyses::decided_against(new);
            let evidence =
                decided.map(|(_, reference)| evidence_of(facts.observed, reference.judge, &reference.name));
            let (cause, message) = match analyses::verdict_against(new) {
                Some(verdict) => (Cause::Analysis, verdict),
                None => (Cause::Controller, passed_deadline(new)),
            };
            if let Some(fact) = facts.push_with_origin(FactKind::Aborted, cause) {
                fact.message = message;
                fact.evidence = evidence.unwrap_or_default();
            }
        }
        (Some(_), None) if same && !new.fully_promoted() => {
            attempt::supersede(facts, old, Cause::User);
            facts.push_with_origin(FactKind::Retried, Cause::User);
        }
        _ => {}
    }
}

/// What is said of the progress deadline when it has just passed.
fn passed_deadline(new: &Status) -> String {
    let progressing = new.condition(ConditionType::Progressing);
    let passed = progressing.filter(|condition| condition.reason == Reason::ProgressDeadlineExceeded);
    passed.map_or_else(String::new, |passed| passed.message.clone())
}

/// A version within the rollback window is promoted in full by the controller itself.
fn skipped_steps(facts: &mut Facts<'_>, old: &Status, new: &Status) {
    if new.promote_full
        && !old.promote_full
        && let Some(fact) = facts.push(FactKind::StepsSkipped, Cause::Controller)
    {
        rollback::WITHIN_WINDOW.clone_into(&mut fact.message);
    }
}

fn analyses_of(facts: &mut Facts<'_>, old: &Status, new: &Status) {
    let observed = facts.observed;
    // Told with the pause that it is.
    let is_told = ends_pause(old, new);
    let (old, new) = (&old.analyses, &new.analyses);
    let pairs = [
        (&old.background, &new.background),
        (&old.step, &new.step),
        (&old.gate, &new.gate),
        (&old.pre_promotion, &new.pre_promotion),
        (&old.post_promotion, &new.post_promotion),
    ];
    for (before, after) in pairs {
        let doubted = before.as_ref().filter(|before| before.paused);
        let is_taken_up =
            doubted.is_some_and(|doubted| after.as_ref().is_some_and(|after| after.name != doubted.name));
        if is_taken_up && !is_told {
            facts.push(FactKind::Resumed, Cause::User);
        }
        let same = |one: &AnalysisReference, other: &AnalysisReference| one.name == other.name;
        let stays = before
            .iter()
            .zip(after)
            .any(|(before, after)| same(before, after));
        // What let the rollout go on is forgotten as it does.
        if let Some(before) = before
            .as_ref()
            .filter(|before| !stays && !before.phase.completed())
        {
            let mut runs = observed.analysis_runs.iter();
            let run = runs.find(|run| run.judge == before.judge && run.name == before.name && !run.terminate);
            if let Some(run) = run.filter(|run| run.phase.completed()) {
                completed(facts, run.judge, &run.name, run.phase, &run.message);
            }
        }
        let Some(after) = after else { continue };
        let before = before.as_ref().filter(|_| stays);
        if before.is_none()
            && let Some(fact) = facts.push(FactKind::AnalysisStarted, Cause::Controller)
        {
            fact.message.clone_from(&after.name);
        }
        if after.phase.completed() && !before.is_some_and(|before| before.phase.completed()) {
            completed(facts, after.judge, &after.name, after.phase, &after.message);
        }
    }
}

fn completed(facts: &mut Facts<'_>, judge: Judge, name: &str, phase: AnalysisPhase, message: &str) {
    let evidence = evidence_of(facts.observed, judge, name);
    if let Some(fact) = facts.push(FactKind::AnalysisCompleted, Cause::Analysis) {
        fact.message = format!("{name}: {}: {message}", phase.as_str());
        fact.evidence = evidence;
    }
}

/// What the analysis of that name measured last.
fn evidence_of(observed: &Observed, judge: Judge, name: &str) -> Vec<Evidence> {
    let mut runs = observed.analysis_runs.iter();
    let run = runs.find(|run| run.judge == judge && run.name == name);
    run.map(evidence).unwrap_or_default()
}

/// What an analysis measured last, the metrics that decided it ahead of the others, within what a fact can hold.
fn evidence(run: &AnalysisRunView) -> Vec<Evidence> {
    let mut evidence = run.evidence.clone();
    evidence.sort_by_key(|measured| measured.phase != run.phase);
    evidence.truncate(MOST_EVIDENCE);
    for measured in &mut evidence {
        measured.metric = text::cut(&measured.metric, EVIDENCE_BYTES).into_owned();
        measured.value = text::cut(&measured.value, EVIDENCE_BYTES).into_owned();
    }
    evidence
}

fn traffic(facts: &mut Facts<'_>, old: &Status, new: &Status) {
    let Some(traffic) = &new.traffic else { return };
    let before = old.traffic.as_ref();
    if before.map(|before| before.requested) != Some(traffic.requested) {
        facts.push(FactKind::WeightRequested, Cause::Controller);
    }
    if traffic.verified && before.and_then(|before| before.in_force) != Some(traffic.requested) {
        facts.push(FactKind::WeightInForce, Cause::Controller);
    }
}

/// The Service that all users ask selects another revision.
fn switch(facts: &mut Facts<'_>, old: &Status, new: &Status) {
    // What a lost status knew of is not told again.
    let (Some(before), Some(after)) = (&old.blue_green, &new.blue_green) else {
        return;
    };
    let (before, after) = (before.active_selector.clone(), after.active_selector.clone());
    if before == after {
        return;
    }
    let Some(after) = after else { return };
    if let Some(fact) = facts.push(FactKind::Switched, Cause::Controller) {
        fact.message = format!("all users meet the revision {after}");
        fact.from = before;
    }
}

fn steps(facts: &mut Facts<'_>, old: &Status, new: &Status) {
    let same = old.current_pod_hash == new.current_pod_hash && old.current_step_hash == new.current_step_hash;
    if let (Some(from), Some(to)) = (old.current_step_index, new.current_step_index)
        && same
        && to == from + 1
        && let Some(fact) = facts.push(FactKind::StepCompleted, Cause::Controller)
    {
        fact.step = Some(from);
    }
}

fn pauses(facts: &mut Facts<'_>, old: &Status, new: &Status) {
    if let Some(pause) = new
        .pause_conditions
        .iter()
        .find(|pause| !old.pause_conditions.contains(pause))
        && let Some(fact) = facts.push(FactKind::Paused, Cause::Controller)
    {
        fact.message = format!("{:?}", pause.reason);
    }
    if ends_pause(old, new) {
        let cause = if old.pause_conditions.is_empty() {
            Cause::User
        } else {
            Cause::Controller
        };
        facts.push(FactKind::Resumed, cause);
    }
}

fn ends_pause(old: &Status, new: &Status) -> bool {
    old.controller_pause && !new.controller_pause
}

fn promotion(facts: &mut Facts<'_>, old: &Status, new: &Status) {
    if new.fully_promoted() && old.stable_hash != new.stable_hash {
        let cause = if old.promote_full {
            Cause::User
        } else {
            Cause::Controller
        };
        if let Some(fact) = facts.push_with_origin(FactKind::Promoted, cause) {
            fact.from.clone_from(&old.stable_hash);
        }
    }
}

/// Tells a change of the phase; answers when to look at it again, where it has to wait. Beside another fact, which has the
/// phase, too, nothing has to wait.
fn phase(facts: &mut Facts<'_>, old: &Status, new: &Status, now: Timestamp) -> Option<Timestamp> {
    let telling = match facts.list.is_empty() {
        true => availability::telling(old, new, now),
        false if old.phase == new.phase => Telling::No,
        false => Telling::Now(String::new()),
    };
    match telling {
        Telling::No => None,
        Telling::Now(words) => {
            if let Some(fact) = facts.push(FactKind::PhaseChanged, Cause::Controller) {
                fact.message = words;
            }
            None
        }
        Telling::At(time) => Some(time),
    }
}
