//! The plugins that are in service, and what is wrong with those that are not.
//!
//! Those of ConfigMaps come, change and go while the controller runs ([`super::plugin_loader`]). A version that was
//! replaced is kept for a while: an analysis ends with the version that it began with, as long as that is here.

mod state;
mod version;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use futures::future::join_all;
use kulta_core::text::with_causes;
use kulta_plugin_host::limits::Limits;
use kulta_plugin_host::{Delivery, Digest, Host, InspectError, LoadFailure, Plugin};
use parking_lot::{Mutex, RwLock};
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

pub use self::state::ServiceState;
use self::version::Versions;
use super::configuration::{Configuration, PluginSettings, Servers};
use crate::metrics::plugins::PluginStates;

/// The plugins that come with the controller, by the names that metrics and gates use; built by `cargo xtask plugins`.
const BUNDLED: [(&str, &[u8]); 4] = [
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
    (WEB, include_bytes!("../../../../plugins/dist/web.wasm")),
];
/// The plugin that measures `provider.web`.
pub const WEB: &str = kulta_api::analysis::WEB_PLUGIN;

/// How soon a bundled plugin that could not be loaded is tried again, the first time and at most.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_mins(1);

/// A name is no longer than this: that of a label, and what the names of files leave room for.
const NAME_BYTES: usize = 63;

/// The plugins that are in service, by the names that metrics use. Shared by those who load and those who use them.
#[derive(Default)]
pub struct Plugins {
    operator: RwLock<Operator>,
    known: Mutex<BTreeMap<String, Known>>,
    /// Told when other versions are in service, or the operator says something else.
    changed: watch::Sender<()>,
}

/// What the operator says.
#[derive(Default)]
struct Operator {
    plugins: BTreeMap<String, PluginSettings>,
    /// All providers: the bundled plugins may ask each of them.
    providers: BTreeSet<String>,
    /// How often something else was said.
    changes: u64,
}

/// One version of a plugin, with what it may use.
pub struct InService {
    /// What is called.
    pub plugin: Plugin,
    /// The providers that it may ask.
    pub grants: BTreeSet<String>,
    /// What one call may use.
    pub limits: Limits,
    /// The servers that it may ask by HTTP.
    pub servers: Servers,
    /// It sees the texts of arguments that come from Secrets.
    pub secret_args: bool,
}

/// What is known of the plugin of one name. Without a version and without a problem it is being loaded.
#[derive(Default)]
struct Known {
    versions: Versions,
    problem: Option<String>,
}

/// A plugin that comes with the controller can't be used at the moment.
#[derive(Debug, Error)]
enum BundledError {
    #[error("it is none")]
    Inspect(#[from] InspectError),
    #[error(transparent)]
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
    /// The plugins to come, with what the operator says of them: the bundled ones will be there.
    #[must_use]
    pub fn new(configuration: &Configuration) -> Self {
        let plugins = Self::configured(configuration);
        for (name, _) in BUNDLED {
            plugins.expect(name);
        }
        plugins
    }

    /// Takes the bundled plugins into service. One that can't be loaded is tried again for as long as it takes: nothing is
    /// wrong with what is part of the program, only the machine has no time or memory for it now.
    pub async fn load_bundled(&self, host: &Host) {
        let loads = BUNDLED.map(async |(name, bytes)| {
            let mut delays = ExponentialBuilder::new()
                .with_min_delay(FIRST_RETRY)
                .with_max_delay(LONGEST_RETRY)
                .without_max_times()
                .build();
            while let Err(error) = self.load_one(host, name, bytes).await {
                let delay = delays.next().unwrap_or(LONGEST_RETRY);
                tracing::warn!(
                    plugin = name,
                    error = with_causes(&error),
                    ?delay,
                    "a bundled plugin is not loaded yet"
                );
                sleep(delay).await;
            }
        });
        join_all(loads).await;
    }

    async fn load_one(&self, host: &Host, name: &str, bytes: &[u8]) -> Result<(), BundledError> {
        let delivery = Delivery::read(bytes)?;
        let limits = self.settings(name).limits(name);
        let plugin = host.load_bundled(name, &delivery, &limits).await?;
        self.install(name, plugin);
        Ok(())
    }

    /// No plugin, and what the operator says of those to come.
    pub(super) fn configured(configuration: &Configuration) -> Self {
        let plugins = Self::default();
        plugins.configure(configuration);
        plugins
    }

    /// The operator says something else: it counts from the next call on, for versions in service, too. One that is not
    /// expected any more goes out of service.
    pub fn configure(&self, configuration: &Configuration) {
        {
            let mut operator = self.operator.write();
            operator.plugins.clone_from(&configuration.plugins);
            operator.providers = configuration.providers.keys().cloned().collect();
            operator.changes += 1;
        }
        for (name, known) in self.known.lock().iter_mut() {
            let settings = self.settings(name);
            let removed = known.versions.renew(|version| {
                let digest = version.plugin.identity().digest;
                settings
                    .expects(digest)
                    .then(|| self.granted(name, version.plugin.clone()))
            });
            if let Some(digest) = removed {
                known.problem = Some(format!(
                    "its digest {digest} is not expected any more: if it is the right version, add the digest to \
                     plugins.{name}.sha256"
                ));
            }
        }
        self.changed.send_replace(());
    }

    /// How often the operator has said something else: files that were refused may be well now.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.operator.read().changes
    }

