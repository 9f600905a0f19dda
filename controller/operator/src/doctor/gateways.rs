//! Is there a Gateway API that takes weights?

use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::{Api, ResourceExt};
use serde_json::Value;

use super::{Area, Finding, Patient, some_of};

const GROUP: &str = "gateway.networking.k8s.io";
const VERSION: &str = "v1";
/// Accepts routes, classes and gateways.
const ACCEPTED: &str = "Accepted";

pub(super) async fn examine(patient: &Patient) -> Vec<Finding> {
    let version = format!("{GROUP}/{VERSION}");
    match patient.client.list_api_group_resources(&version).await {
        Ok(served)
            if served
                .resources
                .iter()
                .any(|resource| resource.name == "httproutes") => {}
        Ok(_) => return vec![no_gateway_api()],
        Err(kube::Error::Api(status)) if status.is_not_found() => return vec![no_gateway_api()],
        Err(error) => return vec![Finding::unanswered(Area::Gateways, &version, &error)],
    }
    vec![classes(patient).await, routes(patient).await]
}

fn no_gateway_api() -> Finding {
    let text = "the cluster does not serve HTTPRoutes: only Rollouts without trafficRouting work";
    Finding::doubtful(
        Area::Gateways,
        text,
        "install the Gateway API and a gateway that implements it",
    )
}

fn resource(kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(GROUP, VERSION, kind))
}

async fn classes(patient: &Patient) -> Finding {
    let classes = Api::<DynamicObject>::all_with(patient.client.clone(), &resource("GatewayClass"));
    match classes.list(&ListParams::default()).await {
        Err(error) => Finding::unanswered(Area::Gateways, "GatewayClasses can't be listed", &error),
        Ok(list) => {
            let accepted = list
                .items
                .iter()
                .filter(|class| is_accepted(class.data.get("status")));
            let accepted: Vec<_> = accepted.map(ResourceExt::name_any).collect();
            if accepted.is_empty() {
                let text = "no GatewayClass is accepted by a gateway's controller";
                let remedy =
                    "where Rollouts move weights by routes of a gateway, see whether its controller runs";
                return Finding::doubtful(Area::Gateways, text, remedy);
            }
            Finding::well(
                Area::Gateways,
                format!("accepted classes: {}", some_of(&accepted)),
            )
        }
    }
}

async fn routes(patient: &Patient) -> Finding {
    let routes = patient.objects(&resource("HTTPRoute"));
    match routes.list(&ListParams::default()).await {
        Err(error) => Finding::unanswered(Area::Gateways, "HTTPRoutes can't be listed", &error),
        Ok(list) => judged(&list.items),
    }
}

fn judged(routes: &[DynamicObject]) -> Finding {
    let refused = routes.iter().filter(|route| !is_taken(route));
    let names =
        refused.map(|route| format!("{}/{}", route.namespace().unwrap_or_default(), route.name_any()));
    let names: Vec<_> = names.collect();
    if names.is_empty() {
        let text = format!("each of {} HTTPRoutes is accepted by a parent", routes.len());
        return Finding::well(Area::Gateways, text);
    }
    let text = format!("no parent has accepted the HTTPRoutes {}", some_of(&names));
    let remedy = "`kubectl describe httproute` says why; Rollouts that move their weights wait";
    Finding::doubtful(Area::Gateways, text, remedy)
}

/// Whether a parent of the route has accepted it.
fn is_taken(route: &DynamicObject) -> bool {
    let parents = route.data.pointer("/status/parents").and_then(Value::as_array);
    parents
        .into_iter()
        .flatten()
        .any(|parent| is_accepted(Some(parent)))
}

fn is_accepted(status: Option<&Value>) -> bool {
    let conditions = status
        .and_then(|status| status.get("conditions"))
        .and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| {
        let field = |name: &str| condition.get(name).and_then(Value::as_str);
        field("type") == Some(ACCEPTED) && field("status") == Some("True")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::State;
    use super::*;

    fn route(name: &str, accepted: &str) -> DynamicObject {
        serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "shop"},
            "status": {"parents": [{"conditions": [{"type": "Accepted", "status": accepted}]}]},
        }))
        .unwrap()
    }

    #[test]
    fn routes_that_a_parent_has_accepted_are_well() {
        assert_eq!(judged(&[route("web", "True")]).state, State::Well);
    }

    #[test]
    fn route_that_no_parent_has_accepted_is_named() {
        let finding = judged(&[route("web", "True"), route("api", "False")]);

        assert_eq!(finding.state, State::Doubtful);
        assert!(finding.text.ends_with("shop/api"), "{}", finding.text);
    }
}
