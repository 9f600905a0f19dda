//! The pods and Services of an experiment's templates.

use super::status::{ConditionKind, TemplateState, TemplateStatus};
use super::{Action, Draft, Seen, Template, TemplateSeen, replica_set_name, service_name};
use crate::draft::after;
use crate::status::Truth;

impl Draft<'_> {
    /// Makes what is missing of each template, and takes up how it is doing.
    pub(super) fn keep_templates(&mut self) {
        let observed = self.observed;
        let templates = observed.experiment.templates.iter().zip(&observed.templates);
        let kept: Vec<_> = templates
            .enumerate()
            .map(|(index, (template, seen))| self.keep(index, template, seen))
            .collect();
        self.status.template_statuses = kept;
        let failures = observed
            .templates
            .iter()
            .filter_map(|seen| seen.replica_set.own()?.failure.clone());
        match failures.into_iter().next() {
            Some(failure) => {
                let told = ("FailedCreate", failure.as_str());
                self.status
                    .tell(ConditionKind::ReplicaFailure, Truth::True, told, self.now);
            }
            None => self.status.take_back(ConditionKind::ReplicaFailure),
        }
    }

    fn keep(&mut self, index: usize, template: &Template, seen: &TemplateSeen) -> TemplateStatus {
        let mut status = self.known(template, seen);
        if status.status.is_over() {
            return status;
        }
        let name = replica_set_name(
            self.observed.name,
            &template.name,
            &seen.hash,
            status.collisions(),
        );
        match &seen.replica_set {
            Seen::Missing => {
                status.set(TemplateState::Progressing, String::new(), self.now);
                self.actions.push(Action::CreateReplicaSet {
                    template: index,
                    name: name.clone(),
                    hash: seen.hash.clone(),
                    replicas: template.replicas,
                });
            }
            Seen::Leaving => status.set(TemplateState::Progressing, String::new(), self.now),
            // The name that comes next has another hash in it; that of the Service may follow it.
            Seen::Taken => {
                status.collision_count = Some(status.collisions() + 1);
                return status;
            }
            Seen::Own(replica_set) => {
                if replica_set.spec_replicas != template.replicas {
                    self.actions.push(Action::ScaleReplicaSet {
                        name: name.clone(),
                        resource_version: replica_set.resource_version.clone(),
                        to: template.replicas,
                    });
                }
                self.judge(&mut status, template, replica_set.available);
            }
        }
        self.keep_service(index, template, seen, &name, &mut status);
        self.expire(&mut status);
        status
    }

    /// What is known of a template already, with the numbers of its pods now.
    fn known(&self, template: &Template, seen: &TemplateSeen) -> TemplateStatus {
        let known = self.observed.status.template(&template.name).cloned();
        let mut status = known.unwrap_or_else(|| TemplateStatus {
            name: template.name.clone(),
            last_transition_time: Some(self.now),
            ..TemplateStatus::default()
        });
        status.pod_template_hash.clone_from(&seen.hash);
        count(&mut status, seen);
        status
    }

    fn judge(&self, status: &mut TemplateStatus, template: &Template, available: u32) {
        let state = if available >= template.replicas {
            TemplateState::Running
        } else {
            TemplateState::Progressing
        };
        status.set(state, String::new(), self.now);
    }

    fn keep_service(
        &mut self,
        index: usize,
        template: &Template,
        seen: &TemplateSeen,
        replica_set: &str,
        status: &mut TemplateStatus,
    ) {
        let Some(name) = service_name(template, replica_set) else {
            return;
        };
        match &seen.service {
            // Its pods are made before what sends to them.
            Seen::Missing if seen.replica_set.own().is_some() => self.actions.push(Action::CreateService {
                template: index,
                name: name.clone(),
                hash: seen.hash.clone(),
            }),
            Seen::Own(_) | Seen::Missing | Seen::Leaving => {}
            Seen::Taken => {
                let message = format!(
                    "the Service {name:?} of template '{}' exists and is somebody else's; delete it, or give another name in \
                     service.name",
                    template.name
                );
                status.set(TemplateState::Error, message, self.now);
            }
        }
        status.service_name = Some(name);
    }

    /// Pods that do not come in time fail the template.
    fn expire(&mut self, status: &mut TemplateStatus) {
        let Some(since) = status
            .last_transition_time
            .filter(|_| status.status == TemplateState::Progressing)
        else {
            return;
        };
        let deadline = self.observed.experiment.progress_deadline;
        let end = after(since, deadline);
        if self.now < end {
            self.look_again(end);
            return;
        }
        let message = format!(
            "Template '{}' exceeded its progressDeadlineSeconds ({})",
            status.name,
            deadline.as_secs()
        );
        status.set(TemplateState::Failed, message, self.now);
    }

    /// Takes up the numbers of pods that are left.
    pub(super) fn count_pods(&mut self) {
        for (template, seen) in self
            .observed
            .experiment
            .templates
            .iter()
            .zip(&self.observed.templates)
        {
            let mut known = self.status.template_statuses.iter_mut();
            if let Some(status) = known.find(|status| status.name == template.name) {
                count(status, seen);
                // There is nothing more to be taken away.
                status
                    .service_name
                    .take_if(|_| matches!(seen.service, Seen::Missing | Seen::Taken));
            }
        }
    }

    /// Whether anything is left to be taken down.
    pub(super) fn has_pods(&self) -> bool {
        self.observed.templates.iter().any(|seen| {
            let replica_set = seen.replica_set.own();
            seen.service.own().is_some() || replica_set.is_some_and(|own| own.spec_replicas > 0)
        })
    }

    /// Services go before the pods that they send to.
    pub(super) fn scale_down(&mut self) {
        let observed = self.observed;
        let templates = || observed.experiment.templates.iter().zip(&observed.templates);
        for (template, seen) in templates() {
            let name = self.replica_set_of(template, seen);
            if let (Some(version), Some(name)) = (seen.service.own(), service_name(template, &name)) {
                self.actions.push(Action::DeleteService {
                    name,
                    version: version.clone(),
                });
            }
        }
        for (template, seen) in templates() {
            if let Some(replica_set) = seen.replica_set.own().filter(|own| own.spec_replicas > 0) {
                self.actions.push(Action::ScaleReplicaSet {
                    name: self.replica_set_of(template, seen),
                    resource_version: replica_set.resource_version.clone(),
                    to: 0,
                });
            }
        }
    }

    fn replica_set_of(&self, template: &Template, seen: &TemplateSeen) -> String {
        let collisions = self.status.collisions(&template.name);
        replica_set_name(self.observed.name, &template.name, &seen.hash, collisions)
    }
}

fn count(status: &mut TemplateStatus, seen: &TemplateSeen) {
    let own = seen.replica_set.own();
    let (replicas, ready, available) = own.map_or((0, 0, 0), |own| (own.replicas, own.ready, own.available));
    status.replicas = replicas;
    status.updated_replicas = replicas;
    status.ready_replicas = ready;
    status.available_replicas = available;
}
