//! The verb get: the picture of a Rollout or an Experiment, once or whenever it changes.

use std::pin::pin;
use std::time::Duration;

use futures::{FutureExt as _, Stream, StreamExt as _};
use jiff::Timestamp;
use kube::api::DynamicObject;
use kube::runtime::watcher::{self, Event};
use kulta_api::names::HASH_LABEL;
use kulta_api::{rollout as kind, selector};
use tokio::time::Instant;

use crate::cluster::{Cluster, Kind};
use crate::error::Error;
use crate::output::Output;
use crate::rollout::Rollout;
use crate::tree::{self, Belongings};
use crate::watch::{Objects, events, lasting};

/// Two pictures are at least so long apart: more often nobody can read, and a terminal flickers.
const BETWEEN_PICTURES: Duration = Duration::from_millis(200);

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// A Rollout, with its revisions, analyses and experiments.
    Rollout,
    /// An Experiment, with its versions and analyses.
    Experiment,
}

impl Shown {
    const fn kind(self) -> Kind {
        match self {
            Self::Rollout => Kind::Rollout,
            Self::Experiment => Kind::Experiment,
        }
    }

    /// What belongs to it, by kind, and the labels that it is looked for by: what is shown is told by its owner.
    fn belongings(self, object: &DynamicObject) -> Vec<(Kind, String)> {
        let (pods, judges) = match self {
            // Those that a Rollout has made have the hash of its version.
            Self::Rollout => (selector_of(object), HASH_LABEL.to_owned()),
            // Each version has a selector of its own.
            Self::Experiment => (String::new(), String::new()),
        };
        let mut kinds = vec![
            (Kind::ReplicaSet, pods.clone()),
            (Kind::Pod, pods),
            (Kind::AnalysisRun, judges.clone()),
        ];
        if self == Self::Rollout {
            kinds.push((Kind::Experiment, judges));
        }
        kinds
    }
}

/// Shows a Rollout or an Experiment as it is now.
///
/// # Errors
/// When it, or what belongs to it, can't be read.
pub async fn once(cluster: &Cluster, shown: Shown, name: &str, out: &mut Output<'_>) -> Result<(), Error> {
    let object = cluster.object(shown.kind(), name).await?;
    let mut belongings = Belongings::default();
    for (kind, selector) in shown.belongings(&object) {
        let found = cluster.list(kind, &selector).await?;
        match kind {
            Kind::ReplicaSet => belongings.replica_sets = found,
            Kind::Pod => belongings.pods = found,
            Kind::AnalysisRun => belongings.analysis_runs = found,
            Kind::Experiment => belongings.experiments = found,
            // It belongs to nothing.
            Kind::Rollout => {}
        }
    }
    draw(shown, &object, &belongings, Timestamp::now(), out)
}

/// Shows a Rollout or an Experiment whenever it, or what belongs to it, changes, at most for a time.
///
/// # Errors
/// When it, or what belongs to it, can't be read, and when it is deleted.
pub async fn watch(
    cluster: &Cluster,
    shown: Shown,
    name: &str,
    timeout: Option<Duration>,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let watching = until_deleted(cluster, shown, name, out);
    let Some(timeout) = timeout else {
        return watching.await;
    };
    // To have seen enough is no failure.
    tokio::time::timeout(timeout, watching).await.unwrap_or(Ok(()))
}

