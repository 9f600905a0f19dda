//! What an operator can write, and what is said of what makes no sense.

use std::time::Duration;

use kulta_plugin_host::Digest;
use kulta_plugin_host::limits::{Limit, Limits};

use super::*;
use crate::access::Address;

const PROVIDERS: &str = "
providers:
  prometheus:
    address: http://prometheus.monitoring:9090
    namespaces: [shop]
";

#[test]
fn a_provider_serves_the_namespaces_that_are_listed() {
    let configuration = Configuration::parse(PROVIDERS).unwrap();

    let provider = &configuration.providers["prometheus"];
    assert!(provider.serves("shop") && !provider.serves("bank"));
    assert_eq!(provider.timeout(), Duration::from_secs(5));
}

#[test]
fn a_star_is_every_namespace() {
    let configuration = Configuration::parse(&PROVIDERS.replace("[shop]", "['*']")).unwrap();

    assert!(configuration.providers["prometheus"].serves("bank"));
}

#[test]
fn an_empty_file_sets_nothing_up() {
    assert_eq!(Configuration::parse("{}").unwrap(), Configuration::default());
}

#[test]
fn what_makes_no_sense_is_refused_with_the_name_of_the_field_or_value() {
    let cases = [
        (PROVIDERS.replace("address", "adress"), "adress"),
        (PROVIDERS.replace("providers", "provider"), "provider"),
        (PROVIDERS.replace("http://", "ftp://"), "write http://HOST:PORT"),
        (PROVIDERS.replace("    namespaces: [shop]\n", ""), "namespaces"),
        (PROVIDERS.replace("http://", "http://user:word@"), "basicAuth"),
        ("allowedAddresses: [internal]".to_owned(), "or write `cluster`"),
        (
            format!("{PROVIDERS}    basicAuth: {{username: a, password: b}}\n"),
            "unknown field",
        ),
    ];
    for (text, words) in cases {
        let refusal = Configuration::parse(&text).unwrap_err().to_string();
        assert!(refusal.contains(words), "{refusal}");
    }
}

#[test]
fn a_timeout_that_is_out_of_range_is_refused() {
    for seconds in [0, 6] {
        let text = format!("{PROVIDERS}    timeoutSeconds: {seconds}\n");

        let problems = Configuration::parse(&text).unwrap().problems();

        assert_eq!(
            problems,
            ["providers.prometheus.timeoutSeconds: must be from 1 to 5"]
        );
    }
}

#[test]
fn limits_of_a_provider_that_are_out_of_range_are_refused() {
    for (limits, told) in [
        ("{queriesAtOnce: 1}", "limits.queriesAtOnce: must be from 2 to 64"),
        (
            "{queriesAtOnce: 65}",
            "limits.queriesAtOnce: must be from 2 to 64",
        ),
        ("{answerBytes: 10}", "limits.answerBytes: must be at least 1024"),
    ] {
        let text = format!("{PROVIDERS}    limits: {limits}\n");
        let problems = Configuration::parse(&text).unwrap().problems();
        assert_eq!(problems, [format!("providers.prometheus.{told}")]);
    }
    let text = format!("{PROVIDERS}    limits: {{queriesAtOnce: 2, answerBytes: 1024}}\n");
    assert!(Configuration::parse(&text).is_ok());
}

#[test]
fn what_is_wrong_is_told_without_lines_of_the_file() {
    let text = format!("{PROVIDERS}    headers: {{X-Token: {{value: s3cret-word, vlaue: s3cret-word}}}}\n");

    let refusal = Configuration::parse(&text).unwrap_err().to_string();

    assert!(refusal.contains("vlaue") && refusal.contains("line"), "{refusal}");
    assert!(!refusal.contains("s3cret-word"), "{refusal}");
    let address = PROVIDERS.replace("http://", "http://user:s3cret-word@");
    let refusal = format!("{:?}", Configuration::parse(&address).unwrap_err());
    assert!(!refusal.contains("s3cret-word"), "{refusal}");
}

const CREDENTIALS: &str = "
providers:
  prometheus:
    address: https://prometheus.monitoring:9090
    namespaces: [shop]
    scopeLabel: namespace
    caFile: /etc/kulta/credentials/ca.crt
    basicAuth: {username: s3cret-name, passwordFile: /etc/kulta/credentials/password}
    headers:
      X-Scope-OrgID: {value: s3cret-tenant}
      X-Token: {file: /etc/kulta/credentials/token}
