//! What a plugin may use: every limit, in one place, with its reason.

use std::time::Duration;

use thiserror::Error;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// A file as it is delivered, compressed: a ConfigMap holds no more.
pub const COMPRESSED_BYTES: usize = 1 << 20;
/// A file after decompression: forty times a plugin of usual size, and a bound on what a small file can unfold to.
pub const RAW_BYTES: usize = 4 << 20;

/// All plugins together hold no more linear memory than this, whatever each may use: the controller's own memory is
/// not theirs.
pub(crate) const TOTAL_MEMORY_BYTES: usize = 64 << 20;
/// The calls for one namespace together hold no more of it than this, so that one namespace does not take what all have.
/// A single call may have its own limit, if that is higher.
pub(crate) const NAMESPACE_MEMORY_BYTES: usize = 32 << 20;
/// Lines that one plugin writes to the log in a minute, over all its calls: a log is also for others.
pub(crate) const LOG_LINES_PER_MINUTE: u32 = 600;
/// The highest limit of linear memory; so much address space is reserved for each instance.
pub(crate) const MEMORY_MAXIMUM: u64 = 64 * MIB;
/// Elements of all tables: function pointers of a large plugin.
pub(crate) const TABLE_ELEMENTS: usize = 10_000;
/// Core instances of a component: the module, and those that the encoder sets beside it.
pub(crate) const INSTANCES: usize = 16;
/// Tables of a component: the module's own, and one for the shims.
pub(crate) const TABLES: usize = 4;
/// Stack of a plugin: half of what its fiber has, the rest is for the host's functions.
pub(crate) const WASM_STACK_BYTES: usize = 256 << 10;
/// Stack of the fiber that a call runs on.
pub(crate) const FIBER_STACK_BYTES: usize = 1 << 20;
/// After so much fuel (about a millisecond) a plugin lets others run, and its timeout can strike.
pub(crate) const YIELD_FUEL: u64 = 1_000_000;
/// Calls of the host in one call: each costs more than its fuel says.
pub(crate) const HOST_CALLS: u32 = 10_000;
/// Frames of a trap that are told.
pub(crate) const FRAMES: usize = 8;
/// As much of a function's name is looked at: those of Rust are longer than what they are read as.
pub(crate) const SYMBOL_BYTES: usize = 1 << 10;

/// Address space of the process that compiles on trial: the bundled plugin (120 kB) makes it hold 21 MiB of memory.
pub(crate) const TRIAL_MEMORY_BYTES: u64 = 256 * MIB;
/// Time that a trial may compute: the bundled plugin takes 0.7 s where the compiler itself is hardly optimised. It is
/// the file's own, however busy the machine is: whoever takes more will take it again.
pub(crate) const TRIAL_CPU: Duration = Duration::from_secs(5);
/// A process that goes on beyond its time of computing is killed after so much more.
pub(crate) const TRIAL_CPU_GRACE: Duration = Duration::from_secs(1);
/// Time of a trial by the clock on the wall: twice what it may compute, so that on a machine with time for it a file that
/// computes too long is found out, and not taken for one that has waited.
pub(crate) const TRIAL_TIME: Duration = Duration::from_secs(10);
/// Stack of the compiler on trial; in earnest it has twice as much, so that it can't overflow there.
pub(crate) const TRIAL_STACK_BYTES: usize = 4 << 20;

/// What `describe` gets of fuel and time: one part in so many of the limits.
pub(crate) const DESCRIBE_SHARE: u64 = 10;

