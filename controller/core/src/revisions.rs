//! Which ReplicaSet is which: the current revision, the stable one, and the others.

use crate::observed::{Observed, ReplicaSetView, TemplateCheck};
use crate::rollback;

/// The revisions of a Rollout.
#[derive(Debug, Clone)]
pub(crate) struct Revisions<'a> {
    /// Hash of the revision that the spec asks for (or, while its template is not accepted, that it asked for before).
    pub(crate) current_hash: String,
    /// Its ReplicaSet, once there is one.
    pub(crate) current: Option<&'a ReplicaSetView>,
    /// The ReplicaSet of the stable revision.
    pub(crate) stable: Option<&'a ReplicaSetView>,
    /// All the others.
    pub(crate) others: Vec<&'a ReplicaSetView>,
    all: &'a [ReplicaSetView],
}

impl<'a> Revisions<'a> {
    /// Finds the revisions. None: the template is not accepted, and none was before it.
    pub(crate) fn find(observed: &'a Observed, accepted: bool) -> Option<Self> {
        let all = observed.replica_sets.as_slice();
        let by_hash = |hash: &str| all.iter().find(|replica_set| replica_set.hash == hash);
        let (current_hash, current) = if accepted {
            let current = current_of_template(observed);
            let hash = current.map_or_else(
                || observed.template.digest.pod_hash(observed.status.collision_count),
                |replica_set| replica_set.hash.clone(),
            );
            (hash, current)
        } else {
            let hash = observed.status.current_pod_hash.clone()?;
            let current = by_hash(&hash);
            (hash, current)
        };
        let stable = observed.status.stable_hash.as_deref().and_then(by_hash);
        let named = [current, stable].map(|named| named.map(|replica_set| replica_set.name.as_str()));
        let others = all
            .iter()
            .filter(|replica_set| !named.contains(&Some(replica_set.name.as_str())))
            .collect();
        Some(Self {
            current_hash,
            current,
            stable,
            others,
            all,
        })
    }

    /// No revision at all.
    pub(crate) fn none(observed: &'a Observed) -> Self {
        let all = observed.replica_sets.as_slice();
        Self {
            current_hash: String::new(),
            current: None,
            stable: None,
            others: all.iter().collect(),
            all,
        }
    }

    /// Whether the stable revision is the current one.
    pub(crate) fn stable_is_current(&self) -> bool {
        self.stable.is_some_and(|stable| stable.hash == self.current_hash)
    }

    /// All ReplicaSets.
    pub(crate) fn all(&self) -> &'a [ReplicaSetView] {
        self.all
    }

    /// The number of a new revision.
    pub(crate) fn next_number(&self) -> u64 {
        self.all
            .iter()
            .map(|replica_set| replica_set.revision)
            .max()
            .unwrap_or(0)
            + 1
    }

    /// The highest number of the revisions other than `this`.
    pub(crate) fn newest_number_but(&self, this: &ReplicaSetView) -> u64 {
        self.all
            .iter()
            .filter(|replica_set| replica_set.name != this.name)
            .map(|replica_set| replica_set.revision)
            .max()
            .unwrap_or(0)
    }

    /// Available pods of the current revision that will last.
    pub(crate) fn current_available(&self) -> u32 {
        self.current.map_or(0, ReplicaSetView::lasting_available)
    }

    /// Available pods of the stable revision that will last.
    pub(crate) fn stable_available(&self) -> u32 {
        self.stable.map_or(0, ReplicaSetView::lasting_available)
    }
}

/// Whether the spec asks for a rollout that has not begun, and that will measure something: going back to the stable revision,
/// or to one within the rollback window, asks nobody.
pub(crate) fn is_new(observed: &Observed) -> bool {
    let Ok(spec) = &observed.spec else { return false };
    let status = &observed.status;
    let wanted = current_of_template(observed).map_or_else(
        || observed.template.digest.pod_hash(status.collision_count),
        |replica_set| replica_set.hash.clone(),
    );
    let wanted = Some(wanted.as_str());
    let template_changed = status.current_pod_hash.as_deref() != wanted;
    let steps_changed = status.current_step_hash.as_deref().unwrap_or_default() != spec.steps_hash;
    let is_change = template_changed || steps_changed;
    let goes_back = || {
        let revisions = Revisions::find(observed, true);
        revisions
            .is_some_and(|revisions| rollback::is_within_window(spec, &revisions, &observed.status.history))
    };
    is_change && status.stable_hash.as_deref() != wanted && !goes_back()
}

/// The ReplicaSet that carries the spec's template: hash first, comparison second.
fn current_of_template(observed: &Observed) -> Option<&ReplicaSetView> {
    let template = &observed.template;
    if let TemplateCheck::Equal { replica_set } = &template.check {
        return observed
            .replica_sets
            .iter()
            .find(|candidate| candidate.name == *replica_set);
    }
    let hash = template.digest.pod_hash(observed.status.collision_count);
    let carries = |candidate: &&ReplicaSetView| candidate.digest.as_ref() == Some(&template.digest);
    observed.replica_sets.iter().find(carries).or_else(|| {
        observed
            .replica_sets
            .iter()
            .find(|candidate| candidate.digest.is_none() && candidate.hash == hash)
    })
}
