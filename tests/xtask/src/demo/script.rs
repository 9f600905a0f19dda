//! The acts of the demo, and how long its steps take.

use kulta_e2e::app::step;
use serde_json::{Value, json};

use super::scene::{Act, Role};

/// The first act: what there was before.
pub(crate) const V1_SERVES: Act = Act {
    title: "v1 serves",
    version: "v1",
    role: Role::Stable,
};
/// The promotion.
pub(crate) const V2_TAKES_OVER: Act = Act {
    title: "v2 takes over",
    version: "v2",
    role: Role::Canary,
};
/// The bad version.
pub(crate) const V3_IS_TRIED: Act = Act {
    title: "v3 is tried",
    version: "v3",
    role: Role::Canary,
};
/// The way back.
pub(crate) const V3_IS_TAKEN_BACK: Act = Act {
    title: "v3 is slow and fails, and is taken back by its measurements",
    version: "v3",
    role: Role::Canary,
};
/// The way back where there is no Prometheus.
pub(crate) const V3_IS_ABORTED: Act = Act {
    title: "v3 is slow and fails, and is aborted by hand",
    version: "v3",
    role: Role::Canary,
};
/// The last act.
pub(crate) const V2_SERVES: Act = Act {
    title: "v2 serves again",
    version: "v2",
    role: Role::Stable,
};

/// The weights that a new version goes through, in percent.
pub(crate) const WEIGHTS: [u8; 3] = [10, 50, 100];
/// Of these, a version that is taken back is measured at one: at the next its analysis begins.
pub(crate) const WEIGHTS_BEFORE_ABORT: [u8; 1] = [10];
/// The step at which the analysis begins: the second weight.
const ANALYSED_FROM: u32 = 2;
/// Equal parts of all requests: before the first release, the measured steps, after the abort, and what is sent while
/// pods come and go.
pub(crate) const PARTS: u64 = 8;

/// The application's name.
pub(crate) const APP: &str = "shop";
/// Its namespace: always the same, so that the hints at the end can name it.
pub(crate) const NAMESPACE: &str = "kulta-demo";
/// Its pods, of each version.
pub(crate) const REPLICAS: u32 = 4;

/// Short, so that the audience sees the old pods go.
pub(crate) const SCALE_DOWN_DELAY_SECONDS: u32 = 5;
/// The bad version.
pub(crate) const BAD_VERSION: &str = "v3";
/// What makes it bad: it is slow.
pub(crate) const BAD_LATENCY: &str = "60ms";
/// And it answers so many of its requests with 500: the only ones that may fail in this play.
pub(crate) const BAD_ERROR_RATE: &str = "0.05";
/// Of the requests of a version that users may meet, no more may fail.
const ERROR_LIMIT: f64 = 0.01;
/// Below so many, a share says nothing.
const MINIMUM_REQUESTS: u32 = 50;
/// Half of the requests are to be answered within so many seconds: far from what v3 takes, and from what the others do
/// even where the machine is busy. (The tail of all three is the machine's.)
const LATENCY_LIMIT_SECONDS: f64 = 0.03;

/// A pause is longer than its measurement takes by this, and by a quarter of it: time for the weight to come into force,
/// to settle, and for a busy machine.
const SPARE_SECONDS: u64 = 8;

/// The steps of the rollout: each weight, and a pause long enough to measure so many answers.
pub(crate) fn steps(answers: u64, rate: u32) -> Vec<Value> {
    let seconds = pause_seconds(answers, rate);
    WEIGHTS
        .into_iter()
        .flat_map(|percent| [step::weight(percent), step::pause_for(seconds)])
        .collect()
}

/// The analysis beside the steps: how many requests the canary's pods fail and how long they take to answer, as the cluster's
/// Prometheus has it.
pub(crate) fn analysis() -> Value {
    let canary = format!(r#"namespace="{NAMESPACE}",rollouts_pod_template_hash="$(canary-hash)""#);
    json!({
        "startingStep": ANALYSED_FROM,
        "metrics": [{
            "name": "errors",
            "interval": "3s",
            "provider": { "plugin": { "prometheus": { "errorRate": {
                "bad": format!(r#"sum(increase(http_requests_total{{{canary},code=~"5.."}}[10s])) or vector(0)"#),
                "total": format!("sum(increase(http_requests_total{{{canary}}}[10s]))"),
                "limit": ERROR_LIMIT,
                "minimumRequests": MINIMUM_REQUESTS,
            } } } },
        }, {
            "name": "latency",
            "interval": "3s",
            "provider": { "plugin": { "prometheus": { "latency": {
                "quantile": 0.5,
                "buckets": format!("sum by (le) (rate(http_request_duration_seconds_bucket{{{canary}}}[10s]))"),
                "total": format!("sum(increase(http_request_duration_seconds_count{{{canary}}}[10s]))"),
                "limitSeconds": LATENCY_LIMIT_SECONDS,
            } } } },
        }],
    })
}

fn pause_seconds(answers: u64, rate: u32) -> u64 {
    let measuring = answers.div_ceil(u64::from(rate.max(1)));
    measuring + measuring / 4 + SPARE_SECONDS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_longer_than_its_measurement() {
        assert_eq!(pause_seconds(6_000, 600), 20);
    }

    #[test]
    fn each_weight_is_followed_by_a_pause() {
        let steps = steps(5_000, 500);
        assert_eq!(steps.len(), 2 * WEIGHTS.len());
        assert!(
            steps
                .chunks(2)
                .all(|pair| pair[0].get("setWeight").is_some() && pair[1].get("pause").is_some())
        );
    }
}
