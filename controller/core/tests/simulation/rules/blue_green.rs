//! All users are sent at once, so only to a version that is whole, and never to one that is about to go.

use kulta_core::analysis::run::AnalysisPhase;
use kulta_core::observed::{Observed, Presence, ReplicaSetView, ServiceView};
use kulta_core::plan::{Action, Plan};
use kulta_core::spec::{BlueGreen, Promotion, Spec};
use kulta_core::status::{AnalysisReference, PauseReason};

use super::progress::promotes;
use super::{ALL, PlanRule, all_accepted, canary_shares, highest_canary_share, lowest_canary_share, written};

/// What the switch of a blue-green Rollout has to keep to.
pub(crate) struct SafeSwitch;

impl PlanRule for SafeSwitch {
    fn judge(&mut self, observed: &Observed, spec: &Spec, plan: &Plan) -> Result<(), String> {
        let Some(blue_green) = spec.blue_green() else {
            return Ok(());
        };
        let active = observed.stable_service.as_ref().and_then(Presence::present);
        for action in &plan.actions {
            if let Action::PointService { name, to, .. } = action {
                if *name == blue_green.active_service {
                    active_points(observed, spec, blue_green, plan, to)?;
                } else {
                    preview_points(observed, spec, plan, to)?;
                }
            }
        }
        sent_by_routes(observed, spec, blue_green, plan)?;
        gone(observed, spec, plan, active)?;
        if promotes(observed, plan) {
            proven(observed, spec, blue_green, active)?;
        }
        Ok(())
    }
}

fn with_hash<'a>(observed: &'a Observed, hash: &str) -> Result<&'a ReplicaSetView, String> {
    let mut all = observed.replica_sets.iter();
    all.find(|one| one.hash == hash)
        .ok_or_else(|| format!("no such revision: {hash}"))
}

/// With routes, the active Service goes with what is trusted alone.
fn active_points(
    observed: &Observed,
    spec: &Spec,
    blue_green: &BlueGreen,
    plan: &Plan,
    to: &str,
) -> Result<(), String> {
    if spec.routing().is_none() {
        return switched(observed, spec, blue_green, plan, to);
    }
    let proven = [&observed.status.stable_hash, &plan.status.stable_hash];
    let is_proven = proven.into_iter().flatten().any(|hash| hash == to);
    if !is_proven || with_hash(observed, to)?.lasting_available() == 0 {
        return Err(format!(
            "the active Service is pointed at {to}, which is not proven or has no pods"
        ));
    }
    Ok(())
}

/// The preview Service is pointed elsewhere only where routes send nobody there, or nobody answers.
fn preview_points(observed: &Observed, spec: &Spec, plan: &Plan, to: &str) -> Result<(), String> {
    let preview = observed.canary_service.as_ref().and_then(Presence::present);
    let selected = preview.and_then(|preview| preview.selects.as_ref());
    let answers = preview
        .zip(selected)
        .is_some_and(|(preview, hash)| shows(preview, hash));
    let is_asked = highest_canary_share(observed) > 0 || !all_accepted(observed);
    let is_stable = plan.status.stable_hash.as_deref() == Some(to);
    if spec.routing().is_some() && is_asked && (answers || !is_stable) {
        return Err(format!(
            "the preview Service is pointed at {to} while routes send users there"
        ));
    }
    Ok(())
}

/// Routes send users forward as the active Service does, all at once, and back only onto endpoints of the stable version.
fn sent_by_routes(
    observed: &Observed,
    spec: &Spec,
    blue_green: &BlueGreen,
    plan: &Plan,
) -> Result<(), String> {
    let preview = observed.canary_service.as_ref().and_then(Presence::present);
    let active = observed.stable_service.as_ref().and_then(Presence::present);
    let before = observed.status.traffic.as_ref();
    let was_asked_for = before.is_some_and(|traffic| traffic.requested.percent() == 100);
    for (seen, after) in written(observed, plan)? {
        for ((_, from), (_, to)) in canary_shares(&seen).into_iter().zip(canary_shares(&after)) {
            if to > from && !was_asked_for {
                let selected = preview.and_then(|preview| preview.selects.as_deref());
                let selected = selected.ok_or("users are sent to a Service that selects no version")?;
                switched(observed, spec, blue_green, plan, selected)?;
            }
            let answers = active.is_some_and(|active| {
                let selected = active.selects.as_ref();
                selected.is_none_or(|hash| shows(active, hash))
            });
            if to < from && !answers && spec.replicas > 0 {
                return Err("users are sent to an active Service without endpoints".to_owned());
            }
        }
    }
    Ok(())
}

