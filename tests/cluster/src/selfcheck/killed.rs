//! Drivers that are killed while they bring a cluster up.

use std::process::Command;

use anyhow::Result;

use crate::cluster::{Cluster, ClusterOptions};
use crate::component::Component;
use crate::layout::Layout;
use crate::progress::Progress;
use crate::sandbox;
use crate::settings::HEALTHY_WITHIN;
use crate::wait;

type Moment = fn(&Layout) -> bool;

/// When a driver is killed: while it writes what the parts read, and while it starts them.
const MOMENTS: [(&str, Moment); 2] = [
    ("the first process", |layout| !sandbox::keepers(layout).is_empty()),
    ("the record of the walls", |layout| layout.record().exists()),
];

pub(super) fn up_completes(
    options: &ClusterOptions,
    up: impl Fn(&ClusterOptions) -> Command,
    progress: &Progress,
) -> Result<()> {
    let layout = Layout::new(&options.cache, &options.name)?;
    for (what, reached) in MOMENTS {
        let mut driver = up(options).spawn()?;
        let seen = wait::until(what, HEALTHY_WITHIN, || Ok(reached(&layout).then_some(())));
        // By SIGKILL.
        driver.kill()?;
        driver.wait()?;
        seen?;
    }
    let completed = Cluster::up(options, progress)?;
    Component::ALL
        .into_iter()
        .try_for_each(|component| completed.check(component))
}
