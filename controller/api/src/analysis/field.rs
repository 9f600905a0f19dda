//! Fields of a Rollout, named by their paths as in Argo Rollouts.

use serde_json::Value;

use crate::Group;

/// Fields of metadata that can be named, besides labels and annotations.
const METADATA: [&str; 3] = ["metadata.name", "metadata.namespace", "metadata.uid"];

/// Where labels and annotations are, and what one of them is called.
const MAPS: [(&str, &str); 2] = [("labels", "label"), ("annotations", "annotation")];

/// Whether a Rollout can have a field at `path`.
///
/// # Errors
/// What is wrong with the path.
pub(crate) fn check(path: &str) -> Result<(), String> {
    if path.starts_with("metadata.") {
        let is_entry = MAPS.iter().any(|(field, _)| entry(path, field).is_some());
        return if is_entry || METADATA.contains(&path) {
            Ok(())
        } else {
            Err(no_metadata())
        };
    }
    if path.starts_with("status.") || path.starts_with("spec.") {
        Ok(())
    } else {
        Err(no_part(path))
    }
}

/// The key of the entry of a map of the metadata that `path` names.
fn entry<'path>(path: &'path str, map: &str) -> Option<&'path str> {
    let path = path.strip_prefix("metadata.")?;
    path.strip_prefix(map)?.strip_prefix("['")?.strip_suffix("']")
}

fn no_part(path: &str) -> String {
    format!("invalid path {path} in rollout; write one that begins with metadata., spec. or status.")
}

fn no_metadata() -> String {
    "Analyses arguments must refer to valid object metadata supported by downwardAPI: write metadata.name, \
     metadata.namespace, metadata.uid, metadata.labels['<key>'] or metadata.annotations['<key>']"
        .to_owned()
}

/// The field `path` of `object` as text; None for one of the status that is not there yet.
///
/// # Errors
/// What is wrong with the path, or with the object.
pub(crate) fn read(object: &Value, path: &str) -> Result<Option<String>, String> {
    if path.starts_with("metadata.") {
        return metadata(object, path).map(Some);
    }
    let is_status = path.starts_with("status.");
    if !is_status && !path.starts_with("spec.") {
        return Err(no_part(path));
    }
    let mut sections = path.split(['.', '[', ']']).filter(|section| !section.is_empty());
    let found = sections.try_fold(object, |value, section| match value {
        Value::Array(entries) => entries.get(section.parse::<usize>().ok()?),
        Value::Object(fields) => fields.get(section),
        _ => None,
    });
    match found {
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(Value::Bool(truth)) => Ok(Some(truth.to_string())),
        Some(Value::Array(_) | Value::Object(_)) => Err(format!(
            "path {path} in rollout must terminate in a primitive value"
        )),
        None | Some(Value::Null) if is_status => Ok(None),
        None | Some(Value::Null) => Err(format!(
            "invalid path {path} in rollout: there is no such field; write another path, or the field"
        )),
    }
}

fn metadata(object: &Value, path: &str) -> Result<String, String> {
    for (field, what) in MAPS {
        if let Some(key) = entry(path, field) {
            let map = object.pointer(&format!("/metadata/{field}"));
            let value = map.and_then(|map| map.get(key)).and_then(Value::as_str);
            if value.is_none() && is_of_argo(object) {
                // As in a pod's environment.
                return Ok(String::new());
            }
            return value.map(str::to_owned).ok_or_else(|| {
                format!("the Rollout has no {what} \"{key}\"; add it, or write another path")
            });
        }
    }
    let value = METADATA
        .contains(&path)
        .then(|| object.pointer(&format!("/{}", path.replace('.', "/"))));
    value
        .flatten()
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(no_metadata)
}

fn is_of_argo(object: &Value) -> bool {
    let version = object.get("apiVersion").and_then(Value::as_str);
    version.and_then(Group::of) == Some(Group::Argo)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(path: &str) -> Result<Option<String>, String> {
        let object = json!({
            "metadata": {
                "name": "web", "namespace": "shop", "uid": "1",
                "labels": {"example.com/team": "blue"}, "annotations": {"slo": "0.99"},
            },
            "spec": {"replicas": 3, "template": {"spec": {"containers": [{"image": "web:1"}]}}, "paused": true},
            "status": {"stableRS": "abc"},
        });
        read(&object, path)
    }

    #[test]
    fn a_field_is_read_as_text() {
        let cases = [
            ("metadata.name", "web"),
            ("metadata.labels['example.com/team']", "blue"),
            ("metadata.annotations['slo']", "0.99"),
            ("spec.replicas", "3"),
            ("spec.paused", "true"),
            ("spec.template.spec.containers[0].image", "web:1"),
            ("status.stableRS", "abc"),
        ];
        for (path, expected) in cases {
            assert_eq!(of(path), Ok(Some(expected.to_owned())), "{path}");
        }
    }

    #[test]
    fn one_that_is_not_there_is_told() {
        let cases = [
            ("metadata.labels['team']", "no label \"team\""),
            ("metadata.labels", "supported by downwardAPI"),
            ("metadata.generation", "supported by downwardAPI"),
            ("spec.minReadySeconds", "no such field"),
            ("spec.template.spec.containers[1].image", "no such field"),
            ("spec.template", "must terminate in a primitive value"),
            ("kind", "begins with metadata., spec. or status."),
        ];
        for (path, words) in cases {
            let message = of(path).expect_err("refused");
            assert!(message.contains(words), "{path}: {message}");
        }
    }

    #[test]
    fn a_label_that_is_not_there_is_an_empty_text_as_in_argo_rollouts() {
        let object = json!({"apiVersion": "argoproj.io/v1alpha1", "metadata": {"labels": {}}});

        assert_eq!(read(&object, "metadata.labels['team']"), Ok(Some(String::new())));
    }

    #[test]
    fn a_field_of_the_status_may_come_later() {
        assert_eq!(of("status.canary.weights.canary.weight"), Ok(None));
    }
}
