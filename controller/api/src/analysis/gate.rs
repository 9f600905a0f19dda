//! Promotion gates as users write them, and what they mean.

use std::collections::BTreeSet;

use kulta_core::analysis::condition::Conditions;
use kulta_core::analysis::metric::Metric as Meaning;
use kulta_core::analysis::verdict::NextStep;
use kulta_core::spec::{Problem, Weight};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::parse::Field;
use super::{Measured, Written};

/// A plugin that says whether a rollout may go on. It is asked until it allows it, or denies it for good.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct Gate {
    /// Its name; no two gates that are asked together share it.
    pub name: String,
    /// The name of the plugin.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub plugin: Option<String>,
    /// The plugin's configuration, whose fields are its own. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::crd::schema::configuration")]
    pub config: Option<Map<String, Value>>,
    /// When a gate that holds is asked again, such as 1m, unless it says when. Default: 10s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
    /// How long the gate may hold before the rollout is aborted. Default: for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
}

/// The step that gates are asked about. Written by the controller.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Next {
    /// The weight in force, in percent.
    #[schemars(range(min = 0, max = 100))]
    pub from_weight: u32,
    /// The weight to come, in percent.
    #[schemars(range(min = 0, max = 100))]
    pub to_weight: u32,
    /// It is the full promotion.
    pub is_last: bool,
}

impl Next {
    pub(super) fn meaning(self, problems: &mut Vec<Problem>) -> NextStep {
        let weights = [("fromWeight", self.from_weight), ("toWeight", self.to_weight)];
        for (field, percent) in weights {
            if let Err(error) = Weight::new(percent) {
                problems.push(Problem::new(format!("spec.next.{field}"), error.to_string()));
            }
        }
        NextStep {
            from_weight: self.from_weight,
            to_weight: self.to_weight,
            is_last: self.is_last,
        }
    }
}

/// The gates at `path`, without those that `problems` tells about.
pub(crate) fn validate(gates: &[Gate], path: &str, problems: &mut Vec<Problem>) -> Vec<Measured> {
    let mut names = BTreeSet::new();
    let each = gates.iter().enumerate();
    each.filter_map(|(index, gate)| {
        let path = format!("{path}[{index}]");
        if !gate.name.is_empty() && !names.insert(&gate.name) {
            let message = format!(
                "duplicate name '{}'; each gate needs a name of its own",
                gate.name
            );
            problems.push(Problem::new(format!("{path}.name"), message));
        }
        validate_one(gate, &path, problems)
    })
    .collect()
}

/// The gate at `path`; None only where `problems` tells why.
pub(crate) fn validate_one(gate: &Gate, path: &str, problems: &mut Vec<Problem>) -> Option<Measured> {
    let field = Field { path };
    let has_name = field.has_name(&gate.name, problems);
    let interval = field.at_least_a_second("interval", gate.interval.as_ref(), problems);
    let deadline = field.at_least_a_second("deadline", gate.deadline.as_ref(), problems);
    let plugin = gate.plugin.as_ref().filter(|plugin| !plugin.is_empty());
    let Some(plugin) = plugin else {
        problems.push(field.problem("plugin", "must not be empty; write the name of a plugin"));
        return None;
    };
    has_name.then(|| Measured {
        metric: Meaning::gate(&gate.name, interval, deadline),
        plugin: plugin.clone(),
        configuration: Value::Object(gate.config.clone().unwrap_or_default()),
        written: Written::Plugin,
        source: None,
        secrets: Vec::new(),
        conditions: Conditions::default(),
        path: path.to_owned(),
    })
}
