//! The change of a route, which others edit at the same time: a JSON patch that tests what it stands on.

use json_patch::{Patch, PatchOperation};
use kulta_core::plan::{BackendChange, LabelChange, RuleChange, WeightChange};
use kulta_core::spec::{RouteLabel, RouteReference};
use serde_json::json;

use super::{Operation, Request, Target, add, remove, replace, test};
use crate::expectations::Kind;

/// What is to be changed in a route.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RouteChanges<'a> {
    pub(crate) weights: &'a [WeightChange],
    pub(crate) backends: &'a [BackendChange],
    pub(crate) rules: &'a [RuleChange],
    pub(crate) label: Option<&'a LabelChange>,
}

/// Changes weights, shares of experiments, managed rules and the label of a route, and nothing else. Its namespace need not be the
/// Rollout's.
pub(crate) fn change_route(
    route: &RouteReference,
    version: String,
    generation: i64,
    changes: RouteChanges<'_>,
) -> Request {
    let RouteChanges {
        weights,
        backends,
        rules,
        label,
    } = changes;
    let target = Target {
        kind: Kind::Route(route.kind),
        key: route.into(),
        version: Some(version),
    };
    let mut operations = vec![test(["metadata", "generation"], generation.into())];
    operations.extend(weights.iter().flat_map(change_weight));
    operations.extend(backends.iter().flat_map(change_backend));
    operations.extend(rules.iter().flat_map(change_rule));
    operations.extend(label.into_iter().flat_map(change_label));
    let patch = Patch(operations);
    let operation = if rules.is_empty() {
        Operation::Test(patch)
    } else {
        Operation::TestStrictly(patch)
    };
    Request { target, operation }
}

fn change_weight(change: &WeightChange) -> Vec<PatchOperation> {
    let WeightChange {
        rule,
        index,
        name,
        from,
        to,
    } = change;
    let (rule, index) = (rule.to_string(), index.to_string());
    let field = |field| {
        [
            "spec",
            "rules",
            rule.as_str(),
            "backendRefs",
            index.as_str(),
            field,
        ]
    };
    let mut operations = vec![test(field("name"), name.as_str().into())];
    match from {
        Some(from) => {
            operations.push(test(field("weight"), (*from).into()));
            operations.push(replace(field("weight"), (*to).into()));
        }
        None => operations.push(add(field("weight"), (*to).into())),
    }
    operations
}

/// Never the whole list of refs: only one of them, which is known by its name.
fn change_backend(change: &BackendChange) -> Vec<PatchOperation> {
    const LAST: &str = "-";
    match change {
        BackendChange::Remove { rule, index, name } => {
            let (rule, index) = (rule.to_string(), index.to_string());
            let place = ["spec", "rules", rule.as_str(), "backendRefs", index.as_str()];
            let [spec, rules, rule, refs, index] = place;
            vec![
                test([spec, rules, rule, refs, index, "name"], name.as_str().into()),
                remove(place),
            ]
        }
        BackendChange::Add { rule, name, port } => {
            let rule = rule.to_string();
            let backend = json!({"group": "", "kind": "Service", "name": name, "port": port, "weight": 0});
            vec![add(
                ["spec", "rules", rule.as_str(), "backendRefs", LAST],
                backend,
            )]
        }
    }
}

/// Never the whole list of rules: only one of them, which is known by its name.
fn change_rule(change: &RuleChange) -> Vec<PatchOperation> {
    let is_called = |index: &str, name: &str| test(["spec", "rules", index, "name"], name.into());
    match change {
        RuleChange::Add { index, rule } => {
            vec![add(["spec", "rules", index.to_string().as_str()], rule.clone())]
        }
        RuleChange::Replace { index, name, rule } => {
            let index = index.to_string();
            vec![
                is_called(&index, name),
                replace(["spec", "rules", &index], rule.clone()),
            ]
        }
        RuleChange::Remove { index, name } => {
            let index = index.to_string();
            vec![is_called(&index, name), remove(["spec", "rules", &index])]
        }
    }
}

fn change_label(change: &LabelChange) -> Vec<PatchOperation> {
    let field = |label: &RouteLabel| ["metadata".to_owned(), "labels".to_owned(), label.key.clone()];
    match change {
        LabelChange::Set { label, first: None } => vec![add(field(label), label.value.as_str().into())],
        LabelChange::Set {
            label,
            first: Some(resource_version),
        } => vec![
            test(["metadata", "resourceVersion"], resource_version.as_str().into()),
            add(["metadata", "labels"], json!({ &label.key: label.value })),
        ],
        LabelChange::Remove(label) => vec![
            test(field(label), label.value.as_str().into()),
            remove(field(label)),
        ],
    }
}

#[cfg(test)]
mod tests;