/// Forward only to a whole version that nothing holds; back only to a version with pods.
fn switched(
    observed: &Observed,
    spec: &Spec,
    blue_green: &BlueGreen,
    plan: &Plan,
    to: &str,
) -> Result<(), String> {
    let target = with_hash(observed, to)?;
    if target.lasting_available() == 0 {
        return Err(format!("all users are sent to {to}, which has no pods"));
    }
    if plan.status.stable_hash.as_deref() == Some(to) {
        return Ok(());
    }
    let (before, after) = (&observed.status, &plan.status);
    if target.lasting_available() < spec.replicas || target.spec_replicas != spec.replicas {
        return Err(format!("all users are sent to {to}, which is not whole"));
    }
    if after.current_pod_hash.as_deref() != Some(to) {
        return Err(format!("all users are sent to {to}, which nobody asks for"));
    }
    if after.abort || spec.paused || after.is_held_by_analysis() {
        return Err("all users are sent to a version that is held or given up".to_owned());
    }
    let preview = observed.canary_service.as_ref().and_then(Presence::present);
    if preview.is_some_and(|preview| !shows(preview, to)) {
        return Err("all users are sent to a version whose endpoints were not seen".to_owned());
    }
    let state = before.blue_green.clone().unwrap_or_default();
    if after.promote_full || state.fast_rollback {
        return Ok(());
    }
    let gates = observed.status.analyses.gate.as_ref();
    if spec.promotion_gates.is_some() && !gates.is_some_and(|gate| is_successful(observed, gate)) {
        return Err("all users are sent without a word of the gates".to_owned());
    }
    let waits =
        before.pause_for(PauseReason::BlueGreenPause).is_some() && blue_green.promotion == Promotion::ByHand;
    if waits || !state.checkpoint {
        return Err("all users are sent ahead of the checkpoint".to_owned());
    }
    Ok(())
}

fn is_successful(observed: &Observed, reference: &AnalysisReference) -> bool {
    let mut runs = observed.analysis_runs.iter();
    let run = runs.find(|run| run.name == reference.name);
    run.map_or(reference.phase, |run| run.phase) == AnalysisPhase::Successful
}

fn shows(service: &ServiceView, hash: &str) -> bool {
    service.selects.as_deref() == Some(hash)
        && service.ready_endpoints.get(hash).is_some_and(|ready| *ready > 0)
}

/// No pods are taken from what users may meet behind either Service, and those of old versions go only once another one is seen
/// behind it.
fn gone(observed: &Observed, spec: &Spec, plan: &Plan, active: Option<&ServiceView>) -> Result<(), String> {
    for action in &plan.actions {
        let Action::ScaleReplicaSet { name, from, to, .. } = action else {
            continue;
        };
        let mut all = observed.replica_sets.iter();
        let one = all.find(|one| one.name == *name).ok_or("no such ReplicaSet")?;
        if to >= from || one.lasting_available() == 0 || spec.replicas == 0 || *to >= spec.replicas {
            continue;
        }
        let stable = plan.status.stable_hash.as_ref();
        let current = plan.status.current_pod_hash.as_ref();
        let selected = active.and_then(|active| active.selects.as_ref());
        let preview = observed.canary_service.as_ref().and_then(Presence::present);
        let previewed = preview.and_then(|preview| preview.selects.as_ref());
        let is_asked = highest_canary_share(observed) > 0 || !all_accepted(observed);
        if spec.routing().is_some() && is_asked && previewed == Some(&one.hash) {
            return Err(format!(
                "{name}: routes may send users there, and it goes from {from} to {to}"
            ));
        }
        if selected == Some(&one.hash) {
            return Err(format!(
                "{name}: all users are there, and it goes from {from} to {to}"
            ));
        }
        let is_old = Some(&one.hash) != stable && Some(&one.hash) != current;
        let others_serve = active.is_some_and(|active| selected.is_some_and(|hash| shows(active, hash)));
        if is_old && !others_serve {
            return Err(format!("{name} goes, and nobody else is seen to serve"));
        }
    }
    Ok(())
}

/// A version is trusted only once all users are seen there and its analysis is successful.
fn proven(
    observed: &Observed,
    spec: &Spec,
    blue_green: &BlueGreen,
    active: Option<&ServiceView>,
) -> Result<(), String> {
    let status = &observed.status;
    let current = status.current_pod_hash.as_deref().unwrap_or_default();
    let preview = observed.canary_service.as_ref().and_then(Presence::present);
    let asked = if spec.routing().is_some() {
        preview.filter(|_| lowest_canary_share(observed) == ALL && all_accepted(observed))
    } else {
        active
    };
    if spec.replicas > 0 && !asked.is_some_and(|asked| shows(asked, current)) {
        return Err("promoted before all users were seen at its endpoints".to_owned());
    }
    let unquestioned = status.promote_full
        || status
            .blue_green
            .as_ref()
            .is_some_and(|state| state.fast_rollback);
    let post = status.analyses.post_promotion.as_ref();
    let passed = post.is_some_and(|post| is_successful(observed, post));
    if blue_green.post_promotion.is_some() && !unquestioned && !passed {
        return Err("promoted without its analysis after the switch".to_owned());
    }
    Ok(())
}
