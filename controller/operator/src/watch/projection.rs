//! How an object is turned into its projection while it is read.

use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::{ApiResource, DynamicResourceScope};
use kulta_api::Group;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use thiserror::Error;

use super::bounded::{Bounded, MOST_BYTES};
use crate::key::ObjectKey;

/// What is kept of the objects of one kind.
pub trait Projection: Debug + PartialEq + Send + Sync + Sized + 'static {
    /// The kind, in `group` where it is served in two.
    fn api_resource(group: Group) -> ApiResource;

    /// The kind in every version that can be read, newest first.
    #[must_use]
    fn api_resources(group: Group) -> Vec<ApiResource> {
        vec![Self::api_resource(group)]
    }

    /// What is kept of `object`.
    ///
    /// # Errors
    /// When the object does not have the shape of its kind.
    fn project(object: &Value) -> Result<Self, Undecodable>;
}

/// An object that does not have the shape of its kind.
#[derive(Debug, Clone, Error)]
#[error("can't be read: {reason}")]
pub struct Undecodable {
    reason: Arc<str>,
}

impl Undecodable {
    fn too_large() -> Self {
        Self {
            reason: format!(
                "it has so many parts that it would take more than {} MiB of memory",
                MOST_BYTES >> 20
            )
            .into(),
        }
    }
}

impl From<serde_json::Error> for Undecodable {
    fn from(error: serde_json::Error) -> Self {
        Self {
            reason: error.to_string().into(),
        }
    }
}

/// An object of a watch: its identity, and its projection if it could be read.
///
/// Reading never fails on the shape of an object: one broken object must not wedge the watch of all the others.
#[derive(Debug)]
pub struct Watched<P> {
    metadata: ObjectMeta,
    projection: Result<Arc<P>, Undecodable>,
}

impl<P> Watched<P> {
    /// The object's name and projection; `group` is the one that is watched.
    pub fn into_parts(self, group: Group) -> (ObjectKey, Result<Arc<P>, Undecodable>) {
        let ObjectMeta { namespace, name, .. } = self.metadata;
        let key = ObjectKey::in_group(group, namespace.unwrap_or_default(), name.unwrap_or_default());
        (key, self.projection)
    }
}

impl<P> Clone for Watched<P> {
    fn clone(&self) -> Self {
        Self {
            metadata: self.metadata.clone(),
            projection: self.projection.clone(),
        }
    }
}

impl<'de, P: Projection> Deserialize<'de> for Watched<P> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Bounded { object, is_whole } = Bounded::deserialize(deserializer)?;
        let text = |field| object.pointer(field).and_then(Value::as_str).map(str::to_owned);
        let metadata = ObjectMeta {
            name: text("/metadata/name"),
            namespace: text("/metadata/namespace"),
            resource_version: text("/metadata/resourceVersion"),
            ..ObjectMeta::default()
        };
        let projection = if is_whole {
            P::project(&object).map(Arc::new)
        } else {
            Err(Undecodable::too_large())
        };
        Ok(Self { metadata, projection })
    }
}

impl<P: Projection> Resource for Watched<P> {
    type DynamicType = ApiResource;
    type Scope = DynamicResourceScope;

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        Cow::Borrowed(&resource.kind)
    }

    fn group(resource: &ApiResource) -> Cow<'_, str> {
        Cow::Borrowed(&resource.group)
    }

    fn version(resource: &ApiResource) -> Cow<'_, str> {
        Cow::Borrowed(&resource.version)
    }

    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        Cow::Borrowed(&resource.plural)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Sized {
        size: u32,
    }

    impl Projection for Sized {
        fn api_resource(group: Group) -> ApiResource {
            kulta_api::rollout::api_resource(group)
        }
        fn project(object: &Value) -> Result<Self, Undecodable> {
            Ok(Self::deserialize(object)?)
        }
    }

    fn watched(object: &Value) -> Watched<Sized> {
        Watched::deserialize(object).unwrap()
    }

    #[test]
    fn an_object_is_projected_while_it_is_read() {
        let object = watched(
            &json!({"metadata": {"namespace": "shop", "name": "web", "resourceVersion": "7"}, "size": 3}),
        );

        assert_eq!(object.meta().resource_version.as_deref(), Some("7"));
        let (key, projection) = object.into_parts(Group::Kulta);
        assert_eq!(key, ObjectKey::new("shop", "web"));
        assert_eq!(*projection.unwrap(), Sized { size: 3 });
    }

    #[test]
    fn an_object_of_too_many_parts_is_read_as_broken_and_keeps_its_name() {
        let parts = vec![json!({"": 0}); 200_000];
        let (key, projection) =
            watched(&json!({"metadata": {"namespace": "shop", "name": "web"}, "size": 3, "spec": parts}))
                .into_parts(Group::Kulta);

        assert_eq!(key, ObjectKey::new("shop", "web"));
        assert!(projection.unwrap_err().to_string().contains("so many parts"));
    }

    #[test]
    fn a_broken_object_is_read_as_broken_and_keeps_its_name() {
        let (key, projection) =
            watched(&json!({"metadata": {"namespace": "shop", "name": "web"}, "size": "big"}))
                .into_parts(Group::Kulta);

        assert_eq!(key, ObjectKey::new("shop", "web"));
        assert!(projection.unwrap_err().to_string().contains("big"));
    }
}
