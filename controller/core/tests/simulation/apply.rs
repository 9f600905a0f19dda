//! The writes of a plan, each under its precondition, as the API server would carry them out.

use kulta_core::analysis::run::AnalysisPhase;
use kulta_core::observed::{ApplyFailure, FailureKind, Judge};
use kulta_core::plan::{Action, BackendChange, LabelChange, RuleChange, WeightChange};
use kulta_core::revision::TemplateDigest;
use kulta_core::spec::RouteReference;

use super::analysis::AnalysisRun;
use super::cluster::{Cluster, ROLLOUT};
use super::replica_set::{Darkness, ReplicaSet};
use super::route::change_backends;
use super::service::Selection;
use super::sharing::Pods;
use super::template::Admission;

/// Why a write was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Somebody else was faster: look again.
    Conflict(String),
    /// The API server refuses.
    Failure(ApplyFailure),
}

impl Cluster {
    /// Carries out one action.
    #[expect(
        clippy::too_many_lines,
        reason = "an arm for each action, destructured in full"
    )]
    pub(crate) fn apply(&mut self, action: &Action) -> Result<(), Refusal> {
        match action {
            Action::AdoptReplicaSet {
                name,
                uid,
                resource_version,
            } => {
                let replica_set = self.write_replica_set(name, resource_version)?;
                require(
                    replica_set.uid.to_string() == *uid,
                    "another ReplicaSet of that name",
                )?;
                require(!replica_set.owned, "the ReplicaSet has an owner")?;
                replica_set.owned = true;
                Ok(())
            }
            Action::CreateReplicaSet {
                name,
                hash,
                digest,
                revision,
                min_ready_seconds,
                desired_replicas,
                metadata,
                apart_from,
            } => {
                let mut new = ReplicaSet::new(
                    name.clone(),
                    hash.clone(),
                    self.rollout.template.version,
                    self.time(),
                );
                new.revision = *revision;
                new.min_ready_seconds = *min_ready_seconds;
                new.desired_replicas = Some(*desired_replicas);
                new.made_with(metadata);
                new.apart_from.clone_from(apart_from);
                self.create(new, digest)
            }
            Action::RecordRevision {
                name,
                resource_version,
                revision,
                digest,
            } => {
                let replica_set = self.write_replica_set(name, resource_version)?;
                replica_set.revision = *revision;
                replica_set.digest = Some(digest.clone());
                Ok(())
            }
            Action::AnnotateRollout {
                revision,
                workload_generation,
                replicas,
            } => {
                if let Some(replicas) = replicas {
                    self.rollout.spec.replicas = *replicas;
                    self.rollout.lacks_replicas = false;
                    self.rollout.generation += 1;
                }
                self.rollout.revision = revision.or(self.rollout.revision);
                self.rollout.workload_generation = workload_generation.or(self.rollout.workload_generation);
                self.rollout.resource_version = self.changed();
                Ok(())
            }
            Action::ScaleReplicaSet {
                name,
                resource_version,
                revision,
                from,
                to,
                min_ready_seconds,
                desired_replicas,
            } => {
                let replica_set = self.write_replica_set(name, resource_version)?;
                require(replica_set.spec_replicas == *from, "the size has changed")?;
                require(replica_set.revision == *revision, "the revision has changed")?;
                replica_set.spec_replicas = *to;
                replica_set.min_ready_seconds = *min_ready_seconds;
                replica_set.desired_replicas = Some(*desired_replicas);
                Ok(())
            }
            Action::ScaleDeployment {
                name: _,
                resource_version,
                from,
                to,
            } => {
                let changed = self.changed();
                let workload = self
                    .workload
                    .as_mut()
                    .ok_or(Refusal::Conflict("no workload".to_owned()))?;
                require(
                    workload.resource_version.to_string() == *resource_version,
                    "the workload has changed",
                )?;
                require(workload.replicas == Some(*from), "the size has changed")?;
                workload.replicas = Some(*to);
                workload.generation += 1;
                workload.resource_version = changed;
                Ok(())
            }
            Action::SetScaleDownDeadline {
                name,
                resource_version,
                deadline,
            } => {
                self.write_replica_set(name, resource_version)?
                    .scale_down_deadline = *deadline;
                Ok(())
            }
            Action::DeleteReplicaSet {
                name,
                uid,
                resource_version,
            } => {
                let replica_set = self.write_replica_set(name, resource_version)?;
                require(
                    replica_set.uid.to_string() == *uid,
                    "another ReplicaSet of that name",
                )?;
                self.replica_sets.retain(|other| other.name != *name);
                Ok(())
            }
            Action::PointService {
                name,
                resource_version,
                from,
                to,
            } => self.point_service(name, resource_version, from.as_deref(), to),
            Action::CreateAnalysisRun {
                name,
                purpose: _,
                hash,
                revision: _,
                definition,
                spec,
            } => self.create_analysis_run(Judge::AnalysisRun, name, hash, definition, spec),
            Action::CreateExperiment {
                name,
                step: _,
                experiment,
                stable,
                canary,
                revision: _,
                definition,
            } => {
                for version in [stable, canary] {
                    let mut there = self.replica_sets.iter();
                    require(
                        there.any(|own| own.name == version.replica_set && own.hash == version.hash),
                        "no such version",
                    )?;
                }
                self.create_analysis_run(Judge::Experiment, name, &canary.hash, definition, experiment)
            }
            Action::TerminateAnalysisRun {
                judge,
                name,
                resource_version,
            } => {
                self.write_analysis_run(*judge, name, resource_version)?.terminate = true;
                Ok(())
            }
            Action::DeleteAnalysisRun {
                judge,
                name,
                uid,
                resource_version,
            } => {
                let run = self.write_analysis_run(*judge, name, resource_version)?;
                require(run.uid.to_string() == *uid, "another AnalysisRun of that name")?;
                let pods = run.pods.clone();
                let named = self.shares().into_iter().map(str::to_owned);
                let forsaken: Vec<_> = named
                    .filter(|service| pods.answers(service, self.tick).is_some())
                    .collect();
                self.forsaken.extend(forsaken);
                self.analysis_runs
                    .retain(|other| (other.judge, &other.name) != (*judge, name));
                Ok(())
            }
            Action::MarkExperiment {
                name,
                resource_version,
                routed,
            } => {
                let run = self.write_analysis_run(Judge::Experiment, name, resource_version)?;
                run.pods.routed = Some(routed.clone());
                Ok(())
            }
            Action::SetRouteWeights {
                route,
                generation,
                changes,
                backends,
                rules,
                label,
            } => self.set_weights(route, *generation, (changes, backends, rules, label.as_ref())),
            Action::InjectMetadata {
                name,
                resource_version,
                former,
                metadata,
            } => {
                self.write_replica_set(name, resource_version)?
                    .inject(former, metadata);
                Ok(())
            }
            Action::SpreadMetadata {
                name,
                uid: _,
                hash: _,
                resource_version,
                former,
                metadata,
            } => {
                self.write_replica_set(name, resource_version)?
                    .spread(former, metadata);
                Ok(())
            }
            Action::EvictPod { uid, .. } => self.evict(uid).ok_or_else(|| conflict("no such pod")),
        }
    }

    fn write_replica_set(&mut self, name: &str, resource_version: &str) -> Result<&mut ReplicaSet, Refusal> {
        let next = self.changed();
        let found = self.replica_sets.iter_mut().find(|other| other.name == name);
        let replica_set = found.ok_or_else(|| conflict("no such ReplicaSet"))?;
        require(
            replica_set.resource_version.to_string() == resource_version,
            "a stale ReplicaSet",
        )?;
        replica_set.resource_version = next;
        Ok(replica_set)
    }

    fn create_analysis_run(
        &mut self,
        judge: Judge,
        name: &str,
        hash: &str,
        definition: &str,
        spec: &serde_json::Value,
    ) -> Result<(), Refusal> {
        require(!self.refuses_analyses, "denied by a webhook")?;
        let taken = self.taken_names.contains(name);
        require(
            !taken
                && self
                    .analysis_runs
                    .iter()
                    .all(|other| other.judge != judge || other.name != name),
            "the name is taken",
        )?;
        let version = self.replica_set(hash).map(|replica_set| replica_set.version);
        let version = version.ok_or_else(|| conflict("no such revision"))?;
        let uid = self.changed();
        self.analysis_runs.push(AnalysisRun {
            judge,
            name: name.to_owned(),
            uid,
            resource_version: uid,
            created: self.time(),
            created_at: self.tick,
            version,
            hash: hash.to_owned(),
            definition: definition.to_owned(),
            terminate: false,
            phase: AnalysisPhase::Pending,
            held: false,
            spec: spec.clone(),
            pods: Pods::of(name, spec),
        });
        Ok(())
    }

    fn write_analysis_run(
        &mut self,
        judge: Judge,
        name: &str,
        resource_version: &str,
    ) -> Result<&mut AnalysisRun, Refusal> {
        let next = self.changed();
        let mut runs = self.analysis_runs.iter_mut();
        let found = runs.find(|other| other.judge == judge && other.name == name);
        let run = found.ok_or_else(|| conflict("no such AnalysisRun"))?;
        require(
            run.resource_version.to_string() == resource_version,
            "a stale AnalysisRun",
        )?;
        run.resource_version = next;
        Ok(run)
    }

    fn create(&mut self, mut new: ReplicaSet, digest: &TemplateDigest) -> Result<(), Refusal> {
        require(
            self.rollout.template.digest == *digest,
            "the template has changed",
        )?;
        let taken = self.taken_names.contains(&new.name);
        require(
            !taken && self.replica_sets.iter().all(|other| other.name != new.name),
            "the name is taken",
        )?;
        let failed = |message: &str| {
            let message = message.to_owned();
            Err(Refusal::Failure(ApplyFailure {
                kind: FailureKind::CreateReplicaSet,
                message,
            }))
        };
        match self.behaviour(new.version).admission {
            Admission::Accepted => {}
            Admission::Invalid => return failed("the template is invalid"),
            Admission::Refused => return failed("exceeded quota"),
            Admission::Silent => return failed("request timed out"),
        }
        new.digest = Some(digest.clone());
        self.add_replica_set(new);
        Ok(())
    }

    fn point_service(
        &mut self,
        name: &str,
        resource_version: &str,
        from: Option<&str>,
        to: &str,
    ) -> Result<(), Refusal> {
        let (tick, next) = (self.tick, self.changed());
        let found = self.services.get_mut(name).filter(|service| service.exists());
        let service = found.ok_or_else(|| conflict("no such Service"))?;
        require(
            service.resource_version.to_string() == resource_version,
            "a stale Service",
        )?;
        require(service.selects() == from, "the Service selects something else")?;
        service.selection.set(tick, Selection::Revision(to.to_owned()));
        service.managed_by = Some(ROLLOUT.to_owned());
        service.resource_version = next;
        Ok(())
    }

    fn set_weights(
        &mut self,
        reference: &RouteReference,
        generation: i64,
        (changes, refs, rules, label): (
            &[WeightChange],
            &[BackendChange],
            &[RuleChange],
            Option<&LabelChange>,
        ),
    ) -> Result<(), Refusal> {
        let spared = self
            .environment
            .refused_route
            .as_ref()
            .is_some_and(|refused| refused != reference);
        if let Some(message) = self.environment.route_refusal.clone().filter(|_| !spared) {
            return Err(Refusal::Failure(ApplyFailure {
                kind: FailureKind::Traffic,
                message,
            }));
        }
        let tick = self.tick;
        let found = self.routes.get_mut(reference).filter(|route| route.exists);
        let route = found.ok_or_else(|| conflict("no such route"))?;
        require(route.generation() == generation, "the route has changed")?;
        let mut backends = route.backends().to_vec();
        for WeightChange {
            rule,
            index,
            name,
            from,
            to,
        } in changes
        {
            let found = backends
                .iter_mut()
                .find(|other| other.rule == *rule && other.index == *index);
            let backend = found.ok_or_else(|| conflict("no such backendRef"))?;
            require(
                backend.name == *name && backend.weight == *from,
                "the backendRef has changed",
            )?;
            backend.weight = Some(*to);
        }
        for change in refs {
            change_backends(&mut backends, change).map_err(conflict)?;
        }
        route.relabel(label).map_err(conflict)?;
        if !changes.is_empty() || !refs.is_empty() || !rules.is_empty() {
            route.rules_manager = Some(kulta_core::FIELD_MANAGER.to_owned());
        }
        route.change(tick, backends, rules).map_err(conflict)?;
        self.changed();
        Ok(())
    }

    /// A node goes with so many pods of a revision; others come in their place.
    pub(crate) fn lose_pods(&mut self, hash: &str, number: usize) {
        let (tick, next) = (self.tick, self.changed());
        if let Some(replica_set) = self.replica_sets.iter_mut().find(|other| other.hash == hash) {
            replica_set.lose_pods(number, tick);
            replica_set.resource_version = next;
        }
    }

    /// A user deletes a ReplicaSet with its pods.
    pub(crate) fn delete_replica_set(&mut self, hash: &str) {
        self.deleted_by_user.insert(hash.to_owned());
        self.replica_sets.retain(|other| other.hash != hash);
        self.changed();
    }

    /// Whether it is the environment's doing that `hash` has no pods.
    pub(crate) fn dark_by_environment(&self, hash: &str) -> bool {
        self.replica_set(hash).map_or_else(
            || self.deleted_by_user.contains(hash),
            |replica_set| replica_set.darkness == Darkness::Environment,
        )
    }
}

fn require(holds: bool, otherwise: &str) -> Result<(), Refusal> {
    if holds { Ok(()) } else { Err(conflict(otherwise)) }
}

fn conflict(what: &str) -> Refusal {
    Refusal::Conflict(what.to_owned())
}
