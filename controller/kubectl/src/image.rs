//! The verb set image: another image for the containers of a Rollout.

use std::str::FromStr;

use serde_json::Value;
use thiserror::Error;

use crate::cluster::Cluster;
use crate::error::Error as VerbError;
use crate::output::Output;
use crate::template::Home;

/// So often is an update tried again that somebody else came before; as `kubectl argo rollouts`.
const MOST_RETRIES: usize = 5;

/// What stands for all containers.
const ALL: &str = "*";

/// The lists of containers in the spec of a pod.
const CONTAINERS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// Another image for a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The name of the container, `*` for all.
    pub container: String,
    /// The image.
    pub image: String,
}

/// An image that can't be set.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ImageError {
    /// It is not `container=image`.
    #[error(
        "\"{text}\" must have the form container=image, such as web=registry.example/web:2; *=image is for all"
    )]
    Form {
        /// What was written.
        text: String,
    },
    /// No container is called so.
    #[error("unable to find container named \"{container}\"; there are {known}")]
    NoSuchContainer {
        /// Which.
        container: String,
        /// Those there are.
        known: String,
    },
    /// There is no pod template, or none with containers.
    #[error("rollout '{name}' has no containers, of its own or by a workloadRef that can be followed")]
    NoContainers {
        /// The Rollout.
        name: String,
    },
}

impl FromStr for Change {
    type Err = ImageError;

    fn from_str(text: &str) -> Result<Self, ImageError> {
        match text.split_once('=') {
            Some((container, image)) if !container.is_empty() && !image.is_empty() => Ok(Self {
                container: container.to_owned(),
                image: image.to_owned(),
            }),
            _ => Err(ImageError::Form {
                text: text.to_owned(),
            }),
        }
    }
}

/// Sets the images in `template`, the pod template of the Rollout `name`. True: something is not as it was.
///
/// # Errors
/// When there is no such container. The template is then of no use.
pub fn set_images(template: Option<&mut Value>, name: &str, changes: &[Change]) -> Result<bool, ImageError> {
    let name = name.to_owned();
    let mut containers = Vec::new();
    let pod = template.and_then(|template| template.get_mut("spec"));
    if let Some(pod) = pod.and_then(Value::as_object_mut) {
        for (field, list) in pod.iter_mut() {
            if CONTAINERS.contains(&field.as_str()) {
                containers.extend(list.as_array_mut().into_iter().flatten());
            }
        }
    }
    if containers.is_empty() {
        return Err(ImageError::NoContainers { name });
    }
    let mut is_new = false;
    for Change { container, image } in changes {
        let mut found = false;
        for one in &mut containers {
            if container != ALL && name_of(one) != Some(container) {
                continue;
            }
            found = true;
            let image = Value::String(image.clone());
            if let Some(fields) = one.as_object_mut()
                && fields.get("image") != Some(&image)
            {
                fields.insert("image".to_owned(), image);
                is_new = true;
            }
        }
        if !found {
            let known: Vec<_> = containers.iter().filter_map(|one| name_of(one)).collect();
            return Err(ImageError::NoSuchContainer {
                container: container.clone(),
                known: known.join(", "),
            });
        }
    }
    Ok(is_new)
}

fn name_of(container: &Value) -> Option<&str> {
    container.get("name")?.as_str()
}

