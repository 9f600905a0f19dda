//! What `strategy.blueGreen` means.

use jiff::SignedDuration;
use kulta_core::spec::{
    BlueGreen as Meaning, Method, Problem, Promotion, PromotionAnalysis, TrafficRouting as Routing, Whole,
};

use super::amounts::{DEFAULT_AMOUNT, max_unavailable as max_unavailable_of};
use super::parse::{Home, natural};
use super::{BlueGreen, TrafficRouting, routes, strategy};
use crate::analysis::{self, Place, RolloutAnalysis};

const PATH: &str = "spec.strategy.blueGreen";

// Defaults of Argo Rollouts.
const DEFAULT_SCALE_DOWN_DELAY_SECONDS: u32 = 30;
const DEFAULT_ABORT_SCALE_DOWN_DELAY_SECONDS: u32 = 30;

/// What `blue_green` means, and what is wrong with it.
pub(super) fn validate(
    home: Home<'_>,
    blue_green: &BlueGreen,
    problems: &mut Vec<Problem>,
) -> strategy::Meaning {
    let active_service = active_service(blue_green, problems);
    let preview_service = strategy::service(blue_green.preview_service.as_deref());
    let routing = match &blue_green.traffic_routing {
        None => Some(None),
        Some(written) => {
            let services = (active_service.as_ref(), preview_service.as_ref());
            routing(home, written, services, problems).map(|routing| Some(Box::new(routing)))
        }
    };
    let analysis = |place, written: Option<&RolloutAnalysis>, field, problems: &mut Vec<Problem>| {
        written.and_then(|written| promotion_analysis(place, written, &format!("{PATH}.{field}"), problems))
    };
    let pre = blue_green.pre_promotion_analysis.as_ref();
    let pre_promotion = analysis(Place::PrePromotion, pre, "prePromotionAnalysis", problems);
    let post = blue_green.post_promotion_analysis.as_ref();
    let post_promotion = analysis(Place::PostPromotion, post, "postPromotionAnalysis", problems);
    let mut number = |written, field: &str| natural(written, &format!("{PATH}.{field}"), problems);
    let preview_replicas = number(blue_green.preview_replica_count, "previewReplicaCount");
    let auto_promotion = number(blue_green.auto_promotion_seconds, "autoPromotionSeconds");
    let limit = number(
        blue_green.scale_down_delay_revision_limit,
        "scaleDownDelayRevisionLimit",
    );
    let (scale_down_delay, abort_scale_down_delay) = delays(blue_green, problems);
    let path = format!("{PATH}.maxUnavailable");
    let max_unavailable =
        max_unavailable_of(home.group, blue_green.max_unavailable.as_ref(), &path, problems);
    let promotion_gates = strategy::promotion_gates(blue_green.promotion_gates.as_deref(), PATH, problems);
    let method = active_service
        .zip(routing)
        .map(|(active_service, routing)| Meaning {
            active_service,
            preview_service,
            routing,
            preview_replicas,
            promotion: promotion(blue_green.auto_promotion_enabled, auto_promotion),
            pre_promotion,
            post_promotion,
            scale_down_delay,
            scale_down_delay_revision_limit: limit,
            abort_scale_down_delay,
        });
    strategy::Meaning {
        steps: Vec::new(),
        background: None,
        promotion_gates,
        progress_threshold: None,
        max_unavailable: max_unavailable.unwrap_or(DEFAULT_AMOUNT),
        method: method.map(Method::BlueGreen),
    }
}

/// How long old pods stay up, and those of the new version after an abort (None: for ever).
fn delays(blue_green: &BlueGreen, problems: &mut Vec<Problem>) -> (SignedDuration, Option<SignedDuration>) {
    let mut number = |written, field: &str| natural(written, &format!("{PATH}.{field}"), problems);
    let delay = number(blue_green.scale_down_delay_seconds, "scaleDownDelaySeconds");
    let abort_delay = number(
        blue_green.abort_scale_down_delay_seconds,
        "abortScaleDownDelaySeconds",
    );
    let abort_delay = abort_delay.unwrap_or(DEFAULT_ABORT_SCALE_DOWN_DELAY_SECONDS);
    (
        seconds(delay.unwrap_or(DEFAULT_SCALE_DOWN_DELAY_SECONDS)),
        (abort_delay > 0).then(|| seconds(abort_delay)),
    )
}

