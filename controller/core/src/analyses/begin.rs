//! Beginning analyses: which are due, what each is called, and what it is begun with.

use serde_json::Value;

use super::find;
use crate::analysis::run::AnalysisPhase;
use crate::blue_green::{self, Due};
use crate::draft::Draft;
use crate::gates;
use crate::observed::{AnalysisRunView, Judge, ReplicaSetView};
use crate::plan::{Action, Purpose, Version};
use crate::revisions::Revisions;
use crate::run_name;
use crate::spec::{Analysis, PromotionAnalysis, Spec, Step, StepExperiment};
use crate::status::AnalysisReference;

/// Begins the analyses that the step under way asks for.
pub(super) fn begin(draft: &mut Draft<'_>, spec: &Spec, revisions: &Revisions<'_>) {
    // The number is part of the name: it must be the one that stays.
    let number = revisions.current.map(|current| current.revision);
    if number.is_none() || draft.observed.rollout.revision != number {
        return;
    }
    let index = draft.status.current_step_index.unwrap_or(0);
    if let Some(background) = &spec.background
        && index >= background.starting_step
    {
        let known = draft.status.analyses.background.take();
        let run = run_of(&background.analysis, draft, revisions);
        let reference = self::run(draft, spec, revisions, Purpose::Background, run, known);
        draft.status.analyses.background = Some(reference);
    }
    begin_of_switch(draft, spec, revisions);
    if let Some(Step::Experiment(experiment)) = spec.step(index) {
        self::experiment(draft, spec, revisions, index, experiment);
    }
    let step = match spec.step(index) {
        Some(Step::Analysis(analysis)) => Some(run_of(analysis, draft, revisions)),
        Some(Step::Gate(gates)) => Some(gates::run(&gates.gates, gates::question_of_step(spec, index))),
        _ => None,
    };
    if let Some(run) = step {
        let known = draft.status.analyses.step.take();
        let reference = self::run(draft, spec, revisions, Purpose::Step(index), run, known);
        draft.status.analyses.step = Some(reference);
    }
    // Their answer would not outlast the pause.
    let is_asked = !draft.status.is_held_by_analysis();
    if let Some(next) = gates::question(&draft.status, spec).filter(|_| is_asked)
        && let Some(gates) = &spec.promotion_gates
    {
        let known = draft.status.analyses.gate.take();
        let run = gates::run(&gates.gates, next);
        let reference = self::run(draft, spec, revisions, Purpose::Gate(index), run, known);
        draft.status.analyses.gate = Some(reference);
    }
}

/// Begins the analyses around a blue-green switch, or looks after them.
fn begin_of_switch(draft: &mut Draft<'_>, spec: &Spec, revisions: &Revisions<'_>) {
    let Some(blue_green) = spec.blue_green() else {
        return;
    };
    let due = blue_green::due(draft, spec, blue_green, revisions);
    let goes_on = draft.status.analyses.pre_promotion.is_some();
    // What let the switch be made is not begun again.
    let is_over = blue_green::is_cleared(&draft.status);
    if let Some(pre_promotion) = &blue_green.pre_promotion
        && !is_over
        && (goes_on || due == Some(Due::PrePromotion))
    {
        let known = draft.status.analyses.pre_promotion.take();
        let run = run_of(&pre_promotion.analysis, draft, revisions);
        let reference = self::run(draft, spec, revisions, Purpose::PrePromotion, run, known);
        draft.status.analyses.pre_promotion = Some(reference);
    }
    let goes_on = draft.status.analyses.post_promotion.is_some();
    if let Some(post_promotion) = &blue_green.post_promotion
        && (goes_on || due == Some(Due::PostPromotion))
    {
        let known = draft.status.analyses.post_promotion.take();
        let run = run_of(&post_promotion.analysis, draft, revisions);
        let reference = self::run(draft, spec, revisions, Purpose::PostPromotion, run, known);
        draft.status.analyses.post_promotion = Some(reference);
    }
}

/// The spec of the `AnalysisRun` to create for `analysis`.
fn run_of(analysis: &Analysis, draft: &Draft<'_>, revisions: &Revisions<'_>) -> Value {
    analysis.run_with(draft.status.stable_hash.as_deref(), Some(&revisions.current_hash))
}

/// The experiment of the step of this index; it is created where it is not there yet, or was deleted before it had come to
/// its end.
fn experiment(
    draft: &mut Draft<'_>,
    spec: &Spec,
    revisions: &Revisions<'_>,
    index: u32,
    experiment: &StepExperiment,
) {
    let (Some(stable), Some(current)) = (revisions.stable, revisions.current) else {
        return;
    };
    let known = draft.status.analyses.step.take();
    let purpose = Purpose::Experiment(index);
    let reference = reference(draft, spec, revisions, purpose, known);
    let version = |replica_set: &ReplicaSetView| Version {
        hash: replica_set.hash.clone(),
        replica_set: replica_set.name.clone(),
    };
    if is_to_be_made(draft, &reference) {
        draft.act(Action::CreateExperiment {
            name: reference.name.clone(),
            step: index,
            experiment: experiment.definition.clone(),
            stable: version(stable),
            canary: version(current),
            revision: current.revision,
            definition: definition_of(spec, purpose).to_owned(),
        });
    }
    draft.status.analyses.step = Some(reference);
}

