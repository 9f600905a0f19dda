//! The command line. Every flag can be given as an environment variable, too.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::SignedDuration;
use kulta_api::Group;
use kulta_api::crd::Definition;
use kulta_cli::history::HistoryArguments;
use kulta_cli::plugin::PluginArguments;
use kulta_cli::report::ReportArguments;
use kulta_core::observed::Settings;

use crate::doctor::DoctorArguments;
use crate::instance::InstanceId;
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
    /// Prints the definition of a custom resource as YAML
    Crd {
        /// Which
        #[arg(value_enum)]
        definition: CrdName,
        /// In which API group
        #[arg(long, value_enum, default_value_t)]
        group: GroupName,
    },
    /// Tells what happened to a Rollout, or what was true of it at an instant
    History(HistoryArguments),
    /// Says what keeps KULTA from working in this cluster, and what to do about it. Best run where the controller runs:
    /// kubectl -n kulta-system exec deployment/kulta-controller -- /kulta doctor
    Doctor(DoctorArguments),
    /// Computes the four figures of DORA from files of events
    Report(ReportArguments),
    /// Makes, builds, records and tests plugins, without a cluster
    Plugin(PluginArguments),
    /// Compiles the plugin on standard input and throws the result away: the controller runs it before it takes a
    /// plugin into service
    #[command(name = COMPILE_PLUGIN, hide = true)]
    CompilePlugin,
}

/// The name of [`Command::CompilePlugin`].
pub const COMPILE_PLUGIN: &str = "compile-plugin";

/// The custom resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CrdName {
    /// rollouts
    Rollouts,
    /// analysisruns
    #[value(name = "analysisruns")]
    AnalysisRuns,
    /// analysistemplates
    #[value(name = "analysistemplates")]
    AnalysisTemplates,
    /// clusteranalysistemplates
    #[value(name = "clusteranalysistemplates")]
    ClusterAnalysisTemplates,
    /// experiments
    Experiments,
}

impl From<CrdName> for Definition {
    fn from(name: CrdName) -> Self {
        match name {
            CrdName::Rollouts => Self::Rollouts,
            CrdName::AnalysisRuns => Self::AnalysisRuns,
            CrdName::AnalysisTemplates => Self::AnalysisTemplates,
            CrdName::ClusterAnalysisTemplates => Self::ClusterAnalysisTemplates,
            CrdName::Experiments => Self::Experiments,
        }
    }
}

/// The API groups.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum GroupName {
    /// KULTA's own
    #[default]
    #[value(name = "kulta.io")]
    Kulta,
    /// That of Argo Rollouts
    #[value(name = "argoproj.io")]
    Argo,
}

impl From<GroupName> for Group {
    fn from(name: GroupName) -> Self {
        match name {
            GroupName::Kulta => Self::Kulta,
            GroupName::Argo => Self::Argo,
        }
    }
}

/// How the controller runs.
#[derive(Debug, Args)]
pub struct ControllerArguments {
    /// Works on this namespace only: Rollouts and routes of others are not seen. Default: all
    #[arg(long, env = "KULTA_NAMESPACE")]
    pub namespace: Option<String>,
    /// Works on the Rollouts and AnalysisRuns with the label argo-rollouts.argoproj.io/controller-instance-id=ID, instead of
    /// those without it. Default: those without
    #[arg(long, env = "KULTA_INSTANCE_ID", value_name = "ID")]
    pub instance_id: Option<InstanceId>,
    /// The operator's configuration: a YAML file with providers of metrics and plugins. Default: none
    #[arg(long, env = "KULTA_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where plugins are: a directory with a folder for each mounted ConfigMap. Default: only the bundled ones
    #[arg(long, env = "KULTA_PLUGIN_DIR", value_name = "DIR")]
    pub plugin_dir: Option<PathBuf>,
    /// So many Rollouts are reconciled at the same time
    #[arg(long, env = "KULTA_CONCURRENCY", default_value = "16")]
    pub concurrency: NonZeroUsize,
    /// Where /livez, /readyz and /metrics are served
    #[arg(long, env = "KULTA_HTTP_ADDRESS", default_value = "0.0.0.0:8080")]
    pub http_address: SocketAddr,
    /// Where /metrics is served by the names and labels of Argo Rollouts, with series for each Rollout, for dashboards that were
    /// made for it (there: port 8090). Default: nowhere
    #[arg(long, env = "KULTA_ARGO_METRICS_ADDRESS")]
    pub argo_metrics_address: Option<SocketAddr>,
    /// Serves the history of Rollouts at the same address, under /api/v1/rollouts/NAMESPACE/NAME/history, to those whom
    /// the cluster lets see them
    #[arg(long, env = "KULTA_HISTORY_API")]
    pub history_api: bool,
    /// Serves Rollouts, AnalysisRuns and templates of argoproj.io as well, while it holds the lease of Argo Rollouts
    #[arg(long, env = "KULTA_ARGO_API", requires = "argo_lease_namespace")]
    pub argo_api: bool,
    /// The namespace of that lease: the one that Argo Rollouts' controller runs in. There is no default, for with a wrong one
    /// two controllers would write the same objects
    #[arg(
        long,
        env = "KULTA_ARGO_LEASE_NAMESPACE",
        value_name = "NAMESPACE",
        requires = "argo_api"
    )]
    pub argo_lease_namespace: Option<String>,
    /// How log lines are written
    #[arg(long, env = "KULTA_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// Which log lines are written: a level, or target=level,...
    #[arg(long, env = "KULTA_LOG_FILTER", default_value = "info")]
    pub log_filter: String,
    /// The address of an `OpenTelemetry` collector that takes traces (OTLP over HTTP), such as `http://collector:4318`. Of the other
    /// variables of its exporters `OTEL_EXPORTER_OTLP_HEADERS` and `OTEL_TRACES_SAMPLER` count. Default, and where it is empty:
    /// traces are not sent
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    otlp_endpoint: Option<String>,
    /// A file with the authorities (PEM) by which the collector's certificate is signed. Default, and where it is empty: those of the
    /// system
    #[arg(long, env = "OTEL_EXPORTER_OTLP_CERTIFICATE", value_name = "FILE")]
    otlp_ca_file: Option<String>,
    /// Seconds that a parent of a route may stay silent about a new weight
    #[arg(
        long,
        env = "KULTA_ROUTE_ACCEPTANCE_DEADLINE",
        default_value = "60",
        value_name = "SECONDS"
    )]
    pub route_acceptance_deadline: u32,
    /// The name of this pod: tells apart the Events of several, and people who holds a lease
    #[arg(long, env = "POD_NAME", default_value = "kulta")]
    pub pod_name: String,
    /// The UID of this pod: with it, a process that is started anew takes up at once the leases that the one before it in this
    /// pod has held. Default: none, and it waits until they run out
    #[arg(long, env = "POD_UID")]
    pub pod_uid: Option<String>,
}

