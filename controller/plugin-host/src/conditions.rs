//! Conditions of metrics: `successCondition` and `failureCondition`, expressions over `result`.
//!
//! They are users' code, and 472 bytes of it can ask for 8 GB. So a module that comes with the controller
//! (`plugins/conditions`) reads and evaluates them, as a plugin that nobody else can call: each time in a fresh instance,
//! within limits of fuel, memory, stack and time.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kulta_core::analysis::condition::{Conditions as Written, Each, Judgement};
use kulta_core::analysis::finding::Finding;
use kulta_core::analysis::verdict::{Subject, Value, Verdict};
use serde::Serialize;
use thiserror::Error;
use tokio::sync::OnceCell;

use crate::call::{CallReport, Finished, Request};
use crate::convert::PluginError;
use crate::failure::{CallError, Crash};
use crate::host::{Host, LoadError};
use crate::limits::{self, Limit, Limits};
use crate::metrics::Nobody;
use crate::plugin::Plugin;
use crate::redaction::Redaction;
use crate::text;

/// What evaluates: built of `plugins/conditions` by `cargo xtask plugins`.
const MODULE: &[u8] = include_bytes!("../../../plugins/dist/conditions.wasm");
/// Its name, in texts.
const NAME: &str = "conditions";
/// How often an evaluation that finds no memory is tried again, and how soon.
const BUSY_RETRIES: usize = 20;
const BUSY_RETRY: Duration = Duration::from_millis(100);

/// What the engine says of an access beyond memory. The stack that Rust keeps in memory ends where memory begins, so this
/// is how it overflows.
const BEYOND_MEMORY: &str = "out of bounds memory access";

/// What Rust says of a list that no memory could hold.
const BEYOND_ADDRESSES: &str = "capacity overflow";

/// The conditions of all metrics. What evaluates them is compiled when it is first needed.
pub struct Conditions {
    host: Arc<Host>,
    module: OnceCell<Plugin>,
}

/// A condition has no answer. Never to be taken for one that is false.
#[derive(Debug, Error)]
#[error("the condition {condition:?}")]
pub struct ConditionError {
    /// As it is written; of one that is too long, how it begins.
    pub condition: String,
    /// Why not.
    #[source]
    pub cause: ConditionFault,
}

/// Why a condition has no answer.
#[derive(Debug, Error)]
pub enum ConditionFault {
    /// It is too long.
    #[error(
        "it has {bytes} bytes, at most {}: shorten it, or let the query do more",
        limits::CONDITION_BYTES
    )]
    TooLong {
        /// As written.
        bytes: usize,
    },
    /// It can't be read, or does not fit what was measured.
    #[error("{0}")]
    Refused(String),
    /// It computes too long.
    #[error("its fuel of {limit} is used up: too much work for a condition, let the query do it")]
    FuelExhausted {
        /// The fuel of one evaluation.
        limit: u64,
    },
    /// It wants too much memory.
    #[error("it wants more than {limit} bytes of memory: too large a list or text for a condition")]
    MemoryExceeded {
        /// The memory of one evaluation.
        limit: u64,
    },
    /// It is nested too deeply, or has too many operators in a row.
    #[error(
        "its stack of {} KiB is used up: take parts of it out of their brackets, or write fewer operators in a row",
        limits::WASM_STACK_BYTES >> 10
    )]
    StackExhausted,
    /// The machine is too busy.
    #[error("no answer within {limit:?}")]
    Timeout {
        /// The time of one evaluation.
        limit: Duration,
    },
    /// Plugins and conditions hold too much memory at the moment, all of them or those of the namespace: to be tried
    /// again.
    #[error(transparent)]
    Busy(CallError),
    /// What evaluates does not work on this machine.
    #[error("it can't be evaluated")]
    Load(#[source] LoadError),
    /// The evaluation is at fault.
    #[error("it can't be evaluated: tell whoever maintains KULTA")]
    Fault(#[source] CallError),
}

impl ConditionFault {
    /// The condition itself is at fault: it has to be changed by people.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        match self {
            Self::TooLong { .. }
            | Self::Refused(_)
            | Self::FuelExhausted { .. }
            | Self::MemoryExceeded { .. }
            | Self::StackExhausted => true,
            Self::Timeout { .. } | Self::Busy(_) | Self::Load(_) | Self::Fault(_) => false,
        }
    }
}