/// A configuration, as JSON.
pub const CONFIG_BYTES: usize = 32 << 10;
/// A condition of a metric. Those that people write have less than a hundred.
pub const CONDITION_BYTES: usize = 1 << 10;
/// A plugin's JSON Schema.
pub(crate) const SCHEMA_BYTES: usize = 32 << 10;
/// A plugin's name or version.
pub(crate) const NAME_BYTES: usize = 64;
/// A summary: one line of the status.
pub(crate) const SUMMARY_BYTES: usize = 256;
/// A text or a JSON document that was measured.
pub(crate) const VALUE_BYTES: usize = 4 << 10;
/// Numbers of a vector that was measured.
pub(crate) const VECTOR_VALUES: usize = 1_000;
/// Pairs of details.
pub(crate) const DETAILS: usize = 16;
/// The name or the value of a detail.
pub(crate) const DETAIL_BYTES: usize = 128;
/// The text of a plugin's error, and of a provider's.
pub(crate) const ERROR_BYTES: usize = 1 << 10;
/// One line of the log.
pub(crate) const LOG_LINE_BYTES: usize = 512;
/// Earlier calls that a plugin can ask for.
pub(crate) const HISTORY: usize = 100;
/// The value of a label that KULTA hands in.
pub(crate) const LABEL_VALUE_BYTES: usize = 1 << 10;
/// The expression of a query.
pub(crate) const EXPRESSION_BYTES: usize = 16 << 10;
/// One query: a provider that is slower is as good as none.
pub(crate) const QUERY_TIME: Duration = Duration::from_secs(5);
/// The URL of a request: longer ones are refused by many servers.
pub(crate) const URL_BYTES: usize = 8 << 10;
/// Of the time of its call, what a request leaves to the plugin for working on the answer.
pub(crate) const TIME_AFTER_REQUEST: Duration = Duration::from_millis(250);
/// From the start to the end of a range query: six hours, in milliseconds.
pub(crate) const RANGE_MILLIS: u64 = 6 * 60 * 60 * 1000;
/// Steps of a range query: as many as Prometheus answers.
pub(crate) const RANGE_STEPS: u64 = 11_000;
/// The shortest and the longest time until a plugin is called again, in milliseconds.
pub(crate) const RETRY_MILLIS: (u64, u64) = (1_000, 60 * 60 * 1000);

/// What the operator may set for each plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// Bytes of linear memory.
    MemoryBytes,
    /// Fuel of one call: about one for every instruction.
    Fuel,
    /// Milliseconds of one call, with everything that it waits for.
    CallMillis,
    /// Bytes of the state that an outcome hands to the next call.
    StateBytes,
    /// Queries and requests of one call.
    Queries,
    /// Bytes of an answer of a provider or server.
    AnswerBytes,
    /// Bytes that a plugin hands to the host in one call of an import or one answer.
    OutgoingBytes,
    /// Lines that one call writes to the log.
    LogLines,
}

impl Limit {
    /// Every limit.
    pub const ALL: [Self; 8] = [
        Self::MemoryBytes,
        Self::Fuel,
        Self::CallMillis,
        Self::StateBytes,
        Self::Queries,
        Self::AnswerBytes,
        Self::OutgoingBytes,
        Self::LogLines,
    ];

    /// Its name in texts and in the operator's configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MemoryBytes => "memoryBytes",
            Self::Fuel => "fuel",
            Self::CallMillis => "callMillis",
            Self::StateBytes => "stateBytes",
            Self::Queries => "queries",
            Self::AnswerBytes => "answerBytes",
            Self::OutgoingBytes => "outgoingBytes",
            Self::LogLines => "logLines",
        }
    }

    /// The amount where the operator sets none.
    #[must_use]
    pub const fn default_amount(self) -> u64 {
        match self {
            Self::MemoryBytes => 16 * MIB,
            Self::Fuel => 200_000_000,
            Self::CallMillis => 10_000,
            Self::StateBytes => 8 * KIB,
            Self::Queries => 8,
            Self::AnswerBytes => 256 * KIB,
            Self::OutgoingBytes => 64 * KIB,
            Self::LogLines => 100,
        }
    }

    /// The highest amount that the operator can set; the lowest is 1.
    #[must_use]
    pub const fn maximum(self) -> u64 {
        match self {
            Self::MemoryBytes => MEMORY_MAXIMUM,
            Self::Fuel => 5_000_000_000,
            Self::CallMillis => 60_000,
            Self::StateBytes => 16 * KIB,
            Self::Queries => 20,
            Self::AnswerBytes => MIB,
            Self::OutgoingBytes => 256 * KIB,
            Self::LogLines => 1_000,
        }
    }
}

/// A limit was set to an amount that it can't have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{} is {amount}: set it to 1 at least and {} at most", limit.as_str(), limit.maximum())]
pub struct LimitError {
    /// Which.
    pub limit: Limit,
    /// As it was given.
    pub amount: u64,
}

