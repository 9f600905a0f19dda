//! Who may write what: anything at all only while KULTA's own lease is held, which one of several replicas does; objects of
//! `argoproj.io`, and what belongs to them, only while that of Argo Rollouts is held, too.

use kube::Client;
use kulta_api::Group;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::lease::Claim;

/// What this process may write. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Permission {
    own: Option<Claim>,
    argo: Option<Claim>,
    /// The writes that were begun and have no answer yet.
    under_way: TaskTracker,
    /// Those among them that are for objects of `argoproj.io`.
    argo_under_way: TaskTracker,
}

/// A write is under way, as long as this is kept.
#[must_use]
#[derive(Debug)]
#[expect(dead_code, reason = "they count until they are dropped")]
pub struct Begun(TaskTrackerToken, Option<TaskTrackerToken>);

impl Permission {
    /// Writes only while `claim`, of KULTA's own lease, is held.
    #[must_use]
    pub fn leading(claim: Claim) -> Self {
        Self {
            own: Some(claim),
            ..Self::default()
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
        !self.under_way.is_closed() && self.holds_lead()
    }

    /// Whether no other one works now. It may hold while nothing is to be begun any more: at the end of the process.
    #[must_use]
    pub fn holds_lead(&self) -> bool {
        self.own.as_ref().is_none_or(Claim::is_held)
    }

    /// Begins a write for an object of `group`; None: it may not be made. To be asked just before it is sent.
    #[must_use]
    pub fn begin(&self, group: Group) -> Option<Begun> {
        // Counted first: who waits until nothing is under way must not miss it.
        let argo = (group == Group::Argo).then(|| self.argo_under_way.token());
        let begun = Begun(self.under_way.token(), argo);
        self.may_write(group).then_some(begun)
    }

    /// Lets no write begin any more, and waits until those under way have come to their end: then the leases can be given back,
    /// and nothing of this process comes after the first write of another one.
    pub async fn end(&self) {
        self.under_way.close();
        self.under_way.wait().await;
    }

    /// Waits until no write for an object of `argoproj.io` is under way: before the lease of that group is given back, which is not
    /// held any more.
    pub async fn argo_writes_end(&self) {
        // It counts all the same; one that is not closed is never at its end.
        self.argo_under_way.close();
        self.argo_under_way.wait().await;
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
    /// Begins a write; None: it may not be made. To be asked just before it is sent.
    #[must_use]
    pub fn begin(&self) -> Option<Begun> {
        self.permission.begin(self.group)
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

    #[tokio::test]
    async fn the_end_waits_for_what_is_under_way_and_lets_nothing_begin() {
        let permission = Permission::leading(Claim::held());
        let begun = permission.begin(Group::Kulta);
        assert!(begun.is_some());

        let mut end = Box::pin(permission.end());
        let waits = futures::poll!(&mut end).is_pending();
        let late = permission.begin(Group::Kulta);
        drop(begun);

        assert!(waits && late.is_none());
        end.await;
    }

    #[tokio::test]
    async fn what_is_under_way_for_argo_rollouts_is_waited_for_each_time() {
        let permission = Permission::default().with_argo(Claim::held());
        let _other = permission.begin(Group::Kulta);
        for _ in 0..2 {
            let begun = permission.begin(Group::Argo);

            let mut end = Box::pin(permission.argo_writes_end());
            let waits = futures::poll!(&mut end).is_pending();
            drop(begun);

            assert!(waits);
            end.await;
        }
        assert!(permission.begin(Group::Argo).is_some());
    }

    #[test]
    fn a_replica_that_does_not_lead_writes_nothing() {
        let follows = Permission::leading(Claim::default()).with_argo(Claim::held());

        assert!(!follows.leads());
        assert!(Group::ALL.into_iter().all(|group| !follows.may_write(group)));
        assert!(Permission::leading(Claim::held()).may_write(Group::Kulta));
    }
}
