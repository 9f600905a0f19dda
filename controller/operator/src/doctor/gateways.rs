//! Is there a Gateway API that takes weights?

use http::StatusCode;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::{Api, ResourceExt};
use kulta_api::Group;
use kulta_core::acceptance::objection;
use serde_json::Value;

use super::{Area, Finding, Patient, Seen, some_of};
use crate::watch::Projection as _;
use crate::watch::route::{Grpc, Http, Kind, Route, Tcp, Tls};

const GROUP: &str = "gateway.networking.k8s.io";
const VERSION: &str = "v1";
/// Accepts classes.
const ACCEPTED: &str = "Accepted";

pub(super) async fn examine(patient: &Patient) -> Vec<Finding> {
    let requests = [routes::<Http>(patient).await, routes::<Grpc>(patient).await];
    let requests: Vec<_> = requests.into_iter().flatten().collect();
    if requests.is_empty() {
        return vec![no_gateway_api()];
    }
    let connections = [routes::<Tcp>(patient).await, routes::<Tls>(patient).await];
    let mut findings = Vec::new();
    // They are of no namespace: an account of one namespace may not see them.
    if patient.namespace.is_none() {
        findings.push(classes(patient).await);
    }
    findings.extend(requests);
    findings.extend(connections.into_iter().flatten());
    findings
}

fn no_gateway_api() -> Finding {
    let text = "the cluster does not serve routes of requests: only Rollouts without trafficRouting work";
    Finding::doubtful(
        Area::Gateways,
        text,
        "install the Gateway API and a gateway that implements it",
    )
}

async fn classes(patient: &Patient) -> Finding {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(GROUP, VERSION, "GatewayClass"));
    let classes = Api::<DynamicObject>::all_with(patient.client.clone(), &resource);
    match classes.list(&ListParams::default()).await {
        Err(error) => Finding::unanswered(Area::Gateways, "GatewayClasses can't be listed", &error),
        Ok(list) => judged_classes(&list.items),
    }
}

fn judged_classes(classes: &[DynamicObject]) -> Finding {
    let accepted = classes.iter().filter(|class| is_accepted(class));
    let accepted: Vec<_> = accepted.map(ResourceExt::name_any).collect();
    if accepted.is_empty() {
        let text = "no GatewayClass is accepted by a gateway's controller";
        let remedy = "where Rollouts move weights by routes of a gateway, see whether its controller runs";
        return Finding::doubtful(Area::Gateways, text, remedy);
    }
    Finding::well(
        Area::Gateways,
        format!("accepted classes: {}", some_of(&accepted)),
    )
}

fn is_accepted(class: &DynamicObject) -> bool {
    let conditions = class.data.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| {
        let field = |name: &str| condition.get(name).and_then(Value::as_str);
        field("type") == Some(ACCEPTED) && field("status") == Some("True")
    })
}

/// The routes of a kind, in the newest version of it that is served; None: it is not served.
async fn routes<K: Kind>(patient: &Patient) -> Option<Finding> {
    for resource in Route::<K>::api_resources(Group::Kulta) {
        let looking = patient.look_at_each(&resource, ListParams::default(), problem::<K>);
        match looking.await {
            Ok(seen) => return Some(judged(&seen, &resource.kind)),
            // Of a kind that it does not know, the API server says so in plain text.
            Err(kube::Error::Api(status)) if status.code == StatusCode::NOT_FOUND => {}
            Err(error) => {
                let what = format!("{}s can't be listed", resource.kind);
                return Some(Finding::unanswered(Area::Gateways, &what, &error));
            }
        }
    }
    None
}

/// Why a route does not serve.
fn problem<K: Kind>(route: &DynamicObject) -> Option<String> {
    let whole = serde_json::to_value(route).unwrap_or_default();
    // One that can't be read is its gateway's matter.
    let read = Route::<K>::project(&whole).ok()?;
    objection(&read.view)
}

fn judged(Seen { number, bad }: &Seen, kind: &str) -> Finding {
    if bad.is_empty() {
        let text = format!("each of {number} {kind}s is accepted as it is");
        return Finding::well(Area::Gateways, text);
    }
    let text = format!("{} of {number} {kind}s do not serve: {}", bad.len(), some_of(bad));
    let remedy = format!(
        "`kubectl describe {}` says more; Rollouts that move their weights wait",
        kind.to_lowercase()
    );
    Finding::doubtful(Area::Gateways, text, remedy)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::State;
    use super::*;

    /// A route with two parents, of which the first has accepted it; what the second says is in `conditions`.
    fn route(name: &str, conditions: &Value) -> DynamicObject {
        let parent = |name: &str| json!({"name": name, "namespace": "gateways"});
        let accepted = json!([{"type": "Accepted", "status": "True", "observedGeneration": 2}]);
        serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "shop", "uid": "u", "resourceVersion": "1", "generation": 2,
                "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"parentRefs": [parent("inner"), parent("outer")], "rules": []},
            "status": {"parents": [
                {"parentRef": parent("inner"), "controllerName": "c", "conditions": accepted},
                {"parentRef": parent("outer"), "controllerName": "c", "conditions": conditions},
            ]},
        }))
        .unwrap()
    }

    fn condition(kind: &str, status: &str, generation: i64) -> Value {
        json!([{
            "type": kind, "status": status, "observedGeneration": generation, "reason": "NotAllowed", "message": "no",
        }])
    }

    fn found(conditions: &Value) -> Finding {
        let (mut seen, route) = (Seen::default(), route("web", conditions));
        seen.add(&route, problem::<Http>(&route));
        judged(&seen, "HTTPRoute")
    }

    #[test]
    fn route_that_all_parents_have_accepted_is_well() {
        assert_eq!(found(&condition("Accepted", "True", 2)).state, State::Well);
    }

    #[test]
    fn route_that_one_of_its_parents_rejects_is_named_with_the_reason() {
        let finding = found(&condition("Accepted", "False", 2));

        assert_eq!(finding.state, State::Doubtful);
        assert!(
            finding.text.contains("shop/web (") && finding.text.contains("NotAllowed: no"),
            "{}",
            finding.text
        );
    }

    #[test]
    fn route_whose_backends_are_not_resolved_is_named() {
        assert_eq!(
            found(&condition("ResolvedRefs", "False", 2)).state,
            State::Doubtful
        );
    }

    #[test]
    fn what_was_said_of_an_earlier_generation_does_not_count() {
        assert_eq!(found(&condition("Accepted", "False", 1)).state, State::Well);
    }
}
