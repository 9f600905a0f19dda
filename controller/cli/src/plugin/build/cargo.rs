//! Cargo, and what it says that it has built.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde::Deserialize;

use super::{BuildError, TARGET};
use crate::plugin::scaffold::is_name;

/// Set, cargo builds the standard library itself: then there is none to look for.
const BUILD_STD: &str = "CARGO_UNSTABLE_BUILD_STD";
/// From a module to the folder of everything that is built: `<folder>/wasm32-unknown-unknown/release/ratio.wasm`.
const FOLDERS_TO_TARGET: usize = 3;

/// What cargo has built.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Built {
    /// The name of the library, by which the plugin will be known.
    pub(super) name: String,
    /// The core module.
    pub(super) module: PathBuf,
    /// The folder of everything that cargo builds.
    pub(super) target: PathBuf,
}

/// A line of cargo's machine-readable output.
#[derive(Deserialize)]
struct Message {
    reason: String,
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

/// Builds the plugin of `folder`. What cargo says while it builds goes to standard error as it comes.
pub(super) fn build(folder: &Path, environment: &[(OsString, OsString)]) -> Result<Built, BuildError> {
    let path = folder.join("Cargo.toml");
    let manifest = path
        .canonicalize()
        .map_err(|source| BuildError::NoManifest { path, source })?;
    let start = |program: &str, arguments: &[&str]| started(program, arguments, folder, environment);
    if !has_target(environment, start)? {
        return Err(BuildError::NoTarget);
    }
    let format = "--message-format=json-render-diagnostics";
    let output = start("cargo", &["build", "--release", "--target", TARGET, format])?;
    if !output.status.success() {
        return Err(BuildError::Cargo);
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let Some(built) = built(&messages, &manifest) else {
        return Err(BuildError::NoLibrary { path: manifest });
    };
    if !is_name(&built.name) {
        let (path, name) = (manifest, built.name);
        return Err(BuildError::Name { path, name });
    }
    Ok(built)
}

/// Whether the compiler of this folder can build for WebAssembly.
fn has_target(
    environment: &[(OsString, OsString)],
    start: impl Fn(&str, &[&str]) -> Result<Output, BuildError>,
) -> Result<bool, BuildError> {
    if variable(environment, BUILD_STD).is_some() {
        return Ok(true);
    }
    let said = start("rustc", &["--print", "target-libdir", "--target", TARGET])?;
    let library = String::from_utf8_lossy(&said.stdout);
    Ok(said.status.success() && Path::new(library.trim()).is_dir())
}

/// What `program` says on standard output. Cargo and the compiler can be named in the environment, as cargo itself has
/// it: `CARGO`, `RUSTC`.
fn started(
    program: &str,
    arguments: &[&str],
    folder: &Path,
    environment: &[(OsString, OsString)],
) -> Result<Output, BuildError> {
    let named = variable(environment, &program.to_ascii_uppercase());
    Command::new(named.unwrap_or_else(|| program.into()))
        .args(arguments)
        .current_dir(folder)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source: io::Error| BuildError::Start {
            program: program.to_owned(),
            source,
        })
}

fn variable(environment: &[(OsString, OsString)], name: &str) -> Option<OsString> {
    let given = environment.iter().find(|(given, _)| given == name);
    given.map_or_else(|| std::env::var_os(name), |(_, value)| Some(value.clone()))
}

/// The module that `manifest` has, among all that was built. Lines that are not cargo's say nothing of that.
fn built(messages: &str, manifest: &Path) -> Option<Built> {
    let messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok());
    let of_plugin = |message: &Message| {
        message.reason == "compiler-artifact" && message.manifest_path.as_deref() == Some(manifest)
    };
    messages.filter(of_plugin).find_map(|message| {
        let is_module = |file: &PathBuf| file.extension() == Some(OsStr::new("wasm"));
        let module = message.filenames.into_iter().find(is_module)?;
        Some(Built {
            name: message.target?.name,
            target: module.ancestors().nth(FOLDERS_TO_TARGET)?.to_owned(),
            module,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGES: &str = r#"
        {"reason":"compiler-artifact","manifest_path":"/c/other/Cargo.toml","target":{"name":"other"},"filenames":["/t/wasm32-unknown-unknown/release/other.wasm"]}
        {"reason":"build-script-executed","package_id":"x"}
        a build script's own words
        {"reason":"compiler-artifact","manifest_path":"/c/ratio/Cargo.toml","target":{"name":"ratio"},"filenames":["/t/wasm32-unknown-unknown/release/libratio.rlib","/t/wasm32-unknown-unknown/release/ratio.wasm"]}
        {"reason":"build-finished","success":true}"#;

    #[test]
    fn the_plugins_own_module_is_found_among_those_of_its_dependencies() {
        let found = built(MESSAGES, Path::new("/c/ratio/Cargo.toml"));

        let expected = Built {
            name: "ratio".to_owned(),
            module: "/t/wasm32-unknown-unknown/release/ratio.wasm".into(),
            target: "/t".into(),
        };
        assert_eq!(found, Some(expected));
    }

    #[test]
    fn without_a_module_nothing_is_found() {
        assert_eq!(built(MESSAGES, Path::new("/c/none/Cargo.toml")), None);
    }

    #[test]
    fn a_folder_without_a_manifest_is_told() {
        let refused = build(Path::new("/there/is/no/folder"), &[]).unwrap_err();

        assert_eq!(
            refused.to_string(),
            "/there/is/no/folder/Cargo.toml can't be read: name the folder of a plugin, or go there"
        );
    }

    #[test]
    fn a_compiler_without_the_target_is_told_with_what_to_do() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        // A compiler that says nothing and is content has no library anywhere.
        let environment = [("RUSTC".into(), "/bin/true".into())];

        let refused = build(folder, &environment).unwrap_err();

        assert!(
            refused
                .to_string()
                .ends_with("run `rustup target add wasm32-unknown-unknown`")
        );
    }
}
