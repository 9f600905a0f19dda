//! `spec.workloadRef`: what is taken of the workload, and what is refused.

use std::collections::BTreeMap;

use kulta_core::spec::{Spec, Workload, WorkloadKind, WorkloadScaleDown};
use serde_json::{Value, json};

use super::{basic, without};
use crate::Group;
use crate::rollout::parse_with;
use crate::rollout::workload::{TakenFrom, WorkloadTemplate, inline};

fn referring(reference: Value) -> Value {
    let mut spec = without(without(basic(), "/template"), "/selector");
    spec["workloadRef"] = reference;
    spec
}

fn deployment() -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"})
}

fn found() -> WorkloadTemplate {
    WorkloadTemplate {
        labels: BTreeMap::from([("app".to_owned(), "web".to_owned())]),
        annotations: BTreeMap::from([("team".to_owned(), "shop".to_owned())]),
        selector: serde_json::from_value(json!({"matchLabels": {"app": "web"}})).unwrap(),
    }
}

fn parsed(group: Group, spec: &Value) -> Result<Spec, Vec<String>> {
    parse_with(group, "shop", spec, TakenFrom::Seen(&found()))
        .map_err(|invalid| invalid.problems.iter().map(ToString::to_string).collect())
}

fn refused(group: Group, spec: &Value, words: &str) {
    let problems = parsed(group, spec).unwrap_err();
    assert!(
        problems.iter().any(|problem| problem.contains(words)),
        "{problems:?}"
    );
}

#[test]
fn selector_and_labels_are_those_of_the_deployment() {
    let spec = parsed(Group::Kulta, &referring(deployment())).unwrap();

    assert_eq!(spec.selector, "app=web");
    assert_eq!(spec.template_labels, found().labels);
    let expected = Workload {
        kind: WorkloadKind::Deployment,
        name: "web".to_owned(),
        scale_down: WorkloadScaleDown::Never,
    };
    assert_eq!(spec.workload, Some(expected));
}

#[test]
fn the_own_selector_goes_before_that_of_the_deployment() {
    let mut spec = referring(deployment());
    spec["selector"] = json!({"matchLabels": {"tier": "front"}});

    refused(Group::Kulta, &spec, "spec.workloadRef: `selector` does not match");
}

#[test]
fn a_template_beside_it_is_refused_and_an_empty_one_is_none() {
    let mut spec = referring(deployment());
    spec["template"] = json!({});
    assert!(parsed(Group::Argo, &spec).is_ok());

    spec["template"] = basic()["template"].clone();
    refused(
        Group::Argo,
        &spec,
        "spec.template: template must be empty for workload reference rollout",
    );
}

#[test]
fn a_workload_that_is_not_there_is_named() {
    let invalid = parse_with(Group::Kulta, "shop", &referring(deployment()), TakenFrom::Missing).unwrap_err();

    let problem = invalid.problems[0].to_string();
    assert!(
        problem.starts_with("spec.workloadRef: Deployment \"web\" not found in namespace \"shop\""),
        "{problem}"
    );
}

#[test]
fn a_kind_without_a_pod_template_is_refused() {
    for (api_version, kind) in [
        ("apps/v1", "DaemonSet"),
        ("v1", "Deployment"),
        ("apps/v1", "PodTemplate"),
    ] {
        let reference = json!({"apiVersion": api_version, "kind": kind, "name": "web"});
        refused(
            Group::Argo,
            &referring(reference),
            "spec.workloadRef.kind: must be a Deployment or a ReplicaSet",
        );
    }
}

#[test]
fn scale_down_is_one_of_three_words_and_for_deployments() {
    let with = |kind: &str, scale_down: &str| {
        referring(json!({"apiVersion": "apps/v1", "kind": kind, "name": "web", "scaleDown": scale_down}))
    };

    let progressively = parsed(Group::Kulta, &with("Deployment", "progressively")).unwrap();
    assert_eq!(
        progressively.workload.unwrap().scale_down,
        WorkloadScaleDown::Progressively
    );
    refused(
        Group::Argo,
        &with("Deployment", "soon"),
        "must be never, onsuccess or progressively",
    );
    refused(
        Group::Kulta,
        &with("ReplicaSet", "onsuccess"),
        "only a Deployment can be scaled down",
    );
    assert!(parsed(Group::Argo, &with("ReplicaSet", "onsuccess")).is_ok());
}

#[test]
fn a_pod_template_needs_a_selector_in_the_rollout() {
    let reference = json!({"apiVersion": "v1", "kind": "PodTemplate", "name": "web"});
    let template = WorkloadTemplate {
        selector: None,
        ..found()
    };

    let invalid = parse_with(
        Group::Argo,
        "shop",
        &referring(reference),
        TakenFrom::Seen(&template),
    )
    .unwrap_err();

    assert!(
        invalid.problems[0]
            .to_string()
            .contains("missing field '.spec.selector'")
    );
}

#[test]
fn what_pods_have_of_the_deployment_is_not_put_into_them_otherwise() {
    let mut spec = referring(deployment());
    for (part, key) in [("labels", "app"), ("annotations", "team")] {
        spec["strategy"]["canary"]["canaryMetadata"] = json!({part: {key: "other"}});

        let path = format!("spec.strategy.canary.canaryMetadata.{part}.{key}: ");
        refused(Group::Argo, &spec, &path);
    }
}

#[test]
fn what_nobody_has_looked_for_is_not_judged() {
    let mut spec = referring(deployment());
    spec["selector"] = json!({"matchLabels": {"tier": "front"}});

    assert!(parse_with(Group::Kulta, "shop", &spec, TakenFrom::Unknown).is_ok());
    assert!(parse_with(Group::Kulta, "shop", &referring(deployment()), TakenFrom::Unknown).is_ok());
}

#[test]
fn template_and_selector_are_put_in_as_if_they_were_written_there() {
    let mut spec = referring(deployment());
    let template = basic()["template"].clone();
    let workload = json!({"spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template}});

    inline(&mut spec, WorkloadKind::Deployment, &workload);

    assert_eq!(spec["template"], template);
    assert_eq!(spec["selector"], json!({"matchLabels": {"app": "web"}}));
}
