//! A history for people.

use std::io::{self, Write};

use comfy_table::Table;
use kulta_core::history::past::State;
use kulta_core::history::{Evidence, Fact};
use kulta_core::spec::Weight;
use kulta_core::status::Phase;
use kulta_core::text::shown;
use kulta_events::replay::RolloutName;

use crate::table;

/// Every fact, a row each.
pub(super) fn history(facts: &[Fact], out: &mut dyn Write) -> io::Result<()> {
    let mut rows = table::empty([
        "#", "Time", "What", "Revision", "Step", "Weight", "Phase", "Cause", "Why",
    ]);
    for fact in facts {
        rows.add_row([
            fact.sequence.to_string(),
            table::whole_second(fact.time).to_string(),
            format!("{:?}", fact.kind),
            text(fact.revision.as_deref()),
            text(fact.step.map(|step| step.to_string()).as_deref()),
            weights(fact.weight, fact.in_force),
            text(fact.phase.map(Phase::as_str)),
            format!("{:?}", fact.cause),
            shown(&why(fact)),
        ]);
    }
    writeln!(out, "{}", rows.trim_fmt())
}

/// What was true, and what had brought it about.
pub(super) fn state(rollout: &RolloutName, state: &State<'_>, out: &mut dyn Write) -> io::Result<()> {
    let change = state.change;
    let mut rows = Table::new();
    rows.load_style(comfy_table::presets::NOTHING);
    let facts = [
        ("Phase", text(state.phase.map(Phase::as_str))),
        ("Revision", text(state.revision)),
        ("Stable", text(state.stable)),
        ("Step", text(state.step.map(|step| step.to_string()).as_deref())),
        ("Weight", weights(state.weight, state.in_force)),
        (
            "Last change",
            format!("#{} {:?} at {}", change.sequence, change.kind, change.time),
        ),
        ("Cause", format!("{:?}", change.cause)),
        (
            "Why",
            text(Some(why(change).as_str()).filter(|why| !why.is_empty())),
        ),
    ];
    rows.add_rows(facts.map(|(name, fact)| [name.to_owned(), fact]));
    writeln!(out, "{rollout} at {}\n", state.at)?;
    writeln!(out, "{}", rows.trim_fmt())
}

/// Words of others, which plugins and servers may have written.
fn text(text: Option<&str>) -> String {
    text.map_or_else(|| table::UNKNOWN.to_owned(), shown)
}

fn weights(asked: Option<Weight>, in_force: Option<Weight>) -> String {
    match (asked, in_force) {
        (None, _) => table::UNKNOWN.to_owned(),
        (Some(asked), Some(in_force)) if asked == in_force => format!("{} %", asked.percent()),
        (Some(asked), Some(in_force)) => {
            format!("{} % ({} % in force)", asked.percent(), in_force.percent())
        }
        (Some(asked), None) => format!("{} % (none in force)", asked.percent()),
    }
}

/// Its words, and what was measured.
fn why(fact: &Fact) -> String {
    let measured = fact.evidence.iter().map(|Evidence { metric, phase, value }| {
        let phase = phase.as_str();
        if value.is_empty() {
            format!("{metric}: {phase}")
        } else {
            format!("{metric} = {value}: {phase}")
        }
    });
    let message = (!fact.message.is_empty()).then(|| fact.message.clone());
    message.into_iter().chain(measured).collect::<Vec<_>>().join("; ")
}
