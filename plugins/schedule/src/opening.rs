//! When the gate opens, and what keeps it closed until then.

use kulta_plugin_sdk::{Host, PluginError};

use crate::civil::{DAY, Moment};
use crate::clock::{Clock, Instant};
use crate::config::{Config, Freeze};
use crate::hours;

/// So far an opening is looked for, in days: a year, so that what comes once a year is found.
pub(crate) const HORIZON_DAYS: i64 = 366;

/// Why the gate is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Obstacle<'c> {
    /// A freeze, with its reason.
    Freeze(&'c str),
    /// It is outside of the allowed hours.
    Hours,
}

/// When the gate opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Opening<'c> {
    /// The first second of it; none: not within a year.
    pub(crate) at: Option<Instant>,
    /// What keeps it closed until then, each once, in the order it comes; empty: it is open now.
    pub(crate) obstacles: Vec<Obstacle<'c>>,
}

/// A freeze as a piece of time.
struct Frozen<'c> {
    begins: Instant,
    ends: Instant,
    reason: &'c str,
}

/// Finds the first second, from now on, that is in the allowed hours and outside of every freeze.
pub(crate) fn find<'c>(config: &'c Config, host: &impl Host) -> Result<Opening<'c>, PluginError> {
    let now = Instant::of(host.now());
    let horizon = now.plus(HORIZON_DAYS * DAY);
    let clock = Clock::read(host, &config.time_zone, now, horizon)?;
    let freezes = config.freezes().iter();
    let search = Search {
        config,
        frozen: freezes.filter_map(|freeze| frozen(freeze, &clock)).collect(),
        obstacles: Vec::new(),
    };
    Ok(search.run(&clock, now, horizon))
}

/// It begins when clocks first show its first minute, or a later one where that is skipped, and ends when they show its
/// end for the last time: where clocks are set back, no hour in it is open. None: it is over, or too far ahead.
fn frozen<'c>(freeze: &'c Freeze, clock: &Clock) -> Option<Frozen<'c>> {
    Some(Frozen {
        begins: clock.first_shows(freeze.from)?,
        ends: clock.last_shows(freeze.until)?,
        reason: &freeze.reason,
    })
}

struct Search<'c> {
    config: &'c Config,
    frozen: Vec<Frozen<'c>>,
    obstacles: Vec<Obstacle<'c>>,
}

impl<'c> Search<'c> {
    /// Goes from obstacle to obstacle, never minute by minute: each one that is met ends once.
    fn run(mut self, clock: &Clock, now: Instant, horizon: Instant) -> Opening<'c> {
        let mut at = now;
        for span in clock.spans() {
            at = at.max(span.begins);
            while at < span.ends.min(horizon) {
                if let Some((reason, ends)) = self.freeze(at) {
                    self.meet(Obstacle::Freeze(reason));
                    at = ends;
                    continue;
                }
                let shown = span.shown(at);
                match self.allowed(shown) {
                    Some(allowed) if allowed == shown => return self.opening(Some(at)),
                    // Once clocks are changed, another time may be shown earlier.
                    Some(allowed) => at = at.plus(allowed.seconds() - shown.seconds()).min(span.ends),
                    None => at = horizon,
                }
                self.meet(Obstacle::Hours);
            }
        }
        self.opening(None)
    }

    /// The freeze that lasts now.
    fn freeze(&self, at: Instant) -> Option<(&'c str, Instant)> {
        let mut frozen = self.frozen.iter();
        let found = frozen.find(|freeze| freeze.begins <= at && at < freeze.ends)?;
        Some((found.reason, found.ends))
    }

    fn allowed(&self, shown: Moment) -> Option<Moment> {
        match &self.config.allowed {
            Some(windows) => hours::first(windows, shown),
            None => Some(shown),
        }
    }

    fn meet(&mut self, obstacle: Obstacle<'c>) {
        if !self.obstacles.contains(&obstacle) {
            self.obstacles.push(obstacle);
        }
    }

    fn opening(self, at: Option<Instant>) -> Opening<'c> {
        Opening {
            at,
            obstacles: self.obstacles,
        }
    }
}
