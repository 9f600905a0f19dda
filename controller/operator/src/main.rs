//! The kulta binary: observe, decide, apply, report.

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use jiff::Timestamp;
use kulta_api::crd::Definition;
use kulta_cli::history::{self, HistoryArguments};
use kulta_cli::plugin::{self, PluginArguments};
use kulta_cli::report::{self, ReportArguments};
use kulta_core::text::with_causes;
use kulta_operator::arguments::{Arguments, Command, ControllerArguments, CrdName, GroupName};
use kulta_operator::doctor::{self, DoctorArguments};
use kulta_operator::run::{VERSION, run};
use kulta_operator::signals::Signals;
use kulta_operator::telemetry;
use kulta_operator::traces::Traces;
use kulta_operator::{history_command, plugin_commands};
use tokio_util::sync::CancellationToken;

/// Reconciles wait for the API server nearly all of the time, and every thread costs memory.
const WORKER_THREADS: usize = 2;

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Controller(arguments) => controller(arguments),
        Command::Crd { definition, group } => crd(definition, group),
        Command::History(arguments) => history_of(&arguments),
        Command::Doctor(arguments) => doctor_of(&arguments),
        Command::Report(arguments) => report_of(&arguments),
        Command::Plugin(arguments) => of_plugins(arguments),
        Command::CompilePlugin => return kulta_plugin_host::trial::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to be done when even this can't be written.
            let _ = writeln!(io::stderr(), "kulta: {}", with_causes(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn crd(definition: CrdName, group: GroupName) -> Result<(), Box<dyn Error>> {
    io::stdout()
        .lock()
        .write_all(Definition::from(definition).yaml(group.into())?.as_bytes())?;
    Ok(())
}

fn history_of(arguments: &HistoryArguments) -> Result<(), Box<dyn Error>> {
    let (now, out, complaints) = (
        Timestamp::now(),
        &mut io::stdout().lock(),
        &mut io::stderr().lock(),
    );
    Ok(history::run(
        arguments,
        now,
        history_command::ask,
        out,
        complaints,
    )?)
}

fn doctor_of(arguments: &DoctorArguments) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(doctor::run(arguments, &mut io::stdout().lock()))?)
}

fn report_of(arguments: &ReportArguments) -> Result<(), Box<dyn Error>> {
    let (now, out, complaints) = (
        Timestamp::now(),
        &mut io::stdout().lock(),
        &mut io::stderr().lock(),
    );
    Ok(report::run(arguments, now, out, complaints)?)
}

fn of_plugins(arguments: PluginArguments) -> Result<(), Box<dyn Error>> {
    let surroundings = plugin_commands::surroundings();
    Ok(plugin::run(arguments, &surroundings, &mut io::stdout().lock())?)
}

fn controller(arguments: ControllerArguments) -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKER_THREADS)
        .enable_all()
        .build()?;
    let (endpoint, ca_file) = (arguments.otlp_endpoint(), arguments.otlp_ca_file());
    let traces = endpoint.map(|endpoint| Traces::to(endpoint, ca_file, VERSION, runtime.handle()));
    let traces = traces.transpose()?;
    telemetry::start(arguments.log_format, &arguments.log_filter, traces.as_ref())?;
    let done = runtime.block_on(async {
        let stop = CancellationToken::new();
        let signals = Signals::catch()?;
        tokio::select! {
            done = run(arguments, stop.clone()) => done.map_err(Into::into),
            () = signals.second(stop) => Err("stopped before everything was finished".into()),
        }
    });
    if let Some(traces) = traces {
        traces.end();
    }
    // What is still under way is not waited for: it had its time.
    runtime.shutdown_background();
    done
}
