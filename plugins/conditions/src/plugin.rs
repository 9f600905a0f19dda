//! How the controller asks: a condition and what was measured are the configuration, and the verdict is the answer.

use kulta_plugin_sdk::{
    ConfigError, Description, Host, MetricPlugin, Outcome, Plugin, PluginError, Subject, Value, Verdict,
    export_metric,
};
use serde::Deserialize;

use crate::{Measured, check, evaluate};

/// The plugin.
#[derive(Clone, Copy, Debug)]
pub struct Conditions;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Question {
    /// The condition, as users write it.
    pub condition: String,
    /// What was measured. None: only whether the condition can be read is asked.
    #[serde(default)]
    pub measured: Option<Form>,
    /// The numbers of a scalar (one) or a vector, as texts: JSON has neither NaN nor infinities.
    #[serde(default)]
    pub numbers: Vec<String>,
    /// The text, or the JSON document.
    #[serde(default)]
    pub text: String,
}

/// The form of what was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Form {
    /// Nothing.
    None,
    /// One number.
    Scalar,
    /// Several numbers.
    Vector,
    /// A text.
    Text,
    /// A JSON document.
    Json,
}

impl Question {
    fn measured(&self) -> Result<Measured, ConfigError> {
        let numbers = || -> Result<Vec<f64>, ConfigError> {
            let parsed = self.numbers.iter().map(|number| number.parse());
            let all: Result<_, _> = parsed.collect();
            all.map_err(|_| ConfigError::new("numbers", "not a number"))
        };
        Ok(match self.measured {
            None | Some(Form::None) => Measured::None,
            Some(Form::Scalar) => match numbers()?.as_slice() {
                [number] => Measured::Scalar(*number),
                _ => return Err(ConfigError::new("numbers", "a scalar is one number")),
            },
            Some(Form::Vector) => Measured::Vector(numbers()?),
            Some(Form::Text) => Measured::Text(self.text.clone()),
            Some(Form::Json) => Measured::Json(self.text.clone()),
        })
    }
}

impl Plugin for Conditions {
    type Config = Question;

    const DESCRIPTION: Description = Description {
        name: "conditions",
        version: env!("CARGO_PKG_VERSION"),
        config_schema: "",
    };
}

impl MetricPlugin for Conditions {
    fn evaluate(question: &Question, _subject: &Subject, _host: &impl Host) -> Result<Verdict, PluginError> {
        let answer = match question.measured {
            None => check(&question.condition).map(|()| true),
            Some(_) => evaluate(&question.condition, &question.measured()?),
        };
        let outcome = Outcome::new(Value::None, "");
        match answer {
            Ok(true) => Ok(Verdict::Pass(outcome)),
            Ok(false) => Ok(Verdict::Fail(outcome)),
            Err(refusal) => Err(PluginError::InvalidConfig(refusal.to_string())),
        }
    }
}

export_metric!(Conditions);