/// Sets images of a Rollout, or of the workload that it refers to.
///
/// # Errors
/// When there is no such container, when others keep changing the object, and when the API server refuses.
pub async fn set_image(
    cluster: &Cluster,
    name: &str,
    changes: &[Change],
    out: &mut Output<'_>,
) -> Result<(), VerbError> {
    for attempt in 0..=MOST_RETRIES {
        let rollout = cluster.rollout(name).await?;
        let mut home = Home::of(cluster, &rollout).await?;
        let note = home.note();
        if !set_images(home.template_mut(), name, changes)? {
            out.line(format!("rollout \"{name}\" has that image already{note}"))?;
            return Ok(());
        }
        match home.write(cluster).await {
            Err(VerbError::Conflict { .. }) if attempt < MOST_RETRIES => {}
            done => {
                done?;
                out.line(format!("rollout \"{name}\" image updated{note}"))?;
                return Ok(());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use kube::api::DynamicObject;
    use serde_json::json;

    use super::*;
    use crate::scenario::{
        DEPLOYMENT, ROLLOUT, conflict, deployment, expect, expect_get, referring, rollout, scenario,
        with_spec,
    };

    fn set(object: &mut DynamicObject, changes: &[Change]) -> Result<bool, ImageError> {
        set_images(object.data.pointer_mut("/spec/template"), "web", changes)
    }

    fn change(text: &str) -> Change {
        text.parse().unwrap()
    }

    fn with_sidecar() -> DynamicObject {
        let pod = json!({
            "containers": [{"name": "web", "image": "web:1"}, {"name": "proxy", "image": "proxy:1"}],
            "initContainers": [{"name": "init", "image": "init:1"}],
        });
        with_spec(&rollout(), json!({"template": {"spec": pod}}))
    }

    fn images(object: &DynamicObject) -> Vec<&str> {
        let pod = &object.data["spec"]["template"]["spec"];
        let lists = [&pod["initContainers"], &pod["containers"]];
        let containers = lists.iter().flat_map(|list| list.as_array().unwrap());
        containers
            .map(|container| container["image"].as_str().unwrap())
            .collect()
    }

    #[test]
    fn the_image_of_one_container_is_set() {
        let mut object = with_sidecar();
        assert_eq!(set(&mut object, &[change("proxy=proxy:2")]), Ok(true));
        assert_eq!(images(&object), ["init:1", "web:1", "proxy:2"]);
    }

    #[test]
    fn a_star_is_for_all_containers() {
        let mut object = with_sidecar();
        assert_eq!(set(&mut object, &[change("*=all:2")]), Ok(true));
        assert_eq!(images(&object), ["all:2", "all:2", "all:2"]);
    }

    #[test]
    fn an_image_may_have_an_equals_sign_and_a_digest() {
        assert_eq!(change("web=web@sha256:a=b").image, "web@sha256:a=b");
    }

    #[test]
    fn an_unknown_container_is_told_with_those_there_are() {
        let told = set(&mut rollout(), &[change("wed=web:2")]).unwrap_err();
        assert_eq!(
            told.to_string(),
            "unable to find container named \"wed\"; there are web"
        );
    }

    #[test]
    fn what_is_no_pair_is_refused() {
        for text in ["web", "=web:2", "web="] {
            assert!(text.parse::<Change>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_rollout_without_containers_is_told() {
        let mut odd = with_spec(&rollout(), json!({"template": {"spec": {"containers": "none"}}}));
        let told = set(&mut odd, &[change("web=web:2")]).unwrap_err();
        assert!(matches!(told, ImageError::NoContainers { .. }), "{told}");
    }

    #[tokio::test]
    async fn an_update_that_came_too_late_is_made_of_the_object_as_it_is_now() {
        let mut changed = rollout();
        changed.metadata.resource_version = Some("51".to_owned());
        let put = format!("PUT {ROLLOUT}?&fieldManager=kubectl-kulta");
        let mut expected = changed.clone();
        expected.data["spec"]["template"]["spec"]["containers"][0]["image"] = json!("web:3");
        let exchanges = vec![
            expect_get(&rollout()),
            expect(&put, 409, &conflict()),
            expect_get(&changed),
            expect(&put, 200, &json!(changed)).with_body(json!(expected)),
        ];

        let (done, printed) = scenario(exchanges, async |cluster, out| {
            set_image(cluster, "web", &[change("web=web:3")], out).await
        })
        .await;

        done.unwrap();
        assert_eq!(printed, "rollout \"web\" image updated\n");
    }

    #[tokio::test]
    async fn where_the_rollout_refers_to_a_workload_the_image_is_set_there() {
        let mut expected = deployment("web:2");
        expected.data["spec"]["template"]["spec"]["containers"][0]["image"] = json!("web:3");
        let exchanges = vec![
            expect_get(&referring()),
            expect(&format!("GET {DEPLOYMENT}"), 200, &json!(deployment("web:2"))),
            expect(
                &format!("PUT {DEPLOYMENT}?&fieldManager=kubectl-kulta"),
                200,
                &json!(expected),
            )
            .with_body(json!(expected)),
        ];

        let (done, printed) = scenario(exchanges, async |cluster, out| {
            set_image(cluster, "web", &[change("web=web:3")], out).await
        })
        .await;

        done.unwrap();
        assert_eq!(printed, "rollout \"web\" image updated (in Deployment 'web')\n");
    }

    #[tokio::test]
    async fn after_five_retries_it_is_told_that_others_keep_changing_it() {
        let put = format!("PUT {ROLLOUT}?&fieldManager=kubectl-kulta");
        let exchanges = (0..6)
            .flat_map(|_| [expect_get(&rollout()), expect(&put, 409, &conflict())])
            .collect();

        let (done, _) = scenario(exchanges, async |cluster, out| {
            set_image(cluster, "web", &[change("web=web:3")], out).await
        })
        .await;

        assert!(matches!(done.unwrap_err(), VerbError::Conflict { .. }));
    }

    #[tokio::test]
    async fn the_image_that_it_has_is_not_written_again() {
        let (done, printed) = scenario(vec![expect_get(&rollout())], async |cluster, out| {
            set_image(cluster, "web", &[change("web=web:2")], out).await
        })
        .await;

        done.unwrap();
        assert_eq!(printed, "rollout \"web\" has that image already\n");
    }
}
