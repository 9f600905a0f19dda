//! Promotion gates: what they are asked, and when they hold a rollout.
//!
//! They are asked before every rise of the weight and before the promotion, with nothing of the step done yet: pods
//! come up once the gates have let it go on. Only an answer lets it go on; no answer is none.

use serde_json::{Value, json};

use crate::analysis::run::AnalysisPhase;
use crate::analysis::verdict::NextStep;
use crate::spec::{Spec, Step, Weight};
use crate::status::Status;
use crate::{blue_green, weight};

/// What they are asked about a blue-green switch.
const SWITCH: NextStep = NextStep {
    from_weight: 0,
    to_weight: 100,
    is_last: true,
};

/// Whether the gates have yet to let the step under way go on.
pub(crate) fn hold(status: &Status, spec: &Spec) -> bool {
    question(status, spec).is_some() && !allowed(status)
}

fn allowed(status: &Status) -> bool {
    let gate = status.analyses.gate.as_ref();
    gate.is_some_and(|reference| reference.phase == AnalysisPhase::Successful)
}

/// The weight up to which the gates have let the new version come. It outlasts the step: neither a step that is skipped
/// nor other gates bring or take what was asked for before.
pub(crate) fn consented(status: &Status, spec: &Spec) -> Weight {
    let noted = status.analyses.consented;
    noted.unwrap_or_else(|| weight::before(status, spec))
}

/// Notes how far the gates have let the new version come. A step that lowers the weight lowers that, too: the way back
/// up is asked about again. An answer holds for its step, however long the pods of that take to come up, but not through a
/// pause: what was a good hour before may be none after it.
pub(crate) fn note_consent(status: &mut Status, spec: &Spec) {
    if spec.blue_green().is_some() {
        status.analyses.consented = None;
        if (spec.paused || status.is_held_by_analysis()) && !status.is_switched() && allowed(status) {
            status.analyses.attempt += u32::from(status.analyses.gate.take().is_some());
        }
        return;
    }
    let over = status.abort || status.promote_full || status.fully_promoted();
    let asked = spec.promotion_gates.is_some() && !over;
    let next = weight::next(status, spec);
    let consented = if allowed(status) {
        next
    } else {
        consented(status, spec).min(next)
    };
    status.analyses.consented = asked.then_some(consented);
    if asked && (spec.paused || status.is_held_by_analysis()) {
        withdraw_consent(status, spec);
    }
}

/// Takes the consent back to what users have met already; the gates are asked again when the rollout goes on. Without
/// traffic routing a step has begun with its first pod, and nothing of it is taken back.
fn withdraw_consent(status: &mut Status, spec: &Spec) {
    let consented = consented(status, spec);
    let reached = status.traffic.as_ref().map(|traffic| traffic.requested);
    if let Some(reached) = reached.filter(|reached| *reached < consented) {
        status.analyses.consented = Some(reached);
        status.analyses.attempt += u32::from(status.analyses.gate.take().is_some());
    }
}

/// What the promotion gates are asked about the step under way; None where they are not.
pub(crate) fn question(status: &Status, spec: &Spec) -> Option<NextStep> {
    spec.promotion_gates.as_ref()?;
    if status.abort || status.promote_full || status.fully_promoted() {
        return None;
    }
    if spec.blue_green().is_some() {
        return blue_green::awaits_gates(status).then_some(SWITCH);
    }
    let (from, to) = (consented(status, spec), weight::next(status, spec));
    let next = NextStep {
        from_weight: from.percent(),
        to_weight: to.percent(),
        is_last: status
            .current_step_index
            .is_none_or(|index| index >= spec.step_count()),
    };
    (next.is_last || to > from).then_some(next)
}

/// What the gate of the step `index` is asked: about the next weight after it.
pub(crate) fn question_of_step(spec: &Spec, index: u32) -> NextStep {
    let next = (index..spec.step_count()).find_map(|index| match spec.step(index) {
        Some(Step::SetWeight(weight)) => Some(*weight),
        _ => None,
    });
    NextStep {
        from_weight: weight::at(spec, index).percent(),
        to_weight: next.unwrap_or(Weight::FULL).percent(),
        is_last: next.is_none(),
    }
}

/// The spec of the `AnalysisRun` that asks `gates` about `next`.
pub(crate) fn run(gates: &Value, next: NextStep) -> Value {
    let NextStep {
        from_weight,
        to_weight,
        is_last,
    } = next;
    json!({
        "gates": gates,
        "next": {"fromWeight": from_weight, "toWeight": to_weight, "isLast": is_last},
    })
}
