//! The order in which everything is measured: on a small population first, so that a large one disturbs nothing.

use std::sync::Arc;

use anyhow::Result;
use kulta_e2e::{Controller, Distribution, NamespaceName, Stage, StageSettings};
use kulta_test_cluster::progress::Progress;

use crate::audit::Audit;
use crate::delivery::{self, Delivery};
use crate::memory::Meter;
use crate::population::{Pods, Population};
use crate::probe::Probe;
use crate::report::Report;
use crate::takeover::{self, Takeover};
use crate::{
    Measure, Options, criterion_folder, decision, install, latency, limits, machine, reaction, rollback,
    start,
};

/// The beginning of the name of the namespace.
pub(crate) const NAMESPACE: &str = "bench";

/// Measures what is asked for.
pub(crate) async fn play(settings: &Arc<StageSettings>, options: &Options) -> Result<Report> {
    let mut report = Report::new(machine::Machine::look()?);
    if options.wants(Measure::Decide) {
        report.decide = decision::read(&criterion_folder(&settings.work))?;
    }
    if options.wants(Measure::Install) {
        report.install = Some(install::measure(settings, &Progress::new()).await?);
    }
    if wants_any(
        options,
        &[
            Measure::Change,
            Measure::Reaction,
            Measure::Takeover,
            Measure::Rollback,
            Measure::Delivery,
            Measure::Memory,
            Measure::Start,
        ],
    ) {
        Stage::remove_leftovers(settings, NAMESPACE).await?;
        let stage = Stage::open(Arc::clone(settings), NamespaceName::Fresh(NAMESPACE)).await?;
        let measured = on_cluster(&stage, options, &mut report).await;
        stage.close().await?;
        measured?;
    }
    report.machine.look_again()?;
    Ok(report)
}

async fn on_cluster(stage: &Stage, options: &Options, report: &mut Report) -> Result<()> {
    let progress = Progress::new();
    progress.begin("installing KULTA");
    let mut controller = Controller::process(stage.settings()).await?;
    let probe = Probe::Process;
    let mut population = Population::new(stage.clone(), Pods::None);
    if options.wants(Measure::Memory) {
        report
            .memory
            .push(meter(&mut controller, &probe, &progress).base().await?);
    }
    if options.wants(Measure::Takeover) {
        report.takeover = Some(take_over(stage.settings(), &mut controller, &probe, &progress).await?);
    }
    if options.wants(Measure::Reaction) {
        report.reaction = Some(react(stage.settings(), &probe, &progress).await?);
    }
    if options.wants(Measure::Rollback) {
        report.rollback = Some(roll_back(stage.settings(), &progress).await?);
    }
    if options.wants(Measure::Delivery) {
        report.delivery = Some(deliver(stage.settings(), &mut controller, &probe, &progress).await?);
    }
    for size in limits::POPULATIONS {
        let is_small = size == limits::ROLLOUTS;
        let small_wanted = is_small && wants_any(options, &[Measure::Change, Measure::Start]);
        if !small_wanted && !options.wants(Measure::Memory) {
            continue;
        }
        progress.begin(&format!("making {size} Rollouts"));
        population.grow(size).await?;
        probe.idle_with(size).await?;
        if options.wants(Measure::Memory) {
            report.memory.push(
                meter(&mut controller, &probe, &progress)
                    .with(&mut population)
                    .await?,
            );
        }
        if is_small && options.wants(Measure::Change) {
            let audit = Audit::from_now(stage.cluster()?.audit_log())?;
            report.change = Some(latency::measure(&mut population, audit, &progress).await?);
        }
        if is_small && options.wants(Measure::Start) {
            report.start = Some(start::measure(&mut controller, &mut population, &probe, &progress).await?);
        }
    }
    controller.stop().await
}

/// In a namespace of its own, of which nothing is left when the rest is measured.
async fn take_over(
    settings: &StageSettings,
    controller: &mut Controller,
    probe: &Probe,
    progress: &Progress,
) -> Result<Takeover> {
    let stage = Stage::open(Arc::new(settings.clone()), NamespaceName::Fresh(NAMESPACE)).await?;
    let measured = takeover::measure(&stage, controller, probe, progress).await;
    let closed = stage.close_and_wait().await;
    measured.and_then(|takeover| closed.map(|()| takeover))
}

/// In a namespace of its own, too.
async fn react(settings: &StageSettings, probe: &Probe, progress: &Progress) -> Result<Distribution> {
    let stage = Stage::open(Arc::new(settings.clone()), NamespaceName::Fresh(NAMESPACE)).await?;
    let measured = reaction::measure(&stage, probe, progress).await;
    let closed = stage.close_and_wait().await;
    measured.and_then(|times| closed.map(|()| times))
}

/// In a namespace of its own, too.
async fn roll_back(settings: &StageSettings, progress: &Progress) -> Result<Distribution> {
    let stage = Stage::open(Arc::new(settings.clone()), NamespaceName::Fresh(NAMESPACE)).await?;
    let measured = rollback::measure(&stage, progress).await;
    let closed = stage.close_and_wait().await;
    measured.and_then(|times| closed.map(|()| times))
}

/// In a namespace of its own, too.
async fn deliver(
    settings: &StageSettings,
    controller: &mut Controller,
    probe: &Probe,
    progress: &Progress,
) -> Result<Delivery> {
    let stage = Stage::open(Arc::new(settings.clone()), NamespaceName::Fresh(NAMESPACE)).await?;
    let measured = delivery::measure(&stage, controller, probe, progress).await;
    let closed = stage.close_and_wait().await;
    measured.and_then(|delivery| closed.map(|()| delivery))
}

fn wants_any(options: &Options, measures: &[Measure]) -> bool {
    measures.iter().any(|&measure| options.wants(measure))
}

fn meter<'a>(controller: &'a mut Controller, probe: &'a Probe, progress: &'a Progress) -> Meter<'a> {
    Meter {
        controller,
        probe,
        progress,
    }
}
