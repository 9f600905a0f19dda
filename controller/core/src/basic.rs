//! The canary without traffic routing: the numbers of pods are the split.

use self::arithmetic::{Bounds, Count, Now, Sizes, keep_available, next_sizes, split};
use crate::analyses;
use crate::draft::Draft;
use crate::observed::{Observed, Presence, ReplicaSetView, ServiceView};
use crate::revisions::Revisions;
use crate::scale::scale;
use crate::service;
use crate::spec::Spec;
use crate::step::Reached;
use crate::weight;

mod arithmetic;

/// Brings Services and sizes in line with the status, and says what of it has been reached.
pub(crate) fn reconcile(draft: &mut Draft<'_>, spec: &Spec, revisions: &Revisions<'_>) -> Reached {
    let bounds = Bounds::of(spec);
    let target = target(draft, spec, revisions, bounds);
    point_services(draft, spec, revisions, target, bounds);
    let now = now(revisions);
    let sizes = keep_available(now, next_sizes(now, target, bounds), bounds);
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
    // What waits for its analysis has not come to what its step asks for, however few pods it has.
    let counts = !analyses::is_missing(draft, spec)
        && reached(revisions.current, target.canary)
        && revisions.current_available() >= spec.enough(target.canary)
        && reached(revisions.stable, target.stable)
        && revisions
            .stable
            .is_none_or(|stable| stable.replicas == target.stable)
        && revisions.others.iter().all(|other| other.available == 0);
    Reached {
        counts,
        weight: true,
        rules: true,
        full: true,
        available: revisions.current_available() >= spec.enough(spec.replicas),
    }
}

/// The size of a ReplicaSet, where there is one.
fn size(replica_set: Option<&ReplicaSetView>) -> u32 {
    replica_set.map_or(0, |it| it.spec_replicas)
}

/// The pods that there are.
fn now(revisions: &Revisions<'_>) -> Now {
    let count = |replica_set: &ReplicaSetView| Count {
        wanted: replica_set.spec_replicas,
        available: replica_set.available,
    };
    let separate = revisions.stable.filter(|_| !revisions.stable_is_current());
    Now {
        canary: revisions.current.map(count).unwrap_or_default(),
        stable: separate.map(count),
        others: revisions.others.iter().map(|other| other.spec_replicas).sum(),
    }
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
/// has as many as were promised. The last stable pods go only then. A rollout that holds moves nobody
/// there; whom nobody serves can only gain.
fn behind_stable_service<'a>(
    draft: &Draft<'_>,
    service: &ServiceView,
    revisions: &Revisions<'a>,
    target: Sizes,
    bounds: Bounds,
) -> Option<&'a ReplicaSetView> {
    let enough = revisions.current_available() >= bounds.least_available().max(1);
    let is_there = service.selects.as_deref() == Some(revisions.current_hash.as_str());
    let forward = enough && (is_there || !draft.hold) || !is_served(service, revisions);
    let takes_over = target.stable == 0 && target.canary > 0 && forward;
    revisions.current.filter(|_| takes_over).or(revisions.stable)
}

/// Whether pods answer what is asked of the Service.
fn is_served(service: &ServiceView, revisions: &Revisions<'_>) -> bool {
    let mut all = revisions.all().iter();
    let selected = service.selects.as_ref();
    all.any(|one| selected.is_none_or(|hash| *hash == one.hash) && one.lasting_available() > 0)
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
    if let Some(service) = observed.stable_service.as_ref().and_then(Presence::present)
        && let Some(stable) = behind_stable_service(draft, service, revisions, target, bounds)
    {
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
