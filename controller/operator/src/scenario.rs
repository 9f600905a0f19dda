//! For tests: an API server that expects exactly these requests, in this order, and a Rollout to work on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use jiff::SignedDuration;
use k8s_openapi::api::events::v1::Event;
use kube::Client;
use kube::client::Body;
use kulta_core::history::Origin;
use kulta_core::observed::{
    Observed, Pods, ReplicaSetView, RolloutView, Settings, Sinks, TemplateCheck, TemplateView,
};
use kulta_core::plan::{Action, Plan};
use kulta_core::revision::TemplateDigest;
use kulta_core::spec::{
    Method, PodMetadata, PodRules, Route, RouteKind, RouteReference, RoutedCanary, RunHistory, Spec, Step,
    TrafficRouting, Weight, Whole,
};
use kulta_core::status::Status;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::analysis::Instruments;
use crate::analysis::configuration::Configuration;
use crate::analysis::plugin_checks::PluginChecks;
use crate::analysis::plugins::tests::host;
use crate::argo::FieldsOff;
use crate::context::{Context, Sighting};
use crate::delivery::Outbox;
use crate::events::publish::Publisher;
use crate::instance::Instance;
use crate::key::ObjectKey;
use crate::metrics::Metrics;
use crate::permission::Permission;
use crate::queue::queue;

type Server = tower_test::mock::Handle<http::Request<Body>, http::Response<Body>>;

/// A test that takes longer hangs: nothing here waits for time.
const HANGS_AFTER: Duration = Duration::from_mins(1);

/// One request that must come, and its answer.
pub(crate) struct Exchange {
    pub(crate) request: String,
    pub(crate) body: Option<Value>,
    pub(crate) reply: Reply,
}

/// How the API server answers.
pub(crate) enum Reply {
    /// With this code and body.
    With(u16, Value),
    /// Not at all.
    Silence,
}

/// Expects `request` (method and path with its query) and answers `reply`; its body may be anything.
pub(crate) fn expect(request: &str, reply: Reply) -> Exchange {
    Exchange {
        request: request.to_owned(),
        body: None,
        reply,
    }
}

impl Exchange {
    /// The request must have this body.
    pub(crate) fn with_body(self, body: Value) -> Self {
        Self {
            body: Some(body),
            ..self
        }
    }
}

impl Reply {
    /// The object as written: its metadata is all that is read.
    pub(crate) fn written(resource_version: &str) -> Self {
        Self::With(
            200,
            json!({"metadata": {"uid": "uid-written", "resourceVersion": resource_version}}),
        )
    }

    /// An error as the API server writes it; `causes` only where values are invalid.
    pub(crate) fn failure(code: u16, reason: &str, message: &str, causes: &[&str]) -> Self {
        let causes: Vec<_> = causes
            .iter()
            .map(|message| json!({"message": message, "field": "spec"}))
            .collect();
        let details = if causes.is_empty() {
            json!({})
        } else {
            json!({"causes": causes})
        };
        let status = json!({
            "kind": "Status", "status": "Failure", "code": code,
            "reason": reason, "message": message, "details": details,
        });
        Self::With(code, status)
    }

    /// A refusal because the namespace is being deleted, as the API server words it.
    pub(crate) fn namespace_terminating() -> Self {
        let status = json!({
            "kind": "Status", "status": "Failure", "code": 403, "reason": "Forbidden",
            "message": "unable to create new content in namespace shop because it is being terminated",
            "details": {"causes": [{
                "reason": "NamespaceTerminating",
                "message": "namespace shop is being terminated",
                "field": "metadata.namespace",
            }]},
        });
        Self::With(403, status)
    }

    /// A failed `test` of a JSON patch.
    pub(crate) fn test_failed() -> Self {
        Self::failure(
            422,
            "Invalid",
            "the server rejected our request due to an error in our request",
            &[],
        )
    }
}

/// What a scenario left behind.
pub(crate) struct Ended<T> {
    /// What the code under test answered.
    pub(crate) outcome: T,
    /// The reasons and notes of the events that were told.
    pub(crate) events: Vec<(String, String)>,
    /// All metrics, as text.
    pub(crate) metrics: String,
}

