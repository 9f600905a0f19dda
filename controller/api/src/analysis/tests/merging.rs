//! Analyses of Rollouts: how templates, arguments and rules come together, and what is refused with which words.

use std::collections::BTreeMap;

use kulta_core::spec::{Analysis, Argument as Resolved, ArgumentValue};
use proptest::prelude::*;

use super::super::template::{self, Template};
use super::super::{TemplateReference, references};
use super::*;

mod later;

const STEP: &str = "spec.strategy.canary.steps[0].analysis";

fn named(name: &str) -> Value {
    json!({"name": name, "provider": {"plugin": {"prometheus": {"query": "up"}}}})
}

/// Templates by kind and name; a name that begins with `cluster/` is that of a cluster template.
fn resolved(analysis: &Value, templates: &[(&str, Value)]) -> Result<Analysis, Vec<Problem>> {
    let templates: BTreeMap<String, Template> = templates
        .iter()
        .map(|(name, spec)| ((*name).to_owned(), template::parse(spec)))
        .collect();
    let rollout = json!({
        "metadata": {"name": "web", "labels": {"team": "blue"}},
        "spec": {"strategy": {"canary": {"steps": [{"analysis": analysis}]}}},
    });
    let references = references(&rollout);
    let [reference] = &references[..] else {
        panic!("{references:?}")
    };
    let resolved = reference.resolve("shop", &|wanted: &TemplateReference| {
        let scope = if wanted.is_cluster_scoped() {
            "cluster/"
        } else {
            ""
        };
        templates.get(&format!("{scope}{}", wanted.template_name))
    });
    resolved.map(|(analysis, _planned)| analysis)
}

#[track_caller]
fn refused_with(analysis: &Value, templates: &[(&str, Value)], path: &str, message: &str) {
    let problems = resolved(analysis, templates).expect_err("refused");
    assert_eq!(problems, [Problem::new(format!("{STEP}{path}"), message)]);
}

fn text(name: &str, value: &str) -> Resolved {
    Resolved {
        name: name.to_owned(),
        value: ArgumentValue::Text(value.to_owned()),
    }
}

fn uses(names: &[&str]) -> Value {
    let templates: Vec<_> = names.iter().map(|name| json!({"templateName": name})).collect();
    json!({"templates": templates})
}

#[test]
fn the_metrics_of_all_are_joined() {
    let mut analysis = uses(&["a", "b"]);
    analysis["metrics"] = json!([named("own")]);
    analysis["templates"][1]["clusterScope"] = json!(true);
    let templates = [
        (
            "a",
            json!({"metrics": [named("a")], "measurementRetention": [{"metricName": "a", "limit": 3}]}),
        ),
        (
            "cluster/b",
            json!({"metrics": [named("b")], "dryRun": [{"metricName": "own"}]}),
        ),
    ];

    let analysis = resolved(&analysis, &templates).unwrap();

    let expected = json!({
        "metrics": [named("own"), named("a"), named("b")],
        "dryRun": [{"metricName": "own"}],
        "measurementRetention": [{"metricName": "a", "limit": 3}],
    });
    assert_eq!((analysis.run, analysis.args), (expected, Vec::new()));
}

#[test]
fn templates_that_templates_name_are_joined_once_even_in_a_circle() {
    let templates = [
        (
            "a",
            json!({"metrics": [named("a")], "templates": [{"templateName": "b"}, {"templateName": "c"}]}),
        ),
        (
            "b",
            json!({"metrics": [named("b")], "templates": [{"templateName": "a"}, {"templateName": "c"}]}),
        ),
        ("c", json!({"metrics": [named("c")]})),
    ];

    let analysis = resolved(&uses(&["a", "c"]), &templates).unwrap();

    assert_eq!(
        analysis.run["metrics"],
        json!([named("a"), named("b"), named("c")])
    );
}

