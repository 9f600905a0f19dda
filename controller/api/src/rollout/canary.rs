//! What `strategy.canary` means.

use jiff::SignedDuration;
use kulta_core::spec::{Amount, BackgroundAnalysis, Method, Problem, RoutedCanary, Step, TrafficRouting};

use super::amounts::{DEFAULT_AMOUNT, amount, max_unavailable};
use super::parse::{Home, natural};
use super::strategy::{self, Meaning};
use super::{Canary, managed, routes, steps};
use crate::Group;
use crate::analysis::{self, Place};

const PATH: &str = "spec.strategy.canary";

// Defaults of Argo Rollouts.
const DEFAULT_SCALE_DOWN_DELAY: SignedDuration = SignedDuration::from_secs(30);
const DEFAULT_ABORT_SCALE_DOWN_DELAY: SignedDuration = SignedDuration::from_secs(30);

/// What `canary` means, and what is wrong with it.
pub(super) fn validate(home: Home<'_>, canary: &Canary, problems: &mut Vec<Problem>) -> Meaning {
    let stable_service = strategy::service(canary.stable_service.as_deref());
    let canary_service = strategy::service(canary.canary_service.as_deref());
    if stable_service.is_some() && stable_service == canary_service {
        problems.push(Problem::new(
            format!("{PATH}.stableService"),
            "This rollout uses the same service for the stable and canary services, but two different services are \
             required.",
        ));
    }
    let steps = steps::validate(canary, PATH, problems);
    // Checked with traffic routing as well: Argo Rollouts does so, and a wrong amount would wait there unseen.
    let amounts = amounts(home.group, canary, problems);
    let method = if canary.traffic_routing.is_some() {
        routed(home, canary, &steps, stable_service, canary_service, problems).map(Method::Routed)
    } else {
        refuse_routed_only(home.group, canary, problems);
        amounts.map(|(max_surge, max_unavailable)| Method::Basic {
            stable_service,
            canary_service,
            max_surge,
            max_unavailable,
        })
    };
    Meaning {
        steps,
        background: background(canary, problems),
        promotion_gates: strategy::promotion_gates(canary.promotion_gates.as_deref(), PATH, problems),
        progress_threshold: progress_threshold(home.group, canary, problems),
        max_unavailable: amounts.map_or(DEFAULT_AMOUNT, |(_, max_unavailable)| max_unavailable),
        method,
    }
}

/// How many of the wanted pods are enough to go on. Argo Rollouts takes a negative value for none.
fn progress_threshold(group: Group, canary: &Canary, problems: &mut Vec<Problem>) -> Option<Amount> {
    let written = canary.replica_progress_threshold.as_ref()?;
    let path = format!("{PATH}.replicaProgressThreshold");
    let is_unset = group == Group::Argo && written.value < 0;
    let value = natural(
        (!is_unset).then_some(written.value),
        &format!("{path}.value"),
        problems,
    );
    match written.kind.as_str() {
        "Pods" => value.map(Amount::Pods),
        "Percent" => {
            if group == Group::Kulta && value.is_some_and(|percent| percent > 100) {
                let message = "must not be greater than 100 percent; all pods are 100 percent";
                problems.push(Problem::new(format!("{path}.value"), message));
            }
            value.map(Amount::Percent)
        }
        other => {
            let message = format!("{other:?} is not known; write Percent or Pods");
            problems.push(Problem::new(format!("{path}.type"), message));
            None
        }
    }
}

/// The analysis beside the steps.
fn background(canary: &Canary, problems: &mut Vec<Problem>) -> Option<BackgroundAnalysis> {
    let written = canary.analysis.as_ref()?;
    let path = format!("{PATH}.analysis");
    let before = problems.len();
    let resolved = analysis::validate(Place::Background, written, &path, problems);
    let starting_step =
        natural(written.starting_step, &format!("{path}.startingStep"), problems).unwrap_or(0);
    let count = canary.steps.as_ref().map_or(0, Vec::len);
    if starting_step > 0 && usize::try_from(starting_step).is_ok_and(|step| step >= count) {
        let message = format!(
            "there is no step {starting_step}: the last of {count} is {}",
            count.saturating_sub(1)
        );
        problems.push(Problem::new(format!("{path}.startingStep"), message));
    }
    let analysis = resolved.filter(|_| problems.len() == before)?;
    Some(BackgroundAnalysis {
        analysis,
        hash: strategy::hash_of(written),
        starting_step,
    })
}

