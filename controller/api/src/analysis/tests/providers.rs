//! `provider.web` and `provider.job`: what they mean, and which providers of Argo Rollouts are refused.

use super::*;
use crate::analysis::Written;

fn of(provider: &Value) -> Value {
    json!({
        "args": [
            {"name": "service", "value": "web"},
            {"name": "token", "valueFrom": {"secretKeyRef": {"name": "access", "key": "token"}}},
        ],
        "metrics": [{"name": "health", "provider": provider}],
    })
}

fn measured(provider: &Value) -> Measured {
    let task = parse(&of(provider)).unwrap_or_else(|problems| panic!("{problems:?}"));
    task.measured.into_iter().next().unwrap()
}

#[track_caller]
fn assert_refused_at(provider: &Value, path: &str, words: &str) {
    let problems = refused(&of(provider));
    let found = problems
        .iter()
        .find(|problem| problem.path == format!("spec.metrics[0].{path}"));
    assert!(
        found.is_some_and(|problem| problem.message.contains(words)),
        "{problems:?}"
    );
}

#[test]
fn a_request_is_measured_by_the_bundled_plugin() {
    let web = json!({
        "method": "POST",
        "url": "http://{{args.service}}.shop:8080/check",
        "headers": [{"key": "Authorization", "value": "Bearer {{args.token}}"}],
        "jsonBody": {"service": "{{args.service}}", "deep": [1, true]},
        "timeoutSeconds": 20,
        "jsonPath": "{$.ok}",
        "authentication": {"sigv4": {}, "oauth2": {}},
    });

    let mut measured = measured(&json!({"web": web}));

    assert_eq!(
        (measured.written, measured.plugin.as_str()),
        (Written::Web, "web")
    );
    assert_eq!(measured.provider_path(), "spec.metrics[0].provider.web");
    let stand_in = &measured.secrets[0].stand_in;
    let body = measured
        .configuration
        .as_object_mut()
        .unwrap()
        .remove("body")
        .unwrap();
    let body: Value = serde_json::from_str(body.as_str().unwrap()).unwrap();
    assert_eq!(body, json!({"service": "web", "deep": [1, true]}));
    assert_eq!(
        measured.configuration,
        json!({
            "method": "POST",
            "url": "http://web.shop:8080/check",
            "headers": [
                {"key": "Authorization", "value": format!("Bearer {stand_in}")},
                {"key": "Content-Type", "value": "application/json"},
            ],
            "timeoutSeconds": 20,
            "jsonPath": "{$.ok}",
        })
    );
}

#[test]
fn with_neither_a_path_nor_conditions_the_status_alone_counts() {
    let plain = json!({"web": {"url": "http://web.shop/"}});
    assert_eq!(measured(&plain).configuration["statusOnly"], json!(true));
    let mut judged = of(&plain);
    judged["metrics"][0]["successCondition"] = json!("result == 'up'");
    let task = parse(&judged).unwrap();
    assert_eq!(task.measured[0].configuration, json!({"url": "http://web.shop/"}));
}

#[test]
fn a_timeout_of_nothing_is_the_default_as_in_argo_rollouts() {
    let zero = json!({"web": {"url": "http://web.shop/", "timeoutSeconds": 0, "method": "", "jsonPath": "", "body": ""}});
    assert_eq!(
        measured(&zero).configuration,
        json!({"url": "http://web.shop/", "statusOnly": true})
    );
}

