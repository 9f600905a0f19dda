//! What users write.

#[cfg(test)]
use schemars::JsonSchema;

use kulta_plugin_sdk::ConfigError;
use kulta_plugin_sdk::template;
use serde::Deserialize;

/// Of fewer requests an error rate or a latency says little: so many are waited for where nothing else is written.
const MINIMUM_REQUESTS: u64 = 100;

/// What is measured, and against what it is judged: exactly one of `query`, `errorRate` and `latency`.
///
/// Every query is `PromQL` for one instant, the time of the measurement. `$(NAME)` in it stands for a fact: `canary-hash`,
/// `stable-hash` (label `rollouts-pod-template-hash`), `canary-service`, `stable-service`, `canary-image`, `stable-image`,
/// `canary-replicas`, `stable-replicas`, `service-port`, `namespace`, `name`, `revision`, `step-index`, `weight`,
/// `step-started-at` (milliseconds), `arg.NAME` (an argument of the analysis). Write `$$(` for the characters `$(`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[cfg_attr(test, schemars(extend("oneOf" = [
    {"required": ["query"]}, {"required": ["errorRate"]}, {"required": ["latency"]},
])))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// The provider to ask, by the name that the operator gave it.
    #[serde(default = "default_provider")]
    pub provider: String,
    /// A query whose answer, a scalar or an instant vector, is not judged here: `successCondition` and `failureCondition`
    /// do that.
    #[cfg_attr(test, schemars(with = "String", length(min = 1)))]
    #[serde(default)]
    pub query: Option<String>,
    /// Judges the share of requests that went wrong.
    #[cfg_attr(test, schemars(with = "ErrorRate"))]
    #[serde(default)]
    pub error_rate: Option<ErrorRate>,
    /// Judges how long requests take.
    #[cfg_attr(test, schemars(with = "Latency"))]
    #[serde(default)]
    pub latency: Option<Latency>,
}

/// The share of requests that went wrong. With `limit`, with `relativeToStable`, or with both, which must then both hold.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[cfg_attr(test, schemars(extend("anyOf" = [{"required": ["limit"]}, {"required": ["relativeToStable"]}])))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ErrorRate {
    /// How many requests went wrong: one number, such as `sum(increase(http_requests_total{code=~"5.."}[2m])) or
    /// vector(0)`. No data is not 0, because a misspelt label has none either: `or vector(0)` makes it 0.
    #[cfg_attr(test, schemars(length(min = 1)))]
    pub bad: String,
    /// How many requests there were in the same time: one number, such as `sum(increase(http_requests_total[2m]))`.
    #[cfg_attr(test, schemars(length(min = 1)))]
    pub total: String,
    /// The highest rate that is well, from 0 to 1: 0.01 is one request in a hundred.
    #[cfg_attr(test, schemars(with = "f64", range(min = 0.0, max = 1.0)))]
    #[serde(default)]
    pub limit: Option<f64>,
    /// The highest rate that is well, compared with the stable version's.
    #[cfg_attr(test, schemars(with = "ErrorRateOfStable"))]
    #[serde(default)]
    pub relative_to_stable: Option<ErrorRateOfStable>,
    /// Of fewer requests than this nothing is said: the measurement goes on. 1 or more.
    #[serde(default = "default_minimum_requests")]
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub minimum_requests: u64,
}

/// At most `factor` times the stable version's rate, plus `slack`. The stable version needs `minimumRequests`, too.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ErrorRateOfStable {
    /// How many times the stable version's rate is well: 1 or more.
    #[cfg_attr(test, schemars(range(min = 1.0)))]
    pub factor: f64,
    /// So much more than that is well, from 0 to 1. Without it, and where the stable version has no errors, one error is
    /// too many.
    #[serde(default)]
    #[cfg_attr(test, schemars(range(min = 0.0, max = 1.0)))]
    pub slack: f64,
    /// How many requests of the stable version went wrong; where it is left out, `bad` with every `$(canary-...)` read as
    /// `$(stable-...)`.
    #[cfg_attr(test, schemars(with = "String", length(min = 1)))]
    #[serde(default)]
    pub bad: Option<String>,
    /// How many requests the stable version had; where it is left out, `total` with every `$(canary-...)` read as
    /// `$(stable-...)`.
    #[cfg_attr(test, schemars(with = "String", length(min = 1)))]
    #[serde(default)]
    pub total: Option<String>,
}

