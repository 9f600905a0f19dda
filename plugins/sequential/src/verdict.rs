//! From one look to the verdict: what was known, what is new, and what follows.

use kulta_plugin_sdk::{Host, Outcome, PluginError, Subject, Timestamp, Verdict};

use crate::config::{Config, Measure};
use crate::counting::Gone;
use crate::look::{Found, Looker, Sources, Time};
use crate::report;
use crate::state::{Learnt, Memory};
use crate::statistics::Batch;
use crate::statistics::comparison::{Comparison, Decision, Rules};
use crate::statistics::weights::WeightTruth;

/// A weight is in percent.
const WHOLE: u32 = 100;
/// So large, the test is most sensitive to shares that are half a point from the weight.
const CONCENTRATION: f64 = 10_000.0;
/// Of fewer requests a share is a guess: it is 3 points off in one case of twenty.
const MINIMUM_REQUESTS: f64 = 1000.0;

/// How a look went, where people should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Note {
    /// As usual.
    None,
    /// It was the first.
    Began,
    /// There was nothing to be seen of a version: what is said of it.
    Nothing(&'static str),
}

/// Looks once, and judges all that is known then.
pub(crate) fn evaluate(config: &Config, subject: &Subject, host: &impl Host) -> Result<Verdict, PluginError> {
    let sources = Sources::new(config, subject)?;
    let mut looker = Looker {
        host,
        provider: &config.provider,
        warnings: Vec::new(),
    };
    let rules = Rules::new(config.alpha, config.margins());
    let mut memory = nothing(config, subject, sources.fingerprint)?;
    let is_known = host
        .state()
        .is_some_and(|state| memory.take_over(&state).is_some());
    let note = if is_known {
        go_on(&mut memory, &mut looker, &sources, |memory, batches| {
            learn(memory, &rules, subject, batches);
        })?
    } else {
        memory = nothing(config, subject, sources.fingerprint)?;
        begin(&mut memory, &mut looker, &sources)?
    };
    let decision = decide(&memory, config, &rules);
    let mut outcome = report(&memory, config, &rules, decision, note);
    // Where there was nothing to begin with, the next look begins.
    if is_known || note == Note::Began {
        outcome = outcome.with_state(memory.encode());
    }
    for source in &sources.all {
        outcome = outcome.with_detail(source.path, &source.query);
    }
    for warning in &looker.warnings {
        outcome = outcome.with_detail("warning", warning);
    }
    Ok(match decision {
        Decision::Fail => Verdict::Fail(outcome),
        Decision::Pass => Verdict::Pass(outcome),
        Decision::None => Verdict::Running(outcome),
    })
}

/// What is known before the first look.
fn nothing(config: &Config, subject: &Subject, fingerprint: u64) -> Result<Memory, PluginError> {
    Ok(Memory {
        fingerprint,
        looked_at: Timestamp::default(),
        is_in_doubt: false,
        weight: subject.weight(),
        is_settled: false,
        gone: Gone::default(),
        learnt: learnt(config, subject)?,
    })
}

/// What is learnt before the first batch.
fn learnt(config: &Config, subject: &Subject) -> Result<Learnt, PluginError> {
    Ok(match config.measure()? {
        Measure::ErrorRate(_) => Learnt::Comparison(Comparison::new(1)),
        Measure::Latency(latency) => Learnt::Comparison(Comparison::new(latency.boundaries.len())),
        Measure::Weight(_) => {
            let Some(in_force) = subject.weight() else {
                return Err(PluginError::InvalidConfig(
                    "weight: there is no weight in force here: it is for rollouts only".to_owned(),
                ));
            };
            let truth = WeightTruth::new(shares(in_force), CONCENTRATION);
            Learnt::Weights(truth, Batch::default())
        }
    })
}

fn shares(weight: u32) -> [f64; 2] {
    let canary = f64::from(weight.min(WHOLE)) / f64::from(WHOLE);
    [canary, 1.0 - canary]
}

