//! `kulta plugin build`: from a plugin's folder to one file for a ConfigMap.

mod cargo;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use kulta_core::text::grouped;
use kulta_plugin_host::{Host, limits};
use thiserror::Error;
use wit_component::ComponentEncoder;

use self::cargo::Built;
use super::load::{self, Loaded};
use super::output::Output;
use super::{CommandError, scaffold};

/// The only target that plugins are built for: every other one brings imports that KULTA does not have.
const TARGET: &str = "wasm32-unknown-unknown";
/// The namespace that the controller is installed in (`deploy/kustomize`).
const NAMESPACE: &str = "kulta-system";

/// Which plugin.
#[derive(Debug, Args)]
pub struct BuildArguments {
    /// The plugin's folder, with its Cargo.toml
    #[arg(default_value = ".")]
    pub folder: PathBuf,
}

/// A plugin can't be built.
#[derive(Debug, Error)]
pub enum BuildError {
    /// There is nothing to build.
    #[error("{} can't be read: name the folder of a plugin, or go there", path.display())]
    NoManifest {
        /// The manifest that is not there.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A program of Rust's can't be started.
    #[error("{program} can't be started: install Rust (https://rustup.rs)")]
    Start {
        /// Which.
        program: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The compiler has no standard library for WebAssembly.
    #[error("the compiler has no standard library for {TARGET}: run `rustup target add {TARGET}`")]
    NoTarget,
    /// Cargo has told what is wrong.
    #[error("the plugin does not build: cargo has told why")]
    Cargo,
    /// Everything builds, and there is no WebAssembly.
    #[error(
        "{} builds no WebAssembly: write `crate-type = [\"cdylib\", \"rlib\"]` under `[lib]`",
        path.display()
    )]
    NoLibrary {
        /// The manifest.
        path: PathBuf,
    },
    /// No plugin can have the name of the library.
    #[error(
        "lib.name in {} is {name:?}, which no plugin can be called: small letters, digits, - and _, at most {} bytes",
        path.display(),
        scaffold::NAME_BYTES
    )]
    Name {
        /// The manifest.
        path: PathBuf,
        /// The library's name.
        name: String,
    },
    /// A file of the build can't be read or written.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is WebAssembly that wants what no plugin can have.
    #[error(
        "{} can't be made a component ({reason}): build it with the plugin SDK, and leave out crates that need a \
         browser or an operating system",
        path.display()
    )]
    Encode {
        /// The core module.
        path: PathBuf,
        /// In the encoder's words.
        reason: String,
    },
}

pub(super) async fn run(
    arguments: &BuildArguments,
    environment: &[(OsString, OsString)],
    host: &Host,
    out: &mut Output<'_>,
) -> Result<(), CommandError> {
    let built = cargo::build(&arguments.folder, environment)?;
    let component = encode(&built.module)?;
    let file = built.target.join(format!("{}.wasm", built.name));
    // What the controller would refuse is not written.
    let loaded = load::load(host, &file, &component).await?;
    std::fs::write(&file, &component).map_err(|source| BuildError::File {
        path: file.clone(),
        source,
    })?;
    out.fact("file", file.display())?;
    loaded.describe(out)?;
    tell_delivery(&built, &file, &loaded, out)
}

/// Makes a component of a core module, in which the SDK has written down the interface.
fn encode(module: &Path) -> Result<Vec<u8>, BuildError> {
    let bytes = std::fs::read(module).map_err(|source| BuildError::File {
        path: module.to_owned(),
        source,
    })?;
    ComponentEncoder::default()
        .validate(true)
        .module(&bytes)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|reason| BuildError::Encode {
            path: module.to_owned(),
            reason: format!("{reason:#}"),
        })
}

/// Tells how the file comes to the controller.
fn tell_delivery(
    built: &Built,
    file: &Path,
    loaded: &Loaded,
    out: &mut Output<'_>,
) -> Result<(), CommandError> {
    let mut delivered = file.display().to_string();
    if !loaded.fits_a_config_map() {
        let (size, most) = (grouped(loaded.size), grouped(limits::COMPRESSED_BYTES));
        out.line(format_args!(
            "\n{size} bytes are more than a ConfigMap takes ({most}): build with `strip = true`, `lto = \"fat\"` and \
             `opt-level = \"z\"`\nunder `[profile.release]`, or compress the file:\n  gzip -9 --keep {delivered}"
        ))?;
        delivered.push_str(".gz");
    }
    // Underscores are for files, not for the names of Kubernetes.
    let name = built.name.replace('_', "-");
    out.line(format_args!(
        "\nInto the cluster, where deploy/README.md mounts it:\n  kubectl -n {NAMESPACE} create configmap {name} \
         --from-file={delivered}"
    ))
}
