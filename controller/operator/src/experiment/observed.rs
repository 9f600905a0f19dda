//! An Experiment and its objects as they are now. They are read by their names, not from caches: what was just written is seen.

use jiff::SignedDuration;
use kube::core::DynamicObject;
use kulta_api::experiment::{Facts, KIND, RunMetadata, Task, TemplateManifest, parse};
use kulta_api::names::HASH_LABEL;
use kulta_api::{Group, rollout};
use kulta_core::experiment::{
    Analysis, Experiment, ExperimentStatus, Observed, ReplicaSetSeen, RunSeen, Seen, Template, TemplateSeen,
    TemplateStatus, Version, replica_set_name, run_name, service_name,
};
use kulta_core::observed::Routed;
use kulta_core::revision::TemplateDigest;
use kulta_core::spec::Problem;
use serde_json::Value;
use thiserror::Error;

use super::engine::{EngineError, ExperimentEngine};
use super::manifest::Owner;
use crate::apply::request::Target;
use crate::expectations::Kind;
use crate::instance::Instance;
use crate::key::ObjectKey;
use crate::observe::read;
use crate::watch::{AnalysisRun, Projection, ReplicaSet, Service, routed};

/// An Experiment as it is now.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) key: ObjectKey,
    pub(super) uid: String,
    pub(super) resource_version: String,
    pub(super) status: ExperimentStatus,
    /// What its Rollout has noted on it about routes.
    routed: Option<Routed>,
    spec: Value,
}

/// What an Experiment is to do, as far as it is known.
pub(super) struct Work {
    pub(super) experiment: Experiment,
    /// The hashes of its templates.
    hashes: Vec<String>,
    /// What its objects are made of; None: it makes no sense, and what there is of it goes.
    pub(super) task: Result<Task, Vec<Problem>>,
}

/// The spec makes no sense.
#[derive(Debug, Error)]
#[error("its spec makes no sense: {}", told(.0))]
pub(super) struct Invalid(pub(super) Vec<Problem>);

pub(super) fn told(problems: &[Problem]) -> String {
    let list: Vec<_> = problems.iter().map(ToString::to_string).collect();
    list.join("; ")
}

impl Work {
    pub(super) fn task(&self) -> Result<&Task, Invalid> {
        self.task.as_ref().map_err(|problems| Invalid(problems.clone()))
    }

    /// The name and the pods of a template.
    pub(super) fn template(&self, index: usize) -> Result<(&str, &TemplateManifest), Invalid> {
        let task = self.task()?;
        let template = task
            .experiment
            .templates
            .get(index)
            .zip(task.templates.get(index));
        let no_such = || Invalid(vec![Problem::new("spec.templates", "a template is missing")]);
        let (template, pods) = template.ok_or_else(no_such)?;
        Ok((&template.name, pods))
    }

    pub(super) fn run_metadata(&self) -> Result<&RunMetadata, Invalid> {
        Ok(&self.task()?.run_metadata)
    }
}

impl Found {
    /// The Experiment, unless it is being deleted, or another controller's.
    pub(super) fn of(live: DynamicObject, key: &ObjectKey, instance: &Instance) -> Option<Self> {
        // What its objects tell of it may be another controller's.
        let is_own = instance.has(live.metadata.labels.as_ref());
        if !is_own || live.metadata.deletion_timestamp.is_some() {
            return None;
        }
        let field = |name| live.data.get(name).cloned().unwrap_or_default();
        Some(Self {
            key: key.clone(),
            routed: note(&live),
            uid: live.metadata.uid?,
            resource_version: live.metadata.resource_version?,
            // One that can't be read counts as lost: it is found out again.
            status: serde_json::from_value(field("status")).unwrap_or_default(),
            spec: field("spec"),
        })
    }

