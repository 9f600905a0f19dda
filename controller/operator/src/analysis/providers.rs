//! Providers of metrics, asked for plugins: by POST, without redirects, and read no further than allowed.

mod request;
mod scope;
pub mod secrets;
mod servers;
mod setup;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use kulta_api::analysis::Source;
use kulta_core::text::with_causes;
use kulta_plugin_host::metrics::{Answer, MetricsProvider, Pending, Query, QueryError};
use parking_lot::{Mutex, RwLock};

use self::secrets::{SecretTexts, hidden_in_error};
use self::setup::{Known, Setup};
use super::configuration::{Configuration, Servers};
use super::prometheus;
use super::shares::Place;
use crate::access::{Address, Credentials};

/// The provider that the plugin `prometheus` asks where it is not told another one.
pub const DEFAULT_PROVIDER: &str = "prometheus";

/// Nobody waits longer for a place at a provider: two turns of queries that take as long as they may. What has none then
/// is asked for again.
const WAIT_FOR_PLACE: Duration = Duration::from_secs(10);

/// All providers of the operator's configuration.
#[derive(Debug)]
pub struct Providers {
    current: RwLock<Arc<Setup>>,
}

/// The providers as one call for an analysis of a namespace may use them.
#[derive(Debug)]
pub struct ForNamespace {
    providers: Arc<Providers>,
    namespace: String,
    named: Option<Named>,
    secrets: SecretTexts,
    /// The name of the plugin, and the servers that it may ask.
    servers: (String, Servers),
    places: Mutex<Places>,
}

/// The places that a call has at providers: for as long as this is kept, so that a call of several queries waits once.
#[derive(Debug, Default)]
struct Places {
    held: Vec<(Arc<Known>, Place)>,
    /// The provider that had none.
    wanted: Option<Arc<Known>>,
}

/// The one Prometheus that a metric names: it stands for whatever provider the plugin asks.
#[derive(Debug)]
struct Named {
    source: Source,
    granted: BTreeSet<String>,
}

impl Providers {
    /// The providers of the operator's configuration.
    #[must_use]
    pub fn new(configuration: &Configuration) -> Self {
        let setup = Setup::new(configuration, &Setup::default());
        Self {
            current: RwLock::new(Arc::new(setup)),
        }
    }

    /// Another configuration: it counts from the next query on.
    pub fn configure(&self, configuration: &Configuration) {
        let mut current = self.current.write();
        *current = Arc::new(Setup::new(configuration, &current));
    }

    /// The providers as the analyses of `namespace` may use them.
    #[must_use]
    pub fn for_namespace(self: &Arc<Self>, namespace: &str) -> ForNamespace {
        ForNamespace {
            providers: Arc::clone(self),
            namespace: namespace.to_owned(),
            named: None,
            secrets: SecretTexts::default(),
            servers: <(String, Servers)>::default(),
            places: Mutex::default(),
        }
    }
}

impl ForNamespace {
    /// Only the Prometheus that a metric names, whatever provider its plugin asks; if it is a provider, then one of
    /// those `granted`.
    #[must_use]
    pub fn only(self, source: &Source, granted: &BTreeSet<String>) -> Self {
        let named = Named {
            source: source.clone(),
            granted: granted.clone(),
        };
        Self {
            named: Some(named),
            ..self
        }
    }

    /// The same for one call whose queries have what stands for these texts.
    #[must_use]
    pub fn with_secrets(self, secrets: SecretTexts) -> Self {
        Self { secrets, ..self }
    }

    /// The same for the plugin of this name, which may ask these servers.
    #[must_use]
    pub fn with_servers(self, plugin: &str, servers: &Servers) -> Self {
        let servers = (plugin.to_owned(), servers.clone());
        Self { servers, ..self }
    }