/// What the module is asked: the configuration of `plugins/conditions`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Question<'a> {
    condition: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    measured: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    numbers: Vec<String>,
    #[serde(skip_serializing_if = "str::is_empty")]
    text: &'a str,
}

impl<'a> Question<'a> {
    fn of(condition: &'a str, value: Option<&'a Value>) -> Self {
        let (measured, numbers, text): (_, &[f64], &str) = match value {
            None => (None, &[], ""),
            Some(Value::None) => (Some("none"), &[], ""),
            Some(Value::Scalar(number)) => (Some("scalar"), std::slice::from_ref(number), ""),
            Some(Value::Vector(numbers)) => (Some("vector"), numbers, ""),
            Some(Value::Text(text)) => (Some("text"), &[], text),
            Some(Value::Json(text)) => (Some("json"), &[], text),
        };
        Self {
            condition,
            measured,
            numbers: numbers.iter().map(f64::to_string).collect(),
            text,
        }
    }
}

impl Conditions {
    /// Conditions that are evaluated in the engine of `host`, within the memory of all its plugins.
    #[must_use]
    pub fn new(host: Arc<Host>) -> Self {
        Self {
            host,
            module: OnceCell::new(),
        }
    }

    /// Whether `condition` of an analysis in `namespace` can be read, whatever will be measured.
    ///
    /// # Errors
    /// When it can't, or its evaluation has no answer.
    pub async fn check(&self, namespace: &str, condition: &str) -> Result<(), ConditionError> {
        self.ask(namespace, condition, None).await.result.map(drop)
    }

    /// Whether `condition` is true of `value`, and what the evaluation has used. Its memory is of the share that
    /// `namespace` has, as that of the plugins' calls is.
    pub async fn evaluate(
        &self,
        namespace: &str,
        condition: &str,
        value: &Value,
    ) -> (Result<bool, ConditionError>, CallReport) {
        let Asked { result, report } = self.ask(namespace, condition, Some(value)).await;
        (result, report)
    }

    /// What `verdict` comes to by the conditions that are `written` for its metric, in an analysis of `namespace`.
    ///
    /// None: there is no memory for that at the moment, which says nothing about the metric.
    pub async fn judge(&self, namespace: &str, written: &Written, verdict: Verdict) -> Option<Finding> {
        let (outcome, written) = match written.take(verdict) {
            Judgement::Done(finding) => return Some(finding),
            Judgement::Ask(outcome, written) => (outcome, written),
        };
        match self.answers(namespace, written, &outcome.reading.value).await {
            Ok(answers) => Some(answers.judge(outcome)),
            Err(finding) => finding,
        }
    }

    async fn answers(
        &self,
        namespace: &str,
        written: Each<&str>,
        value: &Value,
    ) -> Result<Each<bool>, Option<Finding>> {
        let success = |condition| self.answer(namespace, "successCondition", condition, value);
        let failure = |condition| self.answer(namespace, "failureCondition", condition, value);
        Ok(match written {
            Each::Success(condition) => Each::Success(success(condition).await?),
            Each::Failure(condition) => Each::Failure(failure(condition).await?),
            // As in Argo Rollouts, both are evaluated, so that a broken one is seen whatever the other says.
            Each::Both {
                success: one,
                failure: other,
            } => Each::Both {
                success: success(one).await?,
                failure: failure(other).await?,
            },
        })
    }

