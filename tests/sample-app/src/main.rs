//! The sample application's process: flags, signals, exit code.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser as _;
use kulta_sample_app::{Server, Settings};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Why the process leaves its normal work.
enum Leave {
    Asked,
    Crash,
}

/// One thread is enough for what a test sends and keeps many pods on one small machine cheap.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    let settings = Settings::parse();
    // As process 1 of a container a signal without a handler is ignored, so the handlers come before the listening.
    let terminate = signal(SignalKind::terminate()).context("no handler for SIGTERM")?;
    let interrupt = signal(SignalKind::interrupt()).context("no handler for SIGINT")?;
    let server = Server::start(&settings).await?;
    match leave(terminate, interrupt, settings.crash_after).await {
        Leave::Asked => {
            server.drain();
            server.closed().await?;
            Ok(ExitCode::SUCCESS)
        }
        Leave::Crash => {
            tracing::error!("crashing, as told by --crash-after");
            Ok(ExitCode::FAILURE)
        }
    }
}

async fn leave(mut terminate: Signal, mut interrupt: Signal, crash_after: Option<Duration>) -> Leave {
    let crash = async {
        match crash_after {
            Some(delay) => tokio::time::sleep(delay).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = terminate.recv() => Leave::Asked,
        _ = interrupt.recv() => Leave::Asked,
        () = crash => Leave::Crash,
    }
}
