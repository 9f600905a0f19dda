//! `kulta doctor`: what keeps KULTA from working in this cluster, and what is to be done about it.
//!
//! It asks with the rights and from the network that it is run with, so it tells most where the controller runs: in its pod. Each
//! room below looks at one thing, and finds out everything that it can: one that can't be asked is a finding, never the end.

use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::{Api, Client, Config, ResourceExt as _};
use kulta_api::Group;
use kulta_core::text::with_causes;
use thiserror::Error;

use crate::analysis::configuration::{Configuration, ConfigurationError};
use crate::instance::{Instance, InstanceId};

mod clock;
mod definitions;
mod gateways;
mod leader;
mod plugins;
mod providers;
mod rights;
mod rollouts;

/// An API server that takes longer for one question is a finding.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Many objects are listed in pages: each costs the API server as much memory as is in it.
const PAGE: u32 = 500;

/// How the controller that is asked about runs: its flags, and where it is.
#[derive(Debug, Args)]
pub struct DoctorArguments {
    /// The namespace that KULTA is installed in. Default: that of this pod, or of the kubeconfig's context
    #[arg(long, value_name = "NAMESPACE")]
    pub controller_namespace: Option<String>,
    /// The controller works on this namespace only
    #[arg(long, env = "KULTA_NAMESPACE")]
    pub namespace: Option<String>,
    /// Its configuration
    #[arg(long, env = "KULTA_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where its plugins are
    #[arg(long, env = "KULTA_PLUGIN_DIR", value_name = "DIR")]
    pub plugin_dir: Option<PathBuf>,
    /// It works on what has this label
    #[arg(long, env = "KULTA_INSTANCE_ID", value_name = "ID")]
    pub instance_id: Option<InstanceId>,
    /// It serves argoproj.io as well
    #[arg(long, env = "KULTA_ARGO_API")]
    pub argo_api: bool,
    /// It serves the history of Rollouts over HTTP
    #[arg(long, env = "KULTA_HISTORY_API")]
    pub history_api: bool,
    /// The namespace of Argo Rollouts' lease
    #[arg(long, env = "KULTA_ARGO_LEASE_NAMESPACE", value_name = "NAMESPACE")]
    pub argo_lease_namespace: Option<String>,
}

/// What can be examined at all can be reached.
#[derive(Debug, Error)]
pub enum DoctorError {
    /// There is no cluster.
    #[error("no cluster is configured: run in a pod with a service account, or set KUBECONFIG")]
    Configuration(#[source] kube::config::InferConfigError),
    /// The configuration makes no client.
    #[error("no client can be made for the cluster")]
    Client(#[source] kube::Error),
    /// The findings can't be written.
    #[error("the findings can't be written")]
    Write(#[from] io::Error),
    /// Something is wrong, and was told.
    #[error("{0} findings keep KULTA from working: see above")]
    Wrong(usize),
}

/// What was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Area {
    Cluster,
    Definitions,
    Rights,
    Leader,
    Gateways,
    Configuration,
    Providers,
    Plugins,
    Rollouts,
    Clock,
}

impl fmt::Display for Area {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Cluster => "cluster",
            Self::Definitions => "definitions",
            Self::Rights => "rights",
            Self::Leader => "leader",
            Self::Gateways => "gateways",
            Self::Configuration => "configuration",
            Self::Providers => "providers",
            Self::Plugins => "plugins",
            Self::Rollouts => "rollouts",
            Self::Clock => "clock",
        })
    }
}

/// How what was looked at is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Well,
    /// It works, or can't be seen; somebody should know.
    Doubtful,
    /// KULTA, or a part of what it is asked to do, does not work.
    Wrong,
}

impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Well => "ok",
            Self::Doubtful => "look",
            Self::Wrong => "WRONG",
        })
    }
}

/// One thing that was found out.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    area: Area,
    state: State,
    text: String,
    /// What to do; always there where something is wrong.
    remedy: Option<String>,
}

impl Finding {
    fn well(area: Area, text: impl Into<String>) -> Self {
        Self {
            area,
            state: State::Well,
            text: text.into(),
            remedy: None,
        }
    }

    fn doubtful(area: Area, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            remedy: Some(remedy.into()),
            state: State::Doubtful,
            ..Self::well(area, text)
        }
    }

    fn wrong(area: Area, text: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            state: State::Wrong,
            ..Self::doubtful(area, text, remedy)
        }
    }

    /// What is asked of the API server is not answered.
    fn unanswered(area: Area, what: &str, error: &kube::Error) -> Self {
        let text = format!("{what}: {}", with_causes(error));
        if let kube::Error::Api(status) = error
            && status.is_forbidden()
        {
            let remedy = "this account may not look at it: an administrator of the cluster may";
            return Self::doubtful(area, text, remedy);
        }
        Self::wrong(
            area,
            text,
            "see whether the API server is up, and can be reached from here",
        )
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            area, state, text, ..
        } = self;
        write!(formatter, "{state:<5}  {area:<13}  {text}")?;
        match &self.remedy {
            None => Ok(()),
            Some(remedy) => write!(formatter, "\n{:22}-> {remedy}", ""),
        }
    }
}

