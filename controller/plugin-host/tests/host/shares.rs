//! What calls for one namespace leave to others, and calls that are made again because there was no room.

use std::sync::Arc;

use kulta_core::analysis::verdict::Value;
use kulta_plugin_host::limits::{Limit, Limits};
use kulta_plugin_host::metrics::{MetricsProvider, Pending, Query, QueryError};
use kulta_plugin_host::{CallError, ConditionFault, Conditions, Delivery, Host};
use tokio::sync::Notify;

use crate::build::{component, conformance};
use crate::scene::{host, now, plugin, request};

const MEMORY: &str = include_str!("../../../../tests/conformance/plugins/parts/memory.wat");
/// The share of one namespace.
const SHARE: u64 = 32 << 20;
/// Longer than a test takes on a busy machine.
const LONG_MILLIS: u64 = 60_000;

/// For as long as the test runs, a call for the namespace `shop` holds all memory that is its share.
async fn use_up_the_share_of_shop(host: &Host) {
    let pages = SHARE / (64 << 10);
    let memory = MEMORY.replace("\"memory\") 2)", &format!("\"memory\") {pages})"));
    let source = format!("{}\n{memory}", conformance!("thousand-queries"));
    let delivery = Delivery::read(&component(&source)).unwrap();
    let limits = Limits::default().with(Limit::MemoryBytes, SHARE).unwrap();
    let limits = limits.with(Limit::CallMillis, LONG_MILLIS).unwrap();
    let large = host.load("large", &delivery, &limits).await.unwrap();
    let mut request = request();
    let holding = Arc::new(Holding::default());
    request.metrics = Arc::<Holding>::clone(&holding);
    request.limits = limits;
    tokio::spawn(async move { large.evaluate(request).await });
    holding.0.notified().await;
}

/// Tells that it was asked, and never answers.
#[derive(Default)]
struct Holding(Notify);

impl MetricsProvider for Holding {
    fn query<'a>(&'a self, _query: &'a Query) -> Pending<'a> {
        self.0.notify_one();
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_configuration_is_checked_within_the_share_of_its_namespace() {
    let host = host();
    let good = plugin(&host, conformance!("good")).await;
    use_up_the_share_of_shop(&host).await;
    let check = async |namespace| {
        let checked = good
            .check_config(namespace, "{}", now(), &Limits::default())
            .await;
        checked.result.map_err(|failure| failure.cause)
    };

    assert!(matches!(check("shop").await, Err(CallError::Busy)));
    assert!(check("depot").await.is_ok());
}

#[tokio::test]
async fn a_condition_is_evaluated_within_the_share_of_its_namespace() {
    let host = Arc::new(host());
    let conditions = Conditions::new(Arc::clone(&host));
    let evaluate = async |namespace| {
        let (answer, _report) = conditions
            .evaluate(namespace, "result < 1", &Value::Scalar(0.5))
            .await;
        answer.map_err(|error| error.cause)
    };
    // What evaluates is compiled at its first use.
    assert!(matches!(evaluate("shop").await, Ok(true)));

    use_up_the_share_of_shop(&host).await;

    assert!(matches!(evaluate("shop").await, Err(ConditionFault::Busy(_))));
    assert!(matches!(evaluate("depot").await, Ok(true)));
}

/// Has no place for any query.
struct Full;

impl MetricsProvider for Full {
    fn query<'a>(&'a self, _query: &'a Query) -> Pending<'a> {
        Box::pin(async { Err(QueryError::NoPlace) })
    }
}

#[tokio::test]
async fn a_call_ends_where_a_provider_has_no_place_for_its_query() {
    let host = host();
    let asking = plugin(&host, conformance!("thousand-queries")).await;
    let mut crowded = request();
    crowded.metrics = Arc::new(Full);

    let finished = asking.evaluate(crowded).await;

    let cause = finished.result.unwrap_err().cause;
    assert!(matches!(cause, CallError::NoPlace), "{cause:?}");
    assert!(cause.is_for_want_of_room());
    assert_eq!(finished.report.queries, 1);
}
