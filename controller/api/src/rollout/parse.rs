//! From a spec as written to the spec that decisions read, with everything that is wrong with it.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kulta_core::revision::steps_hash;
use kulta_core::spec::{InvalidSpec, Method, Problem, RunHistory, Spec, Workload};
use serde::Deserialize as _;
use serde_json::Value;
use serde_path_to_error::Segment;

use super::step_hash::step_hash;
use super::workload::{self, TakenFrom};
use super::{RolloutSpec, WorkloadReference, pods, strategy};
use crate::Group;
use crate::names::HASH_LABEL;
use crate::selector;

// Defaults of Argo Rollouts (and of Deployments).
const DEFAULT_REPLICAS: u32 = 1;
const DEFAULT_MIN_READY_SECONDS: u32 = 0;
const DEFAULT_REVISION_HISTORY_LIMIT: u32 = 10;
const DEFAULT_PROGRESS_DEADLINE_SECONDS: u32 = 600;

/// Reading stops after so many fields that can't be read: nobody mends more at once, and a message has its limits.
const MAX_UNREADABLE_FIELDS: usize = 20;

/// The pod template of a Rollout's `spec`, as written.
#[must_use]
pub fn template(spec: &Value) -> Option<&Value> {
    spec.get("template").filter(|template| !template.is_null())
}

/// The label selector of a Rollout's `spec`, None when there is none that can be read.
#[must_use]
pub fn selector(spec: &Value) -> Option<LabelSelector> {
    LabelSelector::deserialize(spec.get("selector")?).ok()
}

/// What the `spec` of a Rollout of `group` in `namespace` means.
///
/// # Errors
/// Everything that is wrong with it, each with its full path and how to mend it. Where fields can't be read (unknown
/// or of the wrong type), they alone are told: what they do to the others is not known yet.
pub fn parse(group: Group, namespace: &str, spec: &Value) -> Result<Spec, InvalidSpec> {
    parse_with(group, namespace, spec, TakenFrom::Missing)
}

/// The same, of a `spec` that may refer to a workload: with what there is of it.
///
/// # Errors
/// As [`parse`], and when `spec` refers to a workload and there is none.
pub fn parse_with(
    group: Group,
    namespace: &str,
    spec: &Value,
    workload: TakenFrom<'_>,
) -> Result<Spec, InvalidSpec> {
    let (raw, unreadable) = decode(spec);
    let Some(raw) = raw else {
        return Err(unreadable.into());
    };
    let mut invalid = Vec::new();
    let home = Home { group, namespace };
    let readable = validate(home, spec, &raw, workload, &mut invalid);
    let problems = if unreadable.is_empty() {
        invalid
    } else {
        unreadable
    };
    match readable {
        Some(spec) if problems.is_empty() => Ok(spec),
        readable => Err(InvalidSpec {
            readable: readable
                .filter(|_| problems.iter().all(leaves_the_rest_readable))
                .map(Box::new),
            problems,
        }),
    }
}

/// A fault in the strategy does not change what the rest of the spec says, and where a workload is missing its pods go on.
/// Anywhere else it may: the number of pods, or which pods they are.
fn leaves_the_rest_readable(problem: &Problem) -> bool {
    problem.path.starts_with("spec.strategy.") || problem.path == WORKLOAD_REFERENCE
}

/// Where the workload is named that a template is taken from.
const WORKLOAD_REFERENCE: &str = "spec.workloadRef";

/// Reads the fields. One that can't be read is told and left out, so that the next one is found as well. Nothing is
/// read when one can't be left out.
fn decode(spec: &Value) -> (Option<RolloutSpec>, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut rest = spec.clone();
    while problems.len() < MAX_UNREADABLE_FIELDS {
        let error = match serde_path_to_error::deserialize::<_, RolloutSpec>(&rest) {
            Ok(raw) => return (Some(raw), problems),
            Err(error) => error,
        };
        problems.push(Problem::new(rooted(error.path()), error.inner().to_string()));
        if !remove(&mut rest, error.path()) {
            break;
        }
    }
    (None, problems)
}

fn rooted(path: &serde_path_to_error::Path) -> String {
    if path.iter().next().is_none() {
        "spec".to_owned()
    } else {
        format!("spec.{path}")
    }
}

/// Takes the field at `path` away; false when it can't be (list entries stay, their neighbours would be renumbered).
fn remove(value: &mut Value, path: &serde_path_to_error::Path) -> bool {
    let segments: Vec<_> = path.iter().collect();
    let Some((Segment::Map { key: last }, parents)) = segments.split_last() else {
        return false;
    };
    let mut parent = Some(value);
    for segment in parents {
        parent = match segment {
            Segment::Map { key } => parent.and_then(|value| value.get_mut(key)),
            Segment::Seq { index } => parent.and_then(|value| value.get_mut(index)),
            Segment::Enum { .. } | Segment::Unknown => None,
        };
    }
    parent
        .and_then(Value::as_object_mut)
        .and_then(|object| object.remove(last))
        .is_some()
}

/// Where a Rollout is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Home<'a> {
    /// Its API group: some rules are not the same in both.
    pub(super) group: Group,
    /// Its namespace.
    pub(super) namespace: &'a str,
}

