//! Weight truth: whether requests are spread over two versions as the route says (Lindon & Malek, "Anytime-Valid Inference
//! for Multinomial Count Data", `NeurIPS` 2022).
//!
//! The Bayes factor of "the shares are something else, near to this" against "the shares are these" is an e-process, too.

/// How requests are spread, and what is known about it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WeightTruth {
    /// The share that each version should have; their sum is 1.
    pub(crate) shares: [f64; 2],
    /// The Dirichlet distribution of the shares, as it is learnt.
    pub(crate) dirichlet: [f64; 2],
    /// The logarithm of the Bayes factor of all batches.
    pub(crate) log_factor: f64,
    /// The largest it has been; 0 at the beginning.
    pub(crate) largest: f64,
}

impl WeightTruth {
    /// Before the first batch. Each share is more than 0; the larger the concentration, the nearer to them are the shares
    /// that it is most sensitive to.
    pub(crate) fn new(shares: [f64; 2], concentration: f64) -> Self {
        Self {
            shares,
            dirichlet: shares.map(|share| share * concentration),
            log_factor: 0.0,
            largest: 0.0,
        }
    }

    /// The shares should be others from now on. What is known of the old ones is known no more; the evidence stays.
    pub(crate) fn begin_step(&mut self, shares: [f64; 2], concentration: f64) {
        self.shares = shares;
        self.dirichlet = shares.map(|share| share * concentration);
    }

    /// Learns from the numbers of requests of one batch.
    pub(crate) fn learn(&mut self, requests: [f64; 2]) {
        self.log_factor += log_bayes_factor(self.dirichlet, self.shares, requests);
        self.largest = self.largest.max(self.log_factor);
        for (parameter, requests) in self.dirichlet.iter_mut().zip(requests) {
            *parameter += requests;
        }
    }

    /// The probability of evidence as strong as this at any time, if the shares are as they should be: 0 to 1.
    pub(crate) fn p_value(&self) -> f64 {
        (-self.largest).exp()
    }
}

/// The Dirichlet-multinomial distribution against the multinomial one. What both have in common is left out.
fn log_bayes_factor(dirichlet: [f64; 2], shares: [f64; 2], requests: [f64; 2]) -> f64 {
    let [first, second] = dirichlet;
    let [of_first, of_second] = requests;
    let mut factor = ln_gamma(first + second) - ln_gamma(first + second + of_first + of_second);
    for ((parameter, share), requests) in dirichlet.into_iter().zip(shares).zip(requests) {
        factor += ln_gamma(parameter + requests) - ln_gamma(parameter) - requests * share.ln();
    }
    factor
}

/// From so large numbers on, Stirling's series is exact to the last bits.
const STIRLING: f64 = 10.0;
/// Its coefficients, for the powers -1, -3, -5 ...
const COEFFICIENTS: [f64; 6] = [
    1.0 / 12.0,
    -1.0 / 360.0,
    1.0 / 1260.0,
    -1.0 / 1680.0,
    1.0 / 1188.0,
    -691.0 / 360_360.0,
];

/// The logarithm of the gamma function of a number that is more than 0. The crate `libm` has one for all numbers, which is
/// 2 kB more in a component of 100.
fn ln_gamma(number: f64) -> f64 {
    let (mut number, mut passed) = (number, 1.0);
    while number < STIRLING {
        passed *= number;
        number += 1.0;
    }
    let square = 1.0 / (number * number);
    let series = COEFFICIENTS
        .iter()
        .rev()
        .fold(0.0, |sum, coefficient| sum * square + coefficient);
    let half_log_two_pi = 0.5 * std::f64::consts::TAU.ln();
    (number - 0.5) * number.ln() - number + half_log_two_pi + series / number - f64::ln(passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(one: f64, other: f64, tolerance: f64) {
        assert!((one - other).abs() <= tolerance, "{one} is not {other}");
    }

    #[test]
    fn the_gamma_function_is_that_of_the_library() {
        for number in [1e-3, 0.5, 1.0, 1.5, 2.0, 7.3, 9.99, 10.0, 123.4, 1e4, 1e7] {
            let expected = libm::lgamma(number);
            near(ln_gamma(number), expected, 2e-15 * expected.abs().max(10.0));
        }
    }

    #[test]
    fn the_published_sequence_comes_out() {
        let p_values = [
            1.0, 1.0, 1.0, 1.0, 1.0, 0.981_224, 0.848_327, 0.664_605, 0.473_448, 0.307_696,
        ];
        let mut truth = WeightTruth::new([0.9, 0.1], 10_000.0);
        for (row, expected) in p_values.into_iter().enumerate() {
            truth.learn(if row < 5 { [90.0, 10.0] } else { [80.0, 20.0] });
            near(truth.p_value(), expected, 5e-7);
        }
        near(truth.log_factor, 1.178_642_453, 5e-10);
    }

    #[test]
    fn single_batches_come_out() {
        let rows = [
            ([870.0, 130.0], [0.9, 0.1], 2.9099, 0.054_48, 5e-6),
            ([850.0, 150.0], [0.9, 0.1], 9.8671, 5.19e-5, 5e-8),
            ([9300.0, 700.0], [0.95, 0.05], 34.8344, 0.0, 1e-12),
            ([540.0, 460.0], [0.5, 0.5], 1.7131, 0.1803, 5e-5),
            ([900.0, 100.0], [0.9, 0.1], -1.2066, 1.0, 0.0),
        ];
        for (requests, shares, factor, p_value, tolerance) in rows {
            let mut truth = WeightTruth::new(shares, 100.0);
            truth.learn(requests);
            near(truth.log_factor, factor, 5e-5);
            near(truth.p_value(), p_value, tolerance);
        }
    }

    #[test]
    fn other_shares_keep_the_evidence() {
        let mut truth = WeightTruth::new([0.9, 0.1], 100.0);
        truth.learn([850.0, 150.0]);
        let before = truth.p_value();
        truth.begin_step([0.8, 0.2], 100.0);
        truth.learn([800.0, 200.0]);
        near(truth.p_value(), before, 0.0);
        assert!(truth.log_factor < truth.largest);
    }
}
