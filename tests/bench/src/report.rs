//! What was measured, as a table for people or as JSON.

use std::fmt;

use kulta_e2e::Distribution;
use serde::Serialize;

use crate::delivery::{Delivery, Drain};
use crate::install::Installations;
use crate::limits;
use crate::machine::Machine;
use crate::memory::{Memory, Sample};
use crate::takeover::Takeover;

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Where.
    pub(crate) machine: Machine,
    /// One decision, by benchmark.
    pub(crate) decide: Vec<(String, Distribution)>,
    /// From a changed template to the new ReplicaSet.
    pub(crate) change: Option<Distribution>,
    /// From a changed Rollout to its status and its ReplicaSet.
    pub(crate) reaction: Option<Distribution>,
    /// Rollouts that Argo Rollouts has left.
    pub(crate) takeover: Option<Takeover>,
    /// From a failing measurement to the route patched.
    pub(crate) rollback: Option<Distribution>,
    /// The delivery of events.
    pub(crate) delivery: Option<Delivery>,
    /// The controller's memory; the first is without Rollouts.
    pub(crate) memory: Vec<Sample>,
    /// From the start of the binary to the first reconcile.
    pub(crate) start: Option<Distribution>,
    /// The controller as users install it.
    pub(crate) install: Option<Installations>,
}

impl Report {
    /// Nothing yet.
    pub(crate) fn new(machine: Machine) -> Self {
        Self {
            machine,
            decide: Vec::new(),
            change: None,
            reaction: None,
            takeover: None,
            rollback: None,
            delivery: None,
            memory: Vec::new(),
            start: None,
            install: None,
        }
    }

    fn write_changes(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changes = [
            (
                "changed template to new ReplicaSet",
                &self.change,
                limits::ROLLOUTS,
                limits::CHANGE_AIM,
            ),
            (
                "changed Rollout to its status and ReplicaSet",
                &self.reaction,
                limits::REACTION_ROLLOUTS,
                limits::REACTION_AIM,
            ),
        ];
        for (what, times, rollouts, aim) in changes {
            let Some(times) = times else { continue };
            writeln!(
                formatter,
                "{what}, {rollouts} Rollouts, a change every {:?}: aim p99 < {aim:?}\n  {times}  {}",
                limits::CHANGE_EVERY,
                verdict(times.p99 < aim)
            )?;
        }
        Ok(())
    }

    fn write_slowest(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rollouts = limits::ROLLOUTS;
        let slowest = [
            (
                format!("start of the binary to the first reconcile, {rollouts} Rollouts"),
                self.start.as_ref(),
                limits::START_AIM,
            ),
            (
                "installation by Helm to two ready replicas, image on the node".to_owned(),
                self.install.as_ref().map(|install| &install.times),
                limits::INSTALL_AIM,
            ),
        ];
        for (what, times, aim) in slowest {
            let Some(times) = times else { continue };
            writeln!(
                formatter,
                "{what}: aim max < {aim:?}\n  {times}  {}",
                verdict(times.max < aim)
            )?;
        }
        Ok(())
    }

