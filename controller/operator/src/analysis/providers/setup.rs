//! Which Prometheus is asked: the providers of one operator's configuration, and what else it allows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Weak};

use kulta_api::analysis::Source;
use parking_lot::Mutex;

use super::DEFAULT_PROVIDER;
use crate::access::{Access, Address, Allowed, Connection, Reach};
use crate::analysis::configuration::{Configuration, Provider, Servers};
use crate::analysis::shares::Shares;

/// A provider, and what is kept of it between queries.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) provider: Provider,
    pub(super) access: Access,
    pub(super) connection: Connection,
    pub(super) places: Shares,
}

/// Everyone who may be asked.
#[derive(Debug, Default)]
pub(super) struct Setup {
    known: BTreeMap<String, Arc<Known>>,
    allowed: Vec<Allowed>,
    /// Those at allowed addresses, by address, as long as they are being asked.
    elsewhere: Mutex<BTreeMap<(String, Reach), Weak<Known>>>,
}

/// Why an address is not allowed.
#[derive(Debug)]
pub(super) enum NotAllowed {
    /// It is not listed.
    Unlisted,
    /// All Services of the cluster are listed, and this one is in the namespace of a provider.
    BesideProvider { namespace: String, provider: String },
}

impl Known {
    fn new(provider: Provider, reach: Reach) -> Self {
        let access = provider.access();
        let at_once = provider.limits.queries_at_once;
        Self {
            connection: Connection::new(&access, reach),
            access,
            // Half for one namespace, so that others get their answers, too.
            places: Shares::new(at_once, at_once / 2),
            provider,
        }
    }
}

impl Setup {
    /// What `configuration` sets up. Providers that are as they were `before` keep their connections and queues.
    pub(super) fn new(configuration: &Configuration, before: &Self) -> Self {
        let kept = |name: &String, provider: &Provider| {
            let known = before.known.get(name).filter(|known| known.provider == *provider);
            known.map_or_else(
                || Arc::new(Known::new(provider.clone(), Reach::Named)),
                Arc::clone,
            )
        };
        let providers = configuration.providers.iter();
        Self {
            known: providers
                .map(|(name, provider)| (name.clone(), kept(name, provider)))
                .collect(),
            allowed: configuration.allowed_addresses.clone(),
            elsewhere: Mutex::default(),
        }
    }

    /// The provider that a plugin knows as `name`.
    pub(super) fn named(&self, name: &str, namespace: &str) -> Result<Arc<Known>, String> {
        let known = self.known.get(name);
        let known = known.ok_or_else(|| format!("the operator has set up no provider {name:?}"))?;
        if known.provider.serves(namespace) {
            return Ok(Arc::clone(known));
        }
        Err(format!(
            "the provider {name:?} is not for analyses of the namespace {namespace:?}: whoever operates KULTA can list \
             it in providers.{name}.namespaces"
        ))
    }

    /// The Prometheus that a metric names, which the plugin may ask where it is one of those `granted`.
    pub(super) fn at(
        &self,
        source: &Source,
        namespace: &str,
        granted: &BTreeSet<String>,
    ) -> Result<Arc<Known>, String> {
        let Some(text) = &source.address else {
            if self.known.contains_key(DEFAULT_PROVIDER) {
                return self.granted(DEFAULT_PROVIDER, namespace, granted);
            }
            return Err(format!(
                "is not written, and the operator has set up no provider {DEFAULT_PROVIDER:?}: write the address of \
                 another provider, or have this one added to `providers` of the operator's configuration"
            ));
        };
        let address = Address::parse(text).map_err(|problem| format!("{text:?} {problem}"))?;
        match self.at_address(&address, namespace) {
            Some(name) => self.granted(name, namespace, granted),
            None => self.elsewhere(&address),
        }
    }

    /// The name of the provider at this address; of several the one for this namespace.
    fn at_address(&self, address: &Address, namespace: &str) -> Option<&str> {
        let same = self
            .known
            .iter()
            .filter(|(_, known)| known.provider.address.is_same(address));
        let (mut serving, mut others) = (
            same.clone().filter(|(_, known)| known.provider.serves(namespace)),
            same,
        );
        let (name, _) = serving.next().or_else(|| others.next())?;
        Some(name)
    }

