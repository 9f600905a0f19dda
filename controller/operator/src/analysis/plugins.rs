//! The plugins that are in service, and what is wrong with those that are not.
//!
//! Those of ConfigMaps come, change and go while the controller runs ([`super::plugin_loader`]). A version that was
//! replaced is kept for a while: an analysis ends with the version that it began with, as long as that is here.

mod version;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kulta_plugin_host::limits::Limits;
use kulta_plugin_host::{Delivery, Digest, Host, InspectError, LoadFailure, Plugin};
use parking_lot::Mutex;
use thiserror::Error;
use tokio::time::Instant;

use self::version::Versions;
use super::configuration::{Configuration, PluginSettings};

/// The plugins that come with the controller, by the names that metrics and gates use; built by `cargo xtask plugins`.
const BUNDLED: [(&str, &[u8]); 3] = [
    (
        "prometheus",
        include_bytes!("../../../../plugins/dist/prometheus.wasm"),
    ),
    (
        "schedule",
        include_bytes!("../../../../plugins/dist/schedule.wasm"),
    ),
    (
        "sequential",
        include_bytes!("../../../../plugins/dist/sequential.wasm"),
    ),
];

/// A name is no longer than this: that of a label, and what the names of files leave room for.
const NAME_BYTES: usize = 63;

/// The plugins that are in service, by the names that metrics use. Shared by those who load and those who use them.
#[derive(Default)]
pub struct Plugins {
    configured: BTreeMap<String, PluginSettings>,
    /// All providers: the bundled plugins may ask each of them.
    providers: BTreeSet<String>,
    known: Mutex<BTreeMap<String, Known>>,
}

/// One version of a plugin, with what it may use.
pub struct InService {
    /// What is called.
    pub plugin: Plugin,
    /// The providers that it may ask.
    pub grants: BTreeSet<String>,
    /// What one call may use.
    pub limits: Limits,
}

/// What is known of the plugin of one name. Without a version and without a problem it is being loaded.
#[derive(Default)]
struct Known {
    versions: Versions,
    problem: Option<String>,
}

/// A plugin that comes with the controller can't be used: the binary is broken, or does not fit this machine.
#[derive(Debug, Error)]
#[error("a bundled plugin can't be used")]
pub enum BundledError {
    /// It is none.
    Inspect(#[from] InspectError),
    /// It can't be loaded.
    Load(#[from] LoadFailure),
}

/// A plugin can't be had.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unavailable {
    /// Its file was found, and is being looked at: to be asked for again soon.
    #[error("the plugin {name:?} is being loaded")]
    Loading {
        /// As asked for.
        name: String,
    },
    /// There is none.
    #[error("there is no plugin {name:?}; those in service are: {in_service}")]
    Unknown {
        /// As asked for.
        name: String,
        /// The names of those that there are.
        in_service: String,
    },
    /// Others may use it.
    #[error(
        "the plugin {name:?} is not for analyses of the namespace {namespace:?}: whoever operates KULTA can list it in \
         plugins.{name}.namespaces"
    )]
    OtherNamespace {
        /// As asked for.
        name: String,
        /// Who asks.
        namespace: String,
    },
    /// There is a file, and something is wrong with it.
    #[error("the plugin {name:?} is not in service: {problem}")]
    Refused {
        /// As asked for.
        name: String,
        /// What is wrong, and what to do.
        problem: String,
    },
}

/// Whether a plugin of this name comes with the controller.
#[must_use]
pub fn is_bundled(name: &str) -> bool {
    BUNDLED.iter().any(|(bundled, _)| *bundled == name)
}

/// Whether a plugin can have this name: small letters, digits, `-` and `_`, as Cargo names what it builds.
#[must_use]
pub fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= NAME_BYTES
        && name.bytes().next().is_some_and(plain)
        && name
            .bytes()
            .all(|byte| plain(byte) || matches!(byte, b'-' | b'_'))
}

impl Plugins {
    /// Takes the bundled plugins into service, with what the operator says of them and of others.
    ///
    /// # Errors
    /// When one of them can't be loaded.
    pub async fn bundled(host: &Host, configuration: &Configuration) -> Result<Self, BundledError> {
        let plugins = Self::configured(configuration);
        for (name, bytes) in BUNDLED {
            let delivery = Delivery::read(bytes)?;
            let plugin = host.load(name, &delivery, &plugins.settings(name).limits).await?;
            plugins.install(name, plugin);
        }
        Ok(plugins)
    }

