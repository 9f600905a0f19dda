//! Where a cluster keeps its files: one folder under the cache.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use crate::cache::Cache;
use crate::pins;
use crate::settings;

/// The folder of one cluster.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    name: String,
    root: PathBuf,
}

impl Layout {
    pub(crate) fn new(cache: &Cache, name: &str) -> Result<Self> {
        let lower = |character: char| {
            character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-'
        };
        ensure!(
            !name.is_empty() && name.len() <= settings::CLUSTER_NAME_LIMIT && name.chars().all(lower),
            "a cluster's name is 1 to {} of a-z, 0-9 and -: {name:?}",
            settings::CLUSTER_NAME_LIMIT,
        );
        Ok(Self {
            name: name.to_owned(),
            root: cache.clusters().join(name),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Beside the folder, because it outlives it.
    pub(crate) fn lock_name(&self) -> String {
        format!("cluster-{}", self.name)
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.root.join("logs")
    }

    pub(crate) fn log(&self, part: &str) -> PathBuf {
        self.logs().join(format!("{part}.log"))
    }

    pub(crate) fn configuration(&self) -> PathBuf {
        self.root.join("configuration")
    }

    pub(crate) fn certificates(&self) -> PathBuf {
        self.configuration().join("certificates")
    }

    /// The kubeconfig of one user.
    pub(crate) fn kubeconfig(&self, user: &str) -> PathBuf {
        self.configuration().join(format!("{user}.kubeconfig"))
    }

    pub(crate) fn data(&self, part: &str) -> PathBuf {
        self.root.join("data").join(part)
    }

    /// What is bound over a folder of the machine, inside the cluster only.
    pub(crate) fn machine(&self, folder: &str) -> PathBuf {
        self.root.join("machine").join(folder)
    }

    /// Says which first process was set up completely, and with which parts.
    pub(crate) fn record(&self) -> PathBuf {
        self.root.join("sandbox.json")
    }

    /// Holds the key of the manifests that the cluster has.
    pub(crate) fn applied(&self) -> PathBuf {
        self.root.join("data").join("applied")
    }

    /// The cgroup above all pods; two caches may each have a cluster of the same name.
    pub(crate) fn cgroup(&self) -> String {
        pins::key(
            &format!("/kulta-{}", self.name),
            &[&self.root.display().to_string()],
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_the_folder_are_refused() {
        let root = std::env::temp_dir().join(format!("kulta-layout-{}", std::process::id()));
        let cache = Cache::at(&root).unwrap();
        for name in ["", "..", "a/b", "A", "a b", "much-longer-than-twenty"] {
            assert!(Layout::new(&cache, name).is_err(), "{name:?}");
        }
        let layout = Layout::new(&cache, "side-2").unwrap();
        assert!(layout.cgroup().starts_with("/kulta-side-2-"));
        std::fs::remove_dir_all(root).unwrap();
    }
}
