//! `provider.prometheus`: what it means to the plugin, and what of Argo Rollouts is refused.

use std::time::Duration;

use super::*;

fn asking(prometheus: &Value) -> Value {
    json!({
        "args": [{"name": "service", "value": "web"}],
        "metrics": [{"name": "errors", "provider": {"prometheus": prometheus}}],
    })
}

fn measured(prometheus: &Value) -> Measured {
    let task = parse(&asking(prometheus)).unwrap_or_else(|problems| panic!("{problems:?}"));
    task.measured.into_iter().next().unwrap()
}

#[test]
fn a_query_is_measured_by_the_bundled_plugin() {
    let measured = measured(&json!({"query": "up"}));

    assert_eq!(measured.plugin, "prometheus");
    assert_eq!(measured.configuration, json!({"query": "up"}));
    assert_eq!(measured.source, Some(Source::default()));
    assert_eq!(measured.provider_path(), "spec.metrics[0].provider.prometheus");
}

#[test]
fn no_more_than_a_plugin_has_time_for_is_waited_for() {
    let measured = measured(&json!({"query": "up", "timeout": 40}));

    assert_eq!(measured.source.unwrap().timeout, Some(Duration::from_secs(5)));
}

#[test]
fn address_and_timeout_say_whom_it_asks_and_are_no_concern_of_the_plugin() {
    let written = json!({"address": "http://prometheus.monitoring:9090", "query": "up", "timeout": 3});

    let measured = measured(&written);

    let source = measured.source.unwrap();
    assert_eq!(
        source.address.as_deref(),
        Some("http://prometheus.monitoring:9090")
    );
    assert_eq!(source.timeout, Some(Duration::from_secs(3)));
    assert_eq!(measured.configuration, json!({"query": "up"}));
}

#[test]
fn arguments_are_put_into_query_and_address() {
    let written =
        json!({"address": "http://{{args.service}}.shop", "query": "up{job=\"{{ args.service }}\"}"});

    let measured = measured(&written);

    assert_eq!(measured.configuration, json!({"query": "up{job=\"web\"}"}));
    assert_eq!(
        measured.source.unwrap().address.as_deref(),
        Some("http://web.shop")
    );
}

#[test]
fn an_empty_address_is_none() {
    let measured = measured(&json!({"address": "", "query": "up"}));

    assert_eq!(measured.source, Some(Source::default()));
}

#[test]
fn fields_of_argo_rollouts_that_have_no_effect_are_refused_by_name() {
    let cases = [
        (
            "authentication",
            json!({"sigv4": {"region": "eu-west-1"}}),
            "credentials belong to a provider",
        ),
        (
            "authentication",
            json!({"oauth2": {"scopes": ["a"]}}),
            "credentials belong to a provider",
        ),
        (
            "headers",
            json!([{"key": "X-Scope-OrgID", "value": "shop"}]),
            "headers belong to a provider",
        ),
        ("insecure", json!(true), "certificates are always checked"),
        (
            "rangeQuery",
            json!({"start": "now()", "end": "now()", "step": "1m"}),
            "for one instant",
        ),
        ("timeout", json!(0), "at least 1"),
        ("timeout", json!(-1), "at least 1"),
        ("query", json!(""), "must not be empty"),
    ];
    for (field, value, words) in cases {
        let mut written = json!({"query": "up"});
        written[field] = value;
        let path = format!("spec.metrics[0].provider.prometheus.{field}");
        assert_refused(&asking(&written), &path, words);
    }
}

#[test]
fn what_argo_rollouts_writes_out_itself_means_nothing() {
    let written = json!({
        "query": "up", "insecure": false, "headers": [],
        "authentication": {"sigv4": {}, "oauth2": {"tokenUrl": ""}},
    });

    assert_eq!(measured(&written).source, Some(Source::default()));
}

#[test]
fn what_nobody_knows_is_refused() {
    let unknown = json!({"query": "up", "adress": "http://prometheus.monitoring"});

    assert_refused(
        &asking(&unknown),
        "spec.metrics[0].provider.prometheus.adress",
        "unknown field",
    );
    assert_refused(
        &asking(&json!({})),
        "spec.metrics[0].provider.prometheus",
        "missing field `query`",
    );
}

#[test]
fn a_metric_has_one_provider() {
    let mut both = asking(&json!({"query": "up"}));
    both["metrics"][0]["provider"]["plugin"] = json!({"prometheus": {"query": "up"}});

    assert_refused(
        &both,
        "spec.metrics[0].provider",
        "exactly one of prometheus, web, job and plugin",
    );
}

#[test]
fn a_rollout_writes_it_in_an_analysis_of_its_own() {
    let mut problems = Vec::new();
    let analysis: RolloutAnalysis = serde_json::from_value(json!({
        "metrics": [{"name": "errors", "provider": {"prometheus": {"query": "up", "insecure": true}}}],
    }))
    .unwrap();

    validate(Place::Step(0), &analysis, "steps[0].analysis", &mut problems);

    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(
        problems[0].path,
        "steps[0].analysis.metrics[0].provider.prometheus.insecure"
    );
}
