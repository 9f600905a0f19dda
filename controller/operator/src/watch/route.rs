//! What is kept of a route: its split, what gateways say of it, and who last wrote its rules.

use std::fmt::Debug;
use std::marker::PhantomData;

use jiff::Timestamp;
use kube::core::ApiResource;
use kulta_api::Group;
use kulta_api::names::FIELD_MANAGER;
use kulta_core::observed::{BackendView, ParentReport, RouteView, RuleView, Verdict};
use kulta_core::spec::RouteKind;
use serde::Deserialize;
use serde_json::Value;

use super::caches::{Table, Tables};
use super::metadata::{ManagedFields, Metadata};
use super::projection::{Projection, Undecodable};

/// The API group of routes.
const GROUP: &str = "gateway.networking.k8s.io";

/// The versions in which routes of a kind have been served with weights, newest first. Those of requests are in `v1` in every
/// release since 1.0 (1.1 for `GRPCRoute`), `TLSRoute` since 1.5, `TCPRoute` is not yet.
const fn versions(kind: RouteKind) -> &'static [&'static str] {
    match kind {
        RouteKind::Http | RouteKind::Grpc => &["v1"],
        RouteKind::Tcp => &["v1", "v1alpha2"],
        RouteKind::Tls => &["v1", "v1alpha3", "v1alpha2"],
    }
}

/// A kind of route that is watched.
pub trait Kind: Debug + PartialEq + Send + Sync + Sized + 'static {
    /// Which one.
    const KIND: RouteKind;

    /// Where its routes are.
    fn table(tables: &mut Tables) -> &mut Table<Route<Self>>;
}

/// `HTTPRoute`s.
#[derive(Debug, PartialEq)]
pub struct Http;

impl Kind for Http {
    const KIND: RouteKind = RouteKind::Http;

    fn table(tables: &mut Tables) -> &mut Table<Route<Self>> {
        &mut tables.http_routes
    }
}

/// `GRPCRoute`s.
#[derive(Debug, PartialEq)]
pub struct Grpc;

impl Kind for Grpc {
    const KIND: RouteKind = RouteKind::Grpc;

    fn table(tables: &mut Tables) -> &mut Table<Route<Self>> {
        &mut tables.grpc_routes
    }
}

/// `TCPRoute`s.
#[derive(Debug, PartialEq)]
pub struct Tcp;

impl Kind for Tcp {
    const KIND: RouteKind = RouteKind::Tcp;

    fn table(tables: &mut Tables) -> &mut Table<Route<Self>> {
        &mut tables.tcp_routes
    }
}

/// `TLSRoute`s.
#[derive(Debug, PartialEq)]
pub struct Tls;

impl Kind for Tls {
    const KIND: RouteKind = RouteKind::Tls;

    fn table(tables: &mut Tables) -> &mut Table<Route<Self>> {
        &mut tables.tls_routes
    }
}

/// An `HTTPRoute`.
pub type HttpRoute = Route<Http>;
/// A `GRPCRoute`.
pub type GrpcRoute = Route<Grpc>;
/// A `TCPRoute`.
pub type TcpRoute = Route<Tcp>;
/// A `TLSRoute`.
pub type TlsRoute = Route<Tls>;

/// A route.
#[derive(Debug, PartialEq)]
pub struct Route<K> {
    /// `metadata.uid`
    pub uid: String,
    /// What decisions see of it.
    pub view: RouteView,
    kind: PhantomData<K>,
}

/// The resource of the routes of a kind, for a client, in `version`; None: in the newest one.
pub(crate) fn api_resource(kind: RouteKind, version: Option<&str>) -> ApiResource {
    let plural = match kind {
        RouteKind::Http => "httproutes",
        RouteKind::Grpc => "grpcroutes",
        RouteKind::Tcp => "tcproutes",
        RouteKind::Tls => "tlsroutes",
    };
    let newest = versions(kind).first().copied();
    let version = version.or(newest).unwrap_or_default();
    ApiResource {
        group: GROUP.to_owned(),
        version: version.to_owned(),
        api_version: format!("{GROUP}/{version}"),
        kind: kind.as_str().to_owned(),
        plural: plural.to_owned(),
    }
}

