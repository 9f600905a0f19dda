//! The projections of all watched objects, and their relations.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use parking_lot::RwLock;

use super::relation::{Cached, Change, Relations};
use super::{AnalysisRun, EndpointSlice, HttpRoute, ReplicaSet, Rollout, Service};
use crate::expectations::{Kind, Version};
use crate::key::ObjectKey;

/// The objects of one kind.
pub type Table<P> = BTreeMap<ObjectKey, Arc<P>>;

/// Everything that was seen, at one moment.
#[derive(Debug, Default)]
pub struct Tables {
    /// Rollouts.
    pub rollouts: Table<Rollout>,
    /// ReplicaSets with a hash label.
    pub replica_sets: Table<ReplicaSet>,
    /// Services.
    pub services: Table<Service>,
    /// `EndpointSlice`s of Services.
    pub endpoint_slices: Table<EndpointSlice>,
    /// AnalysisRuns.
    pub analysis_runs: Table<AnalysisRun>,
    /// `HTTPRoute`s.
    pub routes: Table<HttpRoute>,
    /// Which of them belong together.
    pub relations: Relations,
}

impl Tables {
    /// The Rollouts of one namespace.
    pub fn rollouts_in(&self, namespace: &str) -> impl Iterator<Item = (&ObjectKey, &Rollout)> {
        let first = ObjectKey::new(namespace, "");
        self.rollouts
            .range(first..)
            .take_while(move |(key, _)| key.namespace == namespace)
            .map(|(key, rollout)| (key, rollout.as_ref()))
    }

    /// The ReplicaSets of one namespace.
    pub fn replica_sets_in(&self, namespace: &str) -> impl Iterator<Item = &ReplicaSet> {
        let first = ObjectKey::new(namespace, "");
        self.replica_sets
            .range(first..)
            .take_while(move |(key, _)| key.namespace == namespace)
            .map(|(_, replica_set)| replica_set.as_ref())
    }

    /// Whether the Rollout `owner` exists and names the Service `service`.
    #[must_use]
    pub fn directs(&self, owner: &ObjectKey, service: &ObjectKey) -> bool {
        let owner = self.rollouts.get(owner).filter(|owner| !owner.deleting);
        owner.is_some_and(|owner| {
            // A spec that can't be read may well name it.
            owner.readable_spec().is_none_or(|spec| {
                let (stable, canary) = spec.services();
                [stable, canary].contains(&Some(service.name.as_str()))
            })
        })
    }

    /// The version of an object; None when it is not there.
    #[must_use]
    pub fn version(&self, kind: Kind, key: &ObjectKey) -> Option<Version> {
        let (uid, resource_version) = match kind {
            Kind::Rollout => self
                .rollouts
                .get(key)
                .map(|rollout| (&rollout.uid, &rollout.resource_version)),
            Kind::ReplicaSet => self
                .replica_sets
                .get(key)
                .map(|set| (&set.view.uid, &set.view.resource_version)),
            Kind::Service => self
                .services
                .get(key)
                .map(|service| (&service.uid, &service.view.resource_version)),
            Kind::AnalysisRun => self
                .analysis_runs
                .get(key)
                .map(|run| (&run.view.uid, &run.view.resource_version)),
            Kind::HttpRoute => self
                .routes
                .get(key)
                .map(|route| (&route.uid, &route.resource_version)),
        }?;
        Some(Version {
            uid: uid.clone(),
            resource_version: resource_version.clone(),
        })
    }

    fn replace<P: Cached>(&mut self, key: &ObjectKey, after: Option<&Arc<P>>) -> BTreeSet<ObjectKey> {
        let before = match after {
            Some(after) => P::table(self).insert(key.clone(), Arc::clone(after)),
            None => P::table(self).remove(key),
        };
        if before.as_ref() == after {
            return BTreeSet::new();
        }
        let change = || Change {
            before: before.as_deref(),
            after: after.map(AsRef::as_ref),
        };
        let mut concerned = P::concerns(change(), key, self);
        if let Some(before) = &before {
            before.relate(key, &mut self.relations, false);
        }
        if let Some(after) = after {
            after.relate(key, &mut self.relations, true);
        }
        concerned.extend(P::concerns(change(), key, self));
        concerned
    }
}

/// The tables, shared between the feeds that fill them and the reconciles that read them.
///
/// No lock is held across an `await`.
#[derive(Debug, Default)]
pub struct Caches {
    tables: RwLock<Tables>,
}

