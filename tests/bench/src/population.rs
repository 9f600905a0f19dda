//! The Rollouts that are measured with: as large as real ones, and without pods, so that nothing but KULTA and the API
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

/// Rollouts in a namespace of their own.
pub(crate) struct Population {
    stage: Stage,
    size: usize,
    changes: usize,
}

impl Population {
    /// None at first.
    pub(crate) fn new(stage: Stage) -> Self {
        Self {
            stage,
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
        let stage = &self.stage;
        let making = stream::iter(self.size..to).map(|number| make(stage, number));
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
        let template = template(&name(number), self.changes);
        let rollouts = self.stage.rollouts();
        async move {
            let patch = Patch::Merge(json!({ "spec": { "template": template } }));
            let parameters = PatchParams {
                field_manager: Some(FIELD_MANAGER.to_owned()),
                ..PatchParams::default()
            };
            let changed = rollouts.patch(&name(number), &parameters, &patch).await;
            changed.map(drop).context("changing a template")
        }
    }
}

/// The name of one of the Rollouts.
pub(crate) fn name(number: usize) -> String {
    format!("bench-{number:04}")
}

async fn make(stage: &Stage, number: usize) -> Result<()> {
    let rollout: DynamicObject = serde_json::from_value(rollout(&name(number)))?;
    stage.rollouts().create(&PostParams::default(), &rollout).await?;
    Ok(())
}

fn rollout(name: &str) -> Value {
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
            "replicas": 0,
            "selector": { "matchLabels": { "app": name } },
            "template": template(name, 0),
            "strategy": { "canary": { "steps": steps } },
        },
    })
}

fn template(name: &str, change: usize) -> Value {
    json!({
        "metadata": { "labels": { "app": name, "team": "checkout", "tier": "backend" } },
        "spec": {
            "containers": [container("app", 8080, change), container("proxy", 9090, 0)],
            "volumes": [{ "name": "scratch", "emptyDir": {} }],
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
        let rollout = rollout("bench");
        let steps = rollout["spec"]["strategy"]["canary"]["steps"].as_array().unwrap();
        assert_eq!(steps.len(), 10);
        assert_eq!(steps[1], json!({ "pause": {} }));
    }

    #[test]
    fn every_change_is_another_template() {
        assert_ne!(template("bench", 1), template("bench", 2));
    }
}
