//! The definition is what is committed, and is small.

use super::*;

/// `KULTA_BLESS=1 cargo test -p kulta-api` writes the file instead of comparing it.
const BLESS: &str = "KULTA_BLESS";

#[test]
fn committed_definitions_are_the_generated_ones() {
    for definition in Definition::ALL {
        let committed = format!(
            "{}/../../deploy/crds/{}.{GROUP}.yaml",
            env!("CARGO_MANIFEST_DIR"),
            definition.plural()
        );
        let generated = definition.yaml().expect("a definition");
        if std::env::var_os(BLESS).is_some() {
            std::fs::write(&committed, &generated).expect("the file can be written");
        }

        let found = std::fs::read_to_string(&committed).unwrap_or_default();

        assert!(
            found == generated,
            "{committed} is stale; run: {}",
            definition.regenerate()
        );
    }
}

/// `kubectl apply` keeps a copy in an annotation, which may have 256 kB; a small definition also costs the API server
/// less memory for each of its open API documents.
#[test]
fn definition_is_small() {
    const MAX_BYTES: usize = 110_000;

    let length = Definition::Rollouts.yaml().expect("a definition").len();

    assert!(length < MAX_BYTES, "{length} bytes");
}

/// A field with a schema of its own is required unless it is said not to be.
#[test]
fn what_a_value_comes_from_is_one_of_its_fields() {
    let schema = structural::of_spec::<crate::analysis::ValueFrom>();

    assert_eq!(schema.get("required"), None);
}

#[test]
fn yaml_says_what_the_definition_says() {
    let written: Value =
        serde_saphyr::from_str(&Definition::Rollouts.yaml().expect("a definition")).expect("YAML");

    let definition = serde_json::to_value(rollout().expect("a definition")).expect("JSON");

    assert_eq!(written, structural::whole_numbers(definition));
}

#[test]
fn every_field_has_a_description() {
    let definition = serde_json::to_value(rollout().expect("a definition")).expect("JSON");
    let spec = definition
        .pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec")
        .expect("a spec schema");
    let own = [
        "/strategy",
        "/strategy/properties/canary",
        "/strategy/properties/canary/properties/steps/items",
    ];

    for path in std::iter::once(String::new()).chain(own.iter().map(|path| format!("/properties{path}"))) {
        let fields = spec
            .pointer(&format!("{path}/properties"))
            .and_then(Value::as_object)
            .expect("properties");
        for (name, field) in fields {
            assert!(
                field.get("description").is_some(),
                "{path}/{name} has no description"
            );
        }
    }
}

#[test]
fn a_gate_needs_no_configuration() {
    let definition = serde_json::to_value(Definition::Rollouts.generate().unwrap()).unwrap();
    let step = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/strategy/properties/canary/properties/\
                steps/items/properties/gate/required";

    assert_eq!(definition.pointer(step), Some(&json!(["name", "plugin"])));
}
