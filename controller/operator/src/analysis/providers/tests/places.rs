//! Queries at the same time: who has a place at a provider, and who waits for one.

use super::*;

/// Queries of one provider at the same time, and those for one namespace.
const AT_ONCE: usize = 8;
const AT_ONCE_FOR_NAMESPACE: usize = 4;

/// A provider for everybody that never answers, and what it was asked.
async fn slow() -> (Arc<Providers>, Asked) {
    let (address, asked) = server(Answered::Never).await;
    let provider = Provider {
        namespaces: vec!["*".to_owned()],
        ..Provider::plain(address)
    };
    (with(provider), asked)
}

/// So many queries for this namespace, which begin at once and have half a second each.
fn begin(providers: &Arc<Providers>, namespace: &str, count: usize) {
    for _ in 0..count {
        let analysis = providers.for_namespace(namespace);
        tokio::spawn(async move { analysis.query(&query("up")).await });
    }
}

/// Two namespaces have taken all places.
async fn crowded() -> (Arc<Providers>, Asked) {
    let (providers, asked) = slow().await;
    begin(&providers, "bank", AT_ONCE_FOR_NAMESPACE);
    begin(&providers, "depot", AT_ONCE_FOR_NAMESPACE);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(asked.lock().len(), AT_ONCE);
    (providers, asked)
}

#[tokio::test]
async fn a_query_without_a_place_is_told_at_once_and_not_asked() {
    let (providers, asked) = crowded().await;

    let answer = providers.for_namespace("shop").query(&query("up")).await;

    assert_eq!(answer, Err(QueryError::NoPlace));
    assert_eq!(asked.lock().len(), AT_ONCE);
}

#[tokio::test]
async fn a_provider_is_asked_no_more_at_once_than_the_operator_says() {
    let (address, asked) = server(Answered::Never).await;
    let mut provider = Provider::plain(address);
    provider.limits.queries_at_once = 2;
    let providers = with(provider);

    begin(&providers, "bank", 2);
    begin(&providers, "depot", 2);
    tokio::time::sleep(Duration::from_millis(100)).await;

    assert_eq!(asked.lock().len(), 2);
}

#[tokio::test]
async fn one_namespace_does_not_take_all_places() {
    let (providers, asked) = slow().await;

    begin(&providers, "bank", AT_ONCE);
    begin(&providers, "shop", 1);
    tokio::time::sleep(Duration::from_millis(100)).await;

    assert_eq!(asked.lock().len(), AT_ONCE_FOR_NAMESPACE + 1);
}

#[tokio::test]
async fn the_time_of_a_query_begins_when_it_has_its_place() {
    let (providers, asked) = crowded().await;
    let analysis = providers.for_namespace("shop");
    assert_eq!(analysis.query(&query("up")).await, Err(QueryError::NoPlace));

    let began = std::time::Instant::now();
    assert!(analysis.wait_for_place().await);
    let waited = began.elapsed();
    let answer = analysis.query(&query("up")).await;

    assert_eq!(answer, Err(QueryError::Timeout));
    let asked_for = began.elapsed().saturating_sub(waited);
    assert!(asked_for >= query("up").time, "{asked_for:?} after {waited:?}");
    assert_eq!(asked.lock().len(), AT_ONCE + 1);
}

#[tokio::test]
async fn a_call_keeps_its_place_for_all_of_its_queries() {
    let (providers, _) = slow().await;
    let analysis = providers.for_namespace("shop");
    assert_eq!(analysis.query(&query("up")).await, Err(QueryError::Timeout));

    begin(&providers, "bank", AT_ONCE_FOR_NAMESPACE);
    begin(&providers, "depot", AT_ONCE_FOR_NAMESPACE);
    tokio::time::sleep(Duration::from_millis(100)).await;

    assert_eq!(analysis.query(&query("up")).await, Err(QueryError::Timeout));
}

#[tokio::test]
async fn whoever_has_not_asked_has_nothing_to_wait_for() {
    let (providers, _) = crowded().await;

    assert!(!providers.for_namespace("shop").wait_for_place().await);
}
