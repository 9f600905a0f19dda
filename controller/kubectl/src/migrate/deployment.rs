//! The pods of a Deployment, marked as KULTA marks those of its revisions: so they are found, and not replaced.

use kube::api::DynamicObject;
use kulta_api::names::{
    DESIRED_REPLICAS_ANNOTATION, HASH_LABEL, REVISION_ANNOTATION, TEMPLATE_DIGEST_ANNOTATION,
};
use kulta_core::revision::TemplateDigest;
use serde_json::{Value, json};

use super::MigrateError;
use crate::cluster::{Cluster, Kind};
use crate::error::Error as VerbError;
use crate::output::Output;
use crate::rollout::is_controlled_by;

/// The number of the revision that the pods become.
const FIRST_REVISION: &str = "1";
/// No hash of the template was taken by another one: there is none.
const NO_COLLISION: u32 = 0;

/// The ReplicaSet with the pods, and those without.
#[derive(Debug)]
pub(super) struct Pods {
    current: DynamicObject,
    empty: Vec<String>,
}

/// The ReplicaSets of a Deployment.
///
/// # Errors
/// When more than one has pods, or none.
pub(super) async fn find(cluster: &Cluster, old: &DynamicObject) -> Result<Pods, VerbError> {
    let uid = old.metadata.uid.clone().unwrap_or_default();
    let all = cluster.list(Kind::ReplicaSet, "").await?;
    let owned = all.into_iter().filter(|found| is_controlled_by(found, &uid));
    let (mut with_pods, empty): (Vec<_>, Vec<_>) = owned.partition(has_pods);
    let number = with_pods.len();
    let (Some(current), true) = (with_pods.pop(), number == 1) else {
        let name = old.metadata.name.clone().unwrap_or_default();
        return Err(MigrateError::NoReplicaSet { name, number }.into());
    };
    let empty = empty.into_iter().filter_map(|found| found.metadata.name);
    Ok(Pods {
        current,
        empty: empty.collect(),
    })
}

fn has_pods(replica_set: &DynamicObject) -> bool {
    ["/spec/replicas", "/status/replicas"].iter().any(|count| {
        replica_set
            .data
            .pointer(count)
            .and_then(Value::as_u64)
            .unwrap_or(0)
            > 0
    })
}

impl Pods {
    /// Marks the ReplicaSet and its pods.
    pub(super) async fn are_marked(
        &self,
        cluster: &Cluster,
        digest: &TemplateDigest,
    ) -> Result<(), VerbError> {
        let mark = mark(digest);
        let patch = self.patch(&mark, digest);
        cluster.merge(Kind::ReplicaSet, &self.name(), &patch).await?;
        let selector = self
            .current
            .data
            .get("spec")
            .and_then(kulta_api::rollout::selector);
        let selector = selector.as_ref().and_then(kulta_api::selector::selector_text);
        for pod in cluster.list(Kind::Pod, &selector.unwrap_or_default()).await? {
            let pod = pod.metadata.name.unwrap_or_default();
            let patch = json!({"metadata": {"labels": mark}});
            cluster.merge(Kind::Pod, &pod, &patch).await?;
        }
        Ok(())
    }

    /// Marks the pods to come. Only once the Deployment is gone: it would take the ReplicaSet for one of another template.
    pub(super) async fn template_is_marked(
        &self,
        cluster: &Cluster,
        digest: &TemplateDigest,
    ) -> Result<(), VerbError> {
        let patch = template_patch(digest);
        cluster
            .merge(Kind::ReplicaSet, &self.name(), &patch)
            .await
            .map(drop)
    }

    /// Says how to go on by hand, should this be cut off once the Deployment is deleted.
    pub(super) fn recipe_is_told(
        &self,
        digest: &TemplateDigest,
        out: &mut Output<'_>,
    ) -> Result<(), VerbError> {
        out.line(format!(
            "# if this is cut off: kubectl patch replicaset {} --type merge -p '{}', then apply the Rollout that follows",
            self.name(),
            template_patch(digest)
        ))?;
        Ok(())
    }

    fn name(&self) -> String {
        self.current.metadata.name.clone().unwrap_or_default()
    }

    fn patch(&self, mark: &Value, digest: &TemplateDigest) -> Value {
        let replicas = self
            .current
            .data
            .pointer("/spec/replicas")
            .and_then(Value::as_u64);
        json!({
            "metadata": {
                "labels": mark,
                "annotations": {
                    REVISION_ANNOTATION: FIRST_REVISION,
                    DESIRED_REPLICAS_ANNOTATION: replicas.unwrap_or_default().to_string(),
                    TEMPLATE_DIGEST_ANNOTATION: digest.as_str(),
                },
            },
        })
    }

    /// Says which ReplicaSets nobody has any more.
    pub(super) fn leftovers_are_told(&self, out: &mut Output<'_>) -> Result<(), VerbError> {
        if !self.empty.is_empty() {
            out.line(format!(
                "earlier revisions of the Deployment have no pods and no owner now; delete them when you like: {}",
                self.empty.join(", ")
            ))?;
        }
        Ok(())
    }
}

fn mark(digest: &TemplateDigest) -> Value {
    json!({HASH_LABEL: digest.pod_hash(NO_COLLISION)})
}

fn template_patch(digest: &TemplateDigest) -> Value {
    json!({"spec": {"template": {"metadata": {"labels": mark(digest)}}}})
}
