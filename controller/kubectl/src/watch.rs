//! Watches of the API server: which of their errors pass by themselves.

use kube::runtime::watcher;

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
