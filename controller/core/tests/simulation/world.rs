//! The cluster, the controller and those who look on, moved through time together.

use kulta_core::analysis::run::AnalysisPhase;
use kulta_core::spec::{PodMetadata, RouteReference};
use kulta_core::status::{Phase, Status};

use super::analysis::Opinion;
use super::cluster::{Cluster, NEW_SIDE, STABLE_SIDE};
use super::controller::{Controller, Witness};
use super::data_plane::is_one_of;
use super::delivery::Delivery;
use super::route::Answer;
use super::template::{Admission, Behaviour, Fate};
use super::user::UserAction;

/// Without a change for so many ticks, only the controller's own timers can move anything: longer than any lag.
const QUIET_TICKS: u64 = 20;
/// A Rollout that has not come to rest after so many ticks never will.
const MOST_TICKS_TO_SETTLE: u64 = 3_000;
/// The longest jump to the next time at which the controller wants to look: a day.
const LONGEST_JUMP: i64 = 86_400;

/// A simulated cluster with its controller.
pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) controller: Controller,
    pub(crate) witnesses: Vec<Box<dyn Witness>>,
    pub(crate) trace: Option<Vec<String>>,
    /// The delivery of events, where there is a sink.
    pub(crate) delivery: Option<Delivery>,
}

/// Several witnesses as one.
struct Together<'a>(&'a mut [Box<dyn Witness>]);

impl Witness for Together<'_> {
    fn plan(
        &mut self,
        observed: &kulta_core::observed::Observed,
        now: jiff::Timestamp,
        plan: &kulta_core::plan::Plan,
    ) -> Result<(), String> {
        self.0
            .iter_mut()
            .try_for_each(|witness| witness.plan(observed, now, plan))
    }

    fn second(&mut self, cluster: &Cluster) -> Result<(), String> {
        self.0.iter_mut().try_for_each(|witness| witness.second(cluster))
    }
}

impl World {
    /// Lets one second pass.
    pub(crate) fn tick(&mut self) -> Result<(), String> {
        self.cluster.step();
        let mut witnesses = Together(&mut self.witnesses);
        witnesses.second(&self.cluster)?;
        self.controller
            .work(&mut self.cluster, &mut witnesses, &mut self.trace)?;
        if let Some(delivery) = &mut self.delivery {
            delivery.step(&mut self.cluster);
        }
        Ok(())
    }

    /// Lets time pass until nothing changes any more, not even at the next time the controller wants to look.
    pub(crate) fn settle(&mut self) -> Result<(), String> {
        let mut quiet = 0;
        for _ in 0..MOST_TICKS_TO_SETTLE {
            let before = self.cluster.changes;
            self.tick()?;
            quiet = if self.cluster.changes == before {
                quiet + 1
            } else {
                0
            };
            if quiet >= QUIET_TICKS && self.controller.idle {
                let Some(wake_at) = self.controller.wake_at else {
                    return Ok(());
                };
                let ahead = wake_at.duration_since(self.cluster.controller_time()).as_secs();
                if ahead > LONGEST_JUMP {
                    return Ok(());
                }
                self.cluster.tick += u64::try_from(ahead - 1).unwrap_or(0);
                quiet = QUIET_TICKS;
            }
        }
        Err(format!("never at rest: {}", self.describe()))
    }