impl Caches {
    /// Puts an object in, new or changed. Answers the Rollouts to decide on.
    pub fn apply<P: Cached>(&self, key: &ObjectKey, object: &Arc<P>) -> BTreeSet<ObjectKey> {
        self.tables.write().replace(key, Some(object))
    }

    /// Takes an object out. Answers the Rollouts to decide on.
    pub fn delete<P: Cached>(&self, key: &ObjectKey) -> BTreeSet<ObjectKey> {
        self.tables.write().replace::<P>(key, None)
    }

    /// Takes out all objects of a kind that are not in `listed`. Answers the Rollouts to decide on.
    pub fn retain<P: Cached>(&self, listed: &HashSet<ObjectKey>) -> BTreeSet<ObjectKey> {
        let mut tables = self.tables.write();
        let gone: Vec<_> = P::table(&mut tables)
            .keys()
            .filter(|key| !listed.contains(key))
            .cloned()
            .collect();
        gone.iter()
            .flat_map(|key| tables.replace::<P>(key, None))
            .collect()
    }

    /// The version of an object as last seen; None when it is not there.
    #[must_use]
    pub fn version(&self, kind: Kind, key: &ObjectKey) -> Option<Version> {
        self.tables.read().version(kind, key)
    }

    /// A Rollout as last seen.
    #[must_use]
    pub fn rollout(&self, key: &ObjectKey) -> Option<Arc<Rollout>> {
        self.tables.read().rollouts.get(key).cloned()
    }

    /// Reads everything as of one moment. `read` must be quick: the feeds wait for it.
    pub fn read<T>(&self, read: impl FnOnce(&Tables) -> T) -> T {
        read(&self.tables.read())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::watch::{Projection, samples};

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new("shop", name)
    }

    fn put<P: Cached>(caches: &Caches, object: &Value) -> Vec<String> {
        let name = object["metadata"]["name"].as_str().unwrap();
        names(caches.apply(&key(name), &Arc::new(P::project(object).unwrap())))
    }

    fn take<P: Cached>(caches: &Caches, name: &str) -> Vec<String> {
        names(caches.delete::<P>(&key(name)))
    }

    fn names(keys: BTreeSet<ObjectKey>) -> Vec<String> {
        keys.into_iter().map(|key| key.name).collect()
    }

    /// Two Rollouts, `web` and `api`, with Services, routes and pods of their own.
    fn caches() -> Caches {
        let caches = Caches::default();
        put::<Rollout>(&caches, &samples::rollout("web"));
        put::<Rollout>(&caches, &samples::rollout("api"));
        caches
    }

    #[test]
    fn a_rollout_concerns_itself() {
        assert_eq!(
            put::<Rollout>(&Caches::default(), &samples::rollout("web")),
            ["web"]
        );
    }

    #[test]
    fn an_unchanged_object_concerns_nobody() {
        let caches = caches();
        assert!(put::<Rollout>(&caches, &samples::rollout("web")).is_empty());
    }

    #[test]
    fn a_replica_set_concerns_its_owner() {
        let caches = caches();
        assert_eq!(
            put::<ReplicaSet>(&caches, &samples::replica_set("web", "abc")),
            ["web"]
        );
        assert_eq!(take::<ReplicaSet>(&caches, "web-abc"), ["web"]);
    }

    #[test]
    fn an_orphan_concerns_those_that_select_it() {
        let caches = caches();
        let mut orphan = samples::replica_set("web", "abc");
        orphan["metadata"]["ownerReferences"] = json!([]);

        assert_eq!(put::<ReplicaSet>(&caches, &orphan), ["web"]);
        caches.read(|tables| assert_eq!(tables.relations.orphans_in("shop").count(), 1));
    }