/// Returns None only where `problems` tells why.
fn validate(
    home: Home<'_>,
    written: &Value,
    raw: &RolloutSpec,
    workload: TakenFrom<'_>,
    problems: &mut Vec<Problem>,
) -> Option<Spec> {
    let replicas = natural(raw.replicas, "spec.replicas", problems).unwrap_or(DEFAULT_REPLICAS);
    let min_ready_seconds = natural(raw.min_ready_seconds, "spec.minReadySeconds", problems);
    let min_ready_seconds = min_ready_seconds.unwrap_or(DEFAULT_MIN_READY_SECONDS);
    let revision_history_limit = natural(raw.revision_history_limit, "spec.revisionHistoryLimit", problems);
    let progress_deadline = progress_deadline(raw, min_ready_seconds, problems);
    let taken = match &raw.workload_ref {
        None => own_pods(raw, problems),
        Some(reference) => pods_of_workload(home, raw, reference, workload, problems),
    };
    let strategy = strategy::validate(home, raw.strategy.as_ref(), problems)?;
    let found = match workload {
        TakenFrom::Seen(found) if raw.workload_ref.is_some() => Some(found),
        _ => None,
    };
    let pods = pods::rules(raw, found, strategy.max_unavailable, problems);
    let method = strategy.method?;
    let revision_history_limit = revision_history_limit.unwrap_or(DEFAULT_REVISION_HISTORY_LIMIT);
    check_limits(&method, revision_history_limit, problems);
    let steps_hash = match method {
        Method::BlueGreen(_) => String::new(),
        Method::Routed(_) | Method::Basic { .. } => hash_of_steps(home.group, written),
    };
    let Pods {
        selector,
        labels,
        workload,
    } = taken?;
    Some(Spec {
        replicas,
        selector,
        template_labels: labels,
        workload,
        min_ready_seconds,
        revision_history_limit,
        run_history: run_history(raw, problems),
        paused: raw.paused.unwrap_or(false),
        progress_deadline,
        progress_deadline_abort: raw.progress_deadline_abort.unwrap_or(false),
        rollback_window: rollback_window(raw, problems),
        steps: strategy.steps,
        steps_hash,
        method,
        progress_threshold: strategy.progress_threshold,
        background: strategy.background,
        promotion_gates: strategy.promotion_gates,
        pods,
    })
}

/// More old versions can't wait for the end of their delay than are kept at all.
fn check_limits(method: &Method, revision_history_limit: u32, problems: &mut Vec<Problem>) {
    let Method::BlueGreen(blue_green) = method else {
        return;
    };
    let limit = blue_green.scale_down_delay_revision_limit;
    if let Some(limit) = limit.filter(|limit| *limit > revision_history_limit) {
        let message = format!(
            "This rollout's revision history limit can not be smaller than the rollout's scale down limit; is {limit}, write \
             at most {revision_history_limit} or raise spec.revisionHistoryLimit"
        );
        problems.push(Problem::new(
            "spec.strategy.blueGreen.scaleDownDelayRevisionLimit",
            message,
        ));
    }
}

/// What tells whether the steps are the same as before: on `argoproj.io` what Argo Rollouts computes, for it may have begun
/// the rollout, or go on with it.
fn hash_of_steps(group: Group, written: &Value) -> String {
    let steps = written.pointer("/strategy/canary/steps").unwrap_or(&Value::Null);
    match group {
        Group::Kulta => steps_hash(steps),
        Group::Argo => step_hash(steps),
    }
}

/// A number that must not be negative; None when it is not written (or is wrong, which `problems` then tells).
pub(crate) fn natural(written: Option<i32>, path: &str, problems: &mut Vec<Problem>) -> Option<u32> {
    let written = written?;
    let natural = u32::try_from(written).ok();
    if natural.is_none() {
        problems.push(Problem::new(
            path,
            format!("must be greater than or equal to 0, is {written}"),
        ));
    }
    natural
}

fn progress_deadline(
    raw: &RolloutSpec,
    min_ready_seconds: u32,
    problems: &mut Vec<Problem>,
) -> SignedDuration {
    let path = "spec.progressDeadlineSeconds";
    let seconds =
        natural(raw.progress_deadline_seconds, path, problems).unwrap_or(DEFAULT_PROGRESS_DEADLINE_SECONDS);
    if seconds <= min_ready_seconds {
        let message = format!(
            "must be greater than minReadySeconds, is {seconds}; write more than {min_ready_seconds}, for pods need \
             that long to become available"
        );
        problems.push(Problem::new(path, message));
    }
    SignedDuration::from_secs(i64::from(seconds))
}

/// Which pods are the Rollout's, and where their template comes from.
struct Pods {
    selector: String,
    labels: BTreeMap<String, String>,
    workload: Option<Workload>,
}

fn own_pods(raw: &RolloutSpec, problems: &mut Vec<Problem>) -> Option<Pods> {
    let labels = template_labels(raw.template.as_ref(), problems);
    let labelled = labels
        .as_ref()
        .map(|labels| ("spec.template.metadata.labels", labels));
    let selector = validate_selector(raw.selector.as_ref(), labelled, problems);
    Some(Pods {
        selector: selector?,
        labels: labels?,
        workload: None,
    })
}

