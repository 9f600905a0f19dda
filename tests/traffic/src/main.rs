//! `kulta-traffic`: the load as a command. Exits 0 when requests were sent and not one failed, 1 otherwise.

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use kulta_traffic::{Config, Load, Target};
use tracing_subscriber::EnvFilter;

/// Open-loop HTTP load with a strict count of what failed
#[derive(Debug, Parser)]
#[command(name = "kulta-traffic", version)]
struct Arguments {
    /// The address and port to connect to
    #[arg(long)]
    target: SocketAddr,

    /// The value of the header host [default: the target]
    #[arg(long)]
    host: Option<String>,

    /// The path to request
    #[arg(long, default_value = "/")]
    path: String,

    /// Requests per second
    #[arg(long, default_value_t = 100)]
    rate: u32,

    /// The share of requests on kept-alive connections, in percent [default: 50]
    #[arg(long)]
    kept_alive_percent: Option<u8>,

    /// End after this many requests [default: 360000]
    #[arg(long)]
    max_requests: Option<u64>,

    /// End after this time, for example 30s [default: 1h]
    #[arg(long, value_parser = humantime::parse_duration)]
    max_duration: Option<Duration>,

    /// Requests in flight; one more is not sent [default: 400]
    #[arg(long)]
    max_in_flight: Option<u32>,

    /// Time for one request, for example 10s [default: 10s]
    #[arg(long, value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,

    /// Allow targets that are neither loopback nor in 198.18.0.0/15
    #[arg(long)]
    allow_any_target: bool,
}

impl Arguments {
    fn config(self) -> Config {
        let host = self.host.unwrap_or_else(|| self.target.to_string());
        let default = Config::new(
            Target {
                address: self.target,
                host,
                path: self.path,
            },
            self.rate,
        );
        Config {
            kept_alive_percent: self.kept_alive_percent.unwrap_or(default.kept_alive_percent),
            max_requests: self.max_requests.unwrap_or(default.max_requests),
            max_duration: self.max_duration.unwrap_or(default.max_duration),
            max_in_flight: self.max_in_flight.unwrap_or(default.max_in_flight),
            timeout: self.timeout.unwrap_or(default.timeout),
            allow_any_target: self.allow_any_target,
            ..default
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let ansi = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(ansi)
        .with_writer(std::io::stderr)
        .init();
    let load = Load::start(Arguments::parse().config())?;
    tokio::select! {
        ended = load.ended() => tracing::debug!(%ended, "load ended"),
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    let report = load.stop().await;
    writeln!(std::io::stdout().lock(), "{report}")?;
    Ok(if report.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
