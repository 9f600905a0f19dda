//! From the command line to what was done of it.

use std::io::Write;
use std::time::Duration;

use clap::CommandFactory as _;
use jiff::Timestamp;
use kulta_api::Group;

use crate::arguments::{
    Arguments, ConnectionArguments, Format, GetArguments, Got, ImageArguments, Judge, LintArguments,
    ListArguments, Listed, Migrated, Name, PromoteArguments, RestartArguments, Retried, Setting,
    StatusArguments, Terminated, UndoArguments, Verb,
};
use crate::cluster::{Cluster, Kind};
use crate::error::Error;
use crate::get::Shown;
use crate::output::Output;
use crate::promote::Extent;
use crate::status::Patience;
use crate::{act, get, image, lint, list, migrate, promote, status, undo};

/// The name of the program.
pub const PROGRAM: &str = "kubectl-kulta";

/// How a verb ended that could be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Done,
    /// The Rollout is degraded.
    Degraded {
        /// Why.
        message: String,
    },
    /// It took longer than was waited.
    TimedOut,
    /// Manifests that do not work.
    Refused,
    /// The Rollout waits for somebody.
    Paused {
        /// Why.
        message: String,
    },
}

impl Outcome {
    /// The exit code. 1 is for verbs that could not be done, 2 for a wrong command line.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Degraded { .. } | Self::Refused => 3,
            Self::TimedOut => 4,
            Self::Paused { .. } => 5,
        }
    }

    /// What is to be said of it on standard error.
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        match self {
            // What is refused was told with its reasons.
            Self::Done | Self::Refused => None,
            Self::Degraded { message } => Some(format!(
                "The rollout is in a degraded state with message: {message}"
            )),
            Self::TimedOut => Some("Rollout status watch exceeded timeout".to_owned()),
            Self::Paused { message } => Some(format!(
                "The rollout waits for somebody ({message}): promote, resume or abort it"
            )),
        }
    }
}

/// Does what the command line says.
///
/// # Errors
/// When it can't be done.
pub async fn run(
    arguments: Arguments,
    out: &mut Output<'_>,
    complaints: &mut dyn Write,
) -> Result<Outcome, Error> {
    let Arguments { connection, verb } = arguments;
    match verb {
        Verb::Version { short } => version(short, out)?,
        Verb::Completion { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), PROGRAM, &mut out.writer());
        }
        Verb::Lint(arguments) => return look_at(&arguments, out),
        Verb::Status(arguments) => return status_of(&connection, &arguments, out).await,
        Verb::Migrate(migrated) => return migrate(&connection, migrated, out).await,
        Verb::Promote(arguments) => promote(&connection, &arguments, out, complaints).await?,
        verb => change(&connection, verb, out).await?,
    }
    Ok(Outcome::Done)
}

/// The verbs that end with their requests.
async fn change(connection: &ConnectionArguments, verb: Verb, out: &mut Output<'_>) -> Result<(), Error> {
    let cluster = Cluster::connect(connection).await?;
    match verb {
        Verb::Abort(Name { name }) => act::abort(&cluster, &name, out).await,
        Verb::Retry(Retried::Rollout(Name { name })) => act::retry(&cluster, &name, out).await,
        Verb::Retry(Retried::Experiment(Judge { name })) => act::retry_experiment(&cluster, &name, out).await,
        Verb::Terminate(Terminated::AnalysisRun(Judge { name })) => {
            act::terminate(&cluster, Kind::AnalysisRun, &name, out).await
        }
        Verb::Terminate(Terminated::Experiment(Judge { name })) => {
            act::terminate(&cluster, Kind::Experiment, &name, out).await
        }
        Verb::Pause(Name { name }) => act::pause(&cluster, &name, out).await,
        Verb::Resume(Name { name }) => act::resume(&cluster, &name, out).await,
        Verb::Restart(RestartArguments { name, after }) => {
            act::restart(&cluster, &name, Timestamp::now(), after, out).await
        }
        Verb::Undo(UndoArguments { name, to_revision }) => {
            let to_revision = (to_revision > 0).then_some(to_revision);
            undo::undo(&cluster, &name, to_revision, out).await
        }
        Verb::Set(Setting::Image(ImageArguments { name, images })) => {
            image::set_image(&cluster, &name, &images, out).await
        }
        Verb::List(Listed::Rollouts(ListArguments { all_namespaces })) => {
            list::rollouts(&cluster, all_namespaces, out).await
        }
        Verb::List(Listed::Experiments(ListArguments { all_namespaces })) => {
            list::experiments(&cluster, all_namespaces, Timestamp::now(), out).await
        }
        Verb::Get(Got::Rollout(arguments)) => show(&cluster, Shown::Rollout, &arguments, out).await,
        Verb::Get(Got::Experiment(arguments)) => show(&cluster, Shown::Experiment, &arguments, out).await,
        // Done in `run`.
        Verb::Status(_)
        | Verb::Migrate(_)
        | Verb::Promote(_)
        | Verb::Lint(_)
        | Verb::Version { .. }
        | Verb::Completion { .. } => Ok(()),
    }
}

async fn show(
    cluster: &Cluster,
    shown: Shown,
    arguments: &GetArguments,
    out: &mut Output<'_>,
) -> Result<(), Error> {
    let GetArguments {
        name,
        watch,
        no_color,
        timeout_seconds,
    } = arguments;
    if *no_color {
        out.without_colours();
    }
    if !watch {
        return get::once(cluster, shown, name, out).await;
    }
    let timeout = (*timeout_seconds > 0).then(|| Duration::from_secs(*timeout_seconds));
    get::watch(cluster, shown, name, timeout, out).await
}

