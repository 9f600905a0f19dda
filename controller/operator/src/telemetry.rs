//! Log lines: how they are written, and the one line that every decision leaves.

use kulta_core::observed::Observed;
use kulta_core::plan::Plan;
use kulta_core::spec::Weight;
use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

use crate::metrics::ActionKind;
use crate::traces::Traces;

/// How log lines are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people at a terminal.
    Text,
}

/// Log lines can't be written.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The filter is not one.
    #[error("log filter {filter:?} is not of the form `level` or `target=level,...`")]
    Filter {
        /// As given.
        filter: String,
        /// What is wrong with it.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// Somebody in this process writes log lines already.
    #[error("log lines are written already")]
    Initialised(#[source] TryInitError),
}

/// Begins to write log lines to standard output; `filter` is in the syntax of `RUST_LOG`. Spans that it lets through are sent by
/// `traces`.
///
/// # Errors
/// When `filter` is malformed, or when this is called twice.
pub fn start(format: LogFormat, filter: &str, traces: Option<&Traces>) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(filter).map_err(|source| TelemetryError::Filter {
        filter: filter.to_owned(),
        source,
    })?;
    let registry = tracing_subscriber::registry()
        .with(filter)
        .with(traces.map(Traces::layer));
    match format {
        LogFormat::Json => {
            let lines = tracing_subscriber::fmt::layer().json().flatten_event(true);
            registry.with(lines).try_init()
        }
        LogFormat::Text => registry.with(tracing_subscriber::fmt::layer()).try_init(),
    }
    .map_err(TelemetryError::Initialised)
}

/// Writes the line of one decision: what is to be done, and why. A decision that changes nothing is told at level
/// debug only, so that an idle cluster is silent.
pub fn decided(observed: &Observed, plan: &Plan) {
    let actions = plan.actions.iter();
    let actions: Vec<_> = actions.map(|action| ActionKind::from(action).as_str()).collect();
    tell(observed, plan, &actions);
}

/// The same of what is decided because something else could not be carried out: of it nothing is.
pub fn decided_without_acting(observed: &Observed, plan: &Plan) {
    tell(observed, plan, &[]);
}

fn tell(observed: &Observed, plan: &Plan, actions: &[&str]) {
    let rollout = &observed.rollout;
    let transitions: Vec<_> = plan
        .transitions
        .iter()
        .map(|fact| format!("{:?} by {:?}", fact.kind, fact.cause))
        .collect();
    let status = &plan.status;
    // A macro, because the level of a tracing line is part of its call site.
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                namespace = rollout.namespace,
                name = rollout.name,
                generation = rollout.generation,
                phase = status.phase.as_str(),
                reason = status.message,
                step = status.current_step_index,
                weight = status
                    .traffic
                    .as_ref()
                    .map(|traffic| traffic.requested)
                    .map(Weight::percent),
                actions = actions.join(", "),
                transitions = transitions.join(", "),
                wake_at = plan.wake_at.map(tracing::field::display),
                "decided"
            )
        };
    }
    let before = &observed.status;
    let is_same = (before.phase, &before.message) == (status.phase, &status.message);
    if actions.is_empty() && transitions.is_empty() && is_same {
        line!(debug);
    } else {
        line!(info);
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use kulta_core::status::Phase;
    use parking_lot::Mutex;
    use serde_json::Value;

    use super::*;
    use crate::scenario::{plan, sighting};

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines at level info that deciding on `plan` leaves.
    fn lines_of(plan: &Plan) -> Vec<Value> {
        let written = Written::default();
        let target = written.clone();
        let lines = tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_writer(move || target.clone());
        let subscriber = tracing_subscriber::registry()
            .with(EnvFilter::new("info"))
            .with(lines);
        tracing::subscriber::with_default(subscriber, || decided(&sighting().observed, plan));
        let bytes = written.0.lock().clone();
        serde_json::Deserializer::from_slice(&bytes)
            .into_iter()
            .map(Result::unwrap)
            .collect()
    }

    #[test]
    fn a_decision_is_one_line_with_its_reason() {
        let mut plan = plan(Vec::new());
        plan.status.phase = Phase::Degraded;
        plan.status.message = "ProgressDeadlineExceeded: nothing moves".to_owned();

        let lines = lines_of(&plan);

        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(lines[0]["name"], "web");
        assert_eq!(lines[0]["phase"], "Degraded");
        assert_eq!(lines[0]["reason"], "ProgressDeadlineExceeded: nothing moves");
    }

    #[test]
    fn a_decision_that_changes_nothing_is_silent() {
        assert_eq!(lines_of(&plan(Vec::new())), Vec::<Value>::new());
    }

    #[test]
    fn a_malformed_filter_is_refused_with_its_text() {
        let refused = start(LogFormat::Text, "kulta=loud", None).unwrap_err();
        assert!(refused.to_string().contains("kulta=loud"), "{refused}");
    }
}
