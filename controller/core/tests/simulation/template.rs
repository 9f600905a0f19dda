//! Pod templates of the simulated cluster, and how their pods behave.

use kulta_core::analysis::run::AnalysisPhase;
use kulta_core::revision::TemplateDigest;
use serde_json::json;

use super::analysis::Opinion;

/// A pod template: a version of the application, possibly written in other words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    /// The version of the application. Two templates of one version are equal after defaulting.
    pub(crate) version: u32,
    /// The identity of the template as written.
    pub(crate) digest: TemplateDigest,
}

impl Template {
    /// The usual way to write `version`.
    pub(crate) fn of(version: u32) -> Self {
        Self::spelt(version, 0)
    }

    /// `version` in the words number `spelling`.
    pub(crate) fn spelt(version: u32, spelling: u32) -> Self {
        let digest = TemplateDigest::of(&json!({"image": image(version), "spelling": spelling}));
        Self { version, digest }
    }
}

/// The image of `version`.
pub(crate) fn image(version: u32) -> String {
    format!("web:{version}")
}

/// How the pods of one version behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Behaviour {
    /// Ticks from a pod's creation until it is ready.
    pub(crate) ready_after: u64,
    /// What becomes of the pod.
    pub(crate) fate: Fate,
    /// What the API server says of the template.
    pub(crate) admission: Admission,
    /// What analyses find of it.
    pub(crate) opinion: Opinion,
}

/// What becomes of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It becomes ready and stays so.
    Fine,
    /// It never becomes ready.
    Pending,
    /// It is ready for so many ticks, and then never again.
    Crashes(u64),
    /// It is ready for `up` ticks and not ready for `down` ticks, in turns.
    Flaps {
        /// Ticks in which it is ready.
        up: u64,
        /// Ticks in which it is not.
        down: u64,
    },
}

/// What the API server says of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is accepted.
    Accepted,
    /// It is not a valid template.
    Invalid,
    /// A quota or policy refuses it.
    Refused,
    /// The API server does not answer.
    Silent,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            ready_after: 2,
            fate: Fate::Fine,
            admission: Admission::Accepted,
            opinion: Opinion::After(3, AnalysisPhase::Successful),
        }
    }
}

impl Behaviour {
    /// Whether a pod of this age, in ticks, is ready.
    pub(crate) fn ready(self, age: u64) -> bool {
        let Some(up_for) = age.checked_sub(self.ready_after) else {
            return false;
        };
        match self.fate {
            Fate::Fine => true,
            Fate::Pending => false,
            Fate::Crashes(ticks) => up_for < ticks,
            Fate::Flaps { up, down } => up_for % (up + down) < up,
        }
    }
}
