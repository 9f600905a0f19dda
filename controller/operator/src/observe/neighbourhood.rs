//! A Rollout and everything around it, as the caches had it at one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kulta_core::observed::{
    AnalysisRunView, ExperimentRefs, Presence, ReplicaSetView, RouteView, ServiceView,
};
use kulta_core::run_name;
use kulta_core::spec::RouteReference;

use super::analyses;
use crate::key::ObjectKey;
use crate::watch::{AnalysisRun, Experiment, Ownership, ReplicaSet, Rollout, Table, Tables, pod_prefix};

/// A Rollout and everything around it.
#[derive(Debug)]
pub(super) struct Neighbourhood {
    pub(super) rollout: Arc<Rollout>,
    /// The templates that its analyses need, with the versions that were seen.
    pub(super) templates: BTreeMap<ObjectKey, String>,
    pub(super) replica_sets: Vec<ReplicaSetView>,
    pub(super) stable_service: Option<Presence<ServiceView>>,
    pub(super) canary_service: Option<Presence<ServiceView>>,
    pub(super) routes: Vec<(RouteReference, Presence<RouteView>)>,
    pub(super) analysis_runs: Vec<AnalysisRunView>,
    pub(super) analysis_names_taken: BTreeSet<String>,
    pub(super) experiment_refs: ExperimentRefs,
    pub(super) overlaps_with: Option<String>,
    /// It, or another one of the namespace whose pods it may share, takes its template from a workload of a kind that was not
    /// listed yet.
    pub(super) workloads_unlisted: bool,
}

impl Neighbourhood {
    /// The neighbourhood of the Rollout `key`; None when it is gone or being deleted.
    pub(super) fn of(tables: &Tables, key: &ObjectKey) -> Option<Self> {
        let rollout = Arc::clone(tables.rollouts.get(key).filter(|rollout| !rollout.deleting)?);
        let replica_sets = replica_sets(tables, key, &rollout);
        let spec = rollout.readable_spec();
        let service = |name: &str| service(tables, &ObjectKey::new(&key.namespace, name), &replica_sets);
        let (stable, canary) = spec.map_or((None, None), |spec| spec.services());
        let (stable_service, canary_service) = (stable.map(service), canary.map(service));
        let routes = routes(tables, key, &rollout);
        let overlaps_with = oldest_that_overlaps(tables, key, &rollout);
        let analysis_runs = analysis_runs(tables, key, &rollout);
        let analysis_names_taken = analysis_names_taken(tables, key, &rollout);
        let experiment_refs = experiment_refs(tables, key, &rollout, (&analysis_runs, &routes));
        let templates = analyses::templates(tables, &rollout);
        let mut others = tables.rollouts_in(&key.namespace).map(|(_, other)| other);
        let workloads_unlisted = others.any(|other| is_unlisted(tables, other));
        Some(Self {
            rollout,
            templates,
            replica_sets,
            stable_service,
            canary_service,
            routes,
            analysis_runs,
            analysis_names_taken,
            experiment_refs,
            overlaps_with,
            workloads_unlisted,
        })
    }
}

/// Whether it is not known yet what a Rollout takes its template from.
fn is_unlisted(tables: &Tables, rollout: &Rollout) -> bool {
    let taken = rollout.takes();
    taken.is_some_and(|workload| !tables.workloads.is_listed(workload.kind))
}

/// The ReplicaSets that the Rollout owns, and those it may adopt.
fn replica_sets(tables: &Tables, key: &ObjectKey, rollout: &Rollout) -> Vec<ReplicaSetView> {
    let look_up = |name: &ObjectKey| {
        tables
            .replica_sets
            .get(name)
            .filter(|replica_set| !replica_set.deleting)
    };
    let owned = tables
        .relations
        .replica_sets_of(&rollout.uid)
        .filter_map(look_up)
        .filter(|replica_set| {
            // The UID alone would do; the name guards against an owner reference that was written by hand.
            is_of(&replica_set.ownership, key, rollout)
        });
    let adoptable = tables
        .relations
        .orphans_in(&key.namespace)
        .filter_map(look_up)
        .filter(|replica_set| rollout.selects(&replica_set.labels));
    let view = |replica_set: &Arc<ReplicaSet>, owned| ReplicaSetView {
        owned,
        ..replica_set.view.clone()
    };
    owned
        .map(|replica_set| view(replica_set, true))
        .chain(adoptable.map(|replica_set| view(replica_set, false)))
        .collect()
}

