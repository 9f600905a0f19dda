//! The ways to write a duration in a step: whole seconds, or a text in Go's syntax.

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// What a user can write, for messages.
const FORMS: &str = "write whole seconds (30), or a text such as \"30s\", \"1m30s\", \"2h\" or \"500ms\"";

/// The characters of Go's durations. `jiff` reads a wider language ("1 hour ago", "P1D") that other tools would not
/// understand in the same manifest.
const CHARACTERS: &str = "0123456789.+-hmsnuµμ";

/// The longest duration that Go can express (292 years): what is longer is a mistake, and would leave the calendar.
const LONGEST: SignedDuration = SignedDuration::from_nanos(i64::MAX);

/// The duration that is meant, or what is wrong with it (for the user).
pub(crate) fn parse(written: &IntOrString) -> Result<SignedDuration, String> {
    let duration = match written {
        IntOrString::Int(seconds) => SignedDuration::from_secs(i64::from(*seconds)),
        IntOrString::String(text) => parse_text(text)?,
    };
    if duration.is_negative() {
        return Err(format!("Duration needs to be greater than 0; {FORMS}"));
    }
    Ok(duration)
}

fn parse_text(text: &str) -> Result<SignedDuration, String> {
    if let Ok(seconds) = text.parse::<i32>() {
        return Ok(SignedDuration::from_secs(i64::from(seconds)));
    }
    let refusal = || format!("{text:?} is not a duration; {FORMS}");
    if !text.chars().all(|character| CHARACTERS.contains(character)) {
        return Err(refusal());
    }
    text.parse()
        .ok()
        .filter(|duration: &SignedDuration| duration.abs() <= LONGEST)
        .ok_or_else(refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_str(text: &str) -> Result<SignedDuration, String> {
        parse(&IntOrString::String(text.to_owned()))
    }

    #[test]
    fn accepts_the_forms_argo_rollouts_documents() {
        let cases = [
            ("0", 0),
            ("30", 30_000),
            ("30s", 30_000),
            ("+30s", 30_000),
            ("1m30s", 90_000),
            ("1h", 3_600_000),
            ("1.5h", 5_400_000),
            ("500ms", 500),
            ("2h3m4s5ms", 7_384_005),
        ];
        for (text, milliseconds) in cases {
            assert_eq!(
                parse_str(text),
                Ok(SignedDuration::from_millis(milliseconds)),
                "{text}"
            );
        }
        assert_eq!(parse(&IntOrString::Int(7)), Ok(SignedDuration::from_secs(7)));
        assert_eq!(parse_str("10us"), Ok(SignedDuration::from_micros(10)));
        assert_eq!(parse_str("10µs"), Ok(SignedDuration::from_micros(10)));
    }

    #[test]
    fn refuses_what_other_tools_would_not_read_and_says_what_to_write() {
        for text in [
            "",
            "s",
            "1 hour",
            "1h 30m",
            "P1D",
            "PT1H",
            "1d",
            "1.5",
            "1mo",
            "1x",
            "9999999999999h",
            "1h30",
            "é",
        ] {
            let refusal = parse_str(text).expect_err(text);
            assert!(refusal.contains("1m30s"), "{text}: {refusal}");
        }
    }

    #[test]
    fn refuses_negative_durations() {
        for written in [
            IntOrString::Int(-1),
            IntOrString::String("-1".into()),
            IntOrString::String("-1m".into()),
        ] {
            let refusal = parse(&written).expect_err("negative");
            assert!(refusal.contains("greater than 0"), "{refusal}");
        }
    }
}
