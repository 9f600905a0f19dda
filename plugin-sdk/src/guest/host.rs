//! The host of a plugin that runs as WebAssembly: each question is a call of an import.

use std::time::Duration;

use crate::time::milliseconds;
use crate::{
    Answer, Host, Level, LocalTime, Past, QueryError, Request, RequestError, Response, State, Timestamp,
    ZoneError,
};

use super::plugin::kulta::analysis::{clock, history, http, log, metrics};

/// What the imports are called through. It holds nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct WasmHost;

impl Host for WasmHost {
    fn query_instant(&self, provider: &str, expr: &str, at: Timestamp) -> Result<Answer, QueryError> {
        let answer = metrics::query_instant(provider, expr, at.milliseconds());
        Ok(answer?.into())
    }

    fn query_range(
        &self,
        provider: &str,
        expr: &str,
        start: Timestamp,
        end: Timestamp,
        step: Duration,
    ) -> Result<Answer, QueryError> {
        let (start, end) = (start.milliseconds(), end.milliseconds());
        let answer = metrics::query_range(provider, expr, start, end, milliseconds(step));
        Ok(answer?.into())
    }

    fn send(&self, request: &Request) -> Result<Response, RequestError> {
        let response = http::send(&request.clone().into());
        Ok(response?.into())
    }

    fn log(&self, level: Level, message: &str) {
        log::log(level.into(), message);
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_milliseconds(clock::now())
    }

    fn local(&self, zone: &str, at: Timestamp) -> Result<LocalTime, ZoneError> {
        let local = clock::local(zone, at.milliseconds());
        local.map(LocalTime::from).map_err(ZoneError)
    }

    fn previous(&self, limit: u32) -> Vec<Past> {
        history::previous(limit).into_iter().map(Past::from).collect()
    }

    fn state(&self) -> Option<State> {
        State::from_bytes(&history::state()?)
    }
}

/// A panic ends the call as a bare `unreachable`: what it has to say, it says in the log before that.
pub(super) fn tell_panics() {
    std::panic::set_hook(Box::new(|panic| {
        log::log(log::Level::Error, &panic.to_string());
    }));
}
