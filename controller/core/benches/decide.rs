//! How long one decision takes: a canary of ten steps with ten revisions, in the middle of its way.
#![allow(
    missing_docs,
    clippy::expect_used,
    reason = "a benchmark: a panic is how it says that it was not set up right"
)]

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use jiff::{SignedDuration, Timestamp};
use kulta_core::history::{Cause, Fact, FactKind, Origin};
use kulta_core::observed::{
    BackendView, ExperimentRefs, Observed, ParentReport, PortTarget, Presence, ReplicaSetView, RolloutView,
    RouteView, ServicePort, ServiceView, Settings, Sinks, TemplateCheck, TemplateView, Verdict,
};
use kulta_core::revision::TemplateDigest;
use kulta_core::spec::{
    Method, Route, RouteKind, RouteReference, RoutedCanary, RunHistory, Spec, Step, TrafficRouting, Weight,
    Whole,
};
use kulta_core::status::{Status, Traffic};

const REVISIONS: u64 = 10;
const REPLICAS: u32 = 10;
/// A history of a few rollouts.
const FACTS: u64 = 100;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + second).expect("a time within the calendar")
}

fn percent(weight: u32) -> Weight {
    Weight::new(weight).expect("a percentage")
}

fn hash(revision: u64) -> String {
    TemplateDigest::stored(format!("{revision:064}")).pod_hash(0)
}

fn replica_set(revision: u64) -> ReplicaSetView {
    let size = match REVISIONS - revision {
        0 => REPLICAS * 4 / 10,
        1 => REPLICAS,
        _ => 0,
    };
    ReplicaSetView {
        injected: kulta_core::spec::PodMetadata::default(),
        own_keys: kulta_core::spec::PodKeys::default(),
        injecting: None,
        is_observed: true,
        name: format!("web-{}", hash(revision)),
        uid: revision.to_string(),
        resource_version: revision.to_string(),
        hash: hash(revision),
        digest: Some(TemplateDigest::stored(format!("{revision:064}"))),
        revision,
        created: at(0),
        owned: true,
        spec_replicas: size,
        min_ready_seconds: 0,
        replicas: size,
        ready: size,
        available: size,
        scale_down_deadline: None,
        desired_replicas: Some(REPLICAS),
        failure: None,
        image: None,
    }
}

fn spec() -> Spec {
    let route = reference();
    Spec {
        pods: kulta_core::spec::PodRules::default(),
        replicas: REPLICAS,
        selector: "app=web".to_owned(),
        template_labels: BTreeMap::from([("app".to_owned(), "web".to_owned())]),
        min_ready_seconds: 0,
        revision_history_limit: 10,
        run_history: RunHistory::default(),
        paused: false,
        progress_deadline: SignedDuration::from_mins(10),
        progress_deadline_abort: false,
        rollback_window: 0,
        progress_threshold: None,
        steps: (1..=10).map(|step| Step::SetWeight(percent(step * 10))).collect(),
        steps_hash: "steps".to_owned(),
        background: None,
        promotion_gates: None,
        workload: None,
        method: Method::Routed(RoutedCanary {
            routing: TrafficRouting {
                routes: vec![Route {
                    reference: route,
                    path: String::new(),
                    takes_managed_rules: true,
                }],
                selectors: Vec::new(),
                in_progress_label: None,
                managed_routes: Vec::new(),
                whole: Whole::HUNDRED,
                stable_service: "stable".to_owned(),
                canary_service: "canary".to_owned(),
            },
            scale_down_delay: SignedDuration::from_secs(30),
            abort_scale_down_delay: Some(SignedDuration::from_secs(30)),
            dynamic_stable_scale: false,
            scale_down_delay_revision_limit: None,
            min_pods_per_replica_set: 0,
        }),
    }
}

fn service(name: &str, selects: u64) -> Presence<ServiceView> {
    Presence::Present(ServiceView {
        name: name.to_owned(),
        resource_version: "1".to_owned(),
        selector: BTreeMap::from([("app".to_owned(), "web".to_owned())]),
        selects: Some(hash(selects)),
        managed_by: Some("web".to_owned()),
        ports: vec![ServicePort {
            number: 80,
            name: None,
            target: PortTarget::Number(8080),
        }],
        ready_endpoints: BTreeMap::from([(hash(selects), REPLICAS)]),
    })
}

