use std::io::Read;

use kulta_core::history::past::{OutOfRange, state_at};
use kulta_core::history::{Cause, FactKind, MAX_BYTES};
use proptest::prelude::*;

use super::*;
use crate::scene::{OTHER_UID, UID, fact, files, lines_of, removal, routed, second, stories, subject, told};

/// An attempt of five facts, a minute apart.
fn five() -> Vec<Fact> {
    let kinds = [
        FactKind::Started,
        FactKind::WeightInForce,
        FactKind::Promoted,
        FactKind::Published,
        FactKind::Finished,
    ];
    (1..)
        .zip(kinds)
        .map(|(sequence, kind)| {
            let at = 60 * i64::try_from(sequence).unwrap();
            routed(fact(1, sequence, at, kind), 10)
        })
        .collect()
}

fn sequences(stories: &Stories) -> Vec<u64> {
    let facts = stories.list().iter().flat_map(Story::facts);
    facts.map(|fact| fact.sequence).collect()
}

fn numbers(facts: &[Fact]) -> Numbers {
    told(facts).list()[0].lives().next().unwrap().numbers().unwrap()
}

#[test]
fn what_the_controller_writes_is_read_again() {
    let stories = told(&five());

    let story = stories.of(&"shop/web".parse().unwrap()).unwrap();
    assert_eq!(story.facts(), five());
    assert_eq!(stories.left_out().damaged, 0);
}

#[test]
fn lines_in_any_order_are_one_story() {
    let mut lines = lines_of(&subject("web", UID), &five());
    lines.reverse();

    assert_eq!(sequences(&stories(&lines)), [1, 2, 3, 4, 5]);
}

#[test]
fn what_is_told_twice_counts_once() {
    let lines = lines_of(&subject("web", UID), &five());

    let stories = files(&[&lines, &lines[3..]]);

    assert_eq!(sequences(&stories), [1, 2, 3, 4, 5]);
    assert_eq!(stories.left_out().repeated, 2);
}

#[test]
fn what_is_not_of_kulta_is_counted_and_skipped() {
    let mut lines = lines_of(&subject("web", UID), &five());
    lines.insert(
        2,
        r#"{"specversion":"1.0","type":"com.example","data":{}}"#.to_owned(),
    );
    lines.insert(4, "[]".to_owned());

    let stories = stories(&lines);

    assert_eq!(sequences(&stories), [1, 2, 3, 4, 5]);
    assert_eq!((stories.left_out().foreign, stories.left_out().damaged), (2, 0));
}

#[test]
fn damaged_lines_are_told_by_file_and_number() {
    let mut lines = lines_of(&subject("web", UID), &five());
    lines.insert(2, "no event".to_owned());

    let stories = stories(&lines);

    let left_out = stories.left_out();
    assert_eq!(left_out.damaged, 1);
    assert_eq!(left_out.first_damaged[0].to_string(), "events.jsonl:3: no JSON");
    assert_eq!(sequences(&stories), [1, 2, 3, 4, 5]);
}

#[test]
fn half_a_line_at_the_end_is_damaged() {
    let text = lines_of(&subject("web", UID), &five()).join("\n");

    let stories = Stories::read(&text.as_bytes()[..text.len() - 9], "events.jsonl").unwrap();

    assert_eq!(sequences(&stories), [1, 2, 3, 4]);
    assert_eq!(stories.left_out().first_damaged[0].line, 5);
}

#[test]
fn a_last_line_without_its_end_is_whole() {
    let text = lines_of(&subject("web", UID), &five()).join("\n");

    let stories = Stories::read(text.as_bytes(), "events.jsonl").unwrap();

    assert_eq!(sequences(&stories), [1, 2, 3, 4, 5]);
}

#[test]
fn empty_lines_are_nothing() {
    let stories = Stories::read("\n  \r\n\n".as_bytes(), "events.jsonl").unwrap();

    assert!(stories.list().is_empty());
    assert_eq!((stories.left_out().foreign, stories.left_out().damaged), (0, 0));
}

/// The history as a status keeps it, newest facts only, and the file, which has all: whatever the status knows of an instant,
/// the file says too.
#[test]
fn a_file_tells_more_than_the_status_and_nothing_else() {
    let all: Vec<Fact> = (1..=2_000)
        .map(|sequence| {
            let at = i64::try_from(sequence).unwrap();
            let percent = u32::try_from(sequence % 100).unwrap();
            routed(fact(1, sequence, at, FactKind::WeightInForce), percent)
        })
        .collect();
    let size = |fact: &Fact| serde_json::to_string(fact).unwrap().len() + 1;
    let mut bytes = 0;
    let kept = all.iter().rev().take_while(|fact| {
        bytes += size(fact);
        bytes < MAX_BYTES
    });
    let kept = all.split_at(all.len() - kept.count()).1;
    assert!(kept.len() < all.len());
    let stories = told(&all);
    let file = stories.list()[0].facts();

    for at in (1..=2_000).map(second) {
        let told = state_at(file, at, second(2_000)).unwrap();
        match state_at(kept, at, second(2_000)) {
            Ok(known) => assert_eq!(known, told),
            Err(error) => {
                assert!(matches!(error, OutOfRange::TooEarly { .. }), "{error}");
                assert_eq!(told.change.time, at);
            }
        }
    }
}

