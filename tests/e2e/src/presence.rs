//! What there is of KULTA in a cluster before anybody installs it, and what that means for one who only visits.
//!
//! To remove KULTA is to remove its definition, and with it every Rollout there is: that is done only where nothing of
//! it was there before.

use anyhow::{Context, Result, bail};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::ListParams;
use kube::{Api, ResourceExt};

use crate::install::kulta;
use crate::settings::StageSettings;
use crate::stage;

/// What was found of KULTA, whoever put it there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    /// The definition of the Rollout, by its name.
    definition: Option<String>,
    /// The namespace that KULTA is installed in.
    namespace: bool,
    /// The controllers' Deployments as NAMESPACE/NAME, in any namespace: users rename both.
    controllers: Vec<String>,
}

/// What a visitor does about KULTA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visit {
    /// Installs it, and removes it at the end.
    InstallAndRemove,
    /// Installs its own over what is there, and leaves it at the end.
    InstallAndLeave,
    /// Works with what is there: installs nothing and removes nothing.
    AsItIs,
}

impl Presence {
    /// Looks at the cluster, and changes nothing there.
    ///
    /// # Errors
    /// When the API server does not say.
    pub async fn find(settings: &StageSettings) -> Result<Self> {
        let client = stage::client(settings).await?;
        let resource = kulta_api::rollout::api_resource(kulta_api::Group::Kulta);
        let name = format!("{}.{}", resource.plural, resource.group);
        let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let deployments: Api<Deployment> = Api::all(client);
        let controllers = ListParams::default().labels(kulta::CONTROLLER_LABELS);
        let looking = "looking for what there is of KULTA";
        let (definition, namespace, controllers) = tokio::try_join!(
            definitions.get_metadata_opt(&name),
            namespaces.get_metadata_opt(kulta::NAMESPACE),
            deployments.list_metadata(&controllers),
        )
        .context(looking)?;
        let full_name = |found: &kube::core::PartialObjectMeta<Deployment>| {
            format!("{}/{}", found.namespace().unwrap_or_default(), found.name_any())
        };
        Ok(Self {
            definition: definition.map(|_| name),
            namespace: namespace.is_some(),
            controllers: controllers.items.iter().map(full_name).collect(),
        })
    }

    /// What to do on the local cluster: always the controller that was just built.
    #[must_use]
    pub fn visit_locally(&self) -> Visit {
        if *self == Self::default() {
            Visit::InstallAndRemove
        } else {
            Visit::InstallAndLeave
        }
    }

    /// What to do on a cluster of the user's own: nothing of his is ever changed or removed.
    ///
    /// # Errors
    /// When KULTA is there in part only: whether it would work, and whose the part is, is not known.
    pub fn visit(&self) -> Result<Visit> {
        if *self == Self::default() {
            return Ok(Visit::InstallAndRemove);
        }
        if self.definition.is_some() && !self.controllers.is_empty() {
            return Ok(Visit::AsItIs);
        }
        bail!(
            "a part of KULTA is in this cluster already: {}. Nothing was made and nothing removed. Finish its \
             installation (deploy/README.md), and the demo plays with it as it is; or remove the rest (with the \
             definition goes every Rollout there is), and the demo installs KULTA and removes it at its end",
            self.in_words()
        )
    }

    fn in_words(&self) -> String {
        let definition = self.definition.iter();
        let definition = definition.map(|name| format!("the CustomResourceDefinition {name}"));
        let namespace = self
            .namespace
            .then(|| format!("the namespace {}", kulta::NAMESPACE));
        let controllers = self.controllers.iter();
        let controllers = controllers.map(|name| format!("the controller's Deployment {name}"));
        let found: Vec<String> = definition.chain(namespace).chain(controllers).collect();
        found.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn presence(definition: bool, namespace: bool, controllers: &[&str]) -> Presence {
        Presence {
            definition: definition.then(|| "rollouts.kulta.io".to_owned()),
            namespace,
            controllers: controllers.iter().copied().map(str::to_owned).collect(),
        }
    }

    #[test]
    fn where_nothing_is_it_is_installed_and_removed() {
        let nothing = presence(false, false, &[]);
        assert_eq!(nothing.visit().unwrap(), Visit::InstallAndRemove);
        assert_eq!(nothing.visit_locally(), Visit::InstallAndRemove);
    }

    #[test]
    fn an_installation_of_the_users_is_left_as_it_is() {
        let usual = presence(true, true, &["kulta-system/kulta-controller"]);
        let renamed = presence(true, false, &["delivery/team-kulta"]);
        for installed in [usual, renamed] {
            assert_eq!(installed.visit().unwrap(), Visit::AsItIs, "{installed:?}");
        }
    }

    #[test]
    fn a_part_of_an_installation_is_refused_and_named() {
        let controller = "delivery/team-kulta";
        let cases = [
            (
                presence(true, false, &[]),
                "already: the CustomResourceDefinition rollouts.kulta.io. ",
            ),
            (
                presence(false, true, &[]),
                "already: the namespace kulta-system. ",
            ),
            (
                presence(false, false, &[controller]),
                "already: the controller's Deployment delivery/team-kulta. ",
            ),
            (
                presence(true, true, &[]),
                "already: the CustomResourceDefinition rollouts.kulta.io, the namespace kulta-system. ",
            ),
            (
                presence(false, true, &[controller]),
                "already: the namespace kulta-system, the controller's Deployment delivery/team-kulta. ",
            ),
        ];
        for (found, words) in cases {
            let refusal = found.visit().unwrap_err().to_string();
            assert!(refusal.contains(words), "{refusal}");
        }
    }

    #[test]
    fn on_the_local_cluster_what_was_there_is_replaced_and_stays() {
        let controller = ["kulta-system/kulta-controller"];
        for found in [
            presence(true, false, &[]),
            presence(false, true, &[]),
            presence(true, true, &[]),
            presence(false, false, &controller),
            presence(true, true, &controller),
        ] {
            assert_eq!(found.visit_locally(), Visit::InstallAndLeave, "{found:?}");
        }
    }
}
