//! Scenarios as files: a manifest, what is done to it, and which states it comes to. They play on the fake cluster
//! (`controller/core/tests/files.rs`) and on the real one (`tests/e2e/tests/files.rs`), and mean the same on both.
//!
//! [`Scenario`] is a file, [`Expected`] a state in it, [`Seen`] what a cluster shows.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
pub use json_patch::merge;
use serde::Deserialize;
use serde_json::Value;

/// The name of the Rollout in every file.
pub const ROLLOUT: &str = "web";
/// The version whose pods never become ready.
pub const NEVER_READY: u32 = 4;
/// The version that answers with errors: analyses of it fail.
pub const BAD: u32 = 3;
/// The versions of the application that files may name.
pub const VERSIONS: [u32; 4] = [1, 2, BAD, NEVER_READY];

/// A file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The name of the file, without its ending.
    #[serde(skip)]
    pub name: String,
    /// The paragraph of Argo Rollouts' behaviour that it is about, and what stands there.
    pub paragraph: String,
    /// The manifest of the Rollout, for Argo Rollouts. Selector and template are those of the application.
    pub manifest: Value,
    /// What happens, in order. Version 1 is deployed at the beginning.
    pub play: Vec<Act>,
}

/// One line of a play.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Act {
    /// It is waited for this state.
    Reaches(Box<Expected>),
    /// This version of the application is applied.
    Version(u32),
    /// A user acts.
    Does(Action),
    /// Fields are merged into the spec, as `kubectl patch --type merge` does.
    Patch(Value),
}

/// What a user does, by the names of `kubectl argo rollouts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// Goes back to the stable version.
    Abort,
    /// Tries an aborted version again.
    Retry,
    /// Goes on after a pause.
    Promote,
    /// Goes on without what is left of the steps.
    PromoteFull,
    /// Goes on without the step under way.
    SkipStep,
}

/// A state: all that it names holds at the same time.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Expected {
    /// Fields of the status, with these values. Null: not there.
    pub status: Value,
    /// By the type of a condition, fields of it.
    pub conditions: BTreeMap<String, Value>,
    /// The pods that each version is to have; others have none.
    pub pods: Option<BTreeMap<u32, u32>>,
    /// The share of the new version in the route, in percent.
    pub weight: Option<u32>,
    /// The version that is stable.
    pub stable: Option<u32>,
    /// The version that each Service selects. Null: it selects all.
    pub services: BTreeMap<String, Option<u32>>,
}

/// What a cluster shows of the Rollout.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// The status as written.
    pub status: Value,
    /// The pods that each version is to have, where it is to have any.
    pub pods: BTreeMap<u32, u32>,
    /// The share of the new version in the route.
    pub weight: Option<u32>,
    /// The version that is stable.
    pub stable: Option<u32>,
    /// The version that each Service selects.
    pub services: BTreeMap<String, Option<u32>>,
}

impl Scenario {
    /// All files, by their names.
    ///
    /// # Errors
    /// When one can't be read, or is no scenario.
    pub fn all() -> Result<Vec<Self>> {
        let folder = folder();
        let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        let mut paths = entries
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<Vec<_>>>()?;
        paths.sort();
        paths.iter().map(Self::read).collect()
    }

    /// The file of this name.
    ///
    /// # Errors
    /// When it can't be read, or is no scenario.
    pub fn named(name: &str) -> Result<Self> {
        Self::read(&folder().join(format!("{name}.yaml")))
    }

    fn read(path: &PathBuf) -> Result<Self> {
        let told = || path.display().to_string();
        let text = fs::read_to_string(path).with_context(told)?;
        let value: Value = serde_saphyr::from_str(&text).with_context(told)?;
        let mut scenario: Self = serde_json::from_value(value).with_context(told)?;
        let name = path.file_stem().unwrap_or_default();
        scenario.name = name.to_string_lossy().into_owned();
        scenario.check().with_context(told)?;
        Ok(scenario)
    }

    /// What would otherwise be found out in the middle of a play.
    fn check(&self) -> Result<()> {
        for act in &self.play {
            match act {
                Act::Version(version) if !VERSIONS.contains(version) => {
                    bail!("there is no version {version}: {VERSIONS:?}")
                }
                Act::Reaches(expected) if **expected == Expected::default() => {
                    bail!("a state that names nothing holds always")
                }
                Act::Version(_) | Act::Reaches(_) | Act::Does(_) | Act::Patch(_) => {}
            }
        }
        match self.play.last() {
            Some(Act::Reaches(_)) => Ok(()),
            _ => bail!("a play ends with a state"),
        }
    }

    /// Whether what it asks for needs requests to be measured.
    #[must_use]
    pub fn measures(&self) -> bool {
        self.manifest.to_string().contains("templateName")
    }
}

