//! What runs beside the main loops: the watches, the leases, the inventory, the analyses and the endpoints.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use futures::{FutureExt as _, Stream};
use kube::runtime::scheduler::ScheduleRequest;
use kulta_api::Group;
use kulta_core::text::with_causes;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Leases, VERSION};
use crate::analysis::configuration::Configuration;
use crate::analysis::{AnalysisWork, Instruments};
use crate::argo_metrics::{self, ArgoMetrics};
use crate::arguments::ControllerArguments;
use crate::context::Context;
use crate::delivery::keeper::Keeper;
use crate::history_api::HistoryApi;
use crate::key::ObjectKey;
use crate::leader::Leadership;
use crate::queue::{Queues, Requests};
use crate::server::{self, Endpoints, Liveness, ServeError};
use crate::watch::feed::{Feeds, Synced};

/// Begins to watch, and what is done about what is seen besides decisions; answers what tells that all was seen.
pub(super) fn watch_all(
    context: &Context,
    arguments: &ControllerArguments,
    leases: &Leases,
    queues: &Queues,
) -> (JoinSet<()>, Synced) {
    let (synced, argo_synced) = (Synced::default(), Synced::of_argo());
    let mut parts = feeds(context, arguments, queues, (&synced, &argo_synced)).start();
    lead(&mut parts, leases.own.clone(), context, queues, &synced);
    serve_argo(&mut parts, leases, context, queues, &argo_synced);
    keep_inventory(&mut parts, context, arguments, leases, (&synced, &argo_synced));
    (parts, synced)
}

/// Leads whenever the lease can be had, once all that there is was seen: everything is looked at then.
fn lead(
    parts: &mut JoinSet<()>,
    leadership: Leadership,
    context: &Context,
    queues: &Queues,
    synced: &Synced,
) {
    let mut synced = synced.subscribe();
    let (caches, queues) = (Arc::clone(&context.caches), queues.clone());
    let (metrics, outbox) = (Arc::clone(&context.metrics), context.outbox.clone());
    let expectations = Arc::clone(&context.expectations);
    parts.spawn(async move {
        // Its sender lives as long as the watches do.
        if synced.wait_for(|all| *all).await.is_err() {
            return;
        }
        leadership
            .run(|leads| {
                metrics.leads(leads);
                if leads {
                    let to_do = caches.read(|tables| tables.to_do_in(Group::Kulta));
                    expectations.doubt(to_do.rollouts.iter().cloned());
                    queues.all_now(to_do);
                } else {
                    outbox.leave();
                }
            })
            .await;
    });
}

/// What plugins run in and with.
pub(super) struct PluginSetup {
    configuration: Configuration,
    configuration_file: Option<PathBuf>,
    instruments: Instruments,
    directory: Option<PathBuf>,
    concurrency: NonZeroUsize,
}

impl PluginSetup {
    pub(super) fn of(
        arguments: ControllerArguments,
        configuration: Configuration,
        instruments: Instruments,
    ) -> Self {
        Self {
            configuration,
            configuration_file: arguments.config,
            instruments,
            directory: arguments.plugin_dir,
            concurrency: arguments.concurrency,
        }
    }
}

/// The part that works on AnalysisRuns.
pub(super) fn analysis_work(
    context: &Context,
    plugins: PluginSetup,
    requests: Requests,
    ready: watch::Receiver<bool>,
    liveness: Liveness,
) -> AnalysisWork {
    AnalysisWork {
        configuration: plugins.configuration,
        configuration_file: plugins.configuration_file,
        instruments: plugins.instruments,
        plugin_checks: Arc::clone(&context.plugin_checks),
        plugin_directory: plugins.directory,
        client: context.client.clone(),
        caches: Arc::clone(&context.caches),
        events: context.events.clone(),
        outbox: context.outbox.clone(),
        metrics: Arc::clone(&context.metrics),
        permission: context.permission.clone(),
        requests,
        ready,
        concurrency: plugins.concurrency,
        liveness,
    }
}

/// Keeps the inventory for as long as this replica leads, once all Rollouts were seen: which of them went is not known before.
fn keep_inventory(
    parts: &mut JoinSet<()>,
    context: &Context,
    arguments: &ControllerArguments,
    leases: &Leases,
    (synced, argo_synced): (&Synced, &Synced),
) {
    let argo_ready = arguments.argo_api.then(|| argo_synced.subscribe());
    let [leading, leading_without_argo] = [(); 2].map(|()| leases.own.follow());
    let keeper = Keeper {
        caches: Arc::clone(&context.caches),
        outbox: context.outbox.clone(),
        namespace: arguments.namespace.clone(),
        argo_api: arguments.argo_api,
        instance: context.instance.clone(),
        permission: context.permission.clone(),
        ready: synced.subscribe(),
        client: context.client.clone(),
    };
    parts.spawn(async move {
        // What one before has written down is read each time.
        let keep = |keeper: Keeper| keeper.run().map(drop);
        let Some(argo_ready) = argo_ready else {
            return leading
                .work(|| keep(keeper.clone()), || keeper.forget_departed())
                .await;
        };
        let own = Keeper {
            argo_api: false,
            ..keeper.clone()
        };
        let meanwhile = leading_without_argo.work(|| keep(own.clone()), || own.forget_departed());
        let whole = leading.work(|| keep(keeper.clone()), || keeper.forget_departed());
        until_seen(argo_ready, Box::pin(meanwhile), Box::pin(whole)).await;
    });
}

