//! The four figures of DORA, from the facts of rollouts.
//!
//! What they mean is written in <https://dora.dev/guides/dora-metrics-four-keys/>. This is how each is taken from the story
//! of a Rollout, whose attempts are its chains of facts:
//!
//! | DORA | here |
//! |---|---|
//! | deployment | an attempt that was promoted, at the time of its fact `Promoted` (`service.deployed`, `service.upgraded`) |
//! | deployment frequency | deployments for each day of the window |
//! | lead time for changes | from `origin.committedAt` to `Promoted` |
//! | change failure rate | change failures among changes. A change is an attempt that was promoted or is a change failure; a change failure is one with `Aborted` or `RolledBack` after users had met it |
//! | time to restore service (failed deployment recovery time) | from the first `Aborted` or `RolledBack` of a change failure to the `Restored` of its chain |
//!
//! And one figure that DORA does not have: for how long users were exposed, from the first weight in force to `Restored`.
//!
//! - **Users have met an attempt** when a weight above 0 was in force for it, or when it was promoted. One that failed before
//!   that is counted apart (stopped before users), for no user can have been harmed. A weight is in force when the gateway
//!   has accepted the route: what a gateway did with a route before it said so, nobody is told. A weight that was left over
//!   from the revision before is none of the new one's.
//! - **Without traffic routing** users meet pods as soon as they are ready, and no fact tells of it: each failed attempt is
//!   a change failure, and its exposure is not known.
//! - **An attempt that another one took the place of** is neither a deployment nor a failure, unless it was one of them
//!   before. Neither is one without an end yet.
//! - **A retry of the same revision is another attempt**: a revision that is aborted, retried and promoted is a change
//!   failure and a deployment.
//! - **The first version of a Rollout** is a deployment like any other.
//! - **A repair is not told from a change.** An older revision that is brought back after the attempt of the newer one was
//!   over is a deployment, with the age of its commit as its lead time, and the newer one stays a success: no fact tells
//!   why somebody went back.
//! - **A window** takes each attempt by the time of its last outcome, and looks at nothing after its end: windows that follow
//!   each other count each attempt once. What happened before the window is known to it where it is in the files.
//! - **Where facts are missing**, nothing is guessed: a failed attempt of which it can't be known whether users had met it is
//!   counted apart (unclear). A sink with a filter of types leaves such files.
//! - **A commit time after the promotion** is as good as none.

mod attempt;
mod spread;
mod tally;

use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, Serializer};

pub use self::spread::Spread;
use self::tally::Tally;
use crate::replay::{RolloutName, Story};

/// The seconds of a day.
const DAY: f64 = 86_400.0;

/// The time that is looked at, both ends with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Its begin.
    pub since: Timestamp,
    /// Its end. What comes after it is as if it had not happened yet.
    pub until: Timestamp,
}

impl Window {
    /// From the first to the last that is told; None where nothing is.
    #[must_use]
    pub fn of<'story>(stories: impl IntoIterator<Item = &'story Story>) -> Option<Self> {
        let times = stories.into_iter().flat_map(|story| {
            let removals = story.lives().filter_map(|life| life.removed);
            story.facts().iter().map(|fact| fact.time).chain(removals)
        });
        times.fold(None, |window, time| {
            Some(window.map_or(
                Self {
                    since: time,
                    until: time,
                },
                |window: Self| Self {
                    since: window.since.min(time),
                    until: window.until.max(time),
                },
            ))
        })
    }

    /// How long it is; less than nothing when it ends before it begins.
    #[must_use]
    pub fn length(&self) -> SignedDuration {
        self.until.duration_since(self.since)
    }

    fn has(&self, time: Timestamp) -> bool {
        self.since <= time && time <= self.until
    }

    /// So many for each day of the window; None where it has no length.
    fn for_each_day(&self, count: u32) -> Option<f64> {
        let days = self.length().as_secs_f64() / DAY;
        (days > 0.0).then(|| f64::from(count) / days)
    }
}

impl Serialize for Window {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Written {
            since: Timestamp,
            until: Timestamp,
            length_seconds: f64,
        }
        let written = Written {
            since: self.since,
            until: self.until,
            length_seconds: self.length().as_secs_f64(),
        };
        written.serialize(serializer)
    }
}

/// The figures of one Rollout, or of several together. A figure that nothing is known of is absent, and never 0.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// Attempts that were promoted.
    pub deployments: u32,
    /// So many for each day of the window, also where that is shorter than a day; None where it has no length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deployments_per_day: Option<f64>,
    /// Attempts that were promoted or are change failures: what the rate is of.
    pub changes: u32,
    /// Attempts that failed after users had met them.
    pub change_failures: u32,
    /// From 0 to 1; None without a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change_failure_rate: Option<f64>,
    /// Attempts that failed before users met them: no change failures.
    pub stopped_before_users: u32,
    /// Attempts that failed, where too few facts are known to say whether users had met them.
    pub unclear_failures: u32,
    /// Attempts that another one took the place of.
    pub superseded: u32,
    /// Attempts with nothing of that yet: still under way, or told no further.
    pub undecided: u32,
    /// From the failure of a change to its users being back on the stable revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_to_restore: Option<Spread>,
    /// From the first weight in force of a change that failed to its users being back on the stable revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposure: Option<Spread>,
    /// Change failures of which it is not told, until the end of the window, that users are back.
    pub not_restored: u32,
    /// From the commit to the promotion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lead_time: Option<Spread>,
    /// Deployments without a commit time, which have no lead time.
    pub without_commit_time: u32,
}

/// The figures of a Rollout.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RolloutFigures {
    /// Its namespace and name, with a slash between them.
    #[serde(serialize_with = "as_text")]
    pub rollout: RolloutName,
    /// What is counted.
    #[serde(flatten)]
    pub figures: Figures,
}

/// The figures of many Rollouts in one window.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The window.
    pub window: Window,
    /// Of each Rollout.
    pub rollouts: Vec<RolloutFigures>,
    /// Of all together: medians are those of all durations, not of medians.
    pub total: Figures,
}

fn as_text<S: Serializer>(name: &RolloutName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(name)
}

/// The figures of `stories` in a window. The window is the same for all, so that they can be compared.
pub fn report<'story>(stories: impl IntoIterator<Item = &'story Story>, window: Window) -> Report {
    let mut total = Tally::default();
    let rollouts = stories
        .into_iter()
        .map(|story| {
            let tally = Tally::of(story, &window);
            let rollout = story.name().clone();
            let figures = tally.figures(&window);
            total.add(tally);
            RolloutFigures { rollout, figures }
        })
        .collect();
    Report {
        window,
        rollouts,
        total: total.figures(&window),
    }
}

#[cfg(test)]
mod tests;
