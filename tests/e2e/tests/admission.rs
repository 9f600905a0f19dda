//! Is a Rollout that makes no sense refused when it is applied, and one that is stored already still free to be labelled?

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use kube::api::{DeleteParams, PostParams};
use kube::{Api, ResourceExt};
use kulta_e2e::{ADMISSION_POLICY, Stage, eventually};
use serde_json::{Value, json};

use crate::kubectl::{kubectl, said};
use crate::shop;
use crate::shop::with;

const CANARY: &str = "/spec/strategy/canary";
const BLUE_GREEN: &str = "/spec/strategy/blueGreen";

pub(crate) async fn rollout_that_makes_no_sense_is_refused_when_it_is_applied(stage: &Stage) -> Result<()> {
    let right = shop::small(stage).rollout();
    let stored = with(&named(&right, "stored"), &format!("{CANARY}/maxSurg"), 1);
    stage.create(&stored).await?;
    let binding = Binding::of(stage).await?;
    let wrong = mistakes(&right);
    eventually("the policy to be in force", async || {
        let (manifest, words) = wrong.first().context("no mistakes")?;
        Ok(is_refused(stage, manifest, words).await?.then_some(()))
    })
    .await?;

    for (manifest, words) in &wrong {
        ensure!(
            is_refused(stage, manifest, words).await?,
            "{words} was not refused"
        );
    }
    for right in [right.clone(), blue_green(&right)] {
        let (is_applied, said) = applied(stage, &right).await?;
        ensure!(is_applied && !said.contains("Warning"), "{said}");
    }
    let basic =
        json!({"canary": {"steps": [{"setWeight": 50}, {"pause": {"duration": "1m"}}], "maxSurge": 0}});
    let (is_applied, said) = applied(stage, &with(&right, "/spec/strategy", basic)).await?;
    ensure!(is_applied && !said.contains("Warning"), "{said}");
    let labelled = with(&stored, "/metadata/labels", json!({ "team": "blue" }));
    let (is_applied, said) = applied(stage, &labelled).await?;
    ensure!(is_applied, "a stored Rollout can't be labelled: {said}");
    is_well_typed(stage).await?;
    binding.remove().await
}

pub(crate) async fn rollout_of_the_other_group_is_warned_of(stage: &Stage) -> Result<()> {
    let right = shop::small(stage).argo().rollout();
    let wrong = with(&right, &format!("{CANARY}/maxSurg"), 1);

    let said = eventually("the policy to be in force", async || {
        let (is_applied, said) = applied(stage, &wrong).await?;
        ensure!(is_applied, "it was refused: {said}");
        Ok(said.contains("Warning").then_some(said))
    })
    .await?;

    ensure!(
        said.contains("spec.strategy.canary: unknown field \"maxSurg\""),
        "{said}"
    );
    let (_, said) = applied(stage, &right).await?;
    ensure!(!said.contains("Warning"), "{said}");
    // One that was stored before is nobody's business until its spec changes.
    let stored = named(&wrong, "stored");
    stage.create(&stored).await?;
    let labelled = with(&stored, "/metadata/labels", json!({ "team": "blue" }));
    let (is_applied, said) = applied(stage, &labelled).await?;
    ensure!(is_applied && !said.contains("Warning"), "{said}");
    Ok(())
}

/// A mistake of each kind, and the words by which it is refused.
fn mistakes(right: &Value) -> Vec<(Value, &'static str)> {
    let mut mistakes = unknown_fields(right);
    mistakes.extend(contradictions(right));
    mistakes.extend(impossible(right));
    mistakes.extend(misrouted(right));
    mistakes
}

