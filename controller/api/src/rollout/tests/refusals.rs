//! What is refused, at which path, and with which words.

use kulta_core::spec::Spec;
use serde_json::{Value, json};

use super::{assert_refused, basic, canary, parse, routed, with, without};
use crate::Group;

mod refuses_the_rollout {
    use super::*;

    #[test]
    fn without_selector() {
        assert_refused(
            &without(basic(), "/selector"),
            "spec.selector",
            "missing field '.spec.selector'",
        );
    }

    #[test]
    fn with_a_negative_limit_of_analyses() {
        for field in ["successfulRunHistoryLimit", "unsuccessfulRunHistoryLimit"] {
            assert_refused(
                &with(basic(), "/analysis", json!({field: -1})),
                &format!("spec.analysis.{field}"),
                "greater than or equal to 0",
            );
        }
    }

    #[test]
    fn with_empty_selector() {
        assert_refused(
            &with(basic(), "/selector", json!({})),
            "spec.selector",
            "selecting all pods",
        );
        let empty = json!({"matchLabels": {}, "matchExpressions": []});
        assert_refused(
            &with(basic(), "/selector", empty),
            "spec.selector",
            "selecting all pods",
        );
    }

    #[test]
    fn with_selector_of_an_unknown_operator() {
        let selector = json!({"matchExpressions": [{"key": "app", "operator": "Is", "values": ["web"]}]});
        let path = "spec.selector.matchExpressions[0]";
        assert_refused(
            &with(basic(), "/selector", selector),
            path,
            "In, NotIn, Exists, DoesNotExist",
        );
    }

    #[test]
    fn whose_selector_does_not_match_its_template() {
        let selector = json!({"matchLabels": {"app": "other"}});
        let path = "spec.template.metadata.labels";
        assert_refused(
            &with(basic(), "/selector", selector),
            path,
            "`selector` does not match template `labels`",
        );
        assert_refused(&without(basic(), "/template/metadata"), path, "does not match");
    }

    #[test]
    fn whose_selector_asks_for_the_hash() {
        let labels = json!({"app": "web", "rollouts-pod-template-hash": "x"});
        let spec = with(basic(), "/selector/matchLabels", labels.clone());
        assert_refused(
            &with(spec, "/template/metadata/labels", labels),
            "spec.selector",
            "sets this label itself",
        );
    }

    #[test]
    fn without_template() {
        assert_refused(
            &without(basic(), "/template"),
            "spec.template",
            "missing field '.spec.template'",
        );
        assert_refused(
            &with(basic(), "/template", Value::Null),
            "spec.template",
            "missing field",
        );
    }

    #[test]
    fn whose_template_has_labels_that_are_no_texts() {
        let spec = with(basic(), "/template/metadata/labels/version", json!(1));
        assert_refused(&spec, "spec.template.metadata.labels.version", "quote them");
    }

    #[test]
    fn with_negative_numbers() {
        for field in ["replicas", "minReadySeconds", "revisionHistoryLimit"] {
            let spec = with(basic(), &format!("/{field}"), json!(-1));
            assert_refused(
                &spec,
                &format!("spec.{field}"),
                "must be greater than or equal to 0",
            );
        }
    }

    #[test]
    fn with_a_threshold_that_means_nothing() {
        let path = "spec.strategy.canary.replicaProgressThreshold";
        let cases = [
            (
                json!({"type": "Share", "value": 5}),
                "type",
                "write Percent or Pods",
            ),
            (
                json!({"type": "Percent", "value": 101}),
                "value",
                "must not be greater than 100",
            ),
            (
                json!({"type": "Pods", "value": -1}),
                "value",
                "greater than or equal to 0",
            ),
        ];
        for (threshold, field, words) in cases {
            let spec = canary(basic(), "replicaProgressThreshold", threshold);
            assert_refused(&spec, &format!("{path}.{field}"), words);
        }
    }

