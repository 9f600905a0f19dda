//! The AnalysisRuns of an experiment.

use std::collections::BTreeMap;

use kulta_core::spec::{Argument as Resolved, ArgumentValue, Problem};
use serde_json::{Value, json};

use super::{ExperimentAnalysis, Task};
use crate::analysis::template::Template;
use crate::analysis::{
    Argument, RolloutAnalysis, RolloutArgument, TemplateReference, ValueFrom, of_experiment,
};

const OPEN: &str = "{{";
const CLOSE: &str = "}}";

/// What can stand in the values of arguments: names such as `templates.canary.podTemplateHash`, and what they stand for.
pub type Facts = BTreeMap<String, String>;

impl Task {
    /// The templates that its analyses name.
    pub fn references(&self) -> impl Iterator<Item = TemplateReference> + '_ {
        self.analyses.iter().map(ExperimentAnalysis::template)
    }

    /// The spec of the AnalysisRun of the analysis at `index`, in `namespace`.
    ///
    /// # Errors
    /// Everything that is wrong with it, with paths in the Experiment.
    pub fn run<'a>(
        &self,
        index: usize,
        namespace: &str,
        facts: &Facts,
        find: &dyn Fn(&TemplateReference) -> Option<&'a Template>,
    ) -> Result<Value, Vec<Problem>> {
        let path = format!("spec.analyses[{index}]");
        let Some(analysis) = self.analyses.get(index) else {
            return Err(vec![Problem::new(path, "there is no such analysis")]);
        };
        let args = arguments(analysis.args.as_deref().unwrap_or_default(), facts, &path)?;
        let written = RolloutAnalysis {
            templates: Some(vec![analysis.template()]),
            args: Some(args),
            dry_run: self.dry_run.clone(),
            measurement_retention: self.retention.clone(),
            ..RolloutAnalysis::default()
        };
        let analysis = of_experiment(&written, &path, namespace, find)?;
        let mut run = analysis.run;
        if let Some(run) = run.as_object_mut().filter(|_| !analysis.args.is_empty()) {
            run.insert("args".to_owned(), analysis.args.iter().map(argument).collect());
        }
        Ok(run)
    }
}

fn argument(argument: &Resolved) -> Value {
    let name = &argument.name;
    match &argument.value {
        ArgumentValue::Text(text) => json!({"name": name, "value": text}),
        ArgumentValue::Secret { name: secret, key } => {
            json!({"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}})
        }
        // No argument of an experiment refers to these.
        ArgumentValue::StableHash | ArgumentValue::LatestHash | ArgumentValue::Unknown => {
            json!({"name": name})
        }
    }
}

/// The arguments with all that their values name.
fn arguments(written: &[Argument], facts: &Facts, path: &str) -> Result<Vec<RolloutArgument>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut args = Vec::new();
    for (index, argument) in written.iter().enumerate() {
        let path = format!("{path}.args[{index}]");
        let value = argument
            .value
            .as_deref()
            .map(|text| filled(text, facts))
            .transpose();
        let value = value.unwrap_or_else(|message| {
            problems.push(Problem::new(format!("{path}.value"), message));
            None
        });
        let value_from = argument.value_from.as_ref();
        if value_from.is_some_and(|from| from.field_ref.is_some() || from.pod_template_hash_value.is_some()) {
            let message = "can't stand here: write value, or secretKeyRef. The hash of a version is \
                           {{templates.<name>.podTemplateHash}} in a value";
            problems.push(Problem::new(format!("{path}.valueFrom"), message));
        }
        args.push(RolloutArgument {
            name: argument.name.clone(),
            value,
            value_from: value_from.map(|from| ValueFrom {
                secret_key_ref: from.secret_key_ref.clone(),
                ..ValueFrom::default()
            }),
        });
    }
    if problems.is_empty() {
        Ok(args)
    } else {
        Err(problems)
    }
}

/// `text` with what the names in braces stand for.
fn filled(text: &str, facts: &Facts) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once(OPEN) {
        let Some((name, after)) = behind.split_once(CLOSE) else {
            return Err("{{ without }}: write {{templates.<name>.podTemplateHash}}, for example".to_owned());
        };
        let Some(fact) = facts.get(name.trim()) else {
            let known: Vec<_> = facts.keys().map(|name| format!("{OPEN}{name}{CLOSE}")).collect();
            return Err(format!(
                "failed to resolve {OPEN}{name}{CLOSE}; what can stand here: {}",
                known.join(", ")
            ));
        };
        filled.push_str(before);
        filled.push_str(fact);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}
