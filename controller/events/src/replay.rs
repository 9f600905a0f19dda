//! Whole files of events, as the stories of their Rollouts: lines in any order, told any number of times, with others
//! among them that are damaged or none of KULTA's.
//!
//! [`Reading`] takes file after file, one line at a time; [`Stories`] is what came of them. A fact is known by the UID of
//! its Rollout and its number, so one that is delivered twice, or is in two files, counts once.

mod line;
mod numbers;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufRead};
use std::str::FromStr;

use jiff::Timestamp;
use kulta_core::history::Fact;
use thiserror::Error;

pub use self::line::{Damage, DamagedLine, LONGEST_LINE};
use self::line::{Line, Lines};
pub use self::numbers::Numbers;
use crate::read::{ReadError, Told, read};

/// So many damaged lines are told one by one; more are only counted, so that a file of nothing else takes no memory.
pub const MOST_DAMAGED_TOLD: usize = 100;

/// A Rollout, as people call it. Two that had the name one after the other differ by their UIDs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RolloutName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A text that names no Rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("write NAMESPACE/NAME")]
pub struct NoRolloutName;

impl fmt::Display for RolloutName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

impl FromStr for RolloutName {
    type Err = NoRolloutName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (namespace, name) = text.split_once('/').ok_or(NoRolloutName)?;
        if namespace.is_empty() || name.is_empty() || name.contains('/') {
            return Err(NoRolloutName);
        }
        Ok(Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }
}

/// What was read and is in no story.
#[derive(Debug, Default)]
pub struct LeftOut {
    /// Events that were there already.
    pub repeated: u64,
    /// Lines that are JSON, but no events of KULTA's.
    pub foreign: u64,
    /// Lines that are damaged: half a line at the end of a file is one, too.
    pub damaged: u64,
    /// The first of them, at most [`MOST_DAMAGED_TOLD`].
    pub first_damaged: Vec<DamagedLine>,
}

/// What is known of one Rollout while files are read.
#[derive(Debug, Default)]
struct Gathered {
    facts: BTreeMap<u64, Fact>,
    removed: Option<Timestamp>,
}

/// Files of events, while they are read.
#[derive(Debug, Default)]
pub struct Reading {
    rollouts: BTreeMap<RolloutName, BTreeMap<String, Gathered>>,
    left_out: LeftOut,
}

impl Reading {
    /// Reads a file to its end. What is wrong with a line is noted with the name of the file, and is no error.
    ///
    /// # Errors
    /// When the file can't be read to its end. What was read before is kept.
    pub fn read(&mut self, reader: impl BufRead, file: &str) -> io::Result<()> {
        let mut lines = Lines::new(reader);
        while let Some(Line { number, text }) = lines.next_line()? {
            let told = text.and_then(|text| match read(text) {
                Ok(told) => Ok(Some(told)),
                Err(ReadError::Foreign) => Ok(None),
                Err(error) => Err(Damage::Event(error)),
            });
            match told {
                Ok(Some(told)) => self.take(told),
                Ok(None) => self.left_out.foreign = self.left_out.foreign.saturating_add(1),
                Err(damage) => self.note(file, number, damage),
            }
        }
        Ok(())
    }

    fn take(&mut self, told: Told) {
        let Told { subject, time, fact } = told;
        let name = RolloutName {
            namespace: subject.namespace,
            name: subject.name,
        };
        let lives = self.rollouts.entry(name).or_default();
        let gathered = lives.entry(subject.uid).or_default();
        let is_known = match fact {
            Some(fact) => gathered.facts.insert(fact.sequence, fact).is_some(),
            None => gathered.removed.replace(time).is_some(),
        };
        self.left_out.repeated = self.left_out.repeated.saturating_add(u64::from(is_known));
    }

    fn note(&mut self, file: &str, line: u64, damage: Damage) {
        self.left_out.damaged = self.left_out.damaged.saturating_add(1);
        if self.left_out.first_damaged.len() < MOST_DAMAGED_TOLD {
            self.left_out.first_damaged.push(DamagedLine {
                file: file.to_owned(),
                line,
                damage,
            });
        }
    }

