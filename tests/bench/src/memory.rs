//! The controller's memory: what of it is in the machine's, by the kernel's own count.

use std::fmt::Display;
use std::fs;

use anyhow::{Context, Result};
use kulta_e2e::Controller;
use kulta_test_cluster::pids;
use kulta_test_cluster::progress::Progress;
use serde::Serialize;

use crate::limits;
use crate::population::Population;
use crate::probe::Probe;

/// Memory of a process at one moment, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Memory {
    /// All pages that are in memory, those of the program's file included: the working set cannot be larger.
    pub(crate) resident: u64,
    /// Those that no other process could share.
    pub(crate) private: u64,
}

/// Memory with a number of Rollouts.
#[derive(Debug, Serialize)]
pub(crate) struct Sample {
    /// How many.
    pub(crate) rollouts: usize,
    /// After a start, when all were listed and looked at.
    pub(crate) listed: Memory,
    /// After the template of each was changed, and its status with it; None where there are no Rollouts.
    pub(crate) churned: Option<Memory>,
}

/// Measures one controller.
pub(crate) struct Meter<'a> {
    /// The controller: started again before it is measured.
    pub(crate) controller: &'a mut Controller,
    /// Tells when it is idle.
    pub(crate) probe: &'a Probe,
    /// Tells the user what is measured.
    pub(crate) progress: &'a Progress,
}

impl Meter<'_> {
    /// Without any Rollout.
    pub(crate) async fn base(&mut self) -> Result<Sample> {
        self.progress.begin("memory without Rollouts");
        Ok(Sample {
            rollouts: 0,
            listed: self.started(0).await?,
            churned: None,
        })
    }

    /// With so many Rollouts as there are.
    pub(crate) async fn with(&mut self, population: &mut Population) -> Result<Sample> {
        let rollouts = population.size();
        self.progress.begin(&format!("memory with {rollouts} Rollouts"));
        self.probe.idle_with(rollouts).await?;
        let listed = self.started(rollouts).await?;
        self.progress
            .begin(&format!("memory with {rollouts} Rollouts, each of them changed"));
        population.change_all().await?;
        self.probe.idle_with(rollouts).await?;
        Ok(Sample {
            rollouts,
            listed,
            churned: Some(self.now()?),
        })
    }

    async fn started(&mut self, rollouts: usize) -> Result<Memory> {
        self.controller.stop().await?;
        self.controller.start()?;
        self.probe.idle_with(rollouts).await?;
        self.now()
    }

    fn now(&mut self) -> Result<Memory> {
        self.controller.check()?;
        Memory::of(self.controller.pid().context("the controller does not run")?)
    }
}

impl Memory {
    /// That of a process.
    fn of(pid: impl Display) -> Result<Self> {
        let file = format!("/proc/{pid}/smaps_rollup");
        let text = fs::read_to_string(&file).context(file)?;
        parse(&text).context("the kernel does not say how much memory the controller has")
    }

    /// That of the controller in the pod with this UID, which is told it by its environment.
    pub(crate) fn of_pod(uid: &str) -> Result<Self> {
        let told = format!("POD_UID={uid}");
        let is_in_pod = |pid: &i32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment
                .split(|byte| *byte == 0)
                .any(|variable| variable == told.as_bytes())
        };
        let pid = pids().into_iter().find(is_in_pod);
        Self::of(pid.with_context(|| format!("no process of the pod {uid} can be seen"))?)
    }
}

impl Sample {
    /// What is aimed at with so many Rollouts.
    pub(crate) fn aim(&self) -> u64 {
        limits::MEMORY_BASE_AIM + limits::MEMORY_ROLLOUT_AIM * self.rollouts as u64
    }

    /// The most that was seen.
    pub(crate) fn most(&self) -> u64 {
        self.churned
            .map_or(0, |churned| churned.resident)
            .max(self.listed.resident)
    }
}

fn parse(smaps: &str) -> Option<Memory> {
    let bytes = |name: &str| {
        let line = smaps
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kibibytes * 1_024)
    };
    Some(Memory {
        resident: bytes("Rss")?,
        private: bytes("Private_Clean")? + bytes("Private_Dirty")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_as_the_kernel_says() {
        let smaps = "00400000-7ffff [rollup]\nRss:      20 kB\nPss:   19 kB\nPrivate_Clean:   3 kB\nPrivate_Dirty:   4 kB\n";
        assert_eq!(
            parse(smaps),
            Some(Memory {
                resident: 20_480,
                private: 7_168
            })
        );
    }

    #[test]
    fn the_aim_grows_with_the_rollouts() {
        let listed = Memory {
            resident: 1,
            private: 1,
        };
        let sample = Sample {
            rollouts: 100,
            listed,
            churned: None,
        };
        assert_eq!(sample.aim(), 21_000_000);
    }
}