/// How long requests take: either `quantile` of `buckets`, or `query`. With `limitSeconds`, with `relativeToStable`, or
/// with both, which must then both hold.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[cfg_attr(test, schemars(extend(
    "oneOf" = [{"required": ["quantile", "buckets"]}, {"required": ["query"]}],
    "anyOf" = [{"required": ["limitSeconds"]}, {"required": ["relativeToStable"]}],
)))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Latency {
    /// The quantile of `buckets`, from 0.001 to 0.99999: 0.99 is what 99 of 100 requests are as fast as.
    #[cfg_attr(test, schemars(with = "f64", range(min = 0.001, max = 0.99999)))]
    #[serde(default)]
    pub quantile: Option<f64>,
    /// A histogram of durations in seconds: `sum by (le) (rate(http_request_duration_seconds_bucket[2m]))`, or a native
    /// one.
    #[cfg_attr(test, schemars(with = "String", length(min = 1)))]
    #[serde(default)]
    pub buckets: Option<String>,
    /// A query that gives the latency itself: one number, in seconds.
    #[cfg_attr(test, schemars(with = "String", length(min = 1)))]
    #[serde(default)]
    pub query: Option<String>,
    /// How many requests there were in the same time: one number, such as
    /// `sum(increase(http_request_duration_seconds_count[2m]))`.
    #[cfg_attr(test, schemars(length(min = 1)))]
    pub total: String,
    /// The longest latency that is well, in seconds; more than 0.
    #[cfg_attr(test, schemars(with = "f64", extend("exclusiveMinimum" = 0)))]
    #[serde(default)]
    pub limit_seconds: Option<f64>,
    /// The longest latency that is well, compared with the stable version's.
    #[cfg_attr(test, schemars(with = "LatencyOfStable"))]
    #[serde(default)]
    pub relative_to_stable: Option<LatencyOfStable>,
    /// Of fewer requests than this nothing is said: the measurement goes on. 1 or more.
    #[serde(default = "default_minimum_requests")]
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub minimum_requests: u64,
}

/// At most `factor` times the stable version's latency, plus `slackSeconds`. The stable version needs `minimumRequests`,
/// too.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LatencyOfStable {
    /// How many times the stable version's latency is well: 1 or more.
    #[cfg_attr(test, schemars(range(min = 1.0)))]
    pub factor: f64,
    /// So much longer than that is well, in seconds.
    #[serde(default)]
    #[cfg_attr(test, schemars(range(min = 0.0)))]
    pub slack_seconds: f64,
    /// The stable version's histogram; where it is left out, `buckets` with every `$(canary-...)` read as
    /// `$(stable-...)`.
    #[cfg_attr(test, schemars(with = "String", length(min = 1)))]
    #[serde(default)]
    pub buckets: Option<String>,
    /// The stable version's latency in seconds; where it is left out, `query` with every `$(canary-...)` read as
    /// `$(stable-...)`.
    #[cfg_attr(test, schemars(with = "String", length(min = 1)))]
    #[serde(default)]
    pub query: Option<String>,
    /// How many requests the stable version had; where it is left out, `total` with every `$(canary-...)` read as
    /// `$(stable-...)`.
    #[cfg_attr(test, schemars(with = "String", length(min = 1)))]
    #[serde(default)]
    pub total: Option<String>,
}

fn default_provider() -> String {
    "prometheus".to_owned()
}

