//! What is to be in the routes, and what a route lacks of it.

use super::shares::{self, Turn};
use super::split::changes;
use crate::managed::{self, Managed};
use crate::observed::{RouteView, ServiceView};
use crate::plan::{BackendChange, LabelChange, RuleChange, WeightChange};
use crate::reference::{MOST_BACKENDS, Pair};
use crate::spec::{RouteReference, TrafficRouting, Weight};
use crate::status::Traffic;

/// What is to be in the routes.
pub(super) struct Aim<'a> {
    routing: &'a TrafficRouting,
    weight: Weight,
    managed: &'a Managed<'a>,
    shares: &'a [Turn<'a>],
    /// Managed routes that were asked for before.
    before: &'a [String],
    /// The same was asked for before: what is missing has been changed by somebody.
    asked_for_before: bool,
    was_in_progress: bool,
}

/// What is to be done to one route.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "findings that are true or not independently of each other"
)]
pub(super) struct Work {
    pub(super) changes: Vec<WeightChange>,
    pub(super) backends: Vec<BackendChange>,
    pub(super) rules: Vec<RuleChange>,
    pub(super) label: Option<LabelChange>,
    /// The label is missing although the same was asked for before.
    pub(super) label_is_gone: bool,
    /// Somebody has changed what was there.
    pub(super) is_drift: bool,
    /// Something that should go may not yet.
    pub(super) withheld: bool,
    /// Every rule that is asked for is there.
    pub(super) complete: bool,
}

impl<'a> Aim<'a> {
    pub(super) fn of(
        routing: &'a TrafficRouting,
        previous: Option<&'a Traffic>,
        weight: Weight,
        (managed, shares): (&'a Managed<'a>, &'a [Turn<'a>]),
    ) -> Self {
        let before = previous.map_or(&[][..], |traffic| &traffic.managed_routes);
        let was_asked_for = |name: &str| before.iter().any(|before| before == name);
        // The same share on another scale is written anew, and nobody has interfered.
        let is_same = |before: Weight| before == weight && before.whole() == weight.whole();
        let same_weight = previous.is_some_and(|traffic| is_same(traffic.requested));
        // Their weights come and go in turns.
        let names = shares.iter().map(Turn::service);
        let same_shares = previous.is_some_and(|traffic| {
            names.eq(traffic.additional.iter().map(|share| share.service_name.as_str()))
        });
        let mut asked = managed.asked.iter();
        Self {
            routing,
            weight,
            managed,
            shares,
            before,
            asked_for_before: same_weight && same_shares && asked.all(|asked| was_asked_for(asked.name())),
            was_in_progress: !before.is_empty()
                || previous.is_some_and(|traffic| traffic.requested > Weight::ZERO),
        }
    }

    /// What a route lacks.
    pub(super) fn work(
        &self,
        namespace: &str,
        stable: Option<&ServiceView>,
        (reference, route): (&RouteReference, &RouteView),
        pairs: &[Pair<'_>],
    ) -> Work {
        let shares = self.shares(namespace, reference);
        let rules = self.managed.changes(
            namespace,
            self.routing,
            self.before,
            (reference, route),
            pairs,
            self.weight,
        );
        let kept = || pairs.iter().filter(|pair| !rules.rewritten.contains(&pair.rule));
        let changes: Vec<_> = kept()
            .flat_map(|pair| changes(pair, self.weight, shares))
            .collect();
        let refs = |rule: usize| route.backends.iter().filter(move |backend| backend.rule == rule);
        let mut backends: Vec<_> = kept()
            .flat_map(|pair| {
                let room = MOST_BACKENDS.saturating_sub(refs(pair.rule).count());
                shares::backends(pair, shares, stable, room)
            })
            .collect();
        // A new ref can wait: a policy that refuses it is not to keep weights from being changed.
        backends.retain(|change| changes.is_empty() || matches!(change, BackendChange::Remove { .. }));
        let is_split = changes.is_empty() && backends.is_empty() && rules.changes.is_empty();
        let label = self.label_change(route, is_split);
        Work {
            label_is_gone: self.asked_for_before && matches!(label, Some(LabelChange::Set { .. })),
            label,
            changes,
            backends,
            rules: rules.changes,
            is_drift: self.asked_for_before && !rules.removes,
            withheld: rules.withheld,
            complete: rules.complete,
        }
    }

    /// The shares that a route can have: that one can't is told, and holds the rollout.
    fn shares(&self, namespace: &str, reference: &RouteReference) -> &'a [Turn<'a>] {
        if reference.namespace == namespace {
            self.shares
        } else {
            &[]
        }
    }

    /// Requests are sent to the canary, or may be from now on.
    fn is_in_progress(&self) -> bool {
        self.weight > Weight::ZERO || self.managed.may_add && !self.managed.asked.is_empty()
    }

    /// The label comes where it is missing once the progress is noted in the status, and goes only with what ends that: where
    /// another Rollout splits the same route, that one sets it again, and nobody fights. A label that nobody noted would stay.
    fn label_change(&self, route: &RouteView, is_split: bool) -> Option<LabelChange> {
        let label = self.routing.in_progress_label.as_ref()?;
        let may_end = self.was_in_progress || !is_split;
        match route.labels.get(&label.key) {
            None if self.was_in_progress && self.is_in_progress() => Some(LabelChange::Set {
                label: label.clone(),
                first: route.labels.is_empty().then(|| route.resource_version.clone()),
            }),
            Some(value) if !self.is_in_progress() && may_end && *value == label.value => {
                Some(LabelChange::Remove(label.clone()))
            }
            _ => None,
        }
    }

    /// The managed routes to remember.
    pub(super) fn remembered<'r>(
        &self,
        namespace: &str,
        frozen: bool,
        routes: impl Iterator<Item = (&'r RouteReference, &'r RouteView)> + Clone,
    ) -> Vec<String> {
        let asked = if self.managed.may_add && !frozen {
            &self.managed.asked[..]
        } else {
            &[]
        };
        managed::remembered(namespace, self.routing, asked, self.before, routes)
    }
}
