//! Files that are refused, and files that are taken.

use kulta_conformance::damage::noise;
use kulta_plugin_host::{CallError, Delivery, InspectError, LoadError, World};

use crate::build::{component, conformance, core, core_of_the_future, core_of_version, encoded};
use crate::scene::{host, load, refusal, request};

fn inspected(error: LoadError) -> InspectError {
    match error {
        LoadError::Inspect(error) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_core_module_is_encoded_and_keeps_its_own_identity() {
    let host = host();
    let module = core(conformance!("good"), "metric-analysis");

    let plugin = load(&host, &module).await.unwrap();

    assert!(plugin.evaluate(request()).await.result.is_ok());
    assert_eq!(
        plugin.identity().digest,
        Delivery::read(&module).unwrap().digest()
    );
}

#[tokio::test]
async fn a_plugin_tells_who_it_is() {
    let host = host();
    let plugin = load(&host, &component(conformance!("good"))).await.unwrap();

    assert_eq!(plugin.description().name, "conformance");
    assert_eq!(plugin.identity().version, "0.1.0");
    assert_eq!(plugin.description().config_schema, None);
}

#[tokio::test]
async fn what_a_plugin_does_not_import_it_can_not_ask_for() {
    let host = host();
    let offline = load(&host, &component(conformance!("good"))).await.unwrap();
    let asking = load(&host, &component(conformance!("thousand-queries")))
        .await
        .unwrap();

    assert!(!offline.imports().contains("kulta:analysis/metrics@1.0.0"));
    assert!(asking.imports().contains("kulta:analysis/metrics@1.0.0"));
}

#[tokio::test]
async fn a_plugin_for_a_later_patch_is_served() {
    let host = host();
    let module = core_of_version(conformance!("echo"), "metric-analysis", "1.0.7");
    assert!(
        load(&host, &module)
            .await
            .unwrap()
            .evaluate(request())
            .await
            .result
            .is_ok()
    );
}

#[tokio::test]
async fn a_plugin_for_another_major_version_is_refused() {
    let error = inspected(
        refusal(&encoded(&core_of_version(
            conformance!("good"),
            "metric-analysis",
            "2.0.0",
        )))
        .await,
    );
    assert!(matches!(error, InspectError::WrongVersion { .. }), "{error:?}");
}

#[tokio::test]
async fn a_function_of_a_later_version_is_refused_when_it_is_loaded() {
    let error = refusal(&core_of_the_future(conformance!("future-import"))).await;
    assert!(matches!(error, LoadError::Link(_)), "{error:?}");
}

#[tokio::test]
async fn wasi_is_refused_with_the_target_to_build_for() {
    let error = inspected(refusal(&component(conformance!("wasi-import"))).await);
    assert!(
        matches!(&error, InspectError::Wasi { import } if import == "wasi:cli/environment@0.2.6"),
        "{error:?}"
    );
    assert!(error.to_string().contains("wasm32-unknown-unknown"));
}

#[tokio::test]
async fn an_unknown_import_is_refused_by_name() {
    let error = inspected(refusal(&component(conformance!("unknown-import"))).await);
    assert!(
        matches!(&error, InspectError::UnknownImport { import } if import == "kulta:secrets/vault@1.0.0"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_component_that_exports_nothing_is_refused() {
    let error = inspected(refusal(&component(conformance!("no-world"))).await);
    assert!(matches!(error, InspectError::WrongWorld { .. }), "{error:?}");
}

#[tokio::test]
async fn texts_in_utf_16_are_refused() {
    let error = inspected(refusal(&component(conformance!("utf16"))).await);
    assert!(
        matches!(error, InspectError::Encoding { found: "UTF-16" }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_hidden_module_is_refused() {
    let error = inspected(refusal(&component(conformance!("nested-module"))).await);
    assert!(matches!(error, InspectError::ModuleInNested), "{error:?}");
}

#[tokio::test]
async fn a_fifth_module_is_refused() {
    let error = inspected(refusal(&component(conformance!("five-modules"))).await);
    assert!(matches!(error, InspectError::TooManyModules), "{error:?}");
}

#[tokio::test]
async fn a_truncated_component_is_refused() {
    let whole = component(conformance!("good"));
    let error = inspected(refusal(&whole[..whole.len() / 2]).await);
    assert!(matches!(error, InspectError::Malformed(_)), "{error:?}");
}

#[tokio::test]
async fn every_truncation_is_refused() {
    let host = host();
    let whole = component(conformance!("good"));
    for length in (0..whole.len()).step_by(97) {
        assert!(
            load(&host, &whole[..length]).await.is_err(),
            "{length} of {} bytes",
            whole.len()
        );
    }
}

#[tokio::test]
async fn random_bytes_are_refused() {
    let error = inspected(refusal(&noise(10_000)).await);
    assert!(
        matches!(error, InspectError::NotWasm | InspectError::Malformed(_)),
        "{error:?}"
    );
}

#[tokio::test]
async fn five_megabytes_are_refused() {
    let error = inspected(refusal(&vec![0; 5_000_000]).await);
    assert!(matches!(error, InspectError::TooLarge), "{error:?}");
}

#[tokio::test]
async fn a_crash_while_it_describes_itself_is_refused() {
    let error = refusal(&component(conformance!("crash-in-describe"))).await;
    assert!(
        matches!(error, LoadError::Describe(CallError::Crashed(_))),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_loop_while_it_describes_itself_gets_a_tenth_of_the_fuel() {
    let error = refusal(&component(conformance!("loop-in-describe"))).await;
    assert!(
        matches!(
            error,
            LoadError::Describe(CallError::FuelExhausted { limit: 20_000_000 })
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn the_bundled_prometheus_plugin_is_taken() {
    let host = host();
    let plugin = load(&host, include_bytes!("../../../../plugins/dist/prometheus.wasm"))
        .await
        .unwrap();
    assert_eq!(plugin.worlds(), [World::MetricAnalysis].into());
}
