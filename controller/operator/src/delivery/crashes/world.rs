//! What outlives the process: the API server, the sinks, and what has happened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use jiff::{SignedDuration, Timestamp};
use kube::Client;
use kube::client::Body;
use kulta_core::history::Fact;
use kulta_events::{Event, event_id, removed};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::super::inventory::facts_of;
use super::super::sink::Outcome;
use super::process::producer;
use crate::delivery::subject;
use crate::key::ObjectKey;
use crate::watch::samples::rollout;

/// The sinks. The second refuses some events.
pub(super) const SINKS: [&str; 2] = ["dashboard", "picky"];
/// It refuses events whose id ends in a multiple of this.
const REFUSED: u128 = 13;
/// No Rollout changes more often: its history must not be full while a sink is down.
const MOST_CHANGES: u32 = 40;
/// On the way to a sink, and back, and to the API server and back, time passes.
const MOST_MILLISECONDS_ON_THE_WAY: u64 = 25;

/// A sink as it behaves.
#[derive(Debug)]
pub(in crate::delivery) struct ScriptedSink {
    random: fastrand::Rng,
    is_picky: bool,
    pub(super) is_up: bool,
    /// In percent of all answers: the sink has the event, and nobody learns of it.
    lost_answers: u8,
    /// The ids of the events that it took, by subject, in the order in which it got them.
    heard: BTreeMap<String, Vec<u128>>,
}

impl ScriptedSink {
    /// Takes the event or not, some time later, and answers later still.
    pub(in crate::delivery) async fn deliver(sink: &Mutex<Self>, event: &Event) -> Outcome {
        let pause = || Duration::from_millis(sink.lock().random.u64(0..MOST_MILLISECONDS_ON_THE_WAY));
        let on_the_way = pause();
        sleep(on_the_way).await;
        let outcome = sink.lock().judge(event);
        let on_the_way = pause();
        sleep(on_the_way).await;
        outcome
    }

    fn judge(&mut self, event: &Event) -> Outcome {
        if !self.is_up {
            let wait = self.random.bool().then(|| Duration::from_millis(700));
            let message = "down".to_owned();
            return Outcome::Unavailable { message, wait };
        }
        if self.refuses(event.id.as_u128()) {
            let message = "I don't like it".to_owned();
            return Outcome::Refused { message };
        }
        let heard = self.heard.entry(event.subject.clone()).or_default();
        heard.push(event.id.as_u128());
        if self.random.u8(0..100) < self.lost_answers {
            return Outcome::unavailable("the answer was lost");
        }
        Outcome::Delivered
    }

    fn refuses(&self, id: u128) -> bool {
        self.is_picky && id.is_multiple_of(REFUSED)
    }
}

/// A Rollout, there or gone.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) uid: String,
    /// As the API server has it; None: it was deleted.
    pub(super) object: Option<Value>,
    /// The ids of the events of all that was stored.
    pub(super) story: Vec<u128>,
    /// How often it was changed.
    pub(super) changes: u32,
}

/// What outlives the process.
pub(super) struct World {
    pub(super) random: fastrand::Rng,
    pub(super) rollouts: BTreeMap<ObjectKey, Told>,
    pub(super) sinks: BTreeMap<&'static str, Arc<Mutex<ScriptedSink>>>,
    /// The data of the inventory's ConfigMap, if there is one.
    pub(super) config_map: Arc<Mutex<Option<BTreeMap<String, String>>>>,
    pub(super) deaths: u32,
    /// In percent of all status writes: the process dies right after it.
    pub(super) deadly_writes: u8,
    begun: Instant,
}

