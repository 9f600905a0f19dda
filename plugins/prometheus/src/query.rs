//! The answer of any query, which conditions judge.

use kulta_plugin_sdk::quantity::number;
use kulta_plugin_sdk::{Data, Host, Outcome, PluginError, Value, Verdict};

use crate::answer::{Asker, wrong_kind};

/// A measurement has room for so many values.
const MOST_VALUES: usize = 1000;
/// So many of them are shown in the one line for people.
const SHOWN: usize = 5;

pub(crate) fn evaluate(asker: &Asker<'_, impl Host>, query: &str) -> Result<Verdict, PluginError> {
    let value = match asker.ask("query", query)? {
        Data::Scalar(sample) => Value::Scalar(sample.value),
        Data::Vector(series) => {
            let samples = series.iter().filter_map(|series| series.samples.last());
            Value::Vector(samples.map(|sample| sample.value).collect())
        }
        Data::Matrix(_) | Data::Text(_) => return Err(wrong_kind("query")),
    };
    if matches!(&value, Value::Vector(values) if values.len() > MOST_VALUES) {
        return Err(PluginError::Other(
            "query: more than 1,000 series: aggregate them, or ask for the highest with topk()".to_owned(),
        ));
    }
    let summary = summary(&value);
    Ok(asker.with_warnings(Verdict::Measured(Outcome::new(value, summary))))
}

fn summary(value: &Value) -> String {
    let values = match value {
        Value::Scalar(value) => return number(*value),
        Value::Vector(values) => values.as_slice(),
        _ => &[],
    };
    if values.is_empty() {
        return "no data".to_owned();
    }
    let mut summary = String::new();
    for value in values.iter().take(SHOWN) {
        if !summary.is_empty() {
            summary.push_str(", ");
        }
        summary.push_str(&number(*value));
    }
    if values.len() > SHOWN {
        summary.push_str(", ...");
    }
    summary
}
