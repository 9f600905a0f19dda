//! What the application counts about its own answers, as text for Prometheus.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use hyper::StatusCode;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

/// The media type of the text below, as `OpenMetrics` 1.0 names it.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The first bucket's bound in seconds: an answer without an added delay takes well under a millisecond.
const SMALLEST_BUCKET_SECONDS: f64 = 0.001;

/// Each bucket is twice the one before; fourteen of them reach eight seconds, slower than any version under test.
const BUCKETS: u16 = 14;

type CodeLabel = [(&'static str, u16); 1];

/// The metrics of one application; probes, `/metrics` and `/control` are not counted.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<CodeLabel, Counter<u64, AtomicU64>>,
    durations: Histogram,
    in_flight: Gauge,
}

impl Metrics {
    /// Every metric carries the version, so that a query can compare two versions without knowing their pods.
    pub(crate) fn new(version_label: &str) -> Self {
        let version = ("version".into(), version_label.to_owned().into());
        let mut registry = Registry::with_labels(std::iter::once(version));
        let requests = Family::<CodeLabel, Counter<u64, AtomicU64>>::default();
        registry.register("http_requests", "Answers by status code", requests.clone());
        let durations = Histogram::new(exponential_buckets(SMALLEST_BUCKET_SECONDS, 2.0, BUCKETS));
        let help = "Time from a request's head to its answer";
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, durations.clone());
        let in_flight = Gauge::<i64>::default();
        registry.register(
            "http_requests_in_flight",
            "Requests not yet answered",
            in_flight.clone(),
        );
        Self {
            registry,
            requests,
            durations,
            in_flight,
        }
    }

    /// Counts a request as in flight until the guard is dropped, answered or not.
    pub(crate) fn request_begins(&self) -> InFlight {
        self.in_flight.inc();
        InFlight {
            gauge: self.in_flight.clone(),
        }
    }

    /// Counts an answer.
    pub(crate) fn answered(&self, code: StatusCode, took: Duration) {
        self.requests.get_or_create(&[("code", code.as_u16())]).inc();
        self.durations.observe(took.as_secs_f64());
    }

    /// The text for Prometheus.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// One request in flight.
#[derive(Debug)]
pub(crate) struct InFlight {
    gauge: Gauge,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_version_and_code() {
        let metrics = Metrics::new("v2");
        metrics.answered(StatusCode::OK, Duration::from_millis(3));
        metrics.answered(StatusCode::OK, Duration::from_millis(3));
        metrics.answered(StatusCode::INTERNAL_SERVER_ERROR, Duration::from_millis(3));
        let text = metrics.text().unwrap();
        assert!(
            text.contains(r#"http_requests_total{version="v2",code="200"} 2"#),
            "{text}"
        );
        assert!(
            text.contains(r#"http_requests_total{version="v2",code="500"} 1"#),
            "{text}"
        );
    }

    #[test]
    fn durations_fall_into_buckets_of_seconds() {
        let metrics = Metrics::new("v1");
        metrics.answered(StatusCode::OK, Duration::from_millis(3));
        let text = metrics.text().unwrap();
        assert!(
            text.contains(r#"http_request_duration_seconds_bucket{version="v1",le="0.002"} 0"#),
            "{text}"
        );
        assert!(
            text.contains(r#"http_request_duration_seconds_bucket{version="v1",le="0.004"} 1"#),
            "{text}"
        );
    }

    #[test]
    fn a_dropped_request_is_no_longer_in_flight() {
        let metrics = Metrics::new("v1");
        let first = metrics.request_begins();
        let second = metrics.request_begins();
        drop(first);
        assert!(
            metrics
                .text()
                .unwrap()
                .contains(r#"http_requests_in_flight{version="v1"} 1"#)
        );
        drop(second);
    }
}
