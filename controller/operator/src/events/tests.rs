use kulta_core::history::Cause;
use kulta_core::observed::ApplyFailure;
use kulta_core::revision::TemplateDigest;
use kulta_core::spec::{RouteKind, RouteReference};
use kulta_core::status::{AnalysisReference, BlueGreenState, Traffic};

use super::*;
use crate::scenario::{plan, sighting};
use kulta_core::observed::{AnalysisRunView, Judge, Sharing};

fn fact(kind: FactKind) -> Fact {
    Fact {
        sequence: 1,
        revision: Some("new".to_owned()),
        from: Some("old".to_owned()),
        ..Fact::new(kind, Cause::Controller, "2026-03-01T12:00:00Z".parse().unwrap())
    }
}

fn create() -> Action {
    Action::CreateReplicaSet {
        name: "web-new".to_owned(),
        hash: "new".to_owned(),
        digest: TemplateDigest::stored("d1gest"),
        revision: 2,
        min_ready_seconds: 0,
        desired_replicas: 4,
        metadata: kulta_core::spec::PodMetadata::default(),
        apart_from: None,
    }
}

fn scale(from: u32, to: u32) -> Action {
    Action::ScaleReplicaSet {
        name: "web-old".to_owned(),
        resource_version: "40".to_owned(),
        revision: 1,
        from,
        to,
        min_ready_seconds: 0,
        desired_replicas: 4,
    }
}

fn point(from: Option<&str>) -> Action {
    Action::PointService {
        name: "web-canary".to_owned(),
        resource_version: "30".to_owned(),
        from: from.map(str::to_owned),
        to: "new".to_owned(),
    }
}

fn told(fact: &Fact) -> Option<(&'static str, String)> {
    let notice = of_fact(fact, &sighting().observed, &plan(vec![create()]))?;
    Some((notice.reason.as_str(), notice.note))
}

#[test]
fn actions_are_told_in_argos_words() {
    let cases = [
        (
            create(),
            "NewReplicaSetCreated",
            "Created ReplicaSet web-new (revision 2)",
        ),
        (
            Action::AnnotateRollout {
                revision: Some(2),
                workload_generation: None,
                replicas: None,
            },
            "RolloutUpdated",
            "Rollout updated to revision 2",
        ),
        (
            scale(0, 3),
            "ScalingReplicaSet",
            "Scaled up ReplicaSet web-old (revision 1) from 0 to 3",
        ),
        (
            scale(3, 0),
            "ScalingReplicaSet",
            "Scaled down ReplicaSet web-old (revision 1) from 3 to 0",
        ),
        (
            point(Some("old")),
            "SwitchService",
            "Switched selector for service 'web-canary' from 'old' to 'new'",
        ),
        (
            point(None),
            "SwitchService",
            "Switched selector for service 'web-canary' from '' to 'new'",
        ),
    ];
    for (action, reason, note) in cases {
        let notice = of_action(&action).unwrap();
        assert_eq!((notice.reason.as_str(), notice.note.as_str()), (reason, note));
    }
}

#[test]
fn actions_that_keep_the_books_are_not_told() {
    let route = RouteReference {
        kind: RouteKind::Http,
        namespace: "edge".to_owned(),
        name: "web".to_owned(),
    };
    for action in [
        scale(3, 3),
        Action::SetRouteWeights {
            route,
            generation: 1,
            changes: Vec::new(),
            backends: Vec::new(),
            rules: Vec::new(),
            label: None,
        },
        Action::SetScaleDownDeadline {
            name: "web-old".to_owned(),
            resource_version: "40".to_owned(),
            deadline: None,
        },
    ] {
        assert_eq!(of_action(&action), None, "{action:?}");
    }
}

/// Facts of a rollout that goes its way.
fn on_the_way() -> Vec<(Fact, &'static str, &'static str)> {
    let step = Fact {
        step: Some(0),
        ..fact(FactKind::StepCompleted)
    };
    let weight = Fact {
        weight: Some(Weight::new(25).unwrap()),
        ..fact(FactKind::WeightRequested)
    };
    let pause = Fact {
        message: "CanaryPauseStep".to_owned(),
        ..fact(FactKind::Paused)
    };
    let started = "Rollout not completed, started update to revision 2 (new)";
    vec![
        (fact(FactKind::Started), "RolloutNotCompleted", started),
        (
            step,
            "RolloutStepCompleted",
            "Rollout step 1/2 completed (setWeight: 25)",
        ),
        (
            weight,
            "TrafficWeightUpdated",
            "Traffic weight updated from 0 to 25",
        ),
        (pause, "RolloutPaused", "Rollout is paused (CanaryPauseStep)"),
        (fact(FactKind::Paused), "RolloutPaused", "Rollout is paused"),
        (fact(FactKind::Resumed), "RolloutResumed", "Rollout is resumed"),
    ]
}

