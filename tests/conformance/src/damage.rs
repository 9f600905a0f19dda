//! Files that are no plugins.

use std::io::{Write as _, repeat};

use anyhow::Result;
use flate2::Compression;
use flate2::write::GzEncoder;

/// Bytes that mean nothing, the same ones each time.
#[must_use]
pub fn noise(length: usize) -> Vec<u8> {
    let mut seed = 0x9e37_79b9_u32;
    let bytes = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [first, ..] = seed.to_be_bytes();
        first
    });
    bytes.take(length).collect()
}

/// `bytes` as a ConfigMap may have them.
///
/// # Errors
/// Never, as far as is known.
pub fn compressed(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

/// A small compressed file that becomes so many bytes.
///
/// # Errors
/// Never, as far as is known.
pub fn gzip_bomb(length: u64) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    std::io::copy(&mut std::io::Read::take(repeat(0), length), &mut encoder)?;
    Ok(encoder.finish()?)
}
