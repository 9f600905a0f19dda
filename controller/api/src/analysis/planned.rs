//! What a Rollout is going to have measured and asked: known before any of its analyses is begun, so that what plugins
//! would refuse is found out before anything new begins.

use kulta_core::spec::{Analysis, Gates, Problem, Spec, Step};
use serde::Deserialize as _;
use serde_json::Value;

use super::merge::Origin;
use super::resolve::{self, BLUE_GREEN, CANARY, Place, UNKNOWN_YET};
use super::{AnalysisRunSpec, Gate, Measured, RolloutAnalysis, gate};

/// A metric or gate of a Rollout, as far as it is known before it is begun.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// What is asked of which plugin, with arguments put in. See [`is_known`].
    pub measured: Measured,
    pub(super) origin: Origin,
}

impl Planned {
    /// Where the configuration of its plugin is written.
    #[must_use]
    pub fn configuration_path(&self) -> String {
        if self.measured.metric.gate {
            format!("{}.config", self.measured.path)
        } else {
            self.measured.provider_path()
        }
    }

    /// What is wrong at `path`, which is where it is written, as a problem of the Rollout: of a metric of a template, where
    /// the Rollout names that.
    #[must_use]
    pub fn problem(&self, path: String, message: String) -> Problem {
        self.origin.tell(Problem::new(path, message))
    }
}

/// Whether nothing in `value` stands for what is known only when the analysis is begun, such as a hash or a Secret.
#[must_use]
pub fn is_known(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.contains(UNKNOWN_YET),
        Value::Array(entries) => entries.iter().all(is_known),
        Value::Object(fields) => fields.values().all(is_known),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

/// The metrics of the analyses of `spec` that refer to nothing, and all its gates. Those of the others come with
/// [`super::Reference::resolve`].
#[must_use]
pub fn planned(spec: &Spec) -> Vec<Planned> {
    let background = spec.background.iter().flat_map(|background| {
        let path = format!("{CANARY}.analysis");
        of_analysis(Place::Background, &background.analysis, &path)
    });
    let steps = spec.steps.iter().zip(0_u32..).flat_map(|(step, index)| {
        let path = format!("{CANARY}.steps[{index}]");
        match step {
            Step::Analysis(analysis) => {
                of_analysis(Place::Step(index), analysis, &format!("{path}.analysis"))
            }
            // The path of a list of one is that of the step.
            Step::Gate(gates) => of_gates(gates, |_| format!("{path}.gate")),
            Step::SetWeight(_)
            | Step::Pause(_)
            | Step::SetCanaryScale(_)
            | Step::Experiment(_)
            | Step::SetHeaderRoute(_)
            | Step::SetMirrorRoute(_) => Vec::new(),
        }
    });
    let strategy = if spec.blue_green().is_some() {
        BLUE_GREEN
    } else {
        CANARY
    };
    let gates = spec
        .promotion_gates
        .iter()
        .flat_map(|gates| of_gates(gates, |index| format!("{strategy}.promotionGates[{index}]")));
    let around_the_switch = around_the_switch(spec);
    background
        .chain(steps)
        .chain(around_the_switch)
        .chain(gates)
        .collect()
}

/// The metrics of the analyses before and after a blue-green switch.
fn around_the_switch(spec: &Spec) -> Vec<Planned> {
    let Some(blue_green) = spec.blue_green() else {
        return Vec::new();
    };
    let both = [
        (
            Place::PrePromotion,
            &blue_green.pre_promotion,
            "prePromotionAnalysis",
        ),
        (
            Place::PostPromotion,
            &blue_green.post_promotion,
            "postPromotionAnalysis",
        ),
    ];
    let planned = both.into_iter().flat_map(|(place, written, field)| {
        let path = format!("{BLUE_GREEN}.{field}");
        let analyses = written.iter();
        analyses
            .flat_map(move |written| of_analysis(place, &written.analysis, &path))
            .collect::<Vec<_>>()
    });
    planned.collect()
}

/// The metrics of an analysis that was found to make sense; none of one that refers to something.
fn of_analysis(place: Place, analysis: &Analysis, path: &str) -> Vec<Planned> {
    let Ok(run) = AnalysisRunSpec::deserialize(&analysis.run) else {
        return Vec::new();
    };
    let written = RolloutAnalysis {
        metrics: run.metrics,
        dry_run: run.dry_run,
        measurement_retention: run.measurement_retention,
        ..RolloutAnalysis::default()
    };
    resolve::planned(place, &written, &analysis.args, path)
}

fn of_gates(gates: &Gates, path: impl Fn(usize) -> String) -> Vec<Planned> {
    let written = Vec::<Gate>::deserialize(&gates.gates).unwrap_or_default();
    let each = written.iter().enumerate();
    each.filter_map(|(index, written)| {
        let path = path(index);
        let measured = gate::validate_one(written, &path, &mut Vec::new())?;
        let origin = Origin::of_rollout(path);
        Some(Planned { measured, origin })
    })
    .collect()
}
