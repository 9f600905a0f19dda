//! What is seen around a Rollout.

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
    younger["spec"]["template"]["metadata"] = samples::rollout("web")["spec"]["template"]["metadata"].clone();
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
