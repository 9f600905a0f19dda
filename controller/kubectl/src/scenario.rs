//! For tests: an API server that expects exactly these requests, in this order, and a Rollout to work on.

use std::time::Duration;

use http_body_util::BodyExt as _;
use kube::Client;
use kube::api::DynamicObject;
use kube::client::Body;
use kulta_api::Group;
use kulta_api::names::WORKLOAD_GENERATION_ANNOTATION;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::output::Output;

type Server = tower_test::mock::Handle<http::Request<Body>, http::Response<Body>>;

/// A test that takes longer hangs: nothing here waits for time.
const HANGS_AFTER: Duration = Duration::from_mins(1);

/// Where the Rollout of the tests is.
pub(crate) const ROLLOUT: &str = "/apis/kulta.io/v1alpha1/namespaces/shop/rollouts/web";

/// One request that must come, and its answer.
pub(crate) struct Exchange {
    request: String,
    body: Option<Value>,
    code: u16,
    answer: String,
    goes_on: bool,
}

/// Expects `request` (method and path with its query) and answers with `answer`; its body may be anything.
pub(crate) fn expect(request: &str, code: u16, answer: &Value) -> Exchange {
    Exchange {
        request: request.to_owned(),
        body: None,
        code,
        answer: answer.to_string(),
        goes_on: false,
    }
}

/// Expects a patch of the Rollout (`/status` for its status) with this body.
pub(crate) fn expect_patch(subresource: &str, body: Value, code: u16, answer: &Value) -> Exchange {
    Exchange {
        body: Some(body),
        ..expect(
            &format!("PATCH {ROLLOUT}{subresource}?&fieldManager=kubectl-kulta"),
            code,
            answer,
        )
    }
}

/// Expects that the Rollout is read.
pub(crate) fn expect_get(answer: &DynamicObject) -> Exchange {
    expect(&format!("GET {ROLLOUT}"), 200, &json!(answer))
}

impl Exchange {
    /// The request must have this body.
    pub(crate) fn with_body(self, body: Value) -> Self {
        Self {
            body: Some(body),
            ..self
        }
    }

    /// It is refused.
    pub(crate) fn failing(self, code: u16, answer: &Value) -> Self {
        Self {
            code,
            answer: answer.to_string(),
            ..self
        }
    }

    /// The answer has no end.
    pub(crate) fn that_goes_on(self) -> Self {
        Self {
            goes_on: true,
            ..self
        }
    }

    /// Lines of a watch are answered, one after another.
    pub(crate) fn with_events(self, events: &[Value]) -> Self {
        let lines = events.iter().map(|event| format!("{event}\n"));
        Self {
            answer: lines.collect(),
            ..self
        }
    }
}

/// An error as the API server writes it.
pub(crate) fn failure(code: u16, reason: &str, message: &str) -> Value {
    let details = json!({"name": "web", "group": "kulta.io", "kind": "rollouts"});
    json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "reason": reason, "message": message, "details": details,
    })
}

/// The refusal of a write to an object that somebody else has changed.
pub(crate) fn conflict() -> Value {
    failure(409, "Conflict", "the object has been modified")
}