    fn write_installed_memory(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Installations { memory, .. }) = &self.install else {
            return Ok(());
        };
        writeln!(
            formatter,
            "memory of the installed replicas, resident (private), {} Rollouts, all changed: aim < {} MB",
            limits::ROLLOUTS,
            limits::INSTALLED_MEMORY_AIM / 1_000_000
        )?;
        for replica in memory {
            let verdict = verdict(replica.resident < limits::INSTALLED_MEMORY_AIM);
            writeln!(formatter, "  {replica}  {verdict}")?;
        }
        Ok(())
    }

    fn write_memory(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(base) = self.memory.first() else {
            return Ok(());
        };
        writeln!(
            formatter,
            "memory of the controller, resident (private): aim < {} MB + {} kB for each Rollout",
            limits::MEMORY_BASE_AIM / 1_000_000,
            limits::MEMORY_ROLLOUT_AIM / 1_000
        )?;
        for sample in &self.memory {
            let Sample {
                rollouts,
                listed,
                churned,
            } = sample;
            write!(
                formatter,
                "  {rollouts:>5} Rollouts  listed {listed}{}",
                each(sample, base.listed, *listed)
            )?;
            if let Some(churned) = churned {
                write!(
                    formatter,
                    "  all changed {churned}{}",
                    each(sample, base.listed, *churned)
                )?;
            }
            writeln!(formatter, "  {}", verdict(sample.most() < sample.aim()))?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}", self.machine)?;
        for (name, times) in &self.decide {
            let aim = limits::DECIDE_AIM;
            writeln!(
                formatter,
                "{name}: aim p50 < {aim:?}\n  {times}  {}",
                verdict(times.p50 < aim)
            )?;
        }
        self.write_changes(formatter)?;
        if let Some(takeover) = &self.takeover {
            write!(formatter, "{takeover}")?;
        }
        if let Some(times) = &self.rollback {
            let aim = limits::ROLLBACK_AIM;
            let rollouts = limits::ROLLBACK_ROLLOUTS;
            writeln!(
                formatter,
                "failing measurement to the route patched, {rollouts} Rollouts: aim p99 < {aim:?}\n  {times}  {}",
                verdict(times.p99 < aim)
            )?;
        }
        if let Some(delivery) = &self.delivery {
            write!(formatter, "{delivery}")?;
        }
        self.write_memory(formatter)?;
        self.write_slowest(formatter)?;
        self.write_installed_memory(formatter)?;
        Ok(())
    }
}

impl fmt::Display for Takeover {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            rollouts,
            seconds,
            created,
            scaled,
            deleted,
        } = self;
        let aim = limits::TAKEOVER_AIM_SECONDS;
        writeln!(
            formatter,
            "{rollouts} Rollouts as Argo Rollouts leaves them, without pods: aim < {aim} s, no ReplicaSet touched\n  all \
             observed {seconds:.1} s after the start of the binary; ReplicaSets: {created} created, {scaled} scaled, {deleted} \
             deleted  {}",
            verdict(self.touched_nothing() && *seconds < aim)
        )
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { latency, drain } = self;
        let (aim, rollouts) = (limits::DELIVERY_AIM, limits::DELIVERY_ROLLOUTS);
        writeln!(
            formatter,
            "transition to the sink having its event, a change every {:?}: aim p50 < {aim:?}\n  {latency}  {}",
            limits::CHANGE_EVERY,
            verdict(latency.p50 < aim)
        )?;
        let Drain {
            events,
            seconds,
            sending_seconds,
            most_writes,
            change,
        } = drain;
        let met = *seconds < limits::DRAIN_AIM_SECONDS && *most_writes <= limits::DRAIN_WRITES_AIM;
        writeln!(
            formatter,
            "{events} events of {rollouts} Rollouts to a sink that is back: aim < {} s, {} status write each\n  \
             {seconds:.1} s after it was back, {sending_seconds:.1} s of sending, at most {most_writes} status writes  {}\n  \
             changed template to new ReplicaSet meanwhile, other Rollouts: {change}  {}",
            limits::DRAIN_AIM_SECONDS,
            limits::DRAIN_WRITES_AIM,
            verdict(met),
            verdict(change.p99 < limits::CHANGE_AIM)
        )
    }
}

/// What each Rollout adds.
fn each(sample: &Sample, base: Memory, memory: Memory) -> String {
    let added = memory.resident.saturating_sub(base.resident);
    let bytes = added.checked_div(sample.rollouts as u64);
    bytes.map_or_else(String::new, |bytes| {
        format!(", {:.1} kB each", megabytes(bytes) * 1e3)
    })
}

impl fmt::Display for Memory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:.2} ({:.2}) MB",
            megabytes(self.resident),
            megabytes(self.private)
        )
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "bytes of one process are far below 2^52"
)]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn verdict(met: bool) -> &'static str {
    if met { "[met]" } else { "[MISSED]" }
}
