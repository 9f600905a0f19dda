//! Can KULTA be upgraded, kept to one namespace and taken out again, and do users notice?

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionSpec,
};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kulta_e2e::app::step;
use kulta_e2e::freeze::open;
use kulta_e2e::images::again;
use kulta_e2e::{Installed, NAMESPACE, NamespaceName, RELEASE, Rollout, Stage, eventually};
use serde_json::json;

use crate::admission::is_refused;
use crate::gate::{MOUNTED, component};
use crate::kubectl::{in_controller, said};
use crate::live::{self, Live};
use crate::{expect, shop};

/// The lease that the replica holds that works.
const LEASE: &str = "kulta-controller-lock";
/// The definition of Rollouts.
const ROLLOUTS: &str = "rollouts.kulta.io";
/// Namespaces that a controller of one namespace must not touch begin with it; one that an interrupted run has left is removed.
const OTHER: &str = "e2e-other";

async fn leader(stage: &Stage) -> Result<String> {
    let lease = stage.controller_api::<Lease>().get(LEASE).await?;
    let holder = lease.spec.and_then(|spec| spec.holder_identity);
    holder.filter(|holder| !holder.is_empty()).context("nobody leads")
}

/// The definition of Rollouts, as the cluster has it.
async fn rollout_definition(stage: &Stage) -> Result<CustomResourceDefinitionSpec> {
    let definitions: Api<CustomResourceDefinition> = Api::all(stage.client().clone());
    Ok(definitions.get(ROLLOUTS).await?.spec)
}

pub(crate) async fn upgrade_from_an_earlier_chart_in_mid_rollout_fails_no_request_and_restarts_no_pod(
    stage: &Stage,
    installed: &Installed,
) -> Result<()> {
    let image = stage.settings().controller.image.as_deref().context("no image")?;
    let next = again(image);
    let (_, tag) = next.rsplit_once(':').context("an image without a tag")?;
    installed.remove().await?;
    installed.clone().earlier().apply().await?;
    let definitions = rollout_definition(stage).await?;
    let live = Live::half_way(stage).await?;
    let pods = expect::pod_uids(stage).await?;
    let before = leader(stage).await?;

    installed
        .clone()
        .with(&json!({"image": {"tag": tag}}))
        .apply()
        .await?;

    eventually("another replica to lead", async || {
        Ok(leader(stage)
            .await
            .ok()
            .filter(|leader| *leader != before)
            .map(drop))
    })
    .await?;
    ensure!(
        rollout_definition(stage).await? != definitions,
        "the definitions are still the earlier ones"
    );
    let pods_now = installed.pods().await?;
    for pod in pods_now
        .iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
    {
        let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
        let images: Vec<_> = containers.map(|container| container.image.as_deref()).collect();
        ensure!(images == [Some(next.as_str())], "not upgraded: {images:?}");
    }
    ensure!(
        expect::pod_uids(stage).await? == pods,
        "pods of the application were replaced"
    );
    live.rollout.resume().await?;
    live.rollout.until_promoted().await?;
    live.ends_on("v2").await
}

pub(crate) async fn one_namespace_is_worked_on_and_no_other_is_touched(
    stage: &Stage,
    installed: &Installed,
) -> Result<()> {
    let settings = Arc::new(stage.settings().clone());
    Stage::remove_leftovers(&settings, OTHER).await?;
    let other = Stage::open(settings, NamespaceName::Fresh(OTHER)).await?;
    installed
        .clone()
        .with(&json!({"namespace": stage.namespace()}))
        .apply()
        .await?;
    let apart = shop::small(&other).deploy(&other).await?;

    let own = shop::half_way(stage).deploy(stage).await?;
    expect::healthy(&own).await?;
    own.release(&shop::v2(stage)).await?;
    expect::paused_at(&own, 1).await?;
    own.resume().await?;
    expect::healthy(&own).await?;

    is_untouched(&other, &apart).await?;
    for (there, allowed) in [(stage, true), (&other, false)] {
        ensure!(
            may_patch_rollouts(there).await? == allowed,
            "the rights in {} are not those of one namespace",
            there.namespace()
        );
    }
    // It is one that KULTA would work on, if it were told to.
    installed.apply().await?;
    expect::healthy(&apart).await?;
    other.close().await
}

