//! The analyses of a Rollout with all that they refer to.

use std::collections::BTreeMap;

use kulta_api::analysis::{Place, Planned, planned};
use kulta_core::spec::{Analysis, BlueGreen, InvalidSpec, Method, Problem, Spec, Step};

use super::analysis_templates::Templates;
use crate::key::ObjectKey;
use crate::watch::analysis_template::key;
use crate::watch::{Rollout, Tables};

/// The templates that the Rollout's analyses need, with the versions that were seen. To put the analyses together takes
/// longer than the caches can wait: that is done with what is read of these.
pub(super) fn templates(tables: &Tables, rollout: &Rollout) -> BTreeMap<ObjectKey, String> {
    let references = rollout.references.iter();
    let named = references
        .map(|reference| tables.templates(rollout.group, &rollout.view.namespace, reference.templates()));
    named.flatten().collect()
}

/// A Rollout with all that its analyses refer to.
pub(super) struct Resolved {
    /// The spec, its analyses put together with the templates and fields that they name.
    pub(super) spec: Result<Spec, InvalidSpec>,
    /// What is wrong with these.
    pub(super) problems: Vec<Problem>,
    /// What is going to be measured and asked.
    pub(super) planned: Vec<Planned>,
}

/// The Rollout with the templates that it names.
pub(super) fn resolved(rollout: &Rollout, templates: &Templates) -> Resolved {
    let mut spec = match &rollout.spec {
        Ok(spec) => spec.clone(),
        Err(invalid) => {
            return Resolved {
                spec: Err(invalid.clone()),
                problems: Vec::new(),
                planned: Vec::new(),
            };
        }
    };
    let namespace = &rollout.view.namespace;
    let mut problems = Vec::new();
    let mut planned = planned(&spec);
    for reference in &rollout.references {
        let find = |named: &_| {
            templates
                .get(&key(rollout.group, namespace, named))
                .map(AsRef::as_ref)
        };
        match reference.resolve(namespace, &find) {
            Ok((analysis, measures)) => {
                put(&mut spec, reference.place, analysis);
                planned.extend(measures);
            }
            Err(wrong) => problems.extend(wrong),
        }
    }
    Resolved {
        spec: Ok(spec),
        problems,
        planned,
    }
}

fn put(spec: &mut Spec, place: Place, analysis: Analysis) {
    let written = match place {
        Place::Background => spec
            .background
            .as_mut()
            .map(|background| &mut background.analysis),
        Place::Step(index) => {
            let step = usize::try_from(index)
                .ok()
                .and_then(|index| spec.steps.get_mut(index));
            step.and_then(|step| match step {
                Step::Analysis(analysis) => Some(analysis),
                _ => None,
            })
        }
        Place::PrePromotion => blue_green(spec).and_then(|it| Some(&mut it.pre_promotion.as_mut()?.analysis)),
        Place::PostPromotion => {
            blue_green(spec).and_then(|it| Some(&mut it.post_promotion.as_mut()?.analysis))
        }
    };
    if let Some(written) = written {
        *written = analysis;
    }
}

fn blue_green(spec: &mut Spec) -> Option<&mut BlueGreen> {
    match &mut spec.method {
        Method::BlueGreen(blue_green) => Some(blue_green),
        Method::Routed(_) | Method::Basic { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kulta_api::analysis::template::parse;
    use serde_json::{Value, json};

    use super::*;
    use crate::watch::Projection as _;
    use crate::watch::samples::{self, key};

    const STEP: &str = "spec.strategy.canary.steps[1].analysis";

    /// A Rollout whose second step has this analysis.
    fn rollout(analysis: &Value) -> Rollout {
        let mut rollout = samples::rollout("web");
        rollout["metadata"]["labels"] = json!({"team": "blue"});
        rollout["spec"]["strategy"]["canary"]["steps"][1] = json!({"analysis": analysis});
        Rollout::project(&rollout).unwrap()
    }

    fn resolved_with(templates: &[(ObjectKey, &Value)], analysis: &Value) -> (Spec, Vec<Problem>) {
        let parsed = templates
            .iter()
            .map(|(key, object)| (key.clone(), Arc::new(parse(&object["spec"]))));
        let resolved = resolved(&rollout(analysis), &parsed.collect());
        (resolved.spec.unwrap(), resolved.problems)
    }

    fn step(templates: &[(ObjectKey, &Value)], analysis: &Value) -> Analysis {
        let (mut spec, problems) = resolved_with(templates, analysis);
        assert_eq!(problems, []);
        match spec.steps.remove(1) {
            Step::Analysis(analysis) => analysis,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_metrics_of_a_template_are_in_the_run_to_create() {
        let template = samples::analysis_template("errors");

        let run = step(
            &[(key("errors"), &template)],
            &json!({"templates": [{"templateName": "errors"}]}),
        )
        .run;

        assert_eq!(run["metrics"], template["spec"]["metrics"]);
    }

    #[test]
    fn a_cluster_template_is_found_beside_one_of_the_namespace_of_the_same_name() {
        let names = json!([{"templateName": "errors"}, {"templateName": "errors", "clusterScope": true}]);
        let template = samples::analysis_template("errors");
        let mut cluster = samples::analysis_template("errors");
        cluster["spec"]["metrics"][0]["name"] = json!("errors-2");
        let templates = [
            (key("errors"), &template),
            (ObjectKey::new("", "errors"), &cluster),
        ];

        let run = step(&templates, &json!({"templates": names})).run;

        assert_eq!(
            (&run["metrics"][0]["name"], &run["metrics"][1]["name"]),
            (&json!("errors"), &json!("errors-2"))
        );
    }

    #[test]
    fn a_template_that_is_not_there_is_told_with_its_name_and_place() {
        let (_, problems) = resolved_with(&[], &json!({"templates": [{"templateName": "errors"}]}));

        let expected =
            "AnalysisTemplate \"errors\" not found in namespace \"shop\"; create it, or correct the name";
        let path = format!("{STEP}.templates[0].templateName");
        assert_eq!(problems, [Problem::new(path, expected)]);
    }

    #[test]
    fn a_field_of_the_rollout_is_the_value_of_an_argument() {
        let metrics = samples::analysis_template("errors")["spec"]["metrics"].clone();
        let team =
            json!({"name": "team", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['team']"}}});

        let args = step(&[], &json!({"metrics": metrics, "args": [team]})).args;

        let blue = kulta_core::spec::ArgumentValue::Text("blue".to_owned());
        assert_eq!((args[0].name.as_str(), &args[0].value), ("team", &blue));
    }

    #[test]
    fn the_analyses_around_a_blue_green_switch_are_put_together() {
        let template = samples::analysis_template("errors");
        let named = json!({"templates": [{"templateName": "errors"}]});
        let mut rollout = samples::rollout("web");
        rollout["spec"]["strategy"] = json!({"blueGreen": {
            "activeService": "web", "prePromotionAnalysis": named, "postPromotionAnalysis": named,
        }});
        let rollout = Rollout::project(&rollout).unwrap();
        let templates = [(key("errors"), Arc::new(parse(&template["spec"])))];

        let resolved = resolved(&rollout, &templates.into_iter().collect());

        assert_eq!(resolved.problems, []);
        let spec = resolved.spec.unwrap();
        let blue_green = spec.blue_green().unwrap();
        for analysis in [&blue_green.pre_promotion, &blue_green.post_promotion] {
            let run = &analysis.as_ref().unwrap().analysis.run;
            assert_eq!(run["metrics"], template["spec"]["metrics"]);
        }
    }
}
