//! Reading what others wrote, and reading back what was written.

use kulta_core::analysis::run::AnalysisPhase;
use kulta_core::history::{Cause, FactKind, Origin};
use kulta_core::observed::Judge;
use kulta_core::spec::{Weight, Whole};
use kulta_core::status::{
    AdditionalWeight, Analyses, AnalysisReference, BlueGreenState, CompletionStatus, ConditionType, Contest,
    Reason, Traffic, Truth,
};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use super::*;

const CONTEXT: WriteContext<'static> = WriteContext {
    group: Group::Kulta,
    generation: 7,
    stable_service: Some("stable"),
    canary_service: Some("canary"),
};

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a time")
}

fn routed() -> Status {
    Status {
        phase: Phase::Paused,
        current_pod_hash: Some("new".into()),
        stable_hash: Some("old".into()),
        replicas: 5,
        traffic: Some(Traffic {
            requested: Weight::new(20).expect("a weight"),
            requested_at: time(1_000_000_000),
            in_force: Some(Weight::ZERO),
            verified: false,
            contest: None,
            managed_routes: vec!["testers".to_owned()],
            additional: Vec::new(),
        }),
        ..Status::default()
    }
}

mod write_gives {
    use super::*;

    #[test]
    fn shares_of_experiments_in_the_shape_of_argo_rollouts() {
        let mut status = routed();
        let traffic = status.traffic.as_mut().expect("a split");
        traffic.additional.push(AdditionalWeight {
            weight: 10,
            service_name: "try-new".to_owned(),
            pod_template_hash: "abc".to_owned(),
        });

        let written = write(&status, &CONTEXT);

        let weights = &written["canary"]["weights"];
        let share = json!({"weight": 10, "serviceName": "try-new", "podTemplateHash": "abc"});
        assert_eq!(weights["additional"], json!([share]));
        // The stable version goes without it.
        assert_eq!(weights["stable"]["weight"], 70);
    }

    #[test]
    fn the_weights_in_the_shape_of_argo_rollouts() {
        let written = write(&routed(), &CONTEXT);

        let expected = json!({
            "canary": {"weight": 20, "serviceName": "canary", "podTemplateHash": "new"},
            "stable": {"weight": 80, "serviceName": "stable", "podTemplateHash": "old"},
            "verified": false,
        });
        assert_eq!(written["canary"]["weights"], expected);
        assert_eq!(written["canary"]["inForce"], json!(0));
        assert_eq!(written["canary"]["requestedAt"], json!("2001-09-09T01:46:40Z"));
    }

    #[test]
    fn analyses_in_the_shape_of_argo_rollouts() {
        let reference = AnalysisReference {
            name: "web-abc-2-1".into(),
            phase: AnalysisPhase::Running,
            message: String::new(),
            paused: false,
            judge: Judge::AnalysisRun,
        };
        let analyses = Analyses {
            step: Some(reference),
            ..Analyses::default()
        };
        let status = Status {
            analyses,
            ..Status::default()
        };

        let written = write(&status, &CONTEXT);

        let expected = json!({"currentStepAnalysisRunStatus": {"name": "web-abc-2-1", "status": "Running"}});
        assert_eq!(written["canary"], expected);
    }

    #[test]
    fn what_the_scale_subresource_reads() {
        let status = Status {
            hpa_replicas: 5,
            selector: "app=web".into(),
            ..Status::default()
        };

        let written = write(&status, &CONTEXT);

        assert_eq!(
            (&written["HPAReplicas"], &written["selector"]),
            (&json!(5), &json!("app=web"))
        );
    }

    #[test]
    fn how_long_it_takes_in_the_shape_of_argo_rollouts() {
        let status = Status {
            duration: Some(RolloutDuration {
                rollout_started_at: Some(time(1_000_000_000)),
                total_manual_pause_duration_seconds: 18,
                finished_at: Some(time(1_000_000_021)),
                completion_status: Some(CompletionStatus::Aborted),
                manual_pause_started_at: None,
            }),
            ..Status::default()
        };

        let written = Group::ALL.map(|group| write(&status, &WriteContext { group, ..CONTEXT }));

        let expected = json!({
            "rolloutStartedAt": "2001-09-09T01:46:40Z",
            "totalManualPauseDurationSeconds": 18,
            "finishedAt": "2001-09-09T01:47:01Z",
            "completionStatus": "Aborted",
        });
        for written in written {
            assert_eq!(written["duration"], expected);
        }
    }

