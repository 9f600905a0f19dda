//! The seam between the native types and the bindings of the WebAssembly interface. Used by the macros of this crate; no
//! part of its interface.
//!
//! The bindings are generated in three parts, so that a plugin exports the parts that it has. Together they make the
//! worlds of `wit/analysis.wit`, of which the tool that encodes the component finds every import that is used.

mod convert;
mod host;

use std::marker::PhantomData;

use crate::{GatePlugin, MetricPlugin, Plugin, PluginError, Subject};

use self::host::WasmHost;
use self::plugin::kulta::analysis::types;

/// The interface `plugin`, all that is imported, and the types.
#[allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated")]
pub mod plugin {
    wit_bindgen::generate!({
        path: "wit/analysis.wit",
        inline: "
            package kulta:sdk;
            world any-plugin {
                import kulta:analysis/metrics@1.1.0;
                import kulta:analysis/http@1.1.0;
                import kulta:analysis/log@1.1.0;
                import kulta:analysis/clock@1.1.0;
                import kulta:analysis/history@1.1.0;
                export kulta:analysis/plugin@1.1.0;
            }
        ",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_plugin",
        runtime_path: "::kulta_plugin_sdk::guest::runtime",
    });
}

/// The interface `metric`.
#[allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated")]
pub mod metric {
    wit_bindgen::generate!({
        path: "wit/analysis.wit",
        inline: "
            package kulta:sdk;
            world metric-plugin {
                export kulta:analysis/metric@1.1.0;
            }
        ",
        with: {
            "kulta:analysis/types@1.1.0": crate::guest::plugin::kulta::analysis::types,
            "kulta:analysis/metric@1.1.0": generate,
        },
        pub_export_macro: true,
        export_macro_name: "export_metric",
        runtime_path: "::kulta_plugin_sdk::guest::runtime",
    });
}

/// The interface `gate`.
#[allow(missing_docs, unreachable_pub, clippy::pedantic, reason = "generated")]
pub mod gate {
    wit_bindgen::generate!({
        path: "wit/analysis.wit",
        inline: "
            package kulta:sdk;
            world gate-plugin {
                export kulta:analysis/gate@1.1.0;
            }
        ",
        with: {
            "kulta:analysis/types@1.1.0": crate::guest::plugin::kulta::analysis::types,
            "kulta:analysis/gate@1.1.0": generate,
        },
        pub_export_macro: true,
        export_macro_name: "export_gate",
        runtime_path: "::kulta_plugin_sdk::guest::runtime",
    });
}

pub use wit_bindgen::rt as runtime;

/// What the macros export in the name of a plugin.
#[derive(Debug)]
pub struct Exported<P>(PhantomData<P>);

impl<P: Plugin> plugin::exports::kulta::analysis::plugin::Guest for Exported<P> {
    fn describe() -> plugin::exports::kulta::analysis::plugin::Description {
        host::tell_panics();
        let description = P::DESCRIPTION;
        plugin::exports::kulta::analysis::plugin::Description {
            name: description.name.to_owned(),
            version: description.version.to_owned(),
            config_schema: description.config_schema.to_owned(),
        }
    }

    fn check_config(config: String) -> Result<(), types::PluginError> {
        host::tell_panics();
        configured::<P>(&config).map(drop)
    }
}

impl<P: MetricPlugin> metric::exports::kulta::analysis::metric::Guest for Exported<P> {
    fn evaluate(config: String, subject: types::Subject) -> Result<types::Verdict, types::PluginError> {
        host::tell_panics();
        let config = configured::<P>(&config)?;
        let verdict = P::evaluate(&config, &Subject::from(subject), &WasmHost)?;
        Ok(verdict.into())
    }
}

impl<P: GatePlugin> gate::exports::kulta::analysis::gate::Guest for Exported<P> {
    fn decide(
        config: String,
        subject: types::Subject,
        next: gate::exports::kulta::analysis::gate::Step,
    ) -> Result<gate::exports::kulta::analysis::gate::Decision, types::PluginError> {
        host::tell_panics();
        let config = configured::<P>(&config)?;
        let decision = P::decide(&config, &Subject::from(subject), next.into(), &WasmHost)?;
        Ok(decision.into())
    }
}

fn configured<P: Plugin>(json: &str) -> Result<P::Config, types::PluginError> {
    Ok(P::configure(json).map_err(PluginError::from)?)
}
