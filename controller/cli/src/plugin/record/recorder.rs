//! Passes queries on, and remembers them with their answers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kulta_plugin_host::metrics::{Answer, MetricsProvider, Pending, Query, QueryError};

/// A query, and what came of it.
pub(super) type Recorded = (Query, Result<Answer, QueryError>);

/// Stands between a plugin and whom it asks.
#[derive(Debug)]
pub(super) struct Recorder {
    metrics: Arc<dyn MetricsProvider>,
    recorded: Mutex<Vec<Recorded>>,
}

impl Recorder {
    pub(super) fn new(metrics: Arc<dyn MetricsProvider>) -> Self {
        Self {
            metrics,
            recorded: Mutex::default(),
        }
    }

    /// Every query once, in the order in which they were first asked: a case answers the same always alike.
    pub(super) fn recorded(&self) -> Vec<Recorded> {
        let mut different: Vec<Recorded> = Vec::new();
        for recorded in self.lock().iter() {
            if !different.iter().any(|(query, _)| is_same(query, &recorded.0)) {
                different.push(recorded.clone());
            }
        }
        different
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Recorded>> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a query as one that nobody has answered yet: which place it has.
    fn begin(&self, query: &Query) -> usize {
        let mut recorded = self.lock();
        recorded.push((query.clone(), Err(QueryError::Timeout)));
        recorded.len() - 1
    }

    fn end(&self, place: usize, answer: &Result<Answer, QueryError>) {
        if let Some((_, recorded)) = self.lock().get_mut(place) {
            recorded.clone_from(answer);
        }
    }
}

/// What is left of the time and the limits is not part of a case.
fn is_same(one: &Query, other: &Query) -> bool {
    (&one.provider, &one.expression, one.window) == (&other.provider, &other.expression, other.window)
}

impl MetricsProvider for Recorder {
    fn query<'a>(&'a self, query: &'a Query) -> Pending<'a> {
        // The host gives up what takes too long: then the answer never comes here.
        let place = self.begin(query);
        Box::pin(async move {
            let answer = self.metrics.query(query).await;
            self.end(place, &answer);
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use kulta_plugin_host::metrics::{Data, Window};

    use super::*;

    /// Answers everything with a text, but never one expression.
    struct Never(&'static str);

    impl MetricsProvider for Never {
        fn query<'a>(&'a self, query: &'a Query) -> Pending<'a> {
            Box::pin(async {
                if query.expression == self.0 {
                    std::future::pending::<()>().await;
                }
                Ok(text())
            })
        }
    }

    fn text() -> Answer {
        Answer {
            data: Data::Text("well".to_owned()),
            warnings: Vec::new(),
        }
    }

    fn query(expression: &str) -> Query {
        Query {
            provider: "prometheus".to_owned(),
            expression: expression.to_owned(),
            window: Window::Instant {
                at: Timestamp::UNIX_EPOCH,
            },
            answer_bytes: 1_000,
            time: Duration::from_secs(5),
        }
    }

    #[tokio::test]
    async fn what_is_asked_twice_is_recorded_once_in_its_order() {
        let recorder = Recorder::new(Arc::new(Never("")));

        for expression in ["b", "a", "b"] {
            assert_eq!(recorder.query(&query(expression)).await, Ok(text()));
        }

        assert_eq!(
            recorder.recorded(),
            [(query("b"), Ok(text())), (query("a"), Ok(text()))]
        );
    }

    #[tokio::test]
    async fn what_the_host_gives_up_was_not_answered_in_time() {
        let recorder = Recorder::new(Arc::new(Never("slow")));

        let given_up = tokio::time::timeout(Duration::ZERO, recorder.query(&query("slow"))).await;

        assert!(given_up.is_err());
        assert_eq!(recorder.recorded(), [(query("slow"), Err(QueryError::Timeout))]);
    }
}