const fn default_minimum_requests() -> u64 {
    MINIMUM_REQUESTS
}

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Measure<'c> {
    /// The answer of a query.
    Query(&'c str),
    /// The share of requests that went wrong.
    ErrorRate(&'c ErrorRate),
    /// How long requests take.
    Latency(&'c Latency),
}

impl Config {
    /// The one thing that is measured.
    pub(crate) fn measure(&self) -> Result<Measure<'_>, ConfigError> {
        match (&self.query, &self.error_rate, &self.latency) {
            (Some(query), None, None) => Ok(Measure::Query(query)),
            (None, Some(error_rate), None) => Ok(Measure::ErrorRate(error_rate)),
            (None, None, Some(latency)) => Ok(Measure::Latency(latency)),
            _ => Err(ConfigError::new(
                "",
                "exactly one of query, errorRate and latency is needed",
            )),
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.provider.is_empty() {
            return Err(ConfigError::new("provider", "is empty"));
        }
        match self.measure()? {
            Measure::Query(query) => template::check("query", query),
            Measure::ErrorRate(error_rate) => error_rate.check(),
            Measure::Latency(latency) => latency.check(),
        }
    }
}

impl ErrorRate {
    fn check(&self) -> Result<(), ConfigError> {
        template::check("errorRate.bad", &self.bad)?;
        template::check("errorRate.total", &self.total)?;
        check_minimum("errorRate", self.minimum_requests)?;
        if let Some(limit) = self.limit {
            within(
                "errorRate.limit",
                limit,
                (0.0..=1.0).contains(&limit),
                "from 0 to 1",
            )?;
        }
        let Some(stable) = &self.relative_to_stable else {
            return needs_limit("errorRate", "limit", self.limit);
        };
        let path = "errorRate.relativeToStable";
        check_factor(path, stable.factor)?;
        let fits = (0.0..=1.0).contains(&stable.slack);
        within(
            "errorRate.relativeToStable.slack",
            stable.slack,
            fits,
            "from 0 to 1",
        )?;
        check_stable(path, "bad", stable.bad.as_deref(), &self.bad)?;
        check_stable(path, "total", stable.total.as_deref(), &self.total)
    }
}

impl Latency {
    /// The quantile and the buckets, or the query, which are either there.
    pub(crate) fn source(&self) -> Result<Source<'_>, ConfigError> {
        match (self.quantile, &self.buckets, &self.query) {
            (Some(quantile), Some(buckets), None) => Ok(Source::Buckets(quantile, buckets)),
            (None, None, Some(query)) => Ok(Source::Query(query)),
            _ => Err(ConfigError::new(
                "latency",
                "either quantile and buckets are needed, or query alone",
            )),
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        match self.source()? {
            Source::Buckets(quantile, buckets) => {
                let fits = (0.001..=0.99999).contains(&quantile);
                within("latency.quantile", quantile, fits, "from 0.001 to 0.99999")?;
                template::check("latency.buckets", buckets)?;
            }
            Source::Query(query) => template::check("latency.query", query)?,
        }
        template::check("latency.total", &self.total)?;
        check_minimum("latency", self.minimum_requests)?;
        if let Some(limit) = self.limit_seconds {
            within("latency.limitSeconds", limit, limit > 0.0, "more than 0")?;
        }
        match &self.relative_to_stable {
            Some(stable) => self.check_stable(stable),
            None => needs_limit("latency", "limitSeconds", self.limit_seconds),
        }
    }

    fn check_stable(&self, stable: &LatencyOfStable) -> Result<(), ConfigError> {
        let path = "latency.relativeToStable";
        check_factor(path, stable.factor)?;
        let slack = stable.slack_seconds;
        within(
            "latency.relativeToStable.slackSeconds",
            slack,
            slack >= 0.0,
            "0 or more",
        )?;
        let (source, field, unused, other) = match self.source()? {
            Source::Buckets(_, buckets) => (buckets, "buckets", "query", &stable.query),
            Source::Query(query) => (query, "query", "buckets", &stable.buckets),
        };
        if other.is_some() {
            let message = format!("has no place beside latency.{field}");
            return Err(ConfigError::new(&format!("{path}.{unused}"), message));
        }
        let own = if field == "query" {
            &stable.query
        } else {
            &stable.buckets
        };
        check_stable(path, field, own.as_deref(), source)?;
        check_stable(path, "total", stable.total.as_deref(), &self.total)
    }
}

/// Where a latency comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source<'c> {
    /// A quantile of a histogram.
    Buckets(f64, &'c str),
    /// A query that gives it.
    Query(&'c str),
}

fn check_minimum(path: &str, minimum: u64) -> Result<(), ConfigError> {
    if minimum == 0 {
        let path = format!("{path}.minimumRequests");
        return Err(ConfigError::new(&path, "has to be 1 or more"));
    }
    Ok(())
}

fn check_factor(path: &str, factor: f64) -> Result<(), ConfigError> {
    within(&format!("{path}.factor"), factor, factor >= 1.0, "1 or more")
}

fn within(path: &str, number: f64, fits: bool, range: &str) -> Result<(), ConfigError> {
    if fits && number.is_finite() {
        return Ok(());
    }
    Err(ConfigError::new(path, format!("has to be {range}")))
}

fn needs_limit(path: &str, field: &str, limit: Option<f64>) -> Result<(), ConfigError> {
    match limit {
        Some(_) => Ok(()),
        None => Err(ConfigError::new(
            path,
            format!("{field} or relativeToStable is needed"),
        )),
    }
}

/// The stable version's query is written, or made of the canary's, which must then name it.
fn check_stable(path: &str, field: &str, own: Option<&str>, of_canary: &str) -> Result<(), ConfigError> {
    let path = format!("{path}.{field}");
    match own {
        Some(own) => template::check(&path, own),
        None if template::names_canary(of_canary) => Ok(()),
        None => Err(ConfigError::new(
            &path,
            format!("is needed: {field} has no $(canary-...) that could be read as $(stable-...)"),
        )),
    }
}
