use std::fs;

use clap::Parser;
use kulta_core::history::{Cause, Fact, FactKind, Origin};
use kulta_core::spec::Weight;
use kulta_core::text::with_causes;
use kulta_events::{Producer, Subject, envelope, render};
use serde_json::Value;

use super::*;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    report: ReportArguments,
}

/// A file of a test.
fn file(test: &str, lines: &[String]) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("kulta-report-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let path = directory.join(test);
    fs::write(&path, lines.join("\n")).unwrap();
    path
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn fact(sequence: u64, at: &str, kind: FactKind, percent: u32) -> Fact {
    Fact {
        sequence,
        chain: Some(if sequence < 4 { 1 } else { 4 }),
        weight: Weight::new(percent).ok(),
        in_force: Weight::new(percent).ok(),
        ..Fact::new(kind, Cause::Controller, time(at))
    }
}

/// A version that is promoted, and one that is taken back after two minutes in front of users.
fn facts() -> Vec<Fact> {
    let committed = Origin {
        committed_at: Some(time("2026-02-27T22:10:00Z")),
        ..Origin::default()
    };
    let promoted = Fact {
        origin: Some(Box::new(committed)),
        ..fact(3, "2026-03-01T00:10:00Z", FactKind::Promoted, 100)
    };
    vec![
        fact(1, "2026-03-01T00:00:00Z", FactKind::Started, 0),
        fact(2, "2026-03-01T00:05:00Z", FactKind::WeightInForce, 10),
        promoted,
        fact(4, "2026-03-02T23:50:00Z", FactKind::Started, 0),
        fact(5, "2026-03-02T23:58:00Z", FactKind::WeightInForce, 10),
        fact(6, "2026-03-02T23:59:15Z", FactKind::Aborted, 10),
        fact(7, "2026-03-03T00:00:00Z", FactKind::Restored, 0),
    ]
}

/// The lines of a Rollout's events, as the controller writes them.
fn lines_of(name: &str, facts: &[Fact]) -> Vec<String> {
    let producer = Producer {
        source: "/clusters/test".to_owned(),
        environment: "test".to_owned(),
    };
    let subject = Subject {
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        uid: format!("uid-of-{name}"),
    };
    let line = |fact: &Fact| envelope::line(&render(&producer, &subject, fact)).unwrap();
    facts.iter().map(line).collect()
}

/// What is told, and complained of, in the middle of April.
fn report(path: &Path, options: &[&str]) -> Result<[String; 2], ReportError> {
    let file = path.to_str().unwrap();
    let arguments = ["report", file].into_iter().chain(options.iter().copied());
    let arguments = Command::try_parse_from(arguments).unwrap().report;
    let (mut out, mut complaints) = (Vec::new(), Vec::new());
    run(
        &arguments,
        time("2026-04-15T00:00:00Z"),
        &mut out,
        &mut complaints,
    )?;
    Ok([out, complaints].map(|text| String::from_utf8(text).unwrap()))
}

fn json(path: &Path, options: &[&str]) -> Value {
    let options = [&["--output", "json"], options].concat();
    let [told, _] = report(path, &options).unwrap();
    serde_json::from_str(&told).unwrap()
}

#[test]
fn a_table_has_a_row_for_each_rollout_and_one_for_all() {
    let lines = [lines_of("web", &facts()), lines_of("api", &facts()[..3])].concat();
    let path = file("table", &lines);

    let [told, complaints] = report(&path, &[]).unwrap();

    let expected = "\
From 2026-03-01T00:00:00Z to 2026-03-03T00:00:00Z (2d)

 Rollout    Deployments   Per day               Lead time   Change failures        Stopped      Time to restore        Users exposed
                                       median / p90 / max        of changes   before users   median / p90 / max   median / p90 / max
─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
 shop/api             1      0.50   1d 2h / 1d 2h / 1d 2h    0 of 1 (0.0 %)              0                    -                    -
 shop/web             1      0.50   1d 2h / 1d 2h / 1d 2h   1 of 2 (50.0 %)              0      45s / 45s / 45s         2m / 2m / 2m
 Total                2      1.00   1d 2h / 1d 2h / 1d 2h   1 of 3 (33.3 %)              0      45s / 45s / 45s         2m / 2m / 2m
";
    assert_eq!(complaints, "");
    assert_eq!(told, expected);
}

#[test]
fn json_has_the_figures_and_what_they_are_of() {
    let path = file("json", &lines_of("web", &facts()));

    let told = json(&path, &[]);

    assert_eq!(told["window"]["lengthSeconds"], 172_800.0);
    assert_eq!(told["rollouts"][0]["rollout"], "shop/web");
    assert_eq!(told["total"]["changeFailureRate"], 0.5);
    assert_eq!(told["total"]["timeToRestore"]["medianSeconds"], 45.0);
    assert_eq!(told["total"]["exposure"]["maxSeconds"], 120.0);
    assert_eq!(told["read"]["damagedLines"], 0);
}

#[test]
fn what_is_damaged_foreign_and_missing_is_complained_of() {
    let mut lines = lines_of("web", &facts());
    lines.remove(1);
    lines.push("{}".to_owned());
    lines.push("{\"half".to_owned());
    let path = file("damaged", &lines);

    let [_, complaints] = report(&path, &[]).unwrap();

    let complaints: Vec<_> = complaints.lines().collect();
    let damaged = format!("{}:8: damaged: no JSON: ", path.display());
    assert!(complaints[0].starts_with(&damaged), "{complaints:?}");
    assert_eq!(
        complaints[1..],
        [
            "lines that are no events of KULTA's: 1",
            "shop/web: events that are missing from 1 to 7: 1",
        ]
    );
}

#[test]
fn events_that_are_in_two_files_count_once() {
    let path = file("twice", &lines_of("web", &facts()));

    let told = json(&path, &[path.to_str().unwrap()]);

    assert_eq!(told["total"]["deployments"], 1);
    assert_eq!(told["read"]["repeatedEvents"], 7);
}

#[test]
fn one_rollout_can_be_chosen() {
    let lines = [lines_of("web", &facts()), lines_of("api", &facts())].concat();
    let path = file("chosen", &lines);

    let told = json(&path, &["--rollout", "shop/api"]);

    assert_eq!(told["rollouts"].as_array().unwrap().len(), 1);
    assert_eq!(told["total"]["deployments"], 1);
}

#[test]
fn a_rollout_of_which_nothing_is_told_is_an_error() {
    let path = file("other", &lines_of("web", &facts()));

    let error = report(&path, &["--rollout", "shop/wbe"]).unwrap_err();

    assert_eq!(error.to_string(), "no event of the Rollout shop/wbe was read");
}

#[test]
fn a_window_since_a_time_ends_now() {
    let path = file("since", &lines_of("web", &facts()));

    let told = json(&path, &["--since", "60d ago"]);

    assert_eq!(told["window"]["since"], "2026-02-14T00:00:00Z");
    assert_eq!(told["window"]["until"], "2026-04-15T00:00:00Z");
    assert_eq!(told["total"]["deploymentsPerDay"], 1.0 / 60.0);
}

#[test]
fn days_before_the_first_event_are_complained_of() {
    let path = file("before", &lines_of("web", &facts()));

    let [_, complaints] = report(&path, &["--since", "60d ago"]).unwrap();

    assert_eq!(
        complaints,
        "the window begins before the first event, which is of 2026-03-01T00:00:00Z\n"
    );
}

#[test]
fn a_window_can_be_closed_at_both_ends() {
    let path = file("closed", &lines_of("web", &facts()));

    let told = json(
        &path,
        &[
            "--since",
            "2026-03-02T00:00:00Z",
            "--until",
            "2026-03-02T23:59:30Z",
        ],
    );

    assert_eq!(told["total"]["deployments"], 0);
    assert_eq!(told["total"]["changeFailures"], 1);
    assert_eq!(told["total"]["notRestored"], 1);
}

#[test]
fn a_window_that_ends_before_it_begins_is_an_error() {
    let path = file("turned", &lines_of("web", &facts()));

    let error = report(&path, &["--until", "2026-02-01T00:00:00Z"]).unwrap_err();

    assert!(matches!(error, ReportError::Window { .. }), "{error}");
}

#[test]
fn a_file_without_events_of_kulta_is_an_error() {
    let path = file("foreign", &["{}".to_owned()]);

    let error = report(&path, &[]).unwrap_err();

    assert!(matches!(error, ReportError::Nothing), "{error}");
}

#[test]
fn a_file_that_is_not_there_is_told_by_its_name() {
    let error = report(Path::new("/nowhere/events.jsonl"), &[]).unwrap_err();

    let told = with_causes(&error);
    assert!(told.starts_with("can't read /nowhere/events.jsonl: "), "{told}");
}
