//! `kulta plugin record`: one call of a plugin with a live Prometheus, as a case.
//!
//! What is written has been run: the case passes before anybody sees it.

mod arguments;
mod recorder;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use kulta_core::text::grouped;
use kulta_plugin_host::metrics::{MetricsProvider, QueryError};
use kulta_plugin_host::{Host, Plugin, World};
use thiserror::Error;

pub use self::arguments::RecordArguments;
use self::recorder::{Recorded, Recorder};
use super::call::Called;
use super::case::{self, CaseError, Question, Recording, UnwritableError};
use super::output::Output;
use super::text::milliseconds;
use super::{CommandError, Connect, load, test};

/// Cases that are not in a file yet are told under this name.
const UNWRITTEN: &str = "the recorded case";

/// A call can't be made, or can't be written down.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The configuration can't be read.
    #[error("--config: can't read {}", path.display())]
    ReadConfig {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The configuration makes no sense.
    #[error("--config: {} is no mapping in YAML, as users write it under the plugin's name", path.display())]
    ParseConfig {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        #[source]
        source: Box<serde_saphyr::Error>,
    },
    /// Nobody can be asked at this address.
    #[error("--address")]
    Address(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A gate is always asked about a step.
    #[error("{} is a gate: say what it is asked about, such as --step 10:50", .0.display())]
    NoStep(PathBuf),
    /// A metric is never asked about a step.
    #[error("{} is no gate: leave out --step", .0.display())]
    NoGate(PathBuf),
    /// No query came to an answer.
    #[error("no query was answered, so there is nothing to record: {0}")]
    Unanswered(QueryError),
    /// An answer has no place in a case.
    #[error(transparent)]
    Unwritable(#[from] UnwritableError),
    /// What was written can't be read.
    #[error("the call can't be written into a case that is read as it was meant")]
    Unreadable(#[source] CaseError),
    /// The same answers lead to something else.
    #[error(
        "the same answers lead to another verdict, so the case would fail ({}): it may depend on the times of samples, or \
         ask the same twice",
        .0.join("; ")
    )]
    Unlike(Vec<String>),
    /// The file is there, or can't be written.
    #[error("--output: {} can't be made: name a file that is not there yet", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

pub(super) async fn run(
    arguments: &RecordArguments,
    connect: Connect,
    host: &Host,
    out: &mut Output<'_>,
) -> Result<(), CommandError> {
    let now = arguments.now.unwrap_or_else(present);
    let config = arguments.read_config()?;
    let question = arguments.question(&config, now);
    let loaded = load::file(host, &arguments.file).await?;
    check_kind(&arguments.file, &loaded.plugin, &question)?;
    let source = arguments.source();
    let metrics = connect(&source).map_err(RecordError::Address)?;
    let recorder = Arc::new(Recorder::new(metrics));
    let asked = Arc::clone(&recorder) as Arc<dyn MetricsProvider>;
    let called = Called::make(&loaded.plugin, &question, [source.provider], asked).await;
    let queries = recorder.recorded();
    check_answers(&queries)?;
    let recording = Recording {
        name: arguments
            .case
            .clone()
            .unwrap_or_else(|| format!("recorded at {now}")),
        config,
        question: &question,
        queries,
        answer: &called.answer,
    };
    let text = recording.text().map_err(RecordError::Unwritable)?;
    replay(&loaded.plugin, &text).await?;
    deliver(arguments.output.as_deref(), &text, &called, out)
}

/// The time to the second: people read it.
fn present() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// A plugin of both kinds is asked as what the arguments say.
fn check_kind(file: &Path, plugin: &Plugin, question: &Question) -> Result<(), RecordError> {
    let worlds = plugin.worlds();
    match question.step {
        None if !worlds.contains(&World::MetricAnalysis) => Err(RecordError::NoStep(file.to_owned())),
        Some(_) if !worlds.contains(&World::PromotionGate) => Err(RecordError::NoGate(file.to_owned())),
        _ => Ok(()),
    }
}

/// A mistyped address would otherwise be a case of its own, which passes for ever.
fn check_answers(queries: &[Recorded]) -> Result<(), RecordError> {
    let unavailable = |answer: &Recorded| match &answer.1 {
        Err(error @ QueryError::Unavailable(_)) => Some(error.clone()),
        _ => None,
    };
    let unavailable: Vec<_> = queries.iter().filter_map(unavailable).collect();
    match unavailable.first() {
        Some(error) if unavailable.len() == queries.len() => Err(RecordError::Unanswered(error.clone())),
        _ => Ok(()),
    }
}

/// Makes sure that the text is a case, and that it passes.
async fn replay(plugin: &Plugin, text: &str) -> Result<(), RecordError> {
    let cases = case::parse(Path::new(UNWRITTEN), text).map_err(RecordError::Unreadable)?;
    for case in &cases {
        let (_, differences) = test::run_case(plugin, case).await;
        if !differences.is_empty() {
            return Err(RecordError::Unlike(differences));
        }
    }
    Ok(())
}

/// Writes the text to the file, and tells of it; or only the text, so that it can be piped.
fn deliver(
    file: Option<&Path>,
    text: &str,
    called: &Called,
    out: &mut Output<'_>,
) -> Result<(), CommandError> {
    let Some(path) = file else {
        return out.line(text.trim_end());
    };
    // Never over a case that somebody has written.
    let written = fs::File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|source| RecordError::Write {
        path: path.to_owned(),
        source,
    })?;
    let report = called.report;
    out.line(format_args!(
        "{}  {}  {} fuel  {}",
        path.display(),
        called.answer.word.as_str(),
        grouped(report.fuel),
        milliseconds(report.time),
    ))
}
