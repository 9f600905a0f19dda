//! Whether the definition that a cluster has keeps every field that KULTA writes and reads.

use serde_json::Value;

use super::{CrdError, Definition};
use crate::Group;

const KEEPS_ALL: &str = "x-kubernetes-preserve-unknown-fields";

/// The fields that the API server would prune from objects of `definition`, since `served`, the schema in its `OpenAPI`
/// document (version 3), has them not. Empty: it keeps all.
///
/// # Errors
/// When the generated schema is none.
pub fn pruned(definition: Definition, group: Group, served: &Value) -> Result<Vec<String>, CrdError> {
    let generated = serde_json::to_value(definition.generate(group)?).map_err(CrdError::Schema)?;
    let own = generated.pointer("/spec/versions/0/schema/openAPIV3Schema/properties");
    let mut pruned = Vec::new();
    for part in ["spec", "status"] {
        let Some(own) = own.and_then(|own| own.get(part)) else {
            continue;
        };
        match served.get("properties").and_then(|served| served.get(part)) {
            Some(served) => compare(own, served, part, &mut pruned),
            None => pruned.push(part.to_owned()),
        }
    }
    Ok(pruned)
}

fn compare(own: &Value, served: &Value, path: &str, pruned: &mut Vec<String>) {
    let keeps_all = served.get(KEEPS_ALL).and_then(Value::as_bool) == Some(true);
    let served_fields = served.get("properties");
    let own_fields = own.get("properties").and_then(Value::as_object);
    for (name, own) in own_fields.into_iter().flatten() {
        let path = format!("{path}.{name}");
        match served_fields.and_then(|fields| fields.get(name)) {
            Some(served) => compare(own, served, &path, pruned),
            None if keeps_all || served.get("additionalProperties").is_some() => {}
            None => pruned.push(path),
        }
    }
    if let (Some(own), Some(served)) = (own.get("items"), served.get("items")) {
        compare(own, served, &format!("{path}[]"), pruned);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn served(definition: Definition) -> Value {
        let generated = serde_json::to_value(definition.generate(Group::Argo).unwrap()).unwrap();
        generated["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
    }

    #[test]
    fn the_own_definitions_keep_all() {
        for definition in Definition::ALL {
            let pruned = pruned(definition, Group::Argo, &served(definition)).unwrap();
            assert_eq!(pruned, Vec::<String>::new(), "{definition:?}");
        }
    }

    #[test]
    fn a_definition_without_an_own_field_is_told_with_its_path() {
        let mut theirs = served(Definition::Rollouts);
        let status = &mut theirs["properties"]["status"];
        status.as_object_mut().unwrap().remove(KEEPS_ALL);
        let fields = status["properties"].as_object_mut().unwrap();
        fields.remove("history");
        let canary = fields["canary"].as_object_mut().unwrap();
        canary.remove(KEEPS_ALL);
        canary["properties"].as_object_mut().unwrap().remove("inForce");

        let pruned = pruned(Definition::Rollouts, Group::Argo, &theirs).unwrap();

        assert_eq!(pruned, ["status.canary.inForce", "status.history"]);
    }

    #[test]
    fn fields_that_are_kept_unread_are_not_missing() {
        let theirs = json!({"properties": {"spec": {KEEPS_ALL: true}, "status": {KEEPS_ALL: true}}});

        assert_eq!(
            pruned(Definition::AnalysisRuns, Group::Argo, &theirs).unwrap(),
            Vec::<String>::new()
        );
    }
}
