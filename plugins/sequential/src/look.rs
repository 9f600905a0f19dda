//! One look: asks for the counters at the look before and at this one, and makes batches of them.

use std::time::Duration;

use kulta_plugin_sdk::{Answer, Data, Host, PluginError, Series, Subject, Timestamp, template};

use crate::config::{BOUNDARIES, Config, Measure};
use crate::counting::{Counters, Gone, HASH_BEGIN, Tally, Window, hash};
use crate::statistics::{Batch, Counts};

/// A look is at so long ago: a scrape that is being written would be in the answer to one query and not to the next.
const SETTLING: Duration = Duration::from_secs(5);
/// Where it begins, counters that were there so long before, at any of these moments, are known.
const LOOK_BACK: Duration = Duration::from_mins(5);
const LOOK_BACK_STEP: Duration = Duration::from_mins(1);
/// No query may be about a longer time.
const LONGEST: Duration = Duration::from_hours(6);
/// Nothing new is to be expected of a shorter time.
const SHORTEST: Duration = Duration::from_secs(1);

/// One query.
pub(crate) struct Source {
    /// The path of its field.
    pub(crate) path: &'static str,
    /// The query, with its facts.
    pub(crate) query: String,
}

/// The queries of what is compared.
pub(crate) struct Sources<'c> {
    /// About all requests of the canary, about those of the stable version, and then the same about their bad ones, where
    /// these have queries of their own.
    pub(crate) all: Vec<Source>,
    counters: Counters<'c>,
    /// Of what all this is.
    pub(crate) fingerprint: u64,
}

/// What time it is to look at.
pub(crate) enum Time {
    /// There is nothing new.
    TooSoon,
    /// From the look before.
    Next(Window),
    /// The look before is too long ago.
    TooLate,
}

/// What a look has found.
pub(crate) enum Found {
    /// What happened, for each kind of bad event.
    Batches(Vec<Batch>),
    /// A version can't be seen now: what is said of it.
    Nothing(&'static str),
}

/// What was found, and whether it could be resolved.
pub(crate) struct Look {
    /// What was found.
    pub(crate) found: Found,
    /// Something could not be resolved.
    pub(crate) is_in_doubt: bool,
}

/// Asks one provider, and keeps what the provider warns of.
pub(crate) struct Looker<'a, H> {
    pub(crate) host: &'a H,
    pub(crate) provider: &'a str,
    pub(crate) warnings: Vec<String>,
}

/// What is said of each version that can't be seen.
const NOT_THERE: [&str; 2] = ["; no data of the canary", "; no data of the stable version"];

impl<'c> Sources<'c> {
    /// The queries of a configuration, with the facts of a subject.
    pub(crate) fn new(config: &'c Config, subject: &Subject) -> Result<Self, PluginError> {
        let measure = config.measure()?;
        // Evidence about one canary says nothing of another, or of another query. Other facts may change while it is
        // collected.
        let mut fingerprint = HASH_BEGIN;
        let mut add =
            |text: Option<&str>| fingerprint = hash(fingerprint, text.unwrap_or_default().as_bytes());
        add(subject.canary_hash());
        add(subject.stable_hash());
        add(Some(&config.provider));
        let mut all = Vec::new();
        for pair in measure.pairs() {
            let stable = pair
                .stable
                .map_or_else(|| template::of_stable(pair.canary), str::to_owned);
            for (path, query) in pair.paths.into_iter().zip([pair.canary, &stable]) {
                add(Some(query));
                let query = template::fill(path, query, subject)?;
                all.push(Source { path, query });
            }
        }
        let boundaries = config.boundaries();
        for number in config.margins().iter().chain(boundaries) {
            fingerprint = hash(fingerprint, &number.to_bits().to_le_bytes());
        }
        let counters = match measure {
            Measure::Latency(_) => Counters::Histogram(boundaries),
            Measure::ErrorRate(_) | Measure::Weight(_) => Counters::Plain,
        };
        Ok(Self {
            all,
            counters,
            fingerprint,
        })
    }
}

