//! Routes that split traffic, and the rules of the controller's own in them.

use super::Weight;

/// A kind of route of the Gateway API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RouteKind {
    /// `HTTPRoute`
    Http,
    /// `GRPCRoute`
    Grpc,
    /// `TCPRoute`
    Tcp,
    /// `TLSRoute`
    Tls,
}

impl RouteKind {
    /// All of them, in the order in which they are written.
    pub const ALL: [Self; 4] = [Self::Http, Self::Grpc, Self::Tcp, Self::Tls];

    /// Its name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "HTTPRoute",
            Self::Grpc => "GRPCRoute",
            Self::Tcp => "TCPRoute",
            Self::Tls => "TLSRoute",
        }
    }

    /// Whether its rules say which requests they are for. Where they are for whole connections, they have weights and nothing
    /// else, and no rule can be made for some requests.
    #[must_use]
    pub const fn has_matches(self) -> bool {
        match self {
            Self::Http | Self::Grpc => true,
            Self::Tcp | Self::Tls => false,
        }
    }
}

impl std::fmt::Display for RouteKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A route that splits traffic between the stable and the canary Service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouteReference {
    /// Of which kind it is.
    pub kind: RouteKind,
    /// The namespace of the route (resolved: the Rollout's own when none was written).
    pub namespace: String,
    /// The name of the route.
    pub name: String,
}

impl std::fmt::Display for RouteReference {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

/// A route as the spec names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Which one.
    pub reference: RouteReference,
    /// Where the spec names it: a field path.
    pub path: String,
    /// Whether the controller may put rules of its own into it. Never of a kind without matches.
    pub takes_managed_rules: bool,
}

/// A label of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteLabel {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
}

/// Requests that go to the canary whatever its weight is: those that have all of these headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderRoute {
    /// One of [`TrafficRouting::managed_routes`](super::TrafficRouting::managed_routes).
    pub name: String,
    /// The headers, no name twice; none: the route is taken away.
    pub matches: Vec<HeaderMatch>,
}

/// A header that a request must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderMatch {
    /// Its name, in which case does not count.
    pub name: String,
    /// Its value.
    pub value: TextMatch,
}

/// How a text must look. None of these is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextMatch {
    /// Exactly so.
    Exact(String),
    /// Beginning so.
    Prefix(String),
    /// As this regular expression says, in the dialect of the gateway.
    Regex(String),
}

/// Requests of which the canary gets a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorRoute {
    /// One of [`TrafficRouting::managed_routes`](super::TrafficRouting::managed_routes).
    pub name: String,
    /// Which requests: those that one of these fits; none: the route is taken away.
    pub matches: Vec<RequestMatch>,
    /// So many percent of them; None: all.
    pub percentage: Option<Weight>,
}

/// What a request must be like, in every respect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestMatch {
    /// Its method.
    pub method: Option<String>,
    /// Its path. A prefix ends where an element of the path does, as everywhere in the Gateway API.
    pub path: Option<TextMatch>,
    /// Its headers, no name twice.
    pub headers: Vec<HeaderMatch>,
}
