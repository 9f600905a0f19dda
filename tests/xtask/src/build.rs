//! Building this repository's programs with cargo.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::interrupt::Interrupt;
use crate::wrapper::stand_in;

/// The controller.
pub(crate) const CONTROLLER: &str = "kulta";
/// The application that is rolled out.
pub(crate) const SAMPLE_APP: &str = "kulta-sample-app";
/// The plugin for kubectl.
pub(crate) const KUBECTL_PLUGIN: &str = "kubectl-kulta";
/// The end-to-end tests.
pub(crate) const END_TO_END_TESTS: &str = "e2e";

/// Variables in which cargo tells a program that it runs of the program's own package. Some build scripts (ring's) read
/// the same of theirs: handed on, these would look changed each time that these commands and a plain `cargo` take turns,
/// and half of everything would be built again.
const OF_OWN_PACKAGE: [&str; 2] = ["CARGO_MANIFEST_", "CARGO_PKG_"];

/// Builds, and says what was built.
const BUILD: [&str; 2] = ["build", "--message-format=json-render-diagnostics"];
/// What else of the environment would make another program of the same sources: a release has none of its flags. (Any flags there take
/// the place of those of the repository, by which programs are linked statically.) Which C compiler there is counts, and what a user's own
/// `config.toml` of cargo says.
const OF_OTHER_FLAGS: [&str; 10] = [
    "CARGO_INCREMENTAL",
    "CFLAGS",
    "TARGET_CFLAGS",
    "HOST_CFLAGS",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_",
    "CARGO_TARGET_",
    "CARGO_PROFILE_",
];
/// Where releases are built, in cargo's folder: what it builds elsewhere has no remapped paths, and looks the same to it.
const RELEASE_FOLDER: &str = "remapped";

/// How well the programs are optimised.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Profile {
    /// Quickly built.
    Dev,
    /// As users build them.
    Release,
}

impl Profile {
    fn arguments(self) -> &'static [&'static str] {
        match self {
            // Only the programs named are built, with the features that the tests' dependencies have (see `cargo`).
            Self::Dev => &["--workspace"],
            // Of the controller alone: what users build has no feature that only tests want.
            Self::Release => &[
                "--release",
                "--package=kulta-operator",
                "--package=kulta-sample-app",
            ],
        }
    }
}

/// Where cargo has put the programs it built, by their names.
#[derive(Debug)]
pub(crate) struct Programs(BTreeMap<String, PathBuf>);

/// The lines of cargo's machine-readable output that name what was built.
#[derive(Deserialize)]
struct Message {
    reason: String,
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

impl Programs {
    /// Builds what the demo shows.
    pub(crate) fn build(profile: Profile, interrupt: Option<&Interrupt>) -> Result<Self> {
        let programs = ["--bin=kulta", "--bin=kulta-sample-app"];
        build(&[profile.arguments(), &programs].concat(), interrupt)
    }

    /// Builds what users get, in a folder of its own or in `folder`, with nothing in it of where it was built.
    pub(crate) fn build_release(folder: Option<&Path>) -> Result<Self> {
        let usual = target_folder()?.join(RELEASE_FOLDER);
        let target = folder.unwrap_or(&usual);
        let mut command = cargo()?;
        command.args(BUILD).args([
            "--package=kulta-operator",
            "--package=kulta-kubectl",
            "--release",
            "--locked",
            "--bin=kulta",
            "--bin=kubectl-kulta",
        ]);
        command.arg("--target-dir").arg(target);
        remove_environment(&mut command, &OF_OTHER_FLAGS);
        stand_in(&mut command, &own_program(), target)?;
        run(command, None)
    }

    /// Builds the end-to-end tests, and the plugin for kubectl that they use.
    pub(crate) fn build_tests(interrupt: &Interrupt) -> Result<Self> {
        build(
            &["--workspace", "--test=e2e", "--bin=kubectl-kulta"],
            Some(interrupt),
        )
    }

    /// Where a program is.
    pub(crate) fn path(&self, name: &str) -> Result<&Path> {
        self.0
            .get(name)
            .map(PathBuf::as_path)
            .with_context(|| format!("cargo has built no {name}"))
    }
}

/// Where cargo builds.
fn target_folder() -> Result<PathBuf> {
    Ok(match std::env::var_os("CARGO_TARGET_DIR") {
        // Cargo runs in the repository's folder.
        Some(folder) => repository()?.join(folder),
        None => repository()?.join("target"),
    })
}

/// Where the sources of other crates are.
pub(crate) fn registry() -> Result<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    Ok(home
        .context("no home of cargo: set CARGO_HOME")?
        .join("registry/src"))
}

/// The repository's folder.
pub(crate) fn repository() -> Result<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    folder
        .canonicalize()
        .with_context(|| format!("{} is gone", folder.display()))
}

/// This program, to be started once more. Not by its path: a build may have put a newer program there, or none.
pub(crate) fn own_program() -> PathBuf {
    PathBuf::from(format!("/proc/{}/exe", std::process::id()))
}

/// A command of this program.
pub(crate) fn itself(arguments: &[&str]) -> Command {
    let mut command = Command::new(own_program());
    command.args(arguments);
    command
}

/// Cargo, in the repository's folder. Cargo names itself to the programs that it runs.
pub(crate) fn cargo() -> Result<Command> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(repository()?);
    remove_environment(&mut command, &OF_OWN_PACKAGE);
    Ok(command)
}

/// What a program says that is run in this checkout: a compiler is then the checkout's.
pub(crate) fn said(command: &mut Command) -> Result<String> {
    let program = command.get_program().display().to_string();
    let output = command
        .current_dir(repository()?)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("{program} cannot be run"))?;
    ensure!(output.status.success(), "{program} failed");
    Ok(String::from_utf8(output.stdout)?)
}

/// Variables that begin so do not reach the program.
fn remove_environment(command: &mut Command, prefixes: &[&str]) {
    let is_removed = |name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix));
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_removed) {
            command.env_remove(name);
        }
    }
}

fn build(arguments: &[&str], interrupt: Option<&Interrupt>) -> Result<Programs> {
    let mut command = cargo()?;
    command.args(BUILD).args(arguments);
    run(command, interrupt)
}

/// What cargo says while it builds goes to the terminal as it comes: nobody shows it better. It is ended where `interrupt` is told;
/// None: where this process is.
fn run(mut command: Command, interrupt: Option<&Interrupt>) -> Result<Programs> {
    command.stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = match interrupt {
        Some(interrupt) => interrupt.output(&mut command)?,
        None => command.output().context("cargo cannot be run")?,
    };
    ensure!(output.status.success(), "cargo build failed");
    Ok(Programs(executables(&String::from_utf8_lossy(&output.stdout))?))
}

fn executables(messages: &str) -> Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    for line in messages.lines() {
        let message: Message = serde_json::from_str(line).with_context(|| format!("cargo said {line}"))?;
        if let ("compiler-artifact", Some(target), Some(executable)) =
            (message.reason.as_str(), message.target, message.executable)
        {
            found.insert(target.name, executable);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_artifacts_that_can_be_started_are_programs() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"kulta"},"executable":"/t/kulta"}
{"reason":"compiler-artifact","target":{"name":"kulta_core"},"executable":null}
{"reason":"build-finished","success":true}"#;
        let found = executables(messages).unwrap();
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            [("kulta".to_owned(), PathBuf::from("/t/kulta"))]
        );
    }
}
