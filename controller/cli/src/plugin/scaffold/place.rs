//! Where the SDK is.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::NewError;

/// How the SDK's manifest names it.
const PACKAGE: &str = "name = \"kulta-plugin-sdk\"";

/// The folder of the SDK.
#[derive(Debug)]
pub(super) struct Sdk<'a> {
    given: &'a Path,
    /// From the root, without links.
    whole: PathBuf,
}

impl<'a> Sdk<'a> {
    /// Makes sure that `given` is the SDK.
    pub(super) fn find(given: &'a Path) -> Result<Self, NewError> {
        let none = || NewError::NoSdk(given.to_owned());
        let manifest = fs::read_to_string(given.join("Cargo.toml")).map_err(|_unreadable| none())?;
        if !manifest.lines().any(|line| line.trim() == PACKAGE) {
            return Err(none());
        }
        let whole = given.canonicalize().map_err(NewError::file(given))?;
        Ok(Self { given, whole })
    }

    /// The path that the manifest in `parent`/`name` names the SDK by: from the root where it was given so, and else
    /// relative, so that both can be moved together.
    pub(super) fn seen_from(&self, parent: &Path, name: &str) -> Result<String, NewError> {
        let path = if self.given.is_absolute() {
            self.whole.clone()
        } else {
            let parent = parent.canonicalize().map_err(NewError::file(parent))?;
            relative(&parent.join(name), &self.whole)
        };
        let text = path.to_str().map(str::to_owned);
        text.ok_or_else(|| NewError::NotUtf8(self.given.to_owned()))
    }
}

/// The path from one folder to another, both from the root and without links.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let shared = from
        .components()
        .zip(to.components())
        .take_while(|(from, to)| from == to)
        .count();
    let up = from.components().skip(shared).map(|_folder| Component::ParentDir);
    up.chain(to.components().skip(shared)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_goes_up_to_what_both_share_and_down_again() {
        let between = |from: &str, to: &str| relative(Path::new(from), Path::new(to));

        assert_eq!(
            between("/home/plugins/ratio", "/home/kulta/plugin-sdk"),
            Path::new("../../kulta/plugin-sdk")
        );
        assert_eq!(between("/a", "/a/plugin-sdk"), Path::new("plugin-sdk"));
    }
}
