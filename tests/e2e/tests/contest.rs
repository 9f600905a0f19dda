//! Who wins when somebody else writes the route, too?

use std::convert::Infallible;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kulta_api::status::RolloutStatus;
use kulta_core::status::{ConditionType, Truth};
use kulta_e2e::app::step;
use kulta_e2e::{App, Stage};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::live::{HALF_WAY, Live, meanwhile, shop, v2};

/// The name under which Argo CD writes.
const GITOPS_MANAGER: &str = "argocd-controller";
/// How often it applies what its repository says.
const GITOPS_PERIOD: Duration = Duration::from_secs(5);
/// How often a colleague edits the route: slower than a gateway accepts, faster than a step.
/// Beside other scenarios the gateway needs up to half a second to answer for a generation: with less between two edits it may
/// never answer for the one that there is.
const EDIT_PERIOD: Duration = Duration::from_secs(1);
/// Where the canary's weight is in the route.
const CANARY_WEIGHT: &str = "/spec/rules/0/backendRefs/1/weight";

/// The weights of the repository: everything to the stable version.
pub(crate) async fn gitops_manager_that_applies_its_weights_is_named_and_corrected(
    stage: &Stage,
) -> Result<()> {
    Box::pin(contested(stage, |route| route)).await
}

/// A repository without weights: 1 and 1, which is half and half.
pub(crate) async fn gitops_manager_that_omits_weights_is_named_and_corrected(stage: &Stage) -> Result<()> {
    Box::pin(contested(stage, without_weights)).await
}

async fn contested(stage: &Stage, repository: impl Fn(Value) -> Value) -> Result<()> {
    let steps = [step::weight(20), step::pause(), step::weight(100), step::pause()];
    let live = Live::start(stage, shop(stage).steps(steps)).await?;
    live.rollout.release(&v2(stage)).await?;
    live.waits_at(1, 20).await?;
    let manifest = repository(live.app.route(stage));
    let contest = meanwhile(gitops(stage, &live.app, &manifest), async {
        let named = live.rollout.until("to be contested", is_contested).await?;
        let message = contest_message(&named).context("no condition")?;
        ensure!(
            message.contains(GITOPS_MANAGER) && message.contains("ignoreDifferences"),
            "no help: {message}"
        );
        let before = corrections(&named);
        live.rollout
            .until("to go on correcting", |status| corrections(status) > before)
            .await?;
        live.waits_at(1, 20).await.map(drop)
    });
    Box::pin(contest).await?;
    live.rollout.resume().await?;
    live.waits_at(3, 100).await?;
    live.rollout.resume().await?;
    live.ends_on("v2").await
}

pub(crate) async fn single_edit_of_a_weight_is_corrected_without_a_word(stage: &Stage) -> Result<()> {
    let live = Live::half_way(stage).await?;
    let generation = edit_weights(stage, &live).await?;
    let corrected = |route: Option<&DynamicObject>| {
        route.is_some_and(|route| {
            route.metadata.generation > Some(generation)
                && route.data.pointer(CANARY_WEIGHT) == Some(&json!(50))
        })
    };
    stage
        .wait_for(stage.routes(), live.rollout.name(), "to be corrected", corrected)
        .await?;
    let status = live.waits_at(HALF_WAY, 50).await?;
    ensure!(
        contest_message(&status).is_none(),
        "one edit is no contest: {status:?}"
    );
    live.rollout.resume().await?;
    live.ends_on("v2").await
}

/// Another writer of the route keeps adding and removing a rule ahead of the split, and changes a filter in it.
pub(crate) async fn edits_of_another_writer_survive_and_so_do_the_weights(stage: &Stage) -> Result<()> {
    let steps = [10, 30, 60, 100].map(|percent| [step::weight(percent), step::pause_for(1)]);
    let live = Live::start(stage, shop(stage).steps(steps.into_iter().flatten())).await?;
    let (edits, edited) = watch::channel(0);
    meanwhile(edit(stage, &live, &edits), async {
        live.rollout.release(&v2(stage)).await?;
        live.settles_on("v2").await
    })
    .await?;
    let done = *edited.borrow();
    ensure!(done > 0, "nothing was edited");
    let route = stage.routes().get(live.rollout.name()).await?;
    // The last edit may have been cut off between its write and its answer.
    let expected = [done, done + 1].map(|number| edited_rules(&route.data, number));
    let survived = expected
        .into_iter()
        .flatten()
        .any(|rules| route.data.pointer("/spec/rules") == Some(&rules));
    ensure!(survived, "an edit was lost: {}", route.data);
    let split = route
        .data
        .pointer("/spec/rules")
        .and_then(Value::as_array)
        .and_then(|rules| rules.last());
    let weights = ["/backendRefs/0/weight", "/backendRefs/1/weight"]
        .map(|path| split.and_then(|rule| rule.pointer(path)).and_then(Value::as_u64));
    ensure!(
        weights == [Some(100), Some(0)],
        "wrong weights at the end: {}",
        route.data
    );
    live.ends_on("v2").await
}

