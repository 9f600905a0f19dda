//! Do the controller's spans reach a collector?

use anyhow::{Result, ensure};
use kulta_e2e::{Collector, Controller, Stage};

use crate::{expect, shop};

/// How the controller is told where the collector is; its flag reads it.
const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// What it is called there.
const SERVICE: &str = "kulta";

pub(crate) async fn decisions_are_events_of_spans_that_a_collector_takes(
    stage: &Stage,
    controller: &mut Controller,
) -> Result<()> {
    let program = stage.cluster()?.collector();
    let collector = Collector::start(&program, stage.settings().work.join("collector.log"))?;
    controller.stop().await?;
    controller.set_variable(ENDPOINT, Some(collector.address()));
    controller.start()?;
    let played = play(stage, &collector).await;
    let stopped = controller.stop().await;
    controller.set_variable(ENDPOINT, None);
    played.and(stopped)
}

async fn play(stage: &Stage, collector: &Collector) -> Result<()> {
    let rollout = shop::small(stage).deploy(stage).await?;
    expect::healthy(&rollout).await?;

    let name = format!("-> rollout: Str({}/{})", stage.namespace(), rollout.name());
    let whole = [": reconcile", &name, "-> Name: decided"];
    let reconcile = collector.span(SERVICE, &whole).await?;
    let id = reconcile
        .lines()
        .find_map(|line| line.trim().strip_prefix("ID             : "));
    ensure!(id.is_some(), "a span without an identity: {reconcile}");
    let parent = format!("Parent ID      : {}", id.unwrap_or_default());
    collector.span(SERVICE, &[": apply", &parent]).await.map(drop)
}
