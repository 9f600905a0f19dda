//! A revision's ReplicaSet.

use jiff::Timestamp;
use kube::api::DynamicObject;
use kulta_api::names::{HASH_LABEL, SCALE_DOWN_DEADLINE_ANNOTATION};
use serde_json::Value;

use super::{Node, Role, age, named, owned, pod};
use crate::age::short;
use crate::mark::Mark;
use crate::output::Cell;
use crate::rollout::{Rollout, revision};

pub(super) fn node(replica_set: &DynamicObject, role: Role, pods: &[DynamicObject], now: Timestamp) -> Node {
    let uid = replica_set.metadata.uid.as_deref().unwrap_or_default();
    let mut pods = owned(pods, uid);
    pods.sort_by(|one, other| one.metadata.name.cmp(&other.metadata.name));
    let delay = delay(replica_set, now).map(Cell::from);
    Node {
        name: named("⧉", replica_set, role.paint()),
        kind: "ReplicaSet",
        status: status(replica_set),
        age: age(replica_set, now),
        info: Cell::joined(role.tag().into_iter().chain(delay), ","),
        children: pods.into_iter().map(|pod| pod::node(pod, now)).collect(),
    }
}

pub(super) fn role(replica_set: &DynamicObject, rollout: Rollout<'_>) -> Role {
    let labels = replica_set.metadata.labels.as_ref();
    let hash = labels.and_then(|labels| labels.get(HASH_LABEL));
    Role::of(hash.map(String::as_str), rollout)
}

/// Pods that are available.
pub(super) fn available(replica_set: &DynamicObject) -> u64 {
    number(replica_set, "/status/availableReplicas")
}

fn number(replica_set: &DynamicObject, pointer: &str) -> u64 {
    let number = replica_set.data.pointer(pointer).and_then(Value::as_u64);
    number.unwrap_or(0)
}

fn status(replica_set: &DynamicObject) -> Cell {
    let wanted = number(replica_set, "/spec/replicas");
    if wanted == 0 && number(replica_set, "/status/replicas") == 0 {
        return Mark::Neutral.with("ScaledDown");
    }
    if is_failing(replica_set) {
        return Mark::Bad.with("Degraded");
    }
    let observed = replica_set
        .data
        .pointer("/status/observedGeneration")
        .and_then(Value::as_i64);
    let is_observed = observed >= replica_set.metadata.generation;
    let is_settled = number(replica_set, "/status/replicas") == wanted && available(replica_set) >= wanted;
    if is_observed && is_settled {
        Mark::Good.with("Healthy")
    } else {
        Mark::Moving.with("Progressing")
    }
}

fn is_failing(replica_set: &DynamicObject) -> bool {
    let conditions = replica_set
        .data
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| {
        condition.get("type").and_then(Value::as_str) == Some("ReplicaFailure")
            && condition.get("status").and_then(Value::as_str) == Some("True")
    })
}

/// How long its pods stay up yet though nobody needs them.
fn delay(replica_set: &DynamicObject, now: Timestamp) -> Option<String> {
    let annotations = replica_set.metadata.annotations.as_ref()?;
    let deadline: Timestamp = annotations.get(SCALE_DOWN_DEADLINE_ANNOTATION)?.parse().ok()?;
    Some(if deadline <= now {
        "delay:passed".to_owned()
    } else {
        format!("delay:{}", short(deadline.duration_since(now)))
    })
}

/// The images of all revisions that have pods, those of the newest first, with what they are.
pub(super) fn images(replica_sets: &[&DynamicObject], rollout: Rollout<'_>) -> Vec<Cell> {
    let mut with_pods: Vec<_> = replica_sets
        .iter()
        .filter(|replica_set| number(replica_set, "/spec/replicas") > 0)
        .collect();
    with_pods.sort_by_key(|replica_set| std::cmp::Reverse(revision(replica_set)));
    let mut images: Vec<(String, Vec<Role>)> = Vec::new();
    for replica_set in with_pods {
        let role = role(replica_set, rollout);
        let containers = replica_set.data.pointer("/spec/template/spec/containers");
        let containers = containers.and_then(Value::as_array).into_iter().flatten();
        for image in containers.filter_map(|container| container.get("image")?.as_str()) {
            match images.iter_mut().find(|(known, _)| known == image) {
                Some((_, roles)) if roles.contains(&role) => {}
                Some((_, roles)) => roles.push(role),
                None => images.push((image.to_owned(), vec![role])),
            }
        }
    }
    images
        .into_iter()
        .map(|(image, roles)| {
            let tags = Cell::joined(roles.into_iter().filter_map(Role::tag), ", ");
            if tags.is_empty() {
                image.into()
            } else {
                Cell::from(image).and(" (").and(tags).and(")")
            }
        })
        .collect()
}
