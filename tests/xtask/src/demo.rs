//! `cargo xtask demo`: KULTA moves live traffic through a real gateway, on the local cluster or on the user's own.
//!
//! On the local cluster this program starts itself once more inside the cluster's network, where the gateway is; the
//! outer one brings the cluster up, tells the inner one of signals, and takes the cluster down.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Args;
use kulta_e2e::{AppImages, ControllerSource, GatewaySettings, StageSettings, Traffic, images, limits};
use kulta_test_cluster::progress::{Progress, answer};
use kulta_test_cluster::{Cluster, ClusterOptions, settings};

use crate::build::{self, Profile, Programs};
use crate::interrupt::Interrupt;
use crate::local::{self, Local, MANIFESTS};

mod gated;
mod hints;
mod listeners;
mod measured;
mod play;
mod scene;
mod script;
mod view;

/// Whose folder the generated files are in.
const USER: &str = "demo";

/// Requests over the whole play: the measured steps and what lies between them take two to three minutes.
const DEFAULT_REQUESTS: u64 = 60_000;

/// How the demo is played, and where.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The local cluster: used if it is up, brought up and taken down otherwise
    #[arg(long, default_value = settings::DEFAULT_CLUSTER)]
    name: String,
    /// Leave everything as it is at the end, and say what to try next
    #[arg(long)]
    keep: bool,
    /// Send at least so many requests from the first to the last act
    #[arg(long, default_value_t = DEFAULT_REQUESTS)]
    requests: u64,
    /// Requests per second [default: 300 for each processor, at most 1000]
    #[arg(long)]
    rate: Option<u32>,
    /// Play on the cluster of this kubeconfig, without root, instead of the local one
    #[arg(long, value_name = "FILE", requires = "gateway")]
    kubeconfig: Option<PathBuf>,
    /// The Gateway there, which must take routes of all namespaces
    #[arg(long, value_name = "NAMESPACE/NAME", requires = "kubeconfig", value_parser = gateway)]
    gateway: Option<GatewayName>,
    /// Where that Gateway listens for HTTP [default: what its status says]
    #[arg(long, value_name = "HOST:PORT", requires = "kubeconfig")]
    address: Option<String>,
    /// KULTA's image, from where that cluster can pull it; not needed where KULTA is installed
    #[arg(long, value_name = "IMAGE:TAG", requires = "kubeconfig")]
    controller_image: Option<String>,
    /// The sample application's image, from where that cluster can pull it
    #[arg(long, value_name = "IMAGE:TAG", requires = "kubeconfig")]
    app_image: Option<String>,
    /// Only write the images that a cluster of your own needs into this folder, as OCI archives
    #[arg(long, value_name = "FOLDER", conflicts_with = "kubeconfig")]
    write_images: Option<PathBuf>,
}

#[derive(Clone)]
struct GatewayName {
    namespace: String,
    name: String,
}

fn gateway(text: &str) -> Result<GatewayName, String> {
    let (namespace, name) = text.split_once('/').ok_or("write NAMESPACE/NAME")?;
    Ok(GatewayName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    })
}

/// Plays the demo.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    if let Some(stage) = StageSettings::from_environment()? {
        return play::run(Arc::new(stage), arguments.options());
    }
    if let Some(folder) = &arguments.write_images {
        return write_images(folder);
    }
    let Some(kubeconfig) = &arguments.kubeconfig else {
        return run_locally(arguments);
    };
    let stage = arguments.own_cluster(kubeconfig)?;
    let work = stage.work.clone();
    let played = play::run(Arc::new(stage), arguments.options());
    // Generated files only: nothing is lost where they stay.
    let _ = std::fs::remove_dir_all(work);
    let code = played?;
    if arguments.keep {
        hints::tell(&format!("kubectl --kubeconfig {}", kubeconfig.display()), None);
    }
    Ok(code)
}

impl Arguments {
    fn options(&self) -> play::Options {
        play::Options {
            rate: self.rate.unwrap_or_else(Traffic::rate_of_machine),
            requests: self.requests,
            keep: self.keep,
        }
    }

