//! Which Rollouts a change concerns.

use serde_json::{Value, json};

use super::*;
use crate::watch::{Projection, samples};

fn key(name: &str) -> ObjectKey {
    ObjectKey::new("shop", name)
}

fn put<P: Cached>(caches: &Caches, object: &Value) -> Vec<String> {
    let group = object["apiVersion"].as_str().and_then(Group::of);
    let key = ObjectKey {
        group: group.unwrap_or_default(),
        ..key(object["metadata"]["name"].as_str().unwrap())
    };
    names(caches.apply(&key, &Arc::new(P::project(object).unwrap())))
}

fn take<P: Cached>(caches: &Caches, name: &str) -> Vec<String> {
    names(caches.delete::<P>(&key(name)))
}

fn names(keys: BTreeSet<ObjectKey>) -> Vec<String> {
    keys.into_iter().map(|key| key.name).collect()
}

/// Two Rollouts, `web` and `api`, with Services, routes and pods of their own.
fn caches() -> Caches {
    let caches = Caches::default();
    put::<Rollout>(&caches, &samples::rollout("web"));
    put::<Rollout>(&caches, &samples::rollout("api"));
    caches
}

#[test]
fn a_rollout_concerns_itself() {
    assert_eq!(
        put::<Rollout>(&Caches::default(), &samples::rollout("web")),
        ["web"]
    );
}

#[test]
fn an_unchanged_object_concerns_nobody() {
    let caches = caches();
    assert!(put::<Rollout>(&caches, &samples::rollout("web")).is_empty());
}

#[test]
fn a_replica_set_concerns_its_owner() {
    let caches = caches();
    assert_eq!(
        put::<ReplicaSet>(&caches, &samples::replica_set("web", "abc")),
        ["web"]
    );
    assert_eq!(take::<ReplicaSet>(&caches, "web-abc"), ["web"]);
}

#[test]
fn an_orphan_concerns_those_that_select_it() {
    let caches = caches();
    let mut orphan = samples::replica_set("web", "abc");
    orphan["metadata"]["ownerReferences"] = json!([]);

    assert_eq!(put::<ReplicaSet>(&caches, &orphan), ["web"]);
    caches.read(|tables| assert_eq!(tables.relations.orphans_in("shop").count(), 1));
}

