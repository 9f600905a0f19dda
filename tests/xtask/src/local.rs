//! What the demo and the end-to-end tests need of the local cluster: up, with the images, and what to tell the stage.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use kulta_e2e::{ControllerSource, GatewaySettings, StageSettings, images};
use kulta_test_cluster::progress::{Progress, complain};
use kulta_test_cluster::{Cluster, ClusterOptions, settings};

use crate::build::{self, Profile, Programs};
use crate::interrupt::Interrupt;

/// KULTA's kustomization, from the repository's folder.
pub(crate) const MANIFESTS: &str = "deploy/kustomize";

/// The clusters of `cargo xtask cluster selfcheck`.
pub(crate) const SELFCHECK_CLUSTERS: [&str; 3] = ["selfcheck-1", "selfcheck-2", "selfcheck-3"];

/// A local cluster with the images on its node.
pub(crate) struct Local {
    cluster: Cluster,
    stage: StageSettings,
}

/// Whether the cluster is up already.
pub(crate) fn is_up(options: &ClusterOptions) -> bool {
    Cluster::attach(options).is_ok()
}

impl Local {
    /// Brings the cluster up, or whatever of it is not up, and loads the images. `user` names the folder of logs and
    /// generated files.
    ///
    /// # Errors
    /// When that can't be, or `interrupt` is told meanwhile.
    pub(crate) fn prepare(
        options: &ClusterOptions,
        user: &str,
        profile: Profile,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        // By a process that an interruption ends: what is built the first time takes long.
        let up = interrupt.run(&mut build::itself(&["cluster", "up", "--name", &options.name]))?;
        interrupt.check()?;
        ensure!(up.success(), "the cluster does not come up: see above");
        let cluster = Cluster::attach(options)?;
        // A run that was killed has left its controller and its load in the network, where they would meet this one's.
        cluster.end_strangers()?;
        complain("building the controller and the application");
        let programs = Programs::build(profile, Some(interrupt))?;
        let progress = Progress::new();
        progress.begin("loading the images");
        let controller = programs.path(build::CONTROLLER)?;
        let image = images::controller(controller)?;
        let (app, archives) = images::app(programs.path(build::SAMPLE_APP)?)?;
        for archive in archives.iter().chain([&image]) {
            cluster.load_image(archive)?;
        }
        let work = cluster.logs().join(user);
        fs::create_dir_all(&work).with_context(|| work.display().to_string())?;
        let stage = StageSettings {
            kubeconfig: cluster.kubeconfig(),
            cluster: Some(options.name.clone()),
            gateway: GatewaySettings {
                namespace: settings::GATEWAY_NAMESPACE.to_owned(),
                name: settings::GATEWAY_NAME.to_owned(),
                address: Some(cluster.gateway_address().parse()?),
            },
            controller: ControllerSource {
                image: Some(image.name().to_owned()),
                program: Some(controller.to_owned()),
            },
            kubectl_plugin: None,
            app,
            prometheus: Some(cluster.prometheus_url()),
            cloud_events_sdk: Some(cluster.cloud_events_sdk()),
            manifests: build::repository()?.join(MANIFESTS),
            work,
        };
        Ok(Self { cluster, stage })
    }

    /// Loads the controller's image under its other name, too, for scenarios that upgrade to it.
    pub(crate) fn load_controller_again(&self) -> Result<()> {
        let program = self.stage.controller.program.as_deref();
        let again = images::controller_again(program.context("there is no program of the controller")?)?;
        self.cluster.load_image(&again)
    }

    /// Tells the stage where KULTA's plugin for kubectl is.
    pub(crate) fn provide_kubectl_plugin(&mut self, program: &std::path::Path) {
        self.stage.kubectl_plugin = Some(program.to_owned());
    }

    /// A command inside the cluster's network that is told of the stage.
    pub(crate) fn enter(&self, program: &std::path::Path) -> Result<Command> {
        let program = program.to_str().context("a path that is not UTF-8")?;
        let (variable, value) = self.stage.to_environment()?;
        let mut command = self.cluster.enter(program);
        command.env(variable, value);
        Ok(command)
    }

    /// This program inside the cluster's network, with the arguments that it was started with.
    pub(crate) fn enter_again(&self) -> Result<Command> {
        let mut command = self.enter(&build::own_program())?;
        command.args(std::env::args_os().skip(1));
        Ok(command)
    }

    /// Where the gateway listens inside the network.
    pub(crate) fn gateway_address(&self) -> String {
        self.cluster.gateway_address()
    }

    /// The folder of logs and generated files.
    pub(crate) fn work(&self) -> &std::path::Path {
        &self.stage.work
    }
}