    async fn answer(
        &self,
        namespace: &str,
        field: &str,
        condition: &str,
        value: &Value,
    ) -> Result<bool, Option<Finding>> {
        let mut waits = std::iter::repeat_n(BUSY_RETRY, BUSY_RETRIES);
        let answer = loop {
            let (answer, _report) = self.evaluate(namespace, condition, value).await;
            let is_busy = matches!(&answer, Err(error) if matches!(error.cause, ConditionFault::Busy(_)));
            match waits.next() {
                // An evaluation takes milliseconds, and what the plugin has measured is not measured again for it.
                Some(wait) if is_busy => tokio::time::sleep(wait).await,
                _ => break answer,
            }
        };
        answer.map_err(|error| match error.cause {
            ConditionFault::Busy(_) => None,
            ref cause => Some(Finding::Error(format!("{field}: {error}: {cause}"))),
        })
    }

    async fn ask(&self, namespace: &str, condition: &str, value: Option<&Value>) -> Asked {
        if condition.len() > limits::CONDITION_BYTES {
            let cause = ConditionFault::TooLong {
                bytes: condition.len(),
            };
            return Asked::refused(condition, cause);
        }
        let question = Question::of(condition, value);
        // Texts and lists of them: nothing in it can fail to be written.
        let config = serde_json::to_string(&question).unwrap_or_default();
        let module = match self
            .module
            .get_or_try_init(|| self.host.own_module(NAME, MODULE))
            .await
        {
            Ok(module) => module,
            Err(cause) => return Asked::refused(condition, ConditionFault::Load(cause)),
        };
        let Finished { result, report } = module.evaluate(request(namespace, config)).await;
        let result = match result {
            Ok(Verdict::Pass(_)) => Ok(true),
            Ok(_) => Ok(false),
            Err(failure) => Err(error(condition, fault(failure.cause))),
        };
        Asked { result, report }
    }
}

impl fmt::Debug for Conditions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Conditions")
            .field("is_loaded", &self.module.initialized())
            .finish_non_exhaustive()
    }
}

struct Asked {
    result: Result<bool, ConditionError>,
    report: CallReport,
}

impl Asked {
    fn refused(condition: &str, cause: ConditionFault) -> Self {
        Self {
            result: Err(error(condition, cause)),
            report: CallReport::default(),
        }
    }
}

fn error(condition: &str, cause: ConditionFault) -> ConditionError {
    ConditionError {
        condition: text::line(condition, limits::CONDITION_BYTES),
        cause,
    }
}

fn fault(cause: CallError) -> ConditionFault {
    match cause {
        CallError::Plugin(PluginError::InvalidConfig(message)) => ConditionFault::Refused(message),
        CallError::FuelExhausted { limit } => ConditionFault::FuelExhausted { limit },
        CallError::MemoryExceeded { limit, .. } => ConditionFault::MemoryExceeded { limit },
        CallError::StackExhausted => ConditionFault::StackExhausted,
        CallError::Timeout { limit } => ConditionFault::Timeout { limit },
        CallError::Busy => ConditionFault::Busy(cause),
        CallError::Crashed(crash) if crash.reason.contains(BEYOND_MEMORY) => ConditionFault::StackExhausted,
        CallError::Crashed(Crash {
            message: Some(message),
            ..
        }) if message.contains(BEYOND_ADDRESSES) => ConditionFault::MemoryExceeded {
            limit: Limit::MemoryBytes.default_amount(),
        },
        other => ConditionFault::Fault(other),
    }
}

/// The module knows nothing but its question and for whom, and can ask nobody.
fn request(namespace: &str, config: String) -> Request {
    Request {
        config,
        subject: Subject {
            namespace: namespace.to_owned(),
            name: String::new(),
            metric: String::new(),
            started_at: Timestamp::UNIX_EPOCH,
            facts: BTreeMap::new(),
        },
        now: Timestamp::UNIX_EPOCH,
        previous: Vec::new(),
        state: None,
        metrics: Arc::new(Nobody),
        http: None,
        grants: [].into(),
        limits: Limits::default(),
        redaction: Redaction::default(),
    }
}
