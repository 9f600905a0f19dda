//! Numbers, times and errors as people read them.

use std::error::Error;
use std::time::Duration;

/// A whole number, as `1,234`.
pub(super) fn grouped(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (digit, left) in digits.chars().zip((0..digits.len()).rev()) {
        grouped.push(digit);
        if left > 0 && left % 3 == 0 {
            grouped.push(',');
        }
    }
    grouped
}

/// A short time, as `1.25 ms`.
pub(super) fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}

/// An error and its causes, from the outermost to the first, separated by colons.
pub(super) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(grouped(999_usize), "999");
        assert_eq!(grouped(1_234_567_u64), "1,234,567");
    }

    #[test]
    fn a_time_is_in_milliseconds() {
        assert_eq!(milliseconds(Duration::from_micros(1_254)), "1.25 ms");
    }
}