fn pods_of_workload(
    home: Home<'_>,
    raw: &RolloutSpec,
    reference: &WorkloadReference,
    found: TakenFrom<'_>,
    problems: &mut Vec<Problem>,
) -> Option<Pods> {
    let path = WORKLOAD_REFERENCE;
    let has_own = |template: &Value| !template.as_object().is_none_or(serde_json::Map::is_empty);
    if raw.template.as_ref().is_some_and(has_own) {
        problems.push(Problem::new(
            "spec.template",
            "template must be empty for workload reference rollout; take spec.template or spec.workloadRef out",
        ));
    }
    let workload = workload::validate(home.group, reference, problems)?;
    let own = raw.selector.as_ref();
    let (selector, labels) = match found {
        TakenFrom::Seen(found) => {
            let selector = own.or(found.selector.as_ref());
            let selector = validate_selector(selector, Some((path, &found.labels)), problems);
            (selector?, found.labels.clone())
        }
        TakenFrom::Missing => {
            let namespace = home.namespace;
            let message = format!(
                "{workload} not found in namespace {namespace:?}; create it, or write its name as it is"
            );
            problems.push(Problem::new(path, message));
            unseen(own, problems)?
        }
        TakenFrom::Unknown => unseen(own, problems)?,
    };
    Some(Pods {
        selector,
        labels,
        workload: Some(workload),
    })
}

/// How many complete analyses are kept.
fn run_history(raw: &RolloutSpec, problems: &mut Vec<Problem>) -> RunHistory {
    let RunHistory {
        successful,
        unsuccessful,
    } = RunHistory::default();
    let mut limit =
        |written: Option<i32>, field: &str| natural(written, &format!("spec.analysis.{field}"), problems);
    let Some(written) = &raw.analysis else {
        return RunHistory::default();
    };
    RunHistory {
        successful: limit(written.successful_run_history_limit, "successfulRunHistoryLimit")
            .unwrap_or(successful),
        unsuccessful: limit(
            written.unsuccessful_run_history_limit,
            "unsuccessfulRunHistoryLimit",
        )
        .unwrap_or(unsuccessful),
    }
}

/// Over how many revisions going back asks nobody.
fn rollback_window(raw: &RolloutSpec, problems: &mut Vec<Problem>) -> u32 {
    let written = raw.rollback_window.as_ref().and_then(|window| window.revisions);
    natural(written, "spec.rollbackWindow.revisions", problems).unwrap_or(0)
}

/// Selector and labels where nobody has seen the template.
fn unseen(
    own: Option<&LabelSelector>,
    problems: &mut Vec<Problem>,
) -> Option<(String, BTreeMap<String, String>)> {
    let selector = own.map_or(Some(String::new()), |own| {
        validate_selector(Some(own), None, problems)
    });
    Some((selector?, BTreeMap::new()))
}

fn template_labels(
    template: Option<&Value>,
    problems: &mut Vec<Problem>,
) -> Option<BTreeMap<String, String>> {
    let Some(template) = template else {
        problems.push(Problem::new(
            "spec.template",
            "Rollout has missing field '.spec.template'; write the pod template that a Deployment would have",
        ));
        return None;
    };
    let labels = template
        .pointer("/metadata/labels")
        .filter(|labels| !labels.is_null());
    let Some(labels) = labels else {
        return Some(BTreeMap::new());
    };
    match serde_path_to_error::deserialize(labels) {
        Ok(labels) => Some(labels),
        Err(error) => {
            let path = format!("spec.template.metadata.labels.{}", error.path());
            problems.push(Problem::new(
                path,
                format!("{}; labels are texts, quote them", error.inner()),
            ));
            None
        }
    }
}

fn validate_selector(
    selector: Option<&LabelSelector>,
    labelled: Option<(&str, &BTreeMap<String, String>)>,
    problems: &mut Vec<Problem>,
) -> Option<String> {
    let path = "spec.selector";
    let Some(selector) = selector else {
        let message =
            "Rollout has missing field '.spec.selector'; write matchLabels with labels of the pod template";
        problems.push(Problem::new(path, message));
        return None;
    };
    let unreadable = selector::check(selector, path);
    if !unreadable.is_empty() {
        problems.extend(unreadable);
        return None;
    }
    if selector::keys(selector).next().is_none() {
        problems.push(Problem::new(
            path,
            "This rollout is selecting all pods. A non-empty selector is required. Write matchLabels with labels of \
             the pod template",
        ));
    } else if let Some((labelled, _)) =
        labelled.filter(|(_, labels)| !selector::selector_matches(selector, labels))
    {
        problems.push(Problem::new(
            labelled,
            "`selector` does not match template `labels`; give the template the labels that spec.selector asks for",
        ));
    }
    if selector::keys(selector).any(|key| key == HASH_LABEL) {
        let message = format!("must not ask for {HASH_LABEL}: KULTA sets this label itself; take it out");
        problems.push(Problem::new(path, message));
    }
    selector::selector_text(selector)
}
