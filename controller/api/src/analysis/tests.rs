//! What metrics mean, and what is refused with which words.

use super::*;
use jiff::SignedDuration;
use kulta_core::analysis::metric::Metric as Meaning;
use kulta_core::analysis::time_to_live::TimeToLive;
use kulta_core::spec::Problem;
use serde_json::{Value, json};

mod merging;
mod planned;
mod prometheus;
mod providers;

/// What an AnalysisRun means, with stand-ins such as `<spec.metrics[0] token>`.
fn parse(spec: &Value) -> Result<Task, Vec<Problem>> {
    super::parse(spec, &|metric, argument| format!("<{metric} {argument}>"))
}

fn metric() -> Value {
    json!({"name": "errors", "provider": {"plugin": {"prometheus": {"query": "up"}}}})
}

fn with(field: &str, value: Value) -> Value {
    let mut metric = metric();
    metric[field] = value;
    json!({"metrics": [metric]})
}

fn accepted(spec: &Value) -> Meaning {
    let task = parse(spec).unwrap_or_else(|problems| panic!("{problems:?}"));
    task.measured[0].metric.clone()
}

fn refused(spec: &Value) -> Vec<Problem> {
    parse(spec).expect_err("refused")
}

#[track_caller]
fn assert_refused(spec: &Value, path: &str, words: &str) {
    let problems = refused(spec);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].path, path, "{problems:?}");
    assert!(problems[0].message.contains(words), "{problems:?}");
}

#[test]
fn a_metric_is_measured_once_unless_it_says_otherwise() {
    let spec = json!({"metrics": [metric()]});

    let task = parse(&spec).unwrap();

    let measured = &task.measured[0];
    assert_eq!(measured.metric, Meaning::once("errors"));
    assert_eq!(measured.plugin, "prometheus");
    assert_eq!(measured.configuration, json!({"query": "up"}));
    assert!(!task.terminate);
}

#[test]
fn conditions_are_taken_as_they_are_written_and_an_empty_one_is_none() {
    let mut spec = with("successCondition", json!("result[0] < 0.05"));
    spec["metrics"][0]["failureCondition"] = json!("");

    let task = parse(&spec).unwrap();

    let conditions = &task.measured[0].conditions;
    assert_eq!(conditions.success.as_deref(), Some("result[0] < 0.05"));
    assert_eq!(conditions.failure, None);
}

#[test]
fn with_an_interval_a_metric_goes_on_until_it_is_ended() {
    assert!(accepted(&with("interval", json!("30s"))).is_endless());
}

#[test]
fn numbers_may_be_written_as_texts() {
    let mut spec = with("interval", json!("1m"));
    spec["metrics"][0]["count"] = json!("5");
    spec["metrics"][0]["failureLimit"] = json!("2");

    let metric = accepted(&spec);

    assert_eq!(
        (metric.count.map(u32::from), metric.failure_limit),
        (Some(5), Some(2))
    );
}

#[test]
fn a_failure_limit_of_minus_one_bears_every_failure_where_successes_decide() {
    let mut spec = with("failureLimit", json!(-1));
    assert_refused(&spec, "spec.metrics[0].failureLimit", "consecutiveSuccessLimit");

    spec["metrics"][0]["consecutiveSuccessLimit"] = json!(1);

    assert_eq!(accepted(&spec).failure_limit, None);
}

#[test]
fn a_field_that_is_wrong_is_told_with_its_path() {
    let first = "spec.metrics[0]";
    let cases = [
        ("interval", json!("1 hour"), "interval", "not a duration"),
        ("interval", json!("10ms"), "interval", "at least 1s"),
        ("count", json!(3), "interval", "must be specified when count is 3"),
        ("count", json!("many"), "count", "whole number"),
        ("failureLimit", json!(-2), "failureLimit", "at least -1"),
        ("sucessCondition", json!("x"), "sucessCondition", "unknown field"),
        ("provider", json!({}), "provider.plugin", "exactly one"),
        (
            "provider",
            json!({"plugin": {"a": {}, "b": {}}}),
            "provider.plugin",
            "exactly one",
        ),
        (
            "provider",
            json!({"datadog": {}}),
            "provider.datadog",
            "KULTA has no such provider",
        ),
    ];
    for (field, value, path, words) in cases {
        assert_refused(&with(field, value), &format!("{first}.{path}"), words);
    }
}