    /// What came of all that was read.
    #[must_use]
    pub fn finish(self) -> Stories {
        let stories = self.rollouts.into_iter();
        Stories {
            list: stories.map(|(name, lives)| Story::new(name, lives)).collect(),
            left_out: self.left_out,
        }
    }
}

/// The stories of all Rollouts, in the order of their names.
#[derive(Debug, Default)]
pub struct Stories {
    list: Vec<Story>,
    left_out: LeftOut,
}

impl Stories {
    /// Reads one file: see [`Reading`] for several.
    ///
    /// # Errors
    /// When the file can't be read to its end.
    pub fn read(reader: impl BufRead, file: &str) -> io::Result<Self> {
        let mut reading = Reading::default();
        reading.read(reader, file)?;
        Ok(reading.finish())
    }

    /// Every story.
    #[must_use]
    pub fn list(&self) -> &[Story] {
        &self.list
    }

    /// The story of one Rollout.
    #[must_use]
    pub fn of(&self, name: &RolloutName) -> Option<&Story> {
        self.list.iter().find(|story| story.name == *name)
    }

    /// What was read and is in no story.
    #[must_use]
    pub const fn left_out(&self) -> &LeftOut {
        &self.left_out
    }
}

/// All that is told of the Rollouts of one name.
///
/// The files are taken for those of one cluster: Rollouts of the same name in two clusters are told apart by their UIDs, but
/// their facts are one after the other here as if one had taken the place of the other.
#[derive(Debug)]
pub struct Story {
    name: RolloutName,
    facts: Vec<Fact>,
    chapters: Vec<Chapter>,
}

/// Where one life ends in the list of facts, and how.
#[derive(Debug)]
struct Chapter {
    uid: String,
    end: usize,
    removed: Option<Timestamp>,
}

impl Story {
    fn new(name: RolloutName, lives: BTreeMap<String, Gathered>) -> Self {
        let mut lives: Vec<_> = lives.into_iter().collect();
        // The UIDs are in order already, so the order is the same whatever that of the lines was.
        lives.sort_by_key(|(_, gathered)| {
            let first = gathered.facts.values().next().map(|fact| fact.time);
            first.or(gathered.removed)
        });
        let mut facts = Vec::new();
        let mut chapters = Vec::new();
        for (uid, gathered) in lives {
            facts.extend(gathered.facts.into_values());
            chapters.push(Chapter {
                uid,
                end: facts.len(),
                removed: gathered.removed,
            });
        }
        Self {
            name,
            facts,
            chapters,
        }
    }

    /// Whose story it is.
    #[must_use]
    pub const fn name(&self) -> &RolloutName {
        &self.name
    }

    /// The facts of all lives, one life after the other, each in the order of its numbers.
    #[must_use]
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// Each Rollout that had the name, by the time of its first fact.
    pub fn lives(&self) -> impl Iterator<Item = Life<'_>> {
        let begins = std::iter::once(0).chain(self.chapters.iter().map(|chapter| chapter.end));
        begins.zip(&self.chapters).map(|(begin, chapter)| Life {
            uid: &chapter.uid,
            facts: self.facts.get(begin..chapter.end).unwrap_or_default(),
            removed: chapter.removed,
        })
    }
}

/// What is told of one Rollout, from its creation to its removal.
#[derive(Debug, Clone, Copy)]
pub struct Life<'story> {
    /// Its UID.
    pub uid: &'story str,
    /// Its facts, in the order of their numbers.
    pub facts: &'story [Fact],
    /// When it was gone, if that is told.
    pub removed: Option<Timestamp>,
}

impl Life<'_> {
    /// Which numbers are known; None where only the removal is told.
    #[must_use]
    pub fn numbers(&self) -> Option<Numbers> {
        Numbers::of(self.facts)
    }
}

#[cfg(test)]
mod tests;
