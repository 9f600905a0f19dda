//! The controller process: its parts, how they start and how they stop.

mod parts;

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use kulta_plugin_host::{EngineFault, Host};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use self::parts::{PluginSetup, analyse, analysis_work, history_api, serve, serve_argo_metrics, watch_all};
use crate::analysis::Instruments;
use crate::analysis::configuration::{Configuration, ConfigurationError};
use crate::analysis::plugin_checks::PluginChecks;
use crate::argo::ArgoApi;
use crate::arguments::ControllerArguments;
use crate::context::Context;
use crate::controller::{Controller, STUCK_AFTER};
use crate::delivery::Outbox;
use crate::events::publish::Publisher;
use crate::experiment::ExperimentEngine;
use crate::instance::Instance;
use crate::leader::Leadership;
use crate::lease::Lease;
use crate::metrics::Metrics;
use crate::permission::Permission;
use crate::plugin_commands;
use crate::queue::{Requests, queues};
use crate::reconcile::Reconciler;
use crate::server::{Endpoints, Liveness};
use crate::watch::Caches;
use crate::watch::feed::{SILENT_FOR, Synced};

/// How long events that are told already may take to be sent when the process stops: another replica waits for it.
const SEND_EVENTS_WITHIN: Duration = Duration::from_secs(1);

/// The version of this build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Why the controller can't run.
#[derive(Debug, Error)]
pub enum RunError {
    /// Neither in a pod nor a kubeconfig.
    #[error("no cluster is configured: run in a pod with a service account, or set KUBECONFIG")]
    Configuration(#[source] kube::config::InferConfigError),
    /// The configuration makes no client.
    #[error("no client can be made for the cluster")]
    Client(#[source] kube::Error),
    /// The address is taken, or not of this machine.
    #[error("can't listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The operator's configuration can't be used.
    #[error(transparent)]
    Settings(#[from] ConfigurationError),
    /// The engine of plugins does not work on this machine.
    #[error("the engine of plugins does not work here")]
    PluginEngine(#[source] EngineFault),
    /// A part that runs for ever has ended: better to be started anew than to go on half.
    #[error("a part of the controller has ended")]
    PartEnded,
}

/// Runs the controller until `stop` is cancelled.
///
/// # Errors
/// When it can't start, or when a part of it ends unasked.
pub async fn run(arguments: ControllerArguments, stop: CancellationToken) -> Result<(), RunError> {
    let configuration = kube::Config::infer().await.map_err(RunError::Configuration)?;
    let clients = Clients::new(configuration).map_err(RunError::Client)?;
    let address = arguments.http_address;
    let listeners = Listeners {
        http: listen(address).await?,
        argo_metrics: match arguments.argo_metrics_address {
            Some(address) => Some(listen(address).await?),
            None => None,
        },
    };
    tracing::info!(version = VERSION, %address, namespace = arguments.namespace, "starting");
    let configuration = match &arguments.config {
        Some(path) => Configuration::read(path)?,
        None => Configuration::default(),
    };
    let host = Host::new(plugin_commands::trial()).map_err(RunError::PluginEngine)?;
    run_with(clients, listeners, arguments, configuration, host, stop).await
}

/// Where this process is asked.
struct Listeners {
    http: TcpListener,
    argo_metrics: Option<TcpListener>,
}

async fn listen(address: SocketAddr) -> Result<TcpListener, RunError> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| RunError::Listen { address, source })
}

/// The clients of the API server.
struct Clients {
    /// Asks again by itself where the API server has no time.
    patient: Client,
    /// Does not.
    impatient: Client,
}

impl Clients {
    fn new(mut configuration: kube::Config) -> Result<Self, kube::Error> {
        // Or what is sent on a connection that was cut off without a word is waited for until the kernel gives it up: for minutes.
        configuration.read_timeout = Some(SILENT_FOR);
        let mut impatient = configuration.clone();
        impatient.default_retry = false;
        Ok(Self {
            patient: Client::try_from(configuration)?,
            impatient: Client::try_from(impatient)?,
        })
    }
}

async fn run_with(
    clients: Clients,
    listeners: Listeners,
    arguments: ControllerArguments,
    configuration: Configuration,
    host: Host,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let (queues, asked) = queues();
    let leases = Leases::new(&clients.patient, &arguments);
    let instruments = Instruments::new(host, &configuration);
    let (context, send_events) = context(clients, &arguments, &queues.rollouts, &instruments, &leases);
    context.outbox.configure(&configuration.events);
    let (mut parts, synced) = watch_all(&context, &arguments, &leases, &queues);
    let liveness = [(); 3].map(|()| Liveness::new(STUCK_AFTER));
    let endpoints = Endpoints {
        metrics: Arc::clone(&context.metrics),
        liveness: liveness.to_vec(),
        ready: synced.subscribe(),
    };
    let [liveness, analyses_liveness, experiments_liveness] = liveness;
    let history = arguments.history_api.then(|| history_api(&context, &synced));
    serve_argo_metrics(
        &mut parts,
        listeners.argo_metrics,
        &context,
        &endpoints,
        stop.clone(),
    );
    serve(&mut parts, listeners.http, endpoints, history, stop.clone());
    let concurrency = arguments.concurrency;
    let plugins = PluginSetup::of(arguments, configuration, instruments);
    let work = analysis_work(
        &context,
        plugins,
        queues.analyses,
        synced.subscribe(),
        analyses_liveness,
    );
    analyse(&mut parts, work, asked.analyses, stop.clone());
    let metrics = Arc::clone(&context.metrics);
    let begin = Begin {
        synced: &synced,
        metrics: &metrics,
        concurrency,
    };
    let engine = ExperimentEngine::new(context.clone());
    let experiments = begin.main_loop(engine, queues.experiments, experiments_liveness);
    parts.spawn(experiments.run(asked.experiments, stop.clone()));
    let permission = context.permission.clone();
    let rollouts = begin.main_loop(Reconciler::new(context), queues.rollouts, liveness);
    let rollouts = rollouts.run(asked.rollouts, stop.clone());
    let ended = until_the_end(rollouts, parts, permission, stop).await;
    finish(send_events, &leases).await;
    ended
}

/// The leases that this process wants.
struct Leases {
    own: Leadership,
    /// That of Argo Rollouts, where `argoproj.io` is to be served.
    argo: Option<ArgoApi>,
}

impl Leases {
    fn new(client: &Client, arguments: &ControllerArguments) -> Self {
        let instance = Instance::from(arguments.instance_id.clone());
        let identity = Lease::identity(&arguments.pod_name, arguments.pod_uid.as_deref());
        let namespace = arguments.argo_lease_namespace.as_deref();
        let namespace = namespace.filter(|_| arguments.argo_api);
        Self {
            own: Leadership::new(client.clone(), &instance, &identity),
            argo: namespace.map(|namespace| ArgoApi::new(client.clone(), &instance, namespace, &identity)),
        }
    }

    fn permission(&self) -> Permission {
        let permission = Permission::leading(self.own.claim());
        match &self.argo {
            Some(argo) => permission.with_argo(argo.claim()),
            None => permission,
        }
    }

    /// Gives them back, so that another replica need not wait until they run out.
    async fn release(&self) {
        let argo = async {
            if let Some(argo) = &self.argo {
                argo.release().await;
            }
        };
        tokio::join!(argo, self.own.release());
    }
}

/// What all main loops begin with.
struct Begin<'all> {
    synced: &'all Synced,
    metrics: &'all Arc<Metrics>,
    concurrency: NonZeroUsize,
}

impl Begin<'_> {
    fn main_loop<R>(&self, reconciler: R, requests: Requests, liveness: Liveness) -> Controller<R> {
        Controller {
            reconciler: Arc::new(reconciler),
            requests,
            ready: self.synced.subscribe(),
            concurrency: self.concurrency,
            liveness,
            metrics: Arc::clone(self.metrics),
        }
    }
}

