//! The canary without traffic routing: the numbers of pods are the split.
//!
//! The arithmetic is Argo Rollouts' (`CalculateReplicaCountsForBasicCanary`), so that the same manifest goes through
//! the same numbers of pods.

use crate::analyses;
use crate::draft::Draft;
use crate::observed::{Observed, Presence, ReplicaSetView};
use crate::revisions::Revisions;
use crate::scale::scale;
use crate::service;
use crate::spec::{Method, Spec, Weight};
use crate::step::Reached;
use crate::weight;

/// Bounds on the number of pods while it changes.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    replicas: u32,
    surge: u32,
    unavailable: u32,
}

impl Bounds {
    fn of(spec: &Spec) -> Self {
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
        let surge = max_surge.ceil(replicas);
        let unavailable = max_unavailable.floor(replicas).min(replicas);
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

    fn most(self) -> u32 {
        self.replicas.saturating_add(self.surge)
    }

    fn least_available(self) -> u32 {
        self.replicas.saturating_sub(self.unavailable)
    }
}

/// Brings Services and sizes in line with the status, and says what of it has been reached.
pub(crate) fn reconcile(draft: &mut Draft<'_>, spec: &Spec, revisions: &Revisions<'_>) -> Reached {
    let bounds = Bounds::of(spec);
    let target = target(draft, spec, revisions, bounds);
    point_services(draft, spec, revisions, target, bounds);
    let sizes = next_sizes(revisions, target, bounds);
    let sizes = keep_selected(draft.observed, revisions, sizes, bounds);
    if let Some(stable) = revisions.stable {
        scale(
            draft,
            spec,
            stable,
            if revisions.stable_is_current() {
                sizes.canary
            } else {
                sizes.stable
            },
        );
    }
    if let Some(current) = revisions.current.filter(|_| !revisions.stable_is_current()) {
        scale(draft, spec, current, sizes.canary);
    }
    drain_others(draft, spec, revisions, bounds);
    let reached = |replica_set: Option<&ReplicaSetView>, pods: u32| size(replica_set) == pods;
    let counts = reached(revisions.current, target.canary)
        && revisions.current_available() == target.canary
        && reached(revisions.stable, target.stable)
        && revisions
            .stable
            .is_none_or(|stable| stable.replicas == target.stable)
        && revisions.others.iter().all(|other| other.available == 0);
    Reached {
        counts,
        weight: true,
        full: true,
        available: revisions.current_available() >= spec.replicas,
    }
}

/// The size of a ReplicaSet, where there is one.
fn size(replica_set: Option<&ReplicaSetView>) -> u32 {
    replica_set.map_or(0, |it| it.spec_replicas)
}

/// Numbers of pods of the canary and the stable version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sizes {
    canary: u32,
    stable: u32,
}

/// The numbers to arrive at.
fn target(draft: &Draft<'_>, spec: &Spec, revisions: &Revisions<'_>, bounds: Bounds) -> Sizes {
    if revisions.stable.is_none() || revisions.stable_is_current() {
        return Sizes {
            canary: spec.replicas,
            stable: 0,
        };
    }
    let asked = split(bounds.replicas, weight::asked(&draft.status, spec), bounds.surge);
    let held = spec.paused || draft.status.is_held_by_analysis() || analyses::is_missing(draft, spec);
    if held && !draft.status.abort {
        self::held(revisions, asked, spec.replicas)
    } else {
        asked
    }
}

/// A pause holds the canary where it is, at most where its step asks it to be; a change of spec.replicas is
/// followed. The stable version never vanishes in it.
fn held(revisions: &Revisions<'_>, asked: Sizes, replicas: u32) -> Sizes {
    let canary = size(revisions.current);
    if canary >= asked.canary {
        return Sizes {
            canary: asked.canary,
            stable: asked.stable.max(size(revisions.stable).min(1)),
        };
    }
    Sizes {
        canary,
        stable: asked.stable.max(replicas.saturating_sub(canary)),
    }
}