/// Whether it is what the Rollout owns.
fn is_of(ownership: &Ownership, key: &ObjectKey, rollout: &Rollout) -> bool {
    matches!(
        ownership,
        Ownership::Rollout { group, name, uid }
            if *group == key.group && *name == key.name && *uid == rollout.uid
    )
}

/// The AnalysisRuns and Experiments that the Rollout owns: of its own group.
fn analysis_runs(tables: &Tables, key: &ObjectKey, rollout: &Rollout) -> Vec<AnalysisRunView> {
    let runs = tables.relations.analysis_runs_of(&rollout.uid);
    let runs = runs.filter_map(|name| Some((name, tables.analysis_runs.get(name)?.judged())));
    let experiments = tables.relations.experiments_of(&rollout.uid);
    let experiments = experiments.filter_map(|name| Some((name, tables.experiments.get(name)?.judged())));
    runs.chain(experiments)
        .filter(|(name, judged)| name.group == key.group && judged.is_there_for(key, rollout))
        .map(|(_, judged)| with_services(tables, key, judged.view.clone()))
        .collect()
}

/// An Experiment with what is known of the Services of its templates.
fn with_services(tables: &Tables, key: &ObjectKey, mut view: AnalysisRunView) -> AnalysisRunView {
    let is_noted = view.sharing.noted().next().is_some();
    for sharing in &mut view.sharing.services {
        let service = ObjectKey::new(&key.namespace, &sharing.name);
        sharing.named = is_noted && tables.is_in_a_route(&service);
        let found = tables.services.get(&service);
        // One of the same name may be an earlier experiment's, and about to go.
        let own = found.filter(|found| found.experiment.as_ref() == Some(&view.uid));
        let Some(own) = own else { continue };
        // All of its pods are the template's: no others have its hash.
        sharing.ready = ready_pods(tables, &service).into_values().sum();
        sharing.ports.clone_from(&own.view.ports);
    }
    view
}

/// Whose the refs of experiments are: what is noted and remembered of them can be anybody's word.
fn experiment_refs(
    tables: &Tables,
    key: &ObjectKey,
    rollout: &Rollout,
    (runs, routes): (&[AnalysisRunView], &[(RouteReference, Presence<RouteView>)]),
) -> ExperimentRefs {
    let found = |name: &str| tables.services.get(&ObjectKey::new(&key.namespace, name));
    let noted = runs.iter().flat_map(|run| run.sharing.noted());
    let remembered = rollout.status.traffic.iter();
    let remembered = remembered.flat_map(|traffic| &traffic.additional);
    let names = remembered.map(|share| share.service_name.as_str()).chain(noted);
    let names: BTreeSet<&str> = names.collect();
    let others = names.iter().copied();
    let others = others.filter(|name| found(name).is_some_and(|service| service.experiment.is_none()));
    let seen = routes.iter().filter_map(|(_, route)| route.present());
    let lost = seen.flat_map(|route| &route.backends).filter(|backend| {
        let is_here = backend.is_service && backend.namespace == key.namespace;
        let name = backend.name.as_str();
        let is_own = names.contains(name) || run_name::is_of_experiment(&key.name, name);
        is_here && is_own && found(name).is_none()
    });
    ExperimentRefs {
        others: others.map(str::to_owned).collect(),
        lost: lost.map(|backend| backend.name.clone()).collect(),
    }
}

/// An AnalysisRun or an Experiment.
struct Judged<'seen> {
    view: &'seen AnalysisRunView,
    ownership: &'seen Ownership,
    deleting: bool,
}

impl Judged<'_> {
    /// Whether it is the Rollout's, and there to stay.
    fn is_there_for(&self, key: &ObjectKey, rollout: &Rollout) -> bool {
        is_of(self.ownership, key, rollout) && !self.deleting
    }
}

/// What judges versions.
trait Judging {
    fn judged(&self) -> Judged<'_>;
}

