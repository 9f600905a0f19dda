//! What is wrong with files of events that were read, one line each.

use std::io::{self, Write};

use kulta_core::text::{grouped, with_causes};
use kulta_events::replay::{LeftOut, Story};

/// Lines that are in no story.
pub(crate) fn of_lines(left_out: &LeftOut, complaints: &mut dyn Write) -> io::Result<()> {
    for line in &left_out.first_damaged {
        let damage = with_causes(&line.damage);
        writeln!(complaints, "{}:{}: damaged: {damage}", line.file, line.line)?;
    }
    let told = u64::try_from(left_out.first_damaged.len()).unwrap_or(u64::MAX);
    let more = left_out.damaged.saturating_sub(told);
    if more > 0 {
        writeln!(
            complaints,
            "damaged lines that are not told here: {}",
            grouped(more)
        )?;
    }
    if left_out.foreign > 0 {
        let foreign = grouped(left_out.foreign);
        writeln!(complaints, "lines that are no events of KULTA's: {foreign}")?;
    }
    Ok(())
}

/// Facts that were told to somebody else, or to nobody.
pub(crate) fn of_gaps(stories: &[&Story], complaints: &mut dyn Write) -> io::Result<()> {
    for story in stories {
        for numbers in story.lives().filter_map(|life| life.numbers()) {
            let name = story.name();
            if numbers.missing > 0 {
                let missing = grouped(numbers.missing);
                let (first, last) = (numbers.first, numbers.last);
                writeln!(
                    complaints,
                    "{name}: events that are missing from {first} to {last}: {missing}"
                )?;
            }
            if numbers.losses > 0 {
                let losses = grouped(numbers.losses);
                writeln!(
                    complaints,
                    "{name}: its status was lost, and events perhaps with it: {losses} times"
                )?;
            }
        }
    }
    Ok(())
}