async fn until_deleted(
    cluster: &Cluster,
    shown: Shown,
    name: &str,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    // Asked for once before it is watched: one that is not there, or may not be seen, is told at once.
    let object = cluster.object(shown.kind(), name).await?;
    let mut changes = pin!(changes(cluster, shown, name, &object));
    let mut seen = Seen::default();
    let mut next_picture = Instant::now();
    let mut is_first = true;
    while let Some(change) = changes.next().await {
        take(&mut seen, cluster, change)?;
        // What comes in one go is shown in one picture.
        while let Ok(Some(change)) = tokio::time::timeout_at(next_picture, changes.next()).await {
            take(&mut seen, cluster, change)?;
        }
        while let Some(Some(change)) = changes.next().now_or_never() {
            take(&mut seen, cluster, change)?;
        }
        let Some((object, belongings)) = seen.picture(shown) else {
            continue;
        };
        let Some(object) = object else {
            return Err(Error::Deleted {
                name: name.to_owned(),
                namespace: cluster.namespace().to_owned(),
            });
        };
        out.redraw(is_first)?;
        draw(shown, &object, &belongings, Timestamp::now(), out)?;
        out.flush()?;
        is_first = false;
        next_picture = Instant::now() + BETWEEN_PICTURES;
    }
    Ok(())
}

type Change = (Kind, Result<Event<DynamicObject>, watcher::Error>);

/// All that changes of what is shown.
fn changes(
    cluster: &Cluster,
    shown: Shown,
    name: &str,
    object: &DynamicObject,
) -> impl Stream<Item = Change> + use<> {
    let of = |kind: Kind, configuration: watcher::Config| {
        let events = events(cluster.objects(kind), configuration);
        events.map(move |event| (kind, event)).boxed()
    };
    let itself = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let belongings = shown.belongings(object).into_iter();
    let belongings = belongings.map(|(kind, labels)| of(kind, watcher::Config::default().labels(&labels)));
    futures::stream::select_all([of(shown.kind(), itself)].into_iter().chain(belongings))
}

fn take(seen: &mut Seen, cluster: &Cluster, (kind, event): Change) -> Result<(), Error> {
    match event {
        Ok(event) => {
            seen.of(kind).apply(event);
            Ok(())
        }
        Err(error) => {
            if let Some(error) = lasting(error) {
                let what = format!("watch {}", kind.resource(cluster.group()).plural);
                return Err(cluster.error(what)(error));
            }
            seen.of(kind).broken_off();
            Ok(())
        }
    }
}

/// The selector of a Rollout's pods, as text. Of one that has none everything is asked for: what is shown is told by its
/// owner.
fn selector_of(object: &DynamicObject) -> String {
    let selector = Rollout::new(object).spec().and_then(kind::selector);
    let selector = selector.as_ref().and_then(selector::selector_text);
    selector.unwrap_or_default()
}

fn draw(
    shown: Shown,
    object: &DynamicObject,
    belongings: &Belongings,
    now: Timestamp,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let (facts, rows) = match shown {
        Shown::Rollout => {
            let rollout = Rollout::new(object);
            (
                tree::facts(rollout, belongings),
                tree::rows(rollout, belongings, now),
            )
        }
        Shown::Experiment => (
            tree::experiment_facts(object),
            tree::experiment_rows(object, belongings, now),
        ),
    };
    out.table(&facts)?;
    out.line("")?;
    out.table(&rows)?;
    Ok(())
}

/// Everything that the watches have told.
#[derive(Default)]
struct Seen {
    rollouts: Objects,
    replica_sets: Objects,
    pods: Objects,
    analysis_runs: Objects,
    experiments: Objects,
}

impl Seen {
    fn of(&mut self, kind: Kind) -> &mut Objects {
        match kind {
            Kind::Rollout => &mut self.rollouts,
            Kind::ReplicaSet => &mut self.replica_sets,
            Kind::Pod => &mut self.pods,
            Kind::AnalysisRun => &mut self.analysis_runs,
            Kind::Experiment => &mut self.experiments,
        }
    }

