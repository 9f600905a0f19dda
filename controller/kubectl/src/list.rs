//! The verb list: the Rollouts or the Experiments of a namespace, or of all.

use jiff::Timestamp;
use kube::api::DynamicObject;

use crate::cluster::{Cluster, Kind};
use crate::error::Error;
use crate::mark::Mark;
use crate::output::{Cell, Output};
use crate::rollout::{Count, Rollout, Strategy};
use crate::tree;
use crate::verdict::verdict;
use crate::weight::set_weight;

/// What is not there.
const NONE: &str = "-";

/// The columns of Rollouts.
const ROLLOUT_COLUMNS: [&str; 10] = [
    "NAMESPACE",
    "NAME",
    "STRATEGY",
    "STATUS",
    "STEP",
    "SET-WEIGHT",
    "READY",
    "DESIRED",
    "UP-TO-DATE",
    "AVAILABLE",
];
/// Those of Experiments.
const EXPERIMENT_COLUMNS: [&str; 5] = ["NAMESPACE", "NAME", "STATUS", "DURATION", "AGE"];

/// Lists Rollouts.
///
/// # Errors
/// When they can't be read.
pub async fn rollouts(cluster: &Cluster, everywhere: bool, out: &mut Output<'_>) -> Result<(), Error> {
    let row = |object: &DynamicObject| row(Rollout::new(object));
    list(cluster, Kind::Rollout, everywhere, ROLLOUT_COLUMNS, row, out).await
}

/// Lists Experiments, as they are at `now`.
///
/// # Errors
/// When they can't be read.
pub async fn experiments(
    cluster: &Cluster,
    everywhere: bool,
    now: Timestamp,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let row = |object: &DynamicObject| experiment_row(object, now);
    list(
        cluster,
        Kind::Experiment,
        everywhere,
        EXPERIMENT_COLUMNS,
        row,
        out,
    )
    .await
}

async fn list<const COLUMNS: usize>(
    cluster: &Cluster,
    kind: Kind,
    everywhere: bool,
    columns: [&str; COLUMNS],
    row: impl Fn(&DynamicObject) -> [Cell; COLUMNS],
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let mut objects = cluster.all(kind, everywhere).await?;
    if objects.is_empty() {
        out.line("No resources found.")?;
        return Ok(());
    }
    let key = |object: &DynamicObject| (object.metadata.namespace.clone(), object.metadata.name.clone());
    objects.sort_by_key(key);
    // The namespace is the first column.
    let shown = |cells: [Cell; COLUMNS]| cells.into_iter().skip(usize::from(!everywhere)).collect();
    let header = shown(columns.map(Cell::from));
    let rows: Vec<Vec<Cell>> = [header]
        .into_iter()
        .chain(objects.iter().map(|object| shown(row(object))))
        .collect();
    out.table(&rows)?;
    Ok(())
}

fn experiment_row(experiment: &DynamicObject, now: Timestamp) -> [Cell; 5] {
    let metadata = &experiment.metadata;
    let phase = tree::phase_of(experiment);
    let duration = experiment.data.pointer("/spec/duration");
    let duration = duration.map(|duration| {
        duration
            .as_str()
            .map_or_else(|| duration.to_string(), str::to_owned)
    });
    [
        metadata.namespace.clone().unwrap_or_default().into(),
        metadata.name.clone().unwrap_or_default().into(),
        Mark::from(phase).with(phase.as_str()),
        duration.unwrap_or_else(|| NONE.to_owned()).into(),
        tree::age(experiment, now).into(),
    ]
}

