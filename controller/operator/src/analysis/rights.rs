//! Who was refused something, in the words of the API server and in those of kubectl.

use std::fmt;

/// How the API server calls the service account of a namespace.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";

/// Who was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject<'said> {
    /// The service account of a namespace, and its name.
    ServiceAccount(&'said str, &'said str),
    /// Anybody else.
    User(&'said str),
}

impl<'said> Subject<'said> {
    /// Whom a refusal names; None: it is not about a right.
    pub(super) fn of(said: &'said str) -> Option<Self> {
        let (_, rest) = said.split_once("User \"")?;
        let (user, _) = rest.split_once('"')?;
        Some(Self::called(user))
    }

    /// The subject of this name of a user.
    pub(super) fn called(user: &'said str) -> Self {
        let account = user
            .strip_prefix(SERVICE_ACCOUNT)
            .and_then(|rest| rest.split_once(':'));
        account.map_or(Self::User(user), |(namespace, name)| {
            Self::ServiceAccount(namespace, name)
        })
    }

    /// How kubectl is told of it.
    pub(super) fn flag(&self) -> String {
        match self {
            Self::ServiceAccount(namespace, name) => format!("--serviceaccount={namespace}:{name}"),
            Self::User(user) => format!("--user={user}"),
        }
    }
}

impl fmt::Display for Subject<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServiceAccount(namespace, name) => {
                write!(
                    formatter,
                    "the ServiceAccount {name:?} of namespace {namespace:?}"
                )
            }
            Self::User(user) => write!(formatter, "the User {user:?}"),
        }
    }
}