#[test]
fn a_template_that_is_not_there_is_named() {
    refused_with(
        &uses(&["a"]),
        &[],
        ".templates[0].templateName",
        "AnalysisTemplate \"a\" not found in namespace \"shop\"; create it, or correct the name",
    );
    let templates = [(
        "a",
        json!({"templates": [{"templateName": "b", "clusterScope": true}]}),
    )];
    refused_with(
        &uses(&["a"]),
        &templates,
        ".templates[0]",
        "AnalysisTemplate \"a\" names in spec.templates: ClusterAnalysisTemplate \"b\" not found; create it, or correct \
         the name (a controller that works with --namespace sees none)",
    );
}

#[test]
fn a_template_that_can_not_be_read_is_told_with_the_field() {
    let templates = [("a", json!({"metrics": [{"name": "a", "intervall": "1m"}]}))];

    let problems = resolved(&uses(&["a"]), &templates).expect_err("refused");

    assert_eq!(problems[0].path, format!("{STEP}.templates[0]"));
    let message = &problems[0].message;
    assert!(
        message.starts_with("AnalysisTemplate \"a\": spec.metrics[0].intervall: unknown field"),
        "{message}"
    );
}

#[test]
fn two_metrics_of_one_name_are_refused() {
    let template = json!({"metrics": [named("errors")]});
    refused_with(
        &uses(&["a", "b"]),
        &[("a", template.clone()), ("b", template)],
        ".templates[1]",
        "AnalysisTemplate \"b\": spec.metrics[0].name: two metrics have the same name 'errors', here and in \
         AnalysisTemplate \"a\"; rename one of them",
    );
}

#[test]
fn a_metric_of_a_template_that_goes_on_without_end_is_refused_in_a_step() {
    let mut metric = named("errors");
    metric["interval"] = json!("1m");

    let problems = resolved(&uses(&["a"]), &[("a", json!({"metrics": [metric]}))]).expect_err("refused");

    let message = &problems[0].message;
    assert!(
        message.starts_with(
            "AnalysisTemplate \"a\": spec.metrics[0].count: the metric \"errors\" runs indefinitely. Invalid value for \
             count"
        ),
        "{message}"
    );
}

fn with_args(args: &Value) -> Value {
    json!({"metrics": [named("a")], "args": args})
}

#[test]
fn arguments_of_the_rollout_count_before_those_of_templates() {
    let mut analysis = uses(&["a"]);
    analysis["args"] = json!([{"name": "service", "value": "web"}, {"name": "more", "value": "1"}]);
    let args = json!([{"name": "service", "value": "other"}, {"name": "window", "value": "1m"}]);

    let analysis = resolved(&analysis, &[("a", with_args(&args))]).unwrap();

    let expected = [text("service", "web"), text("window", "1m"), text("more", "1")];
    assert_eq!(analysis.args, expected);
}

#[test]
fn an_argument_without_a_value_takes_that_of_another_template() {
    let templates = [
        ("a", with_args(&json!([{"name": "window"}]))),
        (
            "b",
            json!({"metrics": [named("b")], "args": [{"name": "window", "value": "1m"}]}),
        ),
        (
            "c",
            json!({"metrics": [named("c")], "args": [{"name": "window"}]}),
        ),
    ];

    let analysis = resolved(&uses(&["a", "b", "c"]), &templates).unwrap();

    assert_eq!(analysis.args, [text("window", "1m")]);
}

#[test]
fn arguments_of_two_templates_with_different_values_are_refused() {
    let templates = [
        ("a", with_args(&json!([{"name": "window", "value": "1m"}]))),
        (
            "b",
            json!({"metrics": [named("b")], "args": [{"name": "window", "value": "2m"}]}),
        ),
    ];
    refused_with(
        &uses(&["a", "b"]),
        &templates,
        ".templates[1]",
        "AnalysisTemplate \"b\": spec.args[0]: Argument `window` specified multiple times with different values: '1m' in \
         AnalysisTemplate \"a\", '2m' here; rename one of them, or take one value out",
    );
}