/// Facts of the ends that a rollout may come to.
fn at_the_end() -> Vec<(Fact, &'static str, &'static str)> {
    let first = Fact {
        from: None,
        ..fact(FactKind::Promoted)
    };
    let aborted = "Rollout aborted update to revision 2";
    let all_steps = "Rollout completed update to revision 2 (new): Completed all 2 canary steps";
    let first_deploy = "Rollout completed update to revision 2 (new): Initial deploy";
    let within_window = "Rollback to active ReplicaSets within RollbackWindow";
    let skipped = Fact {
        message: within_window.to_owned(),
        ..fact(FactKind::StepsSkipped)
    };
    vec![
        (
            fact(FactKind::RolledBack),
            "SkipSteps",
            "Rollback to stable ReplicaSets",
        ),
        (skipped, "SkipSteps", within_window),
        (fact(FactKind::Aborted), "RolloutAborted", aborted),
        (
            fact(FactKind::Retried),
            "RolloutRetry",
            "Retrying Rollout after abort",
        ),
        (fact(FactKind::Promoted), "RolloutCompleted", all_steps),
        (first, "RolloutCompleted", first_deploy),
    ]
}

#[test]
fn facts_are_told_in_argos_words() {
    for (fact, reason, note) in on_the_way().into_iter().chain(at_the_end()) {
        assert_eq!(told(&fact), Some((reason, note.to_owned())));
    }
}

#[test]
fn analyses_are_told_in_argos_words() {
    let run = |phase| AnalysisRunView {
        judge: Judge::AnalysisRun,
        name: "web-new-2".to_owned(),
        uid: "uid-run".to_owned(),
        resource_version: "60".to_owned(),
        created: "2026-03-01T12:00:00Z".parse().unwrap(),
        hash: None,
        definition: None,
        terminate: false,
        phase,
        message: "Metric \"errors\" assessed Failed".to_owned(),
        evidence: Vec::new(),
        sharing: Sharing::default(),
    };
    let mut observed = sighting().observed;
    observed.analysis_runs = vec![run(AnalysisPhase::Failed)];
    let mut plan = plan(Vec::new());
    plan.status.analyses.background = Some(AnalysisReference {
        name: "web-new-2".to_owned(),
        phase: AnalysisPhase::Running,
        message: String::new(),
        paused: false,
        judge: Judge::AnalysisRun,
    });
    let told = |kind, message: &str| {
        let fact = Fact {
            message: message.to_owned(),
            ..fact(kind)
        };
        let notice = of_fact(&fact, &observed, &plan).unwrap();
        (notice.reason.event_type(), notice.note)
    };

    let running = "Background Analysis Run 'web-new-2' Status New: 'Running' Previous: ''";
    assert_eq!(
        told(FactKind::AnalysisStarted, "web-new-2"),
        ("Normal", running.to_owned())
    );
    let failed = "Background Analysis Run 'web-new-2' Status New: 'Failed' Previous: 'Running': Metric \"errors\" \
                  assessed Failed";
    let ended = told(FactKind::AnalysisCompleted, "web-new-2: Failed: Metric");
    assert_eq!(ended, ("Warning", failed.to_owned()));
}

#[test]
fn the_number_of_a_revision_is_known_from_its_replica_set_too() {
    let known = Fact {
        revision: Some("old".to_owned()),
        ..fact(FactKind::Aborted)
    };
    let unknown = Fact {
        revision: Some("lost".to_owned()),
        ..fact(FactKind::Aborted)
    };

    assert_eq!(told(&known).unwrap().1, "Rollout aborted update to revision 1");
    assert_eq!(
        told(&unknown).unwrap().1,
        "Rollout aborted update to revision (lost)"
    );
}

#[test]
fn a_renumbered_revision_is_told_with_its_new_number() {
    let renumber = Action::RecordRevision {
        name: "web-old".to_owned(),
        resource_version: "40".to_owned(),
        revision: 3,
        digest: TemplateDigest::stored("d1gest"),
    };
    let back = Fact {
        revision: Some("old".to_owned()),
        ..fact(FactKind::Started)
    };

    let notice = of_fact(&back, &sighting().observed, &plan(vec![renumber])).unwrap();

    assert_eq!(
        notice.note,
        "Rollout not completed, started update to revision 3 (old)"
    );
}

