//! A real Kubernetes on one Linux machine, from package registries alone.
//!
//! etcd, the control plane, a kubelet with containerd, kube-proxy, `CoreDNS`, a Gateway API gateway (Contour and
//! Envoy) and Prometheus run as processes inside namespaces of their own. The README says how, and why so.

mod artifacts;
mod cache;
mod certificates;
mod cluster;
mod command;
mod component;
mod configuration;
pub mod digest;
pub mod image;
mod layout;
mod network;
mod pins;
mod process;
pub mod program;
pub mod progress;
mod requirements;
mod sandbox;
pub mod selfcheck;
pub mod settings;
mod startup;
mod strangers;
mod tool;
pub mod wait;

pub use artifacts::debian_packages;
pub use cache::Cache;
pub use cluster::{Cluster, ClusterOptions};
pub use component::Component;
pub use process::pids;
pub use tool::tool;
