//! What the tests of files of events are made of.

use jiff::Timestamp;
use kulta_core::history::{Cause, Fact, FactKind};
use kulta_core::spec::Weight;

use crate::replay::{Reading, Stories};
use crate::{Producer, Subject, envelope, removed, render};

/// The UID of a Rollout.
pub(crate) const UID: &str = "5fd1bf43-59a9-4b70-a1c3-1e3d0ad7bd05";
/// That of another one.
pub(crate) const OTHER_UID: &str = "0d0dd1f2-6f4d-4a8b-9d4c-0a5cc7ed13c1";

/// The begin of all scenes, in seconds.
const BEGIN: i64 = 1_772_323_200;

pub(crate) fn second(second: i64) -> Timestamp {
    Timestamp::from_second(BEGIN + second).unwrap()
}

pub(crate) fn producer() -> Producer {
    Producer {
        source: "/clusters/test".to_owned(),
        environment: "test".to_owned(),
    }
}

pub(crate) fn subject(name: &str, uid: &str) -> Subject {
    Subject {
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        uid: uid.to_owned(),
    }
}

/// A fact of the attempt that began with number `chain`.
pub(crate) fn fact(chain: u64, sequence: u64, at: i64, kind: FactKind) -> Fact {
    Fact {
        sequence,
        chain: Some(chain),
        revision: Some("new".to_owned()),
        ..Fact::new(kind, Cause::Controller, second(at))
    }
}

/// The same with a weight in force, as where traffic is routed.
pub(crate) fn routed(fact: Fact, percent: u32) -> Fact {
    Fact {
        weight: Weight::new(percent).ok(),
        in_force: Weight::new(percent).ok(),
        ..fact
    }
}

/// The lines of the events of a Rollout, as the controller writes them.
pub(crate) fn lines_of(subject: &Subject, facts: &[Fact]) -> Vec<String> {
    let event = |fact: &Fact| envelope::line(&render(&producer(), subject, fact)).unwrap();
    facts.iter().map(event).collect()
}

/// The line that tells that it is gone.
pub(crate) fn removal(subject: &Subject, at: i64) -> String {
    envelope::line(&removed(&producer(), subject, second(at))).unwrap()
}

/// What is read of a file with these lines.
pub(crate) fn stories(lines: &[String]) -> Stories {
    Stories::read(format!("{}\n", lines.join("\n")).as_bytes(), "events.jsonl").unwrap()
}

/// What is read of a file about the Rollout shop/web.
pub(crate) fn told(facts: &[Fact]) -> Stories {
    stories(&lines_of(&subject("web", UID), facts))
}

/// What is read of several files.
pub(crate) fn files(files: &[&[String]]) -> Stories {
    let mut reading = Reading::default();
    for lines in files {
        reading.read(lines.join("\n").as_bytes(), "events.jsonl").unwrap();
    }
    reading.finish()
}
