//! Objects as manifests: made, changed and replaced as users do it with kubectl.

use anyhow::{Context, Result};
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::{Api, ResourceExt};
use serde_json::Value;

use crate::stage::Stage;

impl Stage {
    /// Makes the object of a manifest.
    ///
    /// # Errors
    /// When the API server refuses it: its words are in the error.
    pub async fn create(&self, manifest: &Value) -> Result<()> {
        let (api, object) = self.object(manifest)?;
        let made = api.create(&PostParams::default(), &object).await;
        made.map(drop)
            .with_context(|| format!("making {}", object.name_any()))
    }

    /// Makes the objects of manifests, in their order.
    ///
    /// # Errors
    /// When the API server refuses one of them.
    pub async fn create_all(&self, manifests: &[Value]) -> Result<()> {
        for manifest in manifests {
            self.create(manifest).await?;
        }
        Ok(())
    }

    /// Merges a manifest into the object that is there: fields that it does not have stay.
    ///
    /// # Errors
    /// When the API server refuses, or there is no such object.
    pub async fn merge(&self, manifest: &Value) -> Result<()> {
        let (api, object) = self.object(manifest)?;
        let merged = api
            .patch(
                &object.name_any(),
                &PatchParams::default(),
                &Patch::Merge(manifest),
            )
            .await;
        merged
            .map(drop)
            .with_context(|| format!("changing {}", object.name_any()))
    }

    /// Puts a manifest in the place of the object that is there: fields that it does not have are gone.
    ///
    /// # Errors
    /// When the API server refuses, somebody else writes at the same moment, or there is no such object.
    pub async fn replace(&self, manifest: &Value) -> Result<()> {
        let (api, mut object) = self.object(manifest)?;
        object.metadata.resource_version = api.get_metadata(&object.name_any()).await?.resource_version();
        let replaced = api
            .replace(&object.name_any(), &PostParams::default(), &object)
            .await;
        replaced
            .map(drop)
            .with_context(|| format!("replacing {}", object.name_any()))
    }

    fn object(&self, manifest: &Value) -> Result<(Api<DynamicObject>, DynamicObject)> {
        let object: DynamicObject = serde_json::from_value(manifest.clone())?;
        let types = object
            .types
            .as_ref()
            .context("a manifest has an apiVersion and a kind")?;
        let resource = ApiResource::from_gvk(&GroupVersionKind::try_from(types)?);
        Ok((self.dynamic_api(&resource), object))
    }
}