impl Expected {
    /// What is otherwise; None: nothing is.
    #[must_use]
    pub fn differs(&self, seen: &Seen) -> Option<String> {
        let mut told = String::new();
        let mut tell = |what: &str, expected: &dyn std::fmt::Debug, found: &dyn std::fmt::Debug| {
            // Texts take all that is written.
            let _ = writeln!(told, "  {what}: expected {expected:?}, found {found:?}");
        };
        for (path, expected, found) in missing(&self.status, &seen.status, "status") {
            tell(&path, &expected, &found);
        }
        for (kind, expected) in &self.conditions {
            let conditions = seen.status.get("conditions").and_then(Value::as_array);
            let mut conditions = conditions.into_iter().flatten();
            let found = conditions.find(|condition| condition.get("type").is_some_and(|found| found == kind));
            let found = found.cloned().unwrap_or_default();
            for (path, expected, found) in missing(expected, &found, kind) {
                tell(&path, &expected, &found);
            }
        }
        if let Some(pods) = self.pods.as_ref().filter(|pods| **pods != seen.pods) {
            tell("pods", pods, &seen.pods);
        }
        if self.weight.is_some() && self.weight != seen.weight {
            tell("weight", &self.weight, &seen.weight);
        }
        if self.stable.is_some() && self.stable != seen.stable {
            tell("stable", &self.stable, &seen.stable);
        }
        for (service, expected) in &self.services {
            let found = seen.services.get(service);
            if found != Some(expected) {
                tell(service, expected, &found);
            }
        }
        (!told.is_empty()).then_some(told)
    }
}

/// The values in `found` that are not those of `expected`, by their paths.
fn missing(expected: &Value, found: &Value, path: &str) -> Vec<(String, Value, Value)> {
    match expected {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(name, expected)| {
                let found = found.get(name).unwrap_or(&Value::Null);
                missing(expected, found, &format!("{path}.{name}"))
            })
            .collect(),
        _ if expected == found || path == "status" && expected.is_null() => Vec::new(),
        _ => vec![(path.to_owned(), expected.clone(), found.clone())],
    }
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/files"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn expected(value: Value) -> Expected {
        serde_json::from_value(value).unwrap()
    }

    fn seen() -> Seen {
        Seen {
            status: json!({
                "phase": "Paused",
                "canary": {"weights": {"verified": true}},
                "conditions": [{"type": "Paused", "status": "True", "reason": "RolloutPaused"}],
            }),
            pods: BTreeMap::from([(1, 3), (2, 1)]),
            weight: Some(25),
            stable: Some(1),
            services: BTreeMap::from([("web-stable".to_owned(), Some(1)), ("web".to_owned(), None)]),
        }
    }

    #[test]
    fn every_file_is_a_scenario() {
        assert!(!Scenario::all().unwrap().is_empty());
    }

    #[test]
    fn state_holds_where_all_that_it_names_is_seen() {
        let state = expected(json!({
            "status": {"phase": "Paused", "canary": {"weights": {"verified": true}}, "abort": null},
            "conditions": {"Paused": {"status": "True"}},
            "pods": {"1": 3, "2": 1}, "weight": 25, "stable": 1,
            "services": {"web-stable": 1, "web": null},
        }));

        assert_eq!(state.differs(&seen()), None);
    }

    #[test]
    fn everything_that_differs_is_told() {
        let state = expected(json!({
            "status": {"phase": "Healthy"}, "conditions": {"Paused": {"reason": "Other"}},
            "pods": {"2": 4}, "weight": 0, "stable": 2, "services": {"web-stable": 2, "nobody": 1},
        }));

        let told = state.differs(&seen()).unwrap();

        for what in [
            "status.phase",
            "Paused.reason",
            "pods",
            "weight",
            "stable",
            "web-stable",
            "nobody",
        ] {
            assert!(told.contains(&format!("  {what}: ")), "{what}: {told}");
        }
    }

    #[test]
    fn condition_that_is_not_there_differs() {
        let state = expected(json!({"conditions": {"InvalidSpec": {"status": "True"}}}));

        assert!(state.differs(&seen()).is_some());
    }

    #[test]
    fn patch_replaces_lists_and_takes_away_what_is_null() {
        let mut spec =
            json!({"replicas": 4, "paused": true, "strategy": {"canary": {"steps": [1, 2], "maxSurge": 1}}});

        merge(
            &mut spec,
            &json!({"paused": null, "strategy": {"canary": {"steps": [3]}}}),
        );

        assert_eq!(
            spec,
            json!({"replicas": 4, "strategy": {"canary": {"steps": [3], "maxSurge": 1}}})
        );
    }
}
