//! What is known of a revision beside its template: its image, and where its annotations say that it comes from.

use std::collections::BTreeMap;

use kulta_core::history::Origin;
use kulta_core::text;
use serde_json::Value;

use crate::names::{
    ACTOR_ANNOTATION, COMMIT_ANNOTATIONS, COMMIT_TIME_ANNOTATION, MAIN_CONTAINER_ANNOTATION,
    REPOSITORY_ANNOTATIONS, TRIGGERED_BY_ANNOTATION,
};

/// No text of an origin is longer: a commit has 64 characters, an address of a repository rarely 200.
const MOST_BYTES: usize = 256;
/// No image is longer: a name has 255 characters at most, a tag 128, a digest 71.
const MOST_IMAGE_BYTES: usize = 512;

/// Where the annotations of a Rollout say that its template comes from. What they say is told on, and nothing is decided
/// by it, so a time that is none is left out.
#[must_use]
pub fn origin(annotations: &BTreeMap<String, String>) -> Origin {
    let said = |name: &str| {
        let value = annotations
            .get(name)
            .map(|value| value.trim())
            .filter(|value| !value.is_empty());
        value.map(|value| text::cut(value, MOST_BYTES).into_owned())
    };
    Origin {
        commit: COMMIT_ANNOTATIONS.into_iter().find_map(said),
        committed_at: said(COMMIT_TIME_ANNOTATION).and_then(|time| time.parse().ok()),
        repository: REPOSITORY_ANNOTATIONS.into_iter().find_map(said),
        actor: said(ACTOR_ANNOTATION),
        triggered_by: said(TRIGGERED_BY_ANNOTATION),
    }
}

/// The image of the main container of a pod template: the one that the annotation
/// `kubectl.kubernetes.io/default-container` names, else the first.
#[must_use]
pub fn image(template: &Value) -> Option<String> {
    let containers = template.pointer("/spec/containers")?.as_array()?;
    let annotations = template.pointer("/metadata/annotations");
    let named = annotations.and_then(|annotations| annotations.get(MAIN_CONTAINER_ANNOTATION));
    let mut all = containers.iter();
    let main = named.and_then(|name| all.find(|container| container.get("name") == Some(name)));
    let image = main.or(containers.first())?.get("image")?.as_str()?;
    Some(text::cut(image, MOST_IMAGE_BYTES).into_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn annotations(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let pairs = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        pairs.collect()
    }

    #[test]
    fn annotations_tell_the_origin() {
        let origin = origin(&annotations(&[
            ("kulta.io/git-commit", "4f2a"),
            ("kulta.io/git-commit-time", "2026-03-01T12:00:00+01:00"),
            ("org.opencontainers.image.source", "https://git.example/web"),
            ("kulta.io/actor", "ada"),
            ("kulta.io/triggered-by", "c1"),
        ]));

        assert_eq!(origin.commit.as_deref(), Some("4f2a"));
        assert_eq!(origin.committed_at, Some("2026-03-01T11:00:00Z".parse().unwrap()));
        assert_eq!(origin.repository.as_deref(), Some("https://git.example/web"));
        assert_eq!(
            (origin.actor.as_deref(), origin.triggered_by.as_deref()),
            (Some("ada"), Some("c1"))
        );
    }

    #[test]
    fn an_own_annotation_counts_before_the_better_known_one() {
        let both = [
            ("org.opencontainers.image.revision", "1"),
            ("kulta.io/git-commit", "2"),
        ];

        assert_eq!(origin(&annotations(&both)).commit.as_deref(), Some("2"));
    }

    #[test]
    fn what_makes_no_sense_is_left_out() {
        let odd = [
            ("kulta.io/git-commit-time", "yesterday"),
            ("kulta.io/actor", "  "),
        ];

        assert_eq!(origin(&annotations(&odd)), Origin::default());
    }

    #[test]
    fn no_text_is_longer_than_a_fact_can_hold() {
        let long = "x".repeat(MOST_BYTES + 1);

        let origin = origin(&annotations(&[("kulta.io/actor", &long)]));

        assert!(origin.actor.unwrap().len() <= MOST_BYTES);
    }

    #[test]
    fn the_main_container_is_the_named_one_else_the_first() {
        let template = |annotations| {
            json!({"metadata": {"annotations": annotations}, "spec": {"containers": [
                {"name": "proxy", "image": "proxy:1"}, {"name": "web", "image": "web:2"},
            ]}})
        };

        let named = image(&template(
            json!({"kubectl.kubernetes.io/default-container": "web"}),
        ));
        let unnamed = image(&template(json!({})));
        let misnamed = image(&template(
            json!({"kubectl.kubernetes.io/default-container": "wbe"}),
        ));

        assert_eq!(named.as_deref(), Some("web:2"));
        assert_eq!(
            (unnamed.as_deref(), misnamed.as_deref()),
            (Some("proxy:1"), Some("proxy:1"))
        );
    }

    #[test]
    fn a_template_without_containers_has_no_image() {
        assert_eq!(image(&json!({"spec": {}})), None);
    }
}
