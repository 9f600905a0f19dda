//! Names that are part of the contract with users and their tools: labels, annotations, the field manager.
//!
//! Those that Argo Rollouts has are spelt as there, so that its users' queries, dashboards and policies go on working.

pub use kulta_core::revision::HASH_LABEL;

/// Annotation of Rollouts and ReplicaSets: the number of the revision.
pub const REVISION_ANNOTATION: &str = "rollout.argoproj.io/revision";

/// Annotation of Rollouts: the generation of the workload that the pod template is taken from.
pub const WORKLOAD_GENERATION_ANNOTATION: &str = "rollout.argoproj.io/workload-generation";

/// Annotation of ReplicaSets: the numbers they had before, separated by commas.
pub const REVISION_HISTORY_ANNOTATION: &str = "rollout.argoproj.io/revision-history";

/// Label that the controller of Deployments puts into its ReplicaSets: in those that became a Rollout's it is still there.
pub const DEPLOYMENT_HASH_LABEL: &str = "pod-template-hash";

/// Annotation of ReplicaSets: `spec.replicas` of the Rollout when they were last scaled.
pub const DESIRED_REPLICAS_ANNOTATION: &str = "rollout.argoproj.io/desired-replicas";

/// Annotation of ReplicaSets: the time (RFC 3339) at which they go to 0.
pub const SCALE_DOWN_DEADLINE_ANNOTATION: &str = "scale-down-deadline";

/// Annotation of ReplicaSets: labels and annotations that were put into their pods besides the template, as JSON.
pub const INJECTED_METADATA_ANNOTATION: &str = "rollout.argoproj.io/ephemeral-metadata";

/// Annotation of ReplicaSets, while not all of their pods have them: those that are put in their place, as JSON.
pub const INJECTING_METADATA_ANNOTATION: &str = "kulta.io/ephemeral-metadata-under-way";

/// Label of Rollouts and AnalysisRuns: the id of the controller that works on them; those without belong to the one without.
pub const INSTANCE_ID_LABEL: &str = "argo-rollouts.argoproj.io/controller-instance-id";

/// Annotation of Services: the Rollout that sets their selector.
pub const MANAGED_BY_ANNOTATION: &str = "argo-rollouts.argoproj.io/managed-by-rollouts";

/// Annotation of ReplicaSets: the whole digest of the Rollout's template they were made from.
pub const TEMPLATE_DIGEST_ANNOTATION: &str = "kulta.io/template-digest";

/// Label of an AnalysisRun: what it is for, `Background`, `Step`, `PrePromotion`, `PostPromotion` or (KULTA's own) `Gate`.
pub const ROLLOUT_TYPE_LABEL: &str = "rollout-type";

/// Label of an AnalysisRun that a step waits for: the index of the step.
pub const STEP_INDEX_LABEL: &str = "step-index";

/// Annotation of an AnalysisRun that a Rollout has made: a word for what of the Rollout it was begun with.
pub const ANALYSIS_DEFINITION_ANNOTATION: &str = "kulta.io/analysis-definition";

/// Annotation of an Experiment: the Services of its templates that routes may send to, parted by commas, so that these and their
/// pods stay; or the time (RFC 3339) since when none does.
pub const IN_ROUTES_ANNOTATION: &str = "kulta.io/in-routes";

/// Annotation of ReplicaSets and Services of an Experiment: its name.
pub const EXPERIMENT_NAME_ANNOTATION: &str = "experiment.argoproj.io/name";
/// Annotation of the same: of which of its templates they are.
pub const EXPERIMENT_TEMPLATE_ANNOTATION: &str = "experiment.argoproj.io/template-name";

/// Annotations of a Rollout that tell which commit its template is made of, the better known second.
pub const COMMIT_ANNOTATIONS: [&str; 2] = ["kulta.io/git-commit", "org.opencontainers.image.revision"];

/// Annotation of a Rollout: when that commit was made (RFC 3339).
pub const COMMIT_TIME_ANNOTATION: &str = "kulta.io/git-commit-time";

/// Annotations of a Rollout that tell which repository the commit is of, the better known second.
pub const REPOSITORY_ANNOTATIONS: [&str; 2] = ["kulta.io/git-repository", "org.opencontainers.image.source"];

/// Annotation of a Rollout: who changed it, such as the user of the pipeline.
pub const ACTOR_ANNOTATION: &str = "kulta.io/actor";

/// Annotation of a Rollout: the id of the `CDEvents` event, or of the chain of events, that led to its template.
pub const TRIGGERED_BY_ANNOTATION: &str = "kulta.io/triggered-by";

/// Annotation of a pod template: its main container, as kubectl understands it.
pub const MAIN_CONTAINER_ANNOTATION: &str = "kubectl.kubernetes.io/default-container";

/// Annotation that `kubectl apply` leaves: never copied to ReplicaSets.
pub const LAST_APPLIED_ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Annotations of a Rollout that are about the Rollout itself and are not copied to its ReplicaSets.
pub const ANNOTATIONS_NOT_COPIED: [&str; 6] = [
    LAST_APPLIED_ANNOTATION,
    REVISION_ANNOTATION,
    WORKLOAD_GENERATION_ANNOTATION,
    REVISION_HISTORY_ANNOTATION,
    DESIRED_REPLICAS_ANNOTATION,
    NOTIFIED_ANNOTATION,
];

/// What Argo's notifications remember of a Rollout: of no ReplicaSet anybody was notified.
const NOTIFIED_ANNOTATION: &str = "notified.notifications.argoproj.io";

/// The name under which KULTA writes (`metadata.managedFields[].manager`).
pub const FIELD_MANAGER: &str = "kulta";

/// The name under which KULTA reports Kubernetes Events.
pub const EVENT_REPORTER: &str = "kulta.io/controller";
