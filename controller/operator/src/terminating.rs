//! A namespace that is being deleted: the API server creates nothing in it any more, and nothing is wrong with that.

use kube::Error;

/// The cause in the API server's refusal (its admission plugin `NamespaceLifecycle`).
const CAUSE: &str = "NamespaceTerminating";

/// Whether a request was refused because its namespace is being deleted.
pub(crate) fn is_namespace_terminating(error: &Error) -> bool {
    let Error::Api(status) = error else { return false };
    status
        .details
        .iter()
        .flat_map(|details| &details.causes)
        .any(|cause| cause.reason == CAUSE)
}
