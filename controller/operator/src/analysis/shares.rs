//! Fair shares: so many at the same time in the process, and fewer of them for one namespace.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Places, of which one namespace can't take all.
#[derive(Debug)]
pub struct Shares {
    all: Arc<Semaphore>,
    of_each: usize,
    /// The places of each namespace that has taken or waits for one.
    namespaces: Mutex<BTreeMap<String, Weak<Semaphore>>>,
}

/// A place, until it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Place {
    _of_namespace: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
}

impl Shares {
    /// `all` places, `of_each` of them at most for one namespace.
    #[must_use]
    pub fn new(all: usize, of_each: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(all)),
            of_each,
            namespaces: Mutex::default(),
        }
    }

    /// A place for `namespace`, if there is one now.
    pub fn take(&self, namespace: &str) -> Option<Place> {
        let of_namespace = self.share_of(namespace).try_acquire_owned().ok()?;
        let of_all = Arc::clone(&self.all).try_acquire_owned().ok()?;
        Some(Place {
            _of_namespace: of_namespace,
            _of_all: of_all,
        })
    }

    /// A place for `namespace`, in the order of asking; None: there was none for so long.
    pub async fn wait(&self, namespace: &str, at_most: Duration) -> Option<Place> {
        let share = self.share_of(namespace);
        let place = async {
            // Its own share first: who waits for that must not keep a place that others could have.
            let of_namespace = share.acquire_owned().await.ok()?;
            let of_all = Arc::clone(&self.all).acquire_owned().await.ok()?;
            Some(Place {
                _of_namespace: of_namespace,
                _of_all: of_all,
            })
        };
        tokio::time::timeout(at_most, place).await.ok().flatten()
    }

    fn share_of(&self, namespace: &str) -> Arc<Semaphore> {
        let mut namespaces = self.namespaces.lock();
        if let Some(share) = namespaces.get(namespace).and_then(Weak::upgrade) {
            return share;
        }
        namespaces.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Semaphore::new(self.of_each));
        namespaces.insert(namespace.to_owned(), Arc::downgrade(&share));
        share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    #[test]
    fn one_namespace_can_not_take_all_places() {
        let shares = Shares::new(3, 2);

        let taken: Vec<_> = (0..3).map(|_| shares.take("shop")).collect();
        let other = shares.take("depot");

        let has_place: Vec<_> = taken.iter().map(Option::is_some).collect();
        assert_eq!(has_place, [true, true, false]);
        assert!(other.is_some());
        assert!(shares.take("harbour").is_none(), "all three are taken");
    }

    #[test]
    fn a_place_that_is_left_is_free_for_the_next_one() {
        let shares = Shares::new(1, 1);

        drop(shares.take("shop"));

        assert!(shares.take("depot").is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_gets_the_next_place_and_waits_no_longer_than_told() {
        let shares = Shares::new(2, 1);
        let first = shares.take("shop");

        let too_late = shares.wait("shop", SOON).await;
        let waiting = shares.wait("shop", SOON);
        drop(first);

        assert!(too_late.is_none());
        assert!(waiting.await.is_some());
    }
}
