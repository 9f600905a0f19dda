//! The Rollouts that are measured with: as large as real ones, and without pods that run, so that nothing but KULTA and the API
//! server works.

use anyhow::{Context, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kulta_e2e::Stage;
use serde_json::{Value, json};

use crate::limits;

/// Under this name templates are changed, so that the audit log tells these writes from the controller's.
pub(crate) const FIELD_MANAGER: &str = "kulta-bench";

/// The variable in the template that is changed.
const VARIABLE: &str = "RELEASE";
/// Other variables of each container: an application of a usual size.
const VARIABLES: usize = 10;

/// The pods of the Rollouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pods {
    /// There are to be none.
    None,
    /// There is one, which waits for a node that is not there.
    Waiting,
}

/// Rollouts in a namespace of their own.
pub(crate) struct Population {
    stage: Stage,
    pods: Pods,
    size: usize,
    changes: usize,
}

impl Population {
    /// None at first.
    pub(crate) fn new(stage: Stage, pods: Pods) -> Self {
        Self {
            stage,
            pods,
            size: 0,
            changes: 0,
        }
    }

    /// Where they are.
    pub(crate) fn namespace(&self) -> &str {
        self.stage.namespace()
    }

    /// How many there are.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Makes more of them, until there are so many.
    pub(crate) async fn grow(&mut self, to: usize) -> Result<()> {
        let (stage, pods) = (&self.stage, self.pods);
        let making = stream::iter(self.size..to).map(|number| make(stage, number, pods));
        let made: Result<()> = making
            .buffer_unordered(limits::REQUESTS_AT_ONCE)
            .try_collect()
            .await;
        made.context("making Rollouts")?;
        self.size = self.size.max(to);
        Ok(())
    }

    /// Changes the template of every Rollout, as fast as the API server takes it.
    pub(crate) async fn change_all(&mut self) -> Result<()> {
        self.change_first(self.size).await
    }

    /// The same for so many of them.
    pub(crate) async fn change_first(&mut self, number: usize) -> Result<()> {
        let all: Vec<_> = (0..number).map(|number| self.change(number)).collect();
        stream::iter(all)
            .buffer_unordered(limits::REQUESTS_AT_ONCE)
            .try_collect()
            .await
    }

    /// A change of one template to what it never was before; made when this is awaited.
    pub(crate) fn change(&mut self, number: usize) -> impl Future<Output = Result<()>> + Send + use<> {
        self.changes += 1;
        let template = template(&name(number), self.changes, self.pods);
        self.patch(number, json!({ "template": template }))
    }

    /// Gives one Rollout so many pods; made when this is awaited.
    pub(crate) fn scale(
        &self,
        number: usize,
        replicas: u32,
    ) -> impl Future<Output = Result<()>> + Send + use<> {
        self.patch(number, json!({ "replicas": replicas }))
    }

    fn patch(&self, number: usize, spec: Value) -> impl Future<Output = Result<()>> + Send + use<> {
        let rollouts = self.stage.rollouts();
        async move {
            let patch = Patch::Merge(json!({ "spec": spec }));
            let parameters = PatchParams {
                field_manager: Some(FIELD_MANAGER.to_owned()),
                ..PatchParams::default()
            };
            let changed = rollouts.patch(&name(number), &parameters, &patch).await;
            changed.map(drop).context("changing a Rollout")
        }
    }
}

/// The name of one of the Rollouts.
pub(crate) fn name(number: usize) -> String {
    format!("bench-{number:04}")
}

async fn make(stage: &Stage, number: usize, pods: Pods) -> Result<()> {
    let rollout: DynamicObject = serde_json::from_value(rollout(&name(number), pods))?;
    stage.rollouts().create(&PostParams::default(), &rollout).await?;
    Ok(())
}

fn rollout(name: &str, pods: Pods) -> Value {
    let pauses = (1..5).flat_map(|step| [json!({ "pause": {} }), json!({ "setWeight": step * 20 })]);
    let steps: Vec<Value> = std::iter::once(json!({ "setWeight": 10 }))
        .chain(pauses)
        .chain([json!({ "pause": {} })])
        .collect();
    json!({
        "apiVersion": "kulta.io/v1alpha1",
        "kind": "Rollout",
        "metadata": { "name": name },
        "spec": {
            "replicas": match pods {
                Pods::None => 0,
                Pods::Waiting => 1,
            },
            "selector": { "matchLabels": { "app": name } },
            "template": template(name, 0, pods),
            "strategy": { "canary": { "steps": steps } },
        },
    })
}

fn template(name: &str, change: usize, pods: Pods) -> Value {
    let node = match pods {
        Pods::None => json!({}),
        Pods::Waiting => json!({ "kulta.io/bench": "nowhere" }),
    };
    json!({
        "metadata": { "labels": { "app": name, "team": "checkout", "tier": "backend" } },
        "spec": {
            "containers": [container("app", 8080, change), container("proxy", 9090, 0)],
            "volumes": [{ "name": "scratch", "emptyDir": {} }],
            "nodeSelector": node,
            "terminationGracePeriodSeconds": 30,
        },
    })
}

fn container(name: &str, port: u16, change: usize) -> Value {
    let variables =
        (0..VARIABLES).map(|number| json!({ "name": format!("SETTING_{number}"), "value": "a value" }));
    let release = json!({ "name": VARIABLE, "value": change.to_string() });
    let probe = json!({ "httpGet": { "path": "/readyz", "port": port }, "periodSeconds": 5 });
    json!({
        "name": name,
        "image": format!("registry.example/{name}:1"),
        "env": variables.chain([release]).collect::<Vec<_>>(),
        "ports": [{ "name": format!("{name}-http"), "containerPort": port }],
        "readinessProbe": probe,
        "livenessProbe": probe,
        "resources": { "requests": { "cpu": "10m", "memory": "32Mi" }, "limits": { "memory": "64Mi" } },
        "volumeMounts": [{ "name": "scratch", "mountPath": "/scratch" }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollout_has_ten_steps_and_stops_at_the_second() {
        let rollout = rollout("bench", Pods::None);
        let steps = rollout["spec"]["strategy"]["canary"]["steps"].as_array().unwrap();
        assert_eq!(steps.len(), 10);
        assert_eq!(steps[1], json!({ "pause": {} }));
    }

    #[test]
    fn every_change_is_another_template() {
        let template = |change| template("bench", change, Pods::None);
        assert_ne!(template(1), template(2));
    }

    #[test]
    fn pods_that_wait_have_no_node() {
        let waiting = rollout("bench", Pods::Waiting);
        assert_eq!(waiting["spec"]["replicas"], 1);
        let node = &waiting["spec"]["template"]["spec"]["nodeSelector"];
        assert_eq!(*node, json!({ "kulta.io/bench": "nowhere" }));
    }
}
