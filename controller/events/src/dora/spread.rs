//! How a number of durations is spread.

use jiff::SignedDuration;
use serde::{Serialize, Serializer};

/// The middle, the ninth of ten, and the longest of some durations. Each is one that was measured (the nearest rank), and
/// none is put together from two of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Spread {
    /// How many there are.
    pub count: usize,
    /// Half of them are no longer.
    #[serde(rename = "medianSeconds", serialize_with = "seconds")]
    pub median: SignedDuration,
    /// Nine of ten are no longer.
    #[serde(rename = "p90Seconds", serialize_with = "seconds")]
    pub p90: SignedDuration,
    /// The longest.
    #[serde(rename = "maxSeconds", serialize_with = "seconds")]
    pub max: SignedDuration,
}

impl Spread {
    /// None where there are no durations.
    pub(super) fn of(durations: &[SignedDuration]) -> Option<Self> {
        let mut sorted = durations.to_vec();
        sorted.sort_unstable();
        let count = sorted.len();
        // The smallest rank at which at least so many tenths of all are.
        let at = |tenths: usize| {
            let rank = count.saturating_mul(tenths).div_ceil(10);
            sorted.get(rank.checked_sub(1)?).copied()
        };
        Some(Self {
            count,
            median: at(5)?,
            p90: at(9)?,
            max: at(10)?,
        })
    }
}

fn seconds<S: Serializer>(duration: &SignedDuration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(seconds: impl IntoIterator<Item = i64>) -> Option<[i64; 3]> {
        let durations: Vec<_> = seconds.into_iter().map(SignedDuration::from_secs).collect();
        let Spread { median, p90, max, .. } = Spread::of(&durations)?;
        Some([median, p90, max].map(|duration| duration.as_secs()))
    }

    #[test]
    fn without_durations_there_is_none() {
        assert_eq!(spread([]), None);
    }

    #[test]
    fn one_duration_is_all_three() {
        assert_eq!(spread([7]), Some([7, 7, 7]));
    }

    #[test]
    fn each_is_one_that_was_measured() {
        assert_eq!(spread([4, 1, 3, 2]), Some([2, 4, 4]));
        assert_eq!(spread((1..=20).rev()), Some([10, 18, 20]));
    }

    #[test]
    fn seconds_are_in_the_names() {
        let spread = Spread::of(&[SignedDuration::from_millis(1_500)]);

        let written = serde_json::to_value(spread).unwrap();

        let expected = serde_json::json!({
            "count": 1, "medianSeconds": 1.5, "p90Seconds": 1.5, "maxSeconds": 1.5,
        });
        assert_eq!(written, expected);
    }
}
