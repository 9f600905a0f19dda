//! Providers of metrics, asked for plugins: by POST, without redirects, and read no further than allowed.

pub mod address;
mod connection;
mod credentials;
mod request;
mod scope;
mod setup;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use kulta_api::analysis::Source;
use kulta_core::text::with_causes;
use kulta_plugin_host::metrics::{Answer, MetricsProvider, Pending, Query, QueryError};
use parking_lot::RwLock;

use self::address::Address;
use self::credentials::Credentials;
use self::setup::{Known, Setup};
use super::configuration::Configuration;
use super::prometheus;

/// The provider that the plugin `prometheus` asks where it is not told another one.
pub const DEFAULT_PROVIDER: &str = "prometheus";

/// All providers of the operator's configuration.
#[derive(Debug)]
pub struct Providers {
    current: RwLock<Arc<Setup>>,
}

/// The providers as the analyses of one namespace may use them.
#[derive(Debug)]
pub struct ForNamespace {
    providers: Arc<Providers>,
    namespace: String,
    named: Option<Named>,
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

    /// Why the Prometheus that the metric names can't be asked: what is wrong with the address.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let Named { source, granted } = self.named.as_ref()?;
        let setup = Arc::clone(&self.providers.current.read());
        setup.at(source, &self.namespace, granted).err()
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

    async fn ask(&self, known: &Known, query: &Query) -> Result<Answer, QueryError> {
        let expression = match &known.provider.scope_label {
            Some(label) => Cow::Owned(scope::scoped(&query.expression, label, &self.namespace).await?),
            None => Cow::Borrowed(query.expression.as_str()),
        };
        let Ok(_place) = known.places.acquire().await else {
            return Err(QueryError::Unavailable(
                "the controller is about to stop".to_owned(),
            ));
        };
        let mut credentials = Credentials::read(&known.provider)
            .await
            .map_err(|error| unavailable(&known.provider.address, &error.to_string()))?;
        let headers = std::mem::take(&mut credentials.headers);
        let answer = known.ask(&expression, query, headers).await;
        answer.map_err(|error| credentials.hidden_in(error))
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
        let most = usize::try_from(query.answer_bytes).unwrap_or(usize::MAX);
        let body = Limited::new(answer.into_body(), most).collect().await;
        let body = body.map_err(|error| {
            if error.is::<LengthLimitError>() {
                let bytes = query.answer_bytes;
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
            let limit = query.time.min(known.provider.timeout());
            let written = self.named.as_ref().and_then(|named| named.source.timeout);
            let limit = written.map_or(limit, |written| limit.min(written));
            let answer = tokio::time::timeout(limit, self.ask(&known, query)).await;
            answer.unwrap_or(Err(QueryError::Timeout))
        })
    }
}

/// Whoever reads a status need not know addresses: the host is enough to find the fault.
fn unavailable(address: &Address, cause: &str) -> QueryError {
    QueryError::Unavailable(format!("{}: {cause}", address.host()))
}

#[cfg(test)]
mod tests;
