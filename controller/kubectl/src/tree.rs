//! The picture of a Rollout: its facts, and the tree of its revisions. Pure: what is shown of the objects there are.
//!
//! Order, signs and words are those of `kubectl argo rollouts get rollout`; an analysis shows its metrics and gates
//! besides.

use jiff::Timestamp;
use kube::api::DynamicObject;

use crate::age::since;
use crate::mark::Mark;
use crate::output::{Cell, Paint};
use crate::rollout::{Count, Rollout, Strategy, is_controlled_by, revision};
use crate::verdict::verdict;
use crate::weight::{actual_weight, set_weight};

mod analysis;
mod experiment;
mod pod;
mod replica_set;
#[cfg(test)]
mod tests;

/// Everything that belongs to a Rollout, and maybe more.
#[derive(Debug, Clone, Default)]
pub struct Belongings {
    /// ReplicaSets.
    pub replica_sets: Vec<DynamicObject>,
    /// Pods.
    pub pods: Vec<DynamicObject>,
    /// Analyses.
    pub analysis_runs: Vec<DynamicObject>,
    /// Experiments.
    pub experiments: Vec<DynamicObject>,
}

pub(crate) use analysis::phase_of;
pub use experiment::{facts as experiment_facts, rows as experiment_rows};

/// A line of the tree, and what is below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) name: Cell,
    pub(crate) kind: &'static str,
    pub(crate) status: Cell,
    pub(crate) age: String,
    pub(crate) info: Cell,
    pub(crate) children: Vec<Node>,
}

/// What a revision is to its Rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Stable,
    Canary,
    /// All users are sent to it, and it is trusted.
    StableActive,
    /// All users are sent to it, and it has yet to earn trust.
    Active,
    Preview,
    Former,
}

impl Role {
    pub(crate) fn of(hash: Option<&str>, rollout: Rollout<'_>) -> Self {
        let Some(hash) = hash else {
            return Self::Former;
        };
        let is_stable = rollout.stable_hash() == Some(hash);
        let is_current = rollout.current_hash() == Some(hash);
        if rollout.strategy() == Strategy::BlueGreen {
            return match (rollout.active_hash() == Some(hash), is_stable, is_current) {
                (true, true, _) => Self::StableActive,
                (true, false, _) => Self::Active,
                (false, true, _) => Self::Stable,
                (false, false, true) => Self::Preview,
                (false, false, false) => Self::Former,
            };
        }
        match (is_stable, is_current) {
            (true, _) => Self::Stable,
            (false, true) => Self::Canary,
            (false, false) => Self::Former,
        }
    }

    pub(crate) const fn paint(self) -> Paint {
        match self {
            Self::Stable | Self::StableActive | Self::Active => Paint::Good,
            Self::Canary | Self::Preview => Paint::Waiting,
            Self::Former => Paint::Plain,
        }
    }

    pub(crate) fn tag(self) -> Option<Cell> {
        let words = match self {
            Self::Stable => "stable",
            Self::Canary => "canary",
            Self::StableActive => "stable,active",
            Self::Active => "active",
            Self::Preview => "preview",
            Self::Former => return None,
        };
        Some(Cell::painted(self.paint(), words))
    }
}

/// The facts above the tree: names and what they are.
#[must_use]
pub fn facts(rollout: Rollout<'_>, belongings: &Belongings) -> Vec<Vec<Cell>> {
    let owned = owned(&belongings.replica_sets, rollout.uid());
    let verdict = verdict(rollout);
    let mut rows = vec![
        row("Name:", rollout.name()),
        row("Namespace:", rollout.namespace()),
        row("Status:", Mark::from(verdict.phase).with(verdict.phase.as_str())),
    ];
    if !verdict.message.is_empty() {
        rows.push(row("Message:", verdict.message));
    }
    rows.push(row("Strategy:", rollout.strategy().as_str()));
    if rollout.strategy() == Strategy::Canary {
        if let Some(index) = rollout.step_index().filter(|_| rollout.step_count() > 0) {
            rows.push(row("  Step:", format!("{index}/{}", rollout.step_count())));
        }
        let canary = owned
            .iter()
            .filter(|replica_set| replica_set::role(replica_set, rollout) == Role::Canary);
        let available = canary.map(|canary| replica_set::available(canary)).sum();
        rows.push(row("  SetWeight:", set_weight(rollout).to_string()));
        rows.push(row(
            "  ActualWeight:",
            actual_weight(rollout, available).to_string(),
        ));
    }
    if rollout.strategy() == Strategy::BlueGreen && rollout.is_routed() {
        let weight = rollout.routed_weight().unwrap_or(0);
        rows.push(row("  PreviewWeight:", weight.to_string()));
    }
    let mut label = "Images:";
    for image in replica_set::images(&owned, rollout) {
        rows.push(row(label, image));
        label = "";
    }
    rows.push(vec!["Replicas:".into()]);
    rows.push(row("  Desired:", rollout.desired().to_string()));
    let counts = [
        ("  Current:", Count::Current),
        ("  Updated:", Count::Updated),
        ("  Ready:", Count::Ready),
        ("  Available:", Count::Available),
    ];
    rows.extend(counts.map(|(label, count)| row(label, rollout.count(count).to_string())));
    rows
}

