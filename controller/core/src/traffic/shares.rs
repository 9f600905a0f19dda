//! Shares of experiments: what their templates get of the traffic beside the two versions.
//!
//! A share is taken from the stable version: the canary has its weight, the shares have theirs, and the stable version what is
//! left. Their refs come and go with them, and are known by the names of Services that the status remembers, or that are noted
//! on an Experiment.

use std::collections::BTreeSet;

use super::View;
use super::split::{change, is_first};
use crate::draft::Draft;
use crate::observed::{
    BackendView, ExperimentRefs, Observed, PortTarget, RouteView, Routed, ServicePort, ServiceView,
};
use crate::plan::{Action, BackendChange, WeightChange};
use crate::reference::{Pair, refers_to};
use crate::spec::{TrafficRouting, Weight};
use crate::status::{AdditionalWeight, Status};

/// The share of a template that it is to have now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Share<'a> {
    /// Which Service gets it.
    pub(crate) service: &'a str,
    /// The hash of the pods behind it.
    pub(crate) hash: &'a str,
    /// So many parts of all traffic.
    pub(crate) parts: u32,
    /// The ports of the Service.
    pub(crate) ports: &'a [ServicePort],
}

/// The port that HTTP is served at, where several have names: that of Argo Rollouts' plugin.
const HTTP: &str = "http";

impl Share<'_> {
    /// The port to send to, beside a ref of the stable Service to `port`: the one of the same port of the pods. None where the
    /// Service does not have it; where it is not known which that is, the one of HTTP, or the only one.
    pub(super) fn port(&self, port: Option<u16>, stable: Option<&ServiceView>) -> Option<u16> {
        let of_stable = stable.zip(port).and_then(|(stable, port)| {
            let mut ports = stable.ports.iter();
            ports.find(|served| served.number == port)
        });
        let is_same = |served: &&ServicePort| match of_stable.map(|port| &port.target) {
            Some(PortTarget::Number(_)) => of_stable.is_some_and(|port| port.target == served.target),
            Some(PortTarget::Name(name)) => served.name.as_ref() == Some(name),
            None => false,
        };
        let is_http = |served: &&ServicePort| served.name.as_deref() == Some(HTTP);
        let found = match of_stable {
            Some(_) => self.ports.iter().find(is_same),
            None => self.ports.iter().find(is_http).or(match self.ports {
                [only] => Some(only),
                _ => None,
            }),
        };
        found.map(|port| port.number)
    }
}

/// The names of the Services whose refs are the controller's own. What is written in the status and on Experiments can be
/// anybody's word, so no Service that is not an Experiment's is among them.
pub(crate) fn known<'a>(observed: &'a Observed, routing: &TrafficRouting) -> BTreeSet<&'a str> {
    let ExperimentRefs { others, lost } = &observed.experiment_refs;
    let noted = observed.analysis_runs.iter().flat_map(|run| run.sharing.noted());
    let remembered = remembered_by(&observed.status).iter();
    let remembered = remembered.map(|share| share.service_name.as_str());
    let own = |name: &&str| {
        let versions = [&routing.stable_service, &routing.canary_service];
        !others.contains(*name) && versions.into_iter().all(|version| version != name)
    };
    let lost = lost.iter().map(String::as_str);
    noted.chain(remembered).chain(lost).filter(own).collect()
}

/// The shares that the status remembers.
pub(crate) fn remembered_by(status: &Status) -> &[AdditionalWeight] {
    let traffic = status.traffic.as_ref();
    traffic.map_or(&[], |traffic| &traffic.additional)
}

/// The share that the status remembers of a Service.
pub(crate) fn remembered_share<'a>(status: &'a Status, service: &str) -> Option<&'a AdditionalWeight> {
    let mut remembered = remembered_by(status).iter();
    remembered.find(|share| share.service_name == service)
}

/// The refs of a rule that are to these Services.
pub(super) fn refs<'a>(
    route: &'a RouteView,
    rule: usize,
    namespace: &str,
    known: &BTreeSet<&str>,
) -> Vec<&'a BackendView> {
    let refs = route.backends.iter().filter(|backend| backend.rule == rule);
    let of_known = |backend: &&BackendView| known.iter().any(|name| refers_to(backend, namespace, name));
    refs.filter(of_known).collect()
}

/// A share on its way to what is wanted. A ref comes with no weight, has it once gateways have accepted that, and goes the same
/// way back: they learn of a route and of what it sends to in an order of their own, and a request for what one does not know yet,
/// or no more, is an error.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    share: Share<'a>,
    /// Refs without a weight may have it now.
    may_rise: bool,
}

