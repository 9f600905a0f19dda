//! What becomes of the experiment of a step.

use super::*;

fn template(image: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": image, "ports": [{"containerPort": 8080}]}]},
    })
}

fn rollout() -> Value {
    json!({
        "metadata": {"name": "web", "labels": {"team": "blue"}},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}}, "template": template("web:2"),
            "minReadySeconds": 3, "progressDeadlineSeconds": 90,
        },
    })
}

fn of(step: &Value) -> Result<Value, String> {
    let (stable, canary) = (template("web:1"), template("web:2"));
    let surroundings = Surroundings {
        rollout: &rollout(),
        stable: ("old", &stable),
        canary: ("new", &canary),
    };
    of_step(step, &surroundings)
}

#[test]
fn its_versions_are_those_of_the_rollout() {
    let spec = of(&json!({
        "templates": [
            {"name": "baseline", "specRef": "stable", "metadata": {"labels": {"role": "baseline"}}},
            {"name": "canary", "specRef": "canary", "replicas": 2, "service": {}},
        ],
        "duration": "5m",
    }))
    .unwrap();

    let [baseline, canary] = [&spec["templates"][0], &spec["templates"][1]];
    assert_eq!(baseline["template"]["spec"]["containers"][0]["image"], "web:1");
    assert_eq!(
        baseline["template"]["metadata"]["labels"],
        json!({"app": "web", "role": "baseline"})
    );
    assert_eq!(canary["template"], template("web:2"));
    assert_eq!(canary["selector"], json!({"matchLabels": {"app": "web"}}));
    assert_eq!((&canary["replicas"], &canary["service"]), (&json!(2), &json!({})));
    assert_eq!(canary["minReadySeconds"], 3);
    assert_eq!(
        (&spec["progressDeadlineSeconds"], &spec["duration"]),
        (&json!(90), &json!("5m"))
    );
    assert!(crate::experiment::parse(&spec).is_ok());
}

#[test]
fn arguments_stand_for_hashes_and_fields() {
    let from = |from: Value| json!({"name": "it", "valueFrom": from});
    let value = |argument: Value| {
        let spec = of(&json!({
            "templates": [{"name": "canary", "specRef": "canary"}],
            "analyses": [{"name": "errors", "templateName": "errors", "args": [argument]}],
        }))?;
        Ok::<_, String>(spec["analyses"][0]["args"][0]["value"].clone())
    };

    assert_eq!(
        value(from(json!({"podTemplateHashValue": "Stable"}))).unwrap(),
        "old"
    );
    assert_eq!(
        value(from(json!({"podTemplateHashValue": "Latest"}))).unwrap(),
        "new"
    );
    let team = json!({"fieldRef": {"fieldPath": "metadata.labels['team']"}});
    assert_eq!(value(from(team)).unwrap(), "blue");
    let missing = json!({"fieldRef": {"fieldPath": "metadata.labels['tier']"}});
    assert!(value(from(missing)).unwrap_err().contains("\"tier\""));
}

#[test]
fn what_is_wrong_is_told_at_its_path() {
    let step: ExperimentStep = serde_json::from_value(json!({
        "templates": [{"name": "a", "specRef": "new"}, {"name": "a", "specRef": "stable", "replicas": -1, "weight": 5}],
        "duration": "soon",
        "analyses": [{"name": "x", "templateName": "t", "args": [
            {"name": "f", "valueFrom": {"fieldRef": {"fieldPath": "metadata.owner"}}},
        ]}],
    }))
    .unwrap();
    let mut problems = Vec::new();

    validate_step(&step, None, "steps[0].experiment", &mut problems);

    let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
    let expected = [
        "steps[0].experiment.templates[1].name",
        "steps[0].experiment.templates[0].specRef",
        "steps[0].experiment.templates[1].replicas",
        "steps[0].experiment.duration",
        "steps[0].experiment.analyses[0].args[0].valueFrom.fieldRef.fieldPath",
        "steps[0].experiment.templates[1].weight",
    ];
    assert_eq!(paths, expected);
}

/// The shares of templates with these weights, beside a canary of 20 percent.
fn shares_of(weights: &[i32]) -> Result<Vec<u32>, String> {
    let templates = weights.iter().enumerate();
    let templates: Vec<_> = templates
        .map(|(index, weight)| json!({"name": format!("t{index}"), "specRef": "canary", "weight": weight}))
        .collect();
    let step = serde_json::from_value(json!({"templates": templates})).unwrap();
    let mut problems = Vec::new();
    let beside = Beside {
        whole: Whole::HUNDRED,
        canary: 20,
    };
    let shares = validate_step(&step, Some(beside), "steps[1].experiment", &mut problems);
    match problems.first() {
        None => Ok(shares.values().map(|share| share.parts()).collect()),
        Some(problem) => Err(format!("{}: {}", problem.path, problem.message)),
    }
}

#[test]
fn templates_share_at_most_what_the_canary_leaves() {
    assert_eq!(shares_of(&[30, 50]), Ok(vec![30, 50]));

    let told = shares_of(&[30, 51]).unwrap_err();
    assert!(told.starts_with("steps[1].experiment.templates: "), "{told}");
    assert!(told.contains("81 together, and the canary has 20"), "{told}");
    for weight in [-1, 101] {
        let told = shares_of(&[weight]).unwrap_err();
        assert!(
            told.starts_with("steps[1].experiment.templates[0].weight: "),
            "{told}"
        );
    }
}

#[test]
fn a_template_with_a_weight_has_a_service() {
    let with = |template: Value| of(&json!({"templates": [template]})).unwrap()["templates"][0].clone();

    let weighed = with(json!({"name": "new", "specRef": "canary", "weight": 5}));
    let named = json!({"name": "new", "specRef": "canary", "weight": 5, "service": {"name": "new"}});
    let unweighed = with(json!({"name": "new", "specRef": "canary"}));

    assert_eq!(weighed["service"], json!({}));
    assert_eq!(with(named)["service"], json!({"name": "new"}));
    assert_eq!((weighed.get("weight"), unweighed.get("service")), (None, None));
}
