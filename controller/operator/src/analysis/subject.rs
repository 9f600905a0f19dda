//! What a plugin is told of the Rollout that it judges.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kulta_api::analysis::Arguments;
use kulta_core::analysis::verdict::Subject;

use crate::key::ObjectKey;
use crate::watch::{Rollout, Tables};

/// The subject of `metric` in an analysis that began at `started_at`; `owner` is the Rollout's name.
pub(super) fn of(
    tables: &Tables,
    run: &ObjectKey,
    owner: Option<&str>,
    hash: Option<&str>,
    metric: &str,
    started_at: Timestamp,
) -> Subject {
    let key = owner.map(|owner| run.beside(owner));
    let rollout = key.as_ref().and_then(|key| tables.rollouts.get(key));
    let facts = rollout.map(|rollout| facts(tables, rollout, hash));
    Subject {
        namespace: run.namespace.clone(),
        name: owner.unwrap_or(&run.name).to_owned(),
        metric: metric.to_owned(),
        started_at,
        facts: facts.unwrap_or_default(),
    }
}

/// The names are those of the interface (`plugin-sdk/wit/analysis.wit`, `subject.facts`).
fn facts(tables: &Tables, rollout: &Rollout, hash: Option<&str>) -> BTreeMap<String, String> {
    let status = &rollout.status;
    let available = |hash: &str| {
        let replica_sets = tables.relations.replica_sets_of(&rollout.uid);
        let mut found = replica_sets.filter_map(|name| tables.replica_sets.get(name));
        found
            .find(|found| found.view.hash == hash)
            .map(|found| found.view.available.to_string())
    };
    let (stable_service, canary_service) = rollout
        .readable_spec()
        .map_or((None, None), |spec| spec.services());
    let stable = status.stable_hash.as_deref();
    let weight = status.traffic.as_ref().and_then(|traffic| traffic.in_force);
    let known = [
        ("stable-service", stable_service.map(str::to_owned)),
        ("canary-service", canary_service.map(str::to_owned)),
        ("stable-hash", stable.map(str::to_owned)),
        ("canary-hash", hash.map(str::to_owned)),
        ("stable-replicas", stable.and_then(available)),
        ("canary-replicas", hash.and_then(available)),
        (
            "revision",
            rollout.view.revision.map(|revision| revision.to_string()),
        ),
        (
            "step-index",
            status.current_step_index.map(|index| index.to_string()),
        ),
        ("weight", weight.map(|weight| weight.percent().to_string())),
    ];
    known
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
}

/// The facts that arguments are.
pub(super) fn arguments(arguments: &Arguments) -> impl Iterator<Item = (String, String)> {
    let name = |name: &str| format!("arg.{name}");
    arguments
        .iter()
        .map(move |(known, value)| (name(known), value.clone()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::watch::samples::{key, put};
    use crate::watch::{Caches, ReplicaSet, samples};

    fn subject(caches: &Caches, owner: Option<&str>) -> Subject {
        caches.read(|tables| {
            of(
                tables,
                &key("web-abc-2"),
                owner,
                Some("abc"),
                "errors",
                Timestamp::UNIX_EPOCH,
            )
        })
    }

    #[test]
    fn of_a_rollout_are_its_services_revisions_and_weight() {
        let caches = Caches::default();
        let mut rollout = samples::rollout("web");
        rollout["status"] = json!({
            "stableRS": "old", "currentStepIndex": 1,
            "canary": {
                "inForce": 20, "requestedAt": "2026-01-01T00:00:00Z",
                "weights": {"canary": {"weight": 20}, "stable": {"weight": 80}, "verified": true},
            },
        });
        put::<Rollout>(&caches, &rollout);
        put::<ReplicaSet>(&caches, &samples::replica_set("web", "abc"));

        let subject = subject(&caches, Some("web"));

        let fact = |name: &str| subject.facts.get(name).map(String::as_str);
        assert_eq!(
            (subject.name.as_str(), subject.metric.as_str()),
            ("web", "errors")
        );
        assert_eq!(fact("canary-service"), Some("web-canary"));
        assert_eq!(
            (fact("stable-hash"), fact("canary-hash")),
            (Some("old"), Some("abc"))
        );
        assert_eq!((fact("step-index"), fact("weight")), (Some("1"), Some("20")));
        assert_eq!(fact("canary-replicas"), Some("1"));
    }

    #[test]
    fn arguments_are_facts() {
        let given = Arguments::from([("service".to_owned(), "web".to_owned())]);

        let facts: Vec<_> = arguments(&given).collect();

        assert_eq!(facts, [("arg.service".to_owned(), "web".to_owned())]);
    }

    #[test]
    fn without_a_rollout_there_are_no_facts() {
        let subject = subject(&Caches::default(), None);

        assert_eq!(subject.name, "web-abc-2");
        assert!(subject.facts.is_empty());
    }
}
