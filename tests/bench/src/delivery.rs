//! The delivery of events: how soon a sink hears of a transition, and how a backlog is drained.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use kulta_e2e::{Controller, Distribution, Heard, Receiver, Stage};
use kulta_test_cluster::progress::Progress;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::audit::Audit;
use crate::limits;
use crate::population::{Pods, Population};
use crate::probe::Probe;

/// What was measured of the delivery.
#[derive(Debug, Serialize)]
pub(crate) struct Delivery {
    /// From the transition, by its own time, to the sink having it.
    pub(crate) latency: Distribution,
    /// A sink that was down is back.
    pub(crate) drain: Drain,
}

/// How the events that had piled up were delivered.
#[derive(Debug, Serialize)]
pub(crate) struct Drain {
    /// Events that had piled up.
    pub(crate) events: usize,
    /// From the sink being back to its having all of them: with what is left of the wait for it.
    pub(crate) seconds: f64,
    /// The same from the first event on.
    pub(crate) sending_seconds: f64,
    /// Status writes of the Rollout that had most of them.
    pub(crate) most_writes: usize,
    /// Meanwhile, from changed templates of other Rollouts to their new ReplicaSets.
    pub(crate) change: Distribution,
}

/// Measures with Rollouts of its own, and a sink in this process.
pub(crate) async fn measure(
    stage: &Stage,
    controller: &mut Controller,
    probe: &Probe,
    progress: &Progress,
) -> Result<Delivery> {
    let configuration = fs::read(controller.configuration())?;
    let sink = Receiver::start().await?;
    let mut settings: Value = serde_json::from_slice(&configuration)?;
    if let Some(settings) = settings.as_object_mut() {
        let sinks = json!({"bench": {"http": {"address": sink.address()}}});
        settings.insert(
            "events".to_owned(),
            json!({"environment": "bench", "sinks": sinks}),
        );
    }
    controller.stop().await?;
    fs::write(controller.configuration(), settings.to_string())?;
    controller.start()?;
    let mut population = Population::new(stage.clone(), Pods::None);
    let measured = Box::pin(play(&mut population, stage, &sink, probe, progress)).await;
    controller.stop().await?;
    fs::write(controller.configuration(), configuration)?;
    controller.start()?;
    measured
}

async fn play(
    population: &mut Population,
    stage: &Stage,
    sink: &Receiver,
    probe: &Probe,
    progress: &Progress,
) -> Result<Delivery> {
    let size = limits::DELIVERY_ROLLOUTS + limits::BYSTANDERS;
    progress.begin(&format!("making {size} Rollouts"));
    population.grow(size).await?;
    probe.idle_with(size).await?;

    progress.begin("telling a sink of changes");
    let before = sink.heard().len();
    change(population, 0..limits::BYSTANDERS).await?;
    probe.idle_with(size).await?;
    let heard = sink.heard();
    let latency = latency(heard.get(before..).unwrap_or_default())?;

    sink.is_up(false);
    let piled_up = pile_up(population, probe, size, progress).await?;
    progress.begin(&format!("draining {piled_up} events"));
    let audit = Audit::from_now(stage.cluster()?.audit_log())?;
    let before = sink.heard().len();
    let begun = Timestamp::now();
    sink.is_up(true);
    let meanwhile = change(population, limits::DELIVERY_ROLLOUTS..size);
    let drained = timeout(limits::WITHIN, until_drained(sink, before, begun, piled_up));
    let (changed, drained) = tokio::join!(meanwhile, drained);
    changed?;
    drained.context("the events are not drained")?;
    probe.idle_with(size).await?;
    let drain = drain(sink, &audit, population, (before, piled_up), begun)?;
    Ok(Delivery { latency, drain })
}

