//! What the application is told at its start: flags, each also read from the environment.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use clap::Parser;

use crate::error_rate::ErrorRate;

/// The port the manifests of the demo and the tests name.
const DEFAULT_PORT: u16 = 8080;

/// How long a leaving pod still answers: long enough for its removal to reach every proxy of a small cluster, short
/// enough for a test to wait for it.
const DEFAULT_DRAIN: Duration = Duration::from_secs(5);

/// The flags of the application.
///
/// Environment names carry a prefix and never end in `_PORT` or `_HOST` after a plausible Service name: the kubelet
/// sets variables of that form for every Service.
#[derive(Clone, Debug, PartialEq, Parser)]
#[command(
    name = "kulta-sample-app",
    about = "The application that the demo and the tests roll out",
    version
)]
pub struct Settings {
    /// What `/` and the header `x-version` answer
    #[arg(long, env = "SAMPLE_VERSION_LABEL", default_value = "v1")]
    pub version_label: String,

    /// The name of the pod in the body of `/`
    #[arg(long, env = "HOSTNAME", default_value = "unknown")]
    pub pod: String,

    /// The IP address to listen on
    #[arg(long, env = "SAMPLE_LISTEN_ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::UNSPECIFIED))]
    pub address: IpAddr,

    /// The TCP port to listen on; 0 lets the system choose
    #[arg(long, env = "SAMPLE_LISTEN_PORT", default_value_t = DEFAULT_PORT)]
    pub port: u16,

    /// The share of requests answered with 500, between 0.0 and 1.0
    #[arg(long, env = "SAMPLE_ERROR_RATE", default_value_t = ErrorRate::default())]
    pub error_rate: ErrorRate,

    /// The delay before every answer, for example 20ms
    #[arg(long, env = "SAMPLE_LATENCY", default_value = "0ms", value_parser = humantime::parse_duration)]
    pub latency: Duration,

    /// Up to this much more delay, chosen evenly for each answer
    #[arg(long, env = "SAMPLE_LATENCY_JITTER", default_value = "0ms", value_parser = humantime::parse_duration)]
    pub latency_jitter: Duration,

    /// How long after its start `/readyz` still answers 503
    #[arg(long, env = "SAMPLE_READINESS_DELAY", default_value = "0s", value_parser = humantime::parse_duration)]
    pub readiness_delay: Duration,

    /// How long it goes on accepting and answering after SIGTERM, with `/readyz` at 503
    #[arg(long, env = "SAMPLE_DRAIN", default_value = "5s", value_parser = humantime::parse_duration)]
    pub drain: Duration,

    /// Exit with code 1 this long after the start
    #[arg(long, env = "SAMPLE_CRASH_AFTER", value_parser = humantime::parse_duration)]
    pub crash_after: Option<Duration>,
}

impl Settings {
    /// The address and port to listen on.
    #[must_use]
    pub fn listen_on(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }
}

impl Default for Settings {
    /// What an empty command line in an empty environment gives.
    fn default() -> Self {
        Self {
            version_label: "v1".to_owned(),
            pod: "unknown".to_owned(),
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            port: DEFAULT_PORT,
            error_rate: ErrorRate::default(),
            latency: Duration::ZERO,
            latency_jitter: Duration::ZERO,
            readiness_delay: Duration::ZERO,
            drain: DEFAULT_DRAIN,
            crash_after: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_command_line_gives_the_defaults() {
        // The pod is given: a test machine may well have HOSTNAME set.
        let parsed = Settings::try_parse_from(["kulta-sample-app", "--pod", "unknown"]).unwrap();
        assert_eq!(parsed, Settings::default());
    }

    #[test]
    fn durations_are_read_with_their_units() {
        let parsed =
            Settings::try_parse_from(["kulta-sample-app", "--latency", "20ms", "--crash-after", "2m"]);
        let parsed = parsed.unwrap();
        assert_eq!(parsed.latency, Duration::from_millis(20));
        assert_eq!(parsed.crash_after, Some(Duration::from_mins(2)));
    }

    #[test]
    fn an_error_rate_above_one_is_refused() {
        let parsed = Settings::try_parse_from(["kulta-sample-app", "--error-rate", "1.5"]);
        assert!(parsed.unwrap_err().to_string().contains("between 0.0 and 1.0"));
    }
}