    #[test]
    fn with_a_negative_rollback_window() {
        let window = json!({"revisions": -1});
        let path = "spec.rollbackWindow.revisions";
        assert_refused(
            &with(basic(), "/rollbackWindow", window),
            path,
            "greater than or equal to 0",
        );
    }

    #[test]
    fn whose_deadline_passes_before_pods_can_be_available() {
        let spec = with(
            with(basic(), "/minReadySeconds", json!(60)),
            "/progressDeadlineSeconds",
            json!(60),
        );
        let words = "must be greater than minReadySeconds";
        assert_refused(&spec, "spec.progressDeadlineSeconds", words);
        assert_refused(
            &with(basic(), "/minReadySeconds", json!(600)),
            "spec.progressDeadlineSeconds",
            words,
        );
    }

    #[test]
    fn without_a_strategy_that_is_known() {
        let missing = "missing field '.spec.strategy.canary or .spec.strategy.blueGreen'";
        assert_refused(&without(basic(), "/strategy"), "spec.strategy", missing);
        assert_refused(&with(basic(), "/strategy", json!({})), "spec.strategy", missing);
        let both = with(basic(), "/strategy/blueGreen", json!({}));
        assert_refused(&both, "spec.strategy", "Multiple Strategies can not be listed");
    }
}

mod refuses_the_canary {
    use super::*;

    const CANARY: &str = "spec.strategy.canary";

    #[test]
    fn with_one_service_for_both_versions() {
        for spec in [basic(), routed()] {
            let spec = canary(
                canary(spec, "stableService", json!("web")),
                "canaryService",
                json!("web"),
            );
            assert_refused(
                &spec,
                &format!("{CANARY}.stableService"),
                "same service for the stable and canary",
            );
        }
    }

    #[test]
    fn with_routing_but_without_a_service() {
        for field in ["stableService", "canaryService"] {
            let words = "Canary service and Stable service must to be set";
            assert_refused(
                &canary(routed(), field, json!("")),
                &format!("{CANARY}.{field}"),
                words,
            );
            let missing = without(routed(), &format!("/strategy/canary/{field}"));
            assert_refused(&missing, &format!("{CANARY}.{field}"), words);
        }
    }

    #[test]
    fn with_routing_but_without_a_route() {
        let path = format!("{CANARY}.trafficRouting.gatewayAPI.httpRoutes");
        for routing in [
            json!({}),
            json!({"gatewayAPI": {}}),
            json!({"gatewayAPI": {"httpRoutes": []}}),
        ] {
            assert_refused(
                &canary(routed(), "trafficRouting", routing),
                &path,
                "at least one route",
            );
        }
    }

    #[test]
    fn with_a_whole_that_no_route_can_have() {
        let pointer = "/strategy/canary/trafficRouting/maxTrafficWeight";
        let path = "spec.strategy.canary.trafficRouting.maxTrafficWeight";
        for whole in [-1, 0, 1_000_001] {
            let spec = with(routed(), pointer, json!(whole));
            assert_refused(&spec, path, "must be between 1 and 1000000");
        }
    }

    #[test]
    fn with_a_weight_above_the_whole() {
        let pointer = "/strategy/canary/trafficRouting/maxTrafficWeight";
        let spec = with(routed(), pointer, json!(1000));
        let words = "needs to be between 0 and 1000, is 1001";
        for (step, field) in [
            (json!({"setWeight": 1001}), "setWeight"),
            (
                json!({"setCanaryScale": {"weight": 1001}}),
                "setCanaryScale.weight",
            ),
        ] {
            let spec = canary(spec.clone(), "steps", json!([step]));
            assert_refused(&spec, &format!("{CANARY}.steps[0].{field}"), words);
        }
    }

    #[test]
    fn with_a_route_without_name_or_listed_twice() {
        let path = format!("{CANARY}.trafficRouting.gatewayAPI.httpRoutes");
        let routes = |routes| {
            with(
                routed(),
                "/strategy/canary/trafficRouting/gatewayAPI/httpRoutes",
                routes,
            )
        };
        assert_refused(
            &routes(json!([{"name": ""}])),
            &format!("{path}[0].name"),
            "must not be empty",
        );
        let twice = json!([{"name": "web"}, {"name": "web", "namespace": "shop"}]);
        assert_refused(&routes(twice), &format!("{path}[1]"), "shop/web is listed twice");
    }