    pub(super) fn owner(&self) -> Owner<'_> {
        Owner {
            key: &self.key,
            uid: &self.uid,
        }
    }

    /// An object of it by its name.
    pub(super) fn object(&self, kind: Kind, name: &str) -> Target {
        let key = match kind {
            Kind::AnalysisRun => self.key.beside(name),
            _ => ObjectKey::new(&self.key.namespace, name),
        };
        Target {
            kind,
            key,
            version: None,
        }
    }

    pub(super) fn work(&self) -> Work {
        let task = parse(&self.spec).and_then(|task| match self.problems(&task) {
            problems if problems.is_empty() => Ok(task),
            problems => Err(problems),
        });
        let (experiment, hashes) = match &task {
            Ok(task) => (task.experiment.clone(), self.hashes(task)),
            Err(_) => (left(&self.status), known_hashes(&self.status)),
        };
        Work {
            experiment,
            hashes,
            task,
        }
    }

    /// What can't be: names of Services that are none, and the loss of what was begun.
    fn problems(&self, task: &Task) -> Vec<Problem> {
        let mut problems = Vec::new();
        let experiment = &task.experiment;
        for (template, index) in experiment.templates.iter().zip(0_u32..) {
            let replica_set = replica_set_name(&self.key.name, &template.name, "", 0);
            let service = service_name(template, &replica_set);
            if let Some(name) = service.filter(|name| !is_service_name(name)) {
                let message = format!(
                    "{name:?} can't be the name of a Service: small letters, digits and -, a letter first, 63 at most; \
                     write one"
                );
                problems.push(Problem::new(
                    format!("spec.templates[{index}].service.name"),
                    message,
                ));
            }
        }
        let mut known = self.status.template_statuses.iter();
        let is_there = |known: &TemplateStatus| {
            let mut templates = experiment.templates.iter();
            templates.any(|template| {
                template.name == known.name && known.service_name.is_some() <= template.service.is_some()
            })
        };
        if !known.all(is_there) {
            let message =
                "a template, or its service, can't be taken away once it has begun; make another Experiment";
            problems.push(Problem::new("spec.templates", message));
        }
        let mut known = self.status.analysis_runs.iter();
        if !known.all(|known| {
            experiment
                .analyses
                .iter()
                .any(|analysis| analysis.name == known.name)
        }) {
            let message = "an analysis can't be taken away once it has begun; make another Experiment";
            problems.push(Problem::new("spec.analyses", message));
        }
        problems
    }

    fn hashes(&self, task: &Task) -> Vec<String> {
        let templates = task.experiment.templates.iter().zip(&task.templates);
        templates
            .map(|(template, pods)| self.hash(template, pods))
            .collect()
    }

    /// The hash of a template: of this one of this Experiment alone, so that no Service and no ReplicaSet of anybody else ever
    /// takes its pods for its own.
    fn hash(&self, template: &Template, pods: &TemplateManifest) -> String {
        let collisions = self.status.collisions(&template.name);
        TemplateDigest::of(&pods.template).pod_hash_within(&[&self.uid, &template.name], collisions)
    }

    /// What can stand in the values of arguments of its analyses.
    pub(super) fn facts(&self, work: &Work) -> Facts {
        let mut facts = Facts::new();
        for (template, computed) in work.experiment.templates.iter().zip(&work.hashes) {
            let name = &template.name;
            // What its pods bear, whoever has made them.
            let known = self.status.template(name).map(|known| &known.pod_template_hash);
            let hash = known.filter(|hash| !hash.is_empty()).unwrap_or(computed);
            facts.insert(format!("templates.{name}.podTemplateHash"), hash.clone());
            let replica_set = self.replica_set_of(template, hash);
            facts.insert(format!("templates.{name}.replicaset.name"), replica_set);
        }
        // Before it is available, only whether these can stand somewhere is of interest.
        let available = self.status.available_at.unwrap_or_default();
        facts.insert("experiment.availableAt".to_owned(), available.to_string());
        if let Some(end) = work
            .experiment
            .duration
            .and_then(|lasts| available.checked_add(lasts).ok())
        {
            facts.insert("experiment.finishedAt".to_owned(), end.to_string());
        }
        facts
    }

    fn replica_set_of(&self, template: &Template, hash: &str) -> String {
        let collisions = self.status.collisions(&template.name);
        replica_set_name(&self.key.name, &template.name, hash, collisions)
    }
}

/// What there is of an Experiment that can't be read any more, as its status tells.
fn left(status: &ExperimentStatus) -> Experiment {
    let templates = status.template_statuses.iter().map(|template| Template {
        name: template.name.clone(),
        replicas: 0,
        service: template.service_name.clone().map(Some),
    });
    let analyses = status.analysis_runs.iter().map(|run| Analysis {
        name: run.name.clone(),
        is_required: false,
    });
    Experiment {
        templates: templates.collect(),
        duration: None,
        progress_deadline: SignedDuration::ZERO,
        terminate: true,
        analyses: analyses.collect(),
        scale_down_delay: SignedDuration::ZERO,
    }
}

fn known_hashes(status: &ExperimentStatus) -> Vec<String> {
    let templates = status.template_statuses.iter();
    templates
        .map(|template| template.pod_template_hash.clone())
        .collect()
}

