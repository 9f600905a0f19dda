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
/// So many fields are named in a log line about what is lost; the remedy is the same for all of them.
const MOST_FIELDS: usize = 5;

/// The fields of a Rollout that have gates asked, and metrics of its own measured.
const GATES: &[&str] = &[
    "spec.strategy.canary.promotionGates",
    "spec.strategy.canary.steps[].gate",
    "spec.strategy.blueGreen.promotionGates",
];
const METRICS: &[&str] = &["spec.strategy.canary.analysis.metrics"];
/// Fields of other kinds that may be missing only where these of a Rollout are: nothing is there to fill them.
const FILLED_BY: [(&str, &[&str]); 3] = [
    ("spec.gates", GATES),
    ("spec.next", GATES),
    ("spec.metrics[].deadline", METRICS),
];
/// A field of the status that nobody reads where that one of the spec is missing, too: those of Argo Rollouts before 1.8.
const COUNTED_FOR: [(&str, &str); 1] = [(
    "status.metricResults[].consecutiveSuccess",
    "spec.metrics[].consecutiveSuccessLimit",
)];

/// What a look at the definitions showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Look {
    /// They keep all that is written, in fields or, what Argo Rollouts' own have no field for, in a condition.
    Fit {
        /// The fields of a Rollout that they do not have. Empty: they are KULTA's.
        without: Vec<String>,
        /// Those of other kinds, each after its kind.
        beside: Vec<String>,
    },
    /// They are not there.
    Missing {
        /// Their kinds.
        kinds: Vec<&'static str>,
    },
    /// They would prune fields that nothing makes up for.
    Pruning {
        /// Which, each after its kind.
        fields: Vec<String>,
    },
}

impl Look {
    /// The fields of a Rollout that the definitions do not have, where it can be worked with them.
    pub(super) fn fit(&self) -> Option<&[String]> {
        match self {
            Self::Fit { without, .. } => Some(without),
            Self::Missing { .. } | Self::Pruning { .. } => None,
        }
    }

    fn tell(&self) {
        let group = Group::Argo.as_str();
        match self {
            Self::Fit { without, beside } if without.is_empty() && beside.is_empty() => {
                tracing::info!(group, "its definitions keep all that is written");
            }
            Self::Fit { without, beside } => {
                tracing::warn!(
                    group,
                    fields = ?without,
                    of_other_kinds = ?beside,
                    "its definitions have no place for fields that are KULTA's own: those of a spec are lost when they are \
                     applied, those of a status are kept in a condition, until those of deploy/crds/argo are applied over \
                     them (kubectl replace -k)"
                );
            }
            Self::Missing { kinds } => {
                tracing::info!(
                    group,
                    ?kinds,
                    "not installed: nothing is written there until they are (deploy/crds/argo)"
                );
            }
            Self::Pruning { fields } => {
                tracing::error!(
                    group,
                    number = fields.len(),
                    fields = ?first(fields),
                    "its definitions lose fields that KULTA depends on: nothing is written there until those of \
                     deploy/crds/argo are applied over them (kubectl replace -k)"
                );
            }
        }
    }
}

fn first(fields: &[String]) -> &[String] {
    fields.get(..MOST_FIELDS).unwrap_or(fields)
}

/// They can't be looked at.
#[derive(Debug, Error)]
pub(crate) enum LookError {
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
pub(crate) struct Served {
    client: Client,
    /// The address of the document that was read, and what was in it.
    last: Option<(Option<String>, Look)>,
    problem: Option<String>,
}

impl Served {
    pub(crate) const fn new(client: Client) -> Self {
        Self {
            client,
            last: None,
            problem: None,
        }
    }

