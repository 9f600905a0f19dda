//! Providers of metrics, asked for plugins: by POST, without redirects, and read no further than allowed.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::CONTENT_TYPE;
use http::{Method, Request, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kulta_plugin_host::metrics::{Answer, MetricsProvider, Pending, Query, QueryError, Window};
use tokio::sync::Semaphore;

use super::configuration::Provider;
use super::prometheus;

/// Queries of one provider at the same time: one that is slow must not be overrun, nor starve the others.
const AT_ONCE: usize = 8;

/// All providers of the operator's configuration.
#[derive(Debug)]
pub struct Providers {
    client: Client<HttpConnector, Full<Bytes>>,
    known: BTreeMap<String, Known>,
}

#[derive(Debug)]
struct Known {
    provider: Provider,
    places: Semaphore,
}

/// The providers as the analyses of one namespace may use them.
#[derive(Debug)]
pub struct ForNamespace {
    providers: Arc<Providers>,
    namespace: String,
}

impl Providers {
    /// The providers of the operator's configuration.
    #[must_use]
    pub fn new(configured: BTreeMap<String, Provider>) -> Self {
        let places = || Semaphore::new(AT_ONCE);
        let known = |(name, provider)| {
            let places = places();
            (name, Known { provider, places })
        };
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            known: configured.into_iter().map(known).collect(),
        }
    }

    /// The providers as the analyses of `namespace` may use them.
    #[must_use]
    pub fn for_namespace(self: &Arc<Self>, namespace: &str) -> ForNamespace {
        ForNamespace {
            providers: Arc::clone(self),
            namespace: namespace.to_owned(),
        }
    }

    async fn ask(&self, known: &Known, query: &Query) -> Result<Answer, QueryError> {
        let Ok(_place) = known.places.acquire().await else {
            return Err(QueryError::Unavailable(
                "the controller is about to stop".to_owned(),
            ));
        };
        let request = request(&known.provider.address, query)?;
        let answer = self.client.request(request).await.map_err(|error| {
            unavailable(&known.provider.address, &crate::error_chain::with_causes(&error))
        })?;
        let status = answer.status();
        let most = usize::try_from(query.answer_bytes).unwrap_or(usize::MAX);
        let body = Limited::new(answer.into_body(), most).collect().await;
        let body = body.map_err(|error| {
            if error.is::<LengthLimitError>() {
                let bytes = query.answer_bytes;
                QueryError::TooLarge { bytes }
            } else {
                unavailable(&known.provider.address, &error.to_string())
            }
        })?;
        // Prometheus says what is wrong with a query in the body of an answer 400, 422 or 503.
        prometheus::read(&body.to_bytes()).map_err(|error| match error {
            QueryError::Unavailable(_) if !status.is_success() => {
                unavailable(&known.provider.address, &format!("HTTP status {status}"))
            }
            error => error,
        })
    }
}

impl MetricsProvider for ForNamespace {
    fn query<'a>(&'a self, query: &'a Query) -> Pending<'a> {
        Box::pin(async move {
            let name = &query.provider;
            let known =
                self.providers.known.get(name).ok_or_else(|| {
                    QueryError::Denied(format!("the operator has set up no provider {name:?}"))
                })?;
            if !known.provider.serves(&self.namespace) {
                let namespace = &self.namespace;
                let message =
                    format!("the provider {name:?} is not for analyses of the namespace {namespace:?}");
                return Err(QueryError::Denied(message));
            }
            let limit = query.time.min(known.provider.timeout());
            let answer = tokio::time::timeout(limit, self.providers.ask(known, query)).await;
            answer.unwrap_or(Err(QueryError::Timeout))
        })
    }
}

/// Whoever reads a status need not know addresses: the host is enough to find the fault.
fn unavailable(address: &Uri, cause: &str) -> QueryError {
    QueryError::Unavailable(format!("{}: {cause}", address.host().unwrap_or("the provider")))
}

fn request(address: &Uri, query: &Query) -> Result<Request<Full<Bytes>>, QueryError> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("query", &query.expression);
    let seconds = |time: jiff::Timestamp| format!("{:.3}", time.as_duration().as_secs_f64());
    let resource = match query.window {
        Window::Instant { at } => {
            form.append_pair("time", &seconds(at));
            "query"
        }
        Window::Range { start, end, step } => {
            form.append_pair("start", &seconds(start));
            form.append_pair("end", &seconds(end));
            form.append_pair("step", &format!("{:.3}", step.as_secs_f64()));
            "query_range"
        }
    };
    let base = address.to_string();
    let uri = format!("{}/api/v1/{resource}", base.trim_end_matches('/'));
    Request::builder()
        .method(Method::POST)
        .uri(uri)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Full::from(form.finish()))
        .map_err(|error| QueryError::Other(error.to_string()))
}

#[cfg(test)]
mod tests;
