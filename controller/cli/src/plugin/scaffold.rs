//! `kulta plugin new`: a folder with a plugin that builds, its unit tests and its cases.

mod place;
mod template;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use thiserror::Error;

use self::place::Sdk;
use self::template::Template;
use super::CommandError;
use super::output::Output;

/// A plugin's name has so many bytes at most, as the controller reads it (`controller/operator`).
pub(super) const NAME_BYTES: usize = 63;
/// The plugins that come with KULTA: the controller takes no other one by these names.
const BUNDLED: [&str; 4] = ["prometheus", "schedule", "sequential", "web"];
/// What Cargo would take for something else: the crates of the template, and those of the standard library.
const TAKEN: [&str; 8] = [
    "alloc",
    "core",
    "kulta-plugin-sdk",
    "kulta_plugin_sdk",
    "proc_macro",
    "serde",
    "std",
    "test",
];
/// Words of the language: a library can't be called so.
const KEYWORDS: [&str; 52] = [
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do", "dyn",
    "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop",
    "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static",
    "struct", "super", "trait", "true", "try", "type", "typeof", "union", "unsafe", "unsized", "use",
    "virtual", "where", "while", "yield",
];

/// What to make.
#[derive(Debug, Args)]
pub struct NewArguments {
    /// The plugin's name, and its folder's: a small letter, then small letters, digits, - and _
    pub name: String,
    /// A gate, which says whether the next step may be made. Default: a metric
    #[arg(long)]
    pub gate: bool,
    /// The folder `plugin-sdk` of a checkout of KULTA: the SDK is in no registry
    #[arg(long, value_name = "PATH")]
    pub sdk: PathBuf,
    /// The folder that it is made in
    #[arg(long = "in", value_name = "DIR", default_value = ".")]
    pub parent: PathBuf,
}

/// The folder can't be made.
#[derive(Debug, Error)]
pub enum NewError {
    /// No plugin can be called so.
    #[error(
        "NAME is {0:?}: begin with a small letter; small letters, digits, - and _ follow, {NAME_BYTES} bytes at most"
    )]
    Name(String),
    /// Something else is called so.
    #[error("NAME is {name:?}, which is {what}: choose another name")]
    Taken {
        /// As given.
        name: String,
        /// Whose name it is.
        what: &'static str,
    },
    /// There is no SDK.
    #[error(
        "--sdk is {}, which is not the SDK of plugins: name the folder `plugin-sdk` of a checkout of KULTA",
        .0.display()
    )]
    NoSdk(PathBuf),
    /// The SDK's path can't be written into a manifest.
    #[error("--sdk is {}, which is not in UTF-8: rename its folders, or link to it", .0.display())]
    NotUtf8(PathBuf),
    /// Something is there already.
    #[error("{} exists already: choose another name, or take it away", .0.display())]
    Exists(PathBuf),
    /// A file or folder can't be written or read.
    #[error("{}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl NewError {
    fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::File { path, source }
    }
}

/// Whether the controller takes a plugin whose file is called so.
pub(super) fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= NAME_BYTES
        && name.bytes().next().is_some_and(plain)
        && name
            .bytes()
            .all(|byte| plain(byte) || matches!(byte, b'-' | b'_'))
}

pub(super) fn run(arguments: &NewArguments, out: &mut Output<'_>) -> Result<(), CommandError> {
    let folder = make(arguments)?;
    let folder = folder.strip_prefix(".").unwrap_or(&folder).display();
    let lib = library(&arguments.name);
    out.line(format_args!(
        "{folder}: a plugin with its unit tests and its cases\n\n  cd {folder}\n  cargo test\n  kulta plugin build\n  \
         kulta plugin test target/{lib}.wasm cases"
    ))
}

fn make(arguments: &NewArguments) -> Result<PathBuf, NewError> {
    let name = &arguments.name;
    check_name(name)?;
    let sdk = Sdk::find(&arguments.sdk)?;
    let folder = arguments.parent.join(name);
    let path = sdk.seen_from(&arguments.parent, name)?;
    // Fails where anything is, a dangling link included.
    fs::create_dir(&folder).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => NewError::Exists(folder.clone()),
        _ => NewError::file(&folder)(source),
    })?;
    let template = if arguments.gate {
        &Template::GATE
    } else {
        &Template::METRIC
    };
    for (file, content) in template.files(name, &library(name), &path) {
        let file = folder.join(file);
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent).map_err(NewError::file(parent))?;
        }
        fs::write(&file, content).map_err(NewError::file(&file))?;
    }
    Ok(folder)
}

/// The name of the library, and of what is built.
fn library(name: &str) -> String {
    name.replace('-', "_")
}

fn check_name(name: &str) -> Result<(), NewError> {
    if !is_name(name) || !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Err(NewError::Name(name.to_owned()));
    }
    let what = if BUNDLED.contains(&name) {
        "a plugin that comes with KULTA"
    } else if TAKEN.contains(&name) {
        "a crate that the plugin uses"
    } else if KEYWORDS.contains(&name) {
        "a word of Rust's"
    } else {
        return Ok(());
    };
    let name = name.to_owned();
    Err(NewError::Taken { name, what })
}

#[cfg(test)]
mod tests;
