//! Services and their `EndpointSlices`.

use std::collections::BTreeMap;

use kulta_core::observed::{PortTarget, ServicePort, ServiceView};

use super::log::Log;

/// Which pods a Service selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selection {
    /// There is no Service.
    Absent,
    /// All pods of the application.
    All,
    /// The pods of one revision.
    Revision(String),
}

/// A Service. One that was deleted is remembered: data planes are slow to forget.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) resource_version: u64,
    pub(crate) selector: BTreeMap<String, String>,
    pub(crate) managed_by: Option<String>,
    pub(crate) ports: Vec<ServicePort>,
    pub(crate) selection: Log<Selection>,
    pub(crate) endpoints: Log<BTreeMap<String, u32>>,
}

impl Service {
    /// A Service that selects every pod of the application.
    pub(crate) fn new(name: &str, selector: BTreeMap<String, String>) -> Self {
        Self {
            name: name.to_owned(),
            resource_version: 0,
            selector,
            managed_by: None,
            ports: vec![port(80)],
            selection: Log::new(Selection::All),
            endpoints: Log::new(BTreeMap::new()),
        }
    }

    /// Whether it exists.
    pub(crate) fn exists(&self) -> bool {
        *self.selection.latest() != Selection::Absent
    }

    /// The revision that it selects.
    pub(crate) fn selects(&self) -> Option<&str> {
        match self.selection.latest() {
            Selection::Revision(hash) => Some(hash),
            Selection::Absent | Selection::All => None,
        }
    }

    /// What the controller sees of it, with endpoints as of `tick`.
    pub(crate) fn view(&self, tick: u64) -> ServiceView {
        ServiceView {
            name: self.name.clone(),
            resource_version: self.resource_version.to_string(),
            selector: self.selector.clone(),
            selects: self.selects().map(str::to_owned),
            managed_by: self.managed_by.clone(),
            ports: self.ports.clone(),
            ready_endpoints: self.endpoints.at(tick).clone(),
        }
    }
}

/// A port without a name, of pods that listen at the same.
pub(crate) fn port(number: u16) -> ServicePort {
    ServicePort {
        number,
        name: None,
        target: PortTarget::Number(number),
    }
}
