//! The two API groups that the kinds are served in: the same types and decisions, and what tools can see of each.

use std::fmt;

use kube_core::ApiResource;
use kulta_core::status::{ConditionType, Status};

/// The version of all kinds.
pub const VERSION: &str = "v1alpha1";

/// An API group. An object of one never has to do with one of the other, but where their pods could be taken for each
/// other's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// `kulta.io`: KULTA's own.
    #[default]
    Kulta,
    /// `argoproj.io`: that of Argo Rollouts, so that its manifests, tools and dashboards go on working.
    Argo,
}

impl Group {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Kulta, Self::Argo];

    /// The group as written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kulta => "kulta.io",
            Self::Argo => "argoproj.io",
        }
    }

    /// `apiVersion` of its objects.
    #[must_use]
    pub fn api_version(self) -> String {
        format!("{self}/{VERSION}")
    }

    /// The group of an object with this `apiVersion`, whichever its version; None for every other group.
    #[must_use]
    pub fn of(api_version: &str) -> Option<Self> {
        let (name, _version) = api_version.split_once('/')?;
        Self::ALL.into_iter().find(|group| group.as_str() == name)
    }

    /// A kind of it, for a client.
    #[must_use]
    pub fn resource(self, kind: &str, plural: &str) -> ApiResource {
        ApiResource {
            group: self.as_str().to_owned(),
            version: VERSION.to_owned(),
            api_version: self.api_version(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        }
    }

    /// Whether the status of an AnalysisRun or an Experiment is a subresource; where it is not, it is a field as any other. (That of a
    /// Rollout is one in both groups.)
    #[must_use]
    pub const fn has_analysis_status_subresource(self) -> bool {
        match self {
            Self::Kulta => true,
            Self::Argo => false,
        }
    }

    /// Whether a Rollout shows conditions of this type. Those of kstatus are KULTA's own: a tool that waits for Argo
    /// Rollouts knows its conditions and phase, and would take others for somebody else's.
    #[must_use]
    pub const fn shows(self, condition: ConditionType) -> bool {
        match self {
            Self::Kulta => true,
            Self::Argo => !matches!(
                condition,
                ConditionType::Ready | ConditionType::Reconciling | ConditionType::Stalled
            ),
        }
    }

    /// `status` as a Rollout of the group keeps it, and gives it back when it is read again.
    #[must_use]
    pub fn kept(self, status: &Status) -> Status {
        let mut status = status.clone();
        status.conditions.retain(|condition| self.shows(condition.kind));
        status
    }
}

impl fmt::Display for Group {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_version_tells_the_group() {
        let cases = [
            ("kulta.io/v1alpha1", Some(Group::Kulta)),
            ("argoproj.io/v1alpha1", Some(Group::Argo)),
            ("argoproj.io/v2", Some(Group::Argo)),
            ("apps/v1", None),
            ("v1", None),
        ];
        for (api_version, group) in cases {
            assert_eq!(Group::of(api_version), group, "{api_version}");
        }
        for group in Group::ALL {
            assert_eq!(Group::of(&group.api_version()), Some(group));
        }
    }
}
