//! A collector of traces that others have written: Rotel, which tells each span that it is sent.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result};
use tokio::process::{Child, Command};

use crate::wait::eventually;

/// What begins each batch of spans in what it tells, and each span.
const BATCH: &str = "ResourceSpans #";
const SPAN: &str = "\nSpan #";

/// The collector; it ends when this is dropped.
#[derive(Debug)]
pub struct Collector {
    address: String,
    told: PathBuf,
    _child: Child,
}

impl Collector {
    /// Starts `program`, and writes what it is sent to the file `told`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(program: &Path, told: PathBuf) -> Result<Self> {
        let out = std::fs::File::create(&told).with_context(|| told.display().to_string())?;
        let (http, grpc) = (free_address()?, free_address()?);
        let child = Command::new(program)
            .args([
                "start",
                "--otlp-http-endpoint",
                &http,
                "--otlp-grpc-endpoint",
                &grpc,
            ])
            .args(["--debug-log", "traces", "--debug-log-verbosity", "detailed"])
            // It has nobody to pass them on to.
            .args(["--exporter", "blackhole"])
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| program.display().to_string())?;
        Ok(Self {
            address: format!("http://{http}"),
            told,
            _child: child,
        })
    }

    /// Where it takes spans by OTLP over HTTP.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Waits for a span of this service that has all of these texts in it, and answers it as the collector tells it.
    ///
    /// # Errors
    /// When none comes in time.
    pub async fn span(&self, service: &str, texts: &[&str]) -> Result<String> {
        let what = format!("the collector to be sent a span of {service} with {texts:?}");
        eventually(&what, async || {
            let told = std::fs::read_to_string(&self.told)?;
            Ok(find(&told, service, texts).map(str::to_owned))
        })
        .await
    }
}

/// An address of this machine that nobody listens at.
fn free_address() -> Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.to_string())
}

fn find<'told>(told: &'told str, service: &str, texts: &[&str]) -> Option<&'told str> {
    let named = format!("-> service.name: Str({service})\n");
    let batches = told.split(BATCH).filter(|batch| batch.contains(&named));
    let mut spans = batches.flat_map(|batch| batch.split(SPAN).skip(1));
    spans.find(|span| texts.iter().all(|text| span.contains(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOLD: &str = "ResourceSpans #0\nResource attributes:\n     -> service.name: Str(kulta)\nScopeSpans #0\n\
        Span #0\n    Name           : apply\nSpan #1\n    Name           : reconcile\n     -> rollout: Str(a/b)\n\
        ResourceSpans #0\n     -> service.name: Str(other)\nScopeSpans #0\nSpan #0\n    Name           : observe\n";

    #[test]
    fn span_is_found_by_its_service_and_by_what_it_tells() {
        assert!(find(TOLD, "kulta", &["reconcile", "Str(a/b)"]).is_some());
        assert_eq!(find(TOLD, "kulta", &["apply", "Str(a/b)"]), None);
        assert_eq!(find(TOLD, "kulta", &["observe"]), None);
    }
}