/// The analysis for `purpose`; it is created where it is not there yet, or was deleted before it had come to its end.
fn run(
    draft: &mut Draft<'_>,
    spec: &Spec,
    revisions: &Revisions<'_>,
    purpose: Purpose,
    run: Value,
    known: Option<AnalysisReference>,
) -> AnalysisReference {
    let reference = reference(draft, spec, revisions, purpose, known);
    if is_to_be_made(draft, &reference) {
        draft.act(Action::CreateAnalysisRun {
            name: reference.name.clone(),
            purpose,
            hash: revisions.current_hash.clone(),
            revision: revisions.current.map_or(0, |current| current.revision),
            definition: definition_of(spec, purpose).to_owned(),
            spec: run,
        });
    }
    reference
}

fn is_to_be_made(draft: &Draft<'_>, reference: &AnalysisReference) -> bool {
    find(&draft.observed.analysis_runs, reference).is_none() && !reference.phase.completed()
}

/// What judges for `purpose`: the one that is `known`, or another one.
fn reference(
    draft: &Draft<'_>,
    spec: &Spec,
    revisions: &Revisions<'_>,
    purpose: Purpose,
    known: Option<AnalysisReference>,
) -> AnalysisReference {
    let observed = draft.observed;
    let judge = match purpose {
        Purpose::Experiment(_) => Judge::Experiment,
        Purpose::Background
        | Purpose::Step(_)
        | Purpose::Gate(_)
        | Purpose::PrePromotion
        | Purpose::PostPromotion => Judge::AnalysisRun,
    };
    let is_taken = |name: &str| observed.analysis_names_taken.contains(name);
    // One that was deleted and does not go, for a finalizer perhaps, must not be waited for.
    let known = known.filter(|reference| reference.phase.completed() || !is_taken(&reference.name));
    known.unwrap_or_else(|| {
        let mut attempt = draft.status.analyses.attempt;
        let mut reference = AnalysisReference {
            name: name_of(draft, spec, revisions, purpose, attempt),
            phase: AnalysisPhase::Pending,
            message: String::new(),
            paused: false,
            judge,
        };
        // What has come to its end, or is about to, was for another time: a lost status does not revive it. Nor is what
        // was begun for another spec, by a plan that was cut off, taken for this one's.
        let is_past = |run: &AnalysisRunView| {
            run.terminate || run.phase.completed() || is_of_another(run, spec, purpose)
        };
        while is_taken(&reference.name) || find(&observed.analysis_runs, &reference).is_some_and(is_past) {
            attempt += 1;
            reference.name = name_of(draft, spec, revisions, purpose, attempt);
        }
        reference
    })
}

/// The name of an analysis.
pub(super) fn name_of(
    draft: &Draft<'_>,
    spec: &Spec,
    revisions: &Revisions<'_>,
    purpose: Purpose,
    attempt: u32,
) -> String {
    let rollout = &draft.observed.rollout.name;
    let hash = &revisions.current_hash;
    let revision = revisions.current.map_or(0, |current| current.revision);
    let gates = spec.promotion_gates.as_ref().map_or("", |gates| &gates.hash);
    let first = run_name::of(rollout, hash, revision, &run_name::suffix(purpose, gates));
    run_name::of_attempt(first, purpose, attempt)
}

/// Whether an analysis was begun with something else than what the spec asks for now: other steps, or another analysis
/// beside them. What a template says may change meanwhile, as in Argo Rollouts: an analysis keeps what it began with.
pub(super) fn is_of_another(run: &AnalysisRunView, spec: &Spec, purpose: Purpose) -> bool {
    let begun_with = run.definition.as_deref();
    begun_with.is_some_and(|definition| definition != definition_of(spec, purpose))
}

/// What the analysis for `purpose` is begun with, in a word.
fn definition_of(spec: &Spec, purpose: Purpose) -> &str {
    match purpose {
        Purpose::Background => spec.background.as_ref().map_or("", |background| &background.hash),
        Purpose::Step(_) | Purpose::Experiment(_) | Purpose::Gate(_) => &spec.steps_hash,
        Purpose::PrePromotion => hash_of(spec.blue_green().and_then(|it| it.pre_promotion.as_ref())),
        Purpose::PostPromotion => hash_of(spec.blue_green().and_then(|it| it.post_promotion.as_ref())),
    }
}

fn hash_of(analysis: Option<&PromotionAnalysis>) -> &str {
    analysis.map_or("", |analysis| &analysis.hash)
}
