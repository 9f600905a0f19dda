//! The stage on which the end-to-end tests and the demo play: a namespace of its own on a real cluster, an application
//! behind a real gateway, KULTA, and load that counts every failure.
//!
//! Start with [`Stage`]: what a scenario is given. [`App`] is what it puts there, [`Controller`] who moves the traffic,
//! [`Traffic`] what is measured.

pub mod app;
mod collector;
mod controller;
pub mod describe;
mod distribution;
pub mod freeze;
pub mod images;
mod independent;
mod install;
mod installed;
mod manifest;
mod presence;
mod receiver;
pub mod request;
pub mod rights;
pub mod rollout;
mod settings;
mod stage;
mod traffic;
mod wait;
mod wire;

pub use app::{App, Version};
pub use collector::Collector;
pub use controller::{Controller, controller_kubeconfig, plugin_directory};
pub use distribution::Distribution;
pub use independent::Independent;
pub use install::{ADMISSION_POLICY, ARGO_LEASE_NAMESPACE, INVENTORY, Installation, NAMESPACE, relative};
pub use installed::{Installed, RELEASE};
pub use presence::{Presence, Visit};
pub use receiver::{Heard, Receiver};
pub use rollout::Rollout;
pub use settings::{AppImages, ControllerSource, GatewaySettings, StageSettings, limits};
pub use stage::{NamespaceName, Stage, grpc_route_resource, http_route_resource};
pub use traffic::{Measurement, Traffic};
pub use wait::eventually;
pub use wire::Wire;