    /// A version, with what the operator lets a plugin of this name use.
    fn granted(&self, name: &str, plugin: Plugin) -> InService {
        let settings = self.settings(name);
        let limits = settings.limits(name);
        let PluginSettings {
            providers,
            http: servers,
            grants: trusted,
            ..
        } = settings;
        let grants = match providers {
            Some(listed) => listed.into_iter().collect(),
            None if is_bundled(name) => self.operator.read().providers.clone(),
            None => BTreeSet::new(),
        };
        InService {
            plugin,
            grants,
            limits,
            servers,
            secret_args: trusted.secret_args,
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
            // What is wrong with a file of the same name is nothing to one that comes with the controller.
            _ if is_bundled(name) => Unavailable::Loading { name: name_owned() },
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
        self.operator
            .read()
            .plugins
            .get(name)
            .cloned()
            .unwrap_or_default()
    }

    /// The names of plugins that the operator has said something of, and of which nothing is there.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let known = self.known.lock();
        let operator = self.operator.read();
        let names = operator.plugins.keys();
        names.filter(|name| !known.contains_key(*name)).cloned().collect()
    }

    /// A file of this plugin was found: whoever asks for it waits until it is loaded or refused.
    pub fn expect(&self, name: &str) {
        self.known.lock().entry(name.to_owned()).or_default();
    }

    /// A file of this plugin could not be loaded for what will pass: whoever asks for it waits, whatever was wrong with the
    /// file before.
    pub fn await_loading(&self, name: &str) {
        self.known.lock().entry(name.to_owned()).or_default().problem = None;
    }

    /// Takes a version into service, in place of the one before. Whether the operator expects it: the configuration may
    /// have changed while it was compiled.
    pub fn install(&self, name: &str, plugin: Plugin) -> bool {
        let mut known = self.known.lock();
        if !self.settings(name).expects(plugin.identity().digest) {
            return false;
        }
        let version = self.granted(name, plugin);
        let found = known.entry(name.to_owned()).or_default();
        found.versions.add(Arc::new(version), Instant::now());
        found.problem = None;
        self.changed.send_replace(());
        true
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
            self.changed.send_replace(());
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
        let removed: Vec<_> = known.keys().filter(|name| gone(name)).cloned().collect();
        known.retain(|name, _| !gone(name));
        let without_file = known.iter_mut().filter(|(name, _)| !files.contains(*name));
        for (_bundled, found) in without_file {
            // It was about a file that had taken its name.
            found.problem = None;
        }
        if !removed.is_empty() {
            self.changed.send_replace(());
        }
        removed
    }

    /// How many there are.
    #[must_use]
    pub fn states(&self) -> PluginStates {
        let mut states = PluginStates::default();
        for known in self.known.lock().values() {
            let in_service = known.versions.is_in_service();
            let refused = known.problem.is_some();
            states.in_service += u64::from(in_service);
            states.refused += u64::from(refused);
            states.loading += u64::from(!in_service && !refused);
        }
        states
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
pub(crate) mod tests;
