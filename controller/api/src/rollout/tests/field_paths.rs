//! Every mistake is named by the full path of its field.

use serde_json::{Value, json};

use super::{assert_refused, basic, canary, refused, routed, with, without};

#[test]
fn that_is_misspelt_and_what_is_allowed_there() {
    let cases = [
        ("/strategie", "spec.strategie", "`strategy`"),
        ("/strategy/canarry", "spec.strategy.canarry", "`canary`"),
        (
            "/strategy/canary/maxSruge",
            "spec.strategy.canary.maxSruge",
            "`maxSurge`",
        ),
        (
            "/strategy/canary/trafficRouting/istio",
            "spec.strategy.canary.trafficRouting.istio",
            "`gatewayAPI`",
        ),
        (
            "/strategy/canary/trafficRouting/gatewayAPI/httpRoute",
            "spec.strategy.canary.trafficRouting.gatewayAPI.httpRoute",
            "`httpRoutes`",
        ),
    ];
    for (pointer, path, allowed) in cases {
        assert_refused(&with(routed(), pointer, json!({})), path, allowed);
    }
}

#[test]
fn of_a_misspelt_step() {
    let spec = canary(
        basic(),
        "steps",
        json!([{"setWeight": 1}, {"pause": {}}, {"setWieght": 5}]),
    );

    assert_refused(&spec, "spec.strategy.canary.steps[2].setWieght", "`setWeight`");
}

#[test]
fn of_each_of_several_mistakes() {
    let spec = canary(
        routed(),
        "steps",
        json!([{"plugin": {}}, {"setWeight": "5"}, {"pause": {"until": 1}}]),
    );
    let spec = with(spec, "/strategy/canary/maxSruge", json!(1));

    let mut paths: Vec<_> = refused(&spec).into_iter().map(|problem| problem.path).collect();
    paths.sort();

    let canary = "spec.strategy.canary";
    let steps = ["steps[0].plugin", "steps[1].setWeight", "steps[2].pause.until"];
    let mut expected = vec![format!("{canary}.maxSruge")];
    expected.extend(steps.map(|step| format!("{canary}.{step}")));
    assert_eq!(paths, expected);
}

#[test]
fn of_each_value_that_is_wrong() {
    let steps = json!([{"setWeight": 101}, {}, {"pause": {"duration": "soon"}}]);
    let spec = without(canary(basic(), "steps", steps), "/selector");
    let spec = with(spec, "/replicas", json!(-1));

    let paths: Vec<_> = refused(&spec).into_iter().map(|problem| problem.path).collect();

    let canary = "spec.strategy.canary";
    let expected = [
        "spec.replicas".to_owned(),
        "spec.selector".to_owned(),
        format!("{canary}.steps[0].setWeight"),
        format!("{canary}.steps[1]"),
        format!("{canary}.steps[2].pause.duration"),
    ];
    assert_eq!(paths, expected);
}

#[test]
fn of_a_spec_that_is_no_object() {
    assert_refused(&json!(7), "spec", "invalid type");
    assert!(!refused(&Value::Null).is_empty());
}
