//! Queries of providers with a `scopeLabel`: every series in them must have that label, with the namespace of the
//! analysis as its value. What can't be read for certain is refused.

use std::thread;

use kulta_plugin_host::metrics::QueryError;
use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::{Expr, VectorSelector, parse};
use tokio::sync::oneshot;

/// No query is longer: each byte could be one level of nesting.
const LONGEST_QUERY: usize = 4 << 10;
/// A query is read by recursion, some hundred bytes a level; the threads of the runtime have less.
const STACK_BYTES: usize = 64 << 20;
/// The label that is a metric's name.
const METRIC_NAME: &str = "__name__";
/// Functions that read series which are not written in the query.
const READS_MORE: [&str; 1] = ["info"];

/// `query`, such that every series in it has `label` with the value `namespace`.
pub(super) async fn scoped(query: &str, label: &str, namespace: &str) -> Result<String, QueryError> {
    if query.len() > LONGEST_QUERY {
        return Err(refused(&format!(
            "it is longer than {LONGEST_QUERY} bytes: write a shorter one"
        )));
    }
    let demanded = Matcher::new(MatchOp::Equal, label, namespace);
    let query = query.to_owned();
    let (send, answer) = oneshot::channel();
    let thread = thread::Builder::new().stack_size(STACK_BYTES);
    let started = thread.spawn(move || {
        // Whoever asked may have given up.
        let _ = send.send(rewritten(&query, &demanded));
    });
    started.map_err(|error| QueryError::Other(format!("the query can't be read: {error}")))?;
    let answer = answer.await;
    answer.map_err(|_| QueryError::Other("the query can't be read: its reader has ended".to_owned()))?
}

fn rewritten(query: &str, demanded: &Matcher) -> Result<String, QueryError> {
    let mut expression = parse(query).map_err(|problem| {
        refused(&format!(
            "it can't be read: {problem}; correct it, or write it with what PromQL has had for longer"
        ))
    })?;
    demand(&mut expression, demanded)?;
    let written = expression.to_string();
    // What is sent is what was read, demand and all: no text of the query has become a part of it.
    if parse(&written).as_ref() != Ok(&expression) {
        return Err(refused(
            "it can't be written again as it was read: write it more plainly",
        ));
    }
    Ok(written)
}

fn refused(problem: &str) -> QueryError {
    let message = format!(
        "this provider has a scopeLabel, and the query can't be confined to the namespace: {problem}"
    );
    QueryError::Denied(message)
}

/// Demands the label of every selector in `expression`.
fn demand(expression: &mut Expr, demanded: &Matcher) -> Result<(), QueryError> {
    match expression {
        Expr::VectorSelector(selector) => demand_of(selector, demanded),
        Expr::MatrixSelector(matrix) => demand_of(&mut matrix.vs, demanded),
        Expr::Aggregate(aggregate) => {
            if let Some(parameter) = &mut aggregate.param {
                demand(parameter, demanded)?;
            }
            demand(&mut aggregate.expr, demanded)
        }
        Expr::Binary(binary) => {
            demand(&mut binary.lhs, demanded)?;
            demand(&mut binary.rhs, demanded)
        }
        Expr::Unary(unary) => demand(&mut unary.expr, demanded),
        Expr::Paren(paren) => demand(&mut paren.expr, demanded),
        Expr::Subquery(subquery) => demand(&mut subquery.expr, demanded),
        Expr::Call(call) if READS_MORE.contains(&call.func.name) => {
            let name = call.func.name;
            Err(refused(&format!(
                "{name}() reads series that the query does not name: write it without"
            )))
        }
        Expr::Call(call) => call
            .args
            .args
            .iter_mut()
            .try_for_each(|argument| demand(argument, demanded)),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) => Ok(()),
        Expr::Extension(_) => Err(refused("it has parts that are not of PromQL")),
    }
}

/// A selector has all of its matchers: one more can only leave series out.
fn demand_of(selector: &mut VectorSelector, demanded: &Matcher) -> Result<(), QueryError> {
    if !selector.matchers.or_matchers.is_empty() {
        return Err(refused(
            "it has `or` within braces: write two selectors, with `or` between them",
        ));
    }
    // Such a name has to stand among the matchers, in quotes.
    if let Some(name) = selector.name.take_if(|name| !is_plain(name)) {
        selector
            .matchers
            .matchers
            .push(Matcher::new(MatchOp::Equal, METRIC_NAME, &name));
    }
    selector.matchers.matchers.push(demanded.clone());
    // As they are written, so that what is read again compares.
    selector.matchers.matchers.sort_by_cached_key(ToString::to_string);
    Ok(())
}

