//! Reads decimal numbers. The standard library's way is 16 kB in a component; this one is as exact up to fifteen digits.

/// So many digits are read: an integer of them is exact as a float.
const DIGITS: u32 = 15;
/// Powers of ten up to this one are exact as floats.
const LARGEST_POWER: i32 = 22;

/// A number of 0 or more such as `0.3`, `10` or `1e-05`; none where it is something else, or has more digits than anybody
/// writes.
pub(crate) fn read(text: &str) -> Option<f64> {
    let mut bytes = text.bytes();
    let (mut number, mut digits, mut power) = (0.0, 0, 0);
    let mut is_fraction = false;
    for byte in bytes.by_ref() {
        match byte {
            b'0'..=b'9' => {
                number = number * 10.0 + f64::from(byte - b'0');
                digits += 1;
                power -= i32::from(is_fraction);
            }
            b'.' if digits > 0 && !is_fraction => is_fraction = true,
            b'e' => {
                power += exponent(bytes.by_ref())?;
                break;
            }
            _ => return None,
        }
    }
    if !(1..=DIGITS).contains(&digits) || power.abs() > LARGEST_POWER {
        return None;
    }
    // Of two exact numbers both the product and the quotient are the nearest float there is.
    let factor = (0..power.abs()).fold(1.0, |factor, _| factor * 10.0);
    Some(if power < 0 {
        number / factor
    } else {
        number * factor
    })
}

/// A sign, and one or two digits.
fn exponent(bytes: impl Iterator<Item = u8>) -> Option<i32> {
    let (mut exponent, mut digits, mut sign) = (0, 0, 1);
    for byte in bytes {
        match byte {
            b'-' if digits == 0 => sign = -1,
            b'+' if digits == 0 => {}
            b'0'..=b'9' if digits < 2 => {
                exponent = exponent * 10 + i32::from(byte - b'0');
                digits += 1;
            }
            _ => return None,
        }
    }
    (digits > 0).then_some(sign * exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_the_standard_library_reads_them() {
        for text in [
            "0",
            "0.005",
            "0.30",
            "0.1",
            "2.5",
            "10",
            "10.0",
            "1e-05",
            "1.5e+06",
            "123456.789012345",
            "3.3e-7",
        ] {
            assert_eq!(read(text), text.parse().ok(), "{text}");
        }
    }

    #[test]
    fn what_is_no_such_number_is_not_read() {
        for text in [
            "",
            ".5",
            "-1",
            "NaN",
            "1e",
            "1e99",
            "1.2.3",
            "0x1",
            "1234567890.12345678",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
