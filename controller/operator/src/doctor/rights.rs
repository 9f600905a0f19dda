//! May the controller do what it has to do? The API server is asked about every verb of the roles that are installed.

use std::fmt;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::Api;
use kube::api::PostParams;
use kulta_api::Group;
use kulta_api::crd::Definition;
use serde_json::Value;

use super::{Area, Finding, Patient, some_of};

/// What is installed.
const OWN: &str = include_str!("../../../../deploy/kustomize/rbac.yaml");
const ARGO: &str = include_str!("../../../../deploy/kustomize/components/argo-api/rbac.yaml");
/// The roles in it that are the controller's. Others are for people, or bound by them.
const ROLES: [&str; 3] = ["kulta-controller", "kulta-argo-api", ARGO_LEASE_ROLE];
const ARGO_LEASE_ROLE: &str = "kulta-argo-lease";
/// What the history over HTTP asks of the API server: the built-in role `system:auth-delegator` has no more.
const HISTORY: [(&str, &str); 2] = [
    ("authentication.k8s.io", "tokenreviews"),
    ("authorization.k8s.io", "subjectaccessreviews"),
];
/// Of no namespace: a controller of one namespace goes without.
const CLUSTER_KINDS: [&str; 2] = [Definition::ClusterAnalysisTemplates.plural(), "gatewayclasses"];
/// So many questions are asked at a time.
const AT_A_TIME: usize = 8;

/// Where a right is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Home {
    /// Where Rollouts are.
    Rollouts,
    /// In the namespace that KULTA is installed in.
    Own,
    /// In that of Argo Rollouts' lease.
    ArgoLease,
    /// In none.
    Cluster,
}

/// A verb on a kind of resource.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Right {
    verb: String,
    group: String,
    resource: String,
    subresource: Option<String>,
    name: Option<String>,
    home: Home,
}

impl fmt::Display for Right {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            verb,
            group,
            resource,
            ..
        } = self;
        write!(formatter, "{verb} {resource}")?;
        if let Some(subresource) = &self.subresource {
            write!(formatter, "/{subresource}")?;
        }
        if !group.is_empty() {
            write!(formatter, ".{group}")?;
        }
        Ok(())
    }
}

pub(super) async fn examine(patient: &Patient) -> Vec<Finding> {
    let argo = patient.groups.contains(&Group::Argo).then_some(ARGO);
    let mut rights: Vec<_> = [OWN].into_iter().chain(argo).flat_map(rights_in).collect();
    if patient.namespace.is_some() {
        rights.retain(|right| !CLUSTER_KINDS.contains(&right.resource.as_str()));
    }
    if patient.history_api {
        rights.extend(of_history());
    }
    let asked =
        stream::iter(&rights).map(|right| async move { Ok((right, is_granted(patient, right).await?)) });
    let answers: Result<Vec<_>, kube::Error> = asked.buffered(AT_A_TIME).try_collect().await;
    let finding = match answers {
        Err(error) => Finding::unanswered(Area::Rights, "rights can't be asked for", &error),
        Ok(answers) => {
            let missing = answers.iter().filter(|(_, is_granted)| !is_granted);
            let missing: Vec<_> = missing.map(|(right, _)| right.to_string()).collect();
            judged(rights.len(), &missing, patient.namespace.as_deref())
        }
    };
    vec![finding]
}

fn of_history() -> impl Iterator<Item = Right> {
    HISTORY.into_iter().map(|(group, resource)| Right {
        verb: "create".to_owned(),
        group: group.to_owned(),
        resource: resource.to_owned(),
        subresource: None,
        name: None,
        home: Home::Cluster,
    })
}

fn judged(asked: usize, missing: &[String], namespace: Option<&str>) -> Finding {
    if missing.is_empty() {
        return Finding::well(
            Area::Rights,
            format!("all {asked} that the controller needs are there"),
        );
    }
    let text = format!("this account may not {}", some_of(missing));
    let bound = namespace.map_or_else(
        || "everywhere".to_owned(),
        |namespace| format!("in the namespace {namespace}"),
    );
    // Not the base alone: it has another image and no configuration, and rights everywhere.
    let remedy = format!(
        "if this is the controller's account, which is to have its roles {bound}: apply your own kustomization again, or \
         `helm upgrade` with the values of the release; run this command in the controller's pod to ask for that account"
    );
    Finding::wrong(Area::Rights, text, remedy)
}

