//! What users and other controllers do to the objects of a Rollout.

use jiff::SignedDuration;
use kulta_core::revision::steps_hash;
use kulta_core::spec::{
    Amount, BackgroundAnalysis, Gates, Method, PodMetadata, Problem, Restart, RouteReference, Step, Whole,
};
use kulta_core::status::Status;
use serde_json::json;

use super::builder::on_whole;
use super::cluster::{Cluster, promised};
use super::data_plane::is_service;
use super::replica_set::{Darkness, ReplicaSet};
use super::route::Author;
use super::service::{Selection, Service};
use super::template::Template;

/// One thing that somebody does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum UserAction {
    /// Apply a pod template.
    SetTemplate(Template),
    /// Apply other steps.
    SetSteps(Vec<Step>),
    /// Scale, as a user or the horizontal autoscaler does.
    Scale(u32),
    /// `kubectl argo rollouts abort`.
    Abort,
    /// `kubectl argo rollouts retry`.
    Retry,
    /// `kubectl argo rollouts promote`: ends the pause under way, and unpauses.
    Resume,
    /// `kubectl argo rollouts promote --full`.
    PromoteFull,
    /// Misspell a field of the strategy.
    SpoilSpec,
    /// Take the misspelt field out.
    MendSpec,
    /// Delete a template that an analysis names.
    DeleteAnalysisTemplate,
    /// Create it again.
    CreateAnalysisTemplate,
    /// Set `spec.paused`.
    Pause(bool),
    /// Apply other labels and annotations of the new and the stable version.
    SetMetadata(PodMetadata, PodMetadata),
    /// `kubectl argo rollouts restart`, in so many seconds.
    Restart(i64),
    /// Lose the status, as a restore from a backup does.
    WipeStatus,
    /// Delete the ReplicaSet of the current revision (`true`) or of the stable one.
    DeleteReplicaSet {
        /// Which.
        current: bool,
    },
    /// Apply another strategy.
    SetStrategy(Box<Method>, Vec<Step>),
    /// Apply other promotion gates.
    SetGates(Option<Gates>),
    /// Apply another analysis beside the steps.
    SetBackground(Option<BackgroundAnalysis>),
    /// Write another step on the status, as `kubectl argo rollouts promote --skip-current-step` does.
    SkipStep,
    /// Delete all analyses.
    DeleteAnalysisRuns,
    /// Orphan all ReplicaSets, as `kubectl delete --cascade=orphan` does.
    OrphanReplicaSets,
    /// Delete a Service.
    DeleteService(String),
    /// Create the Service again, as it was first written.
    CreateService(String),
    /// Delete a route.
    DeleteRoute(RouteReference),
    /// Create the route again, with no weights.
    CreateRoute(RouteReference),
    /// A GitOps manager applies the route with its own weights of stable and canary (None: not written).
    ForceWeights(RouteReference, Option<u32>, Option<u32>),
    /// A GitOps manager applies the route as it was first written: without weights, and without managed rules.
    ApplyRoute(RouteReference),
    /// Somebody adds a rule at the end of the route (by changing what is not ours).
    EditRoute(RouteReference),
    /// The route moves to another gateway; the report of the old one is left over.
    ReplaceParents(RouteReference),
}

/// The manager that GitOps writes with in these tests.
pub(crate) const GITOPS: &str = "argocd-controller";

fn missing_template() -> Problem {
    let path = "spec.strategy.canary.steps[1].analysis.templates[0].templateName";
    Problem::new(path, "AnalysisTemplate \"errors\" not found")
}

impl UserAction {
    /// Whether the API server gives the Rollout another generation for it.
    fn changes_spec(&self) -> bool {
        matches!(
            self,
            Self::SetTemplate(_)
                | Self::SetSteps(_)
                | Self::SetStrategy(..)
                | Self::SetGates(_)
                | Self::SetBackground(_)
                | Self::Scale(_)
                | Self::SpoilSpec
                | Self::MendSpec
                | Self::Pause(_)
                | Self::Restart(_)
                | Self::SetMetadata(..)
        )
    }
}

impl Cluster {
    /// What was taken while no pod was promised can't be given back at once.
    fn scale(&mut self, replicas: u32) {
        if promised(&self.rollout.spec) == 0 {
            let empty = self.replica_sets.iter_mut();
            for replica_set in empty.filter(|replica_set| replica_set.ready() == 0) {
                replica_set.darkness = Darkness::Environment;
            }
        }
        self.rollout.spec.replicas = replicas;
    }