#[test]
fn a_replica_set_that_loses_its_owner_concerns_the_owner_it_had() {
    let caches = caches();
    put::<ReplicaSet>(&caches, &samples::replica_set("web", "abc"));
    let mut taken = samples::replica_set("web", "abc");
    taken["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "x", "uid": "x", "controller": true}]);

    assert_eq!(put::<ReplicaSet>(&caches, &taken), ["web"]);
    caches.read(|tables| assert_eq!(tables.relations.replica_sets_of("uid-web").count(), 0));
}

#[test]
fn services_and_routes_concern_the_rollouts_that_name_them() {
    let caches = caches();
    assert_eq!(put::<Service>(&caches, &samples::service("web-stable")), ["web"]);
    assert_eq!(put::<Service>(&caches, &samples::service("api-canary")), ["api"]);
    assert!(put::<Service>(&caches, &samples::service("other")).is_empty());
    assert_eq!(put::<HttpRoute>(&caches, &samples::route("web")), ["web"]);
    assert_eq!(take::<HttpRoute>(&caches, "web"), ["web"]);
    assert_eq!(take::<Service>(&caches, "web-stable"), ["web"]);
}

#[test]
fn a_route_concerns_those_whose_labels_find_it_or_found_it() {
    let caches = Caches::default();
    let mut rollout = samples::rollout("web");
    let selector = json!({"matchLabels": {"app": "web"}});
    rollout["spec"]["strategy"]["canary"]["trafficRouting"]["gatewayAPI"] =
        json!({"grpcRouteSelector": selector});
    put::<Rollout>(&caches, &rollout);
    let mut route = samples::route("buy");
    assert!(put::<GrpcRoute>(&caches, &route).is_empty());

    route["metadata"]["labels"] = json!({"app": "web"});
    assert_eq!(put::<GrpcRoute>(&caches, &route), ["web"]);
    assert!(put::<HttpRoute>(&caches, &route).is_empty());
    route["metadata"]["labels"] = json!({});
    assert_eq!(put::<GrpcRoute>(&caches, &route), ["web"]);
}

#[test]
fn routes_of_connections_concern_those_that_name_or_find_them() {
    let caches = Caches::default();
    let mut rollout = samples::rollout("web");
    rollout["spec"]["strategy"]["canary"]["trafficRouting"]["gatewayAPI"] = json!({
        "tcpRoutes": [{"name": "db"}], "tlsRouteSelector": {"matchLabels": {"app": "web"}},
    });
    put::<Rollout>(&caches, &rollout);
    let mut labelled = samples::route("mail");
    labelled["metadata"]["labels"] = json!({"app": "web"});

    assert_eq!(put::<TcpRoute>(&caches, &samples::route("db")), ["web"]);
    assert_eq!(put::<TlsRoute>(&caches, &labelled), ["web"]);
    assert!(put::<TlsRoute>(&caches, &samples::route("db")).is_empty());
    assert!(put::<TcpRoute>(&caches, &labelled).is_empty());
}

/// The Rollout `web`, with an analysis by the template `errors`.
fn judged() -> Caches {
    let caches = caches();
    let mut rollout = samples::rollout("web");
    rollout["spec"]["strategy"]["canary"]["analysis"] = json!({"templates": [{"templateName": "errors"}]});
    put::<Rollout>(&caches, &rollout);
    caches
}

#[test]
fn a_template_concerns_the_rollouts_that_name_it() {
    let caches = judged();

    assert!(put::<AnalysisTemplate>(&caches, &samples::analysis_template("other")).is_empty());
    assert_eq!(
        put::<AnalysisTemplate>(&caches, &samples::analysis_template("errors")),
        ["web"]
    );
    assert_eq!(take::<AnalysisTemplate>(&caches, "errors"), ["web"]);
}

#[test]
fn a_template_that_a_template_names_concerns_the_rollouts_that_name_that() {
    let caches = judged();
    let mut naming = samples::analysis_template("errors");
    naming["spec"]["templates"] =
        json!([{"templateName": "slow"}, {"templateName": "everywhere", "clusterScope": true}]);
    put::<AnalysisTemplate>(&caches, &naming);
    let mut everywhere = samples::analysis_template("everywhere");
    everywhere["spec"]["templates"] = json!([{"templateName": "local"}, {"templateName": "errors"}]);
    let everywhere = Arc::new(ClusterAnalysisTemplate::project(&everywhere).unwrap());

    let concerned = caches.apply(&ObjectKey::new("", "everywhere"), &everywhere);

    assert_eq!(names(concerned), ["web"]);
    for name in ["slow", "local"] {
        let template = samples::analysis_template(name);
        assert_eq!(put::<AnalysisTemplate>(&caches, &template), ["web"], "{name}");
    }
}

/// Each is visited once, and others wait meanwhile.
#[test]
fn a_template_that_thousands_name_concerns_their_rollouts() {
    let caches = judged();
    let naming = |name: &str, named: &[&str]| {
        let mut template = samples::analysis_template(name);
        let named = named.iter().map(|name| json!({"templateName": name}));
        template["spec"]["templates"] = named.collect();
        template
    };
    for number in 0..5_000 {
        put::<AnalysisTemplate>(&caches, &naming(&format!("spoke-{number}"), &["hub"]));
    }
    put::<AnalysisTemplate>(&caches, &naming("errors", &["spoke-7", "spoke-8", "errors"]));

    assert_eq!(
        put::<AnalysisTemplate>(&caches, &naming("hub", &["errors"])),
        ["web"]
    );
}

#[test]
fn endpoints_concern_the_rollouts_that_name_their_service() {
    let caches = caches();
    let slice = samples::endpoint_slice("web-stable", &json!([]));

    assert_eq!(put::<EndpointSlice>(&caches, &slice), ["web"]);
    assert_eq!(take::<EndpointSlice>(&caches, "web-stable-1"), ["web"]);
}

#[test]
fn a_rollout_that_names_another_service_is_no_longer_concerned_by_the_old_one() {
    let caches = caches();
    let mut changed = samples::rollout("web");
    changed["spec"]["strategy"]["canary"]["stableService"] = json!("other");
    put::<Rollout>(&caches, &changed);

    assert!(put::<Service>(&caches, &samples::service("web-stable")).is_empty());
    assert_eq!(put::<Service>(&caches, &samples::service("other")), ["web"]);
}

#[test]
fn a_deleted_rollout_is_concerned_by_nothing() {
    let caches = caches();
    assert_eq!(take::<Rollout>(&caches, "web"), ["web"]);

    assert!(put::<Service>(&caches, &samples::service("web-stable")).is_empty());
    assert!(put::<HttpRoute>(&caches, &samples::route("web")).is_empty());
}

#[test]
fn two_rollouts_on_one_route_are_both_concerned() {
    let caches = caches();
    let mut shared = samples::rollout("api");
    shared["spec"]["strategy"]["canary"]["trafficRouting"]["gatewayAPI"]["httpRoutes"] =
        json!([{"name": "web"}]);
    put::<Rollout>(&caches, &shared);

    assert_eq!(put::<HttpRoute>(&caches, &samples::route("web")), ["api", "web"]);
}

#[test]
fn whoever_overlaps_is_concerned_by_a_rollout_that_comes_or_goes() {
    let caches = caches();
    let mut twin = samples::rollout("twin");
    twin["spec"]["selector"] = samples::rollout("web")["spec"]["selector"].clone();
    twin["spec"]["template"]["metadata"] = samples::rollout("web")["spec"]["template"]["metadata"].clone();

    assert_eq!(put::<Rollout>(&caches, &twin), ["twin", "web"]);
    assert_eq!(take::<Rollout>(&caches, "twin"), ["twin", "web"]);
}

#[test]
fn a_status_write_does_not_concern_those_that_overlap() {
    let caches = caches();
    let mut twin = samples::rollout("twin");
    twin["spec"]["selector"] = samples::rollout("web")["spec"]["selector"].clone();
    twin["spec"]["template"]["metadata"] = samples::rollout("web")["spec"]["template"]["metadata"].clone();
    put::<Rollout>(&caches, &twin);

    twin["metadata"]["resourceVersion"] = json!("101");

    assert_eq!(put::<Rollout>(&caches, &twin), ["twin"]);
}

#[test]
fn a_relist_takes_out_what_is_gone() {
    let caches = caches();

    let concerned = names(caches.retain::<Rollout>(Group::Kulta, &HashSet::from([key("api")])));

    assert_eq!(concerned, ["web"]);
    assert!(caches.rollout(&key("web")).is_none() && caches.rollout(&key("api")).is_some());
}

#[test]
fn rollouts_of_other_namespaces_are_apart() {
    let caches = caches();
    let mut elsewhere = samples::rollout("web");
    elsewhere["metadata"]["namespace"] = json!("shop-2");
    let elsewhere = Arc::new(Rollout::project(&elsewhere).unwrap());
    caches.apply(&ObjectKey::new("shop-2", "web"), &elsewhere);

    caches.read(|tables| {
        assert_eq!(tables.rollouts_in("shop").count(), 2);
        assert_eq!(tables.rollouts_in("shop-2").count(), 1);
        assert_eq!(tables.rollouts_in("nowhere").count(), 0);
    });
}

#[test]
fn a_relist_of_one_group_leaves_the_other_alone() {
    let caches = caches();
    put::<Rollout>(&caches, &samples::argo(samples::rollout("web")));

    caches.retain::<Rollout>(Group::Argo, &HashSet::new());

    assert!(caches.rollout(&samples::argo_key("web")).is_none());
    assert!(caches.rollout(&key("web")).is_some());
}

#[test]
fn what_belongs_to_a_rollout_of_argo_rollouts_concerns_that_one_only() {
    let caches = caches();
    put::<Rollout>(&caches, &samples::argo(samples::rollout("web")));

    let replica_set = ReplicaSet::project(&samples::argo(samples::replica_set("web", "abc"))).unwrap();
    let concerned = caches.apply(&key("web-abc"), &Arc::new(replica_set));

    assert_eq!(concerned, [samples::argo_key("web")].into());
}

#[test]
fn a_template_concerns_rollouts_of_its_own_group_only() {
    let caches = Caches::default();
    let mut rollout = samples::rollout("web");
    rollout["spec"]["strategy"]["canary"]["analysis"] = json!({"templates": [{"templateName": "errors"}]});
    put::<Rollout>(&caches, &rollout);
    put::<Rollout>(&caches, &samples::argo(rollout));

    let template = samples::argo(samples::analysis_template("errors"));
    let template = Arc::new(AnalysisTemplate::project(&template).unwrap());
    let concerned = caches.apply(&samples::argo_key("errors"), &template);

    assert_eq!(concerned, [samples::argo_key("web")].into());
}

#[test]
fn a_service_concerns_the_rollout_of_whichever_group_that_it_was_pointed_for() {
    let caches = Caches::default();
    put::<Rollout>(&caches, &samples::argo(samples::rollout("web")));
    let service = samples::directed_service("elsewhere", "web", "abc");

    let service = Arc::new(Service::project(&service).unwrap());
    let concerned = caches.apply(&key("elsewhere"), &service);

    assert_eq!(concerned, [samples::argo_key("web")].into());
}

#[test]
fn what_is_to_do_in_a_group_are_its_rollouts_and_the_analyses_under_way_or_with_jobs() {
    let caches = caches();
    put::<Rollout>(&caches, &samples::argo(samples::rollout("web")));
    put::<AnalysisRun>(&caches, &samples::argo(samples::analysis_run("web", "web-abc-2")));
    let mut done = samples::argo(samples::analysis_run("web", "web-abc-1"));
    done["status"] = json!({"phase": "Successful"});
    put::<AnalysisRun>(&caches, &done);
    put::<AnalysisRun>(&caches, &samples::analysis_run("web", "web-abc-2"));
    done["metadata"]["name"] = json!("web-abc-3");
    done["spec"]["metrics"][0]["provider"] = json!({"job": {}});
    put::<AnalysisRun>(&caches, &done);

    put::<Experiment>(&caches, &samples::argo(samples::experiment("web", "web-abc-2-1")));

    let to_do = caches.read(|tables| tables.to_do_in(Group::Argo));

    let expected = ToDo {
        rollouts: vec![samples::argo_key("web")],
        analyses: vec![samples::argo_key("web-abc-2"), samples::argo_key("web-abc-3")],
        experiments: vec![samples::argo_key("web-abc-2-1")],
    };
    assert_eq!(to_do, expected);
}

/// Its Services are to be given back, and nobody may have led when it went.
#[test]
fn a_rollout_that_is_gone_is_to_be_looked_at_while_services_are_pointed_for_it() {
    let caches = Caches::default();
    put::<Service>(&caches, &samples::directed_service("elsewhere", "web", "abc"));

    let to_do = caches.read(|tables| tables.to_do_in(Group::Kulta));

    assert_eq!(to_do.rollouts, [key("web")]);
}

#[test]
fn rollouts_that_have_just_gone_are_forgotten_the_second_time() {
    let caches = Caches::default();
    put::<Rollout>(&caches, &samples::rollout("web"));
    let known = caches.forget_departed(0);
    caches.delete::<Rollout>(&key("web"));

    let first = caches.forget_departed(known);
    assert_eq!((known, first), (0, 1));
    assert_eq!(caches.forget_departed(first), 0);
}

#[test]
fn endpoints_the_service_and_routes_of_an_experiment_concern_its_rollout() {
    let caches = caches();
    let mut experiment = samples::experiment("web", "web-abc-2-1");
    experiment["status"] = json!({"templateStatuses": [{"name": "canary", "serviceName": "try"}]});
    put::<Experiment>(&caches, &experiment);
    let slice = samples::endpoint_slice("try", &Value::Null);

    let slice = caches.apply(&key("slice"), &Arc::new(EndpointSlice::project(&slice).unwrap()));
    let service = Arc::new(Service::project(&samples::service("try")).unwrap());
    let service = caches.apply(&key("try"), &service);

    let mut route = samples::route("elsewhere");
    route["spec"]["rules"][0]["backendRefs"][0]["name"] = json!("try");
    let route = Arc::new(HttpRoute::project(&route).unwrap());
    let route = caches.apply(&key("elsewhere"), &route);

    assert_eq!((slice, service), ([key("web")].into(), [key("web")].into()));
    assert_eq!(route, [key("web")].into());
}

#[test]
fn an_experiment_is_touched_by_its_replica_sets_and_its_analyses() {
    let caches = caches();
    let owner = |mut object: Value| {
        object["metadata"]["ownerReferences"][0]["kind"] = json!("Experiment");
        object["metadata"]["ownerReferences"][0]["name"] = json!("try");
        object
    };
    put::<ReplicaSet>(&caches, &owner(samples::replica_set("web", "abc")));
    assert_eq!(caches.take_touched_experiments(), [samples::key("try")].into());

    put::<ReplicaSet>(&caches, &owner(samples::replica_set("web", "abc")));
    assert!(
        caches.take_touched_experiments().is_empty(),
        "nothing has changed"
    );

    put::<AnalysisRun>(
        &caches,
        &samples::argo(owner(samples::analysis_run("web", "try-errors"))),
    );
    assert_eq!(
        caches.take_touched_experiments(),
        [samples::argo_key("try")].into()
    );

    caches.delete::<ReplicaSet>(&samples::key("web-abc"));
    assert_eq!(caches.take_touched_experiments(), [samples::key("try")].into());
}
