//! What the API server answers about a template, and what is made of it.

use std::time::Duration;

use kulta_api::names::{HASH_LABEL, TEMPLATE_DIGEST_ANNOTATION};
use serde_json::json;

use super::*;
use crate::backoff::Retry;
use crate::observe::observe;
use crate::scenario::{Exchange, Reply, expect, scenario};
use crate::watch::samples::{key, put};
use crate::watch::{Projection as _, samples};

const ROLLOUT: &str = "GET /apis/kulta.io/v1alpha1/namespaces/shop/rollouts/web";
const DRY_RUN: &str =
    "POST /apis/apps/v1/namespaces/shop/replicasets?&dryRun=All&fieldManager=kulta&fieldValidation=Strict";

fn digest() -> TemplateDigest {
    TemplateDigest::of(&samples::rollout("web")["spec"]["template"])
}

/// The ReplicaSet that the Rollout `web` asks for.
fn wanted_name() -> String {
    format!("web-{}", digest().pod_hash(0))
}

fn read(replica_set: &str) -> String {
    format!("GET /apis/apps/v1/namespaces/shop/replicasets/{replica_set}")
}

fn found(object: Value) -> Reply {
    Reply::With(200, object)
}

fn missing() -> Reply {
    Reply::failure(404, "NotFound", "not found", &[])
}

fn live() -> Exchange {
    expect(ROLLOUT, found(samples::rollout("web")))
}

/// A ReplicaSet with the template of the Rollout `web`, as the API server fills it in.
fn defaulted(name: &str, hash: &str, container_name: &str) -> Value {
    let mut object = samples::replica_set("web", hash);
    object["metadata"]["name"] = json!(name);
    object["spec"]["template"] = json!({
        "metadata": {"labels": {"app": "web", HASH_LABEL: hash}},
        "spec": {"containers": [{"name": container_name, "image": "registry.example/web:1"}], "restartPolicy": "Always"},
    });
    object
}

/// The dry run's answer.
fn accepted() -> Exchange {
    expect(DRY_RUN, found(defaulted("web-x-dry-run", "x", "main")))
}

fn with_web(context: &Context) {
    put::<Rollout>(&context.caches, &samples::rollout("web"));
}

/// What observing `web` says of its template, or how soon to try again.
async fn checked(context: &Context) -> Result<TemplateCheck, Retry> {
    let observed = observe(context, &key("web")).await;
    observed
        .map(|seen| seen.unwrap().observed.template.check)
        .map_err(|error| error.retry())
}

#[tokio::test]
async fn a_template_that_a_replica_set_carries_is_not_asked_about() {
    let ended = scenario(Vec::new(), async |context| {
        with_web(context);
        let mut carrier = samples::replica_set("web", "abc");
        carrier["metadata"]["annotations"] = json!({TEMPLATE_DIGEST_ANNOTATION: digest().as_str()});
        put::<ReplicaSet>(&context.caches, &carrier);
        checked(context).await
    })
    .await;
    assert_eq!(ended.outcome, Ok(TemplateCheck::Known));
}

#[tokio::test]
async fn a_replica_set_of_another_controller_is_known_by_its_hash() {
    let ended = scenario(Vec::new(), async |context| {
        with_web(context);
        put::<ReplicaSet>(
            &context.caches,
            &samples::replica_set("web", &digest().pod_hash(0)),
        );
        checked(context).await
    })
    .await;
    assert_eq!(ended.outcome, Ok(TemplateCheck::Known));
}

/// In a Rollout of `argoproj.io` fields that the API server does not know are left out, as they were by Argo Rollouts.
#[tokio::test]
async fn a_field_that_nobody_knows_is_left_out_and_told_where_argo_rollouts_left_it_out() {
    const ARGO: &str = "GET /apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/web";
    let misspelt = r#"strict decoding error: unknown field "spec.template.spec.containers[0].imagee""#;
    let lenient = DRY_RUN.trim_end_matches("&fieldValidation=Strict");
    let exchanges = vec![
        expect(ARGO, found(samples::argo(samples::rollout("web")))),
        expect(DRY_RUN, Reply::failure(400, "BadRequest", misspelt, &[])),
        expect(lenient, found(defaulted("web-x-dry-run", "x", "main"))),
        expect(&read(&wanted_name()), missing()),
    ];
    let ended = scenario(exchanges, async |context| {
        let key = samples::argo_key("web");
        let rollout = Rollout::project(&samples::argo(samples::rollout("web"))).unwrap();
        context.caches.apply(&key, &std::sync::Arc::new(rollout));
        let seen = observe(context, &key).await.unwrap().unwrap();
        seen.observed.template.check
    })
    .await;

    assert_eq!(ended.outcome, TemplateCheck::New { name_taken: false });
    let [(reason, note)] = &ended.events[..] else {
        panic!("{:?}", ended.events);
    };
    assert_eq!(reason, "UnknownFields");
    assert!(note.contains("imagee"), "{note}");
}

