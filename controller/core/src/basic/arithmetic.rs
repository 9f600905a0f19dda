//! The arithmetic of a basic canary: which numbers of pods come nearest to a weight, and which come next on the way there.
//!
//! It is Argo Rollouts' (`CalculateReplicaCountsForBasicCanary`), so that the same manifest goes through the same numbers of
//! pods.

use crate::spec::{Method, Spec, Weight};

#[cfg(test)]
mod tests;

/// Bounds on the number of pods while it changes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) replicas: u32,
    pub(super) surge: u32,
    unavailable: u32,
}

impl Bounds {
    pub(super) fn of(spec: &Spec) -> Self {
        let replicas = spec.replicas;
        let Method::Basic {
            max_surge,
            max_unavailable,
            ..
        } = &spec.method
        else {
            return Self {
                replicas,
                surge: 0,
                unavailable: 0,
            };
        };
        Self::new(
            replicas,
            max_surge.ceil(replicas),
            max_unavailable.floor(replicas),
        )
    }

    /// Of so many pods more and less than `replicas`.
    pub(super) fn new(replicas: u32, surge: u32, unavailable: u32) -> Self {
        let unavailable = unavailable.min(replicas);
        // Small numbers can round both to 0, and nothing could ever move.
        let unavailable = if surge == 0 && unavailable == 0 {
            1
        } else {
            unavailable
        };
        Self {
            replicas,
            surge,
            unavailable: if replicas == 0 { 0 } else { unavailable },
        }
    }

    /// Pods that there may be in all.
    pub(super) fn most(self) -> u32 {
        self.replicas.saturating_add(self.surge)
    }

    /// Pods that must stay available.
    pub(super) fn least_available(self) -> u32 {
        self.replicas.saturating_sub(self.unavailable)
    }
}

/// Numbers of pods of the canary and the stable version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    pub(super) canary: u32,
    pub(super) stable: u32,
}

/// Pods of one version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// What its ReplicaSet asks for.
    pub(super) wanted: u32,
    /// Those that are available; after a scale-down more than are wanted.
    pub(super) available: u32,
}

impl Count {
    /// The available pods that are to stay.
    fn lasting(self) -> u32 {
        self.available.min(self.wanted)
    }

    /// The pods that count as there: those that stay and are available, or, of a version that is about to lose some, all
    /// that are wanted.
    const fn countable(self, ignores_availability: bool) -> u32 {
        if self.wanted < self.available || ignores_availability {
            self.wanted
        } else {
            self.available
        }
    }
}

/// The pods that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Now {
    /// Of the current revision.
    pub(super) canary: Count,
    /// Of the stable one; None where it is the current one, or there is none.
    pub(super) stable: Option<Count>,
    /// What the ReplicaSets of all others ask for.
    pub(super) others: u32,
}

/// The whole numbers that come nearest to `weight`, with one pod more in all where a surge allows it and it helps.
pub(super) fn split(replicas: u32, weight: Weight, surge: u32) -> Sizes {
    if replicas == 0 {
        return Sizes { canary: 0, stable: 0 };
    }
    let percent = u64::from(weight.percent());
    let ceil = weight.of(replicas);
    let floor = replicas - weight.rest().of(replicas);
    // Neither version may vanish in the middle of the way, unless a single pod can't be in both places.
    let zero_allowed = weight == Weight::ZERO || weight == Weight::FULL || (replicas == 1 && surge == 0);
    let tied = |total: u64| total * percent % 100 == 50;
    let mut options = Vec::with_capacity(4);
    if ceil < replicas || zero_allowed {
        options.push((ceil, replicas));
    }
    if !tied(u64::from(replicas)) && (floor != 0 || zero_allowed) {
        options.push((floor, replicas));
    }
    if surge > 0 {
        let total = replicas.saturating_add(1);
        options.push((ceil, total));
        if !tied(u64::from(total)) && (floor != 0 || zero_allowed) {
            options.push((floor, total));
        }
    }
    // The first of equals wins, as in Argo Rollouts; deltas are compared as fractions, without rounding.
    let delta = |(canary, total): (u32, u32)| {
        (
            (u64::from(canary) * 100).abs_diff(percent * u64::from(total)),
            u64::from(total),
        )
    };
    let best = options.into_iter().reduce(|best, option| {
        let ((best_delta, best_total), (delta, total)) = (delta(best), delta(option));
        if delta * best_total < best_delta * total {
            option
        } else {
            best
        }
    });
    best.map_or(
        Sizes {
            canary: 0,
            stable: replicas,
        },
        |(canary, total)| Sizes {
            canary,
            stable: total - canary,
        },
    )
}