impl<H: Host> Looker<'_, H> {
    /// The time to look at now.
    pub(crate) fn now(&self) -> Timestamp {
        self.host.now().minus(SETTLING)
    }

    /// What time it is to look at, where the look before was then.
    pub(crate) fn time(&self, from: Timestamp) -> Time {
        let to = self.now();
        match to.since(from) {
            length if length < SHORTEST => Time::TooSoon,
            length if length > LONGEST => Time::TooLate,
            _ => Time::Next(Window { from, to }),
        }
    }

    /// Begins to count. Nothing has happened yet.
    pub(crate) fn begin(&mut self, sources: &Sources<'_>, gone: &mut Gone) -> Result<Found, PluginError> {
        let to = self.now();
        let window = Window {
            from: to.minus(LOOK_BACK),
            to,
        };
        let mut is_there = [true; 2];
        for (place, source) in (0..).zip(&sources.all) {
            let series = self.ask(source, window, LOOK_BACK_STEP)?;
            let tally = sources.counters.begin(place, &series, window, gone);
            if let Some(version) = usize::try_from(place)
                .ok()
                .and_then(|place| is_there.get_mut(place))
            {
                *version = tally.is_there;
            }
        }
        let [_, has_stable] = is_there;
        // The canary's pods may be too new to have been scraped. Pods that have been there for long are not new, so they
        // must not begin at 0.
        Ok(if has_stable {
            Found::Batches(Vec::new())
        } else {
            Found::Nothing(NOT_THERE[1])
        })
    }

    /// Counts what happened in the window.
    pub(crate) fn look(
        &mut self,
        sources: &Sources<'_>,
        window: Window,
        gone: &mut Gone,
    ) -> Result<Look, PluginError> {
        let step = window.to.since(window.from);
        let mut tallies = Vec::new();
        for (place, source) in (0..).zip(&sources.all) {
            let series = self.ask(source, window, step)?;
            let tally = sources.counters.count(place, &series, window, gone);
            if let Some(lane) = tally.lacks {
                return Err(lacking(source, lane));
            }
            tallies.push(tally);
        }
        Ok(judge(&tallies, sources.counters))
    }

    fn ask(&mut self, source: &Source, window: Window, step: Duration) -> Result<Vec<Series>, PluginError> {
        let answer = self
            .host
            .query_range(self.provider, &source.query, window.from, window.to, step);
        let path = &source.path;
        let Answer { data, warnings } =
            answer.map_err(|error| PluginError::Upstream(format!("{path}: {error}")))?;
        for warning in warnings {
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
        match data {
            Data::Matrix(series) => Ok(series),
            // Only of ranges are there series with a past.
            Data::Scalar(_) | Data::Vector(_) | Data::Text(_) => Err(PluginError::InvalidConfig(format!(
                "{path}: the answer is not a list of series"
            ))),
        }
    }
}

/// A histogram that does not have what it should.
fn lacking(source: &Source, lane: usize) -> PluginError {
    let boundary = lane.checked_sub(1).and_then(|place| BOUNDARIES.get(place));
    let path = boundary.unwrap_or(&source.path);
    PluginError::InvalidConfig([path, ": not all series have such a bucket"].concat())
}

/// Makes batches of what was counted: of all requests of both versions, and then of their bad ones.
fn judge(tallies: &[Tally], counters: Counters<'_>) -> Look {
    let (totals, bads) = tallies.split_at_checked(2).unwrap_or((tallies, &[]));
    let mut is_in_doubt = tallies.iter().any(|tally| tally.is_in_doubt);
    let vanished = totals.iter().position(|tally| tally.was_there && !tally.is_there);
    if let Some(version) = vanished.and_then(|place| NOT_THERE.get(place)) {
        return Look {
            found: Found::Nothing(version),
            is_in_doubt,
        };
    }
    let counts = |version: usize, boundary: Option<usize>| {
        let all = |tally: &Tally| tally.events.first().copied().unwrap_or_default();
        let total = totals.get(version).copied().unwrap_or_default();
        let requests = all(&total);
        let bad = match boundary {
            Some(place) => requests - total.events.get(place + 1).copied().unwrap_or_default(),
            None => bads.get(version).map(all).unwrap_or_default(),
        };
        Counts { requests, bad }
    };
    let batch = |boundary| Batch {
        canary: counts(0, boundary),
        stable: counts(1, boundary),
    };
    let mut batches: Vec<Batch> = match counters {
        Counters::Plain => vec![batch(None)],
        Counters::Histogram(boundaries) => (0..boundaries.len()).map(|place| batch(Some(place))).collect(),
    };
    let is_possible = |counts: Counts| (0.0..=counts.requests).contains(&counts.bad);
    if !batches
        .iter()
        .all(|batch| is_possible(batch.canary) && is_possible(batch.stable))
    {
        is_in_doubt = true;
        batches = vec![Batch::default(); batches.len()];
    }
    Look {
        found: Found::Batches(batches),
        is_in_doubt,
    }
}
