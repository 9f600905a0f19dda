//! The plugin from the outside: configurations as users write them, and answers as a Prometheus gives them.

mod config;
mod error_rate;
mod latency;
mod query;

use kulta_plugin_sdk::mock::MockHost;
use kulta_plugin_sdk::{MetricPlugin, Plugin, PluginError, Subject, Timestamp, Verdict};
use serde_json::Value;

use crate::Prometheus;

/// The time of every call.
const NOW: Timestamp = Timestamp::from_milliseconds(1_700_000_000_000);

fn subject() -> Subject {
    Subject::new("shop", "web", "errors")
        .with_fact("canary-hash", "6d5f")
        .with_fact("stable-hash", "77aa")
}

fn host() -> MockHost {
    MockHost::at(NOW)
}

fn evaluate(config: &Value, host: &MockHost) -> Result<Verdict, PluginError> {
    let config = Prometheus::configure(&config.to_string())?;
    Prometheus::evaluate(&config, &subject(), host)
}

fn verdict(config: &Value, host: &MockHost) -> Verdict {
    evaluate(config, host).unwrap()
}

fn detail<'v>(verdict: &'v Verdict, name: &str) -> Option<&'v str> {
    let details = &verdict.outcome().measurement.details;
    let detail = details.iter().find(|detail| detail.name == name)?;
    Some(&detail.value)
}