fn row(rollout: Rollout<'_>) -> [Cell; 10] {
    let is_canary = rollout.strategy() == Strategy::Canary;
    let step = rollout
        .step_index()
        .filter(|_| is_canary && rollout.step_count() > 0);
    let step = step.map(|index| format!("{index}/{}", rollout.step_count()));
    let weight = is_canary.then(|| set_weight(rollout).to_string());
    let phase = verdict(rollout).phase;
    let or_none = |text: Option<String>| Cell::from(text.unwrap_or_else(|| NONE.to_owned()));
    [
        rollout.namespace().into(),
        rollout.name().into(),
        rollout.strategy().as_str().into(),
        Mark::from(phase).with(phase.as_str()),
        or_none(step),
        or_none(weight),
        format!(
            "{}/{}",
            rollout.count(Count::Ready),
            rollout.count(Count::Current)
        )
        .into(),
        rollout.desired().to_string().into(),
        rollout.count(Count::Updated).to_string().into(),
        rollout.count(Count::Available).to_string().into(),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::scenario::{expect, paused_at, rollout, scenario};

    fn listed(items: &[DynamicObject]) -> Value {
        json!({"apiVersion": "kulta.io/v1alpha1", "kind": "RolloutList", "metadata": {}, "items": items})
    }

    #[tokio::test]
    async fn rollouts_of_the_namespace_are_listed_by_name() {
        let mut second = paused_at(1);
        second.metadata.name = Some("api".to_owned());
        let list = "GET /apis/kulta.io/v1alpha1/namespaces/shop/rollouts?";
        let exchanges = vec![expect(list, 200, &listed(&[rollout(), second]))];

        let (done, printed) = scenario(exchanges, async |cluster, out| list_here(cluster, out).await).await;

        done.unwrap();
        let expected = "\
NAME  STRATEGY  STATUS     STEP  SET-WEIGHT  READY  DESIRED  UP-TO-DATE  AVAILABLE
api   Canary    ॥ Paused   1/4   20          4/4    4        4           4
web   Canary    ✔ Healthy  4/4   100         4/4    4        4           4
";
        assert_eq!(printed, expected);
    }

    #[tokio::test]
    async fn those_of_all_namespaces_have_theirs_beside_them() {
        let list = "GET /apis/kulta.io/v1alpha1/rollouts?";
        let exchanges = vec![expect(list, 200, &listed(&[rollout()]))];

        let (done, printed) = scenario(exchanges, async |cluster, out| {
            super::rollouts(cluster, true, out).await
        })
        .await;

        done.unwrap();
        assert!(printed.starts_with("NAMESPACE  NAME"), "{printed}");
        assert!(printed.contains("shop       web"), "{printed}");
    }

    #[tokio::test]
    async fn experiments_are_listed_with_how_they_are_doing() {
        let experiment = crate::scenario::object(json!({
            "metadata": {"namespace": "shop", "name": "try", "creationTimestamp": "2026-03-01T12:00:00Z"},
            "spec": {"duration": "5m"}, "status": {"phase": "Running"},
        }));
        let list = "GET /apis/kulta.io/v1alpha1/namespaces/shop/experiments?";
        let exchanges = vec![expect(list, 200, &listed(&[experiment]))];

        let now = "2026-03-01T12:02:00Z".parse().unwrap();
        let (done, printed) = scenario(exchanges, async |cluster, out| {
            experiments(cluster, false, now, out).await
        })
        .await;

        done.unwrap();
        let expected = "\
NAME  STATUS     DURATION  AGE
try   ◌ Running  5m        2m
";
        assert_eq!(printed, expected);
    }

    #[tokio::test]
    async fn a_cluster_without_the_kind_is_told_what_it_lacks() {
        let list = "GET /apis/kulta.io/v1alpha1/namespaces/shop/rollouts?";
        let exchanges = vec![expect(list, 404, &json!("404 page not found"))];

        let (done, _) = scenario(exchanges, async |cluster, out| list_here(cluster, out).await).await;

        let told = done.unwrap_err().to_string();
        assert!(told.contains("install KULTA's definitions"), "{told}");
    }

    async fn list_here(cluster: &Cluster, out: &mut Output<'_>) -> Result<(), Error> {
        super::rollouts(cluster, false, out).await
    }
}
