//! Whether a measured share of the traffic matches the weight it should have.

use std::fmt;

/// The tolerance to use where nothing else asks for less: chance alone leaves four standard deviations once in about
/// sixteen thousand checks.
pub const DEFAULT_SIGMAS: f64 = 4.0;

/// A measured share next to the expected one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measure {
    /// The share measured, 0.0 to 1.0.
    pub share: f64,
    /// The share expected, 0.0 to 1.0.
    pub expected: f64,
    /// How far the measured share may lie from the expected one, as a share.
    pub tolerance: f64,
}

/// Whether a measured share matches a weight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// It matches.
    Within(Measure),
    /// It does not.
    Outside(Measure),
    /// There was nothing to measure: no answers.
    NoAnswers,
    /// The numbers contradict themselves: more canary answers than answers, a weight above 100, or a tolerance that
    /// is negative or no number.
    Contradiction,
}

impl Verdict {
    /// Whether the share was measured and matches.
    #[must_use]
    pub fn is_within(&self) -> bool {
        matches!(self, Self::Within(_))
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, measure) = match self {
            Self::Within(measure) => ("within", measure),
            Self::Outside(measure) => ("outside", measure),
            Self::NoAnswers => return formatter.write_str("no answers to measure a share of"),
            Self::Contradiction => {
                return formatter.write_str("the counts, the weight or the tolerance contradict");
            }
        };
        let [share, expected, tolerance] =
            [measure.share, measure.expected, measure.tolerance].map(|share| share * 100.0);
        write!(
            formatter,
            "{share:.2} % measured, {word} {expected:.2} % +/- {tolerance:.2}"
        )
    }
}

/// Judges `observed_canary` of `total` answers against a `weight` in percent, each answer being an independent draw:
/// the measured share may lie `sigmas` standard deviations from the weight. Weights of 0 and 100 leave nothing to
/// chance, so they must match exactly.
#[must_use]
pub fn within(observed_canary: u64, total: u64, weight: u8, sigmas: f64) -> Verdict {
    if observed_canary > total || weight > 100 || sigmas.is_nan() || sigmas < 0.0 {
        return Verdict::Contradiction;
    }
    if total == 0 {
        return Verdict::NoAnswers;
    }
    let expected = f64::from(weight) / 100.0;
    let share = real(observed_canary) / real(total);
    let deviation = (expected * (1.0 - expected) / real(total)).sqrt();
    let measure = Measure {
        share,
        expected,
        tolerance: sigmas * deviation,
    };
    let matches = match weight {
        0 => observed_canary == 0,
        100 => observed_canary == total,
        _ => (share - expected).abs() <= measure.tolerance,
    };
    if matches {
        Verdict::Within(measure)
    } else {
        Verdict::Outside(measure)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact up to 2^53, more answers than any run counts"
)]
fn real(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weight_zero_allows_not_one_canary_answer() {
        assert!(within(0, 100_000, 0, DEFAULT_SIGMAS).is_within());
        assert!(!within(1, 100_000, 0, DEFAULT_SIGMAS).is_within());
    }

    #[test]
    fn weight_one_hundred_allows_not_one_stable_answer() {
        assert!(within(100_000, 100_000, 100, DEFAULT_SIGMAS).is_within());
        assert!(!within(99_999, 100_000, 100, DEFAULT_SIGMAS).is_within());
    }

    #[test]
    fn the_tolerance_is_the_given_number_of_standard_deviations() {
        // 10 000 answers at 20 %: one standard deviation is 40 answers, four are 160.
        assert!(within(2_159, 10_000, 20, 4.0).is_within());
        assert!(within(1_841, 10_000, 20, 4.0).is_within());
        assert!(!within(2_161, 10_000, 20, 4.0).is_within());
        assert!(!within(1_839, 10_000, 20, 4.0).is_within());
    }

    #[test]
    fn more_answers_allow_less_deviation() {
        assert!(within(30, 100, 20, DEFAULT_SIGMAS).is_within());
        assert!(!within(3_000, 10_000, 20, DEFAULT_SIGMAS).is_within());
    }

    #[test]
    fn no_answers_are_no_evidence() {
        for weight in [0, 50, 100] {
            assert_eq!(within(0, 0, weight, DEFAULT_SIGMAS), Verdict::NoAnswers);
        }
    }

    #[test]
    fn contradictions_are_never_a_match() {
        assert_eq!(within(11, 10, 50, DEFAULT_SIGMAS), Verdict::Contradiction);
        assert_eq!(within(5, 10, 101, DEFAULT_SIGMAS), Verdict::Contradiction);
        assert_eq!(within(5, 10, 50, f64::NAN), Verdict::Contradiction);
        assert_eq!(within(5, 10, 50, -1.0), Verdict::Contradiction);
    }

    #[test]
    fn a_verdict_reads_as_a_sentence() {
        assert_eq!(
            within(2_050, 10_000, 20, 4.0).to_string(),
            "20.50 % measured, within 20.00 % +/- 1.60"
        );
    }
}
