//! The share of requests that went wrong.

use kulta_plugin_sdk::quantity::percent;
use kulta_plugin_sdk::template;
use kulta_plugin_sdk::{Host, PluginError, Verdict};

use crate::answer::{Asker, Reading};
use crate::config::ErrorRate;
use crate::judgement::{Rules, Side, judge};

/// The queries of one version, each with its path.
struct Queries<'c> {
    bad: (&'static str, &'c str),
    total: (&'static str, &'c str),
}

pub(crate) fn evaluate(asker: &Asker<'_, impl Host>, config: &ErrorRate) -> Result<Verdict, PluginError> {
    let relative = config.relative_to_stable.as_ref();
    let rules = Rules {
        what: "error rate".to_owned(),
        written: percent,
        minimum: config.minimum_requests,
        limit: config.limit,
        relative: relative.map(|stable| (stable.factor, stable.slack)),
    };
    let canary = Queries {
        bad: ("errorRate.bad", &config.bad),
        total: ("errorRate.total", &config.total),
    };
    judge(asker, &rules, &|| measure(asker, &rules, &canary), &|| {
        let own = |query: Option<&String>, of_canary: &str| {
            query.map_or_else(|| template::of_stable(of_canary), String::clone)
        };
        let bad = own(relative.and_then(|stable| stable.bad.as_ref()), &config.bad);
        let total = own(relative.and_then(|stable| stable.total.as_ref()), &config.total);
        let stable = Queries {
            bad: ("errorRate.relativeToStable.bad", &bad),
            total: ("errorRate.relativeToStable.total", &total),
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
    let (path, query) = queries.bad;
    Ok(match asker.read(path, query)? {
        // Counts of series that began at different times are estimates: a little more than all is all.
        Reading::Number(bad) => Side::Enough {
            value: (bad / requests).min(1.0),
            requests,
        },
        Reading::Unusable(reason) => Side::Unusable("bad", reason),
    })
}