impl Judging for AnalysisRun {
    fn judged(&self) -> Judged<'_> {
        Judged {
            view: &self.view,
            ownership: &self.ownership,
            deleting: self.deleting,
        }
    }
}

impl Judging for Experiment {
    fn judged(&self) -> Judged<'_> {
        Judged {
            view: &self.view,
            ownership: &self.ownership,
            deleting: self.deleting,
        }
    }
}

/// The names of the other AnalysisRuns and Experiments that are called as if they were the Rollout's: left behind by one of the
/// same name that was deleted, somebody else's, or about to go.
fn analysis_names_taken(tables: &Tables, key: &ObjectKey, rollout: &Rollout) -> BTreeSet<String> {
    let runs = names_taken(&tables.analysis_runs, key, rollout);
    runs.chain(names_taken(&tables.experiments, key, rollout))
        .collect()
}

fn names_taken<'tables, J: Judging>(
    table: &'tables Table<J>,
    key: &'tables ObjectKey,
    rollout: &'tables Rollout,
) -> impl Iterator<Item = String> + 'tables {
    let beginning = run_name::beginning(&key.name);
    let first = ObjectKey::new(&key.namespace, &beginning);
    table
        .range(first..)
        .take_while(move |(other, _)| other.namespace == key.namespace && other.name.starts_with(&beginning))
        .filter(|(other, found)| other.group == key.group && !found.judged().is_there_for(key, rollout))
        .map(|(other, _)| other.name.clone())
}

fn service(tables: &Tables, key: &ObjectKey, replica_sets: &[ReplicaSetView]) -> Presence<ServiceView> {
    let Some(service) = tables.services.get(key) else {
        return Presence::Missing;
    };
    let ready = ready_pods(tables, key);
    let ready_endpoints = replica_sets
        .iter()
        .filter(|replica_set| bears_its_pods(replica_set, replica_sets, service.view.selects.as_deref()))
        .filter_map(|replica_set| {
            Some((
                replica_set.hash.clone(),
                *ready.get(&pod_prefix(&replica_set.name))?,
            ))
        })
        .collect();
    let owner = service.view.managed_by.clone();
    Presence::Present(ServiceView {
        ready_endpoints,
        // A Rollout that is gone, or names other Services now, leaves its annotation behind.
        managed_by: owner.filter(|owner| !service.directed_here || tables.directs(owner, key)),
        ..service.view.clone()
    })
}

/// Whether the pods whose names begin as those of `replica_set` count as its own. Where a long name was cut, the
/// beginnings of two may be equal; then the pods count for the revision that the Service selects.
fn bears_its_pods(replica_set: &ReplicaSetView, all: &[ReplicaSetView], selects: Option<&str>) -> bool {
    let prefix = pod_prefix(&replica_set.name);
    let alone = all
        .iter()
        .all(|other| other.name == replica_set.name || pod_prefix(&other.name) != prefix);
    alone || selects == Some(&replica_set.hash)
}

/// Ready pods behind a Service by the prefix of their names.
fn ready_pods(tables: &Tables, service: &ObjectKey) -> BTreeMap<String, u32> {
    let mut by_address_type: BTreeMap<&str, BTreeMap<&str, u32>> = BTreeMap::new();
    for slice in tables
        .relations
        .slices_of(service)
        .filter_map(|slice| tables.endpoint_slices.get(slice))
    {
        let counts = by_address_type.entry(&slice.address_type).or_default();
        for (prefix, count) in &slice.ready {
            *counts.entry(prefix).or_default() += count;
        }
    }
    // A pod with an IPv4 and an IPv6 address is one pod.
    let mut ready = BTreeMap::new();
    for (prefix, count) in by_address_type.into_values().flatten() {
        let most: &mut u32 = ready.entry(prefix.to_owned()).or_default();
        *most = count.max(*most);
    }
    ready
}

/// The routes that the Rollout names, and then those that its selectors find.
fn routes(tables: &Tables, key: &ObjectKey, rollout: &Rollout) -> Vec<(RouteReference, Presence<RouteView>)> {
    let Some(routing) = rollout.readable_spec().and_then(|spec| spec.routing()) else {
        return Vec::new();
    };
    let named = routing.routes.iter().map(|named| named.reference.clone());
    let found = tables.selected_routes(&key.namespace, rollout).into_iter();
    let found = found.filter(|reference| routing.route(reference).is_none());
    named
        .chain(found)
        .map(|reference| {
            let seen = route(tables, &reference);
            (reference, seen)
        })
        .collect()
}

