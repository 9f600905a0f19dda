//! The objects of Experiments, and the Experiment that a step of a Rollout begins. Labels and annotations are those of Argo
//! Rollouts.

use std::collections::BTreeMap;

use kulta_api::experiment::{RunMetadata, TemplateManifest, container_ports};
use kulta_api::names::{
    ANALYSIS_DEFINITION_ANNOTATION, EXPERIMENT_NAME_ANNOTATION, EXPERIMENT_TEMPLATE_ANNOTATION, HASH_LABEL,
    REVISION_ANNOTATION, STEP_INDEX_LABEL,
};
use kulta_api::{analysis, experiment, rollout};
use kulta_core::plan::Version;
use serde_json::{Map, Value, json};

use crate::instance::Instance;
use crate::key::ObjectKey;
use crate::owner;
use crate::replica_set;

/// What is new about an Experiment, besides its Rollout.
pub(crate) struct NewExperiment<'plan> {
    pub(crate) name: &'plan str,
    /// The index of the step that it is.
    pub(crate) index: u32,
    /// What the step says.
    pub(crate) step: &'plan Value,
    pub(crate) stable: &'plan Version,
    /// The version that it judges.
    pub(crate) canary: &'plan Version,
    pub(crate) revision: u64,
    /// What it is begun with, in a word.
    pub(crate) definition: &'plan str,
}

impl NewExperiment<'_> {
    /// Its manifest, owned by the Rollout with these labels.
    pub(crate) fn manifest(
        &self,
        owner: &ObjectKey,
        owner_uid: &str,
        labels: Option<&BTreeMap<String, String>>,
        spec: &Value,
    ) -> Value {
        let mut labels = labels.cloned().unwrap_or_default();
        labels.insert(HASH_LABEL.to_owned(), self.canary.hash.clone());
        labels.insert(STEP_INDEX_LABEL.to_owned(), self.index.to_string());
        let resource = experiment::api_resource(owner.group);
        json!({
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {
                "name": self.name,
                "namespace": owner.namespace,
                "labels": labels,
                "annotations": {
                    REVISION_ANNOTATION: self.revision.to_string(),
                    ANALYSIS_DEFINITION_ANNOTATION: self.definition,
                },
                "ownerReferences": [owner::reference(owner.group, rollout::KIND, &owner.name, owner_uid)],
            },
            "spec": spec,
        })
    }
}

/// An Experiment, as the owner of others.
pub(super) struct Owner<'experiment> {
    pub(super) key: &'experiment ObjectKey,
    pub(super) uid: &'experiment str,
}

impl Owner<'_> {
    fn metadata(&self, name: &str, labels: &Value, annotations: &Value) -> Value {
        json!({
            "name": name,
            "namespace": self.key.namespace,
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": [owner::reference(self.key.group, experiment::KIND, &self.key.name, self.uid)],
        })
    }

    /// The ReplicaSet of a template.
    pub(super) fn replica_set(
        &self,
        name: &str,
        (template, pods): (&str, &TemplateManifest),
        hash: &str,
        replicas: u32,
    ) -> Value {
        let labelled = replica_set::labelled(&pods.template, hash);
        let labels = labelled.pointer("/metadata/labels").cloned().unwrap_or_default();
        let selector = serde_json::to_value(&pods.selector).unwrap_or_default();
        json!({
            "apiVersion": replica_set::API_VERSION,
            "kind": replica_set::KIND,
            "metadata": self.metadata(name, &labels, &self.annotations(template)),
            "spec": {
                "replicas": replicas,
                "minReadySeconds": pods.min_ready_seconds,
                "selector": replica_set::selector(Some(&selector), hash),
                "template": labelled,
            },
        })
    }

    /// The Service of a template, with the ports of its containers.
    pub(super) fn service(
        &self,
        name: &str,
        (template, pods): (&str, &TemplateManifest),
        hash: &str,
    ) -> Value {
        let ports: Vec<_> = container_ports(&pods.template)
            .enumerate()
            .map(service_port)
            .collect();
        let labels = pods.selector.match_labels.iter().flatten();
        let mut selector: Map<_, _> = labels.map(|(key, value)| (key.clone(), json!(value))).collect();
        selector.insert(HASH_LABEL.to_owned(), json!(hash));
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": self.metadata(name, &json!({HASH_LABEL: hash}), &self.annotations(template)),
            "spec": {"selector": selector, "ports": ports},
        })
    }

    /// The AnalysisRun of an analysis.
    pub(super) fn run(&self, name: &str, metadata: &RunMetadata, instance: &Instance, spec: &Value) -> Value {
        let labels = metadata.labels.iter().flatten();
        let mut labels: Map<_, _> = labels.map(|(key, value)| (key.clone(), json!(value))).collect();
        instance.mark(&mut labels);
        let labels = Value::Object(labels);
        let annotations = json!(metadata.annotations.clone().unwrap_or_default());
        let resource = analysis::api_resource(self.key.group);
        json!({
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": self.metadata(name, &labels, &annotations),
            "spec": spec,
        })
    }

    fn annotations(&self, template: &str) -> Value {
        json!({EXPERIMENT_NAME_ANNOTATION: self.key.name, EXPERIMENT_TEMPLATE_ANNOTATION: template})
    }
}

/// Two ports of a Service need names.
fn service_port((index, port): (usize, &Value)) -> Value {
    let number = port.get("containerPort").cloned().unwrap_or_default();
    let protocol = port.get("protocol").and_then(Value::as_str).unwrap_or("TCP");
    let name = port.get("name").and_then(Value::as_str);
    let name = name.map_or_else(|| format!("port-{index}"), str::to_owned);
    json!({"name": name, "protocol": protocol, "port": number, "targetPort": number})
}
