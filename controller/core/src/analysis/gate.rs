//! Gates that are asked together: all must allow at the same time.

use super::finding::Finding;
use super::verdict::Decision;

/// What came of asking gates, in their order: the answer of each, or why it gave none.
///
/// One that allows while another holds is asked again with it, or the rollout would go on by an answer of long ago.
#[must_use]
pub fn findings(answers: Vec<Result<Decision, String>>) -> Vec<Finding> {
    let allowed = answers
        .iter()
        .all(|answer| matches!(answer, Ok(Decision::Allow(_))));
    let finding = |answer| match answer {
        Ok(Decision::Allow(outcome)) if allowed => Finding::Successful(outcome),
        Ok(Decision::Allow(outcome) | Decision::Hold(outcome)) => Finding::Running(outcome),
        Ok(Decision::Deny(outcome)) => Finding::Failed(outcome),
        Err(message) => Finding::Error(message),
    };
    answers.into_iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::verdict::Outcome;

    fn outcome() -> Outcome {
        Outcome::default()
    }

    #[test]
    fn gates_that_all_allow_let_it_go_on() {
        let findings = findings(vec![
            Ok(Decision::Allow(outcome())),
            Ok(Decision::Allow(outcome())),
        ]);

        assert_eq!(
            findings,
            [Finding::Successful(outcome()), Finding::Successful(outcome())]
        );
    }

    #[test]
    fn one_that_allows_is_asked_again_while_another_holds() {
        let findings = findings(vec![
            Ok(Decision::Allow(outcome())),
            Ok(Decision::Hold(outcome())),
        ]);

        assert_eq!(
            findings,
            [Finding::Running(outcome()), Finding::Running(outcome())]
        );
    }

    #[test]
    fn no_answer_holds_the_others() {
        let findings = findings(vec![Ok(Decision::Allow(outcome())), Err("no answer".to_owned())]);

        assert_eq!(
            findings,
            [
                Finding::Running(outcome()),
                Finding::Error("no answer".to_owned())
            ]
        );
    }

    #[test]
    fn one_that_denies_fails_alone() {
        let findings = findings(vec![
            Ok(Decision::Deny(outcome())),
            Ok(Decision::Allow(outcome())),
        ]);

        assert_eq!(
            findings,
            [Finding::Failed(outcome()), Finding::Running(outcome())]
        );
    }
}
