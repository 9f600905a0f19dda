//! Watches of the API server: what they have told, and which of their errors pass by themselves.

use std::collections::BTreeMap;
use std::future::ready;

use futures::{Stream, TryStreamExt as _};
use kube::Api;
use kube::api::DynamicObject;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};

/// Codes of HTTP that trying again does not mend: who asks is not known, may not, or asks for a kind that is not there.
const LASTING: [u16; 3] = [401, 403, 404];

/// What ended a watch for good; None where it is begun again by itself.
pub(crate) fn lasting(error: watcher::Error) -> Option<kube::Error> {
    let error = match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => error,
        watcher::Error::WatchError(status) => kube::Error::Api(status),
        watcher::Error::NoResourceVersion => return None,
    };
    let lasts = matches!(&error, kube::Error::Api(status) if LASTING.contains(&status.code));
    lasts.then_some(error)
}

/// What a watch tells, begun again after an error, each time later.
///
/// That a list is about to be asked for is left out: it is no success, and each attempt would be made as soon as the first.
pub(crate) fn events(
    objects: Api<DynamicObject>,
    configuration: watcher::Config,
) -> impl Stream<Item = Result<Event<DynamicObject>, watcher::Error>> {
    watcher(objects, configuration)
        .try_filter(|event| ready(!matches!(event, Event::Init)))
        .default_backoff()
}

/// The objects of one watch, by name.
#[derive(Default)]
pub(crate) struct Objects {
    known: Option<BTreeMap<String, DynamicObject>>,
    listed: BTreeMap<String, DynamicObject>,
}

impl Objects {
    /// Takes in what its watch tells.
    pub(crate) fn apply(&mut self, event: Event<DynamicObject>) {
        let named = |object: DynamicObject| (object.metadata.name.clone().unwrap_or_default(), object);
        match event {
            Event::Init => self.broken_off(),
            Event::InitApply(object) => self.listed.extend([named(object)]),
            Event::InitDone => self.known = Some(std::mem::take(&mut self.listed)),
            Event::Apply(object) => self.known.get_or_insert_default().extend([named(object)]),
            Event::Delete(object) => {
                let (name, _) = named(object);
                self.known.get_or_insert_default().remove(&name);
            }
        }
    }

    /// What was listed last did not come to its end: the next list begins anew.
    pub(crate) fn broken_off(&mut self) {
        self.listed.clear();
    }

    /// All there are; None before the first list has ended.
    pub(crate) fn all(&self) -> Option<Vec<DynamicObject>> {
        Some(self.known.as_ref()?.values().cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::time::Duration;

    use futures::StreamExt as _;
    use tokio::time::Instant;

    use super::*;
    use crate::cluster::Kind;
    use crate::scenario::{expect, failure, paused_at, rollout, scenario};

    /// Four waits that begin with 0.8 s and double.
    const FOUR_LONGER_WAITS: Duration = Duration::from_secs(12);

    #[tokio::test(start_paused = true)]
    async fn each_list_that_fails_is_waited_for_longer() {
        let request = "GET /apis/kulta.io/v1alpha1/namespaces/shop/rollouts?&limit=500";
        let broken = failure(500, "InternalError", "etcd is gone");
        let exchanges = (0..5).map(|_| expect(request, 500, &broken)).collect();

        let (waited, _) = scenario(exchanges, async |cluster, _| {
            let events = events(cluster.objects(Kind::Rollout), watcher::Config::default());
            let begun = Instant::now();
            let errors = pin!(events).take(5).collect::<Vec<_>>().await;
            assert!(errors.iter().all(Result::is_err));
            begun.elapsed()
        })
        .await;

        assert!(waited >= FOUR_LONGER_WAITS, "{waited:?}");
    }

    #[test]
    fn what_a_new_list_does_not_have_is_gone() {
        let mut objects = Objects::default();
        objects.apply(Event::Apply(rollout()));
        objects.apply(Event::Init);
        assert_eq!(objects.all().unwrap().len(), 1);

        objects.apply(Event::InitDone);

        assert_eq!(objects.all().unwrap().len(), 0);
    }

    #[test]
    fn a_list_that_is_broken_off_is_forgotten() {
        let mut objects = Objects::default();
        objects.apply(Event::InitApply(rollout()));

        objects.broken_off();
        objects.apply(Event::InitDone);

        assert_eq!(objects.all().unwrap(), []);
    }

    #[test]
    fn changes_and_deletions_are_followed() {
        let mut objects = Objects::default();
        objects.apply(Event::Apply(rollout()));
        objects.apply(Event::Apply(paused_at(1)));
        assert_eq!(objects.all().unwrap(), [paused_at(1)]);

        objects.apply(Event::Delete(rollout()));

        assert_eq!(objects.all().unwrap(), []);
    }
}
