//! What the API server says of the definitions of `argoproj.io`.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Request;
use kube::Client;
use kulta_api::Group;
use kulta_api::crd::{CrdError, Definition, pruned};
use kulta_core::text::with_causes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;
use tokio::time::sleep;

use crate::observe::ReadError;
use crate::observe::read::within_limit;

/// Which documents there are, each with a digest in its address.
const INDEX: &str = "/openapi/v3";
/// So many fields are named in a log line; the remedy is the same for all of them.
const MOST_FIELDS: usize = 5;

/// What a look at the definitions showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Look {
    /// They keep all that is written.
    Fit,
    /// They are not there.
    Missing {
        /// Their kinds.
        kinds: Vec<&'static str>,
    },
    /// They would prune fields.
    Pruning {
        /// Which, each after its kind.
        fields: Vec<String>,
    },
}

impl Look {
    pub(super) fn is_fit(&self) -> bool {
        *self == Self::Fit
    }

    fn tell(&self) {
        let group = Group::Argo.as_str();
        match self {
            Self::Fit => tracing::info!(group, "its definitions keep all that is written"),
            Self::Missing { kinds } => {
                tracing::info!(
                    group,
                    ?kinds,
                    "not installed: nothing is written there until they are (deploy/crds/argo)"
                );
            }
            Self::Pruning { fields } => {
                let shown: Vec<_> = fields.iter().take(MOST_FIELDS).collect();
                tracing::error!(
                    group,
                    number = fields.len(),
                    fields = ?shown,
                    "its definitions lose fields that KULTA depends on: nothing is written there until those of \
                     deploy/crds/argo are applied over them (kubectl apply --server-side --force-conflicts)"
                );
            }
        }
    }
}

#[derive(Debug, Error)]
enum LookError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("the address {address} can't be asked for")]
    Address {
        address: String,
        #[source]
        source: http::Error,
    },
    #[error("they can't be compared")]
    Compare(#[from] CrdError),
}

/// The definitions, as they were when they last changed.
pub(super) struct Served {
    client: Client,
    /// The address of the document that was read, and what was in it.
    last: Option<(Option<String>, Look)>,
    problem: Option<String>,
}

impl Served {
    pub(super) const fn new(client: Client) -> Self {
        Self {
            client,
            last: None,
            problem: None,
        }
    }

    /// Looks again and again until what is seen is `wanted`. Where nothing can be seen, it is as before.
    pub(super) async fn until(&mut self, wanted: impl Fn(&Look) -> bool, every: Duration) {
        loop {
            match self.look().await {
                Ok(look) if wanted(&look) => return,
                Ok(_) => self.problem = None,
                Err(error) => {
                    let problem = with_causes(&error);
                    if self.problem.as_ref() != Some(&problem) {
                        let group = Group::Argo.as_str();
                        tracing::warn!(group, problem, "its definitions can't be looked at");
                        self.problem = Some(problem);
                    }
                }
            }
            sleep(every).await;
        }
    }

    async fn look(&mut self) -> Result<Look, LookError> {
        let Index { mut paths } = self.get(INDEX).await?;
        let document = paths.remove(&format!("apis/{}", Group::Argo.api_version()));
        let address = document.map(|document| document.server_relative_url);
        if let Some((last, look)) = &self.last
            && *last == address
        {
            return Ok(look.clone());
        }
        let look = match &address {
            None => Look::Missing {
                kinds: Definition::ALL.map(Definition::kind).into(),
            },
            Some(address) => {
                let Document { components } = self.get(address).await?;
                compared(&components.schemas)?
            }
        };
        look.tell();
        self.last = Some((address, look.clone()));
        Ok(look)
    }

    async fn get<T: DeserializeOwned>(&self, address: &str) -> Result<T, LookError> {
        let request = Request::get(address).body(Vec::new());
        let request = request.map_err(|source| LookError::Address {
            address: address.to_owned(),
            source,
        })?;
        Ok(within_limit(self.client.request(request)).await?)
    }
}

fn compared(schemas: &Schemas) -> Result<Look, CrdError> {
    let (mut kinds, mut fields) = (Vec::new(), Vec::new());
    for definition in Definition::ALL {
        match schemas.of(definition) {
            None => kinds.push(definition.kind()),
            Some(schema) => {
                let pruned = pruned(definition, Group::Argo, schema)?;
                fields.extend(
                    pruned
                        .iter()
                        .map(|field| format!("{} {field}", definition.kind())),
                );
            }
        }
    }
    Ok(if !fields.is_empty() {
        Look::Pruning { fields }
    } else if !kinds.is_empty() {
        Look::Missing { kinds }
    } else {
        Look::Fit
    })
}

#[derive(Deserialize)]
struct Index {
    paths: BTreeMap<String, IndexEntry>,
}

#[derive(Deserialize)]
struct IndexEntry {
    #[serde(rename = "serverRelativeURL")]
    server_relative_url: String,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    components: Components,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Components {
    schemas: Schemas,
}

/// Of the document, which may have megabytes, the five that matter; the others are not kept while it is read.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Schemas {
    #[serde(rename = "io.argoproj.v1alpha1.Rollout")]
    rollout: Option<Value>,
    #[serde(rename = "io.argoproj.v1alpha1.AnalysisRun")]
    analysis_run: Option<Value>,
    #[serde(rename = "io.argoproj.v1alpha1.AnalysisTemplate")]
    analysis_template: Option<Value>,
    #[serde(rename = "io.argoproj.v1alpha1.ClusterAnalysisTemplate")]
    cluster_analysis_template: Option<Value>,
    #[serde(rename = "io.argoproj.v1alpha1.Experiment")]
    experiment: Option<Value>,
}

impl Schemas {
    const fn of(&self, definition: Definition) -> Option<&Value> {
        match definition {
            Definition::Rollouts => self.rollout.as_ref(),
            Definition::AnalysisRuns => self.analysis_run.as_ref(),
            Definition::AnalysisTemplates => self.analysis_template.as_ref(),
            Definition::ClusterAnalysisTemplates => self.cluster_analysis_template.as_ref(),
            Definition::Experiments => self.experiment.as_ref(),
        }
    }
}

#[cfg(test)]
mod tests;
