//! Do AnalysisTemplates, with arguments and conditions, judge new versions?

use anyhow::{Result, ensure};
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, PostParams};
use kube::core::GroupVersionKind;
use kulta_api::status::RolloutStatus;
use kulta_e2e::app::{ERROR_RATE_VARIABLE, step};
use kulta_e2e::{App, NAMESPACE, Stage, Version};
use serde_json::{Value, json};

use crate::live::{Live, shop, v2};

const CLUSTER_KIND: &str = "ClusterAnalysisTemplate";
pub(crate) const TEMPLATE: &str = "error-ratio";
/// The condition that a good version meets.
pub(crate) const CONDITION: &str = "len(result) > 0 && result[0] < {{args.limit}}";

/// The ratio of errors in the last ten seconds, judged by a condition.
pub(crate) fn template(stage: &Stage, condition: &str) -> Value {
    let selector = r#"namespace="{{args.namespace}}",rollouts_pod_template_hash="{{args.hash}}""#;
    let bad = format!(r#"(sum(increase(http_requests_total{{{selector},code=~"5.."}}[10s])) or vector(0))"#);
    let total = format!("sum(increase(http_requests_total{{{selector}}}[10s]))");
    json!({
        "apiVersion": "kulta.io/v1alpha1",
        "kind": "AnalysisTemplate",
        "metadata": {"name": TEMPLATE, "namespace": stage.namespace()},
        "spec": {
            "args": [{"name": "hash"}, {"name": "namespace"}, {"name": "limit", "value": "0.01"}],
            "metrics": [{
                "name": "error-ratio",
                "interval": "2s",
                "consecutiveSuccessLimit": 3,
                // Before Prometheus has measured anything, neither condition is true.
                "inconclusiveLimit": 100,
                "successCondition": condition,
                "failureCondition": "len(result) > 0 && result[0] >= {{args.limit}}",
                "provider": {"plugin": {"prometheus": {"query": format!("{bad} / {total}")}}},
            }],
        },
    })
}

/// A step that measures by the template.
pub(crate) fn judged(stage: &Stage) -> App {
    shop(stage).steps(steps())
}

pub(crate) fn steps() -> [Value; 2] {
    let analysis = json!({
        "templates": [{"templateName": TEMPLATE}],
        "args": [
            {"name": "hash", "valueFrom": {"podTemplateHashValue": "Latest"}},
            {"name": "namespace", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        ],
    });
    [step::weight(50), json!({"analysis": analysis})]
}

pub(crate) async fn condition_of_a_template_promotes_a_good_version(stage: &Stage) -> Result<()> {
    stage.create(&template(stage, CONDITION)).await?;
    let live = Live::start(stage, judged(stage)).await?;
    live.rollout.release(&v2(stage)).await?;
    live.rollout.until_promoted().await?;
    live.ends_on("v2").await
}

pub(crate) async fn template_of_the_cluster_promotes_a_good_version(stage: &Stage) -> Result<()> {
    let mut manifest = template(stage, CONDITION);
    manifest["kind"] = json!(CLUSTER_KIND);
    // Templates of the cluster have no namespace that tells them apart.
    let name = format!("{TEMPLATE}-{}", stage.namespace());
    manifest["metadata"] = json!({"name": name});
    let resource = analysis_template_of_the_cluster();
    let templates: Api<DynamicObject> = Api::all_with(stage.client().clone(), &resource);
    templates
        .create(&PostParams::default(), &serde_json::from_value(manifest)?)
        .await?;
    let mut steps = steps();
    steps[1]["analysis"]["templates"] = json!([{"templateName": name, "clusterScope": true}]);

    let live = Live::start(stage, shop(stage).steps(steps)).await?;
    live.rollout.release(&v2(stage)).await?;
    live.rollout.until_promoted().await?;
    live.ends_on("v2").await?;

    let deleted = templates.delete(&name, &DeleteParams::default()).await;
    Ok(deleted.map(drop)?)
}

fn analysis_template_of_the_cluster() -> ApiResource {
    let kind = GroupVersionKind::gvk("kulta.io", "v1alpha1", CLUSTER_KIND);
    ApiResource::from_gvk(&kind)
}

pub(crate) async fn condition_of_a_template_takes_a_bad_version_back(stage: &Stage) -> Result<()> {
    stage.create(&template(stage, CONDITION)).await?;
    let live = Live::start(stage, judged(stage)).await?;
    let bad = Version::v2(&stage.settings().app).with(ERROR_RATE_VARIABLE, "0.2");
    live.rollout.release(&bad).await?;
    let status = live.rollout.until_aborted().await?;
    ensure!(
        status.message.contains("error-ratio") && status.message.contains("failureCondition is true"),
        "the message does not say why: {}",
        status.message
    );
    live.is_served_by("v1").await
}

pub(crate) async fn condition_that_cannot_be_read_is_told_before_anything_begins(
    stage: &Stage,
) -> Result<()> {
    stage.create(&template(stage, "result[0] <")).await?;
    let live = Live::start(stage, shop(stage).steps([step::weight(50)])).await?;
    let release = json!({
        "template": v2(stage).template(live.rollout.name()),
        "strategy": {"canary": {"steps": steps()}},
    });
    live.rollout.patch_spec(&release).await?;
    let named = |status: &RolloutStatus| {
        let words = ["spec.metrics[0].successCondition", "result[0] <"];
        !status.abort && words.iter().all(|words| status.message.contains(words))
    };
    let status = live
        .rollout
        .until("to wait, and to say which condition", named)
        .await?;
    ensure!(
        status.stable_rs == status.current_pod_hash,
        "the new version has begun: {status:?}"
    );
    live.is_served_by("v1").await
}

const SECRET: &str = "access";
/// Where KULTA is installed, and its service account there.
const CONTROLLER: (&str, &str) = (NAMESPACE, "kulta-controller");

/// The Secret with the namespace that a template may ask about, and the rights to read it.
fn secret(stage: &Stage) -> [Value; 3] {
    let metadata = json!({"name": SECRET, "namespace": stage.namespace()});
    let (namespace, name) = CONTROLLER;
    let group = "rbac.authorization.k8s.io";
    [
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": metadata,
            "stringData": {"namespace": stage.namespace()},
        }),
        json!({
            "apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": metadata,
            "rules": [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": [SECRET], "verbs": ["get"]}],
        }),
        json!({
            "apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": metadata,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": SECRET},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        }),
    ]
}

pub(crate) async fn secret_is_waited_for_until_it_may_be_read_and_then_measured_with(
    stage: &Stage,
) -> Result<()> {
    let mut template = template(stage, CONDITION);
    let reference = json!({"secretKeyRef": {"name": SECRET, "key": "namespace"}});
    template["spec"]["args"][1] = json!({"name": "namespace", "valueFrom": reference});
    let [secret, role, binding] = secret(stage);
    stage.create_all(&[template, secret, role]).await?;
    let analysis = json!({
        "templates": [{"templateName": TEMPLATE}],
        "args": [{"name": "hash", "valueFrom": {"podTemplateHashValue": "Latest"}}],
    });
    let app = shop(stage).steps([step::weight(50), json!({"analysis": analysis})]);
    let live = Live::start(stage, app).await?;
    live.rollout.release(&v2(stage)).await?;

    let (namespace, name) = CONTROLLER;
    let flag = format!("--serviceaccount={namespace}:{name}");
    live.rollout
        .until("to be told the rights to give", |status| {
            status.message.contains("spec.args[") && status.message.contains(&flag)
        })
        .await?;
    stage.create(&binding).await?;

    live.rollout.until_promoted().await?;
    live.ends_on("v2").await
}
