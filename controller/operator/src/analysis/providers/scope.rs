//! Queries that are written anew: of providers with a `scopeLabel`, for every series in them must have that label, with the
//! namespace of the analysis as its value; and those that take texts of Secrets. What can't be read for certain is refused.

use std::thread;

use kulta_plugin_host::metrics::QueryError;
use promql_parser::label::{MatchOp, Matcher};
use promql_parser::parser::{Expr, VectorSelector, parse};
use tokio::sync::oneshot;

use super::secrets::put_in;

/// No query is longer: each byte could be one level of nesting.
const LONGEST_QUERY: usize = 4 << 10;
/// A query is read by recursion, some hundred bytes a level; the threads of the runtime have less.
const STACK_BYTES: usize = 64 << 20;
/// The label that is a metric's name.
const METRIC_NAME: &str = "__name__";
/// Functions that read series which are not written in the query.
const READS_MORE: [&str; 1] = ["info"];

/// `query` with these texts of Secrets (each after what stands for it), such that every series in it has the label with
/// the value that is `demanded`.
pub(super) async fn rewritten(
    query: &str,
    demanded: Option<(&str, &str)>,
    texts: Vec<(String, String)>,
) -> Result<String, QueryError> {
    let rewriting = Rewriting {
        demanded: demanded.map(|(label, value)| Matcher::new(MatchOp::Equal, label, value)),
        texts,
    };
    let told = rewriting.purpose();
    if query.len() > LONGEST_QUERY {
        let problem = format!("it is longer than {LONGEST_QUERY} bytes: write a shorter one");
        return Err(QueryError::Denied(format!("{told}: {problem}")));
    }
    let query = query.to_owned();
    let (send, answer) = oneshot::channel();
    let thread = thread::Builder::new().stack_size(STACK_BYTES);
    let started = thread.spawn(move || {
        // Whoever asked may have given up.
        let _ = send.send(rewriting.rewrite(&query));
    });
    started.map_err(|error| QueryError::Other(format!("the query can't be read: {error}")))?;
    let answer = answer.await;
    let answer =
        answer.map_err(|_| QueryError::Other("the query can't be read: its reader has ended".to_owned()))?;
    answer.map_err(|problem| QueryError::Denied(format!("{told}: {problem}")))
}

/// What becomes of a query.
struct Rewriting {
    demanded: Option<Matcher>,
    texts: Vec<(String, String)>,
}

