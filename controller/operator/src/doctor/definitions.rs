//! Are KULTA's kinds served?

use std::collections::BTreeSet;

use kulta_api::crd::Definition;
use kulta_api::{Group, VERSION};

use super::{Area, Finding, Patient};

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
    judged(group, &served)
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
        Group::Kulta => "deploy/crds",
        Group::Argo => "deploy/crds/argo",
    };
    Finding::wrong(
        Area::Definitions,
        format!("{group}/{VERSION} lacks {}", missing.join(", ")),
        format!("kubectl apply --server-side -k {folder}"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::State;
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
}