    /// No plugin, and what the operator says of those to come.
    pub(super) fn configured(configuration: &Configuration) -> Self {
        Self {
            configured: configuration.plugins.clone(),
            providers: configuration.providers.keys().cloned().collect(),
            known: Mutex::default(),
        }
    }

    /// The plugin that metrics know as `name`, for an analysis of `namespace`. `begun_with` is the digest that it was
    /// given before: it gets the same version again if that is still here, else the one that is in service now.
    ///
    /// # Errors
    /// When there is no such plugin, or not for this namespace, or none yet.
    pub fn get(
        &self,
        name: &str,
        namespace: &str,
        begun_with: Option<&str>,
    ) -> Result<Arc<InService>, Unavailable> {
        let name_owned = || name.to_owned();
        let mut known = self.known.lock();
        let Some(found) = known.get_mut(name) else {
            let name = name_owned();
            let in_service = self.names(&known, namespace);
            return Err(Unavailable::Unknown { name, in_service });
        };
        if !self.settings(name).serves(namespace) {
            let (name, namespace) = (name_owned(), namespace.to_owned());
            return Err(Unavailable::OtherNamespace { name, namespace });
        }
        let version = found.versions.get(begun_with, Instant::now());
        version.ok_or_else(|| match &found.problem {
            None => Unavailable::Loading { name: name_owned() },
            Some(problem) => Unavailable::Refused {
                name: name_owned(),
                problem: problem.clone(),
            },
        })
    }

    /// What the operator says of a plugin.
    #[must_use]
    pub fn settings(&self, name: &str) -> PluginSettings {
        self.configured.get(name).cloned().unwrap_or_default()
    }

    /// The names of plugins that the operator has said something of, and of which nothing is there.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let known = self.known.lock();
        let names = self.configured.keys();
        names.filter(|name| !known.contains_key(*name)).cloned().collect()
    }

    /// A file of this plugin was found: whoever asks for it waits until it is loaded or refused.
    pub fn expect(&self, name: &str) {
        self.known.lock().entry(name.to_owned()).or_default();
    }

    /// Takes a version into service, in place of the one before.
    pub fn install(&self, name: &str, plugin: Plugin) {
        let settings = self.settings(name);
        let grants = match settings.providers {
            Some(listed) => listed.into_iter().collect(),
            None if is_bundled(name) => self.providers.clone(),
            None => BTreeSet::new(),
        };
        let limits = settings.limits;
        let version = InService {
            plugin,
            grants,
            limits,
        };
        let mut known = self.known.lock();
        let found = known.entry(name.to_owned()).or_default();
        found.versions.add(Arc::new(version), Instant::now());
        found.problem = None;
    }

    /// Whether a version with this digest is still here: it is then in service, without being loaded again.
    pub fn serve_again(&self, name: &str, digest: Digest) -> bool {
        let mut known = self.known.lock();
        let Some(found) = known.get_mut(name) else {
            return false;
        };
        let here = found.versions.put_first(digest, Instant::now());
        if here {
            found.problem = None;
        }
        here
    }

    /// Something is wrong with a plugin's file; the version in service goes on. Whether this is news.
    pub fn refuse(&self, name: &str, problem: &str) -> bool {
        let mut known = self.known.lock();
        let found = known.entry(name.to_owned()).or_default();
        let news = found.problem.as_deref() != Some(problem);
        found.problem = Some(problem.to_owned());
        news
    }

    /// Takes the plugins out of service of which there is no file any more. Answers their names.
    pub fn retain(&self, files: &BTreeSet<String>) -> Vec<String> {
        let mut known = self.known.lock();
        let gone = |name: &str| !is_bundled(name) && !files.contains(name);
        let removed = known.keys().filter(|name| gone(name)).cloned().collect();
        known.retain(|name, _| !gone(name));
        removed
    }

    /// Forgets replaced versions that nobody has asked for in a long time.
    pub fn forget_unused(&self) {
        let now = Instant::now();
        for found in self.known.lock().values_mut() {
            found.versions.forget_unused(now);
        }
    }

    /// The names of those that analyses of `namespace` may use, for messages.
    fn names(&self, known: &BTreeMap<String, Known>, namespace: &str) -> String {
        let usable = known
            .iter()
            .filter(|(name, known)| known.versions.is_in_service() && self.settings(name).serves(namespace));
        let names: Vec<_> = usable.map(|(name, _)| name.as_str()).collect();
        if names.is_empty() {
            return "none".to_owned();
        }
        names.join(", ")
    }
}

#[cfg(test)]
pub(super) mod tests;
