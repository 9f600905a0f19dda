//! The work on AnalysisRuns: what is due is measured by plugins, and what comes of it is written down.
//!
//! Read [`engine`] first. Core decides when to measure and what it means; here it is done.

mod asking;
pub mod configuration;
pub mod engine;
mod jobs;
pub(crate) mod manifest;
mod news;
mod past;
pub mod plugin_checks;
mod plugin_directory;
pub(crate) mod plugin_loader;
pub mod plugins;
mod prometheus;
pub mod providers;
mod reload;
mod revisions;
mod rights;
mod secrets;
pub mod shares;
mod subject;

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use futures::Stream;
use futures::future::OptionFuture;
use kube::Client;
use kube::runtime::scheduler::ScheduleRequest;
use kulta_plugin_host::{Conditions, Host};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use self::configuration::Configuration;
use self::engine::AnalysisEngine;
use self::plugin_checks::PluginChecks;
use self::plugin_loader::PluginLoader;
use self::plugins::Plugins;
use self::providers::Providers;
use self::reload::Reload;
use self::shares::Shares;
use crate::backoff::Backoffs;
use crate::controller::Controller;
use crate::delivery::Outbox;
use crate::events::publish::Publisher;
use crate::key::ObjectKey;
use crate::metrics::Metrics;
use crate::permission::Permission;
use crate::queue::Requests;
use crate::server::Liveness;
use crate::watch::Caches;

/// Calls of plugins at the same time. Most wait for a provider, and hold one or two of the 64 MiB that plugins have.
const CALLS: usize = 32;
/// Those of one namespace: half of what one provider is asked at the same time, so that others get their answers, too.
const CALLS_OF_NAMESPACE: usize = 4;

/// What measures and decides: for AnalysisRuns, and for what Rollouts are going to have measured.
#[derive(Clone)]
pub struct Instruments {
    /// What plugins run in.
    host: Arc<Host>,
    /// Who measures.
    plugins: Arc<Plugins>,
    /// What judges the values that plugins only measure.
    conditions: Arc<Conditions>,
    /// Whom plugins may ask.
    providers: Arc<Providers>,
    /// Calls of plugins at the same time.
    calls: Arc<Shares>,
}

impl Instruments {
    /// Plugins that run in `host`, as the operator's configuration has it. They are loaded by [`AnalysisWork::run`].
    #[must_use]
    pub fn new(host: Host, configuration: &Configuration) -> Self {
        let host = Arc::new(host);
        Self {
            plugins: Arc::new(Plugins::new(configuration)),
            conditions: Arc::new(Conditions::new(Arc::clone(&host))),
            providers: Arc::new(Providers::new(configuration)),
            calls: Arc::new(Shares::new(CALLS, CALLS_OF_NAMESPACE)),
            host,
        }
    }
}

/// The part of the process that works on AnalysisRuns.
pub struct AnalysisWork {
    /// The API server.
    pub client: Client,
    /// What the watches have seen.
    pub caches: Arc<Caches>,
    /// What measures.
    pub instruments: Instruments,
    /// What plugins say of Rollouts.
    pub plugin_checks: Arc<PluginChecks>,
    /// Whom plugins may ask, and what they may use.
    pub configuration: Configuration,
    /// The file that it is from: when that changes, it is read again.
    pub configuration_file: Option<PathBuf>,
    /// Where plugins are, beside those that are bundled.
    pub plugin_directory: Option<PathBuf>,
    /// The delivery of events, which the configuration sets up.
    pub outbox: Outbox,
    /// Kubernetes Events.
    pub events: Publisher,
    /// What this process may write.
    pub permission: Permission,
    /// The controller's own metrics.
    pub metrics: Arc<Metrics>,
    /// Where the next work on an AnalysisRun is asked for.
    pub requests: Requests,
    /// True once all caches are filled.
    pub ready: watch::Receiver<bool>,
    /// So many AnalysisRuns at the same time.
    pub concurrency: NonZeroUsize,
    /// Told each time the loop comes round.
    pub liveness: Liveness,
}

impl AnalysisWork {
    /// Runs until `stop` is cancelled. The plugins are compiled meanwhile: an analysis waits for its own plugins only.
    pub async fn run(
        self,
        asked: impl Stream<Item = ScheduleRequest<ObjectKey>> + Send,
        stop: CancellationToken,
    ) {
        let Instruments {
            host,
            plugins,
            conditions,
            providers,
            calls,
        } = self.instruments;
        let (metrics, concurrency) = (self.metrics, self.concurrency);
        let checking = AbortOnDropHandle::new(tokio::spawn(self.plugin_checks.run()));
        let bundled = load_bundled(Arc::clone(&plugins), Arc::clone(&host), Arc::clone(&metrics));
        let loading = self.plugin_directory.map(|directory| {
            let (host, plugins, metrics) = (Arc::clone(&host), Arc::clone(&plugins), Arc::clone(&metrics));
            start(PluginLoader::new(host, plugins, metrics, directory))
        });
        let loading = OptionFuture::from(loading).await;
        let reloading = self.configuration_file.map(|path| {
            let (plugins, providers, metrics) = (plugins.clone(), providers.clone(), metrics.clone());
            let reload = Reload::new(path, self.configuration, plugins, providers, self.outbox, metrics);
            AbortOnDropHandle::new(tokio::spawn(reload.run()))
        });
        let engine = AnalysisEngine {
            client: self.client,
            caches: self.caches,
            plugins,
            conditions,
            providers,
            events: self.events,
            metrics,
            permission: self.permission,
            backoffs: Backoffs::default(),
            runs: Shares::new(concurrency.get(), concurrency.get().div_ceil(2)),
            calls,
        };
        let controller = Controller {
            metrics: Arc::clone(&engine.metrics),
            reconciler: Arc::new(engine),
            requests: self.requests,
            ready: self.ready,
            concurrency,
            liveness: self.liveness,
        };
        tokio::select! {
            () = controller.run(asked, stop) => {}
            // They end by a panic only. This part of the process then ends, too, and the process starts anew.
            Some(_) = OptionFuture::from(loading) => {}
            Some(_) = OptionFuture::from(reloading) => {}
            Err(_panic) = bundled => {}
            _ = checking => {}
        }
    }
}

/// Loads the bundled plugins, as a task of its own.
fn load_bundled(plugins: Arc<Plugins>, host: Arc<Host>, metrics: Arc<Metrics>) -> AbortOnDropHandle<()> {
    AbortOnDropHandle::new(tokio::spawn(async move {
        plugins.load_bundled(&host).await;
        metrics.plugins.are(plugins.states());
    }))
}

/// Loads plugins from now on, as a task of its own. What is there already is known when this returns.
async fn start(mut loader: PluginLoader) -> AbortOnDropHandle<Infallible> {
    loader.announce().await;
    AbortOnDropHandle::new(tokio::spawn(loader.run()))
}
