//! Values that are not known when a Rollout is checked: of Secrets, hashes, and fields to come.

use super::*;

fn secret(name: &str) -> Value {
    json!({"secretKeyRef": {"name": name, "key": "token"}})
}

fn of_secret(argument: &str, name: &str) -> Resolved {
    Resolved {
        name: argument.to_owned(),
        value: ArgumentValue::Secret {
            name: name.to_owned(),
            key: "token".to_owned(),
        },
    }
}

#[test]
fn a_secret_is_named_by_templates_and_by_rollouts_and_the_rollouts_counts() {
    let args =
        json!([{"name": "x", "valueFrom": secret("theirs")}, {"name": "y", "valueFrom": secret("theirs")}]);
    let mut analysis = uses(&["a"]);
    analysis["args"] = json!([{"name": "y", "valueFrom": secret("own")}]);

    let analysis = resolved(&analysis, &[("a", with_args(&args))]).unwrap();

    assert_eq!(analysis.args, [of_secret("x", "theirs"), of_secret("y", "own")]);
}

#[test]
fn two_templates_with_different_secrets_are_refused() {
    let templates = [
        (
            "a",
            with_args(&json!([{"name": "x", "valueFrom": secret("one")}])),
        ),
        (
            "b",
            json!({"metrics": [named("b")], "args": [{"name": "x", "valueFrom": secret("other")}]}),
        ),
    ];
    refused_with(
        &uses(&["a", "b"]),
        &templates,
        ".templates[1]",
        "AnalysisTemplate \"b\": spec.args[0]: Argument `x` specified multiple times with different values: key \
         \"token\" of the Secret \"one\" in AnalysisTemplate \"a\", key \"token\" of the Secret \"other\" here; rename \
         one of them, or take one value out",
    );
}

#[test]
fn a_secret_in_a_condition_is_refused_with_its_path() {
    let mut metric = named("errors");
    metric["successCondition"] = json!("result == \"{{args.x}}\"");
    let template = json!({"metrics": [metric], "args": [{"name": "x", "valueFrom": secret("access")}]});
    refused_with(
        &uses(&["a"]),
        &[("a", template)],
        ".templates[0]",
        "AnalysisTemplate \"a\": spec.metrics[0].successCondition: the argument \"x\" comes from a Secret, and what it \
         is could be read off here; use it in the configuration of a plugin, in a query, or in headers and bodies only",
    );
}

fn of_hashes() -> Value {
    json!([
        {"name": "latest", "valueFrom": {"podTemplateHashValue": "Latest"}},
        {"name": "stable", "valueFrom": {"podTemplateHashValue": "Stable"}},
    ])
}

#[test]
fn names_with_two_hashes_are_two_names_and_with_the_same_one_are_one() {
    let metrics = |names: [&str; 2]| json!({"metrics": names.map(named), "args": of_hashes()});

    let analysis = resolved(
        &uses_of(&metrics(["err-{{args.stable}}", "err-{{args.latest}}"])),
        &[template_a()],
    );
    let twice = resolved(
        &uses_of(&metrics(["err-{{args.latest}}", "err-{{ args.latest }}"])),
        &[template_a()],
    );

    assert_eq!(
        analysis.unwrap().run["metrics"][1]["name"],
        json!("err-{{args.latest}}")
    );
    let problems = twice.expect_err("refused");
    assert!(problems[0].message.contains("duplicate name"), "{problems:?}");
}

#[test]
fn a_rule_about_a_name_that_is_known_only_later_is_no_mistake() {
    let rules = json!([{"metricName": "err-[0-9a-f]{10}"}]);
    let known = json!({"metrics": [named("err-stable")], "args": of_hashes(), "dryRun": rules});
    let later = json!({"metrics": [named("err-{{args.stable}}")], "args": of_hashes(), "dryRun": rules});

    assert!(resolved(&uses_of(&later), &[template_a()]).is_ok());
    let problems = resolved(&uses_of(&known), &[template_a()]).expect_err("refused");
    assert!(problems[0].message.contains("didn't match"), "{problems:?}");
}

#[test]
fn numbers_from_a_field_that_is_not_there_yet_are_checked_once_it_is() {
    let field = |path: &str| json!({"name": "count", "valueFrom": {"fieldRef": {"fieldPath": path}}});
    let with = |field: &str, value: Value| {
        let mut metric = named("errors");
        metric["interval"] = json!("1m");
        metric["failureLimit"] = json!(3);
        metric[field] = value;
        metric
    };
    let analysis =
        |metric: &Value, argument: &Value| uses_of(&json!({"metrics": [metric], "args": [argument]}));
    let (unknown, known) = (field("status.currentStepIndex"), field("metadata.labels['team']"));
    for name in ["count", "failureLimit", "interval", "deadline"] {
        let metric = with(name, json!("{{args.count}}"));

        let later = resolved(&analysis(&metric, &unknown), &[template_a()]).unwrap();

        assert_eq!(later.args[0].value, ArgumentValue::Unknown);
        assert!(
            resolved(&analysis(&metric, &known), &[template_a()]).is_err(),
            "{name}"
        );
    }
}

/// An analysis with these fields, and a template, for only what refers to something is resolved.
fn uses_of(fields: &Value) -> Value {
    let mut analysis = uses(&["a"]);
    for (name, value) in fields.as_object().unwrap() {
        analysis[name] = value.clone();
    }
    analysis
}

fn template_a() -> (&'static str, Value) {
    ("a", json!({"metrics": [named("a")]}))
}