#[derive(Deserialize)]
struct Written {
    metadata: Metadata,
    #[serde(default)]
    spec: WrittenSpec,
    #[serde(default)]
    status: WrittenStatus,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct WrittenSpec {
    parent_refs: Vec<WrittenParent>,
    rules: Vec<WrittenRule>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenParent {
    namespace: Option<String>,
    name: String,
    section_name: Option<String>,
    port: Option<u16>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
struct WrittenRule {
    backend_refs: Vec<WrittenBackend>,
}

#[derive(Deserialize)]
struct WrittenBackend {
    group: Option<String>,
    kind: Option<String>,
    namespace: Option<String>,
    name: String,
    port: Option<u16>,
    weight: Option<u32>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct WrittenStatus {
    parents: Vec<WrittenReport>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenReport {
    parent_ref: WrittenParent,
    #[serde(default)]
    conditions: Vec<WrittenCondition>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenCondition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    #[serde(default)]
    observed_generation: i64,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    message: String,
}

impl WrittenParent {
    /// `namespace/name[/section][:port]`
    fn resolved(&self, namespace: &str) -> String {
        let mut text = format!("{}/{}", self.namespace.as_deref().unwrap_or(namespace), self.name);
        if let Some(section) = &self.section_name {
            text.push('/');
            text.push_str(section);
        }
        if let Some(port) = self.port {
            text.push(':');
            text.push_str(&port.to_string());
        }
        text
    }
}

impl WrittenReport {
    fn verdict(&self, kind: &str) -> Option<Verdict> {
        self.conditions
            .iter()
            .find(|condition| condition.kind == kind)
            .map(|condition| Verdict {
                holds: condition.status == "True",
                observed_generation: condition.observed_generation,
                message: format!("{}: {}", condition.reason, condition.message),
            })
    }
}

impl WrittenBackend {
    fn is_service(&self) -> bool {
        self.group.as_deref().unwrap_or_default().is_empty()
            && self.kind.as_deref().is_none_or(|kind| kind == "Service")
    }

    fn view(self, rule: usize, index: usize, namespace: &str) -> BackendView {
        BackendView {
            rule,
            index,
            is_service: self.is_service(),
            namespace: self.namespace.unwrap_or_else(|| namespace.to_owned()),
            name: self.name,
            port: self.port,
            weight: self.weight,
        }
    }
}

impl<K: Kind> Projection for Route<K> {
    fn api_resource(_: Group) -> ApiResource {
        api_resource(K::KIND, None)
    }

    fn api_resources(_: Group) -> Vec<ApiResource> {
        let versions = versions(K::KIND).iter();
        versions
            .map(|version| api_resource(K::KIND, Some(version)))
            .collect()
    }

    fn project(object: &Value) -> Result<Self, Undecodable> {
        let Written {
            metadata,
            spec,
            status,
        } = Written::deserialize(object)?;
        let namespace = metadata.namespace.as_str();
        let rules = spec.rules.into_iter().enumerate();
        let backends = rules.flat_map(|(rule, written)| {
            let refs = written.backend_refs.into_iter().enumerate();
            refs.map(move |(index, backend)| backend.view(rule, index, namespace))
        });
        let reports = status.parents.iter().map(|report| ParentReport {
            parent: report.parent_ref.resolved(namespace),
            accepted: report.verdict("Accepted"),
            resolved_refs: report.verdict("ResolvedRefs"),
        });
        let view = RouteView {
            generation: metadata.generation,
            resource_version: metadata.resource_version,
            labels: metadata.labels,
            backends: backends.collect(),
            // Rules of whole connections are never made of others, whatever they are called.
            rules: if K::KIND.has_matches() {
                rules_to_look_at(object)
            } else {
                Vec::new()
            },
            parents: spec
                .parent_refs
                .iter()
                .map(|parent| parent.resolved(namespace))
                .collect(),
            reports: reports.collect(),
            rules_manager: rules_manager(&metadata.managed_fields),
        };
        Ok(Self {
            uid: metadata.uid,
            view,
            kind: PhantomData,
        })
    }
}

/// The rules, if managed ones are made from one of them, or may be among them: what the others are for counts then, too.
/// Most routes have none.
fn rules_to_look_at(object: &Value) -> Vec<RuleView> {
    let rules = object.pointer("/spec/rules").and_then(Value::as_array);
    let rules = rules.map_or(&[][..], Vec::as_slice);
    let matters = |rule: &Value| {
        let backends = rule.get("backendRefs").and_then(Value::as_array);
        let splits = backends.is_some_and(|backends| backends.len() > 1);
        splits || name_of(rule).is_some()
    };
    if !rules.iter().any(matters) {
        return Vec::new();
    }
    let views = rules.iter().enumerate().map(|(index, rule)| RuleView {
        index,
        name: name_of(rule),
        body: rule.to_string().into(),
    });
    views.collect()
}

fn name_of(rule: &Value) -> Option<String> {
    rule.get("name").and_then(Value::as_str).map(str::to_owned)
}

/// Who last wrote `spec.rules`. The times are whole seconds: of two within one, it is not KULTA that is named, because
/// the question is who else writes.
fn rules_manager(entries: &[ManagedFields]) -> Option<String> {
    entries
        .iter()
        .filter(|entry| entry.holds_rules())
        .max_by_key(|entry| {
            (
                entry.time.unwrap_or(Timestamp::MIN),
                entry.manager != FIELD_MANAGER,
            )
        })
        .map(|entry| entry.manager.clone())
}

#[cfg(test)]
mod tests;
