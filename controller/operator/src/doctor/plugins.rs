//! Can the plugins that are mounted be taken into service?

use std::path::Path;

use kulta_core::text::with_causes;
use kulta_plugin_host::Host;

use super::{Area, Finding};
use crate::analysis::configuration::Configuration;
use crate::analysis::plugin_loader;
use crate::plugin_commands;

pub(super) async fn examine(configuration: &Configuration, directory: Option<&Path>) -> Vec<Finding> {
    let Some(directory) = directory else {
        return vec![Finding::well(
            Area::Plugins,
            "only those that come with KULTA: there is no --plugin-dir",
        )];
    };
    let host = match Host::new(plugin_commands::trial()) {
        Ok(host) => host,
        Err(error) => {
            let remedy = "the machine lacks what the engine of plugins needs: tell whoever maintains KULTA";
            return vec![Finding::wrong(Area::Plugins, with_causes(&error), remedy)];
        }
    };
    let examined = plugin_loader::examine(&host, configuration, directory).await;
    if examined.is_empty() {
        let text = format!(
            "only those that come with KULTA: {} has none",
            directory.display()
        );
        return vec![Finding::well(Area::Plugins, text)];
    }
    let findings = examined.into_iter().map(|(name, result)| match result {
        Ok(version) => Finding::well(Area::Plugins, format!("{name} {version} can be taken into service")),
        Err(fault) if fault.is_passing => Finding::doubtful(
            Area::Plugins,
            format!("{name}: {}", fault.problem),
            "the machine had no time or no memory for it: the controller tries it again",
        ),
        Err(fault) => Finding::wrong(
            Area::Plugins,
            format!("{name}: {}", fault.problem),
            "analyses that name it wait: put the right file there; `kulta plugin` can try it without a cluster",
        ),
    });
    findings.collect()
}
