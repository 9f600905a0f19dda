//! The signs beside a status, as `kubectl argo rollouts` has them.

use kulta_core::analysis::run::AnalysisPhase;
use kulta_core::status::Phase;

use crate::output::{Cell, Paint};

/// A sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// It is well.
    Good,
    /// It is not.
    Bad,
    /// Something is odd.
    Warning,
    /// It moves.
    Moving,
    /// It waits for its turn.
    Waiting,
    /// It is paused.
    Paused,
    /// It can't be told.
    Unknown,
    /// There is nothing to say.
    Neutral,
}

impl Mark {
    /// The sign, painted.
    pub(crate) fn cell(self) -> Cell {
        let (paint, sign) = match self {
            Self::Good => (Paint::Good, "✔"),
            Self::Bad => (Paint::Bad, "✖"),
            Self::Warning => (Paint::Bad, "⚠"),
            Self::Moving => (Paint::Moving, "◌"),
            Self::Waiting => (Paint::Waiting, "◷"),
            Self::Paused => (Paint::Plain, "॥"),
            Self::Unknown => (Paint::Waiting, "?"),
            Self::Neutral => (Paint::Plain, "•"),
        };
        Cell::painted(paint, sign)
    }

    /// The sign and a word.
    pub(crate) fn with(self, word: &str) -> Cell {
        self.cell().and(format!(" {word}"))
    }
}

impl From<Phase> for Mark {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Healthy => Self::Good,
            Phase::Degraded => Self::Bad,
            Phase::Paused => Self::Paused,
            Phase::Progressing => Self::Moving,
        }
    }
}

impl From<AnalysisPhase> for Mark {
    fn from(phase: AnalysisPhase) -> Self {
        match phase {
            AnalysisPhase::Successful => Self::Good,
            AnalysisPhase::Failed => Self::Bad,
            AnalysisPhase::Error => Self::Warning,
            AnalysisPhase::Inconclusive => Self::Unknown,
            AnalysisPhase::Running => Self::Moving,
            AnalysisPhase::Pending => Self::Waiting,
        }
    }
}