    #[test]
    fn conditions_with_the_generation_they_tell_about() {
        let mut status = Status::default();
        status.set_condition(
            ConditionType::Ready,
            Truth::True,
            Reason::RolloutHealthy,
            "well",
            time(0),
        );

        let written = write(&status, &CONTEXT);

        let expected = json!([{
            "type": "Ready",
            "status": "True",
            "reason": "RolloutHealthy",
            "message": "well",
            "observedGeneration": 7,
            "lastTransitionTime": "1970-01-01T00:00:00Z",
        }]);
        assert_eq!(written["conditions"], expected);
    }

    #[test]
    fn no_field_that_is_not_set() {
        let written = write(&Status::default(), &CONTEXT);

        let names: Vec<_> = written
            .as_object()
            .expect("an object")
            .keys()
            .map(String::as_str)
            .collect();
        let expected = [
            "HPAReplicas",
            "availableReplicas",
            "phase",
            "readyReplicas",
            "replicas",
            "updatedReplicas",
        ];
        assert_eq!(names, expected);
    }
}

mod read_accepts {
    use super::*;

    #[track_caller]
    fn accepted(status: &Value) -> Status {
        read(status).expect("a status")
    }

    #[test]
    fn a_status_that_is_not_there() {
        assert_eq!(accepted(&Value::Null), Status::default());
        assert_eq!(accepted(&json!({})), Status::default());
    }

    #[test]
    fn null_as_not_set() {
        let status = json!({
            "pauseConditions": null, "abort": null, "promoteFull": null, "canary": null, "conditions": null,
            "history": null, "phase": null, "replicas": null, "currentStepIndex": null, "collisionCount": null,
        });
        assert_eq!(accepted(&status), Status::default());
        let status = json!({"canary": {"weights": null, "requestedAt": null}});
        assert_eq!(accepted(&status), Status::default());
    }

    #[test]
    fn what_users_set_by_hand() {
        let mut written = write(&routed(), &CONTEXT);
        written["abort"] = json!(true);
        written["promoteFull"] = json!(true);
        written["currentStepIndex"] = json!(3);
        written["pauseConditions"] = Value::Null;

        let status = accepted(&written);

        let expected = Status {
            abort: true,
            promote_full: true,
            current_step_index: Some(3),
            ..routed()
        };
        assert_eq!(status, expected);
    }

    #[test]
    fn fields_that_nobody_knows() {
        let mut written = write(&routed(), &CONTEXT);
        written["elsewhere"] = json!({"sink": 4});
        written["canary"]["weights"]["alb"] = json!([]);

        assert_eq!(accepted(&written), routed());
    }