#[test]
fn a_line_longer_than_any_event_is_damaged_and_the_next_is_read() {
    let lines = lines_of(&subject("web", UID), &five());
    let text = format!("{}\n{}\n", "x".repeat(3 * LONGEST_LINE), lines[0]);

    let stories = Stories::read(text.as_bytes(), "events.jsonl").unwrap();

    let damaged = &stories.left_out().first_damaged[0];
    assert!(matches!(damaged.damage, Damage::TooLong), "{damaged}");
    assert_eq!(sequences(&stories), [1]);
}

#[test]
fn the_longest_line_is_read() {
    let mut line = lines_of(&subject("web", UID), &five()).remove(0);
    line.push_str(&" ".repeat(LONGEST_LINE - line.len()));

    assert_eq!(sequences(&stories(&[line])), [1]);
}

#[test]
fn what_is_no_text_is_damaged() {
    let stories = Stories::read(&b"\xff\xfe\n"[..], "events.jsonl").unwrap();

    assert!(matches!(
        stories.left_out().first_damaged[0].damage,
        Damage::NoText(_)
    ));
}

#[test]
fn damaged_lines_without_end_take_no_memory() {
    let stories = Stories::read("{\n".repeat(1_000).as_bytes(), "events.jsonl").unwrap();

    assert_eq!(stories.left_out().damaged, 1_000);
    assert_eq!(stories.left_out().first_damaged.len(), MOST_DAMAGED_TOLD);
}

#[test]
fn a_file_that_cannot_be_read_is_an_error() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("broken"))
        }
    }

    assert!(Stories::read(io::BufReader::new(Broken), "events.jsonl").is_err());
}

#[test]
fn missing_numbers_are_counted() {
    let mut facts = five();
    facts.drain(1..3);

    let expected = Numbers {
        first: 1,
        last: 5,
        missing: 2,
        losses: 0,
    };
    assert_eq!(numbers(&facts), expected);
}

#[test]
fn counting_from_the_time_after_a_lost_status_is_no_gap() {
    let mut facts = five();
    let anew = u64::try_from(second(400).as_millisecond()).unwrap();
    facts.push(fact(anew, anew, 400, FactKind::Aborted));

    let numbers = numbers(&facts);

    assert_eq!((numbers.missing, numbers.losses), (0, 1));
}

#[test]
fn a_second_loss_is_no_gap_either() {
    let number = |at| u64::try_from(second(at).as_millisecond()).unwrap();
    let facts = [400, 500].map(|at| fact(number(at), number(at), at, FactKind::Promoted));

    let numbers = numbers(&facts);

    assert_eq!((numbers.missing, numbers.losses), (0, 1));
}

#[test]
fn the_time_of_the_removal_is_told() {
    let web = subject("web", UID);
    let mut lines = lines_of(&web, &five());
    lines.insert(0, removal(&web, 900));

    let stories = stories(&lines);

    assert_eq!(
        stories.list()[0].lives().next().unwrap().removed,
        Some(second(900))
    );
}

#[test]
fn two_rollouts_of_one_name_are_two_lives() {
    let later: Vec<_> = five()
        .into_iter()
        .map(|fact| Fact {
            time: second(5_000),
            ..fact
        })
        .collect();
    let mut lines = lines_of(&subject("web", UID), &later);
    lines.extend(lines_of(&subject("web", OTHER_UID), &five()));

    let stories = stories(&lines);

    let story = &stories.list()[0];
    let found: Vec<_> = story.lives().map(|life| (life.uid, life.facts.len())).collect();
    assert_eq!(found, [(OTHER_UID, 5), (UID, 5)]);
    assert!(story.facts().is_sorted_by_key(|fact| fact.time));
    assert_eq!(stories.left_out().repeated, 0);
}

#[test]
fn a_rollout_of_which_only_the_removal_is_told_has_a_story() {
    let stories = stories(&[removal(&subject("web", UID), 900)]);

    let story = &stories.list()[0];
    assert!(story.facts().is_empty());
    assert_eq!(story.lives().next().unwrap().numbers(), None);
}

#[test]
fn stories_are_in_the_order_of_names() {
    let mut lines = lines_of(&subject("web", UID), &five());
    lines.extend(lines_of(&subject("api", OTHER_UID), &five()));

    let stories = stories(&lines);

    let names: Vec<_> = stories
        .list()
        .iter()
        .map(|story| story.name().to_string())
        .collect();
    assert_eq!(names, ["shop/api", "shop/web"]);
}

#[test]
fn a_story_answers_what_was_true_at_an_instant() {
    let stories = told(&five());

    let state = state_at(stories.list()[0].facts(), second(190), second(300)).unwrap();

    assert_eq!(state.change.kind, FactKind::Promoted);
    assert_eq!(state.change.cause, Cause::Controller);
}

#[test]
fn a_name_is_written_with_one_slash() {
    for text in ["web", "/web", "shop/", "shop/web/more", ""] {
        assert_eq!(text.parse::<RolloutName>(), Err(NoRolloutName), "{text}");
    }
    let name: RolloutName = "shop/web".parse().unwrap();
    assert_eq!(name.to_string(), "shop/web");
}

proptest! {
    #[test]
    fn no_file_is_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        prop_assert!(Stories::read(bytes.as_slice(), "events.jsonl").is_ok());
    }

    #[test]
    fn no_half_event_is_a_panic(cut in 0_usize..2_000) {
        let text = lines_of(&subject("web", UID), &five()).join("\n");
        let half = text.get(..cut).unwrap_or(&text);

        let stories = Stories::read(half.as_bytes(), "events.jsonl").unwrap();

        prop_assert!(stories.left_out().damaged <= 1);
    }
}
