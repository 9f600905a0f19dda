//! Do the providers of metrics answer, from here?

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kulta_core::text::with_causes;
use kulta_plugin_host::metrics::{MetricsProvider as _, Query, Window};

use super::{Area, Finding};
use crate::analysis::configuration::Configuration;
use crate::analysis::providers::Providers;

/// Needs no series, and leads to an answer of some hundred bytes.
const QUESTION: &str = "vector(1)";
/// As much as any query may take.
const TIME: Duration = Duration::from_secs(5);
/// Room for that answer.
const ANSWER_BYTES: u64 = 65_536;
/// Who asks where every namespace may.
const ANYBODY: &str = "default";

pub(super) async fn examine(configuration: &Configuration) -> Vec<Finding> {
    if configuration.providers.is_empty() {
        let text = "none is configured: no analysis can ask a Prometheus but by an address that is allowed";
        let remedy = "where analyses measure, write `providers` into config.yaml: see deploy/README.md";
        return vec![Finding::doubtful(Area::Providers, text, remedy)];
    }
    let providers = Arc::new(Providers::new(configuration));
    let mut findings = Vec::new();
    for (name, provider) in &configuration.providers {
        findings.push(of(&providers, name, &provider.namespaces).await);
    }
    findings
}

async fn of(providers: &Arc<Providers>, name: &str, namespaces: &[String]) -> Finding {
    let Some(first) = namespaces.first() else {
        let text = format!("{name}: no namespace may ask it");
        return Finding::doubtful(
            Area::Providers,
            text,
            format!("list some in providers.{name}.namespaces"),
        );
    };
    let namespace = if first == "*" { ANYBODY } else { first };
    let query = Query {
        provider: name.to_owned(),
        expression: QUESTION.to_owned(),
        window: Window::Instant { at: Timestamp::now() },
        answer_bytes: ANSWER_BYTES,
        time: TIME,
    };
    match providers.for_namespace(namespace).query(&query).await {
        Ok(_) => Finding::well(Area::Providers, format!("{name} answers")),
        Err(error) => {
            let text = format!("{name} does not answer: {}", with_causes(&error));
            let remedy = format!(
                "see providers.{name} in config.yaml, and whether its address can be reached from here"
            );
            Finding::wrong(Area::Providers, text, remedy)
        }
    }
}
