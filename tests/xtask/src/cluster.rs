//! `cargo xtask cluster`: the real Kubernetes of tests and demo, by hand.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use kulta_test_cluster::image::Image;
use kulta_test_cluster::progress::{Progress, answer};
use kulta_test_cluster::{Cluster, ClusterOptions, Component, selfcheck, settings};

use crate::build;
use crate::local::SELFCHECK_CLUSTERS;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Bring it up, or whatever of it is not up.
    Up(Which),
    /// End it and remove what it wrote, except its logs.
    Down(Which),
    /// One line for each part; fails if one is not well.
    Status(Which),
    /// Where the administrator's kubeconfig is.
    Kubeconfig(Which),
    /// Run a program inside its network, with kubectl at hand.
    Exec {
        #[command(flatten)]
        which: Which,
        /// The program and its arguments.
        #[arg(last = true, required = true)]
        words: Vec<String>,
    },
    /// Make an image of one static program known to its node.
    LoadImage {
        #[command(flatten)]
        which: Which,
        /// HOST/NAME:TAG, as pods name it.
        image: String,
        /// The program.
        program: PathBuf,
    },
    /// Check all of it on three clusters of its own; takes some minutes.
    Selfcheck,
}

#[derive(Args)]
pub(crate) struct Which {
    /// Clusters of different names run side by side.
    #[arg(long, default_value = settings::DEFAULT_CLUSTER)]
    name: String,
}

pub(crate) fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Up(which) => up(&which.options()?),
        Command::Down(which) => {
            Cluster::down(&which.options()?, &Progress::new()).map(|()| ExitCode::SUCCESS)
        }
        Command::Status(which) => status(&which.options()?),
        Command::Kubeconfig(which) => {
            answer(
                &Cluster::attach(&which.options()?)?
                    .kubeconfig()
                    .display()
                    .to_string(),
            );
            Ok(ExitCode::SUCCESS)
        }
        Command::Exec { which, words } => exec(&which.options()?, &words),
        Command::LoadImage {
            which,
            image,
            program,
        } => load_image(&which.options()?, &image, &program),
        Command::Selfcheck => {
            let [first, second, third] = SELFCHECK_CLUSTERS.map(ClusterOptions::named);
            let clusters = [first?, second?, third?];
            selfcheck::run(&clusters, driver, &Progress::new()).map(|()| ExitCode::SUCCESS)
        }
    }
}

impl Which {
    fn options(&self) -> Result<ClusterOptions> {
        ClusterOptions::named(&self.name)
    }
}

/// This program, bringing a cluster up.
fn driver(options: &ClusterOptions) -> std::process::Command {
    let mut driver = std::process::Command::new(build::own_program());
    driver.args(["cluster", "up", "--name", &options.name]);
    driver
}

fn up(options: &ClusterOptions) -> Result<ExitCode> {
    let progress = Progress::new();
    let cluster = Cluster::up(options, &progress)?;
    progress.note(&format!(
        "the cluster {} is up; its logs are in {}",
        options.name,
        cluster.logs().display()
    ));
    Ok(ExitCode::SUCCESS)
}

fn status(options: &ClusterOptions) -> Result<ExitCode> {
    let cluster = Cluster::attach(options)?;
    let mut well = true;
    for component in Component::ALL {
        let state = match cluster.check(component) {
            Ok(()) => String::from("healthy"),
            Err(error) => {
                well = false;
                format!("{error:#}").replace('\n', " ")
            }
        };
        let pid = cluster
            .pid(component)
            .map_or_else(|| String::from("-"), |pid| pid.to_string());
        answer(&format!("{:<24} {pid:>8}  {state}", component.name()));
    }
    Ok(if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn exec(options: &ClusterOptions, words: &[String]) -> Result<ExitCode> {
    let (program, arguments) = words.split_first().context("which program?")?;
    let status = Cluster::attach(options)?
        .enter(program)
        .args(arguments)
        .status()?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

fn load_image(options: &ClusterOptions, image: &str, program: &std::path::Path) -> Result<ExitCode> {
    let name = program
        .file_name()
        .context("the program has no name")?
        .to_string_lossy()
        .into_owned();
    let content = std::fs::read(program).with_context(|| program.display().to_string())?;
    let archive = Image::new(image, &format!("/{name}"), content).archive()?;
    Cluster::attach(options)?.load_image(&archive)?;
    answer(&format!("{} {}", archive.name(), archive.digest()));
    Ok(ExitCode::SUCCESS)
}
