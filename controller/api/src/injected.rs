//! What KULTA, as Argo Rollouts does, puts into the pod template of a ReplicaSet besides what its Rollout says: labels and
//! annotations of its part in the rollout, and a term that keeps its pods off the nodes of the stable version. None of it is
//! part of a revision: it is taken out again before templates are compared, and before one is gone back to.

use std::collections::{BTreeMap, BTreeSet};

use kulta_core::revision::HASH_LABEL;
use kulta_core::spec::{AntiAffinity, PodKeys, PodMetadata};
use serde_json::{Map, Value, json};

use crate::names::{INJECTED_METADATA_ANNOTATION, INJECTING_METADATA_ANNOTATION};

/// What nodes are told apart by.
const TOPOLOGY: &str = "kubernetes.io/hostname";
const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// What may be in the pods of a ReplicaSet with these annotations. One that can't be read says nothing.
#[must_use]
pub fn injected(annotations: &BTreeMap<String, String>) -> PodMetadata {
    read(annotations, INJECTED_METADATA_ANNOTATION).unwrap_or_default()
}

/// What is on its way into the pods of a ReplicaSet with these annotations; None: nothing.
#[must_use]
pub fn injecting(annotations: &BTreeMap<String, String>) -> Option<PodMetadata> {
    read(annotations, INJECTING_METADATA_ANNOTATION)
}

fn read(annotations: &BTreeMap<String, String>, name: &str) -> Option<PodMetadata> {
    serde_json::from_str(annotations.get(name)?).ok()
}

/// `metadata` as an annotation has it; None, which takes the annotation away, where there is none.
#[must_use]
pub fn annotation(metadata: &PodMetadata) -> Option<String> {
    (!metadata.is_empty()).then(|| text(metadata))
}

/// `metadata` as JSON, in the order in which Argo Rollouts writes it.
#[must_use]
pub fn text(metadata: &PodMetadata) -> String {
    // Maps of texts: nothing in them can fail to be written.
    serde_json::to_string(metadata).unwrap_or_default()
}

/// What a merge patch of labels, and one of annotations, has to say so that `metadata` is there and nothing else of `former`.
#[must_use]
pub fn replacement(former: &PodMetadata, metadata: &PodMetadata) -> (Value, Value) {
    let fields = |former: &BTreeMap<String, String>, new: &BTreeMap<String, String>| {
        let gone = former.keys().map(|key| (key.clone(), Value::Null));
        let put = new.iter().map(|(key, value)| (key.clone(), json!(value)));
        Value::Object(gone.chain(put).collect())
    };
    (
        fields(&former.labels, &metadata.labels),
        fields(&former.annotations, &metadata.annotations),
    )
}

/// Puts `metadata` into a pod template.
pub fn put_metadata(template: &mut Value, metadata: &PodMetadata) {
    for (part, texts) in [
        ("labels", &metadata.labels),
        ("annotations", &metadata.annotations),
    ] {
        for (key, value) in texts {
            *entry(entry(entry(template, "metadata"), part), key) = json!(value);
        }
    }
}

/// Keeps the pods of a template in `namespace` off the nodes of the revision `hash`.
pub fn keep_apart(template: &mut Value, namespace: &str, hash: &str, how: AntiAffinity) {
    take_terms_out(template);
    let expression = json!({"key": HASH_LABEL, "operator": "In", "values": [hash]});
    let term = json!({
        "labelSelector": {"matchExpressions": [expression]},
        "namespaces": [namespace],
        "topologyKey": TOPOLOGY,
    });
    let (list, term) = match how {
        AntiAffinity::Required => (REQUIRED, term),
        AntiAffinity::Preferred(weight) => (PREFERRED, json!({"weight": weight, "podAffinityTerm": term})),
    };
    let affinity = entry(entry(template, "spec"), "affinity");
    let terms = entry(entry(affinity, "podAntiAffinity"), list);
    match terms {
        Value::Array(terms) => terms.push(term),
        other => *other = json!([term]),
    }
}

