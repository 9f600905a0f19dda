//! Of two replicas one works. Does the other one take over, whatever becomes of the first, and does that one then write nothing?

use std::fs;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use kulta_e2e::app::step;
use kulta_e2e::{App, Controller, Stage, Version, Wire};
use kulta_test_cluster::progress::complain;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::live::{HALF_WAY, Live, half_way, v2};

/// The lease of which the holder works.
const LEASE: &str = "kulta-controller-lock";
/// Where the audit log says by which token a request came.
const CREDENTIAL: &str = "/user/extra/authentication.kubernetes.io~1credential-id/0";

/// Two replicas: the house's controller, and another one over a wire of its own.
struct Replicas<'house> {
    one: &'house mut Controller,
    other: Controller,
    wire: Wire,
}

pub(crate) async fn replica_takes_over_and_the_former_leader_writes_nothing_more(
    stage: &Stage,
    controller: &mut Controller,
) -> Result<()> {
    controller.until_it_leads(true).await?;
    let (other, wire) = controller.replica(stage.settings()).await?;
    let mut replicas = Replicas {
        one: controller,
        other,
        wire,
    };
    replicas.other.start()?;
    replicas.other.until_it_is_ready().await?;
    killed(stage, &mut replicas).await?;
    frozen(stage, &mut replicas).await?;
    cut_off(stage, &mut replicas).await?;
    replicas.other.stop().await
}

/// The leader is killed in the middle of a rollout, which goes on.
async fn killed(stage: &Stage, replicas: &mut Replicas<'_>) -> Result<()> {
    let live = rollout(stage, "killed").await?;
    replicas.one.kill().await?;
    let begun = Instant::now();
    replicas.other.until_it_leads(true).await?;
    told("a leader that was killed", begun);
    live.rollout.resume().await?;
    live.ends_on("v2").await?;
    // It comes back as one that follows.
    replicas.one.start()?;
    replicas.one.until_it_is_ready().await?;
    replicas.one.until_it_leads(false).await
}

/// The leader is stopped past its lease, and goes on when another one has taken over.
async fn frozen(stage: &Stage, replicas: &mut Replicas<'_>) -> Result<()> {
    let live = rollout(stage, "frozen").await?;
    let former = Credential::of_the_leader(stage)?;
    // So that it has something to write just now, or is writing it.
    live.rollout.resume().await?;
    replicas.other.signal(Signal::SIGSTOP)?;
    let begun = Instant::now();
    let taken = replicas.one.until_it_leads(true).await;
    told("a leader that was frozen", begun);
    let promoted = match taken {
        Ok(()) => live.rollout.until_promoted().await.map(drop),
        failed => failed,
    };
    let since = end_of_audit(stage)?;
    // Whatever has happened, it must not stay stopped.
    replicas.other.signal(Signal::SIGCONT)?;
    promoted?;
    replicas.other.until_it_leads(false).await?;
    live.ends_on("v2").await?;
    former.has_written_nothing(stage, since)
}

/// The leader ends in order; then the next one is cut off from the API server.
async fn cut_off(stage: &Stage, replicas: &mut Replicas<'_>) -> Result<()> {
    replicas.one.stop().await?;
    let begun = Instant::now();
    replicas.other.until_it_leads(true).await?;
    told("a leader that ended in order", begun);
    replicas.one.start()?;
    replicas.one.until_it_is_ready().await?;
    let live = rollout(stage, "cut-off").await?;
    let former = Credential::of_the_leader(stage)?;

    replicas.wire.cut();
    let (begun, since) = (Instant::now(), end_of_audit(stage)?);
    replicas.one.until_it_leads(true).await?;
    told("a leader that was cut off", begun);
    // By its own clock, for nobody can tell it.
    replicas.other.until_it_leads(false).await?;
    live.rollout.resume().await?;
    live.rollout.until_promoted().await?;
    replicas.wire.mend();
    replicas.other.until_it_is_ready().await?;
    replicas.other.until_it_leads(false).await?;
    live.ends_on("v2").await?;
    former.has_written_nothing(stage, since)
}

fn told(which: &str, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    complain(&format!("{which} is followed after {seconds:.1} s"));
}

/// A rollout that waits half way.
async fn rollout(stage: &Stage, name: &str) -> Result<Live> {
    let app = App::new(name, Version::v1(&stage.settings().app)).replicas(1);
    let steps = half_way().into_iter().chain([step::weight(80)]);
    let live = Live::start(stage, app.steps(steps)).await?;
    live.rollout.release(&v2(stage)).await?;
    live.waits_at(HALF_WAY, 50).await?;
    Ok(live)
}

/// By which token a replica asks.
struct Credential(String);

impl Credential {
    /// That of the replica which renews the lease now.
    fn of_the_leader(stage: &Stage) -> Result<Self> {
        let mut renewals = audit(stage, 0)?.into_iter().filter(|event| {
            let is_lease = event.pointer("/objectRef/name").and_then(Value::as_str) == Some(LEASE);
            is_lease && text(event, "/verb") == "update" && is_done(event)
        });
        let last = renewals.next_back().context("nobody has renewed the lease")?;
        let credential = text(&last, CREDENTIAL).to_owned();
        ensure!(!credential.is_empty(), "the audit log tells no tokens: {last}");
        Ok(Self(credential))
    }

    /// Refuses any write of what belongs to the stage that was done for it.
    fn has_written_nothing(&self, stage: &Stage, since: u64) -> Result<()> {
        let own = |event: &Value| {
            text(event, CREDENTIAL) == self.0 && text(event, "/objectRef/namespace") == stage.namespace()
        };
        let written: Vec<Value> = audit(stage, since)?
            .into_iter()
            .filter(|event| own(event) && is_done(event) && !text(event, "/requestURI").contains("dryRun"))
            .collect();
        ensure!(written.is_empty(), "the former leader has written: {written:#?}");
        Ok(())
    }
}

fn text<'event>(event: &'event Value, pointer: &str) -> &'event str {
    event.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn is_done(event: &Value) -> bool {
    let code = event.pointer("/responseStatus/code").and_then(Value::as_u64);
    code.is_some_and(|code| (200..300).contains(&code))
}

fn end_of_audit(stage: &Stage) -> Result<u64> {
    Ok(fs::metadata(stage.cluster()?.audit_log())?.len())
}

/// The writes that the API server has told of since it had written so many bytes.
fn audit(stage: &Stage, since: u64) -> Result<Vec<Value>> {
    let text = fs::read(stage.cluster()?.audit_log())?;
    let from = usize::try_from(since)?.min(text.len());
    let text = String::from_utf8_lossy(text.get(from..).unwrap_or_default()).into_owned();
    // The last line may be half written.
    Ok(text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect())
}
