//! Blue-green: what it means, and what is refused with which words.

use jiff::SignedDuration;
use kulta_core::spec::{BlueGreen, Problem, Promotion, RouteKind};
use serde_json::{Value, json};

use super::{accepted, assert_refused, basic, refused, with, without};
use crate::analysis::{Place, references};

const PATH: &str = "spec.strategy.blueGreen";

/// The least that is valid.
fn least() -> Value {
    with(
        basic(),
        "/strategy",
        json!({"blueGreen": {"activeService": "active"}}),
    )
}

fn field(spec: Value, name: &str, value: Value) -> Value {
    with(spec, &format!("/strategy/blueGreen/{name}"), value)
}

fn meaning(spec: &Value) -> BlueGreen {
    accepted(spec).blue_green().expect("blue-green").clone()
}

#[track_caller]
fn assert_field_refused(name: &str, value: Value, words: &str) {
    assert_refused(&field(least(), name, value), &format!("{PATH}.{name}"), words);
}

fn analysis(metric: &Value) -> Value {
    json!({"metrics": [metric]})
}

fn metric() -> Value {
    json!({"name": "errors", "provider": {"plugin": {"prometheus": {"query": "up"}}}})
}

#[test]
fn defaults_are_those_of_argo_rollouts() {
    let spec = accepted(&least());

    let expected = BlueGreen {
        active_service: "active".to_owned(),
        preview_service: None,
        routing: None,
        preview_replicas: None,
        promotion: Promotion::AtOnce,
        pre_promotion: None,
        post_promotion: None,
        scale_down_delay: SignedDuration::from_secs(30),
        scale_down_delay_revision_limit: None,
        abort_scale_down_delay: Some(SignedDuration::from_secs(30)),
    };
    assert_eq!(spec.blue_green(), Some(&expected));
    assert_eq!(
        (spec.services(), spec.steps_hash.as_str()),
        ((Some("active"), None), "")
    );
    assert_eq!((spec.steps.len(), spec.promotion_gates), (0, None));
}

#[test]
fn each_field_has_its_meaning() {
    let spec = with(
        least(),
        "/strategy/blueGreen",
        json!({
            "activeService": "active",
            "previewService": "preview",
            "previewReplicaCount": 2,
            "trafficRouting": {"gatewayAPI": {"httpRoutes": [{"name": "web"}]}},
            "autoPromotionSeconds": 60,
            "prePromotionAnalysis": analysis(&metric()),
            "postPromotionAnalysis": analysis(&metric()),
            "promotionGates": [{"name": "hours", "plugin": "schedule"}],
            "scaleDownDelaySeconds": 600,
            "scaleDownDelayRevisionLimit": 2,
            "abortScaleDownDelaySeconds": 5,
        }),
    );

    let BlueGreen {
        active_service,
        preview_service,
        routing,
        preview_replicas,
        promotion,
        pre_promotion,
        post_promotion,
        scale_down_delay,
        scale_down_delay_revision_limit,
        abort_scale_down_delay,
    } = meaning(&spec);

    assert_eq!(
        (active_service.as_str(), preview_service.as_deref()),
        ("active", Some("preview"))
    );
    assert_eq!(routing.expect("routes").routes[0].reference.name, "web");
    assert_eq!(
        (preview_replicas, promotion),
        (Some(2), Promotion::After(SignedDuration::from_secs(60)))
    );
    assert_eq!(pre_promotion, post_promotion);
    assert_eq!(
        pre_promotion.expect("an analysis").analysis.run["metrics"][0]["name"],
        "errors"
    );
    assert_eq!(scale_down_delay, SignedDuration::from_secs(600));
    assert_eq!(scale_down_delay_revision_limit, Some(2));
    assert_eq!(abort_scale_down_delay, Some(SignedDuration::from_secs(5)));
    assert!(accepted(&spec).promotion_gates.is_some());
}

#[test]
fn an_abort_delay_of_0_is_for_ever() {
    let spec = field(least(), "abortScaleDownDelaySeconds", json!(0));

    assert_eq!(meaning(&spec).abort_scale_down_delay, None);
}