/// Runs `act` against an API server that expects `exchanges`: a missing request fails the test, and so does one more.
pub(crate) async fn scenario<T>(exchanges: Vec<Exchange>, act: impl AsyncFnOnce(&Context) -> T) -> Ended<T> {
    let (service, server) = tower_test::mock::pair();
    let server = tokio::spawn(serve(server, exchanges));
    let (context, mut told) = context(Client::new(service, "default"));

    let outcome = act(&context).await;

    let metrics = context.metrics.render().unwrap();
    drop(context);
    tokio::time::timeout(HANGS_AFTER, server).await.unwrap().unwrap();
    let mut events = Vec::new();
    while let Some(event) = told.recv().await {
        events.push((event.reason.unwrap(), event.note.unwrap()));
    }
    Ended {
        outcome,
        events,
        metrics,
    }
}

/// Runs `act` with a client of an API server that expects `exchanges`, as [`scenario`] does.
pub(crate) async fn answering<T>(exchanges: Vec<Exchange>, act: impl AsyncFnOnce(Client) -> T) -> T {
    let (service, server) = tower_test::mock::pair();
    let server = tokio::spawn(serve(server, exchanges));
    let outcome = act(Client::new(service, "default")).await;
    tokio::time::timeout(HANGS_AFTER, server).await.unwrap().unwrap();
    outcome
}

async fn serve(mut server: Server, exchanges: Vec<Exchange>) {
    let mut unanswered = Vec::new();
    for Exchange {
        request: expected,
        body,
        reply,
    } in exchanges
    {
        let (request, send) = server
            .next_request()
            .await
            .unwrap_or_else(|| panic!("missing: {expected}"));
        let (parts, received) = request.into_parts();
        assert_eq!(format!("{} {}", parts.method, parts.uri), expected);
        let received = received.collect().await.unwrap().to_bytes();
        if let Some(body) = body {
            assert_eq!(
                serde_json::from_slice::<Value>(&received).unwrap(),
                body,
                "{expected}"
            );
        }
        match reply {
            Reply::With(code, body) => {
                let answer = http::Response::builder().status(code);
                send.send_response(answer.body(Body::from(body.to_string().into_bytes())).unwrap());
            }
            // Kept: a dropped answer would be an error of the connection.
            Reply::Silence => unanswered.push(send),
        }
    }
    if let Some((request, _)) = server.next_request().await {
        panic!("one request too many: {} {}", request.method(), request.uri());
    }
}

fn context(client: Client) -> (Context, mpsc::Receiver<Event>) {
    let metrics = Arc::new(Metrics::new("0.0.0"));
    let (events, told) = Publisher::unsent(Arc::clone(&metrics), "kulta-0");
    let instruments = Instruments::new(host(), &Configuration::default());
    let plugin_checks = PluginChecks::new(&instruments, Arc::clone(&metrics), queue().0);
    let plugin_checks = Arc::new(plugin_checks);
    let context = Context {
        instance: Instance::default(),
        impatient_client: client.clone(),
        client,
        caches: Arc::default(),
        expectations: Arc::default(),
        template_checks: Arc::default(),
        analysis_templates: Arc::default(),
        plugin_checks,
        events,
        outbox: Outbox::new(queue().0, Arc::default(), Arc::clone(&metrics)),
        metrics,
        permission: Permission::default(),
        fields_off: FieldsOff::default(),
        settings: Settings::default(),
    };
    (context, told)
}

/// The raw Rollout shop/web as the API server has it.
pub(crate) fn live_rollout() -> Value {
    json!({
        "apiVersion": "kulta.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"namespace": "shop", "name": "web", "uid": "uid-1", "resourceVersion": "50"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template()},
    })
}

/// The pod template of [`live_rollout`].
pub(crate) fn template() -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": "web:2"}]}})
}

/// The Rollout shop/web, seen at version 50, with a stable ReplicaSet `web-old` of revision 1.
pub(crate) fn sighting() -> Sighting {
    Sighting {
        key: ObjectKey::new("shop", "web"),
        uid: "uid-1".to_owned(),
        resource_version: "50".to_owned(),
        observed: observed(),
        foreign_status: serde_json::Value::Null,
        memory: None,
        own_fields: Vec::new(),
        lost: Vec::new(),
    }
}