fn route() -> Presence<RouteView> {
    let backend = |index: usize, name: &str, weight: u32| BackendView {
        rule: 0,
        index,
        is_service: true,
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        port: Some(80),
        weight: Some(weight),
    };
    let verdict = || {
        Some(Verdict {
            holds: true,
            observed_generation: 5,
            message: "Accepted".to_owned(),
        })
    };
    let parent = "infra/edge".to_owned();
    Presence::Present(RouteView {
        generation: 5,
        backends: vec![backend(0, "stable", 60), backend(1, "canary", 40)],
        resource_version: String::new(),
        labels: BTreeMap::new(),
        rules: Vec::new(),
        parents: vec![parent.clone()],
        reports: vec![ParentReport {
            parent,
            accepted: verdict(),
            resolved_refs: verdict(),
        }],
        rules_manager: Some(kulta_core::FIELD_MANAGER.to_owned()),
    })
}

fn fact(sequence: u64) -> Fact {
    Fact {
        sequence,
        revision: Some(hash(REVISIONS)),
        step: Some(1),
        weight: Some(percent(20)),
        ..Fact::new(FactKind::StepCompleted, Cause::Controller, at(0))
    }
}

fn reference() -> RouteReference {
    RouteReference {
        kind: RouteKind::Http,
        namespace: "shop".to_owned(),
        name: "web".to_owned(),
    }
}

fn status() -> Status {
    Status {
        observed_generation: Some(10),
        current_pod_hash: Some(hash(REVISIONS)),
        current_step_hash: Some("steps".to_owned()),
        current_step_index: Some(3),
        stable_hash: Some(hash(REVISIONS - 1)),
        traffic: Some(Traffic {
            requested: percent(40),
            requested_at: at(0),
            in_force: Some(percent(30)),
            verified: false,
            contest: None,
            managed_routes: Vec::new(),
            additional: Vec::new(),
        }),
        history: (1..=FACTS).map(fact).collect(),
        ..Status::default()
    }
}

/// The fourth step's weight is in force: the decision makes a step and tells it.
fn observed() -> Observed {
    let reference = reference();
    let digest = TemplateDigest::stored(format!("{REVISIONS:064}"));
    Observed {
        pods: kulta_core::observed::Pods::NotListed,
        rollout: RolloutView {
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
            generation: 10,
            revision: Some(REVISIONS),
            workload_generation: None,
            origin: Origin::default(),
            lacks_replicas: false,
        },
        spec: Ok(spec()),
        analysis_problems: Vec::new(),
        plugin_problems: Vec::new(),
        awaits_plugins: false,
        status: status(),
        template: TemplateView {
            digest,
            image: None,
            check: TemplateCheck::Known,
        },
        workload: None,
        replica_sets: (1..=REVISIONS).map(replica_set).collect(),
        stable_service: Some(service("stable", REVISIONS - 1)),
        canary_service: Some(service("canary", REVISIONS)),
        analysis_runs: Vec::new(),
        analysis_names_taken: std::collections::BTreeSet::new(),
        experiment_refs: ExperimentRefs::default(),
        routes: vec![(reference, route())],
        overlaps_with: None,
        failure: None,
        sinks: Sinks::default(),
        settings: Settings::default(),
    }
}

fn decide(criterion: &mut Criterion) {
    let making_a_step = observed();
    let plan = kulta_core::decide(&making_a_step, at(10));
    assert_eq!(
        plan.status.current_step_index,
        Some(4),
        "the decision makes a step"
    );
    criterion.bench_function("decide/ten steps, ten revisions, making a step", |bencher| {
        bencher.iter(|| kulta_core::decide(black_box(&making_a_step), black_box(at(10))));
    });
    let mut at_rest = observed();
    at_rest.status = plan.status;
    if let Ok(spec) = &mut at_rest.spec {
        spec.paused = true;
    }
    at_rest.status = kulta_core::decide(&at_rest, at(11)).status;
    let idle = kulta_core::decide(&at_rest, at(11));
    assert!(
        idle.actions.is_empty() && idle.status == at_rest.status,
        "there is nothing to do"
    );
    criterion.bench_function("decide/ten steps, ten revisions, nothing to do", |bencher| {
        bencher.iter(|| kulta_core::decide(black_box(&at_rest), black_box(at(11))));
    });
}

criterion_group!(benches, decide);
criterion_main!(benches);
