//! Does one of the replicas work?

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kulta_api::Group;

use super::{Area, Finding, Patient, State};
use crate::argo;
use crate::leader::LEASE;
use crate::lease::holder;

pub(super) async fn examine(patient: &Patient) -> Vec<Finding> {
    let now = Timestamp::now();
    let (own, what) = read(patient, LEASE, &patient.own_namespace).await;
    let mut findings = vec![found(&own, |lease| judged(lease, &what, now), &what)];
    if let Some(namespace) = &patient.argo_lease_namespace {
        let (lease, what) = read(patient, argo::LEASE, namespace).await;
        let leader = own.ok().flatten().map(|own| holder(&own).to_owned());
        let judge = |lease: &Lease| judged_beside(leader.as_deref(), lease, &what, now);
        findings.push(found(&lease, judge, &what));
    }
    findings
}

/// A lease, and what it is called.
async fn read(
    patient: &Patient,
    lease: &str,
    namespace: &str,
) -> (Result<Option<Lease>, kube::Error>, String) {
    let leases: Api<Lease> = Api::namespaced(patient.client.clone(), namespace);
    let name = patient.instance.own_name(lease);
    let what = format!("the lease {name} in the namespace {namespace}");
    (leases.get_opt(&name).await, what)
}

fn found(
    read: &Result<Option<Lease>, kube::Error>,
    judge: impl FnOnce(&Lease) -> Finding,
    what: &str,
) -> Finding {
    match read {
        Err(error) => Finding::unanswered(Area::Leader, what, error),
        Ok(None) => nobody(&format!("there is no {what}")),
        Ok(Some(lease)) => judge(lease),
    }
}

/// The lease of Argo Rollouts, where `leader` holds KULTA's own: whoever leads asks for it under the same name.
fn judged_beside(leader: Option<&str>, lease: &Lease, what: &str, now: Timestamp) -> Finding {
    let finding = judged(lease, what, now);
    let holder = holder(lease);
    match leader {
        Some(leader) if finding.state == State::Well && leader != holder => Finding::wrong(
            Area::Leader,
            format!(
                "{holder} holds {what}, and {leader} leads: KULTA writes nothing on Rollouts of {}",
                Group::Argo
            ),
            "scale Argo Rollouts' controller to 0; KULTA goes on within seconds",
        ),
        _ => finding,
    }
}

fn nobody(text: &str) -> Finding {
    let remedy = "no controller works: see `kubectl get pods` in that namespace; if it is another one, tell this command by \
                  --controller-namespace";
    Finding::wrong(Area::Leader, text, remedy)
}

fn judged(lease: &Lease, what: &str, now: Timestamp) -> Finding {
    let spec = lease.spec.as_ref();
    let holder = holder(lease);
    if holder.is_empty() {
        return nobody(&format!("nobody holds {what}"));
    }
    let renewed = spec.and_then(|spec| spec.renew_time.as_ref()).map(|time| time.0);
    let term = spec
        .and_then(|spec| spec.lease_duration_seconds)
        .unwrap_or_default();
    let age = renewed.map_or(i64::MAX, |renewed| now.duration_since(renewed).as_secs());
    if age > i64::from(term) {
        return nobody(&format!(
            "{holder} holds {what}, but has not renewed it for {age} s"
        ));
    }
    Finding::well(Area::Leader, format!("{holder} holds {what}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lease_that_argo_rollouts_holds_is_told_with_what_to_do() {
        let lease = json!({"metadata": {}, "spec": {
            "holderIdentity": "argo-rollouts-1", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:58.000000Z",
        }});
        let lease = serde_json::from_value(lease).unwrap();
        let now = "2026-01-01T00:01:00Z".parse().unwrap();

        let foreign = judged_beside(Some("pod-1"), &lease, "the lease", now);
        let own = judged_beside(Some("argo-rollouts-1"), &lease, "the lease", now);

        assert_eq!((foreign.state, own.state), (State::Wrong, State::Well));
        assert!(
            foreign.text.contains("pod-1 leads: KULTA writes nothing"),
            "{}",
            foreign.text
        );
    }

    fn finding(spec: &serde_json::Value) -> Finding {
        let lease = serde_json::from_value(json!({"metadata": {}, "spec": spec})).unwrap();
        judged(&lease, "the lease", "2026-01-01T00:01:00Z".parse().unwrap())
    }

    #[test]
    fn holder_that_renews_works() {
        let finding = finding(&json!({
            "holderIdentity": "pod-1", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:58.000000Z",
        }));

        assert_eq!(
            (finding.state, finding.text.as_str()),
            (State::Well, "pod-1 holds the lease")
        );
    }

    #[test]
    fn holder_that_has_gone_is_told() {
        let finding = finding(&json!({
            "holderIdentity": "pod-1", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.000000Z",
        }));

        assert_eq!(finding.state, State::Wrong);
        assert!(
            finding.text.contains("not renewed it for 60 s"),
            "{}",
            finding.text
        );
    }

    #[test]
    fn lease_that_was_given_back_has_no_holder() {
        assert_eq!(finding(&json!({"holderIdentity": ""})).state, State::Wrong);
    }
}
