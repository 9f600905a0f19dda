//! A value with its past: what an observer who lags behind still sees.

/// A value and when it changed.
#[derive(Debug, Clone)]
pub(crate) struct Log<T> {
    changes: Vec<(u64, T)>,
}

impl<T: PartialEq> Log<T> {
    /// A value that has always been so.
    pub(crate) fn new(value: T) -> Self {
        Self {
            changes: vec![(0, value)],
        }
    }

    /// Sets the value from `tick` on. Returns whether it changed.
    pub(crate) fn set(&mut self, tick: u64, value: T) -> bool {
        let changed = *self.latest() != value;
        if changed {
            self.changes.push((tick, value));
        }
        changed
    }

    /// The value now.
    pub(crate) fn latest(&self) -> &T {
        &self.changes[self.changes.len() - 1].1
    }

    /// The value as of the end of `tick`.
    pub(crate) fn at(&self, tick: u64) -> &T {
        let known = self.changes.iter().rev().find(|(since, _)| *since <= tick);
        &known.unwrap_or(&self.changes[0]).1
    }
}