/// Takes all of it out of the template of a ReplicaSet with these annotations, with what is empty then.
pub fn take_out(template: &mut Value, annotations: &BTreeMap<String, String>) {
    let metadata = injecting(annotations)
        .iter()
        .fold(injected(annotations), PodMetadata::with);
    for (part, texts) in [
        ("labels", &metadata.labels),
        ("annotations", &metadata.annotations),
    ] {
        let Some(of_template) = template.get_mut("metadata") else {
            break;
        };
        if let Some(present) = of_template.get_mut(part).and_then(Value::as_object_mut) {
            present.retain(|key, _| !texts.contains_key(key));
        }
        drop_empty(of_template, part);
    }
    take_terms_out(template);
}

/// Takes out the terms that keep pods off the nodes of another revision. Nobody else writes one for that label, whose values
/// are not known before.
fn take_terms_out(template: &mut Value) {
    let Some(spec) = template.get_mut("spec") else {
        return;
    };
    if let Some(apart) = spec.pointer_mut("/affinity/podAntiAffinity") {
        for (list, inner) in [(REQUIRED, ""), (PREFERRED, "/podAffinityTerm")] {
            if let Some(terms) = apart.get_mut(list).and_then(Value::as_array_mut) {
                terms.retain(|term| !term.pointer(inner).is_some_and(is_injected));
            }
            drop_empty(apart, list);
        }
    }
    if let Some(affinity) = spec.get_mut("affinity") {
        drop_empty(affinity, "podAntiAffinity");
    }
    drop_empty(spec, "affinity");
}

fn is_injected(term: &Value) -> bool {
    let expressions = term
        .pointer("/labelSelector/matchExpressions")
        .and_then(Value::as_array);
    let of_hash = |expression: &Value| expression.get("key").and_then(Value::as_str) == Some(HASH_LABEL);
    term.get("topologyKey").and_then(Value::as_str) == Some(TOPOLOGY)
        && expressions.is_some_and(|expressions| expressions.iter().any(of_hash))
}

/// Takes a list or an object away that has nothing in it.
fn drop_empty(parent: &mut Value, name: &str) {
    let is_empty = match parent.get(name) {
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Object(fields)) => fields.is_empty(),
        _ => false,
    };
    if let Some(fields) = parent.as_object_mut().filter(|_| is_empty) {
        fields.remove(name);
    }
}

/// What the template of a ReplicaSet with these `annotations` has of its own: a label or annotation that a version has written
/// itself is not to be lost by a Rollout that writes it elsewhere now.
#[must_use]
pub fn own_keys(template: Option<&Value>, annotations: &BTreeMap<String, String>) -> PodKeys {
    let put_in = injecting(annotations)
        .iter()
        .fold(injected(annotations), PodMetadata::with);
    let keys = |pointer: &str, put_in: &BTreeMap<String, String>| -> BTreeSet<String> {
        let texts = template.and_then(|template| template.pointer(pointer)?.as_object());
        let keys = texts.into_iter().flatten().map(|(key, _)| key);
        keys.filter(|key| !put_in.contains_key(*key)).cloned().collect()
    };
    PodKeys {
        labels: keys("/metadata/labels", &put_in.labels),
        annotations: keys("/metadata/annotations", &put_in.annotations),
    }
}

