//! Times as people read them.

use std::time::Duration;

/// A short time, as `1.25 ms`.
pub(super) fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_milliseconds() {
        assert_eq!(milliseconds(Duration::from_micros(1_254)), "1.25 ms");
    }
}