fn unknown_fields(right: &Value) -> Vec<(Value, &'static str)> {
    let canary = |field: &str, value: Value| with(right, &format!("{CANARY}/{field}"), value);
    let blue_green =
        |field: &str, value: Value| with(&blue_green(right), &format!("{BLUE_GREEN}/{field}"), value);
    let misspelt = json!([{"setWeight": 10}, {"setWeight": 10, "setWieght": 20}]);
    vec![
        (
            canary("maxSurg", json!(1)),
            "spec.strategy.canary: unknown field \"maxSurg\"; write one of abortScaleDownDelaySeconds, ",
        ),
        (
            with(right, "/spec/strategy/cannary", json!({})),
            "spec.strategy: unknown field \"cannary\"; write one of blueGreen, canary",
        ),
        (
            blue_green("autoPromotion", json!(false)),
            "spec.strategy.blueGreen: unknown field \"autoPromotion\"",
        ),
        (
            blue_green("trafficRouting/istio", json!({})),
            "spec.strategy.blueGreen.trafficRouting: unknown field \"istio\"",
        ),
        (
            canary("trafficRouting/istio", json!({})),
            "spec.strategy.canary.trafficRouting: unknown field \"istio\"",
        ),
        (
            canary("steps", misspelt),
            "spec.strategy.canary.steps: unknown field \"setWieght\"",
        ),
        (
            canary("steps", json!([{"pause": {"durration": "5m"}}])),
            "unknown field \"durration\" of pause; write one of duration",
        ),
        (
            canary(
                "steps",
                json!([{"setCanaryScale": {"replicas": 1, "replica": 2}}]),
            ),
            "unknown field \"replica\" of setCanaryScale; write one of matchTrafficWeight, replicas, weight",
        ),
        (
            canary("trafficRouting/gatewayAPI/httpRoute", json!("shop")),
            "spec.strategy.canary.trafficRouting.gatewayAPI: unknown field \"httpRoute\"",
        ),
    ]
}

fn contradictions(right: &Value) -> Vec<(Value, &'static str)> {
    let canary = |field: &str, value: Value| with(right, &format!("{CANARY}/{field}"), value);
    let header = json!([{"setHeaderRoute": {
        "name": "beta", "match": [{"headerName": "x-beta", "headerValue": {"exact": "yes"}}],
    }}]);
    let stable = right["spec"]["strategy"]["canary"]["stableService"].clone();
    let preview = format!("{BLUE_GREEN}/previewService");
    vec![
        (
            with(right, "/spec/template/metadata/labels/app", "shopp"),
            "spec.selector.matchLabels: does not select the pods",
        ),
        (
            canary("canaryService", stable),
            "spec.strategy.canary.canaryService: is the stableService, too",
        ),
        (
            with(&blue_green(right), &preview, "shop-stable"),
            "spec.strategy.blueGreen.previewService: is the activeService, too",
        ),
        (
            canary("stableService", json!("")),
            "trafficRouting needs stableService and canaryService",
        ),
        (
            canary("dynamicStableScale", json!(true)),
            "dynamicStableScale and scaleDownDelaySeconds exclude each other",
        ),
        (canary("steps", header), "names a route that is not in"),
    ]
}

/// What is missing, or asks for nothing that there could be.
fn impossible(right: &Value) -> Vec<(Value, &'static str)> {
    let spec = |field: &str, value: Value| with(right, &format!("/spec/{field}"), value);
    let basic = |canary: Value| with(right, "/spec/strategy", json!({"canary": canary}));
    let mut nobody = right.clone();
    nobody["spec"].as_object_mut().map(|spec| spec.remove("selector"));
    let reference = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"});
    let analysis = json!({"startingStep": 7, "templates": [{"templateName": "errors"}]});
    vec![
        (nobody, "spec: needs selector and template"),
        (
            spec("workloadRef", reference),
            "spec.template: must be empty beside workloadRef",
        ),
        (
            spec("minReadySeconds", json!(600)),
            "spec.progressDeadlineSeconds: must be greater than minReadySeconds",
        ),
        (
            basic(json!({"maxSurge": 0, "maxUnavailable": "0%"})),
            "spec.strategy.canary.maxSurge: is zero, and so is maxUnavailable",
        ),
        (
            spec("strategy/canary/analysis", analysis),
            "spec.strategy.canary.analysis.startingStep: there is no such step",
        ),
        (
            basic(json!({"steps": [{"setCanaryScale": {"replicas": 1}}]})),
            "setCanaryScale needs trafficRouting",
        ),
        (
            basic(json!({"scaleDownDelaySeconds": 30})),
            "scaleDownDelaySeconds and dynamicStableScale need trafficRouting",
        ),
    ]
}

