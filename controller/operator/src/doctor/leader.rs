//! Does one of the replicas work?

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;

use super::{Area, Finding, Patient};
use crate::argo;
use crate::leader::LEASE;
use crate::lease::holder;

pub(super) async fn examine(patient: &Patient) -> Vec<Finding> {
    let mut findings = vec![of(patient, LEASE, &patient.own_namespace).await];
    if let Some(namespace) = &patient.argo_lease_namespace {
        findings.push(of(patient, argo::LEASE, namespace).await);
    }
    findings
}

async fn of(patient: &Patient, lease: &str, namespace: &str) -> Finding {
    let leases: Api<Lease> = Api::namespaced(patient.client.clone(), namespace);
    let name = patient.instance.own_name(lease);
    let what = format!("the lease {name} in the namespace {namespace}");
    match leases.get_opt(&name).await {
        Err(error) => Finding::unanswered(Area::Leader, &what, &error),
        Ok(None) => nobody(&format!("there is no {what}")),
        Ok(Some(lease)) => judged(&lease, &what, Timestamp::now()),
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

    use super::super::State;
    use super::*;

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
