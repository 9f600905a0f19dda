//! Which version an analysis is given, with the bundled plugin under other names.

use std::sync::LazyLock;

use kulta_plugin_host::Trial;
use kulta_plugin_host::limits::Limit;
use tokio::sync::OnceCell;

use super::*;
use crate::access::Address;
use crate::analysis::configuration::Provider;

/// A program that finds nothing wrong with any plugin: trials are tested where they are made.
const CONTENT: &str = "/bin/true";
const HOUR: std::time::Duration = std::time::Duration::from_hours(1);

/// A plugin's file: the bundled one with a section more, by which versions differ.
pub(crate) fn wasm(version: u8) -> Vec<u8> {
    let mut bytes = BUNDLED[0].1.to_vec();
    bytes.extend([0, 3, 1, b'v', version]);
    bytes
}

pub(crate) fn digest(version: u8) -> Digest {
    Delivery::read(&wasm(version)).unwrap().digest()
}

pub(crate) fn host() -> Host {
    Host::new(Trial::new(CONTENT.into(), Vec::new())).unwrap()
}

/// A version of a plugin, compiled once for all tests.
pub(crate) async fn plugin(version: u8) -> Plugin {
    static HOST: LazyLock<Host> = LazyLock::new(host);
    static LOADED: [OnceCell<Plugin>; 5] = [const { OnceCell::const_new() }; 5];
    let load = async || {
        let delivery = Delivery::read(&wasm(version)).unwrap();
        HOST.load("ratio", &delivery, &Limits::default()).await.unwrap()
    };
    let slot = &LOADED[usize::from(version)];
    slot.get_or_init(load).await.clone()
}

/// What the operator has written, with the providers `east` and `west`.
pub(crate) fn configuration(plugins: &str) -> Configuration {
    let provider = Provider::plain(Address::parse("http://prometheus:9090").unwrap());
    Configuration {
        providers: ["east", "west"]
            .map(|name| (name.to_owned(), provider.clone()))
            .into(),
        plugins: serde_saphyr::from_str(plugins).unwrap(),
        ..Configuration::default()
    }
}

async fn in_service(versions: &[u8]) -> Plugins {
    let plugins = Plugins::configured(&configuration("{}"));
    for version in versions {
        plugins.install("ratio", plugin(*version).await);
    }
    plugins
}

/// The version that an analysis gets which began with `begun_with`.
pub(crate) fn served(plugins: &Plugins, begun_with: Option<u8>) -> Digest {
    let begun_with = begun_with.map(|version| digest(version).to_string());
    let version = plugins.get("ratio", "shop", begun_with.as_deref()).unwrap();
    version.plugin.identity().digest
}

fn refusal(plugins: &Plugins, name: &str, namespace: &str) -> String {
    let refused = plugins.get(name, namespace, None).err().unwrap();
    refused.to_string()
}

#[tokio::test]
async fn a_plugin_that_is_not_there_is_told_with_those_that_are() {
    assert_eq!(
        refusal(&in_service(&[1]).await, "oracle", "shop"),
        "there is no plugin \"oracle\"; those in service are: ratio"
    );
    assert!(refusal(&Plugins::default(), "oracle", "shop").ends_with("those in service are: none"));
}

#[tokio::test]
async fn a_plugin_that_was_found_is_waited_for() {
    let plugins = in_service(&[]).await;

    plugins.expect("ratio");

    let loading = Unavailable::Loading {
        name: "ratio".to_owned(),
    };
    assert_eq!(plugins.get("ratio", "shop", None).err(), Some(loading));
}

#[tokio::test]
async fn what_is_wrong_with_a_plugin_is_told_to_whoever_asks_for_it() {
    let plugins = in_service(&[]).await;

    assert!(plugins.refuse("ratio", "its file is broken"));
    assert!(!plugins.refuse("ratio", "its file is broken"), "told twice");

    assert_eq!(
        refusal(&plugins, "ratio", "shop"),
        "the plugin \"ratio\" is not in service: its file is broken"
    );
}

#[tokio::test]
async fn a_version_that_is_refused_does_not_replace_the_one_in_service() {
    let plugins = in_service(&[1]).await;

    plugins.refuse("ratio", "its file is broken");

    assert_eq!(served(&plugins, None), digest(1));
}

#[tokio::test]
async fn an_analysis_keeps_the_version_that_it_began_with() {
    let plugins = in_service(&[1, 2]).await;

    assert_eq!(served(&plugins, Some(1)), digest(1));
    assert_eq!(served(&plugins, None), digest(2));
}

#[tokio::test]
async fn an_analysis_whose_version_is_gone_gets_the_one_in_service() {
    let plugins = in_service(&[1, 2, 3, 4]).await;

    assert_eq!(served(&plugins, Some(1)), digest(4));
    assert_eq!(served(&plugins, Some(2)), digest(2));
}

#[tokio::test]
async fn replaced_versions_are_forgotten_once_nobody_asks_for_them() {
    let plugins = in_service(&[1, 2, 3]).await;
    tokio::time::pause();

    tokio::time::advance(HOUR).await;
    assert_eq!(served(&plugins, Some(2)), digest(2));
    tokio::time::advance(HOUR).await;
    plugins.forget_unused();
    assert_eq!(served(&plugins, Some(1)), digest(3));
    assert_eq!(served(&plugins, Some(2)), digest(2));

    tokio::time::advance(HOUR * 3).await;
    plugins.forget_unused();
    assert_eq!(served(&plugins, Some(2)), digest(3));
}