#[test]
fn an_argument_that_nobody_gives_a_value_is_refused() {
    refused_with(
        &uses(&["a"]),
        &[("a", with_args(&json!([{"name": "service"}])))],
        ".args",
        "args.service of AnalysisTemplate \"a\" was not resolved; add it to args with a value",
    );
}

#[test]
fn an_argument_that_is_not_there_is_told_where_it_is_used() {
    let mut metric = named("errors");
    metric["provider"]["plugin"]["prometheus"]["query"] = json!("{{args.servise}}");
    let template = json!({"metrics": [metric], "args": [{"name": "service", "value": "web"}]});
    refused_with(
        &uses(&["a"]),
        &[("a", template)],
        ".templates[0]",
        "AnalysisTemplate \"a\": spec.metrics[0].provider.plugin.prometheus.query: failed to resolve {{args.servise}}: \
         there is no argument \"servise\"; add it to args, where there are: service",
    );
}

#[test]
fn numbers_of_a_metric_are_checked_with_the_arguments_put_in() {
    let mut metric = named("errors");
    metric["count"] = json!("{{args.count}}");
    metric["interval"] = json!("{{ args.interval }}");
    let template =
        json!({"metrics": [metric], "args": [{"name": "count", "value": "3"}, {"name": "interval"}]});
    let mut analysis = uses(&["a"]);
    analysis["args"] = json!([{"name": "interval", "value": "30s"}]);

    let run = resolved(&analysis, &[("a", template.clone())]).unwrap().run;
    analysis["args"][0]["value"] = json!("often");
    let problems = resolved(&analysis, &[("a", template.clone())]).expect_err("refused");

    assert_eq!(
        run["metrics"], template["metrics"],
        "they are put in when it is measured"
    );
    assert!(
        problems[0].message.contains("spec.metrics[0].interval"),
        "{problems:?}"
    );
}

#[test]
fn values_come_from_hashes_and_fields() {
    let mut analysis = uses(&["a"]);
    analysis["args"] = json!([
        {"name": "new", "valueFrom": {"podTemplateHashValue": "Latest"}},
        {"name": "old", "valueFrom": {"podTemplateHashValue": "Stable"}},
        {"name": "team", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['team']"}}},
        {"name": "weight", "valueFrom": {"fieldRef": {"fieldPath": "status.canary.weights.canary.weight"}}},
    ]);

    let analysis = resolved(&analysis, &[("a", json!({"metrics": [named("a")]}))]).unwrap();

    let values: Vec<_> = analysis.args.into_iter().map(|argument| argument.value).collect();
    let team = ArgumentValue::Text("blue".to_owned());
    let expected = [
        ArgumentValue::LatestHash,
        ArgumentValue::StableHash,
        team,
        ArgumentValue::Unknown,
    ];
    assert_eq!(values, expected);
}

#[test]
fn values_from_elsewhere_are_refused_with_their_path() {
    let cases = [
        (
            json!({"secretKeyRef": {"name": "Token", "key": "token"}}),
            ".secretKeyRef.name",
            "must be the name of a Secret",
        ),
        (
            json!({"secretKeyRef": {"name": "a", "key": "b"}, "podTemplateHashValue": "Latest"}),
            "",
            "exactly one of",
        ),
        (
            json!({"fieldRef": {"fieldPath": "metadata.labels['app']"}}),
            ".fieldRef.fieldPath",
            "no label \"app\"",
        ),
        (json!({}), "", "exactly one of"),
    ];
    for (from, path, words) in cases {
        let mut analysis = uses(&["a"]);
        analysis["args"] = json!([{"name": "x", "valueFrom": from}]);
        let templates = [("a", json!({"metrics": [named("a")]}))];

        let problems = resolved(&analysis, &templates).expect_err("refused");

        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].path, format!("{STEP}.args[0].valueFrom{path}"));
        assert!(problems[0].message.contains(words), "{problems:?}");
    }
}