/// Whose cluster it is, and how the controller in it runs.
struct Patient {
    client: Client,
    /// The namespace that KULTA is installed in.
    own_namespace: String,
    /// The one namespace that the controller works on; none: all.
    namespace: Option<String>,
    instance: Instance,
    groups: Vec<Group>,
    /// Whether the history is served over HTTP.
    history_api: bool,
    /// The namespace of Argo Rollouts' lease, where `argoproj.io` is served.
    argo_lease_namespace: Option<String>,
}

impl Patient {
    /// The cluster of `config`, and a controller with these arguments in it.
    fn of(arguments: &DoctorArguments, config: Config) -> Result<Self, DoctorError> {
        let argo_lease_namespace = arguments.argo_lease_namespace.clone();
        let own_namespace = arguments.controller_namespace.clone();
        Ok(Self {
            own_namespace: own_namespace.unwrap_or_else(|| config.default_namespace.clone()),
            client: Client::try_from(config).map_err(DoctorError::Client)?,
            namespace: arguments.namespace.clone(),
            instance: arguments.instance_id.clone().into(),
            history_api: arguments.history_api,
            argo_lease_namespace: argo_lease_namespace.filter(|_| arguments.argo_api),
            groups: if arguments.argo_api {
                Group::ALL.to_vec()
            } else {
                vec![Group::Kulta]
            },
        })
    }

    /// The objects of a kind that the controller works on.
    fn objects(&self, resource: &ApiResource) -> Api<DynamicObject> {
        let client = self.client.clone();
        match &self.namespace {
            None => Api::all_with(client, resource),
            Some(namespace) => Api::namespaced_with(client, namespace, resource),
        }
    }

    /// Looks at each of the objects of a kind that `listed` chooses, and keeps what `problem` says of it.
    async fn look_at_each(
        &self,
        resource: &ApiResource,
        listed: ListParams,
        problem: impl Fn(&DynamicObject) -> Option<String>,
    ) -> Result<Seen, kube::Error> {
        let api = self.objects(resource);
        let (mut seen, mut page) = (Seen::default(), listed.limit(PAGE));
        loop {
            let list = api.list(&page).await?;
            for object in &list.items {
                seen.add(object, problem(object));
            }
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => page = page.continue_token(&token),
                None => return Ok(seen),
            }
        }
    }
}

/// What was seen of many objects so far. Not they: whole, they take more memory than the controller beside has.
#[derive(Default)]
struct Seen {
    number: usize,
    /// Those with a problem: `namespace/name (problem)`.
    bad: Vec<String>,
}

impl Seen {
    fn add(&mut self, object: &DynamicObject, problem: Option<String>) {
        self.number += 1;
        if let Some(problem) = problem {
            let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
            self.bad.push(format!("{namespace}/{name} ({problem})"));
        }
    }
}

/// Examines the cluster of the pod or of the current kubeconfig, and tells each finding as it is made.
///
/// # Errors
/// When there is no cluster, when the findings can't be written, and when something is wrong.
pub async fn run(arguments: &DoctorArguments, out: &mut dyn Write) -> Result<(), DoctorError> {
    let mut config = Config::infer().await.map_err(DoctorError::Configuration)?;
    config.connect_timeout = Some(ANSWER_WITHIN);
    config.read_timeout = Some(ANSWER_WITHIN);
    // Whether it answers is the question.
    config.default_retry = false;
    let patient = Patient::of(arguments, config)?;
    let mut wrong = 0;
    let mut tell = |findings: Vec<Finding>| -> io::Result<()> {
        for finding in findings {
            wrong += usize::from(finding.state == State::Wrong);
            writeln!(out, "{finding}")?;
        }
        Ok(())
    };
    tell(clock::examine(&patient).await)?;
    tell(definitions::examine(&patient).await)?;
    tell(rights::examine(&patient).await)?;
    tell(leader::examine(&patient).await)?;
    tell(gateways::examine(&patient).await)?;
    match configuration(arguments) {
        Err(finding) => tell(vec![*finding])?,
        Ok(configuration) => {
            tell(providers::examine(&configuration).await)?;
            tell(plugins::examine(&configuration, arguments.plugin_dir.as_deref()).await)?;
        }
    }
    tell(rollouts::examine(&patient).await)?;
    if wrong > 0 {
        Err(DoctorError::Wrong(wrong))
    } else {
        Ok(())
    }
}

fn configuration(arguments: &DoctorArguments) -> Result<Arc<Configuration>, Box<Finding>> {
    let Some(path) = &arguments.config else {
        return Ok(Arc::default());
    };
    let wrong = |error: ConfigurationError| {
        let remedy =
            "the controller does not start with it, or goes on with the one before; see deploy/README.md";
        Box::new(Finding::wrong(Area::Configuration, with_causes(&error), remedy))
    };
    Configuration::read(path).map(Arc::new).map_err(wrong)
}

/// The first of many names, and how many more there are.
fn some_of(names: &[String]) -> String {
    /// Enough to see what they have in common.
    const SHOWN: usize = 5;
    let shown: Vec<_> = names.iter().take(SHOWN).map(String::as_str).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests;
