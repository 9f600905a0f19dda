//! What the object of a lease says, and how it is changed. Pure.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::ObjectMeta;
use tokio::time::Instant;

use super::DURATION;

/// A lease that was given back says so by the shortest duration, as other controllers write it.
const RELEASED_SECONDS: i32 = 1;

/// What may be done with a lease.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is the own one.
    Renew,
    /// It is free, or has run out.
    Take,
    /// It is somebody else's.
    Wait {
        /// Who it is.
        holder: String,
        /// When it may be taken, unless it is renewed.
        left: Duration,
    },
}

/// The version of the lease that was last seen, and since when.
#[derive(Debug, Default)]
pub(super) struct Sighted {
    last: Option<(String, Instant)>,
    /// Somebody else who held it when it was seen last, and until when that one may count on it.
    other: Option<(String, Instant)>,
}

impl Sighted {
    /// What may be done with `lease`, as read at `now`. A renewal is a new version: the time that the holder has left is
    /// counted from when that was first seen here.
    pub(super) fn turn(&mut self, lease: &Lease, identity: &str, now: Instant) -> Turn {
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        let since = match &self.last {
            Some((last, since)) if *last == version => *since,
            _ => now,
        };
        self.last = Some((version, since));
        let holder = holder(lease);
        let before = self.other.take().filter(|(before, _)| before == holder);
        if !holder.is_empty() && holder != identity {
            // Who was told that it lasts so long counts on that, whatever somebody has written into it since.
            let until = since + duration(lease);
            let until = before.map_or(until, |(_, before)| until.max(before));
            self.other = Some((holder.to_owned(), until));
        }
        if holder == identity {
            Turn::Renew
        } else {
            self.turn_without(now)
        }
    }

    /// What may be done where there is no lease at `now`. That somebody has deleted it ends nobody's claim.
    pub(super) fn turn_without(&self, now: Instant) -> Turn {
        let other = self.other.as_ref();
        match other.map(|(holder, until)| (holder, until.saturating_duration_since(now))) {
            Some((holder, left)) if !left.is_zero() => Turn::Wait {
                holder: holder.clone(),
                left,
            },
            Some(_) | None => Turn::Take,
        }
    }
}

/// Who holds it; empty: nobody.
pub(crate) fn holder(lease: &Lease) -> &str {
    let spec = lease.spec.as_ref();
    spec.and_then(|spec| spec.holder_identity.as_deref())
        .unwrap_or_default()
}

/// How long its holder has asked for it.
fn duration(lease: &Lease) -> Duration {
    let spec = lease.spec.as_ref();
    let seconds = spec.and_then(|spec| spec.lease_duration_seconds);
    let seconds = seconds.and_then(|seconds| u64::try_from(seconds).ok());
    seconds.map_or(DURATION, Duration::from_secs)
}

/// One that was not there before.
pub(super) fn new(name: &str, identity: &str, now: Timestamp) -> Lease {
    let mut lease = Lease {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        ..Lease::default()
    };
    lease.spec = Some(LeaseSpec {
        lease_transitions: Some(0),
        ..held(identity, now)
    });
    lease
}

/// `lease`, held for a while longer by the same.
pub(super) fn renewed(mut lease: Lease, now: Timestamp) -> Lease {
    let spec = lease.spec.get_or_insert_default();
    spec.renew_time = Some(MicroTime(now));
    spec.lease_duration_seconds = Some(seconds(DURATION));
    lease
}

/// `lease`, held by another one from now on.
pub(super) fn taken(mut lease: Lease, identity: &str, now: Timestamp) -> Lease {
    let spec = lease.spec.get_or_insert_default();
    let transitions = spec.lease_transitions.unwrap_or(0).saturating_add(1);
    let held = held(identity, now);
    spec.holder_identity = held.holder_identity;
    spec.lease_duration_seconds = held.lease_duration_seconds;
    spec.acquire_time = held.acquire_time;
    spec.renew_time = held.renew_time;
    spec.lease_transitions = Some(transitions);
    lease
}

/// `lease`, held by nobody.
pub(super) fn released(mut lease: Lease) -> Lease {
    let spec = lease.spec.get_or_insert_default();
    spec.holder_identity = Some(String::new());
    spec.lease_duration_seconds = Some(RELEASED_SECONDS);
    lease
}

fn held(identity: &str, now: Timestamp) -> LeaseSpec {
    LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        lease_duration_seconds: Some(seconds(DURATION)),
        acquire_time: Some(MicroTime(now)),
        renew_time: Some(MicroTime(now)),
        ..LeaseSpec::default()
    }
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "kulta-0";

    fn lease(holder: &str, version: &str) -> Lease {
        let mut lease = new("lock", holder, Timestamp::UNIX_EPOCH);
        lease.metadata.resource_version = Some(version.to_owned());
        lease
    }

    fn waits_for(holder: &str, left: Duration) -> Turn {
        Turn::Wait {
            holder: holder.to_owned(),
            left,
        }
    }

    #[test]
    fn one_that_nobody_holds_is_taken_at_once() {
        let free = released(lease("argo", "1"));

        assert_eq!(Sighted::default().turn(&free, OWN, Instant::now()), Turn::Take);
    }

    #[test]
    fn the_own_one_is_renewed() {
        let own = lease(OWN, "1");

        assert_eq!(Sighted::default().turn(&own, OWN, Instant::now()), Turn::Renew);
    }

    #[test]
    fn one_of_somebody_else_is_taken_when_it_was_not_renewed_for_its_duration() {
        let mut sighted = Sighted::default();
        let begun = Instant::now();
        let theirs = lease("argo", "1");

        assert_eq!(sighted.turn(&theirs, OWN, begun), waits_for("argo", DURATION));
        let left = Duration::from_millis(1);
        let almost = begun + DURATION - left;
        assert_eq!(sighted.turn(&theirs, OWN, almost), waits_for("argo", left));
        assert_eq!(sighted.turn(&theirs, OWN, begun + DURATION), Turn::Take);
    }

    #[test]
    fn a_renewal_begins_the_duration_anew() {
        let mut sighted = Sighted::default();
        let begun = Instant::now();
        sighted.turn(&lease("argo", "1"), OWN, begun);

        let renewed = sighted.turn(&lease("argo", "2"), OWN, begun + DURATION);

        assert_eq!(renewed, waits_for("argo", DURATION));
    }

    #[test]
    fn the_duration_is_the_one_that_its_holder_has_written() {
        let mut sighted = Sighted::default();
        let begun = Instant::now();
        let mut short = lease("argo", "1");
        short.spec.get_or_insert_default().lease_duration_seconds = Some(2);

        sighted.turn(&short, OWN, begun);

        let later = begun + Duration::from_secs(2);
        assert_eq!(sighted.turn(&short, OWN, later), Turn::Take);
    }

    #[test]
    fn whoever_takes_it_counts_the_transition_and_keeps_the_rest() {
        let mut theirs = lease("argo", "7");
        theirs.spec.get_or_insert_default().lease_transitions = Some(3);

        let taken = taken(theirs, OWN, Timestamp::UNIX_EPOCH);

        let spec = taken.spec.unwrap();
        assert_eq!(
            (spec.holder_identity.as_deref(), spec.lease_transitions),
            (Some(OWN), Some(4))
        );
        assert_eq!(taken.metadata.resource_version.as_deref(), Some("7"));
    }
}
