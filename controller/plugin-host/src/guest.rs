//! What a store holds during one call: everything that the plugin can come to know, and what it has used so far.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use kulta_core::analysis::verdict::Past;
use thiserror::Error;
use tokio::time::Instant;

use crate::bindings::types;
use crate::http::HttpClient;
use crate::limits::{self, Limit, Limits};
use crate::logbook::Logbook;
use crate::memory::{Share, Watch};
use crate::metrics::MetricsProvider;
use crate::redaction::Redaction;

/// A plugin called the host too often. Ends the call.
#[derive(Debug, Clone, Copy, Error)]
#[error("more than {} calls of the host", limits::HOST_CALLS)]
pub(crate) struct HostCallsExhausted;

/// A provider has no place for a query at the moment. Ends the call, which is made again.
#[derive(Debug, Clone, Copy, Error)]
#[error("no place at a provider")]
pub(crate) struct NoPlace;

/// What the caller hands in for a plugin to ask for.
#[derive(Debug)]
pub(crate) struct Surroundings {
    /// Whom the call is for; nobody in particular where it is empty.
    pub(crate) namespace: String,
    pub(crate) now: Timestamp,
    pub(crate) previous: Vec<Past>,
    pub(crate) state: Option<Vec<u8>>,
    pub(crate) metrics: Option<Arc<dyn MetricsProvider>>,
    pub(crate) http: Option<Arc<dyn HttpClient>>,
    pub(crate) grants: BTreeSet<String>,
    pub(crate) redaction: Redaction,
}

impl Surroundings {
    /// Those of a call that knows nothing but whom it is for, and may ask nobody.
    pub(crate) fn bare(namespace: &str, now: Timestamp) -> Self {
        Self {
            namespace: namespace.to_owned(),
            now,
            previous: Vec::new(),
            state: None,
            metrics: None,
            http: None,
            grants: BTreeSet::new(),
            redaction: Redaction::default(),
        }
    }
}

/// The data of a store.
#[derive(Debug)]
pub(crate) struct Guest {
    pub(crate) surroundings: Surroundings,
    pub(crate) memory: Watch,
    pub(crate) logbook: Logbook,
    /// Queries and requests that were asked, or refused for their number.
    pub(crate) queries: u64,
    pub(crate) query_limit: u64,
    pub(crate) answer_bytes: u64,
    /// When the call is given up.
    pub(crate) deadline: Instant,
    host_calls: u32,
}

impl Guest {
    pub(crate) fn new(surroundings: Surroundings, limits: &Limits, share: Share, logbook: Logbook) -> Self {
        Self {
            surroundings,
            memory: Watch::new(limits.size(Limit::MemoryBytes), share),
            logbook,
            queries: 0,
            query_limit: limits.amount(Limit::Queries),
            answer_bytes: limits.amount(Limit::AnswerBytes),
            deadline: Instant::now() + limits.call_time(),
            host_calls: 0,
        }
    }

    /// Counts one call of the host.
    pub(crate) fn host_call(&mut self) -> wasmtime::Result<()> {
        self.host_calls = self.host_calls.saturating_add(1);
        if self.host_calls > limits::HOST_CALLS {
            return Err(wasmtime::Error::new(HostCallsExhausted));
        }
        Ok(())
    }
}

impl types::Host for Guest {}
