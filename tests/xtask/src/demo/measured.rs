//! What the demo has measured, and whether all of it is as it should be.

use jiff::SignedDuration;
use kulta_core::history::{Fact, FactKind};
use kulta_core::spec::Weight;
use kulta_e2e::Measurement;
use kulta_test_cluster::progress::answer;
use kulta_traffic::Report;
use kulta_traffic::split::DEFAULT_SIGMAS;

use super::gated;
use super::listeners::Story;
use super::script::BAD_VERSION;

/// Within this time users are to be safe from a bad version, its first pause included.
const TAKEN_BACK_AIM: SignedDuration = SignedDuration::from_mins(1);

/// The result of the whole play.
pub(crate) struct Measured {
    /// Each measured step, in order, with what it was.
    pub(crate) steps: Vec<(String, Measurement)>,
    /// Why the bad version was taken back.
    pub(crate) taken_back: String,
    /// From the first traffic of that version to all of it back on the stable one; None where the history does not tell.
    pub(crate) met_users_for: Option<SignedDuration>,
    /// What the gate of another rollout has said; None where it was not played.
    pub(crate) held_by_gate: Option<String>,
    /// What a sink of events has heard meanwhile; None where there was none.
    pub(crate) story: Option<Story>,
    /// Everything that was sent.
    pub(crate) report: Report,
}

impl Measured {
    /// Whether no request was lost, every split matched, and every event was heard.
    pub(crate) fn is_good(&self) -> bool {
        let is_told = self.story.as_ref().is_none_or(|story| story.is_whole);
        is_told
            && self.report.is_clean_but_for(BAD_VERSION)
            && self.steps.iter().all(|(_, step)| step.verdict.is_within())
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
        answer(&format!("\n{BAD_VERSION}: {}", self.taken_back));
        if let Some(duration) = self.met_users_for {
            answer(&format!(
                "{BAD_VERSION}: {:.1} s from its first users to all of them back on the stable version (aim: {} s)",
                duration.as_secs_f64(),
                TAKEN_BACK_AIM.as_secs()
            ));
        }
        if let Some(held) = &self.held_by_gate {
            answer(&format!("\n{}: {held}", gated::APP));
        }
        answer(&format!("\n{}\n", self.report));
        answer(&if self.is_good() {
            format!(
                "good: not one request was lost, and every measured split is within {DEFAULT_SIGMAS} standard deviations of its \
                 weight"
            )
        } else {
            String::from("NOT GOOD: see the failures, the splits and the events above")
        });
    }
}

/// How long users met the version that was taken back last: from when its first weight was asked for to when all traffic was back.
pub(crate) fn met_users_for(history: &[Fact]) -> Option<SignedDuration> {
    let end = history.iter().rfind(|fact| fact.kind == FactKind::Restored)?;
    let mut attempt = history.iter().filter(|fact| fact.chain == end.chain);
    let met = |fact: &&Fact| fact.kind == FactKind::WeightRequested && fact.weight > Some(Weight::ZERO);
    Some(end.time.duration_since(attempt.find(met)?.time))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use kulta_core::history::Cause;

    use super::*;

    #[test]
    fn users_meet_a_bad_version_from_its_first_weight_to_the_restoration() {
        let fact = |chain, second, kind, weight| Fact {
            chain: Some(chain),
            weight: Weight::new(weight).ok(),
            ..Fact::new(kind, Cause::Controller, Timestamp::from_second(second).unwrap())
        };
        let history = [
            fact(1, 5, FactKind::WeightRequested, 10),
            fact(2, 10, FactKind::WeightRequested, 0),
            fact(2, 12, FactKind::WeightRequested, 10),
            fact(2, 30, FactKind::Aborted, 50),
            fact(2, 32, FactKind::Restored, 0),
        ];

        assert_eq!(met_users_for(&history), Some(SignedDuration::from_secs(20)));
        assert_eq!(met_users_for(&history[..3]), None);
    }
}
