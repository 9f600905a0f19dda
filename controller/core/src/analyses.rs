//! The analyses of a rollout: which are to run, and what their results mean for it.
//!
//! A name says which analysis it is: revision, step, attempt. It is created under that name and no other, so a plan
//! that was cut off finds what it has begun.

use serde_json::{Value, json};

use crate::analysis::run::AnalysisPhase;
use crate::draft::Draft;
use crate::gates;
use crate::observed::AnalysisRunView;
use crate::plan::{Action, Purpose};
use crate::revisions::Revisions;
use crate::run_name;
use crate::spec::{Analysis, Argument, ArgumentValue, Spec, Step};
use crate::status::{Analyses, AnalysisReference, PauseCondition, PauseReason, Status};

/// So many completed analyses are kept of those that were successful, and of the others: as in Argo Rollouts.
const KEPT: usize = 5;

/// Whether the step that waits for an analysis may be left.
pub(crate) fn step_is_passed(status: &Status) -> bool {
    let step = status.analyses.step.as_ref();
    step.is_some_and(|reference| reference.phase == AnalysisPhase::Successful)
}

/// Why the rollout was aborted, if an analysis brought it about. The words are those of Argo Rollouts.
pub(crate) fn verdict_against(status: &Status) -> Option<String> {
    let Analyses {
        background,
        step,
        gate,
        ..
    } = &status.analyses;
    let kinds = [
        ("Step-based analysis phase error/failed", step),
        ("Background analysis phase error/failed", background),
        ("Promotion gate denied", gate),
    ];
    kinds.into_iter().find_map(|(kind, reference)| {
        let reference = reference
            .as_ref()
            .filter(|reference| speaks_against(reference.phase))?;
        Some(format!("{kind}: {}", reference.message))
    })
}

/// What the rollout waits for, if it is an analysis or a gate.
pub(crate) fn waited_for(status: &Status, spec: &Spec) -> Option<String> {
    let Analyses {
        background,
        step,
        gate,
        ..
    } = &status.analyses;
    let gate = gate.as_ref().filter(|_| gates::hold(status, spec));
    let background = background
        .as_ref()
        .filter(|reference| is_held(reference.phase, &reference.message));
    let (what, reference) = match (step, gate, background) {
        (Some(step), ..) => ("analysis", step),
        (None, Some(gate), _) => ("gates", gate),
        (None, None, Some(background)) => ("analysis", background),
        (None, None, None) => return None,
    };
    let AnalysisReference { name, message, .. } = reference;
    if message.is_empty() {
        Some(format!("waiting for {what} {name:?}"))
    } else {
        Some(format!("waiting for {what} {name:?}: {message}"))
    }
}

/// Whether an analysis can't begin, and says why: it waits for people.
const fn is_held(phase: AnalysisPhase, message: &str) -> bool {
    matches!(phase, AnalysisPhase::Pending) && !message.is_empty()
}

const fn speaks_against(phase: AnalysisPhase) -> bool {
    matches!(phase, AnalysisPhase::Failed | AnalysisPhase::Error)
}

/// Forgets the analyses so far: the next ones begin anew.
pub(crate) fn begin_anew(draft: &mut Draft<'_>) {
    let analyses = &mut draft.status.analyses;
    analyses.consented = None;
    let begun = analyses.background.take().is_some()
        | analyses.step.take().is_some()
        | analyses.gate.take().is_some();
    analyses.attempt += u32::from(begun);
}

/// Takes up what the analyses have found: a failure aborts, doubt pauses.
pub(crate) fn heed(draft: &mut Draft<'_>, spec: &Spec, revisions: &Revisions<'_>) {
    forget_others(draft, spec, revisions);
    heed_failures(draft);
    if draft.status.abort || draft.status.promote_full || draft.status.fully_promoted() {
        return;
    }
    let held = draft.status.is_held_by_analysis();
    let resumed = take_doubt(&mut draft.status.analyses.background, held)
        | take_doubt(&mut draft.status.analyses.step, held)
        | take_doubt(&mut draft.status.analyses.gate, held);
    if resumed {
        draft.status.analyses.attempt += 1;
    } else {
        pause_in_doubt(draft);
    }
}

/// Takes up what the analyses have found, as far as it speaks against the new version: then it is aborted.
pub(crate) fn heed_failures(draft: &mut Draft<'_>) {
    let observed = &draft.observed.analysis_runs;
    let Analyses {
        background,
        step,
        gate,
        ..
    } = &mut draft.status.analyses;
    for reference in [background, step, gate].into_iter().flatten() {
        if let Some(run) = find(observed, &reference.name) {
            reference.phase = run.phase;
            reference.message.clone_from(&run.message);
        }
    }
    let status = &draft.status;
    let decided = status.abort || status.promote_full || status.fully_promoted();
    if !decided && verdict_against(status).is_some() {
        abort(draft);
    }
}