";

#[test]
fn a_provider_has_credentials_that_are_shown_nowhere() {
    let configuration = Configuration::parse(CREDENTIALS).unwrap();

    assert_eq!(configuration.problems(), [""; 0]);
    let provider = &configuration.providers["prometheus"];
    assert_eq!(provider.scope_label.as_deref(), Some("namespace"));
    assert!(provider.headers["X-Token"].file.is_some());
    assert!(
        !format!("{configuration:?}").contains("s3cret"),
        "{configuration:?}"
    );
}

/// What is written in place of what, and what is said of it.
const CONTRADICTIONS: &[(&str, &str, &str)] = &[
    (
        "    headers:",
        "    bearerTokenFile: /t\n    headers:",
        "basicAuth: must not stand beside bearerTokenFile",
    ),
    (
        "https:",
        "http:",
        "caFile: has no effect on an address with http://",
    ),
    (
        "/etc/kulta/credentials/ca.crt",
        "ca.crt",
        "caFile: must be a path from the root",
    ),
    (
        "/etc/kulta/credentials/password",
        "password",
        "basicAuth.passwordFile: must be a path from",
    ),
    (
        "username: s3cret-name, ",
        "",
        "basicAuth: must have exactly one of username",
    ),
    (
        "s3cret-name",
        "'a:b'",
        "basicAuth.username: must not have a colon",
    ),
    (
        "{value: s3cret-tenant}",
        "{}",
        "headers.X-Scope-OrgID: must have exactly one of value and file",
    ),
    (
        "s3cret-tenant",
        "\"a\\nb\"",
        "headers.X-Scope-OrgID: has a value with characters",
    ),
    ("X-Token", "X Token", "headers.X Token: is no name of a header"),
    ("X-Token", "Host", "headers.Host: is set by the controller"),
    (
        "X-Token",
        "authorization",
        "headers.authorization: must not stand beside",
    ),
    (
        "scopeLabel: namespace",
        "scopeLabel: 'a-b'",
        "scopeLabel: must be the name of a label",
    ),
];

#[test]
fn credentials_that_do_not_fit_together_are_refused_with_path_and_remedy() {
    for (before, after, words) in CONTRADICTIONS {
        let text = CREDENTIALS.replace(before, after);
        let problems = Configuration::parse(&text).unwrap().problems();
        let expected = format!("providers.prometheus.{words}");
        assert!(
            problems.len() == 1 && problems[0].starts_with(&expected),
            "{problems:?}, not {words}"
        );
    }
}

#[test]
fn addresses_are_allowed_one_by_one_or_all_of_the_cluster() {
    let text = "allowedAddresses: [cluster, 'https://prometheus.example.com']";

    let allowed = Configuration::parse(text).unwrap().allowed_addresses;

    let address = Address::parse("https://prometheus.example.com").unwrap();
    assert_eq!(allowed, [Allowed::Cluster, Allowed::Exactly(address)]);
}

const PLUGINS: &str = "
providers:
  prometheus:
    address: http://prometheus.monitoring:9090
    namespaces: [shop]
plugins:
  error_ratio:
    sha256: [e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855]
    providers: [prometheus]
    namespaces: [shop]
    limits: {fuel: 1000, memoryBytes: 1048576}
";

fn plugin(text: &str) -> PluginSettings {
    let configuration = Configuration::parse(text).unwrap();
    assert_eq!(configuration.problems(), [""; 0]);
    configuration.plugins.into_values().next().unwrap()
}

#[test]
fn a_plugin_has_expected_digests_grants_namespaces_and_limits() {
    let plugin = plugin(PLUGINS);

    assert!(plugin.expects(Digest::of(b"")) && !plugin.expects(Digest::of(b"another")));
    assert_eq!(plugin.providers, Some(vec!["prometheus".to_owned()]));
    assert!(plugin.serves("shop") && !plugin.serves("bank"));
    let limits = plugin.limits("error_ratio");
    assert_eq!(limits.amount(Limit::Fuel), 1000);
    assert_eq!(limits.amount(Limit::MemoryBytes), 1 << 20);
    assert_eq!(limits.amount(Limit::Queries), Limit::Queries.default_amount());
}

