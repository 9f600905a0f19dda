//! What stands in the place of the compiler while a release is built (`RUSTC_WRAPPER`): the compiler, with what makes the same program
//! of the same sources wherever and however often they are built.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use crate::build::{registry, repository};
use crate::files::copy_tree;

/// The variable with the flags for the compiler.
const REMAPPED: &str = "KULTA_REMAPPED_PATHS";
/// Parts them.
const SEPARATOR: &str = "\n";
/// A crate that makes tables of a grammar while `promql-parser` is built. It lists what it has decided in conflicts in the order of a map
/// that is another one in each process, and that list becomes a part of the controller. So its sources are compiled with one line
/// more, which sorts it. The crate itself stays the one of the registry: every other build has it as it is.
const UNSORTED: &str = "lrtable";
/// The file of it, from the folder of its root module.
const UNSORTED_FILE: &str = "statetable.rs";
/// Where the line goes: before this one, which is there once.
const BEFORE: &str = "        assert!(final_state.is_some());\n\n        let mut nt_depth";
const SORTED: &str = "        shift_reduce.sort_by_key(|&(token, production, state)| (usize::from(token), usize::from(production), \
                      usize::from(state)));\n";

/// Has cargo start this program in the place of the compiler, to build into `target`.
///
/// # Errors
/// When it is not known where sources are.
pub(crate) fn stand_in(command: &mut Command, program: &Path, target: &Path) -> Result<()> {
    command
        .env("RUSTC_WRAPPER", program)
        .env(REMAPPED, remapped(target)?.join(SEPARATOR));
    Ok(())
}

/// Flags by which panics and generated code name their files by where they are in their projects. (The last that fits counts.)
fn remapped(target: &Path) -> Result<Vec<String>> {
    let places = [
        (repository()?, "kulta"),
        (target.to_owned(), "target"),
        (registry()?, "cargo"),
    ];
    Ok(places
        .iter()
        .map(|(place, name)| format!("--remap-path-prefix={}={name}", place.display()))
        .collect())
}

/// What to do where cargo has started this program in the place of the compiler: the compiler, with the flags that cargo is
/// not to know. It names what it builds after all flags that it knows, the folders in them among these, and these names decide in
/// which order the parts of a program are linked.
///
/// None: cargo has not.
pub(crate) fn as_compiler() -> Option<Result<ExitCode>> {
    let flags = std::env::var(REMAPPED).ok()?;
    let mut arguments = std::env::args_os().skip(1);
    let compiler = arguments.next()?;
    Some(compile(&compiler, arguments.collect(), &flags))
}

fn compile(compiler: &OsString, mut arguments: Vec<OsString>, flags: &str) -> Result<ExitCode> {
    if value(&arguments, "--crate-name").is_some_and(|name| name == UNSORTED) {
        sort(&mut arguments)?;
    }
    let mut command = Command::new(compiler);
    command.args(arguments).args(flags.split(SEPARATOR));
    let status = command.status().context("the compiler cannot be run")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.unwrap_or(1).into())
}

/// What follows a flag.
fn value<'arguments>(arguments: &'arguments [OsString], flag: &str) -> Option<&'arguments OsString> {
    let mut rest = arguments.iter();
    rest.find(|argument| *argument == flag)?;
    rest.next()
}

/// Has the sorted sources of the crate compiled instead of those that were asked for.
fn sort(arguments: &mut [OsString]) -> Result<()> {
    let out = value(arguments, "--out-dir").map(PathBuf::from);
    let out = out.with_context(|| format!("{UNSORTED} is compiled to nowhere"))?;
    let is_root = |argument: &&mut OsString| Path::new(argument).extension().is_some_and(|kind| kind == "rs");
    let root = arguments.iter_mut().find(is_root);
    let root = root.with_context(|| format!("{UNSORTED} is compiled from nowhere"))?;
    let source = Path::new(root);
    let (folder, name) = (
        source.parent().context("no folder")?,
        source.file_name().context("no name")?,
    );
    // For the machine that builds, and for the one that it is built for: each has a folder of its own.
    let copy = out.join(format!("{UNSORTED}-sorted"));
    copy_tree(folder, &copy)?;
    let file = copy.join(UNSORTED_FILE);
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    fs::write(&file, sorted(&text)?)?;
    *root = copy.join(name).into_os_string();
    Ok(())
}

fn sorted(text: &str) -> Result<String> {
    ensure!(
        text.matches(BEFORE).count() == 1,
        "{UNSORTED} is another version: see whether {UNSORTED_FILE} still lists conflicts in the order of a map"
    );
    Ok(text.replacen(BEFORE, &format!("{SORTED}{BEFORE}"), 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crate_that_is_in_use_takes_the_line() {
        let lock = fs::read_to_string(repository().unwrap().join("Cargo.lock")).unwrap();
        let (_, entry) = lock
            .split_once(&format!("name = \"{UNSORTED}\"\nversion = \""))
            .unwrap();
        let (version, _) = entry.split_once('"').unwrap();
        let sources = fs::read_dir(registry().unwrap()).unwrap();
        let files = sources.map(|source| {
            let folder = source.unwrap().path().join(format!("{UNSORTED}-{version}"));
            folder.join("src/lib").join(UNSORTED_FILE)
        });
        let file = files.into_iter().find(|file| file.is_file()).unwrap();

        let text = sorted(&fs::read_to_string(file).unwrap()).unwrap();

        assert!(text.contains(SORTED));
        assert!(sorted(&text.replace(BEFORE, "")).is_err());
    }

    #[test]
    fn flag_is_found_with_what_follows_it() {
        let arguments = ["--edition=2024", "--out-dir", "/there", "src/lib.rs"].map(OsString::from);

        assert_eq!(value(&arguments, "--out-dir").unwrap(), "/there");
        assert!(value(&arguments, "--crate-name").is_none());
    }
}
