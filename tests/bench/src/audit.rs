//! The API server's audit log: when a template was changed, and when the new ReplicaSet was written.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::Deserialize;

use crate::population::FIELD_MANAGER;

/// The part of the log that is written from now on.
#[derive(Debug)]
pub(crate) struct Audit {
    file: PathBuf,
    from: u64,
}

/// One request that was answered.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    verb: String,
    #[serde(rename = "requestURI")]
    uri: String,
    object_ref: Option<Object>,
    response_status: Option<Response>,
    request_received_timestamp: Timestamp,
    stage_timestamp: Timestamp,
}

#[derive(Debug, Deserialize)]
struct Object {
    resource: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    subresource: String,
}

#[derive(Debug, Deserialize)]
struct Response {
    #[serde(default)]
    code: u16,
}

/// What happened to the Rollouts of one namespace, by their names, each in order of time.
#[derive(Debug, Default, PartialEq)]
struct Happened {
    /// When the request to change the template came in.
    changes: BTreeMap<String, Vec<Timestamp>>,
    /// When the ReplicaSet was asked for, and when it was there.
    replica_sets: BTreeMap<String, Vec<Write>>,
}

/// When a write was asked for, and when it was done.
pub(crate) type Write = (Timestamp, Timestamp);

/// The changes of templates, as far as the log tells of them.
#[derive(Debug, PartialEq)]
pub(crate) struct Changes {
    /// From the request that changed the template to the answer that the ReplicaSet is created.
    pub(crate) times: Vec<Duration>,
    /// Changes that no ReplicaSet came of.
    pub(crate) unanswered: usize,
}

impl Audit {
    /// What is written to `file` from now on.
    pub(crate) fn from_now(file: PathBuf) -> Result<Self> {
        let from = fs::metadata(&file)
            .with_context(|| file.display().to_string())?
            .len();
        Ok(Self { file, from })
    }

    /// The changes in `namespace`.
    pub(crate) fn changes(&self, namespace: &str) -> Result<Changes> {
        let mut happened = Happened::default();
        for event in self.events()? {
            happened.add(&event, namespace);
        }
        Ok(happened.matched())
    }

    /// The patches of the routes in `namespace`, by the names of the routes.
    pub(crate) fn route_writes(&self, namespace: &str) -> Result<BTreeMap<String, Vec<Write>>> {
        Ok(route_writes(&self.events()?, namespace))
    }

    /// How often the status of each Rollout in `namespace` was written.
    pub(crate) fn status_writes(&self, namespace: &str) -> Result<BTreeMap<String, usize>> {
        let mut writes = BTreeMap::new();
        for event in self.events()?.iter().filter(|event| event.verb == "patch") {
            let object = event.written("status", namespace);
            if let Some(rollout) = object.filter(|object| object.resource == "rollouts") {
                *writes.entry(rollout.name.clone()).or_default() += 1;
            }
        }
        Ok(writes)
    }

    fn events(&self) -> Result<Vec<Event>> {
        let events = lines(&self.file, self.from)?
            .into_iter()
            .map(|line| serde_json::from_str(&line).with_context(|| format!("in the audit log: {line}")));
        events.collect()
    }
}

/// The lines that are whole: the last one may be on its way.
fn lines(file: &Path, from: u64) -> Result<Vec<String>> {
    let mut file = BufReader::new(fs::File::open(file)?);
    file.seek(SeekFrom::Start(from))?;
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        file.read_line(&mut line)?;
        if !line.ends_with('\n') {
            return Ok(lines);
        }
        lines.push(line);
    }
}

impl Happened {
    fn add(&mut self, event: &Event, namespace: &str) {
        let Some(object) = event.written_in(namespace) else {
            return;
        };
        match (event.verb.as_str(), object.resource.as_str()) {
            ("patch", "rollouts") if event.has("fieldManager", FIELD_MANAGER) => {
                let changes = self.changes.entry(object.name.clone()).or_default();
                changes.push(event.request_received_timestamp);
            }
            ("create", "replicasets") if !event.has("dryRun", "All") => {
                // The owner's name, and the hash.
                let Some((rollout, _)) = object.name.rsplit_once('-') else {
                    return;
                };
                let replica_sets = self.replica_sets.entry(rollout.to_owned()).or_default();
                replica_sets.push((event.request_received_timestamp, event.stage_timestamp));
            }
            _ => {}
        }
    }

    /// Each change, and the first ReplicaSet that was asked for after it and before the next one.
    fn matched(mut self) -> Changes {
        let mut matched = Changes {
            times: Vec::new(),
            unanswered: 0,
        };
        for (rollout, mut changes) in self.changes {
            let replica_sets = self.replica_sets.remove(&rollout).unwrap_or_default();
            changes.sort_unstable();
            let nexts = changes.iter().skip(1).copied().chain([Timestamp::MAX]);
            for (&change, next) in changes.iter().zip(nexts) {
                let after = replica_sets
                    .iter()
                    .filter(|(asked, _)| (change..next).contains(asked));
                match after.min() {
                    Some(&(_, created)) => matched.times.push(created.duration_since(change).unsigned_abs()),
                    None => matched.unanswered += 1,
                }
            }
        }
        matched
    }
}

