//! `cargo xtask release`: everything that users get, in one folder, with checksums.

mod sbom;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Args;
use kulta_e2e::relative;
use kulta_test_cluster::image::{Archive, Image, gzip, tar_of};
use kulta_test_cluster::progress::{Progress, complain};
use kulta_test_cluster::{Cache, digest, tool};
use object::Object as _;
use serde_json::{Value, json};

use crate::build::{self, Programs, repository};
use crate::cargo;
use crate::files::{copy_tree, files_in};
use crate::local::MANIFESTS;
use crate::plugins;

/// The version of all of it: that of the workspace.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The chart, from the repository's folder.
const CHART: &str = "deploy/helm/kulta";
/// The line of the chart's values that names the image.
const OWN_IMAGE: &str = "  repository: kulta\n";
/// Definitions without anything else, for whoever installs them apart.
const DEFINITIONS: [(&str, &str); 2] = [
    ("deploy/crds", "kulta-crds.yaml"),
    ("deploy/crds/argo", "kulta-crds-argoproj.io.yaml"),
];
/// Where probes and metrics are asked for, as the Dockerfile says.
const HTTP_PORT: u16 = 8080;
/// The programs, and the packages that they are of.
const SHIPPED: [(&str, &str); 2] = [
    (build::CONTROLLER, "kulta-operator"),
    (build::KUBECTL_PLUGIN, "kulta-kubectl"),
];
/// As `sha256sum --check` reads it.
const CHECKSUMS: &str = "SHA256SUMS";

/// What is made, and where.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The folder, which must be empty or not there
    #[arg(long, default_value = "target/release-artifacts")]
    out: PathBuf,
    /// The image's name in manifests, without a tag: that of the registry that you push it to
    #[arg(long, default_value = "ghcr.io/kulta-io/kulta")]
    image: String,
    /// Does not ask the network what is known against the dependencies today
    #[arg(long)]
    without_advisories: bool,
    /// Builds the programs once more from nothing, in another folder, and compares them and the digests of the images
    #[arg(long)]
    verify: bool,
}

/// Makes every artifact.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let out = &arguments.out;
    let is_empty = fs::read_dir(out).map_or(true, |mut entries| entries.next().is_none());
    ensure!(is_empty, "{} is not empty", out.display());
    let last = arguments.image.rsplit('/').next().unwrap_or_default();
    ensure!(
        !last.contains([':', '@']),
        "--image {}: without a tag, which is the version",
        arguments.image
    );
    fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    let out = fs::canonicalize(out)?;
    plugins::check_for_release()?;
    check_dependencies(if arguments.without_advisories {
        cargo::DENY
    } else {
        cargo::DENY_ALL
    })?;
    let programs = Programs::build_release(None)?;
    let image = image(&arguments.image, programs.path(build::CONTROLLER)?)?;
    if arguments.verify {
        verify(&arguments.image, &programs, &image)?;
    }
    write_programs(&out, &programs)?;
    fs::write(
        out.join(format!("kulta-image-{VERSION}-{}.tar", std::env::consts::ARCH)),
        image.bytes(),
    )?;
    write_manifests(&out, arguments)?;
    for (name, package) in SHIPPED {
        let program = fs::read(programs.path(name)?)?;
        fs::write(
            out.join(format!("{name}.cdx.json")),
            sbom::of(package, &SHIPPED.map(|(_, package)| package), &program)?,
        )?;
    }
    fs::write(out.join(CHECKSUMS), checksums(&out)?)?;
    complain(&told(&out, &image)?);
    Ok(ExitCode::SUCCESS)
}

/// Licences, sources, and what is known against the dependencies today.
fn check_dependencies(checks: &[&str]) -> Result<()> {
    let status = cargo::command(checks)?.status()?;
    ensure!(
        status.success(),
        "cargo deny does not pass, or is not there: cargo install --locked cargo-deny"
    );
    Ok(())
}

/// As the Dockerfile makes it, compressed as registries keep it.
fn image(name: &str, program: &Path) -> Result<Archive> {
    let content = fs::read(program).with_context(|| program.display().to_string())?;
    Image::new(&format!("{name}:{VERSION}"), "/kulta", content)
        .port(HTTP_PORT)
        .command("controller")
        .compressed()
        .archive()
}

fn write_programs(out: &Path, programs: &Programs) -> Result<()> {
    for (name, _) in SHIPPED {
        let path = programs.path(name)?;
        // It must run where there is nothing else.
        let content = fs::read(path).with_context(|| path.display().to_string())?;
        ensure!(is_static(&content)?, "{name} is not linked statically");
        let file = format!("{name}-{VERSION}-linux-{}", std::env::consts::ARCH);
        fs::copy(path, out.join(file)).with_context(|| name.to_owned())?;
    }
    Ok(())
}

/// Whether the kernel starts this program by itself, and no dynamic linker is asked for.
fn is_static(program: &[u8]) -> Result<bool> {
    let file = object::File::parse(program).context("it is no program")?;
    Ok(file.section_by_name(".interp").is_none())
}