#[tokio::test]
async fn a_template_never_seen_is_new() {
    let exchanges = vec![live(), accepted(), expect(&read(&wanted_name()), missing())];
    let ended = scenario(exchanges, async |context| {
        with_web(context);
        checked(context).await
    })
    .await;
    assert_eq!(ended.outcome, Ok(TemplateCheck::New { name_taken: false }));
}

#[tokio::test]
async fn the_dry_run_uses_a_name_of_its_own_and_the_whole_template() {
    let rollout: DynamicObject = serde_json::from_value(samples::rollout("web")).unwrap();
    let new = NewReplicaSet {
        name: format!("{}-dry-run", wanted_name()),
        hash: digest().pod_hash(0),
        digest: digest(),
        revision: 0,
        min_ready_seconds: 0,
        desired_replicas: 3,
        metadata: kulta_core::spec::PodMetadata::default(),
        apart_from: None,
    };
    let manifest = replica_set::manifest(&rollout, &new).unwrap();
    let exchanges = vec![
        live(),
        accepted().with_body(manifest),
        expect(&read(&wanted_name()), missing()),
    ];
    scenario(exchanges, async |context| {
        with_web(context);
        checked(context).await
    })
    .await;
}

#[tokio::test]
async fn a_name_that_is_taken_is_told() {
    let taken = defaulted(&wanted_name(), "other", "main");
    let exchanges = vec![live(), accepted(), expect(&read(&wanted_name()), found(taken))];
    let ended = scenario(exchanges, async |context| {
        with_web(context);
        checked(context).await
    })
    .await;
    assert_eq!(ended.outcome, Ok(TemplateCheck::New { name_taken: true }));
}

