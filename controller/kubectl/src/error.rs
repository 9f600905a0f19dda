//! What can go wrong, each in one sentence that says what to do.

use std::io;

use kulta_core::text::with_causes;
use thiserror::Error;

use crate::image::ImageError;
use crate::lint::ReadError;
use crate::migrate::MigrateError;
use crate::promote::Refusal;
use crate::undo::UndoError;

/// The code of HTTP for what is not there.
const NOT_FOUND: u16 = 404;

/// A verb that could not be done.
#[derive(Debug, Error)]
pub enum Error {
    /// Nobody knows which cluster is meant.
    #[error(
        "can't tell which cluster to ask ({reason}); check --kubeconfig, --context and the variable KUBECONFIG"
    )]
    Configuration {
        /// What is wrong.
        reason: String,
    },
    /// There is no such object.
    #[error(
        "{reason} (namespace {namespace}): check the name and -n; `kubectl kulta list rollouts -A` shows what there is"
    )]
    NotFound {
        /// The API server's words.
        reason: String,
        /// Where it was looked for.
        namespace: String,
    },
    /// The kind is not there.
    #[error(
        "can't {action}: the cluster does not know that kind; install KULTA's definitions, or choose another cluster \
         with --context"
    )]
    NotServed {
        /// What was tried.
        action: String,
    },
    /// The user may not do that.
    #[error("can't {action}: {reason}; ask whoever runs the cluster for that right")]
    Forbidden {
        /// What was tried.
        action: String,
        /// The API server's words.
        reason: String,
    },
    /// Somebody keeps changing the object.
    #[error("can't {action}: others keep changing it; see what they do, then say it again")]
    Conflict {
        /// What was tried.
        action: String,
    },
    /// The rollout went on by itself between the question and the answer.
    #[error(
        "rollout '{name}' has gone on by itself meanwhile, so nothing was changed: look at it, then say it again"
    )]
    MovedOn {
        /// Its name.
        name: String,
    },
    /// The API server refuses.
    #[error("can't {action}: the API server refuses: {reason}")]
    Refused {
        /// What was tried.
        action: String,
        /// The API server's words.
        reason: String,
    },
    /// The API server gives no answer.
    #[error(
        "can't {action}: no answer of the API server ({reason}); check the network, and the cluster with --context"
    )]
    Unreachable {
        /// What was tried.
        action: String,
        /// What has happened instead.
        reason: String,
    },
    /// The Rollout was deleted while it was watched.
    #[error("rollout '{name}' was deleted in namespace {namespace} meanwhile")]
    Deleted {
        /// Its name.
        name: String,
        /// Its namespace.
        namespace: String,
    },
    /// A promotion that would do harm, or nothing.
    #[error(transparent)]
    Promote(#[from] Refusal),
    /// There is nothing to go back to.
    #[error(transparent)]
    Undo(#[from] UndoError),
    /// An image that can't be set.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// What can't be migrated.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// A file to look at that is not there.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Nobody takes what is told.
    #[error("the output can't be written")]
    Output(#[from] io::Error),
}

impl Error {
    /// The error of a request of the API server that was to do `action`, such as `read rollout 'web'`.
    #[must_use]
    pub fn of_request(action: impl Into<String>, namespace: &str, error: &kube::Error) -> Self {
        let action = action.into();
        let kube::Error::Api(status) = error else {
            let reason = with_causes(error);
            return Self::Unreachable { action, reason };
        };
        let reason = status.message.clone();
        let named = |details: &kube::core::response::StatusDetails| !details.name.is_empty();
        // A path that nobody serves is answered with a line of text, which has no reason.
        let is_not_found = status.is_not_found() || status.code == NOT_FOUND;
        if is_not_found && status.details.as_ref().is_some_and(named) {
            let namespace = namespace.to_owned();
            return Self::NotFound { reason, namespace };
        }
        if is_not_found {
            return Self::NotServed { action };
        }
        if status.is_forbidden() {
            return Self::Forbidden { action, reason };
        }
        if status.is_conflict() {
            return Self::Conflict { action };
        }
        Self::Refused { action, reason }
    }

    /// Whether nobody reads on, as after `| head`.
    #[must_use]
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}
