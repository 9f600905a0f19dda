//! What Experiments mean, and what is told of wrong ones.

use jiff::SignedDuration;
use kulta_core::spec::Problem;
use serde_json::{Value, json};

use super::{Facts, parse};
use crate::analysis::TemplateReference;
use crate::analysis::template::{self, Template};

fn template() -> Value {
    json!({
        "name": "canary",
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web:2"}]}},
    })
}

fn spec() -> Value {
    json!({"templates": [template()]})
}

fn problems(spec: &Value) -> Vec<Problem> {
    parse(spec).unwrap_err()
}

#[test]
fn the_defaults_are_those_of_argo_rollouts() {
    let task = parse(&spec()).unwrap();

    let experiment = task.experiment;
    assert_eq!(experiment.templates[0].replicas, 1);
    assert_eq!(experiment.duration, None);
    assert_eq!(experiment.progress_deadline, SignedDuration::from_secs(600));
    assert_eq!(experiment.scale_down_delay, SignedDuration::from_secs(30));
    assert!(!experiment.terminate);
}

#[test]
fn all_that_is_wrong_is_told_at_its_path() {
    let mut wrong = spec();
    let mut second = template();
    second["selector"] = json!({});
    let mut third = template();
    third["name"] = json!("Web");
    third["selector"]["matchLabels"]["app"] = json!("shop");
    third["minReadySeconds"] = json!(601);
    wrong["templates"] = json!([template(), second, third, {"name": "none"}]);
    wrong["duration"] = json!("soon");
    wrong["analyses"] = json!([{"name": "a", "templateName": "t"}, {"name": "a", "templateName": ""}]);

    let told: Vec<_> = problems(&wrong).into_iter().map(|problem| problem.path).collect();

    let expected = [
        "spec.duration",
        "spec.templates[1].name",
        "spec.templates[2].name",
        "spec.templates[1].selector",
        "spec.templates[2].minReadySeconds",
        "spec.templates[2].selector",
        "spec.templates[3].template",
        "spec.analyses[1].name",
        "spec.analyses[1].templateName",
    ];
    assert_eq!(told, expected);
}

#[test]
fn one_without_templates_and_a_misspelt_field_are_refused() {
    assert_eq!(problems(&json!({}))[0].path, "spec.templates");
    let mut misspelt = spec();
    misspelt["templates"][0]["replica"] = json!(2);

    assert!(problems(&misspelt)[0].message.contains("replica"));
}

#[test]
fn two_templates_can_not_share_a_service() {
    let mut spec = spec();
    let served = |name: &str| {
        let mut served = template();
        served["name"] = json!(name);
        served["template"]["spec"]["containers"][0]["ports"] = json!([{"containerPort": 80}]);
        served["service"] = json!({"name": "web"});
        served
    };
    spec["templates"] = json!([served("a"), served("b")]);

    let told = problems(&spec);

    assert_eq!(told[0].path, "spec.templates[1].service.name", "{told:?}");
}

fn measured(args: &Value) -> Value {
    let mut spec = spec();
    spec["analyses"] = json!([{"name": "errors", "templateName": "errors", "args": args}]);
    spec
}

fn errors() -> Template {
    template::parse(&json!({
        "args": [{"name": "hash"}],
        "metrics": [{
            "name": "errors", "interval": "10s",
            "provider": {"plugin": {"prometheus": {"query": "up{hash=\"{{args.hash}}\"}"}}},
        }],
    }))
}

fn run(args: &Value, facts: &Facts) -> Result<Value, Vec<Problem>> {
    let template = errors();
    let find = |named: &TemplateReference| (named.template_name == "errors").then_some(&template);
    parse(&measured(args)).unwrap().run(0, "shop", facts, &find)
}

fn facts() -> Facts {
    Facts::from([("templates.canary.podTemplateHash".to_owned(), "abc".to_owned())])
}

#[test]
fn the_hash_of_a_template_is_the_value_of_an_argument() {
    let args = json!([{"name": "hash", "value": "{{templates.canary.podTemplateHash}}"}]);

    let run = run(&args, &facts()).unwrap();

    assert_eq!(run["args"], json!([{"name": "hash", "value": "abc"}]));
    assert_eq!(run["metrics"][0]["name"], "errors");
}

#[test]
fn a_name_that_stands_for_nothing_is_told_with_those_that_do() {
    let args = json!([{"name": "hash", "value": "{{templates.cnaary.podTemplateHash}}"}]);

    let told = run(&args, &facts()).unwrap_err();

    assert_eq!(told[0].path, "spec.analyses[0].args[0].value");
    assert!(
        told[0].message.contains("{{templates.canary.podTemplateHash}}"),
        "{told:?}"
    );
}

#[test]
fn a_template_that_is_not_there_is_told() {
    let task = parse(&measured(&json!([]))).unwrap();

    let told = task.run(0, "shop", &facts(), &|_| None).unwrap_err();

    assert!(
        told[0].message.contains("AnalysisTemplate \"errors\" not found"),
        "{told:?}"
    );
}

#[test]
fn a_secret_is_handed_on_by_its_name() {
    let args = json!([{"name": "hash", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]);

    let run = run(&args, &facts()).unwrap();

    assert_eq!(
        run["args"][0]["valueFrom"],
        json!({"secretKeyRef": {"name": "s", "key": "k"}})
    );
}
