//! What the operator has set up: one strict YAML file, read when the controller starts.

mod plugin;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Uri;
use serde::Deserialize;
use thiserror::Error;

pub use self::plugin::PluginSettings;
use super::plugins::{is_bundled, is_name};

/// The word for every namespace.
const EVERY_NAMESPACE: &str = "*";

/// No query may take longer: a provider that is slower is as good as none.
const LONGEST_TIMEOUT_SECONDS: u64 = 5;

/// The operator's configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Configuration {
    /// Where metrics come from, by the names that plugins know them under.
    pub providers: BTreeMap<String, Provider>,
    /// What plugins may do, by their names: those of their files, without `.wasm`.
    pub plugins: BTreeMap<String, PluginSettings>,
}

/// A Prometheus, or what answers like one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Provider {
    /// Where it is, such as `http://prometheus.monitoring:9090`; `/api/v1/query` is added.
    #[serde(deserialize_with = "address")]
    pub address: Uri,
    /// The namespaces whose analyses may ask it; `*`: every one. None may where the list is empty.
    pub namespaces: Vec<String>,
    /// Seconds that an answer may take, at most 5. Default: 5.
    #[serde(default = "default_timeout")]
    pub timeout_seconds: u64,
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
        let out_of_range = |(_, provider): &(&String, &Provider)| {
            !(1..=LONGEST_TIMEOUT_SECONDS).contains(&provider.timeout_seconds)
        };
        let providers = self.providers.iter().filter(out_of_range).map(|(name, _)| {
            format!("providers.{name}.timeoutSeconds: must be from 1 to {LONGEST_TIMEOUT_SECONDS}")
        });
        let plugins = self.plugins.iter();
        let plugins = plugins.flat_map(|(name, settings)| self.problems_of(name, settings));
        providers.chain(plugins).collect()
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
        problems
    }

    fn parse(text: &str) -> Result<Self, Box<serde_saphyr::Error>> {
        serde_saphyr::from_str(text).map_err(Box::new)
    }
}

impl Provider {
    /// Whether analyses of `namespace` may ask it.
    #[must_use]
    pub fn serves(&self, namespace: &str) -> bool {
        lists(&self.namespaces, namespace)
    }

    /// How long an answer may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_seconds)
    }
}

/// Whether a list of namespaces has this one in it.
fn lists(namespaces: &[String], namespace: &str) -> bool {
    namespaces
        .iter()
        .any(|name| name == EVERY_NAMESPACE || name == namespace)
}

const fn default_timeout() -> u64 {
    LONGEST_TIMEOUT_SECONDS
}

fn address<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Uri, D::Error> {
    let text = String::deserialize(deserializer)?;
    let uri: Uri = text.parse().map_err(serde::de::Error::custom)?;
    let plain = uri.scheme_str() == Some("http") && uri.authority().is_some() && uri.query().is_none();
    if plain {
        return Ok(uri);
    }
    Err(serde::de::Error::custom(format!(
        "{text:?} is no address of a provider: write http://HOST:PORT, with a path where there is one"
    )))
}

#[cfg(test)]
mod tests;
