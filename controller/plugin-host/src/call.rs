//! One call: a store of its own, its limits, and what it has used.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kulta_core::analysis::verdict::{Past, Subject};
use tokio::time::Instant;
use wasmtime::{Engine, Store};

use crate::failure::{CallError, CallFailure, Identity};
use crate::guest::Guest;
use crate::http::HttpClient;
use crate::limits::{self, Limit, Limits};
use crate::metrics::MetricsProvider;
use crate::redaction::Redaction;

/// What a plugin is asked, with everything that its answer may depend on.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its configuration, as JSON of at most 32 KiB.
    pub config: String,
    /// What is judged.
    pub subject: Subject,
    /// The time of the call, which is the only one that the plugin sees.
    pub now: Timestamp,
    /// The latest calls for the same metric or gate, newest first: at most 100 are handed out.
    pub previous: Vec<Past>,
    /// What the latest outcome handed back.
    pub state: Option<Vec<u8>>,
    /// Who answers its queries.
    pub metrics: Arc<dyn MetricsProvider>,
    /// Who sends its requests; None: it may ask no server.
    pub http: Option<Arc<dyn HttpClient>>,
    /// The names of the providers that it may ask.
    pub grants: BTreeSet<String>,
    /// What it may use.
    pub limits: Limits,
    /// What is taken out of everything that it tells: lines of the log, answers and errors.
    pub redaction: Redaction,
}

/// A call that is over.
#[derive(Debug)]
pub struct Finished<T> {
    /// The answer, or why there is none.
    pub result: Result<T, CallFailure>,
    /// What the call has used.
    pub report: CallReport,
}

/// What a call has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CallReport {
    /// Fuel: about one for every instruction.
    pub fuel: u64,
    /// From its beginning to its end, with everything that it waited for.
    pub time: Duration,
    /// Bytes of linear memory, at most.
    pub memory_bytes: usize,
    /// Queries and requests that were asked or denied.
    pub queries: u64,
    /// Lines that were not written to the log.
    pub dropped_lines: u64,
}

/// A call under way.
#[derive(Debug)]
pub(crate) struct Session {
    store: Store<Guest>,
    limits: Limits,
    began: Instant,
}

impl Session {
    /// A fresh store: nothing is left of earlier calls, and nothing of this one will be.
    pub(crate) fn open(engine: &Engine, guest: Guest, limits: &Limits) -> Self {
        let began = Instant::now();
        let mut store = Store::new(engine, guest);
        store.limiter(|guest| &mut guest.memory);
        store.set_hostcall_fuel(limits.size(Limit::OutgoingBytes));
        Self {
            store,
            limits: limits.clone(),
            began,
        }
    }

    /// The store, with the fuel of the whole call. Without it, nothing runs at all.
    pub(crate) fn ready(&mut self) -> wasmtime::Result<&mut Store<Guest>> {
        self.store.set_fuel(self.limits.amount(Limit::Fuel))?;
        self.store.fuel_async_yield_interval(Some(limits::YIELD_FUEL))?;
        Ok(&mut self.store)
    }

    /// Ends the call: what came of it, and what it has used.
    pub(crate) fn close<T>(
        mut self,
        answer: Result<wasmtime::Result<T>, tokio::time::error::Elapsed>,
    ) -> (Result<T, CallError>, CallReport) {
        let report = self.report();
        let result = match answer {
            Err(_elapsed) => Err(CallError::Timeout {
                limit: self.limits.call_time(),
            }),
            Ok(Err(error)) => Err(CallError::ended(&error, &self.limits, self.store.data_mut())),
            Ok(Ok(answer)) => Ok(answer),
        };
        (result, report)
    }

    fn report(&self) -> CallReport {
        let guest = self.store.data();
        // Without fuel left to read, all of it counts as used.
        let left = self.store.get_fuel().unwrap_or(0);
        CallReport {
            fuel: self.limits.amount(Limit::Fuel).saturating_sub(left),
            time: self.began.elapsed(),
            memory_bytes: guest.memory.peak(),
            queries: guest.queries,
            dropped_lines: guest.logbook.dropped(),
        }
    }
}

impl<T> Finished<T> {
    pub(crate) fn new(plugin: &Identity, result: Result<T, CallError>, report: CallReport) -> Self {
        let result = result.map_err(|cause| CallFailure {
            plugin: plugin.clone(),
            cause,
        });
        Self { result, report }
    }
}