/// Forgets an analysis of another step than the one under way (a user may have gone on by hand), gates that are no
/// longer those of the spec, and what goes on beside the steps once the spec asks for something else there.
fn forget_others(draft: &mut Draft<'_>, spec: &Spec, revisions: &Revisions<'_>) {
    // What has aborted a rollout is told until it goes on.
    if revisions.current.is_none() || draft.status.abort {
        return;
    }
    let index = draft.status.current_step_index.unwrap_or(0);
    let base = |purpose| name_of(draft, spec, revisions, purpose, 0);
    let (step, gate) = (base(Purpose::Step(index)), base(Purpose::Gate(index)));
    let observed = &draft.observed.analysis_runs;
    let analyses = &mut draft.status.analyses;
    analyses.background.take_if(|reference| {
        let run = find(observed, &reference.name);
        spec.background.is_none() || run.is_some_and(|run| is_of_another(run, spec, Purpose::Background))
    });
    analyses
        .step
        .take_if(|reference| !is_attempt(&reference.name, &step));
    analyses
        .gate
        .take_if(|reference| !is_attempt(&reference.name, &gate));
}

/// Whether an analysis was begun with something else than what the spec asks for now: other steps, or another analysis
/// beside them. What a template says may change meanwhile, as in Argo Rollouts: an analysis keeps what it began with.
fn is_of_another(run: &AnalysisRunView, spec: &Spec, purpose: Purpose) -> bool {
    let begun_with = run.definition.as_deref();
    begun_with.is_some_and(|definition| definition != definition_of(spec, purpose))
}

/// What the analysis for `purpose` is begun with, in a word.
fn definition_of(spec: &Spec, purpose: Purpose) -> &str {
    match purpose {
        Purpose::Background => spec.background.as_ref().map_or("", |background| &background.hash),
        Purpose::Step(_) | Purpose::Gate(_) => &spec.steps_hash,
    }
}