#[test]
fn limits_that_the_count_can_not_reach_are_told() {
    for (field, limit) in [("failureLimit", 5), ("inconclusiveLimit", 5)] {
        let mut spec = with(field, json!(limit));
        spec["metrics"][0]["interval"] = json!("1m");
        spec["metrics"][0]["count"] = json!(2);

        assert_refused(&spec, "spec.metrics[0].count", field);
    }
}

#[test]
fn limits_of_a_metric_that_is_measured_once_because_nothing_is_said_are_taken() {
    for (field, limit) in [
        ("failureLimit", 3),
        ("inconclusiveLimit", 2),
        ("consecutiveSuccessLimit", 2),
    ] {
        accepted(&with(field, json!(limit)));
        let mut spec = with(field, json!(limit));
        spec["metrics"][0]["count"] = json!(0);
        accepted(&spec);
    }
}

#[test]
fn an_analysis_has_metrics_with_names_of_their_own() {
    assert_refused(&json!({}), "spec.metrics", "at least one");
    let twice = json!({"metrics": [metric(), metric()]});
    assert_refused(&twice, "spec.metrics[1].name", "duplicate name 'errors'");
}

#[test]
fn how_long_an_analysis_stays() {
    let strategy = |strategy| json!({"metrics": [metric()], "ttlStrategy": strategy});
    let written = json!({"secondsAfterCompletion": 60, "secondsAfterFailure": 0, "secondsAfterSuccess": 5});

    let task = parse(&strategy(written)).unwrap();

    let seconds = |seconds| Some(SignedDuration::from_secs(seconds));
    let expected = TimeToLive {
        after_completion: seconds(60),
        after_failure: seconds(0),
        after_success: seconds(5),
    };
    assert_eq!(task.time_to_live, expected);
    let negative = strategy(json!({"secondsAfterSuccess": -1}));
    assert_refused(
        &negative,
        "spec.ttlStrategy.secondsAfterSuccess",
        "greater than or equal to 0",
    );
}

fn asking(gate: &Value) -> Value {
    json!({"gates": [gate], "next": {"fromWeight": 20, "toWeight": 50, "isLast": false}})
}

#[test]
fn gates_are_asked_about_the_next_step() {
    let gate = json!({"name": "hours", "plugin": "schedule", "interval": "1m", "deadline": "2h"});

    let task = parse(&asking(&gate)).unwrap();

    let (minute, hours) = (SignedDuration::from_mins(1), SignedDuration::from_hours(2));
    assert_eq!(
        task.measured[0].metric,
        Meaning::gate("hours", Some(minute), Some(hours))
    );
    assert_eq!(task.measured[0].configuration, json!({}));
    assert_eq!(
        task.next.map(|next| (next.from_weight, next.to_weight)),
        Some((20, 50))
    );
}

#[test]
fn a_gate_without_a_plugin_is_refused() {
    assert_refused(
        &asking(&json!({"name": "hours"})),
        "spec.gates[0].plugin",
        "write the name of a plugin",
    );
}

#[test]
fn gates_of_the_same_name_are_refused() {
    let gate = json!({"name": "hours", "plugin": "schedule"});
    let mut spec = asking(&gate);
    spec["gates"] = json!([gate, gate]);

    assert_refused(&spec, "spec.gates[1].name", "duplicate name 'hours'");
}

#[test]
fn metrics_and_gates_together_are_refused() {
    let mut spec = asking(&json!({"name": "hours", "plugin": "schedule"}));
    spec["metrics"] = json!([metric()]);

    assert_refused(&spec, "spec.gates", "either metrics, or gates");
}

#[test]
fn gates_with_arguments_are_refused() {
    let mut spec = asking(&json!({"name": "hours", "plugin": "schedule"}));
    spec["args"] = json!([{"name": "app", "value": "web"}]);

    assert_refused(
        &spec,
        "spec",
        "args, dryRun and measurementRetention are about metrics",
    );
}

