//! The images of the application and of KULTA, packed from programs that cargo has built.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use kulta_test_cluster::digest::sha256;
use kulta_test_cluster::image::{Archive, Image};

use crate::app::{ERROR_RATE_VARIABLE, LATENCY_VARIABLE, VERSION_VARIABLE, names};
use crate::settings::AppImages;

/// No registry: these names are only ever loaded.
const HOST: &str = "kulta.local";
/// Hexadecimal digits of the program's digest in a tag: a changed program is a changed image.
const TAG_DIGITS: usize = 12;

/// What makes the bad version bad, seen from its metrics: one request of twenty fails, and each takes so long. Enough to
/// be told from a good version in a minute of little traffic.
const BAD_ERROR_RATE: &str = "0.05";
const BAD_LATENCY: &str = "40ms";

/// An image of KULTA that is started by `kulta controller` in its manifest.
///
/// # Errors
/// When the program cannot be read.
pub fn controller(program: &Path) -> Result<Archive> {
    controller_named(program, |name| name)
}

fn controller_named(program: &Path, named: impl Fn(String) -> String) -> Result<Archive> {
    let content = read(program)?;
    let name = named(format!("{HOST}/kulta:{}", tag(&content)));
    Image::new(&name, "/kulta", content).archive()
}

/// The same image under another name, for whoever is upgraded to it.
///
/// # Errors
/// When the program cannot be read.
pub fn controller_again(program: &Path) -> Result<Archive> {
    controller_named(program, |name| again(&name))
}

/// The other name of the controller's image `image`.
#[must_use]
pub fn again(image: &str) -> String {
    format!("{image}-again")
}

/// An image for each version of the application: the same program, told in the image's environment which version it is,
/// so that an image is what its name says in anybody's pods. A pod template may say otherwise.
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
    let image = |name: &str, version: &str| {
        let image = Image::new(name, "/kulta-sample-app", content.clone());
        image
            .port(names::CONTAINER_PORT)
            .environment(VERSION_VARIABLE, version)
    };
    let bad = image(&images.bad_v3, "v3")
        .environment(ERROR_RATE_VARIABLE, BAD_ERROR_RATE)
        .environment(LATENCY_VARIABLE, BAD_LATENCY);
    let archives = [image(&images.v1, "v1"), image(&images.v2, "v2"), bad];
    let archives = archives.iter().map(Image::archive).collect::<Result<_>>()?;
    Ok((images, archives))
}

fn read(program: &Path) -> Result<Vec<u8>> {
    fs::read(program).with_context(|| program.display().to_string())
}

fn tag(content: &[u8]) -> String {
    let mut digits = sha256(content);
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

    #[test]
    fn the_images_differ_though_their_program_is_the_same() {
        let program = std::env::current_exe().unwrap();
        let (_, archives) = app(&program).unwrap();
        let digests: std::collections::BTreeSet<_> = archives.iter().map(Archive::digest).collect();
        assert_eq!(digests.len(), 3);
    }
}
