//! The work on AnalysisRuns: what is due is measured by plugins, and what comes of it is written down.
//!
//! Read [`engine`] first. Core decides when to measure and what it means; here it is done.

mod asking;
pub mod configuration;
pub mod engine;
pub(crate) mod manifest;
mod past;
mod plugin_directory;
mod plugin_loader;
pub mod plugins;
mod prometheus;
pub mod providers;
mod revisions;
mod subject;

use std::convert::Infallible;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use futures::Stream;
use futures::future::OptionFuture;
use kube::Client;
use kube::runtime::scheduler::ScheduleRequest;
use kulta_plugin_host::Host;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use self::configuration::Configuration;
use self::engine::AnalysisEngine;
use self::plugin_loader::PluginLoader;
use self::plugins::{BundledError, Plugins};
use self::providers::Providers;
use crate::backoff::Backoffs;
use crate::controller::Controller;
use crate::events::publish::Publisher;
use crate::key::ObjectKey;
use crate::metrics::Metrics;
use crate::queue::Requests;
use crate::server::Liveness;
use crate::watch::Caches;

/// The part of the process that works on AnalysisRuns.
pub struct AnalysisWork {
    /// The API server.
    pub client: Client,
    /// What the watches have seen.
    pub caches: Arc<Caches>,
    /// Whom plugins may ask, and what they may use.
    pub configuration: Configuration,
    /// What plugins run in.
    pub host: Host,
    /// Where plugins are, beside those that are bundled.
    pub plugin_directory: Option<PathBuf>,
    /// Kubernetes Events.
    pub events: Publisher,
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
    /// Runs until `stop` is cancelled. The plugins are compiled here, so that Rollouts need not wait for it; an analysis
    /// waits for its own plugins only.
    ///
    /// # Errors
    /// When a bundled plugin can't be used.
    pub async fn run(
        self,
        asked: impl Stream<Item = ScheduleRequest<ObjectKey>> + Send,
        stop: CancellationToken,
    ) -> Result<(), BundledError> {
        let plugins = Arc::new(Plugins::bundled(&self.host, &self.configuration).await?);
        let loading = self.plugin_directory.map(|directory| {
            PluginLoader::new(
                self.host,
                Arc::clone(&plugins),
                Arc::clone(&self.metrics),
                directory,
            )
        });
        let loading = match loading {
            Some(loader) => Some(start(loader).await),
            None => None,
        };
        let engine = AnalysisEngine {
            client: self.client,
            caches: self.caches,
            plugins,
            providers: Arc::new(Providers::new(self.configuration.providers)),
            events: self.events,
            metrics: self.metrics,
            backoffs: Backoffs::default(),
        };
        let controller = Controller {
            reconciler: Arc::new(engine),
            requests: self.requests,
            ready: self.ready,
            concurrency: self.concurrency,
            liveness: self.liveness,
        };
        tokio::select! {
            () = controller.run(asked, stop) => {}
            // It ends by a panic only. This part of the process then ends, too, and the process starts anew.
            Some(_) = OptionFuture::from(loading) => {}
        }
        Ok(())
    }
}

/// Loads plugins from now on, as a task of its own. What is there already is known when this returns.
async fn start(mut loader: PluginLoader) -> AbortOnDropHandle<Infallible> {
    loader.announce().await;
    AbortOnDropHandle::new(tokio::spawn(loader.run()))
}
