//! What an analysis or a template measures, in a word: nothing decides by it.

use serde_json::Value;

/// What Argo Rollouts calls who measures, by the field of the provider.
const PROVIDERS: [(&str, &str); 4] = [
    ("prometheus", "Prometheus"),
    ("web", "WebMetric"),
    ("job", "Job"),
    ("plugin", "Plugin"),
];
/// What it calls all others.
const UNKNOWN: &str = "Unknown Provider";
/// What has more metrics is refused where it is used.
const MOST: usize = 100;
/// One with a longer name, in bytes, is left out.
const MOST_NAME_BYTES: usize = 128;

/// A metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measure {
    /// Its name.
    pub name: Box<str>,
    /// Who measures it, as Argo Rollouts calls it.
    pub provider: &'static str,
}

/// The metrics of a spec.
pub(super) fn measures(spec: Option<&Value>) -> Box<[Measure]> {
    let metrics = spec
        .and_then(|spec| spec.get("metrics"))
        .and_then(Value::as_array);
    let metrics = metrics.into_iter().flatten().take(MOST);
    let of_metric = |metric: &Value| {
        let name = metric.get("name")?.as_str()?;
        let name = Some(name).filter(|name| name.len() <= MOST_NAME_BYTES)?;
        let provider = metric.get("provider");
        let is_written = |field: &str| {
            let written = provider.and_then(|provider| provider.get(field));
            written.is_some_and(|written| !written.is_null())
        };
        let known = PROVIDERS.iter().find(|(field, _)| is_written(field));
        Some(Measure {
            name: name.into(),
            provider: known.map_or(UNKNOWN, |(_, provider)| provider),
        })
    };
    metrics.filter_map(of_metric).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_measures_is_called_as_in_argo_rollouts() {
        let metric = |provider: &str| json!({"name": provider, "provider": {provider: {}}});
        let fields = ["prometheus", "web", "job", "plugin", "datadog"];

        let measures = measures(Some(&json!({"metrics": fields.map(metric)})));

        let providers: Vec<_> = measures.iter().map(|measure| measure.provider).collect();
        let expected = ["Prometheus", "WebMetric", "Job", "Plugin", "Unknown Provider"];
        assert_eq!(providers, expected);
    }

    #[test]
    fn what_is_no_list_of_metrics_measures_nothing() {
        for spec in [
            json!(null),
            json!({"metrics": {}}),
            json!({"metrics": [1, {"name": 2}]}),
        ] {
            assert!(measures(Some(&spec)).is_empty(), "{spec}");
        }
    }
}
