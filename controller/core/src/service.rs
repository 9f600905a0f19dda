//! Services: which revision each of them selects.

use crate::draft::Draft;
use crate::observed::{Observed, Presence, ReplicaSetView, ServiceView};
use crate::plan::Action;

/// Which revisions the two Services select now.
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
}

fn selects(service: Option<&ServiceView>, hash: &str) -> bool {
    service.is_some_and(|service| service.selects.as_deref().is_none_or(|selected| selected == hash))
}

/// Points `service` at `target`, if that has pods to answer: all of them where the Service has selected the pods of
/// every revision so far, at least one otherwise.
pub(crate) fn point(draft: &mut Draft<'_>, service: &ServiceView, target: &ReplicaSetView) {
    if service.selects.as_deref() == Some(target.hash.as_str()) {
        return;
    }
    let ready = if service.selects.is_none() {
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
