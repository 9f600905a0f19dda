//! Blue-green: what it means, and what is refused with which words.

use jiff::SignedDuration;
use kulta_core::spec::{BlueGreen, Problem, Promotion};
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

#[test]
fn fields_that_mean_nothing_here_are_refused_with_a_way_out() {
    assert_field_refused("trafficRouting", json!({}), "let the route name activeService");
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
