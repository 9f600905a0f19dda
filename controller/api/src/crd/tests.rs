//! The definition is what is committed, and is small.

use super::*;

/// `KULTA_BLESS=1 cargo test -p kulta-api` writes the file instead of comparing it.
const BLESS: &str = "KULTA_BLESS";

#[test]
fn committed_definitions_are_the_generated_ones() {
    let both = Group::ALL.into_iter();
    let all = both.flat_map(|group| Definition::ALL.map(|definition| (definition, group)));
    for (definition, group) in all {
        let committed = format!("{}/../../{}", env!("CARGO_MANIFEST_DIR"), definition.file(group));
        let generated = definition.yaml(group).expect("a definition");
        if std::env::var_os(BLESS).is_some() {
            std::fs::write(&committed, &generated).expect("the file can be written");
        }

        let found = std::fs::read_to_string(&committed).unwrap_or_default();

        assert!(
            found == generated,
            "{committed} is stale; run: {}",
            definition.regenerate(group)
        );
    }
}

/// The policy refuses what it does not know: a field that the definition has and it lacks could not be applied any more.
#[test]
fn admission_policy_knows_the_fields_of_the_definition() {
    let places = [
        ("strategyFields", "/properties/strategy"),
        ("canaryFields", "/properties/strategy/properties/canary"),
        ("blueGreenFields", "/properties/strategy/properties/blueGreen"),
        (
            "routingFields",
            "/properties/strategy/properties/canary/properties/trafficRouting",
        ),
        (
            "stepFields",
            "/properties/strategy/properties/canary/properties/steps/items",
        ),
        (
            "pauseFields",
            "/properties/strategy/properties/canary/properties/steps/items/properties/pause",
        ),
        (
            "canaryScaleFields",
            "/properties/strategy/properties/canary/properties/steps/items/properties/setCanaryScale",
        ),
        (
            "gatewayFields",
            "/properties/strategy/properties/canary/properties/trafficRouting/properties/gatewayAPI",
        ),
    ];
    let spec = spec_schema();
    let defined = places.map(|(list, place)| {
        let fields = spec
            .pointer(&format!("{place}/properties"))
            .and_then(Value::as_object);
        let mut fields: Vec<_> = fields.expect("an object").keys().cloned().collect();
        fields.sort();
        (list, fields)
    });

    let known = places.map(|(list, _)| (list, listed_by_the_policy(list)));

    assert_eq!(known, defined);
}

/// The words of a variable of the policy that is a list of them.
fn listed_by_the_policy(list: &str) -> Vec<String> {
    let policy = include_str!("../../../../deploy/kustomize/admission.yaml");
    let (policy, _binding) = policy.split_once("\n---\n").expect("a policy and its binding");
    let policy: Value = serde_saphyr::from_str(policy).expect("YAML");
    let variables = policy.pointer("/spec/variables").and_then(Value::as_array);
    let mut variables = variables.expect("a list").iter();
    let variable = variables.find(|variable| variable["name"] == list);
    let expression = variable.expect("a variable")["expression"]
        .as_str()
        .expect("a text");
    let words = expression.trim().trim_matches(['[', ']']).split(", ");
    words.map(|word| word.trim_matches('\'').to_owned()).collect()
}

/// `kubectl apply` keeps a copy in an annotation, which may have 256 kB; a small definition also costs the API server
/// less memory for each of its open API documents.
#[test]
fn definition_is_small() {
    const MAX_BYTES: usize = 150_000;

    for definition in Definition::ALL {
        let length = definition.yaml(Group::Kulta).expect("a definition").len();

        assert!(length < MAX_BYTES, "{definition:?}: {length} bytes");
    }
}

#[test]
fn what_is_told_of_an_analysis_beside_the_steps_is_not_told_again_of_others() {
    let spec = spec_schema();
    let description = |path: &str| spec.pointer(path).map(|found| found["description"].is_string());
    let canary = "/properties/strategy/properties/canary/properties";
    let metrics = "properties/metrics/items/properties/interval";

    assert_eq!(description(&format!("{canary}/analysis/{metrics}")), Some(true));
    let step = format!("{canary}/steps/items/properties/analysis");
    assert_eq!(description(&format!("{step}/{metrics}")), Some(false));
    assert_eq!(description(&format!("{step}/properties/metrics")), Some(true));
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
        serde_saphyr::from_str(&Definition::Rollouts.yaml(Group::Kulta).expect("a definition"))
            .expect("YAML");

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
    let definition = serde_json::to_value(Definition::Rollouts.generate(Group::Kulta).unwrap()).unwrap();
    let step = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/strategy/properties/canary/properties/\
                steps/items/properties/gate/required";

    assert_eq!(definition.pointer(step), Some(&json!(["name", "plugin"])));
}