fn begin<H: Host>(
    memory: &mut Memory,
    looker: &mut Looker<'_, H>,
    sources: &Sources<'_>,
) -> Result<Note, PluginError> {
    let mut gone = Gone::default();
    Ok(match looker.begin(sources, &mut gone)? {
        Found::Nothing(version) => Note::Nothing(version),
        Found::Batches(_) => {
            memory.looked_at = looker.now();
            memory.gone = gone;
            Note::Began
        }
    })
}

fn go_on<H: Host>(
    memory: &mut Memory,
    looker: &mut Looker<'_, H>,
    sources: &Sources<'_>,
    learn: impl FnOnce(&mut Memory, &[Batch]),
) -> Result<Note, PluginError> {
    let window = match looker.time(memory.looked_at) {
        Time::TooSoon => return Ok(Note::None),
        Time::Next(window) => window,
        Time::TooLate => {
            // What happened meanwhile is lost.
            memory.is_in_doubt = true;
            return begin(memory, looker, sources);
        }
    };
    let mut gone = memory.gone.clone();
    let look = looker.look(sources, window, &mut gone)?;
    Ok(match look.found {
        // Its counters are mostly back at the next look, which is then about a longer time.
        Found::Nothing(version) => Note::Nothing(version),
        Found::Batches(batches) => {
            memory.is_in_doubt |= look.is_in_doubt;
            memory.gone = gone;
            memory.looked_at = window.to;
            learn(memory, &batches);
            Note::None
        }
    })
}

fn learn(memory: &mut Memory, rules: &Rules, subject: &Subject, batches: &[Batch]) {
    let in_force = subject.weight().or(memory.weight);
    let is_new = in_force != memory.weight;
    match &mut memory.learnt {
        Learnt::Comparison(comparison) => {
            // A step begins with the first batch that evidence can be found in.
            let tells = batches.iter().any(Batch::tells);
            if tells && (is_new || !comparison.has_begun()) {
                comparison.begin_step();
            }
            comparison.learn(rules, batches);
            if !tells {
                return;
            }
        }
        Learnt::Weights(truth, total) => {
            let weight = in_force.unwrap_or_default();
            if is_new {
                truth.begin_step(shares(weight), CONCENTRATION);
                *total = Batch::default();
            }
            let is_split = weight > 0 && weight < WHOLE;
            // A part of the first batch of a weight was sent before it was in force.
            if let (true, true, Some(batch)) = (memory.is_settled && !is_new, is_split, batches.first()) {
                truth.learn([batch.canary.requests, batch.stable.requests]);
                total.canary = total.canary.plus(batch.canary);
                total.stable = total.stable.plus(batch.stable);
            }
            memory.is_settled = !is_new;
        }
    }
    memory.weight = in_force;
}

fn decide(memory: &Memory, config: &Config, rules: &Rules) -> Decision {
    let decision = match &memory.learnt {
        Learnt::Comparison(comparison) => comparison.decision(rules),
        Learnt::Weights(truth, total) => {
            if truth.p_value() <= config.alpha {
                Decision::Fail
            } else if total.requests() >= MINIMUM_REQUESTS {
                Decision::Pass
            } else {
                Decision::None
            }
        }
    };
    match decision {
        Decision::Pass if memory.is_in_doubt => Decision::None,
        decision => decision,
    }
}

fn report(memory: &Memory, config: &Config, rules: &Rules, decision: Decision, note: Note) -> Outcome {
    let (addition, reason) = match note {
        Note::Began => ("; counting begins", "Began"),
        Note::Nothing(said) => (said, "NoData"),
        Note::None if memory.is_in_doubt => ("; not all could be counted, so it can't pass", "InDoubt"),
        Note::None => ("", ""),
    };
    let outcome = match &memory.learnt {
        Learnt::Comparison(comparison) => report::comparison(config, rules, comparison, decision, addition),
        Learnt::Weights(truth, total) => report::weights(truth, total, config.alpha, addition),
    };
    if reason.is_empty() {
        return outcome;
    }
    outcome.with_detail("reason", reason)
}