async fn status_of(
    connection: &ConnectionArguments,
    arguments: &StatusArguments,
    out: &mut Output<'_>,
) -> Result<Outcome, Error> {
    let cluster = Cluster::connect(connection).await?;
    let StatusArguments {
        name,
        watch,
        timeout,
        until_paused,
    } = arguments;
    if !watch {
        return status::now(&cluster, name, out).await;
    }
    let patience = Patience {
        timeout: (!timeout.is_zero()).then_some(*timeout),
        until_paused: *until_paused,
    };
    status::wait(&cluster, name, patience, out).await
}

async fn migrate(
    connection: &ConnectionArguments,
    migrated: Migrated,
    out: &mut Output<'_>,
) -> Result<Outcome, Error> {
    let cluster = Cluster::connect(connection).await?;
    match migrated {
        Migrated::Rollout(arguments) => migrate::rollout(&cluster, &arguments.migration(), out).await,
        Migrated::Deployment { arguments, file } => {
            migrate::deployment(&cluster, &arguments.migration(), &file, out).await
        }
    }
}

async fn promote(
    connection: &ConnectionArguments,
    arguments: &PromoteArguments,
    out: &mut Output<'_>,
    complaints: &mut dyn Write,
) -> Result<(), Error> {
    let extent = arguments.extent();
    let instead = match extent {
        Extent::SkipCurrentStep => Some("--skip-current-step is deprecated: say promote without it"),
        Extent::SkipAllSteps => Some("--skip-all-steps is deprecated: say promote --full"),
        Extent::Next | Extent::Full => None,
    };
    if let Some(instead) = instead {
        writeln!(complaints, "{PROGRAM}: {instead}")?;
    }
    let cluster = Cluster::connect(connection).await?;
    promote::promote(&cluster, &arguments.name, extent, out).await
}

fn look_at(arguments: &LintArguments, out: &mut Output<'_>) -> Result<Outcome, Error> {
    let report = lint::lint(&lint::read(&arguments.files)?);
    match arguments.output {
        Format::Text => lint::text(&report, out)?,
        Format::Json => out.line(format!("{:#}", lint::json(&report)))?,
    }
    Ok(if report.is_good() {
        Outcome::Done
    } else {
        Outcome::Refused
    })
}

fn version(short: bool, out: &mut Output<'_>) -> Result<(), Error> {
    let number = env!("CARGO_PKG_VERSION");
    if short {
        out.line(number)?;
    } else {
        let groups = Group::ALL.map(Group::api_version).join(" and ");
        out.line(format!("{PROGRAM}: {number} (for {groups})"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    async fn printed(arguments: &[&str]) -> String {
        let arguments = Arguments::try_parse_from([PROGRAM].iter().chain(arguments)).unwrap();
        let mut printed = Vec::new();
        let outcome = run(arguments, &mut Output::plain(&mut printed), &mut Vec::new()).await;
        assert_eq!(outcome.unwrap(), Outcome::Done);
        String::from_utf8(printed).unwrap()
    }

    #[tokio::test]
    async fn the_version_is_told_without_a_cluster() {
        assert_eq!(
            printed(&["version", "--short"]).await,
            concat!(env!("CARGO_PKG_VERSION"), "\n")
        );
        assert!(printed(&["version"]).await.contains("kulta.io/v1alpha1"));
    }

    #[tokio::test]
    async fn every_shell_gets_a_script_that_knows_the_verbs() {
        for shell in ["bash", "zsh", "fish", "powershell"] {
            let script = printed(&["completion", shell]).await;
            assert!(script.contains("promote"), "{shell}");
        }
    }

    #[tokio::test]
    async fn a_kubeconfig_that_is_not_there_is_told_with_what_to_check() {
        let arguments = ["abort", "web", "--kubeconfig", "/nowhere/config"];
        let arguments = Arguments::try_parse_from([PROGRAM].iter().chain(&arguments)).unwrap();
        let mut printed = Vec::new();

        let failed = run(arguments, &mut Output::plain(&mut printed), &mut Vec::new()).await;

        let told = failed.unwrap_err().to_string();
        assert!(told.starts_with("can't tell which cluster to ask"), "{told}");
        assert!(told.contains("--kubeconfig"), "{told}");
    }

    async fn linted(arguments: &[&str]) -> Result<Outcome, Error> {
        let arguments = Arguments::try_parse_from([PROGRAM, "lint"].iter().chain(arguments)).unwrap();
        run(arguments, &mut Output::plain(&mut Vec::new()), &mut Vec::new()).await
    }

    #[tokio::test]
    async fn a_folder_is_looked_at_with_all_that_is_below_it() {
        let deploy = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy");
        assert_eq!(
            linted(&["-f", deploy, "-o", "json"]).await.unwrap(),
            Outcome::Done
        );
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_is_an_error() {
        let told = linted(&["-f", "/nowhere.yaml"]).await.unwrap_err();
        assert_eq!(told.to_string(), "can't read /nowhere.yaml: check -f");
    }

    #[test]
    fn outcomes_have_exit_codes_of_their_own() {
        let message = String::new;
        let outcomes = [
            Outcome::Done,
            Outcome::Degraded { message: message() },
            Outcome::TimedOut,
            Outcome::Paused { message: message() },
            Outcome::Refused,
        ];
        assert_eq!(outcomes.map(|outcome| outcome.exit_code()), [0, 3, 4, 5, 3]);
    }
}
