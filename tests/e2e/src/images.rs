//! The images of the application and of KULTA, packed from programs that cargo has built.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use kulta_test_cluster::image::{Archive, Image};
use sha2::{Digest, Sha256};

use crate::app::names;
use crate::settings::AppImages;

/// No registry: these names are only ever loaded.
const HOST: &str = "kulta.local";
/// Hexadecimal digits of the program's digest in a tag: a changed program is a changed image.
const TAG_DIGITS: usize = 12;

/// An image of KULTA that is started by `kulta controller` in its manifest.
///
/// # Errors
/// When the program cannot be read.
pub fn controller(program: &Path) -> Result<Archive> {
    let content = read(program)?;
    let tag = tag(&content);
    Image::new(&format!("{HOST}/kulta:{tag}"), "/kulta", content).archive()
}

/// An image for each version of the application: the same program under different names.
///
/// # Errors
/// When the program cannot be read.
pub fn app(program: &Path) -> Result<(AppImages, Vec<Archive>)> {
    let content = read(program)?;
    let tag = tag(&content);
    let name = |version: &str| format!("{HOST}/kulta-sample-app:{version}-{tag}");
    let images = AppImages {
        v1: name("v1"),
        v2: name("v2"),
        bad_v3: name("bad-v3"),
    };
    let archives = [&images.v1, &images.v2, &images.bad_v3].map(|name| {
        let image = Image::new(name, "/kulta-sample-app", content.clone());
        image.port(names::CONTAINER_PORT).archive()
    });
    let archives = archives.into_iter().collect::<Result<_>>()?;
    Ok((images, archives))
}

fn read(program: &Path) -> Result<Vec<u8>> {
    fs::read(program).with_context(|| program.display().to_string())
}

fn tag(content: &[u8]) -> String {
    let mut digits = String::new();
    for byte in Sha256::digest(content) {
        // Writing to a string never fails.
        let _ = write!(digits, "{byte:02x}");
    }
    digits.truncate(TAG_DIGITS);
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_program_is_a_changed_image() {
        assert_ne!(tag(b"one"), tag(b"another"));
        assert_eq!(tag(b"one").len(), TAG_DIGITS);
    }
}
