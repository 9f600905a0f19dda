//! Label selectors: as text, and against labels.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use kube_core::{Expression, Selector, SelectorExt as _};
use kulta_core::spec::Problem;

/// Whether `selector` selects an object with these `labels`. An empty selector selects everything, one that can't be
/// read selects nothing.
#[must_use]
pub fn selector_matches(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    Selector::try_from(selector.clone()).is_ok_and(|selector| selector.matches(labels))
}

/// The selector as text, requirements in the order of their keys: what Kubernetes' own `FormatLabelSelector` writes,
/// and what `labelSelector=` in a list request accepts. None when it can't be read.
#[must_use]
pub fn selector_text(selector: &LabelSelector) -> Option<String> {
    let mut expressions: Vec<_> = Selector::try_from(selector.clone()).ok()?.into_iter().collect();
    expressions.sort_by(|one, other| key(one).cmp(key(other)));
    Some(
        expressions
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(","),
    )
}

/// Everything that is wrong with the selector at `path`.
pub(crate) fn check(selector: &LabelSelector, path: &str) -> Vec<Problem> {
    let requirements = selector.match_expressions.iter().flatten().enumerate();
    requirements
        .filter_map(|(index, requirement)| {
            let message = requirement_problem(requirement)?;
            Some(Problem::new(format!("{path}.matchExpressions[{index}]"), message))
        })
        .collect()
}

/// The keys that the selector looks at.
pub(crate) fn keys(selector: &LabelSelector) -> impl Iterator<Item = &str> {
    let labels = selector.match_labels.iter().flat_map(BTreeMap::keys);
    let expressions = selector
        .match_expressions
        .iter()
        .flatten()
        .map(|requirement| &requirement.key);
    labels.chain(expressions).map(String::as_str)
}

fn requirement_problem(requirement: &LabelSelectorRequirement) -> Option<&'static str> {
    let has_values = requirement
        .values
        .as_ref()
        .is_some_and(|values| !values.is_empty());
    match (requirement.operator.as_str(), has_values) {
        ("In" | "NotIn", true) | ("Exists" | "DoesNotExist", false) => None,
        ("In" | "NotIn", false) => Some("values must be given when the operator is In or NotIn"),
        ("Exists" | "DoesNotExist", true) => {
            Some("values must be left out when the operator is Exists or DoesNotExist")
        }
        _ => Some("operator must be one of In, NotIn, Exists, DoesNotExist"),
    }
}

fn key(expression: &Expression) -> &str {
    match expression {
        Expression::In(key, _)
        | Expression::NotIn(key, _)
        | Expression::Equal(key, _)
        | Expression::NotEqual(key, _)
        | Expression::Exists(key)
        | Expression::DoesNotExist(key) => key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn selector(value: serde_json::Value) -> LabelSelector {
        serde_json::from_value(value).expect("a label selector")
    }

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn text_is_what_kubernetes_writes() {
        let selector = selector(json!({
            "matchLabels": {"z": "1", "app": "web"},
            "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["b", "a"]},
                {"key": "canary", "operator": "DoesNotExist"},
                {"key": "team", "operator": "Exists"},
                {"key": "env", "operator": "NotIn", "values": ["dev"]},
            ],
        }));

        let text = selector_text(&selector);

        assert_eq!(
            text.as_deref(),
            Some("app=web,!canary,env notin (dev),team,tier in (a,b),z=1")
        );
    }

    #[test]
    fn every_requirement_must_hold() {
        let selector = selector(json!({
            "matchLabels": {"app": "web"},
            "matchExpressions": [{"key": "tier", "operator": "In", "values": ["front", "back"]}],
        }));

        assert!(selector_matches(
            &selector,
            &labels(&[("app", "web"), ("tier", "back"), ("more", "x")])
        ));
        assert!(!selector_matches(
            &selector,
            &labels(&[("app", "web"), ("tier", "other")])
        ));
        assert!(!selector_matches(&selector, &labels(&[("tier", "back")])));
    }

    #[test]
    fn absence_satisfies_not_in_and_does_not_exist() {
        let selector = selector(json!({"matchExpressions": [
            {"key": "a", "operator": "NotIn", "values": ["x"]},
            {"key": "b", "operator": "DoesNotExist"},
        ]}));

        assert!(selector_matches(&selector, &labels(&[])));
        assert!(!selector_matches(&selector, &labels(&[("a", "x")])));
        assert!(!selector_matches(&selector, &labels(&[("b", "")])));
    }

    #[test]
    fn an_unreadable_selector_selects_nothing() {
        let selector = selector(json!({"matchExpressions": [{"key": "a", "operator": "Matches"}]}));

        assert!(!selector_matches(&selector, &labels(&[("a", "x")])));
        assert_eq!(selector_text(&selector), None);
        assert_eq!(check(&selector, "spec.selector").len(), 1);
    }

    #[test]
    fn refuses_requirements_with_the_wrong_number_of_values() {
        let selector = selector(json!({"matchExpressions": [
            {"key": "a", "operator": "In", "values": []},
            {"key": "b", "operator": "NotIn"},
            {"key": "c", "operator": "Exists", "values": ["x"]},
            {"key": "d", "operator": "Exists", "values": []},
        ]}));

        let paths: Vec<_> = check(&selector, "spec.selector")
            .into_iter()
            .map(|problem| problem.path)
            .collect();

        let expected = [0, 1, 2].map(|index| format!("spec.selector.matchExpressions[{index}]"));
        assert_eq!(paths, expected);
    }
}