#[test]
fn a_template_names_no_field_of_a_rollout() {
    let args = json!([{"name": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]);

    let problems = resolved(&uses(&["a"]), &[("a", with_args(&args))]).expect_err("refused");

    let message = &problems[0].message;
    assert!(
        message.starts_with("AnalysisTemplate \"a\": spec.args[0].valueFrom: can't stand here"),
        "{message}"
    );
}

#[test]
fn rules_of_one_name_are_refused() {
    let rule = json!([{"metricName": "a"}]);
    let mut analysis = uses(&["a"]);
    analysis["dryRun"] = rule.clone();
    refused_with(
        &analysis,
        &[("a", json!({"metrics": [named("a")], "dryRun": rule}))],
        ".dryRun",
        "two Dry-Run metric rules have the same name 'a', here or in a template; take one of them out",
    );
}

#[test]
fn a_rule_of_a_template_that_matches_nothing_is_told() {
    refused_with(
        &uses(&["a"]),
        &[(
            "a",
            json!({"metrics": [named("a")], "dryRun": [{"metricName": "b"}]}),
        )],
        ".templates[0]",
        "AnalysisTemplate \"a\": spec.dryRun[0].metricName: Rule didn't match any metric name(s); write the name of a \
         metric, or a regular expression that matches one",
    );
}

/// Or it would begin, and be aborted for a mistake of whoever wrote the templates.
#[test]
fn patterns_of_several_templates_are_too_many_together() {
    let template = |letter: &str| {
        let names = (0..40).map(|number| format!("{letter}{number:02}-of-a-name-of-some-length"));
        let metrics: Vec<_> = names.clone().map(|name| named(&name)).collect();
        let rules: Vec<_> = names
            .map(|name| json!({"metricName": format!("{name}$|x*y")}))
            .collect();
        json!({"metrics": metrics, "dryRun": rules})
    };

    assert!(resolved(&uses(&["a"]), &[("a", template("a"))]).is_ok());

    refused_with(
        &uses(&["a", "b"]),
        &[("a", template("a")), ("b", template("b"))],
        ".metrics",
        "there are 80 patterns of names, too many for metrics with 2240 bytes of names: write names as they are, or fewer \
         patterns",
    );
}

proptest! {
    /// What is put together is what an AnalysisRun takes.
    #[test]
    fn an_analysis_that_is_resolved_can_be_run(
        own in prop::collection::vec("[a-d]", 0..3),
        of_a in prop::collection::vec("[a-h]", 0..3),
        of_b in prop::collection::vec("[e-k]", 0..3),
        value in prop::option::of(".{0,5}"),
        other in prop::option::of(".{0,5}"),
    ) {
        let metrics = |names: &[String]| names.iter().map(|name| {
            let mut metric = named(name);
            metric["provider"]["plugin"]["prometheus"]["query"] = json!("{{args.x}}");
            metric
        }).collect::<Vec<_>>();
        let mut analysis = uses(&["a", "b"]);
        analysis["metrics"] = json!(metrics(&own));
        let templates = [
            ("a", json!({"metrics": metrics(&of_a), "args": [{"name": "x", "value": value}]})),
            ("b", json!({"metrics": metrics(&of_b), "args": [{"name": "x", "value": other}]})),
        ];
        if let Ok(Analysis { mut run, args }) = resolved(&analysis, &templates) {
            let ArgumentValue::Text(x) = &args[0].value else { panic!("{args:?}") };
            run["args"] = json!([{"name": "x", "value": x}]);
            let task = parse(&run).expect("a task");
            prop_assert_eq!(task.measured.len(), own.len() + of_a.len() + of_b.len());
            for measured in task.measured {
                prop_assert_eq!(&measured.configuration["query"], &json!(x));
            }
        }
    }
}
