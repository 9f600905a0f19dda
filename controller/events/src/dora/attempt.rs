//! What became of one attempt to bring a revision to all users.

use jiff::{SignedDuration, Timestamp};
use kulta_core::history::{Fact, FactKind};
use kulta_core::spec::Weight;

/// The facts of one attempt that are known, in order.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attempt<'story> {
    facts: &'story [Fact],
}

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failure {
    /// When; the restoration where nothing else is known of it.
    pub(super) at: Timestamp,
    /// Whether users had met it.
    pub(super) reach: Reach,
    /// From the failure to the restoration.
    pub(super) recovery: Option<SignedDuration>,
    /// From the first weight in force to the restoration.
    pub(super) exposure: Option<SignedDuration>,
    /// Whether all traffic is back on the stable revision.
    pub(super) is_restored: bool,
}

/// Whether users had met an attempt before it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// They had, or it can't be ruled out since there is no traffic routing.
    Users,
    /// No weight above 0 was in force for it.
    NoUsers,
    /// Facts are missing that could tell.
    Unclear,
}

impl<'story> Attempt<'story> {
    /// The attempts of a life, by what was known of it at an instant.
    pub(super) fn all(facts: &'story [Fact], until: Timestamp) -> impl Iterator<Item = Self> {
        let known = facts.iter().take_while(move |fact| fact.time <= until).count();
        // The facts of an attempt follow each other without others between them.
        let chains = facts.get(..known).unwrap_or_default();
        let chains = chains.chunk_by(|before, after| before.chain == after.chain);
        chains
            .filter(|facts| facts.first().is_some_and(|first| first.chain.is_some()))
            .map(|facts| Self { facts })
    }

    /// The fact of its promotion.
    pub(super) fn promoted(&self) -> Option<&'story Fact> {
        self.find(|kind| kind == FactKind::Promoted)
    }

    /// When another attempt took its place.
    pub(super) fn superseded(&self) -> Option<Timestamp> {
        self.find(|kind| kind == FactKind::Superseded)
            .map(|fact| fact.time)
    }

    /// When it was last heard of.
    pub(super) fn last(&self) -> Option<Timestamp> {
        self.facts.last().map(|fact| fact.time)
    }

    /// When its revision was committed, as the event of the deployment tells it, else as that of its begin does.
    pub(super) fn committed(&self) -> Option<Timestamp> {
        let of = |fact: &Fact| fact.origin.as_ref()?.committed_at;
        self.promoted()
            .and_then(of)
            .or_else(|| self.facts.first().and_then(of))
    }

    /// How it failed, if it did.
    pub(super) fn failure(&self) -> Option<Failure> {
        let told = self.find(|kind| matches!(kind, FactKind::Aborted | FactKind::RolledBack));
        let restored = self.find(|kind| kind == FactKind::Restored);
        let failed = told.or(restored)?;
        let before = self.up_to(failed);
        let was_promoted = before.iter().any(|fact| fact.kind == FactKind::Promoted);
        let exposed = first_exposed(before);
        let reach = if was_promoted || exposed.is_some() || self.is_unrouted() {
            Reach::Users
        } else if is_whole(before) {
            Reach::NoUsers
        } else {
            Reach::Unclear
        };
        let since = |fact: &Fact| Some(restored?.time.duration_since(fact.time));
        Some(Failure {
            at: failed.time,
            reach,
            recovery: told.and_then(since),
            // A weight that may have been in force since before it was told has no begin.
            exposure: exposed
                .filter(|exposed| is_whole(self.up_to(exposed)))
                .and_then(since),
            is_restored: restored.is_some(),
        })
    }

    /// Whether nothing is known of any weight.
    fn is_unrouted(&self) -> bool {
        let is_bare = |fact: &Fact| fact.weight.is_none() && fact.in_force.is_none();
        self.facts.iter().all(is_bare)
    }

    fn find(&self, is: impl Fn(FactKind) -> bool) -> Option<&'story Fact> {
        self.facts.iter().find(|fact| is(fact.kind))
    }

    /// The facts up to and with one of them.
    fn up_to(&self, fact: &Fact) -> &'story [Fact] {
        let end = self
            .facts
            .partition_point(|other| other.sequence <= fact.sequence);
        self.facts.get(..end).unwrap_or(self.facts)
    }
}

/// The first fact at which users have met the revision.
///
/// A new revision can begin while the weight of the one before it is still in force: it has one of its own only when another
/// one is in force. A retry goes on with the revision that the weight was given to.
fn first_exposed(facts: &[Fact]) -> Option<&Fact> {
    let first = facts.first()?;
    let left_over = first.in_force.filter(|_| first.kind == FactKind::Started);
    let is_left_over = |fact: &&Fact| fact.kind != FactKind::WeightInForce && fact.in_force == left_over;
    let own = facts.iter().skip_while(is_left_over);
    let mut exposed = own.filter(|fact| fact.in_force.is_some_and(|weight| weight > Weight::ZERO));
    exposed.next()
}

/// Whether facts are known from the begin of the attempt on, and none between them is missing.
fn is_whole(facts: &[Fact]) -> bool {
    let begins = facts
        .first()
        .is_some_and(|first| first.kind.begins_chain() && first.chain == Some(first.sequence));
    let follow = facts
        .iter()
        .zip(facts.iter().skip(1))
        .all(|(before, after)| before.sequence.checked_add(1) == Some(after.sequence));
    begins && follow
}