/// Whether the controller's service account has the right, used or not.
async fn may_patch_rollouts(stage: &Stage) -> Result<bool> {
    let review = json!({"spec": {
        "user": format!("system:serviceaccount:{NAMESPACE}:kulta-controller"),
        "resourceAttributes": {
            "namespace": stage.namespace(), "verb": "patch", "group": "kulta.io", "resource": "rollouts",
        },
    }});
    let reviews: Api<SubjectAccessReview> = Api::all(stage.client().clone());
    let review = reviews
        .create(&PostParams::default(), &serde_json::from_value(review)?)
        .await?;
    Ok(review.status.is_some_and(|status| status.allowed))
}

async fn is_untouched(stage: &Stage, rollout: &Rollout) -> Result<()> {
    let found = rollout.api().get(rollout.name()).await?;
    let status = found.data.get("status");
    ensure!(status.is_none(), "it has a status: {status:?}");
    let made = stage
        .api::<ReplicaSet>()
        .list_metadata(&ListParams::default())
        .await?;
    ensure!(made.items.is_empty(), "it has ReplicaSets");
    Ok(())
}

/// With all that is on as it comes, on a namespace that takes nothing but what the level `restricted` allows.
pub(crate) async fn plugins_are_mounted_mistakes_are_refused_and_the_doctor_finds_nothing_wrong(
    stage: &Stage,
    installed: &Installed,
) -> Result<()> {
    enforce_the_restricted_level(stage).await?;
    make_plugin(stage).await?;
    installed
        .clone()
        .with(&json!({"admission": {"enabled": true}, "plugins": [MOUNTED]}))
        .apply()
        .await?;

    // Until one leads, and the plugin is loaded.
    let said = eventually("the doctor to find nothing wrong", async || {
        let output = in_controller(stage, &["/kulta", "doctor"]).await?;
        Ok(output.status.success().then(|| said(&output)))
    })
    .await?;
    for finding in ["gateways       no GatewayClass is accepted", MOUNTED] {
        ensure!(said.contains(finding), "{finding:?} is not in\n{said}");
    }
    let wrong = shop::with(&shop::small(stage).rollout(), "/spec/strategy/canary/maxSurg", 1);
    eventually("the mistake to be refused", async || {
        let words = "spec.strategy.canary: unknown field \"maxSurg\"";
        Ok(is_refused(stage, &wrong, words).await?.then_some(()))
    })
    .await?;
    let gate = step::gate(&json!({"name": "hours", "plugin": MOUNTED, "config": open(), "interval": "1s"}));
    let live = Live::start(stage, live::shop(stage).steps([step::weight(50), gate])).await?;
    live.rollout.release(&shop::v2(stage)).await?;
    live.rollout.until_promoted().await?;
    live.ends_on("v2").await
}

async fn enforce_the_restricted_level(stage: &Stage) -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(stage.client().clone());
    let label = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
    namespaces
        .patch(NAMESPACE, &PatchParams::default(), &Patch::Merge(label))
        .await?;
    Ok(())
}

/// The ConfigMap with it, as users make one.
async fn make_plugin(stage: &Stage) -> Result<()> {
    let files = BTreeMap::from([(format!("{MOUNTED}.wasm"), ByteString(component(stage)?))]);
    let config_map = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": MOUNTED},
        "binaryData": files,
    });
    let applied = PatchParams::apply(RELEASE).force();
    stage
        .controller_api::<ConfigMap>()
        .patch(MOUNTED, &applied, &Patch::Apply(config_map))
        .await?;
    Ok(())
}

pub(crate) async fn uninstalling_leaves_everything_where_it_is(
    stage: &Stage,
    installed: &Installed,
) -> Result<()> {
    let live = Live::half_way(stage).await?;
    let doomed = shop::named(stage, "doomed").deploy(stage).await?;
    expect::healthy(&doomed).await?;
    let pods = expect::pod_uids(stage).await?;

    installed.remove().await?;

    eventually("the controller to be gone", async || {
        Ok(installed.pods().await?.is_empty().then_some(()))
    })
    .await?;
    live.serve(1).await?;
    ensure!(
        expect::pod_uids(stage).await? == pods,
        "pods of the application were replaced"
    );
    // Nothing that nobody is there for holds it back.
    doomed
        .api()
        .delete(doomed.name(), &DeleteParams::default())
        .await?;
    eventually("the deleted Rollout to be gone", async || {
        Ok(doomed.api().get_opt(doomed.name()).await?.is_none().then_some(()))
    })
    .await?;
    installed.apply().await?;
    live.rollout.resume().await?;
    live.rollout.until_promoted().await?;
    live.ends_on("v2").await
}
