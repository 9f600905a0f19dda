//! What the controller may do in the cluster, held against what it has done: the API server's audit log has every request of its
//! service account. A right that nothing uses is one too many, and a request that is refused lacks one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, Subject};
use kube::api::ListParams;
use kube::{Api, Client};
use kulta_api::Group;
use serde::Deserialize;

use crate::install::{ARGO_LEASE_NAMESPACE, kulta};

/// Where the audit log says whether RBAC let a request through.
const DECISION: &str = "authorization.k8s.io/decision";

/// Rights that no scenario uses for sure, and why the controller has them all the same.
const UNUSED: [(&str, &[&str]); 3] = [
    (
        "OwnerReferencesPermissionEnforcement asks for it, which is on in the local cluster; no request is for it",
        &[
            "update rollouts/finalizers.kulta.io",
            "update experiments/finalizers.kulta.io",
        ],
    ),
    (
        "made once in a cluster",
        &["create leases.coordination.k8s.io", "create configmaps"],
    ),
    (
        "asked for where a watch is slower to tell of the controller's own write than it goes on",
        &[
            "get rollouts.kulta.io",
            "get replicasets.apps",
            "get deployments.apps",
            "get services",
            "get httproutes.gateway.networking.k8s.io",
            "get grpcroutes.gateway.networking.k8s.io",
            "get tcproutes.gateway.networking.k8s.io",
            "get tlsroutes.gateway.networking.k8s.io",
        ],
    ),
];

/// What is refused until a namespace lets the controller do it: the condition of the Rollout has the command.
const ASKED_FOR: [&str; 4] = [
    "get secrets",
    "create jobs.batch",
    // What the component history-api adds.
    "create tokenreviews.authentication.k8s.io",
    "create subjectaccessreviews.authorization.k8s.io",
];

/// A verb on a kind of resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Right {
    verb: String,
    resource: String,
    group: String,
}

impl Right {
    fn of_either_group(&self) -> Self {
        let mut right = self.clone();
        if right.group == Group::Argo.to_string() {
            right.group = Group::Kulta.to_string();
        }
        right
    }
}

impl fmt::Display for Right {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.verb, self.resource)?;
        if self.group.is_empty() {
            return Ok(());
        }
        write!(formatter, ".{}", self.group)
    }
}

/// What a service account has asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    done: BTreeSet<Right>,
    refused: BTreeSet<Right>,
}

/// Holds what the controller has done since the audit log had `from` bytes against what it may do.
///
/// # Errors
/// When a right was never used or a request was refused, and neither is listed above with its reason.
pub async fn check(client: &Client, log: &Path, from: u64) -> Result<()> {
    let asked = asked(log, from)?;
    let granted = granted(client).await?;
    ensure!(!granted.is_empty(), "the controller has no rights at all");
    // The same code works on both groups: what it does to objects of one it may do to those of the other.
    let used: BTreeSet<_> = asked.done.iter().map(Right::of_either_group).collect();
    let granted: BTreeSet<_> = granted.iter().map(Right::of_either_group).collect();
    let unused = granted.difference(&used).map(ToString::to_string);
    let unused: Vec<_> = unused
        .filter(|right| !UNUSED.iter().any(|(_, known)| known.contains(&right.as_str())))
        .collect();
    // While the API server starts it does not know its own roles yet: what it refused then was done later. Where scenarios uninstall
    // KULTA, or keep it to one namespace, its rights go before its pods do.
    let refused = asked.refused.difference(&asked.done).map(ToString::to_string);
    let refused: Vec<_> = refused
        .filter(|right| !ASKED_FOR.contains(&right.as_str()))
        .collect();
    ensure!(
        unused.is_empty() && refused.is_empty(),
        "deploy/kustomize/rbac.yaml grants what was never used: {unused:?}; refused to the controller: {refused:?}"
    );
    Ok(())
}

/// What KULTA's own roles let its service account do.
async fn granted(client: &Client) -> Result<BTreeSet<Right>> {
    let everything = ListParams::default();
    let mut rules: Vec<PolicyRule> = Vec::new();
    let cluster_roles: Api<ClusterRole> = Api::all(client.clone());
    let bindings: Api<ClusterRoleBinding> = Api::all(client.clone());
    for binding in bindings.list(&everything).await?.items {
        if is_bound(binding.subjects.as_deref()) {
            rules.extend(
                cluster_roles
                    .get(&binding.role_ref.name)
                    .await?
                    .rules
                    .unwrap_or_default(),
            );
        }
    }
    // Those of other namespaces were given for a scenario.
    for namespace in [kulta::NAMESPACE, ARGO_LEASE_NAMESPACE] {
        let bindings: Api<RoleBinding> = Api::namespaced(client.clone(), namespace);
        let own: Api<Role> = Api::namespaced(client.clone(), namespace);
        for binding in bindings.list(&everything).await?.items {
            if is_bound(binding.subjects.as_deref()) {
                rules.extend(own.get(&binding.role_ref.name).await?.rules.unwrap_or_default());
            }
        }
    }
    Ok(rules.iter().flat_map(rights_of).collect())
}

