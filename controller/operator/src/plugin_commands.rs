//! What `kulta plugin` needs of this program: itself, to compile plugins on trial, and its client of Prometheus.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use kulta_cli::plugin::{Source, Surroundings};
use kulta_plugin_host::Trial;
use kulta_plugin_host::metrics::MetricsProvider;
use serde_json::json;

use crate::analysis::configuration::{Configuration, Provider};
use crate::analysis::providers::Providers;
use crate::arguments::COMPILE_PLUGIN;

/// This program: plugins are compiled by it once more, on trial, in a process of its own.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// The surroundings of the commands in this program.
#[must_use]
pub fn surroundings() -> Surroundings {
    Surroundings {
        trial: trial(),
        environment: Vec::new(),
        connect,
    }
}

/// Where plugins are compiled on trial.
pub(crate) fn trial() -> Trial {
    Trial::new(OWN_PROGRAM.into(), vec![COMPILE_PLUGIN.into()])
}

/// The provider is read as one of the operator's configuration: as strictly, and with the same defaults.
fn connect(source: &Source) -> Result<Arc<dyn MetricsProvider>, Box<dyn Error + Send + Sync>> {
    let provider: Provider = serde_json::from_value(json!({
        "address": source.address,
        "namespaces": [source.namespace],
    }))?;
    let configuration = Configuration {
        providers: BTreeMap::from([(source.provider.clone(), provider)]),
        ..Configuration::default()
    };
    let providers = Arc::new(Providers::new(&configuration));
    Ok(Arc::new(providers.for_namespace(&source.namespace)))
}

#[cfg(test)]
mod tests;
