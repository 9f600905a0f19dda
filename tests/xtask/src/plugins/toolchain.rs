//! A compiler for WebAssembly: the one of this checkout, with its standard library for that target, which rustup fetches;
//! or Debian's, where rustup can't.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use kulta_test_cluster::progress::Progress;
use kulta_test_cluster::{Cache, debian_packages};

use super::package;
use crate::build::{self, said};

const TARGET: &str = "wasm32-unknown-unknown";
/// How cargo is called for every plugin.
pub(super) const RECIPE: [&str; 9] = [
    "rustc",
    "--locked",
    "--lib",
    "--crate-type=cdylib",
    "--profile=plugin",
    "--target=wasm32-unknown-unknown",
    "--target-dir=target/plugins",
    "--config=build.rustc-wrapper=''",
    "--quiet",
];
/// Debian's compiler for WebAssembly, and the sources of its standard library.
const DEBIAN: [&str; 2] = ["rustc-web", "rust-web-src"];
/// Of the sources, what is no part of the standard library: most of it.
const NOT_THE_LIBRARY: [&str; 2] = ["compiler", "src"];

/// A compiler for WebAssembly.
#[derive(Debug)]
pub(super) struct Toolchain {
    version: String,
    /// Where Debian's is unpacked; none: the one of this checkout.
    debian: Option<PathBuf>,
    /// The folder of the compiler of this checkout.
    sysroot: PathBuf,
}

impl Toolchain {
    /// Finds one, or gets one.
    pub(super) fn find(wants_debian: bool, progress: &Progress) -> Result<Self> {
        let sysroot = sysroot()?;
        if !wants_debian && (has_library(&sysroot) || fetched(&sysroot, progress)) {
            let version = said(Command::new("rustc").arg("--version"))?;
            return Ok(Self {
                version: version.trim().to_owned(),
                debian: None,
                sysroot,
            });
        }
        let root = debian(progress).context(
            "no compiler for WebAssembly: `rustup target add wasm32-unknown-unknown` does not work here, and Debian's \
             can't be had",
        )?;
        let version = said(&mut run_unpacked(
            &root,
            &root.join("usr/bin/rustc"),
            &["--version"],
        ))?;
        Ok(Self {
            version: format!("{}, standard library from source", version.trim()),
            debian: Some(root),
            sysroot,
        })
    }

    /// The compiler, with its version, as it is recorded.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// Compiles a plugin to a core module.
    pub(super) fn build(&self, name: &str) -> Result<Vec<u8>> {
        let package = package(name);
        let mut cargo = build::cargo()?;
        cargo.args(RECIPE).args(["--package", &package]);
        cargo.env("CARGO_ENCODED_RUSTFLAGS", self.flags()?);
        if let Some(root) = &self.debian {
            cargo.args(["-Z", "build-std=std,panic_abort"]);
            cargo
                .env("RUSTC_BOOTSTRAP", "1")
                .env("RUSTC", root.join("usr/bin/rustc"))
                .env("LD_LIBRARY_PATH", libraries(root))
                .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", self.linker()?);
        }
        let status = cargo
            .stdin(Stdio::null())
            .status()
            .context("cargo cannot be run")?;
        ensure!(status.success(), "{package} does not build");
        let file = format!(
            "target/plugins/{TARGET}/plugin/{}.wasm",
            package.replace('-', "_")
        );
        let file = build::repository()?.join(file);
        fs::read(&file).with_context(|| file.display().to_string())
    }

    /// Panics name the file they are in: by where it is in its project, and not on this machine.
    fn flags(&self) -> Result<String> {
        let library = match &self.debian {
            Some(root) => root.join("usr/lib"),
            None => self.sysroot.join("lib"),
        };
        let places = [
            (build::repository()?, "kulta"),
            (build::registry()?, "cargo"),
            (library.join("rustlib/src/rust"), "rust"),
        ];
        let flags = places.map(|(place, name)| format!("--remap-path-prefix={}={name}", place.display()));
        Ok(flags.join("\x1f"))
    }

    /// Debian's compiler has no linker of its own.
    fn linker(&self) -> Result<PathBuf> {
        let about = said(Command::new("rustc").arg("-vV"))?;
        let host = about.lines().find_map(|line| line.strip_prefix("host: "));
        let host = host.context("rustc does not say what it runs on")?;
        Ok(self.sysroot.join("lib/rustlib").join(host).join("bin/rust-lld"))
    }
}

/// Gets the standard library for the compiler of this checkout, where it is not there and can be had: whoever needs it
/// then looks whether it is. With it come the packages that only plugins are built of, since they are built where cargo
/// reaches no registry.
pub(super) fn prepare(progress: &Progress) -> Result<()> {
    let sysroot = sysroot()?;
    if !has_library(&sysroot) && !fetched(&sysroot, progress) {
        progress.note("it can't be had here: what needs it is left out");
        return Ok(());
    }
    let mut cargo = build::cargo()?;
    cargo.args(["fetch", "--quiet", "--locked", "--target", TARGET]);
    let status = cargo
        .stdin(Stdio::null())
        .status()
        .context("cargo cannot be run")?;
    ensure!(
        status.success(),
        "the packages that plugins are built of can't be had"
    );
    Ok(())
}

fn sysroot() -> Result<PathBuf> {
    let sysroot = said(Command::new("rustc").args(["--print", "sysroot"]))?;
    Ok(PathBuf::from(sysroot.trim()))
}

fn has_library(sysroot: &Path) -> bool {
    sysroot.join("lib/rustlib").join(TARGET).join("lib").is_dir()
}

/// Whether rustup could fetch the standard library. What it says goes to the terminal.
fn fetched(sysroot: &Path, progress: &Progress) -> bool {
    progress.note(&format!("rustup target add {TARGET}"));
    let status = Command::new("rustup")
        .args(["target", "add", TARGET])
        .stdin(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success()) && has_library(sysroot)
}

fn debian(progress: &Progress) -> Result<PathBuf> {
    debian_packages(&Cache::locate()?, &DEBIAN, progress, |folder| {
        for sources in fs::read_dir(folder.join("usr/src"))? {
            let sources = sources?.path();
            for part in NOT_THE_LIBRARY {
                fs::remove_dir_all(sources.join(part))?;
            }
        }
        Ok(())
    })
}

fn libraries(root: &Path) -> PathBuf {
    root.join(format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH))
}

fn run_unpacked(root: &Path, program: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env("LD_LIBRARY_PATH", libraries(root));
    command
}
