//! What does somebody see who has made a mistake in the Rollout itself, and is it well as soon as the mistake is mended?

use anyhow::{Context, Result, ensure};
use kulta_core::status::{ConditionType, Phase};
use kulta_e2e::Stage;
use kulta_e2e::rollout::is_in_force;
use serde_json::{Value, json};

use crate::shop::with;
use crate::{expect, shop};

pub(crate) async fn two_strategies_are_refused(stage: &Stage) -> Result<()> {
    let right = shop::small(stage).rollout();
    let wrong = with(
        &right,
        "/spec/strategy/blueGreen",
        json!({ "activeService": "shop-stable" }),
    );
    refused_until_mended(
        stage,
        &wrong,
        &["\"shop\"", "spec.strategy", "exactly one of canary and blueGreen"],
    )
    .await
}

pub(crate) async fn no_strategy_is_refused(stage: &Stage) -> Result<()> {
    let wrong = with(&shop::small(stage).rollout(), "/spec/strategy", json!({}));
    refused_until_mended(
        stage,
        &wrong,
        &["\"shop\"", "spec.strategy", "write strategy.canary"],
    )
    .await
}

pub(crate) async fn weight_above_100_is_refused(stage: &Stage) -> Result<()> {
    let wrong = with_step(stage, json!({ "setWeight": 101 }));
    let words = [
        "\"shop\"",
        "spec.strategy.canary",
        "weights of steps are at most 100",
    ];
    refused_until_mended(stage, &wrong, &words).await
}

pub(crate) async fn step_with_two_keys_is_refused(stage: &Stage) -> Result<()> {
    let wrong = with_step(stage, json!({ "setWeight": 10, "pause": {} }));
    refused_until_mended(
        stage,
        &wrong,
        &["\"shop\"", "spec.strategy.canary.steps[0]", "exactly one of"],
    )
    .await
}

pub(crate) async fn step_with_no_key_is_refused(stage: &Stage) -> Result<()> {
    let wrong = with_step(stage, json!({}));
    refused_until_mended(
        stage,
        &wrong,
        &["\"shop\"", "spec.strategy.canary.steps[0]", "exactly one of"],
    )
    .await
}

pub(crate) async fn misspelt_step_is_refused(stage: &Stage) -> Result<()> {
    let wrong = with_step(stage, json!({ "setWieght": 10 }));
    let words = [
        "\"shop\"",
        "spec.strategy.canary.steps[0]",
        "look for a misspelt one",
    ];
    refused_until_mended(stage, &wrong, &words).await
}

pub(crate) async fn misspelt_field_beside_a_step_is_named(stage: &Stage) -> Result<()> {
    let wrong = with_step(stage, json!({ "setWeight": 10, "setWieght": 20 }));
    let words = [
        "\"shop\"",
        "spec.strategy.canary.steps[0].setWieght",
        "unknown field",
        "`setWeight`",
    ];
    invalid_until_mended(stage, &wrong, &words).await
}

pub(crate) async fn selector_that_does_not_match_the_template_is_named(stage: &Stage) -> Result<()> {
    let wrong = with(
        &shop::small(stage).rollout(),
        "/spec/template/metadata/labels/app",
        "shopp",
    );
    let words = [
        "\"shop\"",
        "spec.template.metadata.labels",
        "`selector` does not match",
        "spec.selector asks for",
    ];
    invalid_until_mended(stage, &wrong, &words).await
}

pub(crate) async fn misspelt_field_of_a_running_rollout_touches_no_pod(stage: &Stage) -> Result<()> {
    let app = shop::small(stage);
    let rollout = app.deploy(stage).await?;
    expect::healthy(&rollout).await?;
    let before = expect::pod_uids(stage).await?;

    stage
        .replace(&with(&app.rollout(), "/spec/strategy/canary/maxSurg", 1))
        .await?;
    expect::invalid(
        &rollout,
        &["spec.strategy.canary.maxSurg", "unknown field", "`maxSurge`"],
    )
    .await?;
    stage.replace(&app.rollout()).await?;
    expect::healthy(&rollout).await?;

    ensure!(expect::pod_uids(stage).await? == before, "pods were restarted");
    Ok(())
}

pub(crate) async fn abort_takes_the_traffic_back_from_an_invalid_rollout(stage: &Stage) -> Result<()> {
    let rollout = shop::half_way(stage).deploy(stage).await?;
    expect::healthy(&rollout).await?;
    rollout.release(&shop::v2(stage)).await?;
    expect::paused_at(&rollout, 1).await?;
    let mistake = json!({ "strategy": { "canary": { "maxSurg": 1 } } });
    rollout.patch_spec(&mistake).await?;
    expect::invalid(&rollout, &["spec.strategy.canary.maxSurg"]).await?;

    rollout.abort().await?;

    rollout
        .until("to take the traffic back", |status| is_in_force(status, 0))
        .await?;
    expect::invalid(&rollout, &["spec.strategy.canary.maxSurg"]).await?;
    Ok(())
}

pub(crate) async fn younger_of_two_overlapping_rollouts_is_told(stage: &Stage) -> Result<()> {
    let older = with(
        &shop::small(stage).rollout(),
        "/spec/selector/matchLabels",
        json!({ "team": "web" }),
    );
    let older = with(&older, "/spec/template/metadata/labels/team", "web");
    let (first, second) = (shop::small(stage), shop::named(stage, "twin"));
    first.deploy_surroundings(stage).await?;
    second.deploy_surroundings(stage).await?;
    stage.create(&older).await?;
    expect::healthy(&first.handle(stage)).await?;

    stage
        .create(&with(
            &second.rollout(),
            "/spec/template/metadata/labels/team",
            "web",
        ))
        .await?;
    expect::invalid(
        &second.handle(stage),
        &["\"twin\"", "spec.selector", "\"shop\"", "a label of its own"],
    )
    .await?;
    let status = first.handle(stage).status().await?;
    let untroubled =
        expect::find(&status, ConditionType::InvalidSpec).is_none() && status.phase == Phase::Healthy;
    ensure!(untroubled, "the older one goes on: {status:?}");

    stage.replace(&second.rollout()).await?;
    expect::healthy(&second.handle(stage)).await.map(drop)
}

/// The small application's Rollout with this step for its only one.
fn with_step(stage: &Stage, step: Value) -> Value {
    with(
        &shop::small(stage).rollout(),
        "/spec/strategy/canary/steps/0",
        step,
    )
}

async fn refused_until_mended(stage: &Stage, wrong: &Value, words: &[&str]) -> Result<()> {
    let app = shop::small(stage);
    app.deploy_surroundings(stage).await?;
    let refusal = stage
        .create(wrong)
        .await
        .err()
        .context("the API server accepts it")?;
    let message = format!("{refusal:#}");
    ensure!(
        words.iter().all(|word| message.contains(word)),
        "one of {words:?} is missing in: {message}"
    );

    stage.create(&app.rollout()).await?;
    expect::healthy(&app.handle(stage)).await.map(drop)
}

async fn invalid_until_mended(stage: &Stage, wrong: &Value, words: &[&str]) -> Result<()> {
    let app = shop::small(stage);
    app.deploy_surroundings(stage).await?;
    stage.create(wrong).await?;
    expect::invalid(&app.handle(stage), words).await?;

    stage.replace(&app.rollout()).await?;
    expect::healthy(&app.handle(stage)).await.map(drop)
}