fn row(label: &str, fact: impl Into<Cell>) -> Vec<Cell> {
    // Wide enough for every label: the facts stand below each other whatever is told.
    vec![format!("{label:<15}").into(), fact.into()]
}

/// The tree, its header first.
#[must_use]
pub fn rows(rollout: Rollout<'_>, belongings: &Belongings, now: Timestamp) -> Vec<Vec<Cell>> {
    drawn(&root(rollout, belongings, now))
}

/// The rows of a tree, its header first.
fn drawn(root: &Node) -> Vec<Vec<Cell>> {
    let header = ["NAME", "KIND", "STATUS", "AGE", "INFO"].map(Cell::from);
    let mut rows = vec![header.to_vec()];
    write(root, "", "", &mut rows);
    rows
}

fn write(node: &Node, prefix: &str, below: &str, rows: &mut Vec<Vec<Cell>>) {
    rows.push(vec![
        Cell::from(prefix).and(node.name.clone()),
        node.kind.into(),
        node.status.clone(),
        node.age.clone().into(),
        node.info.clone(),
    ]);
    let last = node.children.len().saturating_sub(1);
    for (index, child) in node.children.iter().enumerate() {
        let (branch, trunk) = if index == last {
            ("└──", "   ")
        } else {
            ("├──", "│  ")
        };
        write(
            child,
            &format!("{below}{branch}"),
            &format!("{below}{trunk}"),
            rows,
        );
    }
}

fn root(rollout: Rollout<'_>, belongings: &Belongings, now: Timestamp) -> Node {
    let phase = verdict(rollout).phase;
    let all = Revisions {
        replica_sets: owned(&belongings.replica_sets, rollout.uid()),
        experiments: owned(&belongings.experiments, rollout.uid()),
        runs: owned(&belongings.analysis_runs, rollout.uid()),
    };
    Node {
        name: format!("⟳ {}", rollout.name()).into(),
        kind: "Rollout",
        status: Mark::from(phase).with(phase.as_str()),
        age: rollout
            .created()
            .map_or_else(String::new, |created| since(created, now)),
        info: if rollout.is_terminating() {
            "terminating".into()
        } else {
            Cell::default()
        },
        children: all
            .numbers()
            .into_iter()
            .map(|number| all.node(number, rollout, belongings, now))
            .collect(),
    }
}

/// What a Rollout owns.
struct Revisions<'o> {
    replica_sets: Vec<&'o DynamicObject>,
    experiments: Vec<&'o DynamicObject>,
    runs: Vec<&'o DynamicObject>,
}

impl Revisions<'_> {
    /// The numbers of the revisions, the newest first; what is of no revision last.
    fn numbers(&self) -> Vec<Option<u64>> {
        let all = [&self.replica_sets, &self.experiments, &self.runs]
            .into_iter()
            .flatten();
        let mut numbers: Vec<_> = all.map(|object| revision(object)).collect();
        numbers.sort_unstable_by_key(|number| std::cmp::Reverse(*number));
        numbers.dedup();
        numbers
    }

    /// What is of one revision.
    fn node(
        &self,
        number: Option<u64>,
        rollout: Rollout<'_>,
        belongings: &Belongings,
        now: Timestamp,
    ) -> Node {
        let of = |objects: &[&DynamicObject]| {
            let of_revision = objects.iter().filter(|object| revision(object) == number);
            let mut found: Vec<DynamicObject> = of_revision.map(|object| (*object).clone()).collect();
            found.sort_by(|one, other| one.metadata.name.cmp(&other.metadata.name));
            found
        };
        let shown = number.map_or_else(|| "?".to_owned(), |number| number.to_string());
        let replica_sets = of(&self.replica_sets).into_iter().map(|found| {
            let role = replica_set::role(&found, rollout);
            replica_set::node(&found, role, &belongings.pods, now)
        });
        let experiments = of(&self.experiments).into_iter();
        let experiments = experiments.map(|found| experiment::node(&found, belongings, now));
        let runs = of(&self.runs).into_iter().map(|run| analysis::node(&run, now));
        Node {
            name: format!("# revision:{shown}").into(),
            kind: "",
            status: Cell::default(),
            age: String::new(),
            info: Cell::default(),
            children: replica_sets.chain(experiments).chain(runs).collect(),
        }
    }
}

/// Those that the object with this UID controls.
pub(crate) fn owned<'o>(objects: &'o [DynamicObject], uid: &str) -> Vec<&'o DynamicObject> {
    objects
        .iter()
        .filter(|object| is_controlled_by(object, uid))
        .collect()
}

/// How old an object is.
pub(crate) fn age(object: &DynamicObject, now: Timestamp) -> String {
    let created = object.metadata.creation_timestamp.as_ref();
    created.map_or_else(String::new, |created| since(created.0, now))
}

/// The name of an object behind its sign.
pub(crate) fn named(sign: &str, object: &DynamicObject, paint: Paint) -> Cell {
    let name = object.metadata.name.clone().unwrap_or_default();
    Cell::from(format!("{sign} ")).and(Cell::painted(paint, name))
}