#[test]
fn of_a_plugin_that_nothing_is_said_of_any_version_serves_every_namespace_without_a_provider() {
    let plugin = plugin("plugins: {error-ratio: {}}");

    assert_eq!(plugin, PluginSettings::default());
    assert!(plugin.expects(Digest::of(b"any")) && plugin.serves("shop"));
    assert_eq!(
        (&plugin.providers, plugin.limits("error-ratio")),
        (&None, Limits::default())
    );
    assert_eq!(plugin.http, Servers::default());
}

#[test]
fn a_plugin_for_no_namespace_serves_none() {
    assert!(!plugin("plugins: {error-ratio: {namespaces: []}}").serves("shop"));
}

#[test]
fn a_misspelt_plugin_is_refused_with_the_name_of_the_field_or_value() {
    let cases = [
        (PLUGINS.replace("sha256", "sha265"), "sha265"),
        (PLUGINS.replace("e3b0c4", "e3b0"), "64 hexadecimal digits"),
        (PLUGINS.replace("[e3b0", "[] # "), "list the digests"),
        (PLUGINS.replace("fuel", "feul"), "there are memoryBytes, fuel"),
        (
            PLUGINS.replace("1000", "0"),
            "fuel is 0: set it to 1 at least and 5000000000 at most",
        ),
        (PLUGINS.replace("1000", "much"), "invalid u64 at line"),
    ];
    for (text, words) in cases {
        let refusal = Configuration::parse(&text).unwrap_err().to_string();
        assert!(refusal.contains(words), "{refusal}");
    }
}

#[test]
fn what_does_not_fit_together_is_refused_with_path_and_remedy() {
    let cases = [
        (
            PLUGINS.replace(
                "    providers: [prometheus]",
                "    providers: [prometheus, thanos]",
            ),
            "plugins.error_ratio.providers[1]: there is no provider \"thanos\"",
        ),
        (
            PLUGINS.replace("error_ratio", "Error.Ratio"),
            "plugins.Error.Ratio: a plugin's name is",
        ),
        (
            PLUGINS.replace("error_ratio", "prometheus"),
            "plugins.prometheus.sha256: the plugin comes with KULTA",
        ),
    ];
    for (text, words) in cases {
        let problems = Configuration::parse(&text).unwrap().problems();
        assert!(
            problems.len() == 1 && problems[0].starts_with(words),
            "{problems:?}"
        );
    }
}

#[test]
fn a_bundled_plugin_can_be_limited() {
    let plugin = plugin("plugins: {prometheus: {namespaces: [shop], limits: {callMillis: 20000}}}");

    assert_eq!(plugin.limits("prometheus").amount(Limit::CallMillis), 20_000);
}

#[test]
fn the_servers_that_a_plugin_may_ask_are_origins() {
    let text = "plugins: {web: {http: {origins: [cluster, 'https://api.example.com'], caFile: /ca.crt}}}";
    let address = Address::parse("https://api.example.com").unwrap();

    let web = plugin(text);

    assert_eq!(web.http.origins, [Allowed::Cluster, Allowed::Exactly(address)]);
    assert_eq!(web.limits("web").amount(Limit::CallMillis), 60_000);
    assert_eq!(web.limits("another").amount(Limit::CallMillis), 10_000);
    let wrong = text
        .replace("example.com", "example.com/v1")
        .replace("/ca.crt", "ca.crt");
    let problems = Configuration::parse(&wrong).unwrap().problems();
    assert!(
        problems.len() == 2
            && problems[0].starts_with("plugins.web.http.origins[1]: has a path")
            && problems[1].starts_with("plugins.web.http.caFile: must be a path from the root"),
        "{problems:?}"
    );
}

#[test]
fn the_file_that_is_installed_sets_nothing_up_and_its_examples_make_sense() {
    let installed = include_str!("../../../../../deploy/kustomize/config.yaml");
    let digits = Digest::of(b"").to_string();
    let example: Vec<_> = installed
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .filter(|line| line.starts_with(' ') || line.ends_with(':'))
        .map(|line| line.replace("<64 digits>", &format!("'{digits}'")))
        .collect();

    let example = Configuration::parse(&example.join("\n")).unwrap();

    assert_eq!(Configuration::parse(installed).unwrap(), Configuration::default());
    assert_eq!(example.problems(), [""; 0]);
    assert!(example.plugins["error_ratio"].expects(Digest::of(b"")));
    assert!(example.providers["prometheus"].serves("shop"));
}
