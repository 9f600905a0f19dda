//! The functions that plugins call: thin, counted, and free of anything that is not in [`Surroundings`].
//!
//! [`Surroundings`]: crate::guest::Surroundings

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kulta_core::analysis::verdict::Past;
use tokio::time::Instant;

use crate::bindings::{clock, history, http as wit_http, log, metrics as wit};
use crate::guest::{Guest, NoPlace};
use crate::http::{Request, RequestError, Response};
use crate::metrics::{Query, QueryError, Window};
use crate::{convert, limits, text, zone};

impl log::Host for Guest {
    fn log(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        self.host_call()?;
        self.logbook.write(level, &message);
        Ok(())
    }
}

impl clock::Host for Guest {
    fn now(&mut self) -> wasmtime::Result<u64> {
        self.host_call()?;
        Ok(convert::millis(self.surroundings.now))
    }

    fn local(&mut self, zone: String, at: u64) -> wasmtime::Result<Result<clock::LocalTime, String>> {
        self.host_call()?;
        Ok(zone::local(&zone, at).map_err(|unknown| unknown.to_string()))
    }
}

impl history::Host for Guest {
    fn previous(&mut self, limit: u32) -> wasmtime::Result<Vec<history::Past>> {
        self.host_call()?;
        let wanted = usize::try_from(limit).unwrap_or(usize::MAX).min(limits::HISTORY);
        let previous: &[Past] = &self.surroundings.previous;
        Ok(previous.iter().take(wanted).map(convert::past).collect())
    }

    fn state(&mut self) -> wasmtime::Result<Option<Vec<u8>>> {
        self.host_call()?;
        Ok(self.surroundings.state.clone())
    }
}

impl wit::Host for Guest {
    async fn query_instant(
        &mut self,
        provider: String,
        expr: String,
        at: u64,
    ) -> wasmtime::Result<Result<wit::Answer, wit::QueryError>> {
        self.host_call()?;
        let window = instant(at);
        self.query(provider, expr, window).await
    }

    async fn query_range(
        &mut self,
        provider: String,
        expr: String,
        start: u64,
        end: u64,
        step_ms: u64,
    ) -> wasmtime::Result<Result<wit::Answer, wit::QueryError>> {
        self.host_call()?;
        let window = range(start, end, step_ms);
        self.query(provider, expr, window).await
    }
}

impl wit_http::Host for Guest {
    async fn send(
        &mut self,
        request: wit_http::Request,
    ) -> wasmtime::Result<Result<wit_http::Response, wit_http::RequestError>> {
        self.host_call()?;
        if !self.takes_question() {
            return Ok(Err(wit_http::RequestError::BudgetExhausted));
        }
        let answer = self.sent(request).await;
        if answer == Err(RequestError::NoPlace) {
            return Err(wasmtime::Error::new(NoPlace));
        }
        Ok(answer.map(convert::response).map_err(convert::request_error))
    }
}

impl Guest {
    /// Counts one more query or request; whether it may still be asked.
    fn takes_question(&mut self) -> bool {
        let is_allowed = self.queries < self.query_limit;
        if is_allowed {
            self.queries = self.queries.saturating_add(1);
        }
        is_allowed
    }

    /// Sends a request, if the plugin may.
    async fn sent(&self, request: wit_http::Request) -> Result<Response, RequestError> {
        let Some(http) = self.surroundings.http.as_deref() else {
            return Err(RequestError::Denied("no server can be asked here".to_owned()));
        };
        if request.url.len() > limits::URL_BYTES {
            let message = format!(
                "a URL of {} bytes: at most {}",
                request.url.len(),
                limits::URL_BYTES
            );
            return Err(RequestError::BadRequest(message));
        }
        let request = Request {
            time: self.request_time(request.timeout_ms),
            answer_bytes: self.answer_bytes,
            ..convert::request(request)
        };
        let answer = tokio::time::timeout(request.time, http.send(&request))
            .await
            .map_err(|_elapsed| RequestError::Timeout)??;
        let bytes = answer.bytes();
        if bytes > self.answer_bytes {
            return Err(RequestError::TooLarge { bytes });
        }
        Ok(answer)
    }

    /// So that the plugin can still tell that there was no answer.
    fn request_time(&self, wanted_millis: u64) -> Duration {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let left = left.saturating_sub(limits::TIME_AFTER_REQUEST);
        left.min(Duration::from_millis(wanted_millis))
    }