#[test]
fn gates_without_a_step_to_ask_about_are_refused() {
    let mut spec = asking(&json!({"name": "hours", "plugin": "schedule"}));
    spec["next"] = Value::Null;

    assert_refused(&spec, "spec.gates", "spec.next");
}

#[test]
fn a_deadline_that_passes_before_the_first_answer_is_refused() {
    let gate = json!({"name": "hours", "plugin": "schedule", "deadline": "0s"});

    assert_refused(&asking(&gate), "spec.gates[0].deadline", "at least 1s");
    assert_refused(
        &with("deadline", json!("0s")),
        "spec.metrics[0].deadline",
        "at least 1s",
    );
}

fn with_arguments(query: &str, args: &Value) -> Value {
    let mut spec = json!({"metrics": [metric()], "args": args});
    spec["metrics"][0]["provider"]["plugin"]["prometheus"]["query"] = json!(query);
    spec
}

#[test]
fn arguments_are_put_into_metrics_when_they_are_measured() {
    let mut spec = with_arguments(
        "errors{app=\"{{args.app}}\"}",
        &json!([{"name": "app", "value": "web"}]),
    );
    spec["metrics"][0]["count"] = json!("{{args.app}}");
    assert_refused(&spec, "spec.metrics[0].count", "whole number");
    spec["metrics"][0]["count"] = json!(1);

    let task = parse(&spec).unwrap();

    let configuration = &task.measured[0].configuration;
    assert_eq!(configuration, &json!({"query": "errors{app=\"web\"}"}));
    assert_eq!(task.arguments["app"], "web");
}

