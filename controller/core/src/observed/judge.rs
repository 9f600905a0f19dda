//! What judges versions, as it was seen: `AnalysisRun`s and Experiments, and what routes have to do with these.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ServicePort;
use crate::analysis::run::AnalysisPhase;
use crate::history::Evidence;

/// What judges a version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Judge {
    /// An `AnalysisRun`.
    #[default]
    AnalysisRun,
    /// An Experiment.
    Experiment,
}

impl Judge {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    pub(crate) const fn is_analysis_run(&self) -> bool {
        matches!(self, Self::AnalysisRun)
    }

    /// The kind.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AnalysisRun => "AnalysisRun",
            Self::Experiment => "Experiment",
        }
    }
}

/// An `AnalysisRun`, without what it measures, or an Experiment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnalysisRunView {
    /// Which of the two.
    pub judge: Judge,
    /// Its name.
    pub name: String,
    /// Its UID: precondition of writes.
    pub uid: String,
    /// Its resourceVersion: precondition of writes.
    pub resource_version: String,
    /// Creation time.
    pub created: Timestamp,
    /// The hash label: the revision that it judges.
    pub hash: Option<String>,
    /// Annotation with what it was begun with, in a word; None when somebody else made it.
    pub definition: Option<String>,
    /// `spec.terminate`: it was told to end.
    pub terminate: bool,
    /// `status.phase`.
    pub phase: AnalysisPhase,
    /// `status.message`.
    pub message: String,
    /// What its metrics measured last.
    pub evidence: Vec<Evidence>,
    /// What routes have to do with it.
    pub sharing: Sharing,
}

/// What routes have to do with an Experiment. An `AnalysisRun` is nothing to them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sharing {
    /// What is noted on the Experiment, if anything is.
    pub routed: Option<Routed>,
    /// The Services of its templates.
    pub services: Vec<SharingService>,
}

impl Sharing {
    /// The Services that routes may send to, as is noted: these, and the pods behind them, stay.
    pub fn noted(&self) -> impl Iterator<Item = &str> {
        let services = match &self.routed {
            Some(Routed::Now(services)) => Some(services),
            Some(Routed::Until(_)) | None => None,
        };
        services.into_iter().flatten().map(String::as_str)
    }
}

/// What a Rollout notes on an Experiment about routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Routed {
    /// They may send to these Services.
    Now(BTreeSet<String>),
    /// None does since then.
    Until(Timestamp),
}

/// Parts the names of Services, which have none of it.
const PART: &str = ",";

impl Routed {
    /// What the note says.
    #[must_use]
    pub fn read(note: &str) -> Self {
        note.parse().map_or_else(
            |_| Self::Now(note.split(PART).map(str::to_owned).collect()),
            Self::Until,
        )
    }
}

impl std::fmt::Display for Routed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Now(services) => {
                let services: Vec<_> = services.iter().map(String::as_str).collect();
                formatter.write_str(&services.join(PART))
            }
            Self::Until(time) => time.fmt(formatter),
        }
    }
}

/// The Service of a template of an Experiment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharingService {
    /// The name of the template.
    pub template: String,
    /// The name of the Service.
    pub name: String,
    /// The hash of its pods.
    pub hash: String,
    /// Ready endpoints; none where it is not the Experiment's.
    pub ready: u32,
    /// The ports it serves; none where it is not the Experiment's.
    pub ports: Vec<ServicePort>,
    /// Some route names it, be it one of the Rollout's or not. Only looked for while that is noted.
    pub named: bool,
}

/// Refs that could be taken for those of experiments, or not be known as such.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExperimentRefs {
    /// Services that are noted or remembered as an experiment's, and are somebody else's: anybody can write that down.
    pub others: BTreeSet<String>,
    /// Names in its routes of Services that are not there, and that are an experiment's: noted, remembered, or such as only those of a
    /// Rollout of this name have, which was deleted, and its experiments with it.
    pub lost: BTreeSet<String>,
}