/// As in Argo Rollouts, where somebody has to say go on.
#[test]
fn without_auto_promotion_its_seconds_do_not_count() {
    let spec = field(least(), "autoPromotionEnabled", json!(false));
    let timed = field(spec.clone(), "autoPromotionSeconds", json!(60));

    assert_eq!(
        (meaning(&spec).promotion, meaning(&timed).promotion),
        (Promotion::ByHand, Promotion::ByHand)
    );
}

#[test]
fn auto_promotion_without_seconds_is_at_once() {
    let enabled = field(least(), "autoPromotionEnabled", json!(true));
    let spec = field(enabled, "autoPromotionSeconds", json!(0));

    assert_eq!(meaning(&spec).promotion, Promotion::AtOnce);
}

#[test]
fn an_active_service_is_needed() {
    let path = format!("{PATH}.activeService");

    assert_refused(
        &without(least(), "/strategy/blueGreen/activeService"),
        &path,
        "name the Service",
    );
    assert_refused(
        &field(least(), "activeService", json!("")),
        &path,
        "name the Service",
    );
}

#[test]
fn one_service_for_both_is_refused() {
    let spec = field(least(), "previewService", json!("active"));

    assert_refused(
        &spec,
        &format!("{PATH}.activeService"),
        "same service for the active and preview services",
    );
}

#[test]
fn negative_numbers_are_refused() {
    let numbers = [
        "previewReplicaCount",
        "autoPromotionSeconds",
        "scaleDownDelaySeconds",
        "scaleDownDelayRevisionLimit",
        "abortScaleDownDelaySeconds",
    ];
    for name in numbers {
        assert_field_refused(name, json!(-1), "greater than or equal to 0");
    }
}

#[test]
fn a_limit_of_old_versions_above_those_that_are_kept_is_refused() {
    let spec = field(least(), "scaleDownDelayRevisionLimit", json!(11));

    let path = format!("{PATH}.scaleDownDelayRevisionLimit");
    assert_refused(&spec, &path, "revision history limit can not be smaller");
}

/// Switched by these routes.
fn by_routes(gateway_api: &Value) -> Value {
    let spec = field(least(), "previewService", json!("preview"));
    field(spec, "trafficRouting", json!({"gatewayAPI": gateway_api}))
}

const ROUTING: &str = "spec.strategy.blueGreen.trafficRouting";

#[test]
fn routes_of_both_kinds_and_selectors_of_more_may_switch_users() {
    let spec = by_routes(&json!({
        "httpRoutes": [{"name": "web"}, {"name": "web", "namespace": "edge"}],
        "grpcRoutes": [{"name": "web"}],
        "httpRouteSelector": {"matchLabels": {"app": "web"}},
    }));

    let routing = meaning(&spec).routing.expect("routes");

    let routes: Vec<_> = routing
        .routes
        .iter()
        .map(|route| (route.path.as_str(), route.reference.to_string()))
        .collect();
    let path = |rest: &str| format!("{ROUTING}.gatewayAPI.{rest}");
    let (first, second, third) = (
        path("httpRoutes[0]"),
        path("httpRoutes[1]"),
        path("grpcRoutes[0]"),
    );
    let expected = [
        (first.as_str(), "shop/web".to_owned()),
        (second.as_str(), "edge/web".to_owned()),
        (third.as_str(), "shop/web".to_owned()),
    ];
    assert_eq!(routes, expected);
    assert_eq!(routing.selectors, [(RouteKind::Http, path("httpRouteSelector"))]);
    assert_eq!(
        (routing.stable_service.as_str(), routing.canary_service.as_str()),
        ("active", "preview")
    );
    assert_eq!(crate::rollout::route_selectors(&spec).len(), 1);
}

#[test]
fn routes_need_the_preview_service() {
    let spec = without(
        by_routes(&json!({"httpRoutes": [{"name": "web"}]})),
        "/strategy/blueGreen/previewService",
    );

    assert_refused(
        &spec,
        &format!("{PATH}.previewService"),
        "must be set with trafficRouting",
    );
}

#[test]
fn traffic_routing_without_a_route_and_with_one_twice_is_refused() {
    let none = by_routes(&json!({}));
    assert_refused(
        &none,
        &format!("{ROUTING}.gatewayAPI.httpRoutes"),
        "at least one route",
    );

    let twice = by_routes(&json!({"httpRoutes": [{"name": "web"}, {"name": "web"}]}));
    let path = format!("{ROUTING}.gatewayAPI.httpRoutes[1]");
    assert_refused(&twice, &path, "listed twice");
}

