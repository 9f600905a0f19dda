//! What an AnalysisRun bears because its Rollout says so.

use kulta_core::plan::Purpose;
use serde::Deserialize as _;
use serde_json::Value;

use crate::experiment::RunMetadata;

/// What the AnalysisRun for `purpose` bears besides KULTA's own labels and annotations, as the Rollout is written. It decides
/// nothing, so no decision knows of it.
#[must_use]
pub fn run_metadata(spec: &Value, purpose: Purpose) -> RunMetadata {
    let place = match purpose {
        Purpose::Background => "canary/analysis".to_owned(),
        Purpose::Step(index) => format!("canary/steps/{index}/analysis"),
        Purpose::PrePromotion => "blueGreen/prePromotionAnalysis".to_owned(),
        Purpose::PostPromotion => "blueGreen/postPromotionAnalysis".to_owned(),
        // An experiment has its own, and gates none.
        Purpose::Experiment(_) | Purpose::Gate(_) => return RunMetadata::default(),
    };
    let written = spec.pointer(&format!("/strategy/{place}/analysisRunMetadata"));
    let written = written.map(RunMetadata::deserialize);
    written.and_then(Result::ok).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_analysis_of_a_rollout_has_its_own() {
        let team = |team: &str| json!({"analysisRunMetadata": {"labels": {"team": team}}});
        let spec = json!({"strategy": {
            "canary": {"analysis": team("a"), "steps": [{"setWeight": 5}, {"analysis": team("b")}]},
            "blueGreen": {"prePromotionAnalysis": team("c"), "postPromotionAnalysis": {}},
        }});

        let teams = [
            Purpose::Background,
            Purpose::Step(1),
            Purpose::PrePromotion,
            Purpose::PostPromotion,
            Purpose::Gate(0),
        ]
        .map(|purpose| {
            let labels = run_metadata(&spec, purpose).labels.unwrap_or_default();
            labels.get("team").cloned()
        });

        let expected = [Some("a"), Some("b"), Some("c"), None, None];
        assert_eq!(teams, expected.map(|team| team.map(str::to_owned)));
    }
}
