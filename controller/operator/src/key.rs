//! Names of objects.

use std::fmt;

use kulta_api::Group;
use kulta_core::spec::RouteReference;

/// The namespace and name of an object, of whichever kind; where the kind is served in two groups, the group as well.
///
/// Sorted by namespace first, so that all objects of one are side by side whatever their group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The group of a Rollout, an AnalysisRun or a template. For every other kind it means nothing, and is always the same.
    pub group: Group,
}

impl ObjectKey {
    /// The key of `namespace/name`: of a kind of KULTA's own group, or of one that is served in one group only.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self::in_group(Group::Kulta, namespace, name)
    }

    /// The key of a Rollout, an AnalysisRun or a template of `group`.
    pub fn in_group(group: Group, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            group,
        }
    }

    /// The key of another object of the same group in the same namespace.
    #[must_use]
    pub fn beside(&self, name: impl Into<String>) -> Self {
        Self::in_group(self.group, &self.namespace, name)
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.group {
            Group::Kulta => {}
            Group::Argo => write!(formatter, "{}/", self.group)?,
        }
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

impl From<&RouteReference> for ObjectKey {
    fn from(route: &RouteReference) -> Self {
        Self::new(&route.namespace, &route.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_of_the_same_name_are_told_apart_by_their_group() {
        let argo = ObjectKey::in_group(Group::Argo, "shop", "web");

        assert_eq!(ObjectKey::new("shop", "web").to_string(), "shop/web");
        assert_eq!(argo.to_string(), "argoproj.io/shop/web");
        assert_ne!(argo, ObjectKey::new("shop", "web"));
    }

    #[test]
    fn objects_of_one_namespace_are_side_by_side() {
        let mut keys = [
            ObjectKey::in_group(Group::Argo, "a", "x"),
            ObjectKey::new("b", "x"),
            ObjectKey::new("a", "y"),
        ];
        keys.sort();

        assert_eq!(keys.map(|key| key.namespace), ["a", "a", "b"]);
    }
}
