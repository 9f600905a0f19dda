//! What is in a namespace, as text: for the one who has to find out why something did not come true.

use std::fmt::Write as _;

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::{Event, Pod};
use kube::ResourceExt;
use kube::api::{DynamicObject, ListParams};
use kulta_api::names::HASH_LABEL;

use crate::settings::limits;
use crate::stage::Stage;

/// Rollouts with their status, weights of routes, ReplicaSets, pods and the last events of a stage's namespace.
pub async fn namespace(stage: &Stage) -> String {
    let all = ListParams::default();
    let mut text = String::new();
    section(&mut text, "rollouts", stage.rollouts().list(&all).await, rollout);
    section(&mut text, "routes", stage.routes().list(&all).await, route);
    section(
        &mut text,
        "replica sets",
        stage.api::<ReplicaSet>().list(&all).await,
        replica_set,
    );
    section(&mut text, "pods", stage.api::<Pod>().list(&all).await, pod);
    let events = stage.api::<Event>().list(&all).await.map(|mut events| {
        events.items.sort_by_key(seen);
        let old = events.items.len().saturating_sub(limits::EVENTS_SHOWN);
        events.items.drain(..old);
        events
    });
    section(&mut text, "events", events, event);
    text
}

fn section<K: Clone>(
    text: &mut String,
    title: &str,
    found: kube::Result<kube::core::ObjectList<K>>,
    line: impl Fn(&K) -> String,
) {
    let lines = match found {
        Ok(list) => list.items.iter().map(line).collect(),
        Err(error) => vec![format!("  cannot be read: {error}")],
    };
    // Writing to a string never fails.
    let _ = writeln!(text, "-- {title}\n{}", lines.join("\n"));
}

fn rollout(rollout: &DynamicObject) -> String {
    let status = rollout.data.get("status").map(serde_json::to_string_pretty);
    let status = status
        .and_then(Result::ok)
        .unwrap_or_else(|| String::from("no status"));
    format!(
        "{} (generation {:?}) {status}",
        rollout.name_any(),
        rollout.metadata.generation
    )
}

fn route(route: &DynamicObject) -> String {
    let part = |path: &str| {
        route
            .data
            .pointer(path)
            .map(ToString::to_string)
            .unwrap_or_default()
    };
    format!(
        "  {} {} {}",
        route.name_any(),
        part("/spec/rules"),
        part("/status/parents")
    )
}

fn replica_set(set: &ReplicaSet) -> String {
    let wanted = set
        .spec
        .as_ref()
        .and_then(|spec| spec.replicas)
        .unwrap_or_default();
    let status = set.status.as_ref();
    let (all, available) = status.map_or((0, 0), |status| {
        (status.replicas, status.available_replicas.unwrap_or(0))
    });
    format!(
        "  {} wants {wanted}, has {all}, available {available}",
        set.name_any()
    )
}

fn pod(pod: &Pod) -> String {
    let hash = pod.labels().get(HASH_LABEL).cloned().unwrap_or_default();
    let leaving = if pod.metadata.deletion_timestamp.is_some() {
        ", leaving"
    } else {
        ""
    };
    let Some(status) = &pod.status else {
        return format!("  {} ({hash}) no status", pod.name_any());
    };
    let containers = status.container_statuses.iter().flatten().map(|container| {
        let state = container.state.as_ref();
        let waiting = state
            .and_then(|state| state.waiting.as_ref())
            .and_then(|waiting| waiting.reason.clone());
        let ended = state
            .and_then(|state| state.terminated.as_ref())
            .map(|ended| format!("exit {}", ended.exit_code));
        let state = waiting.or(ended).unwrap_or_default();
        format!(
            "{} ready={} restarts={} {state}",
            container.name, container.ready, container.restart_count
        )
    });
    let containers: Vec<String> = containers.collect();
    let phase = status.phase.as_deref().unwrap_or("?");
    format!(
        "  {} ({hash}) {phase}{leaving}: {}",
        pod.name_any(),
        containers.join("; ")
    )
}

fn event(event: &Event) -> String {
    let object = &event.involved_object;
    format!(
        "  {} {} {}/{}: {}",
        event.type_.as_deref().unwrap_or_default(),
        event.reason.as_deref().unwrap_or_default(),
        object.kind.as_deref().unwrap_or_default(),
        object.name.as_deref().unwrap_or_default(),
        event.message.as_deref().unwrap_or_default()
    )
}

/// When an event was last seen; the two fields are those of the old and the new events API.
fn seen(event: &Event) -> Option<k8s_openapi::jiff::Timestamp> {
    let last = event.last_timestamp.as_ref().map(|time| time.0);
    last.or_else(|| event.event_time.as_ref().map(|time| time.0))
        .or_else(|| event.metadata.creation_timestamp.as_ref().map(|time| time.0))
}
