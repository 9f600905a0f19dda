//! How the delivery of events goes. The names of sinks are labels: there are as many as the operator has set up.

use std::sync::atomic::{AtomicI64, AtomicU64};

use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// What became of the attempt to deliver an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeliveryResult {
    /// The sink has it.
    Delivered,
    /// The sink will never take it.
    Refused,
    /// The sink took nothing: tried again.
    Unavailable,
}

impl DeliveryResult {
    /// All of them.
    const ALL: [Self; 3] = [Self::Delivered, Self::Refused, Self::Unavailable];

    const fn label(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SinkLabel {
    sink: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    sink: String,
    result: &'static str,
}

/// The metrics of the delivery.
#[derive(Debug)]
pub struct DeliveryMetrics {
    events: Family<ResultLabels, Counter<u64, AtomicU64>>,
    lost: Family<SinkLabel, Counter<u64, AtomicU64>>,
    pending: Family<SinkLabel, Gauge<i64, AtomicI64>>,
    oldest: Family<SinkLabel, Gauge<f64, AtomicU64>>,
    up: Family<SinkLabel, Gauge<i64, AtomicI64>>,
}

impl DeliveryMetrics {
    pub(super) fn registered(registry: &mut Registry) -> Self {
        let metrics = Self {
            events: Family::default(),
            lost: Family::default(),
            pending: Family::default(),
            oldest: Family::default(),
            up: Family::default(),
        };
        registry.register(
            "sink_events",
            "Attempts to deliver events to a sink, by what became of them",
            metrics.events.clone(),
        );
        registry.register(
            "sink_events_lost",
            "Events that a full history, or a full inventory of deleted Rollouts, has forgotten before the sink had them",
            metrics.lost.clone(),
        );
        registry.register(
            "sink_events_pending",
            "Events that wait for the sink",
            metrics.pending.clone(),
        );
        registry.register_with_unit(
            "sink_oldest_pending_timestamp",
            "When the oldest event happened that waits for the sink, since 1970; 0: none waits",
            Unit::Seconds,
            metrics.oldest.clone(),
        );
        registry.register(
            "sink_up",
            "1 when the sink took the last event that it was sent, 0 while it is left alone",
            metrics.up.clone(),
        );
        metrics
    }

    /// A sink is set up: its metrics begin.
    pub fn set_up(&self, sink: &str) {
        for result in DeliveryResult::ALL {
            self.events.get_or_create_owned(&labels(sink, result));
        }
        self.lost.get_or_create_owned(&label(sink));
        self.shows(sink, 0, None, true);
    }

    /// A sink is not set up any more.
    pub fn forget(&self, sink: &str) {
        for result in DeliveryResult::ALL {
            self.events.remove(&labels(sink, result));
        }
        self.lost.remove(&label(sink));
        self.pending.remove(&label(sink));
        self.oldest.remove(&label(sink));
        self.up.remove(&label(sink));
    }

    /// Counts an attempt.
    pub fn counts(&self, sink: &str, result: DeliveryResult) {
        self.events.get_or_create(&labels(sink, result)).inc();
    }

    /// Counts events that a sink will never get.
    pub fn loses(&self, sink: &str, number: u64) {
        self.lost.get_or_create(&label(sink)).inc_by(number);
    }

    /// How many events wait for a sink, since when, and whether it takes any.
    pub fn shows(&self, sink: &str, pending: usize, oldest: Option<Timestamp>, is_up: bool) {
        let pending = i64::try_from(pending).unwrap_or(i64::MAX);
        self.pending.get_or_create(&label(sink)).set(pending);
        let oldest = oldest.map_or(0.0, |time| time.as_duration().as_secs_f64());
        self.oldest.get_or_create(&label(sink)).set(oldest);
        self.up.get_or_create(&label(sink)).set(i64::from(is_up));
    }
}

fn label(sink: &str) -> SinkLabel {
    SinkLabel {
        sink: sink.to_owned(),
    }
}

fn labels(sink: &str, result: DeliveryResult) -> ResultLabels {
    ResultLabels {
        sink: sink.to_owned(),
        result: result.label(),
    }
}