/// Set to nothing, a variable is as if it were not set, as for everybody else who reads it.
fn set(variable: Option<&String>) -> Option<&str> {
    variable.map(String::as_str).filter(|text| !text.is_empty())
}

impl ControllerArguments {
    /// Where traces are sent; None: nowhere.
    #[must_use]
    pub fn otlp_endpoint(&self) -> Option<&str> {
        set(self.otlp_endpoint.as_ref())
    }

    /// The file by which the collector is believed.
    #[must_use]
    pub fn otlp_ca_file(&self) -> Option<PathBuf> {
        set(self.otlp_ca_file.as_ref()).map(PathBuf::from)
    }

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
    use std::collections::BTreeSet;
    use std::path::Path;

    use clap::CommandFactory as _;

    use super::*;

    fn controller(flags: &[&str]) -> Result<ControllerArguments, clap::Error> {
        let arguments = Arguments::try_parse_from(["kulta", "controller"].iter().chain(flags))?;
        match arguments.command {
            Command::Controller(controller) => Ok(controller),
            _ => panic!("another command"),
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
    fn the_deployment_mounts_what_its_flags_name() {
        let deployment: serde_json::Value =
            serde_saphyr::from_str(include_str!("../../../deploy/kustomize/deployment.yaml")).unwrap();
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        // As flags: what they stand for in the environment of a process that does more than this.
        let variables = container["env"].as_array().unwrap().iter();
        let flags = variables.filter_map(|variable| {
            let name = variable["name"].as_str()?.strip_prefix("KULTA_")?;
            let flag = name.to_lowercase().replace('_', "-");
            Some(format!("--{flag}={}", variable["value"].as_str()?))
        });
        let flags: Vec<_> = flags.collect();
        let flags: Vec<_> = flags.iter().map(String::as_str).collect();

        let parsed = controller(&flags).unwrap();

        let mount = Path::new(container["volumeMounts"][0]["mountPath"].as_str().unwrap());
        assert_eq!(parsed.config.as_deref().and_then(Path::parent), Some(mount));
        // Nothing can be mounted within a ConfigMap.
        assert!(!parsed.plugin_dir.unwrap().starts_with(mount));
    }

    #[test]
    fn the_api_of_argo_rollouts_is_served_only_when_asked() {
        assert!(!controller(&[]).unwrap().argo_api);
        assert!(controller(&["--argo-lease-namespace", "argo-rollouts"]).is_err());
        assert!(controller(&["--argo-api"]).is_err());
        let asked = controller(&["--argo-api", "--argo-lease-namespace", "argo-rollouts"]).unwrap();
        assert_eq!(asked.argo_lease_namespace.as_deref(), Some("argo-rollouts"));
    }

    #[test]
    fn an_instance_id_that_is_no_label_is_refused_with_what_it_may_be() {
        let error = controller(&["--instance-id", "Team_7"]).unwrap_err().to_string();
        assert!(
            error.contains("--instance-id") && error.contains("small letters"),
            "{error}"
        );
    }

    #[test]
    fn variables_of_other_exporters_that_are_empty_are_as_if_they_were_not_set() {
        let empty = controller(&["--otlp-endpoint=", "--otlp-ca-file="]).unwrap();

        assert_eq!((empty.otlp_endpoint(), empty.otlp_ca_file()), (None, None));
    }

    #[test]
    fn every_flag_of_the_controller_is_in_the_documented_table_with_its_variable() {
        let command = Arguments::command();
        let controller = command.find_subcommand("controller").unwrap();
        let flags = controller.get_arguments().filter_map(|flag| {
            let variable = flag.get_env()?.to_str()?;
            Some(format!("| `--{}` | `{variable}` ", flag.get_long()?))
        });
        let readme = include_str!("../../../deploy/README.md");
        let rows = readme.lines().filter(|line| line.starts_with("| `--"));
        let documented = rows.map(|row| row.splitn(4, '|').take(3).collect::<Vec<_>>().join("|"));

        assert_eq!(documented.collect::<BTreeSet<_>>(), flags.collect());
    }

    #[test]
    fn no_concurrency_is_refused() {
        assert!(controller(&["--concurrency", "0"]).is_err());
    }
}
