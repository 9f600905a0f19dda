//! The machine that was measured on: numbers mean nothing without it.

use std::fmt;
use std::fs;
use std::num::NonZeroUsize;
use std::thread::available_parallelism;

use anyhow::{Context, Result};
use serde::Serialize;

/// The machine, and how busy it was.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    /// Processors this program may use.
    processors: usize,
    /// Their model.
    model: String,
    /// Memory in MB (1,000,000 bytes).
    memory_mb: u64,
    /// Programs that wanted to run, on average over one minute, before and after.
    load: [f64; 2],
}

impl Machine {
    /// Looks at the machine before anything is measured.
    pub(crate) fn look() -> Result<Self> {
        let load = load()?;
        Ok(Self {
            processors: available_parallelism().map_or(1, NonZeroUsize::get),
            model: field(&read("/proc/cpuinfo")?, "model name").unwrap_or_else(|| "unknown".to_owned()),
            memory_mb: memory_mb(&read("/proc/meminfo")?).context("/proc/meminfo has no MemTotal")?,
            load: [load, load],
        })
    }

    /// Notes how busy it is after everything was measured.
    pub(crate) fn look_again(&mut self) -> Result<()> {
        let [_, after] = &mut self.load;
        *after = load()?;
        Ok(())
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            processors,
            model,
            memory_mb,
            load: [before, after],
        } = self;
        write!(
            formatter,
            "{processors} processors ({model}), {memory_mb} MB of memory; load {before} before and {after} after"
        )
    }
}

fn read(file: &str) -> Result<String> {
    fs::read_to_string(file).with_context(|| file.to_owned())
}

fn load() -> Result<f64> {
    let averages = read("/proc/loadavg")?;
    let first = averages
        .split_whitespace()
        .next()
        .and_then(|average| average.parse().ok());
    first.context("/proc/loadavg has no average")
}

/// The value of a line `name : value`.
fn field(text: &str, name: &str) -> Option<String> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = lines.find(|(key, _)| key.trim() == name)?;
    Some(value.trim().to_owned())
}

fn memory_mb(text: &str) -> Option<u64> {
    let kibibytes: u64 = field(text, "MemTotal")?.strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1_024 / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "model\t\t: 85\nmodel name\t: A Processor: fast\n";
        assert_eq!(field(text, "model name").as_deref(), Some("A Processor: fast"));
    }

    #[test]
    fn the_kernel_counts_memory_in_kibibytes() {
        assert_eq!(memory_mb("MemTotal:       1000000 kB\n"), Some(1_024));
    }
}
