//! Addresses of providers: what may be written, which of them are the same, and which lie within the cluster.

use std::fmt;

use http::Uri;
use http::uri::Scheme;
use serde::{Deserialize, Deserializer};

/// What stands for the addresses of the cluster's own Services.
const CLUSTER: &str = "cluster";
/// What the cluster's DNS adds to the names of Services, the longest first. Other domains of a cluster are not known
/// here: `.svc` works with every one.
const SERVICE_SUFFIXES: [&str; 2] = [".svc.cluster.local", ".svc"];
/// What stands behind the namespace in a name of a Service, whatever the domain of the cluster is.
const SERVICE_MARK: &str = ".svc";
/// A label of a DNS name is no longer.
const LABEL_BYTES: usize = 63;

/// Where a Prometheus is: everything before `/api/v1`.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    is_https: bool,
    /// In small letters.
    host: String,
    port: u16,
    /// Empty, or from a slash on, without one at its end.
    path: String,
}

/// An address, or many, that a metric may write without being those of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allowed {
    /// Those of Services within the cluster: `name.namespace`, also with `.svc` or `.svc.cluster.local`.
    Cluster,
    /// This one.
    Exactly(Address),
}

impl Address {
    /// Reads an address. Only such are taken that servers can't understand in different ways.
    ///
    /// # Errors
    /// What is wrong with it. The text itself is not told: there might be a password in it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const SHAPE: &str = "is no address of a Prometheus: write http://HOST:PORT or https://HOST:PORT, with a path \
                             where there is one";
        let uri: Uri = text.parse().map_err(|_| SHAPE)?;
        let is_https = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => false,
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            _ => return Err(SHAPE),
        };
        let authority = uri.authority().ok_or(SHAPE)?;
        if authority.as_str().contains('@') {
            return Err(
                "has credentials in it: have them written as basicAuth of a provider of the operator's \
                        configuration, and take them out",
            );
        }
        if uri.query().is_some() || text.contains('#') {
            return Err("goes on behind its path: take ? or #, and what follows, out");
        }
        let path = uri.path().trim_end_matches('/');
        let is_plain = |segment: &str| !matches!(segment, "" | "." | "..");
        if path.contains(['%', '\\', ';']) || !path.split('/').skip(1).all(is_plain) {
            return Err("has a path that can be read in several ways: write it without %, ;, // and ..");
        }
        if authority.host().is_empty() {
            return Err(SHAPE);
        }
        Ok(Self {
            is_https,
            host: authority.host().to_ascii_lowercase(),
            port: authority.port_u16().unwrap_or(if is_https { 443 } else { 80 }),
            path: path.to_owned(),
        })
    }

    /// Whether what is sent there is encrypted.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.is_https
    }

    /// The host: enough to find a fault, for those who need not know addresses.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether both lead to the same place, however its host is written.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let Self {
            is_https,
            host: _,
            port,
            path,
        } = self;
        (*is_https, *port, path) == (other.is_https, other.port, &other.path) && self.is_same_host(other)
    }

    /// Whether both have the same host, however it is written.
    #[must_use]
    pub fn is_same_host(&self, other: &Self) -> bool {
        let name = |address: &Self| service(&address.host).unwrap_or_else(|| address.host.clone());
        name(self) == name(other)
    }

    /// The same without a path.
    #[must_use]
    pub fn origin(&self) -> Self {
        Self {
            path: String::new(),
            ..self.clone()
        }
    }

    /// The namespace that the host lies in, if it can be taken for the name of a Service or a pod: in any domain of the
    /// cluster, and also without `svc`, which resolvers add. Rather one too many than one too few: what is kept from others
    /// because of it is only a name.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        let host = self.host.strip_suffix('.').unwrap_or(&self.host);
        let (name, rest) = host.split_once('.')?;
        let inner = format!("{SERVICE_MARK}.");
        let before = host
            .strip_suffix(SERVICE_MARK)
            .or_else(|| host.split_once(&inner).map(|(before, _)| before));
        let namespace = match before {
            Some(before) => before.rsplit_once('.')?.1,
            // `name.namespace`, or `pod.name.namespace`.
            None => rest.split_once('.').map_or(rest, |(_, last)| last),
        };
        (is_label(namespace) && !name.is_empty()).then_some(namespace)
    }

    /// The same address if it is one of a Service within the cluster, and in a way that can't be taken for another: to a
    /// resolver `name.namespace` could also be a name of the internet.
    #[must_use]
    pub fn within_cluster(&self) -> Option<Self> {
        let host = service(&self.host)?;
        Some(Self { host, ..self.clone() })
    }
}

/// `name.namespace.svc`, of a host that is a Service within the cluster or a pod of one.
fn service(host: &str) -> Option<String> {
    let stripped = SERVICE_SUFFIXES
        .iter()
        .find_map(|suffix| host.strip_suffix(suffix));
    let name = stripped.unwrap_or(host);
    let labels = name.split('.').count();
    let fits = if stripped.is_some() {
        (2..=3).contains(&labels)
    } else {
        labels == 2
    };
    (fits && name.split('.').all(is_label)).then(|| format!("{name}.svc"))
}

fn is_label(label: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = [label.bytes().next(), label.bytes().last()];
    label.len() <= LABEL_BYTES
        && ends.into_iter().all(|end| end.is_some_and(plain))
        && label.bytes().all(|byte| plain(byte) || byte == b'-')
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            is_https,
            host,
            port,
            path,
        } = self;
        let scheme = if *is_https { "https" } else { "http" };
        write!(formatter, "{scheme}://{host}:{port}{path}")
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(|problem| serde::de::Error::custom(format!("the address {problem}")))
    }
}

