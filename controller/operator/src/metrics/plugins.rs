//! What calls of plugins use. The names of plugins are labels: there are as many as the operator has mounted.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use kulta_plugin_host::{CallReport, Finished};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Upper bounds in seconds. A call that waits for nothing takes less than a millisecond; one that asks providers, as
/// long as they take; the last bound is the longest that an operator can allow.
const CALL_BUCKETS: [f64; 10] = [0.001, 0.005, 0.025, 0.1, 0.25, 1.0, 5.0, 10.0, 30.0, 60.0];
/// The label of a call that has an answer; otherwise it is the kind of its error.
const ANSWERED: &str = "ok";

/// What became of a version of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoadResult {
    /// It was taken into service.
    InService,
    /// Something is wrong with it.
    Refused,
}

impl LoadResult {
    const fn label(self) -> &'static str {
        match self {
            Self::InService => "in-service",
            Self::Refused => "refused",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    plugin: String,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PluginLabel {
    plugin: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LoadLabel {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

/// How many plugins are known, by what can be done with them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PluginStates {
    /// A version of them can be used.
    pub in_service: u64,
    /// Their file is looked at, and whoever asks for them waits.
    pub loading: u64,
    /// Something is wrong with their file; a version from before may be in service.
    pub refused: u64,
}

/// The metrics of plugins.
#[derive(Debug)]
pub struct PluginMetrics {
    calls: Family<CallLabels, Counter<u64, AtomicU64>>,
    duration: Family<PluginLabel, Histogram, fn() -> Histogram>,
    fuel: Family<PluginLabel, Counter<u64, AtomicU64>>,
    memory: Family<PluginLabel, Gauge<i64, AtomicI64>>,
    loads: Family<LoadLabel, Counter<u64, AtomicU64>>,
    states: Family<StateLabel, Gauge<u64, AtomicU64>>,
}

impl PluginMetrics {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let metrics = Self {
            calls: Family::default(),
            duration: Family::new_with_constructor(|| Histogram::new(CALL_BUCKETS)),
            fuel: Family::default(),
            memory: Family::default(),
            loads: Family::default(),
            states: Family::default(),
        };
        registry.register(
            "plugin_calls",
            "Calls of plugins, by what came of them",
            metrics.calls.clone(),
        );
        registry.register_with_unit(
            "plugin_call_duration",
            "How long a call of a plugin took, with what it waited for",
            Unit::Seconds,
            metrics.duration.clone(),
        );
        registry.register(
            "plugin_fuel",
            "Fuel that the calls of a plugin have used: about one for every instruction",
            metrics.fuel.clone(),
        );
        registry.register_with_unit(
            "plugin_memory_peak",
            "The most linear memory that a call of the plugin has held",
            Unit::Bytes,
            metrics.memory.clone(),
        );
        registry.register(
            "plugin_loads",
            "Versions of plugins that were taken into service, and that were refused",
            metrics.loads.clone(),
        );
        registry.register(
            "plugins",
            "Plugins that are in service, that are being loaded, and whose file is refused",
            metrics.states.clone(),
        );
        metrics
    }

    /// Counts a call of the plugin `name`.
    pub fn called<T>(&self, name: &str, finished: &Finished<T>) {
        let CallReport {
            fuel,
            time,
            memory_bytes,
            queries: _,
            dropped_lines: _,
        } = finished.report;
        let result = finished.result.as_ref().err();
        let result = result.map_or(ANSWERED, |failure| failure.cause.kind());
        let plugin = name.to_owned();
        self.calls.get_or_create(&CallLabels { plugin, result }).inc();
        let label = PluginLabel {
            plugin: name.to_owned(),
        };
        self.duration.get_or_create(&label).observe(time.as_secs_f64());
        self.fuel.get_or_create(&label).inc_by(fuel);
        let memory = i64::try_from(memory_bytes).unwrap_or(i64::MAX);
        self.memory
            .get_or_create(&label)
            .inner()
            .fetch_max(memory, Ordering::Relaxed);
    }

    /// Counts a version of a plugin.
    pub fn loaded(&self, result: LoadResult) {
        let result = result.label();
        self.loads.get_or_create(&LoadLabel { result }).inc();
    }

    /// Shows how many plugins there are.
    pub fn are(&self, states: PluginStates) {
        let PluginStates {
            in_service,
            loading,
            refused,
        } = states;
        for (state, number) in [
            ("in-service", in_service),
            ("loading", loading),
            ("refused", refused),
        ] {
            self.states.get_or_create(&StateLabel { state }).set(number);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use kulta_plugin_host::{CallError, CallFailure, Digest, Identity};

    use super::*;

    pub(in crate::metrics) fn finished(
        result: Result<(), CallError>,
        fuel: u64,
        memory_bytes: usize,
    ) -> Finished<()> {
        let plugin = Identity {
            name: Arc::from("error-ratio"),
            version: "0.1.0".to_owned(),
            digest: Digest::of(b""),
        };
        let report = CallReport {
            fuel,
            time: Duration::from_millis(2),
            memory_bytes,
            ..CallReport::default()
        };
        Finished {
            result: result.map_err(|cause| CallFailure { plugin, cause }),
            report,
        }
    }

    #[test]
    fn calls_are_counted_with_what_they_have_used() {
        let mut registry = Registry::with_prefix("kulta");
        let metrics = PluginMetrics::registered(&mut registry);

        metrics.called("error-ratio", &finished(Ok(()), 1000, 65_536));
        metrics.called("error-ratio", &finished(Err(CallError::Busy), 500, 32_768));
        metrics.loaded(LoadResult::Refused);
        metrics.are(PluginStates {
            in_service: 3,
            ..PluginStates::default()
        });

        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            r#"kulta_plugin_calls_total{plugin="error-ratio",result="ok"} 1"#,
            r#"kulta_plugin_calls_total{plugin="error-ratio",result="busy"} 1"#,
            r#"kulta_plugin_call_duration_seconds_count{plugin="error-ratio"} 2"#,
            r#"kulta_plugin_fuel_total{plugin="error-ratio"} 1500"#,
            r#"kulta_plugin_memory_peak_bytes{plugin="error-ratio"} 65536"#,
            r#"kulta_plugin_loads_total{result="refused"} 1"#,
            r#"kulta_plugins{state="in-service"} 3"#,
            r#"kulta_plugins{state="refused"} 0"#,
        ] {
            assert!(text.contains(line), "no {line} in\n{text}");
        }
    }
}