/// The next numbers on the way to `target` that keep within the bounds.
pub(super) fn next_sizes(now: Now, target: Sizes, bounds: Bounds) -> Sizes {
    let separate = now.stable.unwrap_or_default();
    let all = now.canary.wanted + separate.wanted + now.others;
    let mut budget = bounds.most().saturating_sub(all);
    let stable = grow(separate.wanted, target.stable, &mut budget);
    let canary = grow(now.canary.wanted, target.canary, &mut budget);
    if now.stable.is_none() {
        return Sizes {
            canary: canary.min(target.canary),
            stable,
        };
    }
    let grown = Sizes { canary, stable };
    if now.others > 0 {
        return grown;
    }
    shrink(now.canary, separate, target, grown, bounds)
}

fn grow(from: u32, to: u32, budget: &mut u32) -> u32 {
    let step = to.saturating_sub(from).min(*budget);
    *budget -= step;
    from + step
}

/// `sizes`, but for available pods that would go below what must stay. The numbers of Argo Rollouts count pods that are wanted
/// there, so that a scale-down in mid-rollout could take those that answer and leave those that do not come up.
pub(super) fn keep_available(now: Now, sizes: Sizes, bounds: Bounds) -> Sizes {
    let stable = now.stable.unwrap_or_default();
    let there = now.canary.lasting() + stable.lasting();
    let left = now.canary.available.min(sizes.canary) + stable.available.min(sizes.stable);
    let mut missing = bounds.least_available().min(there).saturating_sub(left);
    let mut keep = |count: Count, size: u32| {
        let kept = missing.min(count.lasting().saturating_sub(size));
        missing -= kept;
        size + kept
    };
    let stable = keep(stable, sizes.stable);
    let canary = keep(now.canary, sizes.canary);
    Sizes { canary, stable }
}

/// Takes pods from the version that is to shrink, as far as enough stay available.
fn shrink(canary: Count, stable: Count, target: Sizes, grown: Sizes, bounds: Bounds) -> Sizes {
    let increasing = target.canary >= canary.wanted;
    let count = canary.countable(!increasing) + stable.countable(increasing);
    let Some(budget) = count
        .checked_sub(bounds.least_available())
        .filter(|budget| *budget > 0)
    else {
        return grown;
    };
    let drained = |from: u32, to: u32| from.saturating_sub(budget).max(to);
    if increasing {
        let left = if stable.wanted > target.stable {
            drained(stable.wanted, target.stable)
        } else {
            grown.stable
        };
        let (stable, canary) = within_limits(left, grown.canary, bounds);
        Sizes { canary, stable }
    } else {
        let left = drained(canary.wanted, target.canary);
        let (canary, stable) = within_limits(left, grown.stable, bounds);
        Sizes { canary, stable }
    }
}

/// Trims what grows by what is above the most allowed, gives back what would fall below the least, and trims what
/// shrinks by what is still too much.
fn within_limits(drained: u32, other: u32, bounds: Bounds) -> (u32, u32) {
    let over = (drained + other).saturating_sub(bounds.most());
    let mut other = other.saturating_sub(over);
    other += bounds.least_available().saturating_sub(drained + other);
    let still_over = (drained + other).saturating_sub(bounds.most());
    (drained.saturating_sub(still_over), other)
}