#[test]
fn a_full_promotion_by_the_user_says_so() {
    let mut observed = sighting().observed;
    observed.status.promote_full = true;

    let notice = of_fact(&fact(FactKind::Promoted), &observed, &plan(vec![create()])).unwrap();

    assert_eq!(
        notice.note,
        "Rollout completed update to revision 2 (new): Full promotion requested"
    );
}

#[test]
fn a_weight_that_is_asked_for_again_is_not_told() {
    let mut observed = sighting().observed;
    let weight = Weight::new(25).unwrap();
    observed.status.traffic = Some(Traffic {
        requested: weight,
        requested_at: "2026-03-01T12:00:00Z".parse().unwrap(),
        in_force: None,
        verified: false,
        contest: None,
        managed_routes: Vec::new(),
        additional: Vec::new(),
    });
    let again = Fact {
        weight: Some(weight),
        ..fact(FactKind::WeightRequested)
    };

    assert_eq!(of_fact(&again, &observed, &plan(Vec::new())), None);
}

#[test]
fn the_promotion_of_a_blue_green_rollout_has_no_steps() {
    let reason = |fast_rollback| {
        let mut observed = sighting().observed;
        observed.status.blue_green = Some(BlueGreenState {
            fast_rollback,
            ..BlueGreenState::default()
        });
        let notice = of_fact(&fact(FactKind::Promoted), &observed, &plan(vec![create()]));
        notice.unwrap().note
    };

    let completed = "Rollout completed update to revision 2 (new)";
    assert_eq!(reason(false), format!("{completed}: Completed blue-green update"));
    assert_eq!(reason(true), format!("{completed}: Fast rollback"));
}

#[test]
fn a_rollout_that_comes_to_need_help_is_a_warning_with_the_reason() {
    let now = "2026-03-01T12:00:00Z".parse().unwrap();
    let progressing = |reason| (ConditionType::Progressing, Truth::False, reason);
    let failed = |kind| {
        Some(ApplyFailure {
            kind,
            message: "no".to_owned(),
        })
    };
    let cases = [
        (
            (
                ConditionType::InvalidSpec,
                Truth::True,
                ConditionReason::InvalidSpec,
            ),
            None,
            Some("InvalidSpec"),
        ),
        (
            progressing(ConditionReason::ProgressDeadlineExceeded),
            None,
            Some("ProgressDeadlineExceeded"),
        ),
        (
            progressing(ConditionReason::ReplicaSetCreateError),
            None,
            Some("ReplicaSetCreateError"),
        ),
        (
            progressing(ConditionReason::ReplicaSetUpdated),
            failed(FailureKind::Traffic),
            Some("TrafficRoutingError"),
        ),
        // Told by its own fact.
        (progressing(ConditionReason::RolloutAborted), None, None),
    ];
    for ((kind, truth, reason), failure, expected) in cases {
        let mut observed = sighting().observed;
        observed.failure = failure;
        let mut plan = plan(Vec::new());
        plan.status.message = "why".to_owned();
        plan.status.set_condition(kind, truth, reason, "why", now);
        let degraded = Fact {
            phase: Some(Phase::Degraded),
            ..fact(FactKind::PhaseChanged)
        };

        let notice = of_fact(&degraded, &observed, &plan);

        assert_eq!(notice.as_ref().map(|notice| notice.reason.as_str()), expected);
        assert!(notice.is_none_or(|notice| notice.reason.is_warning() && notice.note == "why"));
    }
}

#[test]
fn other_phases_are_for_machines_only() {
    let healthy = Fact {
        phase: Some(Phase::Healthy),
        ..fact(FactKind::PhaseChanged)
    };
    assert_eq!(told(&healthy), None);
    assert_eq!(told(&fact(FactKind::WeightInForce)), None);
}

#[test]
fn an_analysis_is_told_by_its_own_end_and_not_by_that_of_one_whose_name_begins_alike() {
    let mut observed = sighting().observed;
    let run = |name: &str, phase| AnalysisRunView {
        judge: Judge::AnalysisRun,
        hash: None,
        definition: None,
        name: name.to_owned(),
        uid: String::new(),
        resource_version: String::new(),
        created: "2026-03-01T12:00:00Z".parse().unwrap(),
        terminate: false,
        phase,
        message: String::new(),
        evidence: Vec::new(),
        sharing: Sharing::default(),
    };
    observed.analysis_runs = vec![
        run("web-new-2", AnalysisPhase::Running),
        run("web-new-2-0", AnalysisPhase::Successful),
    ];
    let completed = Fact {
        message: "web-new-2-0: Successful: ".to_owned(),
        ..fact(FactKind::AnalysisCompleted)
    };

    let notice = of_fact(&completed, &observed, &plan(Vec::new())).unwrap();

    assert_eq!(notice.reason, Reason::AnalysisRunSuccessful);
}