    fn granted(&self, name: &str, namespace: &str, granted: &BTreeSet<String>) -> Result<Arc<Known>, String> {
        if granted.contains(name) {
            return self.named(name, namespace);
        }
        Err(format!(
            "is that of the provider {name:?}, which the plugin prometheus may not ask: whoever operates KULTA can list \
             it in plugins.prometheus.providers"
        ))
    }

    /// The server of a plugin that may ask `servers`.
    pub(super) fn server(&self, origin: &Address, servers: &Servers) -> Result<Arc<Known>, NotAllowed> {
        let (address, reach) = self.allowed(origin, &servers.origins)?;
        let mut provider = Provider::plain(address);
        if provider.address.is_https() {
            provider.ca_file.clone_from(&servers.ca_file);
        }
        // No address of a Prometheus has a space in it.
        let key = format!("{} {:?}", provider.address, provider.ca_file);
        Ok(self.at_hand(key, provider, reach))
    }

    /// The Prometheus at an address that is allowed although no provider has it.
    fn elsewhere(&self, address: &Address) -> Result<Arc<Known>, String> {
        let (address, reach) = self.allowed(address, &self.allowed).map_err(|why| {
            format!(
                "\"{address}\" may not be asked{why}: write that of a provider, take it out to ask the provider \
                 {DEFAULT_PROVIDER:?}, or have it added to `allowedAddresses` of the operator's configuration"
            )
        })?;
        Ok(self.at_hand(address.to_string(), Provider::plain(address), reach))
    }

    /// The address as it is asked, if it is in this list, and where its name may lead.
    fn allowed(&self, address: &Address, list: &[Allowed]) -> Result<(Address, Reach), NotAllowed> {
        let mut exactly = list.iter().filter_map(|allowed| match allowed {
            Allowed::Exactly(exactly) => Some(exactly),
            Allowed::Cluster => None,
        });
        if let Some(exactly) = exactly.find(|exactly| exactly.is_same(address)) {
            return Ok((exactly.clone(), Reach::Named));
        }
        let within = address.within_cluster();
        let within = within.filter(|_| list.contains(&Allowed::Cluster));
        let within = within.ok_or(NotAllowed::Unlisted)?;
        match self.provider_beside(&within) {
            Some(refused) => Err(refused),
            None => Ok((within, Reach::Cluster)),
        }
    }

    /// The provider whose namespace the address lies in: its rules are not to be evaded by another path or port, nor by
    /// another name of the same pods, such as that of another Service or of one of them.
    fn provider_beside(&self, address: &Address) -> Option<NotAllowed> {
        let namespace = address.namespace()?;
        let is_beside = |known: &Known| known.provider.address.namespace() == Some(namespace);
        let (provider, _) = self.known.iter().find(|(_, known)| is_beside(known))?;
        Some(NotAllowed::BesideProvider {
            namespace: namespace.to_owned(),
            provider: provider.clone(),
        })
    }

    /// What is kept of it under this key, as long as it is being asked. Each reach has its own: one plugin may have the server
    /// listed by itself, and another only as one of the cluster's.
    fn at_hand(&self, key: String, provider: Provider, reach: Reach) -> Arc<Known> {
        let key = (key, reach);
        let mut elsewhere = self.elsewhere.lock();
        elsewhere.retain(|_, known| known.strong_count() > 0);
        if let Some(known) = elsewhere.get(&key).and_then(Weak::upgrade) {
            return known;
        }
        let known = Arc::new(Known::new(provider, reach));
        elsewhere.insert(key, Arc::downgrade(&known));
        known
    }
}

/// What goes behind "may not be asked".
impl fmt::Display for NotAllowed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlisted => Ok(()),
            Self::BesideProvider { namespace, provider } => write!(
                formatter,
                ", as `cluster` is not for the namespace {namespace:?} of the provider {provider:?}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_that_is_allowed_with_all_of_the_cluster_may_lead_to_less_than_one_that_is_named() {
        let setup = Setup::default();
        let address = Address::parse("http://metrics.bank:9090").unwrap();
        let reach = |allowed: Allowed| setup.allowed(&address, &[allowed]).unwrap().1;

        assert_eq!(reach(Allowed::Cluster), Reach::Cluster);
        assert_eq!(reach(Allowed::Exactly(address.clone())), Reach::Named);
    }
}
