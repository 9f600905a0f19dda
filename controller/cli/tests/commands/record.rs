//! `kulta plugin record`, on the bundled plugins.

use std::fs;

use crate::scene::{DOWN, Folder, LIVE, Said, bundled, kulta};

const RATE: &str = "errorRate: {bad: '1', total: '1000', limit: 0.01}";

/// Records the plugin `prometheus` with a configuration; what is printed is the case.
fn record(config: &str, more: &[&str]) -> Said {
    let name = std::thread::current().name().unwrap().replace("::", "-");
    let folder = Folder::new(&name);
    let config = folder.file("config.yaml", config);
    let plugin = bundled("prometheus");
    kulta(&[&["record", &plugin, "--config", &config], more].concat())
}

fn refusal(config: &str, more: &[&str]) -> String {
    record(config, more).result.unwrap_err()
}

#[test]
fn what_was_asked_and_answered_is_a_case_that_passes() {
    let case = record(RATE, &["--address", LIVE, "--now", "2026-07-01T12:00:00Z"]).well();

    let folder = Folder::new("recorded");
    let file = folder.file("case.yaml", &case);
    let tested = kulta(&["test", &bundled("prometheus"), &file]).well();
    assert!(
        tested.starts_with("ok    recorded at 2026-07-01T12:00:00Z  pass "),
        "{tested}"
    );
    assert!(
        case.contains("verdict: pass") && case.contains("scalar: 0.001"),
        "{case}"
    );
    assert!(case.contains("pod: a"), "{case}");
}

#[test]
fn a_recorded_case_fails_on_another_query() {
    let case = record(RATE, &["--address", LIVE]).well();

    let folder = Folder::new("other-query");
    let file = folder.file("case.yaml", case.replace("total: \"1000\"", "total: \"2000\""));
    let said = kulta(&["test", &bundled("prometheus"), &file]);

    assert!(said.result.is_err());
    assert!(
        said.out
            .contains("unexpected query {provider: prometheus, instant: \"2000\""),
        "{}",
        said.out
    );
}

#[test]
fn what_is_said_of_the_rollout_is_in_the_case() {
    let case = record(
        "query: '$(canary-replicas)'",
        &[
            "--address",
            LIVE,
            "--provider",
            "prometheus",
            "--namespace",
            "shop",
            "--name",
            "cart",
            "--metric",
            "pods",
            "--fact",
            "canary-replicas=3",
            "--case",
            "three pods",
        ],
    )
    .well();

    for line in [
        "name: three pods",
        "namespace: shop",
        "name: cart",
        "metric: pods",
        "instant: \"3\"",
    ] {
        assert!(case.contains(line), "{line}\n{case}");
    }
}

#[test]
fn a_gate_is_recorded_with_its_step() {
    let folder = Folder::new("gate");
    let config = folder.file(
        "config.yaml",
        "{timeZone: UTC, allowed: [{from: '09:00', until: '17:00'}]}",
    );
    let plugin = bundled("schedule");
    let record = [
        "record",
        &plugin,
        "--config",
        &config,
        "--address",
        LIVE,
        "--now",
        "2026-07-01T02:00:00Z",
    ];

    let without = kulta(&record).result.unwrap_err();
    let case = kulta(&[&record[..], &["--step", "10:50"]].concat()).well();

    assert!(
        without.ends_with("is a gate: say what it is asked about, such as --step 10:50"),
        "{without}"
    );
    assert!(case.contains("verdict: hold"), "{case}");
    let file = folder.file("case.yaml", case);
    kulta(&["test", &plugin, &file]).well();
}

#[test]
fn a_metric_has_no_step() {
    let refused = refusal(RATE, &["--address", LIVE, "--step", "10:50"]);
    assert!(refused.ends_with("is no gate: leave out --step"), "{refused}");
}

#[test]
fn a_case_that_is_there_already_is_not_written_over() {
    let folder = Folder::new("there-already");
    let file = folder.file("case.yaml", "mine");

    let refused = refusal(RATE, &["--address", LIVE, "--output", &file]);

    assert!(
        refused.contains("case.yaml can't be made: name a file that is not there yet"),
        "{refused}"
    );
    assert_eq!(fs::read_to_string(file).unwrap(), "mine");
}

#[test]
fn a_prometheus_that_is_away_makes_no_case() {
    assert_eq!(
        refusal(RATE, &["--address", DOWN]),
        "no query was answered, so there is nothing to record: unavailable: connection refused"
    );
}

#[test]
fn what_is_wrong_with_an_address_is_told() {
    assert_eq!(
        refusal(RATE, &["--address", "elsewhere"]),
        "--address: nobody is there"
    );
}

#[test]
fn a_configuration_that_is_no_mapping_is_told_with_its_file() {
    let refused = refusal("[1, 2]", &["--address", LIVE]);
    assert!(
        refused.contains("config.yaml is no mapping in YAML, as users write it under the plugin's name: "),
        "{refused}"
    );
}

#[test]
fn a_configuration_that_the_plugin_refuses_is_a_case_of_an_error() {
    let case = record("queri: up", &["--address", LIVE]).well();

    assert!(
        case.contains("verdict: error") && case.contains("queri"),
        "{case}"
    );
}
