//! What the demo has measured, and whether all of it is as it should be.

use kulta_e2e::Measurement;
use kulta_test_cluster::progress::answer;
use kulta_traffic::Report;

use super::gated;
use super::listeners::Story;

/// The result of the whole play.
pub(crate) struct Measured {
    /// Each measured step, in order, with what it was.
    pub(crate) steps: Vec<(String, Measurement)>,
    /// Why the bad version was taken back.
    pub(crate) taken_back: String,
    /// What the gate of another rollout has said; None where it was not played.
    pub(crate) held_by_gate: Option<String>,
    /// What a sink of events has heard meanwhile; None where there was none.
    pub(crate) story: Option<Story>,
    /// Everything that was sent.
    pub(crate) report: Report,
}

impl Measured {
    /// Whether no request failed, every split matched, and every event was heard.
    pub(crate) fn is_good(&self) -> bool {
        let is_told = self.story.as_ref().is_none_or(|story| story.is_whole);
        is_told && self.report.is_clean() && self.steps.iter().all(|(_, step)| step.verdict.is_within())
    }

    /// Prints the summary.
    pub(crate) fn tell(&self) {
        answer("\nstep             requested  answers  failed  measured");
        for (title, step) in &self.steps {
            let answers = step.window.answers();
            let failed = step.window.failed_total();
            answer(&format!(
                "{title:<16} {:>7} %  {answers:>7}  {failed:>6}  {}",
                step.weight, step.verdict
            ));
        }
        if let Some(story) = &self.story {
            answer(&format!("\n{story}"));
        }
        answer(&format!("\nv3: {}", self.taken_back));
        if let Some(held) = &self.held_by_gate {
            answer(&format!("\n{}: {held}", gated::APP));
        }
        answer(&format!("\n{}\n", self.report));
        answer(if self.is_good() {
            "good: not one request failed, and every measured split is within 4 standard deviations of its weight"
        } else {
            "NOT GOOD: see the failures, the splits and the events above"
        });
    }
}
