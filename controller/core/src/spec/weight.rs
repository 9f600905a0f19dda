//! Shares of traffic.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What weights are parts of: all traffic. The Gateway API has weights of a million at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Whole(NonZeroU32);

impl Whole {
    /// Weights are percent.
    pub const HUNDRED: Self = Self(match NonZeroU32::new(100) {
        Some(hundred) => hundred,
        None => NonZeroU32::MIN,
    });
    /// The most parts that a route can tell apart.
    pub const LARGEST: u32 = 1_000_000;

    /// All traffic has so many parts; None where no route could be written so.
    #[must_use]
    pub fn new(parts: u32) -> Option<Self> {
        NonZeroU32::new(parts)
            .filter(|parts| parts.get() <= Self::LARGEST)
            .map(Self)
    }

    /// So many.
    #[must_use]
    pub const fn parts(self) -> u32 {
        self.0.get()
    }
}

impl Default for Whole {
    fn default() -> Self {
        Self::HUNDRED
    }
}

/// A share of traffic: so many parts of a whole, which are percent unless `maxTrafficWeight` says otherwise.
///
/// Two that are the same share are equal, whatever they are parts of.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Weight {
    parts: u32,
    whole: Whole,
}

/// A weight above its whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("must be between 0 and {whole}, is {parts}")]
pub struct WeightOutOfRange {
    /// The weight.
    pub parts: u32,
    /// The whole.
    pub whole: u32,
}

impl Weight {
    /// No traffic.
    pub const ZERO: Self = Self {
        parts: 0,
        whole: Whole::HUNDRED,
    };
    /// All traffic.
    pub const FULL: Self = Self {
        parts: Whole::HUNDRED.parts(),
        whole: Whole::HUNDRED,
    };

    /// Makes a weight of `percent`.
    ///
    /// # Errors
    /// When `percent` is above 100.
    pub const fn new(percent: u32) -> Result<Self, WeightOutOfRange> {
        Self::of_whole(percent, Whole::HUNDRED)
    }

    /// Makes a weight of `parts` of `whole`.
    ///
    /// # Errors
    /// When there are more parts than the whole has.
    pub const fn of_whole(parts: u32, whole: Whole) -> Result<Self, WeightOutOfRange> {
        if parts > whole.parts() {
            let whole = whole.parts();
            Err(WeightOutOfRange { parts, whole })
        } else {
            Ok(Self { parts, whole })
        }
    }

    /// The share that `part` is of `all`, on the scale of `whole` and rounded up; none where there is nothing.
    #[must_use]
    pub fn share(part: u64, all: u64, whole: Whole) -> Self {
        let parts = if all == 0 {
            0
        } else {
            (u128::from(part) * u128::from(whole.parts())).div_ceil(all.into())
        };
        let most = whole.parts();
        Self {
            parts: u32::try_from(parts).map_or(most, |parts| parts.min(most)),
            whole,
        }
    }

    /// The number of parts.
    #[must_use]
    pub const fn parts(self) -> u32 {
        self.parts
    }

    /// What they are parts of.
    #[must_use]
    pub const fn whole(self) -> Whole {
        self.whole
    }

    /// The same share on another scale, rounded up. None and all of it stay what they are.
    #[must_use]
    pub fn on(self, whole: Whole) -> Self {
        Self::share(self.parts.into(), self.whole.parts().into(), whole)
    }

    /// The weight in percent, rounded up; but what is not all is told as less than 100.
    #[must_use]
    pub fn percent(self) -> u32 {
        let percent = self.on(Whole::HUNDRED).parts;
        if self < Self::FULL {
            percent.min(Self::FULL.parts - 1)
        } else {
            percent
        }
    }

    /// The same as a weight in percent, as [`Weight::percent`] rounds.
    #[must_use]
    pub fn in_percent(self) -> Self {
        Self {
            parts: self.percent(),
            whole: Whole::HUNDRED,
        }
    }

    /// What remains of the whole.
    #[must_use]
    pub const fn rest(self) -> Self {
        Self {
            parts: self.whole.parts() - self.parts,
            whole: self.whole,
        }
    }

    /// This share of `replicas`, rounded up.
    #[must_use]
    pub const fn of(self, replicas: u32) -> u32 {
        let scaled = (self.parts as u64 * replicas as u64).div_ceil(self.whole.parts() as u64);
        // A share of at most the whole never exceeds `replicas`, so it fits.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "at most `replicas`, which is a u32"
        )]
        {
            scaled as u32
        }
    }

    /// The share in lowest terms.
    fn reduced(self) -> (u32, u32) {
        let (mut divisor, mut rest) = (self.whole.parts(), self.parts);
        while rest > 0 {
            (divisor, rest) = (rest, divisor % rest);
        }
        (self.parts / divisor, self.whole.parts() / divisor)
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self::ZERO
    }
}

