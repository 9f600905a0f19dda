//! What a Rollout says of its pods besides their number and their template.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kulta_core::spec::{Amount, AntiAffinity as Apart, PodMetadata, PodRules, Problem, Restart};
use serde_json::Value;

use super::workload::WorkloadTemplate;
use super::{AntiAffinity, Metadata, RolloutSpec};
use crate::names::HASH_LABEL;
use crate::selector;

/// The longest name in the key of a label or annotation, and the longest value of a label.
const MOST_CHARACTERS: usize = 63;
/// The longest prefix of a key: a domain.
const MOST_OF_PREFIX: usize = 253;

/// The fields of a strategy that are about pods.
struct Written<'a> {
    path: &'static str,
    new: (&'static str, Option<&'a Metadata>),
    stable: (&'static str, Option<&'a Metadata>),
    anti_affinity: Option<&'a AntiAffinity>,
}

/// What the Rollout says of its pods; `taken`: what it takes of a workload instead of having it itself.
pub(super) fn rules(
    raw: &RolloutSpec,
    taken: Option<&WorkloadTemplate>,
    max_unavailable: Amount,
    problems: &mut Vec<Problem>,
) -> PodRules {
    let restart = restart(raw.restart_at.as_deref(), max_unavailable, problems);
    let Some(written) = written(raw) else {
        return PodRules {
            restart,
            ..PodRules::default()
        };
    };
    let owned = Owned::of(raw, taken);
    let mut metadata = |(field, metadata): (&str, Option<&Metadata>)| {
        let path = format!("{}.{field}", written.path);
        metadata.map_or_else(PodMetadata::default, |metadata| {
            self::metadata(metadata, &path, &owned, problems)
        })
    };
    let (new_metadata, stable_metadata) = (metadata(written.new), metadata(written.stable));
    PodRules {
        restart,
        new_metadata,
        stable_metadata,
        anti_affinity: written
            .anti_affinity
            .and_then(|anti_affinity| apart(anti_affinity, written.path, problems)),
    }
}

fn written(raw: &RolloutSpec) -> Option<Written<'_>> {
    let strategy = raw.strategy.as_ref()?;
    if let Some(canary) = &strategy.canary {
        return Some(Written {
            path: "spec.strategy.canary",
            new: ("canaryMetadata", canary.canary_metadata.as_ref()),
            stable: ("stableMetadata", canary.stable_metadata.as_ref()),
            anti_affinity: canary.anti_affinity.as_ref(),
        });
    }
    strategy.blue_green.as_ref().map(|blue_green| Written {
        path: "spec.strategy.blueGreen",
        new: ("previewMetadata", blue_green.preview_metadata.as_ref()),
        stable: ("activeMetadata", blue_green.active_metadata.as_ref()),
        anti_affinity: blue_green.anti_affinity.as_ref(),
    })
}

/// The restart that `spec.restartAt` asks for.
fn restart(written: Option<&str>, max_unavailable: Amount, problems: &mut Vec<Problem>) -> Option<Restart> {
    let written = written?;
    let at = written.parse::<Timestamp>().ok();
    if at.is_none() {
        let message = format!("{written:?} is not a time; write one such as 2026-01-02T03:04:05Z");
        problems.push(Problem::new("spec.restartAt", message));
    }
    at.map(|at| Restart { at, max_unavailable })
}

/// Keys that belong to the pods whatever their part is.
struct Owned {
    /// The metadata of the pod template.
    metadata: Option<Value>,
    selector: Vec<String>,
}

impl Owned {
    fn of(raw: &RolloutSpec, taken: Option<&WorkloadTemplate>) -> Self {
        let own = raw
            .template
            .as_ref()
            .and_then(|template| template.get("metadata"));
        let of_workload = taken.and_then(|taken| taken.selector.as_ref());
        let selector = raw.selector.as_ref().or(of_workload);
        Self {
            metadata: taken.map_or_else(|| own.cloned(), |taken| Some(taken.metadata())),
            selector: selector
                .into_iter()
                .flat_map(selector::keys)
                .map(str::to_owned)
                .collect(),
        }
    }

