//! Are KULTA's kinds served?

use std::collections::BTreeSet;

use kulta_api::crd::Definition;
use kulta_api::{Group, VERSION};
use kulta_core::text::with_causes;

use super::{Area, Finding, Patient, State, some_of};
use crate::argo::served::{Look, LookError, Served, losses};

/// Where those of `kulta.io` are.
const OWN_FOLDER: &str = "deploy/crds";
/// Where those of `argoproj.io` are.
const ARGO_FOLDER: &str = "deploy/crds/argo";

pub(super) async fn examine(patient: &Patient) -> Vec<Finding> {
    let mut findings = Vec::new();
    for group in &patient.groups {
        findings.push(of(patient, *group).await);
    }
    findings
}

async fn of(patient: &Patient, group: Group) -> Finding {
    let version = format!("{group}/{VERSION}");
    let served = match patient.client.list_api_group_resources(&version).await {
        Ok(list) => list.resources.into_iter().map(|resource| resource.name).collect(),
        Err(kube::Error::Api(status)) if status.is_not_found() => BTreeSet::new(),
        Err(error) => {
            return Finding::unanswered(
                Area::Definitions,
                &format!("{version} can't be asked for"),
                &error,
            );
        }
    };
    let finding = judged(group, &served);
    if finding.state != State::Well {
        return finding;
    }
    match group {
        Group::Argo => fields(patient, finding).await,
        Group::Kulta => match losses(patient.client.clone(), group).await {
            Ok(lost) => judged_by_losses(&lost, finding),
            Err(error) => unseen(group, &error),
        },
    }
}

fn unseen(group: Group, error: &LookError) -> Finding {
    Finding::doubtful(
        Area::Definitions,
        format!("the fields of {group} can't be seen: {}", with_causes(error)),
        "see whether this account may read /openapi/v3",
    )
}

/// Own definitions of another version; `well` where they keep everything.
fn judged_by_losses(lost: &[String], well: Finding) -> Finding {
    if lost.is_empty() {
        return well;
    }
    Finding::wrong(
        Area::Definitions,
        format!(
            "those of {} are not of this version, and lose {}",
            Group::Kulta,
            some_of(lost)
        ),
        format!("{}, of the version of the controller", apply(OWN_FOLDER)),
    )
}

/// Whose they are is seen by their fields; `well` where all are there.
async fn fields(patient: &Patient, well: Finding) -> Finding {
    match Served::new(patient.client.clone()).look().await {
        Ok(look) => judged_by_fields(&look, well),
        Err(error) => unseen(Group::Argo, &error),
    }
}

fn judged_by_fields(look: &Look, well: Finding) -> Finding {
    let group = Group::Argo;
    match look {
        Look::Fit { without, beside } if without.is_empty() && beside.is_empty() => well,
        Look::Fit { without, beside } => {
            let off = without.iter().map(String::as_str);
            let off: Vec<_> = off.chain(beside.iter().map(String::as_str)).collect();
            Finding::doubtful(
                Area::Definitions,
                format!("{group} has others than KULTA's, without {}", off.join(", ")),
                format!("to use what of it is spec: {}", replace()),
            )
        }
        Look::Missing { kinds } => Finding::wrong(
            Area::Definitions,
            format!("{group} lacks {}", kinds.join(", ")),
            apply(ARGO_FOLDER),
        ),
        Look::Pruning { fields } => Finding::wrong(
            Area::Definitions,
            format!("{group} loses what KULTA depends on: {}", fields.join(", ")),
            replace(),
        ),
    }
}

fn apply(folder: &str) -> String {
    format!(
        "kubectl apply --server-side -k {folder} (where Helm has installed KULTA: `helm upgrade` brings them)"
    )
}

/// What Argo Rollouts has installed is replaced whole, so that nothing of it is left.
fn replace() -> String {
    format!(
        "kubectl replace -k {ARGO_FOLDER} (where Helm has installed KULTA: `helm upgrade --take-ownership` with \
         argoApi.definitions=true)"
    )
}

fn judged(group: Group, served: &BTreeSet<String>) -> Finding {
    let missing = Definition::ALL.into_iter().map(Definition::plural);
    let missing: Vec<_> = missing.filter(|plural| !served.contains(*plural)).collect();
    if missing.is_empty() {
        let text = format!(
            "all {} kinds of {group}/{VERSION} are served",
            Definition::ALL.len()
        );
        return Finding::well(Area::Definitions, text);
    }
    let folder = match group {
        Group::Kulta => OWN_FOLDER,
        Group::Argo => ARGO_FOLDER,
    };
    Finding::wrong(
        Area::Definitions,
        format!("{group}/{VERSION} lacks {}", missing.join(", ")),
        apply(folder),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_that_are_missing_are_named_with_the_command_that_brings_them() {
        let served = ["rollouts", "analysisruns", "experiments"].map(str::to_owned);

        let finding = judged(Group::Kulta, &served.into_iter().collect());

        assert_eq!(finding.state, State::Wrong);
        assert!(
            finding
                .text
                .ends_with("lacks analysistemplates, clusteranalysistemplates"),
            "{}",
            finding.text
        );
    }

    #[test]
    fn own_definitions_of_another_version_are_told_with_the_fields_that_they_lose() {
        let lost = ["Rollout status.history[].actor".to_owned()];

        let finding = judged_by_losses(&lost, Finding::well(Area::Definitions, "all"));

        assert_eq!(finding.state, State::Wrong);
        assert!(
            finding.text.ends_with("lose Rollout status.history[].actor"),
            "{}",
            finding.text
        );
    }

    #[test]
    fn definitions_of_others_are_told_with_the_fields_that_they_lack() {
        let look = Look::Fit {
            without: vec!["spec.strategy.canary.promotionGates".to_owned()],
            beside: vec!["AnalysisTemplate spec.metrics[].deadline".to_owned()],
        };

        let finding = judged_by_fields(&look, Finding::well(Area::Definitions, "all"));

        assert_eq!(finding.state, State::Doubtful);
        assert!(
            finding.text.ends_with(
                "without spec.strategy.canary.promotionGates, AnalysisTemplate spec.metrics[].deadline"
            ),
            "{}",
            finding.text
        );
    }

    #[test]
    fn definitions_that_lose_what_is_depended_on_are_wrong() {
        let fields = vec!["AnalysisRun status.startedAt".to_owned()];

        let finding = judged_by_fields(&Look::Pruning { fields }, Finding::well(Area::Definitions, "all"));

        assert_eq!(finding.state, State::Wrong);
        assert!(
            finding.text.contains("AnalysisRun status.startedAt"),
            "{}",
            finding.text
        );
    }
}
