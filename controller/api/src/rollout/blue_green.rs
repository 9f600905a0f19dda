//! What `strategy.blueGreen` means.

use jiff::SignedDuration;
use kulta_core::spec::{BlueGreen as Meaning, Method, Problem, Promotion, PromotionAnalysis};

use super::amounts::{DEFAULT_AMOUNT, max_unavailable as max_unavailable_of};
use super::parse::{Home, natural};
use super::{BlueGreen, strategy};
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
    refuse_unknown(blue_green, problems);
    let active_service = active_service(blue_green, problems);
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
    let delay = number(blue_green.scale_down_delay_seconds, "scaleDownDelaySeconds");
    let limit = number(
        blue_green.scale_down_delay_revision_limit,
        "scaleDownDelayRevisionLimit",
    );
    let abort_delay = number(
        blue_green.abort_scale_down_delay_seconds,
        "abortScaleDownDelaySeconds",
    );
    let path = format!("{PATH}.maxUnavailable");
    let max_unavailable = blue_green.max_unavailable.as_ref();
    let max_unavailable = max_unavailable_of(home.group, max_unavailable, &path, problems);
    let promotion_gates = strategy::promotion_gates(blue_green.promotion_gates.as_deref(), PATH, problems);
    let method = active_service.map(|active_service| Meaning {
        active_service,
        preview_service: strategy::service(blue_green.preview_service.as_deref()),
        preview_replicas,
        promotion: promotion(blue_green.auto_promotion_enabled, auto_promotion),
        pre_promotion,
        post_promotion,
        scale_down_delay: seconds(delay.unwrap_or(DEFAULT_SCALE_DOWN_DELAY_SECONDS)),
        scale_down_delay_revision_limit: limit,
        abort_scale_down_delay: match abort_delay.unwrap_or(DEFAULT_ABORT_SCALE_DOWN_DELAY_SECONDS) {
            0 => None,
            delay => Some(seconds(delay)),
        },
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

/// Fields of Argo Rollouts that mean nothing here: whoever relies on one is told.
fn refuse_unknown(blue_green: &BlueGreen, problems: &mut Vec<Problem>) {
    if blue_green.traffic_routing.is_some() {
        let message = "blueGreen switches the selector of activeService and no route; let the route name activeService, \
                       and take it out";
        problems.push(Problem::new(format!("{PATH}.trafficRouting"), message));
    }
}