#[tokio::test]
async fn a_name_that_is_being_freed_is_waited_for() {
    let mut going = defaulted(&wanted_name(), "other", "main");
    going["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    let exchanges = vec![live(), accepted(), expect(&read(&wanted_name()), found(going))];
    let ended = scenario(exchanges, async |context| {
        with_web(context);
        checked(context).await
    })
    .await;
    assert!(
        matches!(ended.outcome, Ok(TemplateCheck::Unknown { .. })),
        "{:?}",
        ended.outcome
    );
}

#[tokio::test]
async fn what_was_put_in_besides_the_template_makes_no_other_revision() {
    let mut stored = defaulted("web-old", "old", "main");
    let template = &mut stored["spec"]["template"];
    template["metadata"]["labels"]["role"] = json!("canary");
    template["metadata"]["annotations"] = json!({"role": "canary"});
    let preferred = kulta_core::spec::AntiAffinity::Preferred(1);
    kulta_api::injected::keep_apart(template, "shop", "before", preferred);
    stored["metadata"]["annotations"] = json!({
        "rollout.argoproj.io/ephemeral-metadata": r#"{"labels":{"role":"canary"},"annotations":{"role":"canary"}}"#,
    });
    let exchanges = vec![live(), accepted(), expect(&read("web-old"), found(stored))];
    let ended = scenario(exchanges, async |context| {
        with_web(context);
        put::<ReplicaSet>(&context.caches, &samples::replica_set("web", "old"));
        checked(context).await
    })
    .await;
    assert_eq!(
        ended.outcome,
        Ok(TemplateCheck::Equal {
            replica_set: "web-old".to_owned()
        })
    );
}

#[tokio::test]
async fn a_template_that_is_stored_in_other_words_is_equal() {
    let exchanges = vec![
        live(),
        accepted(),
        expect(&read("web-new"), found(defaulted("web-new", "new", "another"))),
        expect(&read("web-old"), found(defaulted("web-old", "old", "main"))),
    ];
    let ended = scenario(exchanges, async |context| {
        with_web(context);
        for (hash, revision) in [("old", "1"), ("new", "2")] {
            let mut replica_set = samples::replica_set("web", hash);
            let annotations =
                json!({"rollout.argoproj.io/revision": revision, TEMPLATE_DIGEST_ANNOTATION: hash});
            replica_set["metadata"]["annotations"] = annotations;
            put::<ReplicaSet>(&context.caches, &replica_set);
        }
        checked(context).await
    })
    .await;
    assert_eq!(
        ended.outcome,
        Ok(TemplateCheck::Equal {
            replica_set: "web-old".to_owned()
        })
    );
}

#[tokio::test]
async fn an_existing_replica_set_that_is_gone_meanwhile_is_not_equal() {
    let exchanges = vec![
        live(),
        accepted(),
        expect(&read("web-abc"), missing()),
        expect(&read(&wanted_name()), missing()),
    ];
    let ended = scenario(exchanges, async |context| {
        with_web(context);
        put::<ReplicaSet>(&context.caches, &samples::replica_set("web", "abc"));
        checked(context).await
    })
    .await;
    assert_eq!(ended.outcome, Ok(TemplateCheck::New { name_taken: false }));
}

/// What is made of a dry run that ends with `reply`.
async fn check_of(reply: Reply) -> TemplateCheck {
    let ended = scenario(vec![live(), expect(DRY_RUN, reply)], async |context| {
        with_web(context);
        checked(context).await
    })
    .await;
    ended.outcome.unwrap()
}

#[tokio::test]
async fn an_invalid_template_is_told_with_the_servers_message() {
    let misspelt = r#"strict decoding error: unknown field "spec.template.spec.containers[0].imagee""#;
    let invalid = TemplateCheck::Invalid {
        message: misspelt.to_owned(),
    };
    assert_eq!(
        check_of(Reply::failure(400, "BadRequest", misspelt, &[])).await,
        invalid
    );
    assert_eq!(
        check_of(Reply::failure(422, "Invalid", misspelt, &[misspelt])).await,
        invalid
    );
}

#[tokio::test]
async fn a_quota_that_refuses_is_told_with_the_servers_message() {
    let refused = TemplateCheck::Refused {
        message: "exceeded quota: small".to_owned(),
    };
    assert_eq!(
        check_of(Reply::failure(403, "Forbidden", "exceeded quota: small", &[])).await,
        refused
    );
}

#[tokio::test]
async fn in_a_namespace_that_is_being_deleted_there_is_nothing_to_decide() {
    let expected = vec![live(), expect(DRY_RUN, Reply::namespace_terminating())];
    let ended = scenario(expected, async |context| {
        with_web(context);
        checked(context).await
    })
    .await;
    assert_eq!(ended.outcome, Err(Retry::Terminating));
}

#[tokio::test]
async fn answers_that_say_nothing_of_the_template_are_unknown() {
    for code in [409, 429, 500, 503] {
        let check = check_of(Reply::failure(code, "Whatever", "later", &[])).await;
        assert!(
            matches!(check, TemplateCheck::Unknown { .. }),
            "{code}: {check:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn no_answer_at_all_is_unknown() {
    let check = check_of(Reply::Silence).await;
    assert!(matches!(check, TemplateCheck::Unknown { .. }), "{check:?}");
}

#[tokio::test(start_paused = true)]
async fn an_invalid_template_is_asked_about_again_after_minutes() {
    let invalid = || Reply::failure(400, "BadRequest", "no", &[]);
    let exchanges = vec![
        live(),
        expect(DRY_RUN, invalid()),
        live(),
        expect(DRY_RUN, invalid()),
    ];
    scenario(exchanges, async |context| {
        with_web(context);
        checked(context).await.unwrap();
        tokio::time::advance(ASK_INVALID_AGAIN.saturating_sub(Duration::from_secs(1))).await;
        checked(context).await.unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        checked(context).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_changed_template_is_asked_about_at_once() {
    let mut changed = samples::rollout("web");
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = json!("registry.example/web:2");
    let invalid = || expect(DRY_RUN, Reply::failure(400, "BadRequest", "no", &[]));
    let exchanges = vec![
        live(),
        invalid(),
        expect(ROLLOUT, found(changed.clone())),
        invalid(),
    ];
    scenario(exchanges, async |context| {
        with_web(context);
        checked(context).await.unwrap();
        put::<Rollout>(&context.caches, &changed);
        checked(context).await.unwrap();
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_waits_after_refusals_grow() {
    let refused = || Reply::failure(403, "Forbidden", "exceeded quota", &[]);
    let exchanges = vec![
        live(),
        expect(DRY_RUN, refused()),
        live(),
        expect(DRY_RUN, refused()),
    ];
    let ended = scenario(exchanges, async |context| {
        with_web(context);
        let mut waits = Vec::new();
        for _ in 0..2 {
            checked(context).await.unwrap();
            let again = context.template_checks.ask_again_at("uid-web").unwrap();
            waits.push(again - Instant::now());
            tokio::time::advance(again - Instant::now()).await;
        }
        waits
    })
    .await;
    assert_eq!(ended.outcome, [ASK_AGAIN_FIRST, ASK_AGAIN_FIRST * 2]);
}

/// Or it would be looked at again and again for the time at which it was to be.
#[tokio::test]
async fn an_answer_is_forgotten_when_the_template_is_not_asked_about_any_more() {
    let refused = Reply::failure(403, "Forbidden", "exceeded quota", &[]);
    let ended = scenario(vec![live(), expect(DRY_RUN, refused)], async |context| {
        with_web(context);
        checked(context).await.unwrap();
        let mut spoilt = samples::rollout("web");
        spoilt["spec"]["strategy"]["canary"]["steps"] = json!([{"setWeight": 200}]);
        put::<Rollout>(&context.caches, &spoilt);
        let before = context.template_checks.ask_again_at("uid-web").is_some();
        checked(context).await.unwrap();
        (before, context.template_checks.ask_again_at("uid-web"))
    })
    .await;

    assert_eq!(ended.outcome, (true, None));
}

#[test]
fn the_throw_away_name_of_the_longest_name_is_a_name() {
    let longest = format!("{}-.{}", "w".repeat(243), "x".repeat(8));

    let name = dry_run::throw_away_name(&longest);

    assert_eq!(name, format!("{}-dry-run", "w".repeat(243)));
    assert_eq!(dry_run::throw_away_name("web-abc"), "web-abc-dry-run");
}

#[tokio::test]
async fn a_template_that_the_cache_does_not_show_yet_is_not_decided_on() {
    let mut changed = samples::rollout("web");
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = json!("registry.example/web:2");
    let ended = scenario(vec![expect(ROLLOUT, found(changed))], async |context| {
        with_web(context);
        checked(context).await
    })
    .await;
    assert_eq!(ended.outcome, Err(Retry::Stale));
}

#[tokio::test]
async fn a_rollout_created_anew_is_not_decided_on_as_the_old_one() {
    let mut anew = samples::rollout("web");
    anew["metadata"]["uid"] = json!("uid-anew");
    let ended = scenario(vec![expect(ROLLOUT, found(anew))], async |context| {
        with_web(context);
        checked(context).await
    })
    .await;
    assert_eq!(ended.outcome, Err(Retry::Stale));
}

#[tokio::test]
async fn the_template_of_a_broken_spec_is_not_asked_about() {
    let ended = scenario(Vec::new(), async |context| {
        let mut broken = samples::rollout("web");
        broken["spec"]["replicas"] = json!(-1);
        put::<Rollout>(&context.caches, &broken);
        observe(context, &key("web"))
            .await
            .unwrap()
            .unwrap()
            .observed
            .spec
            .is_err()
    })
    .await;
    assert!(ended.outcome);
}

mod of_another_controller {
    use super::*;

    /// `web` with a status that says that its generation was looked at, and that `current` carries its template.
    fn rollout(observed_generation: &str, written_by: &str) -> Value {
        let mut rollout = samples::argo(samples::rollout("web"));
        rollout["metadata"]["managedFields"] = json!([{"manager": written_by}]);
        rollout["status"] =
            json!({"observedGeneration": observed_generation, "currentPodHash": "5df6f5b86f"});
        rollout
    }

    async fn checked(rollout: Value, exchanges: Vec<Exchange>) -> Result<TemplateCheck, Retry> {
        let ended = scenario(exchanges, async |context| {
            put::<Rollout>(&context.caches, &rollout);
            let current = samples::argo(samples::replica_set("web", "5df6f5b86f"));
            put::<ReplicaSet>(&context.caches, &current);
            observe(context, &samples::argo_key("web")).await
        });
        let observed = ended.await.outcome.map_err(|error| error.retry())?;
        Ok(observed.unwrap().observed.template.check)
    }

    /// The beginning of the question to the API server; it ends there.
    fn question() -> Vec<Exchange> {
        const ROLLOUT: &str = "GET /apis/argoproj.io/v1alpha1/namespaces/shop/rollouts/web";
        vec![expect(ROLLOUT, missing())]
    }

    #[tokio::test]
    async fn its_word_is_taken_for_the_generation_that_it_has_seen() {
        let rollout = rollout("2", "rollouts-controller");

        let replica_set = "web-5df6f5b86f".to_owned();
        assert_eq!(
            checked(rollout, Vec::new()).await,
            Ok(TemplateCheck::Equal { replica_set })
        );
    }

    #[tokio::test]
    async fn what_it_has_not_seen_is_asked_about() {
        let asked = checked(rollout("1", "rollouts-controller"), question()).await;

        assert_eq!(asked, Err(Retry::Stale));
    }

    #[tokio::test]
    async fn a_status_that_was_written_here_is_no_word_of_another() {
        let asked = checked(rollout("2", "kulta"), question()).await;

        assert_eq!(asked, Err(Retry::Stale));
    }
}