fn route_writes(events: &[Event], namespace: &str) -> BTreeMap<String, Vec<Write>> {
    let mut writes: BTreeMap<String, Vec<Write>> = BTreeMap::new();
    for event in events.iter().filter(|event| event.verb == "patch") {
        let object = event.written_in(namespace);
        if let Some(route) = object.filter(|object| object.resource == "httproutes") {
            let written = (event.request_received_timestamp, event.stage_timestamp);
            writes.entry(route.name.clone()).or_default().push(written);
        }
    }
    writes
}

impl Event {
    /// The object in `namespace` that was written, if it is one and itself was.
    fn written_in(&self, namespace: &str) -> Option<&Object> {
        self.written("", namespace)
    }

    /// The object in `namespace` of which this part was written.
    fn written(&self, subresource: &str, namespace: &str) -> Option<&Object> {
        let response = self.response_status.as_ref()?;
        let object = self.object_ref.as_ref()?;
        let is_meant = object.namespace == namespace && object.subresource == subresource;
        (is_meant && response.code < 300).then_some(object)
    }

    fn has(&self, parameter: &str, value: &str) -> bool {
        let (_, query) = self.uri.split_once('?').unwrap_or_default();
        query
            .split('&')
            .any(|pair| pair.split_once('=') == Some((parameter, value)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event(verb: &str, resource: &str, name: &str, query: &str, at: (&str, &str)) -> Value {
        json!({
            "verb": verb,
            "requestURI": format!("/some/path?{query}"),
            "objectRef": { "resource": resource, "namespace": "bench-x", "name": name },
            "responseStatus": { "code": 200 },
            "requestReceivedTimestamp": format!("2026-01-01T00:00:0{}Z", at.0),
            "stageTimestamp": format!("2026-01-01T00:00:0{}Z", at.1),
        })
    }

    fn change(rollout: &str, at: (&str, &str)) -> Value {
        event("patch", "rollouts", rollout, "fieldManager=kulta-bench", at)
    }

    fn create(replica_set: &str, at: (&str, &str)) -> Value {
        event("create", "replicasets", replica_set, "fieldManager=kulta", at)
    }

    fn changes(events: &[Value]) -> Changes {
        let mut happened = Happened::default();
        for event in events {
            happened.add(&serde_json::from_value(event.clone()).unwrap(), "bench-x");
        }
        happened.matched()
    }

    fn times(events: &[Value]) -> Vec<u128> {
        changes(events).times.iter().map(Duration::as_millis).collect()
    }

    #[test]
    fn a_change_counts_from_its_request_to_the_end_of_the_creation() {
        let events = [
            change("web", ("1.000", "1.010")),
            create("web-abc", ("1.030", "1.050")),
        ];
        assert_eq!(times(&events), [50]);
    }

    #[test]
    fn every_change_has_its_own_replica_set() {
        let events = [
            change("web", ("1.0", "1.0")),
            create("web-abc", ("1.1", "1.2")),
            change("web", ("2.0", "2.0")),
            create("web-def", ("2.1", "2.3")),
        ];
        assert_eq!(times(&events), [200, 300]);
    }

    #[test]
    fn a_change_that_was_overtaken_by_the_next_is_unanswered() {
        let events = [
            change("web", ("1.0", "1.0")),
            change("web", ("2.0", "2.0")),
            create("web-def", ("2.1", "2.2")),
        ];
        assert_eq!(
            changes(&events),
            Changes {
                times: vec![Duration::from_millis(200)],
                unanswered: 1
            }
        );
    }

    #[test]
    fn dry_runs_and_other_writers_do_not_count() {
        let dry_run = event(
            "create",
            "replicasets",
            "web-abc-dry-run",
            "dryRun=All",
            ("1.1", "1.2"),
        );
        let annotated = event("patch", "rollouts", "web", "fieldManager=kulta", ("1.3", "1.4"));
        let events = [
            change("web", ("1.0", "1.0")),
            dry_run,
            annotated,
            create("web-abc", ("1.5", "1.6")),
        ];
        assert_eq!(
            changes(&events),
            Changes {
                times: vec![Duration::from_millis(600)],
                unanswered: 0
            }
        );
    }

    #[test]
    fn what_was_refused_does_not_count() {
        let mut refused = create("web-abc", ("1.1", "1.2"));
        refused["responseStatus"]["code"] = json!(409);
        let events = [change("web", ("1.0", "1.0")), refused];
        assert_eq!(changes(&events).unanswered, 1);
    }

    #[test]
    fn patches_of_routes_count_and_what_a_gateway_says_of_them_does_not() {
        let mut told = event("patch", "httproutes", "web", "", ("1.3", "1.4"));
        told["objectRef"]["subresource"] = json!("status");
        let events = [event("patch", "httproutes", "web", "", ("1.1", "1.2")), told];
        let events = events.map(|event| serde_json::from_value(event).unwrap());

        let writes = route_writes(&events, "bench-x");

        let at = |second: &str| {
            format!("2026-01-01T00:00:0{second}Z")
                .parse::<Timestamp>()
                .unwrap()
        };
        assert_eq!(
            writes,
            BTreeMap::from([("web".to_owned(), vec![(at("1.1"), at("1.2"))])])
        );
    }
}
