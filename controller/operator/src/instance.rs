//! Which objects are this controller's, where several work in one cluster.
//!
//! Argo Rollouts' way: a controller with an instance id works on the Rollouts and AnalysisRuns whose label names it, one
//! without on those that have no such label. The API server sorts them out, so what belongs to others takes no memory.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use kulta_api::names::INSTANCE_ID_LABEL;
use serde_json::{Map, Value};
use thiserror::Error;

/// What the value of a label may have, in bytes.
const MOST_BYTES: usize = 63;

/// The id of a controller: the value of a label, and the end of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceId(Arc<str>);

/// A text that is no id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "must have 1 to {} small letters, digits, `-` and `.`, with a letter or digit at both ends and around each `.`: it is the \
     value of the label {}, and the end of the lease's name",
    MOST_BYTES,
    INSTANCE_ID_LABEL
)]
pub struct NoInstanceId;

impl FromStr for InstanceId {
    type Err = NoInstanceId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_part = |part: &str| {
            let bytes = part.as_bytes();
            let ends = [bytes.first(), bytes.last()];
            ends.iter()
                .all(|end| end.is_some_and(|end| is_alphanumeric(*end)))
                && bytes.iter().all(|byte| is_alphanumeric(*byte) || *byte == b'-')
        };
        if text.len() <= MOST_BYTES && text.split('.').all(is_part) {
            Ok(Self(text.into()))
        } else {
            Err(NoInstanceId)
        }
    }
}

/// The controller with this id, or the one without. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Instance(Option<InstanceId>);

impl From<Option<InstanceId>> for Instance {
    fn from(id: Option<InstanceId>) -> Self {
        Self(id)
    }
}

impl Instance {
    /// The label selector of what belongs to it.
    #[must_use]
    pub fn selector(&self) -> String {
        match &self.0 {
            Some(InstanceId(id)) => format!("{INSTANCE_ID_LABEL}={id}"),
            None => format!("!{INSTANCE_ID_LABEL}"),
        }
    }

    /// The name of what each controller has for itself, and that is called `name` for the one without an id.
    #[must_use]
    pub fn own_name(&self, name: &str) -> String {
        match &self.0 {
            Some(InstanceId(id)) => format!("{name}-{id}"),
            None => name.to_owned(),
        }
    }

    /// Whether an object with these labels is its own.
    pub(crate) fn has(&self, labels: Option<&BTreeMap<String, String>>) -> bool {
        let id = labels.and_then(|labels| labels.get(INSTANCE_ID_LABEL));
        id.map(String::as_str) == self.0.as_ref().map(|InstanceId(own)| &**own)
    }

    /// Marks an object with these labels as its own.
    pub(crate) fn mark(&self, labels: &mut Map<String, Value>) {
        if let Some(InstanceId(id)) = &self.0 {
            labels.insert(INSTANCE_ID_LABEL.to_owned(), Value::from(&**id));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn instance(id: &str) -> Instance {
        Some(id.parse().unwrap()).into()
    }

    #[test]
    fn one_with_an_id_works_on_what_is_labelled_so_and_the_other_on_what_is_not() {
        let label = "argo-rollouts.argoproj.io/controller-instance-id";
        assert_eq!(instance("blue").selector(), format!("{label}=blue"));
        assert_eq!(Instance::default().selector(), format!("!{label}"));
    }

    #[test]
    fn what_each_has_for_itself_ends_in_the_id() {
        assert_eq!(instance("blue").own_name("lock"), "lock-blue");
        assert_eq!(Instance::default().own_name("lock"), "lock");
    }

    #[test]
    fn only_one_with_an_id_marks_objects() {
        let mut labels = Map::new();
        Instance::default().mark(&mut labels);
        assert!(labels.is_empty());

        instance("blue").mark(&mut labels);

        assert_eq!(
            Value::from(labels),
            json!({"argo-rollouts.argoproj.io/controller-instance-id": "blue"})
        );
    }

    #[test]
    fn an_id_that_can_end_no_name_or_be_no_label_is_refused() {
        let long = "x".repeat(MOST_BYTES);
        for id in ["a", "team-7", "eu.shop", long.as_str()] {
            assert!(id.parse::<InstanceId>().is_ok(), "{id}");
        }
        let too_long = "x".repeat(MOST_BYTES + 1);
        for id in [
            "",
            "-a",
            "a-",
            "A",
            "a_b",
            "a..b",
            "a.-b",
            "a b",
            "ä",
            too_long.as_str(),
        ] {
            assert_eq!(id.parse::<InstanceId>(), Err(NoInstanceId), "{id}");
        }
    }
}
