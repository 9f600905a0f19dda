//! What does somebody see whose Rollout refers to Services or routes that are missing or do not fit, and is it well as
//! soon as they are there and do?

use anyhow::{Context, Result};
use kulta_e2e::{App, Stage};
use serde_json::{Value, json};

use crate::shop::with;
use crate::{expect, shop, template};

const ROUTE_PATH: &str = "spec.strategy.canary.trafficRouting.gatewayAPI.httpRoutes[0]";

pub(crate) async fn missing_stable_service_is_named_until_it_appears(stage: &Stage) -> Result<()> {
    let app = shop::small(stage);
    let words = [
        "\"shop\"",
        "spec.strategy.canary.stableService",
        "Service \"shop-stable\" not found",
        "create it",
    ];
    invalid_until_made(stage, &app, &service(&app, &app.stable_service())?, &words).await
}

pub(crate) async fn missing_canary_service_is_named_until_it_appears(stage: &Stage) -> Result<()> {
    let app = shop::small(stage);
    let words = [
        "\"shop\"",
        "spec.strategy.canary.canaryService",
        "Service \"shop-canary\" not found",
        "create it",
    ];
    invalid_until_made(stage, &app, &service(&app, &app.canary_service())?, &words).await
}

pub(crate) async fn missing_route_is_named_until_it_appears(stage: &Stage) -> Result<()> {
    let app = shop::small(stage);
    let route = format!("HTTPRoute \"{}/shop\" not found", stage.namespace());
    invalid_until_made(
        stage,
        &app,
        &app.route(stage),
        &["\"shop\"", ROUTE_PATH, &route, "create it"],
    )
    .await
}

pub(crate) async fn missing_analysis_template_is_named_until_it_appears(stage: &Stage) -> Result<()> {
    let app = template::judged(stage);
    let missing = format!("AnalysisTemplate \"{}\" not found", template::TEMPLATE);
    let words = [
        "spec.strategy.canary.steps[1].analysis.templates[0].templateName",
        &missing,
        "create it",
    ];
    let template = template::template(stage, template::CONDITION);
    invalid_until_made(stage, &app, &template, &words).await
}

pub(crate) async fn rollout_made_before_its_surroundings_heals_when_they_appear(stage: &Stage) -> Result<()> {
    let app = shop::small(stage);
    stage.create(&app.rollout()).await?;
    expect::invalid(
        &app.handle(stage),
        &["\"shop-stable\"", "\"shop-canary\"", ROUTE_PATH],
    )
    .await?;

    app.deploy_surroundings(stage).await?;
    expect::healthy(&app.handle(stage)).await.map(drop)
}

pub(crate) async fn service_that_selects_other_pods_is_named_until_it_fits(stage: &Stage) -> Result<()> {
    let app = shop::small(stage);
    let right = service(&app, &app.stable_service())?;
    let wrong = with(&right, "/spec/selector/app", "elsewhere");
    let words = [
        "spec.strategy.canary.stableService",
        "\"shop-stable\"",
        "app=elsewhere",
        "template.metadata.labels",
    ];
    invalid_until_corrected(stage, &app, &wrong, &right, &words).await
}

pub(crate) async fn route_that_names_neither_service_is_told_until_it_does(stage: &Stage) -> Result<()> {
    let app = shop::small(stage);
    let elsewhere = json!({ "rules": [{ "backendRefs": [{ "name": "elsewhere", "port": 80 }] }] });
    let wrong = with(&app.route(stage), "/spec/rules", elsewhere["rules"].clone());
    let words = [
        ROUTE_PATH,
        "names both",
        "\"shop-stable\"",
        "\"shop-canary\"",
        "add both",
    ];
    invalid_until_corrected(stage, &app, &wrong, &app.route(stage), &words).await
}

pub(crate) async fn route_that_names_one_service_is_told_until_it_names_both(stage: &Stage) -> Result<()> {
    let app = shop::small(stage);
    let stable = json!([{ "name": app.stable_service(), "port": 80 }]);
    let wrong = with(&app.route(stage), "/spec/rules/0/backendRefs", stable);
    let words = [
        ROUTE_PATH,
        "names both",
        "\"shop-stable\"",
        "\"shop-canary\"",
        "add both",
    ];
    invalid_until_corrected(stage, &app, &wrong, &app.route(stage), &words).await
}

pub(crate) async fn port_that_the_service_does_not_serve_is_told_until_it_does(stage: &Stage) -> Result<()> {
    let app = shop::small(stage);
    let wrong = with(&app.route(stage), "/spec/rules/0/backendRefs/1/port", 8081);
    let words = [
        ROUTE_PATH,
        "port 8081",
        "\"shop-canary\"",
        "[80]",
        "correct rules[0].backendRefs[1].port",
    ];
    invalid_until_corrected(stage, &app, &wrong, &app.route(stage), &words).await
}

fn service(app: &App, name: &str) -> Result<Value> {
    let named = app
        .services()
        .into_iter()
        .find(|service| service["metadata"]["name"] == name);
    named.with_context(|| format!("the application has no Service {name}"))
}

/// The application with `replacement` for one of its objects.
async fn deploy(stage: &Stage, app: &App, object: &Value, replacement: Option<&Value>) -> Result<()> {
    let mut manifests = app.services();
    manifests.extend([app.route(stage), app.rollout()]);
    let chosen = manifests.iter().filter_map(|manifest| {
        if manifest == object {
            replacement
        } else {
            Some(manifest)
        }
    });
    stage.create_all(&chosen.cloned().collect::<Vec<_>>()).await
}

async fn invalid_until_made(stage: &Stage, app: &App, missing: &Value, words: &[&str]) -> Result<()> {
    deploy(stage, app, missing, None).await?;
    expect::invalid(&app.handle(stage), words).await?;

    stage.create(missing).await?;
    expect::healthy(&app.handle(stage)).await.map(drop)
}

async fn invalid_until_corrected(
    stage: &Stage,
    app: &App,
    wrong: &Value,
    right: &Value,
    words: &[&str],
) -> Result<()> {
    deploy(stage, app, right, Some(wrong)).await?;
    expect::invalid(&app.handle(stage), words).await?;

    stage.merge(right).await?;
    expect::healthy(&app.handle(stage)).await.map(drop)
}
