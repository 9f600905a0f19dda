//! What load to make and where it may go.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hyper::Uri;
use hyper::header::HeaderValue;
use hyper::http::uri::PathAndQuery;

/// Below this rate a run would take forever, above it the timer's millisecond resolution makes bursts of hundreds.
const RATES: std::ops::RangeInclusive<u32> = 1..=100_000;

/// Requests in one run: an hour at a hundred a second, well above the hundred thousand a full check needs.
const DEFAULT_MAX_REQUESTS: u64 = 360_000;

/// Time for one run.
const DEFAULT_MAX_DURATION: Duration = Duration::from_hours(1);

/// Requests in flight: each has two descriptors, its connection's socket and a second view of it, and so have the
/// [`MAX_IDLE`] idle connections. 900 in all stay below the usual limit of 1,024 open files, with room for what else the
/// program has open.
const DEFAULT_MAX_IN_FLIGHT: u32 = 400;

/// Kept-alive connections that wait for a request. Many more than carry one at a time while all is well; after a time
/// in which answers were slow, those above it are closed.
pub(crate) const MAX_IDLE: usize = 50;

/// Time for one request: far more than any answer under test takes, so what reaches it is lost and not slow.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// Half on fresh connections, half on kept-alive ones: each breaks in its own way during a rollout.
const DEFAULT_KEPT_ALIVE_PERCENT: u8 = 50;

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The address and port to connect to; no name is ever looked up.
    pub address: SocketAddr,
    /// The value of the header `host`.
    pub host: String,
    /// The path, with a query if there is one, beginning with `/`.
    pub path: String,
}

/// One load. Bounded in count, in time and in requests in flight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where requests go.
    pub target: Target,
    /// Requests per second, 1 to 100 000.
    pub rate: u32,
    /// The share of requests sent on kept-alive connections, in percent; the others open a connection each.
    pub kept_alive_percent: u8,
    /// The load ends after this many requests.
    pub max_requests: u64,
    /// No request is sent later than this after the start.
    pub max_duration: Duration,
    /// A request that would be one more in flight is not sent (overload).
    pub max_in_flight: u32,
    /// Time for one request, from connecting to the end of its body.
    pub timeout: Duration,
    /// Allows targets that are neither loopback nor in 198.18.0.0/15.
    pub allow_any_target: bool,
}

impl Config {
    /// A load of `rate` requests per second on `target`, everything else at its default: half of the requests on
    /// kept-alive connections, 360 000 requests, one hour, 400 in flight, 10 s for one request.
    #[must_use]
    pub fn new(target: Target, rate: u32) -> Self {
        Self {
            target,
            rate,
            kept_alive_percent: DEFAULT_KEPT_ALIVE_PERCENT,
            max_requests: DEFAULT_MAX_REQUESTS,
            max_duration: DEFAULT_MAX_DURATION,
            max_in_flight: DEFAULT_MAX_IN_FLIGHT,
            timeout: DEFAULT_TIMEOUT,
            allow_any_target: false,
        }
    }

    /// Checks everything and prepares what each request needs.
    pub(crate) fn plan(&self) -> Result<Plan, ConfigError> {
        let address = self.target.address;
        if !self.allow_any_target && !is_for_tests(address.ip()) {
            return Err(ConfigError::Target(address));
        }
        if !RATES.contains(&self.rate) {
            return Err(ConfigError::Rate(self.rate));
        }
        if self.kept_alive_percent > 100 {
            return Err(ConfigError::KeptAlivePercent(self.kept_alive_percent));
        }
        let bounded = self.max_requests > 0
            && self.max_in_flight > 0
            && !self.max_duration.is_zero()
            && !self.timeout.is_zero();
        if !bounded {
            return Err(ConfigError::EmptyBound);
        }
        let path = self.target.path.as_str();
        let uri = PathAndQuery::try_from(path).map(Uri::from);
        let uri = uri
            .ok()
            .filter(|_| path.starts_with('/'))
            .ok_or_else(|| ConfigError::Path(path.to_owned()))?;
        let host = HeaderValue::from_str(&self.target.host);
        let host = host.map_err(|_| ConfigError::Host(self.target.host.clone()))?;
        Ok(Plan {
            address,
            uri,
            host,
            timeout: self.timeout,
        })
    }
}

