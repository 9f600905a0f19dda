//! KULTA for unit tests: a host that knows the answers.

mod answers;
mod nearest;

use std::cell::RefCell;
use std::time::Duration;

use crate::{
    Answer, Host, Level, LocalTime, Past, QueryError, Request, RequestError, Response, State, Timestamp,
    ZoneError,
};

pub use self::answers::{matrix, scalar, series, text, vector, warned};

/// A host that answers what it was told to, and fails the test when it is asked anything else.
///
/// ```
/// use kulta_plugin_sdk::mock::{MockHost, scalar};
/// use kulta_plugin_sdk::{Host, Timestamp};
///
/// let now = Timestamp::from_milliseconds(1_700_000_000_000);
/// let host = MockHost::at(now).instant("up", scalar(1.0));
/// assert_eq!(host.query_instant("prometheus", "up", now), Ok(scalar(1.0)));
/// ```
#[derive(Debug)]
pub struct MockHost {
    now: Timestamp,
    provider: String,
    expected: Vec<Expected>,
    zones: Vec<(String, LocalTime)>,
    past: Vec<Past>,
    state: Option<State>,
    asked: RefCell<Vec<Query>>,
    servers: Vec<(String, Result<Response, RequestError>)>,
    sent: RefCell<Vec<Request>>,
    logged: RefCell<Vec<(Level, String)>>,
}

/// A query that was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The provider that was asked.
    pub provider: String,
    /// The query.
    pub expr: String,
    /// For when.
    pub time: QueryTime,
}

/// For when a query was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryTime {
    /// An instant query.
    Instant(Timestamp),
    /// A range query.
    Range {
        /// The first step.
        start: Timestamp,
        /// At most the last step.
        end: Timestamp,
        /// From one step to the next.
        step: Duration,
    },
}

#[derive(Debug)]
struct Expected {
    provider: String,
    expr: String,
    is_range: bool,
    answer: Result<Answer, QueryError>,
}

impl MockHost {
    /// A host that is called at this time and expects no query.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self {
            now,
            provider: "prometheus".to_owned(),
            expected: Vec::new(),
            zones: Vec::new(),
            past: Vec::new(),
            state: None,
            asked: RefCell::new(Vec::new()),
            servers: Vec::new(),
            sent: RefCell::new(Vec::new()),
            logged: RefCell::new(Vec::new()),
        }
    }

    /// The queries that follow are expected of this provider. Before the first call it is `prometheus`.
    #[must_use]
    pub fn provider(mut self, name: &str) -> Self {
        name.clone_into(&mut self.provider);
        self
    }

    /// Answers this instant query, whenever it is for and however often it is asked.
    #[must_use]
    pub fn instant(self, expr: &str, answer: impl IntoAnswer) -> Self {
        self.expect(expr, false, answer.into_answer())
    }

    /// Answers this range query, whatever its range and however often it is asked.
    #[must_use]
    pub fn range(self, expr: &str, answer: impl IntoAnswer) -> Self {
        self.expect(expr, true, answer.into_answer())
    }

    fn expect(mut self, expr: &str, is_range: bool, answer: Result<Answer, QueryError>) -> Self {
        self.expected.push(Expected {
            provider: self.provider.clone(),
            expr: expr.to_owned(),
            is_range,
            answer,
        });
        self
    }

    /// Answers every request for this URL, whatever is sent.
    #[must_use]
    pub fn server(mut self, url: &str, answer: Result<Response, RequestError>) -> Self {
        self.servers.push((url.to_owned(), answer));
        self
    }

    /// Shows this time in a time zone, whatever time is asked for.
    #[must_use]
    pub fn zone(mut self, name: &str, local: LocalTime) -> Self {
        self.zones.push((name.to_owned(), local));
        self
    }

    /// What was answered before, newest first.
    #[must_use]
    pub fn history(mut self, past: Vec<Past>) -> Self {
        self.past = past;
        self
    }

    /// The state that the latest outcome handed back.
    #[must_use]
    pub fn with_state(mut self, state: State) -> Self {
        self.state = Some(state);
        self
    }

    /// The queries that were asked so far, in their order.
    #[must_use]
    pub fn asked(&self) -> Vec<Query> {
        self.asked.borrow().clone()
    }

    /// The requests that were sent so far, in their order.
    #[must_use]
    pub fn sent(&self) -> Vec<Request> {
        self.sent.borrow().clone()
    }

    /// The lines that were logged so far.
    #[must_use]
    pub fn logged(&self) -> Vec<(Level, String)> {
        self.logged.borrow().clone()
    }

    #[expect(clippy::panic, reason = "this is how a test fails")]
    fn answer(&self, query: Query) -> Result<Answer, QueryError> {
        let is_range = matches!(query.time, QueryTime::Range { .. });
        let fits = |expected: &&Expected| {
            expected.provider == query.provider
                && expected.expr == query.expr
                && expected.is_range == is_range
        };
        let Some(expected) = self.expected.iter().find(fits) else {
            panic!("{}", self.unexpected(&query, is_range));
        };
        self.asked.borrow_mut().push(query);
        expected.answer.clone()
    }

    fn unexpected(&self, query: &Query, is_range: bool) -> String {
        let asked = described(&query.provider, &query.expr, is_range);
        let expected = self
            .expected
            .iter()
            .map(|one| described(&one.provider, &one.expr, one.is_range));
        match nearest::nearest(&asked, expected) {
            Some(nearest) => format!("unexpected query:\n  asked:   {asked}\n  nearest: {nearest}"),
            None => format!("unexpected query: {asked}; none is expected"),
        }
    }
}

