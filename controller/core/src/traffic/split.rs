//! The split of a rule: what of it the two versions have, and what has to change.

use super::shares::{self, Turn};
use crate::observed::BackendView;
use crate::plan::WeightChange;
use crate::reference::Pair;
use crate::spec::{Weight, Whole};

/// The split as it is in the routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Split {
    /// Every pair of every route has this canary weight, and the stable version the rest, with the experiments that have a
    /// share of it.
    Agreed(Weight),
    /// Weights differ, or do not add up.
    Mixed {
        /// The largest share that the canary has in any rule, rounded up.
        canary: Weight,
        /// The largest share that the stable version has in any rule, with those of experiments, rounded up.
        stable: Weight,
    },
}

impl Split {
    /// The largest share of the canary.
    pub(crate) fn canary(self) -> Weight {
        match self {
            Self::Agreed(weight) => weight,
            Self::Mixed { canary, .. } => canary,
        }
    }

    /// The largest share of the stable version, or what it may have again at any moment.
    pub(crate) fn stable(self) -> Weight {
        match self {
            Self::Agreed(weight) => weight.rest(),
            Self::Mixed { stable, .. } => stable,
        }
    }
}

/// The split of these rules.
pub(super) fn split_of<'a>(pairs: impl Iterator<Item = &'a Pair<'a>>, whole: Whole) -> Split {
    let mut agreed: Option<Weight> = None;
    let mut mixed = false;
    let (mut canary, mut stable) = (Weight::ZERO, Weight::ZERO);
    for pair in pairs {
        let (canary_sum, stable_sum) = (sum(&pair.canary), sum(&pair.stable) + sum(&pair.shares));
        let sum = canary_sum + stable_sum;
        canary = canary.max(Weight::share(canary_sum, sum, whole));
        stable = stable.max(Weight::share(stable_sum, sum, whole));
        let first = pair.canary.first();
        let this = Weight::of_whole(first.and_then(|backend| backend.weight).unwrap_or(1), whole).ok();
        mixed |=
            this.is_none_or(|this| agreed.is_some_and(|other| other != this) || !is_split_at(pair, this));
        agreed = agreed.or(this);
    }
    match agreed {
        Some(weight) if !mixed => Split::Agreed(weight),
        _ => Split::Mixed { canary, stable },
    }
}

fn sum(backends: &[&BackendView]) -> u64 {
    // The Gateway API: a weight that is not written is 1.
    backends
        .iter()
        .map(|backend| u64::from(backend.weight.unwrap_or(1)))
        .sum()
}

/// Whether every weight of a rule is written, and as it is to be with a canary of `weight`, whatever experiments have of what
/// is left for the stable version.
fn is_split_at(pair: &Pair<'_>, weight: Weight) -> bool {
    let shared: u64 = sum(&pair.shares);
    let stable = u64::from(weight.rest().parts()).checked_sub(shared);
    let all_written = pair.shares.iter().all(|backend| backend.weight.is_some());
    let stable = stable.and_then(|parts| u32::try_from(parts).ok());
    let changed = stable.map(|parts| versions(pair, weight, parts).next());
    all_written && changed.is_some_and(|first| first.is_none())
}

/// The changes that give a rule the canary weight `weight`, on its scale, and experiments their shares.
pub(super) fn changes<'a>(
    pair: &'a Pair<'a>,
    weight: Weight,
    shares: &'a [Turn<'a>],
) -> impl Iterator<Item = WeightChange> + 'a {
    versions(pair, weight, shares::left(pair, weight, shares)).chain(shares::weights(pair, shares))
}

/// The changes that give the two versions their weights. Where a Service is named more than once in a rule (on several ports), its
/// first ref carries the weight and the others none.
fn versions<'a>(pair: &'a Pair<'a>, canary: Weight, stable: u32) -> impl Iterator<Item = WeightChange> + 'a {
    [(canary.parts(), &pair.canary), (stable, &pair.stable)]
        .into_iter()
        .flat_map(move |(parts, backends)| {
            let first = backends.first().copied();
            backends.iter().filter_map(move |backend| {
                let to = if is_first(backend, first.as_ref()) {
                    parts
                } else {
                    0
                };
                change(backend, to)
            })
        })
}

/// The change that gives a ref this weight; None where it has it.
pub(super) fn change(backend: &BackendView, to: u32) -> Option<WeightChange> {
    // A weight that is not written counts as 1, but is written down once it is ours to keep.
    (backend.weight != Some(to)).then(|| WeightChange {
        rule: backend.rule,
        index: backend.index,
        name: backend.name.clone(),
        from: backend.weight,
        to,
    })
}

/// Whether a ref is this one.
pub(super) fn is_first(backend: &BackendView, first: Option<&&BackendView>) -> bool {
    first.is_some_and(|first| first.index == backend.index)
}
