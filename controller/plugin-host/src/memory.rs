//! Linear memory: what one call may hold, and what all calls together hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use thiserror::Error;
use wasmtime::ResourceLimiter;

use crate::limits;

/// A plugin wanted more than it may have. Ends the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Refused {
    #[error("{wanted} bytes of memory")]
    Memory { wanted: usize },
    #[error("plugins hold too much memory together")]
    TotalMemory,
    #[error("{wanted} elements of tables")]
    Table { wanted: usize },
}

/// The linear memory of all calls that are under way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Total(Arc<AtomicUsize>);

impl Total {
    fn take(&self, bytes: usize) -> Result<(), Refused> {
        let within = |held: usize| {
            held.checked_add(bytes)
                .filter(|sum| *sum <= limits::TOTAL_MEMORY_BYTES)
        };
        match self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, within) {
            Ok(_before) => Ok(()),
            Err(_before) => Err(Refused::TotalMemory),
        }
    }
}

/// Watches the memory of one call, and gives it back to the total at its end.
#[derive(Debug)]
pub(crate) struct Watch {
    limit: usize,
    held: usize,
    total: Total,
}

impl Watch {
    pub(crate) fn new(limit: usize, total: Total) -> Self {
        Self {
            limit,
            held: 0,
            total,
        }
    }

    /// The most that was held: memory never shrinks.
    pub(crate) fn peak(&self) -> usize {
        self.held
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.total.0.fetch_sub(self.held, Ordering::AcqRel);
    }
}

// A refusal ends the call: a plugin that goes on without the memory it wants would only fail less clearly.
impl ResourceLimiter for Watch {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let more = desired.saturating_sub(current);
        let wanted = self.held.saturating_add(more);
        if wanted > self.limit {
            return Err(wasmtime::Error::new(Refused::Memory { wanted }));
        }
        self.total.take(more).map_err(wasmtime::Error::new)?;
        self.held = wanted;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > limits::TABLE_ELEMENTS {
            return Err(wasmtime::Error::new(Refused::Table { wanted: desired }));
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        limits::INSTANCES
    }

    fn tables(&self) -> usize {
        limits::TABLES
    }

    fn memories(&self) -> usize {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn memory_beyond_the_limit_is_refused() {
        let mut watch = Watch::new(MIB, Total::default());

        assert!(watch.memory_growing(0, MIB, None).is_ok());
        let refused = watch.memory_growing(MIB, MIB + 1, None).unwrap_err();

        assert_eq!(refused.downcast_ref(), Some(&Refused::Memory { wanted: MIB + 1 }));
        assert_eq!(watch.peak(), MIB);
    }

    #[test]
    fn all_calls_share_one_total_and_give_it_back() {
        let total = Total::default();
        let mut first = Watch::new(usize::MAX, total.clone());
        let mut second = Watch::new(usize::MAX, total.clone());
        first.memory_growing(0, limits::TOTAL_MEMORY_BYTES, None).unwrap();

        let refused = second.memory_growing(0, 1, None).unwrap_err();
        drop(first);

        assert_eq!(refused.downcast_ref(), Some(&Refused::TotalMemory));
        assert!(second.memory_growing(0, 1, None).is_ok());
    }

    #[test]
    fn a_table_beyond_the_limit_is_refused() {
        let mut watch = Watch::new(MIB, Total::default());
        assert!(watch.table_growing(0, limits::TABLE_ELEMENTS, None).is_ok());
        assert!(watch.table_growing(0, limits::TABLE_ELEMENTS + 1, None).is_err());
    }
}
