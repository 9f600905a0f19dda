//! What users write.

#[cfg(test)]
use schemars::JsonSchema;

use kulta_plugin_sdk::{ConfigError, template};
use serde::Deserialize;

/// So sure one is where nothing else is written: one wrong decision in twenty, at most.
const ALPHA: f64 = 0.05;
/// A decision is never more likely to be wrong than to be right.
const LARGEST_ALPHA: f64 = 0.5;
/// A quarter more errors than the stable version's is well where nothing else is written.
const FAIL_MARGIN: f64 = 0.25;
/// Twice the stable version's errors are not well where nothing else is written.
const PASS_MARGIN: f64 = 1.0;
/// The alternatives of larger margins are beyond anything that happens.
const LARGEST_MARGIN: f64 = 20.0;
/// More boundaries do not fit into the state that is kept.
pub(crate) const MOST_BOUNDARIES: usize = 3;
/// The paths of the boundaries.
pub(crate) const BOUNDARIES: [&str; MOST_BOUNDARIES] = [
    "latency.boundaries[0]",
    "latency.boundaries[1]",
    "latency.boundaries[2]",
];

/// What is compared: exactly one of `errorRate`, `latency` and `weight`.
///
/// Queries are `PromQL` and give counters, series for each pod: no `rate`, and no `sum` over pods. `$(NAME)` stands for a
/// fact, such as `canary-hash`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[cfg_attr(test, schemars(extend("oneOf" = [
    {"required": ["errorRate"]}, {"required": ["latency"]}, {"required": ["weight"]},
])))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// The provider to ask, by the name that the operator gave it.
    #[serde(default = "default_provider")]
    pub provider: String,
    /// The highest probability of each wrong decision, whenever one looks.
    #[cfg_attr(test, schemars(extend("exclusiveMinimum" = 0), range(max = 0.5)))]
    #[serde(default = "default_alpha")]
    pub alpha: f64,
    /// It fails when the canary's rate is surely more than 1 + this times the stable version's. Without it: 0.25.
    #[cfg_attr(test, schemars(with = "f64", range(min = 0.0, max = 20.0)))]
    #[serde(default)]
    pub fail_margin: Option<f64>,
    /// It passes when the canary's rate is surely less than 1 + this times the stable version's. More than `failMargin`;
    /// without it: 1.
    #[cfg_attr(test, schemars(with = "f64", range(min = 0.0, max = 20.0)))]
    #[serde(default)]
    pub pass_margin: Option<f64>,
    /// Compares how many requests go wrong.
    #[cfg_attr(test, schemars(with = "ErrorRate"))]
    #[serde(default)]
    pub error_rate: Option<ErrorRate>,
    /// Compares how many requests are slow.
    #[cfg_attr(test, schemars(with = "Latency"))]
    #[serde(default)]
    pub latency: Option<Latency>,
    /// Compares the canary's share of the requests with the weight in force.
    #[cfg_attr(test, schemars(with = "Weight"))]
    #[serde(default)]
    pub weight: Option<Weight>,
}

/// Requests, and those that went wrong.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ErrorRate {
    /// The canary's requests that went wrong: `requests_total{pod=~"web-$(canary-hash)-.*", code=~"5.."}`.
    #[cfg_attr(test, schemars(length(min = 1)))]
    pub bad: String,
    /// All of the canary's requests, with those that went wrong.
    #[cfg_attr(test, schemars(length(min = 1)))]
    pub total: String,
    /// The stable version's; without it, `bad` with `$(canary-...)` read as `$(stable-...)`.
    #[cfg_attr(test, schemars(with = "String", length(min = 1)))]
    #[serde(default)]
    pub stable_bad: Option<String>,
    /// The stable version's; without it, `total` with `$(canary-...)` read as `$(stable-...)`.
    #[cfg_attr(test, schemars(with = "String", length(min = 1)))]
    #[serde(default)]
    pub stable_total: Option<String>,
}

/// A histogram of durations, and from where on they are too long.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Latency {
    /// The canary's buckets, of which `+Inf` and the boundaries are enough:
    /// `duration_seconds_bucket{pod=~"web-$(canary-hash)-.*", le=~"0.3|\\+Inf"}`.
    #[cfg_attr(test, schemars(length(min = 1)))]
    pub buckets: String,
    /// A slower request than this is a bad one: boundaries (`le`) of buckets. Over several, the evidence is averaged.
    #[cfg_attr(test, schemars(length(min = 1, max = 3), extend("items" = {"type": "number", "exclusiveMinimum": 0})))]
    pub boundaries: Vec<f64>,
    /// The stable version's; without it, `buckets` with `$(canary-...)` read as `$(stable-...)`.
    #[cfg_attr(test, schemars(with = "String", length(min = 1)))]
    #[serde(default)]
    pub stable_buckets: Option<String>,
}

/// How requests are spread over both versions.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Weight {
    /// All of the canary's requests; the stable version's are those with `$(canary-...)` read as `$(stable-...)`.
    #[cfg_attr(test, schemars(length(min = 1)))]
    pub total: String,
}