/// Runs `act` against an API server that expects `exchanges`: a missing request fails the test, and so does one more.
/// Returns what it answered and what it has printed.
pub(crate) async fn scenario<T>(
    exchanges: Vec<Exchange>,
    act: impl AsyncFnOnce(&Cluster, &mut Output<'_>) -> T,
) -> (T, String) {
    let (service, server) = tower_test::mock::pair();
    let mut server = tokio::spawn(serve(server, exchanges));
    let cluster = Cluster::new(Client::new(service, "shop"), "shop", Group::Kulta);
    let mut printed = Vec::new();

    let mut out = Output::plain(&mut printed);
    let outcome = tokio::select! {
        outcome = act(&cluster, &mut out) => outcome,
        // Whoever watches would try again for ever.
        refused = &mut server => panic!("the API server has refused: {refused:?}"),
    };

    drop(cluster);
    tokio::time::timeout(HANGS_AFTER, server).await.unwrap().unwrap();
    (outcome, String::from_utf8(printed).unwrap())
}

async fn serve(mut server: Server, exchanges: Vec<Exchange>) {
    let mut unanswered = Vec::new();
    for exchange in exchanges {
        let expected = exchange.request;
        let request = server.next_request().await;
        let (request, send) = request.unwrap_or_else(|| panic!("missing: {expected}"));
        let (parts, received) = request.into_parts();
        assert_eq!(format!("{} {}", parts.method, parts.uri), expected);
        let received = received.collect().await.unwrap().to_bytes();
        if let Some(body) = exchange.body {
            let received: Value = serde_json::from_slice(&received).unwrap();
            assert_eq!(received, body, "{expected}");
        }
        let answer = http::Response::builder().status(exchange.code);
        if exchange.goes_on {
            // Kept: a dropped answer would be an error of the connection.
            unanswered.push(send);
            continue;
        }
        send.send_response(answer.body(Body::from(exchange.answer.into_bytes())).unwrap());
    }
    if let Some((request, _)) = server.next_request().await {
        panic!("one request too many: {} {}", request.method(), request.uri());
    }
}

/// The Rollout shop/web of generation 3, healthy with its second revision.
pub(crate) fn rollout() -> DynamicObject {
    object(json!({
        "apiVersion": "kulta.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {
            "namespace": "shop", "name": "web", "uid": "uid-web", "resourceVersion": "50", "generation": 3,
            "annotations": {"rollout.argoproj.io/revision": "2"},
            "creationTimestamp": "2026-03-01T12:00:00Z",
        },
        "spec": {
            "replicas": 4,
            "selector": {"matchLabels": {"app": "web"}},
            "template": template("web:2"),
            "strategy": {"canary": {"steps": [
                {"setWeight": 20}, {"pause": {}}, {"setWeight": 60}, {"pause": {}},
            ]}},
        },
        "status": {
            "observedGeneration": 3, "phase": "Healthy", "currentPodHash": "new", "stableRS": "new",
            "currentStepIndex": 4, "replicas": 4, "updatedReplicas": 4, "readyReplicas": 4, "availableReplicas": 4,
        },
    }))
}

/// Where the Deployment of the tests is.
pub(crate) const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/web";

/// The Deployment shop/web of generation 5, with this image.
pub(crate) fn deployment(image: &str) -> DynamicObject {
    object(json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"namespace": "shop", "name": "web", "uid": "uid-workload", "resourceVersion": "70", "generation": 5},
        "spec": {"replicas": 0, "selector": {"matchLabels": {"app": "web"}}, "template": template(image)},
    }))
}

/// The Rollout, which takes its template from that Deployment and has seen it.
pub(crate) fn referring() -> DynamicObject {
    let reference = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
    let spec = json!({"template": null, "workloadRef": reference});
    let mut referring = with_status(
        &with_spec(&rollout(), spec),
        json!({"workloadObservedGeneration": 5}),
    );
    let annotations = referring.metadata.annotations.get_or_insert_default();
    annotations.insert(WORKLOAD_GENERATION_ANNOTATION.to_owned(), "5".to_owned());
    referring
}

/// The same on its way to the second revision, paused at the step of this index.
pub(crate) fn paused_at(index: u64) -> DynamicObject {
    let status = json!({
        "phase": "Paused", "message": "CanaryPauseStep", "stableRS": "old", "currentStepIndex": index,
        "controllerPause": true,
        "pauseConditions": [{"reason": "CanaryPauseStep", "startTime": "2026-03-01T12:05:00Z"}],
    });
    with_status(&rollout(), status)
}

/// A pod template with this image.
pub(crate) fn template(image: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": image}]}})
}

/// An object as the API server has it.
pub(crate) fn object(value: Value) -> DynamicObject {
    serde_json::from_value(value).unwrap()
}

/// `object` with other fields in its status; no status at all where they are null.
pub(crate) fn with_status(object: &DynamicObject, fields: Value) -> DynamicObject {
    with(object, "status", fields)
}

/// `object` with other fields in its spec.
pub(crate) fn with_spec(object: &DynamicObject, fields: Value) -> DynamicObject {
    with(object, "spec", fields)
}

fn with(object: &DynamicObject, part: &str, fields: Value) -> DynamicObject {
    let mut object = object.clone();
    match fields {
        Value::Object(fields) => object.data[part].as_object_mut().unwrap().extend(fields),
        other => object.data[part] = other,
    }
    object
}
