//! The share of requests answered with an error, spread evenly so that a short test sees the share it asked for.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The resolution of a rate: whole parts of a million, so that adding it up is exact.
const WHOLE: u32 = 1_000_000;

/// The share of requests answered with 500, between 0.0 and 1.0 (resolution: one millionth).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct ErrorRate {
    parts_per_million: u32,
}

/// Why a text or a number is not an [`ErrorRate`].
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ErrorRateError {
    /// The text is not a number.
    #[error("{0:?} is not a number")]
    NotANumber(String),
    /// The number is not a share.
    #[error("an error rate lies between 0.0 and 1.0, {0} does not")]
    OutOfRange(f64),
}

impl TryFrom<f64> for ErrorRate {
    type Error = ErrorRateError;

    fn try_from(share: f64) -> Result<Self, ErrorRateError> {
        if !(0.0..=1.0).contains(&share) {
            return Err(ErrorRateError::OutOfRange(share));
        }
        let scaled = (share * f64::from(WHOLE)).round();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and WHOLE here"
        )]
        let parts_per_million = scaled as u32;
        Ok(Self { parts_per_million })
    }
}

impl FromStr for ErrorRate {
    type Err = ErrorRateError;

    fn from_str(text: &str) -> Result<Self, ErrorRateError> {
        let share: f64 = text
            .parse()
            .map_err(|_| ErrorRateError::NotANumber(text.to_owned()))?;
        Self::try_from(share)
    }
}

impl From<ErrorRate> for f64 {
    fn from(rate: ErrorRate) -> Self {
        Self::from(rate.parts_per_million) / Self::from(WHOLE)
    }
}

impl fmt::Display for ErrorRate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        f64::from(*self).fmt(formatter)
    }
}

/// Decides request by request which one fails: of any N requests in a row, N times the rate fail (give or take one).
#[derive(Debug, Default)]
pub(crate) struct ErrorSpread {
    rate: ErrorRate,
    carried: u32,
}

impl ErrorSpread {
    pub(crate) fn new(rate: ErrorRate) -> Self {
        Self { rate, carried: 0 }
    }

    pub(crate) fn rate(&self) -> ErrorRate {
        self.rate
    }

    /// Whether the next request fails.
    pub(crate) fn next_fails(&mut self) -> bool {
        // Both are at most WHOLE, so the sum stays far from the type's limit.
        self.carried += self.rate.parts_per_million;
        let fails = self.carried >= WHOLE;
        if fails {
            self.carried -= WHOLE;
        }
        fails
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failures_of(rate: &str, requests: usize) -> usize {
        let mut spread = ErrorSpread::new(rate.parse().unwrap());
        (0..requests).filter(|_| spread.next_fails()).count()
    }

    #[test]
    fn a_rate_of_zero_never_fails() {
        assert_eq!(failures_of("0.0", 10_000), 0);
    }

    #[test]
    fn a_rate_of_one_always_fails() {
        assert_eq!(failures_of("1", 10_000), 10_000);
    }

    #[test]
    fn a_short_run_sees_its_exact_share() {
        assert_eq!(failures_of("0.1", 50), 5);
    }

    #[test]
    fn rates_outside_the_unit_interval_are_refused() {
        for share in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(ErrorRate::try_from(share).is_err(), "{share}");
        }
    }

    #[test]
    fn text_that_is_no_number_is_named_in_the_error() {
        assert_eq!(
            "half".parse::<ErrorRate>(),
            Err(ErrorRateError::NotANumber("half".to_owned()))
        );
    }
}