    /// Asks a provider, if the plugin may: the number of queries first, so that refusals are bounded, too.
    async fn query(
        &mut self,
        provider: String,
        expression: String,
        window: Result<Window, QueryError>,
    ) -> wasmtime::Result<Result<wit::Answer, wit::QueryError>> {
        if !self.takes_question() {
            return Ok(Err(wit::QueryError::BudgetExhausted));
        }
        let answer = self.ask(provider, expression, window).await;
        if answer == Err(QueryError::NoPlace) {
            return Err(wasmtime::Error::new(NoPlace));
        }
        Ok(answer.map(convert::answer).map_err(convert::query_error))
    }

    async fn ask(
        &self,
        provider: String,
        expression: String,
        window: Result<Window, QueryError>,
    ) -> Result<crate::metrics::Answer, QueryError> {
        let Some(metrics) = self.surroundings.metrics.as_deref() else {
            return Err(QueryError::Denied("no provider can be asked here".to_owned()));
        };
        if !self.surroundings.grants.contains(&provider) {
            let name = text::line(&provider, limits::NAME_BYTES);
            return Err(QueryError::Denied(format!(
                "provider {name:?} is not granted to this plugin"
            )));
        }
        if expression.len() > limits::EXPRESSION_BYTES {
            let message = format!("{} bytes: at most {}", expression.len(), limits::EXPRESSION_BYTES);
            return Err(QueryError::BadQuery(message));
        }
        let query = Query {
            provider,
            expression,
            window: window?,
            answer_bytes: self.answer_bytes,
            time: self.query_time(),
        };
        let answer = tokio::time::timeout(query.time, metrics.query(&query))
            .await
            .map_err(|_elapsed| QueryError::Timeout)??;
        let bytes = answer.bytes();
        if bytes > self.answer_bytes {
            return Err(QueryError::TooLarge { bytes });
        }
        Ok(answer)
    }

    fn query_time(&self) -> Duration {
        let left = self.deadline.saturating_duration_since(Instant::now());
        left.min(limits::QUERY_TIME)
    }
}

fn instant(at: u64) -> Result<Window, QueryError> {
    Ok(Window::Instant { at: timestamp(at)? })
}

fn range(start: u64, end: u64, step_ms: u64) -> Result<Window, QueryError> {
    let length = end
        .checked_sub(start)
        .ok_or_else(|| QueryError::BadQuery("the end is before the start".to_owned()))?;
    if length > limits::RANGE_MILLIS {
        return Err(QueryError::BadQuery(format!(
            "{length} ms: at most {} (6 hours)",
            limits::RANGE_MILLIS
        )));
    }
    let steps = length
        .checked_div(step_ms)
        .ok_or_else(|| QueryError::BadQuery("the step is 0 ms".to_owned()))?;
    if steps > limits::RANGE_STEPS {
        return Err(QueryError::BadQuery(format!(
            "{steps} steps: at most {}",
            limits::RANGE_STEPS
        )));
    }
    let step =
        i64::try_from(step_ms).map_err(|_large| QueryError::BadQuery("the step is too long".to_owned()))?;
    Ok(Window::Range {
        start: timestamp(start)?,
        end: timestamp(end)?,
        step: SignedDuration::from_millis(step),
    })
}

fn timestamp(millis: u64) -> Result<Timestamp, QueryError> {
    convert::timestamp(millis).ok_or_else(|| QueryError::BadQuery(format!("time {millis} is out of range")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 60 * 60 * 1000;

    #[test]
    fn six_hours_are_a_range_and_more_are_not() {
        assert!(range(HOUR, 7 * HOUR, 15_000).is_ok());
        assert!(matches!(
            range(HOUR, 7 * HOUR + 1, 15_000),
            Err(QueryError::BadQuery(_))
        ));
    }

    #[test]
    fn a_range_has_at_most_eleven_thousand_steps() {
        assert!(range(0, 11_000, 1).is_ok());
        assert!(matches!(range(0, 11_001, 1), Err(QueryError::BadQuery(_))));
    }

    #[test]
    fn a_range_without_step_is_refused() {
        assert!(matches!(range(0, HOUR, 0), Err(QueryError::BadQuery(_))));
    }

    #[test]
    fn a_range_that_ends_before_it_begins_is_refused() {
        assert!(matches!(range(HOUR, 0, 1000), Err(QueryError::BadQuery(_))));
    }

    #[test]
    fn a_time_beyond_all_calendars_is_refused() {
        assert!(matches!(instant(u64::MAX), Err(QueryError::BadQuery(_))));
    }
}
