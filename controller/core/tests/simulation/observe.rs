//! What the controller sees of the cluster.

use kulta_core::observed::{
    AnalysisRunView, ApplyFailure, ExperimentRefs, Observed, Pods, Presence, ReplicaSetView, RolloutView,
    RouteView, ServiceView, TemplateCheck, TemplateView,
};
use kulta_core::restart;
use kulta_core::revision::replica_set_name;
use kulta_core::spec::{InvalidSpec, RouteReference, Spec};

use super::cluster::{Cluster, NAMESPACE, ROLLOUT, Workload};
use super::replica_set::ReplicaSet;
use super::template::{Admission, image};

/// What the caches of the controller hold, each from its own watch.
#[derive(Debug, Clone)]
pub(crate) struct Caches {
    pub(crate) replica_sets: Vec<ReplicaSetView>,
    pub(crate) analysis_runs: Vec<AnalysisRunView>,
    pub(crate) services: Vec<(String, ServiceView)>,
    pub(crate) routes: Vec<(RouteReference, RouteView)>,
}

impl Cluster {
    /// The caches, up to date.
    pub(crate) fn caches(&self) -> Caches {
        let endpoints = self.visible_endpoints();
        let services = self.services.iter().filter(|(_, service)| service.exists());
        let routes = self.routes.iter().filter(|(_, route)| route.exists);
        Caches {
            replica_sets: self.replica_sets.iter().map(ReplicaSet::view).collect(),
            analysis_runs: self.analyses_as_seen(endpoints),
            services: services
                .map(|(name, service)| (name.clone(), service.view(endpoints)))
                .collect(),
            routes: routes
                .map(|(reference, route)| (reference.clone(), route.view()))
                .collect(),
        }
    }

    /// The observation that `caches` give of the Rollout as it is.
    pub(crate) fn observe(&self, caches: Caches, failure: Option<ApplyFailure>) -> Observed {
        let Caches {
            replica_sets,
            analysis_runs,
            services,
            routes,
        } = caches;
        let service = |name: Option<&str>| {
            let found = services.iter().find(|(other, _)| Some(other.as_str()) == name);
            name.map(|_| found.map_or(Presence::Missing, |(_, view)| Presence::Present(view.clone())))
        };
        let (stable, canary) = self.rollout.spec.services();
        let wanted = self
            .rollout
            .spec
            .routing()
            .map(|routing| routing.routes.clone())
            .unwrap_or_default();
        let routes = wanted.into_iter().map(|route| route.reference).map(|reference| {
            let found = routes.iter().find(|(other, _)| *other == reference);
            let presence = found.map_or(Presence::Missing, |(_, view)| Presence::Present(view.clone()));
            (reference, presence)
        });
        Observed {
            rollout: self.rollout_view(),
            spec: self.spec_as_read(),
            analysis_problems: self.rollout.analysis_problems.clone(),
            plugin_problems: self.rollout.plugin_problems.clone(),
            awaits_plugins: self.rollout.awaits_plugins,
            status: self.rollout.status.clone(),
            template: self.template_view(&replica_sets),
            workload: self.workload.as_ref().map(Workload::view),
            replica_sets,
            pods: self.pods_view(),
            stable_service: service(stable),
            canary_service: service(canary),
            routes: routes.collect(),
            analysis_runs,
            analysis_names_taken: self.taken_names.clone(),
            experiment_refs: self.experiment_refs(),
            overlaps_with: self.overlaps_with.clone(),
            failure,
            sinks: self.sinks.clone(),
            settings: self.settings,
        }
    }

    fn experiment_refs(&self) -> ExperimentRefs {
        ExperimentRefs {
            others: self.others.clone(),
            lost: self.lost_shares(),
        }
    }

    fn rollout_view(&self) -> RolloutView {
        RolloutView {
            namespace: NAMESPACE.to_owned(),
            name: ROLLOUT.to_owned(),
            generation: self.rollout.generation,
            revision: self.rollout.revision,
            workload_generation: self.rollout.workload_generation,
            origin: self.rollout.origin.clone(),
            lacks_replicas: self.rollout.lacks_replicas,
        }
    }

    /// Pods are listed while a restart is due, and never out of date.
    fn pods_view(&self) -> Pods {
        let is_due = restart::is_due(&self.rollout.spec, &self.rollout.status, self.controller_time());
        if !is_due {
            return Pods::NotListed;
        }
        if let Some(message) = self.environment.hides_pods.clone() {
            return Pods::Unknown { message };
        }
        let owned = self.replica_sets.iter().filter(|replica_set| replica_set.owned);
        Pods::Listed(owned.flat_map(ReplicaSet::pod_views).collect())
    }

    fn spec_as_read(&self) -> Result<Spec, InvalidSpec> {
        let (spec, problems) = (self.rollout.spec.clone(), self.rollout.problems.clone());
        if problems.is_empty() {
            return Ok(spec);
        }
        let readable = Some(Box::new(spec));
        Err(InvalidSpec { problems, readable })
    }

    /// A digest that a ReplicaSet carries was checked before; anything else is asked of the API server.
    fn template_view(&self, replica_sets: &[ReplicaSetView]) -> TemplateView {
        let template = &self.rollout.template;
        let digest = template.digest.clone();
        let same_version = |view: &&ReplicaSetView| {
            let versions = self
                .replica_sets
                .iter()
                .filter(|other| other.version == template.version);
            versions.into_iter().any(|other| other.name == view.name)
        };
        let check = if replica_sets
            .iter()
            .any(|view| view.digest.as_ref() == Some(&digest))
        {
            TemplateCheck::Known
        } else {
            match self.behaviour(template.version).admission {
                Admission::Invalid => TemplateCheck::Invalid {
                    message: "spec.containers[0].imge: unknown field".to_owned(),
                },
                Admission::Refused => TemplateCheck::Refused {
                    message: "exceeded quota".to_owned(),
                },
                Admission::Silent => TemplateCheck::Unknown {
                    message: "request timed out".to_owned(),
                },
                Admission::Accepted => match replica_sets.iter().find(same_version) {
                    Some(equal) => TemplateCheck::Equal {
                        replica_set: equal.name.clone(),
                    },
                    None => TemplateCheck::New {
                        name_taken: self.name_is_taken(&digest),
                    },
                },
            }
        };
        let image = Some(image(template.version));
        TemplateView { digest, image, check }
    }

    fn name_is_taken(&self, digest: &kulta_core::revision::TemplateDigest) -> bool {
        let hash = digest.pod_hash(self.rollout.status.collision_count);
        let name = replica_set_name(ROLLOUT, &hash);
        self.taken_names.contains(&name) || self.replica_sets.iter().any(|other| other.name == name)
    }
}
