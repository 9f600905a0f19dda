//! What a Rollout is going to have measured, and where that is written.

use serde_json::{Value, json};

use super::super::template::{self, Template};
use super::super::{Planned, is_known, planned, references};

const CANARY: &str = "spec.strategy.canary";

/// A Rollout with this in its canary.
fn rollout(canary: &Value) -> Value {
    json!({
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}},
            "strategy": {"canary": canary},
        },
    })
}

/// Everything that it is going to have measured.
fn plans(canary: &Value, template: &Template) -> Vec<Planned> {
    let rollout = rollout(canary);
    let mut plans = planned(&crate::rollout::parse(crate::Group::Kulta, "shop", &rollout["spec"]).unwrap());
    for reference in references(&rollout) {
        let (_, planned) = reference.resolve("shop", &|_| Some(template)).unwrap();
        plans.extend(planned);
    }
    plans
}

fn of(canary: &Value) -> Vec<Planned> {
    plans(canary, &template::parse(&json!({})))
}

fn metric(name: &str, query: &str) -> Value {
    json!({"name": name, "provider": {"plugin": {"prometheus": {"query": query}}}})
}

fn paths(planned: &[Planned]) -> Vec<String> {
    planned.iter().map(Planned::configuration_path).collect()
}

#[test]
fn what_a_blue_green_switch_waits_for_is_found_at_its_place() {
    let blue_green = json!({
        "activeService": "web",
        "prePromotionAnalysis": {"metrics": [metric("a", "up")]},
        "postPromotionAnalysis": {"metrics": [metric("b", "up")]},
        "promotionGates": [{"name": "one", "plugin": "schedule", "config": {}}],
    });
    let mut rollout = rollout(&json!({}));
    rollout["spec"]["strategy"] = json!({"blueGreen": blue_green});

    let planned = planned(&crate::rollout::parse(crate::Group::Kulta, "shop", &rollout["spec"]).unwrap());

    assert_eq!(
        paths(&planned),
        [
            "spec.strategy.blueGreen.prePromotionAnalysis.metrics[0].provider.plugin.prometheus",
            "spec.strategy.blueGreen.postPromotionAnalysis.metrics[0].provider.plugin.prometheus",
            "spec.strategy.blueGreen.promotionGates[0].config",
        ]
    );
}

#[test]
fn metrics_and_gates_are_found_wherever_they_are_written() {
    let query = json!({"name": "query", "provider": {"prometheus": {"query": "up"}}});
    let gate = |name: &str| json!({"name": name, "plugin": "schedule", "config": {"timeZone": name}});
    let canary = json!({
        "analysis": {"metrics": [metric("a", "up")]},
        "steps": [{"setWeight": 10}, {"analysis": {"metrics": [metric("b", "up"), query]}}, {"gate": gate("UTC")}],
        "promotionGates": [gate("one"), gate("two")],
    });

    let planned = of(&canary);

    assert_eq!(
        paths(&planned),
        [
            "analysis.metrics[0].provider.plugin.prometheus",
            "steps[1].analysis.metrics[0].provider.plugin.prometheus",
            "steps[1].analysis.metrics[1].provider.prometheus",
            "steps[2].gate.config",
            "promotionGates[0].config",
            "promotionGates[1].config",
        ]
        .map(|path| format!("{CANARY}.{path}"))
    );
    assert_eq!(planned[3].measured.configuration, json!({"timeZone": "UTC"}));
}

#[test]
fn arguments_are_put_in_and_what_is_not_known_yet_is_stood_for() {
    let later = json!({"podTemplateHashValue": "Latest"});
    let secret = json!({"secretKeyRef": {"name": "access", "key": "token"}});
    let canary = json!({"analysis": {
        "metrics": [metric("a", "up{app='{{args.app}}'}"), metric("b", "{{args.hash}}"), metric("c", "{{args.token}}")],
        "args": [
            {"name": "app", "value": "web"},
            {"name": "hash", "valueFrom": later},
            {"name": "token", "valueFrom": secret},
        ],
    }});

    let planned = of(&canary);

    let configurations = planned.iter().map(|planned| &planned.measured.configuration);
    let known: Vec<_> = configurations.map(is_known).collect();
    assert_eq!(known, [true, false, false]);
    assert_eq!(
        planned[0].measured.configuration,
        json!({"query": "up{app='web'}"})
    );
}

#[test]
fn metrics_on_trial_are_told_apart() {
    let canary = json!({"analysis": {
        "metrics": [metric("a", "up"), metric("b", "up")],
        "dryRun": [{"metricName": "b"}],
    }});

    let planned = of(&canary);

    let on_trial: Vec<_> = planned
        .iter()
        .map(|planned| planned.measured.metric.dry_run)
        .collect();
    assert_eq!(on_trial, [false, true]);
}

#[test]
fn what_is_wrong_in_a_template_is_told_where_the_rollout_names_it() {
    let template = template::parse(
        &json!({"metrics": [metric("b", "{{args.app}}")], "args": [{"name": "app", "value": "web"}]}),
    );
    let canary = json!({"steps": [{"analysis": {
        "metrics": [metric("a", "up")],
        "templates": [{"templateName": "errors"}],
    }}]});

    let planned = plans(&canary, &template);

    let told = |planned: &Planned| {
        let problem = planned.problem(planned.configuration_path(), "no".to_owned());
        problem.to_string()
    };
    let told: Vec<_> = planned.iter().map(told).collect();
    assert_eq!(
        told,
        [
            format!("{CANARY}.steps[0].analysis.metrics[0].provider.plugin.prometheus: no"),
            format!(
                "{CANARY}.steps[0].analysis.templates[0]: AnalysisTemplate \"errors\": \
                 spec.metrics[0].provider.plugin.prometheus: no"
            ),
        ]
    );
    assert_eq!(planned[1].measured.configuration, json!({"query": "web"}));
}
