//! Series of Rollouts.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use kulta_core::spec::Spec;
use kulta_core::status::{ConditionType, Reason, Status};
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;

use super::series::{Labels, of_object, with, write};
use crate::key::ObjectKey;
use crate::metrics::argo::{ArgoCounts, Counted};
use crate::watch::{Caches, Rollout};

/// The phases that `rollout_phase` tells of.
const PHASES: [&str; 6] = ["Completed", "Progressing", "Paused", "Timeout", "Error", "Abort"];
/// The router of a canary with routes. Argo Rollouts tells none where a plugin is asked.
const ROUTER: &str = "GatewayAPI";

type Rollouts = BTreeMap<ObjectKey, Arc<Rollout>>;

pub(super) fn encode(
    encoder: &mut DescriptorEncoder<'_>,
    caches: &Caches,
    counts: Option<&ArgoCounts>,
) -> fmt::Result {
    let rollouts = caches.read(|tables| tables.rollouts.clone());
    information(encoder, &rollouts)?;
    numbers(encoder, &rollouts)?;
    let counted = counts.map_or_else(BTreeMap::new, |counts| {
        counts.of(|key| rollouts.contains_key(key))
    });
    counters(encoder, &counted)
}

fn information(encoder: &mut DescriptorEncoder<'_>, rollouts: &Rollouts) -> fmt::Result {
    write(
        encoder,
        ("rollout_info", "Rollouts, with their phase"),
        MetricType::Gauge,
        rollouts.iter().map(|(key, rollout)| {
            let (strategy, router) = strategy(rollout.readable_spec());
            let phase = ("phase", phase(&rollout.status));
            let labels = [("strategy", strategy), ("traffic_router", router), phase];
            (with(key, labels), 1)
        }),
    )?;
    write(
        encoder,
        (
            "rollout_phase",
            "Whether a Rollout is in a phase (use rollout_info instead)",
        ),
        MetricType::Gauge,
        rollouts.iter().flat_map(|(key, rollout)| {
            let (strategy, _) = strategy(rollout.readable_spec());
            let is = phase(&rollout.status);
            PHASES.map(|phase| {
                let labels = with(key, [("strategy", strategy), ("phase", phase)]);
                (labels, i64::from(is == phase))
            })
        }),
    )
}

fn numbers(encoder: &mut DescriptorEncoder<'_>, rollouts: &Rollouts) -> fmt::Result {
    let mut of_status = |name, number: fn(&Status) -> i64| {
        let series = rollouts.iter();
        let series = series.map(|(key, rollout)| (of_object(key), number(&rollout.status)));
        write(encoder, name, MetricType::Gauge, series)
    };
    of_status(
        ("rollout_info_replicas_available", "Available pods of a Rollout"),
        |status| status.available_replicas.into(),
    )?;
    of_status(
        (
            "rollout_info_replicas_unavailable",
            "Pods of a Rollout that are not available",
        ),
        |status| i64::from(status.replicas) - i64::from(status.available_replicas),
    )?;
    of_status(
        (
            "rollout_info_replicas_updated",
            "Pods of the current version of a Rollout",
        ),
        |status| status.updated_replicas.into(),
    )?;
    write(
        encoder,
        ("rollout_info_replicas_desired", "Pods that a Rollout is to have"),
        MetricType::Gauge,
        rollouts.iter().filter_map(|(key, rollout)| {
            let spec = rollout.readable_spec()?;
            Some((of_object(key), spec.replicas.into()))
        }),
    )
}

fn counters(encoder: &mut DescriptorEncoder<'_>, counted: &BTreeMap<ObjectKey, Counted>) -> fmt::Result {
    let mut family = encoder.encode_descriptor(
        "rollout_reconcile",
        "How long reconciles of a Rollout took, in seconds",
        None,
        MetricType::Histogram,
    )?;
    for (key, counted) in counted {
        counted
            .reconciles
            .encode(family.encode_family(&of_object(key))?)?;
    }
    write(
        encoder,
        ("rollout_reconcile_error", "Reconciles of a Rollout that failed"),
        MetricType::Unknown,
        counted.iter().map(|(key, counted)| {
            let errors = i64::try_from(counted.errors).unwrap_or(i64::MAX);
            (of_object(key), errors)
        }),
    )?;
    let mut family = encoder.encode_descriptor(
        "rollout_events",
        "Kubernetes Events about a Rollout",
        None,
        MetricType::Counter,
    )?;
    for (key, counted) in counted {
        for ((kind, reason), number) in &counted.events {
            let labels: Labels<'_> = with(key, [("type", kind), ("reason", reason)]);
            let exemplar: Option<&Exemplar<Labels<'_>, f64>> = None;
            family.encode_family(&labels)?.encode_counter(number, exemplar)?;
        }
    }
    Ok(())
}

/// The strategy, and the router of its traffic.
fn strategy(spec: Option<&Spec>) -> (&'static str, &'static str) {
    let Some(spec) = spec else {
        return ("unknown", "");
    };
    let strategy = if spec.blue_green().is_some() {
        "blueGreen"
    } else {
        "canary"
    };
    (strategy, if spec.routing().is_some() { ROUTER } else { "" })
}

/// The phase by Argo Rollouts' rules for metrics, which are others than those of the status.
fn phase(status: &Status) -> &'static str {
    if status.condition(ConditionType::InvalidSpec).is_some() {
        return "InvalidSpec";
    }
    match status
        .condition(ConditionType::Progressing)
        .map(|told| told.reason)
    {
        Some(Reason::NewReplicaSetAvailable) => "Completed",
        Some(Reason::RolloutPaused) => "Paused",
        Some(Reason::ReplicaSetCreateError) => "Error",
        Some(Reason::ProgressDeadlineExceeded) => "Timeout",
        Some(Reason::RolloutAborted) => "Abort",
        _ => "Progressing",
    }
}