fn described(provider: &str, expr: &str, is_range: bool) -> String {
    let kind = if is_range { "range" } else { "instant" };
    format!("{provider} {kind} `{expr}`")
}

/// What a query can be answered with: an answer, or a reason why there is none.
pub trait IntoAnswer {
    /// The answer itself.
    ///
    /// # Errors
    /// The reason why there is none.
    fn into_answer(self) -> Result<Answer, QueryError>;
}

impl IntoAnswer for Answer {
    fn into_answer(self) -> Result<Answer, QueryError> {
        Ok(self)
    }
}

impl IntoAnswer for QueryError {
    fn into_answer(self) -> Result<Answer, QueryError> {
        Err(self)
    }
}

impl Host for MockHost {
    fn query_instant(&self, provider: &str, expr: &str, at: Timestamp) -> Result<Answer, QueryError> {
        self.answer(Query {
            provider: provider.to_owned(),
            expr: expr.to_owned(),
            time: QueryTime::Instant(at),
        })
    }

    fn query_range(
        &self,
        provider: &str,
        expr: &str,
        start: Timestamp,
        end: Timestamp,
        step: Duration,
    ) -> Result<Answer, QueryError> {
        self.answer(Query {
            provider: provider.to_owned(),
            expr: expr.to_owned(),
            time: QueryTime::Range { start, end, step },
        })
    }

    #[expect(clippy::panic, reason = "this is how a test fails")]
    fn send(&self, request: &Request) -> Result<Response, RequestError> {
        let Some((_, answer)) = self.servers.iter().find(|(url, _)| *url == request.url) else {
            let expected = self.servers.iter().map(|(url, _)| url.clone());
            let nearest =
                nearest::nearest(&request.url, expected).unwrap_or_else(|| "none is expected".to_owned());
            panic!(
                "unexpected request:\n  sent:    {}\n  nearest: {nearest}",
                request.url
            );
        };
        self.sent.borrow_mut().push(request.clone());
        answer.clone()
    }

    fn log(&self, level: Level, message: &str) {
        self.logged.borrow_mut().push((level, message.to_owned()));
    }

    fn now(&self) -> Timestamp {
        self.now
    }

    fn local(&self, zone: &str, _at: Timestamp) -> Result<LocalTime, ZoneError> {
        let known = self.zones.iter().find(|(name, _)| name == zone);
        known
            .map(|(_, local)| *local)
            .ok_or_else(|| ZoneError(format!("there is no time zone {zone}")))
    }

