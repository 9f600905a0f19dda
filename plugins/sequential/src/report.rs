//! What is found out, in words and numbers.

use kulta_plugin_sdk::quantity::{count, number, percent};
use kulta_plugin_sdk::{Outcome, Value};

use crate::config::Config;
use crate::statistics::comparison::{Comparison, Decision, Kind, Rules};
use crate::statistics::interval::Interval;
use crate::statistics::weights::WeightTruth;
use crate::statistics::{Batch, Counts};

/// Larger e-values are not told apart.
const LARGEST_E: f64 = 1e300;

/// What a comparison has found.
pub(crate) fn comparison(
    config: &Config,
    rules: &Rules,
    comparison: &Comparison,
    decision: Decision,
    addition: &str,
) -> Outcome {
    let (p_fail, p_pass) = (p_value(comparison.largest_fail), p_value(comparison.largest_pass));
    let [fail_margin, pass_margin] = config.margins();
    let decided = match decision {
        Decision::Fail => format!("more than {} times", number(1.0 + fail_margin)),
        Decision::Pass => format!("less than {} times", number(1.0 + pass_margin)),
        Decision::None => "not decided".to_owned(),
    };
    let total = comparison
        .kinds
        .first()
        .map(|kind| kind.total)
        .unwrap_or_default();
    let summary = format!(
        "{}: {}, stable version {}: {decided} (p of fail {}, of pass {}, needed {}){addition}",
        name(config, 0),
        rate(total.canary),
        rate(total.stable),
        number(p_fail),
        number(p_pass),
        number(config.alpha)
    );
    let mut outcome = Outcome::new(Value::Scalar(p_fail), summary);
    for (name, value) in [
        ("pFail", p_fail),
        ("pPass", p_pass),
        ("eFail", e_value(comparison.log_e_fail())),
        ("ePass", e_value(comparison.log_e_pass())),
    ] {
        outcome = outcome.with_detail(name, &number(value));
    }
    for (place, kind) in comparison.kinds.iter().enumerate() {
        outcome = outcome.with_detail(&name(config, place), &of_kind(kind, rules));
    }
    outcome.with_detail("trafficShare", &percent(share_of(&total)))
}

/// What is known of the shares of the requests.
pub(crate) fn weights(truth: &WeightTruth, total: &Batch, alpha: f64, addition: &str) -> Outcome {
    let p_value = truth.p_value();
    let [share, _] = truth.shares;
    let summary = format!(
        "the canary has {} of {} requests, the weight is {} (p {}, wrong at {}){addition}",
        percent(share_of(total)),
        count(total.requests()),
        percent(share),
        number(p_value),
        number(alpha)
    );
    Outcome::new(Value::Scalar(p_value), summary)
}

/// What the kind of bad event at this place is called.
fn name(config: &Config, place: usize) -> String {
    match config.boundaries().get(place) {
        Some(boundary) => format!("slower than {}", number(*boundary)),
        None => "error rate".to_owned(),
    }
}

fn of_kind(kind: &Kind, rules: &Rules) -> String {
    let Batch { canary, stable } = kind.total;
    let Interval { lower, upper } = kind.interval(rules);
    format!(
        "{} of {}, stable version {} of {}, ratio {} to {}",
        count(canary.bad),
        count(canary.requests),
        count(stable.bad),
        count(stable.requests),
        number(lower),
        number(upper)
    )
}

fn rate(counts: Counts) -> String {
    if counts.requests > 0.0 {
        format!(
            "{} of {}",
            percent(counts.bad / counts.requests),
            count(counts.requests)
        )
    } else {
        "no requests".to_owned()
    }
}

fn share_of(total: &Batch) -> f64 {
    if total.requests() > 0.0 {
        total.canary.requests / total.requests()
    } else {
        0.0
    }
}

/// The probability of evidence as strong as this at any time.
fn p_value(largest: f64) -> f64 {
    (-largest).exp().min(1.0)
}

fn e_value(logarithm: f64) -> f64 {
    logarithm.exp().min(LARGEST_E)
}
