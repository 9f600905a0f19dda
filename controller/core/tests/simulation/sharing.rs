//! The pods and Services of experiments that have a share of the traffic.

use std::collections::BTreeSet;

use kulta_core::observed::{AnalysisRunView, BackendView, Routed, Sharing, SharingService};
use serde_json::Value;

use super::cluster::{Cluster, NAMESPACE, ROLLOUT};
use super::log::Log;
use super::replica_set::DRAIN_TICKS;
use super::route::Route;
use super::service::port;

/// Ticks until the pods of an experiment are ready.
const READY_AFTER: u64 = 2;
/// What the names of Services of experiments have more of than any other.
const HYPHENS: usize = 4;

/// The pods and Services of one experiment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pods {
    /// What is noted on it about routes.
    pub(crate) routed: Option<Routed>,
    templates: Vec<Template>,
}

/// A template with a Service.
#[derive(Debug, Clone)]
struct Template {
    name: String,
    service: String,
    ready: Log<u32>,
    has_service: bool,
    /// Its pods answer no more.
    fails: bool,
}

impl Pods {
    /// Those of the templates of `experiment` that have a share.
    pub(crate) fn of(name: &str, experiment: &Value) -> Self {
        let templates = experiment["templates"].as_array();
        let sharing = templates.into_iter().flatten();
        let sharing = sharing.filter(|template| template.get("weight").is_some());
        let templates = sharing.map(|template| {
            let template = template["name"].as_str().expect("a name");
            Template {
                name: template.to_owned(),
                service: format!("{name}-{template}"),
                ready: Log::new(0),
                has_service: true,
                fails: false,
            }
        });
        Self {
            routed: None,
            templates: templates.collect(),
        }
    }

    /// Whether routes may send to them, as is noted.
    pub(crate) fn are_routed(&self) -> bool {
        matches!(self.routed, Some(Routed::Now(_)))
    }

    /// Whether all of them are ready.
    pub(crate) fn are_ready(&self) -> bool {
        self.templates.iter().all(|template| *template.ready.latest() > 0)
    }

    /// Lets them come.
    pub(crate) fn come(&mut self, tick: u64, created_at: u64) -> bool {
        let are_there = tick >= created_at + READY_AFTER;
        let templates = self.templates.iter_mut();
        templates.fold(false, |changed, template| {
            let ready = u32::from(are_there && !template.fails);
            template.ready.set(tick, ready) | changed
        })
    }

    /// The pods of a template answer no more from now on.
    pub(crate) fn fail(&mut self, name: &str) {
        let mut templates = self.templates.iter_mut();
        templates
            .find(|template| template.name == name)
            .expect("a template")
            .fails = true;
    }

    /// Their experiment is over: they go, unless that is noted on it.
    pub(crate) fn go(&mut self, tick: u64) -> bool {
        let staying = self.are_routed();
        let templates = self.templates.iter_mut().filter(|_| !staying);
        templates.fold(false, |changed, template| {
            let had = std::mem::replace(&mut template.has_service, false);
            template.ready.set(tick, 0) | had | changed
        })
    }

    /// What the controller sees of them, with endpoints as of `endpoints`.
    pub(crate) fn view(&self, endpoints: u64) -> Sharing {
        let there = self.templates.iter().filter(|template| template.has_service);
        Sharing {
            routed: self.routed.clone(),
            services: there
                .map(|template| SharingService {
                    template: template.name.clone(),
                    name: template.service.clone(),
                    hash: format!("hash-of-{}", template.name),
                    ready: *template.ready.at(endpoints),
                    ports: vec![port(80)],
                    named: false,
                })
                .collect(),
        }
    }

    /// Whether this Service is one of theirs, and there.
    pub(crate) fn has_service(&self, service: &str) -> bool {
        let mut there = self.templates.iter().filter(|template| template.has_service);
        there.any(|template| template.service == service)
    }

    /// Whether pods behind `service` answer, or it is not the controller's doing that they do not; None: it is none of these.
    pub(crate) fn answers(&self, service: &str, tick: u64) -> Option<bool> {
        let template = self
            .templates
            .iter()
            .find(|template| template.service == service)?;
        // One that is gone still answers for a while.
        let mut lately = tick.saturating_sub(DRAIN_TICKS)..=tick;
        Some(template.fails || lately.any(|tick| *template.ready.at(tick) > 0))
    }
}

/// Whether the ref is to the Service of an experiment.
pub(crate) fn is_share(backend: &BackendView) -> bool {
    let is_named_so = || {
        let rest = backend.name.strip_prefix(ROLLOUT);
        rest.is_some_and(|rest| rest.matches('-').count() >= HYPHENS)
    };
    backend.is_service && backend.namespace == NAMESPACE && is_named_so()
}

impl Cluster {
    /// Whether pods behind the Service of an experiment answer; None where its experiment is gone by somebody's hand.
    pub(crate) fn share_answers(&self, service: &str) -> Option<bool> {
        let runs = self.analysis_runs.iter();
        let mut answers = runs.filter_map(|run| run.pods.answers(service, self.tick));
        answers.next().or_else(|| {
            let forsaken = self.forsaken.contains(service);
            forsaken.then_some(false)
        })
    }

    /// What the controller sees of analyses and experiments, with endpoints as of `endpoints`.
    pub(crate) fn analyses_as_seen(&self, endpoints: u64) -> Vec<AnalysisRunView> {
        let named = self.shares();
        let runs = self.analysis_runs.iter();
        let views = runs.map(|run| {
            let mut view = run.view(endpoints);
            for service in &mut view.sharing.services {
                service.named = named.contains(service.name.as_str());
            }
            view
        });
        views.collect()
    }

    /// Those of them that are not there.
    pub(crate) fn lost_shares(&self) -> BTreeSet<String> {
        let is_there = |service: &str| self.analysis_runs.iter().any(|run| run.pods.has_service(service));
        let named = self.shares().into_iter().map(str::to_owned);
        named.filter(|service| !is_there(service)).collect()
    }

    /// The Services of experiments that some route names.
    pub(crate) fn shares(&self) -> BTreeSet<&str> {
        let routes = self.routes.values().filter(|route| route.exists);
        let refs = routes.flat_map(Route::backends);
        refs.filter(|backend| is_share(backend))
            .map(|backend| backend.name.as_str())
            .collect()
    }
}
