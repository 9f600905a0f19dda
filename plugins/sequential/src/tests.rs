//! The plugin from the outside, and its mathematics by simulation.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "simulations count few things"
)]

mod cluster;
mod config;
mod counting;
mod figures;
mod latency;
mod restart;
mod simulation;
mod three_way;
mod verdict;
mod weight;

use serde_json::{Value, json};

fn error_rate() -> Value {
    json!({"errorRate": {
        "bad": "requests{h=\"$(canary-hash)\", code=\"500\"}",
        "total": "requests{h=\"$(canary-hash)\"}",
    }})
}

fn latency() -> Value {
    json!({"latency": {"buckets": "buckets{h=\"$(canary-hash)\"}", "boundaries": [0.3]}})
}

fn weight() -> Value {
    json!({"weight": {"total": "requests{h=\"$(canary-hash)\"}"}})
}
