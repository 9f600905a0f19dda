//! Takes the plugins of the plugin directory into service, and keeps up with what becomes of their files.
//!
//! The directory is looked at again and again instead of being watched: an inotify watch on a mounted ConfigMap ends
//! with each switch of `..data`, other volumes give no notice at all, and the kubelet itself takes a minute or two to
//! bring a change. A look costs a few system calls for each file; a file is read only when it is another one. Files are
//! loaded one at a time, with a look after each: what comes meanwhile is known before its turn, and is waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use kulta_core::text::with_causes;
use kulta_plugin_host::{Delivery, Digest, Host, LoadFailure, Plugin};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};

use super::configuration::{Configuration, PluginSettings};
use super::plugin_directory::{self, FileError, Found, Listing};
use super::plugins::{Plugins, is_bundled, is_name};
use crate::metrics::Metrics;
use crate::metrics::plugins::LoadResult;

/// From one look at the directory to the next: short beside the minute that the kubelet takes.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A file that could not be loaded because the machine had no time or no memory for it is tried again so soon, and then
/// after twice as long each time, so many times; until then whoever needs it waits. Half a minute in all, besides the time
/// of the trials: a file that keeps every machine busy must not hold up analyses for ever.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const RETRIES: usize = 5;
/// A file that was refused is looked at again after this time although it is the same: what the machine had no time for
/// can go well later. A file that is at fault costs its trial again.
const TRY_AGAIN_AFTER: Duration = Duration::from_mins(5);
/// The interface through which plugins ask providers, as it begins in their imports.
const METRICS_INTERFACE: &str = "kulta:analysis/metrics@";

/// Loads plugins from a directory.
pub(super) struct PluginLoader {
    host: Arc<Host>,
    plugins: Arc<Plugins>,
    metrics: Arc<Metrics>,
    directory: PathBuf,
    /// The files that were found, by the names of their plugins.
    handled: BTreeMap<String, Handled>,
    /// What the operator's configuration was when they were.
    changes: u64,
    /// What was wrong with the directory at the last look.
    problems: Vec<String>,
}

struct Handled {
    file: Found,
    /// When it is its turn, for the first time or again although it has not changed.
    again_at: Option<Instant>,
    /// How long is waited each time that the machine is at fault, and not the file. At their end the file is.
    waits: ExponentialBackoff,
}

/// Why a file was not taken into service.
pub(crate) struct Fault {
    pub(crate) problem: String,
    /// It can go well the next time although the file is the same.
    pub(crate) is_passing: bool,
}

impl PluginLoader {
    pub(super) fn new(
        host: Arc<Host>,
        plugins: Arc<Plugins>,
        metrics: Arc<Metrics>,
        directory: PathBuf,
    ) -> Self {
        Self {
            changes: plugins.changes(),
            host,
            plugins,
            metrics,
            directory,
            handled: BTreeMap::new(),
            problems: Vec::new(),
        }
    }

    /// Makes known which plugins there will be. To be called before the first analysis, which then waits for them.
    pub(super) async fn announce(&mut self) {
        let listing = self.list().await;
        for name in listing.plugins.keys() {
            self.plugins.expect(name);
        }
        for name in self.plugins.missing() {
            let directory = self.directory.display();
            tracing::warn!(plugin = name, %directory, "configured, but no folder has a file of this name");
        }
    }

    /// Looks at the directory and loads what it finds, for ever.
    pub(super) async fn run(mut self) -> Infallible {
        loop {
            self.look().await;
            self.metrics.plugins.are(self.plugins.states());
            self.load_next().await;
            self.metrics.plugins.are(self.plugins.states());
            sleep_until(self.next_look()).await;
        }
    }

    /// A file that waits for its turn is not kept waiting for the next look.
    fn next_look(&self) -> Instant {
        let look = Instant::now() + LOOK_EVERY;
        let turns = self.handled.values().filter_map(|handled| handled.again_at);
        turns.min().map_or(look, |turn| turn.min(look))
    }

    /// Looks at the directory once. Whatever is new is waited for from now on.
    async fn look(&mut self) {
        let changes = self.plugins.changes();
        if std::mem::replace(&mut self.changes, changes) != changes {
            // Another digest may be expected now.
            self.handled.clear();
        }
        let listing = self.list().await;
        if listing.problems.is_empty() {
            self.remove_missing(&listing);
        }
        for name in listing.plugins.keys() {
            self.plugins.expect(name);
        }
        for (name, files) in listing.plugins {
            self.note(name, files);
        }
        self.plugins.forget_unused();
    }