    #[test]
    fn with_fields_that_need_traffic_routing() {
        let fields = [
            ("scaleDownDelaySeconds", json!(0)),
            ("abortScaleDownDelaySeconds", json!(0)),
            ("dynamicStableScale", json!(true)),
            ("minPodsPerReplicaSet", json!(1)),
        ];
        for (field, value) in fields {
            let words = format!("Canary {field} can only be used with traffic routing");
            assert_refused(
                &canary(basic(), field, value),
                &format!("{CANARY}.{field}"),
                &words,
            );
        }
    }

    #[test]
    fn with_dynamic_stable_scale_and_a_delay() {
        let spec = canary(
            canary(routed(), "dynamicStableScale", json!(true)),
            "scaleDownDelaySeconds",
            json!(5),
        );
        let words = "cannot be used with scaleDownDelaySeconds";
        assert_refused(&spec, &format!("{CANARY}.dynamicStableScale"), words);
    }

    #[test]
    fn with_negative_delays() {
        for field in [
            "scaleDownDelaySeconds",
            "abortScaleDownDelaySeconds",
            "minPodsPerReplicaSet",
        ] {
            let words = "greater than or equal to 0";
            assert_refused(
                &canary(routed(), field, json!(-1)),
                &format!("{CANARY}.{field}"),
                words,
            );
        }
    }

    #[test]
    fn whose_analysis_begins_at_a_step_that_is_not_there() {
        let metrics = json!([{"name": "errors", "provider": {"plugin": {"prometheus": {}}}}]);
        let spec = canary(
            basic(),
            "analysis",
            json!({"metrics": metrics, "startingStep": 2}),
        );
        let spec = canary(spec, "steps", json!([{"setWeight": 20}, {"pause": {}}]));
        assert_refused(&spec, "spec.strategy.canary.analysis.startingStep", "no step 2");
    }

    #[test]
    fn whose_step_has_an_analysis_that_begins_at_another() {
        let metrics = json!([{"name": "errors", "provider": {"plugin": {"prometheus": {}}}}]);
        let step = json!({"analysis": {"metrics": metrics, "startingStep": 0}});
        assert_refused(
            &canary(basic(), "steps", json!([step])),
            "spec.strategy.canary.steps[0].analysis.startingStep",
            "take it out",
        );
    }

    #[test]
    fn that_could_never_move() {
        for zero in [json!(0), json!("0%")] {
            let spec = canary(canary(basic(), "maxSurge", zero.clone()), "maxUnavailable", zero);
            assert_refused(
                &spec,
                &format!("{CANARY}.maxSurge"),
                "MaxSurge and MaxUnavailable both can not be zero",
            );
        }
    }

    #[test]
    fn with_amounts_that_argo_rollouts_would_guess_at() {
        for text in ["25", "", "%", "-5%", "+5%", "2.5%", "25 %", "é%", "99999999999%"] {
            assert_refused(
                &canary(basic(), "maxSurge", json!(text)),
                &format!("{CANARY}.maxSurge"),
                "\"25%\"",
            );
        }
        assert_refused(
            &canary(basic(), "maxSurge", json!(-1)),
            &format!("{CANARY}.maxSurge"),
            "equal to 0",
        );
        let words = "must not be greater than 100%";
        assert_refused(
            &canary(basic(), "maxUnavailable", json!("101%")),
            &format!("{CANARY}.maxUnavailable"),
            words,
        );
    }
}

mod refuses_the_step {
    use super::*;

    #[track_caller]
    fn assert_step_refused(spec: Value, step: &Value, path: &str, words: &str) {
        let spec = canary(spec, "steps", json!([{"setWeight": 1}, step]));
        assert_refused(&spec, &format!("spec.strategy.canary.steps[1]{path}"), words);
    }