impl<'de> Deserialize<'de> for Allowed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == CLUSTER {
            return Ok(Self::Cluster);
        }
        Address::parse(&text).map(Self::Exactly).map_err(|problem| {
            serde::de::Error::custom(format!(
                "an allowed address {problem}; or write `{CLUSTER}`, for all Services of the cluster"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap_or_else(|problem| panic!("{text} {problem}"))
    }

    #[test]
    fn an_address_is_written_with_its_port_and_without_a_slash_at_its_end() {
        let cases = [
            ("http://prometheus.monitoring", "http://prometheus.monitoring:80"),
            (
                "https://Prometheus.Example.com/",
                "https://prometheus.example.com:443",
            ),
            (
                "http://10.0.0.1:9090/prometheus/",
                "http://10.0.0.1:9090/prometheus",
            ),
            ("http://[::1]:9090", "http://[::1]:9090"),
        ];
        for (text, expected) in cases {
            assert_eq!(address(text).to_string(), expected);
        }
    }

    #[test]
    fn what_is_no_address_or_could_be_understood_in_several_ways_is_refused() {
        let cases = [
            ("prometheus:9090", "write http://HOST:PORT"),
            ("ftp://prometheus:9090", "write http://HOST:PORT"),
            ("/prometheus", "write http://HOST:PORT"),
            ("", "write http://HOST:PORT"),
            ("unknown-yet", "write http://HOST:PORT"),
            ("http://user:word@prometheus", "credentials"),
            ("http://prometheus.monitoring@elsewhere.example", "credentials"),
            ("http://prometheus?tenant=a", "behind its path"),
            ("http://prometheus/#a", "behind its path"),
            ("http://prometheus/a/../b", "several ways"),
            ("http://prometheus/%2e%2e", "several ways"),
            ("http://prometheus//a", "several ways"),
        ];
        for (text, words) in cases {
            let problem = Address::parse(text).expect_err(text);
            assert!(problem.contains(words), "{text}: {problem}");
            assert!(!problem.contains("word@"), "{problem}");
        }
    }

    #[test]
    fn the_same_place_can_be_written_in_several_ways() {
        let configured = address("http://prometheus.monitoring:9090");
        for same in [
            "http://prometheus.monitoring:9090/",
            "http://PROMETHEUS.monitoring:9090",
            "http://prometheus.monitoring.svc:9090",
            "http://prometheus.monitoring.svc.cluster.local:9090",
        ] {
            assert!(address(same).is_same(&configured), "{same}");
        }
        for other in [
            "https://prometheus.monitoring:9090",
            "http://prometheus.monitoring:9091",
            "http://prometheus.monitoring:9090/a",
            "http://prometheus.shop:9090",
            "http://prometheus-0.prometheus.monitoring.svc:9090",
        ] {
            assert!(!address(other).is_same(&configured), "{other}");
        }
    }

    #[test]
    fn the_namespace_of_a_host_is_known_however_it_is_written() {
        let cases = [
            ("http://prometheus.monitoring:9090", Some("monitoring")),
            ("http://prometheus.monitoring.svc", Some("monitoring")),
            (
                "http://prometheus.monitoring.svc.cluster.local",
                Some("monitoring"),
            ),
            (
                "http://prometheus.monitoring.svc.cluster.local.",
                Some("monitoring"),
            ),
            ("http://prometheus.monitoring.svc.example.com", Some("monitoring")),
            ("http://prometheus-0.prometheus.monitoring", Some("monitoring")),
            (
                "http://prometheus-0.prometheus.monitoring.svc",
                Some("monitoring"),
            ),
            ("http://prometheus", None),
            ("http://prometheus.eu.example.com", None),
            ("http://10.0.0.1:9090", None),
            ("http://[::1]", None),
            ("http://a.svc", None),
        ];
        for (text, expected) in cases {
            assert_eq!(address(text).namespace(), expected, "{text}");
        }
    }

    #[test]
    fn a_service_of_the_cluster_is_asked_by_a_name_that_only_the_cluster_can_have() {
        let cases = [
            (
                "http://prometheus.monitoring",
                Some("http://prometheus.monitoring.svc:80"),
            ),
            // Names that a resolver would take for one of the internet, and for 127.0.0.1.
            ("http://example.com", Some("http://example.com.svc:80")),
            ("http://127.1", Some("http://127.1.svc:80")),
            ("http://a.b.svc.cluster.local/x", Some("http://a.b.svc:80/x")),
            ("https://pod-0.a.b.svc:8443", Some("https://pod-0.a.b.svc:8443")),
            ("http://prometheus", None),
            ("http://svc", None),
            ("http://a.svc", None),
            ("http://www.example.com", None),
            ("http://169.254.169.254", None),
            ("http://a.b.svc.cluster.local.example.com", None),
            ("http://a.b.svc.", None),
            ("http://.a.svc", None),
            ("http://a_b.c", None),
            ("http://[::1]", None),
            ("http://localhost:9090", None),
        ];
        for (text, expected) in cases {
            let within = address(text).within_cluster().map(|address| address.to_string());
            assert_eq!(within.as_deref(), expected, "{text}");
        }
    }
}