    async fn list(&mut self) -> Listing {
        let directory = self.directory.clone();
        let listing = spawn_blocking(move || plugin_directory::list(&directory)).await;
        let listing = listing.unwrap_or_else(|error| Listing {
            problems: vec![error.to_string()],
            ..Listing::default()
        });
        for problem in &listing.problems {
            if !self.problems.contains(problem) {
                tracing::warn!(problem, "the plugin directory can't be listed");
            }
        }
        self.problems.clone_from(&listing.problems);
        listing
    }

    fn remove_missing(&mut self, listing: &Listing) {
        let names: BTreeSet<_> = listing.plugins.keys().cloned().collect();
        self.handled.retain(|name, _| names.contains(name));
        for name in self.plugins.retain(&names) {
            tracing::info!(plugin = name, "out of service: its file is gone");
        }
    }

    /// A file that is another one than before gets its turn.
    fn note(&mut self, name: String, files: Vec<Found>) {
        let file = match only(&name, files) {
            Ok(file) => file,
            Err(problem) => {
                self.handled.remove(&name);
                self.refuse(&name, &problem);
                return;
            }
        };
        if self.handled.get(&name).is_none_or(|before| before.file != file) {
            self.handled.insert(name, Handled::new(file));
        }
    }

    /// Loads the file that has waited longest for its turn. Whether there was one.
    async fn load_next(&mut self) -> bool {
        let now = Instant::now();
        let turns = self
            .handled
            .iter()
            .filter_map(|(name, handled)| Some((handled.again_at?, name)));
        let Some(name) = turns
            .filter(|(turn, _)| *turn <= now)
            .min()
            .map(|(_, name)| name.clone())
        else {
            return false;
        };
        let Some(mut handled) = self.handled.remove(&name) else {
            return false;
        };
        let fault = self.take(&name, &handled.file).await.err();
        handled.again_at = fault.map(|fault| {
            let problem = format!("{}: {}", handled.file.path.display(), fault.problem);
            let wait = handled.waits.next().filter(|_| fault.is_passing);
            Instant::now() + self.put_off(&name, &problem, wait)
        });
        self.handled.insert(name, handled);
        true
    }

    /// Tells what is wrong with a file; answers after which time it is tried again. With a time to wait it counts as
    /// being loaded.
    fn put_off(&self, name: &str, problem: &str, wait: Option<Duration>) -> Duration {
        let Some(wait) = wait else {
            self.refuse(name, problem);
            return TRY_AGAIN_AFTER;
        };
        self.plugins.await_loading(name);
        tracing::warn!(plugin = name, problem, ?wait, "a plugin is not loaded yet");
        wait
    }

    /// Takes what is in a file into service.
    async fn take(&self, name: &str, file: &Found) -> Result<(), Fault> {
        let settings = self.plugins.settings(name);
        let delivery = expected(name, &settings, self.directory.clone(), file.path.clone()).await?;
        let digest = delivery.digest();
        if self.plugins.serve_again(name, digest) {
            return Ok(());
        }
        let loaded = self.host.load(name, &delivery, &settings.limits(name)).await;
        let plugin = loaded?;
        tell(name, &plugin, settings.providers.as_deref().unwrap_or_default());
        if !self.plugins.install(name, plugin) {
            return Err(Fault::unexpected(name, digest));
        }
        self.metrics.plugins.loaded(LoadResult::InService);
        Ok(())
    }

    fn refuse(&self, name: &str, problem: &str) {
        if self.plugins.refuse(name, problem) {
            tracing::warn!(plugin = name, problem, "plugin refused");
            self.metrics.plugins.loaded(LoadResult::Refused);
        }
    }
}

impl Handled {
    /// A file that nothing was done with yet.
    fn new(file: Found) -> Self {
        let waits = ExponentialBuilder::new()
            .with_min_delay(FIRST_RETRY)
            .with_max_times(RETRIES)
            .build();
        Self {
            file,
            again_at: Some(Instant::now()),
            waits,
        }
    }
}

