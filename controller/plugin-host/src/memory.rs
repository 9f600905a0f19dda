//! Linear memory: what one call may hold, and what all calls together hold.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

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
pub(crate) struct Total {
    held: Arc<AtomicUsize>,
    /// What the calls for each namespace hold, as long as there are any.
    shares: Arc<Mutex<BTreeMap<String, Weak<AtomicUsize>>>>,
}

impl Total {
    /// What the calls for one namespace hold of it.
    pub(crate) fn share_of(&self, namespace: &str) -> Share {
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        let known = shares.get(namespace).and_then(Weak::upgrade);
        let own = known.unwrap_or_else(|| {
            shares.retain(|_, share| share.strong_count() > 0);
            let new = Arc::default();
            shares.insert(namespace.to_owned(), Arc::downgrade(&new));
            new
        });
        let total = Arc::clone(&self.held);
        Share { own, total }
    }
}

/// The linear memory of the calls for one namespace, and with it that of all.
#[derive(Debug)]
pub(crate) struct Share {
    own: Arc<AtomicUsize>,
    total: Arc<AtomicUsize>,
}

impl Share {
    /// Takes more for a call that holds `held`. A call that is alone in its namespace may have more than the share of one:
    /// it would be refused for ever otherwise.
    fn take(&self, bytes: usize, held: usize) -> Result<(), Refused> {
        let fair = |sum: usize| sum <= limits::NAMESPACE_MEMORY_BYTES || sum == held.saturating_add(bytes);
        add(&self.own, bytes, fair)?;
        let taken = add(&self.total, bytes, |sum| sum <= limits::TOTAL_MEMORY_BYTES);
        if taken.is_err() {
            self.own.fetch_sub(bytes, Ordering::AcqRel);
        }
        taken
    }

    fn give_back(&self, bytes: usize) {
        self.own.fetch_sub(bytes, Ordering::AcqRel);
        self.total.fetch_sub(bytes, Ordering::AcqRel);
    }
}

/// Adds `bytes` to what is held, if the sum `fits`.
fn add(held: &AtomicUsize, bytes: usize, fits: impl Fn(usize) -> bool) -> Result<(), Refused> {
    let sum = |held: usize| held.checked_add(bytes).filter(|sum| fits(*sum));
    match held.fetch_update(Ordering::AcqRel, Ordering::Acquire, sum) {
        Ok(_before) => Ok(()),
        Err(_before) => Err(Refused::TotalMemory),
    }
}

/// Watches the memory of one call, and gives it back to the total at its end.
#[derive(Debug)]
pub(crate) struct Watch {
    limit: usize,
    held: usize,
    share: Share,
}

impl Watch {
    pub(crate) fn new(limit: usize, share: Share) -> Self {
        Self {
            limit,
            held: 0,
            share,
        }
    }

    /// The most that was held: memory never shrinks.
    pub(crate) fn peak(&self) -> usize {
        self.held
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.share.give_back(self.held);
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
        self.share.take(more, self.held).map_err(wasmtime::Error::new)?;
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
        let mut watch = Watch::new(MIB, Total::default().share_of("shop"));

        assert!(watch.memory_growing(0, MIB, None).is_ok());
        let refused = watch.memory_growing(MIB, MIB + 1, None).unwrap_err();

        assert_eq!(refused.downcast_ref(), Some(&Refused::Memory { wanted: MIB + 1 }));
        assert_eq!(watch.peak(), MIB);
    }

    #[test]
    fn all_calls_share_one_total_and_give_it_back() {
        let total = Total::default();
        let mut first = Watch::new(usize::MAX, total.share_of("shop"));
        let mut second = Watch::new(usize::MAX, total.share_of("depot"));
        first.memory_growing(0, limits::TOTAL_MEMORY_BYTES, None).unwrap();

        let refused = second.memory_growing(0, 1, None).unwrap_err();
        drop(first);

        assert_eq!(refused.downcast_ref(), Some(&Refused::TotalMemory));
        assert!(second.memory_growing(0, 1, None).is_ok());
    }

    #[test]
    fn the_calls_for_one_namespace_leave_memory_for_others() {
        let total = Total::default();
        let watch = |namespace| Watch::new(usize::MAX, total.share_of(namespace));
        let (mut first, mut second, mut other) = (watch("shop"), watch("shop"), watch("depot"));
        first
            .memory_growing(0, limits::NAMESPACE_MEMORY_BYTES, None)
            .unwrap();

        let refused = second.memory_growing(0, 1, None).unwrap_err();

        assert_eq!(refused.downcast_ref(), Some(&Refused::TotalMemory));
        assert!(
            other
                .memory_growing(0, limits::NAMESPACE_MEMORY_BYTES, None)
                .is_ok()
        );
        drop((first, other));
        assert!(second.memory_growing(0, limits::TOTAL_MEMORY_BYTES, None).is_ok());
    }

    #[test]
    fn a_table_beyond_the_limit_is_refused() {
        let mut watch = Watch::new(MIB, Total::default().share_of("shop"));
        assert!(watch.table_growing(0, limits::TABLE_ELEMENTS, None).is_ok());
        assert!(watch.table_growing(0, limits::TABLE_ELEMENTS + 1, None).is_err());
    }
}
