//! The command line: verbs and flags as `kubectl argo rollouts` has them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use jiff::SignedDuration;
use kulta_api::Group;

use crate::image::Change;
use crate::migrate::Migration;
use crate::promote::Extent;

/// Sees, promotes, aborts and checks Rollouts of KULTA
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-kulta",
    bin_name = "kubectl kulta",
    version,
    subcommand_required = true
)]
pub struct Arguments {
    /// Which cluster.
    #[command(flatten)]
    pub connection: ConnectionArguments,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Which cluster, and as whom: the flags of kubectl.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Cluster")]
pub struct ConnectionArguments {
    /// The file that says where clusters are. Default: KUBECONFIG, else ~/.kube/config, else the pod's own
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The context in it
    #[arg(long, global = true)]
    pub context: Option<String>,
    /// The cluster in it, instead of the context's
    #[arg(long, global = true)]
    pub cluster: Option<String>,
    /// The user in it, instead of the context's
    #[arg(long, global = true)]
    pub user: Option<String>,
    /// The namespace. Default: that of the context
    #[arg(short, long, global = true)]
    pub namespace: Option<String>,
    /// Does it as this user
    #[arg(long = "as", global = true, value_name = "USER")]
    pub impersonate: Option<String>,
    /// Does it as a member of this group; can be repeated
    #[arg(
        long = "as-group",
        global = true,
        value_name = "GROUP",
        requires = "impersonate"
    )]
    pub impersonate_group: Vec<String>,
    /// The API group of the Rollouts: kulta.io, or argoproj.io where the controller serves it
    #[arg(long, global = true, value_name = "NAME", default_value_t, env = "KULTA_API_GROUP", value_parser = api_group)]
    pub api_group: Group,
}

fn api_group(name: &str) -> Result<Group, String> {
    let found = Group::ALL.into_iter().find(|group| group.as_str() == name);
    found.ok_or_else(|| format!("write {} or {}", Group::Kulta, Group::Argo))
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Shows a Rollout or an Experiment: its status, and the tree of what belongs to it
    #[command(subcommand)]
    Get(Got),
    /// Lists Rollouts or Experiments
    #[command(subcommand)]
    List(Listed),
    /// Waits until a Rollout has come to an end, and says by its exit code to which
    Status(StatusArguments),
    /// Gives the traffic back to the stable version
    Abort(Name),
    /// Tries an aborted Rollout, or an Experiment that is over, again
    #[command(subcommand)]
    Retry(Retried),
    /// Tells an AnalysisRun or an Experiment to end
    #[command(subcommand)]
    Terminate(Terminated),
    /// Holds a Rollout where it is
    Pause(Name),
    /// Ends the pause that holds a Rollout, and skips nothing else
    Resume(Name),
    /// Lets a Rollout go on: after a pause, past an analysis, or to the end
    Promote(PromoteArguments),
    /// Replaces the pods of a Rollout, a few at a time; no new version begins
    Restart(RestartArguments),
    /// Goes back to an earlier revision
    Undo(UndoArguments),
    /// Changes a Rollout
    #[command(subcommand)]
    Set(Setting),
    /// Makes a Rollout of Argo Rollouts, or a Deployment, one of kulta.io, and replaces none of its pods
    #[command(subcommand)]
    Migrate(Migrated),
    /// Says of manifests what works with KULTA and what is refused, without a cluster
    Lint(LintArguments),
    /// Tells the version
    Version {
        /// Only the number
        #[arg(long)]
        short: bool,
    },
    /// Prints a script that completes commands in a shell
    Completion {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
}

/// A Rollout.
#[derive(Debug, Args)]
pub struct Name {
    /// The Rollout
    #[arg(value_name = "ROLLOUT")]
    pub name: String,
}

/// What can be migrated.
#[derive(Debug, Subcommand)]
pub enum Migrated {
    /// A Rollout of argoproj.io
    #[command(visible_aliases = ["ro", "rollouts"])]
    Rollout(MigrateArguments),
    /// A Deployment
    #[command(visible_alias = "deploy")]
    Deployment {
        /// What is migrated
        #[command(flatten)]
        arguments: MigrateArguments,
        /// A file with the Rollout that it becomes: the strategy, and what else a Deployment does not say
        #[arg(short, long = "filename", value_name = "FILE")]
        file: PathBuf,
    },
}

/// What is migrated, and how.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 migrated and healthy, 1 it could not be done, 2 a wrong command line, 3 degraded, 4 --timeout \
                  is over, 5 paused. Change the manifests in your repository at the same time, or what applies them makes the \
                  old object again."
)]
pub struct MigrateArguments {
    /// The object
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Only checks, and prints the new Rollout
    #[arg(long)]
    pub dry_run: bool,
    /// Waits at most so long until the new Rollout is healthy. 0: for ever
    #[arg(short, long, default_value = "5m", value_parser = timeout)]
    pub timeout: Duration,
}

impl MigrateArguments {
    /// The same as it is carried out.
    #[must_use]
    pub fn migration(self) -> Migration {
        let Self {
            name,
            dry_run,
            timeout,
        } = self;
        let timeout = (!timeout.is_zero()).then_some(timeout);
        Migration {
            name,
            dry_run,
            timeout,
        }
    }
}

/// What can be shown.
#[derive(Debug, Subcommand)]
pub enum Got {
    /// A Rollout
    #[command(visible_aliases = ["ro", "rollouts"])]
    Rollout(GetArguments),
    /// An Experiment
    #[command(visible_aliases = ["exp", "experiments"])]
    Experiment(GetArguments),
}

