//! Sums and means of numbers of which only the logarithms fit into a float.

/// The logarithm of the sum of two numbers, out of theirs.
pub(crate) fn log_add(one: f64, other: f64) -> f64 {
    let (large, small) = if one > other { (one, other) } else { (other, one) };
    if small == f64::NEG_INFINITY {
        return large;
    }
    large + (1.0 + (small - large).exp()).ln()
}

/// The logarithm of the mean of some numbers, out of theirs; of none, that of 0.
pub(crate) fn log_mean(logarithms: &[f64]) -> f64 {
    let largest = logarithms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    let (mut sum, mut count) = (0.0, 0.0);
    for one in logarithms {
        sum += (one - largest).exp();
        count += 1.0;
    }
    largest + (sum / count).ln()
}

/// A ratio, with its logarithm.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Ratio {
    /// The logarithm.
    pub(crate) logarithm: f64,
    /// The ratio itself.
    pub(crate) value: f64,
}

impl Ratio {
    pub(crate) fn of_logarithm(logarithm: f64) -> Self {
        Self {
            logarithm,
            value: logarithm.exp(),
        }
    }
}

/// Ratios from `first` to `last`, each the same factor larger than the one before.
pub(crate) fn log_spaced<const COUNT: usize>(first: f64, last: f64) -> [Ratio; COUNT] {
    let mut grid = [Ratio::default(); COUNT];
    let intervals = u16::try_from(COUNT.saturating_sub(1)).unwrap_or(u16::MAX);
    let (begin, length) = (first.ln(), (last / first).ln());
    for (place, ratio) in (0..=intervals).zip(&mut grid) {
        let share = f64::from(place) / f64::from(intervals);
        *ratio = Ratio::of_logarithm(begin + share * length);
    }
    grid
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(one: f64, other: f64) -> bool {
        (one - other).abs() < 1e-12
    }

    #[test]
    fn sums_are_made_of_logarithms() {
        assert!(near(log_add(2_f64.ln(), 3_f64.ln()), 5_f64.ln()));
        assert!(near(log_add(f64::NEG_INFINITY, 1.0), 1.0));
        assert!(near(log_add(-5000.0, -5000.0), -5000.0 + 2_f64.ln()));
    }

    #[test]
    fn a_mean_is_made_of_logarithms_however_small_the_numbers() {
        let numbers = [1.0_f64, 2.0, 6.0].map(|number| number.ln() - 5000.0);
        assert!(near(log_mean(&numbers), 3_f64.ln() - 5000.0));
        assert!(log_mean(&[f64::NEG_INFINITY; 2]) < f64::MIN);
    }

    #[test]
    fn a_grid_has_both_its_ends_and_the_same_factor_all_along() {
        let grid = log_spaced::<40>(1.05, 20.0).map(|ratio| ratio.value);
        assert!(near(grid[0], 1.05));
        assert!((grid[39] - 20.0).abs() < 1e-9);
        assert!(near(grid[1] / grid[0], grid[39] / grid[38]));
    }
}
