//! What the controller is made of, as a software bill of materials (`CycloneDX` 1.5).

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use cyclonedx_bom::models::component::Classification;
use cyclonedx_bom::models::dependency::{Dependencies, Dependency};
use cyclonedx_bom::models::license::{LicenseChoice, Licenses};
use cyclonedx_bom::models::metadata::Metadata;
use cyclonedx_bom::prelude::{Bom, Component, Components, Purl, SpdxExpression, Validate as _};
use serde::Deserialize;

use crate::build::cargo;

/// Whose program it is about.
const CONTROLLER: &str = "kulta-operator";

/// What `cargo metadata` says, as far as it is of use.
#[derive(Deserialize)]
struct Tree {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    /// None: it is a part of the program. Otherwise of its tests, or of what builds it.
    kind: Option<String>,
}

/// The bill of the controller's program on this machine's target, as JSON.
pub(super) fn of_controller() -> Result<Vec<u8>> {
    let bom = bom(&tree()?)?;
    let checked = bom.validate();
    ensure!(checked.passed(), "the bill of materials is wrong: {checked:?}");
    let mut json = Vec::new();
    bom.output_as_json_v1_5(&mut json)?;
    Ok(json)
}

fn tree() -> Result<Tree> {
    let mut metadata = cargo()?;
    metadata.args(["metadata", "--format-version=1", "--locked"]);
    metadata.arg(format!("--filter-platform={}", target()?));
    let output = metadata.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "cargo metadata failed");
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The target that this machine builds for.
fn target() -> Result<String> {
    let output = std::process::Command::new("rustc")
        .args(["--print", "host-tuple"])
        .output()
        .context("rustc")?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn bom(tree: &Tree) -> Result<Bom> {
    let packages: BTreeMap<_, _> = tree
        .packages
        .iter()
        .map(|package| (package.id.as_str(), package))
        .collect();
    let edges: BTreeMap<_, _> = tree
        .resolve
        .nodes
        .iter()
        .map(|node| (node.id.as_str(), parts(node)))
        .collect();
    let root = tree.packages.iter().find(|package| package.name == CONTROLLER);
    let root = root.with_context(|| format!("there is no package {CONTROLLER}"))?;
    let reached = reached(&edges, &root.id);
    let mut components = Vec::new();
    for id in &reached {
        let package = packages.get(id).context("a package that is not listed")?;
        components.push(component(package, Classification::Library)?);
    }
    let all = reached.iter().copied().chain([root.id.as_str()]);
    let dependencies = all.map(|id| {
        let of = edges.get(id).cloned().unwrap_or_default();
        Dependency {
            dependency_ref: id.to_owned(),
            dependencies: of.into_iter().map(str::to_owned).collect(),
        }
    });
    Ok(Bom {
        metadata: Some(Metadata {
            component: Some(component(root, Classification::Application)?),
            ..Metadata::default()
        }),
        components: Some(Components(components)),
        dependencies: Some(Dependencies(dependencies.collect())),
        // Nothing of chance: the same source has the same bill.
        serial_number: None,
        ..Bom::default()
    })
}

/// What becomes part of the program.
fn parts(node: &Node) -> Vec<&str> {
    let parts = node
        .deps
        .iter()
        .filter(|edge| edge.dep_kinds.iter().any(|kind| kind.kind.is_none()));
    parts.map(|edge| edge.pkg.as_str()).collect()
}

/// All that `root` depends on, without itself.
fn reached<'tree>(edges: &BTreeMap<&'tree str, Vec<&'tree str>>, root: &str) -> BTreeSet<&'tree str> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&'tree str> = edges.get(root).cloned().unwrap_or_default();
    while let Some(id) = open.pop() {
        if reached.insert(id) {
            open.extend(edges.get(id).into_iter().flatten());
        }
    }
    reached
}

fn component(package: &Package, classification: Classification) -> Result<Component> {
    let mut component = Component::new(
        classification,
        &package.name,
        &package.version,
        Some(package.id.clone()),
    );
    component.purl = Some(Purl::new("cargo", &package.name, &package.version)?);
    component.licenses = package.license.as_ref().map(|license| {
        // Older crates say "MIT/Apache-2.0" for what is "MIT OR Apache-2.0" by now.
        let expression = SpdxExpression::new(&license.replace('/', " OR "));
        Licenses(vec![LicenseChoice::Expression(expression)])
    });
    Ok(component)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn bill_has_what_the_program_is_made_of_and_nothing_of_its_tests() {
        let bill: Value = serde_json::from_slice(&of_controller().unwrap()).unwrap();

        assert_eq!(bill["metadata"]["component"]["name"], CONTROLLER);
        let components = bill["components"].as_array().unwrap();
        let names: BTreeSet<_> = components
            .iter()
            .filter_map(|component| component["name"].as_str())
            .collect();
        assert!(
            names.contains("wasmtime") && names.contains("kulta-core"),
            "{names:?}"
        );
        assert!(
            !names.contains("tower-test") && !names.contains("criterion"),
            "{names:?}"
        );
        assert!(components.iter().all(|component| component["purl"].is_string()));
    }
}