    /// Looks again and again until what is seen is `wanted`, and answers that. Where nothing can be seen, it is as before.
    pub(super) async fn until(&mut self, wanted: impl Fn(&Look) -> bool, every: Duration) -> Look {
        loop {
            match self.look().await {
                Ok(look) if wanted(&look) => return look,
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

    /// Looks at them now.
    ///
    /// # Errors
    /// When the API server does not say what they are.
    pub(crate) async fn look(&mut self) -> Result<Look, LookError> {
        let address = self.document_of(Group::Argo).await?;
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

    /// Where the document of a group is; None: it is not served.
    async fn document_of(&self, group: Group) -> Result<Option<String>, LookError> {
        let Index { mut paths } = self.get(INDEX).await?;
        let document = paths.remove(&format!("apis/{}", group.api_version()));
        Ok(document.map(|document| document.server_relative_url))
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

/// The fields that the definitions of a group lose, each after its kind. Kinds that are not there lose nothing.
///
/// # Errors
/// When the API server does not say what they are.
pub(crate) async fn losses(client: Client, group: Group) -> Result<Vec<String>, LookError> {
    let served = Served::new(client);
    let Some(address) = served.document_of(group).await? else {
        return Ok(Vec::new());
    };
    let Document { components } = served.get(&address).await?;
    let mut lost = Vec::new();
    for definition in Definition::ALL {
        if let Some(schema) = components.schemas.of(definition) {
            let fields = pruned(definition, group, schema)?;
            lost.extend(
                fields
                    .iter()
                    .map(|field| format!("{} {field}", definition.kind())),
            );
        }
    }
    Ok(lost)
}

fn compared(schemas: &Schemas) -> Result<Look, CrdError> {
    let (mut kinds, mut fields) = (Vec::new(), BTreeMap::new());
    for definition in Definition::ALL {
        match schemas.of(definition) {
            None => kinds.push(definition.kind()),
            Some(schema) => {
                fields.insert(definition.kind(), pruned(definition, Group::Argo, schema)?);
            }
        }
    }
    let without = fields.remove(Definition::Rollouts.kind()).unwrap_or_default();
    let (mut lost, mut beside) = (Vec::new(), Vec::new());
    for (kind, fields) in &fields {
        for field in fields {
            let told = format!("{kind} {field}");
            if is_borne(field, fields, &without) {
                beside.push(told);
            } else {
                lost.push(told);
            }
        }
    }
    // A list is somebody's as a whole: what its entries lose is not kept elsewhere.
    let entries = without
        .iter()
        .filter(|field| field.starts_with("status.") && field.contains("[]"));
    lost.extend(entries.map(|field| format!("{} {field}", Definition::Rollouts.kind())));
    Ok(if !lost.is_empty() {
        Look::Pruning { fields: lost }
    } else if !kinds.is_empty() {
        Look::Missing { kinds }
    } else {
        Look::Fit { without, beside }
    })
}

/// Whether a `field` of another kind may be missing, beside all of that kind that are (`missing`), where the definition of
/// Rollouts is without those: with some of KULTA's definitions and some of others, a Rollout could ask for what its analyses can't
/// bear.
fn is_borne(field: &str, missing: &[String], without: &[String]) -> bool {
    let is_in = |fields: &[String], wanted: &str| fields.iter().any(|field| field == wanted);
    if let Some((_, fillers)) = FILLED_BY.iter().find(|(filled, _)| *filled == field) {
        return fillers.iter().all(|filler| is_in(without, filler));
    }
    let counted_for = COUNTED_FOR.iter().find(|(counted, _)| *counted == field);
    counted_for.map_or(field.starts_with("spec."), |(_, asked)| is_in(missing, asked)) && !without.is_empty()
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

/// Of the document of one group, which may have megabytes, the five that matter; the others are not kept while it is read.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Schemas {
    #[serde(rename = "io.argoproj.v1alpha1.Rollout", alias = "io.kulta.v1alpha1.Rollout")]
    rollout: Option<Value>,
    #[serde(
        rename = "io.argoproj.v1alpha1.AnalysisRun",
        alias = "io.kulta.v1alpha1.AnalysisRun"
    )]
    analysis_run: Option<Value>,
    #[serde(
        rename = "io.argoproj.v1alpha1.AnalysisTemplate",
        alias = "io.kulta.v1alpha1.AnalysisTemplate"
    )]
    analysis_template: Option<Value>,
    #[serde(
        rename = "io.argoproj.v1alpha1.ClusterAnalysisTemplate",
        alias = "io.kulta.v1alpha1.ClusterAnalysisTemplate"
    )]
    cluster_analysis_template: Option<Value>,
    #[serde(
        rename = "io.argoproj.v1alpha1.Experiment",
        alias = "io.kulta.v1alpha1.Experiment"
    )]
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
