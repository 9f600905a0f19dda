//! Does every sink hear the whole story, whatever becomes of the controller and of the sink?

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, DynamicObject};
use kulta_api::status::RolloutStatus;
use kulta_cdevents_check::{Specification, check_own};
use kulta_core::history::{Fact, FactKind};
use kulta_e2e::app::step;
use kulta_e2e::rollout::is_in_force;
use kulta_e2e::{App, Controller, Independent, Receiver, Stage, Version};
use kulta_events::{Event, Producer, Subject, removed, render};
use serde_json::{Value, json};

use crate::faults::crash;
use crate::live::{Live, shop, v2};

/// Who the events are from.
const ENVIRONMENT: &str = "e2e";
/// Their source.
const SOURCE: &str = "/clusters/e2e";

/// The names of the sinks.
const STRUCTURED: &str = "structured";
const BINARY: &str = "binary";
const JOURNAL: &str = "journal";
/// Those of the independent receivers, which are modes, too.
const INDEPENDENT: [(&str, &str); 2] = [
    ("independent-structured", "structured"),
    ("independent-binary", "binary"),
];

/// Where everything goes.
struct Sinks {
    structured: Receiver,
    binary: Receiver,
    journal: PathBuf,
    independent: Vec<Independent>,
    /// None where there is none on this machine.
    specification: Option<Specification>,
}

/// The controller dies ten times in a rollout with an abort and a retry; one sink is down until all is over.
pub(crate) async fn every_sink_hears_the_whole_story_through_ten_crashes(
    stage: &Stage,
    controller: &mut Controller,
) -> Result<()> {
    let configuration = fs::read(controller.configuration())?;
    let mut sinks = Sinks {
        structured: Receiver::start().await?,
        binary: Receiver::start().await?,
        journal: stage.settings().work.join("events.jsonl"),
        independent: Vec::new(),
        specification: Specification::find(),
    };
    let sdk = stage.settings().cloud_events_sdk.as_deref();
    let sdk = sdk.context("there is no SDK of CloudEvents")?;
    for _ in INDEPENDENT {
        let receiver = Independent::start_at(Ipv4Addr::LOCALHOST.into(), sdk).await?;
        sinks.independent.push(receiver);
    }
    let _ = fs::remove_file(&sinks.journal);
    let played = Box::pin(play(stage, controller, &mut sinks)).await;
    let stopped = controller.stop().await;
    fs::write(controller.configuration(), configuration)?;
    played.and(stopped)
}

async fn play(stage: &Stage, controller: &mut Controller, sinks: &mut Sinks) -> Result<()> {
    // It may have begun just now, and is to begin anew with other sinks.
    controller.kill().await?;
    sinks.set_up(stage, controller)?;
    sinks.binary.is_up(false);
    controller.start()?;
    let live = crashes(stage, controller).await?;
    let rollout = &live.rollout;
    let status = rollout.until_promoted().await?;
    let subject = subject(&live).await?;
    let story = events(&subject, &status.history);
    sinks
        .heard(&sinks.structured, &story, "the sink that is there")
        .await?;

    for receiver in &sinks.independent {
        receiver.has_heard(&story).await?;
    }

    sinks.binary.is_up(true);
    sinks
        .heard(&sinks.binary, &story, "the sink that was down")
        .await?;
    let last = status.history.last().context("no history")?.sequence;
    let noted = |status: &RolloutStatus| {
        let sinks = [STRUCTURED, BINARY, JOURNAL];
        sinks
            .iter()
            .all(|sink| status.delivered.get(*sink) == Some(&last))
    };
    rollout
        .until("to note that every sink has everything", noted)
        .await?;
    sinks.journal_tells(&subject, &status.history)?;

    let (name, rollouts) = (rollout.name().to_owned(), stage.rollouts());
    live.ends_on("v2").await?;
    rollouts.delete(&name, &DeleteParams::default()).await?;
    sinks.told_of_the_end(&subject).await?;
    gone_unseen(stage, controller, sinks).await?;
    gone_unheard(stage, controller, sinks).await
}

/// A Rollout that is deleted while no controller runs.
async fn gone_unseen(stage: &Stage, controller: &mut Controller, sinks: &Sinks) -> Result<()> {
    let live = Live::start(
        stage,
        App::new("brief", Version::v1(&stage.settings().app)).replicas(1),
    )
    .await?;
    let subject = subject(&live).await?;
    let uid = subject.uid.as_str();
    until_inventory(stage, "to have the Rollout", |uids| uids.contains_key(uid)).await?;
    live.traffic.stop().await;
    controller.kill().await?;
    let rollouts = stage.rollouts();
    rollouts
        .delete(live.rollout.name(), &DeleteParams::default())
        .await?;
    let gone = |found: Option<&DynamicObject>| found.is_none();
    stage
        .wait_for(rollouts, live.rollout.name(), "to be gone", gone)
        .await?;
    controller.start()?;
    sinks.told_of_the_end(&subject).await?;
    until_forgotten(stage, uid).await
}

