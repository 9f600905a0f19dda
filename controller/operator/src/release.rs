//! Services that no Rollout directs any more are given back.
//!
//! A Service that asks for the hash of a revision that is gone has no endpoints: whoever deletes a Rollout and goes back
//! to a Deployment, or names another Service, would be left with one. (A worker of its own does this in Argo Rollouts.)

use crate::apply::request::Requests;
use crate::apply::write::{self, WriteError};
use crate::context::Context;
use crate::key::ObjectKey;
use crate::watch::{Service, Tables};

/// Gives back the Services that the Rollout `owner` has left behind: all of them where it is gone, else those that it
/// names no more.
///
/// # Errors
/// At the first Service that can't be written.
pub(crate) async fn release(context: &Context, owner: &ObjectKey) -> Result<(), WriteError> {
    for (service, resource_version) in context.caches.read(|tables| left_behind(tables, owner)) {
        let request = Requests { rollout: owner }.release_service(&service.name, &resource_version);
        write::send(context.writer(owner), request).await?;
        tracing::info!(%service, "given back: no Rollout directs it");
    }
    Ok(())
}

fn left_behind(tables: &Tables, owner: &ObjectKey) -> Vec<(ObjectKey, String)> {
    let relations = &tables.relations;
    let services = relations
        .services_of(owner)
        .filter_map(|key| Some((key, tables.services.get(key)?)));
    services
        .filter(|(key, service)| !tables.directs(&owner.name, key) && !has_pods_of(tables, owner, service))
        // Another Rollout that names it takes it over by itself.
        .filter(|(key, _)| relations.rollouts_naming(key).next().is_none())
        .map(|(key, service)| (key.clone(), service.view.resource_version.clone()))
        .collect()
}

/// Whether the Rollout is gone, but the pods that the Service selects may not be: they were orphaned on purpose, or are
/// about to go.
fn has_pods_of(tables: &Tables, owner: &ObjectKey, service: &Service) -> bool {
    let is_gone = tables.rollouts.get(owner).is_none_or(|owner| owner.deleting);
    is_gone
        && service.view.selects.as_ref().is_some_and(|hash| {
            tables
                .replica_sets_in(&owner.namespace)
                .any(|replica_set| replica_set.view.hash == *hash)
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scenario::{Reply, expect, scenario};
    use crate::watch::samples::{key, put};
    use crate::watch::{ReplicaSet, Rollout, samples};

    const PATCH: &str = "PATCH /api/v1/namespaces/shop/services/web-stable?&fieldManager=kulta";

    /// Releases what `web` has left behind in caches with its Service and `objects`; answers with the requests made.
    async fn released(with: impl FnOnce(&Context), requests: usize) {
        let expected = (0..requests)
            .map(|_| expect(PATCH, Reply::written("2")))
            .collect();
        scenario(expected, async |context| {
            put::<Service>(
                &context.caches,
                &samples::directed_service("web-stable", "web", "abc"),
            );
            with(context);
            release(context, &key("web")).await.unwrap();
        })
        .await;
    }

    #[tokio::test]
    async fn a_service_of_a_rollout_that_is_gone_is_given_back() {
        released(|_| {}, 1).await;
    }

    #[tokio::test]
    async fn a_service_of_a_rollout_that_names_it_is_kept() {
        released(
            |context| put::<Rollout>(&context.caches, &samples::rollout("web")),
            0,
        )
        .await;
    }

    #[tokio::test]
    async fn a_service_that_its_rollout_names_no_more_is_given_back() {
        let mut rollout = samples::rollout("web");
        rollout["spec"]["strategy"]["canary"]["stableService"] = json!("web-other");
        released(|context| put::<Rollout>(&context.caches, &rollout), 1).await;
    }

    #[tokio::test]
    async fn a_service_whose_orphaned_pods_serve_is_kept() {
        let mut orphan = samples::replica_set("web", "abc");
        orphan["metadata"]["ownerReferences"] = json!([]);
        released(|context| put::<ReplicaSet>(&context.caches, &orphan), 0).await;
    }

    /// It is not seen, and its pods are there as long as it is.
    #[tokio::test]
    async fn a_service_of_a_rollout_of_another_instance_is_kept() {
        let theirs = samples::replica_set("web", "abc");
        released(|context| put::<ReplicaSet>(&context.caches, &theirs), 0).await;
    }

    #[tokio::test]
    async fn a_service_that_another_rollout_names_is_left_to_it() {
        let mut other = samples::rollout("other");
        other["spec"]["strategy"]["canary"]["stableService"] = json!("web-stable");
        released(|context| put::<Rollout>(&context.caches, &other), 0).await;
    }

    /// The annotation is Argo Rollouts' own.
    #[tokio::test]
    async fn a_service_that_another_controller_directs_is_left_alone() {
        let mut service = samples::directed_service("web-stable", "web", "abc");
        service["metadata"]["managedFields"] = json!([]);
        released(|context| put::<Service>(&context.caches, &service), 0).await;
    }

    #[tokio::test]
    async fn a_service_of_a_rollout_of_argo_rollouts_of_the_same_name_is_kept() {
        let argo = samples::argo(samples::rollout("web"));
        released(|context| put::<Rollout>(&context.caches, &argo), 0).await;
    }
}