/// Does what can be done with what is seen already, and the whole once all is seen: what can't be seen of `argoproj.io` holds up
/// nothing of the own group.
async fn until_seen(
    mut all_seen: watch::Receiver<bool>,
    meanwhile: impl Future<Output = ()>,
    whole: impl Future<Output = ()>,
) {
    tokio::select! {
        biased;
        // Its sender lives as long as the watches do.
        seen = all_seen.wait_for(|all| *all) => if seen.is_err() { return },
        () = meanwhile => return,
    }
    whole.await;
}

/// Works on AnalysisRuns until the process is asked to stop.
pub(super) fn analyse(
    parts: &mut JoinSet<()>,
    work: AnalysisWork,
    asked: impl Stream<Item = ScheduleRequest<ObjectKey>> + Send + 'static,
    stop: CancellationToken,
) {
    parts.spawn(work.run(asked, stop));
}

/// Serves `argoproj.io` for as long as this replica leads, once all that there is of it was seen: it is looked at when it may
/// be written. That it can't be seen holds up nothing of the own group.
fn serve_argo(parts: &mut JoinSet<()>, leases: &Leases, context: &Context, queues: &Queues, synced: &Synced) {
    let Some(argo) = leases.argo.clone() else { return };
    let leading = leases.own.follow();
    let mut synced = synced.subscribe();
    let (caches, queues) = (Arc::clone(&context.caches), queues.clone());
    let (metrics, expectations) = (Arc::clone(&context.metrics), Arc::clone(&context.expectations));
    let permission = context.permission.clone();
    parts.spawn(async move {
        // Its sender lives as long as the watches do.
        if synced.wait_for(|all| *all).await.is_err() {
            return;
        }
        let changed = |is_held| {
            metrics.argo_lease(is_held);
            if is_held {
                let to_do = caches.read(|tables| tables.to_do_in(Group::Argo));
                expectations.doubt(to_do.rollouts.iter().cloned());
                queues.all_now(to_do);
            }
        };
        let work = || argo.run(&permission, changed).map(|never| match never {});
        // Of a replica that does not lead any more it is given back.
        leading.work(work, || argo.rest(&permission, changed)).await;
    });
}

fn feeds(
    context: &Context,
    arguments: &ControllerArguments,
    queues: &Queues,
    (synced, argo_synced): (&Synced, &Synced),
) -> Feeds {
    Feeds {
        client: context.impatient_client.clone(),
        patient_client: context.client.clone(),
        namespace: arguments.namespace.clone(),
        argo_api: arguments.argo_api,
        instance: context.instance.clone(),
        caches: Arc::clone(&context.caches),
        queues: queues.clone(),
        synced: synced.clone(),
        argo_synced: argo_synced.clone(),
        metrics: Arc::clone(&context.metrics),
    }
}

/// The history over HTTP.
pub(super) fn history_api(context: &Context, synced: &Synced) -> HistoryApi {
    HistoryApi::new(
        context.client.clone(),
        Arc::clone(&context.caches),
        synced.subscribe(),
    )
}

/// Serves the endpoints until the process is asked to stop.
pub(super) fn serve(
    parts: &mut JoinSet<()>,
    listener: TcpListener,
    endpoints: Endpoints,
    history: Option<HistoryApi>,
    stop: CancellationToken,
) {
    let serving = server::serve(listener, endpoints, history, stop.cancelled_owned());
    parts.spawn(until_gone(serving));
}

/// Serves the metrics of Argo Rollouts, where they are asked for, until the process is asked to stop.
pub(super) fn serve_argo_metrics(
    parts: &mut JoinSet<()>,
    listener: Option<TcpListener>,
    context: &Context,
    endpoints: &Endpoints,
    stop: CancellationToken,
) {
    let Some(listener) = listener else { return };
    let (caches, metrics) = (Arc::clone(&context.caches), Arc::clone(&context.metrics));
    let served = argo_metrics::Endpoint {
        metrics: ArgoMetrics::new(caches, metrics, VERSION),
        ready: endpoints.ready.clone(),
    };
    parts.spawn(until_gone(argo_metrics::serve(
        listener,
        served,
        stop.cancelled_owned(),
    )));
}

async fn until_gone(serving: impl Future<Output = Result<(), ServeError>> + Send) {
    if let Err(error) = serving.await {
        tracing::error!(error = with_causes(&error), "the HTTP endpoints are gone");
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_seen_already_does_not_wait_for_the_rest() {
        let (all_seen, follow) = watch::channel(false);
        let (tell, mut begun) = watch::channel((false, false));
        let tell = Arc::new(tell);
        let work = |change: fn(&mut (bool, bool))| {
            let tell = Arc::clone(&tell);
            async move {
                tell.send_modify(change);
                pending::<()>().await;
            }
        };
        let (meanwhile, whole) = (work(|begun| begun.0 = true), work(|begun| begun.1 = true));
        let working = tokio::spawn(until_seen(follow, meanwhile, whole));

        let before = *begun.wait_for(|begun| begun.0).await.unwrap();
        all_seen.send_replace(true);
        begun.wait_for(|begun| begun.1).await.unwrap();

        working.abort();
        assert!(!before.1);
    }
}
