//! The identity of a plugin: the SHA-256 of its file.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// So many hexadecimal digits tell a plugin to people.
const SHORT_DIGITS: usize = 12;

/// The SHA-256 of a plugin's bytes as they were delivered, after decompression.
///
/// It is not that of the component that a core module is encoded to: another version of the encoder would give the same
/// plugin another identity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

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
            .trim_start_matches("sha256:")
            .chars()
            .take(SHORT_DIGITS)
            .collect()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("sha256:")?;
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
}
