//! Where requests go: what the gateways serve, resolved to pods with the lag that data planes have.

use kulta_core::observed::BackendView;

use super::cluster::{Cluster, NAMESPACE, NEW_SIDE, STABLE_SIDE, promised};
use super::route::Author;
use super::service::Selection;
use super::sharing::is_share;

/// Ticks until kube-proxy knows of other endpoints.
const DIRECT_LAG: u64 = 1;

impl Cluster {
    /// Requests that can't be answered although the controller alone decided where they go: a description.
    pub(crate) fn lost_traffic(&self) -> Option<String> {
        self.lost_through_routes().or_else(|| self.lost_without_routes())
    }

    /// Without traffic routing, clients of the stable Service ask it directly, and those of both Services in any case, if it is
    /// blue-green. A Rollout that promises no pod may lose what they ask.
    fn lost_without_routes(&self) -> Option<String> {
        let spec = &self.rollout.spec;
        let (stable, canary) = spec.services();
        let is_asked = spec.routing().is_none() || spec.blue_green().is_some();
        let promises = is_asked && promised(spec) > 0;
        let stable = stable.filter(|_| promises)?;
        let preview = canary.filter(|_| spec.blue_green().is_some());
        let seen = self.tick.saturating_sub(DIRECT_LAG);
        let mut asked = [Some(stable), preview].into_iter().flatten();
        asked.find_map(|service| self.unanswered(service, seen))
    }

    fn lost_through_routes(&self) -> Option<String> {
        self.routes
            .iter()
            .filter(|(_, route)| route.exists)
            .find_map(|(reference, route)| {
                route.served().find_map(|(gateway, author, backends)| {
                    let mut directed = backends
                        .iter()
                        .filter(|backend| directed(backend, backends, author));
                    let seen = self.tick.saturating_sub(gateway.endpoint_lag);
                    let lost = directed.find_map(|backend| self.unanswered(&backend.name, seen))?;
                    Some(format!("{reference} through {}: {lost}", gateway.name))
                })
            })
    }

    /// Why requests to the Service fail, if they do and the environment is not to blame.
    fn unanswered(&self, service: &str, seen: u64) -> Option<String> {
        if self.share_answers(service) == Some(false) {
            return Some(format!("no pod of an experiment behind {service}"));
        }
        let service = self.services.get(service)?;
        match service.selection.at(seen) {
            Selection::Absent => None,
            Selection::All => {
                let serving: u32 = self
                    .replica_sets
                    .iter()
                    .map(|other| other.serving(self.tick))
                    .sum();
                let excused = self
                    .replica_sets
                    .iter()
                    .any(|other| self.dark_by_environment(&other.hash));
                let excused = excused || !self.deleted_by_user.is_empty();
                (serving == 0 && !excused).then(|| format!("no pod behind {}", service.name))
            }
            Selection::Revision(hash) => {
                let serving = self.replica_set(hash).map_or(0, |other| other.serving(self.tick));
                let lost = serving == 0 && !self.dark_by_environment(hash);
                lost.then(|| format!("{} selects {hash}, which has no pod that answers", service.name))
            }
        }
    }
}

/// Whether requests go to `backend`, and the controller has a say in it: it wrote the weights, or nobody can
/// write them because the rule names only one of the two Services.
fn directed(backend: &BackendView, all: &[BackendView], author: Author) -> bool {
    if is_share(backend) {
        return backend.weight != Some(0) && author == Author::Controller;
    }
    let is_stable = is_one_of(backend, STABLE_SIDE);
    let ours = is_stable || is_one_of(backend, NEW_SIDE);
    let other = if is_stable { NEW_SIDE } else { STABLE_SIDE };
    let alone = !all
        .iter()
        .any(|ref_| ref_.rule == backend.rule && is_one_of(ref_, other));
    ours && backend.weight != Some(0) && (alone || author == Author::Controller)
}

/// Whether the ref names one of these Services of the Rollout's namespace.
pub(crate) fn is_one_of(backend: &BackendView, names: [&str; 2]) -> bool {
    names.into_iter().any(|name| is_service(backend, name))
}

/// Whether the ref names this Service of the Rollout's namespace.
pub(crate) fn is_service(backend: &BackendView, name: &str) -> bool {
    backend.is_service && backend.namespace == NAMESPACE && backend.name == name
}