/// Why a [`Config`] is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The target could be somebody's.
    #[error("{0} is neither loopback nor in 198.18.0.0/15; any other target must be allowed explicitly")]
    Target(SocketAddr),
    /// The rate is out of range.
    #[error("a rate lies between 1 and 100000 requests per second, {0} does not")]
    Rate(u32),
    /// The share is no percentage.
    #[error("{0} % of the requests cannot be kept alive")]
    KeptAlivePercent(u8),
    /// A bound of zero.
    #[error("requests, duration, requests in flight and timeout must all be above zero")]
    EmptyBound,
    /// The path cannot be requested.
    #[error("{0:?} is not a path that begins with /")]
    Path(String),
    /// The host cannot be sent.
    #[error("{0:?} cannot be sent in the header host")]
    Host(String),
    /// The latency histogram cannot be made.
    #[error("no histogram for latencies: {0}")]
    Histogram(#[from] hdrhistogram::CreationError),
}

/// What each request needs, checked.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) address: SocketAddr,
    pub(crate) uri: Uri,
    pub(crate) host: HeaderValue,
    pub(crate) timeout: Duration,
}

/// Loopback, or the range that RFC 2544 sets apart for benchmarks, where no real host ever is.
fn is_for_tests(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            address.is_loopback() || (first == 198 && matches!(second, 18 | 19))
        }
        IpAddr::V6(address) => address.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(address: &str) -> Config {
        let target = Target {
            address: address.parse().unwrap(),
            host: "shop.test".to_owned(),
            path: "/".to_owned(),
        };
        Config::new(target, 100)
    }

    #[test]
    fn only_loopback_and_the_benchmark_range_are_allowed() {
        for allowed in [
            "127.0.0.1:80",
            "127.9.9.9:80",
            "[::1]:80",
            "198.18.0.1:80",
            "198.19.255.255:80",
        ] {
            assert!(config(allowed).plan().is_ok(), "{allowed}");
        }
        for refused in [
            "198.17.255.255:80",
            "198.20.0.0:80",
            "10.0.0.1:80",
            "[2001:db8::1]:80",
            "0.0.0.0:80",
        ] {
            let refusal = config(refused).plan().unwrap_err();
            assert_eq!(refusal, ConfigError::Target(refused.parse().unwrap()));
        }
    }

    #[test]
    fn an_address_hidden_in_a_mapped_one_is_seen() {
        assert!(config("[::ffff:198.18.0.1]:80").plan().is_ok());
        assert!(config("[::ffff:10.0.0.1]:80").plan().is_err());
    }

    #[test]
    fn any_target_can_be_allowed_explicitly() {
        let config = Config {
            allow_any_target: true,
            ..config("10.0.0.1:80")
        };
        assert!(config.plan().is_ok());
    }

    #[test]
    fn a_load_without_a_bound_or_a_rate_is_refused() {
        let good = config("127.0.0.1:80");
        for bad in [
            Config {
                rate: 0,
                ..good.clone()
            },
            Config {
                rate: 100_001,
                ..good.clone()
            },
            Config {
                kept_alive_percent: 101,
                ..good.clone()
            },
            Config {
                max_requests: 0,
                ..good.clone()
            },
            Config {
                max_in_flight: 0,
                ..good.clone()
            },
            Config {
                max_duration: Duration::ZERO,
                ..good.clone()
            },
            Config {
                timeout: Duration::ZERO,
                ..good.clone()
            },
        ] {
            assert!(bad.plan().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_path_without_its_slash_and_a_host_of_two_lines_are_refused() {
        let mut config = config("127.0.0.1:80");
        config.target.path = "shop".to_owned();
        assert_eq!(config.plan().unwrap_err(), ConfigError::Path("shop".to_owned()));
        config.target.path = "/shop?item=1".to_owned();
        config.target.host = "shop\r\nx: y".to_owned();
        assert_eq!(
            config.plan().unwrap_err(),
            ConfigError::Host("shop\r\nx: y".to_owned())
        );
    }
}
