//! The plugin from the outside: configurations as users write them, and answers as servers give them.

mod answer;
mod config;
mod json;
mod path;

use kulta_plugin_sdk::mock::MockHost;
use kulta_plugin_sdk::{MetricPlugin, Plugin, PluginError, Response, Subject, Timestamp, Verdict};
use serde_json::Value;

use crate::Web;

const URL: &str = "http://shop.web:8080/health";

fn response(status: u16, body: &str) -> Response {
    Response {
        status,
        headers: Vec::new(),
        body: body.to_owned(),
    }
}

fn host() -> MockHost {
    MockHost::at(Timestamp::from_milliseconds(1_700_000_000_000))
}

fn answering(status: u16, body: &str) -> MockHost {
    host().server(URL, Ok(response(status, body)))
}

fn evaluate(config: &Value, host: &MockHost) -> Result<Verdict, PluginError> {
    let config = Web::configure(&config.to_string())?;
    Web::evaluate(&config, &Subject::new("shop", "web", "health"), host)
}
