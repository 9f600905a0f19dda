//! Requests of plugins to servers: those that the operator lists for the plugin, and no other.
//!
//! Texts of Secrets go into values of headers and into bodies, written as the body's type has them. In a URL they are
//! denied: servers and proxies write URLs down.

use std::borrow::Cow;
use std::sync::Arc;

use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderName, HeaderValue,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{Method, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use kulta_api::analysis::{Measured, is_known};
use kulta_core::text::with_causes;
use kulta_plugin_host::Redaction;
use kulta_plugin_host::http::{HttpClient, Method as Wanted, Pending, Request, RequestError, Response};
use serde_json::Value;

use super::secrets::STAND_IN_BEGINS;
use super::{ForNamespace, Known};
use crate::access::Address;
use crate::analysis::plugins::WEB;

/// What is about the connection and not about what is asked, so that no plugin can make a server see another request than
/// the one that was sent.
const OWN_HEADERS: [HeaderName; 9] = [
    CONNECTION,
    CONTENT_LENGTH,
    EXPECT,
    HOST,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];
/// Where the bundled plugin has the servers that it asks: as a pointer, and as people write it.
const URL_FIELDS: [(&str, &str); 2] = [
    ("/url", "url"),
    (
        "/authentication/oauth2/tokenUrl",
        "authentication.oauth2.tokenUrl",
    ),
];
/// What a server sees of who asks.
const AGENT: &str = concat!("kulta/", env!("CARGO_PKG_VERSION"));

/// How a body is written, as far as it matters for what is put into it.
#[derive(Clone, Copy)]
enum Writing {
    Json,
    Form,
    Plain,
}

impl ForNamespace {
    /// Which server that a metric of the bundled plugin asks can't be asked: the field below its configuration, and why.
    /// None: all can, or which ones they are is not known yet.
    #[must_use]
    pub fn refuses_url_of(&self, measured: &Measured) -> Option<(&'static str, String)> {
        if measured.plugin != WEB {
            return None;
        }
        URL_FIELDS.iter().find_map(|(pointer, field)| {
            let url = measured.configuration.pointer(pointer);
            let url = url.filter(|url| is_known(url))?.as_str()?;
            let message = match self.server_of(url).err()? {
                RequestError::Denied(message) | RequestError::BadRequest(message) => message,
                other => other.to_string(),
            };
            Some((*field, message))
        })
    }

    /// The server of a URL, if it may be asked, and the URL as it is asked.
    fn server_of(&self, url: &str) -> Result<(Arc<Known>, Uri), RequestError> {
        if url.contains(STAND_IN_BEGINS) {
            return Err(RequestError::Denied(
                "a text of a Secret has no place in a URL, which servers and proxies write down: use it in a header or \
                 in the body"
                    .to_owned(),
            ));
        }
        let bad = |problem: &str| RequestError::BadRequest(format!("the url {problem}"));
        let uri: Uri = url
            .parse()
            .map_err(|_| bad("can't be read: write http://HOST:PORT/PATH or https://HOST:PORT/PATH"))?;
        let scheme = uri.scheme_str().unwrap_or_default();
        let authority = uri
            .authority()
            .map(http::uri::Authority::as_str)
            .unwrap_or_default();
        let origin = Address::parse(&format!("{scheme}://{authority}")).map_err(bad)?;
        let setup = Arc::clone(&self.providers.current.read());
        let (plugin, servers) = &self.servers;
        let known = setup.server(&origin, servers).map_err(|why| {
            RequestError::Denied(format!(
                "\"{origin}\" may not be asked{why}: whoever operates KULTA can list it in plugins.{plugin}.http.origins"
            ))
        })?;
        let wanted = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let asked = format!("{}{wanted}", known.provider.address);
        let asked = asked.parse().map_err(|_| bad("can't be read"))?;
        Ok((known, asked))
    }

    async fn answer(&self, known: &Known, uri: Uri, request: &Request) -> Result<Response, RequestError> {
        let address = &known.provider.address;
        let unavailable = |cause: &str| RequestError::Unavailable(format!("{}: {cause}", address.host()));
        let sent = self.filled(uri, request)?;
        let client = known.connection.client().await;
        let client = client.map_err(|error| unavailable(&with_causes(&error)))?;
        let answer = client.request(sent).await;
        let (head, body) = answer
            .map_err(|error| unavailable(&with_causes(&error)))?
            .into_parts();
        let most = usize::try_from(request.answer_bytes).unwrap_or(usize::MAX);
        let body = Limited::new(body, most).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                let bytes = request.answer_bytes;
                RequestError::TooLarge { bytes }
            } else {
                unavailable(&error.to_string())
            }
        })?;
        let headers = head.headers.iter().filter_map(|(name, value)| {
            let value = value.to_str().ok()?;
            Some((name.as_str().to_owned(), value.to_owned()))
        });
        Ok(Response {
            status: head.status.as_u16(),
            headers: headers.collect(),
            body: String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        })
    }

    /// The request with the texts of Secrets in it.
    fn filled(&self, uri: Uri, request: &Request) -> Result<http::Request<Full<Bytes>>, RequestError> {
        let bad = RequestError::BadRequest;
        let method = match request.method {
            Wanted::Get => Method::GET,
            Wanted::Post => Method::POST,
            Wanted::Put => Method::PUT,
        };
        let mut sent = http::Request::new(Full::default());
        *sent.method_mut() = method;
        *sent.uri_mut() = uri;
        let headers = sent.headers_mut();
        headers.insert(http::header::USER_AGENT, HeaderValue::from_static(AGENT));
        for (name, value) in &request.headers {
            let known: HeaderName = name
                .parse()
                .map_err(|_| bad(format!("{name:?} is no name of a header")))?;
            if OWN_HEADERS.contains(&known) {
                return Err(bad(format!("the header {known} is set by KULTA: take it out")));
            }
            let value = self.secrets.filled_in(value, |text| Cow::Borrowed(text.trim()))?;
            let mut value = HeaderValue::from_str(&value).map_err(|_| {
                bad(format!(
                    "the header {known} has a value with characters that no header can have"
                ))
            })?;
            value.set_sensitive(true);
            headers.insert(known, value);
        }
        if let Some(body) = &request.body {
            let writing = Writing::of(headers.get(CONTENT_TYPE));
            let body = self.secrets.filled_in(body, |text| writing.written(text))?;
            *sent.body_mut() = Full::from(body);
        }
        Ok(sent)
    }

    /// The credentials in the headers of a request: those with texts of Secrets, and who asks, which a plugin may know from
    /// another server only, such as a token of `OAuth` 2.
    fn credentials_of(&self, request: &Request) -> Vec<String> {
        let mut credentials = Vec::new();
        for (name, value) in &request.headers {
            let is_authorization = name.eq_ignore_ascii_case(AUTHORIZATION.as_str());
            if !is_authorization && !value.contains(STAND_IN_BEGINS) {
                continue;
            }
            let filled = self.secrets.filled_in(value, |text| Cow::Borrowed(text.trim()));
            // With a header that can't be filled in, nothing was sent.
            let Ok(value) = filled else { continue };
            // Without the scheme, too: a token alone is as good.
            if is_authorization && let Some((_, token)) = value.trim().split_once(' ') {
                credentials.push(token.trim().to_owned());
            }
            credentials.push(value);
        }
        credentials
    }
}

