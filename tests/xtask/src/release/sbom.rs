//! What the controller is made of, as a software bill of materials (`CycloneDX` 1.5): its own crates and those of others, and the
//! bundled plugins with what they are made of.
//!
//! The tree is what `cargo tree` says of the package alone: `cargo metadata` has the features that tests turn on as well.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use cyclonedx_bom::models::component::Classification;
use cyclonedx_bom::models::dependency::{Dependencies, Dependency};
use cyclonedx_bom::models::hash::{Hash, HashAlgorithm, HashValue, Hashes};
use cyclonedx_bom::models::license::{LicenseChoice, Licenses};
use cyclonedx_bom::models::metadata::Metadata;
use cyclonedx_bom::prelude::{Bom, Component, Components, Purl, SpdxExpression, Validate as _};
use kulta_test_cluster::digest::sha256;

use crate::build::{cargo, repository};

/// Whose program it is about.
const CONTROLLER: &str = "kulta-operator";
/// The plugins that are compiled into it, from the repository's folder; each is of the crate `kulta-plugin-NAME`.
const PLUGINS: &str = "plugins/dist";
/// What they are compiled for.
const PLUGIN_TARGET: &str = "wasm32-unknown-unknown";
/// Between the parts of a line of `cargo tree`.
const FORMAT: &str = "\t{p}\t{l}";

/// A crate in a tree.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Crate {
    name: String,
    version: String,
    /// It is one of this repository.
    is_own: bool,
    license: String,
}

/// Components by what refers to them, and what each is made of.
#[derive(Debug, Default)]
struct Bill {
    components: BTreeMap<String, Component>,
    parts: BTreeMap<String, BTreeSet<String>>,
}

/// The bill of the controller's program on this machine's target, as JSON.
pub(super) fn of_controller() -> Result<Vec<u8>> {
    let mut bill = Bill::default();
    let root = bill.add_tree(&tree(CONTROLLER, None)?)?;
    bill.add_plugins(&repository()?.join(PLUGINS), &root)?;
    let bom = bill.finish(&root)?;
    let checked = bom.validate();
    ensure!(checked.passed(), "the bill of materials is wrong: {checked:?}");
    let mut json = Vec::new();
    bom.output_as_json_v1_5(&mut json)?;
    Ok(json)
}

/// The crates that become part of a package, each after its depth; it itself comes first.
fn tree(package: &str, target: Option<&str>) -> Result<Vec<(usize, Crate)>> {
    let mut tree = cargo()?;
    tree.args([
        "tree",
        "--locked",
        "--package",
        package,
        "--edges=normal,no-proc-macro",
    ]);
    tree.args(["--prefix=depth", "--format", FORMAT]);
    tree.args(target.map(|target| format!("--target={target}")));
    let output = tree.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "cargo tree failed for {package}");
    let text = String::from_utf8(output.stdout)?;
    text.lines()
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
        if !self.license.is_empty() {
            // Older crates say "MIT/Apache-2.0" for what is "MIT OR Apache-2.0" by now.
            let expression = SpdxExpression::new(&self.license.replace('/', " OR "));
            component.licenses = Some(Licenses(vec![LicenseChoice::Expression(expression)]));
        }
        Ok(component)
    }
}

impl Bill {
    /// Adds a tree, and answers what refers to its root.
    fn add_tree(&mut self, tree: &[(usize, Crate)]) -> Result<String> {
        let mut above: Vec<String> = Vec::new();
        for (depth, one) in tree {
            let reference = one.purl()?.to_string();
            above.truncate(*depth);
            if let Some(parent) = above.last() {
                self.parts
                    .entry(parent.clone())
                    .or_default()
                    .insert(reference.clone());
            }
            if !self.components.contains_key(&reference) {
                let component = one.component(&reference, Classification::Library)?;
                self.components.insert(reference.clone(), component);
            }
            above.push(reference);
        }
        above.into_iter().next().context("a tree of nothing")
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
            let made_of = self.add_tree(&tree(&made_of, Some(PLUGIN_TARGET))?)?;
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
            component.hashes = Some(Hashes(vec![Hash {
                alg: HashAlgorithm::SHA_256,
                content: HashValue(sha256(&fs::read(&path)?)),
            }]));
            self.components.insert(file.clone(), component);
            self.parts.entry(file.clone()).or_default().insert(made_of);
            self.parts.entry(root.to_owned()).or_default().insert(file);
        }
        Ok(())
    }

    fn finish(mut self, root: &str) -> Result<Bom> {
        let mut application = self.components.remove(root).context("a bill of nothing")?;
        application.component_type = Classification::Application;
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
        let text = String::from_utf8(of_controller().unwrap()).unwrap();
        let bill: Value = serde_json::from_str(&text).unwrap();

        assert_eq!(bill["metadata"]["component"]["name"], CONTROLLER);
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
        ] {
            assert!(names.contains(part), "{part} is not in {names:?}");
        }
        for other in ["tower-test", "criterion", "serde_derive"] {
            assert!(!names.contains(other), "{other} is in {names:?}");
        }
        assert!(!text.contains("file://"), "a place on this machine");
    }
}
