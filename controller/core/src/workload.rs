//! The workload that the pod template is taken from: its generation is noted, and a Deployment gives its place to the first
//! revision.
//!
//! As in Argo Rollouts, only the first revision changes the size of the Deployment.

use crate::draft::Draft;
use crate::observed::Observed;
use crate::plan::Action;
use crate::revisions::Revisions;
use crate::spec::{Spec, WorkloadKind, WorkloadScaleDown};
use crate::status::Phase;

/// The number of the revision that takes the place of a Deployment.
const FIRST_REVISION: u64 = 1;

/// The generation of the workload, if it is not noted on the Rollout yet: tools compare it with that in the status.
pub(crate) fn generation_to_annotate(observed: &Observed) -> Option<i64> {
    let generation = observed.workload.as_ref().map(|workload| workload.generation);
    generation.filter(|_| observed.rollout.workload_generation != generation)
}

/// Notes what was seen of the workload, and takes away those of its pods that are replaced.
pub(crate) fn follow(draft: &mut Draft<'_>, spec: &Spec, revisions: &Revisions<'_>) {
    let seen = draft.observed.workload.as_ref();
    draft.status.workload_observed_generation = seen.map(|workload| workload.generation);
    let deployment = spec.workload.as_ref();
    let deployment = deployment.filter(|workload| workload.kind == WorkloadKind::Deployment);
    let (Some(seen), Some(deployment)) = (seen, deployment) else {
        return;
    };
    // One that has no pods any more has given its place away: what happens later is not about it.
    let Some(from) = seen.replicas.filter(|replicas| *replicas > 0 && !draft.hold) else {
        return;
    };
    let Some(to) = wanted(draft, spec, revisions, deployment.scale_down, from) else {
        return;
    };
    if to != from {
        draft.act(Action::ScaleDeployment {
            name: deployment.name.clone(),
            resource_version: seen.resource_version.clone(),
            from,
            to,
        });
    }
}

/// The size of the Deployment, which has `from` pods; None: as it is.
fn wanted(
    draft: &Draft<'_>,
    spec: &Spec,
    revisions: &Revisions<'_>,
    scale_down: WorkloadScaleDown,
    from: u32,
) -> Option<u32> {
    let current = revisions
        .current
        .filter(|current| current.revision == FIRST_REVISION)?;
    // A Rollout without pods takes nobody's place, though it may count as healthy.
    let available = current.lasting_available();
    if spec.replicas == 0 || available == 0 {
        let has_failed = draft.status.phase == Phase::Degraded;
        return (has_failed && scale_down == WorkloadScaleDown::Progressively)
            .then_some(from.max(spec.replicas));
    }
    match (scale_down, draft.status.phase) {
        (WorkloadScaleDown::Never, _)
        | (WorkloadScaleDown::OnSuccess, Phase::Progressing | Phase::Paused | Phase::Degraded) => None,
        (_, Phase::Healthy) => Some(0),
        (WorkloadScaleDown::Progressively, Phase::Degraded) => Some(from.max(spec.replicas)),
        // At least one pod stays until the Rollout is healthy: an empty Deployment counts as replaced. It may have had fewer
        // pods than the Rollout is to have: none is added.
        (WorkloadScaleDown::Progressively, Phase::Progressing | Phase::Paused) => {
            Some(spec.replicas.saturating_sub(available).max(1).min(from))
        }
    }
}