fn default_provider() -> String {
    "prometheus".to_owned()
}

const fn default_alpha() -> f64 {
    ALPHA
}

/// What is compared.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Measure<'c> {
    /// How many requests go wrong.
    ErrorRate(&'c ErrorRate),
    /// How many requests are slow.
    Latency(&'c Latency),
    /// How requests are spread.
    Weight(&'c Weight),
}

/// A query about the canary, and the same about the stable version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair<'c> {
    /// The paths of both fields.
    pub(crate) paths: [&'static str; 2],
    /// About the canary.
    pub(crate) canary: &'c str,
    /// About the stable version, where it is written.
    pub(crate) stable: Option<&'c str>,
}

impl Config {
    /// The one thing that is compared.
    pub(crate) fn measure(&self) -> Result<Measure<'_>, ConfigError> {
        match (&self.error_rate, &self.latency, &self.weight) {
            (Some(error_rate), None, None) => Ok(Measure::ErrorRate(error_rate)),
            (None, Some(latency), None) => Ok(Measure::Latency(latency)),
            (None, None, Some(weight)) => Ok(Measure::Weight(weight)),
            _ => Err(ConfigError::new(
                "",
                "exactly one of errorRate, latency and weight is needed",
            )),
        }
    }

    /// The margin of fail, and that of pass.
    pub(crate) fn margins(&self) -> [f64; 2] {
        [
            self.fail_margin.unwrap_or(FAIL_MARGIN),
            self.pass_margin.unwrap_or(PASS_MARGIN),
        ]
    }

    /// The boundaries of a latency; none of anything else.
    pub(crate) fn boundaries(&self) -> &[f64] {
        self.latency.as_ref().map_or(&[], |latency| &latency.boundaries)
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        ensure("provider", !self.provider.is_empty(), "is empty")?;
        let fits = self.alpha > 0.0 && self.alpha <= LARGEST_ALPHA;
        ensure("alpha", fits, "has to be more than 0, and at most 0.5")?;
        let measure = self.measure()?;
        self.check_margins(matches!(measure, Measure::Weight(_)))?;
        for pair in measure.pairs() {
            pair.check()?;
        }
        match measure {
            Measure::Latency(latency) => check_boundaries(&latency.boundaries),
            Measure::ErrorRate(_) | Measure::Weight(_) => Ok(()),
        }
    }

    fn check_margins(&self, is_weight: bool) -> Result<(), ConfigError> {
        let [fail, pass] = self.margins();
        for (path, margin) in [("failMargin", self.fail_margin), ("passMargin", self.pass_margin)] {
            let Some(margin) = margin else { continue };
            ensure(path, !is_weight, "has no place beside weight")?;
            let fits = (0.0..=LARGEST_MARGIN).contains(&margin);
            ensure(path, fits, "has to be from 0 to 20")?;
        }
        ensure("passMargin", pass > fail, "has to be more than failMargin")
    }
}

impl<'c> Measure<'c> {
    /// All requests, and then, where they have queries of their own, the bad ones.
    pub(crate) fn pairs(self) -> Vec<Pair<'c>> {
        match self {
            Self::ErrorRate(of) => vec![
                Pair {
                    paths: ["errorRate.total", "errorRate.stableTotal"],
                    canary: &of.total,
                    stable: of.stable_total.as_deref(),
                },
                Pair {
                    paths: ["errorRate.bad", "errorRate.stableBad"],
                    canary: &of.bad,
                    stable: of.stable_bad.as_deref(),
                },
            ],
            Self::Latency(of) => vec![Pair {
                paths: ["latency.buckets", "latency.stableBuckets"],
                canary: &of.buckets,
                stable: of.stable_buckets.as_deref(),
            }],
            Self::Weight(of) => vec![Pair {
                paths: ["weight.total"; 2],
                canary: &of.total,
                stable: None,
            }],
        }
    }
}

impl Pair<'_> {
    /// The stable version's query is written, or made of the canary's, which must then name it.
    fn check(&self) -> Result<(), ConfigError> {
        let [path, stable_path] = self.paths;
        template::check(path, self.canary)?;
        match self.stable {
            Some(stable) => template::check(stable_path, stable),
            None => ensure(
                stable_path,
                template::names_canary(self.canary),
                "is needed, or a $(canary-...) in the canary's query",
            ),
        }
    }
}

fn check_boundaries(boundaries: &[f64]) -> Result<(), ConfigError> {
    let fits = (1..=MOST_BOUNDARIES).contains(&boundaries.len());
    ensure("latency.boundaries", fits, "has to have 1 to 3 items")?;
    for (path, boundary) in BOUNDARIES.into_iter().zip(boundaries) {
        ensure(path, *boundary > 0.0, "has to be more than 0")?;
        let same = boundaries
            .iter()
            .filter(|other| other.to_bits() == boundary.to_bits());
        ensure(path, same.count() == 1, "is there twice")?;
    }
    Ok(())
}

fn ensure(path: &str, fits: bool, message: &str) -> Result<(), ConfigError> {
    if fits {
        return Ok(());
    }
    Err(ConfigError::new(path, message))
}
