//! `cargo xtask plugins`: the bundled plugins as WebAssembly components.
//!
//! The components are committed, so that the controller builds where there is no compiler for WebAssembly. What they were
//! built of is committed beside them (`plugins/dist/plugins.json`); a unit test tells when that is no longer what is there.

mod component;
mod record;
mod sources;
mod toolchain;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Args;
use kulta_test_cluster::progress::{Progress, complain};

use self::component::Component;
use self::record::{Record, Records};
use self::toolchain::Toolchain;
use crate::build;

/// No bundled plugin is larger, in bytes.
const LARGEST: usize = 100_000;
/// The plugin that no user names: it evaluates conditions, with a parser and regular expressions in it. It is a part of
/// the controller, and may be larger.
const CONDITIONS: (&str, usize) = ("conditions", 600_000);

/// What to do with them.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Write nothing: build them again and compare with what is committed, byte by byte where the compiler is the same
    #[arg(long)]
    check: bool,
    /// Build with Debian's compiler, unpacked under the cache, even where another one can build WebAssembly
    #[arg(long)]
    debian: bool,
}

/// Makes the compiler of this checkout ready to build plugins, as far as that goes: the tutorial is played with it.
///
/// # Errors
/// When there is no compiler at all.
pub(crate) fn prepare() -> Result<()> {
    toolchain::prepare(&Progress::new())
}

/// Builds all bundled plugins.
///
/// # Errors
/// When there is no compiler for WebAssembly, a plugin doesn't build, is too large or imports what KULTA does not have,
/// or is not what is committed.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    build(arguments).map(|_| ExitCode::SUCCESS)
}

/// Refuses committed components that are not what their sources give: nobody can see it by looking at them.
///
/// # Errors
/// When they are not, or when it can't be told, since the compiler is another one.
pub(crate) fn check_for_release() -> Result<()> {
    complain("building the bundled plugins, to compare them with what is committed");
    let all_compared = build(&Arguments {
        check: true,
        debian: false,
    })?;
    ensure!(
        all_compared,
        "the bundled plugins are committed as built with another compiler: {}, and commit them",
        record::COMMAND
    );
    Ok(())
}

/// Whether all could be compared with what is committed, where that was asked for.
fn build(arguments: &Arguments) -> Result<bool> {
    let repository = build::repository()?;
    let toolchain = Toolchain::find(arguments.debian, &Progress::new())?;
    complain(&format!("building with {}", toolchain.version()));
    let committed = Records::read(&repository)?;
    let mut records = Records::default();
    let mut all_compared = true;
    for name in names(&repository)? {
        let component = Component::encode(&toolchain.build(&name)?)?;
        let record = Record {
            sha256: component.digest(),
            size: component.bytes().len(),
            sources: sources::digest(&repository, &name)?,
            compiler: toolchain.version().to_owned(),
        };
        report(&name, &record, &component);
        let size = record.size;
        let largest = largest(&name);
        ensure!(size <= largest, "{name} has {size} bytes, of {largest} allowed");
        if arguments.check {
            all_compared &= compare(&name, &record, committed.get(&name))?;
        } else {
            let folder = repository.join(record::FOLDER);
            fs::create_dir_all(&folder)?;
            fs::write(folder.join(format!("{name}.wasm")), component.bytes())?;
        }
        records.insert(name, record);
    }
    if !arguments.check {
        records.write(&repository)?;
    }
    Ok(all_compared)
}

/// The most bytes of a bundled plugin.
fn largest(name: &str) -> usize {
    let (conditions, most) = CONDITIONS;
    if name == conditions { most } else { LARGEST }
}

fn report(name: &str, record: &Record, component: &Component) {
    complain(&format!(
        "{name}: {} bytes, sha256:{}",
        record.size, record.sha256
    ));
    complain(&format!("  imports {}", component.imports().join(", ")));
    complain(&format!("  exports {}", component.exports().join(", ")));
}

/// Another compiler makes other bytes of the same sources: then nothing can be compared, which is the answer.
fn compare(name: &str, built: &Record, committed: Option<&Record>) -> Result<bool> {
    let committed = committed.with_context(|| format!("{name} is not committed: {}", record::COMMAND))?;
    ensure!(
        built.sources == committed.sources,
        "{name} is built of older sources: {}",
        record::COMMAND
    );
    if built.compiler != committed.compiler {
        complain(&format!(
            "{name}: not compared, because it is committed as built with {}",
            committed.compiler
        ));
        return Ok(false);
    }
    ensure!(
        built.sha256 == committed.sha256,
        "{name} is committed with sha256:{}, and its sources give sha256:{}",
        committed.sha256,
        built.sha256
    );
    Ok(true)
}

/// The folders of the bundled plugins.
fn names(repository: &Path) -> Result<Vec<String>> {
    let folder = repository.join("plugins");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder)? {
        let path: PathBuf = entry?.path();
        if path.join("Cargo.toml").is_file()
            && let Some(name) = path.file_name().and_then(|name| name.to_str())
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The package of a bundled plugin.
fn package(name: &str) -> String {
    format!("kulta-plugin-{name}")
}

#[cfg(test)]
mod tests {
    use kulta_test_cluster::digest::sha256;

    use super::*;

    fn record(compiler: &str, sha256: &str, sources: &str) -> Record {
        Record {
            sha256: sha256.to_owned(),
            size: 1,
            sources: sources.to_owned(),
            compiler: compiler.to_owned(),
        }
    }

    #[test]
    fn the_same_compiler_makes_the_same_bytes() {
        let built = record("one", "a", "s");
        assert!(compare("p", &built, Some(&record("one", "a", "s"))).unwrap());
        assert!(compare("p", &built, Some(&record("one", "b", "s"))).is_err());
    }

    #[test]
    fn another_compiler_may_make_other_bytes() {
        assert!(!compare("p", &record("one", "a", "s"), Some(&record("two", "b", "s"))).unwrap());
    }

    #[test]
    fn other_sources_are_told_whatever_the_compiler() {
        let error = compare("p", &record("one", "a", "s"), Some(&record("two", "b", "t"))).unwrap_err();
        assert_eq!(
            error.to_string(),
            "p is built of older sources: run `cargo xtask plugins`"
        );
    }

    #[test]
    fn a_plugin_that_was_never_built_is_told() {
        assert!(compare("p", &record("one", "a", "s"), None).is_err());
    }

    #[test]
    fn every_committed_component_is_the_one_on_record_and_built_of_these_sources() {
        let repository = build::repository().unwrap();
        let records = Records::read(&repository).unwrap();
        for name in names(&repository).unwrap() {
            let file = repository.join(record::FOLDER).join(format!("{name}.wasm"));
            let bytes = fs::read(&file).unwrap_or_default();
            let record = records.get(&name);
            let sources = sources::digest(&repository, &name).unwrap();
            let is_current =
                record.is_some_and(|record| record.sources == sources && record.sha256 == sha256(&bytes));
            assert!(
                bytes.len() <= largest(&name),
                "plugins/dist/{name}.wasm has {} bytes",
                bytes.len()
            );
            assert!(
                is_current,
                "plugins/dist/{name}.wasm is stale: {}",
                record::COMMAND
            );
        }
    }

    #[test]
    fn a_component_on_record_imports_nothing_but_this_interface() {
        let repository = build::repository().unwrap();
        for name in names(&repository).unwrap() {
            let file = repository.join(record::FOLDER).join(format!("{name}.wasm"));
            let component = Component::read(fs::read(file).unwrap()).unwrap();
            assert!(
                component
                    .imports()
                    .iter()
                    .all(|import| import.starts_with("kulta:analysis/"))
            );
        }
    }
}