    fn previous(&self, limit: u32) -> Vec<Past> {
        let limit = usize::try_from(limit.min(100)).unwrap_or(100);
        self.past.iter().take(limit).cloned().collect()
    }

    fn state(&self) -> Option<State> {
        self.state.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Measurement, Method, Phase};

    const NOON: Timestamp = Timestamp::from_milliseconds(43_200_000);

    #[test]
    fn an_expected_query_is_answered_and_noted() {
        let host = MockHost::at(NOON).instant("up", scalar(1.0));
        assert_eq!(host.query_instant("prometheus", "up", NOON), Ok(scalar(1.0)));
        let [asked] = host.asked().try_into().unwrap();
        assert_eq!(asked.time, QueryTime::Instant(NOON));
    }

    #[test]
    fn a_query_can_be_expected_to_have_no_answer() {
        let host = MockHost::at(NOON).instant("up", QueryError::Timeout);
        assert_eq!(
            host.query_instant("prometheus", "up", NOON),
            Err(QueryError::Timeout)
        );
    }

    #[test]
    fn providers_are_told_apart() {
        let host = MockHost::at(NOON)
            .instant("up", scalar(1.0))
            .provider("thanos")
            .instant("up", scalar(2.0));
        assert_eq!(host.query_instant("thanos", "up", NOON), Ok(scalar(2.0)));
    }

    #[test]
    fn a_range_query_is_answered() {
        let host = MockHost::at(NOON).range("up", matrix(Vec::new()));
        let (start, step) = (NOON.minus(Duration::from_mins(5)), Duration::from_secs(15));
        let answer = host.query_range("prometheus", "up", start, NOON, step);
        assert_eq!(answer, Ok(matrix(Vec::new())));
    }

    #[test]
    #[should_panic(expected = "asked:   prometheus instant `upp`\n  nearest: prometheus instant `up`")]
    fn an_unexpected_query_fails_the_test_and_names_the_nearest() {
        let host = MockHost::at(NOON)
            .instant("sum(rate(x[5m]))", scalar(1.0))
            .instant("up", scalar(1.0));
        let _ = host.query_instant("prometheus", "upp", NOON);
    }

    #[test]
    #[should_panic(expected = "none is expected")]
    fn a_query_where_none_is_expected_fails_the_test() {
        let _ = MockHost::at(NOON).query_instant("prometheus", "up", NOON);
    }

    #[test]
    fn an_expected_request_is_answered_and_noted() {
        let response = Response {
            status: 204,
            headers: Vec::new(),
            body: String::new(),
        };
        let host = MockHost::at(NOON).server("http://a.b/c", Ok(response.clone()));
        let request = Request {
            method: Method::Get,
            url: "http://a.b/c".to_owned(),
            headers: Vec::new(),
            body: None,
            timeout: Duration::from_secs(1),
        };
        assert_eq!(host.send(&request), Ok(response));
        assert_eq!(host.sent(), [request]);
    }

    #[test]
    fn the_log_is_kept() {
        let host = MockHost::at(NOON);
        host.log(Level::Warn, "odd");
        assert_eq!(host.logged(), [(Level::Warn, "odd".to_owned())]);
    }

    #[test]
    fn earlier_calls_come_newest_first_and_not_more_than_asked_for() {
        let past = |at| Past {
            at: Timestamp::from_milliseconds(at),
            phase: Phase::Pass,
            measurement: Measurement::default(),
        };
        let host = MockHost::at(NOON).history(vec![past(3), past(2), past(1)]);
        assert_eq!(host.previous(2), [past(3), past(2)]);
    }

    #[test]
    fn state_is_handed_back() {
        let state = State::new(1, vec![7]);
        let host = MockHost::at(NOON).with_state(state.clone());
        assert_eq!(host.state(), Some(state));
    }

    #[test]
    fn a_zone_that_was_not_told_of_does_not_exist() {
        let unknown = MockHost::at(NOON).local("Mars/Olympus", NOON);
        assert_eq!(
            unknown,
            Err(ZoneError("there is no time zone Mars/Olympus".to_owned()))
        );
    }
}
