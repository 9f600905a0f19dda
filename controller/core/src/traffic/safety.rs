//! Which weights can be written without sending requests to a version that does not answer.

use crate::draft::Draft;
use crate::service;
use crate::spec::Weight;

use super::View;

/// What can be sent to either side.
pub(crate) struct Safety {
    /// The new version can be sent more.
    pub(crate) can_rise: bool,
    /// The lowest weight for which the stable version can take the rest.
    pub(crate) lowest: Weight,
    /// Pods of the new version answer.
    pub(crate) canary_answers: bool,
}

impl Safety {
    /// Whether requests can be taken from the new version that nobody can count: where the stable version takes none, they
    /// stay with whoever answers.
    pub(crate) fn can_fall(&self) -> bool {
        self.lowest < Weight::FULL || !self.canary_answers
    }

    /// The nearest weight to `wanted` for which ready endpoints are there: neither side is given traffic that it can't
    /// take. What counts is what is written in the routes, not what was last asked for: a plan may have been cut off, or
    /// somebody else have written. None: nothing can be written safely.
    pub(crate) fn nearest(&self, draft: &Draft<'_>, view: &View<'_>, wanted: Weight) -> Option<Weight> {
        let split = view.split;
        if service::taken(draft.observed) {
            return None;
        }
        let raised = if self.can_rise {
            wanted
        } else {
            wanted.min(split.stable().rest())
        };
        let floor = self.lowest.min(split.canary());
        // Where rules differ, one that is below the floor must not rise because another may not fall.
        if raised < floor && split.stable().rest() < floor {
            return None;
        }
        Some(raised.max(floor))
    }
}
