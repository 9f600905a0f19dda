//! The kubectl-kulta binary; kubectl runs it as `kubectl kulta`.

use std::env;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use kulta_core::text::with_causes;
use kulta_kubectl::arguments::Arguments;
use kulta_kubectl::output::Output;
use kulta_kubectl::run::{PROGRAM, run};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("the program can't be started: {error}")),
    };
    let (mut writer, mut complaints) = (io::stdout(), io::stderr());
    // The convention of https://no-color.org, and of terminals that know no colours.
    let colours = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && env::var_os("TERM").is_none_or(|terminal| terminal != "dumb");
    let is_terminal = writer.is_terminal();
    let mut out = Output::new(&mut writer, is_terminal, colours);
    let done = runtime.block_on(run(arguments, &mut out, &mut complaints));
    let done = done.and_then(|outcome| Ok(out.flush().map(|()| outcome)?));
    match done {
        Ok(outcome) => {
            if let Some(complaint) = outcome.complaint() {
                let _ = writeln!(complaints, "{PROGRAM}: {complaint}");
            }
            ExitCode::from(outcome.exit_code())
        }
        // Whoever reads has read enough.
        Err(error) if error.is_broken_pipe() => ExitCode::SUCCESS,
        Err(error) => failed(&with_causes(&error)),
    }
}

fn failed(why: &str) -> ExitCode {
    // Nothing is left to be done when even this can't be written.
    let _ = writeln!(io::stderr(), "{PROGRAM}: {why}");
    ExitCode::FAILURE
}
