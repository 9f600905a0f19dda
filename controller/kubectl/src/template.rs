//! Where the pod template of a Rollout is written: in itself, or in the workload that it refers to.

use kube::api::DynamicObject;
use kulta_api::rollout::workload::{template_of, template_pointer, workload};
use kulta_core::spec::WorkloadKind;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::error::Error;
use crate::rollout::Rollout;

/// Where a Rollout has its own template.
const OWN: &str = "/spec/template";

/// An object with a pod template.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    /// None: the Rollout itself.
    workload: Option<WorkloadKind>,
    name: String,
    object: DynamicObject,
}

impl Home {
    /// That of `rollout`, which has just been read.
    ///
    /// # Errors
    /// When the workload that it refers to can't be read.
    pub(crate) async fn of(cluster: &Cluster, rollout: &DynamicObject) -> Result<Self, Error> {
        let spec = Rollout::new(rollout).spec().unwrap_or(&Value::Null);
        let Some(workload) = workload(cluster.group(), spec) else {
            return Ok(Self {
                workload: None,
                name: Rollout::new(rollout).name().to_owned(),
                object: rollout.clone(),
            });
        };
        Ok(Self {
            object: cluster.read(Some(workload.kind), &workload.name).await?,
            workload: Some(workload.kind),
            name: workload.name,
        })
    }

    /// The same as it is now.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) async fn again(&self, cluster: &Cluster) -> Result<Self, Error> {
        Ok(Self {
            object: cluster.read(self.workload, &self.name).await?,
            ..self.clone()
        })
    }

    /// The template.
    pub(crate) fn template(&self) -> Option<&Value> {
        match self.workload {
            Some(kind) => template_of(kind, &self.object.data),
            None => Rollout::new(&self.object).template(),
        }
    }

    /// The template, to be changed; null where there is none.
    pub(crate) fn template_mut(&mut self) -> Option<&mut Value> {
        let pointer = self.pointer();
        self.object.data.pointer_mut(pointer)
    }

    /// Whether it is another object than the Rollout, which has not seen it as it is: `noted` is the generation that the
    /// Rollout tells about.
    pub(crate) fn is_newer_than(&self, noted: Option<i64>) -> bool {
        let generation = self.object.metadata.generation;
        self.workload.is_some() && generation.is_some() && generation != noted
    }

    /// What to call it behind that of the Rollout; nothing where it is the same.
    pub(crate) fn note(&self) -> String {
        let workload = self.workload.map(|kind| format!(" (in {kind} '{}')", self.name));
        workload.unwrap_or_default()
    }

    /// Replaces the template, if it is still `from`.
    ///
    /// # Errors
    /// When the API server refuses, also because it is another one.
    pub(crate) async fn replace_template(
        &self,
        cluster: &Cluster,
        from: &Value,
        to: &Value,
    ) -> Result<(), Error> {
        let pointer = self.pointer();
        let operations = json!([
            {"op": "test", "path": pointer, "value": from},
            {"op": "replace", "path": pointer, "value": to},
        ]);
        // A list of operations as the type defines them.
        let patch = serde_json::from_value(operations).unwrap_or_default();
        cluster.patch_json(self.workload, &self.name, patch).await?;
        Ok(())
    }

    /// Puts it, as it was changed, in the place of the object that was read.
    ///
    /// # Errors
    /// When the API server refuses; [`Error::Conflict`] when it has changed since.
    pub(crate) async fn write(&self, cluster: &Cluster) -> Result<(), Error> {
        cluster.replace(self.workload, &self.name, &self.object).await?;
        Ok(())
    }

    fn pointer(&self) -> &'static str {
        self.workload.map_or(OWN, template_pointer)
    }
}
