//! An in-memory cluster with everything one Rollout touches, and the controller that works on it.
//!
//! Time passes in seconds (ticks). The cluster keeps every precondition that the API server would, lags where real
//! controllers and data planes lag, and knows where each request would go.

pub(crate) mod analysis;
pub(crate) mod apply;
pub(crate) mod builder;
pub(crate) mod cluster;
pub(crate) mod controller;
pub(crate) mod data_plane;
pub(crate) mod delivery;
pub(crate) mod log;
pub(crate) mod observe;
pub(crate) mod replica_set;
pub(crate) mod route;
pub(crate) mod rules;
pub(crate) mod service;
pub(crate) mod sharing;
pub(crate) mod template;
pub(crate) mod user;
pub(crate) mod world;