fn write_manifests(out: &Path, arguments: &Arguments) -> Result<()> {
    let progress = Progress::new();
    let cache = Cache::locate()?;
    let output = |name: &str, arguments: &[&str]| -> Result<String> {
        let output = tool(&cache, name, &progress)?.args(arguments).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{name} failed: {said}");
        Ok(String::from_utf8(output.stdout)?)
    };
    let work = out.join("overlay");
    fs::create_dir_all(&work)?;
    let overlay = overlay(&repository()?.join(MANIFESTS), &work, &arguments.image);
    fs::write(work.join("kustomization.yaml"), overlay.to_string())?;
    let built = output(
        "kubectl",
        &[
            "kustomize",
            "--load-restrictor=LoadRestrictionsNone",
            &work.display().to_string(),
        ],
    )?;
    fs::write(out.join("kulta-install.yaml"), built)?;
    fs::remove_dir_all(&work)?;
    for (folder, file) in DEFINITIONS {
        let folder = repository()?.join(folder).display().to_string();
        fs::write(out.join(file), output("kubectl", &["kustomize", &folder])?)?;
    }
    let chart = out.join("kulta");
    copy_tree(&repository()?.join(CHART), &chart)?;
    name_image(&chart.join("values.yaml"), &arguments.image)?;
    output("helm", &["lint", "--strict", &chart.display().to_string()])?;
    fs::write(out.join(format!("kulta-{VERSION}.tgz")), packed(&chart)?)?;
    fs::remove_dir_all(&chart)?;
    progress.rest();
    Ok(())
}

/// As `helm package` packs a chart, but for the time, which it writes at every file.
fn packed(chart: &Path) -> Result<Vec<u8>> {
    let about = fs::read_to_string(chart.join("Chart.yaml"))?;
    for line in [format!("version: {VERSION}"), format!("appVersion: {VERSION}")] {
        ensure!(
            about.lines().any(|other| other == line),
            "the chart has no line {line:?}"
        );
    }
    let contents = files_in(chart)?;
    let contents = contents
        .iter()
        .map(|(path, content)| (format!("kulta/{path}"), content.as_slice()));
    gzip(&tar_of(contents)?)
}

/// Whoever installs the chart gets the image of this release.
fn name_image(values: &Path, image: &str) -> Result<()> {
    let text = fs::read_to_string(values)?;
    let named = text.replacen(OWN_IMAGE, &format!("  repository: {image}\n"), 1);
    ensure!(named != text, "{} names no image", values.display());
    Ok(fs::write(values, named)?)
}

/// The kustomization with this image, whose name starts with a registry.
fn overlay(base: &Path, work: &Path, image: &str) -> Value {
    json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [relative(work, base)],
        "images": [{"name": "kulta", "newName": image, "newTag": VERSION}],
    })
}

/// Every file but the one that they are in, in the order of the names.
fn checksums(out: &Path) -> Result<String> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(out)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if name != CHECKSUMS {
            lines.push((name, digest::sha256(&fs::read(&path)?)));
        }
    }
    lines.sort();
    let mut sums = String::new();
    for (name, sha256) in lines {
        writeln!(sums, "{sha256}  {name}")?;
    }
    Ok(sums)
}

fn told(out: &Path, image: &Archive) -> Result<String> {
    let sums = fs::read_to_string(out.join(CHECKSUMS))?;
    Ok(format!(
        "{sums}\nimage {} {}, {:.1} MB\nin {}",
        image.name(),
        image.digest(),
        megabytes(image.bytes().len()),
        out.display()
    ))
}

#[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}

/// Refuses sources that make other programs with the same compiler when they are built in another folder.
fn verify(name: &str, first: &Programs, image_of_first: &Archive) -> Result<()> {
    complain("building once more from nothing, to compare");
    let folder = repository()?.join("target/verify");
    // An interrupted run has left it half done.
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    let second = Programs::build_release(Some(&folder))?;
    let image_of_second = image(name, second.path(build::CONTROLLER)?)?;
    // Kept where they differ, to be compared.
    ensure!(
        image_of_first.digest() == image_of_second.digest(),
        "the image is another one when it is built again: {} and {}; the second program is in {}",
        image_of_first.digest(),
        image_of_second.digest(),
        folder.display()
    );
    let plugin = build::KUBECTL_PLUGIN;
    ensure!(
        fs::read(first.path(plugin)?)? == fs::read(second.path(plugin)?)?,
        "{plugin} is another one when it is built again: it is in {}",
        folder.display()
    );
    fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    complain(&format!(
        "built again it is the same: {}",
        image_of_second.digest()
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_is_the_same_when_it_is_packed_again() {
        let program = std::env::current_exe().unwrap();
        let pack = || image("registry.example/kulta", &program).unwrap();

        let (first, second) = (pack(), pack());

        assert_eq!((first.digest(), first.bytes()), (second.digest(), second.bytes()));
        assert_eq!(first.name(), format!("registry.example/kulta:{VERSION}"));
    }

    #[test]
    fn chart_is_the_same_when_it_is_packed_again_and_has_the_version_of_the_release() {
        let chart = repository().unwrap().join(CHART);

        let pack = || packed(&chart).unwrap();

        assert_eq!(pack(), pack());
    }

    #[test]
    fn programs_of_this_repository_are_static() {
        let own = fs::read(std::env::current_exe().unwrap()).unwrap();

        assert!(is_static(&own).unwrap());
        assert!(is_static(b"no program").is_err());
    }

    #[test]
    fn checksums_are_of_every_other_file() {
        let folder = std::env::temp_dir().join(format!("kulta-checksums-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        for (name, content) in [("b", "2"), ("a", "1"), (CHECKSUMS, "old")] {
            fs::write(folder.join(name), content).unwrap();
        }

        let sums = checksums(&folder).unwrap();

        fs::remove_dir_all(&folder).unwrap();
        let names: Vec<_> = sums
            .lines()
            .map(|line| line.split("  ").nth(1).unwrap())
            .collect();
        assert_eq!(names, ["a", "b"]);
    }
}
