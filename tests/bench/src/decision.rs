//! How long one decision takes, as criterion has measured it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kulta_e2e::Distribution;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// What one benchmark is called.
#[derive(Debug, Deserialize)]
struct Benchmark {
    title: String,
}

/// Criterion's samples: each is the whole time of so many decisions, in nanoseconds.
#[derive(Debug, Deserialize)]
struct Samples {
    iters: Vec<f64>,
    times: Vec<f64>,
}

/// The benchmarks in criterion's folder, with the distributions of their samples.
pub(crate) fn read(criterion: &Path) -> Result<Vec<(String, Distribution)>> {
    let mut found = Vec::new();
    for folder in fs::read_dir(criterion).with_context(|| criterion.display().to_string())? {
        let last = folder?.path().join("new");
        if last.is_dir() {
            let Benchmark { title } = json(&last.join("benchmark.json"))?;
            let samples = times(&json(&last.join("sample.json"))?);
            found.push((
                title,
                Distribution::of(samples).context("criterion has measured nothing")?,
            ));
        }
    }
    ensure!(!found.is_empty(), "criterion has measured nothing");
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(found)
}

fn json<T: DeserializeOwned>(file: &Path) -> Result<T> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    serde_json::from_str(&text).with_context(|| file.display().to_string())
}

fn times(samples: &Samples) -> Vec<Duration> {
    let means = samples
        .times
        .iter()
        .zip(&samples.iters)
        .map(|(time, iterations)| time / iterations);
    means
        .map(|nanoseconds| Duration::from_secs_f64(nanoseconds / 1e9))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_the_mean_of_its_decisions() {
        let samples = Samples {
            iters: vec![10.0, 20.0],
            times: vec![1_000.0, 4_000.0],
        };
        assert_eq!(times(&samples), [100, 200].map(Duration::from_nanos));
    }
}
