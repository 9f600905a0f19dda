//! The AnalysisRun that a Rollout begins. Labels and annotations are those of Argo Rollouts; the type `Gate` is
//! KULTA's own.

use std::collections::BTreeMap;

use kulta_api::experiment::RunMetadata;
use kulta_api::names::{
    ANALYSIS_DEFINITION_ANNOTATION, HASH_LABEL, REVISION_ANNOTATION, ROLLOUT_TYPE_LABEL, STEP_INDEX_LABEL,
};
use kulta_api::{analysis, rollout};
use kulta_core::plan::Purpose;
use serde_json::{Map, Value, json};

use crate::instance::Instance;
use crate::key::ObjectKey;
use crate::owner;

/// What is new about an AnalysisRun, besides its owner.
pub(crate) struct NewAnalysisRun<'plan> {
    pub(crate) name: &'plan str,
    pub(crate) purpose: Purpose,
    /// The revision that it judges.
    pub(crate) hash: &'plan str,
    pub(crate) revision: u64,
    /// What it is begun with, in a word.
    pub(crate) definition: &'plan str,
    pub(crate) spec: &'plan Value,
    /// Whose it is, as its Rollout is.
    pub(crate) instance: &'plan Instance,
}

impl NewAnalysisRun<'_> {
    /// Its manifest, owned by the Rollout, which wants it to bear this `metadata` as well.
    pub(crate) fn manifest(&self, metadata: &RunMetadata, owner: &ObjectKey, owner_uid: &str) -> Value {
        let (kind, step) = match self.purpose {
            Purpose::Background => ("Background", None),
            Purpose::Step(index) | Purpose::Experiment(index) => ("Step", Some(index)),
            Purpose::Gate(index) => ("Gate", Some(index)),
            Purpose::PrePromotion => ("PrePromotion", None),
            Purpose::PostPromotion => ("PostPromotion", None),
        };
        let labels = [(HASH_LABEL, self.hash), (ROLLOUT_TYPE_LABEL, kind)];
        let labels = labels.map(|(name, value)| (name.to_owned(), Value::from(value)));
        // Its own come last: what they say is what everything goes by.
        let mut labels: Map<_, _> = wanted(metadata.labels.as_ref()).chain(labels).collect();
        if let Some(index) = step {
            labels.insert(STEP_INDEX_LABEL.to_owned(), index.to_string().into());
        }
        self.instance.mark(&mut labels);
        let annotations = [
            (REVISION_ANNOTATION, self.revision.to_string()),
            (ANALYSIS_DEFINITION_ANNOTATION, self.definition.to_owned()),
        ];
        let annotations = annotations.map(|(name, value)| (name.to_owned(), Value::from(value)));
        let annotations: Map<_, _> = wanted(metadata.annotations.as_ref()).chain(annotations).collect();
        let resource = analysis::api_resource(owner.group);
        json!({
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "metadata": {
                "name": self.name,
                "namespace": owner.namespace,
                "labels": labels,
                "annotations": annotations,
                "ownerReferences": [owner::reference(owner.group, rollout::KIND, &owner.name, owner_uid)],
            },
            "spec": self.spec,
        })
    }
}

fn wanted(written: Option<&BTreeMap<String, String>>) -> impl Iterator<Item = (String, Value)> + '_ {
    let written = written.into_iter().flatten();
    written.map(|(name, value)| (name.clone(), Value::from(value.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(purpose: Purpose) -> Value {
        new_of(&Instance::default(), purpose)
    }

    fn new_of(instance: &Instance, purpose: Purpose) -> Value {
        new_with(&RunMetadata::default(), instance, purpose)
    }

    fn new_with(metadata: &RunMetadata, instance: &Instance, purpose: Purpose) -> Value {
        let spec = json!({"metrics": []});
        let new = NewAnalysisRun {
            name: "web-abc-2",
            purpose,
            hash: "abc",
            revision: 2,
            definition: "d1",
            spec: &spec,
            instance,
        };
        new.manifest(metadata, &ObjectKey::new("shop", "web"), "uid-1")
    }

    #[test]
    fn labels_say_what_it_is_for() {
        assert_eq!(
            new(Purpose::Background)["metadata"]["labels"],
            json!({"rollouts-pod-template-hash": "abc", "rollout-type": "Background"})
        );
        assert_eq!(
            new(Purpose::Step(3))["metadata"]["labels"],
            json!({"rollouts-pod-template-hash": "abc", "rollout-type": "Step", "step-index": "3"})
        );
        assert_eq!(
            new(Purpose::Gate(3))["metadata"]["labels"]["rollout-type"],
            "Gate"
        );
        assert_eq!(
            new(Purpose::PrePromotion)["metadata"]["labels"],
            json!({"rollouts-pod-template-hash": "abc", "rollout-type": "PrePromotion"})
        );
    }

    #[test]
    fn it_bears_what_its_rollout_says_and_no_other_hash() {
        let metadata = RunMetadata {
            labels: Some([("team", "blue"), (HASH_LABEL, "other")].map(owned).into()),
            annotations: Some([("note", "x"), (REVISION_ANNOTATION, "9")].map(owned).into()),
        };

        let run = new_with(&metadata, &Instance::default(), Purpose::Background);

        let labels = &run["metadata"]["labels"];
        assert_eq!(
            (&labels["team"], &labels[HASH_LABEL]),
            (&json!("blue"), &json!("abc"))
        );
        let annotations = &run["metadata"]["annotations"];
        assert_eq!(
            (&annotations["note"], &annotations[REVISION_ANNOTATION]),
            (&json!("x"), &json!("2"))
        );
    }

    fn owned((name, value): (&str, &str)) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn it_belongs_to_the_controller_that_its_rollout_belongs_to() {
        let instance = Instance::from(Some("blue".parse().unwrap()));

        let labels = &new_of(&instance, Purpose::Background)["metadata"]["labels"];

        assert_eq!(labels["argo-rollouts.argoproj.io/controller-instance-id"], "blue");
    }

    #[test]
    fn it_belongs_to_its_rollout() {
        let owner = &new(Purpose::Background)["metadata"]["ownerReferences"][0];

        assert_eq!((&owner["name"], &owner["uid"]), (&json!("web"), &json!("uid-1")));
    }
}
