//! Services: which revision each of them selects.

use crate::draft::Draft;
use crate::observed::{Observed, Presence, ReplicaSetView, ServiceView};
use crate::plan::Action;
use crate::spec::Spec;

/// Which revisions the two Services select now: the stable and the canary Service, or the active and the preview one.
pub(crate) struct Selection<'a> {
    stable: Option<&'a ServiceView>,
    canary: Option<&'a ServiceView>,
}

impl<'a> Selection<'a> {
    /// Reads the Services.
    pub(crate) fn of(observed: &'a Observed) -> Self {
        Self {
            stable: observed.stable_service.as_ref().and_then(Presence::present),
            canary: observed.canary_service.as_ref().and_then(Presence::present),
        }
    }

    /// Whether pods of `hash` are behind the stable Service. One without a hash selects all pods.
    pub(crate) fn selects_stable(&self, hash: &str) -> bool {
        selects(self.stable, hash)
    }

    /// Whether pods of `hash` are behind the canary Service.
    pub(crate) fn selects_canary(&self, hash: &str) -> bool {
        selects(self.canary, hash)
    }

    /// Whether either Service selects `hash` alone.
    pub(crate) fn points_to(&self, hash: &str) -> bool {
        [self.stable, self.canary]
            .into_iter()
            .flatten()
            .any(|service| service.selects.as_deref() == Some(hash))
    }
}

fn selects(service: Option<&ServiceView>, hash: &str) -> bool {
    service.is_some_and(|service| service.selects.as_deref().is_none_or(|selected| selected == hash))
}

/// Whether one of the two Services belongs to another Rollout, which directs it and the weights of its routes.
pub(crate) fn taken(observed: &Observed) -> bool {
    [&observed.stable_service, &observed.canary_service]
        .into_iter()
        .flatten()
        .filter_map(Presence::present)
        .any(|service| is_of_another(service, observed))
}

fn is_of_another(service: &ServiceView, observed: &Observed) -> bool {
    service
        .managed_by
        .as_ref()
        .is_some_and(|owner| *owner != observed.rollout.name)
}

/// Why a Service can't be this Rollout's, if its selector says so: it would have no endpoints once a hash is added.
pub(crate) fn misfit<'a>(service: &'a ServiceView, spec: &Spec) -> Option<Misfit<'a>> {
    // One that selects a revision is directed, be it by nothing else.
    if service.selector.is_empty() && service.selects.is_none() {
        return Some(Misfit::NoSelector);
    }
    let foreign = |(key, value): &(&String, &String)| spec.template_labels.get(*key) != Some(*value);
    let (key, value) = service.selector.iter().find(foreign)?;
    Some(Misfit::Label { key, value })
}

/// What does not fit in a Service's selector.
pub(crate) enum Misfit<'a> {
    /// It has none: somebody else keeps its endpoints.
    NoSelector,
    /// A label that the pods do not have.
    Label {
        /// Its key.
        key: &'a str,
        /// The value asked for.
        value: &'a str,
    },
}

/// Points `service` at `target`, if that has pods to answer: all of them where the Service was nobody's so far and has
/// the pods of every revision, at least one otherwise. One that is not this Rollout's yet is taken only if it fits.
pub(crate) fn point(draft: &mut Draft<'_>, spec: &Spec, service: &ServiceView, target: &ReplicaSetView) {
    let done = service.selects.as_deref() == Some(target.hash.as_str());
    if done || is_of_another(service, draft.observed) {
        return;
    }
    let is_ours = service.managed_by.is_some();
    if !is_ours && misfit(service, spec).is_some() {
        return;
    }
    let ready = if service.selects.is_none() && !is_ours {
        target.saturated()
    } else {
        target.lasting_available() > 0
    };
    if ready {
        draft.act(Action::PointService {
            name: service.name.clone(),
            resource_version: service.resource_version.clone(),
            from: service.selects.clone(),
            to: target.hash.clone(),
        });
    }
}
