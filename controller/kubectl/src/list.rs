//! The verb list: the Rollouts of a namespace, or of all.

use kube::api::DynamicObject;

use crate::cluster::Cluster;
use crate::error::Error;
use crate::mark::Mark;
use crate::output::{Cell, Output};
use crate::rollout::{Count, Rollout, Strategy};
use crate::verdict::verdict;
use crate::weight::set_weight;

/// What is not there.
const NONE: &str = "-";

/// Lists Rollouts.
///
/// # Errors
/// When they can't be read.
pub async fn list(cluster: &Cluster, everywhere: bool, out: &mut Output<'_>) -> Result<(), Error> {
    let mut objects = cluster.rollouts(everywhere).await?;
    if objects.is_empty() {
        out.line("No resources found.")?;
        return Ok(());
    }
    let key = |object: &DynamicObject| (object.metadata.namespace.clone(), object.metadata.name.clone());
    objects.sort_by_key(key);
    out.table(&rows(&objects, everywhere))?;
    Ok(())
}

/// A header, and a row for each Rollout.
fn rows(objects: &[DynamicObject], everywhere: bool) -> Vec<Vec<Cell>> {
    let columns = [
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
    let hidden = usize::from(!everywhere);
    let header = columns.map(Cell::from).into_iter().skip(hidden).collect();
    let rows = objects.iter().map(|object| {
        let cells = row(Rollout::new(object));
        cells.into_iter().skip(hidden).collect()
    });
    [header].into_iter().chain(rows).collect()
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
            super::list(cluster, true, out).await
        })
        .await;

        done.unwrap();
        assert!(printed.starts_with("NAMESPACE  NAME"), "{printed}");
        assert!(printed.contains("shop       web"), "{printed}");
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
        super::list(cluster, false, out).await
    }
}