/// What would become of each plugin that has a file in `directory`, or that the configuration says something of: its version, or
/// what is wrong with it.
pub(crate) async fn examine(
    host: &Host,
    configuration: &Configuration,
    directory: &Path,
) -> Vec<(String, Result<String, Fault>)> {
    let listing = plugin_directory::list(directory);
    let problems = listing.problems.into_iter();
    let mut examined: Vec<_> = problems
        .map(|problem| (directory.display().to_string(), Err(Fault::lasting(problem))))
        .collect();
    let configured = configuration.plugins.keys();
    let missing = configured.filter(|name| !is_bundled(name) && !listing.plugins.contains_key(*name));
    examined.extend(missing.map(|name| {
        let problem = format!("no folder in {} has a file of this name", directory.display());
        (name.clone(), Err(Fault::lasting(problem)))
    }));
    for (name, files) in listing.plugins {
        let settings = configuration.plugins.get(&name).cloned().unwrap_or_default();
        let result = match only(&name, files) {
            Ok(file) => try_out(host, &name, &settings, directory, file).await,
            Err(problem) => Err(Fault::lasting(problem)),
        };
        examined.push((name, result));
    }
    examined
}

async fn try_out(
    host: &Host,
    name: &str,
    settings: &PluginSettings,
    directory: &Path,
    file: Found,
) -> Result<String, Fault> {
    let delivery = expected(name, settings, directory.to_owned(), file.path).await?;
    let plugin = host.load(name, &delivery, &settings.limits(name)).await?;
    Ok(plugin.identity().version.clone())
}

/// What is in a file, if its digest is one that the operator expects.
async fn expected(
    name: &str,
    settings: &PluginSettings,
    directory: PathBuf,
    path: PathBuf,
) -> Result<Delivery, Fault> {
    let read = spawn_blocking(move || plugin_directory::read(&directory, &path)).await;
    let delivery = read.map_err(|error| Fault::lasting(error.to_string()))??;
    if settings.expects(delivery.digest()) {
        return Ok(delivery);
    }
    Err(Fault::unexpected(name, delivery.digest()))
}

impl Fault {
    fn unexpected(name: &str, digest: Digest) -> Self {
        Self::lasting(format!(
            "its digest {digest} is not expected: if it is the right version, add the digest to plugins.{name}.sha256"
        ))
    }

    const fn lasting(problem: String) -> Self {
        Self {
            problem,
            is_passing: false,
        }
    }
}

impl From<LoadFailure> for Fault {
    fn from(failure: LoadFailure) -> Self {
        Self {
            problem: with_causes(&failure),
            is_passing: failure.cause.is_passing(),
        }
    }
}

impl From<FileError> for Fault {
    fn from(error: FileError) -> Self {
        Self {
            problem: with_causes(&error),
            // It may be on its way out, or in.
            is_passing: matches!(error, FileError::Read(_)),
        }
    }
}

/// The one file of a plugin.
fn only(name: &str, files: Vec<Found>) -> Result<Found, String> {
    let paths: Vec<_> = files.iter().map(|file| file.path.display().to_string()).collect();
    let paths = paths.join(" and ");
    if is_bundled(name) {
        return Err(format!(
            "{paths}: a plugin of this name comes with KULTA, and stays: give the file another name"
        ));
    }
    if !is_name(name) {
        return Err(format!(
            "{paths}: {name:?} can't be the name of a plugin: name the file with small letters, digits, - and _"
        ));
    }
    match <[Found; 1]>::try_from(files) {
        Ok([file]) => Ok(file),
        Err(_several) => Err(format!(
            "{paths} have the same name: a plugin has one file, take away or rename the others"
        )),
    }
}

/// What can be asked is what is both wanted and granted.
fn tell(name: &str, plugin: &Plugin, granted: &[String]) {
    let identity = plugin.identity();
    let asks = plugin
        .imports()
        .iter()
        .any(|import| import.starts_with(METRICS_INTERFACE));
    let providers = if asks { granted.join(", ") } else { String::new() };
    tracing::info!(
        plugin = name,
        version = identity.version,
        digest = %identity.digest,
        providers,
        "plugin in service"
    );
    if asks && granted.is_empty() {
        tracing::warn!(
            plugin = name,
            "it asks providers of metrics and may ask none: list them in plugins.{name}.providers"
        );
    }
}

#[cfg(test)]
mod tests;
