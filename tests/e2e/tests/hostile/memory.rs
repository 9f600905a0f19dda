//! The memory of the controller's process and of the processes that it starts, by the kernel's own count.

use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use kulta_e2e::limits;
use tokio::time::{sleep, timeout};

/// Written to `clear_refs`, it sets the peak of the resident memory back to what is resident now.
const RESET_PEAK: &str = "5";
/// A process whose memory has not grown for so many looks has come to rest.
const QUIET_LOOKS: u32 = 60;

/// The memory of a process.
pub(super) struct Memory {
    process: PathBuf,
    /// What was resident at the beginning, in bytes.
    pub(super) idle: u64,
    /// The largest peak of a process that it has started, in bytes, as far as was seen.
    pub(super) trials: u64,
}

impl Memory {
    /// That of the process `pid`, once it has come to rest.
    pub(super) async fn at_rest(pid: u32) -> Result<Self> {
        let process = PathBuf::from(format!("/proc/{pid}"));
        let resting = timeout(limits::WITHIN, until_quiet(&process));
        resting.await.context("the controller does not come to rest")??;
        fs::write(process.join("clear_refs"), RESET_PEAK).context("the peak of the memory can't be reset")?;
        Ok(Self {
            idle: bytes(&process, "VmRSS")?,
            process,
            trials: 0,
        })
    }

    /// The most that was resident since the beginning, which the kernel misses nothing of.
    pub(super) fn peak(&self) -> Result<u64> {
        bytes(&self.process, "VmHWM")
    }

    /// Looks at the processes that it starts, without end.
    pub(super) async fn watch_trials(&mut self) -> Result<Infallible> {
        loop {
            for child in children(&self.process)? {
                // It may have ended meanwhile.
                self.trials = self.trials.max(bytes(&child, "VmHWM").unwrap_or_default());
            }
            sleep(limits::LOOK).await;
        }
    }
}

async fn until_quiet(process: &Path) -> Result<()> {
    let (mut most, mut looks) = (0, 0);
    while looks < QUIET_LOOKS {
        let now = bytes(process, "VmRSS")?;
        looks = if now > most { 0 } else { looks + 1 };
        most = most.max(now);
        sleep(limits::LOOK).await;
    }
    Ok(())
}

/// Whichever of its threads has started them.
fn children(process: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for thread in fs::read_dir(process.join("task"))? {
        let list = fs::read_to_string(thread?.path().join("children")).unwrap_or_default();
        found.extend(
            list.split_whitespace()
                .map(|pid| PathBuf::from("/proc").join(pid)),
        );
    }
    Ok(found)
}

fn bytes(process: &Path, field: &str) -> Result<u64> {
    let file = process.join("status");
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    Ok(kibibytes.with_context(|| format!("{} has no {field}", file.display()))? * 1_024)
}
