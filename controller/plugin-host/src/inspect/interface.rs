//! The names of imports and exports, such as `kulta:analysis/metrics@1.0.0`.

use std::collections::BTreeSet;

use super::error::InspectError;
use crate::plugin::World;
use crate::{limits, text};

/// The package of the interface.
const PACKAGE: &str = "kulta:analysis";
/// Its major version. Plugins of every version in it are served, as far as they import what is there.
const MAJOR: &str = "1";
/// What can be imported.
const IMPORTS: [&str; 6] = ["types", "metrics", "http", "log", "clock", "history"];

/// The parts of a name.
struct Name<'a> {
    package: &'a str,
    interface: &'a str,
    version: &'a str,
}

impl<'a> Name<'a> {
    fn parse(name: &'a str) -> Option<Self> {
        let (path, version) = name.split_once('@')?;
        let (package, interface) = path.split_once('/')?;
        Some(Self {
            package,
            interface,
            version,
        })
    }

    /// Prereleases promise nothing, so none of them is of the major version.
    fn is_served(&self) -> bool {
        let major = self.version.split('.').next();
        major == Some(MAJOR) && !self.version.contains('-')
    }
}

/// Checks what a plugin wants.
pub(super) fn imports(found: Vec<String>) -> Result<BTreeSet<String>, InspectError> {
    for import in &found {
        check_import(import)?;
    }
    Ok(found.into_iter().collect())
}

fn check_import(import: &str) -> Result<(), InspectError> {
    let shown = || text::line(import, limits::DETAIL_BYTES);
    match Name::parse(import) {
        Some(name) if name.package == PACKAGE && !name.is_served() => {
            Err(InspectError::WrongVersion { interface: shown() })
        }
        Some(name) if name.package == PACKAGE && IMPORTS.contains(&name.interface) => Ok(()),
        _ if import.starts_with("wasi:") || import.starts_with("wasi_") => {
            Err(InspectError::Wasi { import: shown() })
        }
        _ => Err(InspectError::UnknownImport { import: shown() }),
    }
}

/// What a plugin is made for, by what it exports. Other exports are never called.
pub(super) fn worlds(exports: &[String]) -> Result<BTreeSet<World>, InspectError> {
    let ours: Vec<_> = exports
        .iter()
        .filter_map(|export| Name::parse(export))
        .filter(|name| name.package == PACKAGE)
        .collect();
    if let Some(other) = ours.iter().find(|name| !name.is_served()) {
        let interface = format!("{PACKAGE}/{}@{}", other.interface, other.version);
        return Err(InspectError::WrongVersion {
            interface: text::line(&interface, limits::DETAIL_BYTES),
        });
    }
    let exported = |interface: &str| ours.iter().any(|name| name.interface == interface);
    let metric = exported("metric").then_some(World::MetricAnalysis);
    let gate = exported("gate").then_some(World::PromotionGate);
    let worlds: BTreeSet<_> = metric.into_iter().chain(gate).collect();
    if worlds.is_empty() || !exported("plugin") {
        let exports = exports.iter().take(limits::DETAILS);
        let exports = exports
            .map(|export| text::line(export, limits::DETAIL_BYTES))
            .collect();
        return Err(InspectError::WrongWorld { exports });
    }
    Ok(worlds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_minor_version_is_served() {
        assert!(imports(found(&["kulta:analysis/log@1.0.0", "kulta:analysis/clock@1.7.2"])).is_ok());
    }

    #[test]
    fn a_prerelease_is_not() {
        let refused = imports(found(&["kulta:analysis/log@1.1.0-rc.1"]));
        assert!(
            matches!(refused, Err(InspectError::WrongVersion { .. })),
            "{refused:?}"
        );
    }

    #[test]
    fn major_version_eleven_is_not_major_version_one() {
        let refused = imports(found(&["kulta:analysis/log@11.0.0"]));
        assert!(
            matches!(refused, Err(InspectError::WrongVersion { .. })),
            "{refused:?}"
        );
    }

    #[test]
    fn a_package_with_a_longer_name_is_another_one() {
        let refused = imports(found(&["kulta:analysis-two/log@1.0.0"]));
        assert!(
            matches!(refused, Err(InspectError::UnknownImport { .. })),
            "{refused:?}"
        );
    }

    #[test]
    fn wasi_is_refused_with_the_target_to_build_for() {
        let refused = imports(found(&["wasi:io/poll@0.2.0"])).unwrap_err();
        assert!(
            refused.to_string().contains("wasm32-unknown-unknown"),
            "{refused}"
        );
    }

    #[test]
    fn a_plugin_can_be_made_for_both_worlds() {
        let exports = [
            "kulta:analysis/plugin@1.0.0",
            "kulta:analysis/metric@1.0.0",
            "kulta:analysis/gate@1.0.0",
        ];
        assert_eq!(
            worlds(&found(&exports)).unwrap(),
            [World::MetricAnalysis, World::PromotionGate].into()
        );
    }

    #[test]
    fn a_metric_that_does_not_describe_itself_is_refused() {
        let refused = worlds(&found(&["kulta:analysis/metric@1.0.0"]));
        assert!(
            matches!(refused, Err(InspectError::WrongWorld { .. })),
            "{refused:?}"
        );
    }
}
