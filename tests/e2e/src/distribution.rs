//! What many measured times have in common.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// A distribution of times, by nearest rank.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Distribution {
    /// How many were measured.
    pub samples: usize,
    /// The fastest.
    #[serde(rename = "min_us", serialize_with = "microseconds")]
    pub min: Duration,
    /// Half were not slower.
    #[serde(rename = "p50_us", serialize_with = "microseconds")]
    pub p50: Duration,
    /// 90 of 100 were not slower.
    #[serde(rename = "p90_us", serialize_with = "microseconds")]
    pub p90: Duration,
    /// 99 of 100 were not slower.
    #[serde(rename = "p99_us", serialize_with = "microseconds")]
    pub p99: Duration,
    /// The slowest.
    #[serde(rename = "max_us", serialize_with = "microseconds")]
    pub max: Duration,
}

impl Distribution {
    /// The distribution of `times`; None when there are none.
    #[must_use]
    pub fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        let rank = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).max(1);
            times.get(rank - 1).copied()
        };
        Some(Self {
            samples: times.len(),
            min: *times.first()?,
            p50: rank(50)?,
            p90: rank(90)?,
            p99: rank(99)?,
            max: *times.last()?,
        })
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            samples,
            min,
            p50,
            p90,
            p99,
            max,
        } = self;
        write!(
            formatter,
            "min {min:.2?}  p50 {p50:.2?}  p90 {p90:.2?}  p99 {p99:.2?}  max {max:.2?}  ({samples} samples)"
        )
    }
}

fn microseconds<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64() * 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_times_that_were_measured() {
        let times = (1..=200).rev().map(Duration::from_millis).collect();

        let distribution = Distribution::of(times).unwrap();

        let expected = [1, 100, 180, 198, 200].map(Duration::from_millis);
        let Distribution {
            samples,
            min,
            p50,
            p90,
            p99,
            max,
        } = distribution;
        assert_eq!(([min, p50, p90, p99, max], samples), (expected, 200));
    }

    #[test]
    fn one_time_is_every_rank() {
        let one = Distribution::of(vec![Duration::from_secs(1)]).unwrap();
        assert_eq!((one.p50, one.p99), (one.max, one.min));
    }

    #[test]
    fn no_times_have_no_distribution() {
        assert_eq!(Distribution::of(Vec::new()), None);
    }
}