async fn is_granted(patient: &Patient, right: &Right) -> Result<bool, kube::Error> {
    let namespace = match right.home {
        Home::Rollouts => patient.namespace.clone(),
        Home::Own => Some(patient.own_namespace.clone()),
        Home::ArgoLease => patient.argo_lease_namespace.clone(),
        Home::Cluster => None,
    };
    let name = right.name.as_deref().map(|name| patient.instance.own_name(name));
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                namespace,
                verb: Some(right.verb.clone()),
                group: Some(right.group.clone()),
                resource: Some(right.resource.clone()),
                subresource: right.subresource.clone(),
                name,
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let reviews: Api<SelfSubjectAccessReview> = Api::all(patient.client.clone());
    let answer = reviews.create(&PostParams::default(), &review).await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}

/// The rights that the controller's roles in a file of manifests give. (A test reads what is installed.)
fn rights_in(manifests: &str) -> Vec<Right> {
    let documents = manifests.split("\n---\n");
    let documents = documents.filter_map(|text| serde_saphyr::from_str::<Value>(text).ok());
    documents
        .filter(|document| {
            let name = document.pointer("/metadata/name").and_then(Value::as_str);
            document.get("rules").is_some() && name.is_some_and(|name| ROLES.contains(&name))
        })
        .flat_map(|document| {
            let home = match document.get("kind").and_then(Value::as_str) {
                Some("Role") => role_at(&document),
                _ => Home::Rollouts,
            };
            let rules = document.get("rules").cloned().unwrap_or_default();
            let rules: Vec<PolicyRule> = serde_json::from_value(rules).unwrap_or_default();
            rules.into_iter().flat_map(move |rule| of_rule(&rule, home))
        })
        .collect()
}

fn role_at(role: &Value) -> Home {
    match role.pointer("/metadata/name").and_then(Value::as_str) {
        Some(ARGO_LEASE_ROLE) => Home::ArgoLease,
        _ => Home::Own,
    }
}

fn of_rule(rule: &PolicyRule, home: Home) -> Vec<Right> {
    let mut rights = Vec::new();
    let name = rule.resource_names.iter().flatten().next();
    for group in rule.api_groups.iter().flatten() {
        for resource in rule.resources.iter().flatten() {
            let (resource, subresource) = match resource.split_once('/') {
                None => (resource.as_str(), None),
                Some((resource, subresource)) => (resource, Some(subresource.to_owned())),
            };
            rights.extend(rule.verbs.iter().map(|verb| Right {
                verb: verb.clone(),
                group: group.clone(),
                resource: resource.to_owned(),
                subresource: subresource.clone(),
                name: name.cloned(),
                home,
            }));
        }
    }
    rights
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn rights_are_those_of_the_roles_that_are_installed() {
        let rights: Vec<_> = rights_in(OWN).iter().map(ToString::to_string).collect();

        for right in [
            "patch rollouts/status.kulta.io",
            "patch httproutes.gateway.networking.k8s.io",
            "create pods/eviction",
            "update leases.coordination.k8s.io",
        ] {
            assert!(
                rights.iter().any(|known| known == right),
                "no {right} in {rights:?}"
            );
        }
        // For people, and for Jobs where somebody lets the controller run them.
        for right in ["deletecollection rollouts.kulta.io", "create jobs.batch"] {
            assert!(
                !rights.iter().any(|known| known == right),
                "{right} is not the controller's"
            );
        }
    }

    #[test]
    fn rights_in_its_own_namespace_are_asked_for_there() {
        let lease = rights_in(OWN)
            .into_iter()
            .find(|right| right.resource == "leases")
            .unwrap();

        assert_eq!(lease.home, Home::Own);
        assert_eq!(lease.name.as_deref(), Some("kulta-controller-lock"));
    }

    #[test]
    fn rights_of_the_other_group_are_asked_for_as_well() {
        let rights: Vec<_> = rights_in(ARGO).iter().map(ToString::to_string).collect();

        assert!(
            rights.iter().any(|right| right == "patch rollouts.argoproj.io"),
            "{rights:?}"
        );
        let lease = rights_in(ARGO)
            .into_iter()
            .find(|right| right.resource == "leases");
        assert_eq!(lease.map(|right| right.home), Some(Home::ArgoLease));
    }

    #[test]
    fn missing_right_is_named() {
        let missing = ["patch httproutes.gateway.networking.k8s.io".to_owned()];

        let finding = judged(62, &missing, Some("shop"));

        assert_eq!(finding.state, State::Wrong);
        assert!(
            finding
                .text
                .ends_with("may not patch httproutes.gateway.networking.k8s.io")
        );
        let remedy = finding.remedy.unwrap();
        assert!(remedy.contains("in the namespace shop"), "{remedy}");
    }
}
