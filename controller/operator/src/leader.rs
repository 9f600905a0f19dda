//! Of several replicas one works: the one that holds KULTA's own lease. The others watch, so that each can take over at once.

use std::convert::Infallible;
use std::sync::Arc;

use kube::{Api, Client};
use tokio::sync::watch;

use crate::instance::Instance;
use crate::lease::{Claim, Lease};

/// The lease, in the controller's own namespace. So it is called where the controller has no instance id.
pub const LEASE: &str = "kulta-controller-lock";

/// The lead. Cheap to clone.
#[derive(Clone)]
pub struct Leadership {
    lease: Lease,
    term: Arc<watch::Sender<Term>>,
}

/// A time for which this replica leads, or does not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Term {
    /// How often it has come to lead.
    number: u64,
    leads: bool,
}

/// Follows who leads. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Leading(watch::Receiver<Term>);

impl Leadership {
    /// That of `instance`, in the default namespace of `client`; it is held as `identity`.
    #[must_use]
    pub fn new(client: Client, instance: &Instance, identity: &str) -> Self {
        let leases = Api::default_namespaced(client);
        Self {
            lease: Lease::new(leases, &instance.own_name(LEASE), identity),
            term: Arc::default(),
        }
    }

    /// What says whether this replica leads.
    #[must_use]
    pub fn claim(&self) -> Claim {
        self.lease.claim()
    }

    /// What tells when this replica comes to lead, and when no longer.
    #[must_use]
    pub fn follow(&self) -> Leading {
        Leading(self.term.subscribe())
    }

    /// Leads, or waits to, for ever; `changed` is told whenever this replica comes to lead (true), or does no longer.
    pub async fn run(&self, changed: impl Fn(bool)) -> Infallible {
        let told = |leads| {
            self.term.send_modify(|term| {
                term.number += u64::from(leads);
                term.leads = leads;
            });
            changed(leads);
        };
        self.lease.hold(told).await
    }

    /// Lets another replica lead, at the end of the process.
    pub async fn release(&self) {
        self.lease.release().await;
    }
}

impl Leading {
    /// Works as long as this replica leads, anew each time that it comes to; in between it is `idle`. Ends with the process.
    pub async fn work<W, I>(mut self, work: impl Fn() -> W, idle: impl Fn() -> I)
    where
        W: Future<Output = ()>,
        I: Future<Output = ()>,
    {
        loop {
            tokio::select! {
                term = self.0.wait_for(|term| term.leads) => if term.is_err() { return },
                () = idle() => {}
            }
            let now = *self.0.borrow();
            if !now.leads {
                continue;
            }
            tokio::select! {
                // Of two changes in a row only the second one may be seen: then it is another term.
                term = self.0.wait_for(|term| *term != now) => if term.is_err() { return },
                () = work() => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_only_the_leader_does_begins_anew_each_time_and_ends_with_the_lead() {
        let (term, follow) = watch::channel(Term::default());
        let (begun, under_way) = (AtomicU32::new(0), AtomicU32::new(0));
        let work = || async {
            begun.fetch_add(1, Ordering::Relaxed);
            under_way.fetch_add(1, Ordering::Relaxed);
            let _ends = scopeguard(&under_way);
            std::future::pending::<()>().await;
        };
        let seen = async {
            let mut seen = Vec::new();
            for (number, leads) in [(0, false), (1, true), (1, false), (2, true), (3, true)] {
                term.send_replace(Term { number, leads });
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                seen.push((begun.load(Ordering::Relaxed), under_way.load(Ordering::Relaxed)));
            }
            seen
        };

        let seen = tokio::select! {
            () = Leading(follow).work(work, std::future::pending) => Vec::new(),
            seen = seen => seen,
        };

        assert_eq!(seen, [(0, 0), (1, 1), (1, 0), (2, 1), (3, 1)]);
    }

    /// Counts down when it is dropped.
    fn scopeguard(count: &AtomicU32) -> impl Drop + '_ {
        struct Guard<'count>(&'count AtomicU32);
        impl Drop for Guard<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        Guard(count)
    }
}
