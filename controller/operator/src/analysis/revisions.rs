//! Which version of its plugin measures each metric: the one that the analysis began with, as long as it is here.

use std::collections::BTreeMap;
use std::sync::Arc;

use kulta_api::analysis::Measured;
use kulta_core::analysis::run::{MetricResult, RunStatus};

use super::jobs::is_job;
use super::plugins::{InService, Plugins, Unavailable};
use crate::events::{Notice, Reason};

/// The versions that measure, by the names of metrics.
pub(super) struct Chosen(BTreeMap<String, Result<Arc<InService>, Unavailable>>);

impl Chosen {
    /// Chooses a version for each metric that is not complete, and writes it down in `status`.
    pub(super) fn of(
        plugins: &Plugins,
        namespace: &str,
        measured: &[Measured],
        status: &mut RunStatus,
    ) -> Self {
        let mut chosen = BTreeMap::new();
        for Measured { metric, plugin, .. } in measured.iter().filter(|measured| !is_job(measured)) {
            let Some(result) = incomplete(status, &metric.name) else {
                continue;
            };
            let version = plugins.get(plugin, namespace, result.plugin_digest.as_deref());
            // Without one, what it was begun with is still told apart from another version later.
            if let Ok(version) = &version {
                result.plugin_digest = Some(version.plugin.identity().digest.to_string());
            }
            chosen.insert(metric.name.clone(), version);
        }
        Self(chosen)
    }

    /// Whether the plugin of a metric is being loaded.
    pub(super) fn is_loading(&self, measured: &Measured) -> bool {
        let version = self.0.get(&measured.metric.name);
        matches!(version, Some(Err(Unavailable::Loading { .. })))
    }

    /// Whether a metric was not complete.
    pub(super) fn is_for(&self, measured: &Measured) -> bool {
        self.0.contains_key(&measured.metric.name)
    }

    /// The version that measures a metric that is not complete.
    pub(super) fn version(&self, measured: &Measured) -> Result<&InService, String> {
        match self.0.get(&measured.metric.name) {
            Some(Ok(version)) => Ok(version),
            Some(Err(unavailable)) => Err(unavailable.to_string()),
            None => Err("the metric is complete".to_owned()),
        }
    }
}

/// What to tell when metrics are measured by another version of their plugins than before.
pub(super) fn changes(before: &RunStatus, after: &RunStatus) -> Vec<Notice> {
    let told = |result: &MetricResult| {
        let name = &result.name;
        let earlier = before
            .metric_results
            .iter()
            .find(|earlier| earlier.name == *name)?;
        let (from, to) = (earlier.plugin_digest.as_ref()?, result.plugin_digest.as_ref()?);
        let note = format!(
            "Metric \"{name}\" is measured by {to} from now on: {from}, which it began with, is not in service any more"
        );
        (from != to).then_some(Notice {
            reason: Reason::PluginRevisionChanged,
            note,
        })
    };
    after.metric_results.iter().filter_map(told).collect()
}

fn incomplete<'status>(status: &'status mut RunStatus, name: &str) -> Option<&'status mut MetricResult> {
    let mut results = status.metric_results.iter_mut();
    results.find(|result| result.name == name && !result.phase.completed())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(digest: Option<&str>) -> RunStatus {
        RunStatus {
            metric_results: vec![MetricResult {
                name: "errors".to_owned(),
                plugin_digest: digest.map(str::to_owned),
                ..MetricResult::default()
            }],
            ..RunStatus::default()
        }
    }

    #[test]
    fn another_version_is_told_with_both_digests() {
        let notices = changes(&status(Some("sha256:01")), &status(Some("sha256:02")));

        assert_eq!(notices.len(), 1);
        assert_eq!(notices[0].reason, Reason::PluginRevisionChanged);
        assert!(notices[0].note.contains("sha256:01") && notices[0].note.contains("sha256:02"));
        assert!(notices[0].note.starts_with("Metric \"errors\""));
    }

    #[test]
    fn the_first_version_and_the_same_one_are_no_news() {
        let (none, one) = (status(None), status(Some("sha256:01")));

        assert!(changes(&none, &one).is_empty());
        assert!(changes(&one, &one).is_empty());
        assert!(changes(&RunStatus::default(), &one).is_empty());
    }
}
