//! From the start of the binary to the first reconcile that has something to do, by the controller's own log.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use anyhow::{Context, Result};
use jiff::Timestamp;
use kulta_e2e::{Controller, Distribution};
use kulta_test_cluster::progress::Progress;
use serde::Deserialize;
use tokio::time::{sleep, timeout};

use crate::limits;
use crate::population::{self, Population};
use crate::probe::Probe;

/// What the controller says when it has decided on a Rollout and there is something to do.
const DECIDED: &str = "decided";

#[derive(Debug, Deserialize)]
struct Line {
    timestamp: Timestamp,
    #[serde(default)]
    message: String,
    #[serde(default)]
    name: String,
}

/// Changes a template while the controller is stopped, starts it, and gives the times until it has decided what to do.
pub(crate) async fn measure(
    controller: &mut Controller,
    population: &mut Population,
    probe: &Probe,
    progress: &Progress,
) -> Result<Distribution> {
    progress.begin(&format!("starting the controller {} times", limits::STARTS));
    let mut times = Vec::new();
    for start in 0..limits::STARTS {
        let number = start % population.size();
        let rollout = population::name(number);
        controller.stop().await?;
        population.change(number).await?;
        let from = fs::metadata(controller.log())?.len();
        let started = Timestamp::now();
        controller.start()?;
        let waiting = until_decided(controller.log(), from, &rollout);
        let decided = timeout(limits::WITHIN, waiting)
            .await
            .context("the controller decides on nothing")??;
        times.push(decided.duration_since(started).unsigned_abs());
        probe.idle_with(population.size()).await?;
    }
    Distribution::of(times).context("nothing was started")
}

async fn until_decided(log: &Path, from: u64, rollout: &str) -> Result<Timestamp> {
    loop {
        let mut file = fs::File::open(log)?;
        file.seek(SeekFrom::Start(from))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        if let Some(decided) = decided(&text, rollout) {
            return Ok(decided);
        }
        sleep(limits::LOOK).await;
    }
}

fn decided(log: &str, rollout: &str) -> Option<Timestamp> {
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Line>(line).ok());
    let mut decisions = lines.filter(|line| line.message == DECIDED && line.name == rollout);
    decisions.next().map(|line| line.timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_decision_on_the_rollout_counts() {
        let log = r#"{"timestamp":"2026-01-01T00:00:01Z","level":"INFO","message":"starting"}
{"timestamp":"2026-01-01T00:00:02Z","level":"INFO","message":"decided","name":"other"}
{"timestamp":"2026-01-01T00:00:03Z","level":"INFO","message":"decided","name":"web"}
{"timestamp":"2026-01-01T00:00:04Z","level":"INFO","message":"decided","name":"web"}
{"timestamp":"2026-01-01T00:0"#;
        assert_eq!(decided(log, "web"), Some("2026-01-01T00:00:03Z".parse().unwrap()));
    }
}