/// Changes these Rollouts, one after the other at a fixed rate.
async fn change(population: &mut Population, which: std::ops::Range<usize>) -> Result<()> {
    let mut ticks = interval(limits::CHANGE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in which {
        ticks.tick().await;
        population.change(number).await?;
    }
    Ok(())
}

/// Changes Rollouts until so many events wait for the sink; answers how many.
async fn pile_up(
    population: &mut Population,
    probe: &Probe,
    size: usize,
    progress: &Progress,
) -> Result<usize> {
    loop {
        let pending = pending().await?;
        progress.begin(&format!("piling up events: {pending}"));
        if pending >= limits::DELIVERY_EVENTS {
            return Ok(pending);
        }
        population.change_first(limits::DELIVERY_ROLLOUTS).await?;
        probe.idle_with(size).await?;
    }
}

/// How many events wait, as the controller has it.
async fn pending() -> Result<usize> {
    let metrics = Controller::metrics().await?;
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("kulta_sink_events_pending{sink=\"bench\"} "));
    line.map_or(Ok(0), |number| {
        number.parse().context("the number of waiting events")
    })
}

async fn until_drained(sink: &Receiver, before: usize, begun: Timestamp, number: usize) {
    // Looking at all of them takes time that the controller needs: not before there are enough.
    let is_drained = |heard: &[Heard]| {
        heard.len() >= before.saturating_add(number) && piled_up_of(heard, before, begun).len() >= number
    };
    while !sink.look(is_drained) {
        sleep(limits::LOOK).await;
    }
}

/// When each event that had piled up came, the first time: those of the bystanders are between them.
fn piled_up_of(heard: &[Heard], before: usize, begun: Timestamp) -> BTreeMap<&str, Timestamp> {
    let heard = heard.iter().skip(before);
    let mut came = BTreeMap::new();
    for heard in heard.filter(|heard| told_at(heard) < Some(begun)) {
        came.entry(heard.id.as_str()).or_insert(heard.at);
    }
    came
}

fn drain(
    sink: &Receiver,
    audit: &Audit,
    population: &Population,
    (before, piled_up): (usize, usize),
    begun: Timestamp,
) -> Result<Drain> {
    let heard = sink.heard();
    ensure_in_order(&heard)?;
    let times: Vec<Timestamp> = piled_up_of(&heard, before, begun).into_values().collect();
    ensure!(
        times.len() == piled_up,
        "{} events came, and {piled_up} had piled up",
        times.len()
    );
    let (first, last) = times
        .iter()
        .min()
        .zip(times.iter().max())
        .context("nothing was drained")?;
    let writes = audit.status_writes(population.namespace())?;
    let drained =
        |name: &str| (0..limits::DELIVERY_ROLLOUTS).any(|number| crate::population::name(number) == name);
    let most_writes = writes
        .iter()
        .filter(|(name, _)| drained(name))
        .map(|(_, number)| *number);
    Ok(Drain {
        events: piled_up,
        seconds: last.duration_since(begun).as_secs_f64(),
        sending_seconds: last.duration_since(*first).as_secs_f64(),
        most_writes: most_writes.max().unwrap_or_default(),
        change: Distribution::of(audit.changes(population.namespace())?.times)
            .context("nothing was changed")?,
    })
}

fn latency(heard: &[Heard]) -> Result<Distribution> {
    let times = heard.iter().filter_map(|heard| {
        let told = told_at(heard)?;
        Some(heard.at.duration_since(told).unsigned_abs())
    });
    Distribution::of(times.collect::<Vec<Duration>>()).context("nothing was heard")
}

/// When the transition happened.
fn told_at(heard: &Heard) -> Option<Timestamp> {
    let time = heard.body.pointer("/context/timestamp")?;
    time.as_str()?.parse().ok()
}

/// The numbers of each Rollout's events rise by one, apart from those that came twice.
fn ensure_in_order(heard: &[Heard]) -> Result<()> {
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for heard in heard {
        let told = |pointer: &str| heard.body.pointer(&format!("/customData/kulta/{pointer}"));
        let uid = told("rollout/uid").and_then(Value::as_str).context("no UID")?;
        let number = told("fact/sequence")
            .and_then(Value::as_u64)
            .context("no number")?;
        let before = last.insert(uid, number).unwrap_or(0);
        ensure!(
            number <= before + 1,
            "after event {before} of {uid} came {number}"
        );
    }
    Ok(())
}
