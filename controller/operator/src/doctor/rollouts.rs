//! How are the Rollouts that there are?

use kube::api::{DynamicObject, ListParams};
use kulta_api::{Group, rollout};
use serde_json::Value;

use super::{Area, Finding, Patient, Seen, some_of};

/// As the status has it.
const DEGRADED: &str = "Degraded";

pub(super) async fn examine(patient: &Patient) -> Vec<Finding> {
    let mut findings = Vec::new();
    for group in &patient.groups {
        findings.push(of(patient, *group).await);
    }
    findings
}

async fn of(patient: &Patient, group: Group) -> Finding {
    let listed = ListParams::default().labels(&patient.instance.selector());
    let resource = rollout::api_resource(group);
    match patient.look_at_each(&resource, listed, problem).await {
        Ok(seen) => judged(&seen, group),
        Err(error) => {
            let what = format!("Rollouts of {group} can't be listed");
            Finding::unanswered(Area::Rollouts, &what, &error)
        }
    }
}

/// What a Rollout says of its being Degraded.
fn problem(rollout: &DynamicObject) -> Option<String> {
    let text = |field: &str| {
        let value = rollout.data.get("status").and_then(|status| status.get(field));
        value.and_then(Value::as_str).unwrap_or_default()
    };
    (text("phase") == DEGRADED).then(|| text("message").to_owned())
}

fn judged(Seen { number, bad }: &Seen, group: Group) -> Finding {
    if bad.is_empty() {
        return Finding::well(Area::Rollouts, format!("none of {number} of {group} is Degraded"));
    }
    let text = format!(
        "{} of {number} of {group} are Degraded: {}",
        bad.len(),
        some_of(bad)
    );
    Finding::doubtful(
        Area::Rollouts,
        text,
        "`kubectl kulta get rollout NAME` shows one whole",
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::State;
    use super::*;

    fn rollout(name: &str, phase: &str) -> DynamicObject {
        serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "shop"},
            "status": {"phase": phase, "message": "InvalidSpec: a word"},
        }))
        .unwrap()
    }

    #[test]
    fn degraded_rollout_is_named_with_its_message() {
        let mut seen = Seen::default();
        for rollout in [rollout("web", "Healthy"), rollout("api", "Degraded")] {
            seen.add(&rollout, problem(&rollout));
        }

        let finding = judged(&seen, Group::Kulta);

        assert_eq!(finding.state, State::Doubtful);
        assert!(
            finding
                .text
                .ends_with("1 of 2 of kulta.io are Degraded: shop/api (InvalidSpec: a word)"),
            "{}",
            finding.text
        );
    }
}