impl ExperimentEngine {
    /// What is to be decided on.
    pub(super) async fn observe<'work>(
        &self,
        found: &'work Found,
        work: &'work Work,
    ) -> Result<Observed<'work>, EngineError> {
        let mut templates = Vec::new();
        for (template, hash) in work.experiment.templates.iter().zip(&work.hashes) {
            templates.push(self.template(found, template, hash).await?);
        }
        let mut runs = Vec::new();
        for analysis in &work.experiment.analyses {
            let key = found.key.beside(run_name(&found.key.name, &analysis.name));
            let live = read::object::<AnalysisRun>(&self.context().client, &key).await?;
            runs.push(seen(found, live, run_seen));
        }
        Ok(Observed {
            name: &found.key.name,
            experiment: &work.experiment,
            status: &found.status,
            templates,
            runs,
            routed: found.routed.clone(),
            problem: self.problem(found, work).await?,
        })
    }

    async fn template(
        &self,
        found: &Found,
        template: &Template,
        hash: &str,
    ) -> Result<TemplateSeen, EngineError> {
        let name = found.replica_set_of(template, hash);
        let service = match service_name(template, &name) {
            Some(service) => {
                let key = ObjectKey::new(&found.key.namespace, service);
                let live = read::object::<Service>(&self.context().client, &key).await?;
                seen(found, live, version)
            }
            None => Seen::Missing,
        };
        let key = ObjectKey::new(&found.key.namespace, name);
        let live = read::object::<ReplicaSet>(&self.context().client, &key).await?;
        let labels = live.as_ref().and_then(|live| live.metadata.labels.as_ref());
        let borne = labels.and_then(|labels| labels.get(HASH_LABEL));
        Ok(TemplateSeen {
            hash: borne.cloned().unwrap_or_else(|| hash.to_owned()),
            replica_set: seen(found, live, replica_set_seen),
            service,
        })
    }
}

/// What its Rollout has noted on it about routes. Without a Rollout nobody would ever take that back.
fn note(live: &DynamicObject) -> Option<Routed> {
    let mut owners = live.metadata.owner_references.iter().flatten();
    let has_rollout = owners.any(|owner| {
        let group = Group::of(&owner.api_version);
        owner.controller == Some(true) && owner.kind == rollout::KIND && group.is_some()
    });
    routed(live.metadata.annotations.as_ref()?).filter(|_| has_rollout)
}

/// Whether a Service can be called so: see the documentation of Kubernetes, "RFC 1035 Label Names".
fn is_service_name(name: &str) -> bool {
    const LONGEST: usize = 63;
    let usual = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    name.len() <= LONGEST
        && name.bytes().all(usual)
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('-')
}

/// An object by a name that an Experiment gives.
fn seen<T>(
    found: &Found,
    live: Option<DynamicObject>,
    read: impl Fn(&DynamicObject) -> Option<T>,
) -> Seen<T> {
    let Some(live) = live else { return Seen::Missing };
    let mut owners = live.metadata.owner_references.iter().flatten();
    let owner = owners.find(|owner| owner.controller == Some(true));
    let is_own = owner.is_some_and(|owner| owner.uid == found.uid);
    let is_left = owner.is_some_and(|owner| {
        owner.kind == KIND
            && owner.name == found.key.name
            && Group::of(&owner.api_version) == Some(found.key.group)
    });
    match read(&live) {
        Some(_) if live.metadata.deletion_timestamp.is_some() => Seen::Leaving,
        Some(own) if is_own => Seen::Own(own),
        // The one of the same name that it belonged to is gone, and it will be in a moment.
        Some(_) if is_left => Seen::Leaving,
        _ => Seen::Taken,
    }
}

fn version(live: &DynamicObject) -> Option<Version> {
    Some(Version {
        uid: live.metadata.uid.clone()?,
        resource_version: live.metadata.resource_version.clone()?,
    })
}

fn replica_set_seen(live: &DynamicObject) -> Option<ReplicaSetSeen> {
    let object = serde_json::to_value(live).ok()?;
    let view = ReplicaSet::project(&object).ok()?.view;
    Some(ReplicaSetSeen {
        resource_version: view.resource_version,
        spec_replicas: view.spec_replicas,
        replicas: view.replicas,
        ready: view.ready,
        available: view.available,
        failure: view.failure,
    })
}

fn run_seen(live: &DynamicObject) -> Option<RunSeen> {
    let object = serde_json::to_value(live).ok()?;
    let view = AnalysisRun::project(&object).ok()?.view;
    Some(RunSeen {
        uid: view.uid,
        resource_version: view.resource_version,
        terminate: view.terminate,
        phase: view.phase,
        message: view.message,
    })
}
