use kulta_core::history::{Cause, Fact, FactKind};
use kulta_core::status::Phase;
use serde_json::json;

use super::*;
use crate::scenario::{Ended, Exchange, Reply, expect, plan, scenario, sighting};

const PATCH_STATUS: &str =
    "PATCH /apis/kulta.io/v1alpha1/namespaces/shop/rollouts/web/status?&fieldManager=kulta";

fn promoted() -> Plan {
    let mut plan = plan(Vec::new());
    plan.status.phase = Phase::Healthy;
    plan.status.stable_hash = None;
    plan.transitions = vec![Fact {
        sequence: 1,
        ..Fact::new(
            FactKind::Resumed,
            Cause::User,
            "2026-03-01T12:00:00Z".parse().unwrap(),
        )
    }];
    plan
}

async fn reported(plan: Plan, applied: Applied, exchanges: Vec<Exchange>) -> Ended<Result<(), ReportError>> {
    scenario(exchanges, async |context| {
        report(context, &sighting(), &plan, &applied).await
    })
    .await
}

#[tokio::test]
async fn a_status_that_did_not_change_is_not_sent() {
    let ended = reported(plan(Vec::new()), Applied::default(), Vec::new()).await;

    ended.outcome.unwrap();
    assert!(
        ended.metrics.contains(r#"kulta_rollouts{phase="Progressing"} 1"#),
        "{}",
        ended.metrics
    );
}

#[tokio::test]
async fn a_status_is_replaced_under_the_observed_version_so_that_fields_are_cleared() {
    let plan = promoted();
    let shape = WriteContext {
        group: Group::Kulta,
        generation: 3,
        stable_service: Some("web-stable"),
        canary_service: Some("web-canary"),
    };
    let written = status::write(&plan.status, &shape);
    assert_eq!(written.get("stableRS"), None, "cleared by leaving it out");
    let body = json!([
        {"op": "test", "path": "/metadata/resourceVersion", "value": "50"},
        {"op": "add", "path": "/status", "value": written},
    ]);

    let ended = reported(
        plan,
        Applied::default(),
        vec![expect(PATCH_STATUS, Reply::written("51")).with_body(body)],
    )
    .await;

    ended.outcome.unwrap();
    assert_eq!(
        ended.events,
        [("RolloutResumed".to_owned(), "Rollout is resumed".to_owned())]
    );
    assert!(
        ended
            .metrics
            .contains(r#"kulta_status_writes_total{result="written"} 1"#)
    );
}

#[tokio::test]
async fn after_the_rollout_itself_was_written_its_new_version_is_tested() {
    let plan = promoted();
    let applied = Applied {
        rollout_resource_version: Some("51".to_owned()),
    };
    let shape = WriteContext {
        group: Group::Kulta,
        generation: 3,
        stable_service: Some("web-stable"),
        canary_service: Some("web-canary"),
    };
    let body = json!([
        {"op": "test", "path": "/metadata/resourceVersion", "value": "51"},
        {"op": "add", "path": "/status", "value": status::write(&plan.status, &shape)},
    ]);

    let ended = reported(
        plan,
        applied,
        vec![expect(PATCH_STATUS, Reply::written("52")).with_body(body)],
    )
    .await;

    ended.outcome.unwrap();
}

#[tokio::test]
async fn transitions_that_were_not_written_are_not_told() {
    let ended = reported(
        promoted(),
        Applied::default(),
        vec![expect(PATCH_STATUS, Reply::test_failed())],
    )
    .await;

    assert!(ended.outcome.unwrap_err().is_conflict());
    assert_eq!(ended.events, []);
    assert!(
        ended
            .metrics
            .contains(r#"kulta_status_writes_total{result="conflict"} 1"#)
    );
}

fn full() -> Plan {
    let mut plan = promoted();
    plan.lost.insert("nowhere".to_owned(), 3);
    plan
}

#[tokio::test]
async fn what_the_bound_forces_out_before_a_sink_has_it_is_counted_once_it_is_written() {
    const LOST: &str = r#"kulta_sink_events_lost_total{sink="nowhere"} 3"#;

    let written = vec![expect(PATCH_STATUS, Reply::written("51"))];
    let ended = reported(full(), Applied::default(), written).await;
    assert!(ended.metrics.contains(LOST), "{}", ended.metrics);

    let refused = vec![expect(PATCH_STATUS, Reply::test_failed())];
    let ended = reported(full(), Applied::default(), refused).await;
    assert!(!ended.metrics.contains(LOST), "{}", ended.metrics);
}

#[tokio::test]
async fn an_invalid_status_is_an_error() {
    let invalid = Reply::failure(
        422,
        "Invalid",
        "status.phase: Unsupported value",
        &["status.phase"],
    );

    let ended = reported(
        promoted(),
        Applied::default(),
        vec![expect(PATCH_STATUS, invalid)],
    )
    .await;

    assert!(!ended.outcome.unwrap_err().is_conflict());
}

mod argo {
    use kulta_core::status::{ConditionType, Reason, Truth};

    use super::*;
    use crate::lease::Claim;
    use crate::permission::Permission;
    use crate::watch::samples::argo_key;

    const PATCH_STATUS: &str =
        "PATCH /apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/web/status?&fieldManager=kulta";

    async fn reported(claim: Claim, plan: Plan, exchanges: Vec<Exchange>) -> Result<(), ReportError> {
        let rollout = Sighting {
            key: argo_key("web"),
            ..sighting()
        };
        let ended = scenario(exchanges, async |context| {
            let context = Context {
                permission: Permission::default().with_argo(claim),
                ..context.clone()
            };
            report(&context, &rollout, &plan, &Applied::default()).await
        });
        ended.await.outcome
    }

    #[tokio::test]
    async fn a_status_is_written_while_the_lease_is_held() {
        let written = vec![expect(PATCH_STATUS, Reply::written("51"))];

        reported(Claim::held(), promoted(), written).await.unwrap();
    }

    /// What comes of an unchanged status, where the definitions lack `off` and it was written for those that lack `before`; None:
    /// by somebody who remembers nothing.
    async fn unchanged(off: &[&str], before: Option<&[&str]>, exchanges: Vec<Exchange>) {
        let fields =
            |fields: &[&str]| -> Vec<String> { fields.iter().map(|field| (*field).to_owned()).collect() };
        let off = fields(off);
        let memory = before.map(|before| {
            let keeping = Keeping {
                off: &fields(before),
                generation: 3,
                own_fields: &[],
                lost: &[],
            };
            let written = status::with_memory(Group::Argo, json!({}), keeping);
            status::memory_of(&written).unwrap()
        });
        let rollout = Sighting {
            key: argo_key("web"),
            memory,
            ..sighting()
        };
        let ended = scenario(exchanges, async |context| {
            let context = Context {
                permission: Permission::default().with_argo(Claim::held()),
                ..context.clone()
            };
            context.fields_off.set(&off);
            report(&context, &rollout, &plan(Vec::new()), &Applied::default()).await
        });
        ended.await.outcome.unwrap();
    }

    fn written_again() -> Vec<Exchange> {
        vec![expect(PATCH_STATUS, Reply::written("51"))]
    }

    #[tokio::test]
    async fn status_is_written_again_for_other_definitions() {
        unchanged(&["status.history"], None, written_again()).await;
        unchanged(&["status.history"], Some(&[]), written_again()).await;
        unchanged(&["status.history"], Some(&["status.delivered"]), written_again()).await;
        unchanged(&[], Some(&["status.history"]), written_again()).await;
    }

    #[tokio::test]
    async fn status_that_was_written_for_these_definitions_stays() {
        unchanged(&["status.history"], Some(&["status.history"]), Vec::new()).await;
        unchanged(&[], Some(&[]), Vec::new()).await;
        // One that was taken over: it is written when anything of it changes.
        unchanged(&[], None, Vec::new()).await;
    }

    #[tokio::test]
    async fn status_that_remembers_nothing_is_written_again_where_other_definitions_would_lose_something() {
        let rollout = Sighting {
            key: argo_key("web"),
            own_fields: vec!["strategy.canary.promotionGates".to_owned()],
            ..sighting()
        };
        let ended = scenario(written_again(), async |context| {
            let context = Context {
                permission: Permission::default().with_argo(Claim::held()),
                ..context.clone()
            };
            report(&context, &rollout, &plan(Vec::new()), &Applied::default()).await
        });
        ended.await.outcome.unwrap();
    }

    #[tokio::test]
    async fn what_only_argo_rollouts_knows_stays_in_the_status() {
        let theirs = json!({"canary": {"stablePingPong": "ping"}});
        let rollout = Sighting {
            key: argo_key("web"),
            foreign_status: theirs.clone(),
            ..sighting()
        };
        let plan = promoted();
        let shape = WriteContext {
            group: Group::Argo,
            generation: 3,
            stable_service: Some("web-stable"),
            canary_service: Some("web-canary"),
        };
        let written = status::write(&Group::Argo.kept(&plan.status), &shape);
        let keeping = Keeping {
            off: &[],
            generation: 3,
            own_fields: &[],
            lost: &[],
        };
        let written = status::with_memory(Group::Argo, written, keeping);
        let body = json!([
            {"op": "test", "path": "/metadata/resourceVersion", "value": "50"},
            {"op": "add", "path": "/status", "value": status::with_foreign(written, &theirs)},
        ]);
        let exchanges = vec![expect(PATCH_STATUS, Reply::written("51")).with_body(body)];

        let ended = scenario(exchanges, async |context| {
            let context = Context {
                permission: Permission::default().with_argo(Claim::held()),
                ..context.clone()
            };
            report(&context, &rollout, &plan, &Applied::default()).await
        });

        ended.await.outcome.unwrap();
    }

    #[tokio::test]
    async fn a_status_is_not_written_without_the_lease_and_nothing_is_wrong() {
        let error = reported(Claim::default(), promoted(), Vec::new())
            .await
            .unwrap_err();

        assert!(error.is_conflict(), "{error:?}");
    }

    #[tokio::test]
    async fn what_the_group_does_not_show_is_no_reason_to_write() {
        let mut plan = plan(Vec::new());
        let now = "2026-03-01T12:00:00Z".parse().unwrap();
        let ready = (ConditionType::Ready, Truth::True, Reason::Progressing);
        plan.status.set_condition(ready.0, ready.1, ready.2, "", now);

        reported(Claim::held(), plan, Vec::new()).await.unwrap();
    }
}
