//! What the operator says of one plugin: which versions of it, for whom, and what it may use.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kulta_plugin_host::Digest;
use kulta_plugin_host::limits::{Limit, Limits};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::EVERY_NAMESPACE;
use crate::access::{Allowed, Problems};
use crate::analysis::plugins::WEB;

/// What the operator says of one plugin. What is not said of a plugin of a ConfigMap is: any version, for every
/// namespace, without a provider, within the usual limits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PluginSettings {
    /// The digests that its file may have, at least one; several while one version replaces another. None: any.
    #[serde(deserialize_with = "digests")]
    pub sha256: Option<Vec<Digest>>,
    /// The providers that it may ask. None: no provider; for a bundled plugin every one.
    pub providers: Option<Vec<String>>,
    /// The namespaces whose analyses may use it; `*`, the default: every one. None may where the list is empty.
    pub namespaces: Vec<String>,
    /// What one call may use. None: what is usual for it.
    #[serde(deserialize_with = "limits")]
    pub limits: Option<Limits>,
    /// The servers that it may ask by HTTP.
    pub http: Servers,
    /// What it is trusted with.
    pub grants: Grants,
}

/// The servers that a plugin may ask by HTTP. Default: none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Servers {
    /// `http://HOST:PORT` or `https://HOST:PORT`, each with all its paths; `cluster`: every Service of the cluster.
    pub origins: Vec<Allowed>,
    /// A file with the certificates (PEM) of the authorities that theirs may be signed by. Default: the system's.
    pub ca_file: Option<PathBuf>,
}

/// What the operator trusts one plugin with. Default: nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Grants {
    /// It sees the texts of arguments that come from Secrets, instead of what stands for them.
    pub secret_args: bool,
}

impl Default for PluginSettings {
    fn default() -> Self {
        Self {
            sha256: None,
            providers: None,
            namespaces: vec![EVERY_NAMESPACE.to_owned()],
            limits: None,
            http: Servers::default(),
            grants: Grants::default(),
        }
    }
}

impl PluginSettings {
    /// Whether analyses of `namespace` may use it.
    #[must_use]
    pub fn serves(&self, namespace: &str) -> bool {
        super::lists(&self.namespaces, namespace)
    }

    /// What one call of the plugin of this name may use. The bundled one that asks servers has a whole minute, of which its
    /// configurations take ten seconds where nothing else is written.
    #[must_use]
    pub fn limits(&self, name: &str) -> Limits {
        let usual = Limits::default();
        let limit = Limit::CallMillis;
        let usual = match usual.clone().with(limit, limit.maximum()) {
            Ok(longer) if name == WEB => longer,
            _ => usual,
        };
        self.limits.clone().unwrap_or(usual)
    }

    /// Whether this version may be taken into service.
    #[must_use]
    pub fn expects(&self, digest: Digest) -> bool {
        self.sha256
            .as_ref()
            .is_none_or(|expected| expected.contains(&digest))
    }
}

impl Servers {
    /// What is wrong with them although every field makes sense by itself.
    pub(super) fn problems(&self, plugin: &str) -> Vec<String> {
        let mut problems = Problems::of(format!("plugins.{plugin}.http"));
        for (index, origin) in self.origins.iter().enumerate() {
            if matches!(origin, Allowed::Exactly(address) if *address != address.origin()) {
                problems.add(
                    &format!("origins[{index}]"),
                    "has a path: a plugin may ask for every path of an origin, or for none; take it out",
                );
            }
        }
        problems.paths([("caFile", &self.ca_file)]);
        problems.list
    }
}

fn digests<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Digest>>, D::Error> {
    let list = Vec::<Digest>::deserialize(deserializer)?;
    if list.is_empty() {
        return Err(D::Error::custom(
            "sha256 is empty: list the digests that are expected, or leave it out to take any version",
        ));
    }
    Ok(Some(list))
}

fn limits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Limits>, D::Error> {
    let amounts = BTreeMap::<String, u64>::deserialize(deserializer)?;
    amounts
        .into_iter()
        .try_fold(Limits::default(), |limits, (name, amount)| {
            let limit = Limit::ALL.into_iter().find(|limit| limit.as_str() == name);
            let limit = limit.ok_or_else(|| {
                let known: Vec<_> = Limit::ALL.iter().map(|limit| limit.as_str()).collect();
                D::Error::custom(format!(
                    "{name:?} is no limit of a plugin; there are {}",
                    known.join(", ")
                ))
            })?;
            limits.with(limit, amount).map_err(D::Error::custom)
        })
        .map(Some)
}
