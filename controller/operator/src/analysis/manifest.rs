//! The AnalysisRun that a Rollout begins. Labels and annotations are those of Argo Rollouts; the type `Gate` is
//! KULTA's own.

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
    /// Its manifest, owned by the Rollout.
    pub(crate) fn manifest(&self, owner: &ObjectKey, owner_uid: &str) -> Value {
        let (kind, step) = match self.purpose {
            Purpose::Background => ("Background", None),
            Purpose::Step(index) | Purpose::Experiment(index) => ("Step", Some(index)),
            Purpose::Gate(index) => ("Gate", Some(index)),
            Purpose::PrePromotion => ("PrePromotion", None),
            Purpose::PostPromotion => ("PostPromotion", None),
        };
        let labels = [(HASH_LABEL, self.hash), (ROLLOUT_TYPE_LABEL, kind)];
        let labels = labels.map(|(name, value)| (name.to_owned(), Value::from(value)));
        let mut labels = Map::from_iter(labels);
        if let Some(index) = step {
            labels.insert(STEP_INDEX_LABEL.to_owned(), index.to_string().into());
        }
        self.instance.mark(&mut labels);
        let resource = analysis::api_resource(owner.group);
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
            "spec": self.spec,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(purpose: Purpose) -> Value {
        new_of(&Instance::default(), purpose)
    }

    fn new_of(instance: &Instance, purpose: Purpose) -> Value {
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
        new.manifest(&ObjectKey::new("shop", "web"), "uid-1")
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
