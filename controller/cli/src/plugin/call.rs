//! A plugin, asked as the controller would ask.

use std::collections::BTreeSet;
use std::sync::Arc;

use kulta_core::analysis::verdict::{Decision, Outcome, Verdict};
use kulta_core::text::with_causes;
use kulta_plugin_host::metrics::MetricsProvider;
use kulta_plugin_host::{CallFailure, CallReport, Plugin, Redaction, Request};

use super::case::{Question, Word, usual};

/// What a plugin has answered.
#[derive(Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) word: Word,
    /// What was found out; of an error, its text.
    pub(super) outcome: Result<Outcome, String>,
}

/// What came of a call.
pub(super) struct Called {
    pub(super) answer: Answer,
    pub(super) report: CallReport,
}

impl Called {
    /// Asks `plugin`, which may ask the usual provider and those of these names. Any other one is denied, as one that the
    /// operator has not granted.
    pub(super) async fn make(
        plugin: &Plugin,
        question: &Question,
        providers: impl IntoIterator<Item = String>,
        metrics: Arc<dyn MetricsProvider>,
    ) -> Self {
        // As before an analysis begins: what the plugin refuses there never comes to a call.
        let Question {
            config,
            subject,
            now,
            limits,
            ..
        } = question;
        let checked = plugin
            .check_config(&subject.namespace, config, *now, limits)
            .await;
        let (answer, report) = if let Err(failure) = checked.result {
            (Answer::from(failure), checked.report)
        } else {
            let grants = providers.into_iter().chain([usual::PROVIDER.to_owned()]);
            call(plugin, question, grants.collect(), metrics).await
        };
        Self { answer, report }
    }
}

async fn call(
    plugin: &Plugin,
    question: &Question,
    grants: BTreeSet<String>,
    metrics: Arc<dyn MetricsProvider>,
) -> (Answer, CallReport) {
    let request = Request {
        config: question.config.clone(),
        subject: question.subject.clone(),
        now: question.now,
        previous: question.previous.clone(),
        state: question.state.clone(),
        metrics,
        http: None,
        grants,
        limits: question.limits.clone(),
        redaction: Redaction::default(),
    };
    let (answer, report) = if let Some(step) = question.step {
        let finished = plugin.decide(request, step).await;
        (finished.result.map(Answer::from), finished.report)
    } else {
        let finished = plugin.evaluate(request).await;
        (finished.result.map(Answer::from), finished.report)
    };
    (answer.unwrap_or_else(Answer::from), report)
}

impl From<Verdict> for Answer {
    fn from(verdict: Verdict) -> Self {
        let (word, outcome) = match verdict {
            Verdict::Measured(outcome) => (Word::Measured, outcome),
            Verdict::Running(outcome) => (Word::Running, outcome),
            Verdict::Pass(outcome) => (Word::Pass, outcome),
            Verdict::Fail(outcome) => (Word::Fail, outcome),
            Verdict::Inconclusive(outcome) => (Word::Inconclusive, outcome),
        };
        let outcome = Ok(outcome);
        Self { word, outcome }
    }
}

impl From<Decision> for Answer {
    fn from(decision: Decision) -> Self {
        let (word, outcome) = match decision {
            Decision::Allow(outcome) => (Word::Allow, outcome),
            Decision::Hold(outcome) => (Word::Hold, outcome),
            Decision::Deny(outcome) => (Word::Deny, outcome),
        };
        let outcome = Ok(outcome);
        Self { word, outcome }
    }
}

impl From<CallFailure> for Answer {
    fn from(failure: CallFailure) -> Self {
        Self {
            word: Word::Error,
            outcome: Err(with_causes(&failure.cause)),
        }
    }
}
