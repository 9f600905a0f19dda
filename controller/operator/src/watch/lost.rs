//! Fields of a spec that were written, and that the definitions in the cluster have lost since.

use std::collections::BTreeSet;

use kulta_core::spec::{InvalidSpec, Problem, Spec};

use super::rollout::Rollout;

/// The own fields of its spec that definitions have lost: a gate that nobody sees any more must not be passed.
///
/// Lost is what was written, is not there, and has no place in the definitions that lack the fields `off`; or went without a change
/// of the spec, which no user can do. What was lost once stays so until it is written again: with other changes of the spec nobody
/// has said that it is to be gone.
pub(crate) fn lost_fields(rollout: &Rollout, off: &[String]) -> Vec<String> {
    let Some(memory) = &rollout.memory else {
        return Vec::new();
    };
    let is_off = |field: &str| off.iter().any(|off| off.strip_prefix("spec.") == Some(field));
    let is_same = memory.generation == rollout.view.generation;
    let remembered: BTreeSet<_> = memory.own_fields.iter().chain(&memory.lost).collect();
    remembered
        .into_iter()
        .filter(|field| !rollout.own_fields.contains(field))
        .filter(|field| is_same || is_off(field) || memory.lost.contains(field))
        .cloned()
        .collect()
}

/// `spec` without what was lost of it: enough to hold, never to go on.
pub(crate) fn lacking(spec: Result<Spec, InvalidSpec>, lost: &[String]) -> Result<Spec, InvalidSpec> {
    if lost.is_empty() {
        return spec;
    }
    let problems = lost.iter().map(|field| {
        Problem::new(
            format!("spec.{field}"),
            "was written, and the definitions in the cluster have lost it: kubectl replace -k deploy/crds/argo, and apply the \
             Rollout again; to go on without it, take the condition KultaMemory out of its status",
        )
    });
    Err(match spec {
        Ok(spec) => InvalidSpec {
            problems: problems.collect(),
            readable: Some(Box::new(spec)),
        },
        Err(mut invalid) => {
            invalid.problems.extend(problems);
            invalid
        }
    })
}

#[cfg(test)]
mod tests {
    use kulta_api::Group;
    use kulta_api::status::{Keeping, with_memory};
    use serde_json::json;

    use super::super::projection::Projection as _;
    use super::super::samples;
    use super::*;

    const GATES: &str = "strategy.canary.promotionGates";

    /// A Rollout whose status was written at `generation` with promotion gates in the spec; the gates are not there any more, and were
    /// not at that time, if they are `lost`.
    fn without_its_gates(generation: i64, lost: bool) -> Rollout {
        let mut object = samples::argo(samples::rollout("web"));
        let gates = [GATES.to_owned()];
        let (own_fields, lost): (&[String], &[String]) = if lost { (&[], &gates) } else { (&gates, &[]) };
        let keeping = Keeping {
            off: &[],
            generation,
            own_fields,
            lost,
        };
        object["status"] = with_memory(Group::Argo, json!({}), keeping);
        Rollout::project(&object).unwrap()
    }

    #[test]
    fn gate_that_went_without_a_change_of_the_spec_is_lost() {
        assert_eq!(lost_fields(&without_its_gates(2, false), &[]), [GATES]);
    }

    #[test]
    fn gate_that_the_definitions_have_no_place_for_is_lost_whatever_has_changed() {
        let off = [format!("spec.{GATES}")];

        assert_eq!(lost_fields(&without_its_gates(1, false), &off), [GATES]);
    }

    #[test]
    fn gate_that_was_lost_once_stays_so_with_other_changes() {
        assert_eq!(lost_fields(&without_its_gates(1, true), &[]), [GATES]);
    }

    #[test]
    fn gate_that_somebody_took_away_is_gone() {
        assert!(lost_fields(&without_its_gates(1, false), &[]).is_empty());
    }

    #[test]
    fn rollout_that_remembers_nothing_has_lost_nothing() {
        let mut rollout = without_its_gates(2, false);
        rollout.memory = None;

        assert!(lost_fields(&rollout, &[format!("spec.{GATES}")]).is_empty());
    }

    #[test]
    fn spec_without_its_gate_is_enough_to_bring_the_traffic_home() {
        let rollout = without_its_gates(2, false);

        let invalid = lacking(rollout.spec.clone(), &[GATES.to_owned()]).unwrap_err();

        assert_eq!(invalid.problems[0].path, format!("spec.{GATES}"));
        assert_eq!(invalid.readable.map(|spec| *spec), rollout.spec.ok());
    }

    #[test]
    fn problem_with_the_spec_is_told_beside_what_was_lost() {
        let problem = Problem::new("spec.strategy", "is missing");

        let both = lacking(Err(vec![problem].into()), &[GATES.to_owned()]).unwrap_err();

        assert_eq!(both.problems.len(), 2);
    }
}
