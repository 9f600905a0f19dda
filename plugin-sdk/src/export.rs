//! The macros that make a crate a plugin. Natively they only check that the type is one.

/// Exports a [`MetricPlugin`](crate::MetricPlugin): the crate becomes a component of the world `metric-analysis`. Once in
/// a crate whose `crate-type` contains `cdylib`.
#[macro_export]
macro_rules! export_metric {
    ($plugin:ty) => {
        const _: () = {
            const fn is_a_metric_plugin<P: $crate::MetricPlugin>() {}
            is_a_metric_plugin::<$plugin>();

            #[cfg(target_arch = "wasm32")]
            type Exported = $crate::guest::Exported<$plugin>;
            #[cfg(target_arch = "wasm32")]
    $crate::guest::plugin::export_plugin!(Exported with_types_in $crate::guest::plugin);
            #[cfg(target_arch = "wasm32")]
    $crate::guest::metric::export_metric!(Exported with_types_in $crate::guest::metric);
        };
    };
}

/// Exports a [`GatePlugin`](crate::GatePlugin): the crate becomes a component of the world `promotion-gate`. Once in a
/// crate whose `crate-type` contains `cdylib`.
#[macro_export]
macro_rules! export_gate {
    ($plugin:ty) => {
        const _: () = {
            const fn is_a_gate_plugin<P: $crate::GatePlugin>() {}
            is_a_gate_plugin::<$plugin>();

            #[cfg(target_arch = "wasm32")]
            type Exported = $crate::guest::Exported<$plugin>;
            #[cfg(target_arch = "wasm32")]
    $crate::guest::plugin::export_plugin!(Exported with_types_in $crate::guest::plugin);
            #[cfg(target_arch = "wasm32")]
    $crate::guest::gate::export_gate!(Exported with_types_in $crate::guest::gate);
        };
    };
}
