//! What is printed: all of it through one writer, with colours where somebody looks at it.

use std::fmt::Display;
use std::io::{self, Write};

use unicode_width::UnicodeWidthStr as _;

/// Spaces between two columns.
const GAP: usize = 2;

/// Clears a terminal and begins at its top.
const CLEAR: &str = "\x1b[H\x1b[2J";
/// Ends a colour.
const RESET: &str = "\x1b[0m";

/// Where everything is printed.
pub struct Output<'w> {
    writer: &'w mut dyn Write,
    coloured: bool,
    terminal: bool,
}

/// What a text says by its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Nothing.
    Plain,
    /// It is well.
    Good,
    /// It is not.
    Bad,
    /// It waits, or can't be told.
    Waiting,
    /// It moves.
    Moving,
}

impl Paint {
    /// The sequence of ANSI that begins it; those of `kubectl argo rollouts`.
    const fn begin(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Good => Some("\x1b[32m"),
            Self::Bad => Some("\x1b[31m"),
            Self::Waiting => Some("\x1b[33m"),
            Self::Moving => Some("\x1b[94m"),
        }
    }
}

/// A text of which parts may be painted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell(Vec<(Paint, String)>);

impl Cell {
    /// A painted text. Line breaks and control characters of others do not reach the terminal.
    #[must_use]
    pub fn painted(paint: Paint, text: impl Into<String>) -> Self {
        let text: String = text.into();
        Self(vec![(paint, kulta_core::text::shown(&text))])
    }

    /// Another cell behind this one.
    #[must_use]
    pub fn and(mut self, next: impl Into<Self>) -> Self {
        self.0.extend(next.into().0);
        self
    }

    /// Cells one behind the other, with `separator` between them.
    #[must_use]
    pub fn joined(cells: impl IntoIterator<Item = Self>, separator: &str) -> Self {
        let mut all = Self::default();
        for cell in cells {
            if !all.is_empty() {
                all = all.and(separator);
            }
            all = all.and(cell);
        }
        all
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|(_, text)| text.is_empty())
    }

    fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| text.width()).sum()
    }

    fn write(&self, coloured: bool, line: &mut String) {
        for (paint, text) in &self.0 {
            match paint.begin().filter(|_| coloured && !text.is_empty()) {
                Some(begin) => line.extend([begin, text, RESET]),
                None => line.push_str(text),
            }
        }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::painted(Paint::Plain, text)
    }
}

impl<'w> Output<'w> {
    /// Prints into `writer`, which is a terminal or not; in colours if both are wished for.
    pub fn new(writer: &'w mut dyn Write, terminal: bool, coloured: bool) -> Self {
        Self {
            writer,
            coloured: terminal && coloured,
            terminal,
        }
    }

    /// Prints as into a file.
    pub fn plain(writer: &'w mut dyn Write) -> Self {
        Self::new(writer, false, false)
    }

    /// Prints without colours from now on.
    pub fn without_colours(&mut self) {
        self.coloured = false;
    }

    /// Prints a line.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn line(&mut self, line: impl Display) -> io::Result<()> {
        writeln!(self.writer, "{line}")
    }

    /// Prints rows with their columns below each other.
    ///
    /// # Errors
    /// When they can't be written.
    pub fn table(&mut self, rows: &[Vec<Cell>]) -> io::Result<()> {
        let text = aligned(rows, self.coloured);
        self.writer.write_all(text.as_bytes())
    }

    /// Begins a picture that takes the place of the one before it: on a terminal at its top, else below an empty line.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn redraw(&mut self, is_first: bool) -> io::Result<()> {
        match (self.terminal, is_first) {
            (true, _) => self.writer.write_all(CLEAR.as_bytes()),
            (false, true) => Ok(()),
            (false, false) => writeln!(self.writer),
        }
    }

    /// Prints what was held back until now.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    /// The writer itself, for what is written by others.
    pub fn writer(&mut self) -> &mut dyn Write {
        self.writer
    }
}

fn aligned(rows: &[Vec<Cell>], coloured: bool) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(Cell::width)
            .max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut spaces = 0;
        for (cell, width) in row.iter().zip(&widths) {
            if !cell.is_empty() {
                text.push_str(&" ".repeat(spaces));
                cell.write(coloured, &mut text);
                spaces = 0;
            }
            spaces += width + GAP - cell.width();
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let rows = [
            vec!["NAME".into(), "KIND".into(), "INFO".into()],
            vec!["├──⧉ web".into(), "Pod".into(), Cell::default()],
        ];
        assert_eq!(aligned(&rows, false), "NAME      KIND  INFO\n├──⧉ web  Pod\n");
    }

    #[test]
    fn colours_take_no_room() {
        let rows = [
            vec![Cell::painted(Paint::Good, "✔").and(" Healthy"), "1m".into()],
            vec!["STATUS".into(), "AGE".into()],
        ];
        assert_eq!(
            aligned(&rows, true),
            "\x1b[32m✔\x1b[0m Healthy  1m\nSTATUS     AGE\n"
        );
    }

    #[test]
    fn control_characters_of_others_do_not_reach_the_terminal() {
        let rows = [vec![Cell::from("a\x1b[31mb\nc")]];
        assert_eq!(aligned(&rows, true), "a [31mb c\n");
    }
}