    #[test]
    fn without_meaning() {
        let words = "Step must have one of the following set";
        assert_step_refused(basic(), &json!({}), "", words);
        assert_step_refused(basic(), &json!({"pause": null}), "", words);
    }

    #[test]
    fn with_two_meanings() {
        let words = "only one of the following";
        assert_step_refused(basic(), &json!({"setWeight": 5, "pause": {}}), "", words);
        let step = json!({"pause": {}, "setCanaryScale": {"replicas": 1}});
        assert_step_refused(routed(), &step, "", words);
    }

    #[test]
    fn that_would_wait_for_ever_for_its_analysis() {
        let metric = json!({"name": "errors", "interval": "30s", "provider": {"plugin": {"prometheus": {}}}});
        let step = json!({"analysis": {"metrics": [metric]}});
        assert_step_refused(basic(), &step, ".analysis.metrics[0].count", "runs indefinitely");
    }

    #[test]
    fn whose_analysis_measures_nothing() {
        let words = "at least one";
        assert_step_refused(basic(), &json!({"analysis": {}}), ".analysis.metrics", words);
    }

    #[test]
    fn whose_weight_is_out_of_range() {
        for percent in [-1, 101] {
            let words = "needs to be between 0 and 100";
            assert_step_refused(basic(), &json!({"setWeight": percent}), ".setWeight", words);
            let scale = json!({"setCanaryScale": {"weight": percent}});
            assert_step_refused(routed(), &scale, ".setCanaryScale.weight", words);
        }
    }

    #[test]
    fn whose_duration_is_none() {
        for duration in [json!(-1), json!("-1s"), json!("soon"), json!("1d"), json!("")] {
            let step = json!({"pause": {"duration": duration}});
            assert_step_refused(basic(), &step, ".pause.duration", "1m30s");
        }
    }

    #[test]
    fn that_scales_without_traffic_routing() {
        let step = json!({"setCanaryScale": {"replicas": 1}});
        assert_step_refused(
            basic(),
            &step,
            ".setCanaryScale",
            "SetCanaryScale requires TrafficRouting to be set",
        );
    }

    #[test]
    fn that_scales_to_nothing_or_to_two_things() {
        for scale in [
            json!({}),
            json!({"matchTrafficWeight": false}),
            json!({"replicas": 1, "weight": 2}),
        ] {
            assert_step_refused(
                routed(),
                &json!({"setCanaryScale": scale}),
                ".setCanaryScale",
                "exactly one of",
            );
        }
        let step = json!({"setCanaryScale": {"replicas": -1}});
        assert_step_refused(routed(), &step, ".setCanaryScale.replicas", "equal to 0");
    }
}

/// What is left of a refused spec: enough to bring traffic home by.
mod what_is_left {
    use super::*;

    fn left(spec: &Value) -> Option<Spec> {
        parse(Group::Kulta, "shop", spec)
            .expect_err("refused")
            .readable
            .map(|spec| *spec)
    }

    #[test]
    fn of_a_misspelt_field_of_the_strategy_is_where_the_traffic_is() {
        let spec = canary(routed(), "maxSurg", json!(1));

        let left = left(&spec).expect("readable");

        assert_eq!(Some(left), parse(Group::Kulta, "shop", &routed()).ok());
    }

    #[test]
    fn of_a_weight_above_100_is_where_the_traffic_is() {
        let left = left(&canary(routed(), "steps", json!([{"setWeight": 101}])));

        assert_eq!(
            left.expect("readable").services(),
            (Some("stable"), Some("canary"))
        );
    }

    #[test]
    fn without_a_service_is_nothing() {
        assert_eq!(left(&without(routed(), "/strategy/canary/stableService")), None);
    }

    #[test]
    fn with_two_strategies_is_nothing() {
        assert_eq!(left(&with(routed(), "/strategy/blueGreen", json!({}))), None);
    }

    #[test]
    fn with_a_number_of_pods_that_cannot_be_read_is_nothing() {
        assert_eq!(left(&with(routed(), "/replicas", json!("many"))), None);
    }
}
