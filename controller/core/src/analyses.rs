//! The analyses of a rollout: which are to run, and what their results mean for it.
//!
//! A name says which analysis it is: revision, step, attempt. It is created under that name and no other, so a plan
//! that was cut off finds what it has begun.

use crate::analysis::run::AnalysisPhase;
use crate::draft::Draft;
use crate::observed::{AnalysisRunView, Judge};
use crate::plan::{Action, Purpose};
use crate::revisions::Revisions;
use crate::spec::{RunHistory, Spec, Step, Weight};
use crate::status::{Analyses, AnalysisReference, PauseCondition, PauseReason, Status};
use crate::traffic::remembered_by;
use crate::{blue_green, gates, intent, run_name};

use self::begin::{begin, is_of_another, name_of};

mod begin;

/// Whether the step that waits for an analysis may be left.
pub(crate) fn step_is_passed(status: &Status) -> bool {
    let step = status.analyses.step.as_ref();
    step.is_some_and(|reference| reference.phase == AnalysisPhase::Successful)
}

/// Why the rollout was aborted, if an analysis brought it about. The words are those of Argo Rollouts.
pub(crate) fn verdict_against(status: &Status) -> Option<String> {
    let (kind, reference) = decided_against(status)?;
    Some(format!("{kind}: {}", reference.message))
}

/// The analysis that has decided against the new version, and what that is called.
pub(crate) fn decided_against(status: &Status) -> Option<(&'static str, &AnalysisReference)> {
    let analyses = &status.analyses;
    let of_step = match analyses.step.as_ref().map(|step| step.judge) {
        Some(Judge::Experiment) => "Experiment analysis phase is error/failed",
        Some(Judge::AnalysisRun) | None => "Step-based analysis phase error/failed",
    };
    let kinds = [
        (of_step, &analyses.step),
        ("Background analysis phase error/failed", &analyses.background),
        ("Promotion gate denied", &analyses.gate),
        (
            "Blue/green pre-promotion analysis phase error/failed",
            &analyses.pre_promotion,
        ),
        (
            "Blue/green post-promotion analysis phase error/failed",
            &analyses.post_promotion,
        ),
    ];
    kinds.into_iter().find_map(|(kind, reference)| {
        let reference = reference
            .as_ref()
            .filter(|reference| speaks_against(reference.phase))?;
        Some((kind, reference))
    })
}

