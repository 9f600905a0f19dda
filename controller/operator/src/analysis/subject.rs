//! What a plugin is told of the Rollout that it judges.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kulta_api::analysis::Arguments;
use kulta_core::analysis::verdict::Subject;
use kulta_core::history::{Fact, FactKind};
use kulta_core::status::Status;

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
    let view = |hash: &str| {
        let replica_sets = tables.relations.replica_sets_of(&rollout.uid);
        let mut found = replica_sets.filter_map(|name| tables.replica_sets.get(name));
        found
            .find(|found| found.view.hash == hash)
            .map(|found| &found.view)
    };
    let available = |hash: &str| view(hash).map(|view| view.available.to_string());
    let image = |hash: &str| view(hash)?.image.clone();
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
        ("service-port", service_port(tables, rollout, canary_service)),
        ("stable-image", stable.and_then(image)),
        ("canary-image", hash.and_then(image)),
        ("step-started-at", step_started_at(status)),
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

/// The port that the first route of the Rollout sends to its canary Service on.
fn service_port(tables: &Tables, rollout: &Rollout, canary_service: Option<&str>) -> Option<String> {
    let routing = rollout.readable_spec()?.routing()?;
    let mut routes = routing
        .routes
        .iter()
        .filter_map(|named| tables.route(&named.reference));
    let port = routes.find_map(|route| {
        let mut backends = route.backends.iter();
        backends
            .find(|backend| backend.is_service && Some(backend.name.as_str()) == canary_service)?
            .port
    });
    port.map(|port| port.to_string())
}

/// When the step under way began, in milliseconds: with the attempt, or when the one before it was done.
fn step_started_at(status: &Status) -> Option<String> {
    status.current_step_index?;
    let begins = |fact: &&Fact| {
        matches!(
            fact.kind,
            FactKind::Started | FactKind::Retried | FactKind::StepsChanged | FactKind::StepCompleted
        )
    };
    let begun = status.history.iter().rfind(begins)?;
    Some(begun.time.as_millisecond().to_string())
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
    use kulta_api::names::REVISION_ANNOTATION;
    use serde_json::json;

    use super::*;
    use crate::watch::samples::{key, put};
    use crate::watch::{Caches, HttpRoute, ReplicaSet, samples};

    /// The interface, as plugin authors read it.
    const INTERFACE: &str = include_str!("../../../../plugin-sdk/wit/analysis.wit");

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
        rollout["metadata"]["annotations"] = json!({REVISION_ANNOTATION: "2"});
        rollout["status"] = json!({
            "stableRS": "old", "currentStepIndex": 1,
            "history": [
                {"sequence": 1, "time": "2026-01-01T00:00:00Z", "kind": "Started", "cause": "Spec"},
                {"sequence": 2, "time": "2026-01-01T00:00:01.5Z", "kind": "StepCompleted", "cause": "Controller", "step": 0},
                {"sequence": 3, "time": "2026-01-01T00:00:02Z", "kind": "Paused", "cause": "Controller"},
            ],
            "canary": {
                "inForce": 20, "requestedAt": "2026-01-01T00:00:00Z",
                "weights": {"canary": {"weight": 20}, "stable": {"weight": 80}, "verified": true},
            },
        });
        put::<Rollout>(&caches, &rollout);
        put::<HttpRoute>(&caches, &samples::route("web"));
        for hash in ["abc", "old"] {
            let mut replica_set = samples::replica_set("web", hash);
            let containers = json!([{"name": "main", "image": format!("registry.example/web:{hash}")}]);
            replica_set["spec"]["template"]["spec"]["containers"] = containers;
            put::<ReplicaSet>(&caches, &replica_set);
        }

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
        assert_eq!(fact("service-port"), Some("80"));
        assert_eq!(fact("step-started-at"), Some("1767225601500"));
        assert_eq!(
            (fact("stable-image"), fact("canary-image")),
            (Some("registry.example/web:old"), Some("registry.example/web:abc"))
        );
        let missing: Vec<_> = promised().filter(|name| fact(name).is_none()).collect();
        assert_eq!(missing, Vec::<&str>::new());
    }

    /// The facts that the interface names.
    fn promised() -> impl Iterator<Item = &'static str> {
        let (_, rest) = INTERFACE.split_once("What else is known").unwrap();
        let (names, _) = rest.split_once("facts:").unwrap();
        // `arg.<name>` stands for many, and the label of pods is no fact.
        let quoted = names.split('`').skip(1).step_by(2);
        quoted.filter(|name| !name.contains(['<', '_']) && *name != "rollouts-pod-template-hash")
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