fn is_bound(subjects: Option<&[Subject]>) -> bool {
    subjects.into_iter().flatten().any(|subject| {
        subject.name == kulta::SERVICE_ACCOUNT && subject.namespace.as_deref() == Some(kulta::NAMESPACE)
    })
}

fn rights_of(rule: &PolicyRule) -> Vec<Right> {
    let (groups, resources) = (rule.api_groups.iter().flatten(), rule.resources.iter().flatten());
    groups
        .flat_map(|group| resources.clone().map(move |resource| (group, resource)))
        .flat_map(|(group, resource)| {
            rule.verbs.iter().map(move |verb| Right {
                verb: verb.clone(),
                resource: resource.clone(),
                group: group.clone(),
            })
        })
        .collect()
}

/// What the audit log tells of the controller's requests.
fn asked(log: &Path, from: u64) -> Result<Asked> {
    let mut file = File::open(log).with_context(|| log.display().to_string())?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(from))?;
    let user = format!(
        "system:serviceaccount:{}:{}",
        kulta::NAMESPACE,
        kulta::SERVICE_ACCOUNT
    );
    let mut asked = Asked::default();
    let (mut lines, mut own) = (0, 0);
    for line in BufReader::new(file).lines() {
        let line = line?;
        lines += 1;
        if line.contains(&user) {
            own += 1;
            asked.count(&line, &user);
        }
    }
    // Otherwise every right would look unused.
    ensure!(
        !asked.done.is_empty(),
        "{} tells of nothing that {user} has done: {length} bytes, {lines} lines after the {from} bytes of the beginning, {own} of \
         them name it",
        log.display()
    );
    Ok(asked)
}

impl Asked {
    fn count(&mut self, line: &str, user: &str) {
        // The last line may be half written.
        let Ok(event) = serde_json::from_str::<Event>(line) else {
            return;
        };
        let Some(object) = event.object_ref.filter(|_| event.user.username == user) else {
            return;
        };
        let resource = match object.subresource {
            None => object.resource,
            Some(subresource) => format!("{}/{subresource}", object.resource),
        };
        let right = Right {
            verb: event.verb,
            resource,
            group: object.api_group,
        };
        let is_refused = event
            .annotations
            .get(DECISION)
            .is_some_and(|decision| decision == "forbid");
        let rights = if is_refused {
            &mut self.refused
        } else {
            &mut self.done
        };
        rights.insert(right);
    }
}

/// A line of the audit log.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    verb: String,
    user: User,
    object_ref: Option<Object>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
struct User {
    username: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    resource: String,
    subresource: Option<String>,
    #[serde(default)]
    api_group: String,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const USER: &str = "system:serviceaccount:kulta-system:kulta-controller";

    fn counted(user: &str, decision: &str) -> Asked {
        let line = json!({
            "verb": "patch",
            "user": {"username": user},
            "objectRef": {"resource": "rollouts", "apiGroup": "kulta.io", "subresource": "status"},
            "annotations": {DECISION: decision},
        });
        let mut asked = Asked::default();
        asked.count(&line.to_string(), USER);
        asked
    }

    fn names(rights: &BTreeSet<Right>) -> Vec<String> {
        rights.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn request_uses_the_right_to_its_verb_on_its_subresource() {
        let asked = counted(USER, "allow");

        assert_eq!(names(&asked.done), ["patch rollouts/status.kulta.io"]);
        assert!(asked.refused.is_empty());
    }

    #[test]
    fn request_that_is_refused_uses_no_right() {
        let asked = counted(USER, "forbid");

        assert!(asked.done.is_empty());
        assert_eq!(names(&asked.refused), ["patch rollouts/status.kulta.io"]);
    }

    #[test]
    fn log_that_tells_of_nothing_judges_nothing() {
        let log = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));

        for from in [0, 1 << 40] {
            let told = asked(log, from).unwrap_err().to_string();
            assert!(told.contains("tells of nothing"), "{told}");
        }
    }

    #[test]
    fn requests_of_others_do_not_count() {
        assert_eq!(counted("kubernetes-admin", "allow"), Asked::default());
    }

    #[test]
    fn rule_grants_each_verb_on_each_resource_of_each_group() {
        let rule: PolicyRule = serde_json::from_value(json!({
            "apiGroups": ["", "apps"], "resources": ["pods"], "verbs": ["get", "list"],
        }))
        .unwrap();

        let rights: BTreeSet<_> = rights_of(&rule).into_iter().collect();

        assert_eq!(
            names(&rights),
            ["get pods", "get pods.apps", "list pods", "list pods.apps"]
        );
    }
}
