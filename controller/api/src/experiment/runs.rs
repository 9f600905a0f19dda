//! The AnalysisRuns of an experiment.

use std::collections::BTreeMap;

use kulta_core::spec::Problem;
use serde_json::Value;

use super::{ExperimentAnalysis, Task};
use crate::analysis::template::Template;
use crate::analysis::{
    Argument, RolloutAnalysis, RolloutArgument, TemplateReference, ValueFrom, of_experiment, replace_tags,
};

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
        // No argument of an experiment stands for the hash of a version of a Rollout.
        of_experiment(&written, &path, namespace, find).map(|analysis| analysis.run_with(None, None))
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
    let value_of = |name: &str| {
        facts.get(name.trim()).cloned().ok_or_else(|| {
            let known: Vec<_> = facts.keys().map(|name| format!("{{{{{name}}}}}")).collect();
            format!(
                "failed to resolve {{{{{name}}}}}; what can stand here: {}",
                known.join(", ")
            )
        })
    };
    replace_tags(
        text,
        "{{templates.<name>.podTemplateHash}}, for example",
        value_of,
    )
}