#[test]
fn what_of_a_request_makes_no_sense_is_refused_by_name() {
    let url = "http://web.shop/";
    let cases = [
        (
            json!({"url": url, "timeoutSeconds": 56}),
            "timeoutSeconds",
            "at most 55",
        ),
        (json!({"url": url, "body": "a"}), "body", "POST and PUT"),
        (
            json!({"url": url, "jsonBody": {}, "method": "GET"}),
            "jsonBody",
            "POST and PUT",
        ),
        (
            json!({"url": url, "jsonBody": {}, "body": "a", "method": "PUT"}),
            "jsonBody",
            "either body or jsonBody",
        ),
        (
            json!({"url": url, "insecure": true}),
            "insecure",
            "plugins.web.http.caFile",
        ),
        (
            json!({"url": url, "authentication": {"sigv4": {"region": "a"}}}),
            "authentication.sigv4",
            "AWS",
        ),
        (
            json!({"url": url, "authentication": {"basicAuth": {"username": "a"}}}),
            "authentication.basicAuth",
            "Authorization",
        ),
        (
            json!({"url": "http://web.shop/?token={{args.token}}"}),
            "url",
            "comes from a Secret",
        ),
    ];
    for (web, field, words) in cases {
        assert_refused_at(&json!({"web": web}), &format!("provider.web.{field}"), words);
    }
}

fn job() -> Value {
    json!({
        "metadata": {"labels": {"team": "{{args.service}}"}, "creationTimestamp": null},
        "spec": {
            "backoffLimit": 1,
            "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "{{args.service}}:1"}]}},
        },
    })
}

#[test]
fn a_job_is_kept_as_it_is_written_and_may_take_as_long_as_it_says() {
    let measured = measured(&json!({"job": job()}));

    assert_eq!((measured.written, measured.metric.deadline), (Written::Job, None));
    assert_eq!(measured.provider_path(), "spec.metrics[0].provider.job");
    let mut spec = job()["spec"].clone();
    spec["template"]["spec"]["containers"][0]["image"] = json!("web:1");
    assert_eq!(
        measured.configuration,
        json!({"metadata": {"labels": {"team": "web"}, "annotations": {}}, "spec": spec})
    );
}

#[test]
fn a_job_with_a_deadline_has_that() {
    let mut spec = of(&json!({"job": job()}));
    spec["metrics"][0]["deadline"] = json!("2m");

    let task = parse(&spec).unwrap();

    assert_eq!(
        task.measured[0].metric.deadline,
        Some(jiff::SignedDuration::from_mins(2))
    );
}

#[test]
fn what_of_a_job_makes_no_sense_is_refused_by_name() {
    let with = |pointer: &str, value: Value| {
        let mut job = job();
        *job.pointer_mut(pointer).unwrap() = value;
        json!({"job": job})
    };
    assert_refused_at(
        &with("/spec/template/spec/restartPolicy", json!("Always")),
        "provider.job.spec.template.spec.restartPolicy",
        "Never or OnFailure",
    );
    assert_refused_at(
        &with("/spec", json!({})),
        "provider.job.spec.template",
        "write the pods",
    );
    assert_refused_at(
        &with("/spec/template/spec/containers/0/image", json!("{{args.token}}")),
        "provider.job.spec.template.spec.containers[0].image",
        "comes from a Secret",
    );
    let mut judged = of(&json!({"job": job()}));
    judged["metrics"][0]["successCondition"] = json!("true");
    let problems = refused(&judged);
    assert_eq!(problems[0].path, "spec.metrics[0].successCondition");
    assert!(
        problems[0].message.contains("has nothing to judge"),
        "{problems:?}"
    );
}

#[test]
fn the_other_providers_of_argo_rollouts_are_refused_with_a_way_out() {
    for name in [
        "kayenta",
        "datadog",
        "wavefront",
        "newRelic",
        "cloudWatch",
        "graphite",
        "influxdb",
        "skywalking",
    ] {
        assert_refused_at(
            &json!({name: {"query": "up"}}),
            &format!("provider.{name}"),
            "provider.plugin",
        );
    }
}

#[test]
fn a_provider_that_nobody_knows_is_refused_by_its_name() {
    let problems = refused(&of(&json!({"prometeus": {}})));
    assert!(
        problems[0].message.contains("unknown field `prometeus`"),
        "{problems:?}"
    );
}

#[test]
fn two_providers_are_one_too_many() {
    let two = json!({"job": job(), "web": {"url": "http://web.shop/"}});
    assert_refused_at(&two, "provider", "exactly one of prometheus, web, job and plugin");
}
