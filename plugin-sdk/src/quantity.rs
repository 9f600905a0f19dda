//! Numbers for people. The standard library's way to write a float is 8 kB in a component.

/// Larger numbers are not written out.
const LARGEST: f64 = 1e15;

/// A rate from 0 to 1, as `5.2 %`.
#[must_use]
pub fn percent(rate: f64) -> String {
    fixed(rate * 100.0, 3, " %")
}

/// Seconds, as `2.5 s`; less than one as `512 ms`.
#[must_use]
pub fn duration(seconds: f64) -> String {
    if seconds < 1.0 {
        fixed(seconds * 1000.0, 1, " ms")
    } else {
        fixed(seconds, 3, " s")
    }
}

/// A number of things, as `1,234`. Counted by extrapolation, it need not be whole; what is begun does not count.
#[must_use]
pub fn count(things: f64) -> String {
    grouped(whole(things))
}

/// Any number, as `-1,234.5`.
#[must_use]
pub fn number(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    let written = fixed(value.abs(), 3, "");
    if value < 0.0 {
        format!("-{written}")
    } else {
        written
    }
}

/// A number from 0 to 100, for a query: as `0.999`, with six digits behind the point and without a unit.
#[must_use]
pub fn decimal(value: f64) -> String {
    fixed(value, 6, "")
}

/// Rounded to so many digits behind the point, of which the last are not 0, and with a unit.
fn fixed(value: f64, digits: u32, unit: &str) -> String {
    if value >= LARGEST {
        return if value.is_infinite() {
            "infinite".to_owned()
        } else {
            format!("over 10^15{unit}")
        };
    }
    let scale = 10_u64.pow(digits);
    let parts = whole((value * scale_as_float(digits)).round());
    if parts == 0 && value > 0.0 {
        return format!("< {}{unit}", pointed(1, scale, digits));
    }
    format!("{}{unit}", pointed(parts, scale, digits))
}

fn scale_as_float(digits: u32) -> f64 {
    (0..digits).fold(1.0, |scale, _| scale * 10.0)
}

fn pointed(parts: u64, scale: u64, digits: u32) -> String {
    let whole = grouped(parts / scale);
    let width = usize::try_from(digits).unwrap_or_default();
    let behind = format!("{:0width$}", parts % scale);
    match behind.trim_end_matches('0') {
        "" => whole,
        behind => format!("{whole}.{behind}"),
    }
}

/// A whole number, as `1,234`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (digit, left) in digits.chars().zip((0..digits.len()).rev()) {
        grouped.push(digit);
        if left > 0 && left % 3 == 0 {
            grouped.push(',');
        }
    }
    grouped
}

/// The whole part of a number that is 0 or more.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what does not fit is cut to the nearest that does, and NaN to 0"
)]
pub const fn whole(number: f64) -> u64 {
    number as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_written_in_percent() {
        assert_eq!(percent(0.052), "5.2 %");
        assert_eq!(percent(0.01), "1 %");
        assert_eq!(percent(0.010_04), "1.004 %");
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(percent(1.0), "100 %");
    }

    #[test]
    fn a_little_is_not_nothing() {
        assert_eq!(percent(0.000_000_1), "< 0.001 %");
    }

    #[test]
    fn a_duration_has_the_unit_that_fits() {
        assert_eq!(duration(0.512), "512 ms");
        assert_eq!(duration(0.0053), "5.3 ms");
        assert_eq!(duration(2.5), "2.5 s");
    }

    #[test]
    fn a_count_has_its_thousands_apart_and_no_fraction() {
        assert_eq!(count(1_234.7), "1,234");
        assert_eq!(count(999.99), "999");
        assert_eq!(count(12_345_678.0), "12,345,678");
    }

    #[test]
    fn any_number_can_be_written() {
        assert_eq!(number(f64::NAN), "NaN");
        assert_eq!(number(f64::INFINITY), "infinite");
        assert_eq!(number(f64::NEG_INFINITY), "-infinite");
        assert_eq!(number(-1_234.5), "-1,234.5");
        assert_eq!(number(1e300), "over 10^15");
    }

    #[test]
    fn a_quantile_is_written_as_it_was() {
        assert_eq!(decimal(0.99), "0.99");
        assert_eq!(decimal(0.999), "0.999");
        assert_eq!(decimal(0.5), "0.5");
        assert_eq!(decimal(99.9), "99.9");
    }
}
