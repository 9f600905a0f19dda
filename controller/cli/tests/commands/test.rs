//! `kulta plugin test`, on the bundled plugins.

use crate::scene::{Folder, Said, bundled, kulta};

const RATE: &str = r"
name: few errors pass
config: {errorRate: {bad: bad, total: total, limit: 0.01}}
queries:
  - {instant: bad, answer: {vector: [{value: 1}]}}
  - {instant: total, answer: {vector: [{value: 1000}]}}
expect: {verdict: pass, value: {scalar: 0.001}, summary: error rate}
";

/// Runs a bundled plugin on the cases of a text.
fn play(plugin: &str, cases: &str) -> Said {
    let name = std::thread::current().name().unwrap().replace("::", "-");
    let folder = Folder::new(&name);
    let file = folder.file("cases.yaml", cases);
    kulta(&["test", &bundled(plugin), &file])
}

#[test]
fn a_case_that_passes_is_one_line_with_its_fuel_and_time() {
    let out = play("prometheus", RATE).well();

    let mut lines = out.lines();
    let line = lines.next().unwrap();
    assert!(line.starts_with("ok    few errors pass  pass "), "{out}");
    assert!(line.contains(" fuel ") && line.ends_with(" ms"), "{out}");
    assert_eq!(lines.next(), Some("1 case passed"));
}

#[test]
fn one_that_fails_is_told_and_counted_and_the_others_run() {
    let failing = RATE
        .replace("name: few", "name: not few")
        .replace("value: 1}", "value: 50}");

    let said = play("prometheus", &format!("{failing}\n---\n{RATE}"));

    assert_eq!(said.result, Err("1 of 2 cases failed".to_owned()));
    assert!(said.out.starts_with("FAIL  not few errors pass"), "{}", said.out);
    assert!(
        said.out
            .contains("\n      expect.verdict: pass, and it is fail: \""),
        "{}",
        said.out
    );
    assert!(said.out.contains("\nok    few errors pass "), "{}", said.out);
}

#[test]
fn a_query_that_the_case_does_not_know_is_told_with_the_nearest() {
    let said = play("prometheus", &RATE.replace("instant: total", "instant: totals"));

    let out = said.out;
    assert!(
        out.contains("unexpected query {provider: prometheus, instant: \"total\", at: "),
        "{out}"
    );
    assert!(
        out.contains("the nearest is {provider: prometheus, instant: \"totals\"}"),
        "{out}"
    );
    assert!(out.contains("queries[1] was not asked"), "{out}");
}

#[test]
fn a_query_without_an_answer_makes_an_error() {
    let case = r"
name: no answer
config: {query: up}
queries: [{instant: up, error: {unavailable: connection refused}}]
expect: {verdict: error, summary: connection refused}
";
    play("prometheus", case).well();
}

#[test]
fn facts_are_handed_in() {
    let case = r#"
name: the query has the fact
config: {query: 'up{hash="$(canary-hash)"}'}
subject: {facts: {canary-hash: 6d5f}}
queries: [{instant: 'up{hash="6d5f"}', answer: {scalar: 3}}]
expect: {verdict: measured, value: {scalar: 3}}
"#;
    play("prometheus", case).well();
}

#[test]
fn a_configuration_that_the_plugin_refuses_is_an_error() {
    let case = "{name: nothing, expect: {verdict: error, summary: the configuration is invalid}}";
    play("prometheus", case).well();
}

#[test]
fn a_gate_is_asked_about_its_step() {
    let case = r#"
name: closed at night
now: 2026-07-01T02:00:00Z
config: {timeZone: UTC, allowed: [{from: "09:00", until: "17:00"}]}
step: {from: 10, to: 50}
expect: {verdict: hold, details: {reason: OutsideAllowedHours, timeZone: UTC}, retryAt: 2026-07-01T03:00:00Z}
---
name: open at noon
now: 2026-07-01T12:00:00Z
config: {timeZone: UTC, allowed: [{from: "09:00", until: "17:00"}]}
step: {from: 10, to: 50}
expect: {verdict: allow}
"#;
    play("schedule", case).well();
}

#[test]
fn a_metric_that_is_asked_as_a_gate_gives_no_answer() {
    let case = "{name: wrong, config: {query: up}, step: {from: 1, to: 2}, expect: {verdict: allow}}";

    let out = play("prometheus", case).out;

    assert!(out.contains("it does not export promotion-gate"), "{out}");
}

#[test]
fn the_limits_are_those_of_the_controller() {
    let case = r"
name: too little fuel
config: {query: up}
limits: {fuel: 10}
expect: {verdict: error, summary: the fuel of 10 is used up}
";
    play("prometheus", case).well();
}

#[test]
fn a_misspelt_field_is_told_before_anything_is_run() {
    let said = play(
        "prometheus",
        &format!("{RATE}\n---\n{{name: two, expects: {{}}}}"),
    );

    let refused = said.result.unwrap_err();
    assert!(refused.contains("cases.yaml can't be used: "), "{refused}");
    assert!(refused.contains("expects"), "{refused}");
    assert_eq!(said.out, "");
}
