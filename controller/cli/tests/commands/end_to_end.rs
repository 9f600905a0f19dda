//! From nothing to a plugin in a file: new, its unit tests, build, inspect, test.
//!
//! It needs a compiler for WebAssembly: the one of this checkout, or Debian's, which `cargo xtask plugins` unpacks where
//! rustup can't fetch the target. `KULTA_DEBIAN_RUST` names a folder of that, and is then used even so.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::scene::{Folder, kulta, kulta_in};

const TARGET: &str = "wasm32-unknown-unknown";
/// Where Debian's compiler is unpacked.
const DEBIAN: &str = "KULTA_DEBIAN_RUST";
const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

#[test]
fn a_new_metric_is_a_plugin() {
    let Some(compiler) = compiler() else { return };
    play(
        compiler,
        "my-ratio",
        &[],
        "metric-analysis",
        &["kulta:analysis/metrics@1.1.0"],
    );
}

#[test]
fn a_new_gate_is_a_plugin() {
    let Some(compiler) = compiler() else { return };
    play(compiler, "my-gate", &["--gate"], "promotion-gate", &[]);
}

#[test]
fn what_exports_nothing_is_told_what_a_plugin_exports() {
    let Some(compiler) = compiler() else { return };
    let folder = made("no-export", &[]);
    let plugin = folder.path().join("no-export");
    fs::write(plugin.join("src/lib.rs"), "").unwrap();

    let refused = kulta_in(&environment(compiler), &["build", text(&plugin)])
        .result
        .unwrap_err();

    assert!(
        refused.contains("a plugin exports kulta:analysis/plugin@1 and"),
        "{refused}"
    );
}

#[test]
fn what_is_no_library_of_the_kind_is_told_how_to() {
    let Some(compiler) = compiler() else { return };
    let folder = made("no-cdylib", &[]);
    let plugin = folder.path().join("no-cdylib");
    let manifest = fs::read_to_string(plugin.join("Cargo.toml")).unwrap();
    let manifest = manifest.replace("\"cdylib\", ", "");
    fs::write(plugin.join("Cargo.toml"), manifest).unwrap();

    let refused = kulta_in(&environment(compiler), &["build", text(&plugin)])
        .result
        .unwrap_err();

    assert!(
        refused.contains("crate-type = [\"cdylib\", \"rlib\"]"),
        "{refused}"
    );
}

/// Goes the whole way with a new plugin of this name.
fn play(compiler: Compiler, name: &str, flags: &[&str], world: &str, imports: &[&str]) {
    let folder = made(name, flags);
    let plugin = folder.path().join(name);
    let environment = environment(compiler);
    run_unit_tests(&plugin);

    let built = kulta_in(&environment, &["build", text(&plugin)]).well();

    let file = target().join(format!("{}.wasm", name.replace('-', "_")));
    assert!(
        built.contains(&format!("create configmap {name} --from-file={}", file.display())),
        "{built}"
    );
    assert!(built.contains(world), "{built}");
    assert!(imports.iter().all(|import| built.contains(import)), "{built}");
    let size = fs::metadata(&file).unwrap().len();
    assert!(size < 100_000, "{size} bytes");

    let inspected = kulta(&["inspect", text(&file)]).well();
    assert!(built.contains(&inspected), "{built}\n{inspected}");

    let tested = kulta(&["test", text(&file), text(&plugin.join("cases"))]).well();
    assert!(tested.ends_with("cases passed\n"), "{tested}");
    fs::remove_file(file).unwrap();
}

/// A new plugin, with the versions of crates that this repository has: none is fetched for the test.
fn made(name: &str, flags: &[&str]) -> Folder {
    let folder = Folder::new(name);
    let sdk = format!("{REPOSITORY}/plugin-sdk");
    let new = [&["new", name, "--sdk", &sdk, "--in", text(folder.path())], flags].concat();
    kulta(&new).well();
    let lock = folder.path().join(name).join("Cargo.lock");
    fs::copy(format!("{REPOSITORY}/Cargo.lock"), lock).unwrap();
    folder
}

fn run_unit_tests(plugin: &Path) {
    let status = Command::new(env!("CARGO"))
        .args(["test", "--quiet"])
        .current_dir(plugin)
        .env("CARGO_TARGET_DIR", target())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    assert!(status.unwrap().success());
}

/// What is built stays from one run to the next: the crates that plugins use are always the same.
fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugin")
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What builds for WebAssembly.
enum Compiler {
    OfThisCheckout,
    Debian(PathBuf),
}

/// The compiler; none where there is none, which is told.
fn compiler() -> Option<Compiler> {
    if let Some(root) = std::env::var_os(DEBIAN) {
        return Some(Compiler::Debian(root.into()));
    }
    if Path::new(&said(&["--print", "target-libdir", "--target", TARGET])).is_dir() {
        return Some(Compiler::OfThisCheckout);
    }
    let unpacked = unpacked();
    if unpacked.is_none() {
        eprintln!(
            "left out: no compiler for {TARGET}: `rustup target add {TARGET}`, or `cargo xtask plugins --check --debian`"
        );
    }
    unpacked.map(Compiler::Debian)
}

/// Debian's compiler, where `cargo xtask plugins` has unpacked it.
fn unpacked() -> Option<PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let cache = variable("KULTA_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|folder| folder.join("kulta")))
        .or_else(|| Some(std::env::home_dir()?.join(".cache/kulta")))?;
    let parts = fs::read_dir(cache.join("parts")).ok()?;
    parts
        .filter_map(|part| Some(part.ok()?.path()))
        .find(|part| part.join("usr/bin/rustc").exists())
}

fn said(arguments: &[&str]) -> String {
    let output = Command::new("rustc").args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn environment(compiler: Compiler) -> Vec<(OsString, OsString)> {
    let mut variables = vec![("CARGO_TARGET_DIR".into(), target().into())];
    if let Compiler::Debian(root) = compiler {
        variables.extend(debian(&root).map(|(name, value)| (name.into(), value)));
    }
    variables
}

/// As `cargo xtask plugins` has it: Debian's compiler comes without a linker, and builds its standard library itself.
fn debian(root: &Path) -> [(&'static str, OsString); 5] {
    let about = said(&["-vV"]);
    let host = about
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .unwrap();
    let linker = Path::new(&said(&["--print", "sysroot"])).join(format!("lib/rustlib/{host}/bin/rust-lld"));
    let libraries = root.join(format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH));
    [
        ("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort".into()),
        ("RUSTC_BOOTSTRAP", "1".into()),
        ("RUSTC", root.join("usr/bin/rustc").into()),
        ("LD_LIBRARY_PATH", libraries.into()),
        ("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker.into()),
    ]
}