mod argo {
    use super::*;

    /// `kubectl apply` keeps a copy of it in an annotation.
    const MAX_BYTES: usize = 150_000;

    fn definition(definition: Definition) -> Value {
        serde_json::to_value(definition.generate(Group::Argo).unwrap()).unwrap()
    }

    fn schema(kind: Definition) -> Value {
        definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
    }

    #[test]
    fn definitions_are_small() {
        for kind in Definition::ALL {
            let length = kind.yaml(Group::Argo).unwrap().len();
            assert!(length < MAX_BYTES, "{kind:?}: {length} bytes");
        }
    }

    #[test]
    fn names_columns_and_subresources_are_those_of_argo_rollouts() {
        let expected = [
            (
                Definition::Rollouts,
                "ro",
                json!(["Desired", "Current", "Up-to-date", "Available", "Age"]),
                2,
            ),
            (Definition::AnalysisRuns, "ar", json!(["Status", "Age"]), 0),
            (Definition::AnalysisTemplates, "at", json!(["Age"]), 0),
            (Definition::ClusterAnalysisTemplates, "cat", json!(["Age"]), 0),
        ];
        for (kind, short_name, columns, subresources) in expected {
            let found = definition(kind);
            let version = &found["spec"]["versions"][0];
            let shown = version["additionalPrinterColumns"].as_array().unwrap();
            let shown: Vec<_> = shown.iter().map(|column| column["name"].clone()).collect();
            let served = version.get("subresources").and_then(Value::as_object);
            assert_eq!(found["spec"]["group"], "argoproj.io");
            assert_eq!(found["spec"]["names"]["shortNames"], json!([short_name]));
            assert_eq!(json!(shown), columns, "{kind:?}");
            assert_eq!(served.map_or(0, serde_json::Map::len), subresources, "{kind:?}");
        }
    }

    #[test]
    fn the_observed_generation_is_a_text() {
        let status = &schema(Definition::Rollouts)["properties"]["status"]["properties"];

        assert_eq!(status["observedGeneration"]["type"], "string");
    }

    #[test]
    fn what_is_wrong_with_a_step_is_left_to_the_parser() {
        let step = "/properties/spec/properties/strategy/properties/canary/properties/steps/items";
        let schema = schema(Definition::Rollouts);
        let step = schema.pointer(step).unwrap();

        assert_eq!(step.get("x-kubernetes-validations"), None);
        assert_eq!(step["properties"]["setWeight"].get("maximum"), None);
    }

    #[test]
    fn a_selector_can_not_be_changed_and_containers_are_told_apart_by_name() {
        let spec = &schema(Definition::Rollouts)["properties"]["spec"]["properties"];

        assert_eq!(
            spec["selector"]["x-kubernetes-validations"][0]["rule"],
            "self == oldSelf"
        );
        let containers = &spec["template"]["properties"]["spec"]["properties"]["containers"];
        assert_eq!(containers["items"]["required"], json!(["name"]));
    }

    #[test]
    fn fields_that_kulta_does_not_have_are_kept_to_be_refused_by_name() {
        let schema = schema(Definition::Rollouts);

        for part in ["spec", "status"] {
            let part = &schema["properties"][part];
            assert_eq!(part["x-kubernetes-preserve-unknown-fields"], json!(true));
        }
    }
}

/// A field with a schema of its own counts as required where serde does not know that it can be left out.
#[test]
fn nothing_is_required_that_can_be_left_out() {
    let definition = serde_json::to_value(Definition::Rollouts.generate(Group::Kulta).unwrap()).unwrap();
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let canary = "/properties/spec/properties/strategy/properties/canary/properties";
    let required = |pointer: &str| schema.pointer(pointer).unwrap().get("required").cloned();

    assert_eq!(required("/properties/spec"), Some(json!(["strategy"])));
    for optional in [
        format!("{canary}/trafficRouting/properties/gatewayAPI"),
        format!("{canary}/analysis/properties/metrics/items/properties/provider"),
        "/properties/status".to_owned(),
    ] {
        assert_eq!(required(&optional), None, "{optional}");
    }
}
