//! Two that write one route: how often the controller puts right what the other does, and what people are told.

use jiff::SignedDuration;

use super::FIELD_MANAGER;
use crate::draft::{Draft, after};
use crate::observed::{Observed, RouteView};
use crate::spec::{RouteKind, RouteReference, Spec};
use crate::status::Contest;

/// Corrections of one manager's weights that are made at once; from then on they back off.
pub(super) const FREE_CORRECTIONS: u32 = 3;
/// The longest time between two corrections: a contest never leaves traffic wrong for longer.
const LONGEST_CORRECTION_DELAY: SignedDuration = SignedDuration::from_secs(30);
/// Who takes part in a fight over labels: nobody can tell the name, since a label that is gone has no manager. No field
/// manager is called so.
pub(super) const LABELS: &str = "(labels)";

/// Whether weights that somebody else wrote are corrected now; counts the correction.
pub(super) fn may_write(
    draft: &mut Draft<'_>,
    contest: &mut Option<Contest>,
    reference: &RouteReference,
    route: &RouteView,
) -> bool {
    let manager = route.rules_manager.as_ref();
    let manager = manager.filter(|manager| *manager != FIELD_MANAGER);
    manager.is_none_or(|manager| may_correct(draft, contest, reference, manager))
}

/// Whether the label that somebody took away is set again now. A fight over weights is told first, and its back-off is
/// kept: the label waits until it is over, or goes with the weights.
pub(super) fn may_label(
    draft: &mut Draft<'_>,
    contest: &mut Option<Contest>,
    reference: &RouteReference,
) -> bool {
    let over_weights = contest.as_ref().is_some_and(|contest| contest.manager != LABELS);
    !over_weights && may_correct(draft, contest, reference, LABELS)
}

/// Whether what `manager` has undone is done again now; counts it.
fn may_correct(
    draft: &mut Draft<'_>,
    contest: &mut Option<Contest>,
    reference: &RouteReference,
    manager: &str,
) -> bool {
    let now = draft.now;
    let route = reference.to_string();
    let known = contest.as_ref().filter(|known| known.manager == manager);
    if let Some(known) = known {
        // Several routes that it writes at once are one correction.
        if known.corrected_at == now {
            return true;
        }
        let allowed = after(known.corrected_at, correction_delay(known.corrections));
        if now < allowed {
            draft.wake_at(allowed);
            return false;
        }
    }
    let corrections = known.map_or(0, |known| known.corrections).saturating_add(1);
    *contest = Some(Contest {
        route,
        manager: manager.to_owned(),
        corrections,
        corrected_at: now,
    });
    true
}

fn correction_delay(corrections: u32) -> SignedDuration {
    let doublings = corrections.saturating_sub(FREE_CORRECTIONS);
    if doublings == 0 {
        return SignedDuration::ZERO;
    }
    let seconds = 1_i64.checked_shl(doublings - 1).unwrap_or(i64::MAX);
    SignedDuration::from_secs(seconds).min(LONGEST_CORRECTION_DELAY)
}

/// Who writes what of which route, and how each of the tools in use is told to let it be.
pub(super) fn message(observed: &Observed, contest: &Contest) -> String {
    let routes = observed.routes.iter().map(|(reference, _)| reference);
    let contested = routes
        .into_iter()
        .find(|route| route.to_string() == contest.route);
    let kind = contested.map_or(RouteKind::Http, |route| route.kind);
    let routing = observed.spec.as_ref().ok().and_then(Spec::routing);
    if contest.manager == LABELS {
        let label = routing.and_then(|routing| routing.in_progress_label.as_ref());
        let key = label.map_or("", |label| &label.key);
        return format!(
            "somebody keeps taking the label \"{key}\" from {kind} \"{}\". Let it ignore that label: Argo CD: \
             ignoreDifferences with group gateway.networking.k8s.io, kind {kind}, jqPathExpressions \
             [.metadata.labels[\"{key}\"]], and the sync option RespectIgnoreDifferences=true; or write \
             disableInProgressLabel: true",
            contest.route
        );
    }
    let names: Vec<_> = routing
        .into_iter()
        .flat_map(|routing| &routing.managed_routes)
        .map(|name| name.replace('.', "[.]"))
        .collect();
    let (what, rules) = if names.is_empty() {
        ("weights", String::new())
    } else {
        let names = names.join("|");
        let rules =
            format!(" and [.spec.rules[] | select((.name // \"\") | test(\"^({names})(-[0-9]+)?$\"))]");
        ("weights, or the managed rules,", rules)
    };
    // A share has a ref of its own.
    let has_shares = !super::remembered_by(&observed.status).is_empty();
    let refs = if has_shares {
        "[.spec.rules[].backendRefs]"
    } else {
        "[.spec.rules[].backendRefs[].weight]"
    };
    format!(
        "\"{}\" keeps overwriting the {what} of {kind} \"{}\". Let it ignore them: Argo CD: ignoreDifferences with group \
         gateway.networking.k8s.io, kind {kind}, jqPathExpressions {refs}{rules}, and the \
         sync option RespectIgnoreDifferences=true; Flux: the annotation kustomize.toolkit.fluxcd.io/ssa: IfNotPresent \
         on the route",
        contest.manager, contest.route
    )
}
