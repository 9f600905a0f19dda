//! Waiting for objects by watching them; never by sleeping, except between looks at what can't be watched.

use std::fmt::Debug;

use anyhow::{Result, anyhow};
use kube::runtime::wait::await_condition;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};

use crate::describe;
use crate::settings::limits;
use crate::stage::Stage;

impl Stage {
    /// Waits until an object (or its absence) is as it should be, and gives it.
    ///
    /// # Errors
    /// When that takes more than [`limits::WITHIN`]: the error shows the object, and the pods and events of the
    /// namespace.
    pub async fn wait_for<K>(
        &self,
        api: Api<K>,
        name: &str,
        what: &str,
        condition: impl Fn(Option<&K>) -> bool,
    ) -> Result<Option<K>>
    where
        K: Clone + Debug + Send + DeserializeOwned + Resource + 'static,
    {
        match within(api, name, condition).await {
            Some(found) => found,
            None => Err(anyhow!(
                "waited {} s for {name} {what}\n{}",
                limits::WITHIN.as_secs(),
                describe::namespace(self).await
            )),
        }
    }
}

/// Looks until there is an answer, at what nobody can subscribe to.
///
/// # Errors
/// When that takes more than [`limits::WITHIN`], or a look fails.
pub async fn eventually<T>(what: &str, look: impl AsyncFn() -> Result<Option<T>>) -> Result<T> {
    let looking = async {
        loop {
            match look().await {
                Ok(None) => sleep(limits::LOOK).await,
                Ok(Some(found)) => break Ok(found),
                Err(error) => break Err(error),
            }
        }
    };
    let looked = timeout(limits::WITHIN, looking).await;
    looked.unwrap_or_else(|_| Err(anyhow!("waited {} s for {what}", limits::WITHIN.as_secs())))
}

/// Waits until an object is gone.
///
/// # Errors
/// When that takes more than [`limits::WITHIN`].
pub(crate) async fn gone<K>(api: &Api<K>, name: &str) -> Result<()>
where
    K: Clone + Debug + Send + DeserializeOwned + Resource + 'static,
{
    object(api, name, "to be gone", |found: Option<&K>| found.is_none())
        .await
        .map(drop)
}

/// Waits for an object outside any stage's namespace.
///
/// # Errors
/// When that takes more than [`limits::WITHIN`].
pub(crate) async fn object<K>(
    api: &Api<K>,
    name: &str,
    what: &str,
    condition: impl Fn(Option<&K>) -> bool,
) -> Result<Option<K>>
where
    K: Clone + Debug + Send + DeserializeOwned + Resource + 'static,
{
    let found = within(api.clone(), name, condition).await;
    found.unwrap_or_else(|| Err(anyhow!("waited {} s for {name} {what}", limits::WITHIN.as_secs())))
}

async fn within<K>(
    api: Api<K>,
    name: &str,
    condition: impl Fn(Option<&K>) -> bool,
) -> Option<Result<Option<K>>>
where
    K: Clone + Debug + Send + DeserializeOwned + Resource + 'static,
{
    let waiting = await_condition(api, name, condition);
    timeout(limits::WITHIN, waiting)
        .await
        .ok()
        .map(|found| found.map_err(Into::into))
}