impl World {
    /// A world with three Rollouts in it.
    pub(super) fn new(seed: u64) -> Self {
        let sink = |(name, number): (&'static str, u64)| {
            let sink = ScriptedSink {
                random: fastrand::Rng::with_seed(seed ^ number),
                is_picky: name == SINKS[1],
                is_up: seed % 3 != number % 3,
                lost_answers: 5,
                heard: BTreeMap::new(),
            };
            (name, Arc::new(Mutex::new(sink)))
        };
        let rollouts = ["cart", "search", "web"].map(|name| {
            let told = Told {
                uid: format!("uid-{name}"),
                object: Some(rollout(name)),
                story: Vec::new(),
                changes: 0,
            };
            (ObjectKey::new("shop", name), told)
        });
        Self {
            random: fastrand::Rng::with_seed(seed),
            rollouts: rollouts.into(),
            sinks: SINKS.into_iter().zip(1..).map(sink).collect(),
            config_map: Arc::default(),
            deaths: 0,
            deadly_writes: 3,
            begun: Instant::now(),
        }
    }

    /// The time of the cluster.
    pub(super) fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.begun.elapsed()).unwrap();
        Timestamp::from_second(1_772_366_400).unwrap() + passed
    }

    /// A Rollout that is there, by chance.
    pub(super) fn any_rollout(&mut self) -> Option<ObjectKey> {
        let there = self.rollouts.iter().filter(|(_, told)| told.object.is_some());
        let there: Vec<ObjectKey> = there.map(|(key, _)| key.clone()).collect();
        self.random.choice(there)
    }

    /// Whether something may happen to it still.
    pub(super) fn may_change(&mut self, key: &ObjectKey) -> bool {
        let told = self.rollouts.get_mut(key).unwrap();
        told.changes += 1;
        told.changes <= MOST_CHANGES
    }

    /// A status was stored, with these facts in it that are new.
    pub(super) fn stores(&mut self, key: &ObjectKey, status: Value, facts: &[Fact]) {
        let told = self.rollouts.get_mut(key).unwrap();
        let ids = facts
            .iter()
            .map(|fact| event_id(&told.uid, fact.sequence).as_u128());
        told.story.extend(ids);
        told.object.as_mut().unwrap()["status"] = status;
    }

    /// The Rollout is deleted, whatever it had to tell.
    pub(super) fn deletes(&mut self, key: &ObjectKey) {
        let now = self.now();
        let told = self.rollouts.get_mut(key).unwrap();
        told.object = None;
        let end = removed(&producer(), &subject(key, &told.uid), now);
        told.story.push(end.id.as_u128());
    }

    /// Whether the inventory has this Rollout.
    pub(super) fn is_known(&self, uid: &str) -> bool {
        let stored = self.config_map.lock();
        stored.as_ref().is_some_and(|data| data.contains_key(uid))
    }

    /// Whether each deletion that the controller saw is written down, or told already.
    pub(super) fn is_written_down(&self) -> bool {
        let stored = self.config_map.lock();
        let data = stored.as_ref();
        let is_gone = |uid: &str| {
            let entry = data.and_then(|data| data.get(uid));
            entry.is_none_or(|entry| entry.contains('@'))
        };
        let mut gone = self.rollouts.values().filter(|told| told.object.is_none());
        gone.all(|told| is_gone(&told.uid))
    }

    /// While no controller runs: a sink goes up or down, or a Rollout is deleted that has told everything and is known.
    pub(super) async fn passes_unseen(&mut self) {
        self.deaths += 1;
        // What was sent to the API server and to the sinks comes there still.
        sleep(Duration::from_millis(2 * MOST_MILLISECONDS_ON_THE_WAY)).await;
        self.flips_a_sink();
        let Some(key) = self.any_rollout().filter(|_| self.random.u8(0..4) == 0) else {
            return;
        };
        let told = &self.rollouts[&key];
        let status = &told.object.as_ref().unwrap()["status"];
        let last = status["history"].as_array().and_then(|facts| facts.last());
        let has_told = last.is_some_and(|last| {
            let mut sinks = SINKS.iter();
            sinks.all(|sink| status["delivered"][sink] == last["sequence"])
        });
        if has_told && self.is_known(&told.uid) {
            self.deletes(&key);
        }
    }

    pub(super) fn flips_a_sink(&mut self) {
        let name = self.random.choice(SINKS).unwrap();
        let mut sink = self.sinks[name].lock();
        sink.is_up = !sink.is_up;
    }

    /// From now on everything works.
    pub(super) fn calms_down(&mut self) {
        self.deadly_writes = 0;
        for sink in self.sinks.values() {
            let mut sink = sink.lock();
            (sink.is_up, sink.lost_answers) = (true, 0);
        }
    }

    /// Whether each sink has heard the last of each story, and nothing is left to be written down.
    pub(super) fn has_told_all(&self) -> bool {
        let stored = self.config_map.lock().clone().unwrap_or_default();
        let mut rollouts = self.rollouts.values();
        rollouts.all(|told| match &told.object {
            None => !stored.contains_key(&told.uid),
            Some(object) => SINKS.iter().all(|sink| {
                let status = &object["status"];
                let last = status["history"].as_array().and_then(|facts| facts.last());
                last.is_some_and(|last| status["delivered"][sink] == last["sequence"])
            }),
        })
    }

    /// Each sink has heard each story, but for what it refused, once all that came again is left out.
    pub(super) fn is_told(&self, seed: u64) {
        for (name, sink) in &self.sinks {
            let sink = sink.lock();
            for (key, told) in &self.rollouts {
                let mut told_once = BTreeSet::new();
                let heard = sink.heard.get(&key.to_string()).into_iter().flatten();
                let heard: Vec<_> = heard.filter(|id| told_once.insert(**id)).collect();
                let story = told.story.iter().filter(|id| !sink.refuses(**id));
                let story: Vec<_> = story.collect();
                assert!(story.len() > 2, "seed {seed}: nothing happened to {key}");
                assert_eq!(heard, story, "seed {seed}: what {name} has heard of {key}");
            }
        }
        let stored = self.config_map.lock().clone().unwrap_or_default();
        let left = stored.keys().find(|key| facts_of(key).is_some());
        assert_eq!(left, None, "seed {seed}");
    }

    /// A client of the API server as far as it keeps the inventory.
    pub(super) fn client(&self) -> Client {
        let (service, mut server) = tower_test::mock::pair::<http::Request<Body>, http::Response<Body>>();
        let config_map = Arc::clone(&self.config_map);
        let mut random = fastrand::Rng::with_seed(self.random.clone().u64(..));
        tokio::spawn(async move {
            while let Some((request, send)) = server.next_request().await {
                sleep(Duration::from_millis(random.u64(0..MOST_MILLISECONDS_ON_THE_WAY))).await;
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let body = serde_json::from_slice(&body).unwrap_or_default();
                let (code, answer) = serve(&mut config_map.lock(), head.method.as_str(), &body);
                sleep(Duration::from_millis(random.u64(0..MOST_MILLISECONDS_ON_THE_WAY))).await;
                let answer = Body::from(answer.to_string().into_bytes());
                send.send_response(http::Response::builder().status(code).body(answer).unwrap());
            }
        });
        Client::new(service, "kulta-system")
    }
}

fn serve(config_map: &mut Option<BTreeMap<String, String>>, method: &str, body: &Value) -> (u16, Value) {
    let object =
        |data: &BTreeMap<String, String>| json!({"metadata": {"name": "kulta-inventory"}, "data": data});
    match (method, config_map) {
        ("POST", config_map) => {
            let made = config_map.get_or_insert_default();
            (201, object(made))
        }
        (_, None) => {
            let failure = json!({"kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound"});
            (404, failure)
        }
        ("PATCH", Some(data)) => {
            for (key, value) in body["data"].as_object().unwrap() {
                match value.as_str() {
                    Some(value) => data.insert(key.clone(), value.to_owned()),
                    None => data.remove(key),
                };
            }
            (200, object(data))
        }
        (_, Some(data)) => (200, object(data)),
    }
}
