//! What is sent to a Prometheus, and what is said of an answer before it is read.

use http::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use kulta_plugin_host::metrics::{Query, QueryError, Window};

use crate::access::Address;

/// A wait that a server asks for is told where it is no longer: a number of seconds, or a date.
const LONGEST_WAIT: usize = 40;

/// The request that asks `expression`, with these headers beside it.
pub(super) fn request(
    address: &Address,
    expression: &str,
    query: &Query,
    headers: HeaderMap,
) -> Result<Request<Full<Bytes>>, QueryError> {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("query", expression);
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
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(format!("{address}/api/v1/{resource}"))
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Full::from(form.finish()))
        .map_err(|error| QueryError::Other(error.to_string()))?;
    request.headers_mut().extend(headers);
    Ok(request)
}

/// What a status means that needs no reading of the answer; None: the answer says more.
pub(super) fn refusal(status: StatusCode, headers: &HeaderMap) -> Option<String> {
    let hint = match status {
        StatusCode::TOO_MANY_REQUESTS => {
            let wait = headers.get(RETRY_AFTER).and_then(|wait| wait.to_str().ok());
            let wait = wait.filter(|wait| wait.len() <= LONGEST_WAIT);
            let wait = wait.map_or_else(String::new, |wait| {
                format!("; it asks to be left alone (Retry-After: {wait})")
            });
            format!("it has too many queries{wait}")
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            "the credentials that the operator's configuration has for it are not accepted".to_owned()
        }
        status if status.is_redirection() => {
            "redirects are not followed: have the operator's configuration name the address that it leads to"
                .to_owned()
        }
        _ => return None,
    };
    Some(format!("HTTP status {status}: {hint}"))
}