/// Whether `name` is that of some attempt of the analysis whose first one is `base`.
fn is_attempt(name: &str, base: &str) -> bool {
    let rest = name.strip_prefix(base);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Traffic goes back to the stable version, as if the user had asked for it.
fn abort(draft: &mut Draft<'_>) {
    draft.status.abort = true;
    draft.status.aborted_at = Some(draft.now);
    draft.status.pause_conditions.clear();
    draft.status.controller_pause = false;
    draft.status.current_step_index = draft.status.current_step_index.map(|_| 0);
}

/// Forgets an analysis in doubt once the user has taken its pause away: another one is begun. True: it was so.
fn take_doubt(reference: &mut Option<AnalysisReference>, held: bool) -> bool {
    !held && reference.take_if(|reference| reference.paused).is_some()
}

fn pause_in_doubt(draft: &mut Draft<'_>) {
    let start_time = draft.now;
    let status = &mut draft.status;
    let held = status.is_held_by_analysis();
    let Analyses {
        background,
        step,
        gate,
        ..
    } = &mut status.analyses;
    let mut doubt = false;
    for reference in [background, step, gate].into_iter().flatten() {
        if reference.phase == AnalysisPhase::Inconclusive {
            reference.paused = true;
            doubt = true;
        }
    }
    if doubt && !held {
        let reason = PauseReason::InconclusiveAnalysisRun;
        status
            .pause_conditions
            .push(PauseCondition { reason, start_time });
    }
}

/// Begins the analyses that are to run, ends those that are not, and deletes old ones.
pub(crate) fn keep(draft: &mut Draft<'_>, spec: &Spec, revisions: &Revisions<'_>) {
    let under_way = is_under_way(draft, revisions);
    if under_way && !draft.hold && !spec.paused {
        begin(draft, spec, revisions);
    }
    // What a version was promoted with is in the history.
    if !under_way && !draft.status.abort {
        draft.status.analyses.background = None;
        draft.status.analyses.step = None;
        draft.status.analyses.gate = None;
    }
    let observed = draft.observed;
    let referred: Vec<String> = references(&draft.status)
        .map(|reference| reference.name.clone())
        .collect();
    let wanted = |run: &AnalysisRunView| under_way && referred.contains(&run.name);
    let superfluous = observed
        .analysis_runs
        .iter()
        .filter(|run| !(run.phase.completed() || run.terminate || wanted(run)));
    for run in superfluous {
        draft.act(Action::TerminateAnalysisRun {
            name: run.name.clone(),
            resource_version: run.resource_version.clone(),
        });
    }
    for run in old_runs(&observed.analysis_runs, &referred) {
        draft.act(Action::DeleteAnalysisRun {
            name: run.name.clone(),
            uid: run.uid.clone(),
            resource_version: run.resource_version.clone(),
        });
    }
}

/// Whether the analysis beside the steps is to judge the new version by now, and is not there or can't begin: nothing
/// more is risked until it does, for whoever asked for it expects that bad versions are taken back.
pub(crate) fn is_missing(draft: &Draft<'_>, spec: &Spec) -> bool {
    let status = &draft.status;
    let Some(background) = spec.background.as_ref().filter(|_| !status.promote_full) else {
        return false;
    };
    let is_there = |reference: &AnalysisReference| {
        let run = find(&draft.observed.analysis_runs, &reference.name);
        reference.phase.completed() || run.is_some_and(|run| !is_held(run.phase, &run.message))
    };
    let is_due = status.current_step_index.unwrap_or(0) >= background.starting_step;
    is_due && !status.analyses.background.as_ref().is_some_and(is_there)
}

/// Whether there is a new version on its way that analyses judge.
fn is_under_way(draft: &Draft<'_>, revisions: &Revisions<'_>) -> bool {
    let status = &draft.status;
    !status.abort && !status.promote_full && !status.fully_promoted() && !revisions.stable_is_current()
}

fn references(status: &Status) -> impl Iterator<Item = &AnalysisReference> {
    let Analyses {
        background,
        step,
        gate,
        ..
    } = &status.analyses;
    background.iter().chain(step).chain(gate)
}

/// Begins the analyses that the step under way asks for.
fn begin(draft: &mut Draft<'_>, spec: &Spec, revisions: &Revisions<'_>) {
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

/// The spec of the `AnalysisRun` to create for `analysis`.
fn run_of(analysis: &Analysis, draft: &Draft<'_>, revisions: &Revisions<'_>) -> Value {
    let mut run = analysis.run.clone();
    let args = analysis.args.iter().map(|Argument { name, value }| {
        let value = match value {
            ArgumentValue::Text(text) => Some(text),
            ArgumentValue::StableHash => draft.status.stable_hash.as_ref(),
            ArgumentValue::LatestHash => Some(&revisions.current_hash),
            ArgumentValue::Secret { name: secret, key } => {
                let reference = json!({"secretKeyRef": {"name": secret, "key": key}});
                return json!({"name": name, "valueFrom": reference});
            }
            ArgumentValue::Unknown => None,
        };
        value.map_or_else(
            || json!({"name": name}),
            |value| json!({"name": name, "value": value}),
        )
    });
    if let Some(run) = run.as_object_mut().filter(|_| !analysis.args.is_empty()) {
        run.insert("args".to_owned(), args.collect());
    }
    run
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
    let observed = draft.observed;
    let is_taken = |name: &str| observed.analysis_names_taken.contains(name);
    // One that was deleted and does not go, for a finalizer perhaps, must not be waited for.
    let known = known.filter(|reference| reference.phase.completed() || !is_taken(&reference.name));
    let reference = known.unwrap_or_else(|| {
        let mut attempt = draft.status.analyses.attempt;
        let mut name = name_of(draft, spec, revisions, purpose, attempt);
        // What has come to its end, or is about to, was for another time: a lost status does not revive it. Nor is what
        // was begun for another spec, by a plan that was cut off, taken for this one's.
        let is_past = |run: &AnalysisRunView| {
            run.terminate || run.phase.completed() || is_of_another(run, spec, purpose)
        };
        while is_taken(&name) || find(&observed.analysis_runs, &name).is_some_and(is_past) {
            attempt += 1;
            name = name_of(draft, spec, revisions, purpose, attempt);
        }
        AnalysisReference {
            name,
            phase: AnalysisPhase::Pending,
            message: String::new(),
            paused: false,
        }
    });
    if find(&draft.observed.analysis_runs, &reference.name).is_none() && !reference.phase.completed() {
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

/// The name of an analysis.
fn name_of(
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
    run_name::of(
        rollout,
        hash,
        revision,
        &run_name::suffix(purpose, gates),
        attempt,
    )
}

fn find<'runs>(runs: &'runs [AnalysisRunView], name: &str) -> Option<&'runs AnalysisRunView> {
    runs.iter().find(|run| run.name == name)
}

/// Completed analyses beyond the number to keep, oldest first; of the successful and of the others apart.
fn old_runs<'runs>(
    runs: &'runs [AnalysisRunView],
    referred: &[String],
) -> impl Iterator<Item = &'runs AnalysisRunView> {
    let completed = runs
        .iter()
        .filter(|run| run.phase.completed() && !referred.contains(&run.name));
    let (mut successful, mut others): (Vec<_>, Vec<_>) =
        completed.partition(|run| run.phase == AnalysisPhase::Successful);
    for kind in [&mut successful, &mut others] {
        kind.sort_by(|one, other| (one.created, &one.name).cmp(&(other.created, &other.name)));
        kind.truncate(kind.len().saturating_sub(KEPT));
    }
    successful.into_iter().chain(others)
}