/// The limits of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    memory_bytes: u64,
    fuel: u64,
    call_millis: u64,
    state_bytes: u64,
    queries: u64,
    answer_bytes: u64,
    outgoing_bytes: u64,
    log_lines: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: Limit::MemoryBytes.default_amount(),
            fuel: Limit::Fuel.default_amount(),
            call_millis: Limit::CallMillis.default_amount(),
            state_bytes: Limit::StateBytes.default_amount(),
            queries: Limit::Queries.default_amount(),
            answer_bytes: Limit::AnswerBytes.default_amount(),
            outgoing_bytes: Limit::OutgoingBytes.default_amount(),
            log_lines: Limit::LogLines.default_amount(),
        }
    }
}

impl Limits {
    /// These limits, with `limit` set to `amount`.
    ///
    /// # Errors
    /// When `amount` is 0 or more than the limit's maximum.
    pub fn with(mut self, limit: Limit, amount: u64) -> Result<Self, LimitError> {
        if amount == 0 || amount > limit.maximum() {
            return Err(LimitError { limit, amount });
        }
        *self.slot(limit) = amount;
        Ok(self)
    }

    /// The amount of `limit`.
    #[must_use]
    pub const fn amount(&self, limit: Limit) -> u64 {
        match limit {
            Limit::MemoryBytes => self.memory_bytes,
            Limit::Fuel => self.fuel,
            Limit::CallMillis => self.call_millis,
            Limit::StateBytes => self.state_bytes,
            Limit::Queries => self.queries,
            Limit::AnswerBytes => self.answer_bytes,
            Limit::OutgoingBytes => self.outgoing_bytes,
            Limit::LogLines => self.log_lines,
        }
    }

    /// As [`Limits::amount`], for what is measured in bytes or counted in memory.
    pub(crate) fn size(&self, limit: Limit) -> usize {
        usize::try_from(self.amount(limit)).unwrap_or(usize::MAX)
    }

    /// The longest that a call takes.
    pub(crate) fn call_time(&self) -> Duration {
        Duration::from_millis(self.call_millis)
    }

    /// The limits of `describe`: a tenth of fuel and time. Memory is whole, because a plugin's initial memory is a
    /// fixed amount, and so are the outgoing bytes: the schema is the longest text that a plugin hands out.
    pub(crate) fn for_description(&self) -> Self {
        Self {
            fuel: (self.fuel / DESCRIBE_SHARE).max(1),
            call_millis: (self.call_millis / DESCRIBE_SHARE).max(1),
            ..self.clone()
        }
    }

    fn slot(&mut self, limit: Limit) -> &mut u64 {
        match limit {
            Limit::MemoryBytes => &mut self.memory_bytes,
            Limit::Fuel => &mut self.fuel,
            Limit::CallMillis => &mut self.call_millis,
            Limit::StateBytes => &mut self.state_bytes,
            Limit::Queries => &mut self.queries,
            Limit::AnswerBytes => &mut self.answer_bytes,
            Limit::OutgoingBytes => &mut self.outgoing_bytes,
            Limit::LogLines => &mut self.log_lines,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_within_its_maximum() {
        for limit in Limit::ALL {
            let default = Limits::default().amount(limit);
            assert_eq!(
                Limits::default().with(limit, default),
                Ok(Limits::default()),
                "{limit:?}"
            );
        }
    }

    #[test]
    fn every_limit_can_be_set_to_its_maximum_and_no_further() {
        for limit in Limit::ALL {
            let highest = Limits::default().with(limit, limit.maximum()).unwrap();
            assert_eq!(highest.amount(limit), limit.maximum());
            let amount = limit.maximum() + 1;
            assert_eq!(
                Limits::default().with(limit, amount),
                Err(LimitError { limit, amount })
            );
        }
    }

    #[test]
    fn no_limit_can_be_nothing() {
        for limit in Limit::ALL {
            assert!(Limits::default().with(limit, 0).is_err(), "{limit:?}");
        }
    }

    #[test]
    fn a_refusal_names_the_limit_and_its_range() {
        let refused = Limits::default().with(Limit::Queries, 21).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "queries is 21: set it to 1 at least and 20 at most"
        );
    }
}