/// Server-side apply by force, again and again.
async fn gitops(stage: &Stage, app: &App, manifest: &Value) -> Result<Infallible> {
    let mut syncs = interval(GITOPS_PERIOD);
    let name = manifest
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .context("a route without a name")?;
    loop {
        syncs.tick().await;
        let apply = PatchParams::apply(GITOPS_MANAGER).force();
        let applied = stage.routes().patch(name, &apply, &Patch::Apply(manifest)).await;
        applied.with_context(|| format!("applying the route of {}", app.host(stage)))?;
    }
}

fn without_weights(mut route: Value) -> Value {
    let backends = route
        .pointer_mut("/spec/rules/0/backendRefs")
        .and_then(Value::as_array_mut);
    for backend in backends.into_iter().flatten().filter_map(Value::as_object_mut) {
        backend.remove("weight");
    }
    route
}

/// Gives the canary everything; answers the generation of the route after it.
async fn edit_weights(stage: &Stage, live: &Live) -> Result<i64> {
    let mut route = stage.routes().get(live.rollout.name()).await?;
    for (backend, weight) in [(0, 0), (1, 100)] {
        let path = format!("/spec/rules/0/backendRefs/{backend}/weight");
        *route.data.pointer_mut(&path).context("no weight")? = json!(weight);
    }
    let editor = PostParams {
        field_manager: Some("kubectl-edit".to_owned()),
        ..PostParams::default()
    };
    let edited = stage
        .routes()
        .replace(live.rollout.name(), &editor, &route)
        .await?;
    edited.metadata.generation.context("no generation")
}

/// Reads, changes and writes the route as most controllers do: refused where somebody wrote in between.
async fn edit(stage: &Stage, live: &Live, edits: &watch::Sender<u32>) -> Result<Infallible> {
    let routes = stage.routes();
    let mut turns = interval(EDIT_PERIOD);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        let mut route = routes.get(live.rollout.name()).await?;
        let number = *edits.borrow() + 1;
        let rules = edited_rules(&route.data, number)?;
        *route.data.pointer_mut("/spec/rules").context("no rules")? = rules;
        match routes
            .replace(live.rollout.name(), &PostParams::default(), &route)
            .await
        {
            Ok(_) => {
                edits.send_replace(number);
            }
            Err(kube::Error::Api(refusal)) if refusal.is_conflict() => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// The rules after the edit of this number: with another rule ahead at every second one, and the number in a filter.
fn edited_rules(route: &Value, number: u32) -> Result<Value> {
    let rules = route
        .pointer("/spec/rules")
        .and_then(Value::as_array)
        .context("no rules")?;
    let mut split = rules.last().cloned().context("no rule")?;
    let headers = json!([{ "name": "x-edit", "value": number.to_string() }]);
    let filter = json!([{ "type": "ResponseHeaderModifier", "responseHeaderModifier": { "set": headers } }]);
    split
        .as_object_mut()
        .context("a rule that is no object")?
        .insert("filters".to_owned(), filter);
    let mut extra = split.clone();
    let fields = extra.as_object_mut().context("a rule that is no object")?;
    fields.insert(
        "matches".to_owned(),
        json!([{ "path": { "type": "PathPrefix", "value": "/extra" } }]),
    );
    let backends = fields
        .get_mut("backendRefs")
        .and_then(Value::as_array_mut)
        .context("no backends")?;
    backends.truncate(1);
    if let Some(backend) = backends.first_mut().and_then(Value::as_object_mut) {
        backend.insert("weight".to_owned(), json!(1));
    }
    let ahead = (number % 2 == 1).then_some(extra);
    Ok(ahead.into_iter().chain([split]).collect())
}

fn contest_message(status: &RolloutStatus) -> Option<&str> {
    let mut conditions = status.conditions.iter().map(|entry| &entry.condition);
    let contested = conditions.find(|condition| condition.kind == ConditionType::RouteContested);
    contested
        .filter(|condition| condition.status == Truth::True)
        .map(|condition| condition.message.as_str())
}

fn is_contested(status: &RolloutStatus) -> bool {
    contest_message(status).is_some()
}

fn corrections(status: &RolloutStatus) -> u32 {
    let contest = status.canary.as_ref().and_then(|canary| canary.contest.as_ref());
    contest.map_or(0, |contest| contest.corrections)
}