fn metrics(argo_api: bool, by_rollout: bool) -> Arc<Metrics> {
    let mut metrics = Metrics::new(VERSION);
    if argo_api {
        metrics = metrics.serving_argo();
    }
    if by_rollout {
        metrics = metrics.counting_by_rollout();
    }
    Arc::new(metrics)
}

/// What everything works with, and the sending of events, which has begun.
fn context(
    clients: Clients,
    arguments: &ControllerArguments,
    requests: &Requests,
    instruments: &Instruments,
    leases: &Leases,
) -> (Context, JoinHandle<()>) {
    let serves_argo_metrics = arguments.argo_metrics_address.is_some();
    let metrics = metrics(arguments.argo_api, serves_argo_metrics);
    let Clients { patient, impatient } = clients;
    let permission = leases.permission();
    let (events, send_events) = Publisher::new(
        patient.clone(),
        Arc::clone(&metrics),
        permission.clone(),
        &arguments.pod_name,
    );
    let caches = Arc::<Caches>::default();
    if serves_argo_metrics {
        caches.keep_measures();
    }
    let plugin_checks = PluginChecks::new(instruments, Arc::clone(&metrics), requests.clone());
    let context = Context {
        client: patient,
        impatient_client: impatient,
        caches: Arc::clone(&caches),
        expectations: Arc::default(),
        template_checks: Arc::default(),
        plugin_checks: Arc::new(plugin_checks),
        analysis_templates: Arc::default(),
        events,
        outbox: Outbox::new(requests.clone(), caches, Arc::clone(&metrics)),
        metrics,
        permission,
        instance: arguments.instance_id.clone().into(),
        fields_off: leases.argo.as_ref().map(ArgoApi::fields_off).unwrap_or_default(),
        settings: arguments.settings(),
    };
    (context, tokio::spawn(send_events))
}

/// Waits until the events that were told are sent, but not for long: then nothing is written any more, and what was held is given
/// back.
async fn finish(send_events: JoinHandle<()>, leases: &Leases) {
    if tokio::time::timeout(SEND_EVENTS_WITHIN, send_events)
        .await
        .is_err()
    {
        tracing::warn!("some events were not sent before the end");
    }
    leases.release().await;
}

/// Runs until the process is asked to stop, or a part ends unasked: that stops the main loop, too, which then finishes
/// what is under way. Of the other parts only the writes come to their end: what they were measuring is measured again.
async fn until_the_end(
    main_loop: impl Future<Output = ()>,
    mut parts: JoinSet<()>,
    permission: Permission,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let part_ended = async {
        parts.join_next().await;
        let unasked = !stop.is_cancelled();
        stop.cancel();
        unasked
    };
    let ((), unasked) = tokio::join!(main_loop, part_ended);
    permission.end().await;
    parts.shutdown().await;
    if unasked { Err(RunError::PartEnded) } else { Ok(()) }
}