    fn own_cluster(&self, kubeconfig: &Path) -> Result<StageSettings> {
        let gateway = self
            .gateway
            .as_ref()
            .context("which Gateway? --gateway NAMESPACE/NAME")?;
        let Some(app) = &self.app_image else {
            bail!(
                "a cluster of your own needs images that it can pull: name the sample application's with --app-image \
                 IMAGE:TAG and, where KULTA is not installed, its own with --controller-image IMAGE:TAG. `cargo xtask \
                 demo --write-images FOLDER` writes both as OCI archives, for example for `skopeo copy \
                 oci-archive:FOLDER/kulta.tar docker://REGISTRY/kulta:demo` or `kind load image-archive`"
            );
        };
        let work = std::env::temp_dir().join(format!("kulta-demo-{}", std::process::id()));
        std::fs::create_dir_all(&work)?;
        Ok(StageSettings {
            kubeconfig: kubeconfig
                .canonicalize()
                .with_context(|| kubeconfig.display().to_string())?,
            cluster: None,
            gateway: GatewaySettings {
                namespace: gateway.namespace.clone(),
                name: gateway.name.clone(),
                address: self.address.as_deref().map(resolve).transpose()?,
            },
            controller: ControllerSource {
                image: self.controller_image.clone(),
                program: None,
            },
            kubectl_plugin: None,
            app: AppImages {
                v1: app.clone(),
                v2: app.clone(),
                bad_v3: app.clone(),
            },
            prometheus: None,
            cloud_events_sdk: None,
            manifests: build::repository()?.join(MANIFESTS),
            work,
        })
    }
}

/// The archives name their images as the local cluster does: whoever pushes them gives them another name.
fn write_images(folder: &Path) -> Result<ExitCode> {
    let programs = Programs::build(Profile::Release, None)?;
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let controller = images::controller(programs.path(build::CONTROLLER)?)?;
    let (_, versions) = images::app(programs.path(build::SAMPLE_APP)?)?;
    let app = versions.first().context("there is no image of the application")?;
    for (archive, file) in [(&controller, "kulta.tar"), (app, "kulta-sample-app.tar")] {
        let file = folder.join(file);
        std::fs::write(&file, archive.bytes()).with_context(|| file.display().to_string())?;
        answer(&format!("{} {}", file.display(), archive.name()));
    }
    Ok(ExitCode::SUCCESS)
}

fn resolve(address: &str) -> Result<std::net::SocketAddr> {
    let mut found = std::net::ToSocketAddrs::to_socket_addrs(address).with_context(|| address.to_owned())?;
    found.next().with_context(|| format!("{address} has no address"))
}

fn run_locally(arguments: &Arguments) -> Result<ExitCode> {
    let options = ClusterOptions::named(&arguments.name)?;
    let interrupt = Interrupt::catch()?;
    let found = local::is_up(&options);
    let played = play_locally(&options, &interrupt);
    if !arguments.keep && !found {
        let ended = Cluster::down(&options, &Progress::new());
        // Why the demo failed says more than why what it left cannot be removed.
        return played.and_then(|played| ended.map(|()| played.code));
    }
    let played = played?;
    if arguments.keep {
        let inside = format!("cargo xtask cluster exec --name {} --", options.name);
        hints::tell(&format!("{inside} kubectl"), Some((&inside, &played.gateway)));
        answer(&format!(
            "  end it             cargo xtask cluster down --name {}",
            options.name
        ));
    }
    Ok(played.code)
}

struct Played {
    code: ExitCode,
    gateway: String,
}

fn play_locally(options: &ClusterOptions, interrupt: &Interrupt) -> Result<Played> {
    let local = Local::prepare(options, USER, Profile::Dev, interrupt)?;
    interrupt.check()?;
    let status = interrupt.run(&mut local.enter_again()?)?;
    interrupt.check()?;
    let code = match status.code() {
        Some(0) => ExitCode::SUCCESS,
        Some(code) if code == i32::from(play::NOT_GOOD) => ExitCode::from(play::NOT_GOOD),
        _ => bail!("the demo was not played to its end: see above"),
    };
    Ok(Played {
        code,
        gateway: local.gateway_address(),
    })
}

/// Answers of one measured step: an equal share of the requests, and never too few to judge.
fn answers_of_step(requests: u64) -> u64 {
    (requests / script::PARTS).max(limits::MEASURED_ANSWERS)
}