    /// What is shown, None if it is gone, and what belongs to it; None while a watch has not told everything yet.
    fn picture(&self, shown: Shown) -> Option<(Option<DynamicObject>, Belongings)> {
        let mut experiments = self.experiments.all()?;
        let object = match shown {
            Shown::Rollout => self.rollouts.all()?.pop(),
            Shown::Experiment => experiments.pop(),
        };
        let belongings = Belongings {
            replica_sets: self.replica_sets.all()?,
            pods: self.pods.all()?,
            analysis_runs: self.analysis_runs.all()?,
            experiments,
        };
        Some((object, belongings))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scenario::{Exchange, expect, expect_get, failure, object, rollout, scenario};

    const SELECTED: &str = "labelSelector=app%3Dweb";
    const MADE: &str = "labelSelector=rollouts-pod-template-hash";

    fn replica_set() -> DynamicObject {
        let owner = json!([{"apiVersion": "v1", "kind": "Rollout", "name": "web", "uid": "uid-web", "controller": true}]);
        object(json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {
                "name": "web-new", "uid": "uid-new", "ownerReferences": owner,
                "annotations": {"rollout.argoproj.io/revision": "2"},
                "labels": {"rollouts-pod-template-hash": "new"},
            },
            "spec": {"replicas": 4}, "status": {"replicas": 4, "availableReplicas": 4},
        }))
    }

    fn list(path: &str, selector: &str, items: &[DynamicObject]) -> Exchange {
        let list = json!({
            "apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "60"}, "items": items,
        });
        expect(&format!("GET {path}?&{selector}"), 200, &list)
    }

    const REPLICA_SETS: &str = "/apis/apps/v1/namespaces/shop/replicasets";
    const PODS: &str = "/api/v1/namespaces/shop/pods";
    const RUNS: &str = "/apis/kulta.io/v1alpha1/namespaces/shop/analysisruns";
    const EXPERIMENTS: &str = "/apis/kulta.io/v1alpha1/namespaces/shop/experiments";

    #[tokio::test]
    async fn a_rollout_is_shown_with_what_belongs_to_it() {
        let exchanges = vec![
            expect_get(&rollout()),
            list(REPLICA_SETS, SELECTED, &[replica_set()]),
            list(PODS, SELECTED, &[]),
            list(RUNS, MADE, &[]),
            list(EXPERIMENTS, MADE, &[]),
        ];

        let (done, printed) = scenario(exchanges, async |cluster, out| {
            once(cluster, Shown::Rollout, "web", out).await
        })
        .await;

        done.unwrap();
        assert!(printed.starts_with("Name:            web\n"), "{printed}");
        assert!(printed.contains("└──⧉ web-new"), "{printed}");
    }

    #[tokio::test]
    async fn a_kind_that_may_not_be_read_is_named() {
        let exchanges = vec![
            expect_get(&rollout()),
            list(REPLICA_SETS, SELECTED, &[]),
            list(PODS, SELECTED, &[]),
            list(RUNS, MADE, &[]).failing(403, &failure(403, "Forbidden", "no runs for you")),
        ];

        let (done, _) = scenario(exchanges, async |cluster, out| {
            once(cluster, Shown::Rollout, "web", out).await
        })
        .await;

        let told = done.unwrap_err().to_string();
        assert!(
            told.starts_with("can't list analysisruns: no runs for you"),
            "{told}"
        );
    }

    #[test]
    fn nothing_is_drawn_before_every_watch_has_told_everything() {
        let mut seen = Seen::default();
        for kind in [Kind::Rollout, Kind::ReplicaSet, Kind::Pod, Kind::Experiment] {
            seen.of(kind).apply(Event::InitDone);
        }
        assert!(seen.picture(Shown::Rollout).is_none());

        seen.of(Kind::AnalysisRun).apply(Event::InitDone);

        assert!(seen.picture(Shown::Rollout).is_some());
    }

    #[tokio::test]
    async fn a_rollout_that_is_not_there_is_told_before_anything_is_watched() {
        let missing = failure(404, "NotFound", "rollouts.kulta.io \"web\" not found");
        let exchanges = vec![expect(
            &format!("GET {}", crate::scenario::ROLLOUT),
            404,
            &missing,
        )];

        let (done, printed) = scenario(exchanges, async |cluster, out| {
            watch(cluster, Shown::Rollout, "web", None, out).await
        })
        .await;

        assert!(matches!(done.unwrap_err(), Error::NotFound { .. }));
        assert_eq!(printed, "");
    }
}
