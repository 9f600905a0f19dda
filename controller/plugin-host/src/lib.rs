//! Plugins: loaded, limited and called, without being able to harm the controller.

mod bindings;
mod call;
mod conditions;
mod convert;
mod digest;
mod engine;
mod failure;
mod guest;
mod host;
pub mod http;
mod imports;
mod inspect;
pub mod limits;
mod logbook;
mod memory;
pub mod metrics;
mod plugin;
mod redaction;
mod text;
pub mod trial;
mod zone;

pub use call::{CallReport, Finished, Request};
pub use conditions::{ConditionError, ConditionFault, Conditions};
pub use convert::{Description, InvalidAnswer, PluginError};
pub use digest::{Digest, DigestError};
pub use failure::{CallError, CallFailure, Crash, Identity};
pub use host::{EngineFault, Host, LoadError, LoadFailure};
pub use inspect::{Delivery, InspectError};
pub use plugin::{Plugin, World};
pub use redaction::{Redaction, SHORTEST_SECRET};
pub use trial::{Trial, TrialError};
pub use zone::time_zone_edition;
