//! A pod, in the words of kubectl.

use jiff::Timestamp;
use kube::api::DynamicObject;
use serde_json::Value;

use super::{Node, age, named};
use crate::mark::Mark;
use crate::output::{Cell, Paint};

/// Reasons of containers that are just coming up.
const COMING_UP: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// Reasons of containers whose image is not there (yet).
const WITHOUT_IMAGE: [&str; 4] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
];

pub(super) fn node(pod: &DynamicObject, now: Timestamp) -> Node {
    let containers = statuses(pod, "/status/containerStatuses");
    let is_ready = |status: &&&Value| status.get("ready").and_then(Value::as_bool) == Some(true);
    let ready = containers.iter().filter(is_ready).count();
    let all = pod.data.pointer("/spec/containers").and_then(Value::as_array);
    let all = all.map_or(containers.len(), Vec::len);
    let restarts = containers
        .iter()
        .filter_map(|status| status.get("restartCount")?.as_u64());
    let restarts: u64 = restarts.sum();
    let restarts = (restarts > 0).then(|| format!("restarts:{restarts}").into());
    let reason = reason(pod);
    Node {
        name: named("□", pod, Paint::Plain),
        kind: "Pod",
        status: mark(&reason, ready == all).with(&reason),
        age: age(pod, now),
        info: Cell::joined(
            [Cell::from(format!("ready:{ready}/{all}"))]
                .into_iter()
                .chain(restarts),
            ",",
        ),
        children: Vec::new(),
    }
}

fn statuses<'p>(pod: &'p DynamicObject, pointer: &str) -> Vec<&'p Value> {
    let statuses = pod.data.pointer(pointer).and_then(Value::as_array);
    statuses.into_iter().flatten().collect()
}

/// What kubectl shows as the status of a pod: the most telling of what its containers say, else its phase.
fn reason(pod: &DynamicObject) -> String {
    let text = |pointer: &str| pod.data.pointer(pointer).and_then(Value::as_str);
    if pod.metadata.deletion_timestamp.is_some() {
        return "Terminating".to_owned();
    }
    if let Some(initialising) = initialising(pod) {
        return initialising;
    }
    let containers = statuses(pod, "/status/containerStatuses");
    let waiting = containers
        .iter()
        .find_map(|status| status.pointer("/state/waiting/reason")?.as_str());
    let ended = containers
        .iter()
        .find_map(|status| status.pointer("/state/terminated/reason")?.as_str());
    let of_pod = text("/status/reason").or_else(|| text("/status/phase"));
    waiting.or(ended).or(of_pod).unwrap_or("Unknown").to_owned()
}

/// What the first container says that has to come to its end before the others begin.
fn initialising(pod: &DynamicObject) -> Option<String> {
    let containers = statuses(pod, "/status/initContainerStatuses");
    let done = |status: &&Value| {
        let code = status
            .pointer("/state/terminated/exitCode")
            .and_then(Value::as_i64);
        code == Some(0) || status.get("started").and_then(Value::as_bool) == Some(true)
    };
    let position = containers.iter().position(|status| !done(status))?;
    let status = containers.get(position)?;
    let ended = status.pointer("/state/terminated/reason").and_then(Value::as_str);
    let waiting = status.pointer("/state/waiting/reason").and_then(Value::as_str);
    let waiting = waiting.filter(|reason| !COMING_UP.contains(reason));
    Some(match ended.or(waiting) {
        Some(reason) => format!("Init:{reason}"),
        None => format!("Init:{position}/{}", containers.len()),
    })
}

fn mark(reason: &str, is_ready: bool) -> Mark {
    let of_container = reason.strip_prefix("Init:").unwrap_or(reason);
    if WITHOUT_IMAGE.contains(&of_container) {
        return Mark::Warning;
    }
    match of_container {
        "Running" if is_ready => Mark::Good,
        "Completed" | "Succeeded" => Mark::Good,
        "Running" | "Pending" | "Terminating" => Mark::Moving,
        "Unknown" => Mark::Unknown,
        coming_up if COMING_UP.contains(&coming_up) => Mark::Moving,
        // `Init:0/2`: nothing is wrong with it yet.
        counted if counted.starts_with(|first: char| first.is_ascii_digit()) => Mark::Moving,
        _ => Mark::Bad,
    }
}
