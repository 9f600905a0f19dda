//! Numbers in JSON.
//!
//! The standard library's reader of decimal numbers brings tables of 10 kB for the last bit of numbers with more than
//! fifteen digits, which nobody writes into a configuration. This one is exact up to there, and right but for the last
//! bits beyond.

use super::document::Fault;
use super::reader::Token;

/// So many digits fit into the integer that they are read into.
const DIGITS: u32 = 18;
/// 10 to this power is within the range of a float.
const LARGEST_POWER: i32 = 300;

/// Reads a number, which has to be the whole text.
pub(super) fn read(text: &str) -> Result<Token, Fault> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let is_negative = unsigned.len() < text.len();
    let (mantissa, exponent) = split(unsigned, &['e', 'E']);
    let (whole, fraction) = split(mantissa, &['.']);
    if !is_whole(whole) || fraction.is_some_and(|digits| !are_digits(digits)) {
        return Err(invalid());
    }
    if fraction.is_none()
        && exponent.is_none()
        && let Ok(number) = unsigned.parse::<u64>()
    {
        return Ok(integer(number, is_negative));
    }
    let float = float(whole, fraction.unwrap_or_default(), power(exponent)?);
    if float.is_finite() {
        return Ok(Token::Float(if is_negative { -float } else { float }));
    }
    Err(Fault::new("a number that is out of range"))
}

fn integer(number: u64, is_negative: bool) -> Token {
    match (is_negative, i64::try_from(number)) {
        (false, _) => Token::Unsigned(number),
        (true, Ok(number)) => Token::Signed(-number),
        (true, Err(_)) => Token::Float(-to_float(number)),
    }
}

fn split<'t>(text: &'t str, marks: &[char]) -> (&'t str, Option<&'t str>) {
    match text.split_once(marks) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

fn are_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_whole(text: &str) -> bool {
    are_digits(text) && (text == "0" || !text.starts_with('0'))
}

/// The power of ten that is written; one that is beyond all floats is cut to one that is just beyond.
fn power(exponent: Option<&str>) -> Result<i32, Fault> {
    let Some(text) = exponent else {
        return Ok(0);
    };
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !are_digits(digits) {
        return Err(invalid());
    }
    let power = digits.parse::<i32>().unwrap_or(i32::MAX).min(2 * LARGEST_POWER);
    Ok(if text.starts_with('-') { -power } else { power })
}

fn float(whole: &str, fraction: &str, mut power: i32) -> f64 {
    let mut mantissa = 0_u64;
    let mut room = DIGITS;
    for digit in whole.bytes() {
        take(digit, &mut mantissa, &mut room, &mut power);
    }
    for digit in fraction.bytes() {
        power -= 1;
        take(digit, &mut mantissa, &mut room, &mut power);
    }
    scaled(to_float(mantissa), power)
}

/// Puts a digit behind the mantissa while there is room; beyond that it only counts.
fn take(digit: u8, mantissa: &mut u64, room: &mut u32, power: &mut i32) {
    if *room == 0 {
        *power += 1;
        return;
    }
    *mantissa = *mantissa * 10 + u64::from(digit - b'0');
    if *mantissa > 0 {
        *room -= 1;
    }
}

/// Times a power of ten, in two steps where one power is out of range and the product need not be.
fn scaled(mantissa: f64, power: i32) -> f64 {
    if mantissa == 0.0 {
        return 0.0;
    }
    let first = power.clamp(-LARGEST_POWER, LARGEST_POWER);
    times_power(times_power(mantissa, first), power - first)
}

/// Powers up to 22 are exact, and dividing by one rounds once; multiplying by its inverse would round twice.
fn times_power(number: f64, power: i32) -> f64 {
    if power < 0 {
        return number / 10_f64.powi(-power);
    }
    number * 10_f64.powi(power)
}

#[expect(clippy::cast_precision_loss, reason = "the nearest float is what is wanted")]
const fn to_float(number: u64) -> f64 {
    number as f64
}

fn invalid() -> Fault {
    Fault::new("a number that is not written as in JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> f64 {
        match read(text).unwrap() {
            Token::Unsigned(number) => to_float(number),
            Token::Signed(number) => -to_float(number.unsigned_abs()),
            Token::Float(number) => number,
            other => panic!("{other:?} is no number"),
        }
    }

    #[test]
    fn numbers_are_what_the_standard_library_makes_of_them() {
        let texts = [
            "0",
            "-0.0",
            "1",
            "-1",
            "0.1",
            "0.01",
            "0.001",
            "0.05",
            "0.99",
            "0.999",
            "0.9999",
            "1.5",
            "2.25",
            "300",
            "1e3",
            "1E+3",
            "1e-3",
            "123456.789",
            "0.000001",
            "1e22",
            "1e-22",
            "9007199254740991",
            "0.30000",
        ];
        for text in texts {
            let expected: f64 = text.parse().unwrap();
            assert_eq!(number(text).to_bits(), expected.to_bits(), "{text}");
        }
    }

    #[test]
    fn numbers_of_many_digits_are_right_but_for_the_last_bits() {
        for text in [
            "0.1234567890123456789012345",
            "1234567890123456789012345",
            "1.7976931e308",
            "2.2250738585072014e-308",
            "123456789012345678901234567890e-30",
        ] {
            let expected: f64 = text.parse().unwrap();
            assert!((number(text) / expected - 1.0).abs() < 1e-14, "{text}");
        }
    }

    #[test]
    fn whole_numbers_stay_whole() {
        assert!(matches!(
            read("18446744073709551615"),
            Ok(Token::Unsigned(u64::MAX))
        ));
        assert!(matches!(read("-5"), Ok(Token::Signed(-5))));
    }

    #[test]
    fn a_number_beyond_all_floats_is_refused() {
        assert!(read("1e400").is_err());
        assert!(read("1e99999999999").is_err());
    }

    #[test]
    fn a_number_below_all_floats_is_0() {
        assert_eq!(number("1e-400").to_bits(), 0.0_f64.to_bits());
    }

    #[test]
    fn what_json_does_not_allow_is_refused() {
        for text in [
            "", "-", "+1", "01", "1.", ".5", "1e", "1e+", "0x1", "1-2", "1.2.3", "1e5e5", "--1",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