/// Whether a metric's name can stand before the braces.
fn is_plain(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':');
    name.bytes().next().is_some_and(letter) && name.bytes().all(|byte| letter(byte) || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn of_shop(query: &str) -> Result<String, QueryError> {
        scoped(query, "namespace", "shop").await
    }

    /// Queries, and what they become.
    const CONFINED: &[(&str, &str)] = &[
        ("up", r#"up{namespace="shop"}"#),
        (r#"up{job="web"}"#, r#"up{job="web",namespace="shop"}"#),
        (r#"{__name__="up"}"#, r#"{__name__="up",namespace="shop"}"#),
        (r#"{__name__=~".+"}"#, r#"{__name__=~".+",namespace="shop"}"#),
        // Both must hold: nothing is answered for another namespace.
        (
            r#"up{namespace="other"}"#,
            r#"up{namespace="other",namespace="shop"}"#,
        ),
        (
            r#"{namespace="other"}"#,
            r#"{namespace="other",namespace="shop"}"#,
        ),
        (
            r#"up{namespace=~"other|shop"}"#,
            r#"up{namespace="shop",namespace=~"other|shop"}"#,
        ),
        (
            r#"up{namespace!="shop"}"#,
            r#"up{namespace!="shop",namespace="shop"}"#,
        ),
        (
            r#"up or down{a="b"}"#,
            r#"up{namespace="shop"} or down{a="b",namespace="shop"}"#,
        ),
        (
            "a / on (pod) group_left (team) b > bool 0.5",
            r#"a{namespace="shop"} / on (pod) group_left (team) b{namespace="shop"} > bool 0.5"#,
        ),
        (
            "a unless on (pod) b",
            r#"a{namespace="shop"} unless on (pod) b{namespace="shop"}"#,
        ),
        (
            "sum by (namespace, code) (rate(requests_total[2m] offset 1h))",
            r#"sum by (namespace, code) (rate(requests_total{namespace="shop"}[2m] offset 1h))"#,
        ),
        (
            "topk(scalar(limit), up)",
            r#"topk(scalar(limit{namespace="shop"}), up{namespace="shop"})"#,
        ),
        (
            "max_over_time(rate(up[1m])[10m:1m] @ start())",
            r#"max_over_time(rate(up{namespace="shop"}[1m])[10m:1m] @ start())"#,
        ),
        ("up @ 1700000000", r#"up{namespace="shop"} @ 1700000000.000"#),
        (
            r#"label_replace(up, "namespace", "other", "", "")"#,
            r#"label_replace(up{namespace="shop"}, "namespace", "other", "", "")"#,
        ),
        ("-(up) ^ 2", r#"-(up{namespace="shop"}) ^ 2"#),
        ("absent(up)", r#"absent(up{namespace="shop"})"#),
        (
            "histogram_quantile(0.99, sum by (le) (rate(d_bucket[5m])))",
            r#"histogram_quantile(0.99, sum by (le) (rate(d_bucket{namespace="shop"}[5m])))"#,
        ),
        ("vector(1)", "vector(1)"),
        (
            r#"up{path="a\"} or secret{b=\""}"#,
            r#"up{namespace="shop",path="a\"} or secret{b=\""}"#,
        ),
        (
            "up{path='a\"} or secret{b=\"'}",
            r#"up{namespace="shop",path="a\"} or secret{b=\""}"#,
        ),
        ("up # } or secret\n", r#"up{namespace="shop"}"#),
        // A name in quotes stays in quotes.
        (
            r#"{"http.requests"}"#,
            r#"{__name__="http.requests",namespace="shop"}"#,
        ),
        (
            r#"{"up or {job=\"x\"}"}"#,
            r#"{__name__="up or {job=\"x\"}",namespace="shop"}"#,
        ),
    ];

    #[tokio::test]
    async fn every_selector_gets_the_label_and_nothing_else_changes() {
        for (query, expected) in CONFINED {
            let written = of_shop(query)
                .await
                .unwrap_or_else(|error| panic!("{query}: {error}"));
            let plain = |text: &str| text.replace(' ', "");
            assert_eq!(plain(&written), plain(expected), "{query}");
        }
    }

    #[tokio::test]
    async fn what_can_not_be_confined_is_refused_with_a_reason() {
        let cases = [
            ("info(up)", "info() reads series"),
            (
                r#"rate(up[1m]) + on (pod) info(up, {namespace="other"})"#,
                "info() reads series",
            ),
            (r#"{namespace="other" or job="x"}"#, "`or` within braces"),
            ("up{", "can't be read"),
            ("", "can't be read"),
            ("up} or {job=\"x\"", "can't be read"),
            ("smooth_rate(up[1m])", "can't be read"),
        ];
        for (query, words) in cases {
            match of_shop(query).await {
                Err(QueryError::Denied(message)) => assert!(message.contains(words), "{query}: {message}"),
                other => panic!("{query}: {other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_query_that_is_nested_as_deeply_as_it_can_be_does_no_harm() {
        let deep = [
            format!(
                "{}up{}",
                "(".repeat(LONGEST_QUERY / 2 - 1),
                ")".repeat(LONGEST_QUERY / 2 - 1)
            ),
            format!("{}up", "-".repeat(LONGEST_QUERY - 2)),
            format!("up{}", "+up".repeat(LONGEST_QUERY / 3 - 1)),
        ];
        for query in deep {
            let _either = of_shop(&query).await;
        }
        let longer = "+".repeat(LONGEST_QUERY + 1);
        assert!(
            matches!(of_shop(&longer).await, Err(QueryError::Denied(message)) if message.contains("longer"))
        );
    }
}
