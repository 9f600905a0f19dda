//! Servers that answer badly: each is told apart, and none holds anybody up.

use super::*;

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let there = Answered::WithHeader(StatusCode::FOUND, header::LOCATION, "/elsewhere?token=s3cret");
    let (providers, asked) = providers(there).await;

    let answer = providers.for_namespace("shop").query(&query("up")).await;

    let told = format!("{answer:?}");
    assert_unavailable(answer, &["127.0.0.1", "302", "redirects are not followed"]);
    assert!(!told.contains("s3cret"), "{told}");
    assert_eq!(asked.lock().len(), 1);
}

#[tokio::test]
async fn a_server_with_too_many_queries_is_told_with_its_wait() {
    let busy = Answered::WithHeader(StatusCode::TOO_MANY_REQUESTS, header::RETRY_AFTER, "120");

    assert_unavailable(
        ask(busy, query("up")).await,
        &["429", "too many queries", "Retry-After: 120"],
    );
    let silent = Answered::With(StatusCode::TOO_MANY_REQUESTS, String::new());
    assert_unavailable(ask(silent, query("up")).await, &["429", "too many queries"]);
}

#[tokio::test]
async fn no_answer_is_read_further_than_the_operator_says() {
    let (address, _) = server(Answered::Endless).await;
    let mut provider = Provider::plain(address);
    provider.limits.answer_bytes = Some(500);

    let answer = with(provider).for_namespace("shop").query(&query("up")).await;

    assert_eq!(answer, Err(QueryError::TooLarge { bytes: 500 }));
}

#[tokio::test]
async fn credentials_that_are_not_accepted_are_told_so() {
    for status in [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN] {
        let refused = Answered::With(status, "no".to_owned());

        assert_unavailable(ask(refused, query("up")).await, &[status.as_str(), "credentials"]);
    }
}

#[tokio::test]
async fn an_error_of_the_server_is_told_with_its_status() {
    for body in ["<html>sorry</html>", UP] {
        let broken = Answered::With(StatusCode::BAD_GATEWAY, body.to_owned());

        assert_unavailable(ask(broken, query("up")).await, &["HTTP status 502"]);
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_query_is_told_in_the_words_of_prometheus() {
    let cases = [
        (StatusCode::BAD_REQUEST, "bad_data", "parse error"),
        (
            StatusCode::UNPROCESSABLE_ENTITY,
            "execution",
            "found duplicate series",
        ),
    ];
    for (status, kind, words) in cases {
        let body = format!(r#"{{"status":"error","errorType":"{kind}","error":"{words}"}}"#);

        let answer = ask(Answered::With(status, body), query("up")).await;

        assert!(matches!(answer, Err(QueryError::BadQuery(message)) if message.contains(words)));
    }
}

#[tokio::test]
async fn garbage_is_no_answer() {
    for body in [
        "",
        "<html>",
        "{}",
        r#"{"status":"success","data":{"resultType":"vector"}}"#,
    ] {
        assert_unavailable(ask(ok(body), query("up")).await, &["not one of a Prometheus"]);
    }
}

#[tokio::test]
async fn warnings_of_a_partial_answer_are_kept() {
    let partial = UP.replacen('{', r#"{"warnings":["store-1 is away"],"#, 1);

    let answer = ask(ok(&partial), query("up")).await.unwrap();

    assert_eq!(answer.warnings, ["store-1 is away"]);
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_read_to_its_end() {
    let answer = ask(ok(&" ".repeat(2_000)), query("up")).await;
    assert_eq!(answer, Err(QueryError::TooLarge { bytes: 1_000 }));

    let ten_megabytes = Query {
        answer_bytes: 1 << 20,
        time: Duration::from_secs(5),
        ..query("up")
    };
    let answer = ask(Answered::Endless, ten_megabytes).await;
    assert_eq!(answer, Err(QueryError::TooLarge { bytes: 1 << 20 }));
}

#[tokio::test]
async fn an_answer_that_does_not_come_or_not_to_its_end_is_given_up() {
    for slow in [Answered::Never, Answered::Stuck] {
        assert_eq!(ask(slow, query("up")).await, Err(QueryError::Timeout));
    }
}

#[tokio::test]
async fn a_provider_that_is_away_is_unavailable() {
    let providers = with(for_shop(Address::parse("http://127.0.0.1:1").unwrap()));

    let answer = providers.for_namespace("shop").query(&query("up")).await;

    assert_unavailable(answer, &["127.0.0.1"]);
}
