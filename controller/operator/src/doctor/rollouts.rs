//! How are the Rollouts that there are?

use kube::ResourceExt as _;
use kube::api::{DynamicObject, ListParams};
use kulta_api::{Group, rollout};
use serde_json::Value;

use super::{Area, Finding, Patient, some_of};

/// As the status has it.
const DEGRADED: &str = "Degraded";
/// Many Rollouts are listed in pages: each costs the API server as much memory as is in it.
const PAGE: u32 = 500;

pub(super) async fn examine(patient: &Patient) -> Vec<Finding> {
    let mut findings = Vec::new();
    for group in &patient.groups {
        findings.push(of(patient, *group).await);
    }
    findings
}

async fn of(patient: &Patient, group: Group) -> Finding {
    let api = patient.objects(&rollout::api_resource(group));
    let mut seen = Seen::default();
    let mut page = ListParams::default()
        .labels(&patient.instance.selector())
        .limit(PAGE);
    loop {
        match api.list(&page).await {
            Err(error) => {
                let what = format!("Rollouts of {group} can't be listed");
                return Finding::unanswered(Area::Rollouts, &what, &error);
            }
            Ok(list) => {
                list.items.iter().for_each(|rollout| seen.add(rollout));
                match list.metadata.continue_.filter(|token| !token.is_empty()) {
                    Some(token) => page = page.continue_token(&token),
                    None => return seen.judged(group),
                }
            }
        }
    }
}

/// What was seen of the Rollouts so far. Not they: whole, they take more memory than the controller beside has.
#[derive(Default)]
struct Seen {
    number: usize,
    bad: Vec<String>,
}

impl Seen {
    fn add(&mut self, rollout: &DynamicObject) {
        self.number += 1;
        let text = |field: &str| {
            let value = rollout.data.get("status").and_then(|status| status.get(field));
            value.and_then(Value::as_str).unwrap_or_default()
        };
        if text("phase") == DEGRADED {
            let (namespace, name) = (rollout.namespace().unwrap_or_default(), rollout.name_any());
            self.bad.push(format!("{namespace}/{name} ({})", text("message")));
        }
    }

    fn judged(&self, group: Group) -> Finding {
        let Self { number, bad } = self;
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
            seen.add(&rollout);
        }

        let finding = seen.judged(Group::Kulta);

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
