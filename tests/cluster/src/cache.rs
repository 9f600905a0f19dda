//! Where everything lives that is not in the checkout, and how it gets there whole or not at all.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::progress::Progress;

/// The folder of programs and clusters: `$KULTA_CACHE`, `$XDG_CACHE_HOME/kulta` or `~/.cache/kulta`.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

/// Held while something under the cache is changed; the kernel lets go of it when its holder dies.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Cache {
    /// Finds the cache by the environment.
    ///
    /// # Errors
    /// When neither of the three variables is set.
    pub fn locate() -> Result<Self> {
        let set = |name| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let root = set("KULTA_CACHE")
            .or_else(|| set("XDG_CACHE_HOME").map(|home| home.join("kulta")))
            .or_else(|| set("HOME").map(|home| home.join(".cache/kulta")))
            .context("no place for the cache: set KULTA_CACHE")?;
        Self::at(&root)
    }

    /// Uses this folder.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn at(root: &Path) -> Result<Self> {
        fs::create_dir_all(root).with_context(|| format!("cannot create the cache {}", root.display()))?;
        Ok(Self {
            root: root.canonicalize()?,
        })
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What Go keeps for later builds: modules and what was compiled.
    pub(crate) fn go(&self) -> PathBuf {
        self.root.join("go")
    }

    pub(crate) fn clusters(&self) -> PathBuf {
        self.root.join("clusters")
    }

    /// Waits until nobody else holds the lock of this name.
    pub(crate) fn lock(&self, name: &str, progress: &Progress) -> Result<Lock> {
        let folder = self.root.join("locks");
        fs::create_dir_all(&folder)?;
        let file = File::create(folder.join(name))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                progress.note(&format!("waiting for another run to finish with {name}"));
                file.lock()?;
            }
            Err(fs::TryLockError::Error(error)) => return Err(error.into()),
        }
        Ok(Lock { _file: file })
    }

    /// The folder of this part, built by `build` if it is not there. `build` fills a temporary folder, which becomes
    /// the part by a rename: a build that was killed leaves nothing that looks like a part.
    pub(crate) fn part(&self, key: &str, build: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        let finished = self.root.join("parts").join(key);
        if finished.is_dir() {
            return Ok(finished);
        }
        let unfinished = self.unfinished().join(key);
        remove_tree(&unfinished)?;
        fs::create_dir_all(&unfinished)?;
        if let Err(error) = build(&unfinished) {
            remove_tree(&unfinished)?;
            return Err(error);
        }
        if let Some(parent) = finished.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::rename(&unfinished, &finished)?;
        Ok(finished)
    }

    pub(crate) fn has_part(&self, key: &str) -> bool {
        self.root.join("parts").join(key).is_dir()
    }

    /// Sweeps what killed builds left; the caller holds the lock of builds.
    pub(crate) fn sweep(&self) -> Result<()> {
        remove_tree(&self.unfinished())
    }

    fn unfinished(&self) -> PathBuf {
        self.root.join("unfinished")
    }
}

/// Removes a folder with all it holds; one that is not there is fine.
pub(crate) fn remove_tree(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            bail!("cannot remove {}: {error}", folder.display())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cache(name: &str) -> Cache {
        let root = std::env::temp_dir().join(format!("kulta-cache-{name}-{}", std::process::id()));
        remove_tree(&root).unwrap();
        Cache::at(&root).unwrap()
    }

    #[test]
    fn a_part_is_built_once() {
        let cache = cache("once");
        let first = cache
            .part("one", |folder| Ok(fs::write(folder.join("program"), "x")?))
            .unwrap();
        let second = cache.part("one", |_| bail!("built twice")).unwrap();
        assert_eq!(first, second);
        assert!(second.join("program").is_file());
        remove_tree(cache.root()).unwrap();
    }

    #[test]
    fn a_failed_build_leaves_nothing() {
        let cache = cache("failed");
        let failed = cache.part("two", |folder| {
            fs::write(folder.join("half"), "x")?;
            bail!("no more disk")
        });
        assert_eq!(failed.unwrap_err().to_string(), "no more disk");
        assert!(!cache.has_part("two"));
        assert!(!cache.unfinished().join("two").exists());
        remove_tree(cache.root()).unwrap();
    }

    #[test]
    fn a_killed_build_is_swept_and_built_again() {
        let cache = cache("killed");
        fs::create_dir_all(cache.unfinished().join("three")).unwrap();
        fs::write(cache.unfinished().join("three/half"), "x").unwrap();
        let built = cache
            .part("three", |folder| Ok(fs::write(folder.join("whole"), "x")?))
            .unwrap();
        assert!(!built.join("half").exists());
        cache.sweep().unwrap();
        assert!(!cache.unfinished().exists());
        remove_tree(cache.root()).unwrap();
    }
}