/// The whole numbers that come nearest to `weight`, with one pod more in all where a surge allows it and it helps.
fn split(replicas: u32, weight: Weight, surge: u32) -> Sizes {
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
fn next_sizes(revisions: &Revisions<'_>, target: Sizes, bounds: Bounds) -> Sizes {
    let separate = revisions.stable.filter(|_| !revisions.stable_is_current());
    let now = Sizes {
        canary: size(revisions.current),
        stable: size(separate),
    };
    let others: u32 = revisions.others.iter().map(|other| other.spec_replicas).sum();
    let mut budget = bounds.most().saturating_sub(now.canary + now.stable + others);
    let stable = grow(now.stable, target.stable, &mut budget);
    let canary = grow(now.canary, target.canary, &mut budget);
    let grown = Sizes { canary, stable };
    if others > 0 || separate.is_none() {
        return if separate.is_none() {
            Sizes {
                canary: canary.min(target.canary),
                stable,
            }
        } else {
            grown
        };
    }
    shrink(revisions, target, grown, now, bounds)
}

fn grow(from: u32, to: u32, budget: &mut u32) -> u32 {
    let step = to.saturating_sub(from).min(*budget);
    *budget -= step;
    from + step
}

/// Takes pods from the version that is to shrink, as far as enough stay available.
fn shrink(revisions: &Revisions<'_>, target: Sizes, grown: Sizes, now: Sizes, bounds: Bounds) -> Sizes {
    let increasing = target.canary >= now.canary;
    let countable = |replica_set: Option<&ReplicaSetView>, ignore_availability: bool| {
        replica_set.map_or(0, |it| {
            if it.spec_replicas < it.available || ignore_availability {
                it.spec_replicas
            } else {
                it.available
            }
        })
    };
    let count = countable(revisions.current, !increasing) + countable(revisions.stable, increasing);
    let Some(budget) = count
        .checked_sub(bounds.least_available())
        .filter(|budget| *budget > 0)
    else {
        return grown;
    };
    if increasing {
        let drained = now
            .stable
            .saturating_sub(budget)
            .max(target.stable)
            .min(grown.stable.max(now.stable));
        let stable = if now.stable > target.stable {
            drained
        } else {
            grown.stable
        };
        let (stable, canary) = within_limits(stable, grown.canary, bounds);
        Sizes { canary, stable }
    } else {
        let drained = now.canary.saturating_sub(budget).max(target.canary);
        let canary = if now.canary > target.canary {
            drained
        } else {
            grown.canary
        };
        let (canary, stable) = within_limits(canary, grown.stable, bounds);
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

/// Takes down revisions that are neither current nor stable: first pods that answer nobody, then as many available
/// ones as can be spared.
fn drain_others(draft: &mut Draft<'_>, spec: &Spec, revisions: &Revisions<'_>, bounds: Bounds) {
    let available: u32 = revisions
        .all()
        .iter()
        .map(ReplicaSetView::lasting_available)
        .sum();
    let mut spare = available.saturating_sub(bounds.least_available());
    let mut others = revisions.others.clone();
    others.sort_by_key(|other| (other.revision, other.created));
    for other in others.into_iter().filter(|other| other.spec_replicas > 0) {
        let taken = other.lasting_available().min(spare);
        spare -= taken;
        scale(draft, spec, other, other.lasting_available() - taken);
    }
}

/// The revision that the stable Service is to select: the stable one, until the current one is to have all pods and
/// has as many as were promised. The last stable pods go only then.
fn behind_stable_service<'a>(
    revisions: &Revisions<'a>,
    target: Sizes,
    bounds: Bounds,
) -> Option<&'a ReplicaSetView> {
    let enough = revisions.current_available() >= bounds.least_available().max(1);
    let takes_over = target.stable == 0 && target.canary > 0 && enough;
    revisions.current.filter(|_| takes_over).or(revisions.stable)
}

/// Keeps the last pod of a revision that the stable Service still selects, as long as anything was promised.
fn keep_selected(observed: &Observed, revisions: &Revisions<'_>, sizes: Sizes, bounds: Bounds) -> Sizes {
    let service = observed.stable_service.as_ref().and_then(Presence::present);
    let Some(selected) = service.and_then(|service| service.selects.as_deref()) else {
        return sizes;
    };
    let kept = |replica_set: Option<&ReplicaSetView>, size: u32| {
        let serves = replica_set.is_some_and(|it| it.hash == selected && it.lasting_available() > 0);
        if serves && bounds.least_available() > 0 {
            size.max(1)
        } else {
            size
        }
    };
    let separate = revisions.stable.filter(|_| !revisions.stable_is_current());
    Sizes {
        canary: kept(revisions.current, sizes.canary),
        stable: kept(separate, sizes.stable),
    }
}

/// Lets each Service follow its revision.
fn point_services(
    draft: &mut Draft<'_>,
    spec: &Spec,
    revisions: &Revisions<'_>,
    target: Sizes,
    bounds: Bounds,
) {
    let observed = draft.observed;
    if let (Some(service), Some(stable)) = (
        observed.stable_service.as_ref().and_then(Presence::present),
        behind_stable_service(revisions, target, bounds),
    ) {
        service::point(draft, spec, service, stable);
    }
    let canary = if draft.status.abort {
        revisions.stable
    } else {
        revisions.current
    };
    if let (Some(service), Some(canary)) = (
        observed.canary_service.as_ref().and_then(Presence::present),
        canary,
    ) {
        service::point(draft, spec, service, canary);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked examples of the specification: replicas, weight, surge; canary, stable.
    const EXAMPLES: &[(u32, u32, u32, u32, u32)] = &[
        (10, 10, 1, 1, 9),
        (10, 5, 0, 1, 9),
        (10, 5, 1, 1, 10),
        (10, 30, 3, 3, 7),
        (1, 5, 1, 1, 1),
        (1, 95, 1, 1, 1),
        (10, 0, 1, 0, 10),
        (10, 100, 1, 10, 0),
        (0, 50, 1, 0, 0),
    ];

    #[test]
    fn splits_as_in_the_worked_examples() {
        for (replicas, weight, surge, canary, stable) in EXAMPLES {
            let sizes = split(*replicas, Weight::new(*weight).unwrap(), *surge);
            assert_eq!(
                sizes,
                Sizes {
                    canary: *canary,
                    stable: *stable
                },
                "{replicas} pods at {weight} %, surge {surge}"
            );
        }
    }
}