    #[test]
    fn a_replica_set_that_loses_its_owner_concerns_the_owner_it_had() {
        let caches = caches();
        put::<ReplicaSet>(&caches, &samples::replica_set("web", "abc"));
        let mut taken = samples::replica_set("web", "abc");
        taken["metadata"]["ownerReferences"] = json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "x", "uid": "x", "controller": true}]);

        assert_eq!(put::<ReplicaSet>(&caches, &taken), ["web"]);
        caches.read(|tables| assert_eq!(tables.relations.replica_sets_of("uid-web").count(), 0));
    }

    #[test]
    fn services_and_routes_concern_the_rollouts_that_name_them() {
        let caches = caches();
        assert_eq!(put::<Service>(&caches, &samples::service("web-stable")), ["web"]);
        assert_eq!(put::<Service>(&caches, &samples::service("api-canary")), ["api"]);
        assert!(put::<Service>(&caches, &samples::service("other")).is_empty());
        assert_eq!(put::<HttpRoute>(&caches, &samples::route("web")), ["web"]);
        assert_eq!(take::<HttpRoute>(&caches, "web"), ["web"]);
        assert_eq!(take::<Service>(&caches, "web-stable"), ["web"]);
    }

    #[test]
    fn endpoints_concern_the_rollouts_that_name_their_service() {
        let caches = caches();
        let slice = samples::endpoint_slice("web-stable", &json!([]));

        assert_eq!(put::<EndpointSlice>(&caches, &slice), ["web"]);
        assert_eq!(take::<EndpointSlice>(&caches, "web-stable-1"), ["web"]);
    }

    #[test]
    fn a_rollout_that_names_another_service_is_no_longer_concerned_by_the_old_one() {
        let caches = caches();
        let mut changed = samples::rollout("web");
        changed["spec"]["strategy"]["canary"]["stableService"] = json!("other");
        put::<Rollout>(&caches, &changed);

        assert!(put::<Service>(&caches, &samples::service("web-stable")).is_empty());
        assert_eq!(put::<Service>(&caches, &samples::service("other")), ["web"]);
    }

    #[test]
    fn a_deleted_rollout_is_concerned_by_nothing() {
        let caches = caches();
        assert_eq!(take::<Rollout>(&caches, "web"), ["web"]);

        assert!(put::<Service>(&caches, &samples::service("web-stable")).is_empty());
        assert!(put::<HttpRoute>(&caches, &samples::route("web")).is_empty());
    }

    #[test]
    fn two_rollouts_on_one_route_are_both_concerned() {
        let caches = caches();
        let mut shared = samples::rollout("api");
        shared["spec"]["strategy"]["canary"]["trafficRouting"]["gatewayAPI"]["httpRoutes"] =
            json!([{"name": "web"}]);
        put::<Rollout>(&caches, &shared);

        assert_eq!(put::<HttpRoute>(&caches, &samples::route("web")), ["api", "web"]);
    }

    #[test]
    fn whoever_overlaps_is_concerned_by_a_rollout_that_comes_or_goes() {
        let caches = caches();
        let mut twin = samples::rollout("twin");
        twin["spec"]["selector"] = samples::rollout("web")["spec"]["selector"].clone();
        twin["spec"]["template"]["metadata"] =
            samples::rollout("web")["spec"]["template"]["metadata"].clone();

        assert_eq!(put::<Rollout>(&caches, &twin), ["twin", "web"]);
        assert_eq!(take::<Rollout>(&caches, "twin"), ["twin", "web"]);
    }

    #[test]
    fn a_status_write_does_not_concern_those_that_overlap() {
        let caches = caches();
        let mut twin = samples::rollout("twin");
        twin["spec"]["selector"] = samples::rollout("web")["spec"]["selector"].clone();
        twin["spec"]["template"]["metadata"] =
            samples::rollout("web")["spec"]["template"]["metadata"].clone();
        put::<Rollout>(&caches, &twin);

        twin["metadata"]["resourceVersion"] = json!("101");

        assert_eq!(put::<Rollout>(&caches, &twin), ["twin"]);
    }

    #[test]
    fn a_relist_takes_out_what_is_gone() {
        let caches = caches();

        let concerned = names(caches.retain::<Rollout>(&HashSet::from([key("api")])));

        assert_eq!(concerned, ["web"]);
        assert!(caches.rollout(&key("web")).is_none() && caches.rollout(&key("api")).is_some());
    }

    #[test]
    fn rollouts_of_other_namespaces_are_apart() {
        let caches = caches();
        let mut elsewhere = samples::rollout("web");
        elsewhere["metadata"]["namespace"] = json!("shop-2");
        let elsewhere = Arc::new(Rollout::project(&elsewhere).unwrap());
        caches.apply(&ObjectKey::new("shop-2", "web"), &elsewhere);

        caches.read(|tables| {
            assert_eq!(tables.rollouts_in("shop").count(), 2);
            assert_eq!(tables.rollouts_in("shop-2").count(), 1);
            assert_eq!(tables.rollouts_in("nowhere").count(), 0);
        });
    }
}