impl Writing {
    fn of(content_type: Option<&HeaderValue>) -> Self {
        let content_type = content_type
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let content_type = content_type.split(';').next().unwrap_or_default().trim();
        match content_type.to_ascii_lowercase().as_str() {
            "application/x-www-form-urlencoded" => Self::Form,
            json if json == "application/json" || json.ends_with("+json") => Self::Json,
            _ => Self::Plain,
        }
    }

    /// A text as a part of such a body, so that it can't become more than a text.
    fn written(self, text: &str) -> Cow<'_, str> {
        match self {
            Self::Plain => Cow::Borrowed(text),
            Self::Form => form_urlencoded::byte_serialize(text.as_bytes()).collect(),
            Self::Json => {
                let quoted = Value::from(text).to_string();
                let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
                Cow::Owned(inner.unwrap_or_default().to_owned())
            }
        }
    }
}

impl HttpClient for ForNamespace {
    fn send<'a>(&'a self, request: &'a Request) -> Pending<'a> {
        Box::pin(async move {
            let (known, uri) = self.server_of(&request.url)?;
            if !self.has_place(&known) {
                return Err(RequestError::NoPlace);
            }
            let answer = tokio::time::timeout(request.time, self.answer(&known, uri, request)).await;
            let redaction = self.secrets.redaction_with(&self.credentials_of(request));
            hidden(&redaction, answer.unwrap_or(Err(RequestError::Timeout)))
        })
    }
}

/// An answer without texts of Secrets and credentials, should a server have sent them back.
fn hidden(redaction: &Redaction, answer: Result<Response, RequestError>) -> Result<Response, RequestError> {
    let hide = |message: String| redaction.hide(&message).into_owned();
    match answer {
        Ok(mut response) => {
            redaction.hide_in(&mut response.body);
            for (_, value) in &mut response.headers {
                redaction.hide_in(value);
            }
            Ok(response)
        }
        Err(RequestError::Denied(message)) => Err(RequestError::Denied(hide(message))),
        Err(RequestError::BadRequest(message)) => Err(RequestError::BadRequest(hide(message))),
        Err(RequestError::Unavailable(message)) => Err(RequestError::Unavailable(hide(message))),
        Err(error @ (RequestError::TooLarge { .. } | RequestError::Timeout | RequestError::NoPlace)) => {
            Err(error)
        }
    }
}
