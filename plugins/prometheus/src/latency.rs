//! How long requests take.

use kulta_plugin_sdk::quantity::{decimal, duration};
use kulta_plugin_sdk::template;
use kulta_plugin_sdk::{Host, PluginError, Verdict};

use crate::answer::{Asker, Reading};
use crate::config::{Latency, Source};
use crate::judgement::{Rules, Side, judge};

/// The queries of one version, each with its path.
struct Queries<'c> {
    value: (&'static str, &'c str),
    total: (&'static str, &'c str),
    /// Where the value is this quantile of a histogram.
    quantile: Option<f64>,
}

pub(crate) fn evaluate(asker: &Asker<'_, impl Host>, config: &Latency) -> Result<Verdict, PluginError> {
    let relative = config.relative_to_stable.as_ref();
    let (quantile, query) = match config.source()? {
        Source::Buckets(quantile, buckets) => (Some(quantile), buckets),
        Source::Query(query) => (None, query),
    };
    let rules = Rules {
        what: quantile.map_or_else(|| "latency".to_owned(), name),
        written: duration,
        minimum: config.minimum_requests,
        limit: config.limit_seconds,
        relative: relative.map(|stable| (stable.factor, stable.slack_seconds)),
    };
    let is_histogram = quantile.is_some();
    let canary = Queries {
        value: (
            if is_histogram {
                "latency.buckets"
            } else {
                "latency.query"
            },
            query,
        ),
        total: ("latency.total", &config.total),
        quantile,
    };
    judge(asker, &rules, &|| measure(asker, &rules, &canary), &|| {
        let own = relative.and_then(|stable| stable.buckets.as_ref().or(stable.query.as_ref()));
        let value = own.map_or_else(|| template::of_stable(query), String::clone);
        let own = relative.and_then(|stable| stable.total.as_ref());
        let total = own.map_or_else(|| template::of_stable(&config.total), String::clone);
        let path = if is_histogram {
            "latency.relativeToStable.buckets"
        } else {
            "latency.relativeToStable.query"
        };
        let stable = Queries {
            value: (path, &value),
            total: ("latency.relativeToStable.total", &total),
            quantile,
        };
        measure(asker, &rules, &stable)
    })
}

fn measure(asker: &Asker<'_, impl Host>, rules: &Rules, queries: &Queries<'_>) -> Result<Side, PluginError> {
    let (path, query) = queries.total;
    let requests = match rules.requests(asker.read(path, query)?) {
        Ok(requests) => requests,
        Err(side) => return Ok(side),
    };
    let (path, query) = queries.value;
    let (field, reading) = match queries.quantile {
        Some(quantile) => {
            let wrap = |buckets| format!("histogram_quantile({}, {buckets}\n)", decimal(quantile));
            ("buckets", asker.read_wrapped(path, query, wrap)?)
        }
        None => ("query", asker.read(path, query)?),
    };
    Ok(match reading {
        Reading::Number(value) => Side::Enough { value, requests },
        Reading::Unusable(reason) => Side::Unusable(field, reason),
    })
}

/// The quantile 0.99 is called p99.
fn name(quantile: f64) -> String {
    format!("p{} latency", decimal(quantile * 100.0))
}
