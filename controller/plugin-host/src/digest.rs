//! The identity of a plugin: the SHA-256 of its file.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// So many hexadecimal digits tell a plugin to people.
const SHORT_DIGITS: usize = 12;
/// What a digest begins with where it is written.
const ALGORITHM: &str = "sha256:";

/// The SHA-256 of a plugin's bytes as they were delivered, after decompression.
///
/// It is not that of the component that a core module is encoded to: another version of the encoder would give the same
/// plugin another identity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Digest([u8; 32]);

/// A text is no digest.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{text:?} is no SHA-256: write the 64 hexadecimal digits that `sha256sum` prints of the file, uncompressed"
)]
pub struct DigestError {
    /// As it was given.
    pub text: String,
}

impl Digest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The first twelve digits, for texts.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string()
            .trim_start_matches(ALGORITHM)
            .chars()
            .take(SHORT_DIGITS)
            .collect()
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    /// Reads 64 hexadecimal digits, with `sha256:` before them or without.
    fn from_str(text: &str) -> Result<Self, DigestError> {
        let refused = || DigestError {
            text: text.to_owned(),
        };
        let digits = text.strip_prefix(ALGORITHM).unwrap_or(text).as_bytes();
        let (pairs, rest) = digits.as_chunks::<2>();
        let bytes: Option<Vec<u8>> = pairs.iter().copied().map(byte).collect();
        let bytes = bytes.filter(|_| rest.is_empty()).ok_or_else(refused)?;
        Ok(Self(bytes.try_into().map_err(|_wrong_length| refused())?))
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, DigestError> {
        text.parse()
    }
}

/// The byte that two hexadecimal digits stand for.
fn byte([high, low]: [u8; 2]) -> Option<u8> {
    let digit = |letter: u8| char::from(letter).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(ALGORITHM)?;
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_the_sha256_in_hexadecimal() {
        assert_eq!(
            Digest::of(b"").to_string(),
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn the_short_form_is_its_beginning() {
        assert_eq!(Digest::of(b"").short(), "e3b0c44298fc");
    }

    #[test]
    fn what_is_written_is_read_with_the_name_of_the_algorithm_and_without() {
        let digest = Digest::of(b"plugin");
        let text = digest.to_string();

        assert_eq!(text.parse(), Ok(digest));
        assert_eq!(
            text.trim_start_matches(ALGORITHM).to_uppercase().parse(),
            Ok(digest)
        );
    }

    #[test]
    fn what_is_no_digest_is_refused() {
        let digits = Digest::of(b"").to_string();
        for text in [
            "",
            "sha256:",
            "e3b0",
            &digits[1..],
            &format!("{digits}0"),
            &digits.replace("e3", "é"),
            "latest",
        ] {
            let refused = text.parse::<Digest>().unwrap_err();
            assert!(refused.to_string().contains("64 hexadecimal digits"), "{text}");
        }
    }
}