impl Rewriting {
    /// What it is for, in a message that nothing comes of it.
    fn purpose(&self) -> &'static str {
        if self.demanded.is_some() {
            "this provider has a scopeLabel, and the query can't be confined to the namespace"
        } else {
            "the query has an argument that comes from a Secret, which can't be put into it"
        }
    }

    fn rewrite(&self, query: &str) -> Result<String, String> {
        let mut expression = parse(query).map_err(|problem| {
            format!(
                "it can't be read: {problem}; correct it, or write it with what PromQL has had for longer"
            )
        })?;
        self.visit(&mut expression)?;
        let written = expression.to_string();
        if self.texts.iter().any(|(stand_in, _)| written.contains(stand_in)) {
            return Err(
                "a text of a Secret can stand nowhere but in the value of a label, after `=` or `!=`: anywhere else a \
                 query could take it to pieces"
                    .to_owned(),
            );
        }
        // What is sent is what was read, demand and all: no text has become a part of the query.
        if parse(&written).as_ref() != Ok(&expression) {
            return Err("it can't be written again as it was read: write it more plainly".to_owned());
        }
        Ok(written)
    }

    /// Rewrites every selector in `expression`.
    fn visit(&self, expression: &mut Expr) -> Result<(), String> {
        match expression {
            Expr::VectorSelector(selector) => self.selector(selector),
            Expr::MatrixSelector(matrix) => self.selector(&mut matrix.vs),
            Expr::Aggregate(aggregate) => {
                if let Some(parameter) = &mut aggregate.param {
                    self.visit(parameter)?;
                }
                self.visit(&mut aggregate.expr)
            }
            Expr::Binary(binary) => {
                self.visit(&mut binary.lhs)?;
                self.visit(&mut binary.rhs)
            }
            Expr::Unary(unary) => self.visit(&mut unary.expr),
            Expr::Paren(paren) => self.visit(&mut paren.expr),
            Expr::Subquery(subquery) => self.visit(&mut subquery.expr),
            Expr::Call(call) if self.demanded.is_some() && READS_MORE.contains(&call.func.name) => {
                let name = call.func.name;
                Err(format!(
                    "{name}() reads series that the query does not name: write it without"
                ))
            }
            Expr::Call(call) => call
                .args
                .args
                .iter_mut()
                .try_for_each(|argument| self.visit(argument)),
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) => Ok(()),
            Expr::Extension(_) => Err("it has parts that are not of PromQL".to_owned()),
        }
    }

    /// A selector has all of its matchers: one more can only leave series out.
    fn selector(&self, selector: &mut VectorSelector) -> Result<(), String> {
        let matchers = &mut selector.matchers;
        let all = matchers
            .matchers
            .iter_mut()
            .chain(matchers.or_matchers.iter_mut().flatten());
        for matcher in all.filter(|matcher| matches!(matcher.op, MatchOp::Equal | MatchOp::NotEqual)) {
            matcher.value = put_in(&matcher.value, &self.texts);
        }
        if self.demanded.is_some() && !matchers.or_matchers.is_empty() {
            return Err("it has `or` within braces: write two selectors, with `or` between them".to_owned());
        }
        // Such a name has to stand among the matchers, in quotes.
        if let Some(name) = selector.name.take_if(|name| !is_plain(name)) {
            matchers
                .matchers
                .push(Matcher::new(MatchOp::Equal, METRIC_NAME, &name));
        }
        matchers.matchers.extend(self.demanded.clone());
        // As they are written, so that what is read again compares.
        matchers.matchers.sort_by_cached_key(ToString::to_string);
        Ok(())
    }
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
        rewritten(query, Some(("namespace", "shop")), Vec::new()).await
    }

    /// A query in which `kulta-secret-0` stands for `text`.
    async fn with_text(query: &str, text: &str, scope: Option<(&str, &str)>) -> Result<String, QueryError> {
        rewritten(query, scope, vec![("kulta-secret-0".to_owned(), text.to_owned())]).await
    }

    #[tokio::test]
    async fn a_text_of_a_secret_stays_within_its_quotes() {
        let scope = Some(("namespace", "shop"));
        let cases = [
            ("s3cret", r#"up{namespace="shop",token="s3cret"}"#),
            (
                r#"x"} or up{namespace="other"#,
                r#"up{namespace="shop",token="x\"} or up{namespace=\"other"}"#,
            ),
            (r"back\", r#"up{namespace="shop",token="back\\"}"#),
        ];
        for (text, expected) in cases {
            let written = with_text(r#"up{token="kulta-secret-0"}"#, text, scope).await;

            assert_eq!(written.as_deref(), Ok(expected), "{text}");
        }
        let alone = with_text("up{token!='Bearer kulta-secret-0'} > 0", "x\" or up", None).await;
        assert_eq!(alone.as_deref(), Ok(r#"up{token!="Bearer x\" or up"} > 0"#));
    }

    /// Texts that stand for each other would make gigabytes of a few kilobytes.
    #[tokio::test]
    async fn a_text_of_a_secret_is_not_read_as_what_stands_for_another_one() {
        let texts = (0..4).map(|level| {
            let next = format!("kulta-secret-{}", level + 1);
            (format!("kulta-secret-{level}"), next.repeat(90))
        });

        let written = rewritten(r#"up{token="kulta-secret-0"}"#, None, texts.collect()).await;

        assert!(matches!(written, Err(QueryError::Denied(_))), "{written:?}");
    }

    #[tokio::test]
    async fn a_text_of_a_secret_stands_where_it_can_not_be_taken_to_pieces_only() {
        let queries = [
            r#"up{token=~"kulta-secret-0"}"#,
            r#"up{token!~"kulta-secret-0|x"}"#,
            r#"label_replace(up, "a", "kulta-secret-0", "", "")"#,
            r#"count_values("kulta-secret-0", up)"#,
        ];
        for query in queries {
            match with_text(query, "s3cret", None).await {
                Err(QueryError::Denied(message)) => {
                    assert!(
                        message.contains("after `=` or `!=`") && !message.contains("s3cret"),
                        "{query}: {message}"
                    );
                }
                other => panic!("{query}: {other:?}"),
            }
        }
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
