//! Who may write what: `kulta.io` is KULTA's own; objects of `argoproj.io`, and what belongs to them, are written only while
//! the lease of Argo Rollouts is held.

use kube::Client;
use kulta_api::Group;

use crate::lease::Claim;

/// What this process may write. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Permission {
    argo: Option<Claim>,
}

impl Permission {
    /// Serves `argoproj.io` as well, while `claim` is held.
    #[must_use]
    pub const fn with_argo(claim: Claim) -> Self {
        Self { argo: Some(claim) }
    }

    /// Whether objects of `group`, and what belongs to them, may be written now.
    #[must_use]
    pub fn may_write(&self, group: Group) -> bool {
        match group {
            Group::Kulta => true,
            Group::Argo => self.argo.as_ref().is_some_and(Claim::is_held),
        }
    }
}

/// Writes what belongs to objects of one group.
#[derive(Clone, Copy)]
pub struct Writer<'a> {
    /// The API server.
    pub client: &'a Client,
    /// What this process may write.
    pub permission: &'a Permission,
    /// The group of the Rollout or AnalysisRun that it is written for.
    pub group: Group,
}

impl Writer<'_> {
    /// Whether it may be written now.
    #[must_use]
    pub fn may_write(&self) -> bool {
        self.permission.may_write(self.group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_argo_rollouts_is_written_only_with_its_lease() {
        let cases = [
            (Permission::default(), false),
            (Permission::with_argo(Claim::default()), false),
            (Permission::with_argo(Claim::held()), true),
        ];
        for (permission, may_write) in cases {
            assert_eq!(permission.may_write(Group::Argo), may_write, "{permission:?}");
            assert!(permission.may_write(Group::Kulta));
        }
    }
}