fn route(tables: &Tables, reference: &RouteReference) -> Presence<RouteView> {
    tables
        .route(reference)
        .map_or(Presence::Missing, |route| Presence::Present(route.clone()))
}

/// The oldest of the Rollouts that were there before this one and whose pods could be taken for its own.
fn oldest_that_overlaps(tables: &Tables, key: &ObjectKey, rollout: &Rollout) -> Option<String> {
    tables
        .rollouts_in(&key.namespace)
        .filter(|(other, _)| *other != key)
        .filter(|(_, other)| other.is_older_than(rollout) && other.overlaps(rollout))
        .min_by_key(|(_, other)| other.age())
        .map(|(other, _)| {
            if other.group == key.group {
                other.name.clone()
            } else {
                // It may have the same name.
                format!("{} ({})", other.name, other.group)
            }
        })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::watch::samples::{key, put};
    use crate::watch::{Caches, EndpointSlice, GrpcRoute, HttpRoute, Service, TcpRoute, TlsRoute, samples};

    fn caches() -> Caches {
        let caches = Caches::default();
        put::<Rollout>(&caches, &samples::rollout("web"));
        caches
    }

    fn of(caches: &Caches, name: &str) -> Neighbourhood {
        caches
            .read(|tables| Neighbourhood::of(tables, &key(name)))
            .unwrap()
    }

    fn pod(name: &str) -> Value {
        json!({"conditions": {"ready": true}, "targetRef": {"kind": "Pod", "name": name}})
    }

    #[test]
    fn a_rollout_that_is_gone_or_going_has_none() {
        let caches = caches();
        assert!(
            caches
                .read(|tables| Neighbourhood::of(tables, &key("gone")))
                .is_none()
        );
        let mut going = samples::rollout("web");
        going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        put::<Rollout>(&caches, &going);

        assert!(
            caches
                .read(|tables| Neighbourhood::of(tables, &key("web")))
                .is_none()
        );
    }

    #[test]
    fn what_the_spec_names_and_is_not_there_is_missing() {
        let seen = of(&caches(), "web");

        assert_eq!(
            (seen.stable_service, seen.canary_service),
            (Some(Presence::Missing), Some(Presence::Missing))
        );
        assert_eq!(seen.routes.len(), 1);
        assert_eq!(seen.routes[0].1, Presence::Missing);
    }

    #[test]
    fn routes_of_all_kinds_are_found_by_name_and_by_their_labels_each_once() {
        let caches = Caches::default();
        let mut rollout = samples::rollout("web");
        let labels = json!({"matchLabels": {"app": "web"}});
        rollout["spec"]["strategy"]["canary"]["trafficRouting"]["gatewayAPI"] = json!({
            "httpRoutes": [{"name": "web"}], "grpcRoutes": [{"name": "web"}], "tcpRoutes": [{"name": "web"}],
            "httpRouteSelector": labels, "grpcRouteSelector": labels, "tlsRouteSelector": labels,
        });
        put::<Rollout>(&caches, &rollout);
        for name in ["web", "more", "other"] {
            let mut route = samples::route(name);
            if name != "other" {
                route["metadata"]["labels"] = json!({"app": "web"});
            }
            put::<HttpRoute>(&caches, &route);
        }
        let mut grpc = samples::route("buy");
        grpc["metadata"]["labels"] = json!({"app": "web"});
        put::<GrpcRoute>(&caches, &grpc);
        put::<TcpRoute>(&caches, &samples::route("web"));
        put::<TlsRoute>(&caches, &grpc);

        let routes = of(&caches, "web").routes;

        let seen: Vec<_> = routes
            .iter()
            .map(|(reference, seen)| {
                (
                    reference.kind.as_str(),
                    reference.name.as_str(),
                    seen.present().is_some(),
                )
            })
            .collect();
        let expected = [
            ("HTTPRoute", "web", true),
            ("GRPCRoute", "web", false),
            ("TCPRoute", "web", true),
            ("HTTPRoute", "more", true),
            ("GRPCRoute", "buy", true),
            ("TLSRoute", "buy", true),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn services_and_routes_are_found() {
        let caches = caches();
        put::<Service>(&caches, &samples::service("web-stable"));
        put::<HttpRoute>(&caches, &samples::route("web"));

        let seen = of(&caches, "web");

        assert_eq!(seen.stable_service.unwrap().present().unwrap().name, "web-stable");
        assert_eq!(seen.routes[0].1.present().unwrap().backends.len(), 2);
    }

    fn owner_of_stable_service(caches: &Caches) -> Option<String> {
        let service = of(caches, "web").stable_service.unwrap();
        service.present().unwrap().managed_by.clone()
    }

    #[test]
    fn a_service_belongs_to_the_rollout_that_it_is_annotated_with_only_while_that_names_it() {
        let caches = caches();
        put::<Service>(&caches, &samples::directed_service("web-stable", "other", "abc"));
        let without_owner = owner_of_stable_service(&caches);
        let mut other = samples::rollout("other");
        other["spec"]["strategy"]["canary"]["stableService"] = json!("web-stable");
        put::<Rollout>(&caches, &other);
        let with_owner = owner_of_stable_service(&caches);

        other["spec"]["strategy"]["canary"]["stableService"] = json!("other-stable");
        put::<Rollout>(&caches, &other);

        assert_eq!((without_owner, with_owner), (None, Some("other".to_owned())));
        assert_eq!(owner_of_stable_service(&caches), None);
    }

    #[test]
    fn owned_and_orphaned_replica_sets_are_told_apart() {
        let caches = caches();
        put::<ReplicaSet>(&caches, &samples::replica_set("web", "abc"));
        let mut orphan = samples::replica_set("web", "def");
        orphan["metadata"]["ownerReferences"] = json!([]);
        put::<ReplicaSet>(&caches, &orphan);
        put::<ReplicaSet>(&caches, &samples::replica_set("other", "ghi"));

        let seen = of(&caches, "web").replica_sets;

        let seen: Vec<_> = seen.iter().map(|set| (set.hash.as_str(), set.owned)).collect();
        assert_eq!(seen, [("abc", true), ("def", false)]);
    }

    #[test]
    fn a_replica_set_of_an_earlier_rollout_of_the_same_name_is_not_owned() {
        let caches = caches();
        let mut left = samples::replica_set("web", "abc");
        left["metadata"]["ownerReferences"][0]["uid"] = json!("uid-earlier");
        put::<ReplicaSet>(&caches, &left);

        assert!(of(&caches, "web").replica_sets.is_empty());
    }

    #[test]
    fn a_replica_set_that_is_being_deleted_counts_as_gone() {
        let caches = caches();
        let mut going = samples::replica_set("web", "abc");
        going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        put::<ReplicaSet>(&caches, &going);

        assert!(of(&caches, "web").replica_sets.is_empty());
    }

    #[test]
    fn analyses_that_are_not_the_rollouts_or_about_to_go_take_their_names() {
        let caches = caches();
        put::<AnalysisRun>(&caches, &samples::analysis_run("web", "web-abc-2"));
        let mut orphan = samples::analysis_run("web", "web-abc-2-1");
        orphan["metadata"]["ownerReferences"] = json!([]);
        put::<AnalysisRun>(&caches, &orphan);
        let mut earlier = samples::analysis_run("web", "web-abc-2-3");
        earlier["metadata"]["ownerReferences"][0]["uid"] = json!("uid-earlier");
        put::<AnalysisRun>(&caches, &earlier);
        let mut going = samples::analysis_run("web", "web-abc-2-5");
        going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        put::<AnalysisRun>(&caches, &going);
        put::<AnalysisRun>(&caches, &samples::analysis_run("website", "website-abc-2"));

        let seen = of(&caches, "web");

        let own: Vec<_> = seen.analysis_runs.iter().map(|run| run.name.as_str()).collect();
        assert_eq!(own, ["web-abc-2"]);
        let taken: Vec<_> = seen.analysis_names_taken.iter().map(String::as_str).collect();
        assert_eq!(taken, ["web-abc-2-1", "web-abc-2-3", "web-abc-2-5"]);
    }

    #[test]
    fn ready_endpoints_are_counted_by_revision() {
        let caches = caches();
        put::<ReplicaSet>(&caches, &samples::replica_set("web", "abc"));
        put::<ReplicaSet>(&caches, &samples::replica_set("web", "def"));
        put::<Service>(&caches, &samples::service("web-stable"));
        let pods = json!([
            pod("web-abc-fghij"),
            pod("web-abc-klmno"),
            pod("web-def-pqrst"),
            pod("elsewhere-uvwxy")
        ]);
        put::<EndpointSlice>(&caches, &samples::endpoint_slice("web-stable", &pods));

        let service = of(&caches, "web").stable_service.unwrap();

        let expected = BTreeMap::from([("abc".to_owned(), 2), ("def".to_owned(), 1)]);
        assert_eq!(service.present().unwrap().ready_endpoints, expected);
    }

    #[test]
    fn a_pod_with_two_addresses_is_one_pod() {
        let caches = caches();
        put::<ReplicaSet>(&caches, &samples::replica_set("web", "abc"));
        put::<Service>(&caches, &samples::service("web-stable"));
        let slice = samples::endpoint_slice("web-stable", &json!([pod("web-abc-fghij")]));
        put::<EndpointSlice>(&caches, &slice);
        let mut second = slice;
        second["metadata"]["name"] = json!("web-stable-2");
        second["addressType"] = json!("IPv6");
        put::<EndpointSlice>(&caches, &second);

        let service = of(&caches, "web").stable_service.unwrap();

        assert_eq!(
            service.present().unwrap().ready_endpoints,
            BTreeMap::from([("abc".to_owned(), 1)])
        );
    }

    #[test]
    fn pods_whose_names_were_cut_count_for_the_revision_that_is_selected() {
        let caches = Caches::default();
        let name = "w".repeat(60);
        put::<Rollout>(&caches, &samples::rollout(&name));
        put::<ReplicaSet>(&caches, &samples::replica_set(&name, "abc"));
        put::<ReplicaSet>(&caches, &samples::replica_set(&name, "def"));
        let service_name = format!("{name}-stable");
        let mut service = samples::service(&service_name);
        service["spec"]["selector"]["rollouts-pod-template-hash"] = json!("def");
        put::<Service>(&caches, &service);
        let pods = json!([pod(&format!("{}fghij", "w".repeat(58)))]);
        put::<EndpointSlice>(&caches, &samples::endpoint_slice(&service_name, &pods));

        let service = of(&caches, &name).stable_service.unwrap();

        assert_eq!(
            service.present().unwrap().ready_endpoints,
            BTreeMap::from([("def".to_owned(), 1)])
        );
    }

    #[test]
    fn only_the_younger_of_two_overlapping_rollouts_is_told() {
        let caches = caches();
        let mut younger = samples::rollout("a-younger");
        younger["metadata"]["creationTimestamp"] = json!("2026-01-02T00:00:00Z");
        younger["spec"]["selector"] = samples::rollout("web")["spec"]["selector"].clone();
        younger["spec"]["template"]["metadata"] =
            samples::rollout("web")["spec"]["template"]["metadata"].clone();
        put::<Rollout>(&caches, &younger);

        assert_eq!(of(&caches, "a-younger").overlaps_with.as_deref(), Some("web"));
        assert_eq!(of(&caches, "web").overlaps_with, None);
    }

    #[test]
    fn an_experiment_is_seen_with_the_endpoints_and_ports_of_its_services() {
        let caches = caches();
        let mut experiment = samples::experiment("web", "web-abc-2-1");
        experiment["status"] =
            json!({"templateStatuses": [{"name": "canary", "serviceName": "web-abc-2-1-canary"}]});
        put::<Experiment>(&caches, &experiment);
        let sharing = || of(&caches, "web").analysis_runs[0].sharing.services[0].clone();
        assert_eq!((sharing().ready, sharing().ports.len()), (0, 0));

        let mut service = samples::service("web-abc-2-1-canary");
        put::<Service>(&caches, &service);
        assert_eq!(sharing().ports, [], "somebody else's");
        service["metadata"]["ownerReferences"] = json!([{
            "apiVersion": "kulta.io/v1alpha1", "kind": "Experiment", "name": "web-abc-2-1", "controller": true,
            "uid": experiment["metadata"]["uid"],
        }]);
        put::<Service>(&caches, &service);
        let endpoints = json!([pod("web-abc-2-1-canary-aaaaa"), pod("web-abc-2-1-canary-bbbbb")]);
        let slice = samples::endpoint_slice("web-abc-2-1-canary", &endpoints);
        put::<EndpointSlice>(&caches, &slice);

        assert_eq!((sharing().ready, sharing().ports[0].number), (2, 80));
    }

    /// Anybody who may write its status, or an annotation, could have others' refs taken away.
    #[test]
    fn services_that_are_no_experiments_are_told_apart_whatever_is_remembered_or_noted() {
        let caches = caches();
        let mut rollout = samples::rollout("web");
        rollout["status"] = json!({"canary": {
            "requestedAt": "2026-01-01T00:00:00Z",
            "weights": {"canary": {"weight": 0}, "additional": [
                {"weight": 0, "serviceName": "orders", "podTemplateHash": ""},
                {"weight": 5, "serviceName": "gone", "podTemplateHash": ""},
            ]},
        }});
        put::<Rollout>(&caches, &rollout);
        let mut experiment = samples::experiment("web", "web-abc-2-1");
        experiment["metadata"]["annotations"] = json!({"kulta.io/in-routes": "payments"});
        put::<Experiment>(&caches, &experiment);
        for name in ["orders", "payments"] {
            put::<Service>(&caches, &samples::service(name));
        }

        let others = of(&caches, "web").experiment_refs.others;

        assert_eq!(others, ["orders", "payments"].map(str::to_owned).into());
    }

    #[test]
    fn a_ref_that_an_experiment_of_a_deleted_rollout_has_left_is_known_by_its_name() {
        let caches = caches();
        let mut route = samples::route("web");
        let refs = route["spec"]["rules"][0]["backendRefs"].as_array_mut().unwrap();
        for name in [
            "web-7xk9fq2mlp-2-1-canary",
            "web-other",
            "web-7xk9fq2mlp-3-1-there",
        ] {
            refs.push(json!({"name": name, "port": 80, "weight": 5}));
        }
        put::<HttpRoute>(&caches, &route);
        put::<Service>(&caches, &samples::service("web-7xk9fq2mlp-3-1-there"));

        let lost = of(&caches, "web").experiment_refs.lost;

        assert_eq!(lost, ["web-7xk9fq2mlp-2-1-canary".to_owned()].into());
    }

    #[test]
    fn an_older_rollout_of_the_other_group_whose_pods_it_could_claim_is_named_with_its_group() {
        let caches = caches();
        let mut younger = samples::argo(samples::rollout("web"));
        younger["metadata"]["creationTimestamp"] = json!("2026-02-01T00:00:00Z");
        put::<Rollout>(&caches, &younger);

        let overlaps = |key| caches.read(|tables| Neighbourhood::of(tables, &key).unwrap().overlaps_with);

        assert_eq!(overlaps(key("web")), None);
        assert_eq!(
            overlaps(samples::argo_key("web")).as_deref(),
            Some("web (kulta.io)")
        );
    }

    #[test]
    fn what_belongs_to_the_rollout_of_the_same_name_in_the_other_group_is_not_its_own() {
        let caches = caches();
        put::<Rollout>(&caches, &samples::argo(samples::rollout("web")));
        put::<ReplicaSet>(&caches, &samples::argo(samples::replica_set("web", "abc")));
        put::<AnalysisRun>(&caches, &samples::argo(samples::analysis_run("web", "web-abc-2")));

        let (own, argo) = caches.read(|tables| {
            let seen = |key| Neighbourhood::of(tables, &key).unwrap();
            (seen(key("web")), seen(samples::argo_key("web")))
        });

        let of = |seen: Neighbourhood| (seen.replica_sets.len(), seen.analysis_runs.len());
        assert!(own.analysis_names_taken.is_empty());
        assert_eq!((of(own), of(argo)), ((0, 0), (1, 1)));
    }
}