#[test]
fn what_only_a_canary_can_have_of_traffic_routing_is_refused_with_a_way_out() {
    let least = || by_routes(&json!({"httpRoutes": [{"name": "web"}]}));
    let with = |name: &str, value| {
        with(
            least(),
            &format!("/strategy/blueGreen/trafficRouting/{name}"),
            value,
        )
    };

    let managed = with("managedRoutes", json!([{"name": "testers"}]));
    assert_refused(&managed, &format!("{ROUTING}.managedRoutes"), "take it out");
    let taking = by_routes(&json!({"grpcRoutes": [{"name": "web", "useHeaderRoutes": true}]}));
    let path = format!("{ROUTING}.gatewayAPI.grpcRoutes[0].useHeaderRoutes");
    assert_refused(&taking, &path, "take it out");
    let plugins = with(
        "plugins",
        json!({"argoproj-labs/gatewayAPI": {"httpRoute": "web"}}),
    );
    assert_refused(
        &plugins,
        &format!("{ROUTING}.plugins"),
        "trafficRouting.gatewayAPI",
    );
    let whole = with("maxTrafficWeight", json!(1000));
    assert_refused(&whole, &format!("{ROUTING}.maxTrafficWeight"), "percent");
}

#[test]
fn a_mistake_in_traffic_routing_never_leaves_a_switch_by_the_service() {
    let misspelt = by_routes(&json!({"httpRoute": [{"name": "web"}]}));

    let invalid = super::parse(crate::Group::Kulta, "shop", &misspelt).expect_err("refused");

    assert!(invalid.readable.expect("readable").routing().is_some());
}

#[test]
fn a_misspelt_field_is_named() {
    assert_field_refused("autoPromotionSecond", json!(1), "autoPromotionSeconds");
}

#[test]
fn an_analysis_that_never_ends_is_refused() {
    let mut endless = metric();
    endless["interval"] = json!("30s");
    for name in ["prePromotionAnalysis", "postPromotionAnalysis"] {
        let spec = field(least(), name, analysis(&endless));
        let path = format!("{PATH}.{name}.metrics[0].count");
        assert_refused(&spec, &path, "runs indefinitely");
    }
}

#[test]
fn a_starting_step_is_refused() {
    let mut written = analysis(&metric());
    written["startingStep"] = json!(1);
    let spec = field(least(), "prePromotionAnalysis", written);

    assert_refused(
        &spec,
        &format!("{PATH}.prePromotionAnalysis.startingStep"),
        "no steps",
    );
}

#[test]
fn an_empty_list_of_gates_is_refused() {
    assert_field_refused("promotionGates", json!([]), "no gates specified");
}

#[test]
fn both_analyses_may_refer_to_templates() {
    let named = json!({"templates": [{"templateName": "errors"}]});
    let spec = field(least(), "prePromotionAnalysis", named.clone());
    let spec = field(spec, "postPromotionAnalysis", named);

    let places: Vec<_> = references(&json!({"spec": spec}))
        .into_iter()
        .map(|found| found.place)
        .collect();

    assert_eq!(places, [Place::PrePromotion, Place::PostPromotion]);
    assert!(meaning(&spec).pre_promotion.is_some());
}

#[test]
fn other_words_of_an_analysis_are_another_one() {
    let hash = |spec: &Value| meaning(spec).pre_promotion.expect("an analysis").hash;
    let mut other = metric();
    other["name"] = json!("latency");

    let spec = |metric: &Value| field(least(), "prePromotionAnalysis", analysis(metric));

    assert_ne!(hash(&spec(&metric())), hash(&spec(&other)));
}

#[test]
fn a_mistake_leaves_enough_to_bring_users_home() {
    let spec = field(least(), "antiAffinity", json!({}));

    let invalid = super::parse(crate::Group::Kulta, "shop", &spec).expect_err("refused");

    let problems: Vec<Problem> = refused(&spec);
    assert_eq!(invalid.problems, problems);
    assert!(invalid.readable.expect("readable").blue_green().is_some());
}
