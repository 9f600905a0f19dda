//! Who may write what: anything at all only while KULTA's own lease is held, which one of several replicas does; objects of
//! `argoproj.io`, and what belongs to them, only while that of Argo Rollouts is held, too.

use kube::Client;
use kulta_api::Group;

use crate::lease::Claim;

/// What this process may write. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Permission {
    own: Option<Claim>,
    argo: Option<Claim>,
}

impl Permission {
    /// Writes only while `claim`, of KULTA's own lease, is held.
    #[must_use]
    pub const fn leading(claim: Claim) -> Self {
        Self {
            own: Some(claim),
            argo: None,
        }
    }

    /// Serves `argoproj.io` as well, while `claim` is held.
    #[must_use]
    pub fn with_argo(self, claim: Claim) -> Self {
        Self {
            argo: Some(claim),
            ..self
        }
    }

    /// Whether this process is the one that works now.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.own.as_ref().is_none_or(Claim::is_held)
    }

    /// Whether objects of `group`, and what belongs to them, may be written now.
    #[must_use]
    pub fn may_write(&self, group: Group) -> bool {
        self.leads()
            && match group {
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
            (Permission::default().with_argo(Claim::default()), false),
            (Permission::default().with_argo(Claim::held()), true),
        ];
        for (permission, may_write) in cases {
            assert_eq!(permission.may_write(Group::Argo), may_write, "{permission:?}");
            assert!(permission.may_write(Group::Kulta));
        }
    }

    #[test]
    fn a_replica_that_does_not_lead_writes_nothing() {
        let follows = Permission::leading(Claim::default()).with_argo(Claim::held());

        assert!(!follows.leads());
        assert!(Group::ALL.into_iter().all(|group| !follows.may_write(group)));
        assert!(Permission::leading(Claim::held()).may_write(Group::Kulta));
    }
}