    /// Lets time pass until `holds`.
    pub(crate) fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) -> Result<(), String> {
        for _ in 0..MOST_TICKS_TO_SETTLE {
            if holds(self) {
                return Ok(());
            }
            self.tick()?;
        }
        Err(format!("not reached: {what}; {}", self.describe()))
    }

    /// A user acts.
    pub(crate) fn user(&mut self, action: &UserAction) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("t={} user: {action:?}", self.cluster.tick));
        }
        self.cluster.user(action);
    }

    /// Mends everything that is broken around the Rollout.
    pub(crate) fn heal(&mut self) {
        let versions: Vec<u32> = self
            .cluster
            .replica_sets
            .iter()
            .map(|replica_set| replica_set.version)
            .collect();
        for version in versions
            .into_iter()
            .chain([self.cluster.rollout.template.version])
        {
            let healthy = Behaviour {
                fate: Fate::Fine,
                admission: Admission::Accepted,
                opinion: Opinion::After(3, AnalysisPhase::Successful),
                ..self.cluster.behaviour(version)
            };
            self.cluster.behave(version, healthy);
        }
        self.cluster.environment.pod_quota = u32::MAX;
        self.cluster.environment.budget = 0;
        self.cluster.environment.hides_pods = None;
        self.cluster.environment.route_refusal = None;
        self.cluster.environment.refused_route = None;
        self.cluster.clock_error = 0;
        self.user(&UserAction::MendSpec);
        self.user(&UserAction::CreateAnalysisTemplate);
        self.controller.faults = super::controller::Faults::default();
        self.controller.meanwhile = None;
        let references: Vec<RouteReference> = self.cluster.routes.keys().cloned().collect();
        for reference in references {
            self.user(&UserAction::CreateRoute(reference.clone()));
            for gateway in self
                .cluster
                .routes
                .get_mut(&reference)
                .into_iter()
                .flat_map(|route| &mut route.gateways)
            {
                gateway.answer = Answer::Accepts(1);
            }
        }
        let services = self.cluster.services.values();
        let lost: Vec<String> = services
            .filter(|service| !service.exists())
            .map(|service| service.name.clone())
            .collect();
        for service in lost {
            self.user(&UserAction::CreateService(service));
        }
        self.cluster.changed();
    }

    /// The status as stored.
    pub(crate) fn status(&self) -> &Status {
        &self.cluster.rollout.status
    }

    /// The phase as stored.
    pub(crate) fn phase(&self) -> Phase {
        self.status().phase
    }

    /// Sizes of the current and the stable ReplicaSet, as the spec of each says.
    pub(crate) fn sizes(&self) -> (u32, u32) {
        let status = self.status();
        let size = |hash: &Option<String>| {
            let found = hash.as_ref().and_then(|hash| self.cluster.replica_set(hash));
            found.map_or(0, |replica_set| replica_set.spec_replicas)
        };
        (size(&status.current_pod_hash), size(&status.stable_hash))
    }

    /// The weight of the new version as written in every rule that names both Services.
    pub(crate) fn weights(&self) -> Vec<u32> {
        let routes = self.cluster.routes.values().filter(|route| route.exists);
        let canaries = routes.flat_map(|route| {
            route.backends().iter().filter(|backend| {
                let mut others = route.backends().iter();
                let is_paired =
                    others.any(|other| other.rule == backend.rule && is_one_of(other, STABLE_SIDE));
                is_paired && is_one_of(backend, NEW_SIDE)
            })
        });
        canaries.map(|backend| backend.weight.unwrap_or(1)).collect()
    }

    /// The names of the controller's own rules in all routes.
    pub(crate) fn managed_rules(&self) -> Vec<&str> {
        let routes = self.cluster.routes.values().filter(|route| route.exists);
        routes.flat_map(super::route::Route::rule_names).collect()
    }

    /// Whether a route has a label.
    pub(crate) fn is_labelled(&self) -> bool {
        let mut routes = self.cluster.routes.values().filter(|route| route.exists);
        routes.any(|route| !route.labels.is_empty())
    }

    /// What a Service selects.
    pub(crate) fn selects(&self, service: &str) -> Option<&str> {
        self.cluster
            .services
            .get(service)
            .and_then(super::service::Service::selects)
    }

    /// What must be the same at rest, however the Rollout came there.
    pub(crate) fn end_state(&self) -> String {
        let status = self.status();
        let mut sizes: Vec<_> = self
            .cluster
            .replica_sets
            .iter()
            .map(|other| (other.version, other.spec_replicas, other.available()))
            .collect();
        sizes.sort_unstable();
        let (stable, canary) = self.cluster.rollout.spec.services();
        format!(
            "{:?} {:?}, step {:?}, current {:?}, stable {:?}, abort {}, (version, spec, available) {sizes:?}, weights \
             {:?}, rules {:?}, services {:?} {:?}, restarted {}",
            status.phase,
            status.message,
            status.current_step_index,
            status.current_pod_hash,
            status.stable_hash,
            status.abort,
            self.weights(),
            self.managed_rules(),
            stable.and_then(|service| self.selects(service)),
            canary.and_then(|service| self.selects(service)),
            self.is_restarted(),
        )
    }

    /// What is wrong with the labels and annotations of the pods, if anything: those of each version are the ones of its
    /// part, and nothing is left of others.
    pub(crate) fn wrong_metadata(&self) -> Option<String> {
        let (status, rules) = (self.status(), &self.cluster.rollout.spec.pods);
        self.cluster.replica_sets.iter().find_map(|one| {
            let wanted = if status.stable_hash.as_ref() == Some(&one.hash) {
                rules.stable_metadata.clone()
            } else if status.current_pod_hash.as_ref() == Some(&one.hash) {
                rules.new_metadata.clone()
            } else {
                PodMetadata::default()
            };
            let pods = one.pods.iter().map(|pod| &pod.metadata);
            let wrong = pods
                .chain([&one.metadata])
                .find(|metadata| **metadata != wanted)?;
            Some(format!("{}: {wrong:?} instead of {wanted:?}", one.name))
        })
    }

    /// Whether all pods are younger than the restart that was asked for last, and the status says so.
    pub(crate) fn is_restarted(&self) -> bool {
        let Some(restart) = self.cluster.rollout.spec.pods.restart else {
            return true;
        };
        self.status().restarted_at == Some(restart.at)
    }

    /// The state in a line, for messages of failed tests.
    pub(crate) fn describe(&self) -> String {
        let status = self.status();
        let sizes: Vec<_> = self
            .cluster
            .replica_sets
            .iter()
            .map(|other| {
                format!(
                    "{}(v{}) {}/{}",
                    other.hash,
                    other.version,
                    other.available(),
                    other.spec_replicas
                )
            })
            .collect();
        let (stable, canary) = self.cluster.rollout.spec.services();
        format!(
            "t={} phase {:?} {:?}, step {:?} of {}, current {:?}, stable {:?}, abort {}, sizes {sizes:?}, weights {:?}, \
             rules {:?}, analyses {:?}, stable service -> {:?}, canary service -> {:?}, traffic {:?}, restarted {}, wake at {:?}",
            self.cluster.tick,
            status.phase,
            status.message,
            status.current_step_index,
            self.cluster.rollout.spec.steps.len(),
            status.current_pod_hash,
            status.stable_hash,
            status.abort,
            self.weights(),
            self.managed_rules(),
            status.analyses,
            stable.and_then(|service| self.selects(service)),
            canary.and_then(|service| self.selects(service)),
            status.traffic,
            self.is_restarted(),
            self.controller.wake_at,
        )
    }
}
