//! What `plugin-sdk/wit/analysis.wit` is in Rust. Generated: only the seam ([`crate::convert`]) and the imports see it.

/// The world that measures, with everything that both worlds share.
pub(crate) mod metric {
    wasmtime::component::bindgen!({
        world: "metric-analysis",
        path: "../../plugin-sdk/wit/analysis.wit",
        imports: {
            "kulta:analysis/metrics": async | trappable,
            "kulta:analysis/http": async | trappable,
            default: trappable,
        },
        exports: { default: async },
    });
}

/// The world that decides, with the interfaces of the other one.
pub(crate) mod gate {
    wasmtime::component::bindgen!({
        world: "promotion-gate",
        path: "../../plugin-sdk/wit/analysis.wit",
        exports: { default: async },
        with: {
            "kulta:analysis/types": super::metric::kulta::analysis::types,
            "kulta:analysis/metrics": super::metric::kulta::analysis::metrics,
            "kulta:analysis/http": super::metric::kulta::analysis::http,
            "kulta:analysis/log": super::metric::kulta::analysis::log,
            "kulta:analysis/clock": super::metric::kulta::analysis::clock,
            "kulta:analysis/history": super::metric::kulta::analysis::history,
        },
    });
}

/// What both worlds export, in a world of its own: every plugin fits it.
pub(crate) mod described {
    wasmtime::component::bindgen!({
        inline: "package kulta:host; world described { export kulta:analysis/plugin@1.1.0; }",
        path: "../../plugin-sdk/wit/analysis.wit",
        exports: { default: async },
        with: { "kulta:analysis/types": super::metric::kulta::analysis::types },
    });
}

pub(crate) use metric::kulta::analysis::{clock, history, http, log, metrics, types};