pub(crate) fn observed() -> Observed {
    Observed {
        rollout: RolloutView {
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
            generation: 3,
            revision: Some(1),
            workload_generation: None,
            origin: Origin::default(),
            lacks_replicas: false,
        },
        spec: Ok(spec()),
        analysis_problems: Vec::new(),
        plugin_problems: Vec::new(),
        awaits_plugins: false,
        status: Status {
            observed_generation: Some(3),
            stable_hash: Some("old".to_owned()),
            ..Status::default()
        },
        template: TemplateView {
            digest: TemplateDigest::of(&template()),
            image: Some("registry.example/web:2".to_owned()),
            check: TemplateCheck::New { name_taken: false },
        },
        workload: None,
        replica_sets: vec![replica_set("old", 1)],
        pods: Pods::NotListed,
        stable_service: None,
        canary_service: None,
        routes: Vec::new(),
        analysis_runs: Vec::new(),
        analysis_names_taken: std::collections::BTreeSet::new(),
        experiment_refs: kulta_core::observed::ExperimentRefs::default(),
        overlaps_with: None,
        failure: None,
        sinks: Sinks::default(),
        settings: Settings::default(),
    }
}

fn spec() -> Spec {
    Spec {
        replicas: 4,
        selector: "app=web".to_owned(),
        template_labels: BTreeMap::from([("app".to_owned(), "web".to_owned())]),
        min_ready_seconds: 0,
        revision_history_limit: 10,
        run_history: RunHistory::default(),
        paused: false,
        progress_deadline: SignedDuration::from_secs(600),
        progress_deadline_abort: false,
        rollback_window: 0,
        progress_threshold: None,
        steps: vec![Step::SetWeight(Weight::new(25).unwrap()), Step::Pause(None)],
        steps_hash: "steps".to_owned(),
        method: Method::Routed(RoutedCanary {
            routing: TrafficRouting {
                routes: vec![Route {
                    reference: RouteReference {
                        kind: RouteKind::Http,
                        namespace: "edge".to_owned(),
                        name: "web".to_owned(),
                    },
                    path: "spec.strategy.canary.trafficRouting.gatewayAPI.httpRoutes[0]".to_owned(),
                    takes_managed_rules: true,
                }],
                selectors: Vec::new(),
                in_progress_label: None,
                managed_routes: Vec::new(),
                whole: Whole::HUNDRED,
                stable_service: "web-stable".to_owned(),
                canary_service: "web-canary".to_owned(),
            },
            scale_down_delay: SignedDuration::from_secs(30),
            abort_scale_down_delay: Some(SignedDuration::from_secs(30)),
            dynamic_stable_scale: false,
            scale_down_delay_revision_limit: None,
            min_pods_per_replica_set: 0,
        }),
        background: None,
        promotion_gates: None,
        workload: None,
        pods: PodRules::default(),
    }
}

fn replica_set(hash: &str, revision: u64) -> ReplicaSetView {
    ReplicaSetView {
        name: format!("web-{hash}"),
        uid: format!("uid-{hash}"),
        resource_version: "40".to_owned(),
        hash: hash.to_owned(),
        digest: None,
        revision,
        created: "2026-03-01T12:00:00Z".parse().unwrap(),
        owned: true,
        spec_replicas: 4,
        min_ready_seconds: 0,
        replicas: 4,
        ready: 4,
        available: 4,
        scale_down_deadline: None,
        desired_replicas: Some(4),
        failure: None,
        image: Some("registry.example/web:1".to_owned()),
        injected: PodMetadata::default(),
        own_keys: kulta_core::spec::PodKeys::default(),
        injecting: None,
        is_observed: true,
    }
}

/// A plan that does `actions` and leaves the status as it is.
pub(crate) fn plan(actions: Vec<Action>) -> Plan {
    Plan {
        actions,
        status: observed().status,
        transitions: Vec::new(),
        lost: BTreeMap::new(),
        wake_at: None,
    }
}
