//! The interface keeps its promise: what was released once is never changed, only added to.

use wit_component::semver_check;
use wit_parser::{PackageId, Resolve};

const WORKING: &str = include_str!("../../../../plugin-sdk/wit/analysis.wit");
/// The first version, which everything later has to fit.
const RELEASED: &str = include_str!("../../../../plugin-sdk/wit/released/1.0.0/analysis.wit");
/// Every version that was released, with the name of its folder.
const ALL_RELEASED: [(&str, &str); 2] = [
    ("1.0.0", RELEASED),
    (
        "1.1.0",
        include_str!("../../../../plugin-sdk/wit/released/1.1.0/analysis.wit"),
    ),
];

fn version(resolve: &Resolve, package: PackageId) -> String {
    resolve.packages[package]
        .name
        .version
        .as_ref()
        .unwrap()
        .to_string()
}

/// A plugin made for the released interface `world` fits `working`.
fn check(released: &str, working: &str, world: &str) -> Result<(), String> {
    let mut resolve = Resolve::default();
    let old = resolve.push_str("released.wit", released).unwrap();
    let mut other = Resolve::default();
    let new = other.push_str("working.wit", working).unwrap();
    if version(&resolve, old) == version(&other, new) {
        return if released == working {
            Ok(())
        } else {
            Err("changed without a new version".to_owned())
        };
    }
    let old = resolve.select_world(&[old], Some(world)).unwrap();
    let new = other.select_world(&[new], Some(world)).unwrap();
    let moved = resolve.merge(other).unwrap();
    let new = moved.worlds[new.index()].unwrap();
    semver_check(resolve, old, new).map_err(|reason| format!("{reason:#}"))
}

#[test]
fn each_released_copy_is_of_the_version_that_its_folder_names() {
    for (folder, text) in ALL_RELEASED {
        let mut resolve = Resolve::default();
        let package = resolve.push_str("analysis.wit", text).unwrap();
        assert_eq!(version(&resolve, package), folder);
    }
}

#[test]
fn plugins_that_measure_fit_the_interface_still() {
    for (version, released) in ALL_RELEASED {
        assert_eq!(check(released, WORKING, "metric-analysis"), Ok(()), "{version}");
    }
}

#[test]
fn plugins_that_decide_fit_the_interface_still() {
    for (version, released) in ALL_RELEASED {
        assert_eq!(check(released, WORKING, "promotion-gate"), Ok(()), "{version}");
    }
}

#[test]
fn a_change_without_a_new_version_is_found() {
    let changed = RELEASED.replace("record step {", "record step { wider: bool,");
    assert!(check(RELEASED, &changed, "promotion-gate").is_err());
}

#[test]
fn a_field_more_is_found_in_a_new_version() {
    let changed = RELEASED
        .replace("kulta:analysis@1.0.0", "kulta:analysis@1.1.0")
        .replace("record step {", "record step { wider: bool,");
    assert!(check(RELEASED, &changed, "promotion-gate").is_err());
}

#[test]
fn a_function_more_to_import_is_no_harm() {
    let grown = RELEASED
        .replace("kulta:analysis@1.0.0", "kulta:analysis@1.1.0")
        .replace(
            "now: func() -> timestamp;",
            "now: func() -> timestamp; later: func() -> timestamp;",
        );
    assert_eq!(check(RELEASED, &grown, "metric-analysis"), Ok(()));
}