#[test]
fn an_argument_that_is_wrong_is_told_with_its_path() {
    let cases = [
        (
            json!([{"name": "app"}]),
            "spec.args[0]",
            "args.app was not resolved",
        ),
        (
            json!([{"name": "app", "value": "a"}, {"name": "app", "value": "b"}]),
            "spec.args[1].name",
            "duplicate name 'app'",
        ),
        (
            json!([{"name": "app", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]),
            "spec.args[0].valueFrom",
            "named in the args of the Rollout's analysis",
        ),
        (
            json!([{"name": "app", "valueFrom": {}}]),
            "spec.args[0].valueFrom",
            "secretKeyRef",
        ),
        (
            json!([{"name": "app", "value": "a", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}]),
            "spec.args[0]",
            "only one of value and valueFrom",
        ),
    ];
    for (args, path, words) in cases {
        assert_refused(&with_arguments("up", &args), path, words);
    }
    let query = "spec.metrics[0].provider.plugin.prometheus.query";
    assert_refused(
        &with_arguments("{{args.x}}", &json!([])),
        query,
        "there is no argument \"x\"; add it to args, where there are: none",
    );
}

#[test]
fn a_secret_that_is_wrong_is_told_with_its_path() {
    let cases = [
        (
            json!([{"name": "app", "valueFrom": {"secretKeyRef": {"name": "a"}}}]),
            "spec.args[0].valueFrom.secretKeyRef",
            "missing field `key`",
        ),
        (
            json!([{"name": "app", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b", "namespace": "other"}}}]),
            "spec.args[0].valueFrom.secretKeyRef.namespace",
            "unknown field",
        ),
        (
            json!([{"name": "app", "valueFrom": {"secretKeyRef": {"name": "../../other/secrets/a", "key": "b"}}}]),
            "spec.args[0].valueFrom.secretKeyRef.name",
            "must be the name of a Secret",
        ),
        (
            json!([{"name": "app", "valueFrom": {"secretKeyRef": {"name": "..", "key": "b"}}}]),
            "spec.args[0].valueFrom.secretKeyRef.name",
            "must be the name of a Secret",
        ),
        (
            json!([{"name": "app", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b/c"}}}]),
            "spec.args[0].valueFrom.secretKeyRef.key",
            "must be a key of a Secret",
        ),
    ];
    for (args, path, words) in cases {
        assert_refused(&with_arguments("up", &args), path, words);
    }
}

#[test]
fn a_secret_is_kept_as_a_reference_with_what_stands_for_it() {
    let secret = json!({"secretKeyRef": {"name": "access", "key": "token"}});
    let args = json!([{"name": "app", "value": "web"}, {"name": "token", "valueFrom": secret}]);

    let task = parse(&with_arguments(
        "up{token=\"{{args.token}}\",app=\"{{args.app}}\"}",
        &args,
    ))
    .unwrap();

    let measured = &task.measured[0];
    let query = "up{token=\"<spec.metrics[0] token>\",app=\"web\"}";
    assert_eq!(measured.configuration, json!({"query": query}));
    let [secret] = &measured.secrets[..] else {
        panic!("{measured:?}")
    };
    assert_eq!(secret.path, "spec.args[1].valueFrom.secretKeyRef");
    assert_eq!(secret.stand_in, "<spec.metrics[0] token>");
    assert!(!task.arguments.contains_key("token"), "it is no fact for plugins");
}

#[test]
fn a_secret_that_no_metric_takes_is_not_read() {
    let secret = json!({"secretKeyRef": {"name": "access", "key": "token"}});

    let task = parse(&with_arguments(
        "up",
        &json!([{"name": "token", "valueFrom": secret}]),
    ))
    .unwrap();

    assert!(task.measured[0].secrets.is_empty());
}

#[test]
fn names_that_are_the_same_with_their_arguments_are_refused() {
    let mut spec =
        two_metrics(&json!({"args": [{"name": "one", "value": "a"}, {"name": "other", "value": "a"}]}));
    spec["metrics"][0]["name"] = json!("errors-{{args.one}}");
    spec["metrics"][1]["name"] = json!("errors-{{args.other}}");

    assert_refused(&spec, "spec.metrics[1].name", "duplicate name 'errors-a'");
}

fn two_metrics(rules: &Value) -> Value {
    let mut spec = rules.clone();
    let mut other = metric();
    other["name"] = json!("latency-p99");
    spec["metrics"] = json!([metric(), other]);
    spec
}

#[test]
fn rules_are_about_the_metrics_that_their_patterns_match() {
    let rules = json!({
        "dryRun": [{"metricName": "latency-.*"}],
        "measurementRetention": [{"metricName": "err", "limit": 3}],
    });

    let task = parse(&two_metrics(&rules)).unwrap();

    let metrics: Vec<_> = task
        .measured
        .iter()
        .map(|measured| (measured.metric.dry_run, measured.metric.retention))
        .collect();
    assert_eq!(metrics, [(false, 3), (true, 10)]);
}

#[test]
fn names_and_patterns_have_an_end() {
    let mut spec = with("name", json!("x".repeat(253)));
    accepted(&spec);
    spec["dryRun"] = json!([{"metricName": "x".repeat(254)}]);
    assert_refused(&spec, "spec.dryRun[0].metricName", "at most 253 bytes");

    let spec = with("name", json!("x".repeat(254)));
    assert_refused(&spec, "spec.metrics[0].name", "at most 253 bytes");
}

#[test]
fn patterns_have_an_end_together_and_names_that_are_written_out_have_none() {
    let name = |number: usize| format!("{number:02}{}", "x".repeat(98));
    let metrics: Vec<_> = (0..60)
        .map(|number| with("name", json!(name(number)))["metrics"][0].clone())
        .collect();
    let spec = |end: &str| {
        let rules: Vec<_> = (0..60)
            .map(|number| json!({"metricName": format!("{}{end}", name(number))}))
            .collect();
        json!({"metrics": metrics, "dryRun": rules})
    };

    accepted(&spec(""));
    assert_refused(
        &spec("y*"),
        "spec.metrics",
        "there are 60 patterns of names, too many",
    );
}

#[test]
fn a_rule_that_is_wrong_is_told_with_its_path() {
    let cases = [
        (
            "dryRun",
            json!({"metricName": "x"}),
            "metricName",
            "Rule didn't match any metric name(s)",
        ),
        (
            "dryRun",
            json!({"metricName": "("}),
            "metricName",
            "\"(\" is not a regular expression: unclosed group",
        ),
        (
            "measurementRetention",
            json!({"metricName": "errors", "limit": 0}),
            "limit",
            "must be between 1 and 1000, is 0",
        ),
    ];
    for (field, rule, path, words) in cases {
        let mut rules = json!({});
        rules[field] = json!([rule]);
        assert_refused(&two_metrics(&rules), &format!("spec.{field}[0].{path}"), words);
    }
}
