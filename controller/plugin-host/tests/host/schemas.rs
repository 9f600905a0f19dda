//! The schema that a bundled plugin tells is the one that it keeps to: what does not fit it is refused before anything begins.
//!
//! The host asks `check-config` in the sandbox and never follows a schema itself: that of a stranger's plugin can refer to itself
//! without end.

use kulta_plugin_host::Plugin;
use kulta_plugin_host::limits::Limits;
use serde_json::{Value, json};

use crate::scene::{host, load, now};

macro_rules! bundled {
    ($name:literal) => {
        include_bytes!(concat!("../../../../plugins/dist/", $name, ".wasm"))
    };
}

async fn accepts(plugin: &Plugin, config: &Value) -> bool {
    let config = config.to_string();
    let limits = Limits::default();
    let checked = plugin.check_config("shop", &config, now(), &limits).await;
    checked.result.is_ok()
}

/// Each of `good` is taken and fits the schema; each of `bad` does neither.
async fn keeps_to_its_schema(bytes: &[u8], good: &[Value], bad: &[Value]) {
    let plugin = load(&host(), bytes).await.unwrap();
    let schema = plugin.description().config_schema.clone().unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    for (configs, fits) in [(good, true), (bad, false)] {
        for config in configs {
            assert_eq!(schema.is_valid(config), fits, "the schema: {config}");
            assert_eq!(accepts(&plugin, config).await, fits, "the plugin: {config}");
        }
    }
}

#[tokio::test]
async fn the_prometheus_plugin_refuses_what_does_not_fit_its_schema() {
    let rate = |more: Value| {
        let mut rate = json!({"bad": "sum(a{h='$(canary-hash)'})", "total": "sum(b{h='$(canary-hash)'})"});
        rate.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({"errorRate": rate})
    };
    let good = [
        json!({"query": "up"}),
        json!({"query": "up", "provider": "mimir"}),
        rate(json!({"limit": 0.01})),
        rate(json!({"limit": 0, "minimumRequests": 1, "relativeToStable": {"factor": 2}})),
        json!({"latency": {"quantile": 0.99, "buckets": "b", "total": "t", "limitSeconds": 0.5}}),
    ];
    let bad = [
        json!({}),
        json!([]),
        json!({"query": ""}),
        json!({"query": 1}),
        json!({"query": "up", "qeury": "up"}),
        json!({"query": "up", "errorRate": {"bad": "a", "total": "b", "limit": 0.1}}),
        rate(json!({})),
        rate(json!({"limit": 1.5})),
        rate(json!({"limit": "0.1"})),
        rate(json!({"limit": 0.1, "minimumRequests": 0})),
        rate(json!({"relativeToStable": {"factor": 0.5}})),
        json!({"latency": {"quantile": 1, "buckets": "b", "total": "t", "limitSeconds": 0.5}}),
        json!({"latency": {"quantile": 0.9, "total": "t", "limitSeconds": 0.5}}),
    ];
    keeps_to_its_schema(bundled!("prometheus"), &good, &bad).await;
}

#[tokio::test]
async fn the_web_plugin_refuses_what_does_not_fit_its_schema() {
    let good = [
        json!({"url": "http://shop.web:8080/health"}),
        json!({"url": "http://shop.web/", "method": "POST", "body": "{}", "timeoutSeconds": 55}),
    ];
    let bad = [
        json!({}),
        json!({"url": ""}),
        json!({"url": "http://shop.web/", "method": "DELETE"}),
        json!({"url": "http://shop.web/", "timeoutSeconds": 56}),
        json!({"url": "http://shop.web/", "headers": [{"key": "a"}]}),
        json!({"url": "http://shop.web/", "insecure": true}),
    ];
    keeps_to_its_schema(bundled!("web"), &good, &bad).await;
}

#[tokio::test]
async fn the_plugin_of_freezes_refuses_what_does_not_fit_its_schema() {
    let good = [
        json!({"timeZone": "Europe/Rome", "allowed": [{"days": ["Mon"], "from": "09:00", "until": "17:00"}]}),
    ];
    let bad = [
        json!({"allowed": []}),
        json!({"timeZone": 1}),
        json!({"timeZone": "Europe/Rome", "allowed": [{"days": ["Someday"], "from": "09:00", "until": "17:00"}]}),
        json!({"timeZone": "Europe/Rome", "alowed": []}),
    ];
    keeps_to_its_schema(bundled!("schedule"), &good, &bad).await;
}
