//! From `helm upgrade --install` to the controller being ready, with its image on the node.

use std::time::Instant;

use anyhow::{Context, Result};
use kulta_e2e::{Distribution, Installed, StageSettings};
use kulta_test_cluster::progress::Progress;

use crate::limits;

/// Installs it again and again, as users do, and takes it out in between. The definitions stay, as they do for users.
pub(crate) async fn measure(settings: &StageSettings, progress: &Progress) -> Result<Distribution> {
    let installed = Installed::of(settings).await?;
    progress.begin("installing KULTA for the first time");
    installed.apply().await?;
    let mut times = Vec::new();
    for number in 1..=limits::INSTALLS {
        installed.remove().await?;
        progress.begin(&format!(
            "installing KULTA, {number} of {} times",
            limits::INSTALLS
        ));
        let begun = Instant::now();
        installed.apply().await?;
        times.push(begun.elapsed());
    }
    installed.remove().await?;
    Distribution::of(times).context("nothing was installed")
}
