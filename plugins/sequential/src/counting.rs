//! Counts events out of counters: series by series, from one look to the next.
//!
//! A counter that became smaller was reset, and all it shows came after that. One that was not there before began at 0,
//! unless it is remembered: a pod of which a scrape was missed is gone at one look and comes back with all it had counted,
//! so what it showed last is kept until then.

use std::time::Duration;

use kulta_plugin_sdk::{Series, Timestamp};

use crate::config::MOST_BOUNDARIES;
use crate::number;

/// A histogram has a counter of all its events, and one for each boundary; everything else has one counter.
const LANES: usize = MOST_BOUNDARIES + 1;
/// So many counters that are gone are remembered. With three boundaries of a latency, what is kept is 7.4 KiB then, of 8.
const MOST_GONE: usize = 160;
/// A sample is of the time that was asked for if it is as near as this: providers may round to seconds.
const NEAR: Duration = Duration::from_millis(500);
/// The label of a histogram's boundary.
const BOUNDARY: &str = "le";
/// The boundary of the bucket of all events.
const ALL: &str = "+Inf";

/// From one look to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// The look before.
    pub(crate) from: Timestamp,
    /// This look.
    pub(crate) to: Timestamp,
}

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Counters<'c> {
    /// Each series for itself.
    Plain,
    /// Buckets, of which those of all events and of these boundaries matter.
    Histogram(&'c [f64]),
}

/// Counters that were there, with what they showed last.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Gone {
    /// Oldest first: what tells it from others, and its value.
    pub(crate) counters: Vec<(u64, f64)>,
    /// There were more of them than could be remembered.
    pub(crate) overflowed: bool,
}

/// What was counted in one answer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Tally {
    /// All events, and then those that are not slower than each boundary.
    pub(crate) events: [f64; LANES],
    /// There was something at the look before.
    pub(crate) was_there: bool,
    /// There is something at this look.
    pub(crate) is_there: bool,
    /// A histogram lacks this one of its counters.
    pub(crate) lacks: Option<usize>,
    /// Something can't be resolved.
    pub(crate) is_in_doubt: bool,
}

/// The counters of one process.
struct Process {
    key: u64,
    before: [Option<f64>; LANES],
    now: [Option<f64>; LANES],
}

impl Gone {
    fn put(&mut self, key: u64, value: f64) {
        if self.counters.len() >= MOST_GONE {
            self.counters.remove(0);
            self.overflowed = true;
        }
        self.counters.push((key, value));
    }

    fn take(&mut self, key: u64) -> Option<f64> {
        let place = self.counters.iter().position(|(known, _)| *known == key)?;
        Some(self.counters.remove(place).1)
    }
}

