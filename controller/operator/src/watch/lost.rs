//! Fields of a spec that were written, and that the definitions in the cluster have lost since.

use kulta_api::status::{Memory, own_fields};
use kulta_core::spec::{InvalidSpec, Problem, Spec};
use kulta_core::status::Status;
use serde_json::Value;

/// The own fields of a spec, and which of them were lost since `status` told of this very generation: then it was not a user who
/// took them away, but definitions that have no place for them were put in place of KULTA's. A gate that nobody sees any more must
/// not be passed.
pub(super) fn own_fields_and_lost(
    spec: &Value,
    memory: Option<&Memory>,
    status: &Status,
    generation: i64,
) -> (Vec<String>, Vec<Problem>) {
    let written = own_fields(spec);
    let remembered = memory.map(|memory| &memory.own_fields).into_iter().flatten();
    let is_same = status.observed_generation == Some(generation);
    let lost: Vec<_> = remembered
        .filter(|field| is_same && !written.contains(field))
        .cloned()
        .collect();
    let problems = lost.iter().map(|field| {
        Problem::new(
            format!("spec.{field}"),
            "was written, and the definitions in the cluster have lost it: kubectl replace -k deploy/crds/argo, and apply the \
             Rollout again; to go on without it, change the spec",
        )
    });
    let problems = problems.collect();
    (written.into_iter().chain(lost).collect(), problems)
}

/// `spec` without what was lost of it: enough to hold, never to go on.
pub(super) fn lacking(spec: Result<Spec, InvalidSpec>, lost: &[Problem]) -> Result<Spec, InvalidSpec> {
    if lost.is_empty() {
        return spec;
    }
    Err(match spec {
        Ok(spec) => InvalidSpec {
            problems: lost.to_vec(),
            readable: Some(Box::new(spec)),
        },
        Err(mut invalid) => {
            invalid.problems.extend_from_slice(lost);
            invalid
        }
    })
}

#[cfg(test)]
mod tests {
    use kulta_api::Group;
    use kulta_api::status::{Keeping, WriteContext, with_memory, write};
    use serde_json::json;

    use super::super::projection::Projection as _;
    use super::super::rollout::Rollout;
    use super::super::samples;
    use super::*;

    const GATES: &str = "strategy.canary.promotionGates";

    /// A Rollout whose status was written at `generation` with promotion gates in the spec; the gates are not there any more.
    fn without_its_gates(generation: i64) -> Rollout {
        let mut object = samples::argo(samples::rollout("web"));
        let status = Status {
            observed_generation: Some(generation),
            ..Status::default()
        };
        let context = WriteContext {
            group: Group::Argo,
            generation,
            stable_service: None,
            canary_service: None,
        };
        let keeping = Keeping {
            off: &[],
            own_fields: &[GATES.to_owned()],
        };
        object["status"] = with_memory(Group::Argo, write(&status, &context), keeping);
        Rollout::project(&object).unwrap()
    }

    #[test]
    fn gate_that_was_lost_without_a_change_of_the_spec_holds() {
        let rollout = without_its_gates(2);

        let invalid = rollout.spec.unwrap_err();
        assert_eq!(invalid.problems[0].path, format!("spec.{GATES}"));
        assert!(invalid.readable.is_some(), "the traffic can't be brought home");
        // It is remembered until somebody changes the spec.
        assert!(rollout.own_fields.contains(&GATES.to_owned()));
    }

    #[test]
    fn gate_that_somebody_took_away_is_gone() {
        let rollout = without_its_gates(1);

        assert!(rollout.spec.is_ok());
        assert!(!rollout.own_fields.contains(&GATES.to_owned()));
    }

    #[test]
    fn problem_with_the_spec_is_told_beside_what_was_lost() {
        let problem = Problem::new("spec.strategy", "is missing");
        let lost = [Problem::new("spec.strategy.canary.promotionGates", "was written")];

        let both = lacking(Err(vec![problem].into()), &lost).unwrap_err();

        assert_eq!(both.problems.len(), 2);
        assert_eq!(lacking(Err(vec![].into()), &[]).unwrap_err().problems, []);
    }

    #[test]
    fn spec_of_which_nothing_was_lost_is_as_it_was_written() {
        let written = json!({"strategy": {"canary": {"promotionGates": []}}});

        let (own, lost) = own_fields_and_lost(&written, None, &Status::default(), 1);

        assert_eq!(own, [GATES]);
        assert_eq!(lost, []);
    }
}
