//! Which templates of an experiment have a share of the traffic now.
//!
//! They have it while their experiment runs and is what the step under way waits for, and only with ready endpoints. First it
//! is noted on the Experiment, so that its pods stay until no route sends to them, whenever it comes to its end; what was
//! written without that note, by another controller, stays where it is.

use std::collections::BTreeSet;

use super::is_held;
use crate::analyses;
use crate::analysis::run::AnalysisPhase;
use crate::draft::Draft;
use crate::observed::{AnalysisRunView, Judge, Observed, Presence, Routed, SharingService};
use crate::plan::Action;
use crate::revisions::Revisions;
use crate::spec::{Spec, Step, StepExperiment, TrafficRouting, Weight};
use crate::status::AdditionalWeight;
use crate::traffic::{Safety, Share, View, remembered_by, remembered_share};

/// The shares to have, beside a canary of `weight`, and whether there is an experiment under way that they are of.
pub(super) fn wanted<'a>(
    draft: &mut Draft<'a>,
    spec: &Spec,
    routing: &TrafficRouting,
    revisions: &Revisions<'_>,
    (view, safety): (&View<'_>, &Safety),
    weight: Option<Weight>,
) -> (Vec<Share<'a>>, bool) {
    let observed = draft.observed;
    let most = weight.map_or(0, |weight| weight.on(routing.whole).rest().parts());
    let may_begin = may_begin(draft, spec, view);
    let experiment = under_way(draft, spec, revisions);
    let mut wanted = Vec::new();
    if let Some((step, run)) = experiment {
        let noted: BTreeSet<&str> = run.sharing.noted().collect();
        for service in &run.sharing.services {
            let asked = step.shares.get(&service.template).map(|share| share.parts());
            let before = before(observed, routing, &service.name);
            let parts = asked.map(|asked| parts_of(service, asked, before, may_begin));
            let is_known = before.is_some() || noted.contains(service.name.as_str());
            let share = parts.map(|parts| share_of(service, parts));
            if let Some(share) = share.filter(|share| can_be(observed, view, share, is_known)) {
                add(&mut wanted, share, most);
            }
        }
        if may_begin {
            note(draft, run, &noted, &wanted);
        }
        wanted.retain(|share| {
            noted.contains(share.service) || before(observed, routing, share.service).is_some()
        });
    }
    if safety.lowest == Weight::FULL {
        // Nobody else could take them.
        let remembered = remembered_by(&observed.status).iter();
        for share in remembered.filter_map(|share| answering(observed, routing, share)) {
            add(&mut wanted, share, most);
        }
    }
    (wanted, experiment.is_some())
}

/// What a Service is to have that is asked to have so many parts.
fn parts_of(service: &SharingService, asked: u32, before: Option<u32>, may_begin: bool) -> u32 {
    if service.ready == 0 {
        return 0;
    }
    // What is held does not grow.
    if may_begin {
        asked
    } else {
        asked.min(before.unwrap_or(0))
    }
}

/// Whether there can be a ref with this share. One that is there already stays without a weight until its pods answer again, if
/// there is a Service to refer to.
fn can_be(observed: &Observed, view: &View<'_>, share: &Share<'_>, is_known: bool) -> bool {
    let stable = observed.stable_service.as_ref().and_then(Presence::present);
    if share.parts == 0 {
        return is_known && !observed.experiment_refs.lost.contains(share.service);
    }
    let is_somebodys = !is_known && view.names_otherwise(&observed.rollout.namespace, share.service);
    !is_somebodys && view.fits(share, stable)
}

/// Notes on the experiment what routes may send to, before they do.
fn note(draft: &mut Draft<'_>, run: &AnalysisRunView, noted: &BTreeSet<&str>, wanted: &[Share<'_>]) {
    if wanted.iter().all(|share| noted.contains(share.service)) {
        return;
    }
    let services = wanted.iter().map(|share| share.service);
    let services = services.chain(noted.iter().copied());
    draft.act(Action::MarkExperiment {
        name: run.name.clone(),
        resource_version: run.resource_version.clone(),
        routed: Routed::Now(services.map(str::to_owned).collect()),
    });
}

/// The share that a Service has had before.
fn before(observed: &Observed, routing: &TrafficRouting, service: &str) -> Option<u32> {
    let share = remembered_share(&observed.status, service)?;
    Some(on_whole(observed, routing, share))
}

/// A share that the status remembers, in parts of what all traffic is now.
fn on_whole(observed: &Observed, routing: &TrafficRouting, share: &AdditionalWeight) -> u32 {
    let traffic = observed.status.traffic.as_ref();
    let whole = traffic.map_or(routing.whole, |traffic| traffic.requested.whole());
    Weight::share(share.weight.into(), whole.parts().into(), routing.whole).parts()
}

/// Adds a share for which there is room, and that is not there yet.
fn add<'a>(shares: &mut Vec<Share<'a>>, share: Share<'a>, most: u32) {
    let taken: u32 = shares.iter().map(|share| share.parts).sum();
    let has_room = share.parts <= most.saturating_sub(taken);
    if has_room && shares.iter().all(|other| other.service != share.service) {
        shares.push(share);
    }
}

/// Whether what has no share yet may get one now.
fn may_begin(draft: &Draft<'_>, spec: &Spec, view: &View<'_>) -> bool {
    !draft.hold && !is_held(draft, spec) && !view.is_rejected()
}

/// The experiment that the step under way waits for, if it runs.
fn under_way<'a, 'spec>(
    draft: &Draft<'a>,
    spec: &'spec Spec,
    revisions: &Revisions<'_>,
) -> Option<(&'spec StepExperiment, &'a AnalysisRunView)> {
    let status = &draft.status;
    if !analyses::is_under_way(draft, revisions) || spec.replicas == 0 {
        return None;
    }
    let Some(Step::Experiment(step)) = spec.step(status.current_step_index?) else {
        return None;
    };
    let reference = status.analyses.step.as_ref();
    let reference = reference.filter(|reference| reference.judge == Judge::Experiment)?;
    let run = analyses::find(&draft.observed.analysis_runs, reference)?;
    let runs = run.phase == AnalysisPhase::Running && !run.terminate;
    runs.then_some((step, run))
}

fn share_of(service: &SharingService, parts: u32) -> Share<'_> {
    Share {
        service: &service.name,
        hash: &service.hash,
        parts,
        ports: &service.ports,
    }
}

/// A share as it is, if pods behind it answer.
fn answering<'a>(
    observed: &'a Observed,
    routing: &TrafficRouting,
    share: &AdditionalWeight,
) -> Option<Share<'a>> {
    let runs = observed.analysis_runs.iter();
    let mut services = runs.flat_map(|run| &run.sharing.services);
    let service = services.find(|service| service.name == share.service_name && service.ready > 0)?;
    Some(share_of(service, on_whole(observed, routing, share)))
}