#[tokio::test]
async fn a_version_that_comes_back_is_not_loaded_again() {
    let plugins = in_service(&[1, 2]).await;
    plugins.refuse("ratio", "its file is broken");

    assert!(plugins.serve_again("ratio", digest(1)));
    assert!(!plugins.serve_again("ratio", digest(3)));
    assert!(!plugins.serve_again("oracle", digest(1)));

    assert_eq!(served(&plugins, None), digest(1));
    assert_eq!(served(&plugins, Some(2)), digest(2));
    assert!(plugins.refuse("ratio", "its file is broken"), "not news");
}

#[tokio::test]
async fn a_plugin_without_a_file_goes_out_of_service_unless_it_is_bundled() {
    let plugins = in_service(&[1]).await;
    plugins.install("prometheus", plugin(2).await);

    assert_eq!(plugins.retain(&BTreeSet::new()), ["ratio"]);

    assert!(plugins.get("prometheus", "shop", None).is_ok());
    assert!(refusal(&plugins, "ratio", "shop").ends_with("those in service are: prometheus"));
}

#[tokio::test]
async fn a_plugin_is_for_the_namespaces_that_are_listed() {
    let plugins = Plugins::configured(&configuration("{ratio: {namespaces: [bank]}}"));
    plugins.install("ratio", plugin(1).await);

    assert!(plugins.get("ratio", "bank", None).is_ok());
    assert_eq!(
        refusal(&plugins, "ratio", "shop"),
        "the plugin \"ratio\" is not for analyses of the namespace \"shop\": whoever operates KULTA can list it in \
         plugins.ratio.namespaces"
    );
    assert!(refusal(&plugins, "oracle", "shop").ends_with("those in service are: none"));
}

#[tokio::test]
async fn a_plugin_may_ask_only_the_providers_that_it_was_granted() {
    let plugins = Plugins::configured(&configuration("{granted: {providers: [west]}}"));
    let grants = |name: &str| plugins.get(name, "shop", None).unwrap().grants.clone();
    for name in ["ratio", "granted", "prometheus"] {
        plugins.install(name, plugin(1).await);
    }

    assert_eq!(grants("ratio"), BTreeSet::new());
    assert_eq!(grants("granted"), ["west".to_owned()].into());
    assert_eq!(
        grants("prometheus"),
        ["east".to_owned(), "west".to_owned()].into()
    );
}

#[tokio::test]
async fn the_bundled_plugins_are_within_the_limits_that_the_operator_sets() {
    let configuration = configuration("{prometheus: {limits: {queries: 2}, providers: [east]}}");

    let plugins = Plugins::new(&configuration);
    plugins.load_bundled(&host()).await;

    let version = plugins.get("prometheus", "shop", None).unwrap();
    assert_eq!(version.limits.amount(Limit::Queries), 2);
    assert_eq!(version.grants, ["east".to_owned()].into());
}

#[tokio::test]
async fn a_machine_on_which_no_trial_ends_well_has_the_bundled_plugins_all_the_same() {
    let no_trial = Host::new(Trial::new("/bin/false".into(), Vec::new())).unwrap();
    let plugins = Plugins::new(&configuration("{}"));
    let waiting = plugins.get("schedule", "shop", None).err();

    plugins.load_bundled(&no_trial).await;

    assert!(matches!(waiting, Some(Unavailable::Loading { .. })));
    for (name, _) in BUNDLED {
        assert!(plugins.get(name, "shop", None).is_ok(), "{name}");
    }
}

#[test]
fn what_is_configured_and_not_there_is_known() {
    let plugins = Plugins::configured(&configuration("{ratio: {}, oracle: {}}"));

    plugins.expect("ratio");

    assert_eq!(plugins.missing(), ["oracle"]);
}

#[test]
fn names_are_those_of_files_that_cargo_builds() {
    for name in ["ratio", "error_ratio", "error-ratio-2", "4xx"] {
        assert!(is_name(name), "{name}");
    }
    let long = "a".repeat(64);
    for name in [
        "",
        "-ratio",
        "_ratio",
        "Ratio",
        "error.ratio",
        "a/b",
        "a b",
        "ratiö",
        &long,
    ] {
        assert!(!is_name(name), "{name}");
    }
}

#[tokio::test]
async fn a_version_that_is_no_longer_expected_once_it_is_compiled_is_not_taken_into_service() {
    let expected = digest(1).to_string();
    let expected = expected.trim_start_matches("sha256:");
    let plugins = Plugins::configured(&configuration(&format!("{{ratio: {{sha256: [{expected:?}]}}}}")));

    assert!(!plugins.install("ratio", plugin(2).await));
    assert!(plugins.get("ratio", "shop", None).is_err());

    assert!(plugins.install("ratio", plugin(1).await));
    assert_eq!(served(&plugins, None), digest(1));
}

#[test]
fn a_file_with_the_name_of_a_bundled_plugin_is_nothing_to_those_who_wait_for_it() {
    let plugins = Plugins::configured(&configuration("{}"));
    plugins.refuse("prometheus", "a plugin of this name comes with KULTA");

    let waits = plugins.get("prometheus", "shop", None).err().unwrap();

    assert!(matches!(waits, Unavailable::Loading { .. }), "{waits:?}");
}