fn routed(
    home: Home<'_>,
    canary: &Canary,
    steps: &[Step],
    stable_service: Option<String>,
    canary_service: Option<String>,
    problems: &mut Vec<Problem>,
) -> Option<RoutedCanary> {
    for (field, name) in [
        ("stableService", &stable_service),
        ("canaryService", &canary_service),
    ] {
        if name.is_none() {
            let message =
                "Canary service and Stable service must to be set to use Traffic Routing; name a Service";
            problems.push(Problem::new(format!("{PATH}.{field}"), message));
        }
    }
    let routes = routes::validate(home, canary.traffic_routing.as_ref(), PATH, problems);
    let routing_path = format!("{PATH}.trafficRouting");
    let managed_routes = canary.traffic_routing.as_ref();
    let managed_routes = managed_routes.map(|routing| managed::names(routing, &routing_path, problems));
    managed::check_effect(home.group, steps, &routes.named, &routing_path, problems);
    let dynamic_stable_scale = canary.dynamic_stable_scale.unwrap_or(false);
    let (scale_down_delay, abort_scale_down_delay) = delays(canary, dynamic_stable_scale, problems);
    let revision_limit = natural(
        canary.scale_down_delay_revision_limit,
        &format!("{PATH}.scaleDownDelayRevisionLimit"),
        problems,
    );
    let min_pods = natural(
        canary.min_pods_per_replica_set,
        &format!("{PATH}.minPodsPerReplicaSet"),
        problems,
    );
    let routing = TrafficRouting {
        routes: routes.named,
        selectors: routes.selectors,
        in_progress_label: routes.label,
        managed_routes: managed_routes.unwrap_or_default(),
        whole: routes.whole,
        stable_service: stable_service?,
        canary_service: canary_service?,
    };
    Some(RoutedCanary {
        routing,
        scale_down_delay,
        scale_down_delay_revision_limit: revision_limit,
        abort_scale_down_delay,
        dynamic_stable_scale,
        min_pods_per_replica_set: min_pods.unwrap_or(0),
    })
}

fn delays(
    canary: &Canary,
    dynamic_stable_scale: bool,
    problems: &mut Vec<Problem>,
) -> (SignedDuration, Option<SignedDuration>) {
    let path = format!("{PATH}.scaleDownDelaySeconds");
    let scale_down_delay = natural(canary.scale_down_delay_seconds, &path, problems);
    if dynamic_stable_scale && canary.scale_down_delay_seconds.is_some() {
        problems.push(Problem::new(
            format!("{PATH}.dynamicStableScale"),
            "Canary dynamicStableScale cannot be used with scaleDownDelaySeconds; take one out",
        ));
    }
    let path = format!("{PATH}.abortScaleDownDelaySeconds");
    let abort_scale_down_delay = match natural(canary.abort_scale_down_delay_seconds, &path, problems) {
        Some(0) => None,
        Some(seconds) => Some(SignedDuration::from_secs(i64::from(seconds))),
        // With dynamicStableScale the canary shrinks as traffic leaves it, unless a delay is asked for.
        None if dynamic_stable_scale => Some(SignedDuration::ZERO),
        None => Some(DEFAULT_ABORT_SCALE_DOWN_DELAY),
    };
    let scale_down_delay = scale_down_delay.map_or(DEFAULT_SCALE_DOWN_DELAY, |seconds| {
        SignedDuration::from_secs(i64::from(seconds))
    });
    (scale_down_delay, abort_scale_down_delay)
}

/// Argo Rollouts refuses only some of what means nothing without traffic routing.
fn refuse_routed_only(group: Group, canary: &Canary, problems: &mut Vec<Problem>) {
    let is_own = group == Group::Kulta;
    let routed_only = [
        ("scaleDownDelaySeconds", canary.scale_down_delay_seconds.is_some()),
        (
            "scaleDownDelayRevisionLimit",
            is_own && canary.scale_down_delay_revision_limit.is_some(),
        ),
        (
            "abortScaleDownDelaySeconds",
            is_own && canary.abort_scale_down_delay_seconds.is_some(),
        ),
        ("dynamicStableScale", canary.dynamic_stable_scale == Some(true)),
        (
            "minPodsPerReplicaSet",
            is_own && canary.min_pods_per_replica_set.is_some(),
        ),
    ];
    for (field, _) in routed_only.into_iter().filter(|(_, written)| *written) {
        let message = format!(
            "Canary {field} can only be used with traffic routing; write trafficRouting.gatewayAPI.httpRoutes or take \
             {field} out"
        );
        problems.push(Problem::new(format!("{PATH}.{field}"), message));
    }
}

fn amounts(group: Group, canary: &Canary, problems: &mut Vec<Problem>) -> Option<(Amount, Amount)> {
    let max_surge = amount(
        group,
        canary.max_surge.as_ref(),
        &format!("{PATH}.maxSurge"),
        problems,
    );
    let path = format!("{PATH}.maxUnavailable");
    let max_unavailable = max_unavailable(group, canary.max_unavailable.as_ref(), &path, problems);
    let (max_surge, max_unavailable) = (max_surge?, max_unavailable?);
    if is_zero(max_surge) && is_zero(max_unavailable) {
        problems.push(Problem::new(
            format!("{PATH}.maxSurge"),
            "MaxSurge and MaxUnavailable both can not be zero; allow at least one pod more or one pod less",
        ));
    }
    Some((max_surge, max_unavailable))
}

fn is_zero(amount: Amount) -> bool {
    matches!(amount, Amount::Pods(0) | Amount::Percent(0))
}
