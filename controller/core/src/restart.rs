//! Restarts: pods that were created before `spec.restartAt` are evicted, a few at a time, and their ReplicaSets make others.
//!
//! What counts is which pods are there, as they were just listed, and which of them the ReplicaSets say are available: so
//! whoever is stopped in the middle goes on where it was, and nobody is evicted for a pod that is missing already.

use jiff::{SignedDuration, Timestamp};

use crate::draft::{Draft, after};
use crate::observed::{PodView, Pods, ReplicaSetView};
use crate::revisions::Revisions;
use crate::spec::{Restart, Spec};
use crate::status::Status;

/// How soon to ask again for a pod that a disruption budget keeps, or that is waited for: as in Argo Rollouts.
const RETRY: SignedDuration = SignedDuration::from_secs(30);

/// Whether a restart has come to its time and not to its end: whoever observes then lists the pods.
#[must_use]
pub fn is_due(spec: &Spec, status: &Status, now: Timestamp) -> bool {
    spec.pods
        .restart
        .is_some_and(|restart| is_pending(spec, status) && restart.at <= now)
}

/// Whether a restart has not come to its end.
pub(crate) fn is_pending(spec: &Spec, status: &Status) -> bool {
    spec.pods
        .restart
        .is_some_and(|restart| status.restarted_at != Some(restart.at))
}

/// When a restart that is due has come further last: when it began, or its latest pod was made.
pub(crate) fn moved_at(draft: &Draft<'_>, spec: &Spec) -> Option<Timestamp> {
    let restart = spec.pods.restart?;
    let pods = draft.observed.pods.listed()?;
    let latest = pods.iter().map(|pod| pod.created).max();
    latest.max(Some(restart.at))
}

/// Evicts as many old pods as can be spared, and notes the end when there are none any more.
pub(crate) fn reconcile(draft: &mut Draft<'_>, spec: &Spec, revisions: &Revisions<'_>) {
    let Some(restart) = spec.pods.restart.filter(|_| is_pending(spec, &draft.status)) else {
        return;
    };
    if draft.now < restart.at {
        draft.wake_at(restart.at);
        return;
    }
    // Something is wrong around the Rollout: whatever mends it is seen.
    if draft.hold {
        return;
    }
    let pods = match &draft.observed.pods {
        Pods::Listed(pods) => pods,
        // Its time has come since the observation.
        Pods::NotListed => {
            draft.wake_at(restart.at);
            return;
        }
        Pods::Unknown { .. } => {
            wait(draft);
            return;
        }
    };
    let versions = versions(revisions, pods);
    let has_old = versions
        .iter()
        .any(|version| version.old(restart).next().is_some());
    if !has_old && versions.iter().all(Version::shows_its_losses) {
        draft.status.restarted_at = Some(restart.at);
        return;
    }
    // What changes sizes or traffic is waited for: both together could take more than either may.
    if !draft.moves() {
        evict(draft, spec, restart, &versions);
    }
    wait(draft);
}

fn wait(draft: &mut Draft<'_>) {
    let retry = after(draft.now, RETRY);
    draft.wake_at(retry);
}

/// A ReplicaSet that is to have pods, with those it has.
struct Version<'a> {
    replica_set: &'a ReplicaSetView,
    pods: Vec<&'a PodView>,
}

impl<'a> Version<'a> {
    /// The pods to replace.
    fn old(&self, restart: Restart) -> impl Iterator<Item = &'a PodView> {
        let old = move |pod: &&PodView| !pod.deleting && pod.created < restart.at;
        self.pods.iter().copied().filter(old)
    }

    fn is_available(&self, pod: &PodView, now: Timestamp) -> bool {
        pod.is_available(now, self.replica_set.min_ready_seconds)
    }

    /// Available pods that will last: those that are there, and that the ReplicaSet counts.
    fn available(&self, now: Timestamp) -> u32 {
        let listed = self.pods.iter().filter(|pod| self.is_available(pod, now));
        count(listed).min(self.replica_set.lasting_available())
    }

    /// The ReplicaSet does not count pods that are gone.
    fn shows_its_losses(&self) -> bool {
        self.replica_set.available <= count(self.pods.iter().filter(|pod| pod.is_ready()))
    }

    /// The ReplicaSet takes pods away by itself just now.
    fn shrinks(&self) -> bool {
        self.replica_set.replicas > self.replica_set.spec_replicas
    }
}

fn count(items: impl Iterator) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}

/// The versions in the order in which they are restarted: the stable one, the new one, the others. Pods of a version that is
/// to have none go anyway.
fn versions<'a>(revisions: &Revisions<'a>, pods: &'a [PodView]) -> Vec<Version<'a>> {
    let mut others = revisions.others.clone();
    others.sort_by_key(|other| (other.created, &other.name));
    let current = revisions.current.filter(|_| !revisions.stable_is_current());
    let all = revisions.stable.into_iter().chain(current).chain(others);
    all.filter(|replica_set| replica_set.spec_replicas > 0)
        .map(|replica_set| Version {
            replica_set,
            pods: pods
                .iter()
                .filter(|pod| pod.replica_set == replica_set.name)
                .collect(),
        })
        .collect()
}

/// Evicts old pods: of those that serve as many as can be spared, and, of the others, as many at once as could be.
fn evict(draft: &mut Draft<'_>, spec: &Spec, restart: Restart, versions: &[Version<'_>]) {
    let now = draft.now;
    let sizes: u32 = versions
        .iter()
        .map(|version| version.replica_set.spec_replicas)
        .sum();
    let available: u32 = versions.iter().map(|version| version.available(now)).sum();
    // A stable version that shrinks with its traffic may leave fewer pods than spec.replicas in all.
    let shrinks = spec
        .routed_canary()
        .is_some_and(|canary| canary.dynamic_stable_scale);
    let wanted = if shrinks { sizes } else { sizes.max(spec.replicas) };
    // Where none may be missing, nothing could ever be restarted.
    let at_once = restart.max_unavailable.floor(spec.replicas).max(1);
    let mut spare = available.saturating_add(at_once).saturating_sub(wanted);
    let mut useless = at_once;
    for version in versions.iter().filter(|version| !version.shrinks()) {
        let mut left = version.available(now);
        // The last pod that serves a version goes only where the version has no more than one.
        let least = u32::from(version.replica_set.spec_replicas > 1);
        let mut old: Vec<_> = version.old(restart).collect();
        old.sort_by_key(|pod| (pod.created, &pod.name));
        for pod in old {
            if version.is_available(pod, now) {
                if spare == 0 || left <= least {
                    continue;
                }
                spare -= 1;
                left -= 1;
            } else if useless == 0 {
                continue;
            } else {
                useless -= 1;
            }
            draft.evict(pod);
        }
    }
}
