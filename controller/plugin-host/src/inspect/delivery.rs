//! A plugin's file: what it is after decompression, and its identity.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;

use super::error::InspectError;
use crate::{Digest, limits};

/// How a gzip file begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A plugin as it was delivered, decompressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    bytes: Vec<u8>,
    digest: Digest,
}

impl Delivery {
    /// Reads a file: WebAssembly as it is, or compressed by gzip.
    ///
    /// # Errors
    /// When it is larger than 1 MiB compressed or 4 MiB decompressed, or when it can't be decompressed. No more than
    /// that is ever held in memory.
    pub fn read(file: &[u8]) -> Result<Self, InspectError> {
        let bytes = if file.starts_with(&GZIP) {
            decompress(file)?
        } else {
            file.to_vec()
        };
        if bytes.len() > limits::RAW_BYTES {
            return Err(InspectError::TooLarge);
        }
        let digest = Digest::of(&bytes);
        Ok(Self { bytes, digest })
    }

    /// Its identity.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Its bytes, decompressed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

fn decompress(file: &[u8]) -> Result<Vec<u8>, InspectError> {
    if file.len() > limits::COMPRESSED_BYTES {
        return Err(InspectError::CompressedTooLarge { bytes: file.len() });
    }
    // One byte more than allowed tells what is just large enough from what is too large.
    let most = u64::try_from(limits::RAW_BYTES)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    let mut bytes = Vec::new();
    MultiGzDecoder::new(file)
        .take(most)
        .read_to_end(&mut bytes)
        .map_err(InspectError::Gzip)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn compression_does_not_change_the_identity() {
        let plain = Delivery::read(b"\0asm and more").unwrap();
        assert_eq!(Delivery::read(&gzip(b"\0asm and more")).unwrap(), plain);
    }

    #[test]
    fn four_mebibytes_are_taken_and_one_byte_more_is_not() {
        let mut bytes = vec![0; limits::RAW_BYTES];
        assert!(Delivery::read(&bytes).is_ok());
        assert!(Delivery::read(&gzip(&bytes)).is_ok());
        bytes.push(0);
        assert!(matches!(Delivery::read(&bytes), Err(InspectError::TooLarge)));
    }

    #[test]
    fn a_bomb_of_gzip_is_not_unfolded() {
        let bomb = gzip(&vec![0; 64 << 20]);
        assert!(bomb.len() < limits::COMPRESSED_BYTES);
        assert!(matches!(Delivery::read(&bomb), Err(InspectError::TooLarge)));
    }

    #[test]
    fn more_than_a_config_map_holds_is_not_decompressed() {
        let mut file = GZIP.to_vec();
        file.resize(limits::COMPRESSED_BYTES + 1, 0);
        assert!(matches!(
            Delivery::read(&file),
            Err(InspectError::CompressedTooLarge { bytes: 1_048_577 })
        ));
    }

    #[test]
    fn a_truncated_archive_is_refused() {
        let whole = gzip(b"\0asm and more");
        assert!(matches!(
            Delivery::read(&whole[..whole.len() - 9]),
            Err(InspectError::Gzip(_))
        ));
    }
}