impl Turn<'_> {
    /// Whose it is.
    pub(super) fn service(&self) -> &str {
        self.share.service
    }

    /// What the ref in a rule is to carry now.
    fn carried(&self, pair: &Pair<'_>) -> u32 {
        let mut refs = pair.shares.iter();
        match refs.find(|backend| backend.name == self.share.service) {
            Some(backend) if backend.weight != Some(0) || self.may_rise => self.share.parts,
            Some(_) | None => 0,
        }
    }

    /// The share as the status tells it: it has it once it has it everywhere.
    fn told(&self, view: &View<'_>) -> AdditionalWeight {
        let mut pairs = view.pairs();
        let is_everywhere = pairs.all(|pair| self.carried(pair) == self.share.parts);
        AdditionalWeight {
            service_name: self.share.service.to_owned(),
            pod_template_hash: self.share.hash.to_owned(),
            weight: if is_everywhere { self.share.parts } else { 0 },
        }
    }
}

/// Whether refs may have their weight, and whether they may go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turns {
    /// Gateways have accepted what is written.
    pub(super) accepted: bool,
    /// The experiment is over, and a gateway rejects what is written: its refs may be the reason.
    pub(super) over_and_rejected: bool,
}

/// The shares to write now, on the way to those that are wanted.
pub(super) fn in_turn<'a>(
    observed: &'a Observed,
    view: &'a View<'a>,
    wanted: &[Share<'a>],
    turns: Turns,
) -> Vec<Turn<'a>> {
    let here = view.routes.iter();
    let here = here.filter(|(reference, _, _)| reference.namespace == observed.rollout.namespace);
    let pairs: Vec<_> = here.flat_map(|(_, _, pairs)| pairs).collect();
    let has = |pair: &Pair<'_>, service: &str| pair.shares.iter().any(|backend| backend.name == service);
    let wanted = wanted.iter().map(|share| Turn {
        may_rise: turns.accepted && pairs.iter().all(|pair| has(pair, share.service)),
        share: share.clone(),
    });
    let mut shares: Vec<_> = wanted.collect();
    let refs = || pairs.iter().flat_map(|pair| &pair.shares);
    for backend in refs() {
        let service = backend.name.as_str();
        let mut same = refs().filter(|other| other.name == service);
        let is_idle = same.all(|backend| backend.weight == Some(0));
        // Where there is no Service, nothing can get worse.
        let may_go = is_idle && (turns.accepted || turns.over_and_rejected)
            || observed.experiment_refs.lost.contains(service);
        if !may_go && shares.iter().all(|turn| turn.share.service != service) {
            let known = remembered_share(&observed.status, service);
            let share = Share {
                service,
                hash: known.map_or("", |share| &share.pod_template_hash),
                parts: 0,
                ports: &[],
            };
            shares.push(Turn {
                share,
                may_rise: false,
            });
        }
    }
    shares
}

/// Whether the status remembers what is in the routes: it was written, and its status with it.
pub(super) fn are_as_remembered(status: &Status, view: &View<'_>) -> bool {
    let refs = view.pairs();
    let refs = refs.flat_map(|pair| &pair.shares);
    let there: BTreeSet<_> = refs
        .map(|backend| (backend.name.as_str(), backend.weight))
        .collect();
    let remembered = remembered_by(status).iter();
    let remembered: BTreeSet<_> = remembered
        .map(|share| (share.service_name.as_str(), Some(share.weight)))
        .collect();
    there == remembered
}

/// The shares to remember: those that are written, and those that are not gone yet.
pub(super) fn remembered(
    written: &[Turn<'_>],
    before: &[AdditionalWeight],
    view: &View<'_>,
) -> Vec<AdditionalWeight> {
    let mut shares: Vec<_> = written.iter().map(|turn| turn.told(view)).collect();
    let there = view.pairs();
    for there in there.flat_map(|pair| &pair.shares) {
        if shares.iter().any(|share| share.service_name == there.name) {
            continue;
        }
        let known = before.iter().find(|share| share.service_name == there.name);
        shares.push(known.cloned().unwrap_or_else(|| AdditionalWeight {
            service_name: there.name.clone(),
            pod_template_hash: String::new(),
            weight: there.weight.unwrap_or(1),
        }));
    }
    shares
}

/// What is left for the stable version in a rule, beside a canary of `weight`.
pub(super) fn left(pair: &Pair<'_>, weight: Weight, shares: &[Turn<'_>]) -> u32 {
    let taken = shares
        .iter()
        .fold(0_u32, |taken, turn| taken.saturating_add(turn.carried(pair)));
    weight.rest().parts().saturating_sub(taken)
}

/// The changes of weights of a rule's own shares.
pub(super) fn weights<'a>(
    pair: &'a Pair<'a>,
    shares: &'a [Turn<'a>],
) -> impl Iterator<Item = WeightChange> + 'a {
    pair.shares.iter().filter_map(|backend| {
        let to = wanted(pair, shares, backend)?.carried(pair);
        change(backend, to)
    })
}