/// A Rollout that is deleted while a sink is down, which then hears the whole of it from another process.
async fn gone_unheard(stage: &Stage, controller: &mut Controller, sinks: &Sinks) -> Result<()> {
    sinks.binary.is_up(false);
    let app = App::new("unheard", Version::v1(&stage.settings().app)).replicas(1);
    let live = Live::start(stage, app).await?;
    let subject = subject(&live).await?;
    let is_finished = |status: &RolloutStatus| {
        let last = status.history.last();
        last.is_some_and(|last| last.kind == FactKind::Finished)
    };
    let status = live.rollout.until("to have finished", is_finished).await?;
    live.traffic.stop().await;
    let rollouts = stage.rollouts();
    rollouts
        .delete(live.rollout.name(), &DeleteParams::default())
        .await?;
    let (uid, facts) = (subject.uid.as_str(), facts_of(&subject.uid));
    until_inventory(stage, "to have what the sink has not heard", |data| {
        data.contains_key(&facts)
    })
    .await?;
    controller.kill().await?;
    controller.start()?;
    sinks.binary.is_up(true);
    sinks.told_of_the_end(&subject).await?;
    let story = told(&events(&subject, &status.history));
    let id = subject_id(&subject);
    for sink in [&sinks.structured, &sinks.binary] {
        let heard = sink.heard().into_iter();
        let of_subject = heard.filter(|heard| heard.body["subject"]["id"] == id.as_str());
        let mut heard = distinct(of_subject.map(|heard| (heard.id, heard.body)));
        let end = heard.pop().context("nothing was heard of the Rollout")?;
        ensure!(
            heard == story,
            "of a Rollout that is gone a sink heard\n{heard:#?}\ninstead of\n{story:#?}"
        );
        ensure!(
            end.1["context"]["type"] == "dev.cdevents.service.removed.0.3.0",
            "{end:#?}"
        );
    }
    until_forgotten(stage, uid).await
}

/// The key of what the inventory has of a Rollout that is gone and was not heard.
fn facts_of(uid: &str) -> String {
    format!("{uid}.facts")
}

fn subject_id(subject: &Subject) -> String {
    format!("{}/{}", subject.namespace, subject.name)
}

async fn until_forgotten(stage: &Stage, uid: &str) -> Result<()> {
    let facts = facts_of(uid);
    until_inventory(stage, "to have forgotten the Rollout", |data| {
        !data.contains_key(uid) && !data.contains_key(&facts)
    })
    .await
}

/// Waits for what the controller has written down of the Rollouts that there are.
async fn until_inventory(
    stage: &Stage,
    what: &str,
    condition: impl Fn(&BTreeMap<String, String>) -> bool,
) -> Result<()> {
    let holds = |found: Option<&ConfigMap>| {
        found.is_some_and(|found| condition(&found.data.clone().unwrap_or_default()))
    };
    let inventory = stage.controller_api::<ConfigMap>();
    let name = kulta_e2e::INVENTORY;
    stage.wait_for(inventory, name, what, holds).await.map(drop)
}

/// A rollout with an abort and a retry in it, and ten moments at which the controller is killed.
async fn crashes(stage: &Stage, controller: &mut Controller) -> Result<Live> {
    let steps = [step::weight(20), step::pause(), step::weight(50), step::pause()];
    let live = Live::start(stage, shop(stage).steps(steps)).await?;
    let rollout = &live.rollout;
    crash(controller).await?;
    rollout.release(&v2(stage)).await?;
    crash(controller).await?;
    rollout
        .until("to have a canary pod", |status| status.updated_replicas > 0)
        .await?;
    crash(controller).await?;
    rollout
        .until("to have 20 % in force", |status| is_in_force(status, 20))
        .await?;
    crash(controller).await?;
    live.waits_at(1, 20).await?;
    crash(controller).await?;
    rollout.abort().await?;
    crash(controller).await?;
    rollout.until_aborted().await?;
    crash(controller).await?;
    rollout.retry().await?;
    crash(controller).await?;
    live.waits_at(1, 20).await?;
    rollout.resume().await?;
    crash(controller).await?;
    live.waits_at(3, 50).await?;
    rollout.resume().await?;
    crash(controller).await?;
    Ok(live)
}

