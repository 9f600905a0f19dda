//! The weight that the steps ask for, apart from whether anything is ready for it.

use crate::gates;
use crate::spec::{Spec, Step, Weight};
use crate::status::Status;

/// The weight that the step under way asks for: what gates have let it have so far, while they hold.
pub(crate) fn asked(status: &Status, spec: &Spec) -> Weight {
    if status.abort {
        return Weight::ZERO;
    }
    let next = next(status, spec);
    if gates::hold(status, spec) {
        next.min(gates::consented(status, spec))
    } else {
        next
    }
}

/// The weight that the step under way asks for, once everything has let it go on.
pub(crate) fn next(status: &Status, spec: &Spec) -> Weight {
    match status.current_step_index {
        Some(index) if index < spec.step_count() && !status.promote_full => at(spec, index),
        _ => Weight::FULL,
    }
}

/// The last weight set at or before the step `index`.
pub(crate) fn at(spec: &Spec, index: u32) -> Weight {
    (0..=index)
        .rev()
        .find_map(|index| match spec.step(index) {
            Some(Step::SetWeight(weight)) => Some(*weight),
            _ => None,
        })
        .unwrap_or(Weight::ZERO)
}

/// The weight that the steps before the current one have earned.
pub(crate) fn before(status: &Status, spec: &Spec) -> Weight {
    match status.current_step_index {
        _ if status.promote_full => Weight::FULL,
        None | Some(0) => Weight::ZERO,
        Some(index) => at(spec, index - 1),
    }
}