/// The share that a ref is to carry. Of several refs to a Service the first one does.
fn wanted<'a>(pair: &Pair<'_>, shares: &'a [Turn<'a>], backend: &BackendView) -> Option<&'a Turn<'a>> {
    let turn = shares.iter().find(|turn| turn.share.service == backend.name)?;
    let mut same = pair.shares.iter().filter(|other| other.name == backend.name);
    is_first(backend, same.next()).then_some(turn)
}

/// The refs of a rule that go and come; at most `room` more than there are.
pub(super) fn backends(
    pair: &Pair<'_>,
    shares: &[Turn<'_>],
    stable: Option<&ServiceView>,
    room: usize,
) -> Vec<BackendChange> {
    let is_left = |backend: &&&BackendView| wanted(pair, shares, backend).is_none();
    // From behind, so that those before keep their places.
    let gone = pair.shares.iter().rev().filter(is_left);
    let gone = gone.map(|backend| BackendChange::Remove {
        rule: backend.rule,
        index: backend.index,
        name: backend.name.clone(),
    });
    let missing = shares.iter().map(|turn| &turn.share);
    let missing = missing.filter(|share| pair.shares.iter().all(|backend| backend.name != share.service));
    let port = pair.stable.first().and_then(|backend| backend.port);
    let added = missing.filter_map(|share| {
        Some(BackendChange::Add {
            rule: pair.rule,
            name: share.service.to_owned(),
            port: share.port(port, stable)?,
        })
    });
    gone.chain(added.take(room)).collect()
}

/// Lets go of the experiments that no route names any more, as far as gateways have accepted that.
pub(crate) fn release(draft: &mut Draft<'_>) {
    let traffic = draft.status.traffic.as_ref();
    if traffic.is_some_and(|traffic| !traffic.verified) {
        return;
    }
    let observed = draft.observed;
    let runs = observed.analysis_runs.iter();
    for run in runs.filter(|run| matches!(run.sharing.routed, Some(Routed::Now(_)))) {
        let mut services = run.sharing.services.iter();
        let is_remembered = |name: &str| remembered_share(&draft.status, name).is_some();
        if !services.any(|service| service.named || is_remembered(&service.name)) {
            draft.act(Action::MarkExperiment {
                name: run.name.clone(),
                resource_version: run.resource_version.clone(),
                routed: Routed::Until(draft.now),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn port(number: u16, name: &str, target: PortTarget) -> ServicePort {
        ServicePort {
            number,
            name: Some(name.to_owned()),
            target,
        }
    }

    fn stable(target: PortTarget) -> ServiceView {
        ServiceView {
            name: "web-stable".to_owned(),
            resource_version: "1".to_owned(),
            selector: BTreeMap::new(),
            selects: None,
            managed_by: None,
            ports: vec![
                port(9090, "metrics", PortTarget::Number(9090)),
                port(80, "web", target),
            ],
            ready_endpoints: BTreeMap::new(),
        }
    }

    /// The Service of an experiment has the ports of its containers.
    fn port_beside(ports: &[(u16, &str)], target: PortTarget) -> Option<u16> {
        share(&ports_of(ports)).port(Some(80), Some(&stable(target)))
    }

    fn ports_of(ports: &[(u16, &str)]) -> Vec<ServicePort> {
        let ports = ports.iter();
        ports
            .map(|(number, name)| port(*number, name, PortTarget::Number(*number)))
            .collect()
    }

    fn share(ports: &[ServicePort]) -> Share<'_> {
        Share {
            service: "try-canary",
            hash: "abc",
            parts: 5,
            ports,
        }
    }

    const PORTS: [(u16, &str); 3] = [(9090, "metrics"), (8080, "web"), (8443, "http")];

    #[test]
    fn requests_go_to_the_port_of_the_pods_that_the_stable_service_sends_them_to() {
        assert_eq!(port_beside(&PORTS, PortTarget::Number(8080)), Some(8080));
        assert_eq!(
            port_beside(&PORTS, PortTarget::Name("web".to_owned())),
            Some(8080)
        );
    }

    #[test]
    fn no_requests_go_to_another_port_of_the_pods() {
        assert_eq!(port_beside(&PORTS, PortTarget::Number(1)), None);
        assert_eq!(port_beside(&PORTS, PortTarget::Name("grpc".to_owned())), None);
        assert_eq!(port_beside(&[], PortTarget::Number(8080)), None);
    }

    #[test]
    fn where_the_port_is_not_known_it_is_that_of_http_or_the_only_one() {
        let port_of = |ports: &[(u16, &str)]| share(&ports_of(ports)).port(None, None);

        assert_eq!(port_of(&PORTS), Some(8443));
        assert_eq!(port_of(&[(9090, "a")]), Some(9090));
        assert_eq!(port_of(&[(9090, "a"), (8080, "b")]), None);
    }
}
