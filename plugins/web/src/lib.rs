//! The bundled plugin that measures what a server answers by HTTP: `provider.web` of Argo Rollouts.
//!
//! Open [`config`] first: what users write. [`path`] finds the value in the answer.

mod authentication;
pub mod config;
mod json;
mod path;

#[cfg(test)]
mod tests;

use kulta_plugin_sdk::{
    ConfigError, Description, Header, Host, MetricPlugin, Outcome, Plugin, PluginError, Request, Response,
    Subject, Value, Verdict, export_metric,
};

use crate::config::Config;
use crate::json::{Json, Kind, Scalar};

/// A value that is written into the status has no more bytes: the same limit as KULTA's, told with what to do.
const LARGEST_VALUE: usize = 4 << 10;
/// No vector has more numbers.
const LONGEST_VECTOR: usize = 1_000;

/// The plugin.
#[derive(Clone, Copy, Debug)]
pub struct Web;

impl Plugin for Web {
    type Config = Config;

    const DESCRIPTION: Description = Description {
        name: "web",
        version: env!("CARGO_PKG_VERSION"),
        config_schema: include_str!("../config.schema.json"),
    };

    fn check(config: &Config) -> Result<(), ConfigError> {
        config.check()
    }
}

impl MetricPlugin for Web {
    fn evaluate(config: &Config, _subject: &Subject, host: &impl Host) -> Result<Verdict, PluginError> {
        let mut headers = config.headers();
        if let Some(oauth2) = config.oauth2() {
            let bearer = authentication::token(oauth2, config.timeout(), host)?;
            headers.push(Header::new("authorization", &format!("Bearer {bearer}")));
        }
        let response = host.send(&Request {
            method: config.method.into(),
            url: config.url.clone(),
            headers,
            body: config.payload(),
            timeout: config.timeout(),
        })?;
        accepted(&response)?;
        let outcome = |value, summary: String| {
            Outcome::new(value, summary).with_detail("status", &response.status.to_string())
        };
        if config.status_only {
            let summary = format!("status {}", response.status);
            return Ok(Verdict::Pass(outcome(Value::None, summary)));
        }
        let value = measured(config, &response.body)?;
        Ok(Verdict::Measured(outcome(value, String::new())))
    }
}

/// An answer with another status than 2xx is no measurement, as in Argo Rollouts.
fn accepted(response: &Response) -> Result<(), PluginError> {
    let advice = match response.status {
        200..=299 => return Ok(()),
        300..=399 => ": redirects are not followed, so write the URL that it leads to",
        _ => "",
    };
    let message = format!("received non 2xx response code: {}{advice}", response.status);
    Err(PluginError::Upstream(message))
}

/// The first value that the path leads to. An answer that is no JSON is a text, where nothing is looked for in it. (In Argo
/// Rollouts it is a success, whatever it says and whatever the conditions are.)
fn measured(config: &Config, body: &str) -> Result<Value, PluginError> {
    let found = match Json::read(body) {
        Ok(document) => {
            let first = config.path()?.first(&document).map_err(|problem| {
                PluginError::Upstream(format!("could not find jsonPath in the answer: {problem}"))
            })?;
            value(first)
        }
        Err(_) if config.path()?.is_root() => Value::Text(body.to_owned()),
        Err(error) => {
            let message = format!("the answer is no JSON, in which jsonPath could be looked for: {error}");
            return Err(PluginError::Upstream(message));
        }
    };
    match &found {
        Value::Text(text) | Value::Json(text) if text.len() > LARGEST_VALUE => {
            let size = text.len();
            Err(PluginError::Upstream(format!(
                "the value has {size} bytes, at most {LARGEST_VALUE} can be judged: write a jsonPath that leads to less \
                 of it"
            )))
        }
        _ => Ok(found),
    }
}

/// What conditions see of a value.
fn value(found: &Json<'_>) -> Value {
    let as_written = || Value::Json(found.text.to_owned());
    match &found.kind {
        Kind::Scalar(Scalar::Null) => Value::None,
        Kind::Scalar(Scalar::Text(text)) => Value::Text(text.clone()),
        Kind::Scalar(Scalar::Number(number)) => Value::Scalar(*number),
        Kind::List(list) => {
            let numbers: Option<Vec<f64>> = list.iter().map(Json::number).collect();
            let numbers = numbers.filter(|numbers| !numbers.is_empty() && numbers.len() <= LONGEST_VECTOR);
            numbers.map_or_else(as_written, Value::Vector)
        }
        Kind::Scalar(Scalar::Bool(_)) | Kind::Object(_) => as_written(),
    }
}

export_metric!(Web);