impl PartialEq for Weight {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Weight {}

impl PartialOrd for Weight {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Weight {
    fn cmp(&self, other: &Self) -> Ordering {
        let times = |weight: &Self, whole: Whole| u64::from(weight.parts) * u64::from(whole.parts());
        times(self, other.whole).cmp(&times(other, self.whole))
    }
}

impl Hash for Weight {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.reduced().hash(state);
    }
}

/// The number of parts.
impl std::fmt::Display for Weight {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.parts.fmt(formatter)
    }
}

/// How a weight is written: percent are a number.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Percent(u32),
    Of { parts: u32, whole: u32 },
}

impl TryFrom<Written> for Weight {
    type Error = WeightOutOfRange;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        match written {
            Written::Percent(percent) => Self::new(percent),
            Written::Of { parts, whole } => match Whole::new(whole) {
                Some(known) => Self::of_whole(parts, known),
                None => Err(WeightOutOfRange { parts, whole }),
            },
        }
    }
}

impl From<Weight> for Written {
    fn from(Weight { parts, whole }: Weight) -> Self {
        if whole == Whole::HUNDRED {
            Self::Percent(parts)
        } else {
            Self::Of {
                parts,
                whole: whole.parts(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn weight(parts: u32, whole: u32) -> Weight {
        Weight::of_whole(parts, Whole::new(whole).unwrap()).unwrap()
    }

    /// All shares of all small wholes, and some of large ones.
    fn weights() -> impl Iterator<Item = Weight> {
        let wholes = (1..=12).chain([100, 1000, 999_983, Whole::LARGEST]);
        wholes.flat_map(|whole| {
            let step = (whole / 13).max(1);
            let all = (0..=whole).filter(move |parts| parts % step < 2 || *parts == whole);
            all.map(move |parts| weight(parts, whole))
        })
    }

    #[test]
    fn the_same_share_is_equal_whatever_it_is_a_part_of() {
        assert_eq!(weight(200, 1000), weight(20, 100));
        assert_eq!(weight(0, 7), Weight::ZERO);
        assert_eq!(weight(7, 7), Weight::FULL);
        assert!(weight(1, 1000) > Weight::ZERO && weight(999, 1000) < Weight::FULL);
        let equal = HashSet::from([weight(200, 1000), weight(20, 100), weight(1, 5)]);
        assert_eq!(equal.len(), 1);
    }

    #[test]
    fn what_is_little_or_not_quite_all_is_told_so_in_percent() {
        let told = |parts| weight(parts, 1000).percent();
        assert_eq!([0, 1, 10, 11, 999, 1000].map(told), [0, 1, 1, 2, 99, 100]);
    }

    #[test]
    fn percent_are_written_as_a_number_and_others_with_their_whole() {
        let written = |weight| serde_json::to_value(weight).unwrap();
        assert_eq!(written(weight(20, 100)), serde_json::json!(20));
        let other = written(weight(5, 1000));
        assert_eq!(other, serde_json::json!({"parts": 5, "whole": 1000}));
        let read: Weight = serde_json::from_value(other).unwrap();
        assert_eq!((read.parts(), read.whole().parts()), (5, 1000));
        for wrong in [
            serde_json::json!(101),
            serde_json::json!({"parts": 3, "whole": 2}),
            serde_json::json!({"parts": 0, "whole": 0}),
        ] {
            assert!(
                serde_json::from_value::<Weight>(wrong.clone()).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn both_sides_together_are_the_whole_and_have_pods_for_all() {
        for weight in weights() {
            assert_eq!(weight.parts() + weight.rest().parts(), weight.whole().parts());
            for replicas in [0, 1, 2, 3, 10, 4_000_000_000] {
                let (this, rest) = (weight.of(replicas), weight.rest().of(replicas));
                assert!(this <= replicas && u64::from(this) + u64::from(rest) >= replicas.into());
            }
        }
    }

    #[test]
    fn another_scale_makes_no_share_smaller_and_neither_nothing_nor_all_of_it() {
        for weight in weights() {
            for whole in [1, 2, 7, 100, 1000, Whole::LARGEST].map(|whole| Whole::new(whole).unwrap()) {
                let other = weight.on(whole);
                assert!(other >= weight && other.whole() == whole, "{weight:?}");
                assert_eq!(other == Weight::ZERO, weight == Weight::ZERO, "{weight:?}");
                let one_less = other.parts().checked_sub(1);
                let one_less = one_less.map(|parts| Weight::of_whole(parts, whole).unwrap());
                assert!(one_less.is_none_or(|less| less < weight), "{weight:?}");
            }
        }
    }

    #[test]
    fn the_order_is_that_of_the_shares() {
        let share = |weight: Weight| f64::from(weight.parts()) / f64::from(weight.whole().parts());
        let all: Vec<_> = weights().collect();
        for (one, other) in all
            .iter()
            .flat_map(|one| all.iter().map(move |other| (*one, *other)))
        {
            if (share(one) - share(other)).abs() > 1e-9 {
                assert_eq!(
                    one.cmp(&other),
                    share(one).total_cmp(&share(other)),
                    "{one:?} {other:?}"
                );
            }
        }
    }
}
