//! `argoproj.io`: served while nobody else does, and while its definitions keep what is written.
//!
//! Argo Rollouts' controller holds a lease of a fixed name while it works; KULTA holds the same one before it writes
//! anything that belongs to an object of that group. It does not even ask for it as long as the definitions in the cluster
//! would prune fields that it depends on ([`served`]). Argo Rollouts' own definitions will do: what they have no field for in a
//! status is kept in a condition ([`FieldsOff`]).

pub(crate) mod served;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use kube::{Api, Client};
use kulta_api::Group;
use parking_lot::RwLock;

use self::served::{Look, Served};
use crate::instance::Instance;
use crate::lease::{Claim, Lease};
use crate::permission::Permission;

/// Argo Rollouts' own name for it, where the controller has no instance id.
pub const LEASE: &str = "argo-rollouts-controller-lock";

/// How often the definitions are looked at. They are read when they have changed only.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The fields of a Rollout of `argoproj.io` that its definition in the cluster does not have, as [`kulta_api::crd::pruned`] names
/// them. Cheap to clone; all clones are the same.
#[derive(Debug, Clone, Default)]
pub struct FieldsOff(Arc<RwLock<Arc<[String]>>>);

impl FieldsOff {
    /// Those of a Rollout of `group`: the own definitions have all fields.
    #[must_use]
    pub fn of(&self, group: Group) -> Arc<[String]> {
        match group {
            Group::Kulta => Arc::default(),
            Group::Argo => Arc::clone(&self.0.read()),
        }
    }

    /// They are these from now on.
    pub fn set(&self, fields: &[String]) {
        *self.0.write() = fields.into();
    }
}

/// The group `argoproj.io`. Cheap to clone.
#[derive(Clone)]
pub struct ArgoApi {
    client: Client,
    lease: Lease,
    fields_off: FieldsOff,
}

impl ArgoApi {
    /// The lease is that of `instance`, in `namespace`; it is held as `identity`.
    #[must_use]
    pub fn new(client: Client, instance: &Instance, namespace: &str, identity: &str) -> Self {
        let leases = Api::namespaced(client.clone(), namespace);
        Self {
            lease: Lease::new(leases, &instance.own_name(LEASE), identity),
            client,
            fields_off: FieldsOff::default(),
        }
    }

    /// What the definitions lack, as of the last look at them.
    #[must_use]
    pub fn fields_off(&self) -> FieldsOff {
        self.fields_off.clone()
    }

    /// What says whether the lease is held.
    #[must_use]
    pub fn claim(&self) -> Claim {
        self.lease.claim()
    }

    /// Holds the lease whenever it can be had and the definitions are as they should be, for ever; `changed` is told when it
    /// is gained (true) or gone.
    pub async fn run(&self, permission: &Permission, changed: impl Fn(bool)) -> Infallible {
        let mut served = Served::new(self.client.clone());
        loop {
            let seen = served.until(|look| look.fit().is_some(), LOOK_EVERY).await;
            tokio::select! {
                never = self.lease.hold(&changed) => match never {},
                () = self.follow(&mut served, seen, &changed) => {}
            }
            self.give_back(permission).await;
            changed(false);
        }
    }

    /// What was begun comes to its end first: then nothing of this process comes after the first write of another controller.
    async fn give_back(&self, permission: &Permission) {
        self.lease.give_up();
        permission.argo_writes_end().await;
        self.lease.release().await;
    }

    /// Notes what the definitions lack, from `seen` on, until they do not fit any more. With others everything is looked at again, so
    /// that every status is written as they keep it.
    async fn follow(&self, served: &mut Served, mut seen: Look, changed: &impl Fn(bool)) {
        while let Some(fields) = seen.fit() {
            self.fields_off.set(fields);
            if self.claim().is_held() {
                changed(true);
            }
            seen = served.until(|look| *look != seen, LOOK_EVERY).await;
        }
    }

    /// Gives the lease back, and only looks at it from then on.
    pub async fn rest(&self, permission: &Permission, changed: impl Fn(bool)) {
        self.give_back(permission).await;
        changed(false);
        match self.lease.sight().await {}
    }

    /// Gives the lease back at the end of the process.
    pub async fn release(&self) {
        self.lease.release().await;
    }
}
