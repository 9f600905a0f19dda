//! Restarts evict old pods only, never together with another move, and never more than can be spared.

use jiff::Timestamp;
use kulta_core::observed::{Observed, PodView, ReplicaSetView};
use kulta_core::plan::{Action, Plan};
use kulta_core::spec::{Restart, Spec};

use crate::simulation::cluster::Cluster;
use crate::simulation::controller::Witness;

/// Judges every eviction.
pub(crate) struct Restarts;

impl Witness for Restarts {
    fn plan(&mut self, observed: &Observed, now: Timestamp, plan: &Plan) -> Result<(), String> {
        let evicted = evicted(observed, plan)?;
        if evicted.is_empty() {
            return Ok(());
        }
        let spec = observed
            .spec
            .as_ref()
            .map_err(|_| "evictions by an invalid spec")?;
        let restart = spec.pods.restart.ok_or("evictions without a restart")?;
        if observed.status.restarted_at == Some(restart.at) {
            return Err("evictions by a restart that has come to its end".to_owned());
        }
        if let Some(young) = evicted
            .iter()
            .find(|pod| pod.created >= restart.at || pod.deleting)
        {
            return Err(format!("{young:?} is evicted by the restart {restart:?}"));
        }
        if let Some(scaled) = plan
            .actions
            .iter()
            .find(|action| matches!(action, Action::ScaleReplicaSet { from, to, .. } if from != to))
        {
            return Err(format!("evictions together with {scaled:?}"));
        }
        spared(observed, spec, restart, now, &evicted)
    }

    fn second(&mut self, _cluster: &Cluster) -> Result<(), String> {
        Ok(())
    }
}

fn evicted<'a>(observed: &'a Observed, plan: &Plan) -> Result<Vec<&'a PodView>, String> {
    let uids = plan.actions.iter().filter_map(|action| match action {
        Action::EvictPod { uid, .. } => Some(uid),
        _ => None,
    });
    let listed = observed.pods.listed().unwrap_or_default();
    uids.map(|uid| {
        let found = listed.iter().find(|pod| pod.uid == *uid);
        found.ok_or_else(|| format!("the pod {uid} is evicted and was not seen"))
    })
    .collect()
}

/// Of all that should be there, no more are missing than may be, and no version of several pods loses all of them.
fn spared(
    observed: &Observed,
    spec: &Spec,
    restart: Restart,
    now: Timestamp,
    evicted: &[&PodView],
) -> Result<(), String> {
    let serving = |pods: &[&PodView], one: &ReplicaSetView| {
        let of_it = pods.iter().filter(|pod| pod.replica_set == one.name);
        of_it
            .filter(|pod| pod.is_available(now, one.min_ready_seconds))
            .count()
    };
    let listed: Vec<&PodView> = observed.pods.listed().unwrap_or_default().iter().collect();
    let wanted: u32 = observed.replica_sets.iter().map(|one| one.spec_replicas).sum();
    let may_be_missing = restart.max_unavailable.floor(spec.replicas).max(1);
    let shrinks = spec
        .routed_canary()
        .is_some_and(|canary| canary.dynamic_stable_scale);
    let promised = if shrinks { 0 } else { spec.replicas };
    let least = wanted.max(promised).saturating_sub(may_be_missing) as usize;
    let (mut left, mut taken) = (0, 0);
    for one in &observed.replica_sets {
        let goes = serving(evicted, one);
        let before = serving(&listed, one).min(one.lasting_available() as usize);
        if goes > 0 && before <= goes && one.spec_replicas > 1 {
            return Err(format!(
                "{}: the last of {} pods is evicted",
                one.name, one.spec_replicas
            ));
        }
        taken += goes;
        left += before.saturating_sub(goes);
    }
    if taken > 0 && left < least {
        return Err(format!("{left} available pods are left, {least} have to be"));
    }
    Ok(())
}
