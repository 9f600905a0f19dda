//! Everything that decides what is in a component, as one digest: the sources of the plugin and of the SDK, the interface,
//! the versions of the crates they use, the profile, and how they are built.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use kulta_test_cluster::digest::sha256;
use serde::Deserialize;
use toml::Table;

use super::{package, toolchain};

/// In the folders of a plugin and of the SDK, what is compiled natively alone or not at all.
const NOT_COMPILED: [&str; 6] = ["README.md", "mock", "mock.rs", "schema.rs", "tests", "tests.rs"];
/// The folder of the SDK.
const SDK: &str = "plugin-sdk";
/// The profile, and the one it inherits from.
const PROFILES: [&str; 2] = ["plugin", "release"];

/// The digest of everything that the component of this name is built of.
pub(super) fn digest(repository: &Path, name: &str) -> Result<String> {
    let mut all = String::new();
    let mut add = |what: &str, bytes: &[u8]| {
        // Writing to a string cannot fail.
        let _ = writeln!(all, "{} {what}", sha256(bytes));
    };
    let plugin = format!("plugins/{name}");
    let folders = [plugin.as_str(), SDK];
    for folder in folders {
        let mut files = Vec::new();
        collect(&repository.join(folder), &mut files)?;
        files.sort();
        for file in files {
            let path = file.strip_prefix(repository)?.display().to_string();
            add(&path, &fs::read(&file)?);
        }
    }
    let manifest: Table = read(&repository.join("Cargo.toml"))?;
    for profile in PROFILES {
        let settings = manifest.get("profile").and_then(|profiles| profiles.get(profile));
        add(profile, serde_json::to_string(&settings)?.as_bytes());
    }
    let lock: Lock = toml::from_str(&fs::read_to_string(repository.join("Cargo.lock"))?)?;
    let crates = lock.below(&package(name), &direct(repository, &folders)?);
    add("crates", crates.as_bytes());
    add("recipe", toolchain::RECIPE.join(" ").as_bytes());
    Ok(sha256(all.as_bytes()))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        if NOT_COMPILED.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

fn read(file: &Path) -> Result<Table> {
    let text = fs::read_to_string(file)?;
    toml::from_str(&text).with_context(|| file.display().to_string())
}

/// The crates that the manifests name for the component itself: neither for tests nor for building.
fn direct(repository: &Path, folders: &[&str]) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for folder in folders {
        let manifest = read(&repository.join(folder).join("Cargo.toml"))?;
        let targets = manifest.get("target").and_then(toml::Value::as_table);
        let tables = targets.into_iter().flat_map(Table::values);
        let tables = tables.filter_map(toml::Value::as_table).chain([&manifest]);
        for table in tables {
            let dependencies = table.get("dependencies").and_then(toml::Value::as_table);
            names.extend(dependencies.into_iter().flat_map(Table::keys).cloned());
        }
    }
    Ok(names)
}

/// What of `Cargo.lock` matters here.
#[derive(Deserialize)]
struct Lock {
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    checksum: Option<String>,
    #[serde(default)]
    dependencies: Vec<String>,
}

impl Lock {
    /// The versions of all crates that are below these, which a package of the workspace names itself.
    fn below(&self, package: &str, direct: &BTreeSet<String>) -> String {
        let mut found = BTreeSet::new();
        let members = [package, "kulta-plugin-sdk"];
        let roots = self
            .package
            .iter()
            .filter(|package| members.contains(&package.name.as_str()));
        let named = roots.flat_map(|package| &package.dependencies);
        let mut open: Vec<&str> = named
            .map(String::as_str)
            .filter(|dependency| direct.contains(name_of(dependency)))
            .collect();
        while let Some(dependency) = open.pop() {
            let Some(package) = self.find(dependency) else {
                continue;
            };
            // Of the workspace's own packages the sources count.
            let Some(checksum) = &package.checksum else {
                continue;
            };
            if found.insert(format!("{} {} {checksum}\n", package.name, package.version)) {
                open.extend(package.dependencies.iter().map(String::as_str));
            }
        }
        found.into_iter().collect()
    }

    /// A dependency is named with its version where there are several.
    fn find(&self, dependency: &str) -> Option<&Package> {
        let mut words = dependency.split(' ');
        let (name, version) = (words.next()?, words.next());
        self.package
            .iter()
            .find(|package| package.name == name && version.is_none_or(|version| package.version == version))
    }
}

fn name_of(dependency: &str) -> &str {
    dependency.split(' ').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build;

    const LOCK: &str = r#"
        [[package]]
        name = "kulta-plugin-p"
        version = "0.1.0"
        dependencies = ["kulta-plugin-sdk", "serde 2.0.0", "schemars"]

        [[package]]
        name = "kulta-plugin-sdk"
        version = "0.1.0"
        dependencies = ["thiserror"]

        [[package]]
        name = "serde"
        version = "1.0.0"
        checksum = "old"

        [[package]]
        name = "serde"
        version = "2.0.0"
        checksum = "new"
        dependencies = ["serde_core"]

        [[package]]
        name = "serde_core"
        version = "2.0.0"
        checksum = "core"

        [[package]]
        name = "thiserror"
        version = "1.0.0"
        checksum = "t"

        [[package]]
        name = "schemars"
        version = "1.0.0"
        checksum = "s"
    "#;

    #[test]
    fn crates_are_followed_in_the_version_that_is_used_and_not_to_those_of_tests() {
        let lock: Lock = toml::from_str(LOCK).unwrap();
        let direct = ["kulta-plugin-sdk", "serde", "thiserror"].map(str::to_owned);
        let below = lock.below("kulta-plugin-p", &BTreeSet::from(direct));
        assert_eq!(
            below,
            "serde 2.0.0 new\nserde_core 2.0.0 core\nthiserror 1.0.0 t\n"
        );
    }

    #[test]
    fn the_crates_of_tests_are_not_named() {
        let repository = build::repository().unwrap();
        let names = direct(&repository, &["plugins/prometheus", SDK]).unwrap();
        assert!(names.contains("wit-bindgen"));
        assert!(!names.contains("schemars"));
    }

    #[test]
    fn the_digest_is_the_same_twice() {
        let repository = build::repository().unwrap();
        let digests = [(); 2].map(|()| digest(&repository, "prometheus").unwrap());
        assert_eq!(digests[0], digests[1]);
    }
}