async fn subject(live: &Live) -> Result<Subject> {
    let rollout = live.rollout.stage().rollouts().get(live.rollout.name()).await?;
    Ok(Subject {
        namespace: live.rollout.stage().namespace().to_owned(),
        name: live.rollout.name().to_owned(),
        uid: rollout.metadata.uid.context("no UID")?,
    })
}

fn producer() -> Producer {
    Producer {
        source: SOURCE.to_owned(),
        environment: ENVIRONMENT.to_owned(),
    }
}

/// What a sink has to hear.
fn events(subject: &Subject, history: &[Fact]) -> Vec<Event> {
    history
        .iter()
        .map(|fact| render(&producer(), subject, fact))
        .collect()
}

/// Refuses what is no event of its type.
fn check(specification: Option<&Specification>, event: &Value) -> Result<()> {
    check_own(event)?;
    specification.map_or(Ok(()), |specification| specification.check(event))
}

/// The ids and bodies of events.
fn told(story: &[Event]) -> Vec<(String, Value)> {
    let told = story
        .iter()
        .map(|event| (event.id.to_string(), event.body.clone()));
    told.collect()
}

impl Sinks {
    fn set_up(&self, stage: &Stage, controller: &Controller) -> Result<()> {
        let file = controller.configuration();
        let mut configuration: Value = serde_json::from_slice(&fs::read(file)?)?;
        // What is left of other scenarios is another story.
        let filter = json!({"namespaces": [stage.namespace()]});
        configuration["events"] = json!({
            "environment": ENVIRONMENT,
            "source": SOURCE,
            "sinks": {
                STRUCTURED: {"http": {"address": self.structured.address()}, "filter": filter},
                BINARY: {"http": {"address": self.binary.address(), "mode": "binary"}, "filter": filter},
                JOURNAL: {"file": {"path": self.journal}, "filter": filter},
            },
        });
        for ((name, mode), receiver) in INDEPENDENT.iter().zip(&self.independent) {
            let http = json!({"address": receiver.address(), "mode": mode});
            configuration["events"]["sinks"][name] = json!({"http": http, "filter": filter});
        }
        fs::write(file, configuration.to_string())?;
        Ok(())
    }

    /// Waits until a sink has heard `story`, and refuses another order, other events, and other words.
    async fn heard(&self, sink: &Receiver, story: &[Event], which: &str) -> Result<()> {
        let last = story.last().context("an empty story")?.id.to_string();
        let what = format!("{which} to hear the end of the story");
        sink.until(&what, |heard| heard.iter().any(|event| event.id == last))
            .await?;
        for event in sink.heard() {
            check(self.specification.as_ref(), &event.body)?;
        }
        let heard = distinct(sink.heard().into_iter().map(|event| (event.id, event.body)));
        let told = told(story);
        ensure!(
            heard == told,
            "{which} heard another story:\n{heard:#?}\ninstead of\n{told:#?}"
        );
        Ok(())
    }

    /// The file gives back the very history.
    fn journal_tells(&self, subject: &Subject, history: &[Fact]) -> Result<()> {
        let text = fs::read_to_string(&self.journal)?;
        let told = text
            .lines()
            .map(kulta_events::read)
            .collect::<Result<Vec<_>, _>>()?;
        ensure!(
            told.iter().all(|told| told.subject == *subject),
            "another Rollout: {text}"
        );
        let facts = told.into_iter().filter_map(|told| told.fact);
        let facts = distinct(facts.map(|fact| (fact.sequence, fact)));
        let facts: Vec<Fact> = facts.into_iter().map(|(_, fact)| fact).collect();
        ensure!(
            facts == history,
            "the file tells {facts:#?}\ninstead of\n{history:#?}"
        );
        Ok(())
    }

    async fn told_of_the_end(&self, subject: &Subject) -> Result<()> {
        let id = removed(&producer(), subject, jiff::Timestamp::now())
            .id
            .to_string();
        for sink in [&self.structured, &self.binary] {
            let what = "a sink to hear that the Rollout is gone";
            sink.until(what, |heard| heard.last().is_some_and(|event| event.id == id))
                .await?;
            let removed = sink.heard().pop().context("nothing was heard")?;
            check(self.specification.as_ref(), &removed.body)?;
        }
        Ok(())
    }
}

/// The first of each: what is told again is known by its id.
fn distinct<Id: Clone + Ord, T>(told: impl Iterator<Item = (Id, T)>) -> Vec<(Id, T)> {
    let mut seen = BTreeSet::new();
    told.filter(|(id, _)| seen.insert(id.clone())).collect()
}
