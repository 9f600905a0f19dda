//! The API server's audit log: when a Rollout was changed, and when what follows it was written.

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
    /// When the ReplicaSet was asked for, and when it was there; or when it was changed.
    replica_sets: BTreeMap<String, Vec<Write>>,
    /// When the status was written.
    statuses: BTreeMap<String, Vec<Write>>,
}

/// How many ReplicaSets were made, and how many deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ReplicaSetWrites {
    /// Made; dry runs do not count.
    pub(crate) created: usize,
    /// Deleted, by whomever.
    pub(crate) deleted: usize,
}

/// When a write was asked for, and when it was done.
pub(crate) type Write = (Timestamp, Timestamp);

/// The changes of Rollouts, as far as the log tells of them.
#[derive(Debug, PartialEq)]
pub(crate) struct Changes {
    /// From the request that made the change to the answer that it was followed.
    pub(crate) times: Vec<Duration>,
    /// Changes that nothing came of.
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

    /// The changes in `namespace` that its ReplicaSet and its status have followed, whichever came later.
    pub(crate) fn reactions(&self, namespace: &str) -> Result<Changes> {
        let mut happened = Happened::default();
        for event in self.events()? {
            happened.add_reaction(&event, namespace);
        }
        Ok(happened.followed())
    }

    /// What was done to the ReplicaSets in `namespace`.
    pub(crate) fn replica_set_writes(&self, namespace: &str) -> Result<ReplicaSetWrites> {
        Ok(replica_set_writes(&self.events()?, namespace))
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

    /// Writes of the controller to what there is already.
    fn add_reaction(&mut self, event: &Event, namespace: &str) {
        if event.verb != "patch" {
            return;
        }
        let written = (event.request_received_timestamp, event.stage_timestamp);
        if let Some(object) = event.written_in(namespace) {
            match object.resource.as_str() {
                "rollouts" if event.has("fieldManager", FIELD_MANAGER) => {
                    let changes = self.changes.entry(object.name.clone()).or_default();
                    changes.push(event.request_received_timestamp);
                }
                "replicasets" => {
                    if let Some((rollout, _)) = object.name.rsplit_once('-') {
                        let writes = self.replica_sets.entry(rollout.to_owned()).or_default();
                        writes.push(written);
                    }
                }
                _ => {}
            }
        } else if let Some(object) = event.written("status", namespace)
            && object.resource == "rollouts"
        {
            self.statuses
                .entry(object.name.clone())
                .or_default()
                .push(written);
        }
    }

    /// Each change, and the first ReplicaSet that was asked for after it and before the next one.
    fn matched(self) -> Changes {
        let Self {
            changes,
            replica_sets,
            statuses: _,
        } = self;
        matched(changes, &[replica_sets])
    }

    /// Each change, and the later of the first writes of a ReplicaSet and of the status after it and before the next one.
    fn followed(self) -> Changes {
        let Self {
            changes,
            replica_sets,
            statuses,
        } = self;
        matched(changes, &[replica_sets, statuses])
    }
}

/// Each change, and the last of the first writes of each kind that were asked for after it and before the next one.
fn matched(changes: BTreeMap<String, Vec<Timestamp>>, kinds: &[BTreeMap<String, Vec<Write>>]) -> Changes {
    let mut matched = Changes {
        times: Vec::new(),
        unanswered: 0,
    };
    for (rollout, mut changes) in changes {
        changes.sort_unstable();
        let nexts = changes.iter().skip(1).copied().chain([Timestamp::MAX]);
        for (&change, next) in changes.iter().zip(nexts) {
            let first = |writes: &BTreeMap<String, Vec<Write>>| {
                let after = writes.get(&rollout).into_iter().flatten();
                let after = after.filter(|(asked, _)| (change..next).contains(asked));
                after.min().map(|&(_, done)| done)
            };
            let firsts: Option<Vec<_>> = kinds.iter().map(first).collect();
            match firsts.and_then(|firsts| firsts.into_iter().max()) {
                Some(done) => matched.times.push(done.duration_since(change).unsigned_abs()),
                None => matched.unanswered += 1,
            }
        }
    }
    matched
}

fn replica_set_writes(events: &[Event], namespace: &str) -> ReplicaSetWrites {
    let mut writes = ReplicaSetWrites::default();
    for event in events.iter().filter(|event| !event.has("dryRun", "All")) {
        let object = event.written_in(namespace);
        if object.is_none_or(|object| object.resource != "replicasets") {
            continue;
        }
        match event.verb.as_str() {
            "create" => writes.created += 1,
            "delete" | "deletecollection" => writes.deleted += 1,
            _ => {}
        }
    }
    writes
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
mod tests;
