//! `kulta plugin test`: a plugin's file on cases, in the host that the controller has, with the same limits.

mod judge;
mod log;
mod provider;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use kulta_core::text::grouped;
use kulta_plugin_host::metrics::MetricsProvider;
use kulta_plugin_host::{Host, Plugin};
use thiserror::Error;

use self::log::Log;
use self::provider::Provider;
use super::call::Called;
use super::case::{self, Case, CaseError};
use super::output::Output;
use super::text::milliseconds;
use super::{CommandError, load};

/// Which plugin, and on what.
#[derive(Debug, Args)]
pub struct TestArguments {
    /// The plugin, as `kulta plugin build` has written it
    pub file: PathBuf,
    /// Files with cases, and folders of such files
    #[arg(required = true)]
    pub cases: Vec<PathBuf>,
    /// Shows what the plugin writes to the log in every case. Default: only in those that fail
    #[arg(long)]
    pub log: bool,
}

/// The cases can't be run, or have failed.
#[derive(Debug, Error)]
pub enum TestError {
    /// They can't be read.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// Some have failed, each told before.
    #[error("{failed} of {of} cases failed")]
    Failed {
        /// So many.
        failed: usize,
        /// Of so many.
        of: usize,
    },
}

pub(super) async fn run(
    arguments: &TestArguments,
    host: &Host,
    out: &mut Output<'_>,
) -> Result<(), CommandError> {
    // All of them first: a misspelt field is told before anything is run.
    let mut cases = Vec::new();
    for path in &arguments.cases {
        cases.extend(case::read(path).map_err(TestError::Case)?);
    }
    let loaded = load::file(host, &arguments.file).await?;
    let width = cases
        .iter()
        .map(|case| case.name.chars().count())
        .max()
        .unwrap_or(0);
    let of = cases.len();
    let mut failed = 0;
    for case in cases {
        if !play(&loaded.plugin, case, width, arguments.log, out).await? {
            failed += 1;
        }
    }
    if failed > 0 {
        return Err(TestError::Failed { failed, of }.into());
    }
    out.line(format_args!(
        "{of} {} passed",
        if of == 1 { "case" } else { "cases" }
    ))
}

/// Runs one case: what came of it, and where that differs from what was expected.
pub(super) async fn run_case(plugin: &Plugin, case: &Case) -> (Called, Vec<String>) {
    let provider = Arc::new(Provider::new(&case.queries));
    let named = case.queries.iter().map(|query| query.provider.clone());
    let metrics = Arc::clone(&provider) as Arc<dyn MetricsProvider>;
    let called = Called::make(plugin, &case.question, named, metrics).await;
    let mut differences = judge::differences(&case.expect, &called.answer);
    differences.extend(provider.differences());
    (called, differences)
}

/// Runs one case and tells what came of it: whether that is what was expected.
async fn play(
    plugin: &Plugin,
    case: Case,
    width: usize,
    shows_log: bool,
    out: &mut Output<'_>,
) -> Result<bool, CommandError> {
    let log = Log::new();
    let (called, differences) = {
        let _collecting = log.collect();
        run_case(plugin, &case).await
    };
    let passed = differences.is_empty();
    let Called { answer, report } = called;
    out.line(format_args!(
        "{}  {:width$}  {:12}  {:>11} fuel  {:>9}",
        if passed { "ok  " } else { "FAIL" },
        case.name,
        answer.word.as_str(),
        grouped(report.fuel),
        milliseconds(report.time),
    ))?;
    for difference in differences {
        out.line(format_args!("      {difference}"))?;
    }
    if shows_log || !passed {
        for line in log.lines() {
            out.line(format_args!("      log: {line}"))?;
        }
    }
    Ok(passed)
}
