//! Lines of a file, however long and whatever is in them.

use std::fmt;
use std::io::{self, BufRead, Read as _};
use std::str::{Utf8Error, from_utf8};

use thiserror::Error;

use crate::read::ReadError;

/// No line is longer: an event is a few kilobytes, and the sink cuts half a line of at most so many bytes.
pub const LONGEST_LINE: usize = 1 << 20;

/// A line that tells nothing.
#[derive(Debug)]
pub struct DamagedLine {
    /// The file, as it was called when it was read.
    pub file: String,
    /// The number of the line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub damage: Damage,
}

impl fmt::Display for DamagedLine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.file, self.line, self.damage)
    }
}

/// What is wrong with a line.
#[derive(Debug, Error)]
pub enum Damage {
    /// It is longer than any event.
    #[error("longer than {LONGEST_LINE} bytes")]
    TooLong,
    /// It is no text.
    #[error("no UTF-8")]
    NoText(#[source] Utf8Error),
    /// It is half an event, or a damaged one.
    #[error(transparent)]
    Event(ReadError),
}

/// One line, without its end.
pub(super) struct Line<'buffer> {
    /// Its number, from 1.
    pub(super) number: u64,
    /// What is in it.
    pub(super) text: Result<&'buffer str, Damage>,
}

/// The lines of a file that are not empty, of which never more than one is in memory.
pub(super) struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) const fn new(reader: R) -> Self {
        Self {
            reader,
            buffer: Vec::new(),
            number: 0,
        }
    }

    /// The next line; None at the end of the file.
    pub(super) fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        loop {
            self.buffer.clear();
            self.number = self.number.saturating_add(1);
            // One byte more than a line may have: its end.
            let most = u64::try_from(LONGEST_LINE).unwrap_or(u64::MAX).saturating_add(1);
            let read = self
                .reader
                .by_ref()
                .take(most)
                .read_until(b'\n', &mut self.buffer)?;
            if read == 0 {
                return Ok(None);
            }
            let ends = self.buffer.last() == Some(&b'\n');
            if !ends && read > LONGEST_LINE {
                self.reader.skip_until(b'\n')?;
                return Ok(Some(Line {
                    number: self.number,
                    text: Err(Damage::TooLong),
                }));
            }
            if !self.buffer.trim_ascii().is_empty() {
                break;
            }
        }
        Ok(Some(Line {
            number: self.number,
            text: from_utf8(self.buffer.trim_ascii()).map_err(Damage::NoText),
        }))
    }
}