impl Counters<'_> {
    /// How many counters a process has.
    fn lanes(self) -> usize {
        match self {
            Self::Plain => 1,
            Self::Histogram(boundaries) => boundaries.len().saturating_add(1).min(LANES),
        }
    }

    /// Which counter of its process a series is; none where it doesn't matter.
    fn lane(self, series: &Series) -> Option<usize> {
        let Self::Histogram(boundaries) = self else {
            return Some(0);
        };
        let boundary = series.label(BOUNDARY)?;
        if boundary == ALL {
            return Some(0);
        }
        // Written as `0.3` or `0.30`, both are the same number.
        let boundary = number::read(boundary)?;
        let place = boundaries
            .iter()
            .position(|known| known.to_bits() == boundary.to_bits())?;
        Some(place + 1)
    }

    /// Begins to count: nothing is counted yet. What is gone at the end of the window, but was there in it, is remembered.
    pub(crate) fn begin(self, source: u64, series: &[Series], window: Window, gone: &mut Gone) -> Tally {
        let mut tally = Tally::default();
        for one in series {
            let Some(lane) = self.lane(one) else { continue };
            if value_at(one, window.to).is_some() {
                tally.is_there = true;
            } else if let Some(last) = one.samples.last() {
                gone.put(key_of(source, one, lane), last.value);
            }
        }
        tally
    }

    /// Counts what happened in the window. `source` tells counters from those of other queries.
    pub(crate) fn count(self, source: u64, series: &[Series], window: Window, gone: &mut Gone) -> Tally {
        let mut tally = Tally::default();
        for mut process in self.processes(source, series, window, &mut tally) {
            self.count_process(&mut process, gone, &mut tally);
        }
        tally
    }

    fn processes(self, source: u64, series: &[Series], window: Window, tally: &mut Tally) -> Vec<Process> {
        let mut processes: Vec<Process> = Vec::new();
        for one in series {
            let Some(lane) = self.lane(one) else { continue };
            let key = key_of(source, one, 0);
            // Backwards, because the buckets of a histogram mostly come one after the other.
            let place = processes.iter().rposition(|process| process.key == key);
            let place = place.unwrap_or_else(|| {
                processes.push(Process {
                    key,
                    before: [None; LANES],
                    now: [None; LANES],
                });
                processes.len() - 1
            });
            let Some(process) = processes.get_mut(place) else {
                continue;
            };
            for (lanes, at) in [(&mut process.before, window.from), (&mut process.now, window.to)] {
                let value = value_at(one, at);
                tally.is_in_doubt |= value.is_some_and(|value| !is_count(value));
                if let Some(slot) = lanes.get_mut(lane) {
                    *slot = value.filter(|value| is_count(*value));
                }
            }
        }
        processes
    }

    fn count_process(self, process: &mut Process, gone: &mut Gone, tally: &mut Tally) {
        let lanes = self.lanes();
        let is_there = process.now.iter().any(Option::is_some);
        tally.was_there |= process.before.iter().any(Option::is_some);
        tally.is_there |= is_there;
        let counters = process.before.iter_mut().zip(process.now).take(lanes);
        let mut was_reset = false;
        for (lane, (before, now)) in counters.enumerate() {
            let key = with_lane(process.key, lane);
            match (*before, now) {
                (Some(value), None) => gone.put(key, value),
                (None, Some(_)) => {
                    *before = gone.take(key);
                    // It is new, or one of those that were forgotten.
                    tally.is_in_doubt |= before.is_none() && gone.overflowed;
                }
                _ => {}
            }
            if is_there && now.is_none() {
                tally.lacks = Some(lane);
            }
            was_reset |= matches!((*before, now), (Some(before), Some(now)) if now < before);
        }
        // The counters of a process are reset together, though not each of them becomes smaller.
        for ((sum, before), now) in tally.events.iter_mut().zip(process.before).zip(process.now) {
            let before = before.filter(|_| !was_reset).unwrap_or_default();
            *sum += now.map_or(0.0, |now| now - before);
        }
    }
}

fn value_at(series: &Series, at: Timestamp) -> Option<f64> {
    let near = |time: Timestamp| time.since(at) <= NEAR && at.since(time) <= NEAR;
    let mut samples = series.samples.iter().rev();
    samples.find(|sample| near(sample.at)).map(|sample| sample.value)
}

fn is_count(value: f64) -> bool {
    value.is_finite() && value >= 0.0
}

/// What tells a counter from all others: a hash of where it comes from and of its labels, whatever their order.
fn key_of(source: u64, series: &Series, lane: usize) -> u64 {
    let labels = series.labels.iter().filter(|label| label.name != BOUNDARY);
    let sum = labels.fold(source, |sum, label| {
        let name = hash(HASH_BEGIN, label.name.as_bytes());
        sum.wrapping_add(hash(name, label.value.as_bytes()))
    });
    with_lane(sum, lane)
}

fn with_lane(key: u64, lane: usize) -> u64 {
    key.wrapping_add(u64::try_from(lane).unwrap_or_default())
}

/// The beginning of every hash (FNV-1a).
pub(crate) const HASH_BEGIN: u64 = 0xcbf2_9ce4_8422_2325;
const HASH_FACTOR: u64 = 0x0100_0000_01b3;

/// A hash of what was hashed before and of these bytes, and of where they end (FNV-1a): two counters in a million share
/// one with a probability of 10^-7.
pub(crate) fn hash(before: u64, bytes: &[u8]) -> u64 {
    // No text has this byte.
    let end = [0xff_u8];
    let add = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(HASH_FACTOR);
    bytes.iter().chain(&end).fold(before, add)
}