/// How it is shown.
#[derive(Debug, Args)]
pub struct GetArguments {
    /// The object
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Shows it again whenever something changes
    #[arg(short, long)]
    pub watch: bool,
    /// Without colours
    #[arg(long)]
    pub no_color: bool,
    /// Ends watching after so many seconds. 0: never
    #[arg(long, default_value_t = 0, value_name = "SECONDS", requires = "watch")]
    pub timeout_seconds: u64,
}

/// What can be listed.
#[derive(Debug, Subcommand)]
pub enum Listed {
    /// Rollouts
    #[command(visible_aliases = ["ro", "rollout"])]
    Rollouts(ListArguments),
    /// Experiments
    #[command(visible_aliases = ["exp", "experiment"])]
    Experiments(ListArguments),
}

/// Which are listed.
#[derive(Debug, Args)]
pub struct ListArguments {
    /// Those of all namespaces
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
}

/// What can be tried again.
#[derive(Debug, Subcommand)]
pub enum Retried {
    /// A Rollout
    #[command(visible_aliases = ["ro", "rollouts"])]
    Rollout(Name),
    /// An Experiment
    #[command(visible_aliases = ["exp", "experiments"])]
    Experiment(Judge),
}

/// What can be told to end.
#[derive(Debug, Subcommand)]
pub enum Terminated {
    /// An AnalysisRun
    #[command(name = "analysisrun", visible_aliases = ["ar", "analysisruns"])]
    AnalysisRun(Judge),
    /// An Experiment
    #[command(visible_aliases = ["exp", "experiments"])]
    Experiment(Judge),
}

/// An AnalysisRun or an Experiment.
#[derive(Debug, Args)]
pub struct Judge {
    /// Its name
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// What can be set.
#[derive(Debug, Subcommand)]
pub enum Setting {
    /// Another image: a new version begins its way
    Image(ImageArguments),
}

/// Images to set.
#[derive(Debug, Args)]
pub struct ImageArguments {
    /// The Rollout
    #[arg(value_name = "ROLLOUT")]
    pub name: String,
    /// Container and image; * is every container
    #[arg(value_name = "CONTAINER=IMAGE", required = true)]
    pub images: Vec<Change>,
}

/// What is waited for.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 healthy (without --watch also on its way, or paused), 1 nobody knows, 2 a wrong command \
                  line, 3 degraded, 4 --timeout is over, 5 paused (with --until-paused)."
)]
pub struct StatusArguments {
    /// The Rollout
    #[arg(value_name = "ROLLOUT")]
    pub name: String,
    /// Waits until it is healthy or degraded; --watch=false tells what is true now
    #[arg(
        short, long, action = ArgAction::Set, default_value_t = true, num_args = 0..=1, require_equals = true,
        default_missing_value = "true", value_name = "BOOL"
    )]
    pub watch: bool,
    /// Waits at most so long, such as 90s or 1h30m. 0: for ever
    #[arg(short, long, default_value = "0", value_parser = timeout)]
    pub timeout: Duration,
    /// Ends also at a pause that somebody has to end; pauses for a time are waited through
    #[arg(long)]
    pub until_paused: bool,
}

/// How far a promotion goes.
#[derive(Debug, Args)]
pub struct PromoteArguments {
    /// The Rollout
    #[arg(value_name = "ROLLOUT")]
    pub name: String,
    /// To the end, skipping analyses, pauses and steps
    #[arg(long, conflicts_with_all = ["skip_current_step", "skip_all_steps"])]
    pub full: bool,
    /// Skips the step under way (deprecated: without a flag)
    #[arg(short = 'c', long, conflicts_with = "skip_all_steps")]
    pub skip_current_step: bool,
    /// Skips all steps (deprecated: --full)
    #[arg(short = 'a', long)]
    pub skip_all_steps: bool,
}

impl PromoteArguments {
    /// How far.
    #[must_use]
    pub const fn extent(&self) -> Extent {
        if self.full {
            Extent::Full
        } else if self.skip_current_step {
            Extent::SkipCurrentStep
        } else if self.skip_all_steps {
            Extent::SkipAllSteps
        } else {
            Extent::Next
        }
    }
}

/// When pods are replaced.
#[derive(Debug, Args)]
pub struct RestartArguments {
    /// The Rollout
    #[arg(value_name = "ROLLOUT")]
    pub name: String,
    /// Not now, but in so much time, such as 90s or 1h30m
    #[arg(short = 'i', long = "in", default_value = "0", value_name = "DURATION", value_parser = timeout)]
    pub after: Duration,
}

/// To which revision.
#[derive(Debug, Args)]
pub struct UndoArguments {
    /// The Rollout
    #[arg(value_name = "ROLLOUT")]
    pub name: String,
    /// The revision to go back to. 0: the one before the latest
    #[arg(long, default_value_t = 0, value_name = "NUMBER")]
    pub to_revision: u64,
}

/// What is looked at.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 everything works, 1 a file is not there, 2 a wrong command line, 3 something is refused \
                  or can't be read."
)]
pub struct LintArguments {
    /// A file, a folder with all that is below it, or - for standard input; can be repeated
    #[arg(short, long = "filename", value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// For people or for programs
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// For people or for programs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

/// A time as Go writes it (`1h30m`, `0`).
fn timeout(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let parsed = text.parse::<SignedDuration>().ok();
    parsed
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| "must be a time such as 90s, 5m or 1h30m, or 0".to_owned())
}

#[cfg(test)]
mod tests;