    /// Carries out what a user does.
    pub(crate) fn user(&mut self, action: &UserAction) {
        match action {
            UserAction::SetTemplate(template) => self.rollout.template = template.clone(),
            UserAction::SetSteps(steps) => self.set_steps(steps),
            UserAction::SetStrategy(method, steps) => {
                self.rollout.spec.method.clone_from(method);
                self.set_steps(steps);
            }
            UserAction::Scale(replicas) => self.scale(*replicas),
            UserAction::SpoilSpec => {
                let misspelt = Problem::new("spec.strategy.canary.maxSurg", "unknown field `maxSurg`");
                self.rollout.problems = vec![misspelt];
            }
            UserAction::MendSpec => self.rollout.problems.clear(),
            UserAction::DeleteAnalysisTemplate => self.rollout.analysis_problems = vec![missing_template()],
            UserAction::CreateAnalysisTemplate => self.rollout.analysis_problems.clear(),
            UserAction::Pause(paused) => self.rollout.spec.paused = *paused,
            UserAction::Restart(seconds) => self.ask_for_restart(*seconds),
            UserAction::SetMetadata(new, stable) => {
                self.rollout.spec.pods.new_metadata.clone_from(new);
                self.rollout.spec.pods.stable_metadata.clone_from(stable);
            }
            UserAction::Abort
            | UserAction::Retry
            | UserAction::Resume
            | UserAction::PromoteFull
            | UserAction::SkipStep
            | UserAction::WipeStatus => self.user_writes_status(action),
            UserAction::DeleteReplicaSet { .. } | UserAction::OrphanReplicaSets => {
                self.user_writes_replica_sets(action);
            }
            UserAction::SetGates(gates) => self.rollout.spec.promotion_gates.clone_from(gates),
            UserAction::SetBackground(background) => self.rollout.spec.background.clone_from(background),
            UserAction::DeleteAnalysisRuns => self.analysis_runs.clear(),
            UserAction::DeleteService(name) => self.delete_service(name),
            UserAction::CreateService(name) => self.create_service(name),
            UserAction::DeleteRoute(route)
            | UserAction::CreateRoute(route)
            | UserAction::ForceWeights(route, ..)
            | UserAction::ApplyRoute(route)
            | UserAction::EditRoute(route)
            | UserAction::ReplaceParents(route) => self.user_writes_route(route, action),
        }
        if action.changes_spec() {
            self.rollout.generation += 1;
        }
        self.rollout.resource_version = self.changed();
    }

    /// Blue-green has no steps, and no identity of them.
    fn set_steps(&mut self, steps: &[Step]) {
        let spec = &mut self.rollout.spec;
        spec.steps_hash = match spec.method {
            Method::BlueGreen(_) => String::new(),
            Method::Routed(_) | Method::Basic { .. } => identity_of(steps),
        };
        spec.steps = steps.to_vec();
        let whole = spec.routing().map_or(Whole::HUNDRED, |routing| routing.whole);
        on_whole(&mut spec.steps, whole);
    }

    fn ask_for_restart(&mut self, seconds: i64) {
        let max_unavailable = match self.rollout.spec.method {
            Method::Basic { max_unavailable, .. } => max_unavailable,
            Method::Routed(_) | Method::BlueGreen(_) => Amount::Percent(25),
        };
        let at = self.time() + SignedDuration::from_secs(seconds);
        self.rollout.spec.pods.restart = Some(Restart { at, max_unavailable });
    }

    fn user_writes_status(&mut self, action: &UserAction) {
        let status = &mut self.rollout.status;
        match action {
            UserAction::Abort => status.abort = true,
            UserAction::Retry => status.abort = false,
            UserAction::PromoteFull => status.promote_full = !status.fully_promoted(),
            UserAction::WipeStatus => *status = Status::default(),
            UserAction::SkipStep => {
                status.pause_conditions.clear();
                status.current_step_index = status.current_step_index.map(|index| index + 1);
            }
            _ => {
                status.pause_conditions.clear();
                if std::mem::take(&mut self.rollout.spec.paused) {
                    self.rollout.generation += 1;
                }
            }
        }
    }

    fn user_writes_replica_sets(&mut self, action: &UserAction) {
        let status = &self.rollout.status;
        if let UserAction::DeleteReplicaSet { current } = action {
            let hash = if *current {
                &status.current_pod_hash
            } else {
                &status.stable_hash
            };
            if let Some(hash) = hash.clone() {
                self.delete_replica_set(&hash);
            }
        } else {
            let next = self.changed();
            self.replica_sets
                .iter_mut()
                .for_each(|replica_set: &mut ReplicaSet| {
                    replica_set.owned = false;
                    replica_set.resource_version = next;
                });
        }
    }

    fn delete_service(&mut self, name: &str) {
        let tick = self.tick;
        if let Some(service) = self.services.get_mut(name) {
            service.selection.set(tick, Selection::Absent);
        }
    }

    fn create_service(&mut self, name: &str) {
        let (tick, next) = (self.tick, self.changed());
        let labels = self.rollout.spec.template_labels.clone();
        let service = self
            .services
            .entry(name.to_owned())
            .or_insert_with(|| Service::new(name, labels));
        if !service.exists() {
            service.selection.set(tick, Selection::All);
            service.managed_by = None;
        }
        service.resource_version = next;
    }

    fn user_writes_route(&mut self, reference: &RouteReference, action: &UserAction) {
        let tick = self.tick;
        let Some((stable, canary)) = self
            .rollout
            .spec
            .routing()
            .map(|routing| (routing.stable_service.clone(), routing.canary_service.clone()))
        else {
            return;
        };
        let Some(route) = self.routes.get_mut(reference) else {
            return;
        };
        let mut backends = route.backends().to_vec();
        match action {
            UserAction::DeleteRoute(_) => route.exists = false,
            UserAction::CreateRoute(_) if !route.exists => route.create_again(),
            UserAction::ApplyRoute(_) => route.apply_first(tick, GITOPS),
            UserAction::ForceWeights(_, stable_weight, canary_weight) => {
                for backend in &mut backends {
                    if is_service(backend, &stable) {
                        backend.weight = *stable_weight;
                    } else if is_service(backend, &canary) {
                        backend.weight = *canary_weight;
                    }
                }
                if backends != route.backends() {
                    route.write(tick, Author::Foreign, backends);
                    route.rules_manager = Some(GITOPS.to_owned());
                }
            }
            UserAction::ReplaceParents(_) => route.replace_parents(tick),
            _ => route.edit(tick, backends),
        }
    }
}

/// The identity of steps, as the API crate would compute it from their JSON.
pub(crate) fn identity_of(steps: &[Step]) -> String {
    steps_hash(&json!(steps.iter().map(ToString::to_string).collect::<Vec<_>>()))
}