/// Routing that routes nothing, or nobody.
fn misrouted(right: &Value) -> Vec<(Value, &'static str)> {
    let switched = |routing: Value| {
        with(
            &blue_green(right),
            &format!("{BLUE_GREEN}/trafficRouting"),
            routing,
        )
    };
    let routes = json!({"httpRoutes": [{"name": "shop"}]});
    let preview = format!("{BLUE_GREEN}/previewService");
    vec![
        (
            with(right, &format!("{CANARY}/trafficRouting"), json!({})),
            "spec.strategy.canary.trafficRouting: needs routes",
        ),
        (
            switched(json!({})),
            "spec.strategy.blueGreen.trafficRouting: needs routes",
        ),
        (
            switched(json!({"gatewayAPI": routes, "maxTrafficWeight": 1000})),
            "plugins, managedRoutes and maxTrafficWeight are for canaries",
        ),
        (
            with(&switched(json!({"gatewayAPI": routes})), &preview, ""),
            "spec.strategy.blueGreen.previewService: must be set with trafficRouting",
        ),
    ]
}

fn blue_green(rollout: &Value) -> Value {
    let strategy = json!({"blueGreen": {"activeService": "shop-stable", "previewService": "shop-canary"}});
    with(rollout, "/spec/strategy", strategy)
}

fn named(rollout: &Value, name: &str) -> Value {
    with(rollout, "/metadata/name", name)
}

/// Whether it can't be applied, by these words; nothing is kept.
pub(crate) async fn is_refused(stage: &Stage, manifest: &Value, words: &str) -> Result<bool> {
    let (is_applied, said) = applied(stage, manifest).await?;
    ensure!(is_applied || said.contains(words), "{words:?} is not in: {said}");
    Ok(!is_applied)
}

/// Whether kubectl could apply it, and what it has said; nothing is kept.
async fn applied(stage: &Stage, manifest: &Value) -> Result<(bool, String)> {
    let namespaced = with(manifest, "/metadata/namespace", stage.namespace());
    let file = stage.settings().work.join(format!("{}.json", stage.namespace()));
    std::fs::write(&file, namespaced.to_string()).with_context(|| file.display().to_string())?;
    let output = kubectl(
        stage,
        &[
            "apply",
            "--server-side",
            "--dry-run=server",
            "--force-conflicts",
            "-f",
        ],
        &file,
    );
    let output = output.await?;
    Ok((output.status.success(), said(&output)))
}

/// Whether the API server finds nothing wrong with the expressions of the policy.
async fn is_well_typed(stage: &Stage) -> Result<()> {
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(stage.client().clone());
    let warnings = eventually("the expressions to be checked", async || {
        let status = policies.get(ADMISSION_POLICY).await?.status;
        let checked = status.and_then(|status| status.type_checking);
        Ok(checked.map(|checked| checked.expression_warnings.unwrap_or_default()))
    })
    .await?;
    ensure!(warnings.is_empty(), "{warnings:#?}");
    Ok(())
}

/// The policy is in force in the stage's namespace alone.
struct Binding {
    bindings: Api<ValidatingAdmissionPolicyBinding>,
    name: String,
}

impl Binding {
    async fn of(stage: &Stage) -> Result<Self> {
        let bindings = Api::all(stage.client().clone());
        let name = format!("{ADMISSION_POLICY}.{}", stage.namespace());
        let namespace = json!({"kubernetes.io/metadata.name": stage.namespace()});
        let binding: ValidatingAdmissionPolicyBinding = serde_json::from_value(json!({
            "metadata": {"name": name},
            "spec": {
                "policyName": ADMISSION_POLICY,
                "validationActions": ["Deny"],
                "matchResources": {"namespaceSelector": {"matchLabels": namespace}},
            },
        }))?;
        let made = bindings.create(&PostParams::default(), &binding).await?;
        Ok(Self {
            name: made.name_any(),
            bindings,
        })
    }

    async fn remove(self) -> Result<()> {
        let deleted = self.bindings.delete(&self.name, &DeleteParams::default()).await;
        deleted.map(drop).context("removing the binding")
    }
}
