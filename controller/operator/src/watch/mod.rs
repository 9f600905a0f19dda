//! What the watches see, kept as projections.
//!
//! One feed per kind ([`feed`]) reads objects, each turned into its projection while it is read, and puts them into
//! the [`Caches`]; these answer which Rollouts a change concerns.

mod analysis_run;
pub(crate) mod analysis_template;
mod bounded;
mod caches;
mod endpoint_slice;
mod experiment;
pub mod feed;
mod lost;
mod measures;
mod metadata;
mod ownership;
mod projection;
mod relation;
mod replica_set;
mod rollout;
pub(crate) mod route;
mod service;
pub mod workload;
mod workloads;

pub use analysis_run::AnalysisRun;
pub use analysis_template::{AnalysisTemplate, ClusterAnalysisTemplate, TemplateSeen};
pub(crate) use bounded::Bounded;
pub use caches::{Caches, Table, Tables, ToDo};
pub use endpoint_slice::{EndpointSlice, pod_prefix};
pub use experiment::Experiment;
pub(crate) use experiment::routed;
pub(crate) use lost::{lacking, lost_fields};
pub use measures::Measure;
pub use ownership::Ownership;
pub use projection::{Projection, Undecodable, Watched};
pub use relation::{Cached, Change, Relations};
pub use replica_set::ReplicaSet;
pub use rollout::Rollout;
pub use route::{GrpcRoute, HttpRoute, Route, TcpRoute, TlsRoute};
pub use service::Service;
pub use workload::{Deployments, PodTemplates, ReplicaSets, Workload};

#[cfg(test)]
pub(crate) mod samples;
