//! The rules that error rates and latencies share.
//!
//! A limit that is broken fails at once. Whatever can't be told never passes: too few requests are waited for
//! (`running`), and an answer that is no number makes the measurement inconclusive, under a name.

use std::time::Duration;

use kulta_plugin_sdk::quantity::count;
use kulta_plugin_sdk::{Host, Outcome, PluginError, Value, Verdict};

use crate::answer::{Asker, Reading, Reason};

/// When to look again for more requests: the usual interval at which a Prometheus has something new.
const LOOK_AGAIN: Duration = Duration::from_secs(15);

/// What is measured of one version.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Side {
    /// A value, of enough requests.
    Enough {
        /// What is judged.
        value: f64,
        /// Of so many requests.
        requests: f64,
    },
    /// Only so many requests.
    TooFew(f64),
    /// An answer that can't be used, to the query in this field.
    Unusable(&'static str, Reason),
}

/// Measures one version. Not generic: the rules would be compiled once for each kind of measurement.
type Measuring<'a> = &'a dyn Fn() -> Result<Side, PluginError>;

/// What is judged, and against what.
pub(crate) struct Rules {
    /// What the value is called.
    pub(crate) what: String,
    /// How the value is written for people.
    pub(crate) written: fn(f64) -> String,
    /// So many requests are needed.
    pub(crate) minimum: u64,
    /// The highest value that is well.
    pub(crate) limit: Option<f64>,
    /// The highest value that is well, as a multiple of the stable version's, and so much more.
    pub(crate) relative: Option<(f64, f64)>,
}

/// Judges the canary, and against the stable version where that is asked for and still matters.
pub(crate) fn judge(
    asker: &Asker<'_, impl Host>,
    rules: &Rules,
    canary: Measuring<'_>,
    stable: Measuring<'_>,
) -> Result<Verdict, PluginError> {
    let canary = canary()?;
    let verdict = match canary {
        Side::Enough { value, requests } => judge_value(asker, rules, value, requests, stable)?,
        Side::TooFew(requests) => {
            let summary = rules.too_few(requests);
            wait(asker, Outcome::new(Value::None, summary), requests)
        }
        Side::Unusable(field, reason) => {
            let summary = format!("{}: {field}: {}", rules.what, reason.words());
            unusable(Outcome::new(Value::None, summary), field, reason)
        }
    };
    Ok(asker.with_warnings(verdict))
}

fn judge_value(
    asker: &Asker<'_, impl Host>,
    rules: &Rules,
    value: f64,
    requests: f64,
    stable: Measuring<'_>,
) -> Result<Verdict, PluginError> {
    let found = format!(
        "{} {} of {} requests",
        rules.what,
        (rules.written)(value),
        count(requests)
    );
    let outcome = |addition: String| Outcome::new(Value::Scalar(value), format!("{found}{addition}"));
    let broken = rules.limit.filter(|limit| value > *limit);
    let (None, Some((factor, slack))) = (broken, rules.relative) else {
        let limit = rules.limit.unwrap_or_default();
        let outcome = outcome(format!(", limit {}", (rules.written)(limit)));
        return Ok(if broken.is_some() {
            Verdict::Fail(outcome)
        } else {
            Verdict::Pass(outcome)
        });
    };
    Ok(match stable()? {
        Side::Enough {
            value: of_stable,
            requests,
        } => {
            let relative = of_stable * factor + slack;
            let limit = rules.limit.map_or(relative, |limit| limit.min(relative));
            let written = rules.written;
            let outcome = outcome(format!(
                ", limit {} (stable version: {})",
                written(limit),
                written(of_stable)
            ))
            .with_detail("stable", &written(of_stable))
            .with_detail("stableRequests", &count(requests));
            if value > limit {
                Verdict::Fail(outcome)
            } else {
                Verdict::Pass(outcome)
            }
        }
        Side::TooFew(requests) => {
            let outcome = outcome(format!("; stable version: {}", rules.too_few(requests)));
            wait(asker, outcome, requests)
        }
        Side::Unusable(field, reason) => {
            let addition = format!("; stable version: {field}: {}", reason.words());
            unusable(outcome(addition), field, reason)
        }
    })
}

impl Rules {
    fn too_few(&self, requests: f64) -> String {
        let needed = kulta_plugin_sdk::quantity::grouped(self.minimum);
        format!("{} of {needed} requests needed", count(requests))
    }

    /// How many requests there were: no data is none, because a version without requests has no series.
    pub(crate) fn requests(&self, reading: Reading) -> Result<f64, Side> {
        let requests = match reading {
            Reading::Number(requests) => requests,
            Reading::Unusable(Reason::NoData) => 0.0,
            Reading::Unusable(reason) => return Err(Side::Unusable("total", reason)),
        };
        if kulta_plugin_sdk::quantity::whole(requests) < self.minimum {
            return Err(Side::TooFew(requests));
        }
        Ok(requests)
    }
}

fn wait(asker: &Asker<'_, impl Host>, outcome: Outcome, requests: f64) -> Verdict {
    Verdict::Running(
        outcome
            .with_detail("reason", "TooFewRequests")
            .with_detail("requests", &count(requests))
            .with_retry_at(asker.now().plus(LOOK_AGAIN)),
    )
}

fn unusable(outcome: Outcome, field: &str, reason: Reason) -> Verdict {
    Verdict::Inconclusive(
        outcome
            .with_detail("reason", reason.name())
            .with_detail("query", field),
    )
}