    /// Why a key of `part` (labels or annotations) is not to be had.
    fn objection(&self, part: &str, key: &str) -> Option<String> {
        if part == "labels" && key == HASH_LABEL {
            return Some("KULTA sets this label itself; take it out".to_owned());
        }
        if part == "labels" && self.selector.iter().any(|own| own == key) {
            return Some(
                "spec.selector asks for this label, and a pod must not change hands; choose another name"
                    .to_owned(),
            );
        }
        let present = self
            .metadata
            .as_ref()
            .and_then(|metadata| metadata.get(part)?.get(key));
        present.map(|_| {
            format!(
                "metadata.{part} of the pod template has it, too, and would be lost when this is taken away; write it in one place"
            )
        })
    }
}

/// What is written at `path`, without what is wrong with it.
fn metadata(written: &Metadata, path: &str, owned: &Owned, problems: &mut Vec<Problem>) -> PodMetadata {
    let mut texts = |part: &str, written: Option<&BTreeMap<String, String>>| {
        let mut texts = BTreeMap::new();
        for (key, value) in written.into_iter().flatten() {
            let wrong = wrong_key(key)
                .or_else(|| wrong_value(part, value))
                .or_else(|| owned.objection(part, key));
            match wrong {
                Some(message) => problems.push(Problem::new(format!("{path}.{part}.{key}"), message)),
                None => {
                    texts.insert(key.clone(), value.clone());
                }
            }
        }
        texts
    };
    PodMetadata {
        labels: texts("labels", written.labels.as_ref()),
        annotations: texts("annotations", written.annotations.as_ref()),
    }
}

fn wrong_key(key: &str) -> Option<String> {
    let (prefix, name) = match key.rsplit_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let is_domain = |prefix: &str| {
        let is_part = |part: &str| {
            is_word(part, |byte| byte == b'-') && part.bytes().all(|byte| !byte.is_ascii_uppercase())
        };
        prefix.len() <= MOST_OF_PREFIX && prefix.split('.').all(is_part)
    };
    let is_good = is_name(name) && prefix.is_none_or(is_domain);
    (!is_good).then(|| {
        "is no key: write a name of at most 63 letters, digits, '-', '_' and '.', after a domain and '/' if need be, such \
         as example.com/role"
            .to_owned()
    })
}

/// Annotations may be any text.
fn wrong_value(part: &str, value: &str) -> Option<String> {
    let is_good = part != "labels" || value.is_empty() || is_name(value);
    (!is_good).then(|| {
        format!("{value:?} is no value of a label: write at most 63 letters, digits, '-', '_' and '.', or an annotation")
    })
}

fn is_name(text: &str) -> bool {
    text.len() <= MOST_CHARACTERS && is_word(text, |byte| b"-_.".contains(&byte))
}

/// Letters and digits, with others only between them.
fn is_word(text: &str, between: impl Fn(u8) -> bool) -> bool {
    let outer = [text.bytes().next(), text.bytes().next_back()];
    let is_plain = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    outer.into_iter().all(is_plain)
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || between(byte))
}

/// How versions are kept apart.
fn apart(written: &AntiAffinity, path: &str, problems: &mut Vec<Problem>) -> Option<Apart> {
    let path = format!("{path}.antiAffinity");
    match (&written.preferred, &written.required) {
        (None, Some(_)) => Some(Apart::Required),
        (Some(preferred), None) => {
            let weight = u8::try_from(preferred.weight).ok();
            let weight = weight.filter(|weight| (1..=100).contains(weight));
            if weight.is_none() {
                let message = format!(
                    "AntiAffinity weight must be between 1-100, is {}",
                    preferred.weight
                );
                let path = format!("{path}.preferredDuringSchedulingIgnoredDuringExecution.weight");
                problems.push(Problem::new(path, message));
            }
            weight.map(Apart::Preferred)
        }
        (None, None) | (Some(_), Some(_)) => {
            let message = "AntiAffinity must have exactly one strategy listed; write \
                           preferredDuringSchedulingIgnoredDuringExecution or requiredDuringSchedulingIgnoredDuringExecution";
            problems.push(Problem::new(path, message));
            None
        }
    }
}
