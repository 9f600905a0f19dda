//! Everything that the commands tell goes through here.

use std::fmt::Display;
use std::io::Write;

use super::CommandError;

/// The names of facts take so many columns: those of `inspect` and `build` stand in one line.
const NAME_COLUMNS: usize = 9;

/// Where the commands write to.
pub(super) struct Output<'w>(&'w mut dyn Write);

impl<'w> Output<'w> {
    pub(super) fn new(out: &'w mut dyn Write) -> Self {
        Self(out)
    }

    /// Writes one line, or several with line breaks between them.
    pub(super) fn line(&mut self, text: impl Display) -> Result<(), CommandError> {
        writeln!(self.0, "{text}").map_err(CommandError::Output)
    }

    /// Writes a fact: its name, and what it is.
    pub(super) fn fact(&mut self, name: &str, text: impl Display) -> Result<(), CommandError> {
        self.line(format_args!("{name:<NAME_COLUMNS$} {text}"))
    }
}
