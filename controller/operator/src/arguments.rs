//! The command line. Every flag can be given as an environment variable, too.

use std::net::SocketAddr;
use std::num::NonZeroUsize;

use clap::{Args, Parser, Subcommand};
use jiff::SignedDuration;
use kulta_core::observed::Settings;

use crate::telemetry::LogFormat;

/// KULTA: progressive delivery for Kubernetes.
#[derive(Debug, Parser)]
#[command(name = "kulta", version)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs the controller, against the cluster of the pod it runs in or of the current kubeconfig
    Controller(ControllerArguments),
    /// Prints the definition of the custom resource as YAML
    Crd,
}

/// How the controller runs.
#[derive(Debug, Args)]
pub struct ControllerArguments {
    /// Works on this namespace only: Rollouts and routes of others are not seen. Default: all
    #[arg(long, env = "KULTA_NAMESPACE")]
    pub namespace: Option<String>,
    /// So many Rollouts are reconciled at the same time
    #[arg(long, env = "KULTA_CONCURRENCY", default_value = "16")]
    pub concurrency: NonZeroUsize,
    /// Where /livez, /readyz and /metrics are served
    #[arg(long, env = "KULTA_HTTP_ADDRESS", default_value = "0.0.0.0:8080")]
    pub http_address: SocketAddr,
    /// How log lines are written
    #[arg(long, env = "KULTA_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// Which log lines are written: a level, or target=level,...
    #[arg(long, env = "KULTA_LOG_FILTER", default_value = "info")]
    pub log_filter: String,
    /// Seconds that a parent of a route may stay silent about a new weight
    #[arg(
        long,
        env = "KULTA_ROUTE_ACCEPTANCE_DEADLINE",
        default_value = "60",
        value_name = "SECONDS"
    )]
    pub route_acceptance_deadline: u32,
    /// The name of this pod: tells apart the Events of several
    #[arg(long, env = "POD_NAME", default_value = "kulta")]
    pub pod_name: String,
}

impl ControllerArguments {
    /// The settings that decisions depend on.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            route_acceptance_deadline: SignedDuration::from_secs(self.route_acceptance_deadline.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn controller(flags: &[&str]) -> Result<ControllerArguments, clap::Error> {
        let arguments = Arguments::try_parse_from(["kulta", "controller"].iter().chain(flags))?;
        match arguments.command {
            Command::Controller(controller) => Ok(controller),
            Command::Crd => panic!("another command"),
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_core() {
        assert_eq!(controller(&[]).unwrap().settings(), Settings::default());
    }

    #[test]
    fn the_deadline_is_in_seconds() {
        let settings = controller(&["--route-acceptance-deadline", "5"])
            .unwrap()
            .settings();
        assert_eq!(settings.route_acceptance_deadline, SignedDuration::from_secs(5));
    }

    #[test]
    fn no_concurrency_is_refused() {
        assert!(controller(&["--concurrency", "0"]).is_err());
    }
}