fn seconds(seconds: u32) -> SignedDuration {
    SignedDuration::from_secs(i64::from(seconds))
}

fn promotion(enabled: Option<bool>, after: Option<u32>) -> Promotion {
    match after {
        _ if enabled == Some(false) => Promotion::ByHand,
        None | Some(0) => Promotion::AtOnce,
        Some(after) => Promotion::After(seconds(after)),
    }
}

/// None only where `problems` tells why.
fn active_service(blue_green: &BlueGreen, problems: &mut Vec<Problem>) -> Option<String> {
    let active = strategy::service(blue_green.active_service.as_deref());
    let path = format!("{PATH}.activeService");
    if active.is_none() {
        let message = "must be set; name the Service that all users ask";
        problems.push(Problem::new(path, message));
    } else if active == strategy::service(blue_green.preview_service.as_deref()) {
        let message = "This rollout uses the same service for the active and preview services, but two different \
                       services are required.";
        problems.push(Problem::new(path, message));
    }
    active
}

fn promotion_analysis(
    place: Place,
    written: &RolloutAnalysis,
    path: &str,
    problems: &mut Vec<Problem>,
) -> Option<PromotionAnalysis> {
    if written.starting_step.is_some() {
        let message = "blueGreen has no steps; take it out";
        problems.push(Problem::new(format!("{path}.startingStep"), message));
    }
    let analysis = analysis::validate(place, written, path, problems)?;
    Some(PromotionAnalysis {
        hash: strategy::hash_of(written),
        analysis,
    })
}

/// Where users are switched by routes. None only where `problems` tells why: such a Rollout must not be taken for one whose
/// users are switched by the active Service.
fn routing(
    home: Home<'_>,
    written: &TrafficRouting,
    (active_service, preview_service): (Option<&String>, Option<&String>),
    problems: &mut Vec<Problem>,
) -> Option<Routing> {
    if preview_service.is_none() {
        let message = "must be set with trafficRouting: its routes send users to activeService and to previewService; name \
                       the Service of the new version";
        problems.push(Problem::new(format!("{PATH}.previewService"), message));
    }
    refuse_canary_only(written, problems);
    // The plugin of Argo Rollouts knows canaries only.
    let routes = if written.plugins.is_some() {
        routes::Routes::default()
    } else {
        let in_percent = TrafficRouting {
            max_traffic_weight: None,
            ..written.clone()
        };
        routes::validate(home, Some(&in_percent), PATH, problems)
    };
    Some(Routing {
        routes: routes.named,
        selectors: routes.selectors,
        in_progress_label: None,
        managed_routes: Vec::new(),
        whole: Whole::HUNDRED,
        stable_service: active_service?.clone(),
        canary_service: preview_service?.clone(),
    })
}

/// What of the traffic routing of a canary means nothing here: whoever relies on it is told.
fn refuse_canary_only(written: &TrafficRouting, problems: &mut Vec<Problem>) {
    let path = format!("{PATH}.trafficRouting");
    if written.plugins.is_some() {
        let message =
            "the plugin of Argo Rollouts knows canaries only; name the routes in trafficRouting.gatewayAPI";
        problems.push(Problem::new(format!("{path}.plugins"), message));
    }
    if written.max_traffic_weight.is_some() {
        let message = "blueGreen sends all users to one version or the other: its weights are 0 and 100 percent; take it out";
        problems.push(Problem::new(format!("{path}.maxTrafficWeight"), message));
    }
    let message =
        "rules of the controller's own are set by steps, which blueGreen does not have; take it out";
    if written.managed_routes.is_some() {
        problems.push(Problem::new(format!("{path}.managedRoutes"), message));
    }
    let own = written.gateway_api.iter();
    let lists = own.flat_map(|own| [("httpRoutes", &own.http_routes), ("grpcRoutes", &own.grpc_routes)]);
    for (field, routes) in lists {
        let routes = routes.iter().flatten().enumerate();
        for (index, _) in routes.filter(|(_, route)| route.use_header_routes.is_some()) {
            let path = format!("{path}.gatewayAPI.{field}[{index}].useHeaderRoutes");
            problems.push(Problem::new(path, message));
        }
    }
}