/// What the rollout waits for, if it is an analysis or a gate.
pub(crate) fn waited_for(status: &Status, spec: &Spec) -> Option<String> {
    let analyses = &status.analyses;
    let goes_on = |reference: &&AnalysisReference| !reference.phase.completed();
    let of_switch = [&analyses.pre_promotion, &analyses.post_promotion];
    let awaited = analyses
        .step
        .as_ref()
        .or_else(|| of_switch.into_iter().flatten().find(goes_on));
    let gate = analyses.gate.as_ref().filter(|_| gates::hold(status, spec));
    let background = analyses
        .background
        .as_ref()
        .filter(|reference| is_held(reference.phase, &reference.message));
    let (what, reference) = match (awaited, gate, background) {
        (Some(awaited), ..) if awaited.judge == Judge::Experiment => {
            let without =
                has_shares(status, spec) && remembered_by(status).iter().all(|share| share.weight == 0);
            let what = if without {
                "its share of the traffic, and for experiment"
            } else {
                "experiment"
            };
            (what, awaited)
        }
        (Some(awaited), ..) => ("analysis", awaited),
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

/// Whether the step under way gives some of the traffic to an experiment.
fn has_shares(status: &Status, spec: &Spec) -> bool {
    let step = status.current_step_index.and_then(|index| spec.step(index));
    matches!(step, Some(Step::Experiment(experiment)) if experiment.shares.values().any(|share| *share > Weight::ZERO))
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
    analyses.attempt += u32::from(analyses.forget());
}

/// Takes up what the analyses have found: a failure aborts, doubt pauses.
pub(crate) fn heed(draft: &mut Draft<'_>, spec: &Spec, revisions: &Revisions<'_>) {
    forget_others(draft, spec, revisions);
    heed_failures(draft);
    if draft.status.abort || draft.status.promote_full || draft.status.fully_promoted() {
        return;
    }
    let held = draft.status.is_held_by_analysis();
    if !held && take_doubts(&mut draft.status.analyses) {
        draft.status.analyses.attempt += 1;
    } else {
        pause_in_doubt(draft);
    }
    forget_mark(draft);
}

/// Takes up what the analyses have found, as far as it speaks against the new version: then it is aborted.
pub(crate) fn heed_failures(draft: &mut Draft<'_>) {
    let observed = &draft.observed.analysis_runs;
    for reference in draft.status.analyses.references_mut() {
        if let Some(run) = find(observed, reference) {
            reference.phase = run.phase;
            reference.message.clone_from(&run.message);
        }
    }
    let status = &draft.status;
    let decided = status.abort || status.promote_full || status.fully_promoted();
    if !decided && verdict_against(status).is_some() {
        intent::abort(draft);
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
    let of_step = match spec.step(index) {
        Some(Step::Experiment(_)) => Purpose::Experiment(index),
        _ => Purpose::Step(index),
    };
    let of_gate = Purpose::Gate(index);
    let [step, gate] = [of_step, of_gate].map(|purpose| name_of(draft, spec, revisions, purpose, 0));
    let is_cleared = blue_green::is_cleared(&draft.status);
    let observed = &draft.observed.analysis_runs;
    let analyses = &mut draft.status.analyses;
    let is_of_another = |reference: &mut AnalysisReference, purpose| {
        let run = find(observed, reference);
        run.is_some_and(|run| is_of_another(run, spec, purpose))
    };
    analyses
        .background
        .take_if(|reference| spec.background.is_none() || is_of_another(reference, Purpose::Background));
    let blue_green = spec.blue_green();
    let pre_promotion = blue_green.and_then(|blue_green| blue_green.pre_promotion.as_ref());
    let post_promotion = blue_green.and_then(|blue_green| blue_green.post_promotion.as_ref());
    // What let the switch be made is not asked again.
    analyses.pre_promotion.take_if(|reference| {
        pre_promotion.is_none() || !is_cleared && is_of_another(reference, Purpose::PrePromotion)
    });
    analyses
        .post_promotion
        .take_if(|reference| post_promotion.is_none() || is_of_another(reference, Purpose::PostPromotion));
    analyses
        .step
        .take_if(|reference| !run_name::is_attempt(&reference.name, &step, of_step));
    analyses
        .gate
        .take_if(|reference| !run_name::is_attempt(&reference.name, &gate, of_gate));
}

/// Forgets analyses in doubt, whose pause the user has taken away: others are begun. True: there were any.
fn take_doubts(analyses: &mut Analyses) -> bool {
    let Analyses {
        background,
        step,
        gate,
        pre_promotion,
        post_promotion,
        ..
    } = analyses;
    let mut doubt = false;
    for reference in [background, step, gate, pre_promotion, post_promotion] {
        doubt |= reference.take_if(|reference| reference.paused).is_some();
    }
    doubt
}

/// Whether the analysis of the step under way is in doubt.
fn marks_step(status: &Status) -> bool {
    let step = status.analyses.step.as_ref();
    step.is_some_and(|step| step.paused && step.judge == Judge::AnalysisRun)
}

/// The mark that the controller has paused goes with the doubt that it is for, whatever has become of that (somebody has resumed, or
/// skipped the step, or changed it): or the next pause would seem to be over before it has begun.
fn forget_mark(draft: &mut Draft<'_>) {
    let pauses = [PauseReason::CanaryPauseStep, PauseReason::BlueGreenPause];
    let is_paused = pauses
        .into_iter()
        .any(|reason| draft.status.pause_for(reason).is_some());
    if marks_step(&draft.observed.status) && !marks_step(&draft.status) && !is_paused {
        draft.status.controller_pause = false;
    }
}

fn pause_in_doubt(draft: &mut Draft<'_>) {
    let start_time = draft.now;
    let status = &mut draft.status;
    let held = status.is_held_by_analysis();
    let mut doubt = None;
    for reference in status.analyses.references_mut() {
        if reference.phase == AnalysisPhase::Inconclusive {
            reference.paused = true;
            doubt = doubt.max(Some(reference.judge));
        }
    }
    if let Some(judge) = doubt.filter(|_| !held) {
        let reason = match judge {
            Judge::AnalysisRun => PauseReason::InconclusiveAnalysisRun,
            Judge::Experiment => PauseReason::InconclusiveExperiment,
        };
        status
            .pause_conditions
            .push(PauseCondition { reason, start_time });
        // By it tools tell a step to be passed over from one to be resumed. Of any other doubt it would only seem to end a pause that
        // is still to come.
        status.controller_pause |= marks_step(status);
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
        draft.status.analyses.forget();
    }
    let observed = draft.observed;
    let referred: Vec<AnalysisReference> = draft.status.analyses.references().cloned().collect();
    let is_referred = |run: &AnalysisRunView| referred.iter().any(|reference| is(run, reference));
    let wanted = |run: &AnalysisRunView| under_way && is_referred(run);
    let superfluous = observed
        .analysis_runs
        .iter()
        .filter(|run| !(run.phase.completed() || run.terminate || wanted(run)));
    for run in superfluous {
        draft.act(Action::TerminateAnalysisRun {
            judge: run.judge,
            name: run.name.clone(),
            resource_version: run.resource_version.clone(),
        });
    }
    // One whose Services are still there may still be sent requests: with it, its pods would go at once.
    let is_over = |run: &&AnalysisRunView| {
        run.phase.completed() && run.sharing.services.is_empty() && !is_referred(run)
    };
    let is_left_behind = |run: &&AnalysisRunView| {
        let is_of_it = |hash: &String| revisions.all().iter().any(|one| one.hash == *hash);
        run.hash.as_ref().is_some_and(|hash| !is_of_it(hash))
    };
    let completed = observed.analysis_runs.iter().filter(is_over);
    let (left_behind, others): (Vec<_>, Vec<_>) = completed.partition(is_left_behind);
    for run in left_behind.into_iter().chain(old_runs(others, spec.run_history)) {
        draft.act(Action::DeleteAnalysisRun {
            judge: run.judge,
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
        let run = find(&draft.observed.analysis_runs, reference);
        reference.phase.completed() || run.is_some_and(|run| !is_held(run.phase, &run.message))
    };
    let is_due = status.current_step_index.unwrap_or(0) >= background.starting_step;
    is_due && !status.analyses.background.as_ref().is_some_and(is_there)
}

/// Whether there is a new version on its way that analyses judge.
pub(crate) fn is_under_way(draft: &Draft<'_>, revisions: &Revisions<'_>) -> bool {
    let status = &draft.status;
    !status.abort && !status.promote_full && !status.fully_promoted() && !revisions.stable_is_current()
}

pub(crate) fn find<'runs>(
    runs: &'runs [AnalysisRunView],
    reference: &AnalysisReference,
) -> Option<&'runs AnalysisRunView> {
    runs.iter().find(|run| is(run, reference))
}

fn is(run: &AnalysisRunView, reference: &AnalysisReference) -> bool {
    run.judge == reference.judge && run.name == reference.name
}

/// Of these completed analyses and experiments those beyond the number to keep, oldest first; of each of the two kinds, and of
/// the successful and of the others, apart.
fn old_runs(completed: Vec<&AnalysisRunView>, kept: RunHistory) -> impl Iterator<Item = &AnalysisRunView> {
    let completed = completed.into_iter();
    let (runs, experiments): (Vec<_>, Vec<_>) = completed.partition(|run| run.judge.is_analysis_run());
    let kinds = [runs, experiments].into_iter();
    kinds.flat_map(move |of_kind| beyond_the_kept(of_kind, kept))
}

fn beyond_the_kept(
    completed: Vec<&AnalysisRunView>,
    kept: RunHistory,
) -> impl Iterator<Item = &AnalysisRunView> {
    let completed = completed.into_iter();
    let (mut successful, mut others): (Vec<_>, Vec<_>) =
        completed.partition(|run| run.phase == AnalysisPhase::Successful);
    for (kind, kept) in [
        (&mut successful, kept.successful),
        (&mut others, kept.unsuccessful),
    ] {
        kind.sort_by(|one, other| (one.created, &one.name).cmp(&(other.created, &other.name)));
        let kept = usize::try_from(kept).unwrap_or(usize::MAX);
        kind.truncate(kind.len().saturating_sub(kept));
    }
    successful.into_iter().chain(others)
}