    /// Why the Prometheus that the metric names can't be asked: what is wrong with the address.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let Named { source, granted } = self.named.as_ref()?;
        let setup = Arc::clone(&self.providers.current.read());
        setup.at(source, &self.namespace, granted).err()
    }

    /// Waits for a place at the provider that had none for a query. Whether there is one now: the call can be made again.
    ///
    /// To be done between two calls, never within one: a call has a time of its own, and holds memory and a place among
    /// all calls, none of which a wait for others is to use up.
    pub async fn wait_for_place(&self) -> bool {
        let wanted = {
            let mut places = self.places.lock();
            // Whoever waits for one place must not keep others.
            places.held.clear();
            places.wanted.take()
        };
        let Some(known) = wanted else { return false };
        let Some(place) = known.places.wait(&self.namespace, WAIT_FOR_PLACE).await else {
            return false;
        };
        self.places.lock().held.push((known, place));
        true
    }

    /// Whether there is a place at this provider, now and until the end of the call.
    fn has_place(&self, known: &Arc<Known>) -> bool {
        let mut places = self.places.lock();
        if places.held.iter().any(|(held, _)| Arc::ptr_eq(held, known)) {
            return true;
        }
        let place = known.places.take(&self.namespace);
        let found = place.is_some();
        match place {
            Some(place) => places.held.push((Arc::clone(known), place)),
            None => places.wanted = Some(Arc::clone(known)),
        }
        found
    }

    fn choose(&self, name: &str) -> Result<Arc<Known>, QueryError> {
        let setup = Arc::clone(&self.providers.current.read());
        let found = match &self.named {
            None => setup.named(name, &self.namespace),
            Some(Named { source, granted }) => {
                let found = setup.at(source, &self.namespace, granted);
                found.map_err(|problem| format!("provider.prometheus.address: {problem}"))
            }
        };
        found.map_err(QueryError::Denied)
    }

    /// What is asked: the texts of Secrets first, so that the label is demanded of what comes of them, too.
    async fn expression<'q>(&self, known: &Known, query: &'q Query) -> Result<Cow<'q, str>, QueryError> {
        let texts = self.secrets.wanted_in(&query.expression)?;
        let label = known.provider.scope_label.as_deref();
        if texts.is_empty() && label.is_none() {
            return Ok(Cow::Borrowed(&query.expression));
        }
        let demanded = label.map(|label| (label, self.namespace.as_str()));
        let written = scope::rewritten(&query.expression, demanded, texts).await?;
        Ok(Cow::Owned(written))
    }

    async fn ask(&self, known: &Known, query: &Query) -> Result<Answer, QueryError> {
        let expression = self.expression(known, query).await?;
        let mut credentials = Credentials::read(&known.access)
            .await
            .map_err(|error| unavailable(&known.provider.address, &error.to_string()))?;
        let headers = std::mem::take(&mut credentials.headers);
        let answer = known.ask(&expression, query, headers).await;
        answer.map_err(|error| hidden_in_error(&credentials.redaction(), error))
    }
}

impl Known {
    async fn ask(
        &self,
        expression: &str,
        query: &Query,
        headers: http::HeaderMap,
    ) -> Result<Answer, QueryError> {
        let address = &self.provider.address;
        let request = request::request(address, expression, query, headers)?;
        let client = self.connection.client().await;
        let client = client.map_err(|error| unavailable(address, &with_causes(&error)))?;
        let answer = client.request(request).await;
        let answer = answer.map_err(|error| unavailable(address, &with_causes(&error)))?;
        let status = answer.status();
        if let Some(refusal) = request::refusal(status, answer.headers()) {
            return Err(unavailable(address, &refusal));
        }
        let bytes = self.provider.limits.answer_bytes;
        let bytes = bytes.map_or(query.answer_bytes, |bytes| bytes.min(query.answer_bytes));
        let most = usize::try_from(bytes).unwrap_or(usize::MAX);
        let body = Limited::new(answer.into_body(), most).collect().await;
        let body = body.map_err(|error| {
            if error.is::<LengthLimitError>() {
                QueryError::TooLarge { bytes }
            } else {
                unavailable(address, &error.to_string())
            }
        })?;
        // Prometheus says what is wrong with a query in the body of an answer 400, 422 or 503.
        match prometheus::read(&body.to_bytes()) {
            Ok(_) | Err(QueryError::Unavailable(_)) if !status.is_success() => {
                Err(unavailable(address, &format!("HTTP status {status}")))
            }
            answer => answer,
        }
    }
}

impl MetricsProvider for ForNamespace {
    fn query<'a>(&'a self, query: &'a Query) -> Pending<'a> {
        Box::pin(async move {
            let known = self.choose(&query.provider)?;
            if !self.has_place(&known) {
                return Err(QueryError::NoPlace);
            }
            let limit = query.time.min(known.provider.timeout());
            let written = self.named.as_ref().and_then(|named| named.source.timeout);
            let limit = written.map_or(limit, |written| limit.min(written));
            let answer = tokio::time::timeout(limit, self.ask(&known, query)).await;
            self.secrets.hidden_in(answer.unwrap_or(Err(QueryError::Timeout)))
        })
    }
}

/// Whoever reads a status need not know addresses: the host is enough to find the fault.
fn unavailable(address: &Address, cause: &str) -> QueryError {
    QueryError::Unavailable(format!("{}: {cause}", address.host()))
}

#[cfg(test)]
pub(super) mod tests;