/// The value at `name` of an object; whatever is no object (null, above all) becomes one.
pub fn entry<'a>(value: &'a mut Value, name: &str) -> &'a mut Value {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map.entry(name).or_insert(Value::Null),
        // Not reached: it was made an object above.
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(value: &str) -> PodMetadata {
        let texts = BTreeMap::from([("role".to_owned(), value.to_owned())]);
        PodMetadata {
            labels: texts.clone(),
            annotations: texts,
        }
    }

    fn template() -> Value {
        json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web"}]}})
    }

    /// The annotations of a ReplicaSet that has these.
    fn noted(injected: &PodMetadata, injecting: Option<&PodMetadata>) -> BTreeMap<String, String> {
        let injecting =
            injecting.map(|metadata| (INJECTING_METADATA_ANNOTATION, json!(metadata).to_string()));
        let injected = annotation(injected).map(|text| (INJECTED_METADATA_ANNOTATION, text));
        let noted = injected.into_iter().chain(injecting);
        noted.map(|(name, text)| (name.to_owned(), text)).collect()
    }

    #[test]
    fn what_argo_rollouts_has_noted_is_understood() {
        let noted = BTreeMap::from([(
            INJECTED_METADATA_ANNOTATION.to_owned(),
            r#"{"labels":{"role":"canary"},"annotations":{"role":"canary"}}"#.to_owned(),
        )]);

        assert_eq!(injected(&noted), metadata("canary"));
        assert_eq!(injecting(&noted), None);
    }

    #[test]
    fn a_note_is_read_as_it_was_written() {
        let noted = noted(&metadata("stable"), Some(&PodMetadata::default()));

        assert_eq!(injected(&noted), metadata("stable"));
        assert_eq!(injecting(&noted), Some(PodMetadata::default()));
    }

    #[test]
    fn a_note_that_can_t_be_read_says_nothing() {
        let noted = BTreeMap::from([(INJECTED_METADATA_ANNOTATION.to_owned(), "{".to_owned())]);

        assert_eq!(injected(&noted), PodMetadata::default());
    }

    #[test]
    fn metadata_is_put_in_and_taken_out_without_a_trace() {
        let mut changed = template();

        put_metadata(&mut changed, &metadata("canary"));
        assert_eq!(
            changed["metadata"],
            json!({"labels": {"app": "web", "role": "canary"}, "annotations": {"role": "canary"}})
        );
        take_out(
            &mut changed,
            &noted(&metadata("stable"), Some(&metadata("canary"))),
        );

        assert_eq!(changed, template());
    }

    #[test]
    fn a_replacement_takes_away_what_is_not_there_any_more() {
        let mut former = metadata("canary");
        former.labels.insert("old".to_owned(), "1".to_owned());

        assert_eq!(
            replacement(&former, &metadata("stable")),
            (json!({"old": null, "role": "stable"}), json!({"role": "stable"}))
        );
    }

    #[test]
    fn a_term_is_put_in_as_argo_rollouts_does_and_taken_out_without_a_trace() {
        let term = json!({
            "labelSelector": {"matchExpressions": [{"key": HASH_LABEL, "operator": "In", "values": ["abc"]}]},
            "namespaces": ["shop"],
            "topologyKey": "kubernetes.io/hostname",
        });
        for (how, expected) in [
            (AntiAffinity::Required, json!({REQUIRED: [term]})),
            (
                AntiAffinity::Preferred(7),
                json!({PREFERRED: [{"weight": 7, "podAffinityTerm": term}]}),
            ),
        ] {
            let mut changed = template();

            keep_apart(&mut changed, "shop", "abc", how);
            assert_eq!(changed["spec"]["affinity"]["podAntiAffinity"], expected);
            take_out(&mut changed, &BTreeMap::new());

            assert_eq!(changed, template());
        }
    }

    #[test]
    fn terms_of_users_stay() {
        let own = json!({"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "kubernetes.io/hostname"});
        let mut written = template();
        written["spec"]["affinity"] = json!({"podAntiAffinity": {REQUIRED: [own]}, "nodeAffinity": {}});
        let mut changed = written.clone();

        keep_apart(&mut changed, "shop", "abc", AntiAffinity::Required);
        keep_apart(&mut changed, "shop", "def", AntiAffinity::Required);
        let terms = &changed["spec"]["affinity"]["podAntiAffinity"][REQUIRED];
        assert_eq!(
            terms.as_array().map(Vec::len),
            Some(2),
            "an earlier one is replaced"
        );
        take_out(&mut changed, &BTreeMap::new());

        assert_eq!(changed, written);
    }

    #[test]
    fn templates_of_odd_shapes_do_no_harm() {
        for odd in [
            json!(null),
            json!({"metadata": null, "spec": {"affinity": []}}),
            json!({"metadata": {"labels": 1}, "spec": {"affinity": {"podAntiAffinity": {REQUIRED: "x"}}}}),
        ] {
            let mut changed = odd.clone();
            put_metadata(&mut changed, &metadata("canary"));
            keep_apart(&mut changed, "shop", "abc", AntiAffinity::Preferred(1));
            take_out(&mut changed, &noted(&metadata("canary"), None));
        }
    }
}
