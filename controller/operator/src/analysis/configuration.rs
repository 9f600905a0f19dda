//! What the operator has set up: one strict YAML file, read when the controller starts.

mod plugin;
mod provider;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use thiserror::Error;

pub use self::plugin::{Grants, PluginSettings, Servers};
pub use self::provider::{Provider, ProviderLimits};
use super::plugins::{is_bundled, is_name};
use crate::access::Allowed;
use crate::delivery::configuration::EventSettings;

/// The word for every namespace.
const EVERY_NAMESPACE: &str = "*";

/// The operator's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Configuration {
    /// Where metrics come from, by the names that plugins know them under.
    pub providers: BTreeMap<String, Provider>,
    /// Addresses that metrics may write (`provider.prometheus.address`) beside those of providers. Default: none.
    pub allowed_addresses: Vec<Allowed>,
    /// What plugins may do, by their names: those of their files, without `.wasm`.
    pub plugins: BTreeMap<String, PluginSettings>,
    /// Where events go.
    pub events: EventSettings,
}

/// A configuration that can't be used.
#[derive(Debug, Error)]
pub enum ConfigurationError {
    /// The file can't be read.
    #[error("can't read the configuration {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file makes no sense.
    #[error("the configuration {} can't be used", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        #[source]
        source: Box<serde_saphyr::Error>,
    },
    /// Its parts don't fit together.
    #[error("the configuration {} can't be used: {}", path.display(), problems.join("; "))]
    Contradictory {
        /// The file.
        path: PathBuf,
        /// What is wrong, each with the field and what to do.
        problems: Vec<String>,
    },
}

impl Configuration {
    /// The configuration in the file at `path`.
    ///
    /// # Errors
    /// When it can't be read, has a field that nobody knows, or a value that means nothing.
    pub fn read(path: &Path) -> Result<Self, ConfigurationError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigurationError::Read {
            path: path.to_owned(),
            source,
        })?;
        let configuration = Self::parse(&text).map_err(|source| ConfigurationError::Parse {
            path: path.to_owned(),
            source,
        })?;
        let problems = configuration.problems();
        if problems.is_empty() {
            return Ok(configuration);
        }
        let path = path.to_owned();
        Err(ConfigurationError::Contradictory { path, problems })
    }

    /// What is wrong although every field makes sense by itself.
    fn problems(&self) -> Vec<String> {
        let providers = self.providers.iter();
        let providers = providers.flat_map(|(name, provider)| provider.problems(name));
        let plugins = self.plugins.iter();
        let plugins = plugins.flat_map(|(name, settings)| self.problems_of(name, settings));
        providers.chain(plugins).chain(self.events.problems()).collect()
    }

    fn problems_of(&self, name: &str, settings: &PluginSettings) -> Vec<String> {
        let mut problems = Vec::new();
        if !is_name(name) {
            problems.push(format!(
                "plugins.{name}: a plugin's name is that of its file without .wasm: small letters, digits, - and _"
            ));
        }
        if is_bundled(name) && settings.sha256.is_some() {
            problems.push(format!(
                "plugins.{name}.sha256: the plugin comes with KULTA, its version with the image: leave it out"
            ));
        }
        for (index, provider) in settings.providers.iter().flatten().enumerate() {
            if !self.providers.contains_key(provider) {
                problems.push(format!(
                    "plugins.{name}.providers[{index}]: there is no provider {provider:?}: name one of those under \
                     `providers`, or add it there"
                ));
            }
        }
        problems.extend(settings.http.problems(name));
        problems
    }

    fn parse(text: &str) -> Result<Self, Box<serde_saphyr::Error>> {
        // Line and column are enough: lines of the file might have a password in them.
        let options = serde_saphyr::options! { with_snippet: false };
        serde_saphyr::from_str_with_options(text, options).map_err(Box::new)
    }
}

/// Whether a list of namespaces has this one in it.
pub(crate) fn lists(namespaces: &[String], namespace: &str) -> bool {
    namespaces
        .iter()
        .any(|name| name == EVERY_NAMESPACE || name == namespace)
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
