//! Numbers of pods, absolute or as a share of `spec.replicas`.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kulta_core::spec::{Amount, Problem};

use super::parse::natural;
use crate::Group;

/// What Argo Rollouts takes where none is written.
pub(super) const DEFAULT_AMOUNT: Amount = Amount::Percent(25);

/// The pods that may be missing, as written at `path`; None where `problems` tells why.
pub(super) fn max_unavailable(
    group: Group,
    written: Option<&IntOrString>,
    path: &str,
    problems: &mut Vec<Problem>,
) -> Option<Amount> {
    let amount = amount(group, written, path, problems);
    match (amount, group) {
        (Some(Amount::Percent(101..)), Group::Argo) => Some(Amount::Percent(100)),
        (Some(Amount::Percent(101..)), Group::Kulta) => {
            let message = "must not be greater than 100%; all pods are 100%";
            problems.push(Problem::new(path, message));
            amount
        }
        _ => amount,
    }
}

/// The amount that is written at `path`; None where `problems` tells why.
pub(super) fn amount(
    group: Group,
    written: Option<&IntOrString>,
    path: &str,
    problems: &mut Vec<Problem>,
) -> Option<Amount> {
    match written {
        None => Some(DEFAULT_AMOUNT),
        Some(IntOrString::Int(pods)) => natural(Some(*pods), path, problems).map(Amount::Pods),
        Some(IntOrString::String(text)) => {
            let percent = percent(group, text);
            if percent.is_none() {
                let message = format!(
                    "{text:?} is not a number of pods and not a percentage; write 25 for 25 pods or \"25%\" for a \
                     quarter of replicas"
                );
                problems.push(Problem::new(path, message));
            }
            percent.map(Amount::Percent)
        }
    }
}

/// Argo Rollouts takes a text for a percentage, also without its sign.
fn percent(group: Group, text: &str) -> Option<u32> {
    let digits = match (text.strip_suffix('%'), group) {
        (Some(digits), _) => digits,
        (None, Group::Argo) => text,
        (None, Group::Kulta) => return None,
    };
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        digits.parse().ok()
    } else {
        None
    }
}