    #[test]
    fn conditions_of_others_and_leaves_them_out() {
        let mut status = Status::default();
        status.set_condition(
            ConditionType::Ready,
            Truth::Unknown,
            Reason::Progressing,
            "",
            time(0),
        );
        let mut written = write(&status, &CONTEXT);
        let foreign = json!({"type": "Approved", "status": "True", "reason": "ByHand", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z"});
        written["conditions"]
            .as_array_mut()
            .expect("conditions")
            .insert(0, foreign);

        assert_eq!(accepted(&written), status);
    }

    #[test]
    fn weights_that_are_parts_of_another_whole() {
        let parts = |parts| Weight::of_whole(parts, Whole::new(1000).expect("a whole")).expect("a weight");
        let mut status = routed();
        if let Some(traffic) = &mut status.traffic {
            traffic.requested = parts(5);
            traffic.in_force = Some(parts(1));
        }
        status.analyses.consented = Some(parts(7));

        let written = write(&status, &CONTEXT);

        let canary = &written["canary"];
        assert_eq!(canary["weights"]["canary"]["weight"], 5);
        assert_eq!(canary["weights"]["stable"]["weight"], 995);
        let others = [
            &canary["inForce"],
            &canary["consentedWeight"],
            &canary["maxTrafficWeight"],
        ];
        assert_eq!(others, [&json!(1), &json!(7), &json!(1000)]);
        let read = accepted(&written);
        assert_eq!(read, status);
        let requested = read.traffic.map(|traffic| traffic.requested);
        assert_eq!(
            requested.map(|weight| (weight.parts(), weight.whole().parts())),
            Some((5, 1000))
        );
    }

    #[test]
    fn weights_without_their_time_as_not_asked_for() {
        let mut written = write(&routed(), &CONTEXT);
        written["canary"]
            .as_object_mut()
            .expect("an object")
            .remove("requestedAt");

        assert_eq!(accepted(&written).traffic, None);
    }
}

#[test]
fn read_refuses_values_without_meaning_and_names_their_place() {
    let cases = [
        (json!({"abort": "yes"}), "abort"),
        (json!({"currentStepIndex": -1}), "currentStepIndex"),
        (
            json!({"canary": {"weights": {"canary": {"weight": 101}}}}),
            "canary.weights.canary.weight",
        ),
        (
            json!({"canary": {"maxTrafficWeight": 10, "inForce": 11}}),
            "canary.inForce",
        ),
        (
            json!({"canary": {"maxTrafficWeight": 0, "inForce": 0}}),
            "canary.maxTrafficWeight",
        ),
        (json!("Healthy"), "."),
    ];
    for (status, path) in cases {
        let error = read(&status).expect_err(path);
        assert_eq!(error.path, path, "{error}");
    }
}

/// Else an older version, put back in the place of a newer one, would begin every rollout anew, aborted ones included.
#[test]
fn what_a_newer_version_wrote_does_not_cost_the_rest() {
    let fact = json!({"sequence": 1, "time": "2026-01-01T12:00:00Z", "kind": "Sung", "cause": "Choir"});
    let written = json!({
        "phase": "Resting",
        "abort": true,
        "pauseConditions": [{"reason": "Lunch", "startTime": "2026-01-01T12:00:00Z"}],
        "history": [fact],
    });

    let status = read(&written).expect("a status");

    assert!(status.abort);
    assert_eq!(status.pause_conditions.len(), 1);
    let told: Vec<_> = status
        .history
        .iter()
        .map(|fact| (fact.sequence, fact.kind))
        .collect();
    assert_eq!(told, [(1, FactKind::Unknown)]);
}

fn times() -> impl Strategy<Value = Timestamp> {
    // The years 1970 to 9999, to the nanosecond.
    (0_i64..253_402_207_200, 0_i32..1_000_000_000)
        .prop_map(|(second, nanosecond)| Timestamp::new(second, nanosecond).expect("a time"))
}

fn weights() -> impl Strategy<Value = Weight> {
    (0_u32..=100).prop_map(|percent| Weight::new(percent).expect("a weight"))
}

fn texts() -> impl Strategy<Value = String> {
    any::<String>()
}

fn phases() -> impl Strategy<Value = Phase> {
    select(vec![
        Phase::Progressing,
        Phase::Paused,
        Phase::Healthy,
        Phase::Degraded,
    ])
}

fn pauses() -> impl Strategy<Value = PauseCondition> {
    times().prop_map(|start_time| PauseCondition {
        reason: PauseReason::CanaryPauseStep,
        start_time,
    })
}

fn traffics() -> impl Strategy<Value = Traffic> {
    let contests =
        (texts(), texts(), any::<u32>(), times()).prop_map(|(route, manager, corrections, corrected_at)| {
            Contest {
                route,
                manager,
                corrections,
                corrected_at,
            }
        });
    (
        weights(),
        times(),
        option::of(weights()),
        any::<bool>(),
        option::of(contests),
        proptest::collection::vec(texts(), 0..3),
        proptest::collection::vec(shares(), 0..3),
    )
        .prop_map(
            |(requested, requested_at, in_force, verified, contest, managed_routes, additional)| Traffic {
                requested,
                requested_at,
                in_force,
                verified,
                contest,
                managed_routes,
                additional,
            },
        )
}

fn shares() -> impl Strategy<Value = AdditionalWeight> {
    (0..1_000_000_u32, texts(), texts()).prop_map(|(weight, service_name, pod_template_hash)| {
        AdditionalWeight {
            weight,
            service_name,
            pod_template_hash,
        }
    })
}

fn conditions() -> impl Strategy<Value = Condition> {
    let kinds = select(vec![
        ConditionType::InvalidSpec,
        ConditionType::RouteContested,
        ConditionType::Stalled,
    ]);
    let truths = select(vec![Truth::True, Truth::False, Truth::Unknown]);
    let reasons = select(vec![
        Reason::InvalidSpec,
        Reason::AvailableReason,
        Reason::ForeignManager,
    ]);
    (kinds, truths, reasons, texts(), times()).prop_map(
        |(kind, status, reason, message, last_transition_time)| Condition {
            kind,
            status,
            reason,
            message,
            last_transition_time,
        },
    )
}

fn facts() -> impl Strategy<Value = Fact> {
    let kinds = select(vec![
        FactKind::Started,
        FactKind::WeightInForce,
        FactKind::Switched,
        FactKind::PhaseChanged,
    ]);
    let causes = select(vec![Cause::Spec, Cause::User, Cause::Controller]);
    let optional = (
        option::of(texts()),
        option::of(texts()),
        option::of(any::<u32>()),
        option::of(weights()),
        option::of(phases()),
    );
    (any::<u64>(), times(), kinds, causes, texts(), optional).prop_map(
        |(sequence, time, kind, cause, message, (revision, from, step, weight, phase))| Fact {
            sequence,
            chain: Some(sequence),
            stable: revision.clone(),
            image: from.clone(),
            origin: from.clone().map(|commit| {
                let commit = Some(commit);
                Box::new(Origin {
                    commit,
                    ..Origin::default()
                })
            }),
            in_force: weight,
            revision,
            from,
            step,
            weight,
            phase,
            message,
            ..Fact::new(kind, cause, time)
        },
    )
}

prop_compose! {
    fn identities()(
        current_pod_hash in option::of(texts()),
        current_step_hash in option::of(texts()),
        current_step_index in option::of(any::<u32>()),
        stable_hash in option::of(texts()),
        collision_count in any::<u32>(),
        selector in texts(),
        observed_generation in option::of(any::<i64>()),
        message in texts(),
    ) -> Status {
        Status {
            current_pod_hash, current_step_hash, current_step_index, stable_hash, collision_count, selector,
            observed_generation, message, ..Status::default()
        }
    }
}

fn references() -> impl Strategy<Value = AnalysisReference> {
    (texts(), texts(), any::<bool>()).prop_map(|(name, message, paused)| AnalysisReference {
        name,
        phase: AnalysisPhase::Inconclusive,
        message,
        paused,
        judge: Judge::AnalysisRun,
    })
}

/// What a step waits for is an analysis or an experiment.
fn references_of_steps() -> impl Strategy<Value = AnalysisReference> {
    let judges = proptest::sample::select(vec![Judge::AnalysisRun, Judge::Experiment]);
    (references(), judges).prop_map(|(reference, judge)| AnalysisReference { judge, ..reference })
}

prop_compose! {
    fn analyses()(
        background in option::of(references()),
        step in option::of(references_of_steps()),
        gate in option::of(references()),
        attempt in any::<u32>(),
        consented in option::of(weights()),
    ) -> Analyses {
        Analyses { background, step, gate, attempt, consented, ..Analyses::default() }
    }
}

prop_compose! {
    /// A blue-green state with the two analyses that are told in it.
    fn blue_greens()(
        active_selector in option::of(texts()),
        preview_selector in option::of(texts()),
        (checkpoint, fast_rollback) in any::<(bool, bool)>(),
        formerly_stable in proptest::collection::vec(texts(), 0..3),
        pre_promotion in option::of(references()),
        post_promotion in option::of(references()),
    ) -> (BlueGreenState, Analyses) {
        let state = BlueGreenState { active_selector, preview_selector, checkpoint, fast_rollback, formerly_stable };
        (state, Analyses { pre_promotion, post_promotion, ..Analyses::default() })
    }
}

prop_compose! {
    fn furthests()(
        (ready_replicas, available_replicas) in any::<(u32, u32)>(),
        weight in weights(),
    ) -> Furthest {
        Furthest { ready_replicas, available_replicas, weight }
    }
}

fn completion_statuses() -> impl Strategy<Value = CompletionStatus> {
    select(vec![
        CompletionStatus::Promoted,
        CompletionStatus::FastPromoted,
        CompletionStatus::Aborted,
        CompletionStatus::Superseded,
        CompletionStatus::RolledBack,
        CompletionStatus::FastRolledBack,
    ])
}

prop_compose! {
    fn durations()(
        rollout_started_at in option::of(times()),
        manual_pause_started_at in option::of(times()),
        total_manual_pause_duration_seconds in any::<u64>(),
        finished_at in option::of(times()),
        completion_status in option::of(completion_statuses()),
    ) -> RolloutDuration {
        RolloutDuration {
            rollout_started_at, manual_pause_started_at, total_manual_pause_duration_seconds, finished_at,
            completion_status,
        }
    }
}

prop_compose! {
    fn statuses()(
        identities in identities(),
        phase in phases(),
        (abort, promote_full, controller_pause) in any::<(bool, bool, bool)>(),
        (aborted_at, restarted_at) in (option::of(times()), option::of(times())),
        pause_conditions in proptest::collection::vec(pauses(), 0..3),
        (replicas, updated_replicas, ready_replicas, available_replicas) in any::<(u32, u32, u32, u32)>(),
        hpa_replicas in any::<u32>(),
        traffic in option::of(traffics()),
        blue_green in option::of(blue_greens()),
        analyses in analyses(),
        last_progress_time in option::of(times()),
        (furthest, duration) in (furthests(), option::of(durations())),
        conditions in proptest::collection::vec(conditions(), 0..4),
        history in proptest::collection::vec(facts(), 0..4),
    ) -> Status {
        let (blue_green, of_switch) = blue_green.unzip();
        let Analyses { pre_promotion, post_promotion, .. } = of_switch.unwrap_or_default();
        let analyses = Analyses { pre_promotion, post_promotion, ..analyses };
        Status {
            phase, abort, promote_full, controller_pause, aborted_at, restarted_at, pause_conditions, replicas, updated_replicas,
            ready_replicas, available_replicas, hpa_replicas, traffic, blue_green, analyses, last_progress_time, furthest, duration, conditions, history, ..identities
        }
    }
}

#[test]
fn an_experiment_that_argo_rollouts_has_begun_is_taken_up_by_its_name() {
    let written = json!({"canary": {"currentExperiment": "web-abc-2-1"}});

    let step = read(&written).unwrap().analyses.step.unwrap();

    assert_eq!(
        (step.name.as_str(), step.judge),
        ("web-abc-2-1", Judge::Experiment)
    );
    assert_eq!(step.phase, AnalysisPhase::Pending);
}

#[test]
fn a_blue_green_rollout_is_told_in_the_words_of_argo_rollouts() {
    let reference = |name: &str| AnalysisReference {
        name: name.to_owned(),
        phase: AnalysisPhase::Successful,
        message: String::new(),
        paused: false,
        judge: Judge::AnalysisRun,
    };
    let status = Status {
        blue_green: Some(BlueGreenState {
            active_selector: Some("old".to_owned()),
            preview_selector: Some("new".to_owned()),
            checkpoint: true,
            ..BlueGreenState::default()
        }),
        analyses: Analyses {
            pre_promotion: Some(reference("web-new-2-pre")),
            gate: Some(reference("web-new-2-0-gate-1")),
            ..Analyses::default()
        },
        replicas: 8,
        hpa_replicas: 4,
        ..Status::default()
    };

    let written = write(&status, &CONTEXT);

    let expected = json!({
        "activeSelector": "old",
        "previewSelector": "new",
        "scaleUpPreviewCheckPoint": true,
        "prePromotionAnalysisRunStatus": {"name": "web-new-2-pre", "status": "Successful"},
        "currentPromotionGatesRunStatus": {"name": "web-new-2-0-gate-1", "status": "Successful"},
    });
    assert_eq!(written["blueGreen"], expected);
    assert_eq!(
        (&written["HPAReplicas"], written.get("canary")),
        (&json!(4), None)
    );
}

/// What Argo Rollouts' controller writes into every canary, and into a blue-green Rollout that waits for its promotion.
#[test]
fn the_status_of_a_rollout_of_argo_rollouts_is_read() {
    let blue_green = json!({
        "blueGreen": {"activeSelector": "54b6dfbcc4", "previewSelector": "78fdf6d4dc"},
        "canary": {},
        "controllerPause": true,
        "pauseConditions": [{"reason": "BlueGreenPause", "startTime": "2026-11-22T05:35:48Z"}],
    });

    let read = read(&blue_green).expect("a status");

    let state = read.blue_green.expect("blue-green");
    assert_eq!(state.active_selector.as_deref(), Some("54b6dfbcc4"));
    assert_eq!(read.pause_conditions[0].reason, PauseReason::BlueGreenPause);
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(status in statuses()) {
        prop_assert_eq!(read(&write(&status, &CONTEXT)).expect("a status"), status);
    }
}

mod argo {
    use super::*;

    const ARGO: WriteContext<'static> = WriteContext {
        group: Group::Argo,
        ..CONTEXT
    };

    fn condition(kind: ConditionType) -> Condition {
        Condition {
            kind,
            status: Truth::True,
            reason: Reason::Progressing,
            message: String::new(),
            last_transition_time: time(5),
        }
    }

    #[test]
    fn the_observed_generation_is_a_text_there_and_read_from_both() {
        let status = Status {
            observed_generation: Some(12),
            ..Status::default()
        };

        let written = write(&status, &ARGO);

        assert_eq!(written["observedGeneration"], "12");
        assert_eq!(read(&written).unwrap().observed_generation, Some(12));
        assert_eq!(write(&status, &CONTEXT)["observedGeneration"], 12);
    }

    #[test]
    fn a_generation_that_is_no_number_is_not_known() {
        let status = read(&json!({"observedGeneration": "5f4dcc3b5aa7"})).unwrap();

        assert_eq!(status.observed_generation, None);
    }

    #[test]
    fn conditions_are_those_of_argo_rollouts_with_the_time_of_the_last_progress() {
        let status = Status {
            last_progress_time: Some(time(9)),
            conditions: [
                ConditionType::Progressing,
                ConditionType::Available,
                ConditionType::Ready,
            ]
            .map(condition)
            .into(),
            ..Status::default()
        };

        let written = write(&status, &ARGO)["conditions"].clone();

        let updated = |index: usize| written[index]["lastUpdateTime"].clone();
        assert_eq!(written.as_array().map(Vec::len), Some(2));
        assert_eq!(
            (updated(0), updated(1)),
            (json!("1970-01-01T00:00:09Z"), json!("1970-01-01T00:00:05Z"))
        );
        assert_eq!(written[0].get("observedGeneration"), None);
    }

    #[test]
    fn what_is_kept_is_what_is_read_again() {
        let mut status = routed();
        status.conditions = vec![
            condition(ConditionType::Completed),
            condition(ConditionType::Stalled),
        ];

        let kept = Group::Argo.kept(&status);

        assert_eq!(read(&write(&kept, &ARGO)).unwrap(), kept);
        assert_eq!(read(&write(&status, &ARGO)).unwrap(), kept);
        assert_eq!(Group::Kulta.kept(&status), status);
    }
}
